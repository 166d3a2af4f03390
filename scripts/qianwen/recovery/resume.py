"""`--resume`: finish every open run of the account, each by itself, without paying again.

The runs take turns: a task that is not finished is polled again later, so a slow one never holds up the others.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from .. import regions
from ..account import report
from ..account.purchase import DESIRECORE_BASE, OPEN
from ..actions import unanswered
from ..actions.dashscope import connected
from ..actions.run import Run
from ..errors import (
    AuthError,
    OutputError,
    QianwenError,
    StillRunning,
    Unavailable,
    UnknownOutcome,
    UsageError,
    expected,
)
from ..models import results
from ..models.image_models import IMAGES
from ..models.video_models import VIDEOS
from ..outcome import Part, billed, is_retryable, starved
from ..plain import parallel
from ..plain.record import changed
from ..service import endpoint, tasks
from .collect import finish, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, ContextManager, NoReturn

    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..actions.way import Connection
    from ..files.outputs import Target
    from ..outcome import Outcome

    DesireCore = Callable[[str], ContextManager[Connection]]

CATALOGS = {catalog.program: catalog for catalog in (IMAGES, VIDEOS)}
MOST_POLLS = 10  # a second, all runs together; the service allows an account 20
# When runs end differently, the exit code is that of the most urgent.
URGENCY = ("internal", "auth", "unavailable", "output", "unknown_outcome", "usage", "running", "content", "failed")


def resume(run: Run, desirecore: DesireCore) -> Outcome:
    """Finish the open runs of both programs, oldest first. Raises the most urgent error of the runs that stay open.

    desirecore: connects to it, for the picture of a prompt.
    """
    account = run.account
    recoveries = [
        _Recovery(run, purchase)
        for purchase in account.open_runs()
        if purchase.program in CATALOGS and not (account.is_forgotten(purchase) and _is_out_of_reach(purchase))
    ]
    run.outcome.next_flags = ("--resume",)
    try:
        if recoveries:
            _recover(run, recoveries, desirecore)
    finally:
        for each in recoveries:
            each.known = account.get(each.known.id) or each.known
        run.outcome.parts = [each.part() for each in recoveries]
        run.outcome.next_flags = _next_flags(run, recoveries)
    run.progress.say(f"{len(recoveries)} open, {sum(not each.error for each in recoveries)} of them finished")
    unfinished = [each for each in recoveries if each.error and (each.is_promising or each.is_lost)]
    if unfinished:  # what can still be collected decides before what cannot
        decisive = min(unfinished, key=lambda each: (not each.is_promising, each.urgency))
        assert decisive.error
        decisive.error.retryable = is_retryable(decisive.error, decisive.run.outcome)
        decisive.error.billed = billed(decisive.error, decisive.run.outcome)
        raise decisive.error
    account.complain()
    return run.outcome


def _is_out_of_reach(purchase: Purchase) -> bool:
    """Whether nobody can be asked for a run: it has neither a task nor links, or a stand-in had it."""
    return not (purchase.task_id or purchase.has_links) or regions.is_loopback_url(purchase.base)


def _recover(run: Run, recoveries: list[_Recovery], desirecore: DesireCore) -> None:
    """Connect to where each run was submitted, and work on those that can be asked for there."""
    with ExitStack() as stack:
        connections: dict[tuple[str, str], Connection] = {}
        elsewhere: dict[tuple[str, str], list[_Recovery]] = {}
        within_reach = []
        for each in filter(_Recovery.is_within_reach, recoveries):
            if each.known.base == DESIRECORE_BASE:
                within_reach += _through(desirecore, each, stack)
                continue
            home = run.home(each.known)
            if home not in connections:
                connections[home] = stack.enter_context(connected(run, each.known))
            each.connection = connections[home]
            if each.known.base == each.connection.base:
                within_reach.append(each)
            else:
                elsewhere.setdefault((each.known.base, each.connection.base), []).append(each)
        for (base, base_now), group in elsewhere.items():
            _leave_to_another_base(run, group, base, base_now)
        if within_reach:
            _take_turns(within_reach)


def _take_turns(recoveries: list[_Recovery]) -> None:
    session = recoveries[0].connection.session

    def turn(each: _Recovery) -> float | None:
        return each.turn(len(recoveries) / MOST_POLLS)

    def cut() -> None:
        for each in recoveries:
            each.connection.session.cut()

    parallel.in_turns(turn, recoveries, session.sleep, session.clock, cut, parallel.threads_to_spare())


def _through(desirecore: DesireCore, each: _Recovery, stack: ExitStack) -> list[_Recovery]:
    """The run with a connection of its own; nothing if DesireCore does not run."""
    try:
        each.connection = stack.enter_context(desirecore(str(each.known.asked.get("prompt", ""))))
    except QianwenError as error:
        each.error = error
        return []
    return [each]


def _leave_to_another_base(run: Run, group: list[_Recovery], base: str, base_now: str) -> None:
    """Tell in one line of the runs that were submitted to a base that is not set now."""
    what = "the request" if len(group) == 1 else f"{len(group)} requests"
    error = AuthError(
        f"{what} went to {base}, but the base URL is now {base_now}",
        hint=f"set DASHSCOPE_HTTP_BASE_URL or --region as they were ({base}), and run --resume again",
        billed="unknown",
    )
    run.progress.say(f"{error.message}; {error.hint}")
    for each in group:
        each.error = error
        each.is_promising = not regions.is_loopback_url(base)  # an earlier stand-in is gone


def _next_flags(run: Run, recoveries: list[_Recovery]) -> tuple[str, ...]:
    """The flags that continue: --resume while a run is open, or those of the only open run if it has its own."""
    still_open = [each for each in recoveries if each.is_promising and run.account.state(each.known) in OPEN]
    if len(still_open) == 1:
        (only,) = still_open
        if only.run.outcome.next_flags:
            run.environment = only.run.environment  # its own program goes on with it
            return only.run.outcome.next_flags
    return ("--resume",) if still_open else ()


class _Recovery:
    """One open run.

    connection: to the service that took it.
    error: why it is not finished; None once it is.
    is_promising: the user can do something about the error, so it counts for the exit code before the others.
    """

    def __init__(self, whole: Run, known: Purchase) -> None:
        script = os.path.join(os.path.dirname(whole.environment.script), known.program)
        ask = changed(whole.ask, task_id=known.task_id)
        self.run = Run(
            CATALOGS[known.program], ask, changed(whole.environment, script=script), whole.progress, whole.account
        )
        self.known = known
        self.connection: Connection
        self.error: QianwenError | None = StillRunning("it was not polled", task_id=known.task_id)
        self.is_promising = True
        self.waits = False  # another attempt may do better
        self._is_ours = False  # no other process works on it
        self._gaps = tasks.gaps(ask.poll_interval)
        self._target: Target | None = None
        self.run.outcome.model = known.model
        self.run.outcome.task_id = known.task_id
        self.run.outcome.submitted = True

    def is_within_reach(self) -> bool:
        """Whether we know a DashScope host to ask about the run, or have the links that DesireCore answered.

        It cannot be asked for an earlier answer.
        """
        if self.known.base == DESIRECORE_BASE:
            if self.known.has_links:
                return True
            self.is_promising = False
            self.error = UnknownOutcome("the request went through DesireCore, whose answers cannot be fetched again")
            return False
        region, base = self.run.home(self.known)
        try:
            endpoint.base_url(self.run.place, endpoint.region(self.run.place, region), base)
        except QianwenError as error:  # this run must not stop the others
            self.error = error
            self.is_promising = not regions.is_loopback_url(self.known.base)
            return False
        return True

    def turn(self, shortest_gap: float) -> float | None:
        """Finish the run if possible. Answers in how many seconds to try again; None for never.

        shortest_gap: in seconds, between two polls.
        """
        self._attempt()
        left = self.connection.session.left() - tasks.LAST_POLL_SECONDS
        if self.waits and not self.run.ask.poll_once and left > 0:
            return min(max(next(self._gaps), shortest_gap), left)
        if self.error:
            name = self.known.task_id or self.known.id
            label = self.known.program if name in self.error.message else f"{self.known.program} {name}"
            self.run.progress.say(f"{label}: {self.error.message}")
        return None

    def _attempt(self) -> None:
        self.waits = False
        try:
            with self.run.entry() as entry:
                self._is_ours = False
                entry.take_up(self.known)
                self._is_ours = True
                self.known = self.run.account.get(self.known.id) or self.known
                self.run.outcome.task_id = self.known.task_id
                if self.run.account.state(self.known) in OPEN:
                    self._continue(self.connection, entry)
                else:
                    entry.leave_open()  # another process has finished it meanwhile
            self.error = None
        except QianwenError as error:
            self.error = error
            is_waiting = isinstance(error, StillRunning) or (isinstance(error, Unavailable) and error.retryable)
            self.waits = is_waiting and self._is_ours
            if isinstance(error, AuthError):
                self.connection.client.explain(error)
        except Exception as error:  # this run must not stop the others
            self.error = starved(error, self.run.outcome) or expected(error)

    def _continue(self, connection: Connection, entry: Entry) -> None:
        known = self.known
        if not known.task_id and not known.urls:
            self._search(connection, entry)
        if not known.task_id and any(map(results.is_inline, known.urls)):
            self.is_promising = False  # a picture inside an answer is lost with the answer
        finish(self.run, connection, entry, known, self._place(), patient=False)

    def _search(self, connection: Connection, entry: Entry) -> NoReturn:
        """Search for the task of an unanswered submission. Always raises UnknownOutcome, with the tasks found."""
        words = f"the submission of {self.known.model} was not answered"
        if not self.known.is_task:
            self.is_promising = False
            raise UnknownOutcome(f"{words}; a lost answer cannot be fetched again")
        error = UnknownOutcome(words)
        unanswered.search(connection, entry, self.known, error)
        raise error

    def _place(self) -> Target:
        """Where the first run would have saved. Raises OutputError if we can no longer save there."""
        try:
            self._target = self._target or place(self.run, self.known)
            return self._target
        except UsageError as error:
            hint = "collect it with --task-id, with --output for another folder"
            raise OutputError(error.message, hint=hint) from error

    @property
    def is_lost(self) -> bool:
        """Whether nobody can tell if the run was billed, which is no success although nothing can be done about it."""
        return isinstance(self.error, UnknownOutcome)

    @property
    def urgency(self) -> int:
        kind = self.error.kind if self.error else ""
        return URGENCY.index(kind) if kind in URGENCY else 0

    def part(self) -> Part:
        """The run's row in the account and its own answer."""
        run = self.run
        return Part(report.row(run.account, self.known), run.outcome, self.error, run.ask, run.environment)
