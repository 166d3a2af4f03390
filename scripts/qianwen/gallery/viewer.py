"""Show a file in the system's viewer, for `--open`."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping


def show(path: str, env: Mapping[str, str]) -> str:
    """Open a file; answers why that was not possible, "" when it was.

    path: absolute.
    """
    has_display = sys.platform in ("darwin", "win32") or env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")
    if not has_display:
        return "there is no display"
    return "" if webbrowser.open(Path(path).as_uri()) else "no viewer was found"
