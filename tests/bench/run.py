#!/usr/bin/env python3
"""What the client adds to the service's own time, as ratios to named references: `python3 tests/bench/run.py`.

A Markdown table on stdout, progress on stderr; five to ten minutes, 2.5 GB of disk for that time, POSIX only. All
children run on the interpreter that runs this; the official SDK is measured when it can import `dashscope`.
RESULTS.md holds what it printed last.
"""

from __future__ import annotations

import argparse
import compileall
import copy
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterable, Iterator, NamedTuple, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[0] = str(ROOT)

sys.path.insert(1, str(ROOT / "scripts"))

from qianwen.account.store import Account  # noqa: E402

from tests.bench import past, server  # noqa: E402
from tests.bench.measure import Command, Cost, interleaved, run  # noqa: E402

BARE, CURL, CLIENT = "import argparse, json", "curl", "http.client script"
CURLS = "curl --parallel"
USUAL = "argparse and urllib.request script"  # what other skills are made of, without all that they do besides
SDK, SDK_CLI, LIMIT = "dashscope", "dashscope CLI", "limit"
IMPORTING = """
import sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    try:
        __import__(name)
    except ImportError:  # what was looked for in vain
        pass
"""
GIB = 1 << 30
UPLOAD_BYTES = 300 * 10**6
TASK_SECONDS = (2.2, 3.3, 4.4, 5.5, 6.6, 7.7, 8.8, 9.9)  # spread, so that no rhythm of looks is favored
DELAY_SECONDS = 0.3
FIRST_BYTE_SECONDS = 1.0  # until a result of some MB has come from another continent, about
STREAM_ROUNDS = 5
TARGET_START = 1.4
TARGET_PICTURE = 1.35
TARGET_PICTURES = 1.3
TARGET_STREAM = 1.3
TARGET_MIB = 40.0
TARGET_TASKS_CPU = 0.3
ROWS, ROW_SECONDS, AT_ONCE = 80, 2, 8
ROW_CPU_SECONDS = 0.02
TARGET_LAG = 2.0  # seconds between looks while tasks are this short


