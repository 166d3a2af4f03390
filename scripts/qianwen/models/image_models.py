"""The picture models: a table, the few values that its rows share, and the rules that need more than one field.

Source of every row is the Model Studio reference page named in it; where pages disagree, the row follows the
newer API reference over guides and other clients. Sizes are `W*H` in pixels, the preferred preset of a ratio first.
"""

from __future__ import annotations

from ..errors import Problem
from ..record import changed
from ..regions import BEIJING, FRANKFURT, HONG_KONG, SINGAPORE, TOKYO, VIRGINIA
from .catalog import GIVEN, Catalog, Default, Flag, MediaRule, Mode, Model, Param, Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping

    from ..media import Facts
    from .catalog import Finding, Values

CHECKED = "2026-11-26"

# Wire shapes, by their keys in `wire`.
MESSAGES = "messages"
MESSAGES_STREAM = "messages stream"
MESSAGES_TASK = "messages task"
TEXT_TO_IMAGE = "text2image"
IMAGE_TO_IMAGE = "image2image"
IMAGE_FUNCTION = "image2image function"

# Layouts of the final answer on the routes of messages; a mode that names none answers as Qwen-Image 2.0 does.
EACH_A_CHOICE = "a choice for each picture"
ONE_CHOICE = "one choice with all pictures"
COUNTED = "counted"
BY_TIER = "by price tier"
WITH_PROMPT = "with the prompt"


# Fields ---------------------------------------------------------------------------------------------------


def prompt(longest: int = 0, unit: str = "characters") -> Param:
    return Param("prompt", "text", "what the picture shows", required=True, longest=longest, unit=unit)


def count(high: int, default: int = 1) -> Param:
    return Param("n", "integer", "pictures to make, each billed", low=1, high=high, default=default, send=1)


def references(low: int, high: int, rule: MediaRule) -> Param:
    return Param(
        "reference_images",
        "media list",
        "pictures to edit or to follow; the prompt calls them image 1, image 2, … in this order",
        low=low,
        high=high,
        media=(rule,),
        also=("reference_image",),
    )


def size(rule: Size) -> Param:
    return Param("size", "size", "pixels as W*H, or a ratio such as 16:9", size=rule, default=rule.default)


SEED = Param("seed", "integer", "makes results similar, never identical", low=0, high=2147483647)
NEGATIVE = Param("negative_prompt", "text", "what to keep out of the picture", longest=500)
EXTEND = Param("prompt_extend", "switch", "let the service rewrite the prompt; adds 3 to 4 seconds", default=True)
EXTEND_SLOW = changed(EXTEND, meaning="let the service rewrite the prompt")
EXTEND_MODE = Param(
    "prompt_extend_mode",
    "choice",
    "how the prompt is rewritten: at once, or by an agent in more detail",
    choices=("direct", "agent"),
    default="direct",
)
EXTEND_PRICED = changed(EXTEND, meaning="let the service rewrite the prompt; doubles the price", default=False)
WATERMARK = Param("watermark", "switch", "a visible mark at the bottom right", default=False)
SEQUENTIAL = Param("enable_sequential", "switch", "one coherent set of pictures", default=False, essential=True)
THINKING = Param("thinking_mode", "switch", "think longer for a better picture", default=True)
ENABLE_THINKING = Param("enable_thinking", "switch", "think longer about the prompt for a better picture", default=True)
INTERLEAVE = Param(
    "enable_interleave", "switch", "an answer of texts and pictures in turn", default=False, essential=True
)
STREAM = Param("stream", "switch", "receive the interleaved answer while it is made", default=False)
MAX_IMAGES = Param(
    "max_images",
    "integer",
    "most pictures in the answer, each billed",
    low=1,
    high=5,
    default=5,
    remark="enable_interleave without max_images makes up to 5 pictures, each billed; give max_images to make fewer",
)
BOXES = Param(
    "bbox_list",
    "structure",
    "areas to edit: per picture up to two boxes [left, top, right, bottom] in its pixels",
    essential=True,
)
PALETTE = Param(
    "color_palette", "structure", '3 to 10 colors {"hex": "#RRGGBB", "ratio": "NN.NN%"} that add up to 100.00%'
)

SET_COUNT = Param(
    "n",
    "integer",
    "most pictures of the set, each billed",
    low=1,
    high=12,
    default=12,
    send=12,
    remark="enable_sequential without n makes up to 12 pictures, each billed; give n to make fewer",
)
ONE_PICTURE = count(1)
NO_COUNT = changed(ONE_PICTURE, send=None, on_wire=False)


# Input pictures -------------------------------------------------------------------------------------------

