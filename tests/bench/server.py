"""What the benchmark measures against: an API and its storage on two loopback ports, which cost as little as they can.

It answers with the shapes of the sandbox, but it checks nothing. A prompt such as `seconds=4` says how long a task
takes, and a task named `done-1073741824` has finished with a clip of so many bytes. Every request is noted.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, NamedTuple, cast

from qianwen.sandbox import placeholder

JSON = dict[str, Any]

HOST = "127.0.0.1"
KEY = "sk-bench-0123456789abcdef0123456789abcdef"
CERT = Path(__file__).resolve().parent.parent / "data" / "tls" / "cert.pem"  # for localhost, signed by itself
BLOCK_BYTES = 1 << 20
SMALL_BYTES = 1 << 18


class Seen(NamedTuple):
    """A request. connection: counted from 1 over both ports.  moment: of the server's clock, when its body was read."""

    route: str
    connection: int
    moment: float


class Task(NamedTuple):
    finished: float
    output: JSON


class Loopback:
    """delays: seconds by route before an answer.  together: what the requests of a route wait at before their answers.
    hangs_up: routes after whose answer the connection is closed, unsaid.

    Routes: sync, submit, poll, policy, upload, result.  is_secure: it speaks TLS, and a handshake is a connection.
    """

    def __init__(self, clock: Callable[[], float] = time.time, is_secure: bool = False) -> None:
        self.clock = clock
        self._tls = _tls() if is_secure else None
        self.delays: dict[str, float] = {}
        self.together: dict[str, threading.Barrier] = {}
        self.hangs_up: set[str] = set()
        self.result_bytes = SMALL_BYTES
        self.seen: list[Seen] = []
        self.connections = {"api": 0, "storage": 0}
        self.busy = 0
        self.busiest = 0
        self.tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._folder = ""
        self._listeners: dict[str, socket.socket] = {}

    @property
    def base(self) -> str:
        return f"{self._origin('api')}/api/v1"

    def url(self, name: str, size: int) -> str:
        """Where a result of so many bytes lies. name: ends in .png or .mp4."""
        return f"{self._origin('storage')}/{size}/{name}"

    def of(self, route: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.route == route]

    def forget(self) -> None:
        self.seen.clear()
        self.connections = {"api": 0, "storage": 0}
        self.busiest = 0

    @contextmanager
    def running(self) -> Iterator[Loopback]:
        with tempfile.TemporaryDirectory() as self._folder:
            for kind in ("api", "storage"):
                self._listeners[kind] = socket.create_server((HOST, 0), backlog=128)
                threading.Thread(target=self._accept, args=(kind,), daemon=True).start()
            try:
                yield self
            finally:
                for listener in self._listeners.values():
                    try:
                        listener.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # not every system knows how to shut a listener down
                    listener.close()

    def _origin(self, kind: str) -> str:
        port = self._listeners[kind].getsockname()[1]
        return f"https://localhost:{port}" if self._tls else f"http://{HOST}:{port}"

    def _accept(self, kind: str) -> None:
        while True:
            try:
                connection, _ = self._listeners[kind].accept()
            except OSError:
                return
            with self._lock:
                self.connections[kind] += 1
                number = sum(self.connections.values())
            threading.Thread(target=self._converse, args=(connection, number), daemon=True).start()

    def _converse(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            line = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with line, line.makefile("rb", BLOCK_BYTES) as stream:
                while self._exchange(line, cast(BinaryIO, stream), number):
                    pass
        except OSError:
            pass  # the client has gone away

    def _exchange(self, connection: socket.socket, stream: BinaryIO, number: int) -> bool:
        """One request and its answer; whether another may follow."""
        line = stream.readline().split()
        if len(line) != 3:
            return False
        method, target = line[0].decode(), line[1].decode()
        headers: dict[str, str] = {}
        while (field := stream.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        route = _route(method, target, headers)
        with self._lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            body = _taken(stream, int(headers.get("content-length", "0")), keep=route != "upload")
            self.seen.append(Seen(route, number, self.clock()))
            if route in self.delays:
                time.sleep(self.delays[route])
            if route in self.together:
                with suppress(threading.BrokenBarrierError):
                    self.together[route].wait()
            if route == "result":
                self._give(connection, target)
            else:
                _send(connection, self._answer(route, target, body))
        finally:
            with self._lock:
                self.busy -= 1
        return route not in self.hangs_up and headers.get("connection", "").lower() != "close"

    def _answer(self, route: str, target: str, body: bytes) -> JSON:
        if route == "poll":
            return self._poll(target.rpartition("/")[2])
        if route == "policy":
            policy: JSON = {
                "policy": "p",
                "signature": "s",
                "upload_dir": "bench/1",
                "upload_host": self._origin("storage"),
            }
            policy.update(expire_in_seconds=300, max_file_size_mb=1024, capacity_limit_mb=10240, oss_access_key_id="k")
            return {
                "request_id": "r",
                "data": {**policy, "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true"},
            }
        if route == "upload":
            return {}
        request = json.loads(body)
        output = self._output(target, request)
        if route == "sync":
            return {"request_id": "r", "output": output, "usage": {"image_count": 1, "size": "1024*1024"}}
        wish = re.search(r"seconds=([0-9.]+)", body.decode())
        with self._lock:
            task_id = f"task-{len(self.tasks)}"
            self.tasks[task_id] = Task(self.clock() + (float(wish[1]) if wish else 0.0), output)
        return {"request_id": "r", "output": {"task_id": task_id, "task_status": "PENDING"}}

    def _poll(self, task_id: str) -> JSON:
        if task_id.startswith("done-"):
            task = Task(0.0, {"video_url": self.url("clip.mp4", int(task_id[5:]))})
        else:
            task = self.tasks[task_id]
        state: JSON = {"task_id": task_id, "task_status": "RUNNING"}
        if self.clock() >= task.finished:
            state = {**task.output, "task_id": task_id, "task_status": "SUCCEEDED"}
        return {"request_id": "r", "output": state, "usage": {}}

    def _output(self, target: str, request: JSON) -> JSON:
        if target.endswith("/video-synthesis"):
            return {"video_url": self.url("clip.mp4", self.result_bytes)}
        count = int(request.get("parameters", {}).get("n") or 1)
        urls = [self.url(f"picture-{number}.png", self.result_bytes) for number in range(count)]
        if "messages" in request["input"]:
            messages = [{"role": "assistant", "content": [{"type": "image", "image": url}]} for url in urls]
            return {
                "choices": [{"finish_reason": "stop", "message": message} for message in messages],
                "finished": True,
            }
        return {"results": [{"url": url} for url in urls]}

    def _give(self, connection: socket.socket, target: str) -> None:
        """The file that a path asks for: real media, and behind it as many zeros as are missing."""
        size, name = target.strip("/").split("/")
        suffix = name.rpartition(".")[2]
        path = os.path.join(self._folder, f"{size}.{suffix}")
        with self._lock:
            if not os.path.exists(path):
                _make(
                    path, int(size), placeholder.clip() if suffix == "mp4" else placeholder.png(1024, 1024, "bench", [])
                )
        with open(path, "rb") as stream:
            kind = "video/mp4" if suffix == "mp4" else "image/png"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {os.path.getsize(path)}\r\n\r\n"
            connection.sendall(head.encode())
            if not self._tls:
                connection.sendfile(stream)
                return
            while block := stream.read(BLOCK_BYTES):
                connection.sendall(block)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, CERT.with_name("key.pem"))
    return context


def _make(path: str, size: int, media: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(media)
        if path.endswith(".mp4"):
            stream.write(struct.pack(">I4s", max(size - len(media), 8), b"free"))
        stream.truncate(max(size, len(media) + 8))


def _route(method: str, target: str, headers: dict[str, str]) -> str:
    if not target.startswith("/api/"):
        return "result" if method == "GET" else "upload"
    if method == "POST":
        return "submit" if headers.get("x-dashscope-async") else "sync"
    return "policy" if "/uploads?" in target else "poll"


def _taken(stream: BinaryIO, length: int, keep: bool) -> bytes:
    """The body of a request; one that nobody keeps is read into the same buffer again and again."""
    if keep:
        return stream.read(length)
    buffer = memoryview(bytearray(BLOCK_BYTES))
    while length:
        count = stream.readinto(buffer[: min(length, BLOCK_BYTES)])  # type: ignore[attr-defined]
        if not count:
            raise ConnectionError
        length -= count
    return b""


def _send(connection: socket.socket, answer: JSON) -> None:
    body = json.dumps(answer).encode()
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
