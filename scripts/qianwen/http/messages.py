"""The requests and answers of `send`. All code that talks to the service uses these.

This module opens no socket and imports nothing that could, so that dry runs and replays stay fast.
"""

from __future__ import annotations

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping, Union

    Body = Union[bytes, "Stream", None]
    Send = Callable[["Request"], "Response"]


@record
class Stream:
    """A request body that is too large for memory.

    length: in bytes.
    blocks: starts a new pass over the body.
    """

    length: int
    blocks: Callable[[], Iterator[bytes]]


@record
class Request:
    """One HTTP request.

    patience: seconds of silence after which we give up.
    billable: acceptance costs money.
    once: if it may have arrived, do not send it again, because it costs money or has a unique name.
    longest: the most bytes of an answer that is read as part of the exchange, so that a break in it can be retried; 0
        for an answer that the caller reads.
    may_reach: whether to connect to an IP address that the host's name leads to; None for any. A proxy looks names up
        itself, so it is not asked there.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body = None
    patience: float = 60.0
    billable: bool = False
    once: bool = False
    longest: int = 0
    may_reach: Callable[[str], bool] | None = None


class Fault(Exception):
    """No usable answer.

    sent: False only if the server certainly got nothing of the request.
    permanent: sending again cannot help.
    """

    def __init__(self, reason: str, *, sent: bool, permanent: bool = False, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.permanent = permanent
        self.hint = hint

    def of_host(self, request: Request) -> str:
        """The reason, with the host that the request was for, unless it is about something else."""
        place = request.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        host = place[: place.rfind("]") + 1] or place.partition(":")[0]  # [::1]:80, or a name and its port
        is_named = not host or host in self.reason or "--timeout" in self.reason
        return self.reason if is_named else f"{host}: {self.reason}"


def moment_of(http_date: str) -> float | None:
    """Epoch seconds of an HTTP date; None for an unreadable one."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


class Response:
    """An answer.

    headers: with lower-case names.
    refusal: the start of the body if the status is 300 or above; it has already been read.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        read: Callable[[int], bytes],
        close: Callable[[], None] = lambda: None,
        refusal: bytes = b"",
    ) -> None:
        self.status = status
        self.headers = headers
        self.refusal = refusal
        self._read = read
        self._close: Callable[[], None] | None = close

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the body, b"" at its end. Raises Fault if the connection breaks."""
        return self._read(size)

    def read_all(self, limit: int) -> bytes:
        """The whole body. Raises Fault if it is longer than `limit` bytes."""
        blocks = bytearray()
        while block := self.read(65536):
            blocks += block
            if len(blocks) > limit:
                self.close()
                raise Fault(f"the answer is longer than {limit} bytes", sent=True, permanent=True)
        return bytes(blocks)

    def whole(self, limit: int) -> Response:
        """The same answer with its body already read. Raises as `read_all` does."""
        if self.status >= 300:
            return self
        with self:
            body = [self.read_all(limit)]
        return Response(self.status, self.headers, lambda _: body.pop() if body else b"")

    def close(self) -> None:
        """Release the connection. Only the first call does anything."""
        closing, self._close = self._close, None
        if closing:
            closing()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


AGENT = "qianwen-media-generation/2.0.0"

ANSWER_BYTES = 16 * 2**20
REFUSAL_BYTES = 65536  # of a refusal that are read
