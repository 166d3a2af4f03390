"""What this machine submitted, so that a bare task id finds its program, model, mode and region again.

One line of JSON for each task, in a file that only grows. A line is appended by a single write, which POSIX systems do
not mix with the writes of other processes; a line that a crash cut short costs itself and nothing else. Neither a key
nor the text of a request is in it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time

from . import strict_json
from .record import fields_of, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Iterator, Mapping

APPLICATION = "qianwen-media-generation"
FILE_NAME = "tasks.jsonl"
VERSION = 1
LONGEST_LINE = 16384  # bytes; an entry has a few hundred
TEXTS = ("task_id", "program", "model", "mode", "region", "base")


@record
class Entry:
    """A task that was submitted. program: image.py or video.py.  base: the API's URL.  submitted: epoch seconds."""

    task_id: str
    program: str
    model: str
    mode: str
    region: str
    base: str
    submitted: float


def folder(env: Mapping[str, str], home: str) -> str:
    """Where the ledger is kept. It need not exist, and nothing is looked for on the disk."""
    chosen = env.get("QIANWEN_STATE_DIR", "")
    if chosen:
        return _absolute(chosen)
    base = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rule: a relative path is invalid and ignored
        base = env.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    return os.path.join(base or os.path.join(home, ".local", "state"), APPLICATION)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the current folder is gone; whoever uses the path is told so


class Ledger:
    """The ledger in a folder, which is made when the first entry is noted."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = os.path.join(folder, FILE_NAME)

    def note(self, entry: Entry) -> None:
        """Append an entry and wait until the disk has it. Raises OSError when that cannot be done."""
        line = _line(entry)
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            with open(self.path, "a+b", buffering=0, opener=_open_regular) as stream:
                _append(stream, line)
        except (ValueError, RecursionError) as error:  # a NUL in the path, or thousands of folders
            raise OSError(errno.EINVAL, f"the path cannot be used: {error}") from error

    def find(self, task_id: str) -> Entry | None:
        """The newest entry of a task, None when there is none. Never raises: what cannot be read is not there."""
        spelled = json.dumps(task_id).encode("ascii")  # as `_line` spells it: most lines need no parsing
        found = None
        try:
            with open(self.path, "rb", opener=_open_regular) as stream:
                for line in _lines(stream):
                    entry = _entry(line) if spelled in line else None
                    if entry and entry.task_id == task_id:
                        found = entry
        except (OSError, ValueError):  # ValueError: a NUL in the path
            return None
        return found


def _open_regular(path: str, flags: int) -> int:
    """Opens a regular file and nothing else, without waiting at a pipe. A new file is for its owner alone."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", path)
    return descriptor


def _append(stream: BinaryIO, line: bytes) -> None:
    """Write the line at the end in one piece, on a line of its own even after one that was cut short."""
    data = b"\n" + line if _is_torn(stream) else line
    if os.write(stream.fileno(), data) != len(data):
        raise OSError(errno.ENOSPC, "only a part of the line could be written")
    os.fsync(stream.fileno())


def _is_torn(stream: BinaryIO) -> bool:
    if stream.seek(0, os.SEEK_END) == 0:
        return False
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) != b"\n"


def _line(entry: Entry) -> bytes:
    """Pure ASCII, so that no id can break a line or speak to a terminal. `time` is for people, `submitted` is exact."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.submitted))
    fields = {"v": VERSION, "time": stamp, **fields_of(entry), "submitted": float(entry.submitted)}
    line = json.dumps(fields).encode("ascii") + b"\n"
    if len(line) > LONGEST_LINE:
        raise OSError(errno.EMSGSIZE, "the entry is too long to be found again")
    return line


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Line by line; of one that is too long only the beginning, which is no JSON."""
    begins = True
    while True:
        piece = stream.readline(LONGEST_LINE)
        if not piece:
            return
        if begins:
            yield piece
        begins = piece.endswith(b"\n")


def _entry(line: bytes) -> Entry | None:
    """What a line says; None for anything that this version did not write. Fields that it does not know are no harm."""
    try:
        fields = strict_json.load(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        return None
    if not all(isinstance(fields.get(name), str) for name in TEXTS) or not isinstance(fields.get("submitted"), float):
        return None
    return Entry(submitted=fields["submitted"], **{name: fields[name] for name in TEXTS})
