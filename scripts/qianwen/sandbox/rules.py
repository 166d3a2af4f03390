"""What the service refuses, in its own codes and messages.

A body is decoded into request fields and checked against the rows that the client uses; the first problem becomes the
service's answer. The wire format (routes, headers, which fields go to `input` and which to `parameters`) is written
down here a second time, because this stand-in tests the client's encoders. Fields in the wrong place are ignored, like
unknown ones.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from ..checks import fields as field_checks
from ..checks import validate
from ..checks.findings import Findings, Manner
from ..errors import InvalidRequest, Problem
from ..models import catalog as rows
from ..models import media_items, wire
from ..models.catalog import Catalog, Mode, Model, Source
from ..models.image_models import IMAGES
from ..models.media_items import as_dict, as_list
from ..models.video_models import VIDEOS
from ..plain.record import changed, record

JSON = dict[str, Any]
Inspect = Callable[[str], Source]
CATALOGS = (IMAGES, VIDEOS)


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
    """An accepted generation request: the model id as sent, its row and mode, and the request fields.

    late: why the accepted task will fail.
    """

    model_id: str
    model: Model
    mode: Mode
    fields: JSON
    is_task: bool
    late: Refusal | None = None


def invalid(message: str, late: bool = False) -> Refusal:
    return Refusal(400, "InvalidParameter", message, late)


def accept(path: str, headers: Mapping[str, str], body: bytes, inspect: Inspect, takes_new: bool = False) -> Order:
    """The order in a POST to a generation route. Raises Refusal.

    headers: lower-case names.
    inspect: inspects a media URL as the service would.
    takes_new: accept a model without a row and let its nearest relative answer, instead of refusing it.
    """
    is_task = headers.get("x-dashscope-async", "").lower() == "enable"
    is_stream = headers.get("x-dashscope-sse", "").lower() == "enable"
    _check_pairing(path, is_task)
    request = _envelope(body)
    shapes = {name for name, shape in wire.SHAPES.items() if shape.path == path}
    catalog, found = _model(request["model"], shapes, takes_new)
    if not found.exact:
        return _played(found, request, path, is_task, is_stream, inspect)
    if not any(mode.sync in shapes or mode.task in shapes for mode in found.model.modes):
        raise invalid("url error, please check url！")
    fields = _fields(request, path, any(mode.task in WATERMARK_IN_INPUT for mode in found.model.modes))
    if is_stream and fields.get("enable_interleave") is True:
        fields.setdefault("stream", True)  # the page asks for header and parameter; the official SDK sends the header
    mode = validate.choose_mode(found.model, {**fields, "async": is_task})
    if mode is None:
        raise invalid("the parameters must conform to the specification: input.function")
    try:
        fields = _media_fields(fields, found.model, mode)
    except Refusal as refusal:
        return _late(Order(found.id, found.model, mode, {}, is_task), refusal)
    mode = validate.choose_mode(found.model, {**fields, "async": is_task}) or mode
    _check_stream(mode, shapes, fields, is_stream)
    if (mode.task if is_task else mode.sync) not in shapes:
        raise invalid("url error, please check url！")
    known = {name: value for name, value in fields.items() if mode.param(name) or name in mode.excludes}
    if "reference_images" in fields and not any(param.media for param in mode.params):
        raise invalid("the parameters must conform to the specification: messages takes no image.")
    order = Order(found.id, found.model, mode, known, is_task)
    try:
        _check_forms(mode, known)
        _check_presence(mode, known)
        validate.check(catalog, found, known, inspect, Manner(wants_task=is_task))
    except InvalidRequest as error:
        return _late(order, _refusal(error.problems[0], mode))
    except Refusal as refusal:
        return _late(order, refusal)
    return order


def _late(order: Order, refusal: Refusal) -> Order:
    """The order as an accepted task that will fail, if the refusal is late; otherwise raise the refusal."""
    if refusal.late and order.is_task:
        return changed(order, late=refusal)
    raise refusal


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


def _model(model_id: str, shapes: set[str], takes_new: bool) -> tuple[Catalog, rows.Found]:
    """The row of an id. Without a row that of a relative, if possible one that uses one of the shapes."""

    def rank(candidate: tuple[Catalog, rows.Found]) -> tuple[bool, bool]:
        found = candidate[1]
        return not found.exact, not any({mode.sync, mode.task} & shapes for mode in found.model.modes)

    candidates = [(catalog, rows.find(catalog, model_id)) for catalog in CATALOGS]
    named = [(catalog, found) for catalog, found in candidates if found and found.id == model_id]
    for catalog, found in sorted(named, key=rank):
        if found.exact or takes_new:
            return catalog, found
    raise invalid("Model not exist.")


# Models without a row ---------------------------------------------------------------------------------------


def _played(found: rows.Found, request: JSON, path: str, is_task: bool, is_stream: bool, inspect: Inspect) -> Order:
    """The order of a model without a row: accept every field, and let the relative use those that it knows."""
    given, parameters = request["input"], request.get("parameters") or {}
    fields = {**parameters, **given}
    if "messages" in given:
        content = [item for message in as_list(given["messages"]) for item in as_list(as_dict(message).get("content"))]
        fields["reference_images"] = [item["image"] for item in map(as_dict, content) if "image" in item]
        fields["prompt"] = next((item["text"] for item in map(as_dict, content) if "text" in item), "")
    if "images" in given:
        fields["reference_images"] = as_list(given["images"])
    if isinstance(given.get("media"), list):
        fields = media_items.unpack(fields).fields
    route = (path, is_task, is_stream)
    shapes = [name for name, shape in wire.SHAPES.items() if (shape.path, shape.is_task, shape.is_stream) == route]
    mode = validate.choose_mode(found.model, {**fields, "async": is_task}) or found.model.modes[0]
    if not shapes:
        raise invalid("url error, please check url！")
    if not {mode.task, mode.sync} & set(shapes):
        mode = changed(mode, **{"task" if is_task else "sync": shapes[0]})
    findings = Findings(found.model, inspect)
    for param in mode.params:
        if fields.get(param.name) is None:
            continue
        earlier = len(findings.problems)
        value = field_checks.CHECKS[param.kind](param, fields[param.name], findings)
        problems = findings.problems[earlier:]
        if problems:
            value = None if param.media else problems[0].nearest
        fields[param.name] = value
    known = {param.name: fields[param.name] for param in mode.params if fields.get(param.name) is not None}
    return Order(found.id, found.model, mode, known, is_task)


VIDEO_INPUT = frozenset(
    (
        *("prompt", "negative_prompt", "audio_url", "img_url", "template", "media", "reference_urls", "function"),
        *("ref_images_url", "video_url", "mask_image_url", "mask_video_url", "mask_frame_id"),
        *("first_frame_url", "last_frame_url", "first_clip_url", "last_clip_url"),
    )
)
INPUT_FIELDS: Mapping[str, frozenset[str]] = {
    "/services/aigc/text2image/image-synthesis": frozenset({"prompt", "negative_prompt", "ref_img"}),
    "/services/aigc/image2image/image-synthesis": frozenset(
        {"prompt", "negative_prompt", "images", "function", "base_image_url", "mask_image_url"}
    ),
    "/services/aigc/video-generation/video-synthesis": VIDEO_INPUT,
    "/services/aigc/image2video/video-synthesis": VIDEO_INPUT | {"image_url"},
}
"""Fields in `input` on the routes that take no messages; the others are in `parameters`."""

WATERMARK_IN_INPUT = frozenset({"video animate"})  # shapes whose pages put the watermark there
EITHER_PLACE = frozenset({"negative_prompt"})  # a page's table says `input`, its own sample `parameters`


def _fields(request: JSON, path: str, watermark_in_input: bool) -> JSON:
    """The request fields in a body, decoded independently of the client's encoders."""
    given, parameters = request["input"], request.get("parameters") or {}
    names = INPUT_FIELDS.get(path)
    if names is not None and watermark_in_input:
        names |= {"watermark"}
    if names is None:
        return {**_message_fields(given), **{name: value for name, value in parameters.items() if name not in MEDIA}}
    if "messages" in given:
        raise invalid("Field required: input.prompt")
    fields = {name: value for name, value in parameters.items() if name not in names or name in EITHER_PLACE}
    fields.update((name, value) for name, value in given.items() if name in names)
    if "images" in fields:
        fields["reference_images"] = fields.pop("images")
    return fields


