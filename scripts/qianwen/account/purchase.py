"""A paid request as the account records it, and the states that it goes through."""

from __future__ import annotations

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping

LATEST = 1e12  # epoch seconds beyond this are no moment of a clock
DESIRECORE_BASE = "https://127.0.0.1/api/media-proxy"  # without the port, which changes at each start
OPEN_SECONDS = 86400.0  # the service deletes a task and its results after a day ("Asynchronous task management API")
MOST_PATIENCE = 10**6  # minutes
PATIENCE = 180  # minutes after which it gives up a task; where a model's are longer, the day starts after them

SUBMITTING, WAITING, MADE = "submitting", "waiting", "made"
DONE, FAILED, CANCELED, REFUSED, UNKNOWN, EXPIRED = "done", "failed", "canceled", "refused", "unknown", "expired"
OPEN = frozenset({SUBMITTING, WAITING, MADE, UNKNOWN})
FREE = frozenset({FAILED, CANCELED, REFUSED})  # only success is billed


@record
class Kept:
    """A result on the disk: absolute path, SHA-256 in hex."""

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
    patience: minutes for which the service lets the task wait and run.
    offered: tasks that its submission may have created, if the submission was not answered.
    body: the service's answer.
    told: why it ended.
    ended: when it ended, in epoch seconds; 0 while it is open.
    delivered: its answer was written to stdout (of a batch: to its results), so that somebody may have read it.
    asked: the request as it was checked, without keys and bytes of files; {} where only the fingerprint is kept.
    units: pictures or seconds that it may be billed: at most, until the answer tells how many.
    files: by the index of the result.
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
    patience: int = PATIENCE
    task_id: str = ""
    offered: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    body: Mapping[str, Any] = {}
    state: str = SUBMITTING
    told: str = ""
    ended: float = 0.0
    delivered: bool = False
    asked: Mapping[str, Any] = {}
    units: float = 0.0
    files: Mapping[int, Kept] = {}

    @property
    def has_links(self) -> bool:
        return are_links(self.urls)


@record
class Batch:
    """A batch as the machine's account names it.

    folder: absolute, holds the batch's own account and results.
    command: words that continue it.
    at: when it was last begun, in epoch seconds.
    """

    folder: str
    program: str
    command: tuple[str, ...]
    at: float
    is_over: bool = False


def are_links(urls: Iterable[str]) -> bool:
    """Whether results can be downloaded: those that were in the answer itself are gone with it."""
    return any(url.lower().startswith("http") for url in urls)


def lifetime(run: Purchase) -> float:
    """Seconds after its submission for which the service keeps a run's task and results."""
    return OPEN_SECONDS + (60 * run.patience if run.patience > PATIENCE else 0)


def of_1_0(run: Purchase) -> str:
    """What a run from a ledger of version 1.0 has for a fingerprint: equal for all that may ask for the same.

    Version 1.0 made its own from the encoded call, so today's cannot be compared with it.
    """
    return f"version 1.0: {run.program} {run.model} {run.mode} {run.base}"


def answer_of(run: Purchase) -> dict[str, Any]:
    """The service's answer; one with its links alone where that was too long to keep."""
    return dict(run.body) or {"output": {"results": [{"url": url} for url in run.urls]}}


def restored(fields: Mapping[str, Any]) -> Purchase:
    """A run from values that stood on a disk. Raises ValueError, TypeError or OverflowError for what cannot be one.

    A moment or a patience that cannot be is replaced, because a run must be found whatever its clock said.
    """
    return Purchase(**{name: _READERS.get(name, word)(value) for name, value in fields.items()})


def word(value: object) -> str:
    """A text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _words(value: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(word, value))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not an object")
    return value


def _moment(value: float | str) -> float:
    seconds = float(value)
    return seconds if abs(seconds) < LATEST else 0.0


def _patience(value: object) -> int:
    return value if type(value) is int and 0 <= value < MOST_PATIENCE else PATIENCE


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "is_task": bool,
    "at": _moment,
    "patience": _patience,
    "offered": _words,
    "urls": _words,
    "body": _object,
    "ended": _moment,
    "delivered": bool,
    "asked": _object,
    "units": float,
    "files": _object,
}
