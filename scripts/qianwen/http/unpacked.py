"""Decompress API answers. We never ask for compression, but some gateways compress anyway, and the answer is paid for.

Results are left alone, because their checksums are over the bytes as sent.
"""

from __future__ import annotations

import zlib

from .messages import Fault, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request, Send

ENCODINGS = ("gzip", "x-gzip", "deflate")
REFUSAL_BYTES = 65536
EITHER = 32 + zlib.MAX_WBITS  # gzip, or deflate in its zlib wrapper
BARE = -zlib.MAX_WBITS  # deflate as some servers send it, without the wrapper


def unpacking(send: Send, base: str) -> Send:
    """`send`, but answers from the API at `base` are decompressed, block by block."""

    def sending(request: Request) -> Response:
        response = send(request)
        if not request.url.startswith(f"{base}/"):
            return response
        encoding = response.headers.get("content-encoding", "").strip().lower()
        return _plain(response) if encoding in ENCODINGS else response

    return sending


def _plain(response: Response) -> Response:
    packed = ("content-encoding", "content-length", "content-md5")
    headers = {name: value for name, value in response.headers.items() if name not in packed}
    refusal = _beginning(response.refusal)
    return Response(response.status, headers, _Reader(response).read, response.close, refusal)


class _Reader:
    def __init__(self, response: Response) -> None:
        self._response = response
        self._unpacker = zlib.decompressobj(EITHER)
        self._left = b""
        self._has_begun = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises Fault for damaged data or an early end."""
        while not self._unpacker.eof:
            packed = self._left or self._response.read(size)
            if not packed and not self._has_begun:
                return b""  # an empty body has nothing to unpack
            if not packed:
                raise Fault("the compressed answer ended early", sent=True)
            block = self._unpack(packed, size)
            self._left = self._unpacker.unconsumed_tail
            if block:
                return block
        return b""

    def _unpack(self, packed: bytes, size: int) -> bytes:
        try:
            block = self._unpacker.decompress(packed, size)
        except zlib.error as error:
            if self._has_begun:
                raise Fault("the compressed answer is damaged", sent=True) from error
            self._unpacker = zlib.decompressobj(BARE)
            self._has_begun = True
            return self._unpack(packed, size)
        self._has_begun = True
        return block


def _beginning(packed: bytes) -> bytes:
    """A refusal, which may be cut off, as far as it can be decompressed."""
    for bits in (EITHER, BARE):
        try:
            return zlib.decompressobj(bits).decompress(packed, REFUSAL_BYTES)
        except zlib.error:
            continue
    return packed
