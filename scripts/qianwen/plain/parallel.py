"""Runs the same work on several items in threads, which suffice for waiting on the network.

Where the machine has no thread to spare, fewer threads work, in the end this one alone.
"""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence, TypeVar

    Given = TypeVar("Given")
    Made = TypeVar("Made")


MOST_THREADS = 12  # as many as a request has pictures: with six they took twice as long as with curl --parallel
MOST_TURNS = 6  # each of which may have threads of its own
CLEANUP_SECONDS = 1.0  # for each interrupted thread
FEW_DESCRIPTORS = 64  # a download holds a connection, a file and the account's three
LAST_DESCRIPTORS = 2  # besides the connection that is open already: a download's file, and its folder or a look-up
SMALL_SPACE = 3 * 2**29  # bytes: each thread reserves some 70 MB of addresses


def threads_to_spare() -> int:
    """How many threads may work at once: one where this process may hold few descriptors or little memory."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_THREADS
    limits = ((resource.RLIMIT_NOFILE, FEW_DESCRIPTORS), (resource.RLIMIT_AS, SMALL_SPACE))
    is_scarce = any(0 <= resource.getrlimit(kind)[0] < least for kind, least in limits)
    return 1 if is_scarce else MOST_THREADS


def prove_descriptors() -> None:
    """Raises OSError if this process may not open what a run opens after it paid: it must find that out before."""
    held: list[int] = []
    try:
        for _ in range(LAST_DESCRIPTORS):
            held.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in held:
            os.close(descriptor)


def side_by_side(
    work: Callable[[Given], Made], items: Sequence[Given], cut: Callable[[], None], threads: int = MOST_THREADS
) -> list[Made]:
    """The results of `work` on every item, in order. Raises the first error after all threads have ended.

    cut: called if this thread is interrupted; must make the others stop waiting.
    threads: how many work at once; 1 keeps the order of the items. Where the machine refuses threads, fewer do, and
        without any the items follow one another in this one.
    """
    if len(items) <= 1 or threads <= 1:
        return [work(item) for item in items]
    results: dict[int, Made] = {}
    errors: list[BaseException] = []
    queue = list(enumerate(items))[::-1]
    ended = threading.Semaphore(0)  # not Thread.join: before 3.13 an interrupted join marks its thread as ended
    running = 0
    try:
        for _ in items[:threads]:
            try:
                threading.Thread(target=_drain, args=(queue, work, results, errors, ended), daemon=True).start()
            except RuntimeError:  # this machine has no thread to spare: those that run do all of it
                break
            running += 1
        if not running:
            return [work(item) for item in items]
        while running:
            ended.acquire()
            running -= 1
    except BaseException:
        queue.clear()
        cut()
        for _ in range(running):
            ended.acquire(timeout=CLEANUP_SECONDS)
        raise
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(items))]


def in_turns(
    work: Callable[[Given], float | None],
    items: Sequence[Given],
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    cut: Callable[[], None],
    threads: int = MOST_TURNS,
) -> None:
    """Call `work` on every item, again and again, until it answers None. Several at once, and none waits for another.

    work: answers in how many seconds it is the item's turn again.
    cut: see `side_by_side`.
    threads: how many work at once, MOST_TURNS at most.
    """
    turns = [(clock(), number) for number in range(len(items))]
    lock = threading.Lock()
    is_over = False

    def take_turns(_: int) -> None:
        while True:
            with lock:
                if is_over or not turns:
                    return  # every item that is left has another thread
                due, number = min(turns)
                turns.remove((due, number))
            pause = due - clock()
            if pause > 0:
                sleep(pause)
            again = None if is_over else work(items[number])
            if again is not None:
                with lock:
                    turns.append((clock() + again, number))

    def stop() -> None:
        nonlocal is_over
        is_over = True
        cut()

    side_by_side(take_turns, range(min(threads, MOST_TURNS, len(items))), stop, threads)


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
        except BaseException as error:  # raised again in the calling thread
            errors.append(error)
