"""The size and length of a result: as requested, by its tier, or as the input files have them."""

from __future__ import annotations

import math
from typing import Mapping, Union

from ..checks.sizes import USUAL_RATIO, pixels_of
from ..files.media import Facts
from ..models.catalog import Size
from ..models.media_items import VIDEO, as_list, type_of
from ..plain.record import record
from .rules import Order

Inputs = Mapping[str, Facts]
"""URL of an input file → its facts."""
Seconds = Union[int, float]

TIER_AREA = {"480P": 832 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080}
CHOSEN = "1024*1024"  # the size when the model chooses it
STEP = 16  # pixels; sides that follow an input are rounded to its multiples
UNSEEN_SECONDS = 5  # assumed length of a clip on another host, which we never fetch
PICTURES = ("reference_images", "base_image_url", "ref_img")
LEADERS = ("video_url", "first_clip_url", "first_frame_url", "img_url", "last_frame_url", "last_clip_url", "image_url")
"""Fields whose file decides the shape of a video, by priority."""
ADAPTIVE = "adaptive"
CHOSEN_SECONDS = 8  # the length when the model chooses it


@record
class Clip:
    """input_seconds: of the input clips that are billed too."""

    width: int
    height: int
    seconds: Seconds
    input_seconds: Seconds
    sound: bool


def picture_size(order: Order, inputs: Inputs) -> tuple[int, int]:
    """(width, height) of a picture: as requested, by the tier, or the shape of the last input picture."""
    param = order.mode.param("size")
    rule = param.size if param and param.size else Size(default="1024*1024", follows=1024 * 1024)
    asked = order.fields.get("size")
    if asked and asked not in rule.tiers:
        width, height = pixels_of(asked)
        return (_snap(width, rule.snap), _snap(height, rule.snap)) if rule.snap > 1 else (width, height)
    leader = _leader(order, inputs, PICTURES) if rule.follows else None
    area = rule.tiers.get(asked or rule.default) or (rule.follows if leader else None)
    if area:
        return _shaped(area, leader.width / leader.height if leader else 1.0)
    return pixels_of(rule.default or CHOSEN)


def clip(order: Order, inputs: Inputs) -> Clip:
    """The size, length and sound of an order's video."""
    seconds = _seconds(order, inputs)
    sound = order.model.sound != "no" and order.fields.get("audio") is not False
    leaders = (*LEADERS, "reference_urls") if _adapts(order) else LEADERS
    width, height = _clip_size(order, _leader(order, inputs, leaders))
    return Clip(width, height, seconds, _input_seconds(order, inputs, seconds), sound)


def tier(order: Order) -> str:
    """The price tier of a video: that of its size, the requested one, or the service's default."""
    size = order.mode.param("size")
    asked = order.fields.get("size") or (size.default if size else None)
    for name, sizes in order.mode.pixels.items():
        if asked in sizes.values():
            return name
    resolution = order.mode.param("resolution")
    return str(order.fields.get("resolution") or (resolution.default if resolution else None) or "720P")


def is_edit(order: Order) -> bool:
    """Whether the result is as long as the input clip."""
    param = order.mode.param("video_url")
    return param is not None and param.required


def _leader(order: Order, inputs: Inputs, names: tuple[str, ...]) -> Facts | None:
    """The facts of the file that decides the shape; of several in a field the last."""
    for name in names:
        value = order.fields.get(name)
        for address in reversed(value) if isinstance(value, list) else (value,):
            facts = inputs.get(str(address))
            if facts and facts.width and facts.height:
                return facts
    return None


def _clip_size(order: Order, leader: Facts | None) -> tuple[int, int]:
    size = order.mode.param("size")
    if size:
        return pixels_of(order.fields.get("size") or str(size.default))
    name, ratio = tier(order), order.fields.get("ratio")
    ratio = None if ratio == ADAPTIVE else ratio
    if leader is None or (ratio and (is_edit(order) or _adapts(order))):
        wanted = ratio or USUAL_RATIO
        exact = order.mode.pixels.get(name, {}).get(wanted)
        return pixels_of(exact) if exact else _shaped(TIER_AREA[name], _shape(wanted))
    area = TIER_AREA[name] if order.mode.param("resolution") else min(TIER_AREA[name], leader.width * leader.height)
    return _shaped(area, leader.width / leader.height)


def _adapts(order: Order) -> bool:
    """Whether the shape follows the input unless a ratio is requested."""
    param = order.mode.param("ratio")
    return param is not None and ADAPTIVE in param.choices


def ratio(order: Order, clip: Clip) -> str:
    """The ratio in the answer: the requested one, else the legal one nearest to the result."""
    param, asked = order.mode.param("ratio"), order.fields.get("ratio")
    if not param or not _adapts(order) or asked not in (None, ADAPTIVE):
        return str(asked or USUAL_RATIO)
    shapes = {str(choice): _shape(str(choice)) for choice in param.choices if choice != ADAPTIVE}
    return min(shapes, key=lambda choice: abs(math.log(shapes[choice] / (clip.width / clip.height))))


def _shape(ratio: str) -> float:
    across, _, down = ratio.partition(":")
    return int(across) / int(down)


def _shaped(area: int, shape: float) -> tuple[int, int]:
    return _snap(math.sqrt(area * shape), STEP), _snap(math.sqrt(area / shape), STEP)


def _snap(side: float, step: int) -> int:
    return max(round(side / step), 1) * step


def _seconds(order: Order, inputs: Inputs) -> Seconds:
    asked = order.fields.get("duration")
    if asked == -1:
        return CHOSEN_SECONDS
    leading = order.mode.lasts or "video_url"
    source = order.mode.param(leading)
    if source is None or not source.required:
        return asked or UNSEEN_SECONDS
    facts = inputs.get(str(order.fields.get(leading)))
    length = facts.seconds if facts and facts.seconds else float(UNSEEN_SECONDS)
    return min(length, asked or source.media[0].used_seconds or order.mode.most)


def _input_seconds(order: Order, inputs: Inputs, seconds: Seconds) -> Seconds:
    if not order.mode.bills_clips:
        return 0
    if is_edit(order):
        return seconds
    types = as_list(order.fields.get("reference_types"))
    total: Seconds = 0
    for index, url in enumerate(as_list(order.fields.get("reference_urls"))):
        facts, named = inputs.get(url), types[index] if index < len(types) else None
        if facts is not None:
            total += facts.seconds if facts.type.startswith("video/") else 0
        elif (named or type_of(url)) == VIDEO:
            total += UNSEEN_SECONDS
    return total
