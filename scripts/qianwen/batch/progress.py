"""What a person sees of a batch: how far it is, the first rows that were not made, and at the end what to do."""

from __future__ import annotations

import sys
import threading
from collections import Counter

from ..terminal.progress import Progress
from .plan import MOST_PROBLEMS, by_state, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..errors import QianwenError
    from .flight import Flight
    from .rows import Row

GAP_SECONDS = 10.0  # between two lines


class RowVoice(Progress):
    """The progress of one row: only its warnings are told, with its number, and only the first of all rows'."""

    def __init__(self, whole: Voice, row: Row, flight: Flight) -> None:
        super().__init__(sys.stderr, quiet=True)
        self._flight = flight
        self.secrets = whole.progress.secrets  # the batch knows them all before its first row
        self._whole = whole
        self._row = row

    def always(self, text: str) -> None:
        pass

    def answered(self, task_id: str) -> None:
        self._flight.answered()

    def unanswered(self, why: str) -> None:
        self._flight.unanswered(why)

    def warn(self, text: str) -> None:
        self._whole.warn(self._row, text)


class Voice:
    """Safe to use from several threads.

    progress: where it goes.
    clock: monotonic seconds.
    counts: rows by state, "" for those that are left.
    running: answers how many rows are in work.
    """

    def __init__(
        self, progress: Progress, clock: Callable[[], float], counts: Counter[str], running: Callable[[], int]
    ) -> None:
        self.progress = progress
        self.counts = counts
        self.warnings = 0
        self._clock = clock
        self._running = running
        self._lock = threading.Lock()
        self._began = self._last = self._ended = clock()
        self._made = self._told = self._most = 0
        self._is_live = False

    def warn(self, row: Row, text: str) -> None:
        with self._lock:
            self.warnings += 1
            is_told = self.warnings <= MOST_PROBLEMS
        if is_told:
            self.progress.warn(f"row {row.number}: {text}")

    def ended(self, row: Row, before: str, state: str, error: QianwenError | None) -> None:
        """A row has a line now. The first that were not made are told at once."""
        with self._lock:
            if row.number:  # else it is not in the file any more
                self.counts[before] -= 1
                self.counts[state] += 1
            self._made += error is None
            self._told += error is not None
            self._most = max(self._most, self._running())
            self._ended = self._clock()
            is_told = self._told <= MOST_PROBLEMS
        if error and is_told:
            name = f" ({row.id})" if row.id else ""
            self.progress.say(f"row {row.number}{name} {state}: {error.message}")

    def tick(self) -> None:
        """Say how far it is, if it is time. A terminal tells it by itself."""
        now = self._clock()
        if now - self._last >= GAP_SECONDS and not self._is_live:
            self._last = now
            self.progress.say(self.line())

    def begin(self) -> None:
        self._is_live = self.progress.standing(self.line)

    def end(self) -> None:
        self.progress.standing(None)

    def line(self) -> str:
        """How far it is: rows made, not made and in work, how many a minute, and how long the others will take."""
        with self._lock:
            total, made, left = sum(self.counts.values()), self.counts["made"], self.counts[""]
            others = [f"{count} {word}" for word, count in by_state(self.counts).items() if count and word != "made"]
            now, done, until = self._clock(), self._made, self._ended - self._began
            quiet = now - self._ended
        parts = [f"{made} of {total} made", *others, f"{self._running()} running"]
        if done and left and now > self._began:
            # Rows that run side by side end together, so the last few take as long as a full round.
            more = until / done * max(left, self._most) - quiet
            parts += [
                f"{60 * done / (now - self._began):.1f} a minute",
                f"about {span(more)} left" if more > 0 else f"none finished for {span(quiet)}",
            ]
        return ", ".join(parts)
