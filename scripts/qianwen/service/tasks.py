"""Waiting for a task: the table of its states, and a loop that asks quickly at first and then less often."""

from __future__ import annotations

from ..errors import AuthError, QianwenError, Refused, StillRunning, Unavailable
from ..record import record
from . import api, codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping

    JSON = dict[str, Any]


WAITING, DONE, FAILED, GONE = "waiting", "done", "failed", "gone"
STATES: Mapping[str, str] = {
    "PENDING": WAITING,
    "RUNNING": WAITING,
    "SUSPENDED": WAITING,
    "SUCCEEDED": DONE,
    "FAILED": FAILED,
    "CANCELED": FAILED,
    "CANCELLED": FAILED,
    "UNKNOWN": GONE,
}
CANCELED = frozenset({"CANCELED", "CANCELLED"})
# Why a task could not be canceled, by what it is: what to do, and whether it is billed.
NOT_CANCELED: Mapping[str, tuple[str, str]] = {
    WAITING: (
        "only a task that has not begun can be canceled; this one goes on and is billed when it succeeds",
        "unknown",
    ),
    DONE: ("it is finished and billed already; --task-id saves what it made", "yes"),
    FAILED: ("it has failed already, and failed work is not billed", "no"),
    GONE: (
        "the service does not know it: it expired, or belongs to another region or workspace, or to another account",
        "unknown",
    ),
}
MOST_PAGES = 20
YOUNG_SECONDS = 15.0  # a task that was just submitted may not be visible everywhere yet
YOUNG_UNKNOWNS = 3
SHORT_GAP = 2.0
EARLY_SECONDS = 30.0
EARLY_SHARE = 0.201  # of the time that has passed: ten looks in half a minute, as many as every 3 seconds would make
SHARE = 0.1
STEADY_GAP = 4.0
LATE_SHARE = 0.01
LEAST_GAP = 1.0  # the account may look 20 times a second, with all its programs together
LAST_LOOK_SECONDS = 2.0  # kept back from the deadline for one more look
LOOKS_IN_VAIN = 5  # refusals in a row after which asking is given up; the task itself has not failed


@record
class Seen:
    """One look at a task: the service's word for its state, what that means for us, and the whole answer.

    is_odd: nobody documented the word.
    """

    word: str
    meaning: str
    body: JSON
    is_odd: bool = False


@record
class Listed:
    """A task in the service's list. word: its state.  created: epoch seconds, 0 when that is not told."""

    task_id: str
    word: str
    created: float
    model: str = ""


def listed(fetch: Callable[[int], JSON]) -> Iterator[Listed]:
    """Every task of a list, once. fetch: the answer for a page, from 1. Raises Unavailable for what is no list."""
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        answer = fetch(page)
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise Unavailable("the service answered something that is no list of tasks")
        for entry in entries:
            task = _listed(entry)
            if task and task.task_id not in seen:
                seen.add(task.task_id)
                yield task
        pages = str(answer.get("total_page"))
        if not entries or (pages.isdigit() and page >= int(pages)):
            return


def _listed(entry: object) -> Listed | None:
    task_id = entry.get("task_id") if isinstance(entry, dict) else None
    if not (isinstance(entry, dict) and isinstance(task_id, str) and task_id):
        return None
    created = entry.get("gmt_create")
    seconds = created / 1000 if isinstance(created, (int, float)) and not isinstance(created, bool) else 0.0
    return Listed(task_id, str(entry.get("status") or ""), seconds, str(entry.get("model_name") or ""))


def look(body: JSON) -> Seen:
    """What a poll answer says. A word that nobody documented is waited on.

    A code and no output are a failed task as well (the pages of Wan 2.6 and 2.7 print one so), unless they speak of
    the asking: too many looks, a key, an account. Raises the error of those.
    """
    output = body.get("output")
    if not output and api.complains(body):
        means = codes.meaning(*codes.words_of(body), 200)
        if means.kind == "auth" or means is codes.THROTTLED:
            error = api.refused(body, 200)
            kind = api.KINDS[means.kind]
            raise kind(error.message, hint=means.hint, code=error.code, http_status=200, request_id=error.request_id)
        return Seen("FAILED", FAILED, body)
    word = " ".join(str(output.get("task_status") or "").split()) if isinstance(output, dict) else ""
    return Seen(word, STATES.get(word.upper(), WAITING), body, word.upper() not in STATES)


