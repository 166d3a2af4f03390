"""JSON as in RFC 8259, without NaN, and without numbers or nesting that later steps cannot handle."""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 64


def load(text: str | bytes, tolerant: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError, with a message for the user, if it is not valid.

    tolerant: read NaN and infinite numbers as null instead of raising; for answers, which may have been paid for.
    """

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        if tolerant:
            return None
        raise ValueError(f"{digits} is not a number in JSON")

    try:
        value = json.loads(
            text, parse_constant=number, parse_float=number, object_pairs_hook=None if tolerant else _without_repetition
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, whose names must differ: the last of two values would win without a word."""
    value: dict[str, Any] = {}
    for name, held in pairs:
        if name in value:
            raise ValueError(f"{name[:80]!r} is given twice")
        value[name] = held
    return value


def load_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object in a text from outside, read tolerantly; None if it is anything else."""
    try:
        value = load(text, tolerant=True)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
