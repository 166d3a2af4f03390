"""A task whose submission was not answered: the service's list may have it. It is offered, never taken silently."""

from __future__ import annotations

import time

from ..errors import QianwenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection

    from ..account.store import Notes, Run
    from ..outcome import Outcome
    from ..service.tasks import Listed
    from .session import Session

SKEW_SECONDS = 60.0  # how far the clocks of this machine and the service may be apart
LONGEST_SUBMISSION_SECONDS = 900.0  # with all its retries
PAUSES = (0.0, 2.0, 4.0)  # a task may not be listed at once


def look_for(service: Session, explained: Collection[str], run: Run, now: float) -> list[Listed]:
    """The tasks of the run's model from the time of its submission that no run of this machine has explained.

    explained: ids of tasks that are known.  Raises what asking the service raises.
    """
    ended = run.ended or now
    until = min(ended, run.at + LONGEST_SUBMISSION_SECONDS) + SKEW_SECONDS
    listed = service.listed(run.model, run.at - SKEW_SECONDS, until)
    return [task for task in listed if task.task_id not in explained]


def look_soon_for(service: Session, explained: Collection[str], run: Run, now: float) -> list[Listed] | None:
    """The same right after the submission, more than once. None when it cannot be asked: there is worse to tell."""
    found: list[Listed] | None = None
    try:
        for pause in PAUSES:
            if pause and not service.pause(pause):
                break
            found = look_for(service, explained, run, now + sum(PAUSES))
            if found:
                break
    except QianwenError:
        return None
    return found


def offer(found: list[Listed] | None, run: Run, outcome: Outcome, notes: Notes, error: QianwenError) -> None:
    """Tell what was found in the answer, in the ledger and in the error's hint. None: the list could not be read."""
    outcome.way_on = ("--resume",)
    outcome.candidates = [
        {"task_id": task.task_id, "status": task.word, "created": _told(task.created)} for task in found or ()
    ]
    if found:
        notes.offer([task.task_id for task in found])
    if found and len(found) == 1:
        outcome.way_on = ("--task-id", found[0].task_id)
    error.hint = _hint(found, run)


def _hint(found: list[Listed] | None, run: Run) -> str:
    beware = "look again in a minute with --resume, and at the usage in the console, before you pay more with --again"
    if found is None:
        return f"the service's list of tasks could not be read: {beware}"
    if not found:
        return f"the service lists no such task yet, which does not prove that there is none: {beware}"
    told = ", ".join(task.task_id for task in found)
    if len(found) > 1:
        return (
            f"the service lists {len(found)} tasks of {run.model} from that time which this machine cannot explain: "
            f"{told}; collect the right one with --task-id"
        )
    likely = "it is very likely this one" if found[0].created else "it may be this one, but has no date"
    return (
        f"the service lists one task of {run.model} from that time which this machine cannot explain, {told}: "
        f"{likely}, and --task-id collects it without paying again"
    )


def _told(moment: float) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else None
