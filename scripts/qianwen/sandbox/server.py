"""The stand-in on a loopback socket: `running()` for the length of a block, `main()` for the program sandbox.py."""

from __future__ import annotations

import argparse
import io
import os
import re
import socket
import socketserver
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Iterator, NoReturn, cast

from ..errors import UsageError
from . import faults
from .faults import Fault, Faults
from .standin import PREFIX, Incoming, Reply, StandIn

HOST = "127.0.0.1"
SCALED_SECONDS = 60.0  # of each picture or task with --time-scale alone, which would have nothing to shorten
SILENCE_SECONDS = 300.0
LINGER_SECONDS = 1.0


class Server(ThreadingHTTPServer):
    """Listens on loopback only. port: 0 picks a free one."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, standin: StandIn, port: int = 0) -> None:
        super().__init__((HOST, port), Handler)
        self.standin = standin
        self._is_ending = False
        standin.origin = f"http://{HOST}:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Bind without HTTPServer's DNS lookup of this machine's name, which can be slow."""
        socketserver.TCPServer.server_bind(self)

    def serve(self) -> None:
        """Answer until `end` is called. `serve_forever` polls for its end, so it would stop late."""
        while not self._is_ending:
            self.handle_request()

    def end(self) -> None:
        self._is_ending = True
        with suppress(OSError):
            socket.create_connection((HOST, self.server_address[1]), 1.0).close()  # wakes `handle_request`

    @property
    def base(self) -> str:
        return self.standin.origin + PREFIX

    def handle_error(self, request: object, client_address: object) -> None:
        """Print errors on stderr, except that a client hung up."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"sandbox: {type(error).__name__}: {error}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """Bytes to `Incoming`, `Reply` to bytes, and the injected faults."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = SILENCE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - so the base class looks them up

    def date_time_string(self, timestamp: float | None = None) -> str:
        """`Date` in the stand-in's own time, which may run faster than real time."""
        return super().date_time_string(int(self.server.standin.clock() if timestamp is None else timestamp))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass  # no log lines between those of the caller

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        if body is None:
            return
        incoming = Incoming(self.command, self.path, headers, body)
        standin = self.server.standin
        try:
            route = standin.route(incoming)
        except ValueError:
            self.send_error(400, "Bad target")
            return
        fault = standin.faults.take(route)
        if fault and fault.kind == "drop":
            self.close_connection = True
        elif fault and fault.kind == "status":
            body.drain()
            self._send(standin.injected(fault, route))
        else:
            reply = standin.handle(route, incoming)
            self._send(reply) if fault is None else self._break(reply, fault)
        if not self.close_connection:
            body.drain()  # else its rest would be read as the next request
        elif self.command != "GET" and not fault:
            self._linger(body)

    def _body(self, headers: dict[str, str]) -> Body | None:
        """The body that Content-Length declares; None after refusing chunks, and a length that is none."""
        lengths = set(self.headers.get_all("content-length", ["0"]))
        if "transfer-encoding" in headers:
            self.send_error(411, "Content-Length needed")
        elif len(lengths) == 1 and re.fullmatch("[0-9]{1,12}", length := lengths.pop()):
            return Body(_Counted(self.rfile, int(length)))
        else:
            self.send_error(400, "Bad Content-Length")
        return None

    def _linger(self, body: Body) -> None:
        """Read on for a while after a refusal, or a client that is still sending would lose the answer."""
        self.connection.settimeout(LINGER_SECONDS)
        end = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            while time.monotonic() < end and body.read1(65536):
                pass

    def _break(self, reply: Reply, fault: Fault) -> None:
        """Send half of the reply or nothing, and hang up."""
        if fault.kind == "stall":
            time.sleep(fault.seconds)
        if fault.kind == "cut":
            whole = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
            self._head(reply, {"Content-Length": str(len(whole))})
            self.wfile.write(whole[: len(whole) // 2])
        self.close_connection = True

    def _send(self, reply: Reply) -> None:
        if isinstance(reply.body, bytes):
            self._head(reply, {"Content-Length": str(len(reply.body))})
            if self.command != "HEAD":
                self.wfile.write(reply.body)
        elif self.request_version < "HTTP/1.1":  # without chunks the end of the connection ends the body
            self.close_connection = True
            self._head(reply, {})
            for block in reply.body:
                self.wfile.write(block)
        else:
            self._head(reply, {"Transfer-Encoding": "chunked"})
            for block in reply.body:
                self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, reply: Reply, more: dict[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {**reply.headers, **more}.items():
            self.send_header(name, value)
        if reply.status >= 400 and self.command != "GET":
            self.close_connection = True  # the body of a refused request may not have been read to its end
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version < "HTTP/1.1":
            self.send_header("Connection", "keep-alive")
        self.end_headers()


class Body(io.BufferedReader):
    """The body of one request: reading ends at its end, not at that of the connection."""

    def drain(self) -> None:
        while self.read(65536):
            pass


class _Counted(io.RawIOBase):
    """A body with a Content-Length."""

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self._stream.read1(min(len(view), self._left))
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"Error: {message}\nHint: sandbox.py --help lists all flags\n")
        raise SystemExit(UsageError.exit_code)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e9:
        raise ValueError
    return seconds


def _scaled_time(scale: float) -> tuple[Callable[[], float], Callable[[float], None]]:
    """A clock and a sleep that run `scale` times as fast as real time."""
    if not scale:
        raise ValueError("--time-scale must be above 0")
    start = time.time()
    return lambda: start + (time.time() - start) * scale, lambda seconds: time.sleep(seconds / scale)


@contextmanager
def running(standin: StandIn | None = None) -> Iterator[str]:
    """A stand-in that runs during a `with` block; yields its base URL."""
    server = Server(standin or StandIn())
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server.base
    finally:
        server.end()
        thread.join()
        server.server_close()


EXPORT = "export DASHSCOPE_HTTP_BASE_URL DASHSCOPE_API_KEY=sandbox"
"""Follows the line that sets the address: without it, that line alone would send the next run to the real service."""


def _parser() -> _Parser:
    parser = _Parser(
        prog="sandbox.py",
        description="A local stand-in for DashScope: placeholder media, free, any key. It listens on loopback only.",
        epilog=faults.__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="0 takes a free one (default)")
    parser.add_argument(
        "--delay", type=_seconds, metavar="S", help="seconds that each picture or task takes (0; 60 with --time-scale)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="makes ids and links repeatable")
    parser.add_argument(
        "--time-scale",
        type=_seconds,
        default=1.0,
        metavar="X",
        help="runs X times as fast: a minute takes 60/X seconds",
    )
    parser.add_argument("--fault", action="append", default=[], metavar="ROUTE=ACTION[*TIMES]", help="see below")
    parser.add_argument("--limit", action="append", default=[], metavar="MODEL=RATE/RUNNING", help="see below")
    return parser


def main(argv: list[str]) -> int:
    """Serve until interrupted. stdout gets the variables to set, as lines that a shell takes."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        limits = dict(map(faults.limit, args.limit))
        clock, sleep = _scaled_time(args.time_scale)
        delay = args.delay if args.delay is not None else 0.0 if args.time_scale == 1.0 else SCALED_SECONDS
        server = Server(StandIn(delay, Faults(args.fault), args.seed, clock, sleep, limits=limits), args.port)
    except (ValueError, OverflowError, OSError) as error:
        parser.error(str(error))
    try:
        print(f"DASHSCOPE_HTTP_BASE_URL={server.base}", EXPORT, sep="\n", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout once more at exit
        server.server_close()
        parser.error(f"cannot write to stdout: {error.strerror}")
    print("Paste these lines into another shell. Ctrl-C stops the stand-in; its tasks are lost.", file=sys.stderr)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0
