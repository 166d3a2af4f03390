"""A process is killed, or a call of it fails, at its calls of the system: what is paid for is there, once, and nothing else.

Two questions, for pictures, edits, tasks and clips. Killed at a call: the same command and then `--resume` end with one
purchase, its file, and no piece. A call that fails, with each of six errors: a documented exit code, the result on the disk
now or after `--resume`, and no file of others touched. `tests/nth_call.py` is the instrument and the judge.

Not part of the plain test command, because of its thousands of runs. Without a C compiler it is skipped, in CI it fails.
Of calls that are alike a few are hit, as the table says; with NTH_CALL_EVERY=1 each of them, with each error.
"""

from __future__ import annotations

import os
import tempfile
import unittest
from typing import NamedTuple, Sequence

from tests.nth_call import ERRORS, Experiment, Laboratory, compiler, sites

KILL = (0,)


class Sweep(NamedTuple):
    """errors: what the chosen calls fail with, `at_each` of them at each; 0 kills.  most: calls that are alike.

    paid: see Experiment.
    """

    name: str
    scenarios: Sequence[str]
    errors: Sequence[int]
    most: int = 1
    paid: bool = True
    at_each: int = 1


SWEEPS = (
    Sweep("killed", ("picture", "task"), KILL, paid=False),
    Sweep("killed", ("pictures", "edit", "clip"), KILL),
    Sweep("failing before it pays", ("picture",), ERRORS, paid=False),
    Sweep("failing after it paid", ("picture",), ERRORS, at_each=3),
    Sweep("failing after it paid", ("pictures", "edit", "task", "clip"), ERRORS),
)


class SystemCalls(unittest.TestCase):
    laboratory: Laboratory

    @classmethod
    def setUpClass(cls) -> None:
        if not compiler():
            if os.environ.get("CI"):
                raise AssertionError("there is no C compiler, so the instrument cannot be built")
            raise unittest.SkipTest("no C compiler, or not Linux: no call of the system can be hit")
        folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        cls.addClassCleanup(folder.cleanup)
        cls.laboratory = Laboratory(folder.name)
        cls.addClassCleanup(cls.laboratory.__exit__, None, None, None)

    def check(self, sweep: Sweep) -> None:
        for scenario in sweep.scenarios:
            calm = self.laboratory.find(Experiment(scenario, 0, paid=sweep.paid))
            self.assertEqual(calm.faults, [], calm.seen)
            every = int(os.environ.get("NTH_CALL_EVERY", "0"))
            chosen = sites(calm.calls, len(calm.calls) if every else sweep.most)
            self.assertGreater(len(chosen), 40, "the instrument does not see the calls")
            experiments = [
                Experiment(scenario, number, sweep.errors[(place + turn) % len(sweep.errors)], sweep.paid)
                for place, number in enumerate(chosen)
                for turn in range(len(sweep.errors) if every else sweep.at_each)
            ]
            for experiment, finding in self.laboratory.find_all(experiments):
                with self.subTest(experiment=experiment, call=calm.calls[experiment.at - 1]):
                    self.assertEqual(finding.faults, [], finding.seen)


def _test_of(sweep: Sweep) -> object:
    return lambda self: self.check(sweep)


for _number, _sweep in enumerate(SWEEPS, 1):
    setattr(SystemCalls, f"test_{_number}_{_sweep.name.replace(' ', '_')}", _test_of(_sweep))
