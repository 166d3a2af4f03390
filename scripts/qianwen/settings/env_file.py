"""A `.env` file: which one is the user's own, and what it says.

A key in a file that came with somebody else's repository would send prompts and pictures to that person's account.
"""

from __future__ import annotations

import os

from ..files.safe_open import open_theirs
from ..plain.texts import assignments, read_somehow
from . import git_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

LARGEST = 10**6  # bytes
OTHERS_MAY_WRITE = 0o002


def read(path: str, names: Callable[[], frozenset[str]], env: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The settings in a `.env` file, and why it is not believed ("" if it is, or if there is no such file).

    names: the settings that may come from such a file.
    env: the real variables.
    """
    try:
        link = os.lstat(path)
        if os.path.isdir(path):  # a virtual environment of that name
            return {}, ""
        with open_theirs(path) as stream:
            status = os.fstat(stream.fileno())
            doubt = _doubt(path, (link, status), _owners(env))
            text = "" if doubt else read_somehow(stream.read(status.st_size))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}, ""
    except OSError as error:
        return {}, _words(error)
    allowed = names() if text else frozenset()
    return {name: value for name, value in assignments(text) if name in allowed}, doubt


def _words(error: OSError) -> str:
    why = error.strerror or str(error)
    return f"it {why}" if why.startswith("is ") else f"it cannot be read ({why})"


def _doubt(path: str, found: tuple[os.stat_result, ...], owners: set[int]) -> str:
    """Why a file may be somebody else's. found: the status of the file, and of the link that leads there."""
    status = found[-1]
    if status.st_size > LARGEST:
        return f"it is larger than {LARGEST // 10**6} MB"
    if os.name != "nt":
        if any(each.st_uid not in owners for each in found):
            return "it belongs to another user"
        if status.st_mode & OTHERS_MAY_WRITE:
            return "others can write to it (chmod o-w)"
    return git_index.doubt(path)


def _owners(env: Mapping[str, str]) -> set[int]:
    """Whose files we believe: ours, root's, and under sudo those of the user who called it."""
    me = getattr(os, "geteuid", int)()
    caller = env.get("SUDO_UID", "")
    return {0, me, int(caller) if me == 0 and caller.isdecimal() and len(caller) < 11 else me}
