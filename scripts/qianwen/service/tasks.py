"""Polling a task: the table of its states, and a loop that polls often at first and then less often.

States, lifetimes and limits are those of the page "Asynchronous task management API" (Model Studio, 2026-10).
"""

from __future__ import annotations

from ..errors import AuthError, QianwenError, Refused, StillRunning, Unavailable
from ..plain.record import record
from . import answers, codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping

    from ..http.session import Session

    JSON = dict[str, Any]


WAITING, DONE, EMPTY, FAILED, GONE = "waiting", "done", "empty", "failed", "gone"
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
# Why a task could not be canceled, by its state: what to do, and whether it is billed.
NOT_CANCELED: Mapping[str, tuple[str, str]] = {
    WAITING: (
        "only a task that has not begun can be canceled; this one goes on and is billed if it succeeds",
        "unknown",
    ),
    DONE: ("it is finished and billed; --task-id saves its result", "yes"),
    EMPTY: ("it is finished and billed; --task-id saves its result", "yes"),
    FAILED: ("it has failed, and failed work is not billed", "no"),
    GONE: (
        "it has expired, or belongs to another region, workspace or account",
        "unknown",
    ),
}
MOST_PAGES = 20
LONGEST_NUMBER = 9  # digits
LATEST = 1e14  # milliseconds since the epoch: the year 5138
YOUNG_SECONDS = 15.0  # a task that was just submitted may not be visible everywhere yet
YOUNG_UNKNOWNS = 3
SHORT_GAP = 2.0
EARLY_SECONDS = 30.0
EARLY_SHARE = 0.201  # of the elapsed time: ten polls in half a minute, as many as polling every 3 seconds
SHARE = 0.1
STEADY_GAP = 4.0
LATE_SHARE = 0.01
LEAST_GAP = 1.0  # the service allows an account 20 polls a second, all its programs together
LAST_POLL_SECONDS = 2.0  # reserved before the deadline for one more poll
EMPTY_SECONDS = (
    60.0  # that a task is EMPTY before the deadline ends it: a short --timeout must not give up what is paid
)
MOST_REFUSED_POLLS = 5  # in a row; then we stop polling, although the task itself has not failed


@record
class Poll:
    """The answer to one poll of a task.

    status: the service's word for the state.
    meaning: WAITING, DONE, EMPTY, FAILED or GONE.
    body: the whole answer.
    odd: what no documentation foresees about it, in words; "" for nothing.
    """

    status: str
    meaning: str
    body: JSON
    odd: str = ""


@record
class Listed:
    """A task in the service's list.

    status: the service's word for its state.
    created: epoch seconds, 0 when the list does not say.
    """

    task_id: str
    status: str
    created: float
    model: str = ""


def list_all(fetch: Callable[[int], JSON]) -> Iterator[Listed]:
    """Every task of the service's list, once each.

    fetch: answers a page of the list by its number, from 1.
    Raises Unavailable when an answer is not a list.
    """
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        answer = fetch(page)
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise Unavailable("the service answered something that is not a list of tasks")
        for entry in entries:
            task = _listed(entry)
            if task and task.task_id not in seen:
                seen.add(task.task_id)
                yield task
        pages = str(answer.get("total_page"))
        if not entries or (pages.isdecimal() and len(pages) <= LONGEST_NUMBER and page >= int(pages)):
            return


def _listed(entry: object) -> Listed | None:
    task_id = entry.get("task_id") if isinstance(entry, dict) else None
    if not (isinstance(entry, dict) and isinstance(task_id, str) and task_id):
        return None
    created: Any = entry.get("gmt_create")
    seconds = created / 1000 if type(created) in (int, float) and 0 < created < LATEST else 0.0
    return Listed(task_id, str(entry.get("status") or ""), seconds, str(entry.get("model_name") or ""))


def read(body: JSON, has_result: Callable[[JSON], bool]) -> Poll:
    """The poll that an answer amounts to.

    has_result: whether an answer has a result, or says why there is none. An undocumented status beside a result is the
    end of the task, else it counts as waiting. SUCCEEDED without a result is EMPTY: its links may come later.

    A code without an output means that the task failed (the pages of Wan 2.6 and 2.7 show such an answer), unless the
    code is about the poll itself: too many polls, the key, the account. Raises an error for those.
    """
    output = body.get("output")
    if not output and answers.complains(body):
        means = codes.meaning(*codes.words_of(body), 200)
        if means.kind == "auth" or means is codes.THROTTLED:
            error = answers.refused(body, 200)
            kind = answers.KINDS[means.kind]
            raise kind(error.message, hint=means.hint, code=error.code, http_status=200, request_id=error.request_id)
        return Poll("FAILED", FAILED, body)
    status = " ".join(str(output.get("task_status") or "").split()) if isinstance(output, dict) else ""
    meaning = STATES.get(status.upper(), "")
    if meaning == DONE and not has_result(body):
        return Poll(status, EMPTY, body, f"the task is {status} but has no result yet; checking again")
    if meaning:
        return Poll(status, meaning, body)
    if has_result(body):
        return Poll(status, DONE, body, f"the task has the undocumented status {status!r} and a result")
    return Poll(status, WAITING, body, f"the task has the undocumented status {status!r}; still waiting")