MEDIA = frozenset({"prompt", "reference_images", "reference_image"})


def _message_fields(given: JSON) -> JSON:
    content = _content(given)
    texts = [item["text"] for item in content if "text" in item]
    pictures = [item["image"] for item in content if "image" in item]
    if len(texts) != 1:
        raise invalid("lack of image or text")
    if not all(isinstance(picture, str) for picture in pictures):
        raise invalid("image format error")
    return {"prompt": texts[0], **({"reference_images": pictures} if pictures else {})}


def _content(given: JSON) -> list[JSON]:
    messages = given.get("messages")
    if messages is None:
        message = 'Either "prompt" or "messages" must exist and cannot both be none'
        raise invalid("No messages found in input" if "prompt" in given else message)
    if not isinstance(messages, list) or len(messages) != 1:
        raise invalid("messages length only support 1")
    content = messages[0].get("content") if isinstance(messages[0], dict) else None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise invalid("Required body invalid, please check the request body format.")
    return content


def _check_stream(mode: Mode, shapes: set[str], fields: JSON, is_stream: bool) -> None:
    """The synchronous route sends interleaved answers only as a stream, which needs header and parameter."""
    streams = any(wire.SHAPES[name].is_stream for name in shapes)
    if streams and fields.get("enable_interleave") is True and not (is_stream and fields.get("stream") is True):
        raise invalid("the parameters must conform to the specification: enable_interleave needs stream.")


