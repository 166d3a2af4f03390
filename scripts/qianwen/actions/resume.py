"""`--resume`: whatever the account has open is finished, each run by itself, and nothing is paid again.

First every task is looked at once and what is ready is saved; then the others are waited for, one after the other.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from .. import regions
from ..account import report
from ..account.store import DESIRECORE_BASE, OPEN
from ..errors import AuthError, InternalError, OutputError, QianwenError, StillRunning, UnknownOutcome, UsageError
from ..models import results, wire
from ..models.image_models import IMAGES
from ..models.video_models import VIDEOS
from ..outcome import Part, billed, is_retryable
from ..plain.record import changed
from ..service import endpoint
from . import saving, unanswered
from .collect import finish, place
from .dashscope import connected
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..account.entry import Entry
    from ..account.store import Purchase
    from ..files.outputs import Target
    from ..outcome import Outcome
    from .dashscope import Connection

CATALOGS = {catalog.program: catalog for catalog in (IMAGES, VIDEOS)}
# When runs end differently, the exit code is that of the most urgent.
URGENCY = ("internal", "auth", "unavailable", "output", "unknown_outcome", "usage", "running", "content", "failed")


def resume(run: Run) -> Outcome:
    """Finish the open runs of both programs, oldest first. Raises the most urgent error of those that stay open."""
    account = run.account
    recoveries = [
        _Recovery(run, purchase)
        for purchase in account.open_runs()
        if purchase.program in CATALOGS and not (account.is_forgotten(purchase) and _is_out_of_reach(purchase))
    ]
    run.outcome.way_on = ("--resume",)
    try:
        if recoveries:
            _recover(run, recoveries)
    finally:
        for each in recoveries:
            each.known = account.get(each.known.id) or each.known
        run.outcome.parts = [each.part() for each in recoveries]
        run.outcome.way_on = _way_on(run, recoveries)
        if account.trouble:
            run.warn(f"a part of the account could not be read: {account.trouble}")
    run.progress.say(f"{len(recoveries)} open, {sum(not each.error for each in recoveries)} of them finished")
    left = [each for each in recoveries if each.error and each.is_promising]
    if left:
        decisive = min(left, key=lambda each: each.urgency)
        assert decisive.error
        decisive.error.retryable = is_retryable(decisive.error, decisive.run.outcome)
        decisive.error.billed = billed(decisive.error, decisive.run.outcome)
        raise decisive.error
    return run.outcome


def _is_out_of_reach(purchase: Purchase) -> bool:
    """Whether nobody can be asked for a run: its answer was lost, or a stand-in had it."""
    return not purchase.task_id or regions.is_loopback_url(purchase.base)


def _recover(run: Run, recoveries: list[_Recovery]) -> None:
    with ExitStack() as stack:
        connections: dict[tuple[str, str], Connection] = {}
        within_reach = [each for each in recoveries if each.is_within_reach()]
        for each in within_reach:
            home = run.home(each.known)
            if home not in connections:
                connections[home] = stack.enter_context(connected(run, each.known))
            each.attempt(connections[home], patient=False)
        for each in within_reach:
            if isinstance(each.error, StillRunning) and not run.ask.poll_once:
                each.attempt(connections[run.home(each.known)], patient=True)


def _way_on(run: Run, recoveries: list[_Recovery]) -> tuple[str, ...]:
    """The same once more while anything is open; of a single lost submission, the task that was found for it."""
    still = [each for each in recoveries if each.is_worth_another_try and run.account.state(each.known) in OPEN]
    if len(still) == 1 and still[0].known.program == run.catalog.program and still[0].run.outcome.way_on:
        return still[0].run.outcome.way_on
    return ("--resume",) if still else ()


class _Recovery:
    """One open run. error: why it is not finished.  is_promising: the caller can do something about it, so that it
    counts for the exit code.
    """

    def __init__(self, whole: Run, known: Purchase) -> None:
        script = os.path.join(os.path.dirname(whole.environment.script), known.program)
        ask = changed(whole.ask, task_id=known.task_id)
        self.run = Run(
            CATALOGS[known.program], ask, changed(whole.environment, script=script), whole.progress, whole.account
        )
        self.known = known
        self.error: QianwenError | None = StillRunning("it has not been looked at", task_id=known.task_id)
        self.is_promising = True
        self.run.outcome.model = known.model
        self.run.outcome.task_id = known.task_id
        self.run.outcome.submitted = True

    def is_within_reach(self) -> bool:
        """Whether DashScope can know of the run, and there is a host to ask.

        What went through DesireCore cannot be asked for again.
        """
        if self.known.base == DESIRECORE_BASE:
            self.is_promising = False
            self.error = UnknownOutcome("it went through DesireCore, whose answers cannot be asked for again")
            return False
        region, base = self.run.home(self.known)
        try:
            endpoint.base_url(self.run.place, endpoint.region(self.run.place, region), base)
        except QianwenError as error:  # it must not keep the others from being finished
            self.error = error
            self.is_promising = not regions.is_loopback_url(self.known.base)
            return False
        return True

    def attempt(self, connection: Connection, patient: bool) -> None:
        """Finish the run if that can be done; wait for its task only if `patient`."""
        try:
            self._check_base(connection)
            with self.run.entry() as entry:
                self._take_up(entry)
                if self.run.account.state(self.known) in OPEN:
                    self._go_on(connection, entry, patient)
                else:
                    entry.leave_open()  # whoever worked on it until now has finished it
            self.error = None
        except QianwenError as error:
            self.error = error
            if isinstance(error, AuthError):
                connection.client.explain(error)
        except Exception as error:  # one odd run must not end the others
            self.error = InternalError(f"a bug in this program: {type(error).__name__}: {error}")
        if self.error:
            self.run.progress.say(f"{self.known.program} {self.known.task_id or self.known.id}: {self.error.message}")

    def _check_base(self, connection: Connection) -> None:
        if self.known.base != connection.base:
            self.is_promising = not regions.is_loopback_url(self.known.base)  # an earlier stand-in is gone
            raise AuthError(
                f"the request went to {self.known.base}, and the environment now names {connection.base}",
                hint="set DASHSCOPE_HTTP_BASE_URL or --region as they were then, and run --resume again",
                billed="unknown",
            )

    def _take_up(self, entry: Entry) -> None:
        entry.take_up(self.known)
        self.known = self.run.account.get(self.known.id) or self.known
        self.run.outcome.task_id = self.known.task_id

    def _go_on(self, connection: Connection, entry: Entry, patient: bool) -> None:
        known = self.known
        if known.task_id:
            finish(self.run, connection, entry, known, self._place(), patient)
        elif known.urls:  # no task: the links of its answer are in the account
            if any(map(results.is_inline, known.urls)):
                self.is_promising = False  # what stood inside an answer went with it
            body = dict(known.body) or {"output": {"results": [{"url": url} for url in known.urls]}}
            saving.save(self.run, connection, entry, self._place(), body, wire.has_texts(body), known.files)
        else:
            self._look_for_it(connection, entry)

    def _look_for_it(self, connection: Connection, entry: Entry) -> None:
        """A submission that was not answered. Raises UnknownOutcome, with what the service lists."""
        words = f"the submission of {self.known.model} was not answered"
        if not self.known.is_task:
            self.is_promising = False
            raise UnknownOutcome(f"{words}; an answer that was lost cannot be asked for again")
        error = UnknownOutcome(words)
        unanswered.look(connection, self.run.account.knows, entry, self.known, self.run.environment.now(), error)
        raise error

    def _place(self) -> Target:
        """The place that the run had chosen. Raises OutputError when nothing can be saved there any more."""
        try:
            return place(self.run, self.known)
        except UsageError as error:
            hint = "collect it with --task-id, and --output for another folder"
            raise OutputError(error.message, hint=hint) from error

    @property
    def urgency(self) -> int:
        kind = self.error.kind if self.error else ""
        return URGENCY.index(kind) if kind in URGENCY else 0

    @property
    def is_worth_another_try(self) -> bool:
        """Whether a later --resume may find more. What the service does not know any more it will not know again."""
        return self.is_promising and not (self.error and self.error.code == "UNKNOWN")

    def part(self) -> Part:
        """The run's row in the account, and what it would have answered by itself."""
        run = self.run
        return Part(
            report.row(run.account, self.known, run.environment.now()),
            run.outcome,
            self.error,
            run.ask,
            run.environment,
        )
