"""The rules of the video models over several fields, or over the bytes of a file: a named function and its sentence.

A rule yields problems, which refuse the request, and texts, which warn. Their sources are the pages that the rows name.
"""

from __future__ import annotations

from ..errors import Problem
from .catalog import says
from .media_items import AUDIO, IMAGE, NOUNS, ROUNDING_SECONDS, VIDEO, as_list, type_of
from .shared_rows import mask_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping, Sequence

    from ..files.media import Facts
    from .catalog import Finding, Rule, Values


def names_its_references(pattern: str, example: str) -> Rule:
    @says(f"The prompt calls the references {example}; otherwise a warning.", example)
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        import re

        if values.get("reference_urls") and not re.search(pattern, str(values.get("prompt")), re.IGNORECASE):
            yield f"the prompt names none of the references; call them {example}"

    return rule


LEGAL_MEDIA = (
    ("first_frame_url",),
    ("driving_audio_url", "first_frame_url"),
    ("first_frame_url", "last_frame_url"),
    ("driving_audio_url", "first_frame_url", "last_frame_url"),
    ("first_clip_url",),
    ("first_clip_url", "last_frame_url"),
)
_LEGAL = "; ".join(map(" + ".join, LEGAL_MEDIA))
_IN_BACKTICKS = "; ".join(" + ".join(f"`{field}`" for field in fields) for fields in LEGAL_MEDIA)


