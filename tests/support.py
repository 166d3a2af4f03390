"""What the tests share: a world made of strings and temporary folders, time that only moves when somebody sleeps, and
a stand-in that remembers what it was sent."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
import threading
import time
import unittest
import wave
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, NamedTuple, Sequence, cast

from qianwen import cli
from qianwen.account.store import Account, folder
from qianwen.environment import Environment, Place
from qianwen.http.messages import Fault, Request, Response
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
from qianwen.plain.record import changed
from qianwen.sandbox import placeholder
from qianwen.sandbox.faults import Faults
from qianwen.sandbox.server import running
from qianwen.sandbox.standin import Incoming, Reply, StandIn

if TYPE_CHECKING:
    from qianwen.http.messages import Send
    from qianwen.models.catalog import Catalog

DATA = Path(__file__).parent / "data"
PHOTO = DATA / "photo.jpg"
KEY = "sk-test-0123456789abcdef0123456789abcdef"


def place_for_all() -> str:
    """Where a temporary folder can be reached by another user too: TMPDIR, or what is above it, may be private."""
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        path = Path(place).resolve()
        if path.is_dir() and all(each.stat().st_mode & 0o001 for each in (path, *path.parents)):
            return str(path)
    return tempfile.gettempdir()


class Clock:
    """Time for a client and its stand-in. It starts at a fixed moment and moves only by sleeping.

    Among the threads of a client, time moves once all of them sleep, to the moment at which the first one wakes: no
    wait overtakes a request that is under way beside it. The stand-in and the test itself move it at once, by `move`
    and by `sleep` in the main thread.
    """

    LONGEST_WORK = 2.0  # real seconds: a thread that works for longer waits for something else, and holds up no other
    GLANCE = 0.002  # real seconds

    def __init__(self) -> None:
        self.moment = 1_700_000_000.0
        self._changed = threading.Condition()
        self._working: set[threading.Thread] = set()
        self._wake: dict[threading.Thread, float] = {}

    def __call__(self) -> float:
        return self.moment

    def read(self) -> float:
        """The moment, for a client: its thread counts as working from now on."""
        me = threading.current_thread()
        if me not in self._working and me is not threading.main_thread():
            with self._changed:
                self._working.add(me)
        return self.moment

    def move(self, seconds: float) -> None:
        with self._changed:
            self.moment += seconds
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        me = threading.current_thread()
        if me is threading.main_thread():
            self.move(seconds)
            return
        with self._changed:
            due = self.moment + seconds
            self._working.discard(me)
            self._wake[me] = due
            patience = time.monotonic() + self.LONGEST_WORK
            while self.moment < due:
                if time.monotonic() > patience:
                    self._working.clear()  # those that do work look at the time again
                    patience += self.LONGEST_WORK
                self._working = {thread for thread in self._working if thread.is_alive()}
                if not self._working and due <= min(self._wake.values()):
                    break
                self._changed.wait(self.GLANCE)
            del self._wake[me]
            self._working.add(me)
            self.moment = max(self.moment, due)
            self._changed.notify_all()


class Sent(NamedTuple):
    """A request that reached the stand-in. `body` is b"" for an upload, which is streamed."""

    route: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Recording(StandIn):
    """A stand-in that remembers every request it handled, in order."""

    def __init__(self, clock: Clock, delay: float = 0.0, faults: Sequence[str] = ()) -> None:
        super().__init__(delay, Faults(faults), seed=7, clock=clock, sleep=clock.move)
        self.sent: list[Sent] = []

    def handle(self, route: str, incoming: Incoming) -> Reply:
        body = b""
        if route != "upload":
            body = incoming.stream.read()
            incoming = changed(incoming, stream=io.BytesIO(body))
        self.sent.append(Sent(route, incoming.method, incoming.target, dict(incoming.headers), body))
        return super().handle(route, incoming)

    def of(self, *routes: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.route in routes]


class Ran(NamedTuple):
    """How one command line ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Case(unittest.TestCase):
    """A test with a folder of its own, time of its own, and a way to run the programs in-process."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()
        self.home = self.folder / "home"
        self.cwd = self.folder / "cwd"
        self.home.mkdir()
        self.cwd.mkdir()
        self.clock = Clock()
        self.env = {"DASHSCOPE_API_KEY": KEY}

    @contextmanager
    def standin(self, delay: float = 0.0, faults: Sequence[str] = ()) -> Iterator[Recording]:
        """A stand-in on a real socket; `image` talks to it for the length of the block."""
        recording = Recording(self.clock, delay, faults)
        with running(recording) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            yield recording

    @property
    def ledger(self) -> Account:
        return Account(folder(self.env, str(self.home)), self.clock)

    def image(self, *argv: str, stdin: str = "", send: Send | None = None) -> Ran:
        return self.run_program(IMAGES, argv, stdin, send)

    def video(self, *argv: str, stdin: str = "", send: Send | None = None) -> Ran:
        return self.run_program(VIDEOS, argv, stdin, send)

    def run_program(self, catalog: Catalog, argv: Sequence[str], stdin: str, send: Send | None) -> Ran:
        stdout, stderr = io.StringIO(), io.StringIO()
        world = Environment(
            Place(self.env, str(self.cwd), str(self.home)),
            f"/skill/scripts/{catalog.program}",
            io.StringIO(stdin),
            stdout,
            stderr,
            self.clock.read,
            self.clock.read,
            send,
            self.clock.sleep,
        )
        code = cli.main(catalog, list(argv), world)
        return Ran(code, stdout.getvalue(), stderr.getvalue())

    def json(self, *argv: str, code: int = 0, stdin: str = "", send: Send | None = None) -> Any:
        """Run image.py with --print-response, check the exit code, answer the JSON."""
        return self._json(self.image(*argv, "--print-response", stdin=stdin, send=send), code)

    def video_json(self, *argv: str, code: int = 0, stdin: str = "", send: Send | None = None) -> Any:
        return self._json(self.video(*argv, "--print-response", stdin=stdin, send=send), code)

    def _json(self, ran: Ran, code: int) -> Any:
        self.assertEqual(ran.code, code, ran.stdout + ran.stderr)
        self.assertNotIn("Traceback", ran.stderr)
        return ran.json

    def assert_shown_is_sent(self, run: Callable[..., Any], argv: Sequence[str]) -> None:
        """What --dry-run shows is, to the byte, what is sent."""
        shown = run(*argv, "--dry-run")["request"]
        with self.standin() as standin:
            run(*argv)
            (sent,) = standin.of("sync", "submit")
        self.assertEqual(sent.body, json.dumps(shown["body"], ensure_ascii=False).encode())
        for header, value in shown["headers"].items():
            if header != "Authorization":
                self.assertEqual(sent.headers[header.lower()], value)

    def picture(self, name: str, width: int = 640, height: int = 480) -> Path:
        """A real PNG in the current folder."""
        path = self.cwd / name
        path.write_bytes(placeholder.png(width, height, "test", [name]))
        return path

    def clip(self, name: str) -> Path:
        """A real MP4 of five seconds in the current folder."""
        path = self.cwd / name
        path.write_bytes(placeholder.clip())
        return path

    def sound(self, name: str, seconds: float = 3.0) -> Path:
        """A real WAV in the current folder."""
        path = self.cwd / name
        with wave.open(str(path), "wb") as stream:
            stream.setparams((1, 2, 8000, 0, "NONE", ""))
            stream.writeframes(bytes(int(16000 * seconds)))
        return path


def data_url(width: int, height: int, padding: int = 0) -> str:
    """A real PNG as a data: URL; `padding` bytes stand behind its end."""
    data = placeholder.png(width, height, "test", []) + bytes(padding)
    return "data:image/png;base64," + base64.b64encode(data).decode()


class Script:
    """A `send` that plays prepared outcomes in order and remembers the requests; the fake of the seam."""

    def __init__(self, *outcomes: Response | Fault | dict[str, Any]) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Fault):
            raise outcome
        return outcome if isinstance(outcome, Response) else answer(outcome)


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """A whole answer: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    stream = io.BytesIO(data if status < 300 else b"")
    return Response(
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        stream.read,
        refusal=data if status >= 300 else b"",
    )


def breaking(*blocks: bytes) -> Callable[[int], bytes]:
    """The `read` of a response that gives these blocks and then breaks off."""
    left = list(blocks)

    def read(_: int) -> bytes:
        if not left:
            raise Fault("the connection broke", sent=True)
        return left.pop(0)

    return read


PROTOCOL = ("X-DashScope-Async", "X-DashScope-Sse", "X-DashScope-OssResourceResolve")


def protocol(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that belong to the protocol, in their documented spelling; `headers` may have either."""
    found = {name: headers.get(name, headers.get(name.lower(), "")) for name in PROTOCOL}
    return {name: value for name, value in found.items() if value}


def elided(body: object) -> Any:
    """A body as a dry run shows it: the bytes of data: URLs are only counted."""
    return json.loads(
        re.sub(r"(data:[^,]+,)([^\"]+)", lambda match: f"{match[1]}({len(match[2])} characters)", json.dumps(body))
    )


def cases(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, content) of every JSON file in a folder of test data. An empty folder is an error."""
    found = [
        (path.stem, cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8"))))
        for path in sorted((DATA / folder).glob("*.json"))
    ]
    if not found:
        raise AssertionError(f"no test data in {folder}")
    return found
