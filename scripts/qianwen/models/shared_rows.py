"""What both catalogues share: fields, regions, file types, and the ids that neither program can call.

The words of a field that differ between pictures and videos are given with `noun`.
"""

from __future__ import annotations

from ..errors import Problem
from ..plain.record import changed
from ..regions import BEIJING, SINGAPORE
from .catalog import Flag, Mode, Model, Pace, Param, says

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Mapping

    from ..files.media import Facts
    from .catalog import Finding, Values

CHECKED = "2026-11-26"
"""The day (YYYY-MM-DD) on which all rows were last compared with their pages; a row that is newer says its own."""

BOTH = (BEIJING, SINGAPORE)
PICTURES = ("image/jpeg", "image/png", "image/bmp", "image/webp")

SEED = Param("seed", "integer", "makes results similar, never identical", low=0, high=2147483647)
SCALES = tuple(
    Param(
        f"{side}_scale", "number", f"how far to extend toward the {side}, as a factor", low=1.0, high=2.0, default=1.0
    )
    for side in ("top", "bottom", "left", "right")
)

FIVE_AT_ONCE = Pace(5, 5, source="rate-limit", checked="2026-05")
TWO_AT_ONCE = changed(FIVE_AT_ONCE, rate=2, running=2)
ONE_AT_ONCE = changed(FIVE_AT_ONCE, rate=2, running=1)
TWO_A_SECOND = changed(FIVE_AT_ONCE, rate=2, running=0)
TWO_A_MINUTE = changed(FIVE_AT_ONCE, rate=2 / 60, running=0)
"""The documented limits of an account: submissions a second, and tasks that run at once. Source: the page "Rate limits"
(get-started-with-models), whose newest copy that could be read is of May 2026. Newer models have theirs from the
model catalogue of the same documentation; those without a current limit keep the guess of `Pace`."""


def pace_of(paces: Mapping[Pace, str], model_id: str) -> Pace:
    """The pace of a model. paces: pace → ids, with spaces between; an id may end in an asterisk."""
    for pace, names in paces.items():
        if any(model_id == name or (name[-1] == "*" and model_id.startswith(name[:-1])) for name in names.split()):
            return pace
    return Pace()


@says("If no scale is above 1.0, nothing is painted; that gives a warning.")
def grows(values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
    """Painting beyond the edges, with edges that stay where they are."""
    names = [scale.name for scale in SCALES]
    if all(values.get(name) in (None, 1) for name in names):
        yield f"no edge moves, so nothing is painted; give one of {', '.join(names)} above 1.0"


def mask_findings(path: str, mask: Facts | None, base: Facts | None, noun: str) -> Iterable[Finding]:
    """What is wrong with a mask: transparency, which other tools read, and its size.

    For a picture that is stored turned, nobody documents whether the service counts pixels before or after turning it.
    noun: what the mask is for.
    """
    if mask and mask.alpha:
        yield f"{path}: its transparency is ignored: white is changed and black is kept"
    if not (mask and base and mask.width and base.width):
        return
    if not _sizes(mask) & _sizes(base):
        given, allowed = f"{mask.width}*{mask.height}", f"{base.width}*{base.height}"
        yield Problem(path, given, f"is not the size of the {noun}", allowed, reason="pixels")
    elif max(mask.turn, base.turn) > 1:
        yield (
            f"{path}: the mask or the {noun} is stored rotated or mirrored (EXIF orientation), and the service may"
            " compare pixels as they are stored; save both upright"
        )


def _sizes(facts: Facts) -> set[tuple[int, int]]:
    """The size as it is displayed, and as it is stored."""
    shown = (facts.width, facts.height)
    return {shown, shown[::-1] if facts.turn >= 5 else shown}


def negative(noun: str) -> Param:
    return Param("negative_prompt", "text", f"what to keep out of the {noun}", longest=500)


def flags(noun: str) -> tuple[Flag, Flag]:
    return (
        Flag("--seed", "NUMBER", f"0 to 2147483647; the same seed gives similar {noun}s", "seed"),
        Flag("--negative-prompt", "TEXT", f"what to keep out of the {noun}", "negative_prompt"),
    )


def of_a_maker(noun: str, task: str, **bill: Any) -> Model:
    """The row of all models that carry their maker's name before a slash: the request is passed on as it is."""
    mode = Mode("as given", (), task=task, as_given=True, **bill)
    page = "the maker's page in the Model Studio reference"
    return Model(
        "maker/…", "maker", f"a {noun} model of another maker, passed through", (mode,), BOTH[:1], page, CHECKED
    )


# What cannot be called -----------------------------------------------------------------------------------


def _off(day: str, instead: str = "") -> str:
    replaced = f"; the notice names {instead} in its place" if instead else ""
    return f"it was announced to retire on {day}{replaced}"


_OCTOBER = "2026-10-10"
_OF_PICTURES = _off(_OCTOBER, "qwen-image-2.0")
_OF_PEOPLE = _off(_OCTOBER, "wan2.7-r2v")
_OWN = "it has an API of its own, which these programs do not support"

CLOSED: tuple[tuple[str, str], ...] = (
    # Taken off
    ("aitryon*", _OF_PICTURES),
    ("facechain*", _OF_PICTURES),
    ("image-out-painting*", _OF_PICTURES),
    ("liveportrait*", _OF_PICTURES),
    ("wordart-surnames*", _off("2025-07-02")),
    ("wordart-*", _OF_PICTURES),
    ("wanx-background-generation*", _off(_OCTOBER, "wan2.7-image")),
    ("animate-anyone*", _OF_PEOPLE),
    ("emo-*", _OF_PEOPLE),
    ("emoji-*", _OF_PEOPLE),
    ("stable-diffusion*", _off("2026-03-30")),
    ("flux*", _off("2026-03-30")),
    ("wanx-style-cosplay*", _off("2025-07-02")),
    ("wanx-ast*", _off("2025-07-02")),
    ("wanx-anytext*", _off("2025-07-02")),
    # With an API of their own
    ("*animate*", f"{_OWN}; of the models that animate a person only those in video.py --list-models are supported"),
    (
        "*s2v*",
        f"{_OWN}; of the talking heads only those in video.py --list-models are supported; wan2.7-i2v takes a sound",
    ),
    ("*-detect*", f"it only checks a picture for another model; {_OWN}"),
    ("videoretalk*", f"{_OWN}; for lips that follow a sound see wan2.7-i2v with driving_audio_url"),
    ("video-style-transform*", f"{_OWN}; to edit a clip by words see wan2.7-videoedit"),
    ("qwen-mt-image*", f"it translates the text in a picture; {_OWN}"),
    ("wanx-style-repaint*", f"{_OWN}; to restyle a picture see wan2.7-image with a reference picture"),
    ("wanx-sketch-to-image*", f"{_OWN}; for a sketch see wanx2.1-imageedit with the function doodle"),
    ("wanx-x-painting*", _OWN),
    ("wanx-poster-generation*", _OWN),
    ("wanx-virtualmodel*", _OWN),
    ("virtualmodel*", _OWN),
    ("shoemodel*", _OWN),
    ("image-*", f"it is a tool for finished pictures; {_OWN}"),
    ("happyoyster*", "it is a model for live sessions, not for single results"),
)
"""A glob of ids, and a sentence that says what such a model is. A row wins over a glob, and so does a family whose
glob has more letters. Sources: the tools' pages in the Model Studio reference; notice 118434 of 2026-07-10 for what
was taken off.
"""