def gaps(interval: float) -> Iterator[float]:
    """Seconds between polls: 2 at first, then a share of the elapsed time, at most `interval`.

    The image API pages advise a poll every 3 seconds for half a minute and longer gaps after that (2026-10). These gaps
    make as many polls in the first half minute and fewer later, unless `interval` asks for more. On average we notice
    the end of a task of 10 to 30 seconds within a tenth of its length, and of a longer task always: after 30 seconds
    the gaps start again at a tenth.
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
    session: Session,
    fetch: Callable[[], Poll],
    task_id: str,
    interval: float,
    report: Callable[[Poll, float], None] = lambda *_: None,
    is_new: bool = True,
) -> JSON:
    """The final answer of a task. One that is EMPTY for EMPTY_SECONDS and until the deadline is final too.

    fetch: polls once.
    interval: longest gap, in seconds.
    report: called with every poll and the elapsed seconds.
    is_new: the task was just submitted: wait a gap before the first poll, and tolerate UNKNOWN for a while.
    Raises StillRunning at the deadline, Refused when the task failed, was canceled or is unknown to the service,
    AuthError when the key may not poll, and Unavailable when poll after poll is refused.
    """
    started = session.clock()
    unknowns = refusals = 0
    empty_since: float | None = None
    poll = Poll("PENDING", WAITING, {})
    for number, gap in enumerate(gaps(interval)):
        if number or is_new:
            left = session.left() - LAST_POLL_SECONDS
            if number and left <= 0:
                break
            session.sleep(max(min(gap, left), 0.0))
        elapsed = session.clock() - started
        poll, refusal = _poll(fetch)
        refusals = refusals + 1 if refusal else 0
        if refusal and refusals == MOST_REFUSED_POLLS and session.left() > 0:
            raise refused_poll(refusal, task_id) from refusal
        report(poll, elapsed)
        if poll.meaning == EMPTY and empty_since is None:
            empty_since = elapsed
        if poll.meaning == GONE and is_new and elapsed < YOUNG_SECONDS and unknowns < YOUNG_UNKNOWNS:
            unknowns += 1
        elif poll.meaning not in (WAITING, EMPTY):
            return finished(poll, task_id)
    if poll.meaning == EMPTY and empty_since is not None and elapsed - empty_since >= EMPTY_SECONDS:
        return poll.body
    raise _still_running(task_id, poll.status)


def finished(poll: Poll, task_id: str, is_young: bool = False) -> JSON:
    """The answer of a task that succeeded. Raises the error for every other state.

    is_young: UNKNOWN does not yet mean that the task is gone.
    """
    if poll.meaning == DONE:
        return poll.body
    waiting = poll.meaning in (WAITING, EMPTY) or (is_young and poll.meaning == GONE)
    raise _still_running(task_id, poll.status) if waiting else _ending(poll, task_id)


def _still_running(task_id: str, status: str) -> StillRunning:
    return StillRunning(f"task {task_id} is not finished (last seen: {status or 'no answer'})", task_id=task_id)


def refused_poll(error: QianwenError, task_id: str) -> Unavailable:
    """The error for a refused poll, which says nothing about the task: it was paid for and continues."""
    return Unavailable(
        f"task {task_id} could not be polled: {error.message}",
        hint="the task itself continues; try again later",
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
        task_id=task_id,
    )


def _poll(fetch: Callable[[], Poll]) -> tuple[Poll, QianwenError | None]:
    """One poll, and its error if waiting may not help. A poll that got no answer says nothing about the task."""
    try:
        return fetch(), None
    except AuthError:
        raise
    except QianwenError as error:
        return Poll(f"no answer: {error.message}", WAITING, {}), None if error.retryable else error


def _ending(poll: Poll, task_id: str) -> QianwenError:
    output = poll.body.get("output")
    words = {**poll.body, **(output if isinstance(output, dict) else {})}
    code, message = codes.words_of(words)
    if poll.meaning == GONE:
        hint = "a task is kept for 24 hours; --task-id asks again, in its region and with a key of its account"
        error: QianwenError = Refused(
            f"task {task_id} is unknown to the service: it expired or never existed", hint=hint, billed="unknown"
        )
        error.code = "UNKNOWN"
    elif code or message:
        error = answers.refused(words, 200)
        error.code = error.code or poll.status
    else:
        error = Refused(f"task {task_id} ended as {poll.status}")
        error.code = poll.status
    error.task_id = task_id
    error.request_id = error.request_id or str(poll.body.get("request_id") or "")
    return error
