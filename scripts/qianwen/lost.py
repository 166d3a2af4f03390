"""A task whose submission was not answered: the service's list may have it. It is offered, never taken silently."""

from __future__ import annotations

import time

from .errors import QianwenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ledger import Ledger, Notes, Run
    from .outcome import Outcome
    from .service.tasks import Listed
    from .session import Session

SKEW_SECONDS = 60.0  # how far the clocks of this machine and the service may be apart
LONGEST_SUBMISSION_SECONDS = 900.0  # with all its retries
PAUSES = (0.0, 2.0, 4.0)  # a task may not be listed at once


def look_for(service: Session, ledger: Ledger, run: Run, now: float) -> list[Listed]:
    """The tasks of the run's model from the time of its submission that no run of this machine has explained.

    Raises what asking the service raises.
    """
    explained = {known.task_id for known in ledger.runs()}
    until = min(now, run.at + LONGEST_SUBMISSION_SECONDS) + SKEW_SECONDS
    listed = service.listed(run.model, run.at - SKEW_SECONDS, until)
    return [task for task in listed if task.task_id not in explained]


def look_soon_for(service: Session, ledger: Ledger, run: Run, now: float) -> list[Listed]:
    """The same right after the submission, more than once, and without raising: there is worse to tell already."""
    try:
        for pause in PAUSES:
            found = look_for(service, ledger, run, now + pause) if not pause or service.pause(pause) else []
            if found:
                return found
    except QianwenError:
        pass
    return []


def offer(found: list[Listed], run: Run, outcome: Outcome, notes: Notes, error: QianwenError) -> None:
    """Tell what was found in the answer, in the ledger and in the error's hint."""
    outcome.way_on = ("--resume",)
    outcome.candidates = [
        {"task_id": task.task_id, "status": task.word, "created": _told(task.created)} for task in found
    ]
    if found:
        notes.offer([task.task_id for task in found])
    if len(found) == 1:
        outcome.way_on = ("--task-id", found[0].task_id)
        error.hint = (
            f"the service lists one task of {run.model} from that moment which this machine cannot explain, "
            f"{found[0].task_id}: it is very likely this one, and --task-id collects it without paying again"
        )
    elif found:
        error.hint = (
            f"the service lists {len(found)} tasks of {run.model} from that moment which this machine cannot explain: "
            f"{', '.join(task.task_id for task in found)}; collect the right one with --task-id"
        )
    else:
        error.hint = (
            "the service lists no such task yet, which does not prove that there is none: look again in a minute with "
            "--resume, and at the usage in the console, before you pay once more with --again"
        )


def _told(moment: float) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else None
