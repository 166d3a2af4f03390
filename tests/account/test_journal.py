"""Ledgers of version 1.0 are read line by line: what a crash or another program left costs itself alone."""

from __future__ import annotations

import json
import os
import time
import unittest
from typing import Any, Mapping

from qianwen.account import journal
from qianwen.account.purchase import Purchase
from qianwen.account.store import Account
from qianwen.plain.record import changed

from ..support import Case
from . import BASE, RUN

BEGIN: Mapping[str, Any] = {
    "v": 1,
    "run": "0123456789abcdef",
    "time": "2023-11-14T22:13:20Z",
    "event": "begin",
    "at": 1_700_000_000.25,
    "program": "video.py",
    "model": "wan2.6-t2v",
    "mode": "t2v",
    "region": "cn-beijing",
    "base": BASE,
    "request": "ab" * 32,
    "is_task": True,
    "folder": "/o",
    "stem": "a-cat",
    "suffix": "",
}


def written(**changes: Any) -> bytes:
    return json.dumps({**BEGIN, **changes}).encode() + b"\n"


def step(event: str, **fields: Any) -> bytes:
    head = {"v": 1, "run": RUN.id, "time": "2023-11-14T22:13:21Z", "event": event}
    return json.dumps({**head, **fields}).encode() + b"\n"


