"""Where modules come from; and paths that begin with ~, also for a user without a home (a container's numeric user)."""

from __future__ import annotations

import os
import sys


def close_search() -> None:
    """Let modules come from the interpreter and from our folder alone, which is the first entry of `sys.path`.

    An absolute entry may lead to the current folder too, and so may PYTHONPATH.
    """
    ours, library = sys.path[0], os.path.dirname(os.__file__)
    try:
        foreign = [
            os.path.realpath(entry) for entry in (os.curdir, ours, *os.environ.get("PYTHONPATH", "").split(os.pathsep))
        ]
        rest = [entry for entry in sys.path if entry.startswith(library) or os.path.realpath(entry) not in foreign]
    except OSError:  # the current folder is gone
        return
    sys.path[:] = [ours, *rest]


def is_homeless(expanded: str) -> bool:
    """Whether `os.path.expanduser` found no home folder: the path would lie in a folder named ~."""
    return expanded == "~" or expanded.startswith("~" + os.sep)


def under_home(path: str, home: str) -> str:
    """A path with ~ replaced by `home`, or by that of the named user; "" if it needs a home folder that is missing."""
    if is_homeless(path):
        return home + path[1:] if home else ""
    return os.path.expanduser(path)
