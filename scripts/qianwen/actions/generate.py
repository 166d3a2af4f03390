"""One request, from the command line to files on disk. Read this page first: it lists the stages of a run in order.

    check ─ connect ─ place ─ account ─ encode (uploads) ─ submit ─ wait ─ save

Two rules protect money. The account records a request before it is sent, and its task, links and files before the run
continues. A request that may have been accepted is never sent again.
"""

from __future__ import annotations

from contextlib import suppress

from ..errors import Capped, QianwenError, Refused, Unavailable, UnknownOutcome, UsageError
from ..models import wire
from ..plain.record import changed
from ..plain.texts import counted

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported at run time only where needed: a refused request should start fast
    from typing import Any

    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..checks.validate import Checked
    from ..files.outputs import Target
    from ..outcome import Outcome
    from ..service.tasks import Poll
    from .run import Run
    from .way import Connection, Way

    JSON = dict[str, Any]


MOST_RECORDED = 16  # pictures of a stream, each at once: more than a model makes; a record repeats the whole answer


def generate(run: Run, way: Way) -> Outcome:
    """Make what the user asked for. Raises a QianwenError if that fails; `run.outcome` holds what was reached."""
    checked = way.check()
    run.announce(checked)
    _check_cap(run, checked)
    if run.ask.dry_run:
        run.outcome.preview = way.preview(checked)
        return run.outcome
    from . import reuse
    from .encoding import fingerprint
    from .saving import Saver

    with way.connect(checked) as connection, run.entry() as entry:
        wish = run.seat.key if run.seat else fingerprint(checked, connection.base)
        checked = _with_a_seed(checked) if run.chooses_a_seed else checked
        purchase, target = _plan(run, way, checked, connection.base, wish)
        saver = Saver(run.catalog, connection, entry, target, checked.mode.interleaved)
        if run.ask.sidecar:
            saver.record(checked.mode.name, checked.written)
        if not run.ask.again:
            if reuse.answered(entry, wish, checked, run.catalog.keeps_replies, run.ask.sidecar):
                return run.outcome
            entry.refuse_twin(purchase)  # before anything is uploaded
        run.outcome.seed = checked.values.get("seed")
        call = connection.encode(checked)
        connection.session.prepare(connection.base)
        elsewhere = target if run.ask.output else None
        if run.ask.reuse and reuse.answered(
            entry, wish, checked, run.catalog.keeps_replies, run.ask.sidecar, True, elsewhere
        ):
            return run.outcome  # another process has made it since we looked
        entry.submit(changed(purchase, at=run.environment.now()), run.ask.again)
        _prove_descriptors()
        if call.is_stream:
            body, failure = _receive(connection, entry, call)
            saver.save(body)
            if failure:
                raise failure
            return run.outcome
        body = _submit(connection, entry, call, checked.mode.usual, target)
        if run.ask.submit_only and entry.outcome.task_id:
            entry.leave_open()
            return run.outcome
        if entry.outcome.task_id:
            body = wait(connection, entry, checked.mode.usual)
        saver.save(body, checked.promised)
    return run.outcome


# Before anything is sent ----------------------------------------------------------------------------------


def _check_cap(run: Run, checked: Checked) -> None:
    """Raises Capped for a request that could bill more than the user allows."""
    most, unit = run.ask.most, run.catalog.unit
    if most and (checked.units is None or checked.units > most):
        could = f"may bill up to {counted(checked.units, unit)}" if checked.units else "has an unknown bill"
        raise Capped(
            f"this request {could}, and {run.catalog.cap} allows {most}; nothing was sent",
            hint=f"ask for less, or give {run.catalog.cap} a higher number",
        )


def _plan(run: Run, way: Way, checked: Checked, base: str, wish: str) -> tuple[Purchase, Target]:
    """The request as the account records it, and where its results go.

    wish: the fingerprint of the request.

    The place is proven writable before anything is paid for, even if a later run will save there.
    """
    import os

    from ..account.purchase import Purchase
    from ..files import outputs
    from .encoding import kept

    ask = run.ask
    target = changed(run.target(checked.subject), run=os.urandom(8).hex())
    if not run.seat and (ask.output or not ask.submit_only):  # a batch has tried out its folder
        outputs.prepare(target)
    if ask.submit_only and ask.sandbox:
        run.warn(
            "the stand-in ends with this run, so its task cannot be collected; sandbox.py starts one that keeps running"
        )
    purchase = Purchase(
        id=target.run,
        program=run.catalog.program,
        model=checked.id,
        mode=checked.mode.name,
        region=way.region,
        base=base,
        request=wish,
        is_task=wire.SHAPES[checked.shape].is_task,
        folder=target.folder,
        stem=target.stem,
        suffix=target.suffix,
        at=run.environment.now(),
        patience=checked.mode.patience,
        asked=kept(checked) if run.environment.env.get("QIANWEN_KEEP_REQUESTS") != "0" else {},
        units=float(checked.units or 0),
    )
    return purchase, target


