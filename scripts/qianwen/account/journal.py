"""The ledgers of version 1.0: lines of JSON in a file for each month, read once when the account is made.

They are left where they are. A line that a crash cut short, or that version 1.0 did not write, costs itself alone.
"""

from __future__ import annotations

import os
import re

from ..files.safe_open import open_theirs
from ..plain import strict_json
from ..plain.record import fields_of
from .purchase import CANCELED, DONE, FAILED, MADE, OPEN, PATIENCE, REFUSED, WAITING, Kept, restored, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Mapping

    from .purchase import Purchase

    Fields = Mapping[str, Any]

LONGEST_LINE = 256 * 1024
MOST_FILES = 10**6  # no run has as many
_NAME = r"ledger-[0-9]{4}-[0-9]{2}\.jsonl"
_HEAD = rb'\{"v": 1, "run": "([0-9a-f]{16})", '
_STATES = OPEN | {DONE, FAILED, CANCELED, REFUSED}
_TEXTS = ("program", "model", "mode", "region", "base", "request", "folder", "stem", "suffix")


def paths(folder: str) -> list[str]:
    """The ledgers in a folder, the oldest first."""
    try:
        names = sorted(name for name in os.listdir(folder) if re.fullmatch(_NAME, name))
    except (OSError, ValueError):
        return []
    return [os.path.join(folder, name) for name in names]


def runs(folder: str) -> list[Purchase]:
    """Every run in the ledgers of a folder, in the order of their first lines. Never raises."""
    found: dict[str, Purchase] = {}
    for path in paths(folder):
        try:
            with open_theirs(path) as stream:
                for line in _pieces(stream):
                    head = re.match(_HEAD, line)
                    run_id = head[1].decode("ascii") if head else ""
                    run = _after(found.get(run_id), run_id, line) if head else None
                    if run:
                        found[run_id] = run
        except OSError:
            continue
    return list(found.values())


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Line by line; of one that is too long only the beginning, which is not JSON."""
    begins = True
    while piece := stream.readline(LONGEST_LINE):
        if begins:
            yield piece
        begins = piece.endswith(b"\n")


def _after(run: Purchase | None, run_id: str, line: bytes) -> Purchase | None:
    """A run after another of its lines. A line that this version did not write changes nothing."""
    try:
        fields = strict_json.load(line)
        if fields["event"] == "begin":
            given = {name: fields[name] for name in ("at", *_TEXTS)}
            patience = fields.get("patience", PATIENCE)
            return restored({"id": run_id, "is_task": fields["is_task"] is True, "patience": patience, **given})
        return restored({**fields_of(run), **_STEPS[fields["event"]](run, fields)}) if run else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return run


def _kept(run: Purchase, fields: Fields) -> Fields:
    index = int(fields["index"])
    if not 0 <= index < MOST_FILES:
        raise ValueError
    return {"files": {**run.files, index: Kept(word(fields["path"]), word(fields["sha256"]))}}


def _ended(run: Purchase, fields: Fields) -> Fields:
    if fields["state"] not in _STATES:
        raise ValueError
    return {"state": fields["state"], "told": fields.get("told", ""), "ended": fields.get("at", 0)}


_STEPS: Mapping[str, Callable[[Purchase, Fields], Fields]] = {
    "task": lambda run, fields: {"task_id": fields["task_id"], "state": WAITING},
    "offer": lambda run, fields: {"offered": fields["task_ids"]},
    "result": lambda run, fields: {"urls": fields["urls"], "body": fields.get("body", {}), "state": MADE},
    "file": _kept,
    "end": _ended,
}
