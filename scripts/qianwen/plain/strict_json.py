"""JSON as in RFC 8259, without NaN, and without numbers or nesting that later steps cannot handle.

Answers of a service may have been paid for, so `load_object` reads them whatever their form, as far as that goes.
"""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

DEEPEST = 64
MOST_DIGITS = 400  # of a whole number in an answer; the largest float has 309
MOST_PARTS = 2**20  # of an answer, about 200 bytes of memory each


def load(text: str | bytes, tolerant: bool = False, deepest: int = DEEPEST) -> Any:
    """The value of a JSON text. Raises ValueError, with a message for the user, if it is not valid.

    tolerant: read NaN and infinite numbers as null instead of raising; for answers, which may have been paid for.
    deepest: how many levels of lists and objects may stand in each other.
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
            text,
            parse_constant=number,
            parse_float=number,
            parse_int=_short if tolerant else None,
            object_pairs_hook=None if tolerant else _without_repetition,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_deep(value, deepest):
        raise ValueError("it is nested too deeply")
    return value


def written(value: object, indent: int | None = None) -> str:
    """JSON with the letters of every script as they are; all in escapes if half a character of a file name is in it."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, whose names must differ: the last of two values would win without a word."""
    value: dict[str, Any] = {}
    for name, held in pairs:
        if name in value:
            raise ValueError(f"{name[:80]!r} is given twice")
        value[name] = held
    return value


def load_object(text: bytes, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any] | None:
    """The JSON object in a text from outside, however odd its form; None if there is none.

    Bytes that are no UTF-8 become U+FFFD. Control characters in strings are kept, what follows the object is ignored.
    Huge numbers become null, and what is nested too deeply is left out.
    tell: called with what was wrong if it is not valid JSON.
    """
    if sum(map(text.count, (b"{", b"[", b","))) > MOST_PARTS:
        return None
    try:
        value = load(text, tolerant=True)
    except ValueError as error:
        value = _load_leniently(text)
        if isinstance(value, dict):
            tell(_reason(error))
    if isinstance(value, str):
        value = load_object(value.encode("utf-8", "surrogatepass"))
        if value:
            tell("it is in quotes")
    return value if isinstance(value, dict) else None


def _load_leniently(text: bytes) -> Any:
    def number(digits: str) -> float | None:
        value = float(digits)
        return value if math.isfinite(value) else None

    def whole(digits: str) -> int | None:
        return int(digits) if len(digits) <= MOST_DIGITS else None

    decoder = json.JSONDecoder(strict=False, parse_constant=number, parse_float=number, parse_int=whole)
    try:
        value, _ = decoder.raw_decode(text.decode("utf-8", "replace").lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return None
    for level in _levels(value)[DEEPEST - 1 :]:
        for inner in level:
            inner.clear()  # what it held lies too deep
    return value


def _reason(error: ValueError) -> str:
    """What is wrong with a text, in a few words and without the text itself."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _short(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _is_deep(value: object, deepest: int) -> bool:
    return len(_levels(value, deepest)) > deepest


def _levels(value: object, deepest: int = DEEPEST) -> list[list[dict[str, Any] | list[Any]]]:
    """The objects and lists of a value, by their depth, as far as one level below the deepest that is allowed."""
    level = [value] if isinstance(value, (dict, list)) else []
    levels: list[list[dict[str, Any] | list[Any]]] = []
    while level and len(levels) <= deepest:
        levels.append(level)
        inner = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [each for each in inner if isinstance(each, (dict, list))]
    return levels
