"""A few of the system calls at which `tests/crosscheck/check_system_calls.py` kills a run or makes it fail, and the judge."""

from __future__ import annotations

import tempfile
import unittest

from ..nth_call import KILLED, Experiment, Laboratory, compiler, sites

TO_KILL = 4
TO_FAIL = 4
EIO = 5


@unittest.skipUnless(compiler(), "needs Linux and a C compiler")
class SystemCalls(unittest.TestCase):
    def test_some_of_them(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Laboratory(folder, 1, ("picture",)) as laboratory:
            for most, paid, error in ((TO_KILL, False, 0), (TO_FAIL, True, EIO)):
                calm = laboratory.find(Experiment("picture", 0, paid=paid))
                self.assertEqual(calm.faults, [], calm.seen)
                # Runs differ by a few calls, so the last ones of this run may not be there in another.
                chosen = [number for number in sites(calm.calls, 1) if number < len(calm.calls) * 0.8]
                for number in chosen[:: len(chosen) // most]:
                    finding = laboratory.find(Experiment("picture", number, error, paid))
                    with self.subTest(error=error, call=calm.calls[number - 1]):
                        self.assertEqual(finding.faults, [], finding.seen)
                        self.assertEqual(finding.code == KILLED, error == 0, "the instrument did nothing")
