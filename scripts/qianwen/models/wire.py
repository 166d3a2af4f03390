"""How a request goes on the wire: one short encoder per shape, one decoder per answer layout. No model names here.

A `Mode` names its shape by key. The encoder gets values that `validate` has accepted and turns them into the API's
JSON; the shape decides what goes to `input` and what to `parameters`.
"""

from __future__ import annotations

from ..plain.record import record
from . import results
from .media_items import FLAT, IMAGE, KINDS, REFERENCES, TYPES, VIDEO, VOICES, as_dict, as_list, listed, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping

    from .catalog import Values

    JSON = dict[str, Any]

MOST_RESULTS = 100  # of one answer; no model makes more than 12
MOST_SECONDS = 1e6  # of video in one answer


@record
class Call:
    """What is posted: `path` below the native base, the JSON `body`, and how the answer comes back."""

    path: str
    body: JSON
    is_task: bool
    is_stream: bool


@record
class Shape:
    """always_parameters: the envelope of the page has them, so an empty object is sent rather than none.

    entries: fields whose entries are placed one by one.  items: the types of items of its `media` array, if it has one.
    """

    path: str
    input: Callable[[Values, bool], JSON]
    in_input: frozenset[str] = frozenset()
    is_task: bool = False
    is_stream: bool = False
    always_parameters: bool = False
    entries: frozenset[str] = frozenset()
    items: tuple[str, ...] = ()

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
    """What a final answer holds. `content` keeps texts and pictures in their order when they were interleaved.

    urls: a picture that came inside the answer has a name instead.  inline: their base64, by that name.
    body: the answer in the native layout, without the base64.  odd_places: undocumented places where links were found.
    left_out: how many results the answer names beyond the `MOST_RESULTS` that `urls` has.
    """

    urls: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    content: tuple[JSON, ...] = ()
    width: int | None = None
    height: int | None = None
    inline: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}
    odd_places: tuple[str, ...] = ()
    left_out: int = 0


# Encoders -------------------------------------------------------------------------------------------------

MESSAGE_FIELDS = frozenset({"prompt", "reference_images"})
PROMPT_FIELDS = frozenset({"prompt", "negative_prompt", "ref_img"})
IMAGES_FIELDS = frozenset({"prompt", "negative_prompt", "reference_images"})
FUNCTION_FIELDS = frozenset({"function", "prompt", "base_image_url", "mask_image_url"})


def _message(values: Values, text_first: bool) -> JSON:
    """One message; none when there is no prompt and no picture, which only a model without a row allows."""
    text = [{"text": values["prompt"]}] if "prompt" in values else []
    pictures = [{"image": url} for url in listed(values, "reference_images")]
    content = text + pictures if text_first else pictures + text
    return {"messages": [{"role": "user", "content": content}]} if content else {}


def _flat(names: frozenset[str]) -> Callable[[Values, bool], JSON]:
    return lambda values, _text_first: {name: values[name] for name in values if name in names}


def _prompt_and_images(values: Values, text_first: bool) -> JSON:
    fields = _flat(PROMPT_FIELDS)(values, text_first)
    return {**fields, "images": listed(values, "reference_images")}


def _packed(types: tuple[str, ...]) -> Callable[[Values, bool], JSON]:
    def encoder(values: Values, text_first: bool) -> JSON:
        fields, media = _flat(VIDEO_FIELDS - FLAT)(values, text_first), pack(values, types)
        return {**fields, "media": media} if media != [] or "media" in values else fields

    return encoder


VIDEO_FIELDS = frozenset(
    (
        *("prompt", "negative_prompt", "audio_url", "img_url", "video_url", "reference_urls", "function", "template"),
        *("first_frame_url", "last_frame_url", "first_clip_url", "last_clip_url"),
        *("ref_images_url", "mask_image_url", "mask_video_url", "mask_frame_id"),
    )
)
ANIMATE_FIELDS = frozenset({"image_url", "video_url", "audio_url", "watermark"})
AS_GIVEN_FIELDS = frozenset({"prompt", "media"})
WHOLE = ("input", "parameters")
"""The two objects of a body. They may be given whole for a model without a row; a field of its own wins over them."""

PICTURES = frozenset({"reference_images"})

GENERATION = "/services/aigc/multimodal-generation/generation"

VIDEO_GENERATION = "/services/aigc/video-generation/video-synthesis"


