"""Resolves the value of a media field: a URL is passed through, a local file is inspected before it is sent.

Only values of documented media fields come here. A missing path is a fault and never taken for a URL.
"""

from __future__ import annotations

import io
import os
import re
import stat
import time

from ..models.catalog import Source
from ..plain.redact import each_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

PASSED_THROUGH = ("http", "https", "oss")
_URL = r"[A-Za-z]+://[^\s/\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+):"  # two letters at least: "C:\\cat.png" is a path


def inspect(text: str, cwd: str, now: float | None = None, is_near: Callable[[], bool] = lambda: False) -> Source:
    """The source that `text` names, with what its header says. Never raises: `Source.fault` tells what is wrong.

    cwd: the base of relative paths.
    now: epoch seconds; without it, the clock's.
    is_near: whether the service runs on this machine or in this network, so that it can reach hosts there.
    """
    match = re.match(_SCHEME, text)
    scheme = match[1].lower() if match else "file"
    if scheme == "data":
        return _inspect_data_url(text)
    if scheme in PASSED_THROUGH:
        return _inspect_url(text, scheme, time.time() if now is None else now, is_near)
    if scheme == "file":
        return _inspect_file(text, os.path.join(cwd, local_path(text)), cwd)
    if os.path.lexists(os.path.join(cwd, text)):
        return _inspect_file(text, os.path.join(cwd, text), cwd)
    return Source(text, scheme, fault=f"has the scheme {scheme}:, which the service cannot fetch")


def local_path(text: str) -> str:
    """The path in a plain path, one with ~, or a file: URL (RFC 8089)."""
    if text[:5].lower() == "file:":
        from urllib.parse import unquote

        text = unquote(re.sub(r"^file:(//(localhost(?=/))?)?", "", text, flags=re.IGNORECASE))
        text = re.sub(r"^/(?=[A-Za-z]:)", "", text)  # file:///C:/cat.png
    try:
        return os.path.expanduser(text)
    except ValueError:
        return text  # a NUL; opening it will say so


def _inspect_file(text: str, path: str, cwd: str) -> Source:
    from ..files import documents, media
    from ..files.safe_open import open_theirs

    path = os.path.abspath(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return Source(text, "file", path, fault="is a folder: name a file in it")
        if not stat.S_ISREG(status.st_mode):
            return Source(text, "file", path, fault="is not a regular file: save it as one first")
        if status.st_size == 0:
            return Source(text, "file", path, fault="is an empty file")
        with open_theirs(path) as stream:
            facts = media.examine(stream)
            stream.seek(0)
            head = stream.read(documents.HEAD_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return _unreadable(text, path, cwd, error)
    return Source(text, "file", path, status.st_size, facts, head=head)


def _inspect_url(text: str, scheme: str, now: float, is_near: Callable[[], bool]) -> Source:
    if not re.fullmatch(_URL, text):
        return Source(text, scheme, fault="is not a complete URL: it needs a host and no spaces")
    if scheme == "oss":
        return Source(text, scheme)
    from ..plain import locations

    fault, nearest = locations.url_fault(text, now, is_near)
    return Source(text, scheme, fault=fault, nearest=nearest, doubt="" if fault else locations.url_doubt(text))


def _unreadable(text: str, path: str, cwd: str, error: OSError | ValueError) -> Source:
    """A text that is not a readable path may be the file's content in base64, or a path that was damaged on its way."""
    from ..files import media

    kind = media.bare_base64(text)
    if kind:
        fault = f"is {kind} in base64: write data:{kind};base64, before it, or save it and give the file"
        return Source(text, "base64", fault=fault)
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        reason = getattr(error, "strerror", None) or str(error)
        return Source(text, "file", fault=f"cannot be read: {reason}")
    from ..plain import locations

    why, nearest = locations.path_meant(text, path, cwd)
    return Source(text, "file", fault=f"does not exist (looked for {locations.visible(path)}){why}", nearest=nearest)


def _inspect_data_url(text: str) -> Source:
    """A data: URL is sent in the one form that the API documents, with the type that its content has."""
    from ..files import media

    try:
        data = media.data_of(text)
    except ValueError as error:
        return Source(text, "data", fault=str(error))
    facts = media.examine(io.BytesIO(data))
    if facts is None:
        return Source(text, "data", bytes=len(data))
    declared = text[5:].partition(";")[0].partition(",")[0].strip().lower()
    doubt = f"it is declared {declared} and is {facts.type}; it is sent as that"
    is_odd = declared not in ("", "image/jpg", "application/octet-stream", facts.type)
    return Source(media.data_url(data, facts.type), "data", bytes=len(data), facts=facts, doubt=doubt if is_odd else "")


def replaced(values: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the values with `urls` in their places: path → URL, such as `reference_images[0]` or `media[1].url`."""
    copy: Any = each_text(values, str)
    for path, url in urls.items():
        *outer, last = (int(step) if step.isdigit() else step for step in re.findall(r"[^\[\].]+", path))
        place: Any = copy
        for step in outer:
            place = place[step]
        place[last] = url
    return dict(copy)


def named(source: Source) -> str:
    """The path of a local file for a preview, in characters that can be seen, and its format if the suffix differs."""
    from ..files import media
    from ..plain.locations import visible

    path = visible(source.path)
    suffix = media.SUFFIXES.get(source.facts.type, "") if source.facts else ""
    return path if media.same_kind(os.path.splitext(path)[1], suffix) else f"{path} as {suffix}"


def identity(source: Source) -> str:
    """A key for a local file when requests are compared: its size and its digest, whatever it is called."""
    from ..files.safe_open import open_theirs, sha256_of

    try:
        with open_theirs(source.path) as stream:
            digest = sha256_of(stream)
    except OSError:
        digest = source.path  # sending it will say what is wrong
    return f"file:{source.bytes}:{digest}"


def inline(source: Source) -> str:
    """A small local file as a data: URL (RFC 2397). Raises OSError."""
    from ..files import media
    from ..files.safe_open import open_theirs

    with open_theirs(source.path) as stream:
        return media.data_url(
            stream.read(source.bytes), source.facts.type if source.facts else "application/octet-stream"
        )
