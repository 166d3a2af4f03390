"""What a person sees on stderr: progress, notices, warnings. Every line is redacted before it is written."""

from __future__ import annotations

import _thread  # its whole wrapper is not needed for a lock, and start-up is a feature
import os

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
        self._over = 0  # the length of a line that the next one is written over
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
            over, self._over = self._over, 0
            self._write((f"\r{' ' * over}\r" if over else "") + safe(text, self.secrets) + "\n")

    def clean(self, value: Any) -> Any:
        """A JSON value as programs may keep it: without the secrets, and otherwise unchanged."""
        return each_text(value, lambda text: literal(text, self.secrets))

    @property
    def is_live(self) -> bool:
        """Whether the stream is a terminal, on which a line can be written over."""
        return not self.quiet and self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def live(self, text: str) -> None:
        """How far something long is: on a terminal one line that is written over, else a line each time."""
        if not self.is_live:
            self.say(text)
            return
        try:
            width = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            width = 80
        shown = safe(text, self.secrets)[: width - 1]
        with self._lock:
            self._write(f"\r{shown.ljust(self._over)}")
            self._over = len(shown)

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            pass  # nobody listens any more; the work goes on

    def state(self, task_id: str, word: str, seconds: float, usual: str = "") -> None:
        """One look at a task: said when the state changes, and now and then while it does not. usual: its length."""
        last_word, last_seconds = self._last_looks.get(task_id, ("", 0.0))
        if word != last_word or seconds - last_seconds >= SPARSE_SECONDS:
            self._last_looks[task_id] = word, seconds
            self.say(f"  [{seconds:.0f}s] task={task_id} status={word}" + (f" (usually {usual})" if usual else ""))
