"""Runs on machines that lack something: descriptors, memory, threads, a temporary folder, sockets, a loopback, root's rights.

Every run ends with a documented code. What is bought is there; what cannot be finished is not bought; --sandbox and --replay
need no network. Each place is tried by root and by nobody, as far as this machine lets us.

Not part of the plain test command, because each row is a process. The rows of a machine without threads or sockets need a
C compiler for `nth_call.c`; without one they are skipped, in CI they fail.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

from tests import SCRIPTS
from tests.nth_call import DOCUMENTED, Counting, build, compiler
from tests.support import KEY, PHOTO, place_for_all

NOBODY = 65534
MEBIBYTE = 2**20
OFFLINE_SECONDS = 2.0  # that a run without a network may take, of its own CPU and of the wall where nothing else runs
SMALL = ("--size", "512*512")  # quickly made
RUNS: Mapping[str, tuple[str, ...]] = {
    "picture": ("image.py", "a cat", "--model", "qwen-image-2.0", *SMALL),
    "pictures": ("image.py", "a cat", "--model", "qwen-image-2.0", *SMALL, "-n", "4"),
    "edit": ("image.py", "a cat", "--model", "qwen-image-2.0", *SMALL, "--image", "../photo.jpg"),
    "task": ("image.py", "a cat", "--async", "--model", "wan2.2-t2i-flash", *SMALL),
    "sandbox": ("image.py", "a cat", "--sandbox"),
    "sandbox clip": ("video.py", "a cat", "--sandbox"),
    "replay": ("image.py", "a cat", "--model", "qwen-image-2.0", *SMALL, "--replay", "tape.json"),
}
PROMISED = {"pictures": 4, "sandbox clip": 2}  # a clip has its reply beside it
PAID = ("picture", "pictures", "edit", "task")
OFFLINE = ("sandbox", "sandbox clip", "replay")


def refused(function: str, number: int) -> dict[str, str]:
    return {"NTH_CALL_ALWAYS": function, "NTH_CALL_ERROR": str(number)}


class Place(NamedTuple):
    """What a machine lacks, and the exit code there of runs that need a network, and of those that need none.

    None: any documented one: where exactly it is too little differs between interpreters.
    """

    name: str
    paid: int | None
    offline: int | None = 0
    before: Sequence[str] = ()
    env: Mapping[str, str] = {}


PLACES = (
    Place("nothing", 0),
    Place("descriptors, but for 6", None, None, ("prlimit", "--nofile=6")),
    Place("descriptors, but for 10", 0, 0, ("prlimit", "--nofile=10")),
    Place("descriptors, but for 20", 0, 0, ("prlimit", "--nofile=20")),
    Place("memory, but for 25 MB", None, None, ("prlimit", f"--as={25 * MEBIBYTE}")),
    Place("memory, but for 40 MB", None, None, ("prlimit", f"--as={40 * MEBIBYTE}")),
    Place("memory, but for 100 MB", None, None, ("prlimit", f"--as={100 * MEBIBYTE}")),
    Place("memory, but for 200 MB", 0, 0, ("prlimit", f"--as={200 * MEBIBYTE}")),
    Place("processes and threads", 0, 0, ("prlimit", "--nproc=0")),  # binds all but root
    Place("threads", 0, 0, env=refused("pthread_create", errno.EAGAIN)),
    Place("a temporary folder", 0, 0, env={"TMPDIR": "/nonexistent"}),
    Place("sockets (EPERM)", 5, 0, env=refused("socket", errno.EPERM)),
    Place("sockets (EAFNOSUPPORT)", 5, 0, env=refused("socket", errno.EAFNOSUPPORT)),
    Place("connections", 5, 0, env=refused("connect", errno.EPERM)),
    Place("a loopback", 5, 0, ("unshare", "-r", "-n")),
)


class Ended(NamedTuple):
    code: int
    stdout: str
    stderr: str
    seconds: float
    bought: int
    heard: int
    files: list[str]


@unittest.skipIf(os.name == "nt", "POSIX only")
class Starved(unittest.TestCase):
    folder: Path
    instrument: Mapping[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory(dir=place_for_all())
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        if not compiler() and os.environ.get("CI"):
            raise AssertionError("there is no C compiler, so the instrument cannot be built")
        cls.instrument = build(holder.name) if compiler() else {}
        shutil.copytree(SCRIPTS, cls.folder / "scripts")  # which nobody may read, wherever ours are
        shutil.copyfile(PHOTO, cls.folder / "photo.jpg")
        argv = (*RUNS["replay"][1:-2], "--sandbox", "--record", "tape.json", "--output", "recorded.png")
        subprocess.run(
            [sys.executable, str(SCRIPTS / "image.py"), *argv], cwd=cls.folder, check=True, capture_output=True
        )
        subprocess.run(["chmod", "-R", "a+rX", holder.name], check=True)

    def run_in(self, place: Place, run: str, user: int) -> Ended:
        from qianwen.sandbox.server import running  # which `tests` has put within reach

        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o777)
        (folder / "tape.json").symlink_to(self.folder / "tape.json")
        (folder / "tape.json.files").symlink_to(self.folder / "tape.json.files")
        standin = Counting()
        python = sys.executable if user == os.getuid() else _python_of_all()

        with running(standin) as base:
            env = {
                **{name: value for name, value in os.environ.items() if name != "TMPDIR"},
                "HOME": str(folder),
                "QIANWEN_STATE_DIR": str(folder / "state"),
                "DASHSCOPE_HTTP_BASE_URL": base,
                "DASHSCOPE_API_KEY": KEY,
                "PYTHONDONTWRITEBYTECODE": "1",
                **place.env,
                **(self.instrument if "NTH_CALL_ALWAYS" in place.env else {}),
            }
            program, *argv = RUNS[run]
            command = [*place.before, python, str(self.folder / "scripts" / program), *argv]
            started = time.monotonic()
            ran = subprocess.run(
                [
                    *command,
                    "--print-response",
                    "--timeout",
                    "4" if place.paid == 5 else "30",
                    "--output",
                    str(folder / "out") + "/",
                ],
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
                **_as_user(user),
            )
            seconds = time.monotonic() - started
        files = [str(path) for path in (folder / "out").rglob("*") if path.is_file()]
        return Ended(ran.returncode, ran.stdout, ran.stderr, seconds, standin.bought, standin.heard, files)

    def judge(self, place: Place, run: str, ended: Ended) -> None:
        told = f"{ended.seconds:.1f} s\n{ended.stderr}\n{ended.stdout}"
        if ended.code == -signal.SIGSEGV and "memory" in place.name:  # Python itself: 3.13 while it imports `ssl`
            self.assertEqual((ended.bought, ended.files), (0, []), told)
            return
        expected = place.offline if run in OFFLINE else place.paid
        self.assertIn(ended.code, DOCUMENTED if expected is None else (expected,), told)
        self.assertNotIn("Traceback", told)
        self.assertNotIn(KEY, told)
        if ended.code == 5 and not ended.stdout:  # there was not even memory for the words of an answer
            self.assertIn("memory", place.name)
            self.assertIn("Error: ", ended.stderr)
            self.assertEqual(ended.bought, 0, told)
            return
        answer: Any = json.loads(ended.stdout)
        self.assertEqual(answer["ok"], ended.code == 0, told)
        promised = PROMISED.get(run, 1) if ended.code == 0 else 0
        self.assertEqual(len(ended.files), promised, told)
        self.assertEqual(ended.bought, int(run in PAID and ended.code == 0), "bought what it cannot finish\n" + told)
        if ended.code == 6 and run != "sandbox":  # whose stand-in is in the same process, and starves with it
            self.assertTrue(ended.heard, "told as unknown, but never sent\n" + told)

    def check(self, user: int) -> None:
        rows = [(place, run) for place in PLACES for run in RUNS if self.is_possible(place, user)]
        with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            asked = [(place, run, pool.submit(self.run_in, place, run, user)) for place, run in rows]
            for place, run, future in asked:
                with self.subTest(lacks=place.name, run=run):
                    self.judge(place, run, future.result())

    def is_possible(self, place: Place, user: int) -> bool:
        if "NTH_CALL_ALWAYS" in place.env:
            return bool(self.instrument)
        try:
            return not subprocess.run([*place.before, "true"], capture_output=True, **_as_user(user)).returncode
        except OSError:
            return False

    def test_as_we_are(self) -> None:
        self.check(os.getuid())

    @unittest.skipUnless(hasattr(os, "getuid") and os.getuid() == 0, "only root can become nobody")
    def test_as_an_ordinary_user(self) -> None:
        if not _python_of_all():
            self.skipTest("no interpreter that everybody can run")
        program = self.folder / "scripts" / "image.py"
        reads = subprocess.run(["test", "-r", program], **_as_user(NOBODY)).returncode == 0
        self.assertTrue(reads, f"nobody can read {program}: no temporary folder here can be entered by others")
        self.check(NOBODY)

    def test_without_a_network_it_takes_two_seconds_at_most(self) -> None:
        for place in PLACES:
            if place.paid == 5 and self.is_possible(place, os.getuid()):
                for run in OFFLINE:
                    with self.subTest(lacks=place.name, run=run):
                        best = min(self.run_in(place, run, os.getuid()).seconds for _ in range(3))
                        self.assertLess(best, OFFLINE_SECONDS)


def _python_of_all() -> str:
    """An interpreter of at least our oldest version that nobody can run; "" without one."""
    for path in (sys.executable, "/usr/bin/python3"):
        test = "import sys, sqlite3, ssl; sys.exit(sys.version_info < (3, 9))"
        try:
            if not subprocess.run([path, "-c", test], capture_output=True, **_as_user(NOBODY)).returncode:
                return path
        except OSError:
            continue
    return ""


def _as_user(user: int) -> dict[str, Any]:
    return {} if user == os.getuid() else {"user": user, "group": user, "extra_groups": []}