class Lines(Case):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.folder / "a" / "state"
        self.file = self.state / "ledger-2023-11.jsonl"

    def fill(self, data: bytes) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(data)

    def runs(self) -> list[Purchase]:
        return journal.runs(str(self.state))

    def only(self) -> Purchase:
        (run,) = self.runs()
        return run

    def test_no_number_of_a_line_breaks_the_account(self) -> None:
        """The run is found all the same: only its odd number is not believed."""
        for changes in (
            {"at": "nan"},
            {"at": "inf"},
            {"at": 1e300},
            {"at": -1e30},
            {"patience": 10**30},
            {"patience": -1},
        ):
            for line in (b"", step("file", index=10**30, path="/a", sha256="b"), step("end", state="done", at="nan")):
                with self.subTest((changes, line)):
                    for path in self.state.glob("*") if self.state.exists() else ():
                        path.unlink()
                    self.fill(written(**changes) + line)
                    account = Account(str(self.state), self.clock)
                    (run,) = account.runs()
                    self.assertEqual((run.id, account.trouble), (RUN.id, ""))
                    self.assertEqual(account.begin(changed(RUN, id="f" * 16)) is None, run.state == "done")
                    time.localtime(run.at)

    def test_what_a_later_line_says_counts(self) -> None:
        for lines, expected in (
            ((step("offer", task_ids=["t-1", "t-2"]),), {"offered": ("t-1", "t-2")}),
            (
                (step("end", state="unknown", told="lost"), step("task", task_id="t")),
                {"task_id": "t", "state": "waiting"},
            ),
            ((step("end", state="failed", told="X: y"),), {"state": "failed", "told": "X: y"}),
            ((step("result", urls=[], body={"a": 1}),), {"body": {"a": 1}, "state": "made"}),
            ((step("task", task_id="t"), step("task", task_id="u")), {"task_id": "u", "state": "waiting"}),
        ):
            self.fill(written() + b"".join(lines))
            found = self.only()
            with self.subTest(lines=lines):
                self.assertEqual({name: getattr(found, name) for name in expected}, expected)

    def test_a_line_that_was_cut_short_costs_only_itself(self) -> None:
        torn = step("task", task_id="torn")
        for cut in (1, 40, len(torn) - 2):
            with self.subTest(cut):
                self.fill(written() + torn[:cut] + b"\n" + step("task", task_id="next"))
                self.assertEqual(self.only().task_id, "next")

    def test_a_last_line_that_lacks_only_its_end_counts(self) -> None:
        self.fill(written().rstrip())
        self.assertEqual(self.only(), RUN)

    def test_lines_of_another_kind_are_passed_over(self) -> None:
        for garbage in (
            b"\n",
            b"\0" * 100,
            b"\xff\xfe",
            b"[" * 5000,
            written()[:40],
            written(v=2),
            written(v="1"),
            written(at="yesterday", run="f" * 16),
            written(at=None, run="f" * 16),
            written(at=float("nan"), run="f" * 16),
            written(at=10**400, run="f" * 16),
            written(region=None, run="f" * 16),
            written(base=["https://a"], run="f" * 16),
            written(event="later"),
            written(event={"a": 1}),
            written(run="f" * 15),
            written(run="F" * 16),
            step("task"),
            step("task", task_id=7),
            step("task", task_id=None),
            step("result", urls=None),
            step("result", urls=[1]),
            step("result", urls=["https://a"], body=[]),
            step("file", index="x", path="/a", sha256="b"),
            step("file", index=0, path=None, sha256="b"),
            step("offer", task_ids=5),
            step("end"),
            step("end", state="lost"),
            step("end", state=[]),
            step("end", state="done", told=4),
            step("task", task_id="x" * 300_000),
            b" " * 300_000 + written(run="f" * 16),
            step("task", task_id="t").replace(RUN.id.encode(), b"f" * 16),
        ):
            with self.subTest(garbage[:120]):
                self.fill(garbage.rstrip(b"\n") + b"\n" + written() + garbage.rstrip(b"\n") + b"\n")
                self.assertEqual(self.runs(), [RUN])

    def test_the_end_of_a_line_that_is_too_long_is_no_line(self) -> None:
        for padding in range(journal.LONGEST_LINE - 1, journal.LONGEST_LINE + 2):
            self.fill(b"x" * padding + written())
            self.assertEqual(self.runs(), [])

    def test_fields_of_a_later_program_are_no_harm(self) -> None:
        self.fill(written(color="green"))
        self.assertEqual(self.only(), RUN)

    def test_five_megabytes_are_read_at_once(self) -> None:
        for name, piece in (("lines", written(run="f" * 16)), ("one line", b"9" * 5_000_000)):
            with self.subTest(name):
                self.fill(piece * (5_000_000 // len(piece)) + b"\n" + written() + step("task", task_id="t-9"))
                began = time.process_time()
                found = self.runs()[-1]
                self.assertLess(time.process_time() - began, 2.0)
                self.assertEqual(found, changed(RUN, task_id="t-9", state="waiting"))


class TakenIn(Lines):
    """The account takes the ledgers in when it is made, once, and leaves them where they are."""

    def setUp(self) -> None:
        super().setUp()
        self.book = Account(str(self.state), self.clock)

    def test_all_months_and_every_run_in_its_place(self) -> None:
        self.fill(written() + step("task", task_id="t-1") + step("file", index=1, path="/a", sha256="b"))
        (self.state / "ledger-2024-01.jsonl").write_bytes(written(run="e" * 16, at=5.0))
        (self.state / "ledger-notes.jsonl").write_bytes(written(run="d" * 16))
        before = self.file.read_bytes()
        self.assertEqual([run.id for run in self.book.runs()], [RUN.id, "e" * 16])
        self.assertEqual(self.book.find("t-1"), self.book.runs()[0])
        self.assertEqual(self.book.runs()[0].files[1].path, "/a")
        self.assertEqual(self.file.read_bytes(), before)
        self.file.write_bytes(before + written(run="c" * 16))
        self.assertEqual(len(self.book.runs()), 2)  # once

    def test_an_open_run_of_then_is_not_paid_for_again(self) -> None:
        self.fill(written() + step("task", task_id="t-1"))
        twin = self.book.begin(changed(RUN, id="f" * 16))
        self.assertEqual(twin and twin.task_id, "t-1")

    @unittest.skipUnless(hasattr(os, "mkfifo"), "POSIX only")
    def test_what_only_has_the_name_of_a_ledger(self) -> None:
        self.state.mkdir(parents=True)
        os.mkfifo(self.file)
        (self.state / "ledger-2023-12.jsonl").mkdir()
        (self.state / "ledger-2024-01.jsonl").symlink_to("/dev/zero")
        self.assertIsNone(self.book.begin(RUN))
        self.assertEqual(self.book.runs(), [RUN])


if __name__ == "__main__":
    unittest.main()
