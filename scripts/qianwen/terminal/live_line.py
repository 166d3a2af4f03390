"""One line at the bottom of a terminal, written over each second: a person sees that the work goes on."""

from __future__ import annotations

import _thread  # its whole wrapper is not needed for a lock, and start-up is a feature
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, TextIO

REFRESH_SECONDS = 1.0
LONGEST_WAIT = 2.0  # for a terminal that takes nothing more
ROOM = 4  # columns at the end, for the ^C that a terminal writes there
ERASE = "\r\x1b[K"
USUAL_COLUMNS = 80


class LiveLine:
    """The line. Its methods are called by one thread at a time, which holds `lock`; a thread of its own refreshes it.

    lock: held while anything is written to the stream.
    """

    def __init__(self, stream: TextIO, lock: _thread.LockType) -> None:
        self._stream = stream
        self._lock = lock
        self._words: Callable[[], str] | None = None
        self._over = _thread.allocate_lock()
        self._stopped = _thread.allocate_lock()
        self._refreshes = False
        self._is_drawn = False

    def show(self, words: Callable[[], str] | None) -> None:
        """Show what `words` answers, from now on each second; None shows nothing."""
        self._words = words
        self.draw()
        if words and not self._refreshes:
            self._over.acquire()
            self._stopped.acquire()
            try:
                _thread.start_new_thread(self._refresh, ())
                self._refreshes = True
            except RuntimeError:  # no thread to spare: the line is written at each change alone
                self._over.release()
                self._stopped.release()

    def erase(self) -> None:
        """Take the line away, so that another one can be written in its place."""
        if self._is_drawn:
            self._write(ERASE)
            self._is_drawn = False

    def draw(self) -> None:
        if self._words:
            self._write(ERASE + cut(self._words(), _columns(self._stream) - ROOM))
            self._is_drawn = True
        else:
            self.erase()

    def close(self) -> None:
        """Erase the line and end its thread. Called without the lock."""
        if self._refreshes:
            self._over.release()
            if self._stopped.acquire(timeout=LONGEST_WAIT):
                self._stopped.release()
            self._refreshes = False
        with self._lock:
            self._words = None
            self.erase()

    def _refresh(self) -> None:
        while not self._over.acquire(timeout=REFRESH_SECONDS):
            with self._lock:
                self.draw()
        self._over.release()
        self._stopped.release()

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody looks any more; the work goes on


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError, AttributeError):
        return USUAL_COLUMNS


def cut(text: str, columns: int) -> str:
    """The text, cut to so many columns of a terminal. Characters of East Asia take two."""
    if len(text) * 2 <= columns:
        return text
    from unicodedata import combining, east_asian_width

    width = 0
    for place, letter in enumerate(text):
        width += 0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1
        if width > columns:
            return text[: max(0, place - 1)] + "…"
    return text


def clock(seconds: float) -> str:
    """0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """A number of bytes for people: 512 B, 34.5 kB, 1.2 MB, 3.40 GB."""
    for unit, factor, digits in (("GB", 1e9, 2), ("MB", 1e6, 1), ("kB", 1e3, 1)):
        if count >= factor * 0.9995:
            return f"{count / factor:.{digits}f} {unit}"
    return f"{count:.0f} B"
