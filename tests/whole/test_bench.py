"""What the benchmark rests on and no machine changes: modules imported, connections, polls, buffers, and overlap.

The times themselves are measured by tests/bench/run.py, which is no test.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tracemalloc
import unittest
from bisect import bisect_left
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from threading import Barrier
from types import MappingProxyType
from typing import Iterator, Mapping

from qianwen.http.connections import Opener
from qianwen.sandbox import placeholder
from qianwen.service.tasks import SHARE, SHORT_GAP, gaps

from .. import ROOT, SCRIPTS
from ..bench.server import CERT, HOST, KEY, Loopback
from ..support import Case

MIB = 1 << 20
INTERVAL = 15.0  # the longest gap unless another is asked for
BEAT_SECONDS = 3.0  # what the service advises for the first half minute
LARGE_BYTES = 64 * MIB
NETWORK = {"ssl", "_ssl", "socket", "_socket", "select", "selectors", "http.client", "urllib.request", "email"}
HEAVY = NETWORK | {
    *("hashlib", "_hashlib", "threading", "concurrent.futures", "queue", "multiprocessing", "asyncio", "subprocess"),
    *("tempfile", "random", "lzma", "zlib", "argparse", "dataclasses", "inspect", "logging", "pathlib", "typing"),
    *("urllib.parse", "ipaddress"),
}
FOR_FILES = {"qianwen.files.media", "qianwen.files.movies", "qianwen.checks.media_files", "struct", "_struct"}
OURS_ON_THE_WIRE = {
    *("qianwen.actions.saving", "qianwen.http.session", "qianwen.service.client", "qianwen.plain.parallel"),
    *("qianwen.sandbox", "qianwen.cassettes.recorder", "qianwen.http.transport", "qianwen.http.connections"),
    *("qianwen.storage.results", "qianwen.service.tasks"),
}


FOR_RARE_RUNS = {
    *("encodings.idna", "stringprep", "weakref", "signal", "difflib", "queue", "lzma", "tempfile", "subprocess"),
    *("qianwen.storage.forms", "qianwen.storage.temporary", "qianwen.storage.bucket", "qianwen.settings.env_file"),
    *("qianwen.cassettes", "qianwen.sandbox", "qianwen.desirecore", "qianwen.gallery", "qianwen.describe"),
}


def imported(*argv: str, code: int = 0, variables: Mapping[str, str] = MappingProxyType({})) -> set[str]:
    """The modules that an interpreter imports for a command line; -S because site-packages may bring some along."""
    command = [sys.executable, "-S", "-X", "importtime", *argv]
    env = {"HOME": "/", **os.environ, **variables}  # where there is none, `expanduser` imports more
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env)
    if ran.returncode != code:
        raise AssertionError(ran.stdout + ran.stderr)
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


class Imports(unittest.TestCase):
    def test_what_a_help_imports(self) -> None:
        bare = imported("-c", "import os, sys")
        ours = {"qianwen", *(f"qianwen.{name}" for name in ("ask", "cli", "environment", "errors", "regions"))}
        ours |= {"qianwen.command", "qianwen.command.flags", "qianwen.command.help_page"}
        ours |= {
            "qianwen.models",
            "qianwen.models.catalog",
            "qianwen.models.shared_rows",
            "qianwen.plain",
            "qianwen.plain.record",
        }
        rows = {
            "image.py": {"qianwen.models.image_models", "qianwen.models.image_rules"},
            "video.py": {"qianwen.models.video_models", "qianwen.models.video_rules", "qianwen.models.media_items"},
        }
        for program, tables in rows.items():
            with self.subTest(program):
                loaded = imported(str(SCRIPTS / program), "--help") - bare
                self.assertEqual({name for name in loaded if name.startswith("qianwen")}, ours | tables)
                self.assertLessEqual(loaded - ours - tables, {"__future__", "gc"})

    def test_what_a_picture_does_not_import(self) -> None:
        bare = imported("-c", "import http.client, json, ssl")
        with TemporaryDirectory() as folder, Loopback().running() as server:
            argv = (str(SCRIPTS / "image.py"), "x", "--output", os.path.join(folder, "x.png"))
            variables = {"DASHSCOPE_HTTP_BASE_URL": server.base, "DASHSCOPE_API_KEY": KEY, "QIANWEN_STATE_DIR": folder}
            variables["QIANWEN_NO_UPDATE_CHECK"] = "1"
            loaded = imported(*argv, variables=variables) - bare
        self.assertIn("qianwen.storage.results", loaded)
        self.assertEqual(loaded & FOR_RARE_RUNS, set())

    def test_what_a_refused_request_and_a_dry_run_import(self) -> None:
        bare = imported("-c", "import os, sys")
        rows = (
            ("image.py", ("x", "--size", "1"), 3),
            ("image.py", ("x", "--dry-run"), 0),
            ("video.py", ("x", "--duration", "99"), 3),
            ("video.py", ("x", "--dry-run"), 0),
        )
        for program, argv, code in rows:
            with self.subTest(program, argv=argv):
                loaded = imported(str(SCRIPTS / program), *argv, code=code, variables={"DASHSCOPE_API_KEY": KEY}) - bare
                self.assertEqual(loaded & (HEAVY | OURS_ON_THE_WIRE | FOR_FILES), set())


class Runs(Case):
    """Whole runs in-process, in time that only moves when somebody sleeps."""

    @contextmanager
    def loopback(self) -> Iterator[Loopback]:
        with Loopback(self.clock).running() as server:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": server.base, "DASHSCOPE_API_KEY": KEY}
            yield server

    def test_one_connection_to_the_api_for_what_is_paid_for_and_one_for_the_rest(self) -> None:
        with self.loopback() as server:
            self.video_json("seconds=60", "--image", str(self.picture("a.png")))
        self.assertEqual(server.connections, {"api": 2, "storage": 1})
        (paid,), (policy,) = server.of("submit"), server.of("policy")
        self.assertNotEqual(paid.connection, policy.connection)
        api = {seen.connection for route in ("policy", "submit", "poll") for seen in server.of(route)}
        storage = {seen.connection for route in ("upload", "result") for seen in server.of(route)}
        self.assertEqual((len(api), len(storage), api & storage), (2, 1, set()))
        self.assertEqual(len(server.of("policy") + server.of("submit") + server.of("upload") + server.of("result")), 4)

    def test_one_handshake_with_each_host_and_one_more_for_what_is_paid_for(self) -> None:
        with Loopback(self.clock, is_secure=True).running() as server:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": server.base, "DASHSCOPE_API_KEY": KEY, "SSL_CERT_FILE": str(CERT)}
            self.video_json("seconds=60", "--image", str(self.picture("a.png")))
        self.assertEqual(server.connections, {"api": 2, "storage": 1})
        self.assertGreater(len(server.of("poll")), 10)

    def test_polls_of_a_task_and_how_soon_its_end_is_noticed(self) -> None:
        for seconds, most in ((12, 7), (30, 11), (60, 20), (600, 146)):
            with self.subTest(seconds=seconds), self.loopback() as server:
                self.video_json(f"seconds={seconds}", "--timeout", "900")
                moments = [seen.moment for seen in server.of("poll")]
                (submitted,) = (seen.moment for seen in server.of("submit"))
                late = moments[-1] - submitted - seconds
                self.assertLessEqual(len(moments), most)
                self.assertLessEqual(sum(moment - submitted <= 30 for moment in moments), 30 / BEAT_SECONDS)
                self.assertTrue(0 <= late <= 0.1 * seconds, late)
                self.assertLessEqual(late, 15)
                self.assertEqual(server.connections["api"], 1)

    def test_a_connection_that_the_server_closed_is_opened_again(self) -> None:
        with self.loopback() as server:
            server.hangs_up = {"submit", "poll"}
            self.video_json("seconds=20")
        polls = len(server.of("poll"))
        self.assertGreater(polls, 3)
        self.assertEqual((server.connections["api"], len(server.of("submit"))), (1 + polls, 1))

    def test_what_is_paid_for_goes_once_over_a_connection_that_is_open(self) -> None:
        with self.loopback() as server:
            server.hangs_up = {"policy", "upload"}
            self.json("x", "--image", str(self.picture("a.png")))
        self.assertEqual((len(server.of("sync")), server.connections["api"]), (1, 2))

    def test_large_files_pass_through_small_buffers(self) -> None:
        clip = placeholder.clip()
        path = self.cwd / "large.mp4"
        with path.open("wb") as stream:
            stream.write(clip + (LARGE_BYTES - len(clip)).to_bytes(4, "big") + b"free")
            stream.truncate(LARGE_BYTES)
        argv = ("x", "--mode", "videoedit", "--video", str(path), "--print-response")
        with self.loopback() as server:
            self.video(*argv)  # whatever is imported, compiled and kept is so by now
            server.result_bytes = LARGE_BYTES
            tracemalloc.start()
            try:
                ran = self.video(*argv)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        self.assertEqual((ran.code, Path(ran.json["local_path"]).stat().st_size), (0, LARGE_BYTES), ran.stderr)
        self.assertLess(peak, 8 * MIB)  # the server's three buffers of 1 MiB are among it

    def test_downloads_overlap(self) -> None:
        with self.loopback() as server:
            server.together = {"result": Barrier(12, timeout=20)}
            self.json("x", "--model", "wan2.7-image", "--set", "enable_sequential=true", "-n", "12")
        self.assertEqual((len(server.of("result")), server.busiest), (12, 12))

    def test_uploads_overlap(self) -> None:
        photos = [word for name in "abcd" for word in ("--image", str(self.picture(f"{name}.png")))]
        with self.loopback() as server:
            server.together = {"upload": Barrier(4, timeout=20)}
            self.json("x", *photos)
        self.assertEqual((len(server.of("upload")), server.busiest), (4, 4))


class Beat(unittest.TestCase):
    def setUp(self) -> None:
        beat = gaps(INTERVAL)
        self.looks = [0.0]
        while self.looks[-1] < 3600:
            self.looks.append(self.looks[-1] + next(beat))

    def late(self, seconds: float) -> float:
        """Seconds from the end of a task to the next look."""
        return self.looks[bisect_left(self.looks, seconds)] - seconds

    def test_a_task_waits_for_a_look_for_a_tenth_of_its_length(self) -> None:
        for seconds in range(1, 3600):
            self.assertLessEqual(self.late(seconds), INTERVAL)
            if seconds <= 10:
                self.assertLessEqual(self.late(seconds), SHORT_GAP)
            elif seconds > 30:
                self.assertLessEqual(self.late(seconds), SHARE * seconds)
        for before, after in zip(self.looks, self.looks[1:]):  # as ten looks in half a minute allow: on average
            if before >= 9:
                lengths = [before + (after - before) * number / 1000 for number in range(1, 1001)]
                self.assertLessEqual(mean(self.late(seconds) / seconds for seconds in lengths), 0.1)

    def test_it_looks_no_more_often_than_every_three_seconds(self) -> None:
        for number in range(1, 120):
            moment = 30 * number
            self.assertLessEqual(sum(0 < look <= moment for look in self.looks), moment / BEAT_SECONDS)
        self.assertTrue(all(after - before > BEAT_SECONDS for before, after in zip(self.looks[11:], self.looks[12:])))
        self.assertLess(sum(0 < look <= 600 for look in self.looks), 0.75 * 600 / BEAT_SECONDS)

    def test_twenty_processes_stay_far_below_the_account_s_rate(self) -> None:
        shortest = min(after - before for before, after in zip(self.looks, self.looks[1:]))
        self.assertLessEqual(20 / shortest, 20 / 2)


class Sockets(unittest.TestCase):
    def test_small_requests_leave_at_once(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            sock, _ = Opener({}, lambda seconds: seconds).open(("http", HOST, listener.getsockname()[1]))
            with sock:
                self.assertNotEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 0)


class Table(unittest.TestCase):
    """What RESULTS.md shows was printed by the benchmark, and says of itself what holds."""

    HEADER = "| Measured | ours | compared with | held |"

    def test_the_results_have_the_table(self) -> None:
        text = (ROOT / "tests" / "bench" / "RESULTS.md").read_text(encoding="utf-8")
        self.assertIn(self.HEADER, (ROOT / "tests" / "bench" / "run.py").read_text(encoding="utf-8"))
        before, _, after = text.partition(self.HEADER)
        self.assertRegex(before.rstrip().rpartition("\n")[2], r"^Measured 20\d\d-\d\d-\d\d, .+, Python 3\.\d+\.\d+\.$")
        rows = [line.strip("|").split("|") for line in after.partition("\n\n")[0].splitlines() if line][1:]
        self.assertGreater(len(rows), 40)
        failed = []
        for what, ours, compared, held in (map(str.strip, row) for row in rows):
            with self.subTest(what):
                bounds = re.findall(r"\((\d+\.\d+), at most (\d+(?:\.\d+)?)\)", compared)
                limit = re.match(r"at most (\d+(?:\.\d+)?) (?:MiB|ms|s)\b", compared)
                shares = [float(share) <= float(bound) for share, bound in bounds]
                shares += [float(ours.split()[0]) <= float(limit[1])] if limit else []
                self.assertEqual(held, "" if not shares else "yes" if all(shares) else "NO")
                failed += [what] if held == "NO" else []
        for what in failed:  # and the text above the table says so
            self.assertIn(f"- {what}", before)


class Script(unittest.TestCase):
    @unittest.skipIf(os.name == "nt", "the benchmark asks the system what a child has used, as POSIX does")
    def test_the_benchmark_knows_its_sections(self) -> None:
        command = [sys.executable, str(ROOT / "tests" / "bench" / "run.py")]
        ran = subprocess.run([*command, "--help"], capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertIn("streams", ran.stdout)
        self.assertEqual(subprocess.run([*command, "nonsense"], capture_output=True).returncode, 2)
