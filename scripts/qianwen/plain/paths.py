"""Paths that begin with ~, also for a user without a home folder (a container with a numeric user)."""

from __future__ import annotations

import os


def is_homeless(expanded: str) -> bool:
    """Whether `os.path.expanduser` found no home folder: the path would lie in a folder named ~."""
    return expanded == "~" or expanded.startswith("~" + os.sep)


def under_home(path: str, home: str) -> str:
    """A path with ~ replaced by `home`, or by that of the named user; "" if it needs a home folder that is missing."""
    if is_homeless(path):
        return home + path[1:] if home else ""
    return os.path.expanduser(path)
