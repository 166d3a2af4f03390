"""Ids that no request of these programs can reach: a glob of ids and a sentence that says what such a model is.

They have APIs of their own, or were taken off. A row wins over a glob, and so does a family that says more letters.
Sources: the pages of the tools in the Model Studio reference, and notice 118434 of 2026-07-10 for what was taken off.
"""

from __future__ import annotations


def _off(day: str, instead: str = "") -> str:
    replaced = f"; the notice names {instead} in its place" if instead else ""
    return f"it was announced to be taken off on {day}{replaced}"


_OCTOBER = "2026-10-10"
_PICTURES = _off(_OCTOBER, "qwen-image-2.0")
_PEOPLE = _off(_OCTOBER, "wan2.7-r2v")
_OWN = "it has an API of its own, which these programs do not speak"

CLOSED: tuple[tuple[str, str], ...] = (
    # Taken off
    ("aitryon*", _PICTURES),
    ("facechain*", _PICTURES),
    ("image-out-painting*", _PICTURES),
    ("liveportrait*", _PICTURES),
    ("wordart-surnames*", _off("2025-07-02")),
    ("wordart-*", _PICTURES),
    ("wanx-background-generation*", _off(_OCTOBER, "wan2.7-image")),
    ("animate-anyone*", _PEOPLE),
    ("emo-*", _PEOPLE),
    ("emoji-*", _PEOPLE),
    ("stable-diffusion*", _off("2026-03-30")),
    ("flux*", _off("2026-03-30")),
    ("wanx-style-cosplay*", _off("2025-07-02")),
    ("wanx-ast*", _off("2025-07-02")),
    ("wanx-anytext*", _off("2025-07-02")),
    # With an API of their own
    ("*animate*", f"{_OWN}; of the models that animate a person only those in video.py --list-models are made"),
    ("*s2v*", f"{_OWN}; of the talking heads only those in video.py --list-models are made; wan2.7-i2v takes a sound"),
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
    ("HappyOyster*", "it is a model for live sessions, not for single results"),
)
