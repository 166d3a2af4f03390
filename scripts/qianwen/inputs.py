"""What a media field names: a URL that goes through untouched, or a local file that is looked at before it is sent.

Only strings that stand in a documented media field come here. A path that is not there is a fault, never a URL.
"""

from __future__ import annotations

import os
import re
import stat

from . import media
from .models.catalog import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

UNTOUCHED = ("http", "https", "oss")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: "C:\\cat.png" is a path


def inspect(text: str, cwd: str) -> Source:
    """The source that `text` names, read as far as its header. Never raises: a fault is part of the answer.

    cwd: the folder that relative paths start from.
    """
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else "file"
    if scheme == "data":
        return _look_into(text)
    if scheme in UNTOUCHED:
        return Source(text, scheme)
    if scheme == "file":
        return _look(text, os.path.join(cwd, local_path(text)))
    if os.path.lexists(os.path.join(cwd, text)):
        return _look(text, os.path.join(cwd, text))
    return Source(text, scheme, fault=f"has the scheme {scheme}:, which the service does not fetch")


def local_path(text: str) -> str:
    """The path that a text names: plain, with ~, or as a file: URL."""
    if text[:5].lower() == "file:":
        from urllib.parse import unquote

        text = unquote(re.sub(r"^file:(//(localhost(?=/))?)?", "", text, flags=re.IGNORECASE))
        text = re.sub(r"^/(?=[A-Za-z]:)", "", text)  # file:///C:/cat.png
    return os.path.expanduser(text)


def _look(text: str, path: str) -> Source:
    path = os.path.abspath(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return Source(text, "file", path, fault="is no regular file")
        if status.st_size == 0:
            return Source(text, "file", path, fault="is an empty file")
        with open(path, "rb") as stream:
            facts = media.probe(stream)
    except FileNotFoundError:
        return Source(text, "file", fault=f"is not there (looked for {path})")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        return Source(text, "file", fault=f"cannot be read: {reason}")
    return Source(text, "file", path, status.st_size, facts)


def _look_into(text: str) -> Source:
    """A data: URL goes through untouched as well, but what it holds is known."""
    try:
        size, facts = media.probe_data_url(text)
    except ValueError as error:
        return Source(text, "data", fault=str(error))
    return Source(text, "data", bytes=size, facts=facts)


def replaced(values: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the values with other texts at the given paths, such as `reference_images[0]`."""
    copy = {name: list(value) if isinstance(value, list) else value for name, value in values.items()}
    for path, url in urls.items():
        name, _, index = path.rstrip("]").partition("[")
        if index:
            copy[name][int(index)] = url
        else:
            copy[name] = url
    return copy
