"""The only code that opens files: one function for what others made, one for what we make.

Ours are new, follow no link, are written completely or not at all, and are removed without raising.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Iterator

_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_BLOCK_BYTES = 256 * 1024


class File(io.FileIO):
    """A file that raises BlockingIOError when the disk has nothing to give now; `FileIO` would answer None."""

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return count


def open_theirs(path: str, follow: bool = True, pipe: bool = False) -> BinaryIO:
    """Open a file that we did not make, for reading. Never waits, except for the writer of a pipe.

    follow: whether the last part of the path may be a link.
    pipe: also take a pipe, such as a shell's <(command).
    Raises OSError for a folder, a device and whatever else is not a regular file; ValueError for a NUL in the path.
    """

    def check(mode: int) -> None:
        if not (stat.S_ISREG(mode) or (pipe and stat.S_ISFIFO(mode))):
            raise OSError(errno.EINVAL, "it is not a regular file", path)

    def opener(path: str, flags: int) -> int:
        check(os.stat(path, follow_symlinks=follow).st_mode)  # opening some devices already does something
        descriptor = os.open(path, flags | _NO_WAITING | (0 if follow else _NO_LINK))
        try:
            mode = os.fstat(descriptor).st_mode
            check(mode)
            if stat.S_ISFIFO(mode):
                os.set_blocking(descriptor, True)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    return io.BufferedReader(File(path, "rb", opener=opener))


def read_theirs(path: str, longest: int, follow: bool = True) -> bytes:
    """All of a file that we did not make. Raises as `open_theirs` does, and OSError if it is longer than `longest`."""
    data = bytearray()
    with open_theirs(path, follow) as stream:
        if os.fstat(stream.fileno()).st_size <= longest:
            while block := stream.read(min(_BLOCK_BYTES, longest + 1 - len(data))):
                data += block
                if len(data) > longest:
                    break
            else:
                return bytes(data)
    raise OSError(errno.EFBIG, f"is larger than {longest / 10**6:.3g} MB", path)


def sha256_of(stream: BinaryIO) -> str:
    """The digest of the rest of a stream, in hex."""
    import hashlib

    digest = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def make_ours(path: str, mode: int = 0o600, may_exist: bool = False, nameless: bool = False) -> int:
    """Make a file and answer its descriptor, for reading and writing. Never follows a link, never empties a file.

    mode: before the umask.
    may_exist: also open a regular file that is there already: a lock, or the account.
    nameless: make it without a name in the folder of `path` where the system can (Linux).
    Raises OSError, FileExistsError if something has the name.
    """
    flags = os.O_RDWR | os.O_CREAT | _NO_WAITING | _NO_LINK | _BINARY | (0 if may_exist else os.O_EXCL)
    if nameless and hasattr(os, "O_TMPFILE"):
        try:
            return os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR, mode)
        except OSError:
            pass
    descriptor = os.open(path, flags, mode)
    if may_exist and not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return descriptor


class Draft:
    """A temporary file that becomes the final one when it is complete. The context manager removes the temporary one.

    folder: that of the final file, because a rename is atomic only within one file system.
    mode: of the new file, before the umask.
    Every method raises OSError if the disk does.
    """

    def __init__(self, folder: str, name: str = "", mode: int = 0o600) -> None:
        self.path = os.path.join(folder, name or f".{os.urandom(8).hex()}.part")
        raw = File(self.path, "r+b", opener=lambda path, flags: make_ours(path, mode))
        try:
            self.stream: BinaryIO = io.BufferedRandom(raw)
        except BaseException:
            raw.close()
            remove(self.path)
            raise

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

    def take(self, path: str) -> bool:
        """Give this finished file a name if it is free, and answer whether it was. Never replaces a file."""
        try:
            os.link(self.path, path)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise  # the draft itself is gone
        except (OSError, NotImplementedError, AttributeError):
            pass  # a disk without hard links
        with _alone_in(os.path.dirname(path)):
            if os.path.lexists(path):
                return False
            try:  # no empty file reserves the name: a kill would leave it
                (os.rename if os.name == "nt" else os.replace)(self.path, path)
            except FileExistsError:  # from os.rename on Windows, which never replaces
                return False
        return True

    def discard(self) -> None:
        """Remove the temporary name; a file that was published keeps its own."""
        try:
            self.stream.close()  # raises if the last bytes do not fit on the disk
        finally:
            remove(self.path)


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Keep our other processes from taking names in a folder meanwhile, if it can be locked."""
    descriptor = -1
    try:
        import fcntl

        descriptor = os.open(folder or os.curdir, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (OSError, ImportError):
        pass
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def write_whole(path: str, data: bytes) -> None:
    """Write a file atomically: readers see the old content or the new one. Raises OSError.

    It gets the mode of the file that it replaces, whatever the umask.
    path: absolute, or in the current folder.
    """
    mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None
    with Draft(os.path.dirname(path), mode=0o666 if mode is None else mode) as draft:
        draft.stream.write(data)
        if mode is not None:
            os.chmod(draft.path, mode)
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
    for _ in range(2):  # a scanner of viruses or a busy disk may be in the way for a moment
        try:
            os.unlink(path)
        except FileNotFoundError:
            break
        except OSError:
            continue
        break
