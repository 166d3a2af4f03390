"""The rules of the picture models over several fields, or over the bytes of a file: a named function and its sentence.

A rule yields problems, which refuse the request, and texts, which warn. Their sources are the pages that the rows name.
"""

from __future__ import annotations

from ..errors import Problem
from .catalog import says
from .shared_rows import mask_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping

    from ..files.media import Facts
    from .catalog import Finding, Values


@says("`bbox_list` has one list per picture, each with at most two boxes; `[]` means none.")
def boxes_fit_the_pictures(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    boxes = values.get("bbox_list")
    if boxes is None:
        return
    pictures = values.get("reference_images", ())
    expected = len(pictures) if isinstance(pictures, (list, tuple)) else 0
    if not isinstance(boxes, list) or len(boxes) != expected:
        message = "needs one list of boxes for each picture, [] for none"
        yield Problem("bbox_list", boxes, message, f"{expected} lists", reason="count")
        return
    for index, of_picture in enumerate(boxes):
        path = f"bbox_list[{index}]"
        if not isinstance(of_picture, list) or len(of_picture) > 2:
            yield Problem(path, of_picture, "must be a list of at most two boxes", "0 to 2 boxes")
            continue
        picture = facts.get(f"reference_images[{index}]")
        if of_picture and picture and picture.turn != 1:
            yield (
                f"{path}: the picture is stored rotated or mirrored (EXIF orientation {picture.turn}), and the service"
                " may count pixels as they are stored; save it upright before you give boxes"
            )
        for number, box in enumerate(of_picture):
            yield from _box_problems(f"{path}[{number}]", box, picture)


def _box_problems(path: str, box: object, picture: Facts | None) -> Iterable[Problem]:
    whole = isinstance(box, list) and len(box) == 4 and all(type(side) is int for side in box)
    if not whole or not isinstance(box, list):
        yield Problem(path, box, "is not a box", "[left, top, right, bottom] in whole pixels")
        return
    left, top, right, bottom = box
    if not (0 <= left < right and 0 <= top < bottom):
        yield Problem(path, box, "has its corners in the wrong order", "0 <= left < right and 0 <= top < bottom")
    elif picture and picture.width and (right > picture.width or bottom > picture.height):
        yield Problem(path, box, "reaches beyond the picture", f"inside {picture.width}*{picture.height}")


@says("The service may refuse `bbox_list` together with `enable_sequential`.")
def boxes_in_a_set(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """Another client says that boxes and sets exclude each other; no official page does."""
    if values.get("bbox_list"):
        yield "the service may refuse bbox_list together with enable_sequential"


@says('In `color_palette` every ratio is a text such as "25.00%"; they add up to exactly 100.00%.')
def palette_adds_up(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """`color_palette`: 3 to 10 colors whose ratios add up to exactly 100.00 %, in decimal arithmetic."""
    palette = values.get("color_palette")
    if palette is None:
        return
    if not isinstance(palette, list) or not 3 <= len(palette) <= 10:
        yield Problem("color_palette", palette, "must be a list of 3 to 10 colors", "3 to 10 colors, 8 are best")
        return
    from decimal import Decimal

    total = Decimal(0)
    sound = True
    for index, entry in enumerate(palette):
        for problem in _color_problems(f"color_palette[{index}]", entry):
            sound = False
            yield problem
        if sound:
            total += Decimal(entry["ratio"].rstrip("%"))
    if sound and total != 100:
        last = Decimal(palette[-1]["ratio"].rstrip("%")) + 100 - total
        nearest = f"{last:.2f}% as the last ratio" if last > 0 else None
        yield Problem(
            "color_palette",
            f"{total}%",
            "has ratios that do not add up to 100.00%",
            "a sum of exactly 100.00%",
            nearest,
        )


def _color_problems(path: str, entry: object) -> Iterable[Problem]:
    import re

    if not isinstance(entry, dict) or set(entry) != {"hex", "ratio"}:
        yield Problem(path, entry, "is not a color", '{"hex": "#RRGGBB", "ratio": "NN.NN%"}')
        return
    if not isinstance(entry["hex"], str) or not re.fullmatch(r"#[0-9A-Fa-f]{6}", entry["hex"]):
        yield Problem(f"{path}.hex", entry["hex"], "is not a color code", "#RRGGBB")
    if not isinstance(entry["ratio"], str) or not re.fullmatch(r"\d{1,3}\.\d\d%", entry["ratio"]):
        yield Problem(
            f"{path}.ratio",
            entry["ratio"],
            "is not a share",
            "a text with two decimals and %",
            _as_ratio(entry["ratio"]),
        )


def _as_ratio(value: object) -> str | None:
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(str(value).strip().rstrip("%"))
        return f"{number:.2f}%" if 0 < number <= 100 else None
    except (InvalidOperation, ValueError):
        return None


@says("`prompt_extend_mode` agent works only without pictures.")
def agent_works_from_text(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if values.get("prompt_extend_mode") == "agent":
        yield Problem("prompt_extend_mode", "agent", "works only without pictures", "direct", "direct", "choice")


@says(
    "`enable_thinking` and `prompt_extend_mode` work only with `prompt_extend` true (the default); otherwise a warning."
)
def thinks_while_rewriting(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if values.get("prompt_extend") is False:
        for name in ("enable_thinking", "prompt_extend_mode"):
            if values.get(name):
                yield f"{name} works only with prompt_extend true"


@says("`mask_image_url` has exactly the size of `base_image_url`; its transparency is ignored.")
def mask_matches_the_base(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    return mask_findings("mask_image_url", facts.get("mask_image_url"), facts.get("base_image_url"), "base picture")
