"""What this machine bought and what became of it: a line before a request that costs money, and one at each step.

Lines of JSON in a file for each month, which only grows; readable by people, and by nobody but their owner. A line is
on the disk before the run goes on. A line that a crash cut short costs itself and nothing else. There is no key in it
and no request, only its fingerprint; the answer of the service is kept where it cannot be asked for again.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from contextlib import contextmanager

from ..files import locks
from ..files.safe_open import open_regular
from ..plain import strict_json
from ..plain.record import changed, fields_of, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Mapping, TypeVar

    Fields = Mapping[str, Any]
    T = TypeVar("T")

APPLICATION = "qianwen-media-generation"
FILE_NAME = "ledger-{}.jsonl"
LOCK_NAME = "ledger.lock"
RUNNING_NAME = "running"
VERSION = 1
LONGEST_LINE = 256 * 1024
LOCK_SECONDS = 2.0  # a process that was stopped in the middle of a line must not stop the others
DESIRECORE_BASE = "https://127.0.0.1/api/media-proxy"  # whatever its port is, which changes with each start
OPEN_SECONDS = 86400.0  # the service forgets a task and its results after a day
PATIENCE = 180  # minutes after which it gives up a task of most models; where it is longer, the day begins behind it

SUBMITTING, WAITING, MADE = "submitting", "waiting", "made"
DONE, FAILED, CANCELED, REFUSED, UNKNOWN, EXPIRED = "done", "failed", "canceled", "refused", "unknown", "expired"
OPEN = frozenset({SUBMITTING, WAITING, MADE, UNKNOWN})
_STATES = OPEN | {DONE, FAILED, CANCELED, REFUSED}
_HEAD = re.compile(rb'\{"v": 1, "run": "([0-9a-f]{16})", ')


@record
class Kept:
    """A result on the disk: absolute path, SHA-256 in hex."""

    path: str
    sha256: str


@record
class Purchase:
    """One paid request and what is known of it.

    program: image.py or video.py.  base: the API's URL.  request: fingerprint, equal for identical requests.
    is_task: it has, or will have, a task id.  folder, stem, suffix: where its results go.  at: epoch seconds.
    offered: tasks that may be this one, when its submission was not answered.  body: the answer of a request that is
    no task.  files: by the index of the result.  told: why it ended, at the moment `ended` (0: it has not).
    patience: minutes that the service lets the task wait and run.
    """

    id: str
    program: str
    model: str
    mode: str
    region: str
    base: str
    request: str
    is_task: bool
    folder: str
    stem: str
    suffix: str
    at: float
    task_id: str = ""
    offered: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    body: Mapping[str, Any] = {}
    files: Mapping[int, Kept] = {}
    state: str = SUBMITTING
    told: str = ""
    ended: float = 0.0
    patience: int = PATIENCE


_TEXTS = ("program", "model", "mode", "region", "base", "request", "folder", "stem", "suffix")


def folder(env: Mapping[str, str], home: str) -> str:
    """Where the ledger is kept. It need not exist, and nothing is looked for on the disk."""
    chosen = env.get("QIANWEN_STATE_DIR", "")
    if chosen:
        return _absolute(chosen)
    base = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rule: a relative path is invalid and ignored
        base = env.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    return os.path.join(base or os.path.join(home, ".local", "state"), APPLICATION)


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a whole answer can be kept in one line, beside its links."""
    return len(json.dumps(body)) < LONGEST_LINE // 2


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the current folder is gone; whoever uses the path is told so


