"""Picture sizes: parses what users write, checks it against a mode's rule and finds the nearest legal size."""

from __future__ import annotations

import re
from itertools import product

from ..models.catalog import Mode, Size
from ..plain.record import changed, record
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

_PIXELS = r"\s*(\d{1,6})\s*[xX×*]\s*(\d{1,6})\s*"
_RATIO = r"\s*(\d{1,4})\s*[:：]\s*(\d{1,4})\s*"
_TIER = r"\s*(\d{1,3})\s*[kK]\s*"
_GRID = 8  # pixels: where the service lists no sizes, we choose sides that are multiples of this
_SLACK = 0.01  # this close outside a bound is only a warning, because the service's own presets miss its bounds


@record
class Verdict:
    """The result for one size text.

    size: what to send.
    fault: why it is refused, "" when it is legal.
    meaning: what we made of a tier or a ratio, "" for a size that is sent as it was written.
    notes: warnings.
    """

    size: str
    fault: str = ""
    nearest: str | None = None
    meaning: str = ""
    notes: tuple[str, ...] = ()


def judge(text: str, rule: Size) -> Verdict:
    """Check a size as the user wrote it. Presets are legal even if they break the rule's area or sides."""
    tier = text.strip().upper()
    if tier in rule.tiers:
        return Verdict(tier)
    if tier in rule.areas:
        square = _largest(_within(rule, tier), 1, 1)
        return Verdict(square or tier, meaning=f"is {square} on this model")
    ratio = re.fullmatch(_RATIO, text)
    if ratio and all(map(int, ratio.groups())):
        return _from_ratio(int(ratio[1]), int(ratio[2]), rule)
    pixels = re.fullmatch(_PIXELS, text)
    if not pixels or not all(map(int, pixels.groups())):
        return Verdict(text, "is not a size of this model", _nearest_name(text, rule))
    width, height = int(pixels[1]), int(pixels[2])
    written = f"{width}*{height}"
    if written in _presets(rule):
        return Verdict(written)
    if rule.fixed:
        return Verdict(written, "is not one of the sizes", nearest(rule, width, height))
    faults, notes = _measure(rule, width, height)
    if faults:
        return Verdict(written, " and ".join(faults), nearest(rule, width, height))
    return Verdict(written, notes=notes)


def allowed(rule: Size) -> str:
    """The rule in words, for messages and docs."""
    words = []
    if rule.tiers or rule.areas:
        words.append(", ".join((*rule.tiers, *rule.areas)))
    if rule.fixed:
        words.append(", ".join(_presets(rule)))
    if rule.area:
        words.append("W*H with an area of {:,} to {:,} pixels".format(*rule.area))
    if rule.side:
        words.append("W*H with sides of {} to {}".format(*rule.side))
    text = " or ".join(words)
    if rule.ratio:
        text += f", ratio 1:{rule.ratio} to {rule.ratio}:1"
    return text


def nearest(rule: Size, width: int, height: int) -> str | None:
    """The legal size closest in shape and area; a preset where only presets are legal."""
    import math

    candidates = list(_presets(rule)) if rule.fixed else [*_fitted(rule, width, height), *_presets(rule)]

    def distance(size: str) -> float:
        other_width, other_height = pixels_of(size)
        shape = abs(math.log((other_width / other_height) / (width / height)))
        return 4 * shape + abs(math.log(other_width * other_height / (width * height)))

    return min(candidates, key=distance, default=None)


def _nearest_name(text: str, rule: Size) -> str | None:
    """The nearest tier, for a tier that the model lacks. What cannot be read is near to nothing."""
    wanted, names = re.fullmatch(_TIER, text), (*rule.tiers, *rule.areas)
    if wanted and names:
        return min(names, key=lambda tier: abs(int(tier[:-1]) - int(wanted[1])))
    return None


def area_tier(size: str | None, rule: Size) -> str:
    """The price tier of a size; without a size the model chooses, so the highest tier."""
    if not size:
        return f"up to {list(rule.areas)[-1]}"
    width, height = pixels_of(size)
    return next((name for name, most in rule.areas.items() if width * height <= most), list(rule.areas)[-1])


