"""How a request goes on the wire: one short encoder per shape, one decoder per answer layout. No model names here.

A shape is found by the key that a `Mode` names. The encoder gets values that `validate` has proven allowed and
turns them into the API's JSON; where the pieces go (`input` or `parameters`) is the shape's business.
"""

from __future__ import annotations

import re

from ..record import record
from .media_items import FLAT, as_list, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping

    from .catalog import Values

    JSON = dict[str, Any]


@record
class Call:
    """What is posted: `path` below the native base, the JSON `body`, and how the answer comes back."""

    path: str
    body: JSON
    is_task: bool
    is_stream: bool


@record
class Shape:
    """always_parameters: the envelope of the page has them, so an empty object is sent rather than none."""

    path: str
    input: Callable[[Values, bool], JSON]
    in_input: frozenset[str] = frozenset()
    is_task: bool = False
    is_stream: bool = False
    always_parameters: bool = False

    @property
    def takes_messages(self) -> bool:
        return self.input is _message


@record
class Failure:
    """One picture of a result that was not made: its number (from 1) and the service's words."""

    number: int
    code: str
    message: str


@record
class Result:
    """What a final answer holds. `content` keeps texts and pictures in their order when they were interleaved."""

    urls: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    content: tuple[JSON, ...] = ()
    width: int | None = None
    height: int | None = None


# Encoders -------------------------------------------------------------------------------------------------

MESSAGE_FIELDS = frozenset({"prompt", "reference_images"})
PROMPT_FIELDS = frozenset({"prompt", "negative_prompt", "ref_img"})
IMAGES_FIELDS = frozenset({"prompt", "negative_prompt", "reference_images"})
FUNCTION_FIELDS = frozenset({"function", "prompt", "base_image_url", "mask_image_url"})


def _message(values: Values, text_first: bool) -> JSON:
    text = [{"text": values["prompt"]}]
    pictures = [{"image": url} for url in as_list(values.get("reference_images"))]
    content = text + pictures if text_first else pictures + text
    return {"messages": [{"role": "user", "content": content}]}


def _flat(names: frozenset[str]) -> Callable[[Values, bool], JSON]:
    return lambda values, _text_first: {name: values[name] for name in values if name in names}


def _prompt_and_images(values: Values, text_first: bool) -> JSON:
    fields = _flat(PROMPT_FIELDS)(values, text_first)
    return {**fields, "images": as_list(values.get("reference_images"))}


def _video_media(values: Values, text_first: bool) -> JSON:
    return {**_flat(VIDEO_FIELDS - FLAT)(values, text_first), "media": pack(values)}


VIDEO_FIELDS = frozenset(
    (
        *("prompt", "negative_prompt", "audio_url", "img_url", "video_url", "reference_urls", "function", "template"),
        *("first_frame_url", "last_frame_url", "first_clip_url", "last_clip_url"),
        *("ref_images_url", "mask_image_url", "mask_video_url", "mask_frame_id"),
    )
)

GENERATION = "/services/aigc/multimodal-generation/generation"

VIDEO_GENERATION = "/services/aigc/video-generation/video-synthesis"

SHAPES: Mapping[str, Shape] = {
    "messages": Shape(GENERATION, _message, MESSAGE_FIELDS),
    "messages stream": Shape(GENERATION, _message, MESSAGE_FIELDS, is_stream=True),
    "messages task": Shape("/services/aigc/image-generation/generation", _message, MESSAGE_FIELDS, is_task=True),
    "text2image": Shape("/services/aigc/text2image/image-synthesis", _flat(PROMPT_FIELDS), PROMPT_FIELDS, is_task=True),
    "image2image": Shape("/services/aigc/image2image/image-synthesis", _prompt_and_images, IMAGES_FIELDS, is_task=True),
    "image2image function": Shape(
        "/services/aigc/image2image/image-synthesis", _flat(FUNCTION_FIELDS), FUNCTION_FIELDS, is_task=True
    ),
    "video": Shape(VIDEO_GENERATION, _flat(VIDEO_FIELDS), VIDEO_FIELDS, is_task=True, always_parameters=True),
    "video media": Shape(
        VIDEO_GENERATION, _video_media, VIDEO_FIELDS | FLAT | {"media"}, is_task=True, always_parameters=True
    ),
    "video frames": Shape(
        "/services/aigc/image2video/video-synthesis",
        _flat(VIDEO_FIELDS),
        VIDEO_FIELDS,
        is_task=True,
        always_parameters=True,
    ),
}


def encode(shape: str, model_id: str, values: Values, text_first: bool = False) -> Call:
    """The call for checked values. Fields that the shape does not place in `input` go to `parameters`."""
    how = SHAPES[shape]
    body: JSON = {"model": model_id, "input": how.input(values, text_first)}
    parameters = {name: value for name, value in values.items() if name not in how.in_input}
    if parameters or how.always_parameters:
        body["parameters"] = parameters
    return Call(how.path, body, how.is_task, how.is_stream)


