"""The only code that sends: `Transport.send(Request) -> Response`.

Connecting (`connections`) and sending are separate steps, so that a `Fault` knows whether the server may have seen the
request. Every wait on a socket ends at the run's deadline. Redirects are answers like any other and never followed.
"""

from __future__ import annotations

import http.client
import io
import re
import select
import socket
import threading
import time
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from ..plain.parallel import threads_to_spare
from .connections import Opener
from .messages import REFUSAL_BYTES, Fault, Request, Response, Stream
from .os_errors import DeadlinePassed, fault_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Mapping, Tuple

    from .connections import Origin
    from .messages import Body
    from .proxies import Proxy

    _Head = Tuple[str, str, List[Tuple[str, str]]]

_LEGAL_IN_A_TARGET = "%/:?#[]@!$&'()*+,;=~"
HEAD_BYTES = 8 * 2**20  # of an answer, interim answers included
MOST_HEADERS = 90  # http.client refuses an answer with a hundred
READY_SECONDS = 5.0  # a server may give up a connection on which nothing was sent for longer
TLS_SEND_BYTES = 64 * 1024
TLS_RECORD_BYTES = 16 * 1024
_ABOUT_THE_BODY = rb"(?i)(?:content-[a-z0-9]+|transfer-encoding|connection):"
_CHUNK = rb"[ \t]*[0-9A-Fa-f]+[ \t]*(?:[;\r\n]|\Z)|\Z"  # the size that a chunk begins with


class Transport:
    """A pool of connections per host, closed at the end of the run. Safe to use from several threads.

    A request that costs money gets a connection of its own: the server may close a kept one at the very moment of the
    request, and then nobody knows whether the request arrived.

    deadline: the moment of `clock` at which every wait ends; None for no bound.
    env: names proxies and certificates; the real environment only, never a `.env` file.
    self_signed: see `Opener`.
    """

    def __init__(
        self,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        env: Mapping[str, str] = MappingProxyType({}),
        self_signed: int = 0,
    ) -> None:
        self._deadline = deadline
        self._clock = clock
        self._opener = Opener(env, self._patience, self_signed)
        self._ready: dict[Origin, list[tuple[float, _Connection | Fault]]] = {}  # see `prepare`, and when it was
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._lock = threading.Lock()
        self._sockets: set[_BoundedSocket] = set()  # that are open
        self._over = threading.Event()

    def send(self, request: Request) -> Response:
        """Send a request. The caller closes the response, which frees the connection for reuse. Raises Fault."""
        try:
            origin = _origin(request.url)
            head = _head(request)
        except ValueError as error:
            raise fault_of(error, sent=False) from error
        if request.billable:
            return self._exchange(self._prepared(origin) or self._open(origin), origin, head, request)
        kept = self._kept(origin)
        try:
            return self._exchange(kept or self._open(origin, request.may_reach), origin, head, request)
        except Fault:
            if kept and request.method == "GET":
                return self._exchange(self._open(origin, request.may_reach), origin, head, request)
            raise

    def prepare(self, url: str) -> None:
        """Open the connection for the next request to this host that costs money. That request meets a failure.

        Where descriptors are scarce, those that earlier exchanges left are closed: what was paid for needs them.
        """
        try:
            origin = _origin(url)
        except ValueError:
            return
        if threads_to_spare() == 1:
            with self._lock:
                idle = [connection for left in self._idle.values() for connection in left]
                self._idle.clear()
            for connection in idle:
                connection.close()
        try:
            opened: _Connection | Fault = self._open(origin)
        except Fault as fault:
            opened = fault
        with self._lock:
            self._ready.setdefault(origin, []).append((self._clock(), opened))

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up at `close`."""
        self._over.wait(seconds)

    def close(self) -> None:
        """Cut every connection, even while other threads read from it. Nothing is sent after that."""
        with self._lock:
            self._over.set()
            sockets = list(self._sockets)
            self._idle.clear()
            self._ready.clear()
        for sock in sockets:
            sock.cut()

    def _exchange(self, connection: _Connection, origin: Origin, head: _Head, request: Request) -> Response:
        try:
            connection.sock.begin(request.patience)
            _write(connection, head, request.body)
            answer = connection.getresponse()
        except Exception as error:
            sent = connection.sock is None or connection.sock.may_have_sent
            connection.close()
            raise self._fault(error, sent=sent, through=connection.proxy) from error
        except BaseException:
            connection.close()
            raise

        def read(size: int) -> bytes:
            try:
                return _read_available(answer, size)
            except Exception as error:
                connection.close()
                raise self._fault(error, sent=True, through=connection.proxy) from error

        def close() -> None:
            is_reusable = answer.isclosed() and not answer.will_close
            answer.close()
            if is_reusable and connection.sock is not None:
                with self._lock:
                    self._idle.setdefault(origin, []).append(connection)
            else:
                connection.close()

        headers = {name.lower(): value for name, value in answer.getheaders()}
        if answer.chunked:
            headers.pop("content-length", None)  # the chunks count (RFC 9112, 6.3)
        response = Response(answer.status, headers, read, close)
        if answer.status >= 300:
            response.refusal = _refusal(response)
        return response

    def _prepared(self, origin: Origin) -> _Connection | None:
        """A connection that was opened a moment ago and that nothing was sent on; None when there is none.

        Raises the Fault if it could not be opened.
        """
        while True:
            with self._lock:
                ready = self._ready.get(origin)
                if not ready:
                    return None
                since, opened = ready.pop()
            is_fresh = self._clock() - since < READY_SECONDS
            if isinstance(opened, Fault):
                if is_fresh:
                    raise opened
            elif is_fresh and opened.sock.is_quiet():
                return opened
            else:
                opened.close()

    def _kept(self, origin: Origin) -> _Connection | None:
        """A connection that an earlier exchange left and that still works; None when there is none."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                if not idle:
                    return None
                connection = idle.pop()
            if connection.sock.is_quiet():
                return connection
            connection.close()

    def _open(self, origin: Origin, may_reach: Callable[[str], bool] | None = None) -> _Connection:
        try:
            sock, proxy = self._opener.open(origin, may_reach)
        except Fault as fault:
            raise self._over_or(fault) from fault.__cause__
        bounded = _BoundedSocket(sock, self._patience, self._sockets.discard)
        with self._lock:
            if self._over.is_set():
                bounded.close()
                raise self._fault(ConnectionError(), sent=False)
            self._sockets.add(bounded)
        return _Connection(origin, bounded, proxy)

    def _fault(self, error: BaseException, *, sent: bool, through: Proxy | None = None) -> Fault:
        return self._over_or(fault_of(error, sent=sent, through=through))

    def _over_or(self, fault: Fault) -> Fault:
        """The fault, or one that says the run is over if `close` caused it."""
        return Fault("the run is over", sent=fault.sent, permanent=True) if self._over.is_set() else fault

    def _patience(self, seconds: float) -> float:
        """How long one wait may last now. Raises DeadlinePassed."""
        if self._deadline is None:
            return seconds
        left = self._deadline - self._clock()
        if left <= 0:
            raise DeadlinePassed
        return min(seconds, left)


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http URL: {parts.scheme}")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _head(request: Request) -> _Head:
    """Method, target and header lines. The target keeps its legal bytes, because signed URLs must not change."""
    parts = urlsplit(request.url)
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_LEGAL_IN_A_TARGET)
    headers = [("Host", parts.netloc.rpartition("@")[2]), *request.headers.items()]
    if request.body is not None:
        length = request.body.length if isinstance(request.body, Stream) else len(request.body)
        headers.append(("Content-Length", str(length)))
    if not all((name + value).isascii() and (name + value).isprintable() for name, value in headers):
        raise ValueError("a header has a control character")
    return request.method, target, headers


