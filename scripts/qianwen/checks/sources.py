"""Resolves the value of a media field: a URL is passed through, a local file is inspected before it is sent.

Only values of documented media fields come here. A missing path is a fault and never taken for a URL.
"""

from __future__ import annotations

import os
import re
import stat

from ..files.safe_open import open_theirs
from ..models.catalog import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

BLOCK_BYTES = 1024 * 1024
PASSED_THROUGH = ("http", "https", "oss")
_URL = r"[A-Za-z]+://[^\s/\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+):"  # two letters at least: "C:\\cat.png" is a path


def inspect(text: str, cwd: str) -> Source:
    """The source that `text` names, with what its header says. Never raises: `Source.fault` tells what is wrong.

    cwd: the base of relative paths.
    """
    match = re.match(_SCHEME, text)
    scheme = match[1].lower() if match else "file"
    if scheme == "data":
        return _inspect_data_url(text)
    if scheme in PASSED_THROUGH:
        fault = "" if re.fullmatch(_URL, text) else "is not a complete URL: it needs a host and no spaces"
        return Source(text, scheme, fault=fault)
    if scheme == "file":
        return _inspect_file(text, os.path.join(cwd, local_path(text)))
    if os.path.lexists(os.path.join(cwd, text)):
        return _inspect_file(text, os.path.join(cwd, text))
    return Source(text, scheme, fault=f"has the scheme {scheme}:, which the service cannot fetch")


def local_path(text: str) -> str:
    """The path in a plain path, one with ~, or a file: URL (RFC 8089)."""
    if text[:5].lower() == "file:":
        from urllib.parse import unquote

        text = unquote(re.sub(r"^file:(//(localhost(?=/))?)?", "", text, flags=re.IGNORECASE))
        text = re.sub(r"^/(?=[A-Za-z]:)", "", text)  # file:///C:/cat.png
    return os.path.expanduser(text)


def _inspect_file(text: str, path: str) -> Source:
    from ..files import documents, media

    path = os.path.abspath(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return Source(text, "file", path, fault="is not a regular file")
        if status.st_size == 0:
            return Source(text, "file", path, fault="is an empty file")
        with open_theirs(path) as stream:
            facts = media.examine(stream)
            stream.seek(0)
            head = stream.read(documents.HEAD_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return _unreadable(text, path, error)
    return Source(text, "file", path, status.st_size, facts, head=head)


def _unreadable(text: str, path: str, error: OSError | ValueError) -> Source:
    """A text that is not a readable path may be the file's content in base64, or a path of another system."""
    from ..files import media

    kind = media.bare_base64(text)
    if kind:
        fault = f"is {kind} in base64: write data:{kind};base64, before it, or save it and give the file"
        return Source(text, "base64", fault=fault)
    if not isinstance(error, FileNotFoundError):
        reason = getattr(error, "strerror", None) or str(error)
        return Source(text, "file", fault=f"cannot be read: {reason}")
    fault = f"does not exist (looked for {path})"
    if os.sep == "\\" or "\\" not in text:
        return Source(text, "file", fault=fault)
    fault += "; on this system / separates folders, and a backslash is part of a name"
    return Source(text, "file", fault=fault, nearest=_without_backslashes(text, path))


def _without_backslashes(text: str, path: str) -> str | None:
    """The existing file that a Windows path means on Linux and macOS, or a path with a shell's leftover backslashes."""
    drive = re.match(r"([A-Za-z]):\\", text)
    if drive:
        mounted = f"/mnt/{drive[1].lower()}/" + text[3:].replace("\\", "/")  # where WSL mounts drives
        return mounted if os.path.isfile(mounted) else None
    for spelled in (lambda name: name.replace("\\", "/"), lambda name: re.sub(r"\\(?=\W)", "", name)):
        if os.path.isfile(spelled(path)):
            return spelled(text)
    return None


def _inspect_data_url(text: str) -> Source:
    """A data: URL is passed through too, but we can see its content."""
    from ..files import media

    try:
        size, facts = media.probe_data_url(text)
    except ValueError as error:
        return Source(text, "data", fault=str(error))
    return Source(text, "data", bytes=size, facts=facts)


def replaced(values: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the values with `urls` in their places: path → URL, such as `reference_images[0]` or `media[1].url`."""
    copy: dict[str, Any] = _copied(dict(values))
    for path, url in urls.items():
        *outer, last = (int(step) if step.isdigit() else step for step in re.findall(r"[^\[\].]+", path))
        place: Any = copy
        for step in outer:
            place = place[step]
        place[last] = url
    return copy


def named(source: Source) -> str:
    """The path of a local file for a preview, in valid Unicode; it says so if the suffix does not fit the content."""
    from ..files import media

    path = source.path.encode("utf-8", "backslashreplace").decode()
    suffix = media.SUFFIXES.get(source.facts.type, "") if source.facts else ""
    return path if media.same_kind(os.path.splitext(path)[1], suffix) else f"{path} as {suffix}"


def identity(source: Source) -> str:
    """A key for a local file when requests are compared: its size and its digest, whatever it is called."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with open_theirs(source.path) as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    except OSError:
        digest.update(source.path.encode("utf-8", "surrogateescape"))  # sending it will say what is wrong
    return f"file:{source.bytes}:{digest.hexdigest()}"


def inline(source: Source) -> str:
    """A small local file as a data: URL (RFC 2397). Raises OSError."""
    import base64

    with open_theirs(source.path) as stream:
        data = base64.b64encode(stream.read(source.bytes)).decode("ascii")
    return f"data:{source.facts.type if source.facts else 'application/octet-stream'};base64,{data}"


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(entry) for name, entry in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list) else value
