"""The final answer to an order, in the layout of its model family."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping

from ..models.wire import SHAPES
from ..plain.record import record
from . import measures
from .measures import Clip, Inputs, Seconds
from .rules import Order

JSON = dict[str, Any]
Publish = Callable[[int, int, str, int, int], str]
"""(width, height, model id, index, count) → the URL of a new picture."""
Film = Callable[[Clip], str]
"""The same for a video."""

MOST_OF_1K = 2_250_000  # pixels
STEPS = (
    "Prepare the materials.",
    "Work on the first part.",
    "Look at it from all sides.",
    "Add the details.",
    "Finish.",
)


@record
class Made:
    """The results of an order: pictures of one size, or one clip."""

    urls: list[str]
    width: int
    height: int
    clip: Clip | None = None


def make(order: Order, inputs: Inputs, publish: Publish, film: Film) -> Made:
    """Make the pictures or the video of an order."""
    if order.mode.bills == "duration":
        clip = measures.clip(order, inputs)
        return Made([film(clip)], clip.width, clip.height, clip)
    width, height = measures.picture_size(order, inputs)
    count = _count(order)
    return Made([publish(width, height, order.model_id, index, count) for index in range(count)], width, height)


def _count(order: Order) -> int:
    param = order.mode.param(order.mode.bills)
    count = order.fields.get(order.mode.bills, param.default if param else 1)
    return count if isinstance(count, int) else 1


# Layouts --------------------------------------------------------------------------------------------------


def body(order: Order, made: Made) -> JSON:
    """`output` and `usage` of the final answer."""
    if made.clip:
        return _video(order, made.urls[0], made.clip)
    if order.is_task and not SHAPES[order.mode.task].takes_messages:
        return _results(order, made)
    if order.mode.interleaved:
        return _wan(made, [_interleaved(made.urls)])
    return LAYOUTS[order.mode.answer](order, made)


def frames(order: Order, made: Made) -> Iterator[JSON]:
    """The frames of a streamed interleaved answer: text in increments, each picture in one frame."""
    items = _interleaved(made.urls)
    pictures = 0
    for index, item in enumerate(items):
        is_last = index == len(items) - 1
        pieces = _halves(item) if item["type"] == "text" else [item]
        for number, piece in enumerate(pieces):
            pictures += piece["type"] == "image"
            choice = {
                "message": {"content": [piece], "role": "assistant"},
                "finish_reason": "stop" if is_last and number == len(pieces) - 1 else "null",
            }
            usage = _wan_usage(pictures, f"{made.width}*{made.height}" if pictures else "0*0", 28 + index)
            yield {"output": {"choices": [choice], "finished": is_last}, "usage": usage}


def _halves(item: JSON) -> list[JSON]:
    middle = len(item["text"]) // 2
    return [{"type": "text", "text": item["text"][:middle]}, {"type": "text", "text": item["text"][middle:]}]


def _interleaved(urls: list[str]) -> list[JSON]:
    items: list[JSON] = []
    for index, url in enumerate(urls):
        items += [
            {"type": "text", "text": f"{index + 1}. {STEPS[index % len(STEPS)]}"},
            {"type": "image", "image": url},
        ]
    return items


def _choice(content: list[JSON], **extra: object) -> JSON:
    return {"finish_reason": "stop", "message": {"role": "assistant", "content": content, **extra}}


def _typed(urls: list[str]) -> list[JSON]:
    return [{"type": "image", "image": url} for url in urls]


def _wan(made: Made, contents: list[list[JSON]]) -> JSON:
    output = {"choices": [_choice(content) for content in contents], "finished": True}
    return {"output": output, "usage": _wan_usage(len(made.urls), f"{made.width}*{made.height}", 0)}


def _wan_usage(count: int, size: str, tokens: int) -> JSON:
    return {"image_count": count, "size": size, "input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}


def _plain(order: Order, made: Made) -> JSON:
    """One choice with untyped items."""
    output: JSON = {"choices": [_choice([{"image": url} for url in made.urls])]}
    return {"output": output, "usage": {"height": made.height, "image_count": len(made.urls), "width": made.width}}


def _counted(order: Order, made: Made) -> JSON:
    """As `_plain`, with a count of the pictures that succeeded."""
    answer = _plain(order, made)
    answer["output"]["task_metric"] = {"TOTAL": len(made.urls), "SUCCEEDED": len(made.urls), "FAILED": 0}
    return answer


def _by_tier(order: Order, made: Made) -> JSON:
    """Items have a type only in a task; output and input pictures are billed by the price tier of the output's area."""
    items = _typed(made.urls) if order.is_task else [{"image": url} for url in made.urls]
    tier = "1k" if made.width * made.height <= MOST_OF_1K else "2k"
    usage = {
        "output_height": made.height,
        "output_width": made.width,
        "input_image_count": len(order.fields.get("reference_images", ())),
        "input_image_type": f"qima_input_{tier}",
        "output_image_count": len(made.urls),
        "output_image_type": f"qima_output_{tier}",
    }
    return {"output": {"rewrite_status": "not_use", "choices": [_choice(items)]}, "usage": usage}


