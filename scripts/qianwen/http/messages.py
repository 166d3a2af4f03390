"""The values that pass through the `send` seam. Whatever speaks to the service is written against these.

Nothing here opens a socket or imports what could: a dry run and a replay need no more than this.
"""

from __future__ import annotations

import time

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping, Union

    Body = Union[bytes, "Stream", None]
    Send = Callable[["Request"], "Response"]


@record
class Stream:
    """A request body that is too large for memory: `length` bytes, made anew by each call of `blocks`."""

    length: int
    blocks: Callable[[], Iterator[bytes]]


@record
class Request:
    """One HTTP exchange to make.

    patience: seconds of silence after which we stop listening.  billable: acceptance costs money.
    once: it must not be sent again as it is when it may have arrived, because it costs money or has a unique name.
    longest: bytes of the answer when it is small and read as a part of the exchange, so that a break in it is a break
    of that; 0 for one that is read as it comes.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body = None
    patience: float = 60.0
    billable: bool = False
    once: bool = False
    longest: int = 0


class Fault(Exception):
    """No usable answer. `sent` is False only when it is certain that the server got nothing of the request."""

    def __init__(self, reason: str, *, sent: bool, permanent: bool = False, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.permanent = permanent
        self.hint = hint


def moment_of(http_date: str) -> float | None:
    """Epoch seconds of a date as HTTP headers have it; None for one that cannot be read."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


class Response:
    """An answer. Header names are lower case. A refusal (300 and above) is read already, into `refusal`."""

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
        """Up to `size` bytes of the body, b"" at its end. Raises Fault when the connection breaks."""
        return self._read(size)

    def read_all(self, limit: int) -> bytes:
        """The whole body. Raises Fault when it is longer than `limit` bytes."""
        blocks = bytearray()
        while block := self.read(65536):
            blocks += block
            if len(blocks) > limit:
                self.close()
                raise Fault(f"the answer is longer than {limit} bytes", sent=True, permanent=True)
        return bytes(blocks)

    def whole(self, limit: int) -> Response:
        """The same answer with its body read already. Raises as `read_all` does."""
        if self.status >= 300:
            return self
        with self:
            left = [self.read_all(limit)]
        return Response(self.status, self.headers, lambda _: left.pop() if left else b"")

    def close(self) -> None:
        """Give the connection back, or up. Only the first call does anything."""
        closing, self._close = self._close, None
        if closing:
            closing()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


AGENT = "qianwen-media-generation/1.0"

ANSWER_BYTES = 16 * 2**20

CHINA_SECONDS = 8 * 3600  # ahead of UTC, all year


def china_time(form: str, moment: float) -> str:
    """A moment, in epoch seconds, as the service writes and reads it: by China's clock. form: for `strftime`."""
    return time.strftime(form, time.gmtime(moment + CHINA_SECONDS))
