"""Requests and answers as they stand in a cassette, and an answer's body back from there.

JSON and text stand as they are, an event stream line by line; other bytes by size and digest, small ones with their
content. A form is its fields and the digest of its file. Everything passes through `placeholders` on its way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re

from . import strict_json
from .placeholders import Placeholders, digest
from .service.exchange import Fault, Request, Response, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Sequence

    JSON = dict[str, Any]

UNTAPED_HEADERS = frozenset({"user-agent"})
TAPED_HEADERS = frozenset(  # what the program reads; the others are noise, and some reveal whose the account is
    {
        "content-encoding",
        "content-length",
        "content-md5",
        "content-range",
        "content-type",
        "date",
        "etag",
        "location",
        "retry-after",
        "x-oss-hash-crc64ecma",
        "x-oss-request-id",
    }
)


# Requests, recorded or to be compared -----------------------------------------------------------------------


def taped_request(request: Request, names: Placeholders) -> JSON:
    """A request as it stands in a cassette. A streamed body is read once more for its digest."""
    names.learn_url(request.url)
    content_type = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
    boundary = re.search(r"multipart/form-data; boundary=(\S+)", content_type)
    if boundary:
        names.learn("boundary", boundary[1])
    body = _sent_body(request, boundary[1] if boundary else "", names)
    headers = {
        name: names.hide_header(name, value)
        for name, value in request.headers.items()
        if name.lower() not in UNTAPED_HEADERS
    }
    return {"method": request.method, "url": names.hide_url(request.url), "headers": headers, "body": body}


def _sent_body(request: Request, boundary: str, names: Placeholders) -> JSON:
    body = request.body
    if isinstance(body, Stream):
        return _sent_form(body, boundary, names) if boundary else _sent_bytes(body.blocks())
    if not body:
        return {}
    try:
        value = _json(body.decode("utf-8"))
    except UnicodeDecodeError:
        value = None
    if value is None:
        return _sent_bytes([body])
    names.learn_sent(value)
    return {"json": names.hide_sent(value)}


def _sent_bytes(blocks: Iterable[bytes], ending: int = 0) -> JSON:
    """Size and digest of a body without its last bytes."""
    sha256, size, held = hashlib.sha256(), 0, b""
    for block in blocks:
        held += block
        done = max(len(held) - ending, 0)
        sha256.update(held[:done])
        size += done
        held = held[done:]
    return {"bytes": size, "sha256": sha256.hexdigest()}


def _sent_form(body: Stream, boundary: str, names: Placeholders) -> JSON:
    """A form of `service.forms`: its fields as text, and of the file, which is the last, name, type and digest."""
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


def taped_response(
    response: Response, data: bytes, beside: JSON | None, fault: Fault | None, names: Placeholders
) -> JSON:
    """An answer. data: its body, unless that lies beside the cassette.  fault: what broke it off."""
    body = _taped_body(data, names) if beside is None else beside
    headers = {}
    for name, value in sorted(response.headers.items()):
        if name in TAPED_HEADERS and _is_telling(name, data, body):
            names.learn_received(value)
            headers[name] = names.hide_header(name, value)
    taped: JSON = {"status": response.status, "headers": headers, "body": body}
    if fault:
        taped["broke"] = taped_fault(fault, names)
    return taped


def _is_telling(name: str, data: bytes, body: JSON) -> bool:
    """Whether a header is worth keeping: a date counts for a clock that is wrong, a length for bytes."""
    if name == "date":
        return b"TimeTooSkewed" in data
    return name != "content-length" or "sha256" in body


def _taped_body(data: bytes, names: Placeholders) -> JSON:
    """The body of an answer as it stands in a cassette."""
    if not data:
        return {}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _taped_bytes(data)
    if re.search("[\x00-\x08\x0e-\x1f]", text):
        return _taped_bytes(data)
    value = _json(text)
    if value is not None:
        names.learn_received(value)
        return {"json": names.hide_received(value)}
    if re.search("^data:", text, re.MULTILINE):
        lines = [_line_value(line) for line in text.split("\n")]
        names.learn_received(lines)
        return {"lines": [_taped_line(line, names) for line in lines]}
    names.learn_received(text)
    return {"text": names.hide_received(text)}


def _taped_bytes(data: bytes) -> JSON:
    return {"bytes": len(data), "sha256": digest(data), "base64": base64.b64encode(data).decode("ascii")}


def _line_value(line: str) -> object:
    """A line of an event stream; the value of a `data:` line when it is JSON."""
    value = _json(line[len("data:") :]) if line.startswith("data:") else None
    return line if value is None else value


def _taped_line(line: object, names: Placeholders) -> object:
    hidden = names.hide_received(line)
    return hidden if isinstance(line, str) else {"data": hidden}


def _json(text: str) -> object:
    """An object or list that says the same when it is written again; None for everything else."""

    def pairs(items: Sequence[tuple[str, object]]) -> dict[str, object]:
        if len(dict(items)) < len(items):
            raise ValueError("a name stands there twice")
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=float)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        strict_json.load(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def taped_fault(fault: Fault, names: Placeholders) -> JSON:
    told: JSON = {"reason": names.hide(fault.reason), "sent": fault.sent}
    if fault.permanent:
        told["permanent"] = True
    if fault.hint:
        told["hint"] = names.hide(fault.hint)
    return told


def body_of(taped: JSON, names: Placeholders) -> bytes:
    """The bytes of a body that stands in the cassette itself."""
    if "json" in taped:
        return json.dumps(names.fill_json(taped["json"]), ensure_ascii=False).encode("utf-8")
    if "lines" in taped:
        return "\n".join(_line(line, names) for line in taped["lines"]).encode("utf-8")
    return base64.b64decode(taped["base64"]) if "base64" in taped else names.fill(taped.get("text", "")).encode("utf-8")


def _line(line: Any, names: Placeholders) -> str:
    if isinstance(line, str):
        return names.fill(line)
    return "data:" + json.dumps(names.fill_json(line["data"]), ensure_ascii=False)
