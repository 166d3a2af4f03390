"""One request, from what was asked for to files on the disk. Read this page first: a run's stages stand here in order.

    check ─ connect ─ place ─ account ─ encode (uploads) ─ submit ─ wait ─ save

About money: the account knows of a request before it is sent, and of its task, its links and each of its files before
the run goes on. A request that may have been accepted is never sent again.
"""

from __future__ import annotations

from ..errors import QianwenError, UnknownOutcome
from ..models import wire
from ..plain.record import changed

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from typing import Any

    from ..account.entry import Entry
    from ..account.store import Purchase
    from ..checks.validate import Checked
    from ..files.outputs import Target
    from ..outcome import Outcome
    from .run import Run
    from .way import Connection, Way

    JSON = dict[str, Any]


def generate(run: Run, way: Way) -> Outcome:
    """Make what was asked for. Raises a QianwenError for every other ending; `run.outcome` has what was reached."""
    checked = way.check()
    _announce(run, checked)
    if run.ask.dry_run:
        run.outcome.preview = way.preview(checked)
        return run.outcome
    with way.connect(checked) as connection:
        target = _place(run, checked)
        purchase = _purchase(run, way, checked, connection.base, target)
        with run.entry() as entry:
            if not run.ask.again:
                entry.refuse_twin(purchase, way.lost_words)  # before anything is uploaded
            call = connection.encode(checked)
            entry.submit(changed(purchase, at=run.environment.now()), run.ask.again, way.lost_words)
            target = changed(target, run=purchase.id)
            if call.is_stream:
                _receive(run, connection, entry, call, target)
                return run.outcome
            body = _submit(run, connection, entry, call, purchase)
            if run.ask.submit_only:
                entry.leave_open()
                return run.outcome
            if call.is_task:
                body = wait(run, connection, checked.mode.usual)
            save(run, connection, entry, target, body, checked.mode.interleaved)
            _count(run, checked)
    return run.outcome


# Before anything is sent ----------------------------------------------------------------------------------


def _announce(run: Run, checked: Checked) -> None:
    run.outcome.model = checked.id
    run.outcome.seed = checked.values.get("seed")
    why = f", {checked.found.why}" if checked.found.why else ""
    run.progress.say(f"Model: {checked.id} ({checked.mode.name}{why})")
    for warning in checked.warnings:
        run.warn(warning)


def _place(run: Run, checked: Checked) -> Target:
    """Where the results go, proven usable before anything is paid for, also when another run will save there."""
    from ..files import outputs

    target = run.target(str(checked.values.get("prompt") or checked.mode.name))
    if run.ask.output or not run.ask.submit_only:
        outputs.prepare(target)
    if run.ask.submit_only and run.ask.sandbox:
        run.warn("the stand-in ends with this run, so nobody can collect its task; see sandbox.py")
    return target


def _purchase(run: Run, way: Way, checked: Checked, base: str, target: Target) -> Purchase:
    """What the account will remember of the request."""
    import os

    from ..account.store import Purchase
    from .encoding import fingerprint

    return Purchase(
        id=os.urandom(8).hex(),
        program=run.catalog.program,
        model=checked.id,
        mode=checked.mode.name,
        region=way.region,
        base=base,
        request=fingerprint(checked, base),
        is_task=wire.SHAPES[checked.shape].is_task,
        folder=target.folder,
        stem=target.stem,
        suffix=target.suffix,
        at=run.environment.now(),
        patience=checked.mode.patience,
    )


# With the service -----------------------------------------------------------------------------------------


def _submit(run: Run, connection: Connection, entry: Entry, call: wire.Call, purchase: Purchase) -> JSON:
    """Post the request that costs money; note the id of a task, and say it, before anything else."""
    run.progress.say("Submitting the task" if call.is_task else "Waiting for the answer")
    try:
        body = connection.client.post(call.path, call.body, call.is_task)
        entry.answered(body)
        if not call.is_task:
            return body
        task_id = wire.task_id(body)
        if not task_id:
            raise UnknownOutcome("the service accepted the request but named no task")
    except UnknownOutcome as error:
        if call.is_task and entry.is_kept:
            from . import unanswered

            unanswered.look_soon(run, connection, entry, purchase, error)
        raise
    entry.task(task_id)
    run.progress.always(f"Task submitted: {task_id}")
    return body


def _receive(run: Run, connection: Connection, entry: Entry, call: wire.Call, target: Target) -> None:
    """Take an interleaved answer while it is made. Saves what came before a break, then raises the break."""
    answer = wire.StreamedAnswer()
    pictures = 0
    broke: QianwenError | None = None
    try:
        for frame in connection.client.stream(call.path, call.body):
            entry.accept()
            new = answer.add(frame)
            pictures += len(new)
            for url in new:
                run.progress.say(f"Received a picture: {url.partition('?')[0]}")
            if new and _is_worth_a_note(pictures):
                entry.result(answer.body(), interleaved=True)
    except QianwenError as error:
        broke = error
    finally:  # whatever ends the stream, also Ctrl-C
        if entry.is_accepted:
            run.outcome.note(answer.body(), interleaved=True)
    if answer.is_finished:
        broke = None  # the answer is complete, so a break after it does no harm
    elif broke is None:
        broke = UnknownOutcome("the stream ended before the service said that it was complete")
    if broke is None or pictures:
        save(run, connection, entry, target, answer.body(), interleaved=True)
    if broke is not None:
        raise broke


def _is_worth_a_note(pictures: int) -> bool:
    """Whether the account hears of this picture of a stream at once; the end of the stream notes them all.

    The first sixteen are: no model makes more. After that each doubling, because a note repeats the whole answer.
    """
    return pictures <= 16 or pictures & (pictures - 1) == 0


def wait(run: Run, connection: Connection, usual: str = "", is_new: bool = True) -> JSON:
    """The final answer of the run's task. Every answer on the way is kept, so that a bad end can show the last one.

    usual: how long such a task takes, in words.  is_new: it was submitted a moment ago.
    Raises what `service.tasks.wait` raises.
    """
    odd: set[str] = set()

    def tell(seen: Any, seconds: float) -> None:
        run.outcome.body = seen.body or run.outcome.body
        if seen.is_odd and seen.word not in odd:
            odd.add(seen.word)
            run.warn(f"the service calls the state of the task {seen.word!r}, which is not documented; waiting on")
        run.progress.state(run.outcome.task_id, seen.word, seconds, usual)

    return connection.client.wait(run.outcome.task_id, run.ask.poll_interval, tell, is_new)


def save(run: Run, connection: Connection, entry: Entry, target: Target, body: JSON, interleaved: bool) -> None:
    """Every result of a final answer onto the disk; see `saving.save`."""
    from . import saving

    saving.save(run, connection, entry, target, body, interleaved)


def _count(run: Run, checked: Checked) -> None:
    """Say when fewer pictures came than were asked for and nobody said why."""
    result = run.outcome.result
    if result and len(result.urls) < checked.promised and not result.failures:
        run.warn(f"{len(result.urls)} of {checked.promised} pictures came")
