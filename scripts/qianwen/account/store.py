"""What this machine bought and what became of it: one SQLite file, with a row before each request that costs money.

Each step of a run is a transaction of its own, which is on the disk before the run goes on. The file holds no key. The
service's answer is kept where it cannot be asked for again. Ledgers of version 1.0 (see `journal`) are taken in once.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time

from ..errors import Unavailable
from ..files import locks
from ..plain.record import fields_of
from .purchase import (
    CANCELED,
    DONE,
    FAILED,
    MADE,
    OPEN,
    OPEN_SECONDS,
    PATIENCE,
    REFUSED,
    SUBMITTING,
    UNKNOWN,
    WAITING,
    Batch,
    Kept,
    Purchase,
    moment_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence, TypeVar

    T = TypeVar("T")

APPLICATION = "qianwen-media-generation"
FILE_NAME = "account.db"
RUNNING_NAME = "running"
REPAIR_NAME = "repair.lock"
HOLD_NAME = "account.lock"  # of an account that is not shared
REPAIRING_NAME = "account.db.repairing"  # a damaged file whose runs are not taken over yet
VERSION = 1  # of the schema
BEGIN_SECONDS = 5.0  # that a purchase waits for another process to finish writing
STEP_SECONDS = 30.0  # that a step waits whose request is paid for already
SMALLEST_ROW = 64  # bytes: a damaged file may claim any number of runs
LARGEST_BODY = 128 * 1024  # characters of an answer that is kept whole

_DAMAGE = ("not a database", "malformed", "no such table", "no such column", "already exists")
_OPEN_IN_SQL = ", ".join(f"'{state}'" for state in sorted(OPEN))
_FREE_IN_SQL = ", ".join(f"'{state}'" for state in (REFUSED, FAILED, CANCELED))
PAGE = 1000  # rows that are read at a time
_SCHEMA = f"""
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of runs, whatever the clock says
    id TEXT NOT NULL UNIQUE,
    program TEXT NOT NULL, model TEXT NOT NULL, mode TEXT NOT NULL, region TEXT NOT NULL, base TEXT NOT NULL,
    request TEXT NOT NULL, -- fingerprint
    is_task INTEGER NOT NULL, folder TEXT NOT NULL, stem TEXT NOT NULL, suffix TEXT NOT NULL,
    at REAL NOT NULL, -- epoch seconds, for people
    patience INTEGER NOT NULL,
    task_id TEXT NOT NULL DEFAULT '', offered TEXT NOT NULL DEFAULT '[]',
    urls TEXT NOT NULL DEFAULT '[]', body TEXT NOT NULL DEFAULT '{{}}',
    state TEXT NOT NULL DEFAULT '{SUBMITTING}', told TEXT NOT NULL DEFAULT '', ended REAL NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0, -- its answer was written to stdout
    asked TEXT NOT NULL DEFAULT '{{}}', units REAL NOT NULL DEFAULT 0
);
CREATE TABLE batches (
    folder TEXT PRIMARY KEY, program TEXT NOT NULL, command TEXT NOT NULL, at REAL NOT NULL, is_over INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE files (
    run TEXT NOT NULL, place INTEGER NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE offers (task_id TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (task_id, run)) WITHOUT ROWID;
CREATE INDEX runs_by_request ON runs (request);
CREATE INDEX runs_by_task ON runs (task_id);
CREATE INDEX runs_to_deliver ON runs (number) WHERE delivered = 0;
CREATE INDEX runs_that_are_open ON runs (state) WHERE state IN ({_OPEN_IN_SQL});
PRAGMA user_version = {VERSION};
"""


_COLUMNS = tuple(name for name in Purchase._names if name != "files")  # type: ignore[attr-defined]
_JSON = ("offered", "urls", "body", "asked")


def folder(env: Mapping[str, str], home: str) -> str:
    """Where the account is kept. It need not exist, and nothing is looked for on the disk."""
    chosen = env.get("QIANWEN_STATE_DIR", "")
    if chosen:
        return _absolute(chosen)
    base = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rule: a relative path is invalid and ignored
        base = env.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    return os.path.join(base or os.path.join(home, ".local", "state"), APPLICATION)


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a whole answer is kept beside its links."""
    return len(json.dumps(body)) < LARGEST_BODY


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the current folder is gone; whoever uses the path is told so


class Account:
    """The account in a folder, which is made with the first run.

    now: epoch seconds.
    trouble: why a part of it could not be read.
    warn: hears where a damaged file was set aside.
    clean: answers a JSON value without what must not be stored.
    shared: False for the account of a batch's folder: one process at a time works there, and the folder may lie on a
        network share, where WAL does not work.
    """

    def __init__(
        self,
        folder: str,
        now: Callable[[], float] = time.time,
        warn: Callable[[str], None] = lambda _: None,
        clean: Callable[[Any], Any] = lambda value: value,
        shared: bool = True,
    ) -> None:
        self.folder = folder
        self.trouble = ""
        self.now = now
        self._warn = warn
        self._clean = clean
        self._shared = shared
        self._hold: locks.Lock | None = None

    def hold(self) -> bool:
        """Keep other processes out of the account until `close`; False if one is in it. Raises OSError.

        Only for an account that is not shared, whose other methods do it at their first use.
        """
        if self._hold is None:
            self._hold = locks.take(os.path.join(self._made(), HOLD_NAME), lasting=True)
        return self._hold is not None

    def close(self) -> None:
        """Let other processes in. The account can be used again."""
        if self._hold:
            self._hold.release()
            self._hold = None

    # Writing ------------------------------------------------------------------------------------------------

    def begin(self, run: Purchase, again: bool = False) -> Purchase | None:
        """Write a run down before its submission; or, when an identical one is open, write nothing and answer that one.

        Looking and writing are one transaction: of identical requests at once, one is bought.
        again: an open one does not matter.
        Raises Unavailable when nobody can say whether another process is buying the same, OSError when the folder
        cannot be written, by any process.
        """

        run = Purchase(**self._clean(fields_of(run)))

        def look_and_write(database: sqlite3.Connection) -> Purchase | None:
            twin = None if again else _newest_open(database, run.request)
            if twin is None:
                _insert(database, run)
            return twin

        try:
            return self._write(look_and_write, BEGIN_SECONDS)
        except OSError as error:
            if not isinstance(error, TimeoutError) and not self._is_usable_folder():
                raise
            raise Unavailable(
                f"the account {self._path} cannot be written ({error.strerror or error}), and another process may be "
                "buying the same; nothing was sent",
                hint="a process of this program may have been stopped (Ctrl-Z): continue it or end it; or make room on "
                "the disk; or move what is in the account's place; or name another folder in QIANWEN_STATE_DIR",
            ) from error

    def add(self, run_id: str, event: str, **fields: Any) -> None:
        """One step of a run. Raises OSError when the disk does not take it.

        event: task (task_id), offer (task_ids), result (urls, body), file (index, path, sha256), bill (units),
        end (state, told, at), or deliver.
        """
        cleaned = self._clean(fields)
        self._write(lambda database: _STEPS[event](database, run_id, **cleaned), STEP_SECONDS)

    def note_batch(self, batch: Batch) -> None:
        """Remember a batch by its folder, so that `--tasks` and `--resume` can name its command. Raises OSError."""
        values = (_stored(batch.folder), batch.program, json.dumps(batch.command), batch.at, int(batch.is_over))
        query = "INSERT OR REPLACE INTO batches VALUES (CAST(? AS TEXT), ?, ?, ?, ?)"
        self._write(lambda database: database.execute(query, values), STEP_SECONDS)

    # Reading ------------------------------------------------------------------------------------------------

    def batches(self) -> list[Batch]:
        """The batches that are not over, the newest first."""
        return [
            Batch(folder, program, tuple(json.loads(command)), at, bool(is_over))
            for folder, program, command, at, is_over in self._rows(
                "SELECT folder, program, command, at, is_over FROM batches WHERE NOT is_over ORDER BY at DESC"
            )
        ]

    def billed(self) -> float:
        """The units (pictures or seconds) that all runs together may have been billed: only success is."""
        (row,) = self._rows(f"SELECT total(units) FROM runs WHERE state NOT IN ({_FREE_IN_SQL})") or [(0.0,)]
        return float(row[0])

    def states(self) -> Iterator[tuple[str, str]]:
        """(fingerprint, state) of every run, oldest first, in little memory."""
        last = 0
        while rows := self._rows(f"SELECT number, request, state FROM runs WHERE number > {last} LIMIT {PAGE}"):
            yield from (row[1:] for row in rows)
            last = rows[-1][0]

    def undelivered(self) -> Iterator[Purchase]:
        """Every run that is over and whose answer was not written, oldest first, in little memory."""
        last = "0"
        query = (
            f"SELECT {{}} FROM runs WHERE delivered = 0 AND state NOT IN ({_OPEN_IN_SQL}) AND number > "
            f"coalesce((SELECT number FROM runs WHERE id = ?), 0) ORDER BY number LIMIT {PAGE}"
        )
        while runs := self._read(query, last):
            yield from runs
            last = runs[-1].id

    def runs(self, having: str = "") -> list[Purchase]:
        """Every run, oldest first; having: only those with this id, task, offer or fingerprint."""
        if not having:
            return self._read("SELECT {} FROM runs ORDER BY number")
        return self._read(
            "SELECT {} FROM runs WHERE id = ? OR task_id = ? OR request = ? OR id IN "
            "(SELECT run FROM offers WHERE task_id = ?) ORDER BY number",
            having,
            having,
            having,
            having,
        )

    def get(self, run_id: str) -> Purchase | None:
        found = self._read("SELECT {} FROM runs WHERE id = ?", run_id)
        return found[0] if found else None

    def open_runs(self) -> list[Purchase]:
        """Every run that is not over, oldest first."""
        return self._read(f"SELECT {{}} FROM runs WHERE state IN ({_OPEN_IN_SQL}) ORDER BY number")

    def recent(self, most: int) -> list[Purchase]:
        """The last runs, newest first, and every one that is open."""
        newest = self._read("SELECT {} FROM runs ORDER BY number DESC LIMIT ?", most)
        shown = {run.id for run in newest}
        return newest + [run for run in reversed(self.open_runs()) if run.id not in shown]

    def find(self, task_id: str) -> Purchase | None:
        """The newest run of a task, else the one to which it was offered; None when there is none."""
        if not task_id:
            return None
        found = self._read("SELECT {} FROM runs WHERE task_id = ? ORDER BY number DESC LIMIT 1", task_id)
        found = found or self._read(
            "SELECT {} FROM runs WHERE task_id = '' AND id IN (SELECT run FROM offers WHERE task_id = ?) "
            "ORDER BY number DESC LIMIT 1",
            task_id,
        )
        return found[0] if found else None

    def twin(self, run: Purchase) -> Purchase | None:
        """The newest open run of an identical request."""
        found = self._read(
            f"SELECT {{}} FROM runs WHERE request = ? AND state IN ({_OPEN_IN_SQL}) ORDER BY number DESC LIMIT 1",
            run.request,
        )
        return found[0] if found else None

    def made(self, request: str, delivered_too: bool) -> Purchase | None:
        """The newest run of an identical request that has results; delivered_too: even if somebody was told of them."""
        found = self._read(
            f"SELECT {{}} FROM runs WHERE request = ? AND state IN ('{DONE}', '{MADE}')"
            f"{'' if delivered_too else ' AND delivered = 0'} ORDER BY number DESC LIMIT 1",
            request,
        )
        return found[0] if found else None

    def knows(self, task_id: str) -> bool:
        """Whether a run of this machine explains a task."""
        return bool(self._read("SELECT {} FROM runs WHERE task_id = ? LIMIT 1", task_id))

    def state(self, run: Purchase) -> str:
        """What has become of a run by now. One that died while it was submitting has an unknown outcome."""
        if run.state == SUBMITTING and not locks.is_held(self._claim(run.id)):
            return UNKNOWN
        return run.state

    def is_forgotten(self, run: Purchase) -> bool:
        """Whether the service has forgotten a run by this machine's clock, which may be wrong: evidence, not proof."""
        return self.now() - run.at > OPEN_SECONDS + (60 * run.patience if run.patience > PATIENCE else 0)

    def claim(self, run_id: str) -> locks.Lock | None:
        """The sign that a living process works on a run; None when another one does. Raises OSError."""
        os.makedirs(os.path.join(self._made(), RUNNING_NAME), 0o700, exist_ok=True)
        return locks.take(self._claim(run_id))

    def _claim(self, run_id: str) -> str:
        return os.path.join(self.folder, RUNNING_NAME, run_id)

    def _is_usable_folder(self) -> bool:
        """Whether another process could keep its account there."""
        return os.path.isdir(self.folder) and os.access(self.folder, os.W_OK | os.X_OK)

    # The file -----------------------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        return os.path.join(self.folder, FILE_NAME)

    def _made(self) -> str:
        """The folder, which now exists."""
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
        except (ValueError, RecursionError) as error:  # a NUL in the path, or thousands of folders
            raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error
        return self.folder

    def _write(self, work: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        """Do some work in a transaction that no other one overlaps. Where it fails, nothing of it is on the disk.

        Raises TimeoutError when another process holds the file for `seconds`, OSError when the disk does not take it.
        """
        import sqlite3

        self._made()
        damage = None
        try:
            if not os.path.lexists(self._repairing):
                return self._in_a_transaction(work, seconds)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._os_error(error) from error
            damage = error
        try:
            self._repair(damage)
            return self._in_a_transaction(work, seconds)
        except sqlite3.DatabaseError as error:
            raise self._os_error(error) from error

    def _in_a_transaction(self, work: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        database = self._opened(seconds)
        try:
            database.execute("BEGIN IMMEDIATE")
            if os.path.lexists(self._repairing) and work != self._take_over:
                raise TimeoutError(errno.ETIMEDOUT, "another process repairs it")
            made = work(database)
            database.execute("COMMIT")
            return made
        finally:
            database.close()  # which rolls back what was not committed

    def _opened(self, seconds: float) -> sqlite3.Connection:
        """A connection to the file, made and brought to this version when it is new."""
        import sqlite3

        if not self._shared and not self.hold():
            raise TimeoutError(errno.ETIMEDOUT, "another process works in this folder")
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
        finally:
            os.close(descriptor)
        database = sqlite3.connect(self._path, timeout=seconds, isolation_level=None, check_same_thread=False)
        try:
            database.text_factory = _text
            database.execute("PRAGMA synchronous = FULL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise OSError(errno.EPROTO, f"it was written by a newer version of this program ({version})")
            if version == 0:
                database.execute(f"PRAGMA journal_mode = {'WAL' if self._shared else 'TRUNCATE'}")
                self._create(database)
        except BaseException:
            database.close()
            raise
        return database

    def _create(self, database: sqlite3.Connection) -> None:
        """Make the tables and take in what version 1.0 wrote, all of it or nothing."""
        from . import journal

        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:  # still: another process may have been quicker
            for statement in _SCHEMA.split(";\n"):
                database.execute(statement)
            _insert_all(database, journal.runs(self.folder))
        database.execute("COMMIT")

    def _read(self, query: str, *values: str | int) -> list[Purchase]:
        """The runs that a query selects. Never raises: what cannot be read is not there, and `trouble` says why."""
        query = query.format(", ".join(_COLUMNS))
        return self._asked(lambda database: _purchases(database, query, values))

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._asked(lambda database: database.execute(query).fetchall())

    def _asked(self, ask: Callable[[sqlite3.Connection], list[T]]) -> list[T]:
        import sqlite3

        if not os.path.exists(self._path) and not self._has_a_journal():
            return []
        try:
            if os.path.lexists(self._repairing):
                self._repair(None)
            database = self._opened(BEGIN_SECONDS)
        except (OSError, sqlite3.Error, ValueError) as error:
            return self._unreadable(error)
        try:
            return ask(database)
        except (sqlite3.Error, ValueError) as error:
            return self._unreadable(error)
        finally:
            database.close()

    def _has_a_journal(self) -> bool:
        from . import journal

        return bool(journal.paths(self.folder))

    def _unreadable(self, error: Exception) -> list[Any]:
        self.trouble = f"{self._path}: {getattr(error, 'strerror', None) or error}"
        return []

    def _os_error(self, error: Exception) -> OSError:
        """TimeoutError where another process may be writing, which nobody can know on a disk without working locks."""
        words = str(error)
        if any(trouble in words for trouble in ("locked", "busy", "locking protocol", "is full", "disk I/O")):
            return TimeoutError(errno.ETIMEDOUT, words)
        return OSError(errno.EIO, words)

    @property
    def _repairing(self) -> str:
        return os.path.join(self.folder, REPAIRING_NAME)

    def _repair(self, damage: Exception | None) -> None:
        """Give a damaged file another name and take over what can be read of it; or finish what a killed process began.

        Raises OSError; TimeoutError while another process is at it.
        """
        lock = locks.wait_for(os.path.join(self.folder, REPAIR_NAME), BEGIN_SECONDS)
        if lock is None:
            raise TimeoutError(errno.ETIMEDOUT, "another process repairs it")
        try:
            if not os.path.lexists(self._repairing):
                if not self._is_damaged():
                    return  # another process has done it meanwhile
                os.rename(self._path, self._repairing)
            if not os.path.lexists(self._path):
                for ending in ("-wal", "-shm"):
                    if os.path.lexists(self._path + ending):
                        os.rename(self._path + ending, self._repairing + ending)
            taken = self._in_a_transaction(self._take_over, BEGIN_SECONDS)
            aside = f"{self._path}.damaged-{os.urandom(4).hex()}"
            for ending in ("-wal", "-shm", ""):  # the file itself last: until then the repair is not over
                if os.path.lexists(self._repairing + ending):
                    os.rename(self._repairing + ending, aside + ending)
            words = f" ({damage})" if damage else ""
            self._warn(f"the account was damaged{words} and is set aside as {aside}; {taken} runs were taken over")
        finally:
            lock.release()

    def _take_over(self, database: sqlite3.Connection) -> int:
        """Every run that can be read of the damaged file; it is newer than what version 1.0 left of the same run."""
        rescued = _rescued(self._repairing)
        for run in rescued:
            database.execute("DELETE FROM runs WHERE id = ?", (run.id,))
        _insert_all(database, rescued)
        return len(rescued)

    def _is_damaged(self) -> bool:
        import sqlite3

        try:
            database = self._opened(BEGIN_SECONDS)
        except sqlite3.DatabaseError as error:
            return _is_damage(error)
        try:
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return True
            database.execute("SELECT count(*) FROM offers").fetchone()
            _purchases(database, f"SELECT {', '.join(_COLUMNS)} FROM runs", ())
            return False
        except sqlite3.DatabaseError as error:
            return _is_damage(error)
        finally:
            database.close()


# Rows -----------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    """Text as it was given: file names may hold halves of characters."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")  # damaged; the rest of the run is worth more


def _stored(value: object) -> object:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _is_damage(error: Exception) -> bool:
    return any(words in str(error) for words in _DAMAGE)


def _insert(database: sqlite3.Connection, run: Purchase) -> None:
    fields = fields_of(run)
    fields.update(
        {name: json.dumps(fields[name]) for name in _JSON}, is_task=int(run.is_task), delivered=int(run.delivered)
    )
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(fields[name], str) else "?" for name in _COLUMNS)
    database.execute(
        f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})",
        [_stored(fields[name]) for name in _COLUMNS],
    )
    _offer(database, run.id, list(run.offered))
    for index, kept in run.files.items():
        _keep(database, run.id, index, kept.path, kept.sha256)


def _insert_all(database: sqlite3.Connection, runs: Iterable[Purchase]) -> None:
    for run in runs:
        _insert(database, run)


def _purchases(database: sqlite3.Connection, query: str, values: Iterable[str | int]) -> list[Purchase]:
    """Raises sqlite3.DatabaseError, also for a row that this program did not write."""
    query = query.replace("?", "CAST(? AS TEXT)") if all(isinstance(value, str) for value in values) else query
    runs = []
    for row in database.execute(query, [_stored(value) for value in values]):
        kept = database.execute("SELECT place, path, sha256 FROM files WHERE run = ?", (row[_COLUMNS.index("id")],))
        runs.append(_purchase(row, kept))
    return runs


def _purchase(row: Iterable[Any], kept: Iterable[tuple[int, str, str]]) -> Purchase:
    import sqlite3

    fields = dict(zip(_COLUMNS, row))
    try:
        fields.update({name: json.loads(fields[name]) for name in _JSON})
        fields.update(offered=tuple(map(_word, fields["offered"])), urls=tuple(map(_word, fields["urls"])))
        fields.update(is_task=bool(fields["is_task"]), delivered=bool(fields["delivered"]), body=dict(fields["body"]))
        fields.update(asked=dict(fields["asked"]), units=float(fields["units"]))
        fields.update({name: moment_of(fields[name]) for name in ("at", "ended")})
        return Purchase(**fields, files={place: Kept(path, sha256) for place, path, sha256 in kept})
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise sqlite3.DatabaseError(f"a malformed row: {error}") from error


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _newest_open(database: sqlite3.Connection, request: str) -> Purchase | None:
    columns = ", ".join(_COLUMNS)
    query = f"SELECT {columns} FROM runs WHERE request = ? AND state IN ({_OPEN_IN_SQL}) ORDER BY number DESC LIMIT 1"
    found = _purchases(database, query, (request,))
    return found[0] if found else None


def _set(database: sqlite3.Connection, run_id: str, **columns: object) -> None:
    changes = ", ".join(
        f"{name} = CAST(? AS TEXT)" if isinstance(value, str) else f"{name} = ?" for name, value in columns.items()
    )
    values = [*map(_stored, columns.values()), run_id]
    if not database.execute(f"UPDATE runs SET {changes} WHERE id = ?", values).rowcount:
        raise OSError(errno.ENOENT, "the account was removed while the run went on")


def _offer(database: sqlite3.Connection, run_id: str, task_ids: list[str]) -> None:
    _set(database, run_id, offered=json.dumps(task_ids))
    for task_id in task_ids:
        database.execute("INSERT OR IGNORE INTO offers VALUES (CAST(? AS TEXT), ?)", (_stored(task_id), run_id))


def _made(database: sqlite3.Connection, run_id: str, urls: list[str], body: Mapping[str, Any] | None = None) -> None:
    _set(database, run_id, urls=json.dumps(urls), body=json.dumps(body or {}), state=MADE)


def _keep(database: sqlite3.Connection, run_id: str, index: int, path: str, sha256: str) -> None:
    database.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, CAST(? AS TEXT), ?)", (run_id, index, _stored(path), sha256)
    )


