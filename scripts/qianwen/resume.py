"""`--resume`: whatever the ledger has open is finished, each run by itself, and nothing is paid again.

First every task is looked at once and what is ready is saved; then the others are waited for, one after the other.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from . import envelope, history, lost
from .arguments import Ask
from .collect import Collect
from .errors import AuthError, InternalError, OutputError, QianwenError, StillRunning, UnknownOutcome, UsageError
from .ledger import OPEN
from .models import results, wire
from .models.catalog import Catalog
from .models.image_models import IMAGES
from .models.video_models import VIDEOS
from .progress import Progress
from .record import changed
from .regions import is_loopback_url
from .service import settings
from .service.desirecore import IN_THE_LEDGER
from .work import Work
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection

    from .ledger import Run
    from .outputs import Target
    from .session import Session

    JSON = dict[str, Any]

CATALOGS = {catalog.program: catalog for catalog in (IMAGES, VIDEOS)}
# Of several ends the caller learns the one that asks most of him.
URGENCY = ("internal", "auth", "unavailable", "output", "unknown_outcome", "usage", "running", "content", "failed")


class Resume(Work):
    """All open runs of both programs, oldest first."""

    def work(self) -> None:
        ledger = self.ledger
        recoveries = [
            Recovery(CATALOGS[run.program], self.ask, self.world, self.progress, run)
            for run in ledger.runs()
            if ledger.state(run) in OPEN and run.program in CATALOGS
        ]
        self.outcome.way_on = ("--resume",)
        try:
            if recoveries:
                self.recover(recoveries)
        finally:
            now_known = {run.id: run for run in ledger.runs()} if recoveries else {}
            for recovery in recoveries:
                recovery.known = now_known.get(recovery.known.id, recovery.known)
            self.outcome.tasks = [recovery.report() for recovery in recoveries]
            self.outcome.way_on = self.way_on(recoveries)
            if ledger.trouble:
                self.warn(f"a part of the ledger could not be read: {ledger.trouble}")
        self.progress.say(f"{len(recoveries)} open, {sum(not each.error for each in recoveries)} of them finished")
        left = [each for each in recoveries if each.error and each.is_promising]
        if left:
            decisive = min(left, key=lambda each: each.urgency)
            assert decisive.error
            decisive.error.billed = envelope.billed(decisive.error, decisive.outcome)
            decisive.error.retryable = envelope.is_retryable(decisive.error, decisive.outcome)
            raise decisive.error

    def way_on(self, recoveries: list[Recovery]) -> tuple[str, ...]:
        """The same once more while anything is open; of a single lost submission, the task that was found for it."""
        still = [each for each in recoveries if each.is_worth_another_try and self.ledger.state(each.known) in OPEN]
        if len(still) == 1 and still[0].known.program == self.catalog.program and still[0].outcome.way_on:
            return still[0].outcome.way_on
        return ("--resume",) if still else ()

    def recover(self, recoveries: list[Recovery]) -> None:
        with ExitStack() as stack:
            sessions: dict[tuple[str, str], Session] = {}
            within_reach = [recovery for recovery in recoveries if recovery.is_within_reach()]
            explained = {run.task_id for run in self.ledger.runs()}
            for recovery in within_reach:
                home = recovery.home(recovery.known)
                if home not in sessions:
                    sessions[home] = stack.enter_context(self.session(recovery.known))
                recovery.explained = explained
                recovery.attempt(sessions[home], patient=False)
            for recovery in within_reach:
                if isinstance(recovery.error, StillRunning) and not self.ask.poll_once:
                    recovery.attempt(sessions[recovery.home(recovery.known)], patient=True)

    def settle(self, error: QianwenError | None) -> None:
        """Each run has settled its own account."""


class Recovery(Collect):
    """One open run. `error` says why it is not finished.

    is_promising: the caller can do something about it, so that it counts for the exit code.  explained: the tasks that
    this machine knows.
    """

    explained: Collection[str] = ()

    def __init__(self, catalog: Catalog, ask: Ask, world: World, progress: Progress, known: Run) -> None:
        script = os.path.join(os.path.dirname(world.script), known.program)
        super().__init__(catalog, changed(ask, task_id=known.task_id), changed(world, script=script), progress)
        self.known = known
        self.error: QianwenError | None = StillRunning("it has not been looked at", task_id=known.task_id)
        self.is_promising = True
        self.outcome.model = known.model
        self.outcome.task_id = known.task_id
        self.outcome.submitted = True

    def attempt(self, service: Session, patient: bool) -> None:
        """Finish the run if that can be done; waiting for its task only if `patient`."""
        try:
            if self.take_up(service):
                self.go_on(service, patient)
                self.settle(None)
            self.error = None
        except QianwenError as error:
            self.error = error
            if isinstance(error, AuthError):
                service.explain(error)
            self.settle(error)
        except Exception as error:  # one odd run must not end the others
            self.error = InternalError(f"a bug in this program: {type(error).__name__}: {error}")
        finally:
            self.close()
        if self.error:
            self.progress.say(f"{self.known.program} {self.known.task_id or self.known.id}: {self.error.message}")

    def is_within_reach(self) -> bool:
        """Whether DashScope can know of the run, and there is a host to ask.

        What went through DesireCore cannot be asked for again.
        """
        if self.known.base == IN_THE_LEDGER:
            self.is_promising = False
            self.error = UnknownOutcome("it went through DesireCore, whose answers cannot be asked for again")
            return False
        region, base = self.home(self.known)
        try:
            settings.base_url(self.place, settings.region(self.place, region), base)
        except QianwenError as error:  # it must not keep the others from being finished
            self.error = error
            self.is_promising = not is_loopback_url(self.known.base)
            return False
        return True

    def take_up(self, service: Session) -> bool:
        """Whether there is anything left to do. Raises what stands in the way: another service, another process."""
        if self.known.base != service.endpoint.base:
            self.is_promising = not is_loopback_url(self.known.base)  # a stand-in of earlier is gone
            raise AuthError(
                f"the request went to {self.known.base}, and the surroundings now name {service.endpoint.base}",
                hint="set DASHSCOPE_HTTP_BASE_URL or --region as they were then, and run --resume again",
                billed="unknown",
            )
        notes = self.new_notes()
        if not notes.claim(self.known.id):
            raise StillRunning("another process is at work on it", task_id=self.known.task_id)
        self.notes = notes
        self.known = self.read_again()  # whoever worked on it until now may have finished
        self.outcome.task_id = self.known.task_id
        return self.ledger.state(self.known) in OPEN

    def read_again(self) -> Run:
        return next((run for run in self.ledger.runs(having=self.known.id) if run.id == self.known.id), self.known)

    def go_on(self, service: Session, patient: bool) -> None:
        known = self.known
        if known.task_id:
            self.finish(service, known, self.where(known), patient)
        elif known.urls:
            self.save_again(service)
        else:
            self.look_for_it(service)

    def save_again(self, service: Session) -> None:
        """The answer of a request that is no task, from the ledger, as long as its links are good."""
        if any(map(results.is_inline, self.known.urls)):
            self.is_promising = False  # what stood inside an answer went with it
        body = dict(self.known.body) or {"output": {"results": [{"url": url} for url in self.known.urls]}}
        self.saver(service, self.where(self.known)).save(body, wire.has_texts(body), self.known.files)

    def look_for_it(self, service: Session) -> None:
        """A submission that was not answered. Raises UnknownOutcome, with what the service lists."""
        told = f"the submission of {self.known.model} was not answered"
        if not self.known.is_task:
            self.is_promising = False
            raise UnknownOutcome(f"{told}; an answer that was lost cannot be asked for again")
        error = UnknownOutcome(told)
        found = lost.look_for(service, self.explained, self.known, self.world.now())
        if self.notes:
            lost.offer(found, self.known, self.outcome, self.notes, error)
        raise error

    def where(self, known: Run | None) -> Target:
        """The place that the run had chosen. Raises OutputError when nothing can be saved there any more."""
        try:
            return super().where(known)
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

    def close(self) -> None:
        if self.notes:
            self.notes.close()
            self.notes = None

    def report(self) -> JSON:
        """The run's place in the ledger, and the answer that it would have given by itself."""
        row = history.row(self.ledger, self.known, self.world.now())
        if self.error is None:
            answer = envelope.success(self.outcome, self.ask, self.world)
        else:
            answer = envelope.failure(self.error, self.outcome, self.ask, self.world)
        return {**row, **answer}