def _z_image(order: Order, made: Made) -> JSON:
    """The prompt comes back as a text item; rewriting it uses tokens and returns the reasoning."""
    extended = order.fields.get("prompt_extend") is True
    prompt = order.fields.get("prompt", "")
    text = f"{prompt}, in soft light, wide shot" if extended else prompt
    content: list[JSON] = [{"image": made.urls[0]}, {"text": text}]
    tokens = 120 if extended else 0
    usage: JSON = {"height": made.height, "width": made.width, "image_count": 1}
    usage.update(input_tokens=tokens, output_tokens=tokens, total_tokens=2 * tokens)
    if extended:
        usage["output_tokens_details"] = {"reasoning_tokens": 80}
    reasons = "The prompt is short; light and framing were added." if extended else ""
    return {"output": {"choices": [_choice(content, reasoning_content=reasons)]}, "usage": usage}


def _results(order: Order, made: Made) -> JSON:
    """The older task family: one result a picture, without a size."""
    results = []
    for url in made.urls:
        result = {"orig_prompt": order.fields.get("prompt", ""), "url": url}
        if order.mode.param("prompt_extend") and order.fields.get("prompt_extend") is not False:
            result["actual_prompt"] = f"{order.fields.get('prompt', '')}, in soft light, wide shot"
        results.append(result)
    metrics = {"TOTAL": len(results), "SUCCEEDED": len(results), "FAILED": 0}
    return {"output": {"results": results, "task_metrics": metrics}, "usage": {"image_count": len(results)}}


def _with_prompt(order: Order, url: str) -> JSON:
    """The older models return the rewritten prompt."""
    fields = order.fields
    output: JSON = {"video_url": url, "orig_prompt": fields.get("prompt", "")}
    if order.model.tells_rewriting and fields.get("prompt") and fields.get("prompt_extend") is not False:
        output["actual_prompt"] = f"{fields['prompt']}, in soft light, slow camera"
    return output


VIDEO_LAYOUTS: Mapping[str, Callable[[Order, str], JSON]] = {
    "": _with_prompt,
    "in results": lambda order, url: {"results": {"video_url": url}},
}
"""`answer` of a mode → `output` of the answer about a video."""


def _video(order: Order, url: str, clip: Clip) -> JSON:
    fields = order.fields
    output = VIDEO_LAYOUTS[order.mode.answer](order, url)
    size = f"{clip.width}*{clip.height}"
    usage: JSON = {
        "duration": _rounded(clip.input_seconds + clip.seconds),
        "input_video_duration": _rounded(clip.input_seconds),
        "output_video_duration": _rounded(clip.seconds),
        "video_duration": _rounded(clip.seconds),
        "video_count": 1,
        "SR": int(measures.tier(order)[:-1]),
        "ratio": measures.ratio(order, clip),
        "size": size,
        "video_ratio": QUALITIES.get(fields.get("mode"), size if order.mode.name == "t2v" else "standard"),
        "audio": clip.sound,
        "fps": order.mode.fps,
    }
    return {"output": output, "usage": {name: usage[name] for name in order.mode.usage.split()}}


def _rounded(seconds: Seconds) -> Seconds:
    return seconds if isinstance(seconds, int) else round(seconds, 2)


QUALITIES: Mapping[object, str] = {"wan-std": "standard", "wan-pro": "pro"}
"""`mode` of the animating models → its name in `usage`."""

LAYOUTS: Mapping[str, Callable[[Order, Made], JSON]] = {
    "": _plain,
    "a choice for each picture": lambda order, made: _wan(made, [[item] for item in _typed(made.urls)]),
    "one choice with all pictures": lambda order, made: _wan(made, [_typed(made.urls)]),
    "counted": _counted,
    "by price tier": _by_tier,
    "with the prompt": _z_image,
}
"""`answer` of a mode → the layout of its final answer on the routes that take messages."""


def lose_last(answer: JSON, code: str, message: str) -> None:
    """Make an answer partial: its last picture failed."""
    output, usage = answer["output"], answer["usage"]
    usage["image_count" if "image_count" in usage else "output_image_count"] -= 1
    if "results" in output:
        output["results"][-1] = {"code": code, "message": message}
        output["task_metrics"].update(SUCCEEDED=usage["image_count"], FAILED=1)
    elif len(output["choices"]) > 1:
        output["choices"].pop()
    else:
        output["choices"][0]["message"]["content"].pop()


def metrics(order: Order, state: str) -> JSON:
    """`task_metrics` of a running or failed task in the older task family; empty for all others."""
    if order.mode.bills == "duration" or SHAPES[order.mode.task].takes_messages:
        return {}
    count = _count(order)
    return {"task_metrics": {"TOTAL": count, "SUCCEEDED": 0, "FAILED": count if state == "FAILED" else 0}}