def _write(connection: _Connection, head: _Head, body: Body) -> None:
    method, target, headers = head
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    blocks = body.blocks() if isinstance(body, Stream) else [body] if body else []
    try:
        for block in blocks:
            connection.send(block)
    except ConnectionError:
        pass  # a server that refuses early answers and closes; its answer says why


def _read_available(answer: http.client.HTTPResponse, size: int) -> bytes:
    """The bytes of a body that have arrived, so that a break loses none. Raises IncompleteRead at an early end."""
    left = answer.length
    if left is None:
        return answer.read1(size)
    block = answer.read1(min(size, left))
    if not block and left:
        raise http.client.IncompleteRead(b"", left)
    answer.length = left - len(block)  # before 3.13 read1 does not count
    if not answer.length:
        answer.read(1)  # lets http.client notice the end
    return block


def _refusal(response: Response) -> bytes:
    """The start of a refusal, as far as it can be read: a broken error page must not hide the status."""
    body = b""
    try:
        while len(body) < REFUSAL_BYTES:
            block = response.read(REFUSAL_BYTES - len(body))
            if not block:
                break
            body += block
    except Fault:
        pass
    response.close()
    return body


class _Answer(http.client.HTTPResponse):
    """http.client's answer, but it passes over every interim answer (1xx) and reads as chunks only what has chunks."""

    def begin(self) -> None:
        stream = self.fp
        self.fp = _HeadLines(stream)  # type: ignore[assignment]  # which takes heads that http.client would refuse
        try:
            super().begin()
            while 100 <= self.status < 200:
                self.headers = self.msg = None  # type: ignore[assignment]  # lets `begin` read another head
                super().begin()
        finally:
            if self.fp:
                self.fp = stream
        coding = self.headers.get("Transfer-Encoding", "").rpartition(",")[2]
        if not self.chunked and coding.strip().lower() == "chunked":  # http.client knows no space behind it
            self.chunked, self.chunk_left, self.length = True, None, None
        length = self.headers.get("Content-Length", "")
        if self.chunked and re.fullmatch("[0-9]{1,20}", length) and not re.match(_CHUNK, self.fp.peek(1)):
            self.chunked, self.length = False, int(length)