def _with_a_seed(checked: Checked) -> Checked:
    """With a seed of ours where the model takes one and the user gave none: a record without it records nothing."""
    import os

    if checked.mode.param("seed") is None or checked.values.get("seed") is not None:
        return checked
    seed = int.from_bytes(os.urandom(4), "big") >> 1  # SEED in models.shared_rows
    return changed(checked, values={**checked.values, "seed": seed}, written={**checked.written, "seed": seed})


def _prove_descriptors() -> None:
    from ..plain import parallel

    try:
        parallel.prove_descriptors()
    except OSError as error:
        raise Unavailable(
            f"this machine has too few descriptors to save what it would pay for ({error.strerror}); nothing was sent",
            hint="raise the limit: ulimit -n 64",
        ) from error


# With the service -----------------------------------------------------------------------------------------


def _submit(connection: Connection, entry: Entry, call: wire.Call, usual: str, target: Target) -> JSON:
    """Post the request that costs money. Record and print the id of a task before anything else."""
    entry.progress.working(
        "Submitting the task" if call.is_task else "Waiting for the answer", "" if call.is_task else usual
    )
    try:
        body, task_id = _post(connection, entry, call)
    except UnknownOutcome as error:
        entry.progress.unanswered(error.message)
        if call.is_task and entry.is_kept and entry.submission:
            from . import unanswered

            unanswered.search_now(connection, entry, entry.submission, error)
        raise
    except Refused:
        entry.progress.answered("")
        raise
    if task_id:
        entry.task(task_id)
    elif call.is_task:  # a gateway that knows no tasks has answered at once
        from ..files import outputs

        with suppress(UsageError):  # saving says why it cannot be made
            outputs.prepare(target)  # which --submit-only needed for nothing else
    entry.progress.answered(task_id)
    return body


def _post(connection: Connection, entry: Entry, call: wire.Call) -> tuple[JSON, str]:
    """The answer to a paid request, and the id of its task, "" if it holds the result itself."""
    body = connection.client.post(call.path, call.body, call.is_task)
    entry.answered(body)
    task_id = wire.task_id(body) if call.is_task else ""
    if call.is_task and not (task_id or wire.has_result(body)):
        raise UnknownOutcome("the service accepted the request but sent no task id")
    return body, task_id


def _receive(connection: Connection, entry: Entry, call: wire.Call) -> tuple[JSON, QianwenError | None]:
    """A streamed interleaved answer, and what broke it off if it is not whole.

    Raises what broke it off if no picture came before.
    """
    answer = wire.StreamedAnswer()
    pictures = 0
    failure: QianwenError | None = None
    try:
        for frame in connection.client.stream(call.path, call.body):
            entry.accept()
            new = answer.add(frame)
            pictures += len(new)
            for url in new:
                entry.progress.say(f"Received a picture: {url.partition('?')[0]}")
            if new and pictures <= MOST_RECORDED:
                entry.result(answer.body(), interleaved=True)
    except QianwenError as error:
        failure = error
    finally:  # whatever ends the stream, also Ctrl-C
        if entry.is_accepted:
            entry.outcome.receive(answer.body(), interleaved=True)
    if answer.is_finished:
        failure = None  # the answer is complete, so a break after it does no harm
    elif failure is None:
        failure = UnknownOutcome("the stream ended before the service said that it was complete")
    if isinstance(failure, UnknownOutcome):
        entry.progress.unanswered(failure.message)
    else:
        entry.progress.answered("")
    if failure and not pictures:
        raise failure
    return answer.body(), failure


def wait(connection: Connection, entry: Entry, usual: str = "", is_new: bool = True) -> JSON:
    """The final answer of the run's task. Keeps every answer on the way, so that a failure can show the last one.

    usual: how long such a task takes, in words.
    is_new: the task was submitted a moment ago.
    Raises what `service.tasks.wait` raises.
    """
    outcome = entry.outcome
    warned: set[str] = set()

    def report(poll: Poll, seconds: float) -> None:
        outcome.body = poll.body or outcome.body
        if poll.odd and poll.odd not in warned:
            warned.add(poll.odd)
            entry.warn(poll.odd)
        entry.progress.state(outcome.task_id, poll.status, seconds, usual)

    return connection.client.wait(outcome.task_id, report, is_new)


def import_what_follows(noun: str) -> None:
    """Import all that a run uses after its first byte: an update may replace the skill's folder while it waits.

    noun: what it makes.
    """
    from ..account import record, repair  # noqa: F401
    from ..files import outputs, tiff  # noqa: F401
    from ..service import codes  # noqa: F401
    from ..storage import results  # noqa: F401
    from . import saving, unanswered  # noqa: F401

    if noun == "video":
        from ..files import movies, sounds  # noqa: F401