_COMMON = ("image/jpeg", "image/png", "image/bmp", "image/webp")
_AND_TIFF = (*_COMMON, "image/tiff")

WAN27_PICTURE = MediaRule(_COMMON, side=(240, 8000), megabytes=20, ratio=8, alpha=False)
WAN26_PICTURE = MediaRule(_COMMON, side=(240, 8000), megabytes=10, alpha=False)
WAN25_PICTURE = MediaRule(_COMMON, side=(384, 5000), megabytes=10, alpha=False)
QWEN_PICTURE = MediaRule((*_AND_TIFF, "image/gif"), side=(384, 3072), megabytes=10, side_is_advice=True)
QWEN3_PICTURE = changed(QWEN_PICTURE, side=(384, 2048))
EDIT_BASE = MediaRule(_AND_TIFF, side=(512, 4096), megabytes=10, ascii_url=True)
STYLE_SOURCE = MediaRule(_AND_TIFF, side=(256, 4096), megabytes=10, ascii_url=True)


# Sizes ----------------------------------------------------------------------------------------------------

_512, _768, _1024, _1280, _1440, _1536, _2048, _4096 = (a * a for a in (512, 768, 1024, 1280, 1440, 1536, 2048, 4096))

_WAN27_PRESETS = {
    "1:1": ("2048*2048", "1280*1280"),
    "16:9": ("2688*1536", "1696*960"),
    "9:16": ("1536*2688", "960*1696"),
    "4:3": ("2368*1728", "1472*1104"),
    "3:4": ("1728*2368", "1104*1472"),
}
_WAN27_4K_PRESETS = {
    "1:1": ("2048*2048", "1280*1280", "4096*4096"),
    "16:9": ("2688*1536", "1696*960", "4096*2304"),
    "9:16": ("1536*2688", "960*1696", "2304*4096"),
    "4:3": ("2368*1728", "1472*1104", "4096*3072"),
    "3:4": ("1728*2368", "1104*1472", "3072*4096"),
}
_WAN26_T2I_PRESETS = {
    "1:1": ("1280*1280",),
    "3:4": ("1104*1472",),
    "4:3": ("1472*1104",),
    "9:16": ("960*1696",),
    "16:9": ("1696*960",),
}
_WAN26_PRESETS = {
    "1:1": ("1280*1280",),
    "2:3": ("800*1200",),
    "3:2": ("1200*800",),
    "3:4": ("960*1280",),
    "4:3": ("1280*960",),
    "9:16": ("720*1280",),
    "16:9": ("1280*720",),
    "21:9": ("1344*576",),
}
_QWEN_EDIT_PRESETS = {
    "1:1": ("1024*1024", "1536*1536"),
    "2:3": ("768*1152", "1024*1536"),
    "3:2": ("1152*768", "1536*1024"),
    "3:4": ("960*1280", "1080*1440"),
    "4:3": ("1280*960", "1440*1080"),
    "9:16": ("720*1280", "1080*1920"),
    "16:9": ("1280*720", "1920*1080"),
    "21:9": ("1344*576", "2048*872"),
}

