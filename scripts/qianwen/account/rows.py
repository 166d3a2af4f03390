"""A purchase as rows of SQLite: the schema, each step as a change of them, and the file. Commits nothing."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from urllib.parse import quote

from ..plain.record import fields_of
from .purchase import MADE, OPEN, SUBMITTING, WAITING, Kept, Purchase, restored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection
    from typing import Any, Callable, Iterable, Mapping, Sequence

FILE_NAME = "account.db"
REPAIRING_NAME = "account.db.repairing"  # a damaged file whose runs are not taken over yet
LARGEST_BODY = 128 * 1024  # characters of an answer that is kept whole
VERSION = 1
_DAMAGE = ("not a database", "malformed", "no such table", "no such column")
OPEN_IN_SQL = ", ".join(f"'{state}'" for state in sorted(OPEN))
SCHEMA = f"""
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
CREATE TABLE files (
    run TEXT NOT NULL, place INTEGER NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE offers (task_id TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (task_id, run)) WITHOUT ROWID;
CREATE TABLE batches (
    folder TEXT PRIMARY KEY, program TEXT NOT NULL, command TEXT NOT NULL, at REAL NOT NULL, is_over INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_request ON runs (request);
CREATE INDEX runs_by_task ON runs (task_id);
CREATE INDEX runs_that_are_open ON runs (state) WHERE state IN ({OPEN_IN_SQL});
PRAGMA user_version = {VERSION};
"""
_COLUMNS = tuple(name for name in Purchase._names if name != "files")  # type: ignore[attr-defined]
_SELECTED = ", ".join(_COLUMNS)
_JSON = ("offered", "urls", "body", "asked")


def text(data: bytes) -> str:
    """The `text_factory`: texts come back as they were given, and file names may hold halves of characters."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")  # damaged; the rest of the run is worth more


def execute(database: Connection, query: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
    """A statement whose texts may hold halves of characters: they travel as bytes."""
    pieces = query.split("?")
    marks = ["CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in values]
    whole = "".join(piece + mark for piece, mark in zip(pieces, [*marks, ""]))
    return database.execute(
        whole, [value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value for value in values]
    )


def insert(database: Connection, run: Purchase) -> None:
    fields = fields_of(run)
    fields.update({name: json.dumps(fields[name]) for name in _JSON})
    marks = ", ".join("?" * len(_COLUMNS))
    execute(database, f"INSERT INTO runs ({_SELECTED}) VALUES ({marks})", [fields[name] for name in _COLUMNS])
    _offer(database, run.id, list(run.offered))
    for index, kept in run.files.items():
        _keep(database, run.id, index, kept.path, kept.sha256)


def select(database: Connection, rest: str, values: Sequence[object] = (), lenient: bool = False) -> list[Purchase]:
    """The runs that `rest` of a query names. Raises sqlite3.DatabaseError, also for a row that is not ours.

    lenient: a run whose files cannot be read has none.
    """
    runs = []
    for row in execute(database, f"SELECT {_SELECTED} FROM runs {rest}", values).fetchall():
        try:
            run_id = row[_COLUMNS.index("id")]
            kept = execute(database, "SELECT place, path, sha256 FROM files WHERE run = ?", [run_id]).fetchall()
        except sqlite3.DatabaseError:
            if not lenient:
                raise
            kept = []
        runs.append(_purchase(row, kept))
    return runs


def newest(database: Connection, condition: str, *values: str | float) -> Purchase | None:
    found = select(database, f"WHERE {condition} ORDER BY number DESC LIMIT 1", values)
    return found[0] if found else None


def _purchase(row: Iterable[Any], kept: Iterable[tuple[int, str, str]]) -> Purchase:
    fields = dict(zip(_COLUMNS, row))
    try:
        fields.update({name: json.loads(fields[name]) for name in _JSON})
        return restored({**fields, "files": {place: Kept(path, sha256) for place, path, sha256 in kept}})
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise sqlite3.DatabaseError(f"a malformed row: {error}") from error


# Steps ----------------------------------------------------------------------------------------------------


def _set(database: Connection, run_id: str, **columns: object) -> None:
    changes = ", ".join(f"{name} = ?" for name in columns)
    if not execute(database, f"UPDATE runs SET {changes} WHERE id = ?", [*columns.values(), run_id]).rowcount:
        raise OSError(errno.ENOENT, "the ledger was removed during the run")


def _offer(database: Connection, run_id: str, task_ids: list[str]) -> None:
    _set(database, run_id, offered=json.dumps(task_ids))
    for task_id in task_ids:
        execute(database, "INSERT OR IGNORE INTO offers VALUES (?, ?)", [task_id, run_id])


def _made(database: Connection, run_id: str, urls: list[str], body: Mapping[str, Any] = {}) -> None:
    whole = json.dumps(body)
    _set(database, run_id, urls=json.dumps(urls), body=whole if len(whole) < LARGEST_BODY else "{}", state=MADE)


def _keep(database: Connection, run_id: str, index: int, path: str, sha256: str) -> None:
    execute(database, "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", [run_id, index, path, sha256])


STEPS: Mapping[str, Callable[..., None]] = {
    "resend": lambda database, run_id: _set(database, run_id, state=SUBMITTING, told="", ended=0.0),
    "task": lambda database, run_id, task_id: _set(database, run_id, task_id=task_id, state=WAITING),
    "offer": _offer,
    "result": _made,
    "file": _keep,
    "bill": lambda database, run_id, units: _set(database, run_id, units=units),
    "deliver": lambda database, run_id: _set(database, run_id, delivered=1),
    "end": lambda database, run_id, state, told="", at=0.0: _set(database, run_id, state=state, told=told, ended=at),
}


# The file ------------------------------------------------------------------------------------------------------


class Place:
    """Where an account is. shared: several processes at a time may use it."""

    def __init__(self, folder: str, shared: bool) -> None:
        self.folder = folder
        self.shared = shared
        self.path = os.path.join(folder, FILE_NAME)
        self.repairing = os.path.join(folder, REPAIRING_NAME)


def connect(path: str, mode: str, seconds: float) -> Connection:
    """mode: ro, rw or memory, with further parameters of SQLite's URI."""
    plain = path.replace("\\", "/") if os.name == "nt" else path
    # with a host, which is empty, because a path may begin with two slashes: below a home of /, on a share of Windows
    host = "//" if plain.startswith("/") else "///" if os.name == "nt" else ""
    address = f"file:{host}{quote(os.fsencode(plain))}?mode={mode}"
    database = sqlite3.connect(address, timeout=seconds, isolation_level=None, check_same_thread=False, uri=True)
    database.text_factory = text
    return database


def check(database: Connection) -> None:
    """Raises sqlite3.DatabaseError for a file that is no account, OSError for one of a newer version."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise OSError(errno.EPROTO, f"it was written by a newer version of this program ({version})")
    if version == 0:
        raise sqlite3.DatabaseError("malformed: it has no version")


def is_damage(error: Exception) -> bool:
    return any(words in str(error) for words in _DAMAGE)