_STEPS: Mapping[str, Callable[..., None]] = {
    "task": lambda database, run_id, task_id: _set(database, run_id, task_id=task_id, state=WAITING),
    "offer": _offer,
    "result": _made,
    "file": _keep,
    "bill": lambda database, run_id, units: _set(database, run_id, units=units),
    "deliver": lambda database, run_id: _set(database, run_id, delivered=1),
    "end": lambda database, run_id, state, told="", at=0.0: _set(database, run_id, state=state, told=told, ended=at),
}


def _files_of(database: sqlite3.Connection, row: Sequence[Any]) -> list[tuple[int, str, str]]:
    """The files of a run in a damaged file; none when just these cannot be read."""
    import sqlite3

    try:
        query = "SELECT place, path, sha256 FROM files WHERE run = ?"
        return list(database.execute(query, (row[_COLUMNS.index("id")],)))
    except sqlite3.Error:
        return []


def _rescued(path: str) -> list[Purchase]:
    """The runs that can still be read out of a damaged file, one by one."""
    import sqlite3
    from pathlib import Path

    runs: list[Purchase] = []
    try:
        database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except (sqlite3.Error, ValueError):
        return runs
    try:
        database.text_factory = _text
        (last,) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
        for number in range(1, min(last, os.path.getsize(path) // SMALLEST_ROW) + 1):
            try:
                query = f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE number = {number}"
                runs += [_purchase(row, _files_of(database, row)) for row in database.execute(query)]
            except sqlite3.Error:
                continue
    except (sqlite3.Error, TypeError, OSError):
        pass
    finally:
        database.close()
    return runs
