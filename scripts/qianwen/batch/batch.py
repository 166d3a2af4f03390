"""Many requests from a file. Read this page first: it lists the stages of a batch in order.

    survey (every row checked) ─ cap ─ folder ─ connect ─ collect (what an earlier run bought) ─ make ─ copies ─ ending

Going on is the same command again: a row that has a line in the results is never bought twice, and what was bought and
has no line is in the folder's account. Each row is the same `generate` as a run of its own.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import closing, suppress
from functools import partial

from .. import regions
from ..account.purchase import DONE, EXPIRED, Batch
from ..actions.dashscope import connected, note_a_missing_key, own_bucket
from ..checks.findings import Note
from ..errors import (
    Capped,
    Interrupted,
    InvalidRequest,
    OutputError,
    Problem,
    QianwenError,
    Refused,
    StillRunning,
    Unavailable,
    UnknownOutcome,
    UsageError,
)
from ..plain.texts import counted, moment
from ..service import endpoint
from . import line, rows
from .flight import CUT_SECONDS, GOOD_SECONDS, Flight, Uploads
from .folder import Folder
from .making import Checker, Trip
from .pace import MOST_AT_ONCE, Gate
from .plan import LARGE, MOST_PROBLEMS, Cap, Plan, by_state
from .progress import Voice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..account.purchase import Purchase
    from ..account.store import Account
    from ..actions.dashscope import Connection
    from ..actions.run import Run
    from ..checks.validate import Checked
    from ..outcome import Outcome
    from .rows import Row

    JSON = dict[str, Any]

AT_ONCE_HERE = 8  # against a stand-in on this machine, which has no limits
LOOK_SECONDS = 0.1  # between two tries to look at another's account
LAST_START_SECONDS = 60.0  # a request that is answered at once is not begun later than so before the end
LANDING_SECONDS = {True: 5.0, False: 60.0}  # after Ctrl-C: for submissions of tasks; for answers that come at once
MOST_FAILURES = 20  # in the answer
CHUNK = 5000  # copies whose originals are looked up in one pass over the results


def batch(run: Run) -> Outcome:
    """`--batch`. Raises the most urgent error when a row was not made; `run.outcome.batch` tells about all of them."""
    whole = _Batch(run)
    if not run.ask.dry_run:
        run.environment.before_sending()  # already now: SIGTERM is told while many rows are checked, too
    whole.refuse_a_second_beginning()
    plan = whole.survey()
    if run.ask.dry_run:
        note_a_missing_key(run)
        whole.note_the_cap()
        run.outcome.page = plan.lines()
        run.outcome.batch = {"dry_run": True, "folder": whole.folder.path, **plan.json()}
        return run.outcome
    whole.require_a_cap()
    whole.require_results_of_one_kind()
    whole.warn_of_idle_shards()
    whole.may_wait = True
    with closing(whole.folder) as folder:
        try:
            folder.take()
        except StillRunning:  # the same command goes on
            whole.report()
            raise
        try:
            whole.work()
        finally:
            whole.report()
    error = whole.ending()
    if error:
        raise error
    return run.outcome


class _Batch:
    """A batch: its file, its folder, and what the rows share."""

    def __init__(self, run: Run) -> None:
        environment, ask = run.environment, run.ask
        self.run = run
        self.path = environment.path(ask.batch)
        self.files = os.path.dirname(self.path)
        self.folder = Folder(self._place(), ask.shard, environment.now, self._wait, run.warn, run.progress.clean)
        place = () if ask.output else ("--output", self.folder.path)  # else another folder would buy all of it again
        run.outcome.words = (*place, *ask.words)
        self.plan = Plan(run.catalog, run.region, ask.shard, ask.at_once)
        self.voice = Voice(run.progress, environment.clock, self.plan.counts, lambda: self.flight.running)
        self.flight = Flight(environment.clock, run.deadline, environment.sleep, self.voice.tick)
        self.cap = Cap(0, 0)
        self.is_capped = False
        self.may_wait = False
        self._has_told_why = False
        self._surveyed: set[int] = set()  # rows that were checked and are not made
        self._owed: set[str] = set()  # rows that an earlier run bought
        self._outdated: set[int] = set()  # rows of which the row that they repeat has better news
        self._gates: dict[str, Gate] = {}

    def _place(self) -> str:
        """The batch's folder: --output, else one of the file's name where results go."""
        run = self.run
        name = os.path.splitext(os.path.basename(self.path))[0] + ("-rehearsal" if run.ask.sandbox else "")
        return run.environment.path(run.ask.output or os.path.join(run.folder, name))

    def _wait(self) -> None:
        """Wait a moment for a process that looks at what an earlier run bought, or collects it. Raises StillRunning."""
        what = f"another process looks at what an earlier run bought in {self.folder.path}"
        if not self.may_wait or self.flight.why_over():
            raise StillRunning(what, hint="run `next` to continue", billed="no")
        if not self._has_told_why:
            self._has_told_why = True
            self.run.progress.say(f"Waiting: {what}")
        self.flight.sleep(LOOK_SECONDS)

    # Before anything is sent --------------------------------------------------------------------------------

    def refuse_a_second_beginning(self) -> None:
        """Raises UsageError where the batch would start again because its folder was moved, or we stand in another one.

        Not for a shard: its folder may be one of several machines that share an account.
        """
        ask, program, here = self.run.ask, self.run.catalog.program, os.path.realpath(self.folder.path)
        if ask.sandbox or ask.shard[1] > 1 or os.path.isdir(here):
            return
        for begun in self._unfinished():
            if begun.folder == here:
                raise UsageError(
                    f"{here} is gone, and an unfinished batch may have bought what was there; nothing was sent",
                    hint="put it back, or name its new place with --output; an empty folder there buys every row again",
                )
            is_the_same = begun.program == program and self.path in map(os.path.normpath, begun.command)
            if is_the_same and not ask.output and os.path.isdir(begun.folder):
                raise UsageError(
                    f"this batch is unfinished in {begun.folder}, and would start again here; nothing was sent",
                    hint=f"continue with --output {shlex.quote(begun.folder)}; another --output buys every row again",
                )

    def _unfinished(self) -> list[Batch]:
        """The batches that are not over. Puts a damaged account right; raises Unavailable for an unreadable one."""
        account = self.run.account
        found = account.batches()
        if account.trouble and not self.run.ask.dry_run:
            account.trouble = ""
            account.put_right()
            return account.batches()
        return found

    def survey(self) -> Plan:
        """Check every row that is left. Raises InvalidRequest with the first problems, UsageError without any row."""
        run, plan = self.run, self.plan
        self.folder.read()
        checker, total, known = Checker(run, self.files), 0, 0
        given: set[int] = set()  # ids and outputs of earlier rows
        lines = self.folder.lines() if run.ask.dry_run else iter(())
        known_ids = {told["id"]: told["key"] for told in lines if isinstance(told.get("id"), str)}
        bought = self._bought()
        for row in self._rows():
            total += 1
            known += self.folder.has_line(row.name)
            state = self._settled(row)
            checked, problems = self._checked(checker, row, state)
            problems += _given_before(row, given)
            if problems and not state:  # a finished row may have lost its files
                plan.refuse(row, tuple(problems))
                continue
            if state != line.MADE:
                self._surveyed.add(rows.number_of(row.name))
            plan.changed += known_ids.get(row.id, row.key) != row.key and not state
            plan.add(row, checked, state, row.name in bought)
            for text in checked.warnings if checked and not state else ():
                if not isinstance(text, Note) and plan.warn(row, text):
                    run.warn(f"row {row.number}: {text}")
        plan.check()
        if not total:
            raise UsageError(
                f"--batch {run.ask.batch} has no rows", hint="each line, or each row below a header, is one"
            )
        if plan.warning_count > MOST_PROBLEMS:
            run.warn(f"{plan.warning_count} warnings in all")
        strange = len(self.folder.states) - known
        if strange and plan.left > plan.bought:
            run.note(
                f"the results have {counted(strange, 'row')} that this file and these flags do not ask for: "
                "a row that is written differently, or gets another default, counts as new and is bought"
            )
        return plan

    def _settled(self, row: Row) -> str:
        """What has become of a row, "" for one that is to be worked on."""
        state = "" if row.problems else self.folder.state(row.name)
        if state and self._is_outdated(row):
            self._outdated.add(rows.number_of(row.name))
            return ""
        return "" if self.run.ask.again and state in line.NOT_MADE else state

    def _bought(self) -> set[str]:
        """The rows that an earlier run bought, or may have, and that have no line yet."""
        run, names = self.run, set[str]()
        if not self.folder.has_an_account():
            return names
        own, trouble = self.folder.account, ""
        try:
            for account in self.folder.idle_accounts():
                for known in self._owed_by(account):
                    if not (run.ask.again and self.folder.state(known.request) == line.UNKNOWN):
                        names.add(known.request)
                    self.folder.recognize(known.base, known.program)
                trouble = trouble or account.trouble
        except QianwenError as error:
            trouble = trouble or error.message
        own.close()
        if run.ask.dry_run and trouble:
            run.note(f"it is not known which rows an earlier run bought: {trouble}")
        own.trouble = ""  # a run looks again when it has the folder to itself
        return names

    def _checked(self, checker: Checker, row: Row, state: str) -> tuple[Checked | None, list[Problem]]:
        """The checked row, None for one that need not or cannot be made; and what is wrong with it."""
        run, problems = self.run, list(row.problems)
        if problems or (state and run.ask.shard[1] == 1):  # shards share a cap by the units of all rows
            return None, problems
        try:
            checked = checker.check(row)
        except InvalidRequest as error:
            return None, list(error.problems)
        except UsageError as error:
            return None, [Problem("", None, error.message, error.hint)]
        if run.ask.most and checked.units is None:
            why = f"its bill is unknown, so {run.catalog.cap} cannot limit it"
            problems.append(Problem("model", checked.id, why, "a separate batch, without a cap"))
        return checked, problems

    def note_the_cap(self) -> None:
        """Say in a dry run that the run itself would need a cap, or may reach the one that it has."""
        run, bill = self.run, counted(self.plan.whole_units, self.run.catalog.unit)
        if self._lacks_a_cap():
            run.note(f"the run itself needs {run.catalog.cap} N: it may bill up to {bill}")
        elif 0 < run.ask.most < self.plan.whole_units:
            run.note(f"{run.catalog.cap} {run.ask.most} may stop it early: all rows may bill up to {bill}")

    def _lacks_a_cap(self) -> bool:
        is_large = self.plan.whole_units > LARGE[self.run.catalog.unit]
        return is_large and not self.run.ask.most and not self.run.ask.sandbox

    def require_a_cap(self) -> None:
        """Raises UsageError for a large batch without a cap."""
        catalog = self.run.catalog
        if self._lacks_a_cap():
            bill = counted(self.plan.whole_units, catalog.unit)
            raise UsageError(
                f"this batch may bill up to {bill}, and has no cap; nothing was sent",
                hint=f"add {catalog.cap} N, the most that its folder may ever bill; --dry-run shows the plan",
            )

    def require_results_of_one_kind(self) -> None:
        """Raises UsageError for a folder with results of the other program, or of a stand-in beside the service's.

        And AuthError for an untrusted base, before the folder is made.
        """
        run = self.run
        if self.folder.program not in ("", run.catalog.program):
            raise UsageError(
                f"{self.folder.path} has results of {self.folder.program}, whose bill is in another unit",
                hint="choose another folder with --output",
            )
        rehearses = self._rehearses()
        if self.folder.is_rehearsal is not None and self.folder.is_rehearsal != rehearses:
            has, wanted = (
                ("a stand-in", "the real service") if self.folder.is_rehearsal else ("the service", "a stand-in")
            )
            raise UsageError(
                f"{self.folder.path} has results of {has}, and this run would ask {wanted}",
                hint="choose another folder with --output",
            )

    def warn_of_idle_shards(self) -> None:
        """Warn when an account runs fewer tasks at once than there are shards."""
        ask, limits = self.run.ask, [group.model.pace for group in self.plan.groups.values()]
        shards = ask.shard[1]
        slow = [pace.running for pace in limits if pace.running and pace.running < shards]
        if slow and not ask.at_once and not self._rehearses():
            self.run.warn(
                f"an account runs {min(slow)} tasks of this model at once, on however many machines: {shards} shards "
                "are no faster, unless their keys belong to several accounts (then add --at-once)"
            )

    def _rehearses(self) -> bool:
        """Whether a stand-in answers, which bills nothing and has no limits. Raises AuthError for an untrusted base."""
        run = self.run
        return run.ask.sandbox or regions.is_loopback_url(endpoint.base_url(run.place, run.region))

    def _rows(self) -> Iterator[Row]:
        return rows.read(self.path, self.run.catalog, self.run.ask)

    # With the service ---------------------------------------------------------------------------------------

    def work(self) -> None:
        """Collect what is owed, make what is left. Stops early at the end of the time, the cap, or an error."""
        run, flight = self.run, self.flight
        self._set_the_cap()
        is_owed = self._is_owed()
        if not self.plan.left and not is_owed:
            return
        own = None
        if self.plan.has_files:
            from ..storage import bucket, temporary  # noqa: F401 - an update may replace the skill while rows are made

            own = own_bucket(run)
        good_seconds = min(GOOD_SECONDS, own.expires / 2 if own else GOOD_SECONDS)
        with connected(run, own=own) as connection:
            self._remember(is_over=False)  # now the key is known, which may not be written down
            if regions.is_loopback_url(connection.base):
                flight.look_freely()
            uploads = Uploads(run.environment.clock, good_seconds)
            trip = Trip(run, connection, self.folder, flight, uploads, self.files, self.voice)
            self._greet(connection)
            try:
                self._try_again()
                self._collect(trip)
                self._make(trip, connection)
                flight.land()
                self._copy()
            except KeyboardInterrupt:
                is_task = all(group.is_task for group in self.plan.groups.values())
                flight.stop(Interrupted("interrupted"))
                flight.land(LANDING_SECONDS[is_task])
            except QianwenError as error:
                flight.stop(error)
                flight.land()
            if flight.error and flight.error.kind == "auth":
                connection.client.explain(flight.error)  # type: ignore[arg-type]
        flight.land(CUT_SECONDS)  # the connections are cut: what was in the air notes what it knows

    def _greet(self, connection: Connection) -> None:
        """Say what is about to happen."""
        run, plan = self.run, self.plan
        key_file = connection.client.endpoint.key_file
        if plan.has_files and key_file:
            run.note(f"local files go to the account of the key in {key_file}", when_quiet=True)
        bill = "bills nothing" if run.ask.sandbox else plan.bill
        run.progress.say(f"{plan.left} of {plan.rows} rows are left; this run {bill}; results in {self.folder.results}")
        self.voice.begin()

    def _remember(self, is_over: bool) -> None:
        """Name the batch in the machine's account, for --tasks and --resume.

        A shard names the run of the whole, which alone can tell that all is over.
        """
        run, is_shard = self.run, self.run.ask.shard[1] > 1
        if run.ask.sandbox or (is_shard and is_over):
            return
        own = list(run.outcome.words)
        if is_shard:
            del own[own.index("--shard") : own.index("--shard") + 2]
        words = (sys.executable or "python3", run.environment.script, *own)
        try:
            place = os.path.realpath(self.folder.path)  # by whatever links and spelling --output names it
            run.account.note_batch(Batch(place, run.catalog.program, words, run.environment.now(), is_over))
        except OSError as error:
            run.warn(f"this machine cannot remember the batch: {run.account.folder}: {error.strerror or error}")

    def _try_again(self) -> None:
        """`--again`: write down which rows are to be tried again, so that the same command without it goes on."""
        if not self.run.ask.again:
            return
        owed = set()
        for account in self.folder.idle_accounts():
            for known in list(self._owed_by(account)):
                if self.folder.state(known.request) == line.UNKNOWN and self.plan.is_ours(known.request):
                    account.add(known.id, "deliver")  # nobody asks for its task any more
                else:
                    owed.add(known.request)
        for row in self._rows():
            state = self.folder.state(row.name)
            if state in line.NOT_MADE and self.plan.is_ours(row.key) and row.name not in owed:
                told = {"key": row.name, "row": row.number, "state": line.AGAIN}
                self.folder.write({**told, "at": moment(self.run.environment.now())})

    def _set_the_cap(self) -> None:
        """Set this run's part of the user's cap, by what the folder's accounts, put right, say was billed so far."""
        folder, most = self.folder, self.run.ask.most
        for account in folder.idle_accounts():
            account.put_right()
        spent = folder.spent()
        own = spent.get(folder.name, 0.0)
        self.cap = Cap(self.plan.part_of(most, spent), own, is_closed=bool(most))

    def _is_owed(self) -> bool:
        """Whether something was bought that has no line yet."""
        return any(True for account in self.folder.idle_accounts() for _ in self._owed_by(account))

    def _owed_by(self, account: Account) -> Iterator[Purchase]:
        """What was bought and has no line in the results, even if they were lost, or one that another may follow."""
        has_line, state_of = self.folder.has_line, self.folder.state
        for known in account.open_runs():
            is_told = known.delivered and has_line(known.request)
            if not is_told and state_of(known.request) != line.MADE:  # a full disk took its line, but no step
                yield known
        unread, gone = [], []
        for key, state in account.states():
            if state == DONE and state_of(key) != line.MADE:
                unread.append(key)
            elif state == EXPIRED and not has_line(key):
                gone.append(key)
        yield from filter(None, (account.made(key, delivered_too=True) for key in unread))
        yield from (account.runs(key)[-1] for key in gone)

    def _collect(self, trip: Trip) -> None:
        """Finish what an earlier run bought, in this folder's account and in those that nobody works in."""
        gate = Gate(0, MOST_AT_ONCE, self.flight.clock, self.flight.sleep, self.flight.why_over)
        for account in self.folder.idle_accounts():
            owed = {known.request: known for known in self._owed_by(account) if self.plan.is_ours(known.request)}
            self._owed |= set(owed)
            if owed:
                self.run.progress.say(f"{len(owed)} rows were bought by an earlier run; collecting them first")
            for row in self._rows() if owed else ():
                known = owed.pop(row.name, None)
                if known and not self.flight.start(gate, partial(trip.collect, row, known, account)):
                    break
            for key, known in owed.items():  # the rows are not in the file any more
                self.flight.start(gate, partial(trip.collect, rows.Row(0, key, dict(known.asked), {}), known, account))
            self.flight.land()

    def _make(self, trip: Trip, connection: Connection) -> None:
        """Start each row that is left when its model has a place for it, and its worst case fits below the cap."""
        flight, cap, checker = self.flight, self.cap, Checker(self.run, self.files)
        least = min(LAST_START_SECONDS, self.run.ask.timeout / 2)
        for row in self._rows():
            name = row.name
            if row.copy > 1 or self.folder.state(name) or not self.plan.is_ours(row.key) or name in self._owed:
                continue
            if row.problems or rows.number_of(name) not in self._surveyed:
                raise UsageError(
                    f"row {row.number} of {self.path} has changed since it was checked", hint="run it again"
                )
            try:
                checked = checker.check(row)
            except UsageError as error:
                trip.refuse(row, error)
                continue
            gate, units = self._gate(checked, connection.base), float(checked.units or 0)
            if not checked.is_task and flight.deadline - flight.clock() < least:
                flight.time_is_up = True
                break
            if not flight.wait(partial(self._can_decide, units)):
                break
            if not cap.set_aside(units):
                self.is_capped = True
                break
            if not flight.start(gate, partial(self._make_one, trip, row, checked, gate, units)):
                cap.settle(units, 0)
                break

    def _can_decide(self, units: float) -> bool:
        return self.cap.fits(units) or not self.flight.running

    def _make_one(self, trip: Trip, row: Row, checked: Checked, gate: Gate, units: float) -> None:
        self.cap.settle(units, trip.make(row, checked, gate))

    def _gate(self, checked: Checked, base: str) -> Gate:
        """Where the requests of a model wait for their turn. A stand-in on this machine has no limits of its own."""
        if checked.id not in self._gates:
            ask, shards, flight = self.run.ask, self.run.ask.shard[1], self.flight
            rate, places = self.plan.groups[checked.id].allowed(self.run.region, shards)
            if ask.at_once or regions.is_loopback_url(base):
                rate, places = 0.0, ask.at_once or AT_ONCE_HERE
            self._gates[checked.id] = Gate(rate, places, flight.clock, flight.sleep, flight.why_over, flight.hopeless)
        return self._gates[checked.id]

    def _copy(self) -> None:
        """Write the lines of the rows that repeat others, whose lines are in the results by now."""
        waiting: list[Row] = []
        state = self.folder.state
        for row in self._rows() if self.plan.repeated else ():
            is_left = row.copy > 1 and self.plan.is_ours(row.key) and not state(row.name) and state(row.key)
            if is_left or self._is_outdated(row):
                waiting.append(row)
            if len(waiting) == CHUNK:
                self._write_copies(waiting)
                waiting = []
        if waiting:
            self._write_copies(waiting)

    def _is_outdated(self, row: Row) -> bool:
        """Whether a row repeats one that was fetched after all, and its line does not say so yet."""
        state, of_the_first = self.folder.state(row.name), self.folder.state(row.key)
        may_change = row.copy > 1 and state in (line.UNSAVED, line.UNKNOWN)
        return may_change and self.plan.is_ours(row.key) and of_the_first not in ("", state)

    def _write_copies(self, copies: list[Row]) -> None:
        wanted = {row.key for row in copies}
        firsts = {told["key"]: told for told in self.folder.endings() if told["key"] in wanted}
        at = moment(self.run.environment.now())
        for row in copies:
            if row.key in firsts:
                state = firsts[row.key]["state"]
                is_left = rows.number_of(row.name) in self._outdated
                self.plan.counts["" if is_left else self.folder.state(row.name)] -= 1
                self.folder.write(line.of_copy(row, firsts[row.key], at))
                self.plan.counts[state] += 1

    # The end ------------------------------------------------------------------------------------------------

    def report(self) -> None:
        """What the answer tells, whatever the end."""
        run, plan = self.run, self.plan
        spent = self.cap.spent
        if not run.ask.sandbox:  # what is set aside for a row that was never sent is not billed
            with suppress(QianwenError):  # a fellow collects, and the time is up
                spent = sum(units for name, units in self.folder.spent().items() if not plan.is_fellow(name))
        run.outcome.batch = {
            "folder": self.folder.path,
            "results": self.folder.results,
            "rows": plan.rows,
            **by_state(plan.counts),
            "left": plan.left,
            "billed": round(spent, 3),
            "unit": run.catalog.unit,
            "failures": self._failures(),
        }
        if not plan.left and not plan.counts[line.UNSAVED]:
            self._remember(is_over=True)
        self.voice.end()
        rest = [f"{plan.left} left"] if plan.left else []
        billed = f"at most {counted(spent, run.catalog.unit)} billed so far"
        bill = f"{'nothing is billed' if run.ask.sandbox else billed}; results in {self.folder.results}"
        run.progress.say(f"{counted(plan.rows, 'row')}: {', '.join([*plan.done, *rest]) or 'none to make'}; {bill}")

    def _failures(self) -> list[JSON]:
        """The first rows that were not made, and why."""
        if not any(self.plan.counts[state] for state in line.NOT_MADE):
            return []
        told: dict[str, JSON] = {}
        try:
            for each in self.folder.endings():
                name = each["key"]
                is_asked = each["state"] in line.NOT_MADE and rows.number_of(name) in self._surveyed
                if is_asked and (name in told or len(told) < MOST_FAILURES):
                    told[name] = {field: each[field] for field in ("row", "id", "state", "error") if field in each}
        except QianwenError:
            pass
        return list(told.values())

    def ending(self) -> QianwenError | None:
        """The most urgent of what went wrong; None when every row is made."""
        flight, counts, left = self.flight, self.plan.counts, self.plan.left
        still = f"{counted(left, 'row')} {'is' if left == 1 else 'are'} left"
        if flight.error:
            return flight.error
        if self.is_capped:
            cap = counted(self.cap.most, self.run.catalog.unit)
            return Capped(
                f"the cap of {cap} is reached ({self.cap.spent:.12g}), and {still}",
                hint=f"give {self.run.catalog.cap} a higher number to continue",
            )
        if left and (flight.time_is_up or flight.why_over()):
            return StillRunning(f"the time is up, and {still}", hint="run `next` to continue")
        if left:
            return Unavailable(f"{counted(left, 'row')} could not be made now: the service or the network had trouble")
        if counts[line.UNSAVED]:
            what = counted(counts[line.UNSAVED], "row")
            return OutputError(
                f"{what} could not be saved, and the results are paid for", hint="run it again to fetch them"
            )
        if counts[line.UNKNOWN]:
            return UnknownOutcome(
                f"{counted(counts[line.UNKNOWN], 'row')} may have been accepted and billed: the outcome is unknown",
                hint="`failures` and the results name them; the same command asks again for those that have a task, "
                "and needs a key of the account that bought them; for the others check the usage in the console: "
                "--again buys them a second time",
            )
        refused = counts[line.REFUSED] + counts[line.FAILED]
        if refused:
            hint = "`failures` and the results say why: change these rows in the file, and run it again; " + (
                "do not resend unchanged what a content filter refused, as --again would"
                if counts[line.REFUSED]
                else "--again retries them unchanged"
            )
            return Refused(f"{refused} of {self.plan.rows} rows failed or were refused; all others are made", hint=hint)
        return None


def _given_before(row: Row, given: set[int]) -> list[Problem]:
    """A problem for an id or an output that an earlier row has too."""
    problems = []
    for field, value in (("id", row.id), ("output", row.output)):
        if value and hash((field, value)) in given:
            problems.append(Problem(field, value, "is that of an earlier row too", "one row each"))
        given.add(hash((field, value)))
    return problems
