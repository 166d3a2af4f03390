"""`python3 -m unittest` on every processor: the classes of tests are shared out among a few processes.

Tests that are named on the command line run one after the other in the process itself, as does everything on a
machine that cannot fork.
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
from typing import Any, Iterator, NamedTuple, Sequence

Group = Sequence[unittest.TestCase]
MOST_TESTS = 60  # in a group: nobody waits long for the last one


def can_fork() -> bool:
    """macOS has a fork, but what its libraries keep in memory does not survive it."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class Told(Exception):
    """What another process said of a failure, in words."""


class Outcome(NamedTuple):
    """name: of a test, or "" at the end of its group.  kinds: the lists of a TestResult, and the texts in them."""

    group: int
    name: str
    kinds: dict[str, list[str]]


class SideBySide(unittest.TestSuite):
    """Tells the results as a plain suite would, in the order in which they come."""

    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        groups = by_class(self)
        tickets, office = os.pipe()
        os.write(office, b"".join(number.to_bytes(2, "big") for number in range(len(groups))))
        os.close(office)
        fork = multiprocessing.get_context("fork")
        lines, processes = [], []
        gc.freeze()  # what is here by now stays to the end: no collection need look at it, nor its pages be copied
        options = result.buffer, getattr(result, "tb_locals", False)
        try:
            for _ in range(2 * (os.cpu_count() or 1)):  # more than can compute: half of their time the tests wait
                ours, theirs = fork.Pipe(duplex=False)
                lines.append(ours)
                process = fork.Process(target=_work, args=(groups, tickets, theirs, options))
                process.start()
                processes.append(process)
                theirs.close()
            _collect(lines, groups, result)
        finally:
            os.close(tickets)
            for line in lines:
                line.close()
            for process in processes:
                process.terminate()
                process.join()
        return result


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


def _work(groups: Sequence[Group], tickets: int, line: Connection, options: tuple[bool, bool]) -> None:
    """In a process of its own: run one group after the other, as long as there are any.

    options: whether the output of tests is kept for those that fail, and whether tracebacks show variables.
    """
    teller = _Teller(0, line)

    def end(*_: object) -> None:
        if not teller.shouldStop:
            teller.stop()
            raise SystemExit  # no KeyboardInterrupt: that one would keep a test from cleaning up

    signal.signal(signal.SIGTERM, end)
    with suppress(BrokenPipeError, KeyboardInterrupt):  # nobody listens any more; it is told where it all began
        while not teller.shouldStop and (ticket := os.read(tickets, 2)):
            number = int.from_bytes(ticket, "big")
            teller = _Teller(number, line)
            teller.buffer, teller.tb_locals = options
            unittest.TestSuite(groups[number]).run(teller)
            teller.send("")


class _Teller(unittest.TestResult):
    """Sends what it has collected after each test."""

    KINDS = ("errors", "failures", "skipped", "expectedFailures", "unexpectedSuccesses")

    def __init__(self, group: int, line: Connection) -> None:
        super().__init__()
        self._group = group
        self._line = line

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        self.send(test.id())

    def send(self, name: str) -> None:
        kinds = {}
        for kind in self.KINDS:
            entries: list[Any] = getattr(self, kind)
            kinds[kind] = [f"{entry[0]}\n{entry[1]}" if isinstance(entry, tuple) else str(entry) for entry in entries]
            entries.clear()
        self._line.send(Outcome(self._group, name, kinds))


def _collect(lines: list[Connection], groups: Sequence[Group], result: unittest.TestResult) -> None:
    waiting = [{test.id(): test for test in group} for group in groups]
    for outcome in _heard(lines):
        _tell(outcome, waiting[outcome.group].pop(outcome.name, groups[outcome.group][0]), result)
        if not outcome.name:
            waiting[outcome.group].clear()  # what has not run by now was not meant to
        if result.shouldStop:
            return
    for tests in waiting:
        for test in tests.values():
            result.addError(test, _told("the process that should have run it has died"))


def _heard(lines: list[Connection]) -> Iterator[Outcome]:
    """What the processes send, until the last of them has ended."""
    while lines:
        for line in wait(lines):
            assert isinstance(line, Connection)
            try:
                yield line.recv()
            except (EOFError, OSError):  # OSError: it died in the middle of a word
                lines.remove(line)


def _told(text: str) -> Any:
    return Told, Told(text), None


def _tell(outcome: Outcome, test: unittest.TestCase, result: unittest.TestResult) -> None:
    kinds = outcome.kinds
    if outcome.name:
        result.startTest(test)
        if not any(kinds.values()):
            result.addSuccess(test)
    for text in kinds["errors"]:
        result.addError(test, _told(text))
    for text in kinds["failures"]:
        result.addFailure(test, _told(text))
    for text in kinds["expectedFailures"]:
        result.addExpectedFailure(test, _told(text))
    for _ in kinds["unexpectedSuccesses"]:
        result.addUnexpectedSuccess(test)
    for text in kinds["skipped"]:
        result.addSkip(test, text.partition("\n")[2])
    if outcome.name:
        result.stopTest(test)
