"""Checks one field of a request against its row: one function for each kind of field."""

from __future__ import annotations

import re

from ..errors import Problem
from ..models.catalog import Param
from ..plain.spelling import nearest
from ..plain.texts import lost_letters
from . import sizes
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, Mapping


LARGEST = 1e300  # no field means a larger number


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    return next(iter(nearest(name, known)), None)


def check_field(param: Param, values: dict[str, Any], findings: Findings) -> None:
    """Check one field and put its checked form (such as a normalized size) in its place."""
    value = values.get(param.name)
    if value is None or value == [] or (param.empty is not None and value == param.empty):
        values.pop(param.name, None)
        if param.is_needed:
            count = f"{param.low:g} to {param.high:g}" if param.low else ""
            allowed = count or ", ".join(filter(None, map(str, param.choices)))
            findings.problem(param.name, value, "missing", f"is missing: {param.meaning}", allowed)
        if param.send is not None:
            values[param.name] = param.send
        if param.remark:
            findings.warn(param.remark)
        return
    values[param.name] = CHECKS[param.kind](param, value, findings)


def _media(param: Param, value: object, findings: Findings) -> object:
    from .media_files import BY_KIND

    return BY_KIND[param.kind](param, value, findings)


def _text(param: Param, value: object, findings: Findings) -> object:
    if not isinstance(value, str):
        findings.problem(param.name, value, "type", "is not text", "text")
        return value
    if not value.strip() and param.required:
        findings.problem(param.name, value, "missing", f"is empty: {param.meaning}")
    if not is_unicode(value):
        findings.problem(param.name, ascii(value), "type", NOT_UNICODE, "valid Unicode")
    if lost := lost_letters(value):
        told = "has question marks in place of letters, which were lost on the way"
        if lost == "certain":
            findings.problem(param.name, value, "type", told, "text that was saved and sent as UTF-8")
        else:
            findings.warn(f"{param.name} {told}, unless they are meant")
    length = LENGTHS.get(param.unit, len)(value)
    if param.longest and length > param.longest:
        about = "about " if param.unit == "tokens" else ""
        advice, limit = f"at most {param.longest} are advised", f"the service silently cuts it after {param.longest}"
        findings.warn(f"{param.name} has {about}{length} {param.unit}; {advice if param.longest_is_advice else limit}")
    return value


def _tokens(text: str) -> int:
    """A rough count, because the service's tokenizer is not public: 1 a CJK character, 1 for every 4 others."""
    import math

    wide = sum(1 for character in text if ord(character) >= 0x2E80)
    return wide + math.ceil((len(text) - wide) / 4)


def _half_widths(text: str) -> int:
    """The number of characters, with CJK characters counted twice."""
    return sum(2 if ord(character) >= 0x2E80 else 1 for character in text)


LENGTHS: Mapping[str, Callable[[str], int]] = {
    "tokens": _tokens,
    "characters (a Chinese one counts as two)": _half_widths,
}


def _integer(param: Param, value: object, findings: Findings) -> object:
    if type(value) is not int:
        findings.problem(param.name, value, "type", "is not a whole number", _range(param), _as_integer(param, value))
        return value
    return _bounded(param, value, findings)


def _number(param: Param, value: object, findings: Findings) -> object:
    if type(value) not in (int, float) or not -LARGEST < value < LARGEST:  # type: ignore[operator]
        findings.problem(param.name, value, "type", "is not a number", _range(param))
        return value
    return _bounded(param, value, findings)  # type: ignore[arg-type]


def _bounded(param: Param, value: float, findings: Findings) -> object:
    fitting: float | None = _clamp(param, value)
    if fitting != value and value not in param.beside:
        allowed = _range(param)
        others = _other_modes(param, findings, lambda other: _clamp(other, value) == value)
        allowed += f" ({value} is for the {others} mode)" if others else ""
        if value == -1 and param.default is None and param.send is None:  # "any" to other APIs, never the lowest
            allowed, fitting = f"{allowed}; leave it out, and the service chooses", None
        findings.problem(param.name, value, "range", "is out of range", allowed, fitting)
    return value


def _other_modes(param: Param, findings: Findings, fits: Callable[[Param], bool]) -> str:
    """The other modes of the model that would accept the value, for a message."""
    others = ((mode.name, mode.param(param.name)) for mode in findings.model.modes if mode is not findings.mode)
    return " or ".join(name for name, other in others if other and fits(other))


def _clamp(param: Param, value: float) -> float:
    return min(max(value, param.low), param.high)


def _as_integer(param: Param, value: object) -> object:
    try:
        return _clamp(param, int(float(str(value))))
    except (ValueError, OverflowError):
        return None


def _range(param: Param) -> str:
    text = str(param.low) if param.low == param.high else f"{param.low} to {param.high}"
    return text + "".join(f", or {number}" for number in param.beside)


