"""Several pieces of waiting at once. Threads suffice: what they wait for is the network."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence, TypeVar

    Given = TypeVar("Given")
    Made = TypeVar("Made")


MOST_THREADS = 6
FAREWELL_SECONDS = 1.0  # for a thread that was cut to clean up


def side_by_side(
    work: Callable[[Given], Made], items: Sequence[Given], cut: Callable[[], None], threads: int = MOST_THREADS
) -> list[Made]:
    """`work` on every item, several at once; the results in order, or the first error when all have ended.

    cut: called when this thread is interrupted, so that the others stop waiting too.  threads: 1 keeps the order.
    """
    if len(items) <= 1:
        return [work(item) for item in items]
    results: dict[int, Made] = {}
    errors: list[BaseException] = []
    queue = list(enumerate(items))[::-1]
    ended = threading.Semaphore(0)  # not Thread.join: before 3.13 an interrupted join takes its thread for ended
    running = 0
    try:
        for _ in items[:threads]:
            threading.Thread(target=_drain, args=(queue, work, results, errors, ended), daemon=True).start()
            running += 1
        while running:
            ended.acquire()
            running -= 1
    except BaseException:
        queue.clear()
        cut()
        for _ in range(running):
            ended.acquire(timeout=FAREWELL_SECONDS)
        raise
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(items))]


def _drain(
    queue: list[tuple[int, Given]],
    work: Callable[[Given], Made],
    results: dict[int, Made],
    errors: list[BaseException],
    ended: threading.Semaphore,
) -> None:
    while True:
        try:
            index, item = queue.pop()
        except IndexError:
            ended.release()
            return
        try:
            results[index] = work(item)
        except BaseException as error:  # raised again in the thread that asked
            errors.append(error)
