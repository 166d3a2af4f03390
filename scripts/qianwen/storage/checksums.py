"""Checksums of streams: the CRC-64 of storage, and hashing in another thread.

Storage sends CRC-64/XZ in `x-oss-hash-crc64ecma`. Python has no CRC-64, but its .xz reader, written in C, verifies
one. So we wrap the bytes into an .xz container, uncompressed, with the expected value at its end; the reader fails if
they do not match. Layout: the .xz file format 1.0.4 and LZMA2's uncompressed chunks.
"""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import Queue
    from types import TracebackType
    from typing import Any, Callable

CHUNK_BYTES = 65536
LARGE_BYTES = 128 * 1024  # so much in one read: the network is not the bottleneck


def _with_crc32(fields: bytes) -> bytes:
    return fields + struct.pack("<I", zlib.crc32(fields))


_STREAM_HEADER = b"\xfd7zXZ\x00" + _with_crc32(b"\x00\x04")  # flags: the check is CRC-64
_BLOCK_HEADER = _with_crc32(b"\x02\x00\x21\x01\x00\x00\x00\x00")  # 12 bytes, one filter: LZMA2, smallest dictionary


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


class Crc64:
    """Collects blocks and checks their CRC-64. Without lzma in this Python every value matches."""

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

    def matches(self, expected: str) -> bool:
        """Whether all blocks together have this value of a header; True if it is no number or cannot be checked.

        Call it once, at the end.
        """
        if self._reader is None or not is_number(expected):
            return True
        try:
            self._feed(b"\x00")
            self._feed(b"\x00" * (-self._bytes % 4))
            self._reader.decompress(struct.pack("<Q", int(expected) % 2**64))
        except self._mismatch:
            return False
        return True

    def _feed(self, data: bytes) -> None:
        self._bytes += len(data)
        self._reader.decompress(data)


class Hasher:
    """Passes blocks to `work`, in order. Leaving the `with` block waits until all are done.

    Small blocks are worked on at once. From the first large one on a thread does it, because then data arrives faster
    than one processor can both receive and hash it.
    """

    def __init__(self, work: Callable[[bytes], None]) -> None:
        self._work = work
        self._queue: Queue[bytes] | None = None
        self._error: BaseException | None = None

    def update(self, block: bytes) -> None:
        """Waits for the block before. Raises what `work` raises, at a later block or at the end."""
        if self._queue is None and len(block) >= LARGE_BYTES:
            self._queue = self._start_thread()
        if self._queue is None:
            self._work(block)
        else:
            self._queue.join()
            self._raise_error()
            self._queue.put(block)

    def _start_thread(self) -> Queue[bytes] | None:
        import threading
        from queue import Queue

        queue: Queue[bytes] = Queue()
        try:
            threading.Thread(target=self._drain, args=(queue,), daemon=True).start()
        except RuntimeError:  # the system has no thread to spare
            return None
        return queue

    def _drain(self, queue: Queue[bytes]) -> None:
        while block := queue.get():
            try:
                if not self._error:
                    self._work(block)
            except BaseException as error:  # raised again in the receiving thread
                self._error = error
            finally:
                del block  # before another one is received
                queue.task_done()
        queue.task_done()

    def _raise_error(self) -> None:
        if self._error:
            raise self._error

    def __enter__(self) -> Hasher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._queue is not None:
            self._queue.put(b"")
            self._queue.join()
        if kind is None or issubclass(kind, Exception):
            self._raise_error()