def _check_forms(mode: Mode, fields: JSON) -> None:
    """The API takes W*H with an asterisk, and exact names of tiers and ratios; all other forms are the client's."""
    size, sizes = fields.get("size"), mode.param("size")
    names = sizes.size.tiers if sizes and sizes.size else ()
    if isinstance(size, str) and size not in names and not re.fullmatch(r"\d+\*\d+", size):
        if mode.bills == "duration":
            raise _refusal(Problem("size", size, ""), mode)
        raise invalid("the parameters must conform to the specification: size.")
    for name in ("resolution", "ratio"):
        param = mode.param(name)
        if param and name in fields and fields[name] not in param.choices:
            raise _refusal(Problem(name, fields[name], ""), mode)


def _check_presence(mode: Mode, fields: JSON) -> None:
    """Fields without a default of the service are required; the client always sends them."""
    for param in mode.params:
        if param.send is not None and param.default is None and param.choices and param.name not in fields:
            raise invalid(f"Field required: parameters.{param.name}")


def _media_fields(fields: JSON, model: Model, mode: Mode) -> JSON:
    """Split `input.media` into fields for the models that take it, and ignore other media fields."""
    types = wire.SHAPES[mode.task].items if mode.task in wire.SHAPES else ()
    if not types or mode.param("media"):
        return fields
    rest = {name: value for name, value in fields.items() if name == "media" or name not in media_items.FLAT}
    if "media" not in fields and any(not any(param.media for param in each.params) for each in model.modes):
        return rest  # a mode for text alone needs no media
    if not isinstance(fields.get("media"), list) or not fields["media"]:
        raise invalid("Field required: input.media")
    unpacked = media_items.unpack(rest)
    has_other_types = any(isinstance(item, dict) and item.get("type") not in types for item in fields["media"])
    if unpacked.problems or has_other_types:
        names = {param.name for param in model.params}
        own = [f"'{kind}'" for kind in types if media_items.SINGLE.get(kind, media_items.REFERENCES) in names]
        raise invalid(f"Input should be {', '.join(own[:-1])} or {own[-1]}", late=True)
    return unpacked.fields


EXCLUSIVE = (
    "The two modes are mutually exclusive. Do not pass reference_xx and first_frame/last_frame at the same time."
)
MEDIA_SPEC = "the parameters must conform to the specification: media."


def _video_refusal(problem: Problem, field: str, mode: Mode) -> Refusal:
    """The service accepts a video task with most mistakes and fails it later."""
    param = mode.param(field)
    if problem.reason == "excluded":
        return invalid(EXCLUSIVE, late=True)
    if problem.reason == "missing" and wire.SHAPES[mode.task].items and field in media_items.FLAT:
        return invalid(
            "Only first frame provided is not allowed" if field == media_items.REFERENCES else MEDIA_SPEC, late=True
        )
    if problem.reason == "missing":
        return invalid(f"Field required: input.{field}")
    if field == "obj_or_bg":
        return invalid("ref_images_url and obj_or_bg must be the same length.")
    if param and param.size:
        sizes = [size for preset in param.size.presets.values() for size in preset]
        return invalid(f"size must be in {','.join(sizes)}", late=True)
    if field == "duration" and param and param.choices == (5,):
        return invalid("duration customization is not supported", late=True)
    bounds = re.match(r"(\d+) to (\d+)", problem.allowed)
    if field == "duration" and bounds:
        return invalid(f"Duration should be between {bounds[1]} and {bounds[2]}", late=True)
    if param and param.choices:
        return invalid("Input should be " + " or ".join(f"'{choice}'" for choice in param.choices), late=True)
    return invalid(f"the parameters must conform to the specification: {problem.path}.", late=True)


def _refusal(problem: Problem, mode: Mode) -> Refusal:
    """The service's answer for a problem that our own check found."""
    field = problem.path.partition("[")[0]
    param = mode.param(field)
    if mode.bills == "duration":
        return _video_refusal(problem, field, mode)
    if param and field == "n" and param.high == 1:
        return invalid("num_images_per_prompt must be 1")
    if param and field == "n":
        return invalid(f"Range of n should be [{param.low:g}, {param.high:g}]")
    if param and param.size and param.size.fixed and mode.task:
        sizes = [size for preset in param.size.presets.values() for size in preset]
        return invalid(f"The size is not match the allowed size {sizes}", late=True)
    if problem.reason == "missing" and param and (field == "prompt" or param.media):
        return invalid("lack of image or text")
    if problem.reason == "pixels":
        return invalid("the size of input image is too small or too large.")
    if problem.reason in ("file", "format", "type", "weight") and param and param.media:
        return invalid("Invalid image format or corrupted file")
    return invalid(f"the parameters must conform to the specification: {problem.path}.")
