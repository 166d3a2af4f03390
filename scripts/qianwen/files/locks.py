"""Locks between processes. The system releases a lock when its holder exits, however it dies.

The lock is the open file; that the file exists means nothing.
"""

from __future__ import annotations

import errno
import os
import time

from .safe_open import make_ours, remove

PAUSE_SECONDS = 0.01
MOST_TRIES = 100


class Lock:
    """Held until `release` or the end of this process.

    path: of the file to remove on release, "" if the file stays.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    def release(self) -> None:
        """Release the lock. Further calls do nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            path = "" if os.fstat(descriptor).st_size else self._path  # a lock of ours is empty: that file is another's
        except OSError:
            path = ""
        if path and os.name != "nt":  # Windows cannot remove an open file
            remove(path)
        try:
            os.close(descriptor)
        except OSError:
            pass  # the system has released it all the same
        if path and os.name == "nt":
            remove(path)


def take(path: str, lasting: bool = False) -> Lock | None:
    """The lock on the file at `path`, or None if it is held. Raises OSError if the file cannot be locked.

    lasting: keep the file when the lock is released.
    """
    for _ in range(MOST_TRIES):
        descriptor = make_ours(path, may_exist=True)
        try:
            if not _try_to_lock(descriptor):
                os.close(descriptor)
                return None
            if lasting or _is_still(path, descriptor):
                return Lock(descriptor, "" if lasting else path)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed the file between our open and our lock
    raise OSError(errno.ENOLCK, "cannot be locked", path)


def is_held(path: str) -> bool:
    """Whether a running process holds the lock. Creates no file."""
    try:
        if not os.path.exists(path):
            return False
        lock = take(path)
    except OSError:
        return False
    if lock is None:
        return True
    lock.release()
    return False


def wait_for(path: str, seconds: float, lasting: bool = True) -> Lock | None:
    """The lock, after waiting up to `seconds`; None if it stays held or cannot be taken. lasting: see `take`."""
    end = time.monotonic() + seconds
    while True:
        try:
            lock = take(path, lasting)
        except OSError:
            return None
        if lock or time.monotonic() >= end:
            return lock
        time.sleep(PAUSE_SECONDS)


def _try_to_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:  # any other ImportError is a machine that cannot load it now
        return _try_to_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_to_lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
