"""Continue an existing task: wait for it, or poll it once, and save its result; or cancel it."""

from __future__ import annotations

from ..account import purchase
from ..actions.dashscope import connected
from ..actions.generate import wait
from ..actions.saving import Saver
from ..errors import Refused, UsageError
from ..models import wire
from ..models.catalog import find
from ..plain.record import changed
from ..service import tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..actions.run import Run
    from ..actions.way import Connection
    from ..files.outputs import Target
    from ..outcome import Outcome

    JSON = dict[str, Any]

VISIBLE_SECONDS = 60.0  # after its submission; until then a part of the service may not know the task


def collect(run: Run) -> Outcome:
    """`--task-id`: finish a task, even one that another machine submitted."""
    task_id = run.outcome.task_id = _whole_id(run, run.ask.task_id)
    known = _recall(run, task_id)
    with run.entry() as entry:
        if known:
            entry.take_up(known)
            _adopt(entry, known, task_id)
        with connected(run, known) as connection:
            _warn_of_another_base(run, connection, known)
            finish(run, connection, entry, known, place(run, known), patient=not run.ask.poll_once)
    return run.outcome


def cancel(run: Run) -> Outcome:
    """`--cancel`: stop a task before it begins, so it costs nothing. If the service refuses, the task continues."""
    task_id = run.outcome.task_id = _whole_id(run, run.ask.cancel)
    run.outcome.next_flags = ("--cancel", task_id)
    known = _recall(run, task_id)
    with connected(run, known) as connection:
        _warn_of_another_base(run, connection, known)
        try:
            connection.client.cancel(task_id)
        except Refused as error:
            is_over = error.billed == "no" or error.code == "UNKNOWN"
            run.outcome.next_flags = () if is_over else ("--task-id", task_id)
            raise
    if known:
        entry = run.entry()
        entry.run_id = known.id
        _adopt(entry, known, task_id)
        entry.end(purchase.CANCELED)
    run.outcome.canceled = True
    run.progress.say(f"Canceled {task_id}")
    return run.outcome


def finish(
    run: Run, connection: Connection, entry: Entry, known: Purchase | None, target: Target, patient: bool
) -> None:
    """Save the result of the run's task; of a run that has none, what its answer in the account links to.

    patient: wait for the result of the task; otherwise poll once.
    """
    if known and not run.outcome.task_id:
        body = purchase.answer_of(known)
    else:
        body = _final(run, connection, entry, known, patient)
    # Only interleaved tasks answer with texts.
    files = known.files if known and target.resumed else {}
    saver = Saver(run.catalog, connection, entry, target, wire.has_texts(body), files)
    if run.ask.sidecar:
        saver.record_from_account(known)
    saver.save(body)


def _final(run: Run, connection: Connection, entry: Entry, known: Purchase | None, patient: bool) -> JSON:
    """The last answer of the run's task."""
    task_id = run.outcome.task_id
    is_young = _is_young(run, known)
    if patient:
        return wait(connection, entry, _usual(run, known) if known else "", is_young)
    poll = connection.client.poll(task_id)
    run.outcome.body = poll.body
    if poll.odd and poll.odd not in run.outcome.warnings:
        run.warn(poll.odd)
    if known:
        run.progress.state(task_id, poll.status, max(0.0, run.environment.now() - known.at))
    return tasks.finished(poll, task_id, is_young)


def place(run: Run, known: Purchase | None) -> Target:
    """Where to save: as --output says, else where the first run would have saved. Raises UsageError for a bad path."""
    from ..files import outputs

    if known is None or run.ask.output:
        named = run.target(f"task {run.outcome.task_id[:8]}")
        if known is None or not _is_the_place_of(known, named):
            return outputs.prepare(named)
    chosen = outputs.Target(known.folder, known.stem, known.suffix, run.ask.overwrite, known.id, resumed=True)
    outputs.sweep(chosen)
    return outputs.prepare(chosen)


def _is_the_place_of(known: Purchase, named: Target) -> bool:
    """Whether --output repeats that of the first run: the same file, or the same folder if we choose the names."""
    same_name = named.stem == known.stem or not named.suffix
    return (named.folder, named.suffix, same_name) == (known.folder, known.suffix, True)


SHORTEST_ID = 4  # characters that may stand for a whole id
MOST_SHOWN = 5  # ids that begin alike


def _whole_id(run: Run, text: str) -> str:
    """The task id that `last` or the beginning of an id stands for in the account; else the text itself.

    Raises UsageError when several tasks begin so, and for `last` without a task.
    """
    account = run.account
    if text == "last":
        newest = account.last(run.catalog.program)
        if newest is None:
            raise UsageError(f"{run.catalog.program} has submitted no task on this machine")
        return newest.task_id
    if len(text) < SHORTEST_ID or account.find(text):
        return text
    named = (found.task_id for found in account.named(text))
    alike = list(dict.fromkeys(task_id for task_id in named if task_id.startswith(text)))
    if len(alike) > 1:
        shown = ", ".join(alike[:MOST_SHOWN])
        raise UsageError(f"several tasks begin with {text}", hint=f"give more characters: {shown}")
    return alike[0] if alike else text


def _recall(run: Run, task_id: str) -> Purchase | None:
    """The account's record of a task, None without one. Raises UsageError for a task of the other program."""
    from .. import regions

    known = run.account.find(task_id)
    if known is None:
        return None
    if known.program != run.catalog.program:
        raise UsageError(f"task {task_id} was submitted by {known.program}", hint=f"use {known.program} for it")
    run.outcome.model = known.model
    if regions.named(known.region) is None:
        run.warn(f"ignored the unknown region {known.region!r} that the ledger has for the task")
        return changed(known, region="")
    run.progress.say(f"Task of {known.model} ({known.mode}) in {known.region}")
    return known


def _adopt(entry: Entry, known: Purchase, task_id: str) -> None:
    """Record the chosen task as the one that the unanswered submission created."""
    if not known.task_id:
        entry.task(task_id)


def _warn_of_another_base(run: Run, connection: Connection, known: Purchase | None) -> None:
    if known and known.base != connection.base:
        run.warn(f"the task was submitted to {known.base}; polling it at {connection.base}")


def _is_young(run: Run, known: Purchase | None) -> bool:
    """Whether the task is too new to be visible everywhere in the service."""
    return known is not None and 0 <= run.environment.now() - known.at < VISIBLE_SECONDS


def _usual(run: Run, known: Purchase) -> str:
    """How long such a task usually takes, in words; "" when we do not know."""
    match = find(run.catalog, known.model) if known.model else None
    modes = match.model.modes if match else ()
    return next((row.usual for row in modes if row.name == known.mode), "")
