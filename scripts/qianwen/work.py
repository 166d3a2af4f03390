"""What every kind of work has in common: its surroundings, a session with the service, and an account of its end.

`job` makes something new, `collect` and `resume` finish what was begun, `history` tells what there is.
"""

from __future__ import annotations

from .arguments import Ask
from .errors import QianwenError
from .models.catalog import Catalog, find
from .outcome import Outcome
from .progress import Progress
from .redact import literal, safe
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from tempfile import TemporaryDirectory
    from typing import Any

    from .cassette import Player, Recorder
    from .ledger import Ledger, Notes, Run
    from .outputs import Target
    from .saving import Saver
    from .service.bucket_settings import Bucket
    from .service.settings import Place
    from .service.tasks import Seen
    from .session import Session

    JSON = dict[str, Any]


class Work:
    """One run of a program. `outcome` is there from the beginning, for whoever has to report an end.

    notes: its lines in the ledger, when it has any.
    """

    def __init__(self, catalog: Catalog, ask: Ask, world: World, progress: Progress) -> None:
        self.catalog = catalog
        self.ask = ask
        self.world = world
        self.progress = progress
        self.deadline = world.clock() + ask.timeout
        self.outcome = Outcome(catalog.noun, resumable=not ask.sandbox)
        self.notes: Notes | None = None
        self._scratch: TemporaryDirectory[str] | None = None

    def run(self) -> None:
        """Do what was asked. Raises a QianwenError for every expected end that is not success."""
        try:
            self.work()
        except QianwenError as error:
            self.settle(error)
            if self.ask.replay and error.kind == "usage":  # not the recorded run: nothing of it came from the service
                self.outcome = Outcome(self.catalog.noun, resumable=False)
            raise
        else:
            self.settle(None)
        finally:
            if self.notes:
                self.notes.close()
            if self._scratch:
                self._scratch.cleanup()

    def work(self) -> None:
        raise NotImplementedError

    def settle(self, error: QianwenError | None) -> None:
        """Note that what was paid for is saved, or will never be; everything else leaves the run open.

        A task that the service does not know may be known to it in another region, or to another key.
        """
        if self.notes is None:
            return
        from . import ledger

        if error is None:
            self.close_account(ledger.DONE)
        elif error.kind in ("failed", "content") and error.code != "UNKNOWN":
            self.close_account(ledger.CANCELED if error.code in ("CANCELED", "CANCELLED") else ledger.FAILED, error)

    def new_notes(self) -> Notes:
        """Lines in the ledger for a run of ours; without a trace in the sandbox, which ends with it."""
        from .ledger import Notes

        ledger = self.ledger if self.outcome.resumable else None
        return Notes(ledger, self.warn, lambda text: literal(text, self.progress.secrets))

    def close_account(self, state: str, error: QianwenError | None = None) -> None:
        if self.notes:
            self.notes.end(state, safe(error.message, self.progress.secrets) if error else "")

    def warn(self, text: str) -> None:
        self.outcome.warnings.append(text)
        self.progress.warn(text)

    # Surroundings -------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        from .service import settings

        return settings.Place(self.world.env, self.world.cwd, self.world.home)

    @property
    def region(self) -> str:
        """The region that was named, else the one that is set. Raises UsageError for an unknown one."""
        from .service import settings

        return settings.region(self.place, self.ask.region)

    @property
    def ledger(self) -> Ledger:
        from . import ledger

        folder = ledger.folder(self.world.env, self.world.home)
        return ledger.Ledger(self._scratch_folder() if self.ask.replay else folder, self.world.now)

    def _scratch_folder(self) -> str:
        """Where a replayed run keeps its account for as long as it lasts: it behaves the same and leaves no trace."""
        if self._scratch is None:
            from tempfile import TemporaryDirectory

            self._scratch = TemporaryDirectory()
        return self._scratch.name

    def session(self, known: Run | None = None, own: Bucket | None = None) -> Any:
        """A context manager that gives the Session of this run.

        known: the run whose task it is about, which is looked for where it was submitted.  own: the user's bucket for
        local files.
        """
        from . import session

        region, base = self.home(known)
        tape = self.tape()
        return session.opened(self.world, self.progress, region, self.deadline, self.ask.sandbox, own, tape, base)

    def home(self, known: Run | None) -> tuple[str, str]:
        """The region to ask and the base that took a run; "" for what the surroundings decide.

        Another --region than the run's is the user's own wish to look elsewhere.
        """
        from . import regions

        if known is None:
            return self.ask.region, ""
        asked, took = regions.find(self.ask.region), regions.find(known.region)
        is_elsewhere = bool(self.ask.region) and asked != took
        return self.ask.region or (took.id if took else ""), "" if is_elsewhere else known.base

    def tape(self) -> Recorder | Player | None:
        """What --record or --replay asks for, if one was given. Raises UsageError for a file that is no good."""
        ask, world = self.ask, self.world
        if not (ask.record or ask.replay):
            return None
        import os

        from . import cassette

        path = os.path.abspath(os.path.join(world.cwd, os.path.expanduser(ask.record or ask.replay)))
        if ask.replay:
            return cassette.Player(path, world.clock, world.now)
        return cassette.Recorder(path, ask.overwrite, world.clock, world.now, self.warn)

    def target(self, prompt: str) -> Target:
        """Where the results will go; see `outputs.plan`."""
        import time

        from . import outputs
        from .service import settings

        base = settings.find(self.place, ("OUTPUT_DIR",))
        folder = f"{base.value if base else 'output'}/{self.catalog.folder}"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.world.now()))
        return outputs.plan(self.ask.output, folder, self.world.cwd, prompt, stamp, self.ask.overwrite)

    # With the service ---------------------------------------------------------------------------------------

    def wait(self, service: Session, is_new: bool, usual: str) -> JSON:
        """The final answer of the task. Every look is kept, so that a bad end can show the last one."""
        odd: set[str] = set()

        def tell(seen: Seen, seconds: float) -> None:
            self.outcome.body = seen.body or self.outcome.body
            if seen.is_odd and seen.word not in odd:
                odd.add(seen.word)
                self.warn(f"the service calls the state of the task {seen.word!r}, which is not documented; waiting on")
            self.progress.state(self.outcome.task_id, seen.word, seconds, usual)

        return service.wait(self.outcome.task_id, self.ask.interval, tell, is_new)

    def saver(self, service: Session, target: Target) -> Saver:
        from .saving import Saver

        return Saver(service, target, self.outcome, self.progress, self.warn, self.catalog.keeps_replies, self.notes)

    def usual(self, model_id: str, mode: str) -> str:
        """How long such a task takes, when that is known."""
        found = find(self.catalog, model_id) if model_id else None
        modes = found.model.modes if found else ()
        return next((row.usual for row in modes if row.name == mode), "")
