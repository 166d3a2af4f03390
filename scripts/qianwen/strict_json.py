"""JSON as the standard has it: no NaN, no number beyond a float, no nesting that a later step could not follow."""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 64


def load(text: str | bytes, tolerant: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError, with words for the user, for anything that is none.

    tolerant: numbers that JSON cannot say are null instead of an error, as befits an answer that was paid for.
    """

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        if tolerant:
            return None
        raise ValueError(f"{digits} is no JSON number")

    try:
        value = json.loads(text, parse_constant=number, parse_float=number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def load_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that a foreign text holds, numbers that JSON does not have as null; None for any other text."""
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