@says(f"The media are one of: {_IN_BACKTICKS}.")
def legal_combination(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    fields = ("driving_audio_url", "first_clip_url", "first_frame_url", "last_frame_url")
    given = tuple(name for name in fields if values.get(name))
    if given not in LEGAL_MEDIA:
        message = "is not a combination that the model takes" if given else "is missing: a first frame or a first clip"
        yield Problem("media", " + ".join(given) or None, message, _LEGAL, reason="invalid" if given else "missing")


@says(
    "With `first_clip_url`, `duration` is the total length and must exceed the clip's; a warning says how much is new."
)
def longer_than_the_clip(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """A continuation contains the clip: `duration` is the whole length, and all of it is billed."""
    clip, duration = facts.get("first_clip_url"), values.get("duration", 5)
    if not values.get("first_clip_url") or type(duration) is not int:
        return
    if not (clip and clip.seconds):
        yield f"the length of the clip is not known here: only what exceeds it of the {duration} s is new"
        return
    held = f"the clip lasts {clip.seconds:.1f} s and is part of the result"
    if duration - clip.seconds <= ROUNDING_SECONDS:
        least = int(clip.seconds + ROUNDING_SECONDS) + 1
        yield Problem(
            "duration", duration, f"leaves nothing new: {held}", f"{least} to 15", min(least + 4, 15), "range"
        )
    else:
        yield f"{held}: {duration - clip.seconds:.1f} s of the {duration} s are new"


def sound_fits(field: str, lengths: Sequence[int]) -> Rule:
    """Warns when a sound and the video differ in length. lengths: what the model makes, in seconds, ascending."""

    @says(f"`{field}`: a sound longer than `duration` is cut, a shorter one leaves silence; either gives a warning.")
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        sound, duration = facts.get(field), values.get("duration")
        if not (sound and sound.seconds) or type(duration) is not int or values.get("audio") is False:
            return
        told = f"{field}: the sound lasts {sound.seconds:.1f} s and the video {duration} s"
        if sound.seconds > duration + ROUNDING_SECONDS:
            fitting = next((length for length in lengths if length >= sound.seconds - ROUNDING_SECONDS), None)
            way = f"duration {fitting} makes room" if fitting else f"{lengths[-1]} s are the most, so cut the sound"
            yield f"{told}: its end is not heard; {way}"
        elif sound.seconds < duration - ROUNDING_SECONDS:
            yield f"{told}: the last {duration - sound.seconds:.1f} s are silent"

    return rule


@says("An edit is as long as its clip: `duration` can only shorten it; a longer one gives a warning.")
def no_longer_than_the_clip(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    clip, duration = facts.get("video_url"), values.get("duration")
    if clip and clip.seconds and type(duration) is int and duration > clip.seconds + ROUNDING_SECONDS:
        yield f"the clip lasts {clip.seconds:.1f} s, and an edit is no longer than its clip, whatever duration says"


@says("`shot_type` multi needs `prompt_extend` true (its default).")
def shots_need_rewriting(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if values.get("shot_type") == "multi" and values.get("prompt_extend") is False:
        yield Problem("prompt_extend", False, "rules out shot_type multi", "true, or left out", True, "choice")


@says("With `audio` false the video is silent, whatever `audio_url` says.")
def silence_or_a_track(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if values.get("audio") is False and values.get("audio_url"):
        yield "with audio false the video is silent; audio_url is not heard"


def counts_by_kind(most_pictures: int, most_clips: int) -> Rule:
    @says(f"`reference_urls` takes at most {most_pictures} pictures and {most_clips} clips.")
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        clips = len(_clips(values, facts))
        pictures = len(as_list(values.get("reference_urls"))) - clips
        for count, most, noun in ((pictures, most_pictures, "pictures"), (clips, most_clips, "clips")):
            if count > most:
                yield Problem("reference_urls", count, f"is too many {noun}", f"up to {most} {noun}", most, "count")

    return rule


_KINDS = {"image": IMAGE, "video": VIDEO, "audio": AUDIO}
"""First half of a media type → the type of reference."""


def _known(path: str, facts: Mapping[str, Facts]) -> str:
    """The type of reference by the bytes of a local file, "" without one."""
    return _KINDS.get(facts[path].type.partition("/")[0], "") if path in facts else ""


def _references(values: Values, facts: Mapping[str, Facts]) -> list[tuple[str, str]]:
    """(path, type) of each reference: by its bytes, by the type that was named, else by its address."""
    types = as_list(values.get("reference_types"))
    found = []
    for index, url in enumerate(as_list(values.get("reference_urls"))):
        path, named = f"reference_urls[{index}]", types[index] if index < len(types) else None
        found.append((path, _known(path, facts) or named or type_of(url)))
    return found


def _clips(values: Values, facts: Mapping[str, Facts]) -> list[str]:
    """The paths of the references that are clips."""
    return [path for path, kind in _references(values, facts) if kind == VIDEO]


@says("With a clip in `reference_urls`, `duration` is at most 10.")
def shorter_with_a_clip(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    duration = values.get("duration", 5)
    if _clips(values, facts) and isinstance(duration, int) and duration > 10:
        yield Problem("duration", duration, "is out of range with a clip among the references", "2 to 10", 10, "range")


@says("References are pictures; a clip is refused.")
def pictures_alone(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    clips = _clips(values, facts)
    for index, url in enumerate(as_list(values.get("reference_urls"))):
        path = f"reference_urls[{index}]"
        if path in clips and path not in facts:  # the bytes of a local file were looked at before
            yield Problem(path, url, "is a clip", "pictures (reference_image)", reason="format")


@says("`reference_voices` belong to the `reference_urls` at the same positions; null leaves one without.")
def voices_have_owners(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    voices, owners = len(as_list(values.get("reference_voices"))), len(as_list(values.get("reference_urls")))
    if voices > owners:
        yield Problem(
            "reference_voices", voices, "is more voices than there are references", f"up to {owners}", owners, "count"
        )


@says("`reference_types` is needed only if the suffix of a URL does not tell a picture, a clip or a sound.")
def types_are_true(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """A type that is given has to be the type of the file."""
    for index, kind in enumerate(as_list(values.get("reference_types"))):
        path = f"reference_urls[{index}]"
        right = _known(path, facts)
        if isinstance(kind, str) and path in facts and kind != right:
            yield Problem(path, facts[path].type, f"is not a {kind}", right, right, "format")


@says("References cannot be sounds; voices go into `reference_voices`.")
def no_sounds(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """References are pictures and clips; the bytes of a local file were looked at before."""
    for index, url in enumerate(as_list(values.get("reference_urls"))):
        if type_of(url) == AUDIO and f"reference_urls[{index}]" not in facts:
            allowed = "a picture or a clip; give a sound in reference_voices, in the place of the one who speaks"
            yield Problem(f"reference_urls[{index}]", url, "is a sound", allowed, reason="format")


def _kinds(values: Values, facts: Mapping[str, Facts]) -> list[tuple[str, str]]:
    """(path, kind) of everything that is sent as a reference of Wan 3.0, in its order."""
    clip = [("video_url", VIDEO)] if values.get("video_url") else []
    voices = enumerate(as_list(values.get("reference_voices")))
    sounds = [(f"reference_voices[{index}]", AUDIO) for index, voice in voices if voice]
    return [*clip, *_references(values, facts), *sounds]


def at_most_of_each(pictures: int, clips: int, sounds: int) -> Rule:
    """How many of each kind may be sent, whichever fields name them."""

    @says(f"At most {pictures} pictures, {clips} clips and {sounds} sounds in all.")
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        kinds = [kind for _, kind in _kinds(values, facts)]
        for kind, most in ((IMAGE, pictures), (VIDEO, clips), (AUDIO, sounds)):
            if kinds.count(kind) > most:
                noun = NOUNS[kind] + "s"
                message = f"is too many {noun}"
                yield Problem("reference_urls", kinds.count(kind), message, f"up to {most} {noun}", most, "count")

    return rule


def short_together(together: int) -> Rule:
    """The clips together, and the sounds together, last no longer than this; each alone is checked with its file."""

    @says(f"The clips together last at most {together} s, and so do the sounds.")
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        for kind in (VIDEO, AUDIO):
            paths = [path for path, own in _kinds(values, facts) if own == kind]
            known = [facts[path].seconds for path in paths if path in facts]
            if len(known) > 1 and sum(known) > together + ROUNDING_SECONDS * len(known):
                noun = NOUNS[kind] + "s"
                path = next(path for path in reversed(paths) if path in facts)
                allowed = f"{noun} of {together} s together"
                yield Problem(path, f"{sum(known):.1f} s", f"makes the {noun} too long", allowed, reason="range")

    return rule


def room_for_the_clips(together: int) -> Rule:
    @says(f"Clips and result together last at most {together} s; with -1 the model keeps to that.")
    def rule(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        paths = [path for path, kind in _kinds(values, facts) if kind == VIDEO]
        known = [facts[path].seconds for path in paths if path in facts and facts[path].seconds]
        duration = values.get("duration")
        if type(duration) is int and known and duration + sum(known) > together + ROUNDING_SECONDS * len(known):
            most = int(together - sum(known) + ROUNDING_SECONDS * len(known))
            held = f"is too long beside clips of {sum(known):.1f} s"
            allowed = f"2 to {most}, since clips and result last {together} s together at most"
            yield Problem("duration", duration, held, allowed, most, "range")

    return rule


@says("`file` and `link` exclude each other, and with either `prompt_extend` must be true.")
def document_or_page(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    given = [name for name in ("file", "link") if values.get(name)]
    if len(given) > 1:
        yield Problem("link", values["link"], "cannot be given together with file", "file or link", reason="excluded")
    if given and values.get("prompt_extend") is False:
        yield Problem("prompt_extend", False, f"must be true with {given[0]}", "true, or left out", True, "choice")


@says("At least a prompt or media.")
def something_to_show(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """Words or media: lists of gaps are neither."""
    if not (_kinds(values, facts) or any(values.get(name) for name in ("prompt", "file", "link"))):
        yield Problem("prompt", None, "is missing: what happens in the video", "words, or media", reason="missing")


@says("`reference_voices` are sent as separate sounds after `reference_urls`, with a warning.")
def voices_are_references(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if any(as_list(values.get("reference_voices"))):
        yield "the voices are sent as separate sounds after the references; say in the prompt whose Audio 1 is"


@says("`ratio` 21:9 is on only one copy of the service's page; it gives a warning.")
def ratio_in_one_copy(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """Only the newest copy of the page lists it, and clients that follow the page refuse it."""
    if values.get("ratio") == "21:9":
        yield "ratio 21:9 is on only one copy of the model's page; the service may refuse it"


@says("The service ignores `ratio` when `first_frame_url` is given.")
def ratio_of_the_first_frame(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if values.get("first_frame_url") and values.get("ratio"):
        yield "the service ignores ratio when a first frame is given"


@says("`obj_or_bg` has one entry per picture of `ref_images_url`, at most one of them bg; a single picture needs none.")
def one_kind_for_each_picture(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    kinds, pictures = values.get("obj_or_bg"), as_list(values.get("ref_images_url"))
    if kinds is None:
        if len(pictures) > 1:
            yield Problem(
                "obj_or_bg",
                None,
                "is missing: obj or bg for each picture",
                f"{len(pictures)} entries",
                reason="missing",
            )
        return
    if not isinstance(kinds, list) or any(kind not in ("obj", "bg") for kind in kinds):
        yield Problem("obj_or_bg", kinds, "must be a list of obj and bg", '["obj", "bg"]', reason="choice")
    elif len(kinds) != len(pictures):
        yield Problem(
            "obj_or_bg", kinds, "must be as long as ref_images_url", f"{len(pictures)} entries", reason="count"
        )
    elif kinds.count("bg") > 1:
        yield Problem("obj_or_bg", kinds, "names more than one background", "at most one bg", reason="count")


@says("Give `mask_image_url` (better) or `mask_video_url`; `expand_ratio` and `expand_mode` need `mask_type` tracking.")
def one_mask(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    masks = [name for name in ("mask_image_url", "mask_video_url") if values.get(name)]
    if not masks:
        yield Problem(
            "mask_image_url", None, "is missing: white where to edit", "a picture of the clip's size", reason="missing"
        )
    if len(masks) > 1:
        yield Problem(
            "mask_video_url", values["mask_video_url"], "is a second mask", "mask_image_url alone", reason="count"
        )
    if masks == ["mask_video_url"] and values.get("mask_frame_id") is not None:
        yield "mask_frame_id has no effect without mask_image_url"
    if values.get("mask_type") == "fixed":
        for name in ("expand_ratio", "expand_mode"):
            if values.get(name) is not None:
                yield f"{name} has no effect with mask_type fixed"


@says("A mask has exactly the size of the clip; its transparency is ignored.")
def mask_fits_the_clip(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    clip = facts.get("video_url")
    for name in ("mask_image_url", "mask_video_url"):
        yield from mask_findings(name, facts.get(name), clip, "clip")
    frame = values.get("mask_frame_id")
    if clip and clip.fps and clip.seconds and isinstance(frame, int) and frame > clip.fps * clip.seconds + 1:
        most = int(clip.fps * clip.seconds + 1)
        yield Problem("mask_frame_id", frame, "is beyond the end of the clip", f"1 to {most}", most, "range")


PIECE_SECONDS = 3.0  # used of the clips together
PIECES = ("first_frame_url", "last_frame_url", "first_clip_url", "last_clip_url")


@says("At least one frame or clip; `video_url` here needs `control_condition`.")
def something_to_extend(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    if not any(values.get(name) for name in PIECES):
        yield Problem("first_clip_url", None, "is missing: what to extend", ", ".join(PIECES), reason="missing")
    if values.get("video_url") and not values.get("control_condition"):
        yield Problem("control_condition", None, "is needed with video_url", "posebodyface, depth", reason="missing")
    pieces = [facts[name].seconds for name in ("first_clip_url", "last_clip_url") if name in facts]
    if len(pieces) == 2 and max(pieces) <= PIECE_SECONDS + ROUNDING_SECONDS < sum(pieces):
        yield f"both clips together last {sum(pieces):.1f} s and the service uses 3 s of them"
    if any(pieces):
        used = min(sum(min(piece, PIECE_SECONDS) for piece in pieces), PIECE_SECONDS)
        yield f"the clips are part of the result: {5 - used:.1f} s of its 5 s are new"
