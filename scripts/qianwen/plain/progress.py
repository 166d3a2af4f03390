"""What a person sees on stderr: progress, notices, warnings. Every line is redacted before it is written."""

from __future__ import annotations

import _thread  # its whole wrapper is not needed for a lock, and start-up is a feature

from .redact import each_text, literal, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

SPARSE_SECONDS = 30.0


class Progress:
    """Lines on `stream`. quiet silences progress, never a task id, a warning or an error.

    `secrets` may be appended to when a key becomes known. Safe to use from several threads.
    """

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.quiet = quiet
        self.secrets: tuple[str, ...] = ()
        self.stream = stream
        self._lock = _thread.allocate_lock()
        self._last_looks: dict[str, tuple[str, float]] = {}

    def say(self, text: str) -> None:
        if not self.quiet:
            self.always(text)

    def warn(self, text: str) -> None:
        self.always(f"Warning: {text}")

    def note(self, text: str) -> None:
        """What was done with a value; nothing is wrong."""
        self.always(f"Note: {text}")

    def always(self, text: str) -> None:
        with self._lock:
            try:
                print(safe(text, self.secrets), file=self.stream, flush=True)
            except (OSError, ValueError):
                pass  # nobody listens any more; the work goes on

    def clean(self, value: Any) -> Any:
        """A JSON value as programs may keep it: without the secrets, and otherwise unchanged."""
        return each_text(value, lambda text: literal(text, self.secrets))

    @property
    def is_live(self) -> bool:
        """Whether a line can be written over."""
        return False

    def live(self, text: str) -> None:
        """How far something long is."""
        self.say(text)

    def state(self, task_id: str, word: str, seconds: float, usual: str = "") -> None:
        """One look at a task: said when the state changes, and now and then while it does not. usual: its length."""
        last_word, last_seconds = self._last_looks.get(task_id, ("", 0.0))
        if word != last_word or seconds - last_seconds >= SPARSE_SECONDS:
            self._last_looks[task_id] = word, seconds
            self.say(f"  [{seconds:.0f}s] task={task_id} status={word}" + (f" (usually {usual})" if usual else ""))