def gaps(interval: float) -> Iterator[float]:
    """Seconds between looks: 2 at first, then shares of the time that has passed, at most `interval`.

    The first half minute has ten looks, as the service's advice of 3 seconds would make, and all later time has fewer
    than that, unless `interval` asks for more. The end of a task of 10 to 30 seconds is noticed within a tenth of its
    length on average, that of a longer one always: after 30 seconds the gaps begin anew at a tenth.
    """
    interval = max(interval, LEAST_GAP)
    elapsed = 0.0
    while True:
        if elapsed < EARLY_SECONDS:
            gap = max(SHORT_GAP, elapsed * EARLY_SHARE)
        else:
            gap = min(elapsed * SHARE, max(STEADY_GAP, elapsed * LATE_SHARE))
        gap = min(gap, interval)
        yield gap
        elapsed += gap


def wait(
    fetch: Callable[[], JSON],
    task_id: str,
    interval: float,
    deadline: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    tell: Callable[[Seen, float], None] = lambda *_: None,
    just_submitted: bool = True,
) -> JSON:
    """The final answer of a task.

    fetch: polls once.  interval: longest gap, seconds.  deadline: moment of `clock`.  tell: hears every look and the
    elapsed seconds.  just_submitted: the first look waits a gap, and the task may not be visible everywhere yet.
    Raises StillRunning at the deadline, Refused when the task failed, was canceled or is unknown to the service,
    AuthError when the key may not look, and Unavailable when look after look is refused.
    """
    started = clock()
    unknowns = in_vain = 0
    word = "PENDING"
    for number, gap in enumerate(gaps(interval)):
        if number or just_submitted:
            left = deadline - clock() - LAST_LOOK_SECONDS
            if number and left <= 0:
                break
            sleep(max(min(gap, left), 0.0))
        elapsed = clock() - started
        seen, hopeless = _poll(fetch)
        in_vain = in_vain + 1 if hopeless else 0
        if hopeless and in_vain == LOOKS_IN_VAIN and clock() < deadline:
            raise lost_sight(hopeless, task_id) from hopeless
        word = seen.word
        tell(seen, elapsed)
        if seen.meaning == GONE and just_submitted and elapsed < YOUNG_SECONDS and unknowns < YOUNG_UNKNOWNS:
            unknowns += 1
        elif seen.meaning != WAITING:
            return finished(seen, task_id)
    raise _still_running(task_id, word)


def finished(seen: Seen, task_id: str, is_young: bool = False) -> JSON:
    """The body of a task that succeeded; raises what every other state means. is_young: UNKNOWN is no end yet."""
    if seen.meaning == DONE:
        return seen.body
    waiting = seen.meaning == WAITING or (is_young and seen.meaning == GONE)
    raise _still_running(task_id, seen.word) if waiting else _ending(seen, task_id)


def _still_running(task_id: str, word: str) -> StillRunning:
    return StillRunning(f"task {task_id} is not finished (last seen: {word or 'no answer'})", task_id=task_id)


def lost_sight(error: QianwenError, task_id: str) -> Unavailable:
    """A refused look says nothing about the task, which was paid for and goes on."""
    return Unavailable(
        f"task {task_id} could not be asked for: {error.message}",
        hint="the task goes on without us; ask for it again later",
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
        task_id=task_id,
    )


def _poll(fetch: Callable[[], JSON]) -> tuple[Seen, QianwenError | None]:
    """One look, and the error when it was refused in a way that waiting may not mend. Trouble is no state of a task."""
    try:
        return look(fetch()), None
    except AuthError:
        raise
    except QianwenError as error:
        return Seen(f"no answer: {error.message}", WAITING, {}), None if error.retryable else error


def _ending(seen: Seen, task_id: str) -> QianwenError:
    output = seen.body.get("output")
    words = {**seen.body, **(output if isinstance(output, dict) else {})}
    code, message = codes.words_of(words)
    if seen.meaning == GONE:
        hint = "a task can be asked for 24 hours, on the region that took it and with a key of the same account"
        error: QianwenError = Refused(
            f"task {task_id} is unknown to the service: it expired or never existed", hint=hint, billed="unknown"
        )
        error.code = "UNKNOWN"
    elif code or message:
        error = api.refused(words, 200)
        error.code = error.code or seen.word
    else:
        error = Refused(f"task {task_id} ended as {seen.word}")
        error.code = seen.word
    error.task_id = task_id
    error.request_id = error.request_id or str(seen.body.get("request_id") or "")
    return error
