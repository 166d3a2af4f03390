"""What was submitted is found again: after a crash, among garbage, beside other processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any, Mapping
from unittest import mock

from qianwen.account import store
from qianwen.account.store import Kept, Ledger, Purchase
from qianwen.plain.record import changed

from .. import SCRIPTS
from ..support import Case

NAME = "qianwen-media-generation"
BASE = "https://dashscope.aliyuncs.com/api/v1"
RUN = Purchase(
    id="0123456789abcdef",
    program="video.py",
    model="wan2.6-t2v",
    mode="t2v",
    region="cn-beijing",
    base=BASE,
    request="ab" * 32,
    is_task=True,
    folder="/o",
    stem="a-cat",
    suffix="",
    at=1_700_000_000.25,
)
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
WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from qianwen.account.store import Ledger
book = Ledger(sys.argv[2], lambda: 1.7e9)
print("ready", flush=True)
sys.stdin.read()
for number in range(20):
    book.add(f"{int(sys.argv[3]):016x}", "task", task_id=f"{sys.argv[3]}/{number}", more="m" * 40 * number)
"""


def written(**changes: Any) -> bytes:
    return json.dumps({**BEGIN, **changes}).encode() + b"\n"


def step(event: str, **fields: Any) -> bytes:
    head = {"v": 1, "run": RUN.id, "time": "2023-11-14T22:13:21Z", "event": event}
    return json.dumps({**head, **fields}).encode() + b"\n"


class Folder(Case):
    def test_where_the_ledger_is_kept(self) -> None:
        state, other, local = (str(self.folder / name) for name in ("state", "other", "local"))
        usual = os.path.join(str(self.home), ".local", "state", NAME)
        chosen = {"QIANWEN_STATE_DIR": state, "XDG_STATE_HOME": other}
        for system, env, expected in (
            ("posix", {}, usual),
            ("posix", chosen, state),
            ("posix", {**chosen, "QIANWEN_STATE_DIR": ""}, os.path.join(other, NAME)),
            ("posix", {"QIANWEN_STATE_DIR": "here"}, os.path.join(os.getcwd(), "here")),
            ("posix", {"QIANWEN_STATE_DIR": "..", "XDG_STATE_HOME": other}, os.path.dirname(os.getcwd())),
            ("posix", {"XDG_STATE_HOME": ""}, usual),
            ("posix", {"XDG_STATE_HOME": "relative/state"}, usual),
            ("posix", {"LOCALAPPDATA": local}, usual),
            ("nt", {"LOCALAPPDATA": local}, os.path.join(local, NAME)),
            ("nt", {"LOCALAPPDATA": local, "XDG_STATE_HOME": "relative"}, os.path.join(local, NAME)),
            ("nt", {"LOCALAPPDATA": local, "XDG_STATE_HOME": other}, os.path.join(other, NAME)),
            ("nt", {"LOCALAPPDATA": local, **chosen}, state),
            ("nt", {"LOCALAPPDATA": ""}, usual),
            ("nt", {}, usual),
        ):
            with self.subTest(system, **env), mock.patch("os.name", system):
                found = store.folder(env, str(self.home))
            self.assertEqual(found, expected)
        self.assertEqual((list(self.home.iterdir()), list(self.cwd.iterdir())), ([], []))

    @unittest.skipIf(os.name == "nt", "Windows keeps the current folder")
    def test_a_current_folder_that_is_gone(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.cwd)
        self.cwd.rmdir()
        book = Ledger(store.folder({"QIANWEN_STATE_DIR": "here"}, str(self.home)))
        with self.assertRaises(OSError):
            book.begin(RUN)
        self.assertEqual(book.runs(), [])


class LedgerCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.folder / "a" / "state"
        self.book = Ledger(str(self.state), self.clock)
        self.file = self.state / "ledger-2023-11.jsonl"

    def fill(self, data: bytes) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(data)

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def only(self) -> Purchase:
        (run,) = self.book.runs()
        return run


