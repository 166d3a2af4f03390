"""What the results say of a row: a line of JSON with all that is needed to use, find or make it again.

No link is in it (links are signed and expire), no key and no bytes of media; paths are relative to the folder.
"""

from __future__ import annotations

import os

from ..account.record import rewritten
from ..plain.redact import each_text, safe, shareable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..account.purchase import Kept
    from ..errors import QianwenError
    from ..outcome import Outcome
    from .rows import Row

    JSON = dict[str, Any]

MADE, REFUSED, FAILED, UNKNOWN, UNSAVED, AGAIN = "made", "refused", "failed", "unknown", "unsaved", "again"
NOT_MADE = (REFUSED, FAILED, UNKNOWN, UNSAVED)
FINAL = (MADE, *NOT_MADE)
STATES = (*FINAL, AGAIN)
"""What a line says: what has become of its row, or that `--again` begins another turn of it; see `folder`."""
LONGEST_INLINE = 200  # characters of a data: URL that are kept


def line_of(row: Row, state: str, outcome: Outcome, folder: str, **more: Any) -> JSON:
    """The line of a row that was worked on. more: units, billed, error, seconds, at, base, program."""
    return _without_nothing(
        {
            "key": row.name,
            "id": row.id,
            "row": row.number or None,
            "state": state,
            "model": outcome.model,
            "request": request_of(row, outcome.model, outcome.seed),
            "seed": outcome.seed,
            "files": [{"path": relative(file.saved.path, folder), **file.saved.told} for file in outcome.files],
            "task_id": outcome.task_id,
            "request_id": outcome.body.get("request_id"),
            "actual_prompt": rewritten(outcome.body, 0),
            **more,
        }
    )


def request_of(row: Row, model: str, seed: object) -> JSON:
    """The request, as --file takes it; the bytes of data: URLs, keys and signatures of links are left out."""
    asked = {**row.asked, **({"model": model} if model else {}), **({"seed": seed} if seed is not None else {})}
    shortened: Any = each_text(asked, lambda text: shareable(_without_bytes(text)))
    told: JSON = shortened
    return told


def of_copy(row: Row, first: Mapping[str, Any], at: str | None) -> JSON:
    """The line of a row that repeats another one, which was worked on."""
    told = {name: first[name] for name in first if name not in ("key", "id", "row", "task_id", "seconds", "turn")}
    changes = {"units": 0, "billed": "no", "same_as": first["key"], "at": at}
    return _without_nothing({"key": row.name, "id": row.id, "row": row.number, **told, **changes})


def error_of(error: QianwenError) -> JSON:
    return _without_nothing(
        {"kind": error.kind, "code": error.code, "message": safe(error.message), "hint": safe(error.hint)}
    )


def kept_files(files: Mapping[int, Kept], folder: str) -> list[JSON]:
    """The files of a purchase as the account has them, whether or not they still exist."""
    return [{"path": relative(kept.path, folder), "sha256": kept.sha256} for _, kept in sorted(files.items())]


def relative(path: str, folder: str) -> str:
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        return path


def _without_bytes(text: str) -> str:
    head, comma, encoded = text.partition(",")
    is_long = comma and head[:5].lower() == "data:" and len(text) > LONGEST_INLINE
    return f"{head},({len(encoded)} characters)" if is_long else text


def _without_nothing(line: JSON) -> JSON:
    return {name: value for name, value in line.items() if value not in (None, "", {}, [])}
