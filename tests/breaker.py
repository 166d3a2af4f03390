"""A wire between the client and the stand-in that breaks where it is told: at any byte of any exchange.

Everything that is sent passes through here unchanged, except in the exchanges that a `Break` names. A broken request
reaches the stand-in only as far as it got, so that the stand-in itself decides whether it has accepted something.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import Callable, Iterator, NamedTuple

from qianwen.sandbox import placeholder
from qianwen.sandbox.faults import Fault
from qianwen.sandbox.standin import PREFIX, Incoming, Reply, StandIn

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds after which the instrument itself is taken to be stuck
SETTLING = 0.05  # seconds in which a client that waits for bytes has read them: before a reset, which may throw away
# the unread ones, and before a silence, after which the time to read them may be over
SILENT = 5.0  # seconds of the shared clock that pass while the server is silent
ENDLESS_BLOCK = bytes(2**20)
ENDLESS_STEP = 30.0  # seconds by which the clock moves with each block of an endless body
HTML = b"<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>\n"

INTERIM = b"".join(
    b"HTTP/1.1 %d Wait\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n" % status for status in (100, 102, 103, 104, 103)
)
CROWD = b"X-Long: " + b"x" * 70_000 + b"\r\n" + b"".join(b"Set-Cookie: c%d=1\r\n" % number for number in range(120))
ODD_FIELDS = {
    "utf8": b'"x":"\xff\xfe\xe7",',
    "control": b'"x":"\x01\t\x1f",',
    "digits": b'"x":' + b"9" * 10_000 + b",",
    "deep": b'"x":' + b"[" * 70 + b"]" * 70 + b",",
    "deeper": b'"x":' + b'{"x":[' * 50_000 + b"]}" * 50_000 + b",",
    "unquoted": b"x:1,",
}

ENDS = ("fin", "rst", "stall")


class Break(NamedTuple):
    """What happens to the exchanges `first` to `last` (from 1) of a route.

    direction: "connect", "request" or "response".  point: see `bytes_of`.  manner: words, see `_Line` and `SPOILERS`; with
    `-if-kept` behind it only on a connection that has served an exchange before.
    """

    route: str
    first: int
    last: int
    direction: str
    point: str
    manner: str

    def covers(self, route: str, number: int) -> bool:
        return route == self.route and self.first <= number <= self.last


FOREVER = 10**9


def breaks(exchanges: str, directions: str, points: str, manners: str) -> list[Break]:
    """The breaks of a row of the table; ` + ` parts those of several exchanges. Raises ValueError."""
    cells = [cell.split(" + ") for cell in (exchanges, directions, points, manners)]
    if len({len(cell) for cell in cells}) > 1:
        raise ValueError(f"as many of each are needed: {cells}")
    return [cut for cell in zip(*cells) for cut in _breaks(*cell)]


def _breaks(exchange: str, direction: str, point: str, manner: str) -> list[Break]:
    """exchange: `poll` (the first), `poll#2`, `poll#2-4` or `poll#1-` (all from there on).

    manner: `A, then B` breaks the next exchange of the same route by B, at its end; `A, then B @POINT` elsewhere.
    """
    match = re.fullmatch(r"([a-z]+)(?:#([0-9]+)(-)?([0-9]+)?)?", exchange)
    if not match or direction not in ("connect", "request", "response"):
        raise ValueError(f"no exchange: {exchange} {direction}")
    first = int(match[2] or 1)
    last = int(match[4]) if match[4] else FOREVER if match[3] else first
    now, _, then = manner.partition(", then ")
    found = [Break(match[1], first, last, direction, point, now)]
    if then:
        manner, _, point = then.partition(" @")
        found.append(Break(match[1], last + 1, last + 1, "response", point or "all", manner))
    return found


def bytes_of(point: str, head: int, body: int) -> int:
    """How many bytes of a message pass: a number, a share of its body (`25%`), or the name of a point."""
    if point.isdigit():
        return min(int(point), head + body)
    if point.endswith("%"):
        return head + body * int(point[:-1]) // 100
    return {
        "mid-head": head // 2,
        "head": head,
        "mid-body": head + body // 2,
        "all-1": head + body - 1,
        "all": head + body,
    }[point]


class Passed(NamedTuple):
    """One exchange as the instrument saw it: how many bytes of the request and of the answer's body got through."""

    route: str
    number: int
    target: str
    headers: dict[str, str]
    request: int
    body: int
    fault: str


