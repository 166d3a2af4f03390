"""The folders above a path, and paths that begin with ~, also where a user has no home (a container's numeric user)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator


def folders_above(path: str) -> Iterator[str]:
    """Every folder that an absolute path lies in, the nearest first, the root last."""
    folder, below = os.path.dirname(path), path
    while folder != below:
        yield folder
        folder, below = os.path.dirname(folder), folder


def is_homeless(expanded: str) -> bool:
    """Whether `os.path.expanduser` found no home folder: the path would lie in a folder named ~."""
    return expanded == "~" or expanded.startswith("~" + os.sep)


def under_home(path: str, home: str) -> str:
    """A path with ~ replaced by `home`, or by that of the named user; "" if it needs a home folder that is missing."""
    if is_homeless(path):
        return home.rstrip(os.sep) + path[1:] or os.sep if home else ""
    return os.path.expanduser(path)
