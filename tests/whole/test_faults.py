"""Every way in which a connection may break, each with its outcome: the table is `data/faults.tsv`, the instrument is
`breaker`.

The expectations follow from the contract. What never may happen is checked for every row: a second accepted
submission, a traceback, an incomplete file, a key in the output, a result that is lost without a way to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import socket
import threading
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from qianwen.account import purchase, store
from qianwen.sandbox.faults import ROUTES
from qianwen.sandbox.server import Server
from qianwen.sandbox.standin import Incoming, Reply, StandIn

from .. import IS_SAMPLE
from ..breaker import PATIENCE as STUCK
from ..breaker import SETTLING, Break, Breaker, breaks
from ..support import DATA, KEY, PHOTO, Case, Clock, Ran, Recording

PAID = ("sync", "stream", "submit")
TASK_SECONDS = 7.0  # the fourth look finds it done
PATIENCE = "150"  # seconds of the shared clock, for the rows that outlast a run's patience
SILENCE = 0.05  # seconds without a byte that show that nothing comes
STALLED = "0.3"  # seconds that a run with a silent server may last: these are real ones
SMALL = ("--model", "qwen-image-2.0", "--size", "512*512")  # quickly made
INTERLEAVED = ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--set", "max_images=2")


class Scenario(NamedTuple):
    """A command line, how many results it promises, and the seconds that a task takes.

    before: the task was submitted by an earlier run.  wait_before: seconds ago.  faults: of the stand-in itself.
    """

    argv: tuple[str, ...]
    promised: int = 1
    program: str = "image"
    delay: float = 0.0
    before: bool = False
    faults: tuple[str, ...] = ()
    wait_before: float = 0.0


SCENARIOS = {
    "picture": Scenario(("a cat", *SMALL)),
    "3 pictures": Scenario(("a cat", *SMALL, "-n", "3"), promised=3),
    "edit": Scenario(("watercolor", *SMALL, "--image", str(PHOTO))),
    "stream": Scenario(INTERLEAVED, promised=2),
    "task": Scenario(("a cat", "--async"), delay=TASK_SECONDS),
    "submit only": Scenario(("a cat", "--async", "--submit-only"), promised=0, delay=TASK_SECONDS),
    "video": Scenario(("a cat",), program="video", delay=TASK_SECONDS),
    "task id": Scenario(("--task-id", "ID"), delay=TASK_SECONDS, before=True),
    "poll once": Scenario(
        ("--task-id", "ID", "--poll-once"), delay=TASK_SECONDS, before=True, wait_before=TASK_SECONDS
    ),
    "cancel": Scenario(("--cancel", "ID"), 0, delay=50 * TASK_SECONDS, before=True),
    "resume": Scenario(("--resume",), delay=TASK_SECONDS, before=True, wait_before=TASK_SECONDS),
    "failing task": Scenario(("a cat", "--async"), promised=0, delay=TASK_SECONDS, faults=("task=fail",)),
    "partial task": Scenario(("a cat", "--async", "-n", "3"), 2, delay=TASK_SECONDS, faults=("task=partial",)),
}


class Row(NamedTuple):
    """A line of the table; `data/faults.tsv` says what its columns mean."""

    scenario: str
    exchange: str
    direction: str
    point: str
    manner: str
    exit: int
    accepted: int
    files: int
    billed: str
    ledger: str
    is_odd: bool = False
    is_open: bool = False

    @property
    def name(self) -> str:
        return f"{self.scenario}: {self.exchange} {self.direction} {self.point} {self.manner}"


def table() -> list[Row]:
    """The rows of the table. Raises ValueError for a line that is none."""
    rows = []
    for line in (DATA / "faults.tsv").read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if not line or line.startswith("#") or cells[0] == "scenario":
            continue
        scenario, exchange, direction, point, manner, code, accepted, files, billed, state = cells
        numbers = int(code), int(accepted), int(files.rstrip("~"))
        is_odd = files.endswith("~")
        is_open = scenario.startswith("!")
        rows.append(
            Row(scenario.lstrip("!"), exchange, direction, point, manner, *numbers, billed, state, is_odd, is_open)
        )
    return rows


class Witness(Recording):
    """A stand-in that counts the submissions that it accepted."""

    accepted = 0

    def handle(self, route: str, incoming: Incoming) -> Reply:
        reply = super().handle(route, incoming)
        if route in PAID and reply.status == 200:
            self.accepted += 1
        return reply


class HeardClock(Clock):
    """A clock that tells when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: Any = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.heard()