class Breaker:
    """Stands before a stand-in that listens on `upstream`. clock_moves: moves the shared clock by some seconds."""

    def __init__(self, standin: StandIn, upstream: int, clock_moves: Callable[[float], None] = time.sleep) -> None:
        self.standin = standin
        self.clock_moves = clock_moves
        self.passed: list[Passed] = []
        self.port = 0
        self._upstream = upstream
        self._plan: list[Break] = []
        self._hit: set[Break] = set()
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._listener: _Listener | None = None
        self._absent = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @contextmanager
    def listening(self) -> Iterator[str]:
        """The base URL of the API behind the instrument. The stand-in's own links lead here too."""
        self._open()
        self.standin.origin = f"http://{HOST}:{self.port}"
        try:
            yield self.standin.origin + PREFIX
        finally:
            self._close()
            for sock in self._sockets:
                _shut(sock)
            for thread in self._threads:
                thread.join(PATIENCE)

    def arm(self, plan: list[Break]) -> None:
        """From now on break what the plan names; its exchanges are counted from here."""
        with self._lock:
            self._plan = plan
            self._counts.clear()
            self.passed.clear()
        for cut in plan:
            if cut.direction == "connect":
                self._hit.add(cut)
                self.leave(_times(cut.manner.split()[1]))

    def untouched(self) -> list[Break]:
        """The breaks of the plan that nothing has come across."""
        return [cut for cut in self._plan if cut not in self._hit]

    def heal(self) -> None:
        """From now on everything passes."""
        with self._lock:
            self._plan = []
        if self._absent:
            self._absent = 0
            self._open()

    # Nobody listens ----------------------------------------------------------------------------------------

    def leave(self, sleeps: int) -> None:
        """Refuse connections until the client has slept so often."""
        self._absent = sleeps
        self._close()

    def slept(self) -> None:
        """Called whenever somebody sleeps."""
        if self._absent:
            self._absent -= 1
            if not self._absent:
                self._open()

    def _open(self) -> None:
        self._listener = _Listener(self.port, self._accept)
        self.port = self._listener.port

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener:
            listener.close()

    def _accept(self, client: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
        with self._lock:
            self._sockets.append(client)
            self._threads.append(thread)
        thread.start()

    # Exchanges ---------------------------------------------------------------------------------------------

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection((HOST, self._upstream), PATIENCE) as service:
                client.settimeout(PATIENCE)
                with self._lock:
                    self._sockets.append(service)
                near, far = _Wire(client), _Wire(service)
                while self._exchange(near, far):
                    near.is_kept = True
        except OSError:
            pass  # the other side has gone: that is what this is for

    def _exchange(self, client: _Wire, service: _Wire) -> bool:
        """Let one exchange pass, or break it. Whether the connection can go on."""
        head = client.head()
        if not head:
            return False
        method, target = head.split(b" ", 2)[:2]
        headers = _headers(head)
        length = int(headers.get("content-length", "0"))
        route = self.standin.route(Incoming(method.decode(), target.decode(), headers, None))  # type: ignore[arg-type]
        with self._lock:
            number = self._counts[route] = self._counts.get(route, 0) + 1
            cut = next((cut for cut in self._plan if cut.direction != "connect" and cut.covers(route, number)), None)
            self._hit.update([cut] if cut else [])
            if cut and cut.manner.endswith("-if-kept"):
                cut = cut._replace(manner=cut.manner.partition("-")[0]) if client.is_kept else None

        def tell(request: int, body: int) -> None:
            fault = f"{cut.direction} {cut.point} {cut.manner}" if cut else ""
            with self._lock:
                self.passed.append(Passed(route, number, target.decode(), headers, request, body, fault))

        line = _Line(self, client, service, cut, route, tell)
        line.run(head, length)
        return line.goes_on


class _Line:
    """One exchange on its way. The words of a response's manner, in their order:

    `refuse STATUS [CODE [MESSAGE]]` (the stand-in never hears of it), or any number of SPOILERS; then how it ends after
    the point: `fin`, `rst`, `stall`, `gone N` (whole, but nobody listens afterwards until the client slept N times).
    tell: hears, before the exchange ends, how many bytes of the request and of the answer's body get through.
    """

    def __init__(
        self,
        breaker: Breaker,
        client: _Wire,
        service: _Wire,
        cut: Break | None,
        route: str,
        tell: Callable[[int, int], None],
    ) -> None:
        self.breaker = breaker
        self.tell = tell
        self.client = client
        self.service = service
        self.cut = cut
        self.route = route
        self.asked = ""
        self.goes_on = False
        self.answered = False

    def run(self, head: bytes, length: int) -> None:
        cut = self.cut
        self.asked = _headers(head).get("connection", "")
        if cut is None:
            answer = self._acted(head, length)
            self.tell(len(head) + length, len(answer.body))
            self._pass_on(answer)
            return
        if cut.direction == "response":
            self._break_answer(head, length, cut)
            return
        wanted = bytes_of(cut.point, len(head), length)
        passed = self._forward(head[:wanted], max(wanted - len(head), 0))
        self.service.finish()  # returns when the stand-in has done what it does with so much of a request
        self.tell(passed, 0)
        self._end(cut.manner)

    def _acted(self, head: bytes, length: int) -> _Answer:
        """What the stand-in answers to the whole request."""
        self._forward(head, length)
        return self.service.answer()

    def _forward(self, head: bytes, length: int) -> int:
        sent = len(head)
        try:
            self.service.sock.sendall(head)
            for block in self.client.blocks(length):
                self.service.sock.sendall(block)
                sent += len(block)
        except ConnectionError:
            pass  # the stand-in refused early; its answer says why
        return sent

    def _break_answer(self, head: bytes, length: int, cut: Break) -> None:
        request = len(head) + length
        target = head.split(b" ", 2)[1].decode()
        words = [target if word == "self" else word for word in cut.manner.split()]
        if words[0] == "refuse":
            for _ in self.client.blocks(length):
                pass
            answer, words = self._refusal(words[1:]), []
        else:
            if words[0] == "no-range":
                head = re.sub(rb"(?i)(Range|If-Match):[^\r]*\r\n", b"", head)
            answer = self._acted(head, length)
        whole = "garbage" in words  # its point is where it begins
        while words and words[0] in SPOILERS:
            at = bytes_of(cut.point, len(answer.head), len(answer.body))
            answer = SPOILERS[words.pop(0)](answer, words, at)
        if words[:1] == ["gone"]:
            answer, whole = _with(answer, connection="close"), True
            self.breaker.leave(_times(words.pop()))
            words = []
        size = len(answer.head) + len(answer.body)
        wanted = size if whole else bytes_of(cut.point, len(answer.head), len(answer.body))
        self.tell(request, max(wanted - len(answer.head), 0))
        if wanted == size and not words:
            self._pass_on(answer)
        else:
            self.client.sock.sendall((answer.head + answer.body)[:wanted])
            self.answered = wanted > 0
            self._end(words[0] if words else "fin")

    def _refusal(self, words: list[str]) -> _Answer:
        code, message = (words[1] if len(words) > 1 else ""), " ".join(words[2:])
        reply = self.breaker.standin.injected(Fault("status", int(words[0]), code, message), self.route)
        return _answer_of(reply)

    def _pass_on(self, answer: _Answer) -> None:
        self.client.sock.sendall(answer.head + answer.body)
        self.goes_on = "close" not in (self.asked, _headers(answer.head).get("connection"))
        if not self.goes_on:
            self._end("fin")

    def _end(self, manner: str) -> None:
        if manner == "endless":
            while True:  # until the client hangs up
                self.client.sock.sendall(ENDLESS_BLOCK)
                self.breaker.clock_moves(ENDLESS_STEP)
        if manner not in ENDS:
            raise AssertionError(f"no manner: {manner}")
        if manner != "fin" and self.answered:
            time.sleep(SETTLING)
        if manner == "rst":
            self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        else:
            if manner == "fin":
                self.client.sock.shutdown(socket.SHUT_WR)
            else:
                self.breaker.clock_moves(SILENT)
            self.client.drain()  # unread bytes would turn a close into a reset
        self.client.sock.close()


_LINGER_0 = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class _Answer(NamedTuple):
    """head: with its blank line.  body: as it goes over the wire, chunks and all."""

    head: bytes
    body: bytes


class _Wire:
    """A socket that gives heads, exact counts and whole answers."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_kept = False  # an exchange has passed before
        self._buffer = b""

    def head(self) -> bytes:
        """Up to and with the blank line; b"" when the other side has ended."""
        return self._until(b"\r\n\r\n")

    def blocks(self, length: int) -> Iterator[bytes]:
        """Exactly so many bytes, fewer only when the other side ends."""
        while length:
            block = self._take(min(length, 65536))
            if not block:
                return
            length -= len(block)
            yield block

    def answer(self) -> _Answer:
        head = self.head()
        headers = _headers(head)
        if "content-length" in headers:
            return _Answer(head, b"".join(self.blocks(int(headers["content-length"]))))
        body = b""
        while not body.endswith(b"\r\n0\r\n\r\n"):
            line = self._until(b"\r\n")
            if not line:
                raise ConnectionError
            body += line + b"".join(self.blocks(int(line, 16) + 2))
        return _Answer(head, body)

    def finish(self) -> None:
        """Say that nothing more comes, and wait for the other side to end as well."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has ended already
        self.drain()

    def drain(self) -> None:
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            block = self.sock.recv(65536)
            if not block:
                return b""
            self._buffer += block
        end = self._buffer.index(mark) + len(mark)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    def _take(self, size: int) -> bytes:
        if not self._buffer:
            return self.sock.recv(size)
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


class _Listener:
    """Accepts connections until it is closed; then the port refuses them."""

    def __init__(self, port: int, accepted: Callable[[socket.socket], None]) -> None:
        self._sock = socket.create_server((HOST, port))
        self._sock.settimeout(SETTLING)
        self.port: int = self._sock.getsockname()[1]
        self._over = False
        self._accepted = accepted
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over:
            try:
                client, _ = self._sock.accept()
            except OSError:
                continue
            self._accepted(client)

    def close(self) -> None:
        self._over = True
        _shut(self._sock)  # wakes the thread where the system does that for a listener
        self._thread.join(PATIENCE)
        self._sock.close()


# What a bad server makes of a good answer ------------------------------------------------------------------


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name}


