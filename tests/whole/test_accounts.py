"""How often is bought when the account is in trouble: each row counts the purchases that the server saw."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import unittest
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple
from unittest import mock

from qianwen.account import store

from .. import SCRIPTS
from ..support import KEY, PHOTO, Case

DAY = 86400.0
COMMAND = ("a cat", "--async", "--submit-only")


@contextmanager
def _held(case: Twice) -> Iterator[None]:
    """As by a process that was stopped in the middle of a transaction."""
    holder = case.ledger
    holder.open_runs()
    kept = holder._file._kept
    assert kept
    kept.execute("BEGIN IMMEDIATE")
    with mock.patch.object(store, "BEGIN_SECONDS", 0.1):
        yield
    holder.close()


def _at(moment: float) -> Callable[[Twice], None]:
    def jump(case: Twice) -> None:
        case.clock.moment = moment

    return jump


def _spoil(data: bytes) -> Callable[[Twice], None]:
    def spoil(case: Twice) -> None:
        case.path.write_bytes(data)

    return spoil


class Row(NamedTuple):
    """Buy, let something happen, and give the same command again: its exit code, and all that was bought."""

    what: str
    happens: Callable[[Twice], None]
    code: int
    bought: int


ROWS = (
    Row("nothing", lambda case: None, 3, 1),
    Row("the clock goes back a day", _at(1.7e9 - DAY), 3, 1),
    Row("the clock goes back over the end of a year", _at(1.7e9 - 366 * DAY), 3, 1),
    Row("the clock goes ahead a week", _at(1.7e9 + 7 * DAY), 3, 1),
    Row("the clock shows 1970", _at(0.0), 3, 1),
    Row("the clock shows 2100", _at(4.1e9), 3, 1),
    Row("the account is no database", _spoil(b"nonsense" * 1000), 0, 2),
    Row("the account is empty", _spoil(b""), 0, 2),
)


class Twice(Case):
    @property
    def path(self) -> Path:
        return Path(self.ledger.folder, "account.db")

    def test_the_same_command_again(self) -> None:
        with self.standin(delay=99.0) as standin:
            before = self.clock.moment
            for number, row in enumerate(ROWS):
                with self.subTest(row.what):
                    self.clock.moment, self.env["QIANWEN_STATE_DIR"] = before, str(self.folder / str(number))
                    seen = len(standin.of("submit"))
                    self.assertEqual(self.image(*COMMAND).code, 0)
                    row.happens(self)
                    ran = self.image(*COMMAND)
                    self.assertEqual((ran.code, len(standin.of("submit")) - seen), (row.code, row.bought), ran.stderr)
                    if row.bought == 2:  # what was lost is told
                        self.assertIn("was damaged", ran.stderr)

    def test_a_holder_that_does_not_move(self) -> None:
        with self.standin(delay=99.0) as standin:
            self.assertEqual(self.image("another", *COMMAND[1:]).code, 0)
            with _held(self):
                ran = self.image(*COMMAND)
            self.assertEqual((ran.code, len(standin.of("submit"))), (5, 1), ran.stderr)
            self.assertIn("nothing was sent", ran.stderr)
            self.assertEqual(self.image(*COMMAND).code, 0)

    def test_a_user_without_a_home(self) -> None:
        """`expanduser` leaves the ~ alone: no folder of that name is made, and none is believed."""
        planted = self.cwd / "~" / ".dashscope"
        planted.mkdir(parents=True)
        (planted / "api_key").write_text("sk-planted-0123456789abcdef")
        with self.standin() as standin:
            ran = self.without_home("--output", "x.png")
            self.assertEqual((ran.returncode, len(standin.of("sync"))), (0, 1), ran.stderr)
            self.assertEqual(ran.stderr.count("cannot remember the run"), 1)
            self.assertIn("QIANWEN_STATE_DIR", ran.stderr)
            self.assertEqual(self.without_home("--output", "~/x.png").returncode, 3)
            self.env["DASHSCOPE_API_KEY"] = ""
            self.assertEqual(self.without_home("--output", "y.png").returncode, 4)
            self.assertEqual(len(standin.sent), 2)  # the picture and its download
        self.assertEqual(sorted(path.name for path in self.cwd.rglob("*")), [".dashscope", "api_key", "x.png", "~"])

    def without_home(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPTS / "image.py"), "a cat", "--model", "qwen-image-2.0", *argv]
        env = {**os.environ, **self.env, "HOME": "~"}
        return subprocess.run(command, env=env, cwd=self.cwd, capture_output=True, text=True)

    def test_six_processes_at_once(self) -> None:
        self.assertEqual(at_once(self, 6), (1, 5))


class Requests(Case):
    """What the account keeps of a request is enough to make it again, and holds neither keys nor the bytes of files."""

    def test_what_is_kept(self) -> None:
        inline = "data:image/png;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
        shutil.copy(PHOTO, self.cwd / "photo.jpg")
        argv = ("watercolor", "--model", "qwen-image-2.0", "--size", "512*512", "--seed", "7", "--image", "photo.jpg")
        with self.standin():
            self.assertEqual(self.image(*argv).code, 0)
            self.assertEqual(self.image(f"say {KEY}", *argv[1:-1], inline).code, 0)
            self.env["QIANWEN_KEEP_REQUESTS"] = "0"
            self.assertEqual(self.image("a fox", *argv[1:]).code, 0)
        first, second, third = (dict(run.asked) for run in self.ledger.runs())
        self.assertEqual((first["seed"], first["model"]), (7, "qwen-image-2.0"))
        self.assertIn(str(self.cwd / "photo.jpg"), json.dumps(first))
        (self.cwd / "again.json").write_text(json.dumps(first))
        again = self.image("--file", "again.json", "--dry-run")
        self.assertEqual((again.code, again.stdout), (0, self.image(*argv, "--dry-run").stdout), again.stderr)
        self.assertNotIn(KEY, json.dumps(second))
        self.assertIn('"data:image/jpeg;base64,"', json.dumps(second))
        self.assertEqual(third, {})
        self.assertEqual([run.units for run in self.ledger.runs()], [1.0] * 3)


@unittest.skipUnless(os.path.isdir("/proc/self/fd"), "names of descriptors")
class PowerCuts(Case):
    """The order in which things reach the disk, recorded at the calls that put them there."""

    def test_a_file_its_name_and_its_folder_are_there_before_the_account_says_so(self) -> None:
        image = ("a cat", "--model", "qwen-image-2.0", "--size", "512*512", "--again", "--output")
        no_links = mock.patch("os.link", side_effect=PermissionError(1, "no links here"))
        for what, argv, patch in (
            ("a new name", ("new/folder/x.png",), None),
            ("an old name", ("new/folder/x.png", "--overwrite"), None),
            ("a disk without links", ("other/x.png",), no_links),
        ):
            with self.subTest(what), self.standin(), patch or nullcontext():
                seen = self.recorded(*image, *argv)
                name = seen.index("name")
                saved = seen.index("account: file")
                self.assertLess(seen.index("file"), name)
                self.assertIn("folder", seen[name:saved])
                if "--overwrite" not in argv:  # the folders above were made too
                    self.assertIn("above", seen[: seen.index("account: begin")])

    def recorded(self, *argv: str) -> list[str]:
        seen: list[str] = []
        real_sync, real_replace, add, begin = os.fsync, os.replace, store.Account.add, store.Account.begin
        real_link = os.link

        def sync(descriptor: int) -> None:
            real_sync(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            is_result = path.endswith(".part") or ".part (deleted)" in path
            is_folder = os.path.isdir(path) and path.startswith(str(self.cwd))
            has_result = is_folder and any(name.endswith(".png") for name in os.listdir(path))
            seen.append("file" if is_result else "folder" if has_result else "above" if is_folder else "other")

        def link(old: str, new: str) -> None:
            real_link(old, new)
            seen.append("name")

        def replace(old: str, new: str) -> None:
            real_replace(old, new)
            seen.append("name")

        def noted(account: store.Account, run_id: str, event: str, **fields: Any) -> None:
            seen.append(f"account: {event}")
            add(account, run_id, event, **fields)

        def begun(account: store.Account, *args: Any) -> Any:
            seen.append("account: begin")
            return begin(account, *args)

        with ExitStack() as stack:
            for place, recorder in (
                ("os.fsync", sync),
                ("os.replace", replace),
                *([("os.link", link)] if not isinstance(os.link, mock.Mock) else []),
                ("qianwen.account.store.Account.add", noted),
                ("qianwen.account.store.Account.begin", begun),
            ):
                stack.enter_context(mock.patch(place, recorder))
            ran = self.image(*argv)
        self.assertEqual(ran.code, 0, ran.stderr)
        return seen


def at_once(case: Case, count: int) -> tuple[int, int]:
    """(purchases, refusals as a twin) of so many processes that want the same."""
    with case.standin(delay=99.0) as standin:
        argv = [sys.executable, str(SCRIPTS / "image.py"), *COMMAND]
        env = {**os.environ, "HOME": str(case.home), **case.env}
        runs = [
            subprocess.Popen(argv, env=env, cwd=case.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(count)
        ]
        codes = [run.wait() for run in runs]
        return len(standin.of("submit")), codes.count(3)


if __name__ == "__main__":
    unittest.main()
