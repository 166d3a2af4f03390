"""Decompress API answers. We never ask for compression, but some gateways compress anyway, and the answer is paid for.

Results are left alone, because their checksums are over the bytes as sent.
"""

from __future__ import annotations

import re
import zlib

from .messages import Fault, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request, Send

ENCODINGS = ("gzip", "x-gzip", "deflate")
REFUSAL_BYTES = 65536
EITHER = 32 + zlib.MAX_WBITS  # gzip, or deflate in its zlib wrapper
BARE = -zlib.MAX_WBITS  # deflate as some servers send it, without the wrapper
GZIP = b"\x1f\x8b"
_TEXT = rb"\s*(?:[{\[<]|(?:data|event|id)?:)"  # JSON, a page or events, which begin so and are not packed


def unpacking(send: Send, base: str) -> Send:
    """`send`, but answers from the API at `base` are decompressed, block by block."""

    def sending(request: Request) -> Response:
        response = send(request)
        return _plain(response) if request.url.startswith(f"{base}/") else response

    return sending


def _plain(response: Response) -> Response:
    says_so = response.headers.get("content-encoding", "").strip().lower() in ENCODINGS
    packed = ("content-encoding", "content-length", "content-md5") if says_so else ()
    headers = {name: value for name, value in response.headers.items() if name not in packed}
    refusal = _beginning(response.refusal, says_so)
    return Response(response.status, headers, _Reader(response, says_so).read, response.close, refusal)


def _wrappers(block: bytes, says_so: bool) -> tuple[int, ...]:
    """How an answer may be packed that begins with this block; () for not at all, whatever its header says."""
    if block.startswith(GZIP):
        return (EITHER,)
    return (EITHER, BARE) if says_so and not re.match(_TEXT, block) else ()


class _Reader:
    """says_so: the header names a compression."""

    def __init__(self, response: Response, says_so: bool) -> None:
        self._response = response
        self._says_so = says_so
        self._unpacker: zlib._Decompress | None = None
        self._left = b""
        self._has_begun = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises Fault for damaged data or an early end."""
        if not self._has_begun:
            return self._begin(self._response.read(size), size)
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

    def _begin(self, first: bytes, size: int) -> bytes:
        self._has_begun = True
        for bits in _wrappers(first, self._says_so):
            unpacker = zlib.decompressobj(bits)
            try:
                block = unpacker.decompress(first, size)
            except zlib.error:
                continue
            self._unpacker, self._left = unpacker, unpacker.unconsumed_tail
            return block or self.read(size)
        return first


def _beginning(refusal: bytes, says_so: bool) -> bytes:
    """A refusal, which may be cut off, as far as it can be decompressed."""
    for bits in _wrappers(refusal, says_so):
        try:
            return zlib.decompressobj(bits).decompress(refusal, REFUSAL_BYTES)
        except zlib.error:
            continue
    return refusal