def _within(rule: Size, tier: str) -> Size:
    """The rule limited to one price tier, on our grid."""
    low = rule.area[0] if rule.area else 1
    return changed(rule, area=(low, rule.areas[tier]), snap=_GRID)


def pixels_of(size: str) -> tuple[int, int]:
    width, height = size.split("*")
    return int(width), int(height)


def _presets(rule: Size) -> Iterator[str]:
    for sizes in rule.presets.values():
        yield from sizes


def _measure(rule: Size, width: int, height: int) -> tuple[list[str], tuple[str, ...]]:
    """(faults, notes): what is wrong with a size, and what only deserves a warning."""
    faults: list[str] = []
    notes: list[str] = []

    def add(fault: str, near: bool) -> None:
        if near:
            notes.append(f"{fault}, just outside the documented bounds")
        else:
            faults.append(fault)

    area, long_to_short = width * height, max(width, height) / min(width, height)
    if rule.area and not rule.area[0] <= area <= rule.area[1]:
        near = rule.area[0] * (1 - _SLACK) <= area <= rule.area[1] * (1 + _SLACK)
        add(f"has an area of {area:,} pixels", near)
    if rule.side and not (rule.side[0] <= min(width, height) and max(width, height) <= rule.side[1]):
        add(f"has a side outside {rule.side[0]} to {rule.side[1]}", near=False)
    if rule.ratio and long_to_short > rule.ratio:
        add(f"has a ratio of {long_to_short:.2f} to 1", near=long_to_short <= rule.ratio * (1 + _SLACK))
    advice = rule.advised_area
    if advice and not advice[0] <= area <= advice[1]:
        notes.append("has an area outside the advised {:,} to {:,} pixels".format(*advice))
    if rule.snap > 1 and (width % rule.snap or height % rule.snap):
        notes.append(f"will be rounded by the service to multiples of {rule.snap}")
    return faults, tuple(notes)


def _from_ratio(across: int, down: int, rule: Size) -> Verdict:
    import math

    shared = math.gcd(across, down)
    across, down = across // shared, down // shared
    for label, sizes in rule.presets.items():
        left, right = map(int, label.split(":"))
        if left * down == right * across:
            width, height = pixels_of(sizes[0])
            nearly = "" if width * down == height * across else ", which is nearly that ratio"
            return Verdict(sizes[0], meaning=f"is {sizes[0]} on this model{nearly}")
    written = f"{across}:{down}"
    cheapest = next(iter(rule.areas), "")  # never choose a higher price for the user
    if cheapest:
        rule = _within(rule, cheapest)
    if rule.fixed:
        return Verdict(written, "is not one of the ratios", nearest(rule, across * 400, down * 400))
    size = _largest(rule, across, down)
    if size is None:
        return Verdict(written, "is not the ratio of any legal size", nearest(rule, across * 400, down * 400))
    _, notes = _measure(rule, *pixels_of(size))
    what = f"size of the {cheapest} tier" if cheapest else "legal size"
    return Verdict(size, meaning=f"is {size} on this model, the largest {what}", notes=notes)


