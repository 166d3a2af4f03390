"""The video models: a table, and the values that its rows share. Rules over several fields are in `video_rules`.

The source of a row is the Model Studio reference page that it names; where pages disagree, the row follows the newer
API reference over guides and other clients. A row has one way of working (t2v, i2v, kf2v, r2v, vace, videoedit); the
five functions of VACE are its modes.
"""

from __future__ import annotations

from ..plain.record import changed
from ..regions import BEIJING, FRANKFURT, HONG_KONG, SINGAPORE, TOKYO, VIRGINIA
from .catalog import GIVEN, Catalog, Default, Flag, MediaRule, Mode, Model, Pace, Param, Size
from .shared_rows import (
    BOTH,
    CHECKED,
    CLOSED,
    FIVE_AT_ONCE,
    PICTURES,
    SCALES,
    SEED,
    TWO_AT_ONCE,
    flags,
    grows,
    negative,
    of_a_maker,
    pace_of,
)
from .video_rules import (
    at_most_of_each,
    counts_by_kind,
    document_or_page,
    legal_combination,
    longer_than_the_clip,
    mask_fits_the_clip,
    names_its_references,
    no_longer_than_the_clip,
    no_sounds,
    one_kind_for_each_picture,
    one_mask,
    pictures_alone,
    ratio_in_one_copy,
    ratio_of_the_first_frame,
    room_for_the_clips,
    short_together,
    shorter_with_a_clip,
    shots_need_rewriting,
    silence_or_a_track,
    something_to_extend,
    something_to_show,
    sound_fits,
    types_are_true,
    voices_are_references,
    voices_have_owners,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from .catalog import Rule

# A table reads best with a row a line.
# fmt: off

# Wire shapes, by their keys in `wire`.
PLAIN = "video"
MEDIA = "video media"
REFERENCES = "video references"
ANIMATE = "video animate"
FRAMES = "video frames"
AS_GIVEN = "video as given"


# Fields ---------------------------------------------------------------------------------------------------


def prompt(longest: int, required: bool = False, unit: str = "characters") -> Param:
    return Param("prompt", "text", "what happens in the video", required=required, longest=longest, unit=unit)


def seconds(low: int, high: int) -> Param:
    return Param("duration", "integer", "seconds, each billed", low=low, high=high, default=5, send=5)


def one_of(*choices: int) -> Param:
    return Param("duration", "choice", "seconds, each billed", choices=choices, default=5, send=5)


FIVE = Param("duration", "choice", "always 5 seconds", choices=(5,), default=5)


def tier(*choices: str, default: str, send: str = "720P") -> Param:
    return Param("resolution", "choice", "sets the price", choices=choices, default=default, send=send)


def ratio(*choices: str) -> Param:
    return Param("ratio", "choice", "shape of the video", choices=choices, default=choices[0])


def media(name: str, meaning: str, *rules: MediaRule, required: bool = False, also: tuple[str, ...] = ()) -> Param:
    return Param(name, "media", meaning, required=required, media=rules, also=also)


def references(low: int, high: int, *rules: MediaRule, also: tuple[str, ...] = ("reference_images",)) -> Param:
    return Param("reference_urls", "media list", "subjects to follow, in order", low=low, high=high, media=rules, also=also)


NEGATIVE = negative("video")
EXTEND = Param("prompt_extend", "switch", "let the service rewrite the prompt", default=True)
WATERMARK = Param("watermark", "switch", "a visible mark", default=False)
CLEAN = changed(WATERMARK, default=True, send=False)
SHOTS = Param("shot_type", "choice", "one shot or several", choices=("single", "multi"), default="single")
SOUND = Param("audio", "switch", "false makes a silent video, which costs less", default=True)
TEMPLATE = Param("template", "text", "name of an effect, which replaces the prompt")
TYPES = Param("reference_types", "types", "reference_image or reference_video for each reference", choices=("reference_image", "reference_video"))
KEEP_SOUND = Param("audio_setting", "choice", "origin keeps the sound of the clip", choices=("auto", "origin"), default="auto")

WAN_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")
HORSE_RATIOS = (*WAN_RATIOS, "4:5", "5:4", "9:21", "21:9")


# Input files ----------------------------------------------------------------------------------------------

_HORSE_PICTURES = ("image/jpeg", "image/png", "image/webp")
_CLIPS = ("video/mp4", "video/quicktime")
_SOUNDS = ("audio/wav", "audio/mpeg")

WAN27_PICTURE = MediaRule(PICTURES, 20, side=(240, 8000), ratio=8, alpha=False)
WAN26_PICTURE = MediaRule(PICTURES, 20, side=(240, 8000), alpha=False)
WAN26_REFERENCE = changed(WAN26_PICTURE, data_url=False)
WAN22_PICTURE = MediaRule(PICTURES, 10, side=(240, 8000), alpha=False)
VACE_PICTURE = MediaRule((*PICTURES, "image/tiff"), 10, side=(360, 2000), ascii_url=True, data_url=False)
VACE_MASK = MediaRule((*PICTURES, "image/tiff"), 10, ascii_url=True, data_url=False)
HORSE_FRAME = MediaRule(_HORSE_PICTURES, 20, side=(300, 0), ratio=2.5, inline_megabytes=7)
HORSE_REFERENCE = MediaRule(_HORSE_PICTURES, 20, side=(400, 0), inline_megabytes=7)

WAN27_CLIP = MediaRule(_CLIPS, 100, side=(240, 4096), ratio=8, seconds=(2, 10), data_url=False)
WAN27_REFERENCE_CLIP = changed(WAN27_CLIP, seconds=(1, 30))
WAN26_REFERENCE_CLIP = MediaRule(_CLIPS, 100, seconds=(1, 30), data_url=False)
HORSE_CLIP = MediaRule(_CLIPS, 100, side=(360, 4096), ratio=2.5, seconds=(3, 60), used_seconds=15, fps=(8, 60), data_url=False)
VACE_CLIP = MediaRule(("video/mp4",), 50, seconds=(0, 3600), used_seconds=5, fps=(16, 0), ascii_url=True, data_url=False)
VACE_PIECE = changed(VACE_CLIP, used_seconds=3)
VACE_MASK_CLIP = MediaRule(("video/mp4",), 50, ascii_url=True, data_url=False)

SOUND_FROM_2 = MediaRule(_SOUNDS, 15, seconds=(2, 30), data_url=False)
SOUND_FROM_3 = MediaRule(_SOUNDS, 15, seconds=(3, 30), data_url=False)
VOICE = MediaRule(_SOUNDS, 15, seconds=(1, 10), data_url=False)

IMAGE_URL = ("reference_image", "reference_images")


def image(rule: MediaRule) -> Param:
    return media("img_url", "the first picture", rule, required=True, also=("first_frame_url", *IMAGE_URL))


def audio(rule: MediaRule) -> Param:
    return media("audio_url", "a sound track; longer is cut, shorter leaves silence", rule)


# Pixels ---------------------------------------------------------------------------------------------------

_480 = {"16:9": "832*480", "9:16": "480*832", "1:1": "624*624"}
_720 = {"16:9": "1280*720", "9:16": "720*1280", "1:1": "960*960", "4:3": "1088*832", "3:4": "832*1088"}
_1080 = {"16:9": "1920*1080", "9:16": "1080*1920", "1:1": "1440*1440", "4:3": "1632*1248", "3:4": "1248*1632"}
SIZES = {"480P": _480, "720P": _720, "1080P": _1080}
WAN27_PIXELS = {
    "720P": {**_720, "4:3": "1104*832", "3:4": "832*1104"},
    "1080P": {**_1080, "4:3": "1648*1248", "3:4": "1248*1648"},
}
NO_PIXELS: Mapping[str, Mapping[str, str]] = {"480P": {}, "720P": {}, "1080P": {}}
"""The shape follows the input, or its pixels are not published: only the names of the tiers can be translated."""


def _sizes(*tiers: str) -> dict[str, Mapping[str, str]]:
    return {name: SIZES[name] for name in tiers}


def size(pixels: Mapping[str, Mapping[str, str]], default: str, send: str) -> Param:
    """The field of the models that take exact pixels; the tier of `send` stands first, so that a ratio takes it."""
    presets: dict[str, tuple[str, ...]] = {}
    for sizes in sorted(pixels.values(), key=lambda sizes: send not in sizes.values()):
        for shape, text in sizes.items():
            presets[shape] = (*presets.get(shape, ()), text)
    rule = Size(presets=presets, fixed=True, default=default)
    return Param("size", "size", "pixels as W*H, or a ratio such as 16:9; sets the price", size=rule, default=default, send=send)


# Modes ----------------------------------------------------------------------------------------------------

_WAN_TAIL = (EXTEND, WATERMARK, SEED)
_USUAL = "1 to 3 minutes for 5 s, up to 10 for 15 s"
_720_UP = tier("720P", "1080P", default="1080P")
_480_UP = tier("480P", "720P", "1080P", default="1080P")

# The fields of `usage` in an answer; they differ by generation.
_LENGTHS = "duration input_video_duration output_video_duration video_count SR"
_SHORT_USAGE = "duration video_count SR"
_OLD_USAGE = "video_duration video_count video_ratio"


def _mode(name: str, task: str, *params: Param, rules: tuple[Rule, ...] = (), usual: str = _USUAL, **more: Any) -> Mode:
    mode = Mode(name, params, task=task, rules=rules, usual=usual, bills="duration", most=5, is_ceiling=True)
    return changed(mode, **more) if more else mode


def _tracks(*params: Param) -> tuple[Rule, ...]:
    """A rule for each sound track among the fields: it is held against their `duration`."""
    length = next(param for param in params if param.name == "duration")
    lengths = tuple(map(int, length.choices)) or range(int(length.low or 0), int(length.high or 0) + 1)
    return tuple(sound_fits(param.name, lengths) for param in params if param.name in ("audio_url", "driving_audio_url"))


def _flat_t2v(tiers: str, default: str, send: str, *params: Param, longest: int = 1500, usage: str = _OLD_USAGE) -> tuple[Mode, ...]:
    rules = (*((shots_need_rewriting,) if SHOTS in params else ()), *_tracks(*params))
    pixels = _sizes(*tiers.split())
    fields = (prompt(longest, required=True), NEGATIVE, size(pixels, default, send), *params, *_WAN_TAIL)
    return (_mode("t2v", PLAIN, *fields, rules=rules, pixels=pixels, usage=usage),)


def _with_effects(mode: Mode, *left_out: str) -> tuple[Mode, ...]:
    """The mode, and the same with `template`, where the effect takes the place of some fields."""
    params = (TEMPLATE, *(param for param in mode.params if param.name not in left_out))
    effect = changed(mode, name=f"{mode.name} effect", params=params, when={"template": GIVEN}, rules=())
    return effect, mode


def _flat_i2v(rule: MediaRule, resolution: Param, *params: Param, longest: int = 1500, usage: str = _OLD_USAGE) -> tuple[Mode, ...]:
    shots, silence = (shots_need_rewriting,) * (SHOTS in params), (silence_or_a_track,) * (SOUND in params)
    rules = (*shots, *silence, *_tracks(*params))
    fields = (image(rule), prompt(longest), NEGATIVE, resolution, *params, *_WAN_TAIL)
    return _with_effects(_mode("i2v", PLAIN, *fields, rules=rules, pixels=NO_PIXELS, usage=usage), "prompt")


_FIRST_FRAME = media("first_frame_url", "the first picture", WAN27_PICTURE)
_LAST_FRAME = media("last_frame_url", "the last picture", WAN27_PICTURE)
_NAMES_OF_WAN27 = names_its_references(r"(image|video)\s*\d|[图视]频?\s*\d|参考", "Image 1, Video 1 (图1, 视频1), each counted separately")

_WAN27_LENGTH = seconds(2, 15)
_WAN27_T2V = _mode(
    "t2v", PLAIN,
    prompt(5000, required=True), NEGATIVE, audio(SOUND_FROM_2), _720_UP, ratio(*WAN_RATIOS), _WAN27_LENGTH, *_WAN_TAIL,
    rules=_tracks(audio(SOUND_FROM_2), _WAN27_LENGTH), pixels=WAN27_PIXELS, usage=_LENGTHS + " ratio", usual="2 to 12 minutes",
)
_DRIVING_SOUND = media("driving_audio_url", "a sound that drives the motion", SOUND_FROM_2, also=("audio_url",))
_WAN27_I2V = _mode(
    "i2v", MEDIA,
    prompt(5000), NEGATIVE, changed(_FIRST_FRAME, also=("img_url", *IMAGE_URL)), _LAST_FRAME,
    media("first_clip_url", "the clip to continue; the result contains it", WAN27_CLIP),
    _DRIVING_SOUND, _720_UP, _WAN27_LENGTH, *_WAN_TAIL,
    rules=(legal_combination, longer_than_the_clip, *_tracks(_DRIVING_SOUND, _WAN27_LENGTH)), pixels=NO_PIXELS, usage=_LENGTHS,
)
_WAN27_R2V = _mode(
    "r2v", MEDIA,
    prompt(5000, required=True), NEGATIVE, references(1, 5, WAN27_PICTURE, WAN27_REFERENCE_CLIP), TYPES,
    Param("reference_voices", "media list", "a voice for each reference", low=0, high=5, media=(VOICE,), gaps=True),
    _FIRST_FRAME, _720_UP, ratio(*WAN_RATIOS), seconds(2, 15), *_WAN_TAIL,
    rules=(_NAMES_OF_WAN27, shorter_with_a_clip, voices_have_owners, types_are_true, no_sounds, ratio_of_the_first_frame),
    pixels=WAN27_PIXELS, bills_clips=True, usage=_LENGTHS + " ratio", usual="2 to 10 minutes",
)
_PICTURES_BESIDE = ("reference_images", "reference_image", "img_url")
_WAN27_EDIT = _mode(
    "videoedit", MEDIA,
    prompt(5000), NEGATIVE, media("video_url", "the clip to edit", WAN27_CLIP, required=True),
    references(0, 4, WAN27_PICTURE, also=_PICTURES_BESIDE), TYPES, _720_UP, changed(ratio(*WAN_RATIOS), default=None),
    Param("duration", "choice", "seconds to keep of the clip, each billed; 0 keeps all", choices=tuple(range(2, 11)), empty=0),
    KEEP_SOUND, *_WAN_TAIL,
    rules=(types_are_true, no_sounds, pictures_alone, no_longer_than_the_clip),
    pixels=WAN27_PIXELS, bills_clips=True, most=10, lasts="video_url", usage=_LENGTHS, usual="1 to 8 minutes",
)


def _wan26_r2v(*params: Param) -> tuple[Mode, ...]:
    pixels = _sizes("720P", "1080P")
    references_of_both = references(1, 5, WAN26_REFERENCE, WAN26_REFERENCE_CLIP)
    fields = (prompt(1500, required=True), NEGATIVE, references_of_both, size(pixels, "1920*1080", "1280*720"), seconds(2, 10), SHOTS)
    rules = (names_its_references(r"character\s*\d", "character1, character2, … in their order"), counts_by_kind(5, 3))
    return (_mode("r2v", PLAIN, *fields, *params, WATERMARK, SEED, rules=rules, pixels=pixels, bills_clips=True,
        usage=_LENGTHS + " size", usual="2 to 5 minutes"),)


def _kf2v(resolution: Param, usage: str = _OLD_USAGE) -> tuple[Mode, ...]:
    first = media("first_frame_url", "the first picture", WAN22_PICTURE, required=True, also=("img_url", *IMAGE_URL))
    last = media("last_frame_url", "the last picture", WAN22_PICTURE, required=True)
    fields = (first, last, prompt(800), NEGATIVE, resolution, FIVE, *_WAN_TAIL)
    mode = _mode("kf2v", FRAMES, *fields, pixels=NO_PIXELS, usage=usage, usual="1 to 8 minutes")
    return _with_effects(mode, "prompt", "negative_prompt", "last_frame_url")


def _vace(name: str, meaning: str, *params: Param, rules: tuple[Rule, ...] = (), **more: Any) -> Mode:
    fields = (Param("function", "text", meaning), prompt(800, required=True), *params, FIVE, *_WAN_TAIL)
    return _mode(name, PLAIN, *fields, rules=rules, when={"function": name}, usual="5 to 10 minutes", usage=_OLD_USAGE, **more)


def _control(*choices: str, required: bool = False) -> Param:
    return Param("control_condition", "choice", "what to keep of the clip", required=required, choices=choices)


_CLIP = media("video_url", "the clip to work on", VACE_CLIP, required=True)
_GUIDE = changed(_CLIP, meaning="a clip whose motion to follow", required=False)
_SUBJECT = Param("ref_images_url", "media list", "a picture of the new subject", low=1, high=1, media=(VACE_PICTURE,))
_ONE_SUBJECT = changed(_SUBJECT, low=0)
_VACE_SIZE = size(_sizes("720P"), "1280*720", "1280*720")
_VACE = (
    _vace("image_reference", "a video of the pictured subjects",
        changed(_SUBJECT, meaning="subjects and background", low=1, high=3),
        Param("obj_or_bg", "structure", "obj or bg for each picture"),
        _VACE_SIZE,
        rules=(one_kind_for_each_picture,), pixels=_sizes("720P")),
    _vace("video_repainting", "repaint a clip and keep its motion",
        _CLIP, _ONE_SUBJECT,
        _control("posebodyface", "posebody", "depth", "scribble", required=True),
        Param("strength", "number", "closeness to the clip", low=0.0, high=1.0, default=1.0)),
    _vace("video_edit", "edit what lies under a mask",
        _CLIP,
        media("mask_image_url", "white: edit, black: keep; size of the clip", VACE_MASK),
        media("mask_video_url", "a mask for each picture of the clip", VACE_MASK_CLIP),
        Param("mask_frame_id", "integer", "the frame that the mask is for", low=1, high=100_000, default=1),
        _ONE_SUBJECT,
        _control("", "posebodyface", "depth"),
        Param("mask_type", "choice", "follow the motion or stand still", choices=("tracking", "fixed"), default="tracking"),
        Param("expand_ratio", "number", "how far the mask grows", low=0.0, high=1.0, default=0.05),
        Param("expand_mode", "choice", "shape of the grown mask", choices=("hull", "bbox", "original"), default="hull"),
        _VACE_SIZE,
        rules=(one_mask, mask_fits_the_clip), pixels=_sizes("720P")),
    _vace("video_extension", "5 s in all, including the given piece",
        media("first_frame_url", "the first picture", VACE_PICTURE),
        media("last_frame_url", "the last picture", VACE_PICTURE),
        media("first_clip_url", "the beginning, up to 3 s", VACE_PIECE),
        media("last_clip_url", "the end, up to 3 s", VACE_PIECE),
        _GUIDE,
        _control("", "posebodyface", "depth"),
        rules=(something_to_extend,)),
    _vace("video_outpainting", "paint beyond the edges", _CLIP, *SCALES, rules=(grows,)),
)


def _horse(name: str, *params: Param, needs_prompt: bool = True, **more: Any) -> tuple[Mode, ...]:
    text = prompt(5000, needs_prompt, "characters (a Chinese one counts as two)")
    usage = _LENGTHS + " ratio" * any(param.name == "ratio" for param in params)
    shape = MEDIA if name != "t2v" else PLAIN
    return (_mode(name, shape, text, *params, CLEAN, SEED, pixels=NO_PIXELS, usual="1 to 5 minutes", usage=usage, **more),)


_HORSE_FIRST = media("first_frame_url", "the first picture", HORSE_FRAME, required=True, also=("img_url", *IMAGE_URL))
_HORSE_NAMES = names_its_references(r"image\s*\d|图\s*\d", "[Image 1], [Image 2], …")
_HORSE_T2V = _horse("t2v", _480_UP, ratio(*HORSE_RATIOS), seconds(3, 15))
_HORSE_I2V = _horse("i2v", _HORSE_FIRST, _480_UP, seconds(3, 15), needs_prompt=False)
_HORSE_R2V = _horse("r2v", references(1, 9, HORSE_REFERENCE), TYPES, _480_UP, ratio(*HORSE_RATIOS), seconds(3, 15),
    rules=(_HORSE_NAMES, types_are_true, no_sounds, pictures_alone))
_HORSE_EDIT = _horse(
    "videoedit", media("video_url", "the clip to edit", HORSE_CLIP, required=True),
    references(0, 5, HORSE_FRAME, also=_PICTURES_BESIDE), TYPES, _720_UP, KEEP_SOUND,
    rules=(types_are_true, no_sounds, pictures_alone), bills_clips=True, most=15, lasts="video_url",
)

# Wan 3.0: one row, five ways of working ---------------------------------------------------------------------

WAN3_PICTURE = WAN27_PICTURE
WAN3_CLIP = MediaRule(_CLIPS, 100, side=(240, 4096), ratio=8, seconds=(1, 15), fps=(16, 0), data_url=False)
WAN3_SOUND = MediaRule(_SOUNDS, 15, seconds=(1, 15), data_url=False)
WAN3_RATIOS = ("adaptive", "16:9", "4:3", "1:1", "3:4", "9:16", "21:9")
WAN3_PIXELS = {"480P": _480, **WAN27_PIXELS}
WAN3_TOGETHER, WAN3_CLIPS = 30, 15  # seconds of clips and result, and of the clips alone
_WAN3_LENGTH = changed(seconds(2, 30), meaning="seconds, each billed; -1: the model chooses", beside=(-1,))
_WAN3_FREE_LENGTH = changed(_WAN3_LENGTH, default=None, send=None)
_WAN3_TAIL = (
    Param("audio", "switch", "false makes a silent video at the same price", default=True),
    EXTEND,
    Param("enable_thinking", "switch", "in the newest official SDK; its effect is not documented"),
    WATERMARK,
    changed(SEED, low=-1),
)
_WAN3_REFERENCES = (
    references(0, 20, WAN3_PICTURE, WAN3_CLIP, WAN3_SOUND, also=("reference_images", "reference_image")),
    changed(TYPES, meaning="reference_image, reference_video or reference_audio for each reference", choices=(*TYPES.choices, "reference_audio")),
    Param("reference_voices", "media list", "sounds, sent as references behind the others", low=0, high=5, media=(WAN3_SOUND,), gaps=True, also=("reference_voice",)),
    Param("file", "document", "a document to make the video from, 50 pages at most", essential=True),
    Param("link", "link", "a public web page to make the video from; never uploaded", essential=True),
)
_WAN3_REFERENCE_FIELDS = ("reference_urls", "reference_voices", "file", "link")
_WAN3_FIRST = media("first_frame_url", "the first picture", WAN3_PICTURE, required=True, also=("img_url",))


def _wan3(name: str, *params: Param, length: Param = _WAN3_LENGTH, rules: tuple[Rule, ...] = (), **more: Any) -> Mode:
    fields = (prompt(20000, required=name == "t2v"), *params, _480_UP, ratio(*WAN3_RATIOS), length, *_WAN3_TAIL)
    return _mode(
        name, REFERENCES, *fields, rules=(*rules, ratio_in_one_copy), pixels=WAN3_PIXELS,
        usage="video_count duration input_video_duration output_video_duration fps SR ratio", fps=30,
        usual="1 to 5 minutes, at times 15 and more", patience=1440 + 480,
        most_of_clips=WAN3_CLIPS, most_in_all=WAN3_TOGETHER, **more,
    )


_WAN3_RULES = (
    types_are_true, at_most_of_each(10, 5, 5), short_together(WAN3_CLIPS), room_for_the_clips(WAN3_TOGETHER),
    voices_are_references, document_or_page, something_to_show,
)
_WAN3_NAMES = names_its_references(r"(image|video|audio)\s*\d|(图|视频|音频)\s*\d|参考", "Image 1, Video 1, Audio 1 (图1, 视频1, 音频1)")
_WAN3_BILL: Mapping[str, Any] = {"bills_clips": True, "unconfirmed": "no page says whether clips that are sent are billed: they are counted"}
_WAN3 = (
    _wan3("kf2v",
        changed(_WAN3_FIRST, meaning="the first picture; a last one alone is not documented, and refused"),
        media("last_frame_url", "the last picture", WAN3_PICTURE, required=True),
        when={"last_frame_url": GIVEN}, excludes=(*_WAN3_REFERENCE_FIELDS, "video_url")),
    _wan3("i2v", _WAN3_FIRST, when={"first_frame_url": GIVEN}, excludes=(*_WAN3_REFERENCE_FIELDS, "video_url")),
    _wan3("videoedit",
        media("video_url", "the clip to edit, Video 1 in the prompt", WAN3_CLIP, required=True), *_WAN3_REFERENCES,
        length=_WAN3_FREE_LENGTH, rules=_WAN3_RULES, when={"video_url": GIVEN}, most=WAN3_CLIPS, **_WAN3_BILL),
    _wan3("r2v", *_WAN3_REFERENCES, rules=(_WAN3_NAMES, *_WAN3_RULES), when_any=_WAN3_REFERENCE_FIELDS, **_WAN3_BILL),
    _wan3("t2v"),
)
_WAN3_KINDS = "t2v i2v kf2v r2v videoedit"
_WAN3_INSTEAD = {
    **dict.fromkeys(("audio_url", "driving_audio_url"), "give a sound as a reference: --reference song.mp3"),
    "first_clip_url": "to extend a clip, give it as a reference: --reference clip.mp4 --ratio adaptive",
    "last_clip_url": "to extend a clip, give it as a reference: --reference clip.mp4 --ratio adaptive",
}


# A person moved by a clip, or by a voice ---------------------------------------------------------------------

ANIMATE_PICTURE = MediaRule(PICTURES, 5, side=(200, 4096), ratio=3, ascii_url=True, data_url=False)
ANIMATE_CLIP = MediaRule((*_CLIPS, "video/x-msvideo"), 200, side=(200, 2048), ratio=3, seconds=(2, 30), ascii_url=True, data_url=False)
SPEAKER = MediaRule(PICTURES, 100, side=(400, 7000), data_url=False)  # no weight is named; storage takes so much
SPEECH = MediaRule(_SOUNDS, 15, seconds=(0, 19.9), data_url=False)  # less than 20 s
_PERSON = Param("image_url", "media", "one person who faces the camera",
    required=True, media=(ANIMATE_PICTURE,), also=("img_url", "first_frame_url", *IMAGE_URL))
_QUALITY = Param("mode", "choice", "quality, which sets the price; the service has no default, so the cheaper one is sent",
    choices=("wan-std", "wan-pro"), send="wan-std", essential=True)
_CHECK_IMAGE = Param("check_image", "switch", "look at the picture before the video is made", default=True)


def _animate(name: str, clip: str) -> tuple[Mode, ...]:
    fields = (_PERSON, media("video_url", clip, ANIMATE_CLIP, required=True), WATERMARK, _QUALITY, _CHECK_IMAGE)
    return (_mode(name, ANIMATE, *fields, usual="2 to 10 minutes", most=30, lasts="video_url", answer="in results",
        usage="video_duration video_ratio"),)


_S2V = (_mode(
    "i2v", ANIMATE,
    changed(_PERSON, meaning="who speaks or sings", media=(SPEAKER,)),
    media("audio_url", "a clear voice; the video is as long as this sound", SPEECH, required=True, also=("driving_audio_url",)),
    tier("480P", "720P", default="480P"),
    Param("style", "text", "the kind of scene, such as speech; no longer on the page"),
    usual="5 to 10 minutes", most=20, lasts="audio_url", answer="in results",
    usage="duration size fps video_count SR", fps=16, pixels=NO_PIXELS,
),)


# The rows -------------------------------------------------------------------------------------------------

_BEIJING, _SINGAPORE, _VIRGINIA = (BEIJING,), (SINGAPORE,), (VIRGINIA,)
_WITH_TOKYO = (*BOTH, TOKYO)
_WITH_FRANKFURT = (*BOTH, VIRGINIA, FRANKFURT)
_FIVE = (*_WITH_FRANKFURT, TOKYO)
_SIX = (*_FIVE, HONG_KONG)
_WAN3_PAGE = "wan3-video-generation-api-reference"
_T2V_PAGE = "text-to-video-api-reference"
_I2V_PAGE = "image-to-video-api-reference"
_I2V_27_PAGE = "image-to-video-general-api-reference"
_KF2V_PAGE = "image-to-video-by-first-and-last-frame-api-reference"
_R2V_PAGE = "wan-video-to-video-api-reference"
_EDIT_PAGE = "wan-video-editing-api-reference"
_MOVE_PAGE = "wan-animate-move-api"
_MIX_PAGE = "wan-animate-mix-api"
_S2V_PAGE = "wan-s2v-api"
_VACE_PAGE = "wanx-vace-api-reference"
_HORSE_PAGE = "happyhorse-api-reference"

_PACES = {
    TWO_AT_ONCE: "wan2.1-* wanx2.1-* wan2.2-t2v-plus wan2.2-i2v-* wan2.2-kf2v-flash",
    FIVE_AT_ONCE: "wan2.5-* wan2.6-* wan2.7-*",
    changed(FIVE_AT_ONCE, rate=10): "happyhorse-*",
    Pace(50 / 60, 5, source="model-catalog", checked="2026-08"): "wan3.0-*",
    Pace(5, 1, source="model-catalog", checked="2026-08"): "wan2.2-s2v",
}


def _row(
    id: str, kinds: str, summary: str, modes: tuple[Mode, ...], page: str,
    regions: tuple[str, ...] = BOTH, sound: str = "yes", instead: Mapping[str, str] = {}, checked: str = CHECKED,
) -> Model:
    family = id.partition("-")[0]
    return Model(
        id, family, summary, modes, regions, page, checked,
        kinds=tuple(kinds.split()),
        sound="no" if family in _SILENT and sound == "yes" else sound,
        tells_rewriting=family in (*_SILENT, "wan2.5"),
        instead=instead,
        twins=TWINS.get(id, {}),
        pace=pace_of(_PACES, id),
    )


_SILENT = ("wan2.2", "wan2.1", "wanx2.1")
_OLDER = ("t2v-turbo", "t2v-plus", "i2v-turbo", "i2v-plus", "kf2v-plus", "vace-plus")
TWINS: Mapping[str, Mapping[str, str]] = {
    **{f"wanx2.1-{name}": {SINGAPORE: f"wan2.1-{name}"} for name in _OLDER},
    **{f"wan2.1-{name}": {BEIJING: f"wanx2.1-{name}"} for name in _OLDER},
    **{f"wan2.6-{name}-us": dict.fromkeys(BOTH, f"wan2.6-{name}") for name in ("t2v", "i2v")},
}
"""Id → region → the spelling of the same model there. Source: the lists of models of the regions."""

_TRACK = audio(SOUND_FROM_3)
_26 = (_TRACK, seconds(2, 15), SHOTS)
_TO_720 = changed(_480_UP, default="720P")
_ONLY_720 = tier("720P", default="720P")
_480_OR_1080 = tier("480P", "1080P", default="1080P", send="1080P")
_T2V_26 = _flat_t2v("720P 1080P", "1920*1080", "1280*720", *_26, usage=_LENGTHS + " size")
_T2V_26_US = _flat_t2v("720P 1080P", "1920*1080", "1280*720", _TRACK, one_of(5, 10), SHOTS, usage=_LENGTHS + " size")
_T2V_25 = _flat_t2v("480P 720P 1080P", "1920*1080", "1280*720", _TRACK, one_of(5, 10))
_T2V_22 = _flat_t2v("480P 1080P", "1920*1080", "1920*1080", FIVE, longest=800)
_T2V_TURBO = _flat_t2v("480P 720P", "1280*720", "1280*720", FIVE, longest=800)
_T2V_PLUS = _flat_t2v("720P", "1280*720", "1280*720", FIVE, longest=800)
_I2V_26_FLASH = _flat_i2v(WAN26_PICTURE, _720_UP, *_26, SOUND, usage=_LENGTHS + " audio")
_I2V_26 = _flat_i2v(WAN26_PICTURE, _720_UP, *_26, usage=_LENGTHS)
_I2V_26_US = _flat_i2v(WAN26_PICTURE, _720_UP, _TRACK, one_of(5, 10, 15), SHOTS, usage=_LENGTHS)
_I2V_25 = _flat_i2v(WAN26_PICTURE, _480_UP, _TRACK, one_of(5, 10), usage=_SHORT_USAGE)
_I2V_22_FLASH = _flat_i2v(WAN22_PICTURE, _TO_720, FIVE, longest=800, usage=_SHORT_USAGE)
_I2V_22 = _flat_i2v(WAN22_PICTURE, _480_OR_1080, FIVE, longest=800, usage=_SHORT_USAGE)
_I2V_TURBO = _flat_i2v(WAN22_PICTURE, tier("480P", "720P", default="720P"), one_of(3, 4, 5), longest=800)
_I2V_PLUS = _flat_i2v(WAN22_PICTURE, _ONLY_720, FIVE, longest=800)
_KF2V_22 = _kf2v(_TO_720, usage="video_duration video_count SR")
_KF2V_PLUS = _kf2v(_ONLY_720)
_MOVE = _animate("i2v", "the clip whose motion is taken over")
_MIX = _animate("videoedit", "the clip in which the person is replaced")
_OLD = "older, silent; spelled so in "

# By way of working, the newest family first. A summary that begins with "the same" refers to the last one above that does not.
MODELS = (
    _row("wan3.0-video", _WAN3_KINDS, "one id for text, frames, references, documents, web pages and editing; 2 to 30 s, sound", _WAN3, _WAN3_PAGE, _SIX, instead=_WAN3_INSTEAD),
    _row("wan3.0-video-prime", _WAN3_KINDS, "the same, faster", _WAN3, _WAN3_PAGE, _SIX, instead=_WAN3_INSTEAD),
    _row("wan2.7-t2v", "t2v", "text to video with sound, 720P or 1080P, 2 to 15 s", (_WAN27_T2V,), _T2V_PAGE, _WITH_TOKYO),
    _row("wan2.6-t2v", "t2v", "text to video with sound, one shot or several, 2 to 15 s", _T2V_26, _T2V_PAGE, _WITH_FRANKFURT),
    _row("wan2.6-t2v-us", "t2v", "the same in Virginia, 5 or 10 s", _T2V_26_US, _T2V_PAGE, _VIRGINIA),
    _row("wan2.5-t2v-preview", "t2v", "text to video with sound, 480P to 1080P, 5 or 10 s", _T2V_25, _T2V_PAGE),
    _row("wan2.2-t2v-plus", "t2v", "text to video, silent, 480P or 1080P, 5 s", _T2V_22, _T2V_PAGE),
    _row("wanx2.1-t2v-turbo", "t2v", _OLD + "Beijing, 480P or 720P, 5 s", _T2V_TURBO, _T2V_PAGE, _BEIJING),
    _row("wan2.1-t2v-turbo", "t2v", _OLD + "Singapore", _T2V_TURBO, _T2V_PAGE, _SINGAPORE),
    _row("wanx2.1-t2v-plus", "t2v", _OLD + "Beijing, 720P, 5 s", _T2V_PLUS, _T2V_PAGE, _BEIJING),
    _row("wan2.1-t2v-plus", "t2v", _OLD + "Singapore", _T2V_PLUS, _T2V_PAGE, _SINGAPORE),
    _row("happyhorse-1.0-t2v", "t2v", "text to video with sound, nine ratios, 3 to 15 s", _HORSE_T2V, _HORSE_PAGE, _WITH_FRANKFURT),
    _row("happyhorse-1.1-t2v", "t2v", "the same, newer", _HORSE_T2V, _HORSE_PAGE, _FIVE),
    _row("wan2.7-i2v", "i2v kf2v", "first frame, first and last frame, lip sync, or a clip to continue; 2 to 15 s with sound", (_WAN27_I2V,), _I2V_27_PAGE, _WITH_TOKYO),
    _row("wan2.6-i2v-flash", "i2v", "picture to video, with sound or silent, 2 to 15 s", _I2V_26_FLASH, _I2V_PAGE),
    _row("wan2.6-i2v", "i2v", "picture to video, with sound, 2 to 15 s", _I2V_26, _I2V_PAGE, _WITH_FRANKFURT),
    _row("wan2.6-i2v-us", "i2v", "the same in Virginia, 5, 10 or 15 s", _I2V_26_US, _I2V_PAGE, _VIRGINIA),
    _row("wan2.5-i2v-preview", "i2v", "picture to video, with sound, 480P to 1080P, 5 or 10 s", _I2V_25, _I2V_PAGE),
    _row("wan2.2-i2v-flash", "i2v", "picture to video, silent, 480P to 1080P, 5 s", _I2V_22_FLASH, _I2V_PAGE),
    _row("wan2.2-i2v-plus", "i2v", "picture to video, silent, 480P or 1080P, 5 s", _I2V_22, _I2V_PAGE),
    _row("wan2.2-animate-move", "i2v", "a pictured person moves like the one in a clip; as long as the clip, 2 to 30 s", _MOVE, _MOVE_PAGE, sound="not documented"),
    _row("wan2.2-s2v", "i2v", "a pictured person speaks or sings a given sound of less than 20 s", _S2V, _S2V_PAGE, _BEIJING, sound="the given voice"),
    _row("wanx2.1-i2v-turbo", "i2v", _OLD + "Beijing, 480P or 720P, 3 to 5 s", _I2V_TURBO, _I2V_PAGE, _BEIJING),
    _row("wan2.1-i2v-turbo", "i2v", _OLD + "Singapore", _I2V_TURBO, _I2V_PAGE, _SINGAPORE),
    _row("wanx2.1-i2v-plus", "i2v", _OLD + "Beijing, 720P, 5 s", _I2V_PLUS, _I2V_PAGE, _BEIJING),
    _row("wan2.1-i2v-plus", "i2v", _OLD + "Singapore", _I2V_PLUS, _I2V_PAGE, _SINGAPORE),
    _row("happyhorse-1.0-i2v", "i2v", "picture to video, with sound, 3 to 15 s", _HORSE_I2V, _HORSE_PAGE, _WITH_FRANKFURT),
    _row("happyhorse-1.1-i2v", "i2v", "the same, newer", _HORSE_I2V, _HORSE_PAGE, _FIVE),
    _row("wan2.2-kf2v-flash", "kf2v", "from a first to a last picture, silent, 480P to 1080P, 5 s", _KF2V_22, _KF2V_PAGE),
    _row("wanx2.1-kf2v-plus", "kf2v", _OLD + "Beijing, 720P, 5 s", _KF2V_PLUS, _KF2V_PAGE, _BEIJING),
    _row("wan2.1-kf2v-plus", "kf2v", _OLD + "Singapore", _KF2V_PLUS, _KF2V_PAGE, _SINGAPORE),
    _row("wan2.7-r2v", "r2v", "subjects from pictures and clips, with voices, 2 to 15 s", (_WAN27_R2V,), _R2V_PAGE, _WITH_TOKYO),
    _row("wan2.6-r2v-flash", "r2v", "subjects from pictures and clips, with sound or silent, 2 to 10 s", _wan26_r2v(SOUND), _R2V_PAGE),
    _row("wan2.6-r2v", "r2v", "the same, steadier, always with sound", _wan26_r2v(), _R2V_PAGE, _WITH_FRANKFURT),
    _row("happyhorse-1.0-r2v", "r2v", "subjects from 1 to 9 pictures, with sound, 3 to 15 s", _HORSE_R2V, _HORSE_PAGE, _WITH_FRANKFURT),
    _row("happyhorse-1.1-r2v", "r2v", "the same, newer", _HORSE_R2V, _HORSE_PAGE, _FIVE),
    _row("wanx2.1-vace-plus", "vace", "five editing functions, silent, 720P, 5 s; Beijing", _VACE, _VACE_PAGE, _BEIJING),
    _row("wan2.1-vace-plus", "vace", "the same in Singapore", _VACE, _VACE_PAGE, _SINGAPORE),
    _row("wan2.7-videoedit", "videoedit", "edit a clip of 2 to 10 s by words and pictures", (_WAN27_EDIT,), _EDIT_PAGE, _WITH_TOKYO),
    _row("wan2.2-animate-mix", "videoedit", "a pictured person replaces the one in a clip; as long as the clip, 2 to 30 s", _MIX, _MIX_PAGE, sound="not documented"),
    _row("happyhorse-1.0-video-edit", "videoedit", "edit up to 15 s of a clip by words and pictures", _HORSE_EDIT, _HORSE_PAGE, _FIVE),
)

FAMILIES = (
    ("happyhorse*video-edit*", "happyhorse-1.0-video-edit"),
    ("happyhorse*i2v*", "happyhorse-1.1-i2v"),
    ("happyhorse*r2v*", "happyhorse-1.1-r2v"),
    ("happyhorse*", "happyhorse-1.1-t2v"),
    ("*vace*", "wanx2.1-vace-plus"),
    ("*kf2v*", "wan2.2-kf2v-flash"),
    ("*videoedit*", "wan2.7-videoedit"),
    ("*video-edit*", "wan2.7-videoedit"),
    ("wan3*", "wan3.0-video"),
    ("wan2.6-r2v*", "wan2.6-r2v"),
    ("*r2v*", "wan2.7-r2v"),
    ("wanx2.1-i2v*", "wanx2.1-i2v-plus"),
    ("wan2.1-i2v*", "wan2.1-i2v-plus"),
    ("wan2.2-i2v*", "wan2.2-i2v-flash"),
    ("wan2.5-i2v*", "wan2.5-i2v-preview"),
    ("wan2.6-i2v*", "wan2.6-i2v"),
    ("*i2v*", "wan2.7-i2v"),
    ("wanx2.1-t2v*", "wanx2.1-t2v-plus"),
    ("wan2.1-t2v*", "wan2.1-t2v-plus"),
    ("wan2.2-t2v*", "wan2.2-t2v-plus"),
    ("wan2.5-t2v*", "wan2.5-t2v-preview"),
    ("wan2.6-t2v*", "wan2.6-t2v"),
    ("*t2v*", "wan2.7-t2v"),
    ("*", "wan2.7-t2v"),
)

MAKERS = of_a_maker("video", AS_GIVEN, bills="duration", most=5, is_ceiling=True)
MAKERS_ELSEWHERE = ("*-image-*",)
ELSEWHERE = ("*t2i*", "*-i2i*", "*image*", "wanx-v*")

FLAGS = (
    Flag(
        "--mode",
        "MODE",
        "t2v, i2v, kf2v, r2v, vace or videoedit; without it the model or the fields decide. "
        "For the animate models: wan-std or wan-pro",
        "mode",
    ),
    Flag("--image", "PATH|URL", "the picture to animate", "img_url", short="-i", one="for a first and a last picture use --first-frame and --last-frame; for several subjects repeat --reference"),
    Flag("--first-frame", "PATH|URL", "the first picture", "first_frame_url"),
    Flag("--last-frame", "PATH|URL", "the last picture", "last_frame_url"),
    Flag("--video", "PATH|URL", "the clip to edit", "video_url", one="clips as subjects: repeat --reference; to join clips, see references/merge-media.md"),
    Flag("--audio", "PATH|URL", "a sound track", "audio_url"),
    Flag("--reference", "PATH|URL", "a subject, as a picture or clip; repeat for several", "reference_urls", many=True),
    Flag("--voice", "PATH|URL", "a voice for the reference at the same position; repeat for several", "reference_voices", many=True),
    Flag("--document", "PATH|URL", "a document to make a video from (wan3.0-video): pdf, docx, pptx, md, …", "file"),
    Flag("--link", "URL", "a public web page to make a video from (wan3.0-video)", "link"),
    Flag("--size", "SIZE", "1280*720, a ratio such as 9:16, or 720P", "size"),
    Flag("--resolution", "TIER", "480P, 720P or 1080P; 720P unless given, where the model has it", "resolution"),
    Flag("--ratio", "RATIO", "16:9, 9:16, 1:1, …; adaptive (wan3.0-video) follows the input", "ratio"),
    Flag("--duration", "SECONDS", "length, each second billed; 5 unless given", "duration"),
    *flags("video"),
)

_VACE_DEFAULT = Default("wanx2.1-vace-plus", {"mode": "vace"}, {SINGAPORE: "wan2.1-vace-plus"})
DEFAULTS = (
    Default("wan3.0-video", {"file": GIVEN}),
    Default("wan3.0-video", {"link": GIVEN}),
    Default("wan2.6-t2v", {"mode": "t2v"}),
    *(
        Default("wan2.7-i2v", {"mode": "i2v", field: GIVEN})
        for field in ("media", "first_clip_url", "driving_audio_url", "last_frame_url")
    ),
    Default("wan2.6-i2v-flash", {"mode": "i2v"}),
    Default("wan2.7-i2v", {"mode": "kf2v", "driving_audio_url": GIVEN}),
    Default("wan2.7-i2v", {"mode": "kf2v", "audio_url": GIVEN}),
    Default("wan2.2-kf2v-flash", {"mode": "kf2v"}),
    *(Default("wan2.7-r2v", {"mode": "r2v", field: GIVEN}) for field in ("media", "reference_voices", "first_frame_url")),
    Default("wan2.6-r2v-flash", {"mode": "r2v"}),
    _VACE_DEFAULT,
    Default("wan2.7-videoedit", {"mode": "videoedit"}),
    changed(_VACE_DEFAULT, when={"function": GIVEN}),
    Default("wan2.7-videoedit", {"video_url": GIVEN}),
    Default("wan2.7-r2v", {"reference_voices": GIVEN}),
    Default("wan2.7-r2v", {"media": GIVEN, "reference_urls": GIVEN}),
    Default("wan2.7-i2v", {"media": GIVEN}),
    Default("wan2.7-i2v", {"first_clip_url": GIVEN}),
    Default("wan2.7-i2v", {"driving_audio_url": GIVEN}),
    Default("wan2.6-r2v-flash", {"reference_urls": GIVEN}),
    Default("wan2.7-i2v", {"last_frame_url": GIVEN, "audio_url": GIVEN}),
    Default("wan2.2-kf2v-flash", {"last_frame_url": GIVEN}),
    Default("wan2.6-i2v-flash", {"first_frame_url": GIVEN}),
    Default("wan2.6-i2v-flash", {"img_url": GIVEN}),
    Default("wan2.6-i2v-flash", {"reference_image": GIVEN}),
    Default("wan2.6-t2v"),
)

# fmt: on

VIDEOS = Catalog(
    program="video.py",
    purpose="Make and edit videos with Wan and HappyHorse models through DashScope.",
    examples=(
        '"A paper boat sails down a rainy street" --duration 5',
        '"The cat jumps off the sill" --image cat.png --output cat.mp4 --print-response',
        '"The day turns to night" --first-frame day.png --last-frame night.png',
        '"Make it snow" --video street.mp4',
        '"anything" --sandbox',
    ),
    noun="video",
    unit="second",
    folder="qianwen-video-generation",
    flags=FLAGS,
    models=MODELS,
    families=FAMILIES,
    elsewhere=("image.py", ELSEWHERE),
    closed=CLOSED,
    makers=(MAKERS, MAKERS_ELSEWHERE),
    defaults=DEFAULTS,
    kinds=("t2v", "i2v", "kf2v", "r2v", "vace", "videoedit"),
    keeps_replies=True,
    beyond={
        "duration": "for a longer video continue a clip (references/workflows.md), and join the parts (references/merge-media.md)"
    },
)
