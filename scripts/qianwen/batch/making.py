"""One row of a batch: made by the same `generate` as a run of its own, or collected where an earlier run bought it."""

from __future__ import annotations

import math
import os
import re
from contextlib import contextmanager

from .. import regions
from ..account.purchase import DONE, EXPIRED, FAILED, REFUSED, Kept
from ..actions.dashscope import DashScope
from ..actions.generate import generate
from ..actions.run import Run, Seat
from ..errors import (
    AuthError,
    LinkExpired,
    OutputError,
    QianwenError,
    Unavailable,
    UnknownOutcome,
    UsageError,
    expected,
)
from ..files import outputs
from ..http.messages import Fault
from ..models import wire
from ..outcome import File, billed, starved
from ..plain.record import changed
from ..plain.texts import moment
from ..recovery.collect import finish
from ..service import answers, codes
from . import line
from .pace import Gate, Turn
from .progress import RowVoice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ContextManager, Iterator, Mapping

    from ..account.purchase import Purchase
    from ..account.store import Account
    from ..actions.dashscope import Connection
    from ..ask import Ask
    from ..checks.validate import Checked
    from ..files.outputs import Target
    from ..http.messages import Send
    from .flight import Flight, Uploads
    from .folder import Folder
    from .progress import Voice
    from .rows import Row

    JSON = dict[str, Any]

UNANSWERED = "look at the usage in the console; the same command passes it over, and --again buys it a second time"
MOST_ATTEMPTS = 3  # of a row whose tasks fail by a fault of the service
LONGEST_STEM = 80
STATE_OF: Mapping[str, str] = {
    "content": line.REFUSED,
    "unknown_outcome": line.UNKNOWN,
    "output": line.UNSAVED,
    "usage": line.FAILED,
}
"""Kind of an error → what it makes of a row; of the other kinds `Trip._state` decides."""


class Checker:
    """Checks rows, one after another.

    files: the folder from which local paths start.
    """

    def __init__(self, whole: Run, files: str) -> None:
        self._run = Run(whole.catalog, whole.ask, whole.environment, whole.progress, seat=Seat("", files))
        self._way = DashScope(self._run)

    def check(self, row: Row) -> Checked:
        """The row as it will be sent, with a seed. Raises UsageError, and InvalidRequest with its problems."""
        self._run.ask = _ask_of(self._run, row)
        checked = self._way.check()
        param = checked.mode.param("seed")
        if checked.is_known and param is not None and param.on_wire and checked.values.get("seed") is None:
            low, high = int(param.low), int(param.high)
            checked.values["seed"] = low + int(row.key, 16) % (high - low + 1)  # the same row always asks the same
        return checked


def _ask_of(whole: Run, row: Row) -> Ask:
    """What one row asks."""
    return changed(
        whole.ask, fields=row.fields, model=row.model, kind=row.kind, again=True, output="", batch="", most=0
    )