def _largest(rule: Size, across: int, down: int) -> str | None:
    """The largest legal size of exactly this ratio, with both sides multiples of the service's rounding step."""
    import math

    scale = math.isqrt(_area_bounds(rule)[1] // (across * down))
    if rule.side:
        scale = min(scale, rule.side[1] // max(across, down))
    for times in range(scale, 0, -1):
        width, height = across * times, down * times
        if width % rule.snap or height % rule.snap:
            continue
        faults, _ = _measure(rule, width, height)
        return None if faults else f"{width}*{height}"
    return None


def _fitted(rule: Size, width: int, height: int) -> Iterator[str]:
    """The size moved inside the bounds, and its legal neighbors on a grid of 16 pixels.

    Tries two steps down, because where area and ratio meet the nearest ones can be just outside.
    """
    import math

    shape = width / height
    if rule.ratio:
        shape = min(max(shape, 1 / rule.ratio), float(rule.ratio))
    low, high = _area_bounds(rule)
    area = min(max(width * height, low), high)
    shortest, longest = rule.side or (1, high)
    shrink = min(1.0, longest / math.sqrt(area * max(shape, 1 / shape)))
    steps = []
    for side in (math.sqrt(area * shape) * shrink, math.sqrt(area / shape) * shrink):
        inside = max(side, shortest)
        below = math.floor(inside / 16) * 16
        steps.append((below - 32, below - 16, below, math.ceil(inside / 16) * 16))
    for near_width, near_height in product(*steps):
        if near_width > 0 and near_height > 0 and _measure(rule, near_width, near_height) == ([], ()):
            yield f"{near_width}*{near_height}"


def _area_bounds(rule: Size) -> tuple[int, int]:
    if rule.area:
        return rule.area
    low, high = rule.side or (1, 1)
    return low * low, high * high


USUAL_RATIO = "16:9"

FORMS = (
    ("tier", r"\s*(\d{3,4})\s*[pP]\s*", "{}P"),
    ("pixels", _PIXELS, "{}*{}"),
    ("ratio", _RATIO, "{}:{}"),
)


def translate(mode: Mode, values: dict[str, Any], findings: Findings) -> None:
    """Translate size, resolution and ratio into the fields of the mode, in place. A warning names every change."""
    given = {name: values[name] for name in ("size", "resolution", "ratio") if values.get(name) is not None}
    if not mode.pixels or not given:
        return
    forms: dict[str, set[str]] = {form: set() for form, _, _ in FORMS}
    for name, value in given.items():
        form, text = _read(value)
        values[name] = given[name] = text
        forms.setdefault(form, set()).add(text)
    foreign = {"resolution", "ratio"} if mode.param("size") else {"size"}
    tier_in_size = mode.param("size") and given.get("size") in forms["tier"]
    if not (foreign & set(given) or tier_in_size):
        return  # already the mode's own fields, which are checked like all others
    contradicts = any(len(texts) > 1 for texts in forms.values())
    new = None if "" in forms or contradicts else _as_fields_of(mode, forms)
    tiers = forms["tier"] <= set(mode.pixels)
    for name in given:
        del values[name]
    if new is not None:
        values.update(new)
        findings.note(f"{in_words(given)} is sent as {in_words(new)}")
        return
    for name in foreign & set(given) or {"size"}:
        legal = len(given) > 1 and tiers and "" not in forms
        message = "contradicts the other size fields" if legal else "is not supported by this model"
        findings.problem(name, given[name], "not taken", message, _allowed(mode))


def _read(value: object) -> tuple[str, str]:
    """(form, normalized text): 720p → 720P, 1280x720 → 1280*720, 16：9 → 16:9; the form is "" if unknown."""
    for form, pattern, spelling in FORMS:
        match = re.fullmatch(pattern, value) if isinstance(value, str) else None
        if match:
            return form, spelling.format(*match.groups())
    return "", value if isinstance(value, str) else str(value)


def _as_fields_of(mode: Mode, forms: Mapping[str, set[str]]) -> dict[str, str] | None:
    """The same size in the mode's own fields, or None if they cannot express it."""
    tier, ratio, pixels = (next(iter(forms[form]), "") for form in ("tier", "ratio", "pixels"))
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
    """The tier of the size that is sent by default."""
    param = mode.param("size")
    return next(name for name, sizes in mode.pixels.items() if param and param.send in sizes.values())


def in_words(fields: Mapping[str, object]) -> str:
    """The fields for a message: "resolution 720P, ratio 16:9"."""
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _allowed(mode: Mode) -> str:
    """The mode's own size fields and their values, for a message."""
    if mode.param("size"):
        return "size " + ", ".join(size for sizes in mode.pixels.values() for size in sizes.values())
    params = (mode.param("resolution"), mode.param("ratio"))
    return "; ".join(f"{param.name} {', '.join(map(str, param.choices))}" for param in params if param)
