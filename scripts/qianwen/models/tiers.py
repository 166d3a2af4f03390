"""Tiers and pixels: some models ask for `size` (1280*720), others for `resolution` and `ratio` (720P, 16:9).

What was written in the other way is translated where it says exactly the same; the tables are the rows' own.
"""

from __future__ import annotations

import re

from .catalog import Mode
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USUAL_RATIO = "16:9"
_TIER = re.compile(r"\s*(\d{3,4})\s*[pP]\s*")
_PIXELS = re.compile(r"\s*(\d{2,5})\s*[xX×*]\s*(\d{2,5})\s*")
_RATIO = re.compile(r"\s*(\d{1,2})\s*[:：]\s*(\d{1,2})\s*")


def translate(mode: Mode, values: dict[str, Any], findings: Findings) -> None:
    """Bring size, resolution and ratio into the words of the mode, in place. A notice tells every change of words."""
    for name in ("size", "resolution", "ratio"):
        if isinstance(values.get(name), str):
            values[name] = _normal(values[name])
    if mode.pixels and mode.param("size") and not mode.param("resolution"):
        _into_size(mode, values, findings)
    elif mode.pixels and mode.param("resolution"):
        _into_resolution(mode, values, findings)


def _normal(text: str) -> str:
    """720p → 720P, 1280x720 → 1280*720, 16：9 → 16:9; anything else as it is."""
    for pattern, form in ((_TIER, "{}P"), (_PIXELS, "{}*{}"), (_RATIO, "{}:{}")):
        match = pattern.fullmatch(text)
        if match:
            return form.format(*match.groups())
    return text


def _into_size(mode: Mode, values: dict[str, Any], findings: Findings) -> None:
    given = {name: values.pop(name) for name in ("resolution", "ratio") if values.get(name) is not None}
    size = values.get("size")
    if isinstance(size, str) and size in mode.pixels:
        given.setdefault("resolution", values.pop("size"))
    elif isinstance(given.get("resolution"), str) and _PIXELS.fullmatch(given["resolution"]) and size is None:
        values["size"] = given.pop("resolution")
        findings.warn(f"resolution {values['size']} is sent as size")
    elif isinstance(size, str) and _RATIO.fullmatch(size) and "resolution" in given:
        given.setdefault("ratio", values.pop("size"))
    if not given:
        return
    if "size" in values:
        findings.warn(f"{' and '.join(given)} left out: size says it already")
        return
    tier = given.get("resolution", _usual_tier(mode))
    ratio = given.get("ratio", USUAL_RATIO)
    size = mode.pixels.get(str(tier), {}).get(str(ratio))
    said = " and ".join(f"{name} {value}" for name, value in given.items())
    if size:
        values["size"] = size
        findings.warn(f"{said} is sent as size {size}")
        return
    for name, value in given.items():
        findings.problem(name, value, "not taken", "is not for this model; it takes size", _sizes(mode))


def _into_resolution(mode: Mode, values: dict[str, Any], findings: Findings) -> None:
    size = values.pop("size", None)
    if size is None:
        return
    new: dict[str, str] = {}
    if size in mode.pixels:
        new = {"resolution": size}
    elif mode.param("ratio") and isinstance(size, str) and _RATIO.fullmatch(size):
        new = {"ratio": size}
    elif mode.param("ratio"):
        new = next(
            (
                {"resolution": tier, "ratio": ratio}
                for tier, sizes in mode.pixels.items()
                for ratio, pixels in sizes.items()
                if pixels == size
            ),
            {},
        )
    if not new:
        fields = "resolution and ratio" if mode.param("ratio") else "resolution; the shape follows the input"
        findings.problem("size", size, "not taken", f"is not for this model; it takes {fields}", _tiers(mode))
    elif any(values.get(name, value) != value for name, value in new.items()):
        findings.problem("size", size, "not taken", "contradicts resolution or ratio", _tiers(mode))
    else:
        values.update(new)
        findings.warn(f"size {size} is sent as " + ", ".join(f"{name} {value}" for name, value in new.items()))


def _usual_tier(mode: Mode) -> str:
    return "720P" if "720P" in mode.pixels else next(iter(mode.pixels))


def _sizes(mode: Mode) -> str:
    return ", ".join(size for sizes in mode.pixels.values() for size in sizes.values())


def _tiers(mode: Mode) -> str:
    param, ratio = mode.param("resolution"), mode.param("ratio")
    tiers = ", ".join(map(str, param.choices)) if param else ""
    return f"resolution {tiers}" + (f"; ratio {', '.join(map(str, ratio.choices))}" if ratio else "")