def _switch(param: Param, value: object, findings: Findings) -> object:
    if not isinstance(value, bool):
        word = str(value).lower()
        nearest = True if word in ("true", "1", "yes", "on") else False if word in ("false", "0", "no", "off") else None
        findings.problem(param.name, value, "type", "is neither true nor false", "true or false", nearest)
    return value


def _choice(param: Param, value: object, findings: Findings) -> object:
    for choice in param.choices:
        if choice == value and not isinstance(value, bool):
            return choice
    allowed, nearest = ", ".join(map(str, param.choices)), _nearest_choice(value, param.choices)
    findings.problem(param.name, value, "choice", "is not one of the choices", allowed, nearest)
    return value


def _nearest_choice(value: object, choices: tuple[str | int, ...]) -> object:
    """By amount if both are amounts (seconds, 720P), else by name. Of two amounts as near the smaller wins."""
    amount = _amount(value)
    amounts = [
        (abs(other - amount), other, choice)
        for choice in choices
        for other in (_amount(choice),)
        if amount >= 0 <= other
    ]
    if amounts:
        return min(amounts)[2]
    names = {str(choice): choice for choice in choices}
    return names.get(nearest_name(str(value), names) or "")


def _amount(value: object) -> float:
    """The number in a number of seconds, a tier's name or a ratio; -1 for anything else."""
    match = re.fullmatch(r"([0-9]{1,5})(?::([1-9][0-9]{0,3})|[PKS])?", str(value).upper())
    return int(match[1]) / int(match[2] or 1) if match else -1.0


def _types(param: Param, value: object, findings: Findings) -> object:
    """A list with one of the choices, or None, for each reference."""
    entries = value if isinstance(value, list) else [value]
    for index, entry in enumerate(entries):
        if entry is not None and entry not in param.choices:
            allowed = ", ".join(map(str, param.choices))
            findings.problem(f"{param.name}[{index}]", entry, "choice", "is not a type of reference", allowed)
    return [entry if isinstance(entry, str) and entry in param.choices else None for entry in entries]


def _size(param: Param, value: object, findings: Findings) -> object:
    rule = param.size
    if rule is None or not isinstance(value, str):
        findings.problem(param.name, value, "type", "is not text", "text such as 1024*1024 or 16:9")
        return value
    verdict = sizes.judge(value, rule)
    if verdict.fault:
        others = _other_modes(
            param, findings, lambda other: other.size is not None and not sizes.judge(value, other.size).fault
        )
        fault = f"is for the {others} mode of this model, not for {findings.mode.name}" if others else verdict.fault
        findings.problem(param.name, value, "size", fault, sizes.allowed(rule), verdict.nearest)
    if verdict.meaning:
        findings.note(f"{param.name}: {value} {verdict.meaning}")
    for note in verdict.notes:
        findings.warn(f"{param.name} {value} {note}")
    return verdict.size


PAGE = r"https?://[^\s/?#\x00-\x1f\x7f@]+[^\s\x00-\x1f\x7f]*"


def _link(param: Param, value: object, findings: Findings) -> object:
    """The address of a web page. We never open it, so only its form is checked."""
    allowed = "the http:// or https:// address of a public page"
    if not (isinstance(value, str) and re.fullmatch(PAGE, value, re.IGNORECASE)):
        findings.problem(param.name, value, "format", "is not the address of a web page", allowed)
    elif fault := findings.inspect(value).fault:
        findings.problem(param.name, value, "format", fault, allowed)
    return value


NOT_UNICODE = "contains characters that are not valid Unicode"


def is_unicode(text: str) -> bool:
    """False for text with surrogates, which no UTF-8 can carry."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def not_json(path: str, value: object, local: set[str]) -> Iterator[Problem]:
    """What JSON cannot express in a value.

    local: paths of local files, which may have surrogates: Python decodes odd bytes of a name so.
    """
    if isinstance(value, str):
        if value not in local and not is_unicode(value):
            yield Problem(path, ascii(value), NOT_UNICODE, "valid Unicode", reason="type")
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from not_json(f"{path}[{index}]", entry, local)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if not isinstance(name, str) or not is_unicode(name):
                yield Problem(path, ascii(name), "is not a valid name in JSON", "valid Unicode", reason="type")
            else:
                yield from not_json(f"{path}.{name}" if path else name, entry, local)
    elif isinstance(value, float) and value - value != 0:  # infinite, or not a number
        yield Problem(path, str(value), "is not a number in JSON", "a finite number", reason="type")
    elif not (value is None or isinstance(value, (bool, int, float))):
        yield Problem(path, ascii(value), "is not a value in JSON", "JSON", reason="type")


CHECKS: Mapping[str, Callable[[Param, object, Findings], object]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "switch": _switch,
    "choice": _choice,
    "size": _size,
    "media": _media,
    "media list": _media,
    "document": _media,
    "link": _link,
    "types": _types,
    "structure": lambda _, value, __: value,  # the mode's rules check it
}
