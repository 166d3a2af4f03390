"""A cassette on the disk: where it is written, whole or not at all, and what is proven of one before it is played."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile

from .errors import UsageError
from .placeholders import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

FORMAT, VERSION = "qianwen-cassette", 1
DIGEST = re.compile("[0-9a-f]{64}")
BLOCK_BYTES = 256 * 1024


# Writing ----------------------------------------------------------------------------------------------------


def prepare(path: str, overwrite: bool) -> None:
    """Raises UsageError unless a cassette can be written there."""
    try:
        if _exists(path) and not overwrite:
            hint = "--overwrite records anew; a cassette holds one run"
            raise UsageError(f"the recording {path} exists already", hint=hint)
        if os.path.isdir(path):
            raise IsADirectoryError(21, "it is a folder")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        remove(_draft(os.path.dirname(path), b"x" * BLOCK_BYTES))  # a disk that is full still makes empty files
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "nothing was sent; name a file in a folder that can be written to"
        raise UsageError(f"the recording {path} cannot be written: {reason}", hint=hint) from error


def _exists(path: str) -> bool:
    """Raises OSError or ValueError for a path that never can, because of its length or a NUL in it."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def write(path: str, data: bytes) -> None:
    """The file whole or as it was, for its owner alone."""
    draft = _draft(os.path.dirname(path), data)
    try:
        os.replace(draft, path)
    except OSError:
        remove(draft)
        raise


def _draft(folder: str, data: bytes) -> str:
    descriptor, draft = tempfile.mkstemp(prefix=".cassette-", suffix=".part", dir=folder)  # 0600
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
    except OSError:
        remove(draft)
        raise
    return draft


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it does no harm there


def forget_bodies(path: str, wanted: set[str]) -> None:
    """Remove the bodies beside a cassette that it does not name. wanted: their digests."""
    folder = folder_beside(path)
    try:
        names = os.listdir(folder)
    except OSError:
        return  # there are none
    for name in names:
        if DIGEST.fullmatch(name) and name not in wanted:
            remove(os.path.join(folder, name))


def folder_beside(path: str) -> str:
    """Where the large bodies of a cassette are, each under its digest."""
    return f"{os.path.splitext(path)[0]}.files"


# Reading ----------------------------------------------------------------------------------------------------

_HINT = "nothing was sent; --record makes one"


def load(path: str) -> JSON:
    """A cassette, proven to have the form that is written here. Raises UsageError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"the recording {path} is no file", hint=_HINT)
        with open(path, encoding="utf-8-sig") as stream:
            cassette = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or f"it is no JSON: {error}"
        raise UsageError(f"the recording {path} cannot be read: {reason}", hint=_HINT) from error
    if not isinstance(cassette, dict) or cassette.get("format") != FORMAT:
        raise UsageError(f"{path} is no recording of this program", hint=_HINT)
    version = cassette.get("version")
    if version != VERSION or type(version) is not int:
        raise UsageError(
            f"the recording {path} has version {json.dumps(version)} of the format; this program reads {VERSION}",
            hint="record it again with --record, or use the version of the program that made it",
        )
    try:
        _check_cassette(cassette)
    except _Damaged as damage:
        raise UsageError(f"the recording {path} is damaged: {damage}", hint=_HINT) from None
    return cassette


class _Damaged(Exception):
    pass


def _check_cassette(cassette: JSON) -> None:
    _demand(isinstance(cassette.get("base"), str) and "://" in cassette["base"], "base is no URL")
    exchanges = cassette.get("exchanges")
    _demand(isinstance(exchanges, list), "exchanges is no list")
    for number, exchange in enumerate(exchanges or (), 1):
        try:
            _check_exchange(exchange)
        except _Damaged as damage:
            raise _Damaged(f"exchange {number}: {damage}") from None
        except (KeyError, TypeError, AttributeError):
            raise _Damaged(f"exchange {number} lacks what every exchange has") from None


def _demand(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise _Damaged(otherwise)


def _check_exchange(exchange: JSON) -> None:
    request = exchange["request"]
    _demand(isinstance(request["method"], str) and isinstance(request["url"], str), "the request has no URL")
    _demand(isinstance(request["headers"], dict) and isinstance(request["body"], dict), "the request is not whole")
    seconds = exchange.get("seconds", 0)
    _demand(type(seconds) in (int, float) and 0 <= seconds < 1e9, "seconds is no number of seconds")
    ends = [name for name in ("response", "fault", "unanswered") if name in exchange]
    _demand(len(ends) == 1, "it needs one of response, fault and unanswered")
    if ends == ["fault"]:
        _check_fault(exchange["fault"])
    elif ends == ["response"]:
        _check_response(exchange["response"])


def _check_fault(fault: JSON) -> None:
    is_whole = isinstance(fault["reason"], str) and isinstance(fault["sent"], bool)
    is_fit = isinstance(fault.get("permanent", False), bool) and isinstance(fault.get("hint", ""), str)
    _demand(is_whole and is_fit, "a fault needs a reason and whether the request was sent")


def _check_response(response: JSON) -> None:
    _demand(type(response["status"]) is int and 100 <= response["status"] < 600, "the status is none of HTTP")
    texts = all(isinstance(text, str) for item in response["headers"].items() for text in item)
    _demand(texts, "a header is no text")
    body = response["body"]
    _demand(isinstance(body, dict), "the body is no object")
    if "text" in body:
        _demand(isinstance(body["text"], str), "the text of the body is none")
    for line in body.get("lines", ()):
        _demand(isinstance(line, str) or "data" in line, "a line is neither a text nor data")
    if "sha256" in body:
        _demand(DIGEST.fullmatch(body["sha256"]) is not None, "the digest of the body is none")
    if "base64" in body:
        try:
            data = base64.b64decode(body["base64"], validate=True)
        except ValueError:
            raise _Damaged("the bytes of the body are no base64") from None
        _demand(digest(data) == body["sha256"], "the bytes of the body are not those of its digest")
    if "broke" in response:
        _check_fault(response["broke"])
