"""How fast a batch asks for one model: evenly, at the documented rate, and slower when the service refuses.

The limits are an account's: all its keys and machines share them (page "Rate limits", 2026-05). For a batch of known
size the service itself advises fixed numbers instead of probing ("Best practices for rate limiting", 2026-05).
"""

from __future__ import annotations

import math
import threading

from ..http.messages import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..http.messages import Request, Response, Send
    from ..http.retry import Judge
    from ..models.catalog import Pace

AHEAD = 2  # tasks that wait at the service, so that no place there is empty until we notice an end
MOST_AT_ONCE = 24  # requests that are answered at once: each holds a connection
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
CALM_SECONDS = 60.0  # without a refusal, until the full rate is taken again
HOPELESS_SECONDS = 600.0  # of nothing but refusals
LOOKS_A_SECOND = 10.0  # of one process; an account has 20 ("Asynchronous task management API", 2026-10)


def places(pace: Pace, rate: float, is_task: bool, shards: int = 1) -> int:
    """How many rows of a model are worked on at once."""
    if is_task and pace.running:
        return max(1, (pace.running + AHEAD) // shards)
    return max(1, min(math.ceil(rate * 60), MOST_AT_ONCE) // shards)


class Even:
    """Moments that are evenly spaced in time. rate: a second; 0 for no spacing."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.gap = 1 / rate if rate else 0.0
        self.clock = clock
        self.free_at = -math.inf
        self.lock = threading.Lock()

    def left(self) -> float:
        """Seconds until the next moment; 0.0 takes it."""
        with self.lock:
            now = self.clock()
            if now < self.free_at:
                return self.free_at - now
            self.free_at = now + self.gap
            return 0.0


class Turn:
    """Whether a row has waited for its turn already: it does so before the account says that it is being sent."""

    is_taken = False

    def turned_away(self) -> None:
        """The service refused the request, and it waits again: nothing was bought."""

    def goes_again(self) -> None:
        """It is about to be sent again. Raises Fault when it must not be."""


class Gate(Even):
    """Where the paid requests of one model wait for their turn. Safe to use from several threads.

    places: rows at once.
    sleep: waits, and wakes early when the batch stops.
    over: says why no request may leave any more, "" while it may.
    give_up: called when there was nothing but refusals for ten minutes.
    """

    def __init__(
        self,
        rate: float,
        places: int,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        over: Callable[[], str],
        give_up: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(rate, clock)
        self.places = places
        self._full_gap = self.gap
        self._sleep = sleep
        self._over = over
        self._give_up = give_up
        self._pause = 0.0
        self._refused_at = -math.inf
        self._hopeless_at = math.inf

    def paced(self, send: Send, judge: Judge, turn: Turn) -> Send:
        """`send`, but a paid request waits for its turn, and a throttled one for the next: nothing was bought yet.

        turn: the one that the row may have taken before.
        Raises Fault for a request that did not leave.
        """

        def wait_and_send(request: Request) -> Response:
            if not request.billable:
                return send(request)
            was_refused = False
            while True:
                if not turn.is_taken:
                    self.wait(turn)
                if was_refused:
                    turn.goes_again()
                turn.is_taken = False
                sent_at = self.clock()
                response = send(request)
                if response.status != 429 or not judge(response)[0]:
                    self._taken()
                    return response
                response.close()
                turn.turned_away()
                was_refused = True
                self._refused(sent_at)

        return wait_and_send

    def wait(self, turn: Turn) -> None:
        """Wait for a turn. Raises Fault when nothing may leave any more."""
        while True:
            why = self._over()
            if why:
                raise Fault(why, sent=False, permanent=True)
            left = self.left()
            if not left:
                turn.is_taken = True
                return
            self._sleep(left)

    def _taken(self) -> None:
        with self.lock:
            self._pause, self._hopeless_at = 0.0, math.inf
            if self.clock() - self._refused_at >= CALM_SECONDS:
                self.gap = self._full_gap

    def _refused(self, sent_at: float) -> None:
        with self.lock:
            now = self.clock()
            if sent_at >= self._refused_at:  # else it left before the last refusal, which has slowed us down already
                self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self.gap = 2 * self._full_gap
            self.free_at = max(self.free_at, now + self._pause)
            self._refused_at = now
            self._hopeless_at = min(self._hopeless_at, now + HOPELESS_SECONDS)
            is_hopeless = now >= self._hopeless_at
        if is_hopeless:
            self._give_up()
