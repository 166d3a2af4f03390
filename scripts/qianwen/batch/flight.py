"""The rows that are worked on at once: a thread each, and one reason to stop for all of them."""

from __future__ import annotations

import os
import threading

from ..errors import LinkExpired, QianwenError, Unavailable, UnknownOutcome, expected
from .pace import LOOKS_A_SECOND, Even, Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..http.messages import Request, Response, Send
    from ..http.session import Session
    from ..storage.forms import Upload

    Key = tuple[str, int, int, str]

MOST_UNKNOWN = 3  # paid requests in a row whose outcome is unknown: something is wrong with the way to the service
MOST_UNREACHED = 10  # rows in a row without network or service
TICK_SECONDS = 0.5
CUT_SECONDS = 1.0  # for the threads to note what they know after their connections were cut
GOOD_SECONDS = (
    40 * 3600.0
)  # of the 48 hours that the service keeps a file ("Upload local files", Model Studio, 2026-10)


class Flight:
    """The rows in the air, and why no more of them may start.

    clock, deadline: monotonic seconds.
    nap: replaces waiting, in tests.
    tick: called now and then while it waits.
    error: why the batch stopped; None while it goes on.
    time_is_up: a task still ran at the end, or too little time was left to begin another row.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        deadline: float,
        nap: Callable[[float], None] | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = clock
        self.deadline = deadline
        self.error: QianwenError | None = None
        self.running = 0
        self.time_is_up = False
        self._nap = nap
        self._tick = tick
        self._looks = Even(LOOKS_A_SECOND, clock)
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._by_gate: dict[Gate | None, int] = {}
        self._sessions: set[Session] = set()
        self._unknown = self._unreached = 0

    # Stopping -----------------------------------------------------------------------------------------------

    def stop(self, error: QianwenError) -> None:
        """Start nothing more, and let every row look at its task once more. The first reason counts."""
        with self._changed:
            self.error = self.error or error
            self._over.set()
            for session in self._sessions:
                session.deadline = min(session.deadline, self.clock())
            self._changed.notify_all()

    def why_over(self) -> str:
        """Why no paid request may leave any more, "" while it may."""
        if self._over.is_set():
            return "the batch has stopped"
        return "the time is up" if self.clock() >= self.deadline else ""

    def answered(self) -> None:
        """The service has answered a paid request."""
        with self._changed:
            self._unknown = 0

    def unanswered(self, why: str) -> None:
        """Nobody knows what became of a paid request. Three of them in a row stop the batch."""
        with self._changed:
            self._unknown += 1
            is_over = self._unknown >= MOST_UNKNOWN
        if is_over:
            self.stop(UnknownOutcome(f"the outcome of {MOST_UNKNOWN} paid requests in a row is unknown: {why}"))

    def ended(self, error: QianwenError | None) -> None:
        """How a row ended: some endings, or too many of a kind in a row, stop the batch."""
        kind = error.kind if error else ""
        self.time_is_up = self.time_is_up or kind == "running"
        with self._changed:
            if not self.why_over():
                self._unreached = self._unreached + 1 if kind == "unavailable" else 0
            is_cut_off = self._unreached >= MOST_UNREACHED
        is_grave = kind in ("auth", "output", "internal") and not isinstance(error, LinkExpired)
        if error and (is_grave or is_cut_off) and not self.why_over():
            self.stop(error)

    def hopeless(self) -> None:
        """There was nothing but refusals for ten minutes."""
        self.stop(Unavailable("the service has refused every request for ten minutes: too many requests"))

    # Waiting ------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Wait, but wake up when the batch stops or its time is up."""
        seconds = max(0.0, min(seconds, self.deadline - self.clock()))
        if self._nap:
            self._nap(seconds)
        else:
            self._over.wait(seconds)

    def look_freely(self) -> None:
        """A stand-in on this machine may be asked as often as one likes."""
        self._looks = Even(0, self.clock)

    def looking(self, send: Send) -> Send:
        """`send`, but the looks at tasks of all rows together keep their pace."""

        def spaced(request: Request) -> Response:
            while "/tasks/" in request.url and not self._over.is_set():
                left = self._looks.left()
                if not left:
                    break
                self.sleep(left)
            return send(request)

        return spaced

    def wait(self, until: Callable[[], bool]) -> bool:
        """Wait for a moment when `until` is true; False when the batch is over before."""
        with self._changed:
            while not until():
                if self.why_over():
                    return False
                self._changed.wait(TICK_SECONDS)
                self._tick()
        return not self.why_over()

    # Rows ---------------------------------------------------------------------------------------------------

    def start(self, gate: Gate | None, work: Callable[[], object]) -> bool:
        """Begin a row as soon as its gate has a place; False when the batch is over before."""
        places = gate.places if gate else 0
        if gate and not self.wait(lambda: self._by_gate.get(gate, 0) < places):
            return False
        if self.why_over():
            return False
        with self._changed:
            self.running += 1
            self._by_gate[gate] = self._by_gate.get(gate, 0) + 1
        try:
            threading.Thread(target=self._fly, args=(gate, work), daemon=True).start()
        except RuntimeError:  # this machine has no thread to spare: this one makes the row
            self._fly(gate, work)
        return True

    def _fly(self, gate: Gate | None, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self.stop(expected(error))
        finally:
            with self._changed:
                self.running -= 1
                self._by_gate[gate] -= 1
                self._changed.notify_all()

    def board(self, session: Session) -> None:
        """Let a session end when the batch stops."""
        with self._changed:
            self._sessions.add(session)
            if self._over.is_set():
                session.deadline = min(session.deadline, self.clock())

    def leave(self, session: Session) -> None:
        with self._changed:
            self._sessions.discard(session)

    def land(self, seconds: float | None = None) -> None:
        """Wait until no row is in the air, or for so long."""
        import time

        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self.running and (end is None or time.monotonic() < end):
                self._changed.wait(TICK_SECONDS)
                self._tick()


class Uploads:
    """The files of all rows: one that many rows use is sent once, as long as its link is good.

    Safe to use from several threads.

    good_seconds: how long a link is used.
    """

    def __init__(self, clock: Callable[[], float], good_seconds: float = GOOD_SECONDS) -> None:
        self._clock = clock
        self._good_seconds = good_seconds
        self._lock = threading.Lock()
        self._links: dict[Key, tuple[str, float]] = {}
        self._busy: dict[Key, threading.Lock] = {}

    def once(self, file: Upload, model: str, upload: Callable[[Upload], str]) -> str:
        """The URL of a file for a model, from an earlier upload of the same bytes where there is one."""
        key = (file.path, file.bytes, _modified(file.path), model)
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            link, until = self._links.get(key, ("", 0.0))
            if not link or self._clock() >= until:
                link = upload(file)
                self._links[key] = link, self._clock() + self._good_seconds
        return link


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0  # the upload will say what is wrong
