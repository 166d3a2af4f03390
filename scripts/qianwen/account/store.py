"""The ledger: what this machine bought and what became of it. One line before each paid request, one at each step.

One append-only JSON Lines file per month, readable by its owner only. Each line is on disk before the run continues. A
line that a crash cut short is lost; the others stay readable. The ledger holds no key and no request, only the
request's fingerprint, and the service's answer only if it cannot be fetched again.
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
LOCK_SECONDS = 2.0  # a process suspended in the middle of a line must not block the others
DESIRECORE_BASE = "https://127.0.0.1/api/media-proxy"  # without the port, which changes at each start
OPEN_SECONDS = 86400.0  # the service deletes a task and its results after a day ("Asynchronous task management API")
PATIENCE = 180  # minutes after which it gives up a task; where a model's are longer, the day starts after them

SUBMITTING, WAITING, MADE = "submitting", "waiting", "made"
DONE, FAILED, CANCELED, REFUSED, UNKNOWN, EXPIRED = "done", "failed", "canceled", "refused", "unknown", "expired"
OPEN = frozenset({SUBMITTING, WAITING, MADE, UNKNOWN})
_STATES = OPEN | {DONE, FAILED, CANCELED, REFUSED}
_HEAD = re.compile(rb'\{"v": 1, "run": "([0-9a-f]{16})", ')


@record
class Kept:
    """A saved result: absolute path, SHA-256 in hex."""

    path: str
    sha256: str


@record
class Purchase:
    """One paid request and what is known about it.

    program: image.py or video.py.
    base: the API's URL.
    request: fingerprint, equal for identical requests.
    is_task: it has, or will have, a task id.
    folder, stem, suffix: where its results go.
    at: when it was submitted, in epoch seconds.
    offered: tasks that its submission may have created, if the submission was not answered.
    body: the answer to a request without a task.
    files: by the index of the result.
    told: why it ended.
    ended: when it ended, in epoch seconds; 0 while it is open.
    patience: minutes for which the service lets the task wait and run.
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
    """The ledger's folder, which need not exist. Does not touch the disk."""
    chosen = env.get("QIANWEN_STATE_DIR", "")
    if chosen:
        return _absolute(chosen)
    base = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rule: a relative path is invalid and ignored
        base = env.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    return os.path.join(base or os.path.join(home, ".local", "state"), APPLICATION)


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a whole answer fits into one line together with its links."""
    return len(json.dumps(body)) < LONGEST_LINE // 2


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the current folder is gone; opening the path will say so


class Ledger:
    """The ledger in a folder, which is created with the first line.

    now: answers epoch seconds.
    trouble: why part of the ledger could not be read, "" if all of it could.
    """

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.trouble = ""
        self.now = now

    def begin(self, run: Purchase, again: bool = False) -> Purchase | None:
        """Write the line before a submission. If an identical request is open, write nothing and answer its run.

        again: write the line even then.
        Raises OSError when the line could not be written.
        """
        fields = {name: value for name, value in fields_of(run).items() if name in _TEXTS or name == "is_task"}
        with self._alone():
            twin = None if again else self.twin(run)
            if twin is None:
                longer = {"patience": run.patience} if run.patience != PATIENCE else {}
                self._write(run.id, "begin", at=float(run.at), **fields, **longer)
        return twin

    def twin(self, run: Purchase) -> Purchase | None:
        """The newest open run of an identical request, None without one."""
        for twin in reversed(self.runs(having=run.request)):
            if twin.request == run.request and self.state(twin) in OPEN:
                return twin
        return None

    def add(self, run_id: str, event: str, **fields: Any) -> None:
        """Append a line and wait until it is on disk. Raises OSError."""
        with self._alone():
            self._write(run_id, event, **fields)

    def _write(self, run_id: str, event: str, **fields: Any) -> None:
        now = self.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        head = {"v": VERSION, "run": run_id, "time": stamp, "event": event}
        line = json.dumps({**head, **fields}).encode("ascii") + b"\n"
        if len(line) > LONGEST_LINE:
            raise OSError(errno.EMSGSIZE, "the line is too long to be read back")
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
        """The runs of this month and the last, oldest first. Never raises; leaves out what cannot be read.

        having: only runs with a line in which some whole value is this text.
        """
        wanted = self._mentioning(having) if having else None
        runs: dict[str, Purchase] = {}
        for run_id, line in self._lines():
            if wanted is None or run_id in wanted:
                run = _after(runs.get(run_id), run_id, line)
                if run:
                    runs[run_id] = run
        return sorted(runs.values(), key=lambda run: run.at)

    def find(self, task_id: str) -> Purchase | None:
        """The newest run of a task, else the newest one to which the task was offered, else None."""
        runs = self.runs(having=task_id) if task_id else []
        ours = [run for run in runs if run.task_id == task_id]
        candidates = ours or [run for run in runs if not run.task_id and task_id in run.offered]
        return candidates[-1] if candidates else None

    def state(self, run: Purchase) -> str:
        """The state of a run now. If its process died while submitting, the outcome is unknown."""
        if run.state not in OPEN:
            return run.state
        if self.now() - run.at > OPEN_SECONDS + (60 * run.patience if run.patience > PATIENCE else 0):
            return EXPIRED
        return UNKNOWN if run.state == SUBMITTING and not locks.is_held(self._claim(run.id)) else run.state

    def claim(self, run_id: str) -> locks.Lock | None:
        """A lock that says a process is working on a run; None when another process holds it. Raises OSError."""
        _make(self.folder)
        _make(os.path.join(self.folder, RUNNING_NAME))
        return locks.take(self._claim(run_id))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Create the folder and lock it against other writers, if the system has locks."""
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
        spelled = json.dumps(text).encode("ascii")  # as `_write` spells it
        return {run_id for run_id, line in self._lines() if spelled in line}

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        """(run id, line) of every line that begins like ours, in the order of writing."""
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
    """A new file survives a crash only once its folder is synced. Windows cannot open folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system offers it
    finally:
        os.close(descriptor)


def _append(stream: BinaryIO, line: bytes) -> None:
    """Append the line in one write, on a new line even after one that was cut short."""
    data = b"\n" + line if _is_torn(stream) else line
    if os.write(stream.fileno(), data) != len(data):
        raise OSError(errno.ENOSPC, "only part of the line could be written")


def _is_torn(stream: BinaryIO) -> bool:
    if stream.seek(0, os.SEEK_END) == 0:
        return False
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) != b"\n"


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Line by line. Of an overlong line only the beginning, which is not valid JSON."""
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
    """The run after one more of its lines. A line of another version changes nothing."""
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
