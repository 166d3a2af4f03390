"""Show a file in the system's viewer, for `--open`."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Mapping


def show(path: str, env: Mapping[str, str]) -> str:
    """Open a file; answers why that was not possible, "" when it was.

    path: absolute.
    """
    has_display = sys.platform in ("darwin", "win32") or env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")
    if not has_display:
        return "there is no display"
    try:
        with _off_our_pipes():
            return "" if webbrowser.open(Path(path).as_uri()) else "no viewer was found"
    except Exception as error:  # $BROWSER may be odd, the machine short of descriptors; all is made and told
        return str(error)


@contextmanager
def _off_our_pipes() -> Iterator[None]:
    """What a viewer says is no result, and one that stays open would hold whoever reads our output to its end."""
    kept = {}
    for number in (1, 2):
        try:
            if not os.isatty(number):
                kept[number] = os.dup(number)
        except OSError:
            pass  # it is closed
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(null, number)
        yield
    finally:
        for number, ours in kept.items():
            os.dup2(ours, number)
            os.close(ours)
        os.close(null)
