"""Regular files: opened without blocking, written completely or not at all, removed without raising."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def open_regular(path: str, flags: int) -> int:
    """An `opener` for `open`. A new file has mode 0600. Raises OSError for anything but a regular file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", path)
    return descriptor


class Draft:
    """A temporary file that becomes the final one when it is complete. The context manager removes the temporary one.

    folder: that of the final file, because a rename is atomic only within one file system.
    mode: of the new file, before the umask.
    Every method raises OSError if the disk does.
    """

    def __init__(self, folder: str, name: str = "", mode: int = 0o600) -> None:
        self.path = os.path.join(folder, name or f".{os.urandom(8).hex()}.part")
        self.stream: BinaryIO = open(self.path, "x+b", opener=lambda path, flags: os.open(path, flags, mode))

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def finish(self) -> None:
        """Flush every byte to the disk and close the stream."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()

    def replace(self, path: str) -> None:
        """Move this file to `path` atomically, replacing any file there."""
        self.finish()
        os.replace(self.path, path)
        sync(os.path.dirname(path) or os.curdir)

    def discard(self) -> None:
        """Remove the temporary name; a file that was published keeps its own."""
        try:
            self.stream.close()  # raises if the last bytes do not fit on the disk
        finally:
            remove(self.path)


def write_whole(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write a file atomically: readers see the old content or the new one. Raises OSError.

    path: absolute, or in the current folder.
    mode: of the file, before the umask, even if it replaces a file with another mode.
    """
    with Draft(os.path.dirname(path), mode=mode) as draft:
        draft.stream.write(data)
        draft.replace(path)


def sync(path: str) -> None:
    """Put a file, or the names in a folder, on the disk. Raises OSError; for a folder only if the disk is broken.

    Not every system can open a folder, not every network share can sync one, and a user may lack the right to read it.
    """
    is_folder = os.path.isdir(path)
    try:
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_folder or error.errno == errno.EIO:
            raise


def make_folders(path: str, mode: int = 0o777) -> None:
    """Make a folder and those above it, and put their names on the disk. Raises OSError, ValueError, RecursionError."""
    missing = []
    above = path
    while not os.path.isdir(above) and os.path.dirname(above) != above:
        missing.append(above)
        above = os.path.dirname(above)
    os.makedirs(path, mode, exist_ok=True)
    for made in missing:
        sync(os.path.dirname(made))


def remove(path: str) -> None:
    """Remove a file if possible. A file that stays does no harm, so errors are ignored."""
    try:
        os.unlink(path)
    except OSError:
        pass
