"""What was submitted is found again: after a crash, among garbage, beside other processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import unittest
from typing import Any, Mapping
from unittest import mock

from qianwen import ledger
from qianwen.ledger import Entry, Ledger
from qianwen.record import changed

from . import SCRIPTS
from .support import Case

NAME = "qianwen-media-generation"
BASE = "https://dashscope.aliyuncs.com/api/v1"
ENTRY = Entry("0385dc79-5ff8", "video.py", "wan2.6-t2v", "t2v", "cn-beijing", BASE, 1_700_000_000.25)
LINE: Mapping[str, Any] = {
    "v": 1,
    "time": "2023-11-14T22:13:20Z",
    "task_id": "0385dc79-5ff8",
    "program": "video.py",
    "model": "wan2.6-t2v",
    "mode": "t2v",
    "region": "cn-beijing",
    "base": BASE,
    "submitted": 1_700_000_000.25,
}
WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from qianwen.ledger import Entry, Ledger
book = Ledger(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
for number in range(20):
    book.note(Entry(f"{sys.argv[3]}/{number}", "image.py", "m" * 40 * number, "edit", "us-east-1", "https://a", 1.5))
"""


def written(**changes: Any) -> bytes:
    return json.dumps({**LINE, **changes}).encode() + b"\n"


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
                found = ledger.folder(env, str(self.home))
            self.assertEqual(found, expected)
        self.assertEqual((list(self.home.iterdir()), list(self.cwd.iterdir())), ([], []))

    @unittest.skipIf(os.name == "nt", "Windows keeps the current folder")
    def test_a_current_folder_that_is_gone(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.cwd)
        self.cwd.rmdir()
        book = Ledger(ledger.folder({"QIANWEN_STATE_DIR": "here"}, str(self.home)))
        with self.assertRaises(OSError):
            book.note(ENTRY)
        self.assertIsNone(book.find(ENTRY.task_id))


class LedgerCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.folder / "a" / "state"
        self.book = Ledger(str(self.state))
        self.file = self.state / "tasks.jsonl"

    def fill(self, data: bytes) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(data)

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)


class NoteAndFind(LedgerCase):
    def test_what_was_noted_is_found(self) -> None:
        self.assertIsNone(self.book.find(ENTRY.task_id))
        other = changed(ENTRY, task_id="other", program="image.py")
        self.book.note(ENTRY)
        self.book.note(other)
        for book in (self.book, Ledger(str(self.state))):
            self.assertEqual((book.find(ENTRY.task_id), book.find("other")), (ENTRY, other))
            for absent in ("0385dc79", "0385dc79-5ff8-more", "video.py", "", '"'):
                self.assertIsNone(book.find(absent))

    def test_a_line_as_people_read_it(self) -> None:
        self.book.note(ENTRY)
        self.assertEqual(self.file.read_text(encoding="utf-8"), json.dumps(LINE) + "\n")
        self.assertEqual([path.name for path in self.state.iterdir()], ["tasks.jsonl"])

    def test_looking_makes_nothing(self) -> None:
        self.book.find("x")
        self.assertFalse(self.state.parent.exists())

    def test_the_last_line_wins(self) -> None:
        for region in ("us-east-1", "cn-hongkong", "ap-southeast-1"):
            self.book.note(changed(ENTRY, region=region))
        self.book.note(changed(ENTRY, task_id="other"))
        self.assertEqual(self.book.find(ENTRY.task_id), changed(ENTRY, region="ap-southeast-1"))

    def test_every_id_comes_back_and_keeps_to_its_line(self) -> None:
        ids = ("a\nb", "a\r\nb", "任务 🐈", "\u2028\x85\x1b[2J", 'quo"te\\', "half \ud800", "\0", " ", "")
        for number, task_id in enumerate(ids):
            self.book.note(changed(ENTRY, task_id=task_id, submitted=float(number)))
        for number, task_id in enumerate(ids):
            with self.subTest(ascii(task_id)):
                self.assertEqual(self.book.find(task_id), changed(ENTRY, task_id=task_id, submitted=float(number)))
        self.assertEqual(len(self.lines()), len(ids))
        self.assertTrue(self.file.read_bytes().replace(b"\n", b"").decode("ascii").isprintable())

    def test_whole_seconds_are_a_time_too(self) -> None:
        self.book.note(changed(ENTRY, submitted=1_700_000_000))
        found = self.book.find(ENTRY.task_id)
        self.assertEqual(repr(found and found.submitted), "1700000000.0")

    def test_an_entry_that_could_not_be_found_again_is_refused(self) -> None:
        with self.assertRaises(OSError):
            self.book.note(changed(ENTRY, model="x" * 20_000))
        self.assertFalse(self.file.exists())

    def test_nothing_is_done_until_the_disk_has_it(self) -> None:
        with mock.patch("os.fsync", side_effect=OSError(5, "Input/output error")), self.assertRaises(OSError):
            self.book.note(ENTRY)

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_only_the_owner_may_look(self) -> None:
        for umask in (0o000, 0o022):
            book = Ledger(str(self.folder / f"umask-{umask}" / "state"))
            before = os.umask(umask)
            try:
                book.note(ENTRY)
            finally:
                os.umask(before)
            with self.subTest(umask):
                modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (book.folder, book.path)]
                self.assertEqual(modes, [0o700, 0o600])


