"""What this machine bought and what became of it: one SQLite file, with a row before each request that costs money.

Each step of a run is a transaction of its own, which is on the disk before the run goes on. The file holds no key. The
service's answer is kept where it cannot be asked for again. Ledgers of version 1.0 (see `journal`) are taken in once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time

from ..errors import Unavailable
from ..files import locks
from ..plain.paths import under_home
from ..plain.record import fields_of
from . import rows
from .database import Database
from .purchase import (
    DONE,
    FREE,
    MADE,
    SUBMITTING,
    UNKNOWN,
    Batch,
    Purchase,
    lifetime,
    of_1_0,
)
from .rows import OPEN_IN_SQL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection
    from typing import Any, Callable, Iterator, Mapping, TypeVar

    T = TypeVar("T")

APPLICATION = "qianwen-media-generation"
RUNNING_NAME = "running"
BEGIN_SECONDS = 5.0  # that a purchase waits for another process to finish writing
STEP_SECONDS = 30.0  # that a step waits whose request is paid for already, while the run's time allows
SHORTEST_STEP_SECONDS = 2.0
PAGE = 1000  # rows that are read at a time

_IS_A_TWIN = f"(request = ? OR request = ? AND (at > ? OR at = 0)) AND state IN ({OPEN_IN_SQL})"
_FREE_IN_SQL = ", ".join(f"'{state}'" for state in sorted(FREE))


def folder(env: Mapping[str, str], home: str) -> str:
    """Where the account is kept, "" for nowhere. It need not exist, and nothing is looked for on the disk."""
    chosen = env.get("QIANWEN_STATE_DIR", "")
    if chosen:
        chosen = under_home(chosen, home)
        return _absolute(chosen) if chosen else ""
    base = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rule: a relative path is invalid and ignored
        base = env.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    base = base or under_home(os.path.join("~", ".local", "state"), home)
    return os.path.join(base, APPLICATION) if base else ""


def _like(run: Purchase) -> tuple[str, str, float]:
    """The values of _IS_A_TWIN."""
    return run.request, of_1_0(run), run.at - lifetime(run)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the current folder is gone; whoever uses the path is told so


class Account:
    """The account in a folder, which is made with the first run. Use it from any thread, and `close` it at the end.

    now: epoch seconds.
    trouble: why a part of it could not be read.
    warn: hears where a damaged file was set aside.
    clean: answers a JSON value without what must not be stored.
    left: seconds that the run still has.
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
        left: Callable[[], float] = lambda: STEP_SECONDS,
    ) -> None:
        self.folder = folder
        self.trouble = ""
        self.now = now
        self._clean = clean
        self._left = left
        self._file = Database(folder, warn, shared)
        self._or_elsewhere = "; or set QIANWEN_STATE_DIR to another folder" if shared else ""

    def hold(self) -> bool:
        """Keep other processes out of the account until `close`; False if one is in it. Raises OSError.

        Only for an account that is not shared, whose other methods do it at their first use.
        """
        return self._file.hold()

    def close(self) -> None:
        """End this run's connection, and let other processes in. The account can be used again."""
        try:
            self._file.close()
        except sqlite3.Error:
            pass  # every step is on the disk

    # Writing ------------------------------------------------------------------------------------------------

    def begin(self, run: Purchase, again: bool = False) -> Purchase | None:
        """Write a run down before its submission; or, when an identical one is open, write nothing and answer that one.

        Looking and writing are one transaction: of identical requests at once, one is bought.
        again: an open one does not matter.
        Raises Unavailable when nobody can say whether another process is buying the same, OSError when the folder
        cannot be written, by any process.
        """
        run = Purchase(**self._clean(fields_of(run)))

        def look_and_write(database: Connection) -> Purchase | None:
            if rows.select(database, "WHERE id = ?", [run.id]):
                return None  # a repair has taken it over between our first commit and this try
            twin = None if again else rows.newest(database, _IS_A_TWIN, *_like(run))
            if twin is None:
                rows.insert(database, run)
            return twin

        try:
            return self._file.write(look_and_write, BEGIN_SECONDS)
        except OSError as error:
            if self._file.place.shared and not isinstance(error, TimeoutError) and not self._is_usable_folder():
                self.trouble = ""
                twin = None if again else self.twin(run)
                if twin:
                    return twin
                if not self.trouble:
                    raise  # nobody can keep an account there, and none is there
            raise Unavailable(
                f"the ledger {self._file.place.path} cannot be written ({error.strerror or error}), and another "
                "process may be buying the same; nothing was sent",
                hint="a process of this program may have been stopped (Ctrl-Z): continue or end it; or make room on "
                f"the disk; or move away what is in the ledger's place{self._or_elsewhere}",
            ) from error

    def add(self, run_id: str, event: str, **fields: Any) -> None:
        """One step of a run. Raises OSError when the disk does not take it.

        event: resend (a request that was refused leaves once more), task (task_id), offer (task_ids), result (urls,
        body), file (index, path, sha256), bill (units), end (state, told, at), or deliver, which a power cut may undo.
        """
        step, cleaned = rows.STEPS[event], self._clean(fields)
        self._step(lambda database: step(database, run_id, **cleaned), lasting=event != "deliver")

    def note_batch(self, batch: Batch) -> None:
        """Remember a batch by its folder, so that `--tasks` and `--resume` can name its command. Raises OSError."""
        command = json.dumps(self._clean(list(batch.command)))
        values = (batch.folder, batch.program, command, batch.at, batch.is_over)
        query = "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)"
        self._step(lambda database: rows.execute(database, query, values))

    def _step(self, work: Callable[[Connection], object], lasting: bool = True) -> None:
        self._file.write(work, min(STEP_SECONDS, max(SHORTEST_STEP_SECONDS, self._left())), lasting)

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
        while page := self._rows(f"SELECT number, request, state FROM runs WHERE number > {last} LIMIT {PAGE}"):
            yield from (row[1:] for row in page)
            last = page[-1][0]

    def runs(self, request: str = "") -> list[Purchase]:
        """The runs of a request, or every run, oldest first."""
        return self._read("WHERE request = ? ORDER BY number", request) if request else self._read("ORDER BY number")

    def below(self, folder: str) -> list[Purchase]:
        """Every run that saves in a folder or below it, oldest first. folder: absolute."""
        start = os.path.join(folder, "")
        return self._read("WHERE substr(folder || ?, 1, length(?)) = ? ORDER BY number", os.sep, start, start)

    def open_runs(self) -> list[Purchase]:
        """Every run that is not over, oldest first."""
        return self._read(f"WHERE state IN ({OPEN_IN_SQL}) ORDER BY number")

    def recent(self, most: int) -> list[Purchase]:
        """The last runs, newest first, and every one that is open."""
        last = "SELECT number FROM runs ORDER BY number DESC LIMIT ?"
        return self._read(f"WHERE number IN ({last}) OR state IN ({OPEN_IN_SQL}) ORDER BY number DESC", most)

    def since(self, moment: float) -> list[Purchase]:
        """The runs that were submitted at this moment or later, oldest first. moment: epoch seconds."""
        return self._read("WHERE at >= ? ORDER BY number", int(moment))

    def named(self, text: str) -> list[Purchase]:
        """The runs whose own id, or whose task's, begins so, oldest first."""
        end = text + "\U0010ffff"
        return self._read("WHERE id >= ? AND id < ? OR task_id >= ? AND task_id < ? ORDER BY number", *[text, end] * 2)

    def get(self, run_id: str) -> Purchase | None:
        return self._newest("id = ?", run_id)

    def find(self, task_id: str) -> Purchase | None:
        """The newest run of a task, else the one to which it was offered; None when there is none."""
        if not task_id:
            return None
        offered = "task_id = '' AND id IN (SELECT run FROM offers WHERE task_id = ?)"
        return self._newest("task_id = ?", task_id) or self._newest(offered, task_id)

    def last(self, program: str) -> Purchase | None:
        """The newest run of a program that has a task."""
        return self._newest("program = ? AND task_id <> ''", program)

    def twin(self, run: Purchase) -> Purchase | None:
        """The newest open run of an identical request, or one of version 1.0 that may be, while the service has it."""
        return self._newest(_IS_A_TWIN, *_like(run))

    def made(self, request: str, delivered_too: bool) -> Purchase | None:
        """The newest run of an identical request that has results; delivered_too: even if somebody was told of them."""
        unread = "" if delivered_too else " AND delivered = 0"
        return self._newest(f"request = ? AND state IN ('{DONE}', '{MADE}'){unread}", request)

    def complain(self) -> None:
        """Raise Unavailable if something could not be read: there may be more than was found."""
        if self.trouble:
            raise Unavailable(
                f"the ledger could not be read: {self.trouble}",
                hint="if it is damaged, the next purchase replaces it and keeps what can be read; otherwise make "
                f"{self.folder} readable{self._or_elsewhere}",
                retryable=False,
            )

    def put_right(self) -> None:
        """Set a damaged account aside now: of what it still tells nothing may be bought again.

        Raises Unavailable for one that cannot be read.
        """

        def read(database: Connection) -> None:
            rows.select(database, f"WHERE state IN ({OPEN_IN_SQL})")
            for _ in database.execute("SELECT * FROM runs"):
                pass

        self._ask(read, lambda work: self._file.write(work, BEGIN_SECONDS))
        self.complain()

    def state(self, run: Purchase) -> str:
        """What has become of a run by now. One that died while it was submitting has an unknown outcome."""
        if run.state == SUBMITTING and not locks.is_held(self._claim(run.id)):
            return UNKNOWN
        return run.state

    def is_forgotten(self, run: Purchase) -> bool:
        """Whether the service has forgotten a run by this machine's clock, which may be wrong: evidence, not proof."""
        return self.now() - run.at > lifetime(run)

    def claim(self, run_id: str) -> locks.Lock | None:
        """The sign that a living process works on a run; None when another one does. Raises OSError."""
        self._file.make_folder()
        os.makedirs(os.path.join(self.folder, RUNNING_NAME), 0o700, exist_ok=True)
        return locks.take(self._claim(run_id))

    def _claim(self, run_id: str) -> str:
        return os.path.join(self.folder, RUNNING_NAME, run_id)

    def _is_usable_folder(self) -> bool:
        """Whether another process could keep its account there."""
        return os.path.isdir(self.folder) and os.access(self.folder, os.W_OK | os.X_OK)

    def _read(self, rest: str, *values: str | int) -> list[Purchase]:
        """The runs that the rest of a query names."""
        return self._ask(lambda database: rows.select(database, rest, values)) or []

    def _newest(self, condition: str, *values: str | float) -> Purchase | None:
        return self._ask(lambda database: rows.newest(database, condition, *values))

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._ask(lambda database: database.execute(query).fetchall()) or []

    def _ask(self, ask: Callable[[Connection], T], way: Callable[..., T] | None = None) -> T | None:
        """Never raises: what cannot be read is not there, and `trouble` says why. way: None only reads."""
        try:
            return (way or self._file.read)(ask) if self._file.exists() else None
        except (OSError, sqlite3.Error, ValueError) as error:
            self.trouble = f"{self._file.place.path}: {getattr(error, 'strerror', None) or error}"
            return None