WAN27_SIZE = Size(
    presets=_WAN27_PRESETS,
    area=(_768, _2048),
    ratio=8,
    tiers={"1K": _1024, "2K": _2048},
    default="2K",
    follows=_2048,
)
WAN27_4K_SIZE = changed(
    WAN27_SIZE, presets=_WAN27_4K_PRESETS, area=(_768, _4096), tiers={"1K": _1024, "2K": _2048, "4K": _4096}, follows=0
)
WAN26_T2I_SIZE = Size(presets=_WAN26_T2I_PRESETS, area=(_1280, _1440), ratio=4, default="1280*1280")
WAN26_EDIT_SIZE = Size(
    presets=_WAN26_PRESETS,
    area=(_768, _2048),
    ratio=4,
    snap=16,
    tiers={"1K": _1280, "2K": _2048},
    default="1K",
    follows=_1280,
)
WAN26_INTERLEAVE_SIZE = Size(
    presets=_WAN26_PRESETS, area=(_768, _1280), ratio=4, snap=16, default="1280*1280", follows=_1280
)
WAN25_EDIT_SIZE = Size(
    presets={**_WAN26_PRESETS, "1:1": ("1280*1280", "1024*1024")},
    area=(_768, _1280),
    ratio=4,
    default="1280*1280",
    follows=_1280,
)
FREE_SIDES = Size(side=(512, 1440), default="1024*1024")
STYLE_SIZE = Size(
    presets={"1:1": ("1024*1024",), "9:16": ("720*1280",), "2:3": ("768*1152",), "16:9": ("1280*720",)},
    fixed=True,
    default="1024*1024",
)
Z_IMAGE_SIZE = Size(
    presets={
        "1:1": ("1280*1280", "1024*1024", "1536*1536"),
        "2:3": ("1024*1536", "832*1248", "1248*1872"),
        "3:2": ("1536*1024", "1248*832", "1872*1248"),
        "3:4": ("1104*1472", "864*1152", "1296*1728"),
        "4:3": ("1472*1104", "1152*864", "1728*1296"),
        "7:9": ("1120*1440", "896*1152", "1344*1728"),
        "9:7": ("1440*1120", "1152*896", "1728*1344"),
        "9:16": ("864*1536", "720*1280", "1152*2048"),
        "9:21": ("720*1680", "576*1344", "864*2016"),
        "16:9": ("1536*864", "1280*720", "2048*1152"),
        "21:9": ("1680*720", "1344*576", "2016*864"),
    },
    area=(_512, _2048),
    advised_area=(_1024, _1536),
    default="1024*1536",
)
QWEN2_SIZE = Size(
    presets={
        "1:1": ("2048*2048",),
        "16:9": ("2688*1536",),
        "9:16": ("1536*2688",),
        "4:3": ("2368*1728",),
        "3:4": ("1728*2368",),
    },
    area=(_512, _2048),
    default="2048*2048",
)
QWEN3_SIZE = Size(area=(_512, _2048), ratio=8, areas={"1K": 2_250_000, "2K": _2048})
QWEN2_EDIT_SIZE = Size(presets=_QWEN_EDIT_PRESETS, area=(_512, _2048), snap=16, default="1024*1024", follows=_1024)
QWEN_EDIT_SIZE = Size(presets=_QWEN_EDIT_PRESETS, side=(512, 2048), snap=16, default="1024*1024", follows=_1024)
QWEN_FIVE_SIZES = Size(
    presets={
        "16:9": ("1664*928",),
        "4:3": ("1472*1104",),
        "1:1": ("1328*1328",),
        "3:4": ("1104*1472",),
        "9:16": ("928*1664",),
    },
    fixed=True,
    default="1664*928",
)


# Rules over several fields --------------------------------------------------------------------------------


