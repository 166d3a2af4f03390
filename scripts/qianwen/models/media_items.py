"""The API's `media` array: its types of items, and the flat field for each of them.

Inside the client every request is flat, however it was written: `unpack` takes an array apart, `pack` builds the
array for the wire. Source: the API references of Wan 2.7, Wan 3.0 and HappyHorse.
"""

from __future__ import annotations

from ..errors import Problem
from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    from .catalog import Values

SINGLE: Mapping[str, str] = {
    "first_frame": "first_frame_url",
    "last_frame": "last_frame_url",
    "first_clip": "first_clip_url",
    "driving_audio": "driving_audio_url",
    "video": "video_url",
    "file": "file",
    "link": "link",
}
"""Type of an item that may stand once → its flat field."""
IMAGE, VIDEO, AUDIO = "reference_image", "reference_video", "reference_audio"
KINDS = (IMAGE, VIDEO, AUDIO)
NOUNS: Mapping[str, str] = {
    **dict.fromkeys((IMAGE, "image"), "picture"),
    **dict.fromkeys((VIDEO, "video"), "clip"),
    **dict.fromkeys((AUDIO, "audio"), "sound"),
}
"""Type of a reference, or the first half of a media type → what people call it."""
REFERENCES, VOICES, TYPES = "reference_urls", "reference_voices", "reference_types"
"""The lists that stand for the reference items: addresses, voices (with gaps), and types where they were named."""
FLAT = frozenset({*SINGLE.values(), REFERENCES, VOICES, TYPES})
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
CLIPS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
SOUNDS = (".mp3", ".wav", ".m4a", ".aac", ".flac", ".ogg")
ROUNDING_SECONDS = 0.1  # a clip "of ten seconds" is often a few frames longer


@record
class Unpacked:
    """fields: the request without `media`.  names: path of a flat field → its path in the array."""

    fields: dict[str, Any]
    names: dict[str, str]
    problems: tuple[Problem, ...]


def unpack(fields: Values, kinds: tuple[str, ...] = KINDS) -> Unpacked:
    """The request with its `media` array as flat fields. Something that is not an item, or occurs twice, is a problem.

    kinds: the types of references that exist.
    """
    flat = {name: value for name, value in fields.items() if name != "media"}
    names: dict[str, str] = {}
    problems: list[Problem] = []
    items = fields.get("media")
    if items is None:
        return Unpacked(flat, names, ())
    if not isinstance(items, list):
        return Unpacked(flat, names, (Problem("media", items, "must be a list", 'a list of {"type": …, "url": …}'),))
    for index, item in enumerate(items):
        path = f"media[{index}]"
        problem = _fault(path, item, flat, kinds)
        if problem:
            problems.append(problem)
        elif item["type"] in SINGLE:
            flat[SINGLE[item["type"]]] = item["url"]
            names[SINGLE[item["type"]]] = f"{path}.url"
        else:
            problems.extend(_add_reference(flat, names, path, item))
    return Unpacked(flat, names, tuple(problems))


def _fault(path: str, item: object, flat: Mapping[str, Any], kinds: tuple[str, ...]) -> Problem | None:
    types = (*SINGLE, *kinds)
    if not isinstance(item, dict) or "url" not in item:
        return Problem(path, item, "is not an item", '{"type": …, "url": …}', reason="type")
    if not isinstance(item["url"], str) or not item["url"].strip():
        return Problem(f"{path}.url", item["url"], "is neither a file nor a URL", "one path or one URL", reason="type")
    if item.get("type") not in types:
        return Problem(f"{path}.type", item.get("type"), "is not a type of item", ", ".join(types), reason="choice")
    if SINGLE.get(item["type"]) in flat:
        return Problem(f"{path}.type", item["type"], "is given twice", "each type once", reason="count")
    unknown = sorted(set(item) - {"type", "url", "reference_voice"})
    if unknown:
        return Problem(f"{path}.{unknown[0]}", item[unknown[0]], "is not part of an item", "type, url, reference_voice")
    if "reference_voice" in item and item["type"] in SINGLE:
        return Problem(
            f"{path}.reference_voice", item["reference_voice"], "belongs to a reference", f"{IMAGE}, {VIDEO}"
        )
    return None


def _add_reference(
    flat: dict[str, Any], names: dict[str, str], path: str, item: Mapping[str, Any]
) -> Iterator[Problem]:
    """Add to the parallel lists, as copies: those in `flat` are the user's. A contradiction is a problem."""
    urls = flat[REFERENCES] = [*as_list(flat.get(REFERENCES)), item["url"]]
    place = len(urls) - 1
    for name, key in ((VOICES, "reference_voice"), (TYPES, "type")):
        if name == VOICES and key not in item:
            continue
        entries = flat[name] = as_list(flat.get(name))
        entries += [None] * (place + 1 - len(entries))
        if entries[place] not in (None, "", item[key]):
            yield Problem(f"{path}.{key}", item[key], f"contradicts {name}[{place}]", "one of them")
        entries[place] = item[key]
    names[f"{REFERENCES}[{place}]"] = f"{path}.url"
    names.setdefault(REFERENCES, path)
    names[f"{TYPES}[{place}]"] = f"{path}.type"
    if "reference_voice" in item:
        names[f"{VOICES}[{place}]"] = f"{path}.reference_voice"
        names.setdefault(VOICES, f"{path}.reference_voice")


def pack(values: Values, types: tuple[str, ...]) -> Any:
    """The `media` array for the wire. A given array comes first, unchanged; a given value of another type is returned.

    types: the types of items that the API has. Without `video`, a clip to edit goes as the first reference clip; with
    `reference_audio`, each voice goes as a reference of its own, after the others.
    """
    given = values.get("media", [])
    if not isinstance(given, list):
        return given
    kinds = {name: VIDEO if kind == "video" and kind not in types else kind for kind, name in SINGLE.items()}
    items = [*given, *({"type": kinds[name], "url": url} for name, url in values.items() if name in kinds)]
    named, voices = listed(values, TYPES), listed(values, VOICES)
    for index, url in enumerate(listed(values, REFERENCES)):
        kind = named[index] if index < len(named) and named[index] else type_of(url)
        item = {"type": kind, "url": url}
        if AUDIO not in types and index < len(voices) and voices[index]:
            item["reference_voice"] = voices[index]
        items.append(item)
    if AUDIO in types:
        items += [{"type": AUDIO, "url": url} for url in voices if url]
    return items


def type_of(url: object) -> str:
    """The type of a reference, judged by the suffix of its address."""
    path = _path(url)
    if path.endswith(SOUNDS) or path.startswith("data:audio/"):
        return AUDIO
    return VIDEO if path.endswith(CLIPS) or path.startswith("data:video/") else IMAGE


def is_picture(url: object) -> bool:
    """Whether the suffix of an address is that of a picture."""
    return _path(url).endswith(PICTURES) or _path(url).startswith("data:image/")


def _path(url: object) -> str:
    return str(url).partition("?")[0].lower().rstrip(")")


def listed(values: Values, name: str) -> list[Any]:
    """The entries of a field; a single value is one entry, and no value is none."""
    value = values.get(name)
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def as_dict(value: object) -> dict[str, Any]:
    """An object as it is; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A copy of a list; an empty one for anything else."""
    return list(value) if isinstance(value, (list, tuple)) else []
