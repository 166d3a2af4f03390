"""Whether git has a file under version control, by the index of every repository around it. Runs no git.

The format: "gitformat-index" of git's own documentation (2.43), versions 2 to 4, SHA-1 and SHA-256, split indexes too.
"""

from __future__ import annotations

import os

from ..files.safe_open import read_theirs
from ..plain.paths import folders_above

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

LARGEST = 64 * 2**20  # bytes of an index: about 600,000 files
LARGEST_LINK = LONGEST_NAME = 4096
HASH_BYTES = (20, 32)
_BEFORE_HASH = 40  # an entry's times, device, inode, mode, owner, group and size
_EXTENDED, _LENGTH = 0x4000, 0x0FFF


def doubt(path: str) -> str:
    """Why a file may have come with a repository; "" if no repository around it, or around where it leads, has it."""
    itself = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    for spelled in dict.fromkeys((itself, os.path.realpath(path))):
        for folder in folders_above(spelled):
            name = os.fsencode(os.path.relpath(spelled, folder).replace(os.sep, "/"))
            try:
                if any(_has(index, name) for index in _indexes(folder)):
                    return "it is under version control, so it came with the repository"
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or error
                return f"it may have come with the repository in {folder}, whose index cannot be read ({why})"
    return ""


def _indexes(folder: str) -> Iterator[str]:
    """The index files of the repository, worktree or submodule whose root is `folder`."""
    git = os.path.join(folder, ".git")
    if os.path.isfile(git):  # of a worktree or a submodule: it names the real folder
        words = os.fsdecode(read_theirs(git, LARGEST_LINK)).partition("gitdir:")[2].strip()
        git = os.path.join(folder, words)
    if not os.path.isdir(git):
        return
    for name in sorted(os.listdir(git)):
        if name == "index" or name.startswith("sharedindex."):
            yield os.path.join(git, name)


def _has(index: str, name: bytes) -> bool:
    """Whether an index names a file, in upper or lower case, as some disks do not tell them apart."""
    data = read_theirs(index, LARGEST)
    wanted = name.lower()
    for hash_bytes in HASH_BYTES:
        try:
            for found in _names(data, hash_bytes):
                if found.lower() == wanted:
                    return True
                if found > wanted:  # they are sorted, and no spelling of the name comes after the one in lower case
                    break
            return False
        except (ValueError, IndexError):
            continue
    raise ValueError("its format is unknown")


def _names(data: bytes, hash_bytes: int) -> Iterator[bytes]:
    """The names in an index. Raises ValueError or IndexError if it is damaged or its hashes have another length."""
    version, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("it is no index")
    start, name = 12, b""
    for _ in range(count):
        at = start + _BEFORE_HASH + hash_bytes
        flags = data[at] << 8 | data[at + 1]
        at += 4 if flags & _EXTENDED else 2
        shared = 0
        if version == 4:
            dropped, at = _number(data, at)
            shared = max(len(name) - dropped, 0)
        end = data.index(b"\0", at)
        name = name[:shared] + data[at:end]
        if len(name) > LONGEST_NAME:  # each entry of version 4 copies the one before
            raise ValueError("a name is too long")
        if min(len(name), _LENGTH) != flags & _LENGTH:
            raise ValueError("a name has another length than its entry says")
        yield name
        start = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = data[at] & 127
    while data[at] & 128:
        at += 1
        value = min(value + 1, LARGEST) << 7 | data[at] & 127  # larger ones are damaged, and cost their length
    return value, at + 1