def boxes_fit_the_pictures(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """`bbox_list`: one list per picture, at most two boxes each, inside the picture where its size is known."""
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
            yield Problem(path, of_picture, "is no list of at most two boxes", "0 to 2 boxes")
            continue
        picture = facts.get(f"reference_images[{index}]")
        if of_picture and picture and picture.turn != 1:
            yield (
                f"{path}: the picture is stored turned or mirrored (EXIF orientation {picture.turn}), and the service"
                " may count pixels as they are stored; save it upright before you give boxes"
            )
        for number, box in enumerate(of_picture):
            yield from _box_problems(f"{path}[{number}]", box, picture)


def _box_problems(path: str, box: object, picture: Facts | None) -> Iterable[Problem]:
    whole = isinstance(box, list) and len(box) == 4 and all(type(side) is int for side in box)
    if not whole or not isinstance(box, list):
        yield Problem(path, box, "is no box", "[left, top, right, bottom] in whole pixels")
        return
    left, top, right, bottom = box
    if not (0 <= left < right and 0 <= top < bottom):
        yield Problem(path, box, "has its corners in the wrong order", "0 <= left < right and 0 <= top < bottom")
    elif picture and picture.width and (right > picture.width or bottom > picture.height):
        yield Problem(path, box, "leaves the picture", f"inside {picture.width}*{picture.height}")


def boxes_in_a_set(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """One other client says that boxes and sets exclude each other; no official page does."""
    if values.get("bbox_list"):
        yield "bbox_list together with enable_sequential may be refused by the service"


def palette_adds_up(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """`color_palette`: 3 to 10 colors whose ratios add up to exactly 100.00 %, in decimal arithmetic."""
    palette = values.get("color_palette")
    if palette is None:
        return
    if not isinstance(palette, list) or not 3 <= len(palette) <= 10:
        yield Problem("color_palette", palette, "is no list of 3 to 10 colors", "3 to 10 colors, 8 are best")
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
            "color_palette", f"{total}%", "has ratios that do not add up", "a sum of exactly 100.00%", nearest
        )


def _color_problems(path: str, entry: object) -> Iterable[Problem]:
    import re

    if not isinstance(entry, dict) or set(entry) != {"hex", "ratio"}:
        yield Problem(path, entry, "is no color", '{"hex": "#RRGGBB", "ratio": "NN.NN%"}')
        return
    if not isinstance(entry["hex"], str) or not re.fullmatch(r"#[0-9A-Fa-f]{6}", entry["hex"]):
        yield Problem(f"{path}.hex", entry["hex"], "is no color code", "#RRGGBB")
    if not isinstance(entry["ratio"], str) or not re.fullmatch(r"\d{1,3}\.\d\d%", entry["ratio"]):
        yield Problem(
            f"{path}.ratio", entry["ratio"], "is no share", "a text with two decimals and %", _as_ratio(entry["ratio"])
        )


def _as_ratio(value: object) -> str | None:
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(str(value).strip().rstrip("%"))
        return f"{number:.2f}%" if 0 < number <= 100 else None
    except (InvalidOperation, ValueError):
        return None


def agent_works_from_text(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """`prompt_extend_mode` agent is refused by the service when pictures are given."""
    if values.get("prompt_extend_mode") == "agent":
        yield Problem(
            "prompt_extend_mode", "agent", "works from text alone, not with pictures", "direct", "direct", "choice"
        )


def thinks_while_rewriting(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """The service thinks, and has a way to rewrite, only while it rewrites the prompt."""
    if values.get("prompt_extend") is False:
        for name in ("enable_thinking", "prompt_extend_mode"):
            if values.get(name):
                yield f"{name} works only while prompt_extend is true"


def mask_matches_the_base(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    base, mask = facts.get("base_image_url"), facts.get("mask_image_url")
    if base and mask and base.width and mask.width and (base.width, base.height) != (mask.width, mask.height):
        given = f"{mask.width}*{mask.height}"
        yield Problem("mask_image_url", given, "is not the size of the base picture", f"{base.width}*{base.height}")


# Modes ----------------------------------------------------------------------------------------------------

_EDITING = {"reference_images": GIVEN}


def _wan27_modes(t2i_size: Size) -> tuple[Mode, ...]:
    fields = (prompt(5000), references(0, 9, WAN27_PICTURE), WATERMARK, SEED, SEQUENTIAL, BOXES)
    t2i = Mode(
        "t2i",
        (*fields, count(4), size(t2i_size), PALETTE, THINKING),
        sync=MESSAGES,
        task=MESSAGES_TASK,
        rules=(boxes_fit_the_pictures, palette_adds_up),
        answer=EACH_A_CHOICE,
    )
    edit = changed(t2i, name="edit", params=(*fields, count(4), size(WAN27_SIZE), PALETTE), when=_EDITING)
    sequential = changed(
        t2i,
        name="sequential",
        params=(*fields, SET_COUNT, size(WAN27_SIZE)),
        when={"enable_sequential": True},
        rules=(boxes_fit_the_pictures, boxes_in_a_set),
        is_ceiling=True,
        answer=ONE_CHOICE,
    )
    return sequential, edit, t2i


_WAN26_EDIT_FIELDS = (
    prompt(2000),
    references(1, 4, WAN26_PICTURE),
    count(4, default=4),
    size(WAN26_EDIT_SIZE),
    NEGATIVE,
    EXTEND,
    WATERMARK,
    SEED,
    INTERLEAVE,
)
_WAN26_INTERLEAVE_FIELDS = (
    prompt(2000),
    references(0, 1, WAN26_PICTURE),
    ONE_PICTURE,
    MAX_IMAGES,
    size(WAN26_INTERLEAVE_SIZE),
    NEGATIVE,
    WATERMARK,
    SEED,
    INTERLEAVE,
)


def _task_t2i(longest: int, sizes: Size) -> Mode:
    fields = (prompt(longest), count(4, default=4), size(sizes), NEGATIVE, EXTEND, WATERMARK, SEED)
    return Mode("t2i", fields, task=TEXT_TO_IMAGE)


def _newer_qwen_modes(text: Param, most_pictures: int, task: str, *own: Param, by_area: bool) -> tuple[Mode, ...]:
    """Text to picture and editing of Qwen-Image 2.1 and 3.0: both take the same fields."""
    fields = (
        text,
        references(0, most_pictures, QWEN3_PICTURE),
        count(6),
        size(QWEN3_SIZE),
        *own,
        EXTEND_SLOW,
        EXTEND_MODE,
        ENABLE_THINKING,
        WATERMARK,
        SEED,
    )
    t2i = Mode(
        "t2i",
        fields,
        sync=MESSAGES,
        task=task,
        rules=(thinks_while_rewriting,),
        bills_by_area=by_area,
        answer=BY_TIER,
    )
    return changed(t2i, name="edit", when=_EDITING, rules=(agent_works_from_text, thinks_while_rewriting)), t2i


_NEGATIVE_ADVISED = changed(NEGATIVE, longest_is_advice=True)  # no page of the newer models names a limit
_QWEN3_PROMPT = changed(prompt(4500, "tokens"), longest_is_advice=True)
_QWEN3_MODES = _newer_qwen_modes(_QWEN3_PROMPT, 3, MESSAGES_TASK, _NEGATIVE_ADVISED, by_area=True)
# Of 2.1 no reference page was seen: the length of a prompt, a task form and prices are not documented.
_QWEN21_PRO_MODES = _newer_qwen_modes(prompt(), 10, "", by_area=False)
_QWEN21_TURBO_MODES = _newer_qwen_modes(prompt(), 10, "", _NEGATIVE_ADVISED, by_area=False)

_QWEN_FIELDS = (NEGATIVE, EXTEND, WATERMARK, SEED)
_QWEN_T2I_FIELDS = (prompt(800, "tokens"), ONE_PICTURE, size(QWEN_FIVE_SIZES), *_QWEN_FIELDS)
_QWEN2_MODES = (
    Mode(
        "edit",
        (prompt(1300, "tokens"), references(0, 3, QWEN_PICTURE), count(6), size(QWEN2_EDIT_SIZE), *_QWEN_FIELDS),
        sync=MESSAGES,
        when=_EDITING,
    ),
    Mode(
        "t2i",
        (prompt(1300, "tokens"), references(0, 3, QWEN_PICTURE), count(6), size(QWEN2_SIZE), *_QWEN_FIELDS),
        sync=MESSAGES,
    ),
)
_QWEN_EDIT_MODES = (
    Mode(
        "edit",
        (prompt(800, "tokens"), references(1, 3, QWEN_PICTURE), count(6), size(QWEN_EDIT_SIZE), *_QWEN_FIELDS),
        sync=MESSAGES,
    ),
)
_QWEN_T2I_CALL = Mode("t2i", _QWEN_T2I_FIELDS, sync=MESSAGES, answer=COUNTED)
_QWEN_T2I_TASK = Mode("t2i task", (prompt(800), *_QWEN_T2I_FIELDS[1:]), task=TEXT_TO_IMAGE, when={"async": True})


def _function(name: str, meaning: str, *extra: Param) -> Mode:
    function = Param("function", "text", meaning, essential=True)
    base = Param(
        "base_image_url",
        "media",
        "the picture to change",
        required=True,
        media=(EDIT_BASE,),
        also=("reference_images", "reference_image"),
    )
    fields = (function, prompt(800), base, *extra, count(4), WATERMARK, SEED)
    rules = (mask_matches_the_base,) if _MASK in extra else ()
    return Mode(name, fields, task=IMAGE_FUNCTION, when={"function": name}, rules=rules)


_STRENGTH = Param("strength", "number", "how far the result may leave the picture", low=0.0, high=1.0, default=0.5)
_MASK = Param(
    "mask_image_url", "media", "white: change here, black: keep; size of the base", required=True, media=(EDIT_BASE,)
)
_SCALES = tuple(
    Param(f"{side}_scale", "number", f"times the size toward the {side}", low=1.0, high=2.0, default=1.0)
    for side in ("top", "bottom", "left", "right")
)
_FACTOR = Param("upscale_factor", "integer", "times the size of each side", low=1, high=4, default=1)
_SKETCH = Param("is_sketch", "switch", "the picture is line art already", default=False)

_EDIT_FUNCTIONS = (
    _function("stylization_all", "restyle the whole picture", _STRENGTH),
    _function("stylization_local", "restyle a region that the prompt names"),
    _function("description_edit", "change what the prompt says", _STRENGTH),
    _function("description_edit_with_mask", "change what lies under the mask", _MASK),
    _function("remove_watermark", "remove a text watermark"),
    _function("expand", "paint beyond the edges", *_SCALES),
    _function("super_resolution", "enlarge and sharpen", _FACTOR),
    _function("colorization", "color a gray picture"),
    _function("doodle", "turn line art into a picture", _SKETCH),
    _function("control_cartoon_feature", "draw a cartoon character again"),
)

_STYLES = (
    "<auto>",
    "<photography>",
    "<portrait>",
    "<3d cartoon>",
    "<anime>",
    "<oil painting>",
    "<watercolor>",
    "<sketch>",
    "<chinese painting>",
    "<flat illustration>",
)
_WANX_V1_FIELDS = (
    prompt(800),
    count(4, default=4),
    size(STYLE_SIZE),
    NEGATIVE,
    SEED,
    Param("style", "choice", "the brackets belong to the value", choices=_STYLES, default="<auto>"),
    Param(
        "ref_img", "media", "a picture to follow", media=(STYLE_SOURCE,), also=("reference_images", "reference_image")
    ),
    Param("ref_strength", "number", "closeness to ref_img", low=0.0, high=1.0),
    Param("ref_mode", "choice", "follow content or style only", choices=("repaint", "refonly"), default="repaint"),
)


# The rows -------------------------------------------------------------------------------------------------

_BOTH = (BEIJING, SINGAPORE)
_WAN26_REGIONS = (*_BOTH, VIRGINIA, FRANKFURT)
_QWEN3_REGIONS = (*_BOTH, VIRGINIA, FRANKFURT, TOKYO, HONG_KONG)
_WAN27_PAGE = "wan-image-generation-and-editing-api-reference"
_WAN26_PAGE = "wan-image-generation-api-reference"
_T2I_V2_PAGE = "text-to-image-v2-api-reference"
_T2I_V1_PAGE = "text-to-image-api-reference"
_WAN25_EDIT_PAGE = "wan2-5-image-edit-api-reference"
_WANX_EDIT_PAGE = "wanx-image-edit-api-reference"
_QWEN3_PAGE = "qwen-image-generation-and-editing-api-reference"
_QWEN21_PAGE = "qwen-image-2-1-pro"
_QWEN_PAGE = "qwen-image-api"
_QWEN_EDIT_PAGE = "qwen-image-edit-api"
_Z_PAGE = "z-image-api-reference"


def _row(
    id: str,
    family: str,
    summary: str,
    modes: tuple[Mode, ...],
    source: str,
    regions: tuple[str, ...] = _BOTH,
    aliases: tuple[str, ...] = (),
) -> Model:
    return Model(id, family, summary, modes, regions, source, CHECKED, aliases)


def _ending(row: Model) -> Model:
    """A row of notice 118434 of 2026-07-10. Whether the day was kept, and where, is not confirmed."""
    return changed(row, ends="2026-10-10", replacement="qwen-image-2.0")


MODELS = (
    _row(
        "wan2.7-image-pro",
        "wan2.7",
        "text to picture up to 4K, editing, several references, boxes, coherent sets",
        _wan27_modes(WAN27_4K_SIZE),
        _WAN27_PAGE,
    ),
    _row(
        "wan2.7-image",
        "wan2.7",
        "the same, faster, up to 2K",
        _wan27_modes(changed(WAN27_SIZE, follows=0)),
        _WAN27_PAGE,
        (*_BOTH, TOKYO),
    ),
    _row(
        "wan2.6-t2i",
        "wan2.6",
        "text to picture",
        (
            Mode(
                "t2i",
                (prompt(2100), count(4, default=4), size(WAN26_T2I_SIZE), NEGATIVE, EXTEND, WATERMARK, SEED),
                sync=MESSAGES,
                task=MESSAGES_TASK,
                answer=EACH_A_CHOICE,
            ),
        ),
        _T2I_V2_PAGE,
        _WAN26_REGIONS,
    ),
    _row(
        "wan2.6-image",
        "wan2.6",
        "editing with 1 to 4 references; texts and pictures in turn",
        (
            Mode(
                "interleave stream",
                (*_WAN26_INTERLEAVE_FIELDS, STREAM),
                sync=MESSAGES_STREAM,
                when={"enable_interleave": True, "stream": True},
                text_first=True,
                bills="max_images",
                is_ceiling=True,
                interleaved=True,
            ),
            Mode(
                "interleave",
                _WAN26_INTERLEAVE_FIELDS,
                task=MESSAGES_TASK,
                when={"enable_interleave": True},
                text_first=True,
                bills="max_images",
                is_ceiling=True,
                interleaved=True,
            ),
            Mode(
                "edit",
                _WAN26_EDIT_FIELDS,
                sync=MESSAGES,
                task=MESSAGES_TASK,
                text_first=True,
                answer=EACH_A_CHOICE,
            ),
        ),
        _WAN26_PAGE,
        _WAN26_REGIONS,
    ),
    _row(
        "wan2.5-i2i-preview",
        "wan2.5",
        "editing and fusion of 1 to 3 pictures",
        (
            Mode(
                "edit",
                (
                    prompt(2000),
                    references(1, 3, WAN25_PICTURE),
                    count(4, default=4),
                    size(WAN25_EDIT_SIZE),
                    NEGATIVE,
                    EXTEND,
                    WATERMARK,
                    SEED,
                ),
                task=IMAGE_TO_IMAGE,
            ),
        ),
        _WAN25_EDIT_PAGE,
    ),
    _row("wan2.5-t2i-preview", "wan2.5", "text to picture", (_task_t2i(2000, WAN26_T2I_SIZE),), _T2I_V2_PAGE),
    _row("wan2.2-t2i-flash", "wan2.2", "text to picture, fast drafts", (_task_t2i(500, FREE_SIDES),), _T2I_V2_PAGE),
    _row("wan2.2-t2i-plus", "wan2.2", "text to picture, steadier", (_task_t2i(500, FREE_SIDES),), _T2I_V2_PAGE),
    _row(
        "wanx2.1-t2i-turbo",
        "wanx2.1",
        "text to picture, older and fast",
        (_task_t2i(500, FREE_SIDES),),
        _T2I_V2_PAGE,
        aliases=("wan2.1-t2i-turbo",),
    ),
    _row(
        "wanx2.1-t2i-plus",
        "wanx2.1",
        "text to picture, older",
        (_task_t2i(500, FREE_SIDES),),
        _T2I_V2_PAGE,
        aliases=("wan2.1-t2i-plus",),
    ),
    _row(
        "wanx2.0-t2i-turbo",
        "wanx2.0",
        "text to picture, older and cheap",
        (_task_t2i(800, FREE_SIDES),),
        _T2I_V2_PAGE,
        (BEIJING,),
    ),
    _row(
        "wanx-v1",
        "wanx1",
        "text to picture in ten styles, with an optional reference",
        (Mode("t2i", _WANX_V1_FIELDS, task=TEXT_TO_IMAGE),),
        _T2I_V1_PAGE,
        (BEIJING,),
    ),
    _row(
        "wanx2.1-imageedit",
        "wanx2.1",
        "ten editing functions on one picture",
        _EDIT_FUNCTIONS,
        _WANX_EDIT_PAGE,
        (BEIJING,),
        aliases=("wan2.1-imageedit",),
    ),
    _row(
        "z-image-turbo",
        "z-image",
        "text to picture, small open model, one picture a call",
        (
            Mode(
                "t2i",
                (prompt(800), size(Z_IMAGE_SIZE), EXTEND_PRICED, SEED, NO_COUNT),
                sync=MESSAGES,
                answer=WITH_PROMPT,
            ),
        ),
        _Z_PAGE,
    ),
    _row(
        "qwen-image-3.0-pro",
        "qwen-image-3.0",
        "text to picture, editing and fusion; best for text in pictures, posters, precise edits",
        _QWEN3_MODES,
        _QWEN3_PAGE,
        _QWEN3_REGIONS,
    ),
    _row("qwen-image-3.0", "qwen-image-3.0", "the same, faster", _QWEN3_MODES, _QWEN3_PAGE, _QWEN3_REGIONS),
    _row(
        "qwen-image-2.1-pro",
        "qwen-image-2.1",
        "text to picture, fusion of up to 10 pictures, transparent backgrounds by prompt",
        _QWEN21_PRO_MODES,
        _QWEN21_PAGE,
    ),
    _row(
        "qwen-image-2.1-turbo",
        "qwen-image-2.1",
        "the same, faster, with a negative prompt",
        _QWEN21_TURBO_MODES,
        _QWEN21_PAGE,
        (BEIJING,),
    ),
    _row(
        "qwen-image-2.0-pro", "qwen-image", "text to picture, editing, text in pictures", _QWEN2_MODES, _QWEN_EDIT_PAGE
    ),
    _row("qwen-image-2.0", "qwen-image", "the same, faster", _QWEN2_MODES, _QWEN_EDIT_PAGE),
    _ending(
        _row("qwen-image-edit-max", "qwen-image", "editing and fusion, best quality", _QWEN_EDIT_MODES, _QWEN_EDIT_PAGE)
    ),
    _ending(_row("qwen-image-edit-plus", "qwen-image", "editing and fusion", _QWEN_EDIT_MODES, _QWEN_EDIT_PAGE)),
    _ending(
        _row(
            "qwen-image-edit",
            "qwen-image",
            "editing, one picture a call, size follows the input",
            (
                Mode(
                    "edit",
                    (prompt(800, "tokens"), references(1, 3, QWEN_PICTURE), ONE_PICTURE, NEGATIVE, WATERMARK, SEED),
                    sync=MESSAGES,
                ),
            ),
            _QWEN_EDIT_PAGE,
        )
    ),
    _ending(
        _row(
            "qwen-image-max", "qwen-image", "text to picture in five sizes, best quality", (_QWEN_T2I_CALL,), _QWEN_PAGE
        )
    ),
    _ending(
        _row(
            "qwen-image-plus",
            "qwen-image",
            "text to picture in five sizes",
            (_QWEN_T2I_TASK, _QWEN_T2I_CALL),
            _QWEN_PAGE,
        )
    ),
    _ending(
        _row(
            "qwen-image-plus-2026-01-09",
            "qwen-image",
            "text to picture in five sizes; a task form is not documented",
            (_QWEN_T2I_CALL,),
            _QWEN_PAGE,
        )
    ),
    _ending(
        _row("qwen-image", "qwen-image", "text to picture in five sizes", (_QWEN_T2I_TASK, _QWEN_T2I_CALL), _QWEN_PAGE)
    ),
)

FAMILIES = (
    ("wan*imageedit*", "wanx2.1-imageedit"),
    ("wan2.5-i2i*", "wan2.5-i2i-preview"),
    ("wan2.5-t2i*", "wan2.5-t2i-preview"),
    ("wan2.2-t2i*", "wan2.2-t2i-flash"),
    ("wan2.1-t2i*", "wanx2.1-t2i-turbo"),
    ("wanx2.1-t2i*", "wanx2.1-t2i-turbo"),
    ("wanx2.0-t2i*", "wanx2.0-t2i-turbo"),
    ("wanx-v*", "wanx-v1"),
    ("wan2.6-image*", "wan2.6-image"),
    ("wan*-t2i*", "wan2.6-t2i"),
    ("wan*-image-pro*", "wan2.7-image-pro"),
    ("wan*-image*", "wan2.7-image"),
    ("wan*-i2i*", "wan2.7-image"),
    ("qwen-image-edit-*", "qwen-image-edit-plus"),
    ("qwen-image-max*", "qwen-image-max"),
    ("qwen-image-plus*", "qwen-image-plus-2026-01-09"),
    ("qwen-image-[4-9]*-pro*", "qwen-image-3.0-pro"),
    ("qwen-image-[4-9]*", "qwen-image-3.0"),
    ("qwen-image-3*-pro*", "qwen-image-3.0-pro"),
    ("qwen-image-3*", "qwen-image-3.0"),
    ("qwen-image-2.1-pro*", "qwen-image-2.1-pro"),
    ("qwen-image-2.1*", "qwen-image-2.1-turbo"),
    ("qwen-image*", "qwen-image-2.0"),
    ("z-image*", "z-image-turbo"),
    ("wan*", "wan2.7-image"),
    ("*", "qwen-image-2.0"),
)

MAKERS = Model(
    "maker/…",
    "maker",
    "a picture model of another maker, passed through",
    (Mode("as given", (), task=MESSAGES_TASK, as_given=True),),
    (BEIJING,),
    "the maker's page in the Model Studio reference",
    CHECKED,
)
MAKERS_ELSEWHERE = ("*video*", "*t2v*", "*i2v*", "*kf2v*", "*r2v*")


def closed() -> tuple[tuple[str, str], ...]:
    from .closed_models import CLOSED

    return CLOSED


ELSEWHERE = ("happyhorse*", "*s2v*", "*t2v*", "*i2v*", "*kf2v*", "*r2v*", "*vace*", "*video*")

FLAGS = (
    Flag("--image", "PATH|URL", "a picture to edit or to follow; repeat for several", "reference_images", many=True),
    Flag("--size", "SIZE", "1280*720, a ratio such as 16:9, or 1K, 2K, 4K where the model has them", "size"),
    Flag("-n", "COUNT", "pictures to make, each billed (default 1)", "n"),
    Flag("--seed", "NUMBER", "0 to 2147483647; the same seed gives similar pictures", "seed"),
    Flag("--negative-prompt", "TEXT", "what to keep out of the picture", "negative_prompt"),
    Flag("--async", "", "submit a task and wait for it, where the model offers both ways", "async"),
    Flag("--via", "desirecore", "through DesireCore's local media proxy; answers media ids and Markdown", "via"),
)

IMAGES = Catalog(
    program="image.py",
    purpose="Make and edit pictures with Wan, Qwen-Image and Z-Image models through DashScope.",
    examples=(
        '"A cozy flower shop with a wooden door"',
        '"Put a red hat on the cat" --image cat.png --output hat.png --print-response',
        """--request '{"prompt": "a poster", "model": "qwen-image-2.0-pro"}' --dry-run""",
        '"anything" --sandbox',
    ),
    noun="picture",
    unit="image",
    folder="qianwen-image-generation/images",
    flags=FLAGS,
    models=MODELS,
    families=FAMILIES,
    elsewhere=("video.py", ELSEWHERE),
    closed=closed,
    makers=(MAKERS, MAKERS_ELSEWHERE),
    defaults=(
        Default("wanx2.1-imageedit", {"function": GIVEN}),
        Default("wan2.6-image", {"enable_interleave": GIVEN}),
        Default("wan2.7-image", {"reference_images": GIVEN}),
        Default("wan2.7-image", {"reference_image": GIVEN}),
        Default("wan2.7-image", {"enable_sequential": GIVEN}),
        Default("wan2.6-t2i"),
    ),
)
