"""The folder of a batch: a line a finished row in `results*.jsonl`, and the accounts below `.batch/`.

The last line of a key counts, and a line `made` in any results file. Files are not read in order of time, so `--again`
begins a new `turn` of its row: lines of a later turn outdo those of an earlier one, whichever file has them. Each
process writes a results file and an account of its own and keeps others out of them, because two writers of one file
lose lines on a network share.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from contextlib import contextmanager

from ..account.database import HOLD_NAME
from ..account.rows import FILE_NAME, REPAIRING_NAME
from ..account.store import Account
from ..errors import OutputError, UsageError
from ..files import locks
from ..files.safe_open import make_ours, open_theirs
from ..plain import strict_json
from ..plain.strict_json import load_object
from .line import AGAIN, FINAL, MADE, STATES, UNKNOWN, UNSAVED
from .rows import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator

    JSON = dict[str, Any]

ACCOUNTS = ".batch"
LONGEST_LINE = 2**20
LOOK_NAME = "look.lock"
MOST_WAITS = 20  # for a process that reads an account
_PAID = tuple(map(STATES.index, (MADE, UNSAVED, UNKNOWN)))
_SHARD = r"(?:\d{1,6}-of-\d{1,6})?"
_RESULTS = r"results(?:\.(\d+)-of-(\d+))?\.jsonl"


class Folder:
    """The results and accounts of a batch.

    shard: (I, N), (0, 1) for the whole.
    wait: called again and again while another process is at work; raises StillRunning when the time is up.
    clean: answers a JSON value without what must not be stored.
    states: what has become of each row that has a line, by the number of its name: an index of STATES.
    is_rehearsal: whether what it has comes from a stand-in; None while it has nothing.
    program: that made it, image.py or video.py; "" while it has nothing.
    told_units: what the lines say was billed, by the name of the shard that bought it, "" for the whole.
    turns: how often each row that was tried `--again` was, by the number of its name.
    """

    def __init__(
        self,
        path: str,
        shard: tuple[int, int],
        now: Callable[[], float],
        wait: Callable[[], object],
        warn: Callable[[str], None],
        clean: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.path = path
        self.shard = shard
        self._now = now
        self._wait = wait
        self._warn = warn
        self._clean = clean
        self.states: dict[int, int] = {}
        self.is_rehearsal: bool | None = None
        self.program = ""
        self.told_units: dict[str, float] = {}
        self.turns: dict[int, int] = {}
        self._doubtful: dict[tuple[int, int], tuple[str, float]] = {}  # see `_count`
        self.name = f"{shard[0]}-of-{shard[1]}" if shard[1] > 1 else ""
        self.results = os.path.join(path, f"results.{self.name}.jsonl" if self.name else "results.jsonl")
        self.account = self._account_of(self.name)
        self._stream: BinaryIO | None = None
        self._is_torn = False  # the last line was not written whole
        self._forgotten: dict[str, float] = {}
        self._lock = threading.Lock()

    def _account_of(self, name: str) -> Account:
        place = os.path.join(self._accounts, name) if name else self._accounts
        return Account(place, self._now, self._warn, self._clean, shared=False)

    @property
    def _accounts(self) -> str:
        return os.path.join(self.path, ACCOUNTS)

    # Reading ------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read every results file. A line that is not ours, or that a crash cut short, is passed over."""
        for path, line in self._lines():
            number, turn, state = number_of(line["key"]), _turn(line), STATES.index(line["state"])
            before, known = self.states.get(number), self.turns.get(number, 0)
            name, bought_by = os.path.basename(path)[len("results.") : -len(".jsonl")], line.get("shard")
            name = bought_by if isinstance(bought_by, str) and re.fullmatch(_SHARD, bought_by) else name
            self._count(name, line, (number, turn), before in _PAID and turn == known)
            is_later = before is None or (turn, line["state"] in FINAL) >= (known, STATES[before] in FINAL)
            if before != STATES.index(MADE) and (is_later or line["state"] == MADE):
                self.states[number] = state
                if turn > known:
                    self.turns[number] = turn
            self.recognize(line.get("base"), line.get("program"))

    def _count(self, name: str, line: JSON, purchase: tuple[int, int], is_known: bool) -> None:
        """Count the units of a purchase, a row and its turn. A later line of one in doubt says what it was in truth."""
        place, told = self._doubtful.pop(purchase, (name, 0.0)) if line["state"] in FINAL else (name, 0.0)
        if told or not is_known:
            units = _units(line)
            self.told_units[place] = self.told_units.get(place, 0.0) + units - told
            if line["state"] in (UNKNOWN, UNSAVED):
                self._doubtful[purchase] = place, units

    def recognize(self, base: object, program: object) -> None:
        """Note whose folder it is by what was bought for it. base: a URL."""
        if isinstance(base, str) and base:
            self.is_rehearsal = base.startswith("http://")
        if isinstance(program, str) and program:
            self.program = program

    def lines(self) -> Iterator[JSON]:
        """The lines of all results files, the own file's last. Raises UsageError."""
        return (line for _, line in self._lines())

    def endings(self) -> Iterator[JSON]:
        """Those that tell what has become of their row; the last of a key counts. Raises UsageError."""
        return (line for line in self.lines() if line["state"] == self.state(line["key"]))

    def _lines(self) -> Iterator[tuple[str, JSON]]:
        names = [name for name in self._names() if os.path.join(self.path, name) != self.results]
        for path in (*(os.path.join(self.path, name) for name in names), self.results):
            try:
                with open_theirs(path) as stream:
                    while text := stream.readline(LONGEST_LINE):
                        line = load_object(text) if text.startswith(b"{") else None
                        if line and _is_ours(line):
                            yield path, line
            except FileNotFoundError:
                continue
            except OSError as error:
                raise UsageError(
                    f"{path} cannot be read: {error.strerror}",
                    hint="make it readable; another --output buys every row again",
                ) from error

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.path) if re.fullmatch(_RESULTS, name))
        except OSError:
            return []

    def state(self, name: str) -> str:
        """What has become of a row; "" for one that is still to be made."""
        found = self.states.get(number_of(name))
        state = STATES[found] if found is not None else ""
        return state if state in FINAL else ""

    def has_line(self, name: str) -> bool:
        return number_of(name) in self.states

    def spent(self) -> dict[str, float]:
        """The units that were billed or may be, by the name of the shard whose results or account tell so.

        What only the lines of an earlier run tell is billed too: an account may be lost or left behind by a copy.
        """
        spent = {}
        for account in self.idle_accounts():
            name, billed = self.shard_of(account), account.billed()
            self._forgotten.setdefault(name, max(0.0, self.told_units.get(name, 0.0) - billed))
            spent[name] = billed + self._forgotten[name]
        return {**self.told_units, **spent}

    def shard_of(self, account: Account) -> str:
        """The name of the shard whose account this is, "" for the whole."""
        return os.path.relpath(account.folder, self._accounts).strip(".")

    # Writing ------------------------------------------------------------------------------------------------

    def take(self) -> None:
        """Take the folder for this process. Raises UsageError when another one works on the same rows."""
        try:
            os.makedirs(self.path, exist_ok=True)
            if not self._has_taken(self.account):
                what = f"shard {self.name.replace('-of-', '/')}" if self.name else "this batch"
                raise UsageError(f"another process works on {what}: {self.path}", hint="wait for it, or end it")
            with self._looking() as others:
                for other in others:
                    account = self._account_of(other)
                    if not self._has_taken(account):
                        running = f"shard {other.replace('-of-', '/')}" if other else "the whole batch"
                        raise UsageError(
                            f"another process works on {running} in {self.path}",
                            hint="all shards that run at once need the same N in --shard I/N",
                        )
                    account.close()
            self._stream = open(
                self.results, "a+b", buffering=0, opener=lambda path, _: make_ours(path, 0o666, may_exist=True)
            )
            if self._stream.tell():
                self._stream.seek(-1, os.SEEK_END)
                if self._stream.read(1) != b"\n":
                    self._stream.write(b"\n")  # a crash cut the last line short
        except OSError as error:
            raise self._unusable(error) from error

    def _cut_otherwise(self) -> list[str]:
        """The accounts below `.batch/` of another N; "" is that of the whole batch.

        Those of the same N are none of our business: their rows are not ours, and their processes may be starting.
        """
        try:
            there = os.listdir(self._accounts)
        except OSError:
            return []
        names = [name for name in there if re.fullmatch(r"\d+-of-\d+", name)]
        whole = [""] if not {HOLD_NAME, FILE_NAME, REPAIRING_NAME}.isdisjoint(there) else []  # a copy may lack the lock
        cut = self.name.partition("-of-")[2]
        return [name for name in (*whole, *sorted(names)) if name.partition("-of-")[2] != cut]

    def has_an_account(self) -> bool:
        """Whether an earlier run may have bought something here."""
        return os.path.isdir(self._accounts)

    def _has_taken(self, account: Account) -> bool:
        """Whether an account is held now, after moments in which a process that only plans may be reading it."""
        for _ in range(MOST_WAITS):
            if account.hold():
                return True
            self._wait()
        return account.hold()

    def idle_accounts(self) -> Iterator[Account]:
        """The own account, then each of another N; it is held while the caller looks at it.

        It skips none: what is open in one would be bought again. Once a process has taken this folder, no other holds
        an account for longer than it takes to plan. Raises StillRunning.
        """
        yield self.account
        busy: list[str] | None = None
        while busy is None or busy:
            with self._looking() as others:
                names, busy = busy or others, []
                for name in names:
                    account = self._account_of(name)
                    try:
                        if account.hold():
                            yield account
                        else:
                            busy.append(name)
                    except OSError as error:
                        account.trouble = f"{account.folder}: {error.strerror or error}"
                        yield account
                    finally:
                        account.close()
            if busy:  # not under the lock, for which its holder may wait
                self._wait()

    @contextmanager
    def _looking(self) -> Iterator[list[str]]:
        """The accounts of another N, for one process at a time: others wait, or raise StillRunning.

        Otherwise a shard could not tell a fellow that only looks at an account from one that works in it.
        """
        others, lock = self._cut_otherwise(), None
        while others and not lock:
            try:
                lock = locks.take(os.path.join(self._accounts, LOOK_NAME), lasting=True)
            except OSError as error:
                raise self._unusable(error) from error
            if not lock:
                self._wait()
        try:
            yield others
        finally:
            if lock:
                lock.release()

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"the batch's folder {self.path} cannot be used: {error.strerror or error}",
            hint="make it writable, or choose another with --output, which starts from nothing",
        )

    def write(self, line: JSON) -> None:
        """Add a line, which is on the disk when this returns. Raises OutputError. Safe to use from several threads."""
        number = number_of(line["key"])
        turn = self.turns.get(number, 0) + (line["state"] == AGAIN)
        line = {**line, "turn": turn} if turn else line
        data = (strict_json.written(self._clean(line)) + "\n").encode("utf-8")
        with self._lock:
            assert self._stream
            try:
                data = b"\n" * self._is_torn + data
                written = self._stream.write(data)
                self._is_torn = written != len(data)
                if self._is_torn:
                    raise OSError(errno.ENOSPC, "no room is left")
                os.fsync(self._stream.fileno())
                os.stat(self.results)  # it may have been moved or deleted
            except OSError as error:
                raise OutputError(
                    f"cannot write to {self.results}: {error.strerror or error}",
                    hint="make room, or put back what was moved; what was bought is noted, and the next run tells it",
                ) from error
            self.states[number] = STATES.index(line["state"])
            if turn:
                self.turns[number] = turn

    def close(self) -> None:
        self.account.close()
        if self._stream:
            self._stream.close()


def _units(line: JSON) -> float:
    units = line.get("units")
    return max(0.0, units) if isinstance(units, (int, float)) else 0.0


def _turn(line: JSON) -> int:
    turn = line.get("turn")
    return turn if type(turn) is int and turn > 0 else 0


def _is_ours(line: JSON) -> bool:
    key = line.get("key")
    return isinstance(key, str) and bool(re.fullmatch(r"[0-9a-f]{16}(-\d{1,9})?", key)) and line.get("state") in STATES