class Row(NamedTuple):
    """unit: ms, s, MiB or "" for a count.  target: what the ratio must not exceed; 0 for none."""

    what: str
    ours: float
    reference: str
    theirs: float
    unit: str
    target: float = 0.0

    @property
    def compared(self) -> str:
        """The reference with its own value, and ours as a share of it."""
        if self.reference == LIMIT:
            return f"at most {_told(self.theirs, self.unit)}"
        if not self.theirs:
            return f"{self.reference} {_told(self.theirs, self.unit)}"
        target = f", at most {self.target:g}" if self.target else ""
        return f"{self.reference} {_told(self.theirs, self.unit)} ({self.ours / self.theirs:.2f}{target})"

    @property
    def is_held(self) -> bool:
        return not self.target or self.ours / self.theirs <= self.target


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The rows of a Markdown table: what was measured, ours, and everything that it is compared with."""
    measured: dict[str, list[Row]] = {}
    for row in rows:
        measured.setdefault(row.what, []).append(row)
    for what, group in measured.items():
        held = "" if not any(row.target for row in group) else "yes" if all(row.is_held for row in group) else "NO"
        told = "; ".join(row.compared for row in group)
        yield f"| {what} | {_told(group[0].ours, group[0].unit)} | {told} | {held} |"


def _told(value: float, unit: str) -> str:
    if unit == "ms":
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if unit == "s" else f"{value:.0f} {unit}".strip()


class Bench:
    """The programs with warm bytecode, the references, and a server; `folder` holds whatever is written."""

    def __init__(self, folder: Path, loopback: server.Loopback, quick: bool, programs: Path) -> None:
        self.loopback = loopback
        self.folder = folder
        self.rounds = 3 if quick else 11
        self.python = sys.executable
        self.scripts = folder / "scripts"
        shutil.copytree(programs, self.scripts, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(str(self.scripts), quiet=1)
        self.curl = shutil.which("curl")
        home = folder / "home"
        home.mkdir()
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        self.env.update(
            DASHSCOPE_API_KEY=server.KEY, DASHSCOPE_HTTP_BASE_URL=loopback.base, BENCH_SCRIPTS=str(self.scripts)
        )
        self.has_sdk = subprocess.run([self.python, "-c", "import dashscope"], capture_output=True).returncode == 0

    def ours(self, program: str, *argv: str, code: int = 0) -> Command:
        return Command([self.python, str(self.scripts / program), *argv], code)

    def theirs(self, script: str, *argv: str) -> Command:
        return Command([self.python, str(HERE / f"with_{script}.py"), *argv])

    def measured(self, commands: dict[str, Command], rounds: int = 0) -> dict[str, Cost]:
        return interleaved(commands, rounds or self.rounds, self.env, str(self.folder))

    # One method a section --------------------------------------------------------------------------------------

    def start_up(self) -> Iterator[Row]:
        refused = {"image.py": ("x", "--size", "1"), "video.py": ("x", "--duration", "99")}
        commands = {BARE: Command([self.python, "-c", "import argparse, json"])}
        for program, argv in refused.items():
            commands[f"{program} --help"] = self.ours(program, "--help")
            commands[f"{program}, refused"] = self.ours(program, *argv, code=3)
            commands[f"{program} --dry-run"] = self.ours(program, "a cat", "--dry-run")
        slow = {}
        if self.has_sdk:
            slow = {SDK: Command([self.python, "-c", "import dashscope"])}
            slow[SDK_CLI] = Command([self.python, "-m", "dashscope.cli", "--help"])
        usual = copy.copy(self)  # nothing is sent here, and few users name another base
        usual.env = {name: value for name, value in self.env.items() if name != "DASHSCOPE_HTTP_BASE_URL"}
        costs = {**usual.measured(commands, self.rounds * 2), **usual.measured(slow, 3)}
        for name in list(commands)[1:]:
            target = 1.0 if name.endswith("--help") else TARGET_START
            yield Row(f"start-up CPU, {name}", costs[name].cpu, BARE, costs[BARE].cpu, "ms", target)
        yield from self._without_bytecode()
        for name, why in ((SDK, "import dashscope"), (SDK_CLI, "dashscope --help")):
            if name in costs:
                yield Row("start-up CPU, image.py --help", costs["image.py --help"].cpu, why, costs[name].cpu, "ms", 1)

    def _without_bytecode(self) -> Iterator[Row]:
        """Where Python may not write its compiled modules (PYTHONDONTWRITEBYTECODE, a folder of root's), it compiles."""
        place = self.folder / "uncompiled"
        shutil.copytree(self.scripts, place, ignore=shutil.ignore_patterns("__pycache__"))
        cold = Command([self.python, str(place / "image.py"), "a cat", "--dry-run"])
        costs = self.measured({"warm": self.ours("image.py", "a cat", "--dry-run"), "cold": cold})
        what = "start-up CPU, image.py --dry-run, no compiled modules"
        yield Row(what, costs["cold"].cpu, "with them", costs["warm"].cpu, "ms")

    def picture(self) -> Iterator[Row]:
        yield from self._picture("a picture")

    def _picture(self, what: str) -> Iterator[Row]:
        base, out = self.loopback.base, str(self.folder / "picture.png")
        commands = {
            "image.py": self.ours("image.py", "a cat", "--model", "wan2.6-t2i", "--overwrite", "--output", out),
            CLIENT: self.theirs("http_client", "picture", base, "a cat", out),
            USUAL: self.theirs("urllib", "--base", base, "--prompt", "a cat", "--output", out),
        }
        if self.has_sdk:
            commands[SDK] = self.theirs("dashscope", "picture", base, "a cat", out)
            cli = ["image-generation", "create", "--model", "wan2.6-t2i", "--text", "a cat"]
            commands[SDK_CLI] = Command([self.python, "-m", "dashscope.cli", *cli])
        costs = self.measured(commands)
        for name in list(commands)[1:]:
            told = f"{name} (no download)" if name == SDK_CLI else name
            most = TARGET_PICTURE if name == CLIENT else 1.0
            target = 1.0 if name in (SDK, SDK_CLI) else 0.0
            yield Row(f"{what}, CPU", costs["image.py"].cpu, told, costs[name].cpu, "ms", most)
            yield Row(f"{what}, seconds", costs["image.py"].seconds, told, costs[name].seconds, "ms", target)
            yield Row(f"{what}, memory", costs["image.py"].resident, told, costs[name].resident, "MiB", target)

    def connections(self) -> Iterator[Row]:
        yield from self._connections("a task of 4 s", "connections to")

    def _connections(self, task: str, opened: str) -> Iterator[Row]:
        base, prompt, out = self.loopback.base, "seconds=4", str(self.folder / "one.mp4")
        ours = self.ours("video.py", prompt, "--overwrite", "--output", out)
        commands = {CLIENT: self.theirs("http_client", "video", base, prompt, out)}
        if self.has_sdk:
            commands[SDK] = self.theirs("dashscope", "video", base, prompt, out)
        costs = self.measured({"ours": ours, **commands}, 3)
        api, storage, polls = self._counted(ours)
        for name, command in commands.items():
            their_api, their_storage, their_polls = self._counted(command)
            yield Row(f"{task}, {opened} the API", api, name, their_api, "")
            yield Row(f"{task}, {opened} storage", storage, name, their_storage, "")
            yield Row(f"{task}, polls", polls, name, their_polls, "")
            target = 1.0 if name == SDK else TARGET_PICTURE
            yield Row(f"{task}, CPU", costs["ours"].cpu, name, costs[name].cpu, "ms", target)
            yield Row(f"{task}, memory", costs["ours"].resident, name, costs[name].resident, "MiB", target)

    def _counted(self, command: Command) -> tuple[int, int, int]:
        self.loopback.forget()
        run(command, self.env, str(self.folder))
        counted = self.loopback.connections
        return counted["api"], counted["storage"], len(self.loopback.of("poll"))

    @contextmanager
    def secured(self) -> Iterator[Bench]:
        """The same against a server on https."""
        with server.Loopback(is_secure=True).running() as secure:
            bench = copy.copy(self)
            bench.loopback = secure
            bench.env = {**self.env, "DASHSCOPE_HTTP_BASE_URL": secure.base, "REQUESTS_CA_BUNDLE": str(server.CERT)}
            bench.env.update(SSL_CERT_FILE=str(server.CERT), CURL_CA_BUNDLE=str(server.CERT))
            yield bench

    def tls(self) -> Iterator[Row]:
        with self.secured() as bench:
            yield from bench._picture("a picture over TLS")
            yield from bench._connections("a task of 4 s over TLS", "handshakes with")
            yield from bench._download("memory over TLS", "/dev/shm", flushed=False)

    def certificates(self) -> Iterator[Row]:
        """What this machine's own certificates cost; against the loopback's, which is one, they cost nothing."""
        ways = {"none": "pass", "ours": "trust_by_name({}) or trust({})", "all": "trust({})"}
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from qianwen.http.connections import trust, trust_by_name; "
        )
        commands = {way: Command([self.python, "-c", code + call, str(self.scripts)]) for way, call in ways.items()}
        costs = self.measured(commands)
        ours, whole = (costs[way].cpu - costs["none"].cpu for way in ("ours", "all"))
        yield Row("to trust what this machine trusts, CPU", ours, "to read all certificates", whole, "ms", 1)

    def profile(self) -> Iterator[Row]:
        """Where the CPU of a run goes."""
        with self.secured() as bench:
            base, out = bench.loopback.base, str(self.folder / "profile.out")
            more = ("--overwrite", "--output", out)
            for what, ours, theirs in (
                (
                    "a picture",
                    bench.ours("image.py", "a cat", "--model", "wan2.6-t2i", *more),
                    ("picture", base, "x", out),
                ),
                ("a video", bench.ours("video.py", "seconds=1", *more), ("video", base, "seconds=1", out)),
            ):
                their_parts = bench._parts(bench.theirs("http_client", *theirs), "")
                for part, cost in bench._parts(ours, "import os; os._exit(0)").items():
                    yield Row(f"{what} over TLS, CPU: {part}", cost, CLIENT, their_parts.get(part, 0.0), "ms")

    def _parts(self, whole: Command, ending: str) -> dict[str, float]:
        """CPU seconds of each part of a run: what it takes more than all the parts before it. ending: as the run ends."""
        traced = [self.python, "-X", "importtime", *whole.argv[1:]]
        ran = subprocess.run(traced, capture_output=True, env=self.env, cwd=self.folder, text=True, check=True)
        names = [line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")]
        pythons = [name for name in names[1:] if not name.startswith("qianwen")]
        commands = {
            "the interpreter": Command([self.python, "-c", ending]),
            "modules of Python": self._importing(pythons, ending),
            "modules of ours": self._importing(names[1:], ending),
            "the work": whole,
        }
        if len(pythons) == len(names[1:]):
            del commands["modules of ours"]
        costs = [cost.cpu for cost in self.measured(commands).values()]
        return {part: cost - before for part, cost, before in zip(commands, costs, [0.0, *costs])}

    def _importing(self, names: Sequence[str], ending: str) -> Command:
        return Command([self.python, "-c", IMPORTING + ending, str(self.scripts), *names])

    def waiting(self) -> Iterator[Row]:
        """Several tasks at once, each client in its own process: what is measured is mostly sleep."""
        lags = self._lags("ours", lambda prompt, out: self.ours("video.py", prompt, "--overwrite", "--output", out))
        what = f"finished → saved, tasks of {TASK_SECONDS[0]:g} to {TASK_SECONDS[-1]:g} s, mean"
        if not self.has_sdk:
            yield Row(what, statistics.mean(lags), LIMIT, TARGET_LAG, "s", 1)
            return
        base = self.loopback.base
        theirs = self._lags("sdk", lambda prompt, out: self.theirs("dashscope", "video", base, prompt, out))
        yield Row(what, statistics.mean(lags), SDK, statistics.mean(theirs), "s", 1)
        yield from self._beats()

    def _lags(self, name: str, command: Callable[[str, str], Command]) -> list[float]:
        first = len(self.loopback.tasks)
        outs = [self.folder / f"{name}-{number}.mp4" for number in range(len(TASK_SECONDS))]
        threads = []
        for seconds, out in zip(TASK_SECONDS, outs):
            made = command(f"seconds={seconds}", str(out))
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            threads.append(threading.Thread(target=run, args=(made, self.env, str(folder))))
            threads[-1].start()
            while len(self.loopback.tasks) < first + len(threads) and threads[-1].is_alive():
                time.sleep(0.01)  # the tasks are told apart by their order
        for thread in threads:
            thread.join()
        finished = [self.loopback.tasks[f"task-{first + number}"].finished for number in range(len(outs))]
        return [out.stat().st_ctime - moment for out, moment in zip(outs, finished)]

    def _beats(self) -> Iterator[Row]:
        """The two wait loops by themselves, in time that only counts: mean wait over every length of a task."""
        import json

        from qianwen.service.tasks import gaps

        told = subprocess.run([*self.theirs("dashscope", "polls", "900").argv], capture_output=True, env=self.env)
        sdk = json.loads(told.stdout)
        beat = gaps(15.0)
        ours = [next(beat)]
        while ours[-1] < 900:
            ours.append(ours[-1] + next(beat))
        for low, high in ((0, 10), (10, 30), (30, 120), (120, 600)):
            what = f"unnoticed after its end, tasks of {low} to {high} s, mean"
            yield Row(what, _unnoticed(ours, low, high), f"{SDK} wait loop", _unnoticed(sdk, low, high), "s", 1)
        for seconds in (30, 60, 600):
            mine_count, its_count = (1 + sum(look < seconds for look in looks) for looks in (ours, sdk))
            yield Row(f"polls for a task of {seconds} s", mine_count, "one every 3 s", seconds / 3 + 1, "", 1)
            yield Row(f"polls for a task of {seconds} s", mine_count, f"{SDK} wait loop", its_count, "")

    def streams(self) -> Iterator[Row]:
        yield from self._download("memory", "/dev/shm", flushed=False)
        yield from self._download("disk", str(self.folder), flushed=True)
        yield from self._upload()

    def _download(self, medium: str, folder: str, flushed: bool) -> Iterator[Row]:
        if not os.path.isdir(folder):
            return
        url = self.loopback.url("clip.mp4", GIB)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            out = os.path.join(place, "clip.mp4")
            commands = {"video.py": self.ours("video.py", "--task-id", f"done-{GIB}", "--output", out)}
            commands.update(self._downloads(url, out, flushed))
            for name, command in commands.items():
                commands[name] = command._replace(before=lambda: _emptied(place))
            costs = self.measured(commands, STREAM_ROUNDS)
        ours = costs.pop("video.py")
        what = f"1 GiB down to {medium}"
        for name, cost in costs.items():
            target = TARGET_STREAM if name.startswith(CURL) else 1.0 if name == SDK else 0.0
            yield Row(f"{what}, seconds", ours.seconds, name, cost.seconds, "s", target)
            yield Row(f"{what}, CPU", ours.cpu, name, cost.cpu, "s")
        yield Row(f"{what}, peak memory", ours.resident, LIMIT, TARGET_MIB, "MiB", 1)
        if SDK in costs:
            yield Row(f"{what}, peak memory", ours.resident, SDK, costs[SDK].resident, "MiB", 1)

    def _downloads(self, url: str, out: str, flushed: bool) -> dict[str, Command]:
        commands = {}
        if flushed:
            if self.curl and shutil.which("sync"):
                commands[f"{CURL}, then sync"] = Command(
                    ["/bin/sh", "-c", f"curl -s -o '{out}' '{url}' && sync '{out}'"]
                )
            return commands
        if self.curl:
            commands[CURL] = Command([self.curl, "-s", "-o", out, url])
        commands[CLIENT] = self.theirs("http_client", "download", url, out)
        commands[f"{CLIENT} with SHA-256"] = self.theirs("http_client", "hashed", url, out)
        if self.has_sdk:
            commands[SDK] = self.theirs("dashscope", "download", self.loopback.base, f"done-{GIB}", out)
        return commands

    def _upload(self) -> Iterator[Row]:
        big, base = self.folder / "big.mp4", self.loopback.base
        with big.open("wb") as stream:
            for _ in range(UPLOAD_BYTES // 10**6):
                stream.write(os.urandom(10**6))
        commands = {"uploads": self.theirs("parts", "upload", base, str(big))}
        if self.curl:
            form = ["-s", "-o", os.devnull, "-F", "key=bench/1/big.mp4", "-F", f"file=@{big}"]
            commands[CURL] = Command([self.curl, *form, self.loopback.url("", 0)])
        commands[CLIENT] = self.theirs("http_client", "upload", base, str(big))
        if self.has_sdk:
            commands[SDK] = self.theirs("dashscope", "upload", base, str(big))
        costs = self.measured(commands, STREAM_ROUNDS)
        big.unlink()
        ours = costs.pop("uploads")
        for name, cost in costs.items():
            target = TARGET_STREAM if name == CURL else 1.0 if name == SDK else 0.0
            yield Row("300 MB up, seconds", ours.seconds, name, cost.seconds, "s", target)
            yield Row("300 MB up, CPU", ours.cpu, name, cost.cpu, "s")
        yield Row("300 MB up, peak memory", ours.resident, LIMIT, TARGET_MIB, "MiB", 1)
        if SDK in costs:
            yield Row("300 MB up, peak memory", ours.resident, SDK, costs[SDK].resident, "MiB", 1)

    def side_by_side(self) -> Iterator[Row]:
        """One of them and four of them, with a server that lets each wait."""
        from qianwen.sandbox import placeholder

        out = str(self.folder / "side.png")
        common = ("--overwrite", "--output", out)
        photos = []
        for number in range(4):
            photo = self.folder / f"reference-{number}.png"
            photo.write_bytes(placeholder.png(640, 480, "bench", [str(number)]))
            photos += ["--image", str(photo)]
        for route, one, four in (
            ("result", ("x", "--model", "wan2.6-t2i"), ("x", "--model", "wan2.6-t2i", "-n", "4")),
            ("upload", ("x", *photos[:2]), ("x", *photos)),
        ):
            self.loopback.delays = {route: DELAY_SECONDS}
            commands = {"one": self.ours("image.py", *one, *common), "four": self.ours("image.py", *four, *common)}
            costs = self.measured(commands, 3)
            self.loopback.delays = {}
            what = "downloads" if route == "result" else "uploads"
            serial = costs["one"].seconds + 3 * DELAY_SECONDS
            yield Row(
                f"4 {what} of {DELAY_SECONDS} s each", costs["four"].seconds, "one after the other", serial, "s", 0.6
            )

        yield from self._twelve()

    def _twelve(self) -> Iterator[Row]:
        """As many pictures as one request can have, against all of their links at once."""
        if not self.curl:
            return
        out, many = str(self.folder / "many.png"), ("--set", "enable_sequential=true", "-n", "12")
        links = [self.loopback.url(f"picture-{number}.png", self.loopback.result_bytes) for number in range(12)]
        each = [word for number, link in enumerate(links) for word in ("-o", f"{out}.{number}", link)]
        commands = {
            "ours": self.ours("image.py", "x", "--model", "wan2.7-image", *many, "--overwrite", "--output", out),
            CURLS: Command([self.curl, "-s", "--parallel", "--parallel-immediate", "--parallel-max", "12", *each]),
        }
        self.loopback.delays = {"result": FIRST_BYTE_SECONDS}
        costs = self.measured(commands, 5)
        self.loopback.delays = {}
        what = f"12 pictures, each after {FIRST_BYTE_SECONDS:g} s, seconds"
        yield Row(what, costs["ours"].seconds, f"{CURLS}, download only", costs[CURLS].seconds, "s", TARGET_PICTURES)

    def account(self) -> Iterator[Row]:
        """Bookkeeping and `--tasks` in accounts with ever more earlier runs."""
        counts = (0, 1000, 100_000)
        taken: dict[int, list[float]] = {count: [] for count in counts}
        for count in counts:
            past.fill(str(self.folder / f"account-{count}"), count)
        for _ in range(60):
            for count in counts:
                begun = time.perf_counter()
                past.keep_books(Account(str(self.folder / f"account-{count}")))
                taken[count].append(time.perf_counter() - begun)
        none, *more = (statistics.median(taken[count]) for count in counts)
        for count, seconds in zip(counts[1:], more):
            yield Row(f"bookkeeping of a picture after {count:,} runs", seconds, "after none", none, "ms", 1.2)
        bench = copy.copy(self)
        bench.env = {**self.env, "QIANWEN_STATE_DIR": str(self.folder / f"account-{counts[-1]}")}
        cost = bench.measured({"tasks": self.ours("image.py", "--tasks")})["tasks"]
        yield Row("--tasks after 100,000 runs, CPU", cost.cpu, LIMIT, TARGET_TASKS_CPU, "ms", 1)
        yield Row("--tasks after 100,000 runs, peak memory", cost.resident, LIMIT, TARGET_MIB, "MiB", 1)

    def batches(self) -> Iterator[Row]:
        """Eighty rows of two seconds each, eight at once, against the sandbox; a shell loop does a tenth of them."""
        serving = Command([self.python, str(self.scripts / "sandbox.py"), "--delay", f"{ROW_SECONDS}"])
        sandbox = subprocess.Popen(
            serving.argv, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert sandbox.stdout
        with sandbox.stdout:
            try:
                base = sandbox.stdout.readline().strip().partition("=")[2]
                bench = copy.copy(self)
                bench.env = {**self.env, "DASHSCOPE_HTTP_BASE_URL": base}
                yield from bench._batches(base)
            finally:
                sandbox.terminate()
                sandbox.wait()

    def _batches(self, base: str) -> Iterator[Row]:
        rows, folder = self.folder / "rows.txt", str(self.folder)
        rows.write_text("".join(f"picture {number}\n" for number in range(ROWS)))
        best = ROWS * ROW_SECONDS / AT_ONCE
        what = f"{ROWS} pictures of {ROW_SECONDS} s, {AT_ONCE} at once"
        flags = ("--batch", str(rows), "--output", str(self.folder / "batch"), "--at-once", str(AT_ONCE))
        ours = run(self.ours("image.py", *flags), self.env, folder)
        yield Row(f"{what}, seconds", ours.seconds, f"{AT_ONCE / ROW_SECONDS:g} a second", best, "s", 1.05)
        one = " ".join(
            map(shlex.quote, self.ours("image.py", "x", "--again", "--output", str(self.folder / "loop/")).argv)
        )
        count = ROWS // 10
        loop = run(Command(["/bin/sh", "-c", f"for n in $(seq {count}); do {one} || exit 1; done"]), self.env, folder)
        yield Row(f"{what}, seconds", ours.seconds, "a shell loop", 10 * loop.seconds, "s", 1)
        yield Row(f"{what}, CPU", ours.cpu, LIMIT, ROWS * ROW_CPU_SECONDS, "s", 1)
        yield Row(f"{what}, CPU", ours.cpu, "a shell loop", 10 * loop.cpu, "s", 1)
        if self.has_sdk:
            pool = run(self.theirs("dashscope", "pool", base, str(rows), folder, str(AT_ONCE)), self.env, folder)
            yield Row(f"{what}, seconds", ours.seconds, f"{SDK} in a pool of threads", pool.seconds, "s")
            yield Row(f"{what}, CPU", ours.cpu, f"{SDK} in a pool of threads", pool.cpu, "s", 1)


def _unnoticed(looks: list[float], low: float, high: float) -> float:
    """Mean seconds from a task's end to the next look, when every end between two moments is as likely."""
    total = 0.0
    for before, look in zip([0.0, *looks], looks):
        first, last = max(before, low), min(look, high)
        if first < last:
            total += ((look - first) ** 2 - (look - last) ** 2) / 2
    return total / (high - low)


def _emptied(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux
    return f"{time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, {os.cpu_count()} × {cpu}, Python {platform.python_version()}"


SECTIONS = (
    "start_up",
    "picture",
    "connections",
    "tls",
    "certificates",
    "profile",
    "waiting",
    "streams",
    "side_by_side",
    "account",
    "batches",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all unless named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--programs",
        type=Path,
        default=ROOT / "scripts",
        metavar="FOLDER",
        help="the scripts/ of another version; not for the sections certificates, streams, waiting and account",
    )
    asked = parser.parse_args()
    if set(asked.sections) - set(SECTIONS):
        parser.error(f"the sections are {', '.join(SECTIONS)}")
    sys.pycache_prefix = tempfile.tempdir = None  # bytecode and files lie where a user's would; `tests` moves both
    print(f"Measured {_machine()}.\n\n| Measured | ours | compared with | held |\n|---|---:|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, server.Loopback().running() as loopback:
        bench = Bench(Path(folder).resolve(), loopback, asked.quick, asked.programs)
        for section in asked.sections or SECTIONS:
            sys.stderr.write(f"{section} …\n")
            for line in lines(getattr(bench, section)()):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
