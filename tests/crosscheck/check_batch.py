"""Batches at the size that they are for: a thousand rows with trouble, thirty kills, a hundred thousand rows, 16 shards.

Not part of the plain test command, because it takes minutes: `python3 -m unittest discover -s tests/crosscheck -p
"check_batch.py"`. It needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from qianwen.sandbox.faults import Faults, Limit  # noqa: E402
from qianwen.sandbox.server import running  # noqa: E402
from qianwen.sandbox.standin import Incoming, Reply, StandIn  # noqa: E402

IMAGE = str(ROOT / "scripts" / "image.py")
MODEL = "wan2.6-t2i"


class Service:
    """A stand-in in a process of its own."""

    def __init__(self, base: str) -> None:
        self.base = base

    def accepted(self) -> Mapping[str, int]:
        """How often each prompt was accepted."""
        with urllib.request.urlopen(self.base.replace("/api/v1", "/sandbox/accepted")) as answer:
            accepted: Mapping[str, int] = json.load(answer)["accepted"]
            return accepted


@contextmanager
def service(*flags: str) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "sandbox.py"), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        try:
            yield Service(process.stdout.readline().strip().partition("=")[2])
        finally:
            process.terminate()
            process.wait()


class Case(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()

    def rows(self, count: int, **fields: Any) -> Path:
        path = self.folder / "rows.jsonl"
        lines = (json.dumps({"prompt": f"picture {number}", "id": f"p{number}", **fields}) for number in range(count))
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def env(self, base: str, state: str = "state") -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DASHSCOPE_HTTP_BASE_URL": base,
            "DASHSCOPE_API_KEY": "any",
            "QIANWEN_STATE_DIR": str(self.folder / state),
            "QIANWEN_NO_UPDATE_CHECK": "1",
        }

    def start(self, base: str, *flags: str, state: str = "state", **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, IMAGE, "--batch", str(self.folder / "rows.jsonl"), "--print-response", *flags]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env(base, state),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_batch(self, base: str, *flags: str, state: str = "state") -> tuple[int, Any]:
        process = self.start(base, *flags, state=state)
        stdout, stderr = process.communicate()
        self.assertNotIn("Traceback", stderr)
        return process.returncode, json.loads(stdout)

    def lines(self, folder: str = "out") -> list[dict[str, Any]]:
        texts = [
            line
            for path in sorted((self.folder / folder).glob("results*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True)
        ]
        return [json.loads(text) for text in texts if text.startswith("{") and text.endswith("}\n")]

    def check_folder(self, rows: int, folder: str = "out") -> Counter[str]:
        """Every row has one last line, every file that is told of is there and whole, and there is no draft."""
        last = {line["key"]: line for line in self.lines(folder) if line["state"] != "again"}
        self.assertEqual(len(last), rows)
        for line in last.values():
            for file in line.get("files", ()):
                self.assertEqual((self.folder / folder / file["path"]).stat().st_size, file["bytes"])
        self.assertEqual(list((self.folder / folder).glob(".*.part")), [])
        made = Counter(line["state"] for line in last.values())
        pictures = len(list((self.folder / folder).glob("*.png")))
        self.assertEqual(pictures, made["made"])
        return made


class Busy(StandIn):
    """A stand-in whose time is sixty times as fast, and that counts the tasks whose end nobody has been told yet."""

    def __init__(self, *faults: str, running: int) -> None:
        start = time.time()
        super().__init__(
            delay=1.0,
            faults=Faults(faults),
            clock=lambda: start + 60 * (time.time() - start),
            sleep=lambda seconds: time.sleep(seconds / 60),
            limits={MODEL: Limit(1000, running)},
        )
        self.under_way: set[str] = set()
        self.most_under_way = 0

    def handle(self, route: str, incoming: Incoming) -> Reply:
        reply = super().handle(route, incoming)
        if route in ("submit", "poll") and reply.status == 200:
            output = json.loads(bytes(reply.body))["output"]  # type: ignore[arg-type]
            if output["task_status"] in ("PENDING", "RUNNING"):
                self.under_way.add(output["task_id"])
            else:
                self.under_way.discard(output["task_id"])
            self.most_under_way = max(self.most_under_way, len(self.under_way))
        return reply


class Trouble(Case):
    def test_a_thousand_rows(self) -> None:
        """Limits, 50 throttled, 20 refused, 10 failed for good, 5 lost answers: nothing twice, nothing missing."""
        faults = ["submit=429*10", "submit=400:DataInspectionFailed*4", "submit=lose*1"] * 5
        there = Busy(*faults, "task=fail:InvalidParameter:no*10", running=200)
        self.rows(1000)
        with running(there) as base:
            before = time.monotonic()
            code, told = self.run_batch(base, "--output", "out", "--at-once", "200", "--max-images", "1000")
            seconds = time.monotonic() - before
        print(f"1,000 rows: {seconds:.1f} s, at most {there.most_under_way} under way", file=sys.stderr)
        self.assertEqual((code, told["left"]), (6, 0), told)
        self.assertLessEqual(max(there.orders.values()), 1)
        self.assertIn(there.most_under_way, range(2, 200 + 5 + 1))  # nobody knows of the five lost ones
        self.assertLess(seconds, 20 * slowness() * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
        states = self.check_folder(1000)
        self.assertEqual((states["refused"], states["unknown"]), (20, 5))
        self.assertEqual(states["made"] + states["failed"], 975)
        self.assertIn(states["failed"], range(5, 11))  # lost tasks may be among them


class Kills(Case):
    def test_thirty_kills(self) -> None:
        """Killed thirty times at random moments, six times with SIGTERM, a batch buys nothing twice and loses nothing."""
        seed = random.SystemRandom().randrange(10**6)
        moments = random.Random(seed)
        self.rows(200)
        with self.subTest(seed=seed), service("--delay", "0.1") as there:
            flags = ("--output", "out", "--at-once", "6", "--max-images", "200")
            for number in range(30):
                process = self.start(there.base, *flags)
                time.sleep(moments.uniform(0.2, 2.5))
                if number % 5:
                    process.kill()
                    process.communicate()
                    continue
                process.terminate()
                stdout, stderr = process.communicate()
                self.assertNotIn("Traceback", stderr)
                if process.returncode != -15:  # else the handler was not there yet, and nothing was bought
                    self.assertEqual((process.returncode, "--batch" in json.loads(stdout)["next"]), (130, True), stdout)
            code, told = self.run_batch(there.base, *flags)
            accepted = there.accepted()
            self.assertEqual(told["left"], 0)
            states = self.check_folder(200)
            self.assertLessEqual(max(accepted.values()), 1)
            self.assertLessEqual(states["unknown"], 30 * 6)
            self.assertEqual(states["made"] + states["unknown"], 200)
            self.assertEqual(code, 6 if states["unknown"] else 0)
            print(f"30 kills (seed {seed}): {states['made']} made, {states['unknown']} unknown", file=sys.stderr)


class Size(Case):
    def test_a_hundred_thousand_rows(self) -> None:
        """Planned in 8 s; all but ten made, gone on with in flat memory."""
        self.rows(100_000)
        seconds, memory, told = self.measured("http://127.0.0.1:1/api/v1", "--output", "out", "--dry-run")
        self.assertEqual((told["rows"], told["left"]), (100_000, 100_000))
        print(f"plan of 100,000 rows: {seconds:.1f} s, {memory:.0f} MiB", file=sys.stderr)
        self.assertLess(seconds, 8 * slowness())
        self.assertLess(memory, 64)
        sys.path.insert(0, str(ROOT / "scripts"))
        from qianwen.ask import Ask
        from qianwen.batch import rows
        from qianwen.models.image_models import IMAGES

        (self.folder / "out").mkdir()
        with (self.folder / "out" / "results.jsonl").open("w") as results:
            for row in rows.read(str(self.folder / "rows.jsonl"), IMAGES, Ask({})):
                if row.number > 10:
                    line = {
                        "key": row.key,
                        "id": row.id,
                        "row": row.number,
                        "state": "made",
                        "units": 1,
                        "billed": "yes",
                    }
                    request = {
                        "request": row.asked,
                        "files": [{"path": f"{row.id}.png", "bytes": 1, "sha256": "0" * 64}],
                    }
                    results.write(json.dumps({**line, **request}) + "\n")
        with service() as there:
            seconds, memory, told = self.measured(there.base, "--output", "out", "--max-images", "100000")
            self.assertEqual(sum(there.accepted().values()), 10)
        self.assertEqual((told["made"], told["left"]), (100_000, 0))
        self.assertLess(seconds, 6 * slowness())
        print(f"going on with 100,000 rows: {seconds:.1f} s, {memory:.0f} MiB", file=sys.stderr)
        self.assertLess(memory, 64)

    def measured(self, base: str, *flags: str) -> tuple[float, float, Any]:
        """(seconds of a processor, MiB at most, answer) of a run."""
        process = self.start(base, *flags)
        assert process.stdout and process.stderr
        stdout = process.stdout.read()
        stderr = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(process.returncode, 0, stderr)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(stdout)

    def test_cpu_of_a_row(self) -> None:
        self.rows(1000)
        with service() as there:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            code, told = self.run_batch(there.base, "--output", "out", "--at-once", "100", "--max-images", "1000")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertEqual((code, told["made"]), (0, 1000))
        print(f"{used:.2f} ms of CPU a row", file=sys.stderr)
        self.assertLess(used, 20 * slowness())


class Shards(Case):
    def test_every_row_is_in_one_shard(self) -> None:
        self.rows(300)
        for count in (1, 2, 3, 5, 8, 16):
            parts = []
            for index in range(count):
                process = self.start("http://127.0.0.1:1/api/v1", "--dry-run", "--shard", f"{index}/{count}")
                parts.append(json.loads(process.communicate()[0])["rows"])
            self.assertEqual(sum(parts), 300, parts)
        with service() as there:
            flags = ("--max-images", "300", "--at-once", "20")
            shards = [self.start(there.base, "--shard", f"{index}/16", *flags) for index in range(16)]
            made = [json.loads(process.communicate()[0])["made"] for process in shards]
            self.assertEqual(made, parts)
            self.assertEqual(there.accepted(), {f"picture {number}": 1 for number in range(300)})

    def test_three_machines(self) -> None:
        """Three shards with folders and state of their own, one killed; put together, the run of the whole ends it."""
        self.rows(90)
        with service("--delay", "0.5") as there:
            flags = ("--at-once", "3", "--max-images", "90")
            machines = [
                self.start(there.base, "--output", f"m{index}", "--shard", f"{index}/3", *flags, state=f"state{index}")
                for index in (1, 2, 3)
            ]
            time.sleep(4)
            machines[1].send_signal(signal.SIGKILL)
            for machine in machines:
                machine.communicate()
            self.assertEqual([machine.returncode for machine in machines], [0, -9, 0])
            for index in (1, 2, 3):
                subprocess.run(["cp", "-r", f"m{index}/.", "out"], cwd=self.folder, check=True)
            code, told = self.run_batch(there.base, "--output", "out", *flags)
            accepted = there.accepted()
        self.assertEqual(told["left"], 0)
        self.assertLessEqual(max(accepted.values()), 1)
        states = self.check_folder(90)
        self.assertEqual(code, 6 if states["unknown"] else 0)
        self.assertLessEqual(states["unknown"], 3)


def slowness() -> float:
    """How many times slower than the machine on which the bounds were set: by a loop of pure Python.

    Work on the same processors costs a run of seconds more than this loop, which is over in a moment.
    """
    crowd = 1.5 if os.getloadavg()[0] > (os.cpu_count() or 1) else 1.0
    before = time.process_time()
    for _ in range(3):
        re.sub("a", "b", "a" * 300_000)
        sum(number * number for number in range(300_000))
    return crowd * max(1.0, (time.process_time() - before) / 0.25)


if __name__ == "__main__":
    unittest.main()
