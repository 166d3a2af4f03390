"""What was asked for and what came of it, as one object: `--file` makes it again, and the gallery shows it.

It stands next to a result (`--sidecar`). It holds what the user wrote, with paths as they were written, but no key, no
signed link and nothing of the environment.
"""

from __future__ import annotations

import json
import re

from ..ask import VERSION
from ..errors import OutputError
from ..files import outputs
from ..plain import strict_json
from ..plain.redact import each_text, shareable
from ..plain.texts import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from ..files.outputs import Target
    from ..outcome import File
    from .entry import Entry
    from .purchase import Purchase

    JSON = dict[str, Any]
    Clean = Callable[[Any], Any]

_EMPTY_DATA_URL = r'"data:[^\s,"]*,"'  # in JSON


def common(program: str, mode: str, request: JSON, clean: Clean, warn: Callable[[str], None]) -> JSON:
    """What all records of a run have in common, fit to be shown to others.

    clean: answers a JSON value without the run's secrets.
    """
    shown: Any = each_text(clean(request), shareable)
    if shown != request:
        warn("the record leaves out keys and signatures of links; put them back to make the same again")
    facts = {"program": program, "model": request.get("model"), "mode": mode}
    return {**facts, "request": shown, "seed": request.get("seed")}


def text(value: JSON, clean: Clean) -> str:
    """JSON for people, without the run's secrets."""
    return strict_json.written(clean(value), indent=2) + "\n"


def save(value: JSON, place: Target, entry: Entry, is_reply: bool = False) -> str:
    """Save a record, or the service's whole answer, next to a saved result. Answers its path; "" after a warning.

    place: that of the result.
    """
    try:
        path = outputs.save_text(place, ".json", text(value, entry.progress.clean), entry.warn, private=is_reply)
    except OutputError as error:
        what = "reply" if is_reply else "record"
        entry.warn(f"the {what} could not be saved next to the {entry.outcome.noun}: {error.message}")
        return ""
    entry.progress.say(f"Saved {path}")
    return path


def why_not(known: Purchase | None) -> str:
    """Why there is no record of an earlier run; "" if the account has all of its request."""
    if known is None:
        return "this machine did not make the request"
    if not known.asked:
        return "the ledger keeps no requests (QIANWEN_KEEP_REQUESTS=0)"
    return "the ledger keeps no bytes of data: URLs" if re.search(_EMPTY_DATA_URL, json.dumps(known.asked)) else ""


def record(base: JSON, body: Mapping[str, Any], task_id: str, index: int, file: File, now: float) -> JSON:
    """The record of one result.

    base: program, model, mode, request and seed.
    body: the service's answer.
    index: of the result, from 0.
    now: epoch seconds.
    """
    facts: JSON = {"path": file.saved.path.replace("\\", "/").rpartition("/")[2], **file.saved.told}
    whole = {**base, "version": VERSION, "state": "made", "at": moment(now), "task_id": task_id or None}
    return {**whole, "request_id": body.get("request_id"), "actual_prompt": rewritten(body, index), "files": [facts]}


def rewritten(body: Mapping[str, Any], index: int) -> str | None:
    """The prompt as the service rewrote it, where it says so."""
    output = body.get("output")
    places = [output] if isinstance(output, dict) else []
    results = output.get("results") if isinstance(output, dict) else None
    if isinstance(results, list) and index < len(results) and isinstance(results[index], dict):
        places.insert(0, results[index])
    found = (text for place in places if isinstance(text := place.get("actual_prompt"), str) and text)
    return next(map(shareable, found), None)
