"""Search the service's task list for a submission that was not answered. What we find is offered, never just taken."""

from __future__ import annotations

from ..errors import QianwenError
from ..plain.texts import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..service.tasks import Listed
    from .way import Connection

SKEW_SECONDS = 60.0  # between the clocks of this machine and of the service
LONGEST_SUBMISSION_SECONDS = 3600.0  # a throttled one waits as long as --timeout, which nobody knows after a kill
PAUSES = (0.0, 2.0, 4.0)  # the list may show a task late


def search_now(connection: Connection, entry: Entry, purchase: Purchase, error: QianwenError) -> None:
    """Search right after the submission, up to three times. The result goes into the answer and the error's hint."""
    tasks: list[Listed] | None = None
    try:
        for pause in PAUSES:
            if pause and not connection.session.pause(pause):
                break
            tasks = _unexplained(connection, entry, purchase, connection.session.now() + sum(PAUSES))
            if tasks:
                break
    except QianwenError:
        tasks = None  # the list could not be read; the error at hand matters more
    _offer(tasks, purchase, entry, error)


def search(connection: Connection, entry: Entry, purchase: Purchase, error: QianwenError) -> None:
    """Search once, some time later. Raises what reading the list raises."""
    _offer(_unexplained(connection, entry, purchase, connection.session.now()), purchase, entry, error)


def _unexplained(connection: Connection, entry: Entry, purchase: Purchase, now: float) -> list[Listed]:
    """The tasks of the same model from around the submission that no run on this machine accounts for."""
    until = min(purchase.ended or now, purchase.at + LONGEST_SUBMISSION_SECONDS) + SKEW_SECONDS
    listed = connection.client.list_tasks(purchase.model, purchase.at - SKEW_SECONDS, until)
    return [task for task in listed if not entry.knows(task.task_id)]


def _offer(tasks: list[Listed] | None, purchase: Purchase, entry: Entry, error: QianwenError) -> None:
    """tasks: None when the list could not be read."""
    entry.offer(
        [
            {"task_id": task.task_id, "status": task.status, "created": moment(task.created) if task.created else None}
            for task in tasks or ()
        ]
    )
    error.hint = _hint(tasks, purchase)


def _hint(tasks: list[Listed] | None, purchase: Purchase) -> str:
    advice = "Run --resume in a minute and check the usage in the console before you pay again with --again"
    if tasks is None:
        return f"the service's list of tasks could not be read. {advice}"
    if not tasks:
        return f"the service lists no such task yet, but it may still appear. {advice}"
    ids = ", ".join(task.task_id for task in tasks)
    if len(tasks) > 1:
        return (
            f"the service lists {len(tasks)} tasks of {purchase.model} from that time that no run on this machine "
            f"accounts for: {ids}; collect the right one with --task-id"
        )
    likely = "it is very likely this one" if tasks[0].created else "it may be this one, but has no date"
    return (
        f"the service lists one task of {purchase.model} from that time that no run on this machine accounts for, "
        f"{ids}: {likely}, and --task-id collects it without paying again"
    )
