"""What a person sees on stderr: progress, notices, warnings. Every line is redacted before it is written.

On a terminal the state of the work is one line that is written over each second. Elsewhere it is a line at each change
and one a minute.
"""

from __future__ import annotations

import _thread  # its whole wrapper is not needed for a lock, and start-up is a feature

from ..plain.redact import each_text, literal, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TextIO

    from .live_line import LiveLine

SPARSE_SECONDS = 60.0
LARGE_BYTES = 1_000_000  # smaller files arrive before anybody can read how far they are


class Progress:
    """Lines on `stream`. quiet silences progress and notes, never a warning or an error.

    term: the variable TERM.
    clock: monotonic seconds; without one there is no live line.
    cwd: the current folder, to which paths on a terminal are relative.
    `secrets` may be appended to when a key becomes known. Safe to use from several threads.
    """

    def __init__(
        self,
        stream: TextIO,
        quiet: bool = False,
        term: str = "",
        clock: Callable[[], float] | None = None,
        cwd: str = "",
    ) -> None:
        self.quiet = quiet
        self.secrets: tuple[str, ...] = ()
        self._stream = stream
        self._lock = _thread.allocate_lock()
        self._clock = clock or (lambda: 0.0)
        self._cwd = cwd
        self._began = self._clock()
        self._live = self._live_line() if clock and not quiet and term != "dumb" and _is_terminal(stream) else None
        self._looks: dict[str, tuple[str, float]] = {}  # task → its state, and when that was last said
        self._files: dict[str, tuple[float, int, int]] = {}  # name → when it began, bytes so far, bytes in all

    def _live_line(self) -> LiveLine:
        from .live_line import LiveLine

        return LiveLine(self._stream, self._lock)

    def close(self) -> None:
        """Take the live line away."""
        if self._live:
            self._live.close()

    def say(self, text: str) -> None:
        if not self.quiet:
            self.always(text)

    def warn(self, text: str) -> None:
        self.always(f"Warning: {text}")

    def note(self, text: str, when_quiet: bool = False) -> None:
        """What was done with a value; nothing is wrong. when_quiet: also with --quiet."""
        (self.always if when_quiet else self.say)(f"Note: {text}")

    def always(self, text: str) -> None:
        with self._lock:
            if self._live:
                self._live.erase()
            try:
                print(safe(text, self.secrets), file=self._stream, flush=True)
            except (OSError, ValueError):
                pass  # nobody listens any more; the work goes on
            if self._live:
                self._live.draw()

    def clean(self, value: Any) -> Any:
        """A JSON value as programs may keep it: without the secrets, and otherwise unchanged."""
        return each_text(value, lambda text: literal(text, self.secrets))

    # The state of the work ----------------------------------------------------------------------------------

    def working(self, words: str, usual: str = "") -> None:
        """Something takes its time from now on. usual: how long that usually is, in words."""
        if self._live:
            self._show(words, self._clock(), usual)
        else:
            self.say(words)

    def answered(self, task_id: str) -> None:
        """The service answered a paid request, with a task or without."""
        if task_id:
            self.say(f"Task submitted: {task_id}")

    def unanswered(self, why: str) -> None:
        """Nobody knows what became of a paid request; the run's end tells."""

    def state(self, task_id: str, word: str, seconds: float, usual: str = "") -> None:
        """One look at a task: said when the state changes, and now and then while it does not.

        seconds: since the task was submitted.
        usual: how long it takes, in words.
        """
        last_word, last_seconds = self._looks.get(task_id, ("", 0.0))
        is_new = word != last_word
        if is_new or (not self._live and seconds - last_seconds >= SPARSE_SECONDS):
            self._looks[task_id] = word, seconds
        else:
            return
        if self._live:
            words, usual = (word, usual) if len(self._looks) == 1 else (self._of_tasks(), "")
            self._show(words, self._clock() - seconds, usual, "Ctrl-C leaves it running")
        else:
            self.say(f"  [{seconds:.0f}s] task={task_id} status={word}" + (f" (usually {usual})" if usual else ""))

    def standing(self, words: Callable[[], str] | None) -> bool:
        """Tell on a terminal, once a second, how far something long is; None ends that. False elsewhere."""
        self._put((lambda: safe(words(), self.secrets)) if words else None)
        return self._live is not None

    def moved(self, name: str, done: int, total: int) -> None:
        """So many bytes of a file have been sent or received. total: 0 when that is not known."""
        if not self._live or max(done, total) < LARGE_BYTES:
            return
        with self._lock:
            is_first = not self._files
            began = self._files[name][0] if name in self._files else self._clock()
            self._files[name] = (began, done, total)
        if is_first:
            self._put(self._of_files)

    def arrived(self, name: str) -> None:
        """A file is over, whole or not."""
        with self._lock:
            self._files.pop(name, None)
        if self._live and not self._files:
            self._put(None)

    def saved(self, path: str, width: int, height: int, count: int) -> None:
        """A result is on the disk. count: its bytes."""
        if not self._live:
            self.say(f"Saved {path}")
            return
        from .live_line import size

        self._put(None)
        name = path.removeprefix(f"{self._cwd}/") if self._cwd else path
        facts = (f"{width}×{height}" if width and height else "", size(count), f"{self._clock() - self._began:.0f} s")
        self.say("  ".join(filter(None, (name, *facts))))

    def _show(self, word: str, began: float, usual: str, advice: str = "") -> None:
        from .live_line import clock

        now = self._clock
        rest = "".join(f" · {text}" for text in (f"usually {usual}" if usual else "", advice) if text)
        self._put(lambda: safe(f"{word} {clock(now() - began)}{rest}", self.secrets))

    def _of_tasks(self) -> str:
        """All tasks that are waited for, by their states: 5 tasks (2 RUNNING, 3 PENDING)."""
        words = [word for word, _ in self._looks.values()]
        return f"{len(words)} tasks ({', '.join(f'{words.count(word)} {word}' for word in dict.fromkeys(words))})"

    def _put(self, words: Callable[[], str] | None) -> None:
        with self._lock:
            if self._live:
                self._live.show(words)

    def _of_files(self) -> str:
        """All files that are on the way, as one."""
        from .live_line import clock, size

        files = list(self._files.values())
        if not files:
            return ""
        done, total = sum(file[1] for file in files), sum(file[2] for file in files)
        seconds = max(1.0, self._clock() - min(file[0] for file in files))
        rate = done / seconds
        name = next(iter(self._files)) if len(files) == 1 else f"{len(files)} files"
        if not all(file[2] for file in files):
            return f"{name}  {size(done)}  {size(rate)}/s"
        filled = int(20 * done / total)
        bar = "█" * filled + "░" * (20 - filled)
        left = clock((total - done) / rate) if rate else "-:--"
        return f"{name}  {bar}  {size(done)} of {size(total)}  {size(rate)}/s  {left} left"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
