"""The skill's folder disappears in the moment when the service receives the paid request, as during an update."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Sequence

from qianwen.sandbox.faults import Fault, Faults
from qianwen.sandbox.server import running
from qianwen.sandbox.standin import Incoming, Reply, StandIn

from .. import SCRIPTS, lend_bytecode
from ..support import DATA, KEY, Case

STORY = ("--set", "enable_interleave=true", "--set", "stream=true", "--set", "max_images=2", "--model", "wan2.6-image")


class Run(NamedTuple):
    what: str
    program: str
    argv: tuple[str, ...]
    faults: tuple[str, ...] = ()
    code: int = 0


RUNS = (
    Run("a picture", "image.py", ()),
    Run("pictures", "image.py", ("-n", "3")),
    Run("a task", "image.py", ("--async",)),
    Run("a task that is only submitted", "image.py", ("--async", "--submit-only")),
    Run("a stream", "image.py", STORY),
    Run("a clip", "video.py", ()),
    Run("a request that is refused", "image.py", (), ("sync=400:InvalidParameter:no",), 1),
    Run("a key that is refused", "image.py", (), ("sync=401:InvalidApiKey:no",), 4),
    Run("too many requests", "image.py", (), ("sync=429*99",), 5),
    Run("an answer that is lost", "image.py", (), ("sync=lose",), 6),
    Run("a task that is lost", "image.py", ("--async",), ("submit=lose",), 6),
    Run("a result that is gone", "image.py", (), ("result=404*9",), 7),
    Run("a poll that fails", "image.py", ("--async",), ("poll=500*2",)),
    Run("a picture that is a clip", "image.py", ()),
)
CLIP = (DATA / "clips" / "clip.mp4").read_bytes()


class Vanishing(Faults):
    """Faults of a stand-in that removes `folder` as soon as it has read a request that costs money."""

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        super().__init__(texts)
        self._folder = folder

    def take(self, route: str) -> Fault | None:
        if route in ("sync", "submit", "stream"):
            shutil.rmtree(self._folder, ignore_errors=True)  # again, where the request is sent again
        return super().take(route)


class OfClips(StandIn):
    """A stand-in whose every result is a clip."""

    def handle(self, route: str, incoming: Incoming) -> Reply:
        reply = super().handle(route, incoming)
        return Reply(200, {"Content-Type": "video/mp4"}, CLIP) if route == "result" else reply


class Replaced(Case):
    def test_a_run_ends_as_if_nothing_had_happened(self) -> None:
        for number, run in enumerate(RUNS):
            with self.subTest(run.what):
                copy = self.folder / f"installed-{number}"
                shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("*.pyc.*"))
                lend_bytecode(copy)
                standin = (OfClips if run.what.endswith("is a clip") else StandIn)(faults=Vanishing(copy, run.faults))
                suffix = "mp4" if run.program == "video.py" else "png"
                target = () if run.argv == STORY else ("--output", f"{number}.{suffix}")
                with running(standin) as base:
                    environment = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
                    environment.update(HOME=str(self.home), QIANWEN_STATE_DIR=str(self.folder / f"state-{number}"))
                    argv = (sys.executable, "-B", str(copy / run.program), f"x {number}", *run.argv, *target)
                    ran = subprocess.run(
                        (*argv, "--print-response", "--timeout", "5", "--poll-interval", "1"),
                        cwd=self.cwd,
                        env=environment,
                        capture_output=True,
                        text=True,
                    )
                self.assertFalse(copy.exists())
                self.assertEqual(
                    (ran.returncode, "Traceback" in ran.stderr), (run.code, False), ran.stderr + ran.stdout
                )
                self.assertEqual(json.loads(ran.stdout)["ok"], run.code == 0)
                if run.code == 0 and target and "--submit-only" not in run.argv and "-n" not in run.argv:
                    right = f"{number}.mp4" if isinstance(standin, OfClips) else target[1]
                    self.assertTrue((self.cwd / right).is_file())
