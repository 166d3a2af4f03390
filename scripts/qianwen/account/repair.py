"""Make the account's file; give a damaged one another name, and take over what can be read of it.

The new file is complete before it gets its name, so that a process that is killed at any step leaves an account, or
the damaged file under the name that the next process looks for.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing, suppress

from ..files import locks, safe_open
from ..plain.record import changed
from . import journal, rows
from .purchase import of_1_0
from .rows import REPAIRING_NAME, check, connect, is_damage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection
    from typing import Callable, Iterable

    from .purchase import Purchase
    from .rows import Place

LOCK_NAME = "repair.lock"
NEW_NAME = "account.db.new"
SECONDS = 5.0  # to wait for another process that repairs
SMALLEST_ROW = 64  # bytes: a damaged file may claim any number of runs
BESIDE = ("-wal", "-shm", "-journal")


def put_right(place: Place, warn: Callable[[str], None], damage: Exception | None, seconds: float) -> None:
    """Leave a whole file in place. Raises OSError; TimeoutError while another process is at it; sqlite3.Error.

    seconds: to wait for that process, at most.
    """
    path = os.path.join(place.folder, LOCK_NAME)
    try:
        lock = locks.take(path, lasting=True) or locks.wait_for(path, min(seconds, SECONDS))
    except OSError:
        if damage or os.path.lexists(place.repairing):
            raise
        _make(place, f"-{os.urandom(4).hex()}")  # a disk without such locks: of many new files, one gets the name
        return
    if lock is None:
        raise TimeoutError(errno.ETIMEDOUT, "another process repairs it")
    try:
        if os.path.lexists(place.path) and _is_damaged(place.path):
            if os.path.getsize(place.path):  # it was whole once, so it has what an earlier damaged file had
                _move(place.repairing, _aside(place.path), (*BESIDE, ""))
            _move(place.path, place.repairing, [""])
        taken = 0
        if not os.path.lexists(place.path):  # else another process has made it meanwhile
            _move(place.path, place.repairing, BESIDE)
            taken = _make(place)
        if os.path.lexists(place.repairing):
            aside = _aside(place.path)
            _move(place.repairing, aside, (*BESIDE, ""))  # the file itself last: until then the repair is not over
            words = f" ({damage})" if damage else ""
            warn(f"the ledger was damaged{words} and is now {aside}; runs recovered: {taken}")
    finally:
        lock.release()


def _move(old: str, new: str, endings: Iterable[str]) -> None:
    for ending in endings:
        is_free = not os.path.lexists(new + ending)
        with suppress(FileNotFoundError):  # also when the last process that had it open takes its WAL away
            os.rename(old + ending, new + ending if is_free else f"{_aside(old)}{ending}")


def _aside(path: str) -> str:
    return f"{path}.damaged-{os.urandom(4).hex()}"


def _make(place: Place, mark: str = "") -> int:
    """Put a new file in place, with every run that can still be read; answers how many were rescued.

    mark: tells the new files of processes apart that work without a lock.
    """
    new = os.path.join(place.folder, NEW_NAME + mark)
    for ending in ("", *BESIDE):
        if os.path.lexists(new + ending):
            os.unlink(new + ending)
    os.close(safe_open.make_ours(new))
    with closing(connect(new, "rw", SECONDS)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA synchronous = OFF")  # the whole file goes to the disk at once, before it gets its name
        rescued = fill(database, place.folder)
        if place.shared:
            database.execute("PRAGMA journal_mode = WAL")
    safe_open.sync(new)
    if mark:
        try:
            with suppress(FileExistsError):
                os.link(new, place.path)
        finally:
            os.unlink(new)
    else:
        os.rename(new, place.path)
    safe_open.sync(place.folder)
    return rescued


def fill(database: Connection, folder: str) -> int:
    """Make the tables and take in what a damaged file and version 1.0 left; the former is newer."""
    database.execute("BEGIN IMMEDIATE")
    for statement in rows.SCHEMA.split(";\n"):
        database.execute(statement)
    rescued, batches = _rescued(os.path.join(folder, REPAIRING_NAME))
    first = [changed(run, request=of_1_0(run)) for run in journal.runs(folder)]
    for run in {run.id: run for run in [*first, *rescued]}.values():
        rows.insert(database, run)
    for batch in batches:
        rows.execute(database, "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)", batch)
    database.execute("COMMIT")
    return len(rescued)


def _is_damaged(path: str) -> bool:
    if not os.path.getsize(path):
        return True  # see Database
    with closing(connect(path, "rw", SECONDS)) as database:
        try:
            check(database)
            database.execute("SELECT count(*) FROM offers, batches").fetchone()
            rows.select(database, "")
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return True


def _rescued(path: str) -> tuple[list[Purchase], list[tuple[object, ...]]]:
    """The runs that can still be read out of a damaged file, one by one, and the batches."""
    runs: list[Purchase] = []
    batches: list[tuple[object, ...]] = []
    if not os.path.exists(path) or not os.path.getsize(path):
        return runs, batches
    with closing(connect(path, "ro", SECONDS)) as database, suppress(sqlite3.Error, TypeError, OSError):
        (last,) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
        for number in range(1, min(last, _size(path) // SMALLEST_ROW) + 1):
            with suppress(sqlite3.Error):
                runs += rows.select(database, f"WHERE number = {number}", lenient=True)
        batches = database.execute("SELECT folder, program, command, at, is_over FROM batches").fetchall()
    return runs, batches


def _size(path: str) -> int:
    return sum(os.path.getsize(path + ending) for ending in ("", "-wal") if os.path.exists(path + ending))
