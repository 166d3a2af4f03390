"""`python3 -m unittest` on every processor: the test classes are shared out among forked processes.

Tests that are named on the command line run one after the other in the process itself, as does everything on a
machine that cannot fork. Pipes alone connect the processes: a pool of the library needs semaphores, so /dev/shm.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import unittest
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, ClassVar, Iterable, Iterator, NoReturn, Sequence, cast

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

Group = Sequence[unittest.TestCase]
Report = Sequence["tuple[str, str, str]"]  # (method of TestResult, id of a test, text)
MOST_TESTS = 60  # in a group, so that nothing waits long for the last one


def can_fork() -> bool:
    """macOS has a fork, but what its libraries keep in memory does not survive it."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class ParallelSuite(unittest.TestSuite):
    """Reports to the TestResult as a plain suite does, a class at a time."""

    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        groups = by_class(self)
        workers: dict[Connection, ForkProcess] = {}
        busy: dict[Connection, int] = {}  # the number of the group that the process at the other end runs
        try:
            _start(workers, groups, result)
            _share_out(workers, busy, groups, result)
        finally:
            for connection, process in workers.items():
                connection.close()  # which ends those that wait for another group
                if connection in busy:
                    process.terminate()
            for process in workers.values():
                process.join()
        return result


def _start(workers: dict[Connection, ForkProcess], groups: Sequence[Group], result: unittest.TestResult) -> None:
    fork = multiprocessing.get_context("fork")
    options = result.failfast, result.buffer, getattr(result, "tb_locals", False)
    gc.freeze()  # what is here by now stays to the end: no collection need look at it, nor its pages be copied
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until the new process has a handler of its own
    try:
        for _ in range(min(len(groups), 2 * (os.cpu_count() or 1))):  # half of their time the tests wait
            ours, theirs = fork.Pipe()
            process = fork.Process(target=_work, args=(groups, theirs, [ours, *workers], options))
            process.start()
            theirs.close()
            workers[ours] = process
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def _share_out(
    workers: Iterable[Connection], busy: dict[Connection, int], groups: Sequence[Group], result: unittest.TestResult
) -> None:
    """Give each process one group after the other, and report what comes back."""
    waiting = list(
        range(len(groups))
    )  # the last first: tests/whole has the longest, and nothing waits for them in the end

    def give_next(connection: Connection) -> None:
        if waiting:
            busy[connection] = waiting.pop()
            with suppress(OSError):  # it has died, as `recv` will find
                connection.send(busy[connection])

    for connection in workers:
        give_next(connection)
    while busy and not result.shouldStop:
        for connection in cast("list[Connection]", wait(list(busy))):
            number = busy.pop(connection)
            try:
                _repeat(connection.recv(), groups[number], result)
                give_next(connection)
            except (EOFError, OSError):  # OSError: it died in the middle of its report
                _repeat(_death(groups[number]), groups[number], result)
    for number in () if result.shouldStop else waiting:  # all processes have died
        _repeat(_death(groups[number]), groups[number], result)


def by_class(suite: unittest.TestSuite) -> list[Group]:
    """The tests of each class together, for they share what the class sets up; a large class in several parts."""
    groups: dict[type, list[unittest.TestCase]] = {}
    for test in _flat(suite):
        groups.setdefault(type(test), []).append(test)
    return [
        tests[start : start + MOST_TESTS] for tests in groups.values() for start in range(0, len(tests), MOST_TESTS)
    ]


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from _flat(entry)
        else:
            yield entry


class RemoteError(Exception):
    """A failure in another process, as text."""


def _repeat(report: Report, group: Group, result: unittest.TestResult) -> None:
    """Report here what was reported there."""
    tests = {test.id(): test for test in group}
    for method, name, text in report:
        error: Any = (RemoteError, RemoteError(text), None)
        details = {"addSkip": (text,), "addError": (error,), "addFailure": (error,), "addExpectedFailure": (error,)}
        getattr(result, method)(tests.get(name, group[0]), *details.get(method, ()))


def _death(group: Group) -> Report:
    return [("addError", test.id(), "the process that ran its class, or should have, has died") for test in group]


# In the other processes -----------------------------------------------------------------------------------


def _work(
    groups: Sequence[Group], connection: Connection, inherited: list[Connection], options: tuple[bool, bool, bool]
) -> None:
    """Run the groups whose numbers come, until the first process closes the connection or has ended.

    inherited: its ends of connections, which must not stay open here.  options: whether the first failure ends a
    group, whether the output of tests is kept for those that fail, and whether tracebacks show variables.
    """
    recorder = Recorder()

    def end(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        recorder.stop()
        raise SystemExit  # unlike KeyboardInterrupt it lets a test clean up

    for end_of_first in inherited:
        end_of_first.close()
    gc.set_threshold(50_000)  # as the programs do; short tests leave few circles behind
    os.setsid()  # Ctrl-C reaches the first process alone, which ends the others by SIGTERM
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it; tests send it
    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while not recorder.shouldStop:
            group = groups[connection.recv()]
            recorder = Recorder()
            recorder.failfast, recorder.buffer, recorder.tb_locals = options
            unittest.TestSuite(group).run(recorder)
            connection.send([*recorder.report, *recorder.taken()])


class Recorder(unittest.TestResult):
    """report: what has happened, as calls of the methods of a TestResult."""

    METHODS: ClassVar = {
        "errors": "addError",
        "failures": "addFailure",
        "skipped": "addSkip",
        "expectedFailures": "addExpectedFailure",
        "unexpectedSuccesses": "addUnexpectedSuccess",
    }

    def __init__(self) -> None:
        super().__init__()
        self.report: list[tuple[str, str, str]] = []

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        name = test.id()
        ends = [(method, name, text) for method, _, text in self.taken()] or [("addSuccess", name, "")]
        self.report += [("startTest", name, ""), *ends, ("stopTest", name, "")]

    def taken(self) -> Report:
        """What has been collected since the last call: of a test, or of what its class could not set up."""
        report = []
        for kind, method in self.METHODS.items():
            for entry in getattr(self, kind):
                test, text = entry if isinstance(entry, tuple) else (entry, "")
                report.append((method, "", text if kind == "skipped" else f"{test}\n{text}"))
            getattr(self, kind).clear()
        return report
