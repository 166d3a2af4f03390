"""Work on a task that exists: wait for it, or look once, and save what it made; or cancel it."""

from __future__ import annotations

from .errors import Refused, StillRunning, UsageError
from .models import wire
from .record import changed
from .work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ledger import Run
    from .outputs import Target
    from .session import Session

SHOWN_SECONDS = 60.0  # after its submission every part of the service knows a task


class Collect(Work):
    """`--task-id`: the task need not be one of this machine's."""

    def work(self) -> None:
        task_id = self.outcome.task_id = self.ask.task_id
        known = self.recall(task_id)
        if known and self.notes and not self.notes.claim(known.id):
            raise StillRunning("another process of this machine is at work on this task", task_id=task_id)
        self.adopt(known)
        with self.session(known) as service:
            self.warn_of_another_base(service, known)
            self.finish(service, known, self.where(known), patient=not self.ask.poll_once)

    def where(self, known: Run | None) -> Target:
        """The place that --output names, else the one that the run had chosen. Raises UsageError for a bad one."""
        from . import outputs

        if known is None or self.ask.output:
            named = self.target(f"task {self.ask.task_id[:8]}")
            if known is None or not _is_the_place_of(known, named):
                return outputs.prepare(named)
        chosen = outputs.Target(known.folder, known.stem, known.suffix, self.ask.overwrite, known.id, resumed=True)
        outputs.sweep(chosen)
        return outputs.prepare(chosen)

    def finish(self, service: Session, known: Run | None, target: Target, patient: bool) -> None:
        """The task's result onto the disk. patient: wait for it, else look once."""
        task_id = self.outcome.task_id
        if patient:
            usual = self.usual(known.model, known.mode) if known else ""
            body = self.wait(service, is_new=False, usual=usual)
        else:
            self.outcome.body = service.look(task_id)
            body = service.finished(task_id, self.outcome.body, self.is_young(known))
        # Among tasks only the interleaved ones answer with texts.
        files = known.files if known and target.resumed else {}
        self.saver(service, target).save(body, wire.has_texts(body), files)

    def recall(self, task_id: str) -> Run | None:
        """What this machine knows of a task. Raises UsageError for a task of the other program."""
        from . import regions

        known = self.ledger.find(task_id)
        if known is None:
            return None
        if known.program != self.catalog.program:
            raise UsageError(f"task {task_id} was submitted by {known.program}", hint=f"use {known.program} for it")
        self.outcome.model = known.model
        self.notes = self.new_notes()
        self.notes.run_id = known.id
        if regions.find(known.region) is None:
            self.warn(f"the region {known.region!r} that is remembered for the task is none, and not used")
            return changed(known, region="")
        self.progress.say(f"Task of {known.model} ({known.mode}) in {known.region}")
        return known

    def adopt(self, known: Run | None) -> None:
        """A task that was offered for a submission without an answer is its own from now on: the user chose it."""
        if known and self.notes and not known.task_id:
            self.notes.task(self.outcome.task_id)

    def warn_of_another_base(self, service: Session, known: Run | None) -> None:
        if known and known.base != service.endpoint.base:
            self.warn(f"the task was submitted to {known.base} and is looked for at {service.endpoint.base}")

    def is_young(self, known: Run | None) -> bool:
        """Whether the task is so new that the service may not show it everywhere yet."""
        return known is not None and 0 <= self.world.now() - known.at < SHOWN_SECONDS


def _is_the_place_of(known: Run, named: Target) -> bool:
    """Whether the same --output was given again: the same file, or the same folder, where names are our own."""
    same_name = named.stem == known.stem or not named.suffix
    return (named.folder, named.suffix, same_name) == (known.folder, known.suffix, True)


class Cancel(Collect):
    """`--cancel`: a task that has not begun is not made and not billed."""

    def work(self) -> None:
        task_id = self.outcome.task_id = self.ask.cancel
        self.outcome.way_on = ("--cancel", task_id)
        known = self.recall(task_id)
        with self.session(known) as service:
            self.warn_of_another_base(service, known)
            try:
                service.cancel(task_id)
            except Refused as error:
                self.outcome.way_on = ("--task-id", task_id) if error.billed != "no" else ()
                raise
        self.adopt(known)
        self.outcome.canceled = True
        self.progress.say(f"Canceled {task_id}")

    def settle(self, error: object) -> None:
        """A refusal to cancel ends nothing."""
        from . import ledger

        if self.outcome.canceled:
            self.close_account(ledger.CANCELED)
