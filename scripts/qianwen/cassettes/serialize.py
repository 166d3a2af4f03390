"""Converts requests and answers to their form in a cassette, and bodies of answers back.

JSON and text are kept readable, event streams line by line; other bytes are kept as size and digest, small ones with
their content. Bytes of the service that hold a secret are kept as text, in which it can be hidden. A form is kept as
its fields and the digest of its file. Every text passes through `placeholders`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re

from ..http.messages import Fault, Request, Response, Stream
from ..plain import strict_json
from .placeholders import Placeholders, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Sequence

    JSON = dict[str, Any]

UNRECORDED_HEADERS = frozenset({"user-agent"})
RECORDED_HEADERS = frozenset(  # those that the program reads; some of the others identify the account
    {
        *("content-encoding", "content-length", "content-md5", "content-range", "content-type", "date", "etag"),
        *("location", "retry-after", "x-oss-hash-crc64ecma", "x-oss-request-id"),
    }
)


# Requests ---------------------------------------------------------------------------------------------------


def recorded_request(request: Request, names: Placeholders) -> JSON:
    """A request in its form for a cassette, to record or to compare. Reads a streamed body once more for its digest."""
    names.learn_url(request.url)
    content_type = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
    boundary = re.search(r"multipart/form-data; boundary=(\S+)", content_type)
    if boundary:
        names.learn("boundary", boundary[1])
    body = _sent_body(request, boundary[1] if boundary else "", names)
    headers = {
        name: names.hide_header(name, value)
        for name, value in request.headers.items()
        if name.lower() not in UNRECORDED_HEADERS
    }
    return {"method": request.method, "url": names.hide_url(request.url), "headers": headers, "body": body}


def _sent_body(request: Request, boundary: str, names: Placeholders) -> JSON:
    body = request.body
    if isinstance(body, Stream):
        return _sent_form(body, boundary, names) if boundary else _sent_bytes(body.blocks())
    if not body:
        return {}
    value = _json(body.decode("utf-8"))
    if value is None:  # it is nested more deeply than a cassette can tell
        return _sent_bytes([body])
    names.learn_sent(value)
    return {"json": names.hide_sent(value)}


def _sent_bytes(blocks: Iterable[bytes], ending: int = 0) -> JSON:
    """Size and digest of a body. ending: the number of last bytes that do not count."""
    sha256, size, pending = hashlib.sha256(), 0, b""
    for block in blocks:
        pending += block
        done = max(len(pending) - ending, 0)
        sha256.update(pending[:done])
        size += done
        pending = pending[done:]
    return {"bytes": size, "sha256": sha256.hexdigest()}


def _sent_form(body: Stream, boundary: str, names: Placeholders) -> JSON:
    """A multipart form (RFC 7578): its fields, and the head, size and digest of its last part, the file."""
    blocks = iter(body.blocks())
    text = next(blocks).decode("utf-8", "replace")
    fields = re.findall(r'name="([^"]*)"\r\n\r\n(.*?)\r\n--', text, re.DOTALL)
    for name, value in fields:
        if name == "key":
            names.learn_object_name(value)
    file = text[text.rfind("Content-Disposition") :].strip()
    ending = len(f"\r\n--{boundary}--\r\n")
    form = {name: names.hide(value) for name, value in fields}
    return {"form": form, "file": {"head": names.hide(file).split("\r\n"), **_sent_bytes(blocks, ending)}}


# Answers ----------------------------------------------------------------------------------------------------


def recorded_response(
    response: Response,
    data: bytes,
    file: JSON | None,
    fault: Fault | None,
    names: Placeholders,
    is_text: bool = False,
) -> JSON:
    """An answer in its form for a cassette. Raises ValueError for one that cannot be recorded without its secrets.

    data: its body.
    file: size and digest of the body, if that is in a file of its own.
    fault: what broke the answer off.
    is_text: it is text by its nature, and may have secrets even if it is cut off or spoiled; no picture or video.
    """
    body = _recorded_body(data, names, is_text) if file is None else file
    headers = {}
    for name, value in sorted(response.headers.items()):
        if name in RECORDED_HEADERS and _is_needed(name, data, body):
            names.learn_received(value)
            headers[name] = names.hide_header(name, value)
    recorded: JSON = {"status": response.status, "headers": headers, "body": body}
    if fault:
        recorded["broke"] = recorded_fault(fault, names)
    return recorded


def _is_needed(name: str, data: bytes, body: JSON) -> bool:
    """Whether the program reads this header: a date only for a wrong clock, a length only for bytes."""
    if name == "date":
        return b"TimeTooSkewed" in data
    return name != "content-length" or "sha256" in body


def _recorded_body(data: bytes, names: Placeholders, is_text: bool) -> JSON:
    if not data:
        return {}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if re.search("[\x00-\x08\x0e-\x1f]", text):
        return (_spoiled_text(data, names) if is_text else {}) or _recorded_bytes(data)
    value = _json(text)
    if value is not None:
        names.learn_received(value)
        return {"json": names.hide_received(value)}
    if re.search("^data:", text, re.MULTILINE):
        lines = [_line_value(line) for line in text.split("\n")]
        names.learn_received(lines)
        return {"lines": [_recorded_line(line, names) for line in lines]}
    names.learn_received(text)
    return {"text": names.hide_received(text)}


def _spoiled_text(data: bytes, names: Placeholders) -> JSON:
    """Bytes that are not quite text, as text without the secrets in them; {} if they have none.

    Latin-1 has a character for each byte, so what is not hidden comes back as it was.
    """
    for charset in ("latin-1", json.detect_encoding(data)):
        text = data.decode(charset, "replace")
        names.learn_received(text)
        hidden = names.hide_received(text)
        if hidden != text:
            if text.encode(charset, "replace") != data:
                raise ValueError("it has a secret among bytes that are not text")
            return {"text": hidden, "charset": charset}
    return {}


def _recorded_bytes(data: bytes) -> JSON:
    return {"bytes": len(data), "sha256": digest(data), "base64": base64.b64encode(data).decode("ascii")}


def _line_value(line: str) -> object:
    """A line of an event stream, or its value if it is a `data:` line with JSON."""
    value = _json(line[len("data:") :]) if line.startswith("data:") else None
    return line if value is None else value


def _recorded_line(line: object, names: Placeholders) -> object:
    hidden = names.hide_received(line)
    return hidden if isinstance(line, str) else {"data": hidden}


def _json(text: str) -> object:
    """The object or list in a text, if writing it again loses nothing; else None."""

    def pairs(items: Sequence[tuple[str, object]]) -> dict[str, object]:
        if len(dict(items)) < len(items):
            raise ValueError("a name occurs twice")
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=float)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        strict_json.load(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def recorded_fault(fault: Fault, names: Placeholders) -> JSON:
    recorded: JSON = {"reason": names.hide_fault(fault.reason), "sent": fault.sent}
    if fault.permanent:
        recorded["permanent"] = True
    if fault.hint:
        recorded["hint"] = names.hide_fault(fault.hint)
    return recorded


def body_of(recorded: JSON, names: Placeholders) -> bytes:
    """The bytes of a body that is in the cassette itself."""
    if "json" in recorded:
        return json.dumps(names.fill_json(recorded["json"]), ensure_ascii=False).encode("utf-8")
    if "lines" in recorded:
        return "\n".join(_line(line, names) for line in recorded["lines"]).encode("utf-8")
    if "base64" in recorded:
        return base64.b64decode(recorded["base64"])
    return names.fill(recorded.get("text", "")).encode(recorded.get("charset", "utf-8"), "replace")


def _line(line: Any, names: Placeholders) -> str:
    if isinstance(line, str):
        return names.fill(line)
    return "data:" + json.dumps(names.fill_json(line["data"]), ensure_ascii=False)
