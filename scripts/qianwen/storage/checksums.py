"""CRC-64 as storage gives it in `x-oss-hash-crc64ecma`, checked at the speed of C by the standard library.

Python has no CRC-64 of its own, but an .xz container carries one (the same: CRC-64/XZ) and its reader verifies it. So
the bytes are wrapped into such a container, stored and not compressed, with the expected value at its end; the reader
complains exactly when they do not match. Layout: the .xz file format 1.0.4 and LZMA2's uncompressed chunks.
"""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHUNK_BYTES = 65536


def _with_crc32(fields: bytes) -> bytes:
    return fields + struct.pack("<I", zlib.crc32(fields))


_STREAM_HEADER = b"\xfd7zXZ\x00" + _with_crc32(b"\x00\x04")  # flags: the check is CRC-64
_BLOCK_HEADER = _with_crc32(b"\x02\x00\x21\x01\x00\x00\x00\x00")  # 12 bytes, one filter: LZMA2, smallest dictionary


class Crc64:
    """Collects blocks and answers whether they have a given CRC-64; where Python has no lzma, it believes them."""

    def __init__(self) -> None:
        self._bytes = 0
        self._reader: Any = None
        try:
            import lzma
        except ImportError:
            return
        self._mismatch = lzma.LZMAError
        self._reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._reader.decompress(_STREAM_HEADER)
        self._feed(_BLOCK_HEADER)
        self._control = b"\x01"  # the first chunk resets the dictionary

    def update(self, block: bytes) -> None:
        if self._reader is None:
            return
        for start in range(0, len(block), CHUNK_BYTES):
            chunk = block[start : start + CHUNK_BYTES]
            self._feed(self._control + struct.pack(">H", len(chunk) - 1) + chunk)
            self._control = b"\x02"

    def matches(self, expected: int) -> bool:
        """Whether all blocks together have this value. Ends the collecting; True when it cannot be told."""
        if self._reader is None:
            return True
        try:
            self._feed(b"\x00")
            self._feed(b"\x00" * (-self._bytes % 4))
            self._reader.decompress(struct.pack("<Q", expected))
        except self._mismatch:
            return False
        return True

    def _feed(self, data: bytes) -> None:
        self._bytes += len(data)
        self._reader.decompress(data)
