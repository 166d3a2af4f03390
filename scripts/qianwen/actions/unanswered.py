"""A task whose submission was not answered: the service's list may have it. It is offered, never taken silently."""

from __future__ import annotations

import time

from ..errors import QianwenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..account.entry import Entry
    from ..account.store import Purchase
    from ..service.tasks import Listed
    from .run import Run
    from .way import Connection

SKEW_SECONDS = 60.0  # how far the clocks of this machine and the service may be apart
LONGEST_SUBMISSION_SECONDS = 900.0  # with all its retries
PAUSES = (0.0, 2.0, 4.0)  # a task may not be listed at once


def look_soon(run: Run, connection: Connection, entry: Entry, purchase: Purchase, error: QianwenError) -> None:
    """Look right after the submission, more than once; what is found goes into the answer and the error's hint."""
    found: list[Listed] | None = None
    try:
        for pause in PAUSES:
            if pause and not connection.session.pause(pause):
                break
            found = _listed(connection, run.account.knows, purchase, run.environment.now() + sum(PAUSES))
            if found:
                break
    except QianwenError:
        found = None  # the list could not be read; the error at hand is worse
    _offer(found, purchase, entry, error)


def look(
    connection: Connection,
    knows: Callable[[str], bool],
    entry: Entry,
    purchase: Purchase,
    now: float,
    error: QianwenError,
) -> None:
    """Look once, some time later. knows: whether this machine explains a task. Raises what the look raises."""
    _offer(_listed(connection, knows, purchase, now), purchase, entry, error)


def _listed(connection: Connection, knows: Callable[[str], bool], purchase: Purchase, now: float) -> list[Listed]:
    """The tasks of the same model from the time of the submission that no run of this machine explains."""
    until = min(purchase.ended or now, purchase.at + LONGEST_SUBMISSION_SECONDS) + SKEW_SECONDS
    listed = connection.client.listed(purchase.model, purchase.at - SKEW_SECONDS, until)
    return [task for task in listed if not knows(task.task_id)]


def _offer(found: list[Listed] | None, purchase: Purchase, entry: Entry, error: QianwenError) -> None:
    """found: None when the list could not be read."""
    entry.offer(
        [{"task_id": task.task_id, "status": task.word, "created": _date(task.created)} for task in found or ()]
    )
    error.hint = _hint(found, purchase)


def _hint(found: list[Listed] | None, purchase: Purchase) -> str:
    advice = "Run --resume in a minute and check the usage in the console before you pay again with --again"
    if found is None:
        return f"the service's list of tasks could not be read. {advice}"
    if not found:
        return f"the service lists no such task yet, but it may still appear. {advice}"
    ids = ", ".join(task.task_id for task in found)
    if len(found) > 1:
        return (
            f"the service lists {len(found)} tasks of {purchase.model} from that time which this machine cannot "
            f"explain: {ids}; collect the right one with --task-id"
        )
    likely = "it is very likely this one" if found[0].created else "it may be this one, but has no date"
    return (
        f"the service lists one task of {purchase.model} from that time which this machine cannot explain, {ids}: "
        f"{likely}, and --task-id collects it without paying again"
    )


def _date(moment: float) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else None