def _with(answer: _Answer, body: bytes | None = None, **headers: str | None) -> _Answer:
    """The answer with other headers (None: without), or another body. Underscores stand for hyphens."""
    head = answer.head
    if body is not None:
        headers.setdefault("content_length", str(len(body)))
    for name, value in headers.items():
        label = name.replace("_", "-").encode()
        head = re.sub(rb"(?im)^" + label + rb":[^\r]*\r\n", b"", head)
        if value is not None:
            head = head[:-2] + label + b": " + value.encode() + b"\r\n\r\n"
    return _Answer(head, answer.body if body is None else body)


def _answer_of(reply: Reply) -> _Answer:
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    return _Answer("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body)


def _bare(answer: _Answer) -> _Answer:
    return _with(answer, content_md5=None, x_oss_hash_crc64ecma=None)


def _garbage(answer: _Answer, words: list[str], at: int) -> _Answer:
    """What stands behind the point is bytes of no meaning, as many as there were."""
    size = len(answer.head)
    noise = bytes((byte ^ 0xA5) | 0x80 for byte in answer.head + answer.body)
    spoiled = (answer.head + answer.body)[:at] + noise[at:]
    return _Answer(spoiled[:size], spoiled[size:])


def _expired(answer: _Answer, words: list[str], at: int) -> _Answer:
    xml = (
        b"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>AccessDenied</Code><Message>Request has expired."
        b"</Message><RequestId>1</RequestId><EC>0002-00000069</EC></Error>"
    )
    return _answer_of(Reply(403, {"Content-Type": "application/xml", "x-oss-ec": "0002-00000069"}, xml))


def _changed(answer: _Answer, words: list[str], at: int) -> _Answer:
    """Another object of the same size under another tag, by a server that minds no If-Match."""
    other = bytes(byte ^ 0xFF for byte in answer.body)
    return _with(_bare(answer), body=other, etag='"00000000000000000000000000000000"')


def _without_links(answer: _Answer, words: list[str], at: int) -> _Answer:
    """A task that has ended and names no result yet."""
    output = json.loads(answer.body)["output"]
    kept = {name: output[name] for name in ("task_id", "task_status")}
    return _with(answer, body=json.dumps({"request_id": "r", "output": kept}).encode())


def _state(answer: _Answer, words: list[str], at: int) -> _Answer:
    """`state WORD`: the task is told to be in this state, whatever stands beside it."""
    reply = json.loads(answer.body)
    reply["output"]["task_status"] = words.pop(0)
    return _with(answer, body=json.dumps(reply).encode())


def _told_above(answer: _Answer, words: list[str], at: int) -> _Answer:
    """A failed task that has no output."""
    reply = {"request_id": "r", "code": "InvalidParameter", "message": "no"}
    return _with(answer, body=json.dumps(reply).encode())


def _endless(answer: _Answer, words: list[str], at: int) -> _Answer:
    words.append("endless")
    return _with(_bare(answer), content_length=None, connection="close")


def _odd(answer: _Answer, words: list[str], at: int) -> _Answer:
    """`odd KIND`: JSON (of every event of a stream) that is right but for one field more."""
    field = ODD_FIELDS[words.pop(0)]
    body = re.sub(rb"(?m)^((?:data:)?\{)", lambda begin: begin[1] + field, _unchunked(answer))
    return _with(answer, body=body, transfer_encoding=None)


def _quoted(answer: _Answer, words: list[str], at: int) -> _Answer:
    """The output (of every event of a stream) is a JSON text within a string."""

    def quoted(line: re.Match[bytes]) -> bytes:
        reply = json.loads(line[2])
        return line[1] + json.dumps({**reply, "output": json.dumps(reply["output"])}).encode()

    body = re.sub(rb"(?m)^((?:data:)?)(\{.*\})", quoted, _unchunked(answer))
    return _with(answer, body=body, transfer_encoding=None)


def _gzip(answer: _Answer, words: list[str], at: int) -> _Answer:
    """Packed although nobody asked for it. `gzip silent`: and no header says so."""
    said = "gzip" if words[:1] != ["silent"] else words.pop(0) and None
    return _with(answer, body=gzip.compress(_unchunked(answer)), content_encoding=said, transfer_encoding=None)


def _as_events(answer: _Answer, words: list[str], at: int) -> _Answer:
    """`events KIND END`: the same events under another name of their kind (`-` for none), and with other line ends."""
    kind, end = words.pop(0), words.pop(0).encode().decode("unicode_escape").encode()
    body = re.sub(rb"\r?\n", end, _unchunked(answer))
    return _with(answer, body=body, content_type=None if kind == "-" else kind, transfer_encoding=None)


def _both_lengths(answer: _Answer, words: list[str], at: int) -> _Answer:
    """Chunks, with a Content-Length beside them. `both-lengths plain`: the body is in no chunks, only the header says so."""
    if words[:1] == ["plain"]:
        words.pop(0)
        return _with(answer, transfer_encoding="chunked")
    half = len(answer.body) // 2
    pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (answer.body[:half], answer.body[half:]) if part]
    length = str(len(answer.body) + 7)
    return _with(answer, body=b"".join([*pieces, b"0\r\n\r\n"]), content_length=length, transfer_encoding="chunked")


