"""Regular files: opened without waiting for anybody, written whole or not at all, removed without a complaint."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def open_regular(path: str, flags: int) -> int:
    """An `opener` for `open`. A new file is for its owner alone. Raises OSError for anything but a regular file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", path)
    return descriptor


class Draft:
    """A file that grows under a hidden name until it is whole. As a context manager it leaves nothing else behind.

    folder: that of the finished file, because a name can be given in one step only within one file system.
    mode: of the new file, before the umask takes from it.
    Every method raises OSError when the disk does.
    """

    def __init__(self, folder: str, name: str = "", mode: int = 0o600) -> None:
        self.path = os.path.join(folder, name or f".{os.urandom(8).hex()}.part")
        self.stream: BinaryIO = open(self.path, "x+b", opener=lambda path, flags: os.open(path, flags, mode))

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def finish(self) -> None:
        """Bring every byte to the disk. Nothing can be written any more."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()

    def replace(self, path: str) -> None:
        """Make this the file at `path`, in one step and in place of whatever file is there."""
        self.finish()
        os.replace(self.path, path)

    def discard(self) -> None:
        """Remove what has no other name by now."""
        try:
            self.stream.close()  # fails when its last bytes do not fit
        finally:
            remove(self.path)


def write_whole(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write a file in one step: others see the whole of it, or what was there before. Raises OSError.

    path: absolute, or in the current folder.
    mode: of the file, also when it replaces one that had another; before the umask takes from it.
    """
    with Draft(os.path.dirname(path), mode=mode) as draft:
        draft.stream.write(data)
        draft.replace(path)


def remove(path: str) -> None:
    """Remove a file that does no harm where it is: one that is gone, or cannot go, is no reason to complain."""
    try:
        os.unlink(path)
    except OSError:
        pass