class Broken(Case):
    """A case whose stand-in is reached through the instrument."""

    server: Server
    witness: Witness

    @classmethod
    def setUpClass(cls) -> None:
        """One server for all rows; each has its own stand-in behind it."""
        cls.server = Server(StandIn())
        thread = threading.Thread(target=cls.server.serve, daemon=True)
        thread.start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.server.end)

    @contextmanager
    def wire(self, scenario: Scenario, plan: list[Break], saved: int = 0) -> Iterator[Breaker]:
        """The stand-in behind the instrument, which breaks what the plan says once an earlier run has submitted.

        saved: so many results are on the disk before the instrument moves the clock, which all downloads share.
        """
        clock = self.clock = HeardClock()

        def move(seconds: float) -> None:
            over = time.monotonic() + STUCK
            while sum(path.suffix != ".part" for path in self.media()) < saved and time.monotonic() < over:
                time.sleep(SETTLING)
            clock.sleep(seconds)

        self.witness = self.server.standin = Witness(clock, scenario.delay, scenario.faults)
        breaker = Breaker(self.witness, self.server.server_address[1], move)
        with breaker.listening() as through:
            clock.heard = breaker.slept
            self.env = {"DASHSCOPE_HTTP_BASE_URL": through, "DASHSCOPE_API_KEY": KEY}
            self.task_id = self.submitted() if scenario.before else ""
            clock.sleep(scenario.wait_before)
            self.witness.accepted = 0
            breaker.arm(plan)
            yield breaker

    def submitted(self) -> str:
        ran = self.image("a cat", "--async", "--submit-only")
        self.assertEqual(ran.code, 0, ran.stderr)
        return ran.stdout.strip()

    def play(self, scenario: Scenario, *more: str) -> Ran:
        argv = [self.task_id if word == "ID" else word for word in scenario.argv] + list(more)
        run = self.video if scenario.program == "video" else self.image
        return run(*argv, "--print-response")

    def media(self) -> list[Path]:
        """Every file below the current folder that is no text beside a result."""
        files = (path for path in self.cwd.rglob("*") if path.is_file())
        return [path for path in files if path.suffix not in (".md", ".json")]

    def assert_whole(self, is_odd: bool = False) -> None:
        """Nothing that is unfinished lies anywhere, and every result has the bytes that the stand-in made.

        is_odd: the bytes were changed on their way.
        """
        made = {hashlib.sha256(kept.data).hexdigest() for kept in self.witness.storage.results.values()}
        for path in self.cwd.rglob("*"):
            self.assertNotIn(path.suffix, (".part", ".probe"), path)
            if path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
        for path in self.media() if not is_odd else ():
            self.assertIn(hashlib.sha256(path.read_bytes()).hexdigest(), made, path)

    def assert_no_secret(self, ran: Ran) -> None:
        self.assertNotIn(KEY, ran.stdout + ran.stderr)
        self.assertNotIn("Signature=", ran.stderr)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(KEY.encode(), path.read_bytes(), path)


def ledger_state(case: Broken) -> str:
    """The state of the run in the ledger of this machine; "none" when nothing stands there."""
    book = store.Account(store.folder(case.env, str(case.home)), case.clock)
    runs = book.runs()
    case.assertLessEqual(len(runs), 1, "one command line makes one run")
    return book.state(runs[0]) if runs else "none"