class Damage(LedgerCase):
    def test_a_line_that_was_cut_short_costs_only_itself(self) -> None:
        torn = written(task_id="torn")
        for cut in (1, 40, len(torn) - 2):
            with self.subTest(cut):
                self.fill(written() + torn[:cut])
                self.book.note(changed(ENTRY, task_id="next"))
                self.assertEqual(self.book.find(ENTRY.task_id), ENTRY)
                self.assertEqual(self.book.find("next"), changed(ENTRY, task_id="next"))
                self.assertIsNone(self.book.find("torn"))
                self.assertEqual(len(self.lines()), 3)

    def test_a_disk_that_fills_up_in_the_middle_of_a_line(self) -> None:
        self.book.note(ENTRY)
        write = os.write
        full = mock.patch("os.write", lambda descriptor, data: write(descriptor, data[:50]))
        with full, self.assertRaises(OSError):
            self.book.note(changed(ENTRY, task_id="torn"))
        self.assertEqual(self.book.find(ENTRY.task_id), ENTRY)
        self.book.note(changed(ENTRY, task_id="next"))
        self.assertIsNotNone(self.book.find("next"))

    def test_a_last_line_that_lacks_only_its_end_counts(self) -> None:
        self.fill(written().rstrip())
        self.assertEqual(self.book.find(ENTRY.task_id), ENTRY)

    def test_lines_of_another_kind_are_passed_over(self) -> None:
        quoted = json.dumps(ENTRY.task_id).encode()
        for garbage in (
            b"\n",
            b"\0" * 100,
            b"\xff\xfe" + quoted,
            quoted,
            b"[" + quoted + b"]",
            b"[" * 5000 + quoted,
            b'{"task_id": ' + quoted + b"}",
            b'{"v": 1, "task_id": ' + quoted,
            written(v=2),
            written(v="1"),
            written(v=None),
            written(submitted="yesterday"),
            written(submitted=None),
            written(submitted=float("nan")),
            written(submitted=10**400),
            written(region=None),
            written(base=["https://a"]),
            written(task_id={"0385dc79-5ff8": 1}),
            written(model="x" * 100_000),
            b" " * 100_000 + written(),
        ):
            with self.subTest(garbage[:60]):
                self.fill(garbage.rstrip(b"\n") + b"\n")
                self.assertIsNone(self.book.find(ENTRY.task_id))
                self.fill(written(mode="i2v") + garbage.rstrip(b"\n") + b"\n" + written(task_id="other"))
                self.assertEqual(self.book.find(ENTRY.task_id), changed(ENTRY, mode="i2v"))
                self.assertEqual(self.book.find("other"), changed(ENTRY, task_id="other"))

    def test_the_end_of_a_line_that_is_too_long_is_no_line(self) -> None:
        for padding in range(ledger.LONGEST_LINE - 1, ledger.LONGEST_LINE + 2):
            self.fill(b"x" * padding + written())
            self.assertIsNone(self.book.find(ENTRY.task_id))

    def test_fields_of_a_later_program_are_no_harm(self) -> None:
        self.fill(written(state="SUCCEEDED", files=["a.mp4"]))
        self.assertEqual(self.book.find(ENTRY.task_id), ENTRY)

    def test_five_megabytes_are_searched_at_once(self) -> None:
        for name, piece in (("tasks", written(task_id="other")), ("one line", b"9" * 5_000_000)):
            with self.subTest(name):
                self.fill(piece * (5_000_000 // len(piece)) + b"\n" + written())
                began = time.process_time()
                found = self.book.find(ENTRY.task_id)
                self.assertLess(time.process_time() - began, 1.0)
                self.assertEqual(found, ENTRY)


class Places(LedgerCase):
    def refused(self, book: Ledger) -> None:
        with self.assertRaises(OSError):
            book.note(ENTRY)
        self.assertIsNone(book.find(ENTRY.task_id))

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


class Processes(LedgerCase):
    @unittest.skipIf(os.name == "nt", "appending is no single step in the C library of Windows")
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
        noted = [json.loads(line)["task_id"] for line in self.lines() if line.strip()]
        self.assertEqual((len(noted), set(noted)), (400, wanted))
        found = self.book.find("7/19")
        self.assertEqual(found and found.model, "m" * 760)

    def test_a_process_that_was_killed_leaves_its_lines(self) -> None:
        code = WRITER + "import os\nos.kill(os.getpid(), 9)\n"
        subprocess.run([sys.executable, "-c", code, str(SCRIPTS), str(self.state), "x"], input=b"", capture_output=True)
        self.assertEqual(len(self.lines()), 20)
        self.assertIsNotNone(self.book.find("x/19"))


class Secrets(LedgerCase):
    def test_there_is_no_room_for_a_key_or_a_prompt(self) -> None:
        self.book.note(ENTRY)
        self.assertEqual(set(json.loads(self.file.read_bytes())), {"v", "time", *Entry.__annotations__})
        self.assertEqual(
            list(Entry.__annotations__), ["task_id", "program", "model", "mode", "region", "base", "submitted"]
        )
