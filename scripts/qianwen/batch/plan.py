"""What the rows of a batch amount to: how many, what they may bill, how long they take, what is left; and the cap."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter

from ..checks.validate import in_words
from ..errors import InvalidRequest, Problem
from ..plain.record import changed
from ..plain.texts import counted
from .line import FINAL
from .pace import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..checks.validate import Checked
    from ..models.catalog import Catalog, Mode, Model
    from .rows import Row

    JSON = dict[str, Any]

MOST_PROBLEMS = 20
LARGE = {"image": 100, "second": 300}
"""Units above which a batch is made only with a cap."""
PICTURE_SECONDS = 15.0  # that a picture usually takes, where the row does not say


class Group:
    """The rows of one model that are left and not bought yet.

    units: the most that they may bill.
    pictures: those that are sent and billed too.  clips: how many of the units are of clips that are sent.
    unknown: rows whose bill nobody can tell.  unconfirmed: what no page confirms about it, as a clause.
    """

    def __init__(self, model: Model, mode: Mode, is_task: bool) -> None:
        self.model = model
        self.mode = mode
        self.is_task = is_task
        self.left = self.units = self.pictures = self.clips = self.unknown = 0
        self.unconfirmed = ""

    def allowed(self, region: str, shards: int) -> tuple[float, int]:
        """(submissions a second, rows at once) of one of so many shards."""
        limits, rate = self.model.pace, self.model.pace.rate_in(region)
        return rate / shards, places(limits, rate, self.is_task, shards)

    def seconds(self, region: str, shards: int, at_once: int) -> float:
        """How long the rows that are left take in one of so many shards. at_once: 0 for the documented pace."""
        limits, total = self.model.pace, self.left * _usual_seconds(self.mode)
        if at_once:
            return total / at_once
        slowest = self.left / limits.rate_in(region)
        if self.is_task and limits.running:
            slowest = max(slowest, total / limits.running)
        return slowest * shards


class Plan:
    """What was found in one pass over the rows.

    at_once: rows in work at once; 0 for as many as the documented pace allows.
    counts: rows by their state; "" for those that are left.
    has_files: media belong to what is left.
    repeated: rows that repeat others.  bought: rows left that an earlier run bought, so that they bill nothing more.
    whole_units: the most that what is left of all shards may bill.
    units_of: the most that all rows of each shard may bill, made or not.
    changed: rows whose id stands for another request in the results.
    """

    def __init__(self, catalog: Catalog, region: str, shard: tuple[int, int], at_once: int = 0) -> None:
        self.catalog = catalog
        self.at_once = at_once
        self.region = region
        self.shard = shard
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.problem_rows = 0
        self.rows = self.repeated = self.bought = self.whole_units = self.changed = 0
        self.units_of: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.groups: dict[str, Group] = {}
        self.has_files = False
        self.warning_count = 0
        self._told: set[str] = set()

    def refuse(self, row: Row, problems: tuple[Problem, ...]) -> None:
        self.problem_rows += 1
        self.problem_count += len(problems)
        for problem in problems[: MOST_PROBLEMS - len(self.problems)]:
            self.problems.append(
                changed(problem, path=f"row {row.number}" + (f": {problem.path}" * bool(problem.path)))
            )

    def check(self) -> None:
        """Raises InvalidRequest with the first problems, and says how many there are."""
        if not self.problems:
            return
        count, rows = counted(self.problem_count, "problem"), counted(self.problem_rows, "row")
        hint = f"{count} in {rows}; nothing was sent: fix the file"
        more = self.problem_count - len(self.problems)
        hint += f" (the other {more} are not shown)" if more else ""
        raise InvalidRequest(self.problems, hint=hint, heading=f"the file has {count}:")

    def is_ours(self, key: str) -> bool:
        return self._shard_of(key) == self.shard[0]

    def _shard_of(self, key: str) -> int:
        return int(key[:16], 16) % self.shard[1]

    def add(self, row: Row, checked: Checked | None, state: str, is_bought: bool = False) -> None:
        """Count a row.

        checked: None for a finished row that need not be checked.
        state: what has become of it, "" for one that is left.
        is_bought: an earlier run bought it, or may have.
        """
        units = checked.units if checked else 0
        if row.copy == 1:
            self.units_of[self._shard_of(row.key)] += units or 0
            self.whole_units += 0 if state or is_bought else units or 0
        if not self.is_ours(row.key):
            return
        self.rows += 1
        self.repeated += row.copy > 1
        self.counts[state] += 1
        if state or row.copy > 1 or not checked:
            return
        self.has_files = self.has_files or bool(checked.sources)
        group = self.groups.get(checked.id)
        if group is None:
            group = Group(checked.model, checked.mode, checked.is_task)
            self.groups[checked.id] = group
        if is_bought:
            self.bought += 1
            return
        group.left += 1
        group.units += units or 0
        group.pictures += checked.billed_inputs
        group.clips += checked.clip_seconds
        group.unknown += units is None
        group.unconfirmed = checked.unconfirmed or group.unconfirmed

    # The cap of a shard -------------------------------------------------------------------------------------

    def is_fellow(self, name: str) -> bool:
        """Whether this is the name of another shard of the same cut, such as 1-of-3."""
        index, _, count = name.partition("-of-")
        return self.shard[1] > 1 and count == str(self.shard[1]) and index != str(self.shard[0])

    def part_of(self, most: int, spent: Mapping[str, float]) -> float:
        """What this shard may bill of a cap.

        spent: units by the name of the shard, "" for the whole.
        A fellow spent more than its part when the batch was cut otherwise in between: that is taken from the others.
        """
        index, count = self.shard
        own = f"{index}-of-{count}" if count > 1 else ""
        whole, fellows = sum(self.units_of.values()), [name for name in spent if self.is_fellow(name)]
        before = sum(units for name, units in spent.items() if name != own and name not in fellows)

        def part(index: int) -> float:
            return share(most, before, self.units_of[index], whole, (index, count))

        over = sum(max(0.0, spent[name] - part(int(name.partition("-")[0]))) for name in fellows)
        return max(0.0, part(index) - over)

    def warn(self, row: Row, text: str) -> bool:
        """Count a warning of a row; whether it is one of the first of its kind, which are told."""
        self.warning_count += 1
        if text in self._told or len(self._told) >= MOST_PROBLEMS:
            return False
        self._told.add(text)
        return True

    # What it comes to ---------------------------------------------------------------------------------------

    @property
    def left(self) -> int:
        return self.counts[""]

    @property
    def done(self) -> list[str]:
        """The rows that have met an end, in words such as 3 made."""
        return [f"{number} {state}" for state, number in by_state(self.counts).items() if number]

    @property
    def bill(self) -> str:
        """What the rows that are left bill, in words."""
        return in_words(self._bills(*self.groups.values()))

    def _bills(self, *groups: Group) -> JSON:
        """As `checks.validate.bill` has it for a single request."""
        sums = {
            "input_images": sum(group.pictures for group in groups),
            "input_clips": sum(group.clips for group in groups),
            "unconfirmed": "; ".join(sorted({group.unconfirmed for group in groups} - {""})),
        }
        at_most = sum(group.units for group in groups)
        return {"unit": self.catalog.unit, "at_most": at_most, **{name: told for name, told in sums.items() if told}}

    def json(self) -> JSON:
        groups = {name: group for name, group in self.groups.items() if group.left}
        return {
            "rows": self.rows,
            **by_state(self.counts),
            "left": self.left,
            "bought": self.bought,
            "repeated": self.repeated,
            "changed_ids": self.changed,
            "bills": {
                **self._bills(*groups.values()),
                "rows_of_unknown_bill": sum(group.unknown for group in groups.values()),
            },
            "seconds": round(sum(map(self._seconds, groups.values()))),  # one model after another
            "models": {
                name: {"left": group.left, "at_most": group.units, "seconds": round(self._seconds(group))}
                for name, group in groups.items()
            },
        }

    def lines(self) -> list[str]:
        lines = [f"{counted(self.rows, 'row')}: {', '.join([*self.done, f'{self.left} left'])}"]
        if self.bought:
            lines.append(f"bought by an earlier run, and only to be collected: {counted(self.bought, 'row')}")
        for name, group in self.groups.items():
            if not group.left:
                continue
            bill = in_words(self._bills(group))
            how = "at the documented pace" if group.model.pace.source else "at a guessed pace"
            how = f"with {self.at_once} at once" if self.at_once else how
            time = f"about {span(self._seconds(group))} {how}"
            lines.append(f"{name}: {counted(group.left, 'row')} to buy in {time}, {bill}")
            if group.unknown:
                lines.append(f"  the bill of {group.unknown} of them is unknown")
        if self.repeated:
            lines.append(
                f"made once, because they repeat others: {counted(self.repeated, 'row')}; a seed or n makes more"
            )
        if self.changed:
            lines.append(f"made again, because the request with their id has changed: {counted(self.changed, 'row')}")
        return [*lines, f"what is left {self.bill}; nothing was sent"]

    def _seconds(self, group: Group) -> float:
        return group.seconds(self.region, self.shard[1], self.at_once)


def by_state(counts: Counter[str]) -> dict[str, int]:
    """How many rows have met each end."""
    return {state: counts[state] for state in FINAL}


def span(seconds: float) -> str:
    """A length of time in words: 40 s, 12 min, 8 h 4 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _usual_seconds(mode: Mode) -> float:
    """The middle of how long a task usually takes."""
    minutes = [int(number) for number in re.findall(r"\d+", mode.usual.partition(",")[0])]
    return 60 * sum(minutes) / len(minutes) if minutes else PICTURE_SECONDS