class RowTurn(Turn):
    """Notes that a throttled request waits, so that a kill in the meantime leaves no doubt: nothing was bought."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def turned_away(self) -> None:
        try:
            self._add("end", state=REFUSED, told="throttled", at=self._run.environment.now())
        except OSError:
            pass  # it stays in doubt

    def goes_again(self) -> None:
        try:
            self._add("resend")
        except OSError as error:
            raise Fault(
                f"the ledger cannot be written: {error.strerror or error}", sent=False, permanent=True
            ) from error

    def _add(self, event: str, **fields: Any) -> None:
        if self._run.outcome.resumable:
            self._run.account.add(self._run.outcome.run_id, event, **fields)


class RowWay:
    """The way of one row: it is checked already, and shares the sockets, the pace and the uploads of its batch."""

    def __init__(self, run: Run, checked: Checked, trip: Trip, gate: Gate) -> None:
        self._run = run
        self._checked = checked
        self._trip = trip
        self._gate = gate

    @property
    def region(self) -> str:
        return self._run.region

    @property
    def base(self) -> str:
        return self._trip.connection.base

    def check(self) -> Checked:
        return changed(self._checked, warnings=())  # they were told before the first row was made

    def preview(self, checked: Checked) -> JSON:
        raise NotImplementedError("a batch shows its plan")

    def connect(self, checked: Checked) -> ContextManager[Connection]:
        return self._trip.connected(self._run, self._gate)


class Trip:
    """Makes and collects the rows of a batch, with what they share.

    files: the folder from which local paths start.
    """

    def __init__(
        self,
        whole: Run,
        connection: Connection,
        folder: Folder,
        flight: Flight,
        uploads: Uploads,
        files: str,
        voice: Voice,
    ) -> None:
        self.whole = whole
        self.connection = connection
        self.folder = folder
        self.flight = flight
        self.uploads = uploads
        self.files = files
        self.voice = voice
        self._tried_out: set[str] = set()

    @contextmanager
    def connected(self, run: Run, gate: Gate | None) -> Iterator[Connection]:
        flight, turn = self.flight, RowTurn(run)

        def paced(send: Send) -> Send:
            looking = flight.looking(send)
            return gate.paced(looking, answers.judge, turn) if gate else looking

        connection = self.connection.beside(run, paced, flight.sleep, self.uploads.once)
        prepare = connection.session.prepare

        def wait_and_prepare(url: str) -> None:
            """A kill while a row waits must not leave it as one that may have been sent."""
            try:
                if gate:
                    gate.wait(turn)
            except Fault as fault:
                raise Unavailable(fault.reason) from fault
            prepare(url)

        connection.session.prepare = wait_and_prepare
        flight.board(connection.session)
        try:
            yield connection
        finally:
            flight.leave(connection.session)

    def _run_of(self, row: Row, account: Account) -> Run:
        whole, seat = self.whole, Seat(row.name, self.files)
        voice = RowVoice(self.voice, row, self.flight)
        run = Run(whole.catalog, _ask_of(whole, row), whole.environment, voice, account, seat)
        run.deadline = whole.deadline
        return run

    # A row that is made -------------------------------------------------------------------------------------

    def make(self, row: Row, checked: Checked, gate: Gate) -> float:
        """Make a row and write its line. Answers the units that it billed, or may have."""
        run = self._run_of(row, self.folder.account)
        started = self.flight.clock()
        error: QianwenError | None = None
        try:
            target = self._target(row, checked)
            for place in (self.folder.results, self.folder.account.folder):
                if not os.path.exists(place):
                    raise UsageError(f"{place} is gone", hint="move or delete nothing of a batch while it runs")
        except QianwenError as caught:
            self.flight.stop(OutputError(caught.message, hint=caught.hint, billed="no"))
            return 0.0
        try:
            run.seat = Seat(row.name, self.files, target)
            generate(run, RowWay(run, checked, self, gate))
        except Exception as caught:
            error = starved(caught, run.outcome) or expected(caught)
        return self._note(row, run, error, float(checked.units or 0), started)

    def _target(self, row: Row, checked: Checked) -> Target:
        """Where the row's files go. Raises UsageError."""
        number, folder = f"{row.number:06d}", self.folder.path
        clean = self.whole.progress.clean
        subject = clean(checked.subject)
        if row.output:
            target = outputs.plan(os.path.join(folder, row.output), folder, folder, subject, number)
        else:
            own = re.sub(r"[^\w.-]+", "-", clean(row.id))[:LONGEST_STEM].strip("-.")
            target = outputs.Target(folder, own or f"{number}-{outputs.slug(subject)}")
        if target.folder not in self._tried_out or not os.path.isdir(target.folder):
            outputs.prepare(target)
            self._tried_out.add(target.folder)
        return target

    def refuse(self, row: Row, error: QianwenError) -> None:
        """Note a row that cannot be made any more: a file of it has changed or is gone."""
        run = self._run_of(row, self.folder.account)
        self._note(row, run, error, 0.0, self.flight.clock())

    # A row that an earlier run bought -----------------------------------------------------------------------

    def collect(self, row: Row, known: Purchase, account: Account) -> float:
        """Finish what an earlier run bought for a row. Answers the units that it billed, or may have."""
        known = self._moved(row, known)
        run = self._run_of(row, account)
        run.outcome.model, run.outcome.task_id = known.model, known.task_id
        run.outcome.run_id, run.outcome.submitted = known.id, True
        started = self.flight.clock()
        error: QianwenError | None = None
        try:
            if known.state == DONE:
                run.outcome.receive(dict(known.body), False)
                saved = {index: outputs.saved_before(kept.path, kept.sha256) for index, kept in known.files.items()}
                run.outcome.saved = {index: File(file, "") for index, file in saved.items() if file}
            else:
                self._finish(run, known)
        except Exception as caught:
            error = starved(caught, run.outcome) or expected(caught)
        return self._note(row, run, error, known.units, started, known)

    def _moved(self, row: Row, known: Purchase) -> Purchase:
        """A purchase with its paths in this folder: it may have been copied here from another machine."""
        folder = self.folder.path
        here = outputs.plan(os.path.join(folder, row.output), folder, folder, "", "").folder if row.output else folder
        files = {
            index: Kept(os.path.join(here, os.path.basename(kept.path)), kept.sha256)
            for index, kept in known.files.items()
        }
        return changed(known, folder=here, files=files)

    def _finish(self, run: Run, known: Purchase) -> None:
        if known.base != self.connection.base:
            if regions.is_loopback_url(known.base):
                raise UnknownOutcome("the stand-in that had it is gone")
            raise AuthError(
                f"row {known.stem} was submitted to {known.base}, but the base URL is now {self.connection.base}",
                hint="set DASHSCOPE_HTTP_BASE_URL or --region as they were, and run it again",
                billed="unknown",
            )
        if not known.task_id and not known.urls:
            raise UnknownOutcome("its submission was not answered, because the program was killed")
        target = outputs.Target(known.folder, known.stem, known.suffix, run=known.id, resumed=True)
        outputs.sweep(target)
        with self.connected(run, None) as connection, run.entry() as entry:
            entry.take_up(known)
            finish(run, connection, entry, known, target, patient=True)

    # What became of it --------------------------------------------------------------------------------------

    def _note(
        self,
        row: Row,
        run: Run,
        error: QianwenError | None,
        most: float,
        started: float,
        known: Purchase | None = None,
    ) -> float:
        """Write the line of a row that has ended; known: what an earlier run bought for it. Answers its units."""
        outcome, account, flight = run.outcome, run.account, self.flight
        state = self._state(row, account if outcome.resumable else None, error)
        is_billed = "yes" if error is None else billed(error, outcome)
        units = 0.0 if is_billed == "no" else _units(run, most) if error is None else most
        flight.ended(error)
        if not state:
            return units
        if isinstance(error, UnknownOutcome) and not outcome.candidates:
            error.hint = UNANSWERED  # --resume, which a run of its own would name, does not know of a batch's rows
        told: JSON = line.line_of(
            row,
            state,
            outcome,
            self.folder.path,
            units=round(units, 3),
            billed=is_billed,
            error=line.error_of(error) if error else None,
            at=moment(run.environment.now()),
            seconds=round(flight.clock() - started, 1),
            base=self.connection.base,
            program=run.catalog.program,
        )
        if account is not self.folder.account:
            told["shard"] = self.folder.shard_of(account)  # whose account counts its units
        if known and known.files and "files" not in told:
            told["files"] = line.kept_files(known.files, self.folder.path)
        before = self.folder.state(row.name)
        before = "" if self.whole.ask.again and before != line.MADE else before  # as the plan counts it
        try:
            self.folder.write(told)
            self.voice.ended(row, before, state, error)
            if outcome.run_id and outcome.resumable and not _may_be_fetched(account, outcome.run_id, state, error):
                if isinstance(error, LinkExpired):  # nobody can fetch it any more
                    account.add(outcome.run_id, "end", state=EXPIRED, told=str(error), at=run.environment.now())
                if units != most:
                    account.add(outcome.run_id, "bill", units=units)
                account.add(outcome.run_id, "deliver")
        except QianwenError as failure:
            flight.stop(failure)
        except OSError:
            pass  # the next run finds the purchase again, and its line
        return units

    def _state(self, row: Row, account: Account | None, error: QianwenError | None) -> str:
        """The word for how a row ended; "" when the same command tries it again."""
        if error is None:
            return line.MADE
        if error.kind == "output" and self.flight.why_over():
            return ""  # there was no time to save it; the account has its links
        if isinstance(error, LinkExpired):
            return line.FAILED
        if error.kind in STATE_OF:
            return STATE_OF[error.kind]
        if error.kind != "failed":
            return ""
        if error.code == "UNKNOWN":  # the service has forgotten the task, or another key submitted it
            return line.UNKNOWN
        # A fault of the service is not billed. A row that was told as unknown needs a line that says so.
        if codes.meaning(error.code, error.message, 200).passing and not self.folder.state(row.name):
            failed = sum(run.state == FAILED for run in account.runs(row.name)) if account else MOST_ATTEMPTS
            return line.FAILED if failed >= MOST_ATTEMPTS else ""
        return line.FAILED


def _may_be_fetched(account: Account, run_id: str, state: str, error: QianwenError | None) -> bool:
    """Whether the next run can do better: the disk has room again, or the key of the task's account is back."""
    if state != line.UNKNOWN or not error or error.code != "UNKNOWN":
        return state == line.UNSAVED
    known = account.get(run_id)
    return bool(known and not account.is_forgotten(known))


def _units(run: Run, most: float) -> float:
    """What a finished row billed: its pictures, or the seconds that the answer tells."""
    result = run.outcome.result
    if run.catalog.unit == "image":
        return float(len(result.urls)) if result and result.urls else most
    return float(math.ceil(wire.billed_seconds(run.outcome.body))) or most