def has_texts(body: JSON) -> bool:
    return any(item["type"] == "text" for item in decode(body, interleaved=True).content)


def task_id(body: JSON) -> str:
    """The id of a task that was accepted, "" when the answer names none."""
    found = _dict(body.get("output")).get("task_id")
    return found if isinstance(found, str) else ""


# Decoders -------------------------------------------------------------------------------------------------


def decode(body: JSON, interleaved: bool = False) -> Result:
    """The pictures or the video of a final answer, whichever of the documented layouts it has.

    `interleaved` says that text items are content; otherwise they are the service's remarks (a rewritten prompt).
    """
    output = _dict(body.get("output"))
    urls: list[str] = []
    failures: list[Failure] = []
    content: list[JSON] = []
    for layout, read in LAYOUTS.items():
        for item in read(output.get(layout)):
            if isinstance(item, Failure):
                failures.append(item)
            elif "image" in item and layout == "results" and item["image"] in urls:
                continue  # the older layout repeats the newer one
            elif "image" in item:
                urls.append(item["image"])
                content.append({"type": "image", "image": item["image"]})
            else:
                content.append({"type": "text", "text": item["text"]})
    width, height = _pixels(_dict(body.get("usage")))
    return Result(tuple(urls), tuple(failures), tuple(content) if interleaved else (), width, height)


def _from_choices(choices: object) -> Iterable[JSON | Failure]:
    """Every image of every choice; models differ in whether several pictures share a choice."""
    for choice in as_list(choices):
        for item in as_list(_dict(_dict(choice).get("message")).get("content")):
            if isinstance(item, dict) and isinstance(item.get("image"), str):
                yield {"image": item["image"]}
            elif isinstance(item, dict) and isinstance(item.get("text"), str):
                yield {"text": item["text"]}


def _from_results(results: object) -> Iterable[JSON | Failure]:
    for number, item in enumerate(as_list(results), 1):
        fields = _dict(item)
        if isinstance(fields.get("url"), str):
            yield {"image": fields["url"]}
        elif "code" in fields or "message" in fields:
            yield Failure(number, str(fields.get("code", "")), str(fields.get("message", "")))


def _from_video(url: object) -> Iterable[JSON | Failure]:
    if isinstance(url, str) and url:
        yield {"image": url}


LAYOUTS: Mapping[str, Callable[[object], Iterable[JSON | Failure]]] = {
    "video_url": _from_video,
    "choices": _from_choices,
    "results": _from_results,
}


def _pixels(usage: JSON) -> tuple[int | None, int | None]:
    width, height = usage.get("width"), usage.get("height")
    if type(width) is int and type(height) is int:
        return width, height
    sides = re.fullmatch(r"([1-9][0-9]{0,5})\*([1-9][0-9]{0,5})", str(usage.get("size", "")))
    return (int(sides[1]), int(sides[2])) if sides else (None, None)


def _dict(value: object) -> JSON:
    return value if isinstance(value, dict) else {}


# Streams --------------------------------------------------------------------------------------------------


class StreamedAnswer:
    """The answer of a stream, put together frame by frame: text increments joined, pictures in place, last usage.

    A frame costs time in proportion to its own length, however many came before it.
    """

    def __init__(self) -> None:
        self._fields: JSON = {}
        self._finish_reason: object = None
        self._content: list[tuple[str, list[str]]] = []  # ("text", its increments) or ("image", [its link])

    def add(self, frame: JSON) -> list[str]:
        """Take the next frame; returns the links of the pictures in it."""
        self._fields.update((key, frame[key]) for key in ("request_id", "usage") if key in frame)
        choices = _dict(frame.get("output")).get("choices")
        for choice in as_list(choices):
            self._finish_reason = _dict(choice).get("finish_reason") or self._finish_reason
        new = []
        for piece in _from_choices(choices):
            if isinstance(piece, Failure):
                continue
            if "image" in piece:
                self._content.append(("image", [piece["image"]]))
                new.append(piece["image"])
            elif self._content and self._content[-1][0] == "text":
                self._content[-1][1].append(piece["text"])
            else:
                self._content.append(("text", [piece["text"]]))
        return new

    @property
    def is_finished(self) -> bool:
        """Whether the service said that the answer is complete. `output.finished` is true in frames before that."""
        return self._finish_reason == "stop"

    def body(self) -> JSON:
        """What has come so far, as one answer in the layout of `choices`. Takes time in proportion to all of it."""
        content = [{"type": kind, kind: "".join(parts)} for kind, parts in self._content]
        choice = {"finish_reason": self._finish_reason, "message": {"role": "assistant", "content": content}}
        return {**self._fields, "output": {"choices": [choice], "finished": self.is_finished}}
