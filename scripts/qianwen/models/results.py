"""Finds results anywhere in an answer: takes inline pictures out, and finds links in undocumented places.

Tasks of other models and programs are collected too, and gateways have layouts of their own. What was paid for is
read out of all of them. Nothing here depends on a model.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    JSON = dict[str, Any]

INLINE = "data:"  # begins the name of a picture that came inside the answer and has no address
DEEPEST = 100  # levels of an answer that are looked at
MOST_LINKS = 20  # in odd places
LONGEST_NAME = 64  # of a field, as far as it is looked at
_DATA_URL = r"data:[^,;]{0,100}(?:;[^,;]{0,100}){0,5};base64,"
# How the base64 of PNG, JPEG, GIF, WebP (RIFF) and MP4 (a box "ftyp" of up to 255 bytes) begins.
_BARE = r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|AAAA[A-P]GZ0eX)[A-Za-z0-9+/_=\s-]"
SHORTEST_BARE = 40
_MEDIA_LINK = r"(?i)https?://[^\s\"'<>?#]{1,2000}\.(?:png|jpe?g|webp|gif|bmp|mp4|mov|webm)(?:[?#]\S*)?"
# Fields that repeat what was sent, and the words of the service.
_NO_RESULTS = (
    r"input\w*|\w*prompt|\w*message|code|error\w*|text"
    r"|(?:img|ref\w*|first|last|mask|base|audio|driving|person|garment)_\w*"
)


def native(body: JSON) -> tuple[JSON, Mapping[str, str]]:
    """An answer in the native layout, and the base64 of its inline pictures by the names that replace them.

    `data: [{url | b64_json}]` becomes `output.results`.
    """
    names: dict[str, str] = {}  # a base64 text → the name in its place; equal texts share one

    def without(value: Any, key: str = "", depth: int = 0) -> Any:
        if isinstance(value, str) and _is_picture(value, key):
            name = f"{INLINE}(picture {len(names) + 1} of the answer, {len(value)} characters of base64)"
            return names.setdefault(value, name)
        if depth < DEEPEST and isinstance(value, dict):
            return {name: without(entry, name, depth + 1) for name, entry in value.items()}
        if depth < DEEPEST and isinstance(value, list):
            return [without(entry, key, depth + 1) for entry in value]
        return value

    body = without(body)
    if "output" not in body and isinstance(body.get("data"), list):
        rest = {name: value for name, value in body.items() if name != "data"}
        body = {**rest, "output": {"results": body["data"]}}
    return body, {name: text for text, name in names.items()}


def _is_picture(text: str, key: str) -> bool:
    if is_inline(text):
        return False  # it was replaced before
    if key == "b64_json":
        return bool(text)
    if text.startswith("http"):
        return False  # as most texts of an answer: no pattern is compiled for a link
    if text.startswith("data:"):
        return re.match(_DATA_URL, text) is not None
    return len(text) >= SHORTEST_BARE and re.match(_BARE, text) is not None


def is_inline(url: str) -> bool:
    """Whether a result came inside an answer and so has no address."""
    return url.startswith(f"{INLINE}(")


LINKS = ("url", "video_url", "image_url", "output_video_url", "output_image_url", "image", "b64_json")


def link_in(fields: Mapping[str, Any]) -> str:
    """The address of a result in an object, "" for none; the most common field name wins."""
    return next((fields[name] for name in LINKS if isinstance(fields.get(name), str) and fields[name]), "")


def elsewhere(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(path, URL) of links to pictures and videos anywhere in an answer, except in fields that repeat the request."""
    if isinstance(value, str):
        if re.fullmatch(_MEDIA_LINK, value) or is_inline(value):
            yield path, value
    elif depth < DEEPEST and isinstance(value, dict):
        for name, entry in value.items():
            if not re.fullmatch(_NO_RESULTS, str(name)[:LONGEST_NAME]):
                yield from elsewhere(entry, f"{path}.{name}" if path else str(name), depth + 1)
    elif depth < DEEPEST and isinstance(value, list):
        for index, entry in enumerate(value):
            yield from elsewhere(entry, f"{path}[{index}]", depth + 1)