class Faults(Broken):
    """A test for each row; they are made below."""

    def check(self, row: Row) -> None:
        scenario = SCENARIOS[row.scenario]
        plan = breaks(row.exchange, row.direction, row.point, row.manner)
        with self.wire(scenario, plan, row.files if "endless" in row.manner else 0) as breaker:
            ran = self.play(scenario, "--timeout", STALLED if "stall" in row.manner else PATIENCE)
            seen = f"\n{ran.stderr}\n{ran.stdout}\n" + "\n".join(map(str, breaker.passed))
            self.assertEqual(breaker.untouched(), [], "the fault did not happen" + seen)
            if "refused" in row.manner or "gone" in row.manner:
                self.assertIn("refused", ran.stderr, "no connection was refused" + seen)
            reached = (ran.code, self.witness.accepted, len(self.media()), ledger_state(self))
            self.assertEqual(reached, (row.exit, row.accepted, row.files, row.ledger), seen)
            self.assertNotIn("Traceback", ran.stdout + ran.stderr)
            self.assert_whole(row.is_odd)
            self.assertIn("it is saved as it came" if row.is_odd else "", ran.stderr)
            self.assert_no_secret(ran)
            self.check_answer(row, scenario, ran)
            self.check_continued(row, breaker)
            breaker.heal()
            if row.ledger in purchase.OPEN:
                self.check_that_it_is_not_paid_twice(row, scenario)
                self.check_that_nothing_is_lost(row, scenario, ran)

    def check_answer(self, row: Row, scenario: Scenario, ran: Ran) -> None:
        """The JSON says what happened and keeps what was bought within reach."""
        answer = ran.json
        self.assertEqual(answer["ok"], ran.code == 0)
        files = [file for each in _answers(ran) for file in each.get("files", ())]
        self.assertEqual(sorted(file["path"] for file in files), sorted(map(str, self.media())))
        for file in files:
            data = Path(file["path"]).read_bytes()
            self.assertEqual((file["bytes"], file["sha256"]), (len(data), hashlib.sha256(data).hexdigest()))
        if ran.code:
            self.assertEqual(answer["error"]["billed"], row.billed, ran.stdout)
            self.assertTrue(answer["error"]["message"])
            self.assertIn("Error: ", ran.stderr)
        if row.manner.startswith(("odd", "unended", "more")):
            self.assertIn("not valid JSON", " ".join(answer["warnings"]))
        if row.ledger == "waiting" and "--cancel" not in scenario.argv:
            self.assertTrue(answer.get("next"), "nobody says how to go on\n" + ran.stdout)
        if ran.code == 7:
            self.assertGreater(len(_urls(ran)), row.files)

    def check_continued(self, row: Row, breaker: Breaker) -> None:
        """A download that ended in the middle goes on from the very byte, if the object is still the same."""
        if not row.exchange.startswith("result") or row.direction != "response" or row.manner != "fin":
            return
        came: dict[str, int] = {}
        for passed in breaker.passed:
            if passed.route == "result":
                start = came.get(passed.target, 0)
                self.assertEqual(passed.headers.get("range"), f"bytes={start}-" if start else None)
                self.assertEqual("if-match" in passed.headers, start > 0)
                came[passed.target] = start + passed.body

    def check_that_it_is_not_paid_twice(self, row: Row, scenario: Scenario) -> None:
        """A caller that simply tries once more is stopped before anything is sent."""
        if not scenario.before:
            ran = self.play(scenario)
            self.assertEqual((ran.code, self.witness.accepted), (3, row.accepted), ran.stdout + ran.stderr)

    def check_that_nothing_is_lost(self, row: Row, scenario: Scenario, ran: Ran) -> None:
        """Once the line is good again, the way that the answer names, else --resume, brings everything."""
        known = len(_urls(ran)) or max(scenario.promised, 1)
        for _ in range(3):
            words = shlex.split(_next(ran))[2:] or ["--resume", "--print-response"]
            ran = (self.video if scenario.program == "video" else self.image)(*words, "--timeout", "600")
            if ran.code == 0:
                break
        self.assertEqual(self.witness.accepted, row.accepted)
        if "--cancel" in words:
            self.assertEqual((ran.code, ledger_state(self)), (0, "canceled"))
            return
        self.assert_whole()
        if row.ledger != "unknown" or (row.accepted and "submit" in row.exchange):
            saved = {path.read_bytes() for path in self.media()}
            self.assertEqual((ran.code, len(saved)), (0, known), ran.stdout + ran.stderr)
            self.assertEqual(ledger_state(self), "done")


