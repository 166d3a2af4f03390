"""A peer on a real socket that answers or breaks off exactly as it is told."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server of one script: each connection is handled by the next function, and what it received is kept."""

    def __init__(self, *handlers: Callable[[socket.socket], None]) -> None:
        self.handlers = list(handlers)
        self.received: list[bytes] = []
        self.connections = 0

    def read(self, connection: socket.socket) -> bytes:
        """One request: its head, and a body as long as it says."""
        data = b""
        while b"\r\n\r\n" not in data:
            block = connection.recv(65536)
            if not block:
                return data
            data += block
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(65536)
        self.received.append(head + b"\r\n\r\n" + body)
        return self.received[-1]

    @contextmanager
    def listening(self) -> Iterator[str]:
        over = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.01)
            thread = threading.Thread(target=self._serve, args=(server, over), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
            over.set()
            thread.join(5)

    def _serve(self, server: socket.socket, over: threading.Event) -> None:
        while self.handlers and not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                continue
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection, self.handlers.pop(0)), daemon=True).start()

    def _handle(self, connection: socket.socket, handler: Callable[[socket.socket], None]) -> None:
        with connection:
            connection.settimeout(10)
            try:
                handler(connection)
            except OSError:
                pass


def answering(*answers: bytes) -> Callable[[Peer], Callable[[socket.socket], None]]:
    """A handler that reads a request and answers, as often as there are answers, then hangs up."""

    def of(peer: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            for data in answers:
                if not peer.read(connection):
                    return
                connection.sendall(data)

        return handle

    return of


def peer(*kinds: Callable[[Peer], Callable[[socket.socket], None]]) -> Peer:
    made = Peer()
    made.handlers = [kind(made) for kind in kinds]
    return made