def _with_items(*types: str) -> Shape:
    return Shape(
        VIDEO_GENERATION,
        _packed(types),
        VIDEO_FIELDS | FLAT | {"media"},
        is_task=True,
        always_parameters=True,
        entries=frozenset({REFERENCES, VOICES, TYPES}),
        items=types,
    )


SHAPES: Mapping[str, Shape] = {
    "messages": Shape(GENERATION, _message, MESSAGE_FIELDS, entries=PICTURES),
    "messages stream": Shape(GENERATION, _message, MESSAGE_FIELDS, is_stream=True, entries=PICTURES),
    "messages task": Shape(
        "/services/aigc/image-generation/generation", _message, MESSAGE_FIELDS, is_task=True, entries=PICTURES
    ),
    "text2image": Shape("/services/aigc/text2image/image-synthesis", _flat(PROMPT_FIELDS), PROMPT_FIELDS, is_task=True),
    "image2image": Shape(
        "/services/aigc/image2image/image-synthesis", _prompt_and_images, IMAGES_FIELDS, is_task=True, entries=PICTURES
    ),
    "image2image function": Shape(
        "/services/aigc/image2image/image-synthesis", _flat(FUNCTION_FIELDS), FUNCTION_FIELDS, is_task=True
    ),
    "video": Shape(
        VIDEO_GENERATION,
        _flat(VIDEO_FIELDS | {"media"}),
        VIDEO_FIELDS | {"media"},
        is_task=True,
        always_parameters=True,
    ),
    "video as given": Shape(VIDEO_GENERATION, _flat(AS_GIVEN_FIELDS), AS_GIVEN_FIELDS, is_task=True),
    "video media": _with_items("first_frame", "last_frame", "driving_audio", "first_clip", "video", IMAGE, VIDEO),
    "video references": _with_items("first_frame", "last_frame", *KINDS, "file", "link"),
    "video animate": Shape(
        "/services/aigc/image2video/video-synthesis",
        _flat(ANIMATE_FIELDS),
        ANIMATE_FIELDS,
        is_task=True,
        always_parameters=True,
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
    whole = {name: value for name in WHOLE if isinstance(value := values.get(name), dict)}
    fields = {name: value for name, value in values.items() if name not in whole}
    body: JSON = {"model": model_id, "input": {**whole.get("input", {}), **how.input(fields, text_first)}}
    parameters = {name: value for name, value in fields.items() if name not in how.in_input}
    parameters = {**whole.get("parameters", {}), **parameters}
    if parameters or how.always_parameters:
        body["parameters"] = parameters
    return Call(how.path, body, how.is_task, how.is_stream)


def has_texts(body: JSON) -> bool:
    return any(item["type"] == "text" for item in decode(body, interleaved=True).content)


def said(body: Mapping[str, Any]) -> tuple[str, str]:
    """(the words of a final answer, why the model stopped), "" for none: all that explains a missing result."""
    output = as_dict(body.get("output"))
    choices = [as_dict(choice) for choice in as_list(output.get("choices"))]
    words = [item["text"] for item in decode(dict(body), interleaved=True).content if item["type"] == "text"]
    plain = [as_dict(choice.get("message")).get("content") for choice in choices]  # a gateway's text without a list
    texts = [output.get("message"), output.get("text"), *words, *plain]
    reasons = [choice.get("finish_reason") for choice in choices]
    return (
        " ".join(" ".join(text.split()) for text in texts if isinstance(text, str)).strip(),
        next((reason for reason in reasons if isinstance(reason, str) and reason not in ("", "stop", "null")), ""),
    )


def has_result(body: JSON) -> bool:
    """Whether an answer has a picture or a video, or says why one was not made."""
    result = decode(body)
    return bool(result.urls or result.failures)


def task_id(body: JSON) -> str:
    """The id of a task that was accepted, "" when the answer names none."""
    found = as_dict(body.get("output")).get("task_id") or body.get("task_id")
    return str(found).strip() if isinstance(found, (str, int)) and not isinstance(found, bool) else ""


def billed_seconds(body: Mapping[str, Any]) -> float:
    """The seconds of video that an answer says were billed, 0 where it says nothing.

    Newer models count them in `duration`, input clips included, and older ones in `video_duration`.
    """
    usage = as_dict(body.get("usage"))
    told = [usage.get("duration"), usage.get("video_duration")]
    numbers = [value for value in told if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return next((value for value in numbers if 0 < value < MOST_SECONDS), 0)


# Decoders -------------------------------------------------------------------------------------------------


def decode(body: JSON, interleaved: bool = False) -> Result:
    """The pictures or the video of a final answer, whichever of the documented layouts it has.

    `interleaved` says that text items are content; otherwise they are the service's remarks (a rewritten prompt).
    """
    body, inline = results.native(body)
    output = as_dict(body.get("output"))
    urls: list[str] = []
    failures: list[Failure] = []
    content: list[JSON] = []
    left_out = 0
    for layout, read in LAYOUTS.items():
        if urls and layout in ALONE:
            continue
        for item in read(output.get(layout)):
            if isinstance(item, Failure):
                failures += [item] if len(failures) < MOST_RESULTS else []
            elif "image" in item and layout == "results" and item["image"] in urls:
                continue  # the older layout repeats the newer one
            elif "image" in item and len(urls) == MOST_RESULTS:
                left_out += 1
            elif "image" in item:
                urls.append(item["image"])
                content.append({"type": "image", "image": item["image"]})
            else:
                content.append({"type": "text", "text": item["text"]})
    odd = {} if urls or failures else dict(_odd(body))
    content += [{"type": "image", "image": url} for url in odd]
    width, height = _pixels(as_dict(body.get("usage")))
    shown = tuple(content) if interleaved else ()
    return Result((*urls, *odd), tuple(failures), shown, width, height, inline, body, tuple(odd.values()), left_out)


def _odd(body: JSON) -> Iterable[tuple[str, str]]:
    """URL and place of every link in an undocumented place, each URL once."""
    places: dict[str, str] = {}
    for path, url in results.elsewhere(body):
        if len(places) < results.MOST_LINKS:
            places.setdefault(url, path)
    return places.items()


def _from_choices(choices: object) -> Iterable[JSON]:
    """Every image of every choice; models differ in whether several pictures share a choice."""
    for choice in as_list(choices):
        for item in as_list(as_dict(as_dict(choice).get("message")).get("content")):
            if isinstance(item, dict) and isinstance(item.get("image"), str):
                yield {"image": item["image"]}
            elif isinstance(item, dict) and isinstance(item.get("text"), str):
                yield {"text": item["text"]}


def _from_results(entries: object) -> Iterable[JSON | Failure]:
    """A list of results, or the one object that the animating models answer (page wan-animate-move-api)."""
    for number, item in enumerate([entries] if isinstance(entries, dict) else as_list(entries), 1):
        fields = as_dict(item)
        link = results.link_in(fields)
        if link:
            yield {"image": link}
        elif "code" in fields or "message" in fields:
            yield Failure(number, str(fields.get("code", "")), str(fields.get("message", "")))


def _from_link(url: object) -> Iterable[JSON | Failure]:
    if isinstance(url, str) and url:
        yield {"image": url}


# `image_url` is that of qwen-mt-image, the two last are those of the older tools (pages of the same names).
LAYOUTS: Mapping[str, Callable[[object], Iterable[JSON | Failure]]] = {
    "video_url": _from_link,
    "choices": _from_choices,
    "results": _from_results,
    "output_video_url": _from_link,
    "output_image_url": _from_link,
    "image_url": _from_link,
}
ALONE = ("output_video_url", "output_image_url", "image_url")  # next to another result they may repeat the request


def _pixels(usage: JSON) -> tuple[int | None, int | None]:
    width, height = (usage.get(side) or usage.get(f"output_{side}") for side in ("width", "height"))
    if type(width) is int and type(height) is int:
        return width, height
    sides = str(usage.get("size", "")).split("*")
    if len(sides) == 2 and all(map(_is_side, sides)):
        return int(sides[0]), int(sides[1])
    return None, None


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 6


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
        choices = as_dict(frame.get("output")).get("choices")
        for choice in as_list(choices):
            self._finish_reason = as_dict(choice).get("finish_reason") or self._finish_reason
        new = []
        for piece in _from_choices(choices):
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
        """What has arrived so far, as one answer in the layout of `choices`. Takes time in proportion to all of it."""
        content = [{"type": kind, kind: "".join(parts)} for kind, parts in self._content]
        choice = {"finish_reason": self._finish_reason, "message": {"role": "assistant", "content": content}}
        return {**self._fields, "output": {"choices": [choice], "finished": self.is_finished}}