def _answers(ran: Ran) -> list[Any]:
    """The answer of each run that is told of."""
    answer = ran.json
    return list(answer.get("tasks", [answer]))


def _urls(ran: Ran) -> list[str]:
    return [url for each in _answers(ran) for url in each.get("image_urls") or [each.get("video_url")] if url]


def _next(ran: Ran) -> str:
    return next((each["next"] for each in _answers(ran) if "next" in each), "")


def _named(row: Row) -> str:
    return "".join(character if character.isalnum() else "_" for character in row.name)


def _test_of(row: Row) -> Any:
    def test(self: Faults) -> None:
        self.check(row)

    test.__doc__ = row.name
    if os.name == "nt" and row.manner.endswith("always"):
        return unittest.skip("Windows takes seconds to refuse a connection")(test)
    return unittest.expectedFailure(test) if row.is_open else test


def played(rows: list[Row]) -> list[Row]:
    """All rows; or those that show something new: an ending of a scenario, how a route breaks, a manner of breaking."""
    shown: set[object] = set()
    chosen = []
    for row in rows:
        route, how = row.exchange.partition("#")[0], row.manner.partition(",")[0].partition(" ")[0]
        shows = {row.manner, (route, row.direction, how), (row.scenario, row.exit, row.accepted, row.ledger)}
        if not IS_SAMPLE or shows - shown:
            chosen.append(row)
            shown |= shows
    return chosen


for _number, _row in enumerate(played(table()), 1):
    setattr(Faults, f"test_{_number:03}_{_named(_row)}", _test_of(_row))


class Table(unittest.TestCase):
    def test_every_route_breaks_in_both_directions_and_no_row_stands_twice(self) -> None:
        rows = table()
        self.assertGreaterEqual(len(rows), 150)
        self.assertEqual(len({row.name for row in rows}), len(rows))
        plans = [cut for row in rows for cut in breaks(row.exchange, row.direction, row.point, row.manner)]
        routes = set(ROUTES) - {"task"}
        self.assertEqual({cut.route for cut in plans}, routes)
        for direction in ("request", "response"):
            self.assertEqual({cut.route for cut in plans if cut.direction == direction}, routes, direction)
        self.assertLessEqual({row.accepted for row in rows}, {0, 1})
        self.assertEqual({row.scenario for row in rows}, set(SCENARIOS))