def _unchunked(answer: _Answer) -> bytes:
    rest, body = answer.body, b""
    while "transfer-encoding" in _headers(answer.head) and rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body or rest


# What becomes of an answer, by the words of a row that follow the name, and the point in bytes.
SPOILERS: dict[str, Callable[[_Answer, list[str], int], _Answer]] = {
    "answer": lambda _answer, words, at: _answer_of(  # the stand-in has acted, and a gateway says so, without a code
        Reply(int(words.pop(0)), {"Content-Type": "application/json"}, b'{"message": "gateway"}')
    ),
    "bare": lambda answer, *_: _bare(answer),
    "both-lengths": _both_lengths,
    "changed": _changed,
    "claims-gzip": lambda answer, *_: _with(answer, content_encoding="gzip"),
    "crowded": lambda answer, *_: _Answer(answer.head.replace(b"\r\n", b"\r\n" + CROWD, 1), answer.body),
    "clip": lambda answer, *_: _with(_bare(answer), body=placeholder.clip(), content_type="video/mp4"),
    "empty": lambda answer, *_: _with(_bare(answer), body=b""),
    "endless-body": _endless,
    "events": _as_events,
    "expired": _expired,
    "garbage": _garbage,
    "gzip": _gzip,
    "html": lambda _answer, words, at: _answer_of(Reply(int(words.pop(0)), {"Content-Type": "text/html"}, HTML)),
    "interim": lambda answer, *_: _Answer(INTERIM + answer.head, answer.body),  # answers before the answer
    "long-length": lambda answer, *_: _with(answer, content_length=str(len(answer.body) + 100)),
    "new-format": lambda answer, *_: _with(_bare(answer), body=b"NEW\x01" + bytes(500)),  # what nobody can read yet
    "more": lambda answer, *_: _with(answer, body=answer.body + b"\n\0<!-- gateway -->"),
    "no-length": lambda answer, *_: _with(answer, content_length=None, connection="close"),
    "no-range": lambda answer, *_: answer,  # the request went on without its Range: this is the whole
    "odd": _odd,
    "other-range": lambda answer, *_: _with(  # a part, but not the one that was asked for
        answer, content_range=f"bytes 0-{len(answer.body) - 1}/{len(answer.body) * 2}"
    ),
    "quoted": _quoted,
    "redirect": lambda _answer, words, at: _answer_of(Reply(302, {"Location": words.pop(0)}, b"")),  # self: back here
    "short-length": lambda answer, *_: _with(answer, content_length=str(len(answer.body) // 2)),
    "state": _state,
    "tail": lambda answer, *_: _with(  # bytes behind the last box that look like a box without an end
        _bare(answer), body=answer.body + b"\x7f\xff\xff\xfffree"
    ),
    "told-above": _told_above,
    "without-links": _without_links,
    "unended": lambda answer, *_: _with(answer, body=answer.body[:-2]),
    "wrong-crc": lambda answer, *_: _with(answer, content_md5=None, x_oss_hash_crc64ecma="11051210869376104954"),
    "wrong-md5": lambda answer, *_: _with(answer, content_md5="1B2M2Y8AsgTpgAmY7PhCfg=="),
}


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _times(word: str) -> int:
    return FOREVER if word == "always" else int(word)
