"""The parallel test runner loses no test and no outcome."""

from __future__ import annotations

import os
import tempfile
import time
import unittest
from multiprocessing.context import ForkProcess as Process
from pathlib import Path
from unittest import mock

from ..parallel_runner import ParallelSuite, can_fork


class Examples:
    """Classes of tests that nobody finds: they stand inside another class."""

    class Outcomes(unittest.TestCase):
        def test_passes(self) -> None:
            pass

        def test_fails(self) -> None:
            self.assertEqual("ours", "theirs")

        def test_errs(self) -> None:
            raise ValueError("some value")

        def test_is_skipped(self) -> None:
            self.skipTest("some reason")

        @unittest.expectedFailure
        def test_fails_as_expected(self) -> None:
            self.fail()

        @unittest.expectedFailure
        def test_passes_unexpectedly(self) -> None:
            pass

        def test_parts_fail(self) -> None:
            for part in range(3):
                with self.subTest("a part", part=part):
                    self.assertEqual(part, 1)

    class NeverSetUp(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            raise OSError("nothing works today")

        def test_never_runs(self) -> None:
            pass

    class Waits(unittest.TestCase):
        folder = Path()

        def test_waits(self) -> None:
            self.addCleanup((self.folder / "began").rename, self.folder / "cleaned up")
            (self.folder / "began").touch()
            time.sleep(60)

    class FailsLater(unittest.TestCase):
        def test_fails(self) -> None:
            while not (Examples.Waits.folder / "began").exists():
                time.sleep(0.01)
            self.fail()

    class Dies(unittest.TestCase):
        def test_1_passes(self) -> None:
            pass

        def test_2_dies(self) -> None:
            os._exit(9)

        def test_3_never_runs(self) -> None:
            pass


def run(*classes: type[unittest.TestCase]) -> unittest.TestResult:
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    result = unittest.TestResult()
    ParallelSuite(map(load, classes)).run(result)
    return result


@unittest.skipUnless(can_fork(), "one test runs after the other here")
class Reported(unittest.TestCase):
    def test_every_outcome_arrives(self) -> None:
        result = run(Examples.Outcomes)
        self.assertEqual(result.testsRun, 7)
        counts = (len(result.errors), len(result.failures), len(result.skipped))
        self.assertEqual(counts, (1, 1 + 2, 1))
        self.assertEqual((len(result.expectedFailures), len(result.unexpectedSuccesses)), (1, 1))
        told = "".join(text for _, text in result.errors + result.failures + result.skipped)
        for part in ("ValueError: some value", "'ours' != 'theirs'", "[a part] (part=2)", "some reason", __file__):
            self.assertIn(part, told)
        self.assertFalse(result.wasSuccessful())

    def test_what_a_class_cannot_set_up(self) -> None:
        result = run(Examples.NeverSetUp)
        (text,) = (text for _, text in result.errors)
        self.assertIn("nothing works today", text)

    def test_processes_that_die(self) -> None:
        result = run(*[Examples.Dies, Examples.Outcomes] * 20)
        died = {test.id().rpartition(".")[2] for test, text in result.errors if "has died" in text}
        self.assertLessEqual({"test_1_passes", "test_2_dies", "test_3_never_runs"}, died)
        known = [test for test, _ in result.errors + result.failures + result.skipped]
        self.assertGreaterEqual(len(known), 20 * 3)  # and nothing is lost when the last of them has died

    def test_a_machine_that_cannot_begin_another_process(self) -> None:
        start = Process.start
        with mock.patch.object(Process, "start", autospec=True, side_effect=[None, OSError("no more")]) as begun:
            begun.side_effect = lambda process: start(process) if begun.call_count == 1 else self.refuse()
            with self.assertRaisesRegex(OSError, "no more"):
                run(Examples.Outcomes, Examples.NeverSetUp)
        self.assertEqual(begun.call_count, 2)

    def refuse(self) -> None:
        raise OSError("no more")

    def test_a_test_that_is_ended_cleans_up(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            Examples.Waits.folder = Path(name)
            result = unittest.TestResult()
            result.failfast = True
            load = unittest.defaultTestLoader.loadTestsFromTestCase
            ParallelSuite(map(load, (Examples.Waits, Examples.FailsLater))).run(result)
            self.assertEqual(os.listdir(name), ["cleaned up"])

    def test_one_failure_is_enough_when_asked(self) -> None:
        result = unittest.TestResult()
        result.failfast = True
        ParallelSuite([unittest.defaultTestLoader.loadTestsFromTestCase(Examples.Outcomes)]).run(result)
        self.assertEqual(len(result.errors + result.failures), 1)
