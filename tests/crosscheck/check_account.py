"""Thirty processes want the same picture at once, on an account that none of them has made yet."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.support import Case
from tests.whole.test_accounts import at_once


class AtOnce(Case):
    def test_thirty(self) -> None:
        self.assertEqual(at_once(self, 30), (1, 29))


if __name__ == "__main__":
    unittest.main()
