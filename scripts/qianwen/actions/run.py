"""What every action is given: what was asked, where the run stands, and what it has reached so far."""

from __future__ import annotations

from ..outcome import Outcome
from ..plain.redact import literal

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported where they are needed: a refused request pays for none of them
    from tempfile import TemporaryDirectory

    from ..account.entry import Entry
    from ..account.store import Ledger, Purchase
    from ..ask import Ask
    from ..environment import Environment, Place
    from ..files.outputs import Target
    from ..models.catalog import Catalog
    from ..plain.progress import Progress


class Run:
    """One run of a program.

    deadline: a moment of the environment's clock, in seconds.
    account: opened when it is first needed, unless handed in.
    """

    def __init__(
        self, catalog: Catalog, ask: Ask, environment: Environment, progress: Progress, account: Ledger | None = None
    ) -> None:
        self.catalog = catalog
        self.ask = ask
        self.environment = environment
        self.progress = progress
        self.deadline = environment.clock() + ask.timeout
        self.outcome = Outcome(catalog.noun, resumable=not ask.sandbox)
        self._account = account
        self._region = ""
        self._scratch: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Forget what a replay kept."""
        if self._scratch:
            self._scratch.cleanup()

    def warn(self, text: str) -> None:
        """A warning for people at once, and for programs in the answer."""
        self.outcome.warnings.append(text)
        self.progress.warn(text)

    def note(self, text: str) -> None:
        """Like `warn`, for what only informs."""
        self.outcome.warnings.append(text)
        self.progress.note(text)

    @property
    def place(self) -> Place:
        return self.environment.place

    @property
    def region(self) -> str:
        """The region that was named, else the one that is set. Raises UsageError for an unknown one."""
        if not self._region:
            from ..service import endpoint

            self._region = endpoint.region(self.place, self.ask.region)
        return self._region

    def home(self, known: Purchase | None) -> tuple[str, str]:
        """The region to ask and the base that took a run; "" for what the environment decides.

        Another --region than the run's is the user's own wish to look elsewhere.
        """
        from .. import regions

        if known is None:
            return self.ask.region, ""
        asked, took = regions.find(self.ask.region), regions.find(known.region)
        is_elsewhere = bool(self.ask.region) and asked != took
        return self.ask.region or (took.id if took else ""), "" if is_elsewhere else known.base

    @property
    def account(self) -> Ledger:
        """What this machine bought. A replay has an account of its own, which ends with it."""
        if self._account is None:
            from ..account import store

            folder = store.folder(self.environment.env, self.environment.home)
            if self.ask.replay:
                from tempfile import TemporaryDirectory

                self._scratch = TemporaryDirectory()
                folder = self._scratch.name
            self._account = store.Ledger(folder, self.environment.now)
        return self._account

    def entry(self) -> Entry:
        """This run's entry in the account; one without a trace in the sandbox, whose tasks end with it."""
        from ..account.entry import Entry

        account = self.account if self.outcome.resumable else None
        return Entry(account, self.outcome, self.warn, lambda text: literal(text, self.progress.secrets))

    def target(self, prompt: str) -> Target:
        """Where the results will go; see `outputs.plan`. prompt: what the name of a file says."""
        import time

        from ..environment import find
        from ..files import outputs

        base = find(self.place, ("OUTPUT_DIR",))
        folder = f"{base.value if base else 'output'}/{self.catalog.folder}"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.environment.now()))
        return outputs.plan(self.ask.output, folder, self.environment.cwd, prompt, stamp, self.ask.overwrite)
