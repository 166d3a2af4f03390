"""What the service refuses, in its own codes and messages.

A body is read back into request fields, checked against the same rows that the client uses, and the first thing wrong
becomes the service's answer. How the wire must look (routes, headers, the shape of `input`) is checked here on its own,
because the client's encoders are what this stand-in is there to test.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from ..errors import InvalidRequest, Problem
from ..models import catalog as rows
from ..models import validate, wire
from ..models.catalog import Catalog, Mode, Source
from ..record import changed, record

JSON = dict[str, Any]
Inspect = Callable[[str], Source]


class Refusal(Exception):
    """An answer with an error status. `late`: the service accepts the task and fails it afterwards."""

    def __init__(self, status: int, code: str, message: str, late: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.late = late


@record
class Order:
    """A generation request that is accepted: the model id as sent, its mode, and the request fields.

    late: why the task will fail although it was accepted.
    """

    model_id: str
    family: str
    mode: Mode
    fields: JSON
    is_task: bool
    late: Refusal | None = None


def invalid(message: str, late: bool = False) -> Refusal:
    return Refusal(400, "InvalidParameter", message, late)


def accept(
    catalogs: tuple[Catalog, ...], path: str, headers: Mapping[str, str], body: bytes, inspect: Inspect
) -> Order:
    """The order that a POST to a generation route makes. Raises Refusal.

    headers: lower-case names.  inspect: looks at a media URL as the service would.
    """
    is_task = headers.get("x-dashscope-async", "").lower() == "enable"
    is_stream = headers.get("x-dashscope-sse", "").lower() == "enable"
    _check_pairing(path, is_task)
    request = _envelope(body)
    catalog, found = _model(catalogs, request["model"])
    shapes = {name for name, shape in wire.SHAPES.items() if shape.path == path}
    if not any(mode.call in shapes or mode.task in shapes for mode in found.model.modes):
        raise invalid("url error, please check url！")
    fields = _fields(request, _is_messages(path))
    if is_stream and fields.get("enable_interleave") is True:
        fields.setdefault("stream", True)  # the page asks for header and parameter; the official SDK sends the header
    mode = validate.choose_mode(found.model, {**fields, "async": is_task})
    if mode is None:
        raise invalid("the parameters must conform to the specification: input.function")
    _check_stream(mode, shapes, fields, is_stream)
    if (mode.task if is_task else mode.call) not in shapes:
        raise invalid("url error, please check url！")
    known = {name: value for name, value in fields.items() if mode.param(name)}
    _check_size_form(known.get("size"))
    order = Order(found.id, found.model.family, mode, known, is_task)
    try:
        validate.check(catalog, found, known, inspect, wants_task=is_task)
    except InvalidRequest as error:
        refusal = _words(error.problems[0], mode)
        if refusal.late and is_task:
            return changed(order, late=refusal)
        raise refusal from None
    return order


def _check_pairing(path: str, is_task: bool) -> None:
    """The route decides whether a call is synchronous; the header must agree."""
    routes = {shape.path: shape.is_task for shape in wire.SHAPES.values()}
    if path not in routes:
        raise Refusal(404, "NotFound", "Not found!")
    if is_task and not routes[path]:
        raise Refusal(403, "AccessDenied", "Current user api does not support asynchronous calls.")
    if routes[path] and not is_task:
        raise Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")


def _envelope(body: bytes) -> JSON:
    import json

    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.") from None
    if not isinstance(request, dict):
        raise Refusal(400, "BadRequest.IllegalInput", "The input parameter requires json format.")
    if not isinstance(request.get("model"), str) or not request["model"]:
        raise Refusal(400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.')
    if not isinstance(request.get("input"), dict) or not request["input"]:
        raise Refusal(400, "BadRequest.EmptyInput", 'Required input parameter "input" missing from request.')
    if not isinstance(request.get("parameters", {}), dict):
        raise invalid("Required body invalid, please check the request body format.")
    return request


def _model(catalogs: tuple[Catalog, ...], model_id: str) -> tuple[Catalog, rows.Found]:
    for catalog in catalogs:
        found = rows.find(catalog, model_id)
        if found and found.exact and found.id == model_id:
            return catalog, found
    raise invalid("Model not exist.")


def _is_messages(path: str) -> bool:
    return any(shape.path == path and shape.takes_messages for shape in wire.SHAPES.values())


def _fields(request: JSON, messages: bool) -> JSON:
    """The request fields in a body, read independently of the client's encoders."""
    given = request["input"]
    fields = dict(request.get("parameters") or {})
    if not messages:
        if "messages" in given:
            raise invalid("Field required: input.prompt")
        renamed = {"images": "reference_images"}
        return {**fields, **{renamed.get(name, name): value for name, value in given.items()}}
    content = _content(given)
    texts = [item["text"] for item in content if "text" in item]
    pictures = [item["image"] for item in content if "image" in item]
    if len(texts) != 1:
        raise invalid("lack of image or text")
    if not all(isinstance(picture, str) for picture in pictures):
        raise invalid("image format error")
    return {**fields, "prompt": texts[0], **({"reference_images": pictures} if pictures else {})}


def _content(given: JSON) -> list[JSON]:
    messages = given.get("messages")
    if messages is None:
        words = 'Either "prompt" or "messages" must exist and cannot both be none'
        raise invalid("No messages found in input" if "prompt" in given else words)
    if not isinstance(messages, list) or len(messages) != 1:
        raise invalid("messages length only support 1")
    content = messages[0].get("content") if isinstance(messages[0], dict) else None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise invalid("Required body invalid, please check the request body format.")
    return content


def _check_stream(mode: Mode, shapes: set[str], fields: JSON, is_stream: bool) -> None:
    """Interleaved answers come on the synchronous route only as a stream: header and parameter together."""
    streams = any(wire.SHAPES[name].is_stream for name in shapes)
    if streams and fields.get("enable_interleave") is True and not (is_stream and fields.get("stream") is True):
        raise invalid("the parameters must conform to the specification: enable_interleave needs stream.")


def _check_size_form(size: object) -> None:
    """The API takes W*H with an asterisk or a shorthand; everything else is the client's convenience."""
    if isinstance(size, str) and not re.fullmatch(r"\d+\*\d+|[124]K", size):
        raise invalid("the parameters must conform to the specification: size.")


def _words(problem: Problem, mode: Mode) -> Refusal:
    """The service's message for what our own check found."""
    field = problem.path.partition("[")[0]
    param = mode.param(field)
    if field == "n" and param and param.high == 1:
        return invalid("num_images_per_prompt must be 1")
    if field == "n" and param:
        return invalid(f"Range of n should be [{param.low:g}, {param.high:g}]")
    if field == "size" and param and param.size and mode.task and param.size.fixed:
        sizes = [size for preset in param.size.presets.values() for size in preset]
        return invalid(f"The size is not match the allowed size {sizes}", late=True)
    if field == "prompt" or (param and param.media and not problem.value):
        return invalid("lack of image or text")
    if param and param.media and problem.message.startswith("is not there"):
        return Refusal(
            400,
            "InvalidParameter.DataInspection",
            "Unable to download the media resource during the data inspection process.",
        )
    if param and param.media and problem.message == "is not resolved":
        return Refusal(
            400,
            "invalid_parameter_error",
            "InternalError.Algo.InvalidParameter: The provided URL does not appear to be valid. "
            "Ensure it is correctly formatted.",
        )
    if param and param.media and "side" in problem.message:
        return invalid("the size of input image is too small or too large.")
    if param and param.media:
        return invalid("Invalid image format or corrupted file")
    return invalid(f"the parameters must conform to the specification: {problem.path}.")