class Instrument(Broken):
    """The instrument does what the table says of it, and nothing else."""

    def test_without_a_fault_it_changes_nothing(self) -> None:
        for name, scenario in SCENARIOS.items():
            ends = []
            for through in (True, False):
                with self.subTest(name, through=through), self.wire(scenario, []) as breaker:
                    if not through and not scenario.before:
                        self.witness.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
                        self.env["DASHSCOPE_HTTP_BASE_URL"] = self.server.base
                    ran = self.play(scenario)
                    self.assertEqual(ran.code, int(name == "failing task"), ran.stderr)
                    files = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.media())
                    self.assertEqual(len(files), scenario.promised)
                    ends.append((files, sorted((sent.route, sent.method) for sent in self.witness.sent)))
                    if through:
                        self.assertGreater(len(breaker.passed), 0)
                        self.assertEqual({passed.fault for passed in breaker.passed}, {""})
                self.doCleanups()
                self.setUp()
            through_it, directly = ends
            self.assertEqual(through_it, directly, name)

    def test_an_answer_passes_as_far_as_it_should_and_ends_as_it_should(self) -> None:
        with self.wire(SCENARIOS["picture"], []) as breaker:
            target = self.witness.storage.publish(bytes(range(256)) * 8, "image/png", ".png")
            request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            whole, end = self.ask(breaker.port, request)
            self.assertEqual((end, whole[-2048:]), ("fin", bytes(range(256)) * 8))
            head = len(whole) - 2048
            points = {"0": 0, "1": 1, "mid-head": head // 2, "head": head, "25%": head + 512, "mid-body": head + 1024}
            points.update({"all-1": head + 2047, "all": head + 2048, "7": 7})
            for point, size in points.items():
                for manner in ("fin", "rst", "stall"):
                    with self.subTest(point=point, manner=manner):
                        breaker.arm(breaks("result", "response", point, manner))
                        data, end = self.ask(breaker.port, request, size if manner == "stall" else None)
                        self.assertEqual((len(data), end), (size, manner))
                        self.assertEqual(breaker.untouched(), [])
                        self.assertEqual(data[head:], whole[head : len(data)])

    def test_a_request_arrives_as_far_as_it_should(self) -> None:
        head = b"POST /api/v1/services/aigc/multimodal-generation/generation HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"
        request = head + bytes(range(250)) * 4
        points = {"0": 0, "1": 1, "mid-head": len(head) // 2, "head": len(head), "mid-body": len(head) + 500}
        points["all-1"] = len(request) - 1
        for point, size in points.items():
            for manner in ("fin", "rst", "stall"):
                with self.subTest(point=point, manner=manner), socket.create_server(("127.0.0.1", 0)) as server:
                    breaker = Breaker(Witness(self.clock), server.getsockname()[1], self.clock.sleep)
                    arrived: list[bytes] = []
                    thread = threading.Thread(target=_take_all, args=(server, arrived))
                    thread.start()
                    with breaker.listening():
                        breaker.arm(breaks("sync", "request", point, manner))
                        silent = 0 if manner == "stall" else None
                        self.assertEqual(self.ask(breaker.port, request, silent), (b"", manner))
                    thread.join(10)
                    self.assertEqual(arrived, [request[:size]])

    def test_where_nobody_listens_the_connection_is_refused_until_somebody_slept(self) -> None:
        with self.wire(SCENARIOS["picture"], breaks("sync", "connect", "-", "refused 2")) as breaker:
            for _ in range(2):
                with self.assertRaises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", breaker.port), 10)
                self.clock.sleep(1)
            socket.create_connection(("127.0.0.1", breaker.port), 10).close()

    def test_a_spoiled_answer_differs_where_it_should(self) -> None:
        data = bytes(range(256)) * 8
        with self.wire(SCENARIOS["picture"], []) as breaker:
            request = f"GET {self.witness.storage.publish(data, 'image/png', '.png')} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
            for manner, status, body in (
                ("garbage", 200, None),
                ("wrong-md5", 200, data),
                ("wrong-crc", 200, data),
                ("changed", 200, bytes(byte ^ 255 for byte in data)),
                ("empty", 200, b""),
                ("html 502", 502, None),
                ("answer 504", 504, None),
                ("expired", 403, None),
                ("refuse 429", 429, None),
                ("redirect self", 302, b""),
            ):
                with self.subTest(manner):
                    breaker.arm(breaks("result", "response", "head" if manner == "garbage" else "all", manner))
                    head, _, got = self.ask(breaker.port, request)[0].partition(b"\r\n\r\n")
                    self.assertEqual(int(head.split()[1]), status)
                    self.assertNotEqual(got, data) if body is None else self.assertEqual(got, body)
                    self.assertEqual(b"1B2M2Y8AsgTpgAmY7PhCfg==" in head, manner == "wrong-md5")
                    self.assertEqual(b"11051210869376104954" in head, manner == "wrong-crc")

    def ask(self, port: int, request: bytes, then_silent: int | None = None) -> tuple[bytes, str]:
        """What comes back, and how it ends: fin, rst, or stall. then_silent: after so many bytes silence is expected."""
        data = b""
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            try:
                sock.sendall(request)
                while True:
                    sock.settimeout(SILENCE if len(data) == then_silent else 10)
                    block = sock.recv(65536)
                    if not block:
                        return data, "fin"
                    data += block
            except ConnectionError:
                return data, "rst"
            except socket.timeout:
                return data, "stall"


def _take_all(server: socket.socket, arrived: list[bytes]) -> None:
    """Everything that one connection brings."""
    sock, _ = server.accept()
    with sock:
        data = b""
        while block := sock.recv(65536):
            data += block
    arrived.append(data)


if __name__ == "__main__":
    unittest.main()
