"""A run that is killed, or whose call of the system fails, at its Nth call: the instrument is `crosscheck/nth_call.c`.

`Laboratory` keeps one interpreter for each processor, with the instrument preloaded and every module imported. For each
experiment it makes a world of its own, forks, and lets the fork run a command line with the fault armed; the same command
and `--resume` follow without one. What must hold is judged here, by `judge`.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Iterable, NamedTuple, Sequence

from qianwen.sandbox.standin import Incoming, Reply, StandIn

from . import ROOT, SCRIPTS
from .support import KEY, PHOTO

SOURCE = Path(__file__).parent / "crosscheck" / "nth_call.c"
ERRORS = tuple(getattr(errno, name) for name in ("EIO", "ENOSPC", "EACCES", "EMFILE", "ENOMEM", "EAGAIN"))
DOCUMENTED = (0, 1, 2, 3, 4, 5, 6, 7, 130)
KILLED = -9
SMALL = ("--size", "512*512")  # quickly made
SYNC = ("--model", "qwen-image-2.0", *SMALL)

SCENARIOS: dict[str, tuple[str, ...]] = {
    "picture": ("image.py", "a cat", *SYNC, "--output", "out/cat.png"),
    "pictures": ("image.py", "a cat", *SYNC, "-n", "2", "--output", "out/cat.png"),
    "edit": ("image.py", "a cat", *SYNC, "--image", str(PHOTO), "--output", "out/cat.png"),
    "task": ("image.py", "a cat", "--async", "--model", "wan2.2-t2i-flash", *SMALL, "--output", "out/cat.png"),
    "clip": ("video.py", "a cat", "--model", "wan2.2-t2v-plus", "--output", "out/cat.mp4"),
}
PROMISED = {"pictures": 2}
FOREIGN = {
    "out/cat.png": b"somebody's",
    "out/cat_2.png": b"else's",
    "out/.note.part": b"a piece of others",
    "n.txt": b"",
}


class Experiment(NamedTuple):
    """scenario: of SCENARIOS.  at: the call that is hit, 0 for none.  error: an errno, 0 to kill.

    paid: calls count from the first byte of a request that costs money.
    """

    scenario: str
    at: int
    error: int = 0
    paid: bool = False


class Finding(NamedTuple):
    """code: of the run that was hit.  faults: what must not be.  calls: each counted call, as `function path`.

    seen: the runs, for people.
    """

    code: int
    faults: list[str]
    calls: list[str]
    seen: list[Any]


def compiler() -> str | None:
    return shutil.which("cc") if sys.platform.startswith("linux") else None


def build(folder: str) -> dict[str, str]:
    """The instrument, compiled; the variables that load it. LD_PRELOAD takes no path with a space, so it has the name alone."""
    name = "nth_call.so"
    made = os.path.join(folder, name)
    command = [
        "cc",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-o",
        made,
        str(SOURCE),
        "-ldl",
        "-lpthread",
    ]
    subprocess.run(command, check=True, capture_output=True)
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_PRELOAD": name, "LD_LIBRARY_PATH": f"{folder}:{inherited}" if inherited else folder}


class Laboratory:
    """Interpreters that wait for experiments. Use as a context manager.

    hands: how many; 0 for one a processor.
    scenarios: those whose modules are imported beforehand.
    """

    def __init__(self, folder: str, hands: int = 0, scenarios: Iterable[str] = SCENARIOS) -> None:
        self._hands = hands or (os.cpu_count() or 1)
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        environment = {**os.environ, **build(folder), "TMPDIR": folder, "PYTHONHASHSEED": "0"}
        for _ in range(self._hands):
            command = [sys.executable, "-m", __name__, *scenarios]
            hand = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._all.append(hand)
            self._idle.put(hand)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in self._all:
            hand.communicate()

    def find(self, experiment: Experiment) -> Finding:
        hand = self._idle.get()
        assert hand.stdin and hand.stdout
        hand.stdin.write(json.dumps(experiment) + "\n")
        hand.stdin.flush()
        line = hand.stdout.readline()
        self._idle.put(hand)
        return Finding(*json.loads(line))

    def find_all(self, experiments: Iterable[Experiment]) -> list[tuple[Experiment, Finding]]:
        with ThreadPoolExecutor(self._hands) as pool:
            asked = [(experiment, pool.submit(self.find, experiment)) for experiment in experiments]
            return [(experiment, future.result()) for experiment, future in asked]


def sites(calls: Sequence[str], most: int) -> list[int]:
    """The numbers of calls worth hitting, from 1: of those that are alike at most `most`, the first and last among them."""
    alike: dict[str, list[int]] = defaultdict(list)
    for number, call in enumerate(calls, 1):
        alike[re.sub(r"[0-9a-f]{8,}|\d+", "#", call)].append(number)
    chosen: set[int] = set()
    for numbers in alike.values():
        step = max((len(numbers) - 1) / max(most - 1, 1), 1)
        chosen.update(numbers[round(index * step)] for index in range(min(most, len(numbers))))
    return sorted(chosen)


# In the interpreter with the instrument ---------------------------------------------------------------------------


class Ran(NamedTuple):
    argv: Sequence[str]
    code: int
    stdout: str
    stderr: str
    calls: Sequence[str] = ()

    @property
    def json(self) -> Any:
        """The answer; from stderr where stdout took none."""
        for text in (self.stdout, self.stderr.rpartition("\nAnswer: ")[2]):
            try:
                return json.loads(text)
            except ValueError:
                pass
        return {}

    @property
    def next(self) -> list[str]:
        """The flags of `next`, of the answer or of one of its parts."""
        answers = [self.json, *self.json.get("tasks", ())]
        return next((shlex.split(each["next"])[2:] for each in answers if "next" in each), [])


class Counting(StandIn):
    """A stand-in that counts the requests that cost money: what it heard of at all, and what it accepted."""

    heard = bought = downloads = 0

    def handle(self, route: str, incoming: Incoming) -> Reply:
        reply = super().handle(route, incoming)
        if route in ("sync", "submit"):
            self.heard += 1
            self.bought += reply.status == 200
        self.downloads += route == "result"
        return reply


class World:
    """The surroundings of one experiment: a stand-in that counts what was bought, and folders with files of others."""

    def __init__(self, server: Any) -> None:
        self.standin = server.standin = Counting()
        self.standin.origin = f"http://127.0.0.1:{server.server_address[1]}"
        self.base = server.base
        self.folder = Path(tempfile.mkdtemp())
        for name in ("cwd/out", "tmp", "home"):
            (self.folder / name).mkdir(parents=True)
        for name, data in FOREIGN.items():
            (self.folder / "cwd" / name).write_bytes(data)

    def run(self, argv: Sequence[str], fault: Experiment | None = None) -> Ran:
        """Run a command line in a fork."""
        log = os.open(self.folder / "log", os.O_RDWR | os.O_CREAT | os.O_TRUNC) if fault and not fault.at else -1
        process = os.fork()
        if process == 0:
            self._be_a_program(argv, fault, log)
        status = _wait(process, 120)
        calls = (self.folder / "log").read_text().replace(str(self.folder), "").splitlines() if log >= 0 else []
        if log >= 0:
            os.close(log)
        texts = [(self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return Ran(argv, status, texts[0], texts[1], calls)

    def _be_a_program(self, argv: Sequence[str], fault: Experiment | None, log: int) -> None:
        code = 99
        try:
            os.chdir(self.folder / "cwd")
            os.environ.update(
                HOME=str(self.folder / "home"),
                TMPDIR=str(self.folder / "tmp"),
                QIANWEN_STATE_DIR=str(self.folder / "state"),
                DASHSCOPE_HTTP_BASE_URL=self.base,
                DASHSCOPE_API_KEY=KEY,
            )
            tempfile.tempdir = None
            for descriptor, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            if log >= 0:
                log = os.dup2(log, 3)
            os.closerange(4 if log >= 0 else 3, 1024)  # the server's side of connections among them
            code = _main(argv, fault, log)
        finally:
            ctypes.CDLL(None).nth_call_arm(0, 0, 0, -1)
            (self.folder / "modules").write_text(" ".join(sys.modules))
            os._exit(code)


def _main(argv: Sequence[str], fault: Experiment | None, log: int) -> int:
    """The program from its first line to the last flush of the interpreter, with the fault armed."""
    from qianwen import cli
    from qianwen.environment import real
    from qianwen.models.image_models import IMAGES
    from qianwen.models.video_models import VIDEOS
    from qianwen.plain.record import changed

    sys.stdin = open(os.devnull, encoding="utf-8")
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
    catalog = IMAGES if argv[0] == "image.py" else VIDEOS
    environment = changed(real(str(SCRIPTS / argv[0])), sleep=lambda seconds: time.sleep(seconds / 200))
    if fault:
        ctypes.CDLL(None).nth_call_arm(int(fault.paid), fault.at, fault.error, log)
    try:
        timeout = [] if "--timeout" in argv else ["--timeout", "20"]
        code = cli.main(catalog, [*argv[1:], "--print-response", *timeout], environment)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = 120  # as Python ends
    return code


def _wait(process: int, seconds: float) -> int:
    """The exit code; minus the number of the signal that ended it; 124 when it had to be ended."""
    ends = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() > ends:
            os.kill(process, 9)
            os.waitpid(process, 0)
            return 124
        time.sleep(0.002)


def perform(experiment: Experiment, server: Any) -> Finding:
    """One experiment and its verdict."""
    world = World(server)
    try:
        argv = SCENARIOS[experiment.scenario]
        runs = [world.run(argv, experiment)]
        first_heard = world.standin.heard
        if runs[0].code == KILLED:
            runs.append(world.run(argv))
        for _ in range(3):
            if runs[-1].code == 0 and "--resume" in runs[-1].argv:
                break
            runs.append(world.run((argv[0], *(runs[-1].next or ["--resume"]))))
        faults = judge(experiment, world, runs, first_heard)
        seen = (
            [[list(run.argv), run.code, run.stdout, run.stderr] for run in runs] if faults or not experiment.at else []
        )
        return Finding(runs[0].code, faults, list(runs[0].calls), seen)
    finally:
        shutil.rmtree(world.folder)


def judge(experiment: Experiment, world: World, runs: Sequence[Ran], first_heard: int) -> list[str]:
    """Everything that must not be."""
    first, promised = runs[0], PROMISED.get(experiment.scenario, 1)
    faults = [
        f"{' '.join(run.argv[1:3])}: exit {run.code}"
        for number, run in enumerate(runs)
        if run.code not in DOCUMENTED and not (number == 0 and run.code == KILLED and not experiment.error)
    ]
    faults += ["a traceback" for run in runs if "Traceback" in run.stderr + run.stdout]
    faults += ["the key was written" for run in runs if KEY in run.stderr + run.stdout]
    faults += ["no JSON" for run in runs if run.code != KILLED and not run.json]
    was_read = first.code in (KILLED, 0) and first.json.get("ok")  # killed after its answer: the same command buys anew
    if world.standin.bought > 1 + bool(was_read):
        faults.append(f"{world.standin.bought} purchases")
    cwd = world.folder / "cwd"
    made = {hashlib.sha256(kept.data).hexdigest() for kept in world.standin.storage.results.values()}
    files = [path for path in cwd.rglob("*") if path.is_file() and str(path.relative_to(cwd)) not in FOREIGN]
    for name, data in FOREIGN.items():
        path = cwd / name
        if not path.is_file() or path.read_bytes() != data:
            faults.append(f"{name}, which is not ours, was touched")
    results = [path for path in files if path.suffix in (".png", ".mp4")]
    faults += [f"left behind: {path.name}" for path in files if path.suffix not in (".png", ".mp4", ".json")]
    faults += [f"left behind: {path.name}" for path in cwd.rglob("*") if path.is_dir() and path.name != "out"]
    faults += [f"left behind: tmp/{path.name}" for path in (world.folder / "tmp").rglob("*")]
    faults += [f"damaged: {path.name}" for path in results if hashlib.sha256(path.read_bytes()).hexdigest() not in made]
    is_lost = _is_lost(world, runs)
    expected = 0 if is_lost else promised * world.standin.bought
    if len(results) != expected:
        faults.append(f"{len(results)} results of {expected}")
    if not experiment.at and first.code:
        faults.append(f"exit {first.code} without a fault")
    if first.code == 0 and len(first.json.get("files", ())) != promised:
        faults.append("exit 0 without the files")
    if first.code == 6 and not first_heard and not experiment.paid:
        faults.append("told as unknown, but it never arrived")
    return faults


def _is_lost(world: World, runs: Sequence[Ran]) -> bool:
    """Whether the answer of a synchronous request was lost in the air, and somebody was told so."""
    words = "may have been accepted"
    told = any(run.code == 6 or words in run.stderr for run in runs)
    return told and not world.standin.tasks and not world.standin.downloads


def _learn(scenario: str, server: Any) -> None:
    """Import what a fork of this scenario imports, so that no import stands among the calls that are counted."""
    world = World(server)
    for argv in (SCENARIOS[scenario], (SCENARIOS[scenario][0], "--resume")):
        world.run(argv)
        for name in (world.folder / "modules").read_text().split():
            if name != "__main__":
                importlib.import_module(name)
    shutil.rmtree(world.folder)


def _serve() -> None:
    """Take experiments from stdin, answer findings on stdout."""
    from qianwen.sandbox.server import Server
    from qianwen.sandbox.standin import StandIn

    # A fork needs nothing of the server's threads, which live on here: it speaks to them through sockets.
    warnings.filterwarnings("ignore", r"This process .* is multi-threaded, use of fork\(\)", DeprecationWarning)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(StandIn())
    threading.Thread(target=server.serve, daemon=True).start()
    for scenario in sys.argv[1:]:
        _learn(scenario, server)
    for line in sys.stdin:
        finding = perform(Experiment(*json.loads(line)), server)
        answers.write(json.dumps(finding) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
