"""Send a local file: read it in blocks, exactly as many bytes as announced, and wrap it into a form."""

from __future__ import annotations

import os
import re

from ..errors import UsageError
from ..files.media import SUFFIXES
from ..files.safe_open import open_theirs
from ..http.messages import Stream
from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Iterator

BLOCK_BYTES = 1024 * 1024


@record
class Upload:
    """A local file to send: its absolute path, media type and size in bytes. moved: hears how many have been sent."""

    path: str
    media_type: str
    bytes: int
    moved: Callable[[int], None] = lambda _: None


def form(fields: Iterable[tuple[str, str]], file_name: str, file: Upload) -> tuple[str, Stream]:
    """The content type and body of a multipart/form-data form (RFC 7578) whose last field, `file`, is a file.

    fields: (name, text) in order; neither may contain a line break or a quote.
    file_name: the file's name for the receiver.
    The first block of the body is everything before the file's own bytes.
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
    """The blocks of a file, exactly as many bytes as announced. Raises UsageError if the file has changed."""
    try:
        with open_theirs(file.path) as stream:
            before = os.fstat(stream.fileno())
            left = before.st_size
            while left and before.st_size == file.bytes:
                block = stream.read(min(BLOCK_BYTES, left))
                if not block:
                    break
                yield block
                left -= len(block)
                file.moved(file.bytes - left)
            if left or before.st_mtime_ns != os.fstat(stream.fileno()).st_mtime_ns:
                raise UsageError(f"{file.path} was changed while it was sent")
    except OSError as error:
        raise UsageError(f"{file.path} could not be read: {error.strerror}") from error


def object_name(path: str, media_type: str) -> str:
    """A unique ASCII name with a readable part of the local name and a suffix for the type."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", os.path.splitext(os.path.basename(path))[0]).strip("_")[:40]
    return f"{os.urandom(8).hex()}_{stem or 'file'}{SUFFIXES.get(media_type, '')}"


def oss_error(body: bytes) -> str:
    """Code and message of a storage error, without the elements that repeat credentials or signatures."""
    text = body.decode("utf-8", "replace")
    parts = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    return ": ".join(match[1] for match in parts if match)
