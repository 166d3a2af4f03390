"""The account's file and this run's connection to it, which is in no transaction while the run waits.

A commit is on the disk before `write` returns. The file in place is always whole: `repair` makes a new one, and a
successor for a damaged one, beside it. Before and after each transaction we look whether it is still the same file.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing, contextmanager
from threading import RLock

from ..files import locks, safe_open
from .rows import Place, check, connect, is_damage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection
    from typing import Callable, Iterator, TypeVar

    T = TypeVar("T")

HOLD_NAME = "account.lock"  # of an account that is not shared
MOST_TRIES = 4
NO_PLACE = "there is no home folder; name a folder in QIANWEN_STATE_DIR"
READ_SECONDS = 5.0

_BUSY = ("locked", "busy", "locking protocol", "is full", "disk I/O")
_OF_OUR_PARENT: list[Connection] = []  # never closed: that would end the locks of the process that we were forked from


class Database:
    """Use it from any thread. Every method raises OSError when the disk does, sqlite3.DatabaseError for damage.

    After a wait that was in vain, nothing waits for other processes until one of them lets us in.
    shared: False for one process at a time, with a rollback journal instead of a WAL.
    """

    def __init__(self, folder: str, warn: Callable[[str], None], shared: bool) -> None:
        self.place = Place(folder, shared)
        self.warn = warn
        self._mutex = RLock()
        self._waited_in_vain = False
        self._hold: locks.Lock | None = None
        self._kept: Connection | None = None
        self._kept_for: tuple[int, ...] = ()

    def write(self, work: Callable[[Connection], T], seconds: float, lasting: bool = True) -> T:
        """Do some work in a transaction that no other one overlaps; where it fails, nothing of it is on the disk.

        seconds: to wait for another process.
        lasting: False for what a power cut may undo.
        Raises TimeoutError where another process may be writing.
        """
        with self._mutex, self._waiting(seconds) as seconds:
            for _ in range(MOST_TRIES):
                try:
                    database = self._ready(seconds)
                    database.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
                    database.execute("BEGIN IMMEDIATE")
                    done = work(database)
                    database.execute("COMMIT")
                    if self._mark() == self._kept_for:
                        return done  # else a repair may have read the file before our commit
                except sqlite3.Error as error:
                    self._drop()
                    if is_damage(error):
                        self._put_right(error, seconds)
                    elif os.path.lexists(self.place.path):
                        raise _os_error(error) from error
                    # else another process repairs it, and the next try waits for that
                except BaseException:
                    self._drop()
                    raise
            raise TimeoutError(errno.ETIMEDOUT, "another process repairs it")

    def read(self, ask: Callable[[Connection], T]) -> T:
        """What a question finds. In a folder that cannot be written, the file is read as it is."""
        with self._mutex, self._waiting(READ_SECONDS) as seconds:
            try:
                return ask(self._ready(seconds))
            except (OSError, sqlite3.Error):
                self._drop()
                if os.access(self.place.folder, os.W_OK):
                    raise
                return self._without_writing(ask)

    def exists(self) -> bool:
        from . import journal

        if not self.place.folder:
            return False
        return any(map(os.path.lexists, (self.place.path, self.place.repairing))) or bool(
            journal.paths(self.place.folder)
        )

    def hold(self) -> bool:
        """Keep other processes out until `close`; False if one is inside."""
        if self._hold is None:
            self.make_folder()
            self._hold = locks.take(os.path.join(self.place.folder, HOLD_NAME), lasting=True)
        return self._hold is not None

    def close(self) -> None:
        """Leave the file complete, without a WAL beside it. It can be used again."""
        with self._mutex:
            self._drop()
            if self._hold:
                self._hold.release()
                self._hold = None

    def __del__(self) -> None:
        self.close()

    def make_folder(self) -> None:
        if not self.place.folder:
            raise OSError(errno.ENOENT, NO_PLACE)
        try:
            safe_open.make_folders(self.place.folder, 0o700)
        except (ValueError, RecursionError) as error:  # a NUL in the path, or thousands of folders
            raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error

    # The connection -----------------------------------------------------------------------------------------

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[float]:
        """How long to wait for another process now."""
        try:
            yield 0.0 if self._waited_in_vain else seconds
            self._waited_in_vain = False
        except (OSError, sqlite3.Error) as error:
            self._waited_in_vain = isinstance(error, TimeoutError) or _is_busy(error)
            raise

    def _ready(self, seconds: float) -> Connection:
        """The kept connection if it is to the file that is in place now, else a new one."""
        for _ in range(MOST_TRIES):
            mark = self._mark()
            if self._kept and self._kept_for == mark:
                self._kept.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
                return self._kept
            self._drop()  # which removes no WAL of another file: SQLite looks whether its own was moved
            if not self.place.shared and not self.hold():
                raise TimeoutError(errno.ETIMEDOUT, "another process works in this folder")
            if not mark or os.path.lexists(self.place.repairing):
                self._put_right(None, seconds)
            self._kept_for = self._mark()
            self._kept = self._opened(seconds)
        raise TimeoutError(errno.ETIMEDOUT, "another process repairs it")

    def _opened(self, seconds: float) -> Connection:
        database = connect(self.place.path, "rw", seconds)
        try:
            check(database)
            if not self.place.shared:
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
                database.execute("PRAGMA journal_mode = TRUNCATE")
        except BaseException:
            database.close()
            raise
        return database

    def _mark(self) -> tuple[int, ...]:
        """Which file is in place, for this process; () for none. It is never opened but by SQLite, because closing any
        descriptor of a file ends all of a process's POSIX locks on it.
        """
        if not self.place.folder:
            raise OSError(errno.ENOENT, NO_PLACE)
        try:
            found = os.lstat(self.place.path)
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not found.st_size:  # we never make one, and SQLite would take it for a new one and remove the WAL beside it
            raise sqlite3.DatabaseError("malformed: it is empty")
        return (os.getpid(), found.st_dev, found.st_ino)

    def _drop(self) -> None:
        """Close the connection, which rolls back what was not committed."""
        kept, self._kept = self._kept, None
        if kept and self._kept_for[0] != os.getpid():
            _OF_OUR_PARENT.append(kept)
        elif kept:
            kept.close()

    def _put_right(self, damage: Exception | None, seconds: float) -> None:
        from . import repair

        self.make_folder()
        try:
            repair.put_right(self.place, self.warn, damage, seconds)
        except sqlite3.Error as error:
            raise _os_error(error) from error

    def _without_writing(self, ask: Callable[[Connection], T]) -> T:
        """What the file says, or else the ledgers of version 1.0, where neither a lock nor a WAL can be made."""
        from . import repair

        if os.path.lexists(self.place.path):
            has_wal = os.path.exists(f"{self.place.path}-wal") and os.path.getsize(f"{self.place.path}-wal") > 0
            database = connect(self.place.path, "ro" if has_wal else "ro&immutable=1", READ_SECONDS)
        elif os.path.lexists(self.place.repairing):
            raise OSError(errno.EROFS, "its repair is not finished")
        else:
            database = connect(":memory:", "memory", READ_SECONDS)
            repair.fill(database, self.place.folder)
        with closing(database):
            check(database)
            return ask(database)


def _is_busy(error: Exception) -> bool:
    """Whether another process may be writing, which nobody can know on a disk without working locks."""
    return any(words in str(error) for words in _BUSY)


def _os_error(error: Exception) -> OSError:
    return TimeoutError(errno.ETIMEDOUT, str(error)) if _is_busy(error) else OSError(errno.EIO, str(error))
