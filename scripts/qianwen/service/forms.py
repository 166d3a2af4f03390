"""A local file as it is sent: read in blocks that are as many bytes as were announced, and framed as a form."""

from __future__ import annotations

import os

from ..errors import UsageError
from ..record import record
from .exchange import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator

BLOCK_BYTES = 1024 * 1024


@record
class Upload:
    """A local file to send: its absolute path, media type and size in bytes."""

    path: str
    media_type: str
    bytes: int


def form(fields: Iterable[tuple[str, str]], file_name: str, file: Upload) -> tuple[str, Stream]:
    """The content type and the body of a multipart/form-data form (RFC 7578) whose last field, `file`, is a file.

    fields: (name, text) in their order; neither may hold a line break or a quote.
    file_name: what the receiver is to call the file.
    The first block of the body is everything that comes before the file's own bytes.
    """
    boundary = os.urandom(16).hex()
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
        f"Content-Type: {file.media_type}\r\n\r\n"
    )
    opening, closing = head.encode("utf-8"), f"\r\n--{boundary}--\r\n".encode("ascii")

    def blocks() -> Iterator[bytes]:
        yield opening
        yield from file_blocks(file)
        yield closing

    return f"multipart/form-data; boundary={boundary}", Stream(len(opening) + file.bytes + len(closing), blocks)


def file_blocks(file: Upload) -> Iterator[bytes]:
    """The blocks of a file, as many bytes as were announced. Raises UsageError when it is no longer the file it was."""
    try:
        with open(file.path, "rb", opener=_without_waiting) as stream:
            before = os.fstat(stream.fileno())
            left = before.st_size
            while left and before.st_size == file.bytes:
                block = stream.read(min(BLOCK_BYTES, left))
                if not block:
                    break
                left -= len(block)
                yield block
            if left or before.st_mtime_ns != os.fstat(stream.fileno()).st_mtime_ns:
                raise UsageError(f"{file.path} was changed while it was sent")
    except OSError as error:
        raise UsageError(f"{file.path} could not be read: {error.strerror}") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file without waiting for a writer, should a pipe have taken its place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
