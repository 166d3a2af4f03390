"""Decompress API answers. We never ask for compression, but some gateways compress anyway, and the answer is paid for.

`storage.results` does it for results, because their lengths are those of the bytes as sent.
"""

from __future__ import annotations

import zlib

from .messages import REFUSAL_BYTES, Fault, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request, Send

EITHER = 32 + zlib.MAX_WBITS  # gzip, or deflate in its zlib wrapper
PACKED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda")
"""How either begins, whatever a header says; no JSON, page or event does."""


def unpacking(send: Send, base: str) -> Send:
    """`send`, but answers from the API at `base` are decompressed, block by block."""

    def sending(request: Request) -> Response:
        response = send(request)
        return _plain(response) if request.url.startswith(f"{base}/") else response

    return sending


def _plain(response: Response) -> Response:
    says_so = response.headers.get("content-encoding", "identity") != "identity"
    packed = ("content-encoding", "content-length", "content-md5") if says_so else ()
    headers = {name: value for name, value in response.headers.items() if name not in packed}
    refusal = _beginning(response.refusal)
    return Response(response.status, headers, _Reader(response).read, response.close, refusal)


class _Reader:
    def __init__(self, response: Response) -> None:
        self._response = response
        self._unpacker: zlib._Decompress | None = None
        self._left = b""
        self._has_begun = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises Fault for damaged data or an early end."""
        if not self._has_begun:
            self._has_begun = True
            self._left = self._response.read(size)
            if len(self._left) == 1:
                self._left += self._response.read(size)
            if not self._left.startswith(PACKED):
                return self._left
            self._unpacker = zlib.decompressobj(EITHER)
        if self._unpacker is None:
            return self._response.read(size)
        while not self._unpacker.eof:
            packed = self._left or self._response.read(size)
            if not packed:
                raise Fault("the compressed answer ended early", sent=True)
            try:
                block = self._unpacker.decompress(packed, size)
            except zlib.error as error:
                raise Fault("the compressed answer is damaged", sent=True) from error
            self._left = self._unpacker.unconsumed_tail
            if block:
                return block
        return b""


def _beginning(refusal: bytes) -> bytes:
    """A refusal, which may be cut off, as far as it can be decompressed."""
    try:
        return zlib.decompressobj(EITHER).decompress(refusal, REFUSAL_BYTES) if refusal.startswith(PACKED) else refusal
    except zlib.error:
        return refusal
