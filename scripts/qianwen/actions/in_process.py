"""`--sandbox`: the stand-in is called in this process, because it must work where sockets are forbidden."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

from ..http.messages import Response
from ..sandbox.standin import PREFIX, Incoming, StandIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from ..http.messages import Body, Request, Send, Stream

ORIGIN = "http://127.0.0.1:1"  # where nobody listens
BASE = ORIGIN + PREFIX


def standin() -> Send:
    """A `send` that calls a new stand-in."""
    called = StandIn(takes_new=True)
    called.origin = ORIGIN

    def send(request: Request) -> Response:
        parts = urlsplit(request.url)
        headers = {"host": parts.netloc, **{name.lower(): value for name, value in request.headers.items()}}
        incoming = Incoming(request.method, f"{parts.path or '/'}?{parts.query}", headers, _stream(request.body))
        reply = called.handle(called.route(incoming), incoming)
        data = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
        told = {"content-length": str(len(data)), **{name.lower(): value for name, value in reply.headers.items()}}
        is_refusal = reply.status >= 300
        return Response(reply.status, told, io.BytesIO(data).read, refusal=data if is_refusal else b"")

    return send


def _stream(body: Body) -> BinaryIO:
    """The body of a request as a server reads it: a large one piece by piece."""
    return io.BytesIO(body or b"") if body is None or isinstance(body, bytes) else io.BufferedReader(_Blocks(body))


class _Blocks(io.RawIOBase):
    def __init__(self, body: Stream) -> None:
        self._blocks = body.blocks()
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._left = self._left or next(self._blocks, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
