"""kill -9 at chosen points of a submission: what the service took is found in its list, offered, and never paid twice.

The point is a function of the program; the process kills itself there. `tests/crosscheck` has the sweep.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import unittest
from contextlib import ExitStack
from typing import NamedTuple

from qianwen.sandbox.server import running
from qianwen.sandbox.standin import StandIn

from .. import SCRIPTS
from ..support import KEY
from .test_resume import ResumeCase

PROGRAM = """
import os, sys
scripts, module, owner, name, calls, when, program = sys.argv[1:8]
sys.path.insert(0, scripts)
import importlib
from qianwen import cli
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
holder = importlib.import_module("qianwen." + module)
holder = getattr(holder, owner) if owner else holder
inner, left = getattr(holder, name), [int(calls)]
def dying(*args, **more):
    left[0] -= 1
    made = inner(*args, **more) if left[0] or when == "after" else None
    if not left[0]:
        os.kill(os.getpid(), 9)
    return made
setattr(holder, name, dying)
cli.main(VIDEOS if program == "video.py" else IMAGES, sys.argv[8:])
"""


class Point(NamedTuple):
    """A function, before or after whose call the process dies.

    calls: it is this call of the function.
    bought: how many submissions the service has accepted by then.
    state: that of the run in the account afterwards.
    """

    what: str
    function: str
    calls: int
    when: str
    bought: int
    state: str


POINTS = (
    Point("before the connection is opened", "http.connections Opener open", 1, "before", 0, "none"),
    Point("when it is open", "http.connections Opener open", 1, "after", 0, "none"),
    Point("when the run is written down", "account.store Account begin", 1, "after", 0, "unknown"),
    Point("when the head is sent", "http.transport _BoundedSocket sendall", 1, "after", 0, "unknown"),
    Point("when all of it is sent", "http.transport  _write", 1, "after", 1, "unknown"),
    Point("when the answer is there", "account.entry Entry answered", 1, "before", 1, "unknown"),
    Point("before the line with its id", "account.store Account add", 1, "before", 1, "unknown"),
    Point("in its transaction", "account.rows  _set", 2, "after", 1, "unknown"),
    Point("after the line", "account.store Account add", 1, "after", 1, "waiting"),
)


@unittest.skipIf(os.name == "nt", "POSIX only")
class Killed(ResumeCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock.moment = time.time()  # that of the processes

    def start(self, point: Point, program: str, *argv: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "HOME": str(self.home), **self.env}
        words = [*point.function.split(" "), str(point.calls), point.when, program, *argv]
        command = [sys.executable, "-c", PROGRAM, str(SCRIPTS), *words]
        return subprocess.Popen(command, cwd=self.cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        _, told = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGKILL, told.decode())

    def test_a_task_is_offered_wherever_its_submission_died(self) -> None:
        with ExitStack() as stack:
            worlds = []
            for number, point in enumerate(POINTS):
                standin = StandIn()
                base = stack.enter_context(running(standin))
                self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
                self.env["QIANWEN_STATE_DIR"] = str(self.folder / f"state-{number}")
                argv = ("x", "--async", "--output", f"{number}.png")
                worlds.append((point, standin, self.env, argv, self.start(point, "image.py", *argv)))
            for point, standin, self.env, argv, process in worlds:
                with self.subTest(point.what):
                    self.end(process)
                    self.check(point, standin, argv)

    def check(self, point: Point, standin: StandIn, argv: tuple[str, ...]) -> None:
        deadline = time.monotonic() + 10
        while len(standin.tasks) < point.bought and time.monotonic() < deadline:
            time.sleep(0.005)  # the service takes in what the dead process has sent
        if point.state == "none":  # it did not say yet that it wants to buy
            self.assertEqual(self.ledger.runs(), [])
            self.assertEqual((self.image(*argv).code, len(standin.tasks)), (0, 1))
            return
        self.assertEqual(self.state(), point.state)
        self.assertEqual(self.image(*argv).code, 3)
        reply = self.json("--resume", code=6 if point.state == "unknown" else 0)["tasks"][0]
        self.assertEqual(reply["offered"], list(standin.tasks) if point.state == "unknown" else [])
        if point.state == "unknown" and point.bought:
            self.assertIn("--task-id", reply["next"])
            self.assertEqual(self.image(*shlex.split(reply["next"])[2:]).code, 0)
        elif not point.bought:
            self.assertIn("lists no such task", reply["error"]["hint"])
            self.assertEqual(self.image(*argv, "--again").code, 0)
        self.assertEqual((len(standin.tasks), (self.cwd / argv[-1]).is_file()), (1, True))
        if point.bought:
            self.assertEqual((self.state(), self.json("--resume")["tasks"]), ("done", []))

    def test_pieces_of_a_clip_and_of_its_reply_are_cleared(self) -> None:
        with running(StandIn()) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            started = []
            for drafts, name in ((1, "clip"), (2, "reply")):
                point = Point(name, "files.outputs Draft publish", drafts, "before", 1, "made")
                argv = (name, "--output", f"{name}/x.mp4", "--poll-interval", "1")
                started.append((name, self.start(point, "video.py", *argv)))
            for _, process in started:
                self.end(process)
            for name, _ in started:
                folder = self.cwd / name
                with self.subTest(name):
                    pieces = [path for path in folder.iterdir() if path.suffix == ".part"]
                    self.assertEqual((len(pieces), self.state_of(name)), (1, "made"))
            self.assertEqual(len(self.json("--resume")["tasks"]), 2)
            for name, _ in started:
                with self.subTest(name):
                    self.assertEqual(self.names_in(name), ["x.json", "x.mp4"])

    def test_the_same_command_clears_them_too(self) -> None:
        with running(StandIn()) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            argv = ("reply", "--output", "reply/x.mp4", "--poll-interval", "1")
            self.end(
                self.start(Point("reply", "files.outputs Draft publish", 2, "before", 1, "made"), "video.py", *argv)
            )
            self.assertEqual(len(self.names_in("reply")), 2)
            reply = self.video_json(*argv)
        self.assertEqual((reply["reused"], self.names_in("reply")), (True, ["x.json", "x.mp4"]))

    def names_in(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.cwd / folder).iterdir())

    def state_of(self, name: str) -> str:
        (run,) = (run for run in self.ledger.runs() if run.folder.endswith(name))
        return self.ledger.state(run)