class Ledger:
    """The ledger in a folder, which is made when the first line is written.

    now: epoch seconds.  trouble: why a part of it could not be read.
    """

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.trouble = ""
        self.now = now

    def begin(self, run: Purchase, again: bool = False) -> Purchase | None:
        """Write the line before a submission; or, when an identical request is open, write nothing and answer its run.

        again: an open one does not matter.  Raises OSError when the disk does not have the line.
        """
        fields = {name: value for name, value in fields_of(run).items() if name in _TEXTS or name == "is_task"}
        with self._alone():
            twin = None if again else self.twin(run)
            if twin is None:
                longer = {"patience": run.patience} if run.patience != PATIENCE else {}
                self._write(run.id, "begin", at=float(run.at), **fields, **longer)
        return twin

    def twin(self, run: Purchase) -> Purchase | None:
        """The newest open run of an identical request."""
        runs = [twin for twin in self.runs(having=run.request) if twin.request == run.request]
        return next((twin for twin in reversed(runs) if self.state(twin) in OPEN), None)

    def add(self, run_id: str, event: str, **fields: Any) -> None:
        """Append a line and wait until the disk has it. Raises OSError when that cannot be done."""
        with self._alone():
            self._write(run_id, event, **fields)

    def _write(self, run_id: str, event: str, **fields: Any) -> None:
        now = self.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        head = {"v": VERSION, "run": run_id, "time": stamp, "event": event}
        line = json.dumps({**head, **fields}).encode("ascii") + b"\n"
        if len(line) > LONGEST_LINE:
            raise OSError(errno.EMSGSIZE, "the line is too long to be found again")
        try:
            with open(self._path(now), "a+b", buffering=0, opener=open_regular) as stream:
                is_new = stream.seek(0, os.SEEK_END) == 0
                _append(stream, line)
                os.fsync(stream.fileno())
            if is_new:
                _fsync_folder(self.folder)
        except ValueError as error:  # a NUL in the path
            raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error

    def runs(self, having: str = "") -> list[Purchase]:
        """The runs of this month and the last, oldest first. Never raises: what cannot be read is not there.

        having: only runs with a line that holds this text, as a whole value, somewhere.
        """
        wanted = self._mentioning(having) if having else None
        found: dict[str, Purchase] = {}
        for run_id, line in self._lines():
            if wanted is None or run_id in wanted:
                run = _after(found.get(run_id), run_id, line)
                if run:
                    found[run_id] = run
        return sorted(found.values(), key=lambda run: run.at)

    def find(self, task_id: str) -> Purchase | None:
        """The newest run of a task, else the one to which it was offered; None when there is none."""
        runs = self.runs(having=task_id) if task_id else []
        ours = [run for run in runs if run.task_id == task_id]
        candidates = ours or [run for run in runs if not run.task_id and task_id in run.offered]
        return candidates[-1] if candidates else None

    def state(self, run: Purchase) -> str:
        """What has become of a run by now. One that died while it was submitting has an unknown outcome."""
        if run.state not in OPEN:
            return run.state
        if self.now() - run.at > OPEN_SECONDS + (60 * run.patience if run.patience > PATIENCE else 0):
            return EXPIRED
        return UNKNOWN if run.state == SUBMITTING and not locks.is_held(self._claim(run.id)) else run.state

    def claim(self, run_id: str) -> locks.Lock | None:
        """The sign that a living process works on a run; None when another one does. Raises OSError."""
        _make(self.folder)
        _make(os.path.join(self.folder, RUNNING_NAME))
        return locks.take(self._claim(run_id))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process writes meanwhile, if that can be had at all. Makes the folder."""
        _make(self.folder)
        lock = locks.wait_for(os.path.join(self.folder, LOCK_NAME), LOCK_SECONDS)
        try:
            yield
        finally:
            if lock:
                lock.release()

    def _claim(self, run_id: str) -> str:
        return os.path.join(self.folder, RUNNING_NAME, run_id)

    def _path(self, moment: float) -> str:
        return os.path.join(self.folder, FILE_NAME.format(time.strftime("%Y-%m", time.gmtime(moment))))

    def _mentioning(self, text: str) -> set[str]:
        spelled = json.dumps(text).encode("ascii")  # as `add` spells it
        return {run_id for run_id, line in self._lines() if spelled in line}

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        """(run id, line) of every line that looks like one of ours, in the order of writing."""
        now = self.now()
        month_before = now - (time.gmtime(now).tm_mday + 1) * 86400
        for path in (self._path(month_before), self._path(now)):
            try:
                with open(path, "rb", opener=open_regular) as stream:
                    for line in _pieces(stream):
                        head = _HEAD.match(line)
                        if head:
                            yield head[1].decode("ascii"), line
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:  # ValueError: a NUL in the path
                self.trouble = f"{path}: {getattr(error, 'strerror', None) or error}"


def _make(folder: str) -> None:
    """A folder for its owner alone. Raises OSError."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
    except (ValueError, RecursionError) as error:  # a NUL in the path, or thousands of folders
        raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error


def _fsync_folder(folder: str) -> None:
    """A new file's name is on the disk only when its folder is. Windows opens no folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # a disk that cannot do this does it by itself
    finally:
        os.close(descriptor)


def _append(stream: BinaryIO, line: bytes) -> None:
    """Write the line at the end in one piece, on a line of its own even after one that was cut short."""
    data = b"\n" + line if _is_torn(stream) else line
    if os.write(stream.fileno(), data) != len(data):
        raise OSError(errno.ENOSPC, "only a part of the line could be written")


def _is_torn(stream: BinaryIO) -> bool:
    if stream.seek(0, os.SEEK_END) == 0:
        return False
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) != b"\n"


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Line by line; of one that is too long only the beginning, which is no JSON."""
    begins = True
    while True:
        piece = stream.readline(LONGEST_LINE)
        if not piece:
            return
        if begins:
            yield piece
        begins = piece.endswith(b"\n")


# Lines into runs ------------------------------------------------------------------------------------------


def _after(run: Purchase | None, run_id: str, line: bytes) -> Purchase | None:
    """A run after another of its lines. A line that this version did not write changes nothing."""
    try:
        fields = strict_json.load(line)
        if fields["event"] == "begin":
            texts: dict[str, Any] = {name: _text(fields[name]) for name in _TEXTS}
            patience = fields.get("patience", PATIENCE)
            whole = patience if type(patience) is int else PATIENCE
            return Purchase(
                id=run_id, is_task=fields["is_task"] is True, at=float(fields["at"]), patience=whole, **texts
            )
        return _STEPS[fields["event"]](run, fields) if run else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return run


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _made(run: Purchase, fields: Fields) -> Purchase:
    body = fields.get("body", {})
    if not isinstance(body, dict):
        raise ValueError
    return changed(run, urls=tuple(map(_text, fields["urls"])), body=body, state=MADE)


def _kept(run: Purchase, fields: Fields) -> Purchase:
    kept = Kept(_text(fields["path"]), _text(fields["sha256"]))
    return changed(run, files={**run.files, int(fields["index"]): kept})


def _ended(run: Purchase, fields: Fields) -> Purchase:
    if fields["state"] not in _STATES:
        raise ValueError
    return changed(run, state=fields["state"], told=_text(fields.get("told", "")), ended=float(fields.get("at", 0)))


_STEPS: Mapping[str, Callable[[Purchase, Fields], Purchase]] = {
    "task": lambda run, fields: changed(run, task_id=_text(fields["task_id"]), state=WAITING),
    "offer": lambda run, fields: changed(run, offered=tuple(map(_text, fields["task_ids"]))),
    "result": _made,
    "file": _kept,
    "end": _ended,
}