class Steps(LedgerCase):
    def test_the_life_of_a_run(self) -> None:
        kept = Kept("/o/a-cat.mp4", "ff")
        for event, fields, expected in (
            ("task", {"task_id": "t-1"}, {"task_id": "t-1", "state": "waiting"}),
            ("result", {"urls": ["https://a/b?c"]}, {"urls": ("https://a/b?c",), "state": "made"}),
            ("file", {"index": 0, "path": kept.path, "sha256": "ff"}, {"files": {0: kept}}),
            ("end", {"state": "done"}, {"state": "done"}),
        ):
            if event == "task":
                self.assertIsNone(self.book.begin(RUN))
                self.assertEqual(self.only(), RUN)
                whole = RUN
            self.book.add(RUN.id, event, **fields)
            whole = changed(whole, **expected)
            with self.subTest(event):
                self.assertEqual(self.only(), whole)
        self.assertEqual(self.book.find("t-1"), whole)
        for absent in ("t", "t-12", "video.py", "", '"'):
            self.assertIsNone(self.book.find(absent))

    def test_a_line_as_people_read_it(self) -> None:
        self.book.begin(RUN)
        self.assertEqual(self.file.read_text(encoding="utf-8"), json.dumps(BEGIN) + "\n")

    def test_looking_makes_nothing(self) -> None:
        self.assertIsNone(self.book.find("x"))
        self.assertFalse(self.state.parent.exists())

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

    def test_an_offered_task_leads_to_its_run(self) -> None:
        self.fill(written() + step("offer", task_ids=["t-1", "t-2"]))
        self.assertEqual(self.book.find("t-2"), self.only())
        self.fill(written() + step("offer", task_ids=["t-1", "t-2"]) + step("task", task_id="t-1"))
        self.assertEqual((self.book.find("t-1"), self.book.find("t-2")), (self.only(), None))

    def test_a_month_that_ends_breaks_no_run(self) -> None:
        self.clock.moment = 1_701_388_799.0  # the last second of November 2023
        self.book.begin(changed(RUN, at=self.clock.moment))
        self.clock.sleep(2)
        self.book.add(RUN.id, "task", task_id="t-1")
        names = sorted(path.name for path in self.state.glob("*.jsonl"))
        self.assertEqual(names, ["ledger-2023-11.jsonl", "ledger-2023-12.jsonl"])
        self.assertEqual(self.only().task_id, "t-1")
        self.clock.sleep(32 * 86400)
        self.assertEqual(self.book.runs(), [])

    def test_every_id_comes_back_and_keeps_to_its_line(self) -> None:
        ids = ("a\nb", "a\r\nb", "任务 🐈", "\u2028\x85\x1b[2J", 'quo"te\\', "half \ud800", "\0", " ")
        self.book.begin(RUN)
        for task_id in ids:
            self.book.add(RUN.id, "task", task_id=task_id)
            with self.subTest(ascii(task_id)):
                self.assertEqual(self.only().task_id, task_id)
        self.assertEqual(len(self.lines()), 1 + len(ids))
        self.assertTrue(self.file.read_bytes().replace(b"\n", b"").decode("ascii").isprintable())

    def test_a_line_that_could_not_be_read_again_is_refused(self) -> None:
        with self.assertRaises(OSError):
            self.book.add(RUN.id, "result", urls=["x" * 300_000])
        self.assertFalse(self.file.exists())

    def test_nothing_is_done_until_the_disk_has_it(self) -> None:
        with mock.patch("os.fsync", side_effect=OSError(5, "Input/output error")), self.assertRaises(OSError):
            self.book.begin(RUN)

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_only_the_owner_may_look(self) -> None:
        for umask in (0o000, 0o022):
            book = Ledger(str(self.folder / f"umask-{umask}" / "state"), self.clock)
            before = os.umask(umask)
            try:
                book.begin(RUN)
                lock = book.claim(RUN.id)
            finally:
                os.umask(before)
            assert lock
            for path in Path(book.folder).rglob("*"):
                with self.subTest(umask, path=path.name):
                    self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700 if path.is_dir() else 0o600)
            lock.release()


class Twins(LedgerCase):
    def test_while_a_run_is_open_an_identical_one_does_not_begin(self) -> None:
        other = changed(RUN, id="f" * 16, at=RUN.at + 5)
        self.book.begin(RUN)
        for lines, is_open in (
            (b"", True),
            (step("task", task_id="t"), True),
            (step("result", urls=["https://a"]), True),
            (step("end", state="unknown"), True),
            (step("end", state="refused"), False),
            (step("end", state="failed"), False),
            (step("end", state="canceled"), False),
            (step("end", state="done"), False),
        ):
            self.fill(written() + lines)
            with self.subTest(lines):
                twin = self.book.begin(other)
                self.assertEqual(twin is not None, is_open)
                self.assertEqual(len(self.book.runs()), 1 if is_open else 2)
                self.fill(written() + lines)
                self.assertIsNone(self.book.begin(other, again=True))
                self.fill(written() + lines)
                self.assertIsNone(self.book.begin(changed(other, request="cd" * 32)))

    def test_after_a_day_nothing_is_open(self) -> None:
        self.fill(written() + step("task", task_id="t"))
        self.assertEqual(self.book.state(self.only()), "waiting")
        self.clock.sleep(86_402)
        self.assertEqual(self.book.state(self.only()), "expired")
        self.assertIsNone(self.book.begin(changed(RUN, id="f" * 16)))

    def test_a_submission_that_died_has_an_unknown_outcome(self) -> None:
        self.book.begin(RUN)
        lock = self.book.claim(RUN.id)
        assert lock
        self.assertEqual(self.book.state(RUN), "submitting")
        self.assertIsNone(self.book.claim(RUN.id))
        lock.release()
        self.assertEqual(self.book.state(RUN), "unknown")
        self.assertEqual(list((self.state / "running").iterdir()), [])


