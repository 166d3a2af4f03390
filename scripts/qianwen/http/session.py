"""A run's use of the network: a `send` that retries, a `sleep`, a clock and a deadline, passed around as one value."""

from __future__ import annotations

from ..plain import parallel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence, TypeVar

    from .messages import Send

    Given = TypeVar("Given")
    Made = TypeVar("Made")


class Session:
    """One run's use of the network; nothing in it lasts beyond `deadline`.

    send: one HTTP exchange, with its retries.
    sleep: waits for some seconds.
    clock: answers monotonic seconds.
    deadline: a moment of `clock`.
    now: answers epoch seconds.
    cut: breaks off every exchange, from any thread.
    threads: how many exchanges may run at a time; 1 keeps their order.
    prepare: opens the connection to a URL for the next request that costs money, if possible.
    """

    def __init__(
        self,
        send: Send,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        deadline: float,
        now: Callable[[], float],
        cut: Callable[[], None],
        threads: int = parallel.MOST_THREADS,
        prepare: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.send = send
        self.sleep = sleep
        self.clock = clock
        self.deadline = deadline
        self.now = now
        self.cut = cut
        self._threads = threads
        self.prepare = prepare

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - self.clock()

    def pause(self, seconds: float) -> bool:
        """Wait, unless that would pass the deadline. Answers whether it waited."""
        if seconds >= self.left():
            return False
        self.sleep(seconds)
        return True

    def side_by_side(self, work: Callable[[Given], Made], items: Sequence[Given]) -> list[Made]:
        """`work` on every item, several at once; see `parallel.side_by_side`."""
        return parallel.side_by_side(work, items, self.cut, self._threads)
