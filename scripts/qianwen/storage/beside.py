"""Work on a stream beside receiving it: when blocks come faster than one processor takes them in, another helps."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import Queue
    from types import TracebackType
    from typing import Callable

LARGE_BYTES = 128 * 1024  # that much at once: the line is not what is waited for
MOST_WAITING = 4


class Beside:
    """Hands blocks to `work`, each after the one before it, and at the end of the `with` block all are done.

    `work` gets them at once while they are small, and in a thread of its own from the first large one on.
    """

    def __init__(self, work: Callable[[bytes], None]) -> None:
        self._work = work
        self._queue: Queue[bytes] | None = None
        self._trouble: BaseException | None = None

    def hand_over(self, block: bytes) -> None:
        """Waits while MOST_WAITING blocks wait already. Raises what `work` raises, with a later block or at the end."""
        if self._queue is None and len(block) >= LARGE_BYTES:
            self._queue = self._begin()
        if self._queue is None:
            self._work(block)
        else:
            self._queue.put(block)
            self._complain()

    def _begin(self) -> Queue[bytes] | None:
        import threading
        from queue import Queue

        queue: Queue[bytes] = Queue(MOST_WAITING)
        try:
            threading.Thread(target=self._drain, args=(queue,), daemon=True).start()
        except RuntimeError:  # this machine has no thread to spare
            return None
        return queue

    def _drain(self, queue: Queue[bytes]) -> None:
        while block := queue.get():
            try:
                if not self._trouble:
                    self._work(block)
            except BaseException as error:  # raised again in the thread that receives
                self._trouble = error
            finally:
                queue.task_done()
        queue.task_done()

    def _complain(self) -> None:
        if self._trouble:
            raise self._trouble

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._queue is not None:
            self._queue.put(b"")
            self._queue.join()
        if kind is None or issubclass(kind, Exception):
            self._complain()
