"""The uploads of a batch: a file that many rows use is sent once, as long as its link is good."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..storage.forms import Upload

    Key = tuple[str, int, int, str]

GOOD_SECONDS = (
    40 * 3600.0
)  # of the 48 hours that the service keeps a file ("Upload local files", Model Studio, 2026-10)


class Uploads:
    """Safe to use from several threads.

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