class Damage(LedgerCase):
    def test_a_line_that_was_cut_short_costs_only_itself(self) -> None:
        torn = step("task", task_id="torn")
        for cut in (1, 40, len(torn) - 2):
            with self.subTest(cut):
                self.fill(written() + torn[:cut])
                self.book.add(RUN.id, "task", task_id="next")
                self.assertEqual(self.only().task_id, "next")
                self.assertEqual(len(self.lines()), 3)

    def test_a_disk_that_fills_up_in_the_middle_of_a_line(self) -> None:
        self.book.begin(RUN)
        write = os.write
        full = mock.patch("os.write", lambda descriptor, data: write(descriptor, data[:50]))
        with full, self.assertRaises(OSError):
            self.book.add(RUN.id, "task", task_id="torn")
        self.assertEqual(self.only(), RUN)
        self.book.add(RUN.id, "task", task_id="next")
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
                self.assertEqual(self.book.runs(), [RUN])

    def test_the_end_of_a_line_that_is_too_long_is_no_line(self) -> None:
        for padding in range(store.LONGEST_LINE - 1, store.LONGEST_LINE + 2):
            self.fill(b"x" * padding + written())
            self.assertEqual(self.book.runs(), [])

    def test_fields_of_a_later_program_are_no_harm(self) -> None:
        self.fill(written(color="green"))
        self.assertEqual(self.only(), RUN)

    def test_five_megabytes_are_searched_at_once(self) -> None:
        for name, piece in (("lines", written(run="f" * 16)), ("one line", b"9" * 5_000_000)):
            with self.subTest(name):
                self.fill(piece * (5_000_000 // len(piece)) + b"\n" + written() + step("task", task_id="t-9"))
                began = time.process_time()
                found = self.book.find("t-9")
                self.assertLess(time.process_time() - began, 1.0)
                self.assertEqual(found, changed(RUN, task_id="t-9", state="waiting"))


class Places(LedgerCase):
    def refused(self, book: Ledger) -> None:
        with self.assertRaises(OSError):
            book.begin(RUN)
        self.assertEqual(book.runs(), [])

    def test_a_folder_that_is_a_file(self) -> None:
        (self.folder / "file").write_bytes(b"precious")
        self.refused(Ledger(str(self.folder / "file")))
        self.refused(Ledger(str(self.folder / "file" / "below")))
        self.assertEqual((self.folder / "file").read_bytes(), b"precious")

    @unittest.skipIf(os.name == "nt" or getattr(os, "geteuid", int)() == 0, "modes bind neither Windows nor root")
    def test_a_folder_that_cannot_be_written_to(self) -> None:
        self.state.mkdir(parents=True)
        self.state.chmod(0o500)
        self.addCleanup(self.state.chmod, 0o700)
        self.refused(self.book)

    def test_a_path_that_cannot_be(self) -> None:
        for path in ("a\0b", "x" * 300, "x/" * 5000):
            with self.subTest(path[:5]):
                self.refused(Ledger(os.path.join(str(self.folder), path)))

    def test_a_folder_in_the_place_of_the_file(self) -> None:
        self.file.mkdir(parents=True)
        self.refused(self.book)

    @unittest.skipUnless(hasattr(os, "mkfifo"), "POSIX only")
    def test_a_pipe_in_the_place_of_the_file_blocks_nobody(self) -> None:
        self.state.mkdir(parents=True)
        os.mkfifo(self.file)
        self.refused(self.book)
        self.assertTrue(stat.S_ISFIFO(self.file.stat().st_mode))

    @unittest.skipUnless(hasattr(os, "getuid"), "POSIX only")
    def test_a_device_in_the_place_of_the_file_is_not_read(self) -> None:
        self.state.mkdir(parents=True)
        self.file.symlink_to("/dev/zero")
        self.refused(self.book)

    def test_a_lock_that_cannot_be_had_stops_nobody(self) -> None:
        (self.state / "ledger.lock").mkdir(parents=True)
        self.book.begin(RUN)
        self.assertEqual(self.only(), RUN)


class Processes(LedgerCase):
    def test_twenty_processes_lose_nothing_and_tear_nothing(self) -> None:
        command = [sys.executable, "-c", WRITER, str(SCRIPTS), str(self.state)]
        writers = [
            subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for number in range(20)
        ]
        for writer in writers:
            assert writer.stdout
            writer.stdout.readline()  # all are ready before the first one begins
        for writer in writers:
            assert writer.stdin
            writer.stdin.close()
        for writer in writers:
            assert writer.stdout
            writer.stdout.close()
            self.assertEqual(writer.wait(), 0)
        wanted = {f"{process}/{number}" for process in range(20) for number in range(20)}
        noted = [json.loads(line)["task_id"] for line in self.lines()]
        self.assertEqual((len(noted), set(noted)), (400, wanted))

    def test_a_process_that_was_killed_leaves_its_lines(self) -> None:
        code = WRITER + "import os\nos.kill(os.getpid(), 9)\n"
        subprocess.run([sys.executable, "-c", code, str(SCRIPTS), str(self.state), "7"], input=b"", capture_output=True)
        self.assertEqual(len(self.lines()), 20)
