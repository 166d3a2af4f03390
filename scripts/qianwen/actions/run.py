"""What every action works on: the request, the surroundings, and what the run has reached so far."""

from __future__ import annotations

from ..checks.findings import Note
from ..outcome import Outcome
from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported at run time only where needed: a refused request should start fast
    from tempfile import TemporaryDirectory

    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..account.store import Account
    from ..ask import Ask
    from ..checks.validate import Checked
    from ..environment import Environment, Place
    from ..files.outputs import Target
    from ..models.catalog import Catalog
    from ..terminal.progress import Progress


@record
class Seat:
    """What a batch decides for one of its rows.

    key: what the row asks; the account knows its purchase by it.
    files: the folder from which local paths start.
    target: where its results go; its folder exists. None until the row is made.
    """

    key: str
    files: str
    target: Target | None = None


class Run:
    """One run of a program.

    deadline: by the environment's clock, in seconds.
    account: opened when first needed, unless passed in.
    seat: its place in a batch, None for a run of its own.
    """

    def __init__(
        self,
        catalog: Catalog,
        ask: Ask,
        environment: Environment,
        progress: Progress,
        account: Account | None = None,
        seat: Seat | None = None,
    ) -> None:
        self.catalog = catalog
        self.ask = ask
        self.environment = environment
        self.progress = progress
        self.deadline = environment.clock() + ask.timeout
        self.outcome = Outcome(catalog.noun, resumable=not ask.sandbox)
        self.seat = seat
        self._account = account
        self._region = ""
        self._scratch: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Close the account, and delete the temporary one of a replay."""
        if self._account:
            self._account.close()
        if self._scratch:
            self._scratch.cleanup()

    def warn(self, text: str) -> None:
        """Warn on stderr now, and in the JSON answer later."""
        self.outcome.warnings.append(text)
        self.progress.warn(text)

    def note(self, text: str, when_quiet: bool = False) -> None:
        """Like `warn`, for what only informs. when_quiet: also with --quiet."""
        self.outcome.warnings.append(text)
        self.progress.note(text, when_quiet)

    def announce(self, checked: Checked) -> None:
        """Say what will be made, and what is odd about it."""
        self.outcome.model = checked.id
        self.outcome.seed = checked.values.get("seed")
        why = f", {checked.found.why}" if checked.found.why else ""
        self.progress.say(f"Model: {checked.id} ({checked.mode.name}{why})")
        for text in checked.warnings:
            (self.note if isinstance(text, Note) else self.warn)(text)

    @property
    def place(self) -> Place:
        return self.environment.place

    @property
    def chooses_a_seed(self) -> bool:
        """For a record, but not beside a cassette, which is played by sending the same."""
        return self.ask.sidecar and not (self.ask.record or self.ask.replay)

    @property
    def files(self) -> str:
        """The folder from which local paths in the request start."""
        return self.seat.files if self.seat else self.environment.cwd

    @property
    def region(self) -> str:
        """The region of --region, else of the environment. Raises UsageError for an unknown one."""
        if not self._region:
            from ..service import endpoint

            self._region = endpoint.region(self.place, self.ask.region)
        return self._region

    def home(self, known: Purchase | None) -> tuple[str, str]:
        """The region and the base URL to ask about an earlier run; "" where the environment decides.

        If --region differs from the run's region, --region wins.
        """
        from .. import regions

        if known is None:
            return self.ask.region, ""
        region = regions.named(known.region)
        is_elsewhere = bool(self.ask.region) and regions.named(self.ask.region) != region
        return self.ask.region or (region.id if region else ""), "" if is_elsewhere else known.base

    @property
    def account(self) -> Account:
        """The record of what this machine bought. A replay has a temporary one of its own."""
        if self._account is None:
            from ..account import store

            folder = store.folder(self.environment.env, self.environment.home)
            if self.ask.replay:
                folder = self._temporary_folder()
            environment = self.environment
            self._account = store.Account(
                folder,
                environment.now,
                self.warn,
                self.progress.clean,
                left=lambda: self.deadline - environment.clock(),
            )
        return self._account

    def _temporary_folder(self) -> str:
        """A folder that goes with the run; where the machine has no place for one, the run is not remembered."""
        import os
        from tempfile import TemporaryDirectory

        try:
            self._scratch = TemporaryDirectory()
        except OSError:
            self.outcome.resumable = False
            return os.devnull  # where nothing is found
        return self._scratch.name

    def entry(self) -> Entry:
        """This run's entry in the account. In the sandbox, whose tasks end with the run, it records nothing."""
        from ..account.entry import Entry

        account = self.account if self.outcome.resumable else None
        is_kept = self.outcome.resumable  # which opening the account may have changed
        return Entry(account if is_kept else None, self.outcome, self.progress, self.warn)

    def deliver(self) -> None:
        """The answer was written to stdout: the account need not answer it again. Nothing depends on its success."""
        finished = [part.outcome for part in self.outcome.parts or () if part.error is None]
        for outcome in (self.outcome, *finished):
            if outcome.run_id and self._account:
                try:
                    self._account.add(outcome.run_id, "deliver")
                except (OSError, MemoryError):
                    pass

    @property
    def folder(self) -> str:
        """Where results go without --output, relative to the current folder unless OUTPUT_DIR is absolute."""
        from ..environment import output_folder

        return f"{output_folder(self.place)}/{self.catalog.folder}"

    def target(self, prompt: str) -> Target:
        """Where the results will go; see `outputs.plan`.

        prompt: what file names are made from.
        """
        if self.seat and self.seat.target:
            return self.seat.target
        import time

        from ..files import outputs

        prompt = self.progress.clean(prompt)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.environment.now()))
        return outputs.plan(self.ask.output, self.folder, self.environment.cwd, prompt, stamp, self.ask.overwrite)