class _HeadLines:
    """The lines of an answer's head, fewer and shorter where http.client would give up what may have been paid for.

    Lines that are too long are cut. Of more than MOST_HEADERS only those are kept that say how to read the body.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.close = stream.close
        self._left = HEAD_BYTES
        self._lines = 0

    def readline(self, limit: int) -> bytes:
        while True:
            line = self._cut(limit)
            self._lines = self._lines + 1 if line.strip() else 0
            if self._lines <= MOST_HEADERS or re.match(_ABOUT_THE_BODY, line):
                return line

    def _cut(self, limit: int) -> bytes:
        """A whole line, or the start of it in less than `limit` bytes. Raises HTTPException after HEAD_BYTES."""
        line = rest = self._stream.readline(limit)
        while len(rest) == limit and not rest.endswith(b"\n"):
            self._left -= limit
            if self._left < 0:
                break
            rest = self._stream.readline(limit)
        self._left -= len(rest)
        if self._left < 0:
            raise http.client.HTTPException("the head of the answer has no end")
        return line if len(line) < limit else line[: limit - 2] + b"\n"


class _Connection(http.client.HTTPConnection):
    """http.client's HTTP/1.1 over a socket that we opened; it never opens one itself."""

    response_class = _Answer
    auto_open = 0
    sock: _BoundedSocket

    def __init__(self, origin: Origin, sock: _BoundedSocket, proxy: Proxy | None) -> None:
        super().__init__(*origin[1:])
        self.sock = sock
        self.proxy = proxy

    def close(self) -> None:
        sock = getattr(self, "sock", None)
        super().close()
        if sock is not None:
            sock.close()


class _BoundedSocket:
    """A socket with a bound on every wait, so that a server that drips bytes cannot outlast the deadline.

    It has the methods that http.client uses. Like a real socket, it closes once its last reader has closed.

    closed: called with this when that happens.
    """

    def __init__(
        self, sock: socket.socket, bound: Callable[[float], float], closed: Callable[[_BoundedSocket], None]
    ) -> None:
        self._sock = sock
        self._bound = bound
        self._tell_closed = closed
        self._readers = 0
        self._closed = False
        self._is_tls = hasattr(sock, "pending")
        self._is_over = False
        self._error: OSError | None = None
        self._patience = 60.0
        self.may_have_sent = False  # a byte of this exchange

    def begin(self, patience: float) -> None:
        """Another exchange begins. patience: seconds of silence that end it."""
        self._patience = patience
        self.may_have_sent = False

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[:TLS_SEND_BYTES] if self._is_tls else view  # TLS would send all of it within one patience
            self.may_have_sent |= self._is_tls and len(piece) > TLS_RECORD_BYTES  # a part of a record is unreadable
            count = self._wait_for(self._sock.send, piece)
            self.may_have_sent = True
            view = view[count:]

    def receive_into(self, buffer: memoryview) -> int:
        if self._error:
            raise self._error
        count = 0 if self._is_over else self._wait_for(self._sock.recv_into, buffer)
        return count + self._read_pending_records(buffer[count:]) if count and self._is_tls else count

    def _read_pending_records(self, buffer: memoryview) -> int:
        """Read TLS records that have already arrived: each holds 16 KiB at most, and one call per record is slow."""
        from ssl import SSLWantReadError, SSLWantWriteError

        total = 0
        self._sock.settimeout(0)
        try:
            while total < len(buffer) and not self._is_over:
                count = self._sock.recv_into(buffer[total:])
                self._is_over = not count
                total += count
        except (SSLWantReadError, SSLWantWriteError):
            pass
        except OSError as error:  # raised by the next call, because the bytes before it count
            self._error = error.with_traceback(None)
        return total

    def _wait_for(self, operation: Callable[[memoryview], int], buffer: memoryview) -> int:
        self._sock.settimeout(self._bound(self._patience))
        try:
            return operation(buffer)
        except socket.timeout:
            self._bound(self._patience)  # raises if it was the deadline
            raise

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self), 65536)

    def is_quiet(self) -> bool:
        """Whether the other side has neither sent nor closed, so that the connection can be reused."""
        if self._is_over or self._error or (self._is_tls and self._sock.pending()):  # type: ignore[attr-defined]
            return False
        try:
            readable, _, _ = select.select([self._sock], [], [], 0)
            return not readable or (self._is_tls and self._has_only_tickets())
        except (OSError, ValueError):  # closed, or a descriptor that select cannot hold
            return False

    def _has_only_tickets(self) -> bool:
        """Whether TLS alone has something to read: a server of TLS 1.3 sends its tickets after the handshake."""
        from ssl import SSLWantReadError

        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except SSLWantReadError:
            return True
        return False

    def cut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already closed
        self._close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._closed and not self._readers:
            self._close()

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self._close()

    def _close(self) -> None:
        self._tell_closed(self)
        try:
            self._sock.close()
        except OSError:
            pass  # it is closed all the same


class _Reader(io.RawIOBase):
    def __init__(self, sock: _BoundedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._sock.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()
