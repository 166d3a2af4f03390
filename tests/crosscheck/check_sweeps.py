"""The largest sweeps of the suite, whole: the plain test command plays a sample of each, to stay below a minute.

`python3 -m unittest discover -s tests/crosscheck -p "check_sweeps.py"`
"""

from __future__ import annotations

import os
import sys
import unittest
from pathlib import Path

os.environ["QIANWEN_WHOLE_SWEEPS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

MODULES = (
    "tests.whole.test_faults",
    "tests.whole.test_attacks",
    "tests.whole.test_sweeps",
    "tests.plain.test_plain",
    "tests.actions.test_resume.Killed",
    "tests.actions.test_steps.Interrupted",
    "tests.checks.test_refused_videos.Refused",
    "tests.checks.test_unknown.Arrives",
    "tests.files.test_movies_and_sounds",
    "tests.sandbox.test_promises.Crowd",
)


def load_tests(loader: unittest.TestLoader, standard: unittest.TestSuite, pattern: str | None) -> unittest.TestSuite:
    return loader.loadTestsFromNames(MODULES)
