"""The picture models: a table, and the values that its rows share. Rules over several fields are in `image_rules`.

The source of a row is the Model Studio reference page that it names; where pages disagree, the row follows the newer
API reference over guides and other clients. Sizes are `W*H` in pixels, the preferred preset of a ratio first.
"""

from __future__ import annotations

from ..plain.record import changed
from ..regions import BEIJING, FRANKFURT, HONG_KONG, TOKYO, VIRGINIA
from .catalog import GIVEN, Catalog, Default, Flag, MediaRule, Mode, Model, Param, Size
from .image_rules import (
    agent_works_from_text,
    boxes_fit_the_pictures,
    boxes_in_a_set,
    mask_matches_the_base,
    palette_adds_up,
    thinks_while_rewriting,
)
from .shared_rows import (
    BOTH,
    CHECKED,
    CLOSED,
    FIVE_AT_ONCE,
    ONE_AT_ONCE,
    PICTURES,
    SCALES,
    SEED,
    TWO_A_MINUTE,
    TWO_A_SECOND,
    TWO_AT_ONCE,
    flags,
    grows,
    negative,
    of_a_maker,
    pace_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

# A table reads best with a row a line.
# fmt: off

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
    meaning = "pictures to edit or to follow; the prompt calls them image 1, image 2, … in this order"
    return Param("reference_images", "media list", meaning, low=low, high=high, media=(rule,), also=("reference_image",))


def size(rule: Size) -> Param:
    return Param("size", "size", "pixels as W*H, or a ratio such as 16:9", size=rule, default=rule.default)


NEGATIVE = negative("picture")
EXTEND = Param("prompt_extend", "switch", "let the service rewrite the prompt; adds 3 to 4 seconds", default=True)
EXTEND_SLOW = changed(EXTEND, meaning="let the service rewrite the prompt")
EXTEND_PRICED = changed(EXTEND, meaning="let the service rewrite the prompt; doubles the price", default=False)
EXTEND_MODE = Param("prompt_extend_mode", "choice", "how the prompt is rewritten: at once, or by an agent in more detail", choices=("direct", "agent"), default="direct")
WATERMARK = Param("watermark", "switch", "a visible mark at the bottom right", default=False)
SEQUENTIAL = Param("enable_sequential", "switch", "one coherent set of pictures", default=False, essential=True)
THINKING = Param("thinking_mode", "switch", "think longer for a better picture", default=True)
ENABLE_THINKING = Param("enable_thinking", "switch", "think longer about the prompt for a better picture", default=True)
INTERLEAVE = Param("enable_interleave", "switch", "an answer of texts and pictures in turn", default=False, essential=True)
STREAM = Param("stream", "switch", "receive the interleaved answer while it is made", default=False)
MAX_IMAGES = Param(
    "max_images", "integer", "maximum of pictures in the answer, each billed", low=1, high=5, default=5,
    remark="enable_interleave without max_images makes up to 5 pictures, each billed; give max_images to make fewer",
)
BOXES = Param("bbox_list", "structure", "areas to edit: per picture up to two boxes [left, top, right, bottom] in its pixels", essential=True)
PALETTE = Param("color_palette", "structure", '3 to 10 colors {"hex": "#RRGGBB", "ratio": "NN.NN%"} that add up to 100.00%')
SET_COUNT = Param(
    "n", "integer", "maximum of pictures in the set, each billed", low=1, high=12, default=12, send=12,
    remark="enable_sequential without n makes up to 12 pictures, each billed; give n to make fewer",
)
ONE_PICTURE = count(1)
NO_COUNT = changed(ONE_PICTURE, send=None, on_wire=False)


# Input pictures -------------------------------------------------------------------------------------------

_AND_TIFF = (*PICTURES, "image/tiff")

WAN27_PICTURE = MediaRule(PICTURES, side=(240, 8000), megabytes=20, ratio=8, alpha=False)
WAN26_PICTURE = MediaRule(PICTURES, side=(240, 8000), megabytes=10, alpha=False)
WAN25_PICTURE = MediaRule(PICTURES, side=(384, 5000), megabytes=10, alpha=False)
QWEN_PICTURE = MediaRule((*_AND_TIFF, "image/gif"), side=(384, 3072), megabytes=10, side_is_advice=True)
QWEN3_PICTURE = changed(QWEN_PICTURE, side=(384, 2048))
EDIT_BASE = MediaRule(_AND_TIFF, side=(512, 4096), megabytes=10, ascii_url=True)
STYLE_SOURCE = MediaRule(_AND_TIFF, side=(256, 4096), megabytes=10, ascii_url=True)


# Sizes ----------------------------------------------------------------------------------------------------

_512, _768, _1024, _1280, _1440, _1536, _2048, _4096 = (a * a for a in (512, 768, 1024, 1280, 1440, 1536, 2048, 4096))


def _presets(text: str) -> dict[str, tuple[str, ...]]:
    """`1:1 W*H W*H, 16:9 W*H`: the sizes of each ratio, the preferred first."""
    return {ratio: tuple(sizes) for ratio, *sizes in map(str.split, text.split(","))}


_WAN27_PRESETS = _presets(
    "1:1 2048*2048 1280*1280, 16:9 2688*1536 1696*960, 9:16 1536*2688 960*1696, 4:3 2368*1728 1472*1104, 3:4 1728*2368 1104*1472"
)
_WAN27_ONLY_4K = _presets("1:1 4096*4096, 16:9 4096*2304, 9:16 2304*4096, 4:3 4096*3072, 3:4 3072*4096")
_WAN27_4K_PRESETS = {ratio: (*sizes, *_WAN27_ONLY_4K[ratio]) for ratio, sizes in _WAN27_PRESETS.items()}
_WAN26_T2I_PRESETS = _presets("1:1 1280*1280, 3:4 1104*1472, 4:3 1472*1104, 9:16 960*1696, 16:9 1696*960")
_WAN26_PRESETS = _presets("1:1 1280*1280, 2:3 800*1200, 3:2 1200*800, 3:4 960*1280, 4:3 1280*960, 9:16 720*1280, 16:9 1280*720, 21:9 1344*576")
_STYLE_PRESETS = _presets("1:1 1024*1024, 9:16 720*1280, 2:3 768*1152, 16:9 1280*720")
_Z_IMAGE_PRESETS = _presets(
    "1:1 1280*1280 1024*1024 1536*1536, 2:3 1024*1536 832*1248 1248*1872, 3:2 1536*1024 1248*832 1872*1248,"
    "3:4 1104*1472 864*1152 1296*1728, 4:3 1472*1104 1152*864 1728*1296, 7:9 1120*1440 896*1152 1344*1728,"
    "9:7 1440*1120 1152*896 1728*1344, 9:16 864*1536 720*1280 1152*2048, 9:21 720*1680 576*1344 864*2016,"
    "16:9 1536*864 1280*720 2048*1152, 21:9 1680*720 1344*576 2016*864"
)
_QWEN2_PRESETS = _presets("1:1 2048*2048, 16:9 2688*1536, 9:16 1536*2688, 4:3 2368*1728, 3:4 1728*2368")
_QWEN_EDIT_PRESETS = _presets(
    "1:1 1024*1024 1536*1536, 2:3 768*1152 1024*1536, 3:2 1152*768 1536*1024, 3:4 960*1280 1080*1440,"
    "4:3 1280*960 1440*1080, 9:16 720*1280 1080*1920, 16:9 1280*720 1920*1080, 21:9 1344*576 2048*872"
)
_QWEN_FIVE_PRESETS = _presets("16:9 1664*928, 4:3 1472*1104, 1:1 1328*1328, 3:4 1104*1472, 9:16 928*1664")

WAN27_SIZE = Size(presets=_WAN27_PRESETS, area=(_768, _2048), ratio=8, tiers={"1K": _1024, "2K": _2048}, default="2K", follows=_2048)
WAN27_4K_SIZE = changed(WAN27_SIZE, presets=_WAN27_4K_PRESETS, area=(_768, _4096), tiers={"1K": _1024, "2K": _2048, "4K": _4096}, follows=0)
WAN26_T2I_SIZE = Size(presets=_WAN26_T2I_PRESETS, area=(_1280, _1440), ratio=4, default="1280*1280")
WAN26_EDIT_SIZE = Size(presets=_WAN26_PRESETS, area=(_768, _2048), ratio=4, snap=16, tiers={"1K": _1280, "2K": _2048}, default="1K", follows=_1280)
WAN26_INTERLEAVE_SIZE = Size(presets=_WAN26_PRESETS, area=(_768, _1280), ratio=4, snap=16, default="1280*1280", follows=_1280)
WAN25_EDIT_SIZE = Size(presets={**_WAN26_PRESETS, "1:1": ("1280*1280", "1024*1024")}, area=(_768, _1280), ratio=4, default="1280*1280", follows=_1280)
FREE_SIDES = Size(side=(512, 1440), default="1024*1024")
STYLE_SIZE = Size(presets=_STYLE_PRESETS, fixed=True, default="1024*1024")
Z_IMAGE_SIZE = Size(presets=_Z_IMAGE_PRESETS, area=(_512, _2048), advised_area=(_1024, _1536), default="1024*1536")
QWEN2_SIZE = Size(presets=_QWEN2_PRESETS, area=(_512, _2048), default="2048*2048")
QWEN3_SIZE = Size(area=(_512, _2048), ratio=8, areas={"1K": 2_250_000, "2K": _2048})
QWEN2_EDIT_SIZE = Size(presets=_QWEN_EDIT_PRESETS, area=(_512, _2048), snap=16, default="1024*1024", follows=_1024)
QWEN_EDIT_SIZE = Size(presets=_QWEN_EDIT_PRESETS, side=(512, 2048), snap=16, default="1024*1024", follows=_1024)
QWEN_FIVE_SIZES = Size(presets=_QWEN_FIVE_PRESETS, fixed=True, default="1664*928")


# Modes ----------------------------------------------------------------------------------------------------

_EDITING = {"reference_images": GIVEN}


def _wan27_modes(t2i_size: Size) -> tuple[Mode, ...]:
    fields = (prompt(5000), references(0, 9, WAN27_PICTURE), WATERMARK, SEED, SEQUENTIAL, BOXES)
    rules = (boxes_fit_the_pictures, palette_adds_up)
    t2i = Mode("t2i", (*fields, count(4), size(t2i_size), PALETTE, THINKING), MESSAGES, MESSAGES_TASK, rules=rules, answer=EACH_A_CHOICE)
    edit = changed(t2i, name="edit", params=(*fields, count(4), size(WAN27_SIZE), PALETTE), when=_EDITING)
    a_set = changed(
        t2i, name="sequential", params=(*fields, SET_COUNT, size(WAN27_SIZE)), when={"enable_sequential": True},
        rules=(boxes_fit_the_pictures, boxes_in_a_set), is_ceiling=True, answer=ONE_CHOICE,
    )
    return a_set, edit, t2i


_TAIL = (NEGATIVE, EXTEND, WATERMARK, SEED)
_IN_TURN_FIELDS = (
    prompt(2000), references(0, 1, WAN26_PICTURE), ONE_PICTURE, MAX_IMAGES, size(WAN26_INTERLEAVE_SIZE),
    NEGATIVE, WATERMARK, SEED, INTERLEAVE,
)
_IN_TURN = Mode(
    "interleave", _IN_TURN_FIELDS, task=MESSAGES_TASK, when={"enable_interleave": True},
    text_first=True, bills="max_images", is_ceiling=True, interleaved=True,
)
_WAN26_MODES = (
    changed(_IN_TURN, name="interleave stream", params=(*_IN_TURN_FIELDS, STREAM), sync=MESSAGES_STREAM, task="", when={"enable_interleave": True, "stream": True}),
    _IN_TURN,
    Mode(
        "edit", (prompt(2000), references(1, 4, WAN26_PICTURE), count(4, default=4), size(WAN26_EDIT_SIZE), *_TAIL, INTERLEAVE),
        MESSAGES, MESSAGES_TASK, text_first=True, answer=EACH_A_CHOICE,
    ),
)
_WAN25_EDIT = Mode("edit", (prompt(2000), references(1, 3, WAN25_PICTURE), count(4, default=4), size(WAN25_EDIT_SIZE), *_TAIL), task=IMAGE_TO_IMAGE)


def _t2i_of_wan(longest: int, sizes: Size, sync: str = "", task: str = TEXT_TO_IMAGE, answer: str = "") -> tuple[Mode, ...]:
    """sync, task: "" where the model does not answer in that way."""
    fields = (prompt(longest), count(4, default=4), size(sizes), *_TAIL)
    return (Mode("t2i", fields, sync, task, answer=answer),)


def _newer_qwen_modes(
    text: Param, most_pictures: int, task: str, *own: Param, by_area: bool, unconfirmed: str = ""
) -> tuple[Mode, ...]:
    """Text to picture and editing of Qwen-Image 2.1 and 3.0: both take the same fields. unconfirmed: of an edit's bill."""
    pictures = (references(0, most_pictures, QWEN3_PICTURE), count(6), size(QWEN3_SIZE))
    fields = (text, *pictures, *own, EXTEND_SLOW, EXTEND_MODE, ENABLE_THINKING, WATERMARK, SEED)
    t2i = Mode("t2i", fields, MESSAGES, task, rules=(thinks_while_rewriting,), bills_by_area=by_area, answer=BY_TIER)
    rules = (agent_works_from_text, thinks_while_rewriting)
    return changed(t2i, name="edit", when=_EDITING, rules=rules, unconfirmed=unconfirmed), t2i


_NEGATIVE_ADVISED = changed(NEGATIVE, longest_is_advice=True)  # no page of the newer models names a limit
_QWEN3_PROMPT = changed(prompt(4500, "tokens"), longest_is_advice=True)
_QWEN3_MODES = _newer_qwen_modes(_QWEN3_PROMPT, 3, MESSAGES_TASK, _NEGATIVE_ADVISED, by_area=True)
# No reference page of 2.1 was found: the length of a prompt, a task form and prices are not documented.
_QWEN21_BILL = "no page says whether pictures that are sent are billed"
_QWEN21_PRO_MODES = _newer_qwen_modes(prompt(), 10, "", by_area=False, unconfirmed=_QWEN21_BILL)
_QWEN21_TURBO_MODES = _newer_qwen_modes(prompt(), 10, "", _NEGATIVE_ADVISED, by_area=False, unconfirmed=_QWEN21_BILL)


def _qwen_call(name: str, longest: int, low: int, sizes: Size, when: Mapping[str, object] = {}) -> Mode:
    fields = (prompt(longest, "tokens"), references(low, 3, QWEN_PICTURE), count(6), size(sizes), *_TAIL)
    return Mode(name, fields, MESSAGES, when=when)


_QWEN2_MODES = (_qwen_call("edit", 1300, 0, QWEN2_EDIT_SIZE, _EDITING), _qwen_call("t2i", 1300, 0, QWEN2_SIZE))
_QWEN_EDIT_MODES = (_qwen_call("edit", 800, 1, QWEN_EDIT_SIZE),)
_QWEN_OLDEST_EDIT = Mode("edit", (prompt(800, "tokens"), references(1, 3, QWEN_PICTURE), ONE_PICTURE, NEGATIVE, WATERMARK, SEED), MESSAGES)
_QWEN_T2I_FIELDS = (prompt(800, "tokens"), ONE_PICTURE, size(QWEN_FIVE_SIZES), *_TAIL)
_QWEN_T2I_CALL = Mode("t2i", _QWEN_T2I_FIELDS, MESSAGES, answer=COUNTED)
_QWEN_T2I_TASK = Mode("t2i task", (prompt(800), *_QWEN_T2I_FIELDS[1:]), task=TEXT_TO_IMAGE, when={"async": True})

_STRENGTH = Param("strength", "number", "how far the result may depart from the picture", low=0.0, high=1.0, default=0.5)
_MASK = Param("mask_image_url", "media", "white: change here, black: keep; size of the base", required=True, media=(EDIT_BASE,))
_FACTOR = Param("upscale_factor", "integer", "times the size of each side", low=1, high=4, default=1)
_SKETCH = Param("is_sketch", "switch", "the picture is already line art", default=False)
_PICTURE_NAMES = ("reference_images", "reference_image")
_BASE = Param("base_image_url", "media", "the picture to change", required=True, media=(EDIT_BASE,), also=_PICTURE_NAMES)


def _function(name: str, meaning: str, *extra: Param) -> Mode:
    fields = (Param("function", "text", meaning, essential=True), prompt(800), _BASE, *extra, count(4), WATERMARK, SEED)
    rules = (mask_matches_the_base,) if _MASK in extra else (grows,) if extra == SCALES else ()
    return Mode(name, fields, task=IMAGE_FUNCTION, when={"function": name}, rules=rules)


_EDIT_FUNCTIONS = (
    _function("stylization_all", "restyle the whole picture", _STRENGTH),
    _function("stylization_local", "restyle a region that the prompt names"),
    _function("description_edit", "change what the prompt says", _STRENGTH),
    _function("description_edit_with_mask", "change what lies under the mask", _MASK),
    _function("remove_watermark", "remove a text watermark"),
    _function("expand", "paint beyond the edges", *SCALES),
    _function("super_resolution", "enlarge and sharpen", _FACTOR),
    _function("colorization", "color a gray picture"),
    _function("doodle", "turn line art into a picture", _SKETCH),
    _function("control_cartoon_feature", "draw a cartoon character in a new scene"),
)

_STYLES = (
    "<auto>", "<photography>", "<portrait>", "<3d cartoon>", "<anime>", "<oil painting>", "<watercolor>", "<sketch>",
    "<chinese painting>", "<flat illustration>",
)
_WANX_V1_FIELDS = (
    prompt(800), count(4, default=4), size(STYLE_SIZE), NEGATIVE, SEED,
    Param("style", "choice", "the brackets are part of the value", choices=_STYLES, default="<auto>"),
    Param("ref_img", "media", "a picture to follow", media=(STYLE_SOURCE,), also=_PICTURE_NAMES),
    Param("ref_strength", "number", "closeness to ref_img", low=0.0, high=1.0),
    Param("ref_mode", "choice", "follow content or style only", choices=("repaint", "refonly"), default="repaint"),
)


# The rows -------------------------------------------------------------------------------------------------

_FOUR = (*BOTH, VIRGINIA, FRANKFURT)
_SIX = (*_FOUR, TOKYO, HONG_KONG)
_BEIJING = (BEIJING,)
_WAN27_PAGE = "wan-image-generation-and-editing-api-reference"
_WAN26_PAGE = "wan-image-generation-api-reference"
_T2I_PAGE = "text-to-image-v2-api-reference"
_T2I_V1_PAGE = "text-to-image-api-reference"
_WAN25_PAGE = "wan2-5-image-edit-api-reference"
_WANX_EDIT_PAGE = "wanx-image-edit-api-reference"
_QWEN3_PAGE = "qwen-image-generation-and-editing-api-reference"
_QWEN21_PAGE = "qwen-image-2-1-pro"
_QWEN_PAGE = "qwen-image-api"
_QWEN_EDIT_PAGE = "qwen-image-edit-api"
_Z_PAGE = "z-image-api-reference"

_PACES = {
    changed(FIVE_AT_ONCE, rate=1, elsewhere=5): "wan2.6-t2i",
    FIVE_AT_ONCE: "wan2.7-image-pro wan2.7-image wan2.6-image wan2.5-i2i-preview wan2.5-t2i-preview",
    TWO_AT_ONCE: "wan2.2-t2i-* wanx2.1-t2i-* wanx2.0-t2i-turbo wanx2.1-imageedit qwen-image-plus qwen-image",
    ONE_AT_ONCE: "wanx-v1",
    TWO_A_MINUTE: "qwen-image-2.0-pro qwen-image-max qwen-image-edit-max",
    TWO_A_SECOND: "qwen-image-2.0 qwen-image-edit qwen-image-edit-plus qwen-image-plus-2026-01-09 z-image-turbo",
}


def _row(
    id: str,
    family: str,
    summary: str,
    modes: tuple[Mode, ...],
    page: str,
    regions: tuple[str, ...] = BOTH,
    aliases: tuple[str, ...] = (),
    checked: str = CHECKED,
) -> Model:
    return Model(id, family, summary, modes, regions, page, checked, aliases, pace=pace_of(_PACES, id))


def _ending(id: str, summary: str, modes: tuple[Mode, ...], page: str) -> Model:
    """A row of notice 118434 of 2026-07-10. Whether the day was kept, and where, is not confirmed."""
    return changed(_row(id, "qwen-image", summary, modes, page), ends="2026-10-10", replacement="qwen-image-2.0")


_WAN27 = _wan27_modes(changed(WAN27_SIZE, follows=0))
_WANX_V1 = (Mode("t2i", _WANX_V1_FIELDS, task=TEXT_TO_IMAGE),)
_Z_MODES = (Mode("t2i", (prompt(800), size(Z_IMAGE_SIZE), EXTEND_PRICED, SEED, NO_COUNT), MESSAGES, answer=WITH_PROMPT),)

# By line of models, the newest family first. A summary that begins with "the same" refers to the last one above that does not.
MODELS = (
    _row("wan2.7-image-pro", "wan2.7", "text to picture up to 4K, editing, several references, boxes, coherent sets", _wan27_modes(WAN27_4K_SIZE), _WAN27_PAGE),
    _row("wan2.7-image", "wan2.7", "the same, faster, up to 2K", _WAN27, _WAN27_PAGE, (*BOTH, TOKYO)),
    _row("wan2.6-t2i", "wan2.6", "text to picture", _t2i_of_wan(2100, WAN26_T2I_SIZE, MESSAGES, MESSAGES_TASK, EACH_A_CHOICE), _T2I_PAGE, _FOUR),
    _row("wan2.6-image", "wan2.6", "editing with 1 to 4 references; texts and pictures in turn", _WAN26_MODES, _WAN26_PAGE, _FOUR),
    _row("wan2.5-i2i-preview", "wan2.5", "editing and fusion of 1 to 3 pictures", (_WAN25_EDIT,), _WAN25_PAGE),
    _row("wan2.5-t2i-preview", "wan2.5", "text to picture", _t2i_of_wan(2000, WAN26_T2I_SIZE), _T2I_PAGE),
    _row("wan2.2-t2i-flash", "wan2.2", "text to picture, fast drafts", _t2i_of_wan(500, FREE_SIDES), _T2I_PAGE),
    _row("wan2.2-t2i-plus", "wan2.2", "text to picture, steadier", _t2i_of_wan(500, FREE_SIDES), _T2I_PAGE),
    _row("wanx2.1-t2i-turbo", "wanx2.1", "text to picture, older and fast", _t2i_of_wan(500, FREE_SIDES), _T2I_PAGE, aliases=("wan2.1-t2i-turbo",)),
    _row("wanx2.1-t2i-plus", "wanx2.1", "text to picture, older", _t2i_of_wan(500, FREE_SIDES), _T2I_PAGE, aliases=("wan2.1-t2i-plus",)),
    _row("wanx2.0-t2i-turbo", "wanx2.0", "text to picture, older and cheap", _t2i_of_wan(800, FREE_SIDES), _T2I_PAGE, _BEIJING),
    _row("wanx-v1", "wanx1", "text to picture in ten styles, with an optional reference", _WANX_V1, _T2I_V1_PAGE, _BEIJING),
    _row("wanx2.1-imageedit", "wanx2.1", "ten editing functions on one picture", _EDIT_FUNCTIONS, _WANX_EDIT_PAGE, _BEIJING, ("wan2.1-imageedit",)),
    _row("z-image-turbo", "z-image", "text to picture, small open model, one picture a call", _Z_MODES, _Z_PAGE),
    _row("qwen-image-3.0-pro", "qwen-image-3.0", "text to picture, editing and fusion; best for text in pictures, posters, precise edits", _QWEN3_MODES, _QWEN3_PAGE, _SIX),
    _row("qwen-image-3.0", "qwen-image-3.0", "the same, faster", _QWEN3_MODES, _QWEN3_PAGE, _SIX),
    _row("qwen-image-2.1-pro", "qwen-image-2.1", "text to picture, fusion of up to 10 pictures, transparent backgrounds by prompt", _QWEN21_PRO_MODES, _QWEN21_PAGE),
    _row("qwen-image-2.1-turbo", "qwen-image-2.1", "the same, faster, with a negative prompt", _QWEN21_TURBO_MODES, _QWEN21_PAGE, _BEIJING),
    _row("qwen-image-2.0-pro", "qwen-image", "text to picture, editing, text in pictures", _QWEN2_MODES, _QWEN_EDIT_PAGE),
    _row("qwen-image-2.0", "qwen-image", "the same, faster", _QWEN2_MODES, _QWEN_EDIT_PAGE),
    _ending("qwen-image-edit-max", "editing and fusion, best quality", _QWEN_EDIT_MODES, _QWEN_EDIT_PAGE),
    _ending("qwen-image-edit-plus", "editing and fusion", _QWEN_EDIT_MODES, _QWEN_EDIT_PAGE),
    _ending("qwen-image-edit", "editing, one picture a call, size follows the input", (_QWEN_OLDEST_EDIT,), _QWEN_EDIT_PAGE),
    _ending("qwen-image-max", "text to picture in five sizes, best quality", (_QWEN_T2I_CALL,), _QWEN_PAGE),
    _ending("qwen-image-plus", "text to picture in five sizes", (_QWEN_T2I_TASK, _QWEN_T2I_CALL), _QWEN_PAGE),
    _ending("qwen-image-plus-2026-01-09", "text to picture in five sizes; a task form is not documented", (_QWEN_T2I_CALL,), _QWEN_PAGE),
    _ending("qwen-image", "text to picture in five sizes", (_QWEN_T2I_TASK, _QWEN_T2I_CALL), _QWEN_PAGE),
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

# fmt: on

MAKERS = of_a_maker("picture", MESSAGES_TASK)
MAKERS_ELSEWHERE = ("*video*", "*t2v*", "*i2v*", "*kf2v*", "*r2v*")
ELSEWHERE = ("happyhorse*", "*s2v*", "*t2v*", "*i2v*", "*kf2v*", "*r2v*", "*vace*", "*video*")

FLAGS = (
    Flag(
        "--image",
        "PATH|URL",
        "a picture to edit or to use as a reference; repeat for several",
        "reference_images",
        many=True,
        short="-i",
    ),
    Flag("--size", "SIZE", "1280*720, a ratio such as 16:9, or 1K, 2K, 4K where the model has them", "size"),
    Flag("-n", "COUNT", "pictures, each billed (default 1, in a set 12)", "n"),
    *flags("picture"),
    Flag(
        "--async",
        "",
        "run as a task, if the model can: --resume collects it even after the run was killed",
        "async",
    ),
    Flag("--via", "desirecore", "through DesireCore's local media proxy; prints media ids and Markdown", "via"),
)

DEFAULTS = (
    Default("wanx2.1-imageedit", {"function": GIVEN}),
    Default("wan2.6-image", {"enable_interleave": GIVEN}),
    Default("wan2.7-image", {"reference_images": GIVEN}),
    Default("wan2.7-image", {"reference_image": GIVEN}),
    Default("wan2.7-image", {"enable_sequential": GIVEN}),
    Default("wan2.6-t2i"),
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
    closed=CLOSED,
    makers=(MAKERS, MAKERS_ELSEWHERE),
    defaults=DEFAULTS,
    beyond={
        "n": "for more pictures run it again, or ask for a coherent set of up to 12: --model wan2.7-image --set enable_sequential=true"
    },
)