# The cap ----------------------------------------------------------------------------------------------------


class Cap:
    """What may be billed: the worst case of a row is set aside before it starts, and what was less is given back.

    Safe to use from several threads.

    most: units that may be billed in all.
    is_closed: False without a bound.
    spent: units that were billed or may be, those set aside included.
    """

    def __init__(self, most: float, spent: float, is_closed: bool = False) -> None:
        self.most = most
        self.is_closed = is_closed
        self.spent = spent
        self._lock = threading.Lock()

    def fits(self, units: float) -> bool:
        return not self.is_closed or self.spent + units <= self.most

    def set_aside(self, units: float) -> bool:
        """Set the worst case of a row aside; False when it does not fit."""
        with self._lock:
            if not self.fits(units):
                return False
            self.spent += units
            return True

    def settle(self, set_aside: float, billed: float) -> None:
        """A row has ended, and billed so much."""
        with self._lock:
            self.spent += billed - set_aside


def share(most: int, spent_before: float, own: int, whole: int, shard: tuple[int, int]) -> float:
    """The part of a cap that is a shard's; the parts of all shards together are no more than what is left of it.

    spent_before: units that were billed while the batch was cut otherwise.
    own, whole: units of the shard's rows and of all rows; chance makes shards uneven.
    """
    index, count = shard
    left = max(0, most - math.ceil(spent_before))
    if count == 1:
        return left
    if left < whole:
        return left * own // whole
    spare, rest = divmod(left - whole, count)
    return own + spare + (index < rest)
