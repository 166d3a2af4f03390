"""Tiers and pixels: some models ask for `size` (1280*720), others for `resolution` and `ratio` (720P, 16:9).

What was written in the other way is translated where it says exactly the same; the tables are the rows' own.
"""

from __future__ import annotations

import re

from ..models.catalog import Mode
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

USUAL_RATIO = "16:9"
FORMS = (
    ("tier", r"\s*(\d{3,4})\s*[pP]\s*", "{}P"),
    ("pixels", r"\s*(\d{2,5})\s*[xX×*]\s*(\d{2,5})\s*", "{}*{}"),
    ("ratio", r"\s*(\d{1,2})\s*[:：]\s*(\d{1,2})\s*", "{}:{}"),
)


def translate(mode: Mode, values: dict[str, Any], findings: Findings) -> None:
    """Bring size, resolution and ratio into the words of the mode, in place. A notice tells every change of words."""
    given = {name: values[name] for name in ("size", "resolution", "ratio") if values.get(name) is not None}
    if not mode.pixels or not given:
        return
    said: dict[str, set[str]] = {form: set() for form, _, _ in FORMS}
    for name, value in given.items():
        form, text = _read(value)
        values[name] = given[name] = text
        said.setdefault(form, set()).add(text)
    foreign = {"resolution", "ratio"} if mode.param("size") else {"size"}
    tier_in_size = mode.param("size") and given.get("size") in said["tier"]
    if not (foreign & set(given) or tier_in_size):
        return  # in the mode's own words already: whether they are legal is checked with every other field
    contradicts = any(len(texts) > 1 for texts in said.values())
    new = None if "" in said or contradicts else _in_words_of(mode, said)
    tiers = said["tier"] <= set(mode.pixels)
    for name in given:
        del values[name]
    if new is not None:
        values.update(new)
        findings.warn(f"{_spoken(given)} is sent as {_spoken(new)}")
        return
    for name in foreign & set(given) or {"size"}:
        legal = len(given) > 1 and tiers and "" not in said
        message = "contradicts the other fields of the size" if legal else "is nothing that this model takes"
        findings.problem(name, given[name], "not taken", message, _allowed(mode))


def _read(value: object) -> tuple[str, str]:
    """Which form a text has, and its normal spelling: 720p → 720P, 1280x720 → 1280*720, 16：9 → 16:9."""
    for form, pattern, spelling in FORMS:
        match = re.fullmatch(pattern, value) if isinstance(value, str) else None
        if match:
            return form, spelling.format(*match.groups())
    return "", value if isinstance(value, str) else str(value)


def _in_words_of(mode: Mode, said: Mapping[str, set[str]]) -> dict[str, str] | None:
    """The mode's own fields for what was said, or None when they cannot say it."""
    tier, ratio, pixels = (next(iter(said[form]), "") for form in ("tier", "ratio", "pixels"))
    same = [
        (name, shape, size)
        for name, sizes in mode.pixels.items()
        for shape, size in sizes.items()
        if tier in ("", name) and ratio in ("", shape) and pixels in ("", size)
    ]
    if mode.param("size"):
        name, shape = tier or _usual(mode), ratio or USUAL_RATIO
        usual = [size for entry, form, size in same if pixels or (entry, form) == (name, shape)]
        return {"size": usual[0]} if usual else None
    if pixels and mode.param("ratio") and same:
        return {"resolution": same[0][0], "ratio": same[0][1]}
    if pixels or (ratio and not mode.param("ratio")):
        return None
    return {name: text for name, text in (("resolution", tier), ("ratio", ratio)) if text}


def _usual(mode: Mode) -> str:
    """The tier of the size that is sent when nothing is said."""
    param = mode.param("size")
    return next(name for name, sizes in mode.pixels.items() if param and param.send in sizes.values())


def _spoken(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _allowed(mode: Mode) -> str:
    """The fields that the mode has for it, with what they take."""
    if mode.param("size"):
        return "size " + ", ".join(size for sizes in mode.pixels.values() for size in sizes.values())
    params = (mode.param("resolution"), mode.param("ratio"))
    return "; ".join(f"{param.name} {', '.join(map(str, param.choices))}" for param in params if param)
