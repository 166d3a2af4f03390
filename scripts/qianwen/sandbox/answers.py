"""What a finished order answers: how many pictures of which size, and the layout of each model family's reply."""

from __future__ import annotations

import math
from typing import Any, Callable, Iterator, Mapping

from ..media import Facts
from ..models.catalog import Size
from ..models.sizes import pixels_of
from ..models.wire import SHAPES
from ..record import record
from .rules import Order

JSON = dict[str, Any]
Publish = Callable[[int, int, str, int, int], str]
"""(width, height, model id, index, count) → the URL of a picture that now exists."""

STEPS = (
    "Prepare the materials.",
    "Work on the first part.",
    "Look at it from all sides.",
    "Add the details.",
    "Finish.",
)


@record
class Made:
    urls: list[str]
    width: int
    height: int
    input_seconds: float = 0


def make(order: Order, facts: Facts | None, publish: Publish) -> Made:
    """The pictures of an order. `facts` are those of its last input picture, whose ratio may decide the size."""
    if order.mode.bills == "duration":
        clip = order.mode.bills_clips and facts and facts.seconds
        return Made([publish(0, 0, order.model_id, 0, 1)], 0, 0, float(facts.seconds) if clip and facts else 0)
    width, height = size_of(order, facts)
    count = _count(order)
    urls = [publish(width, height, order.model_id, index, count) for index in range(count)]
    return Made(urls, width, height)


def size_of(order: Order, facts: Facts | None) -> tuple[int, int]:
    """The output size in pixels: as asked, by the shorthand, or after the last input picture."""
    param = order.mode.param("size")
    rule = param.size if param and param.size else Size(default="1024*1024", follows=1024 * 1024)
    asked = order.fields.get("size")
    if asked and asked not in rule.tiers:
        width, height = pixels_of(asked)
        return (_snap(width, rule.snap), _snap(height, rule.snap)) if rule.snap > 1 else (width, height)
    tier = asked or rule.default
    follows = rule.follows and facts and facts.width
    area = rule.tiers.get(tier) or (rule.follows if follows else None)
    if area is None:
        return pixels_of(rule.default)
    shape = facts.width / facts.height if follows and facts else 1.0
    return _snap(math.sqrt(area * shape), 16), _snap(math.sqrt(area / shape), 16)


def _snap(side: float, step: int) -> int:
    return max(round(side / step), 1) * step


def _count(order: Order) -> int:
    bills = order.mode.bills
    param = order.mode.param(bills)
    default = param.default if param else 1
    count = order.fields.get(bills, default)
    return count if isinstance(count, int) else 1


# Layouts --------------------------------------------------------------------------------------------------


def body(order: Order, made: Made) -> JSON:
    """`output` and `usage` of the final answer."""
    if order.mode.bills == "duration":
        return _video(order, made)
    if order.is_task and not SHAPES[order.mode.task].takes_messages:
        return _results(order, made)
    if order.mode.interleaved:
        return _wan(order, made, [_interleaved(made.urls)])
    return _MESSAGES[order.family](order, made)


def frames(order: Order, made: Made) -> Iterator[JSON]:
    """The frames of a streamed interleaved answer: text in increments, each picture whole."""
    items = _interleaved(made.urls)
    done = 0
    for index, item in enumerate(items):
        last = index == len(items) - 1
        pieces = _halves(item) if item["type"] == "text" else [item]
        for number, piece in enumerate(pieces):
            done += piece["type"] == "image"
            choice = {
                "message": {"content": [piece], "role": "assistant"},
                "finish_reason": "stop" if last and number == len(pieces) - 1 else "null",
            }
            size = f"{made.width}*{made.height}" if done else "0*0"
            yield {"output": {"choices": [choice], "finished": last}, "usage": _wan_usage(done, size, 28 + index)}


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


def _wan(order: Order, made: Made, contents: list[list[JSON]]) -> JSON:
    output = {"choices": [_choice(content) for content in contents], "finished": True}
    return {"output": output, "usage": _wan_usage(len(made.urls), f"{made.width}*{made.height}", 0)}


def _wan_usage(count: int, size: str, tokens: int) -> JSON:
    return {"image_count": count, "size": size, "input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}


def _wan26(order: Order, made: Made) -> JSON:
    """One choice for each picture."""
    return _wan(order, made, [[item] for item in _typed(made.urls)])


def _wan27(order: Order, made: Made) -> JSON:
    """A set is one choice with all its pictures."""
    if order.mode.name == "sequential":
        return _wan(order, made, [_typed(made.urls)])
    return _wan26(order, made)


def _qwen(order: Order, made: Made) -> JSON:
    """One choice with untyped items; the series of five sizes also counts what succeeded."""
    output: JSON = {"choices": [_choice([{"image": url} for url in made.urls])]}
    param = order.mode.param("size")
    if param and param.size and param.size.fixed:
        output["task_metric"] = {"TOTAL": len(made.urls), "SUCCEEDED": len(made.urls), "FAILED": 0}
    return {"output": output, "usage": {"height": made.height, "image_count": len(made.urls), "width": made.width}}


def _z_image(order: Order, made: Made) -> JSON:
    """The prompt comes back as a text item; rewriting it costs tokens and leaves its reasons."""
    extended = order.fields.get("prompt_extend") is True
    prompt = order.fields["prompt"]
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
    """The older task family: one result for each picture, no size."""
    results = []
    for url in made.urls:
        result = {"orig_prompt": order.fields.get("prompt", ""), "url": url}
        if order.mode.param("prompt_extend") and order.fields.get("prompt_extend") is not False:
            result["actual_prompt"] = f"{order.fields.get('prompt', '')}, in soft light, wide shot"
        results.append(result)
    metrics = {"TOTAL": len(results), "SUCCEEDED": len(results), "FAILED": 0}
    return {"output": {"results": results, "task_metrics": metrics}, "usage": {"image_count": len(results)}}


def _video(order: Order, made: Made) -> JSON:
    """One clip; what `usage` says differs by generation."""
    fields = order.fields
    output: JSON = {"video_url": made.urls[0], "orig_prompt": fields.get("prompt", "")}
    seconds = fields.get("duration") or 5
    tier = str(fields.get("resolution", "720P")).rstrip("P")
    newer: JSON = {
        "duration": made.input_seconds + seconds,
        "input_video_duration": made.input_seconds,
        "output_video_duration": seconds,
        "video_count": 1,
        "SR": int(tier) if tier.isdigit() else 720,
    }
    if order.family in ("wan2.7", "wan3.0", "happyhorse"):
        usage = {**newer, "ratio": fields.get("ratio", "16:9")} if order.mode.param("ratio") else newer
    elif order.family == "wan2.6":
        usage = {**newer, "size": fields.get("size", "1920*1080")} if order.mode.param("size") else newer
        usage = {**usage, "audio": fields.get("audio", True)} if order.mode.param("audio") else usage
    elif order.mode.param("size") and order.mode.name == "t2v":
        usage = {"video_duration": seconds, "video_ratio": fields.get("size", "1920*1080"), "video_count": 1}
    elif order.mode.name == "i2v" and not order.family.endswith("2.1"):
        usage = {"duration": seconds, "SR": newer["SR"], "video_count": 1}
    else:
        usage = {"video_duration": seconds, "video_ratio": "standard", "video_count": 1}
    return {"output": output, "usage": usage}


_MESSAGES: Mapping[str, Callable[[Order, Made], JSON]] = {
    "wan2.7": _wan27,
    "wan2.6": _wan26,
    "qwen-image": _qwen,
    "z-image": _z_image,
}


def lose_last(answer: JSON, code: str, message: str) -> None:
    """Turn a whole answer into a partial one: its last picture failed."""
    output, usage = answer["output"], answer["usage"]
    usage["image_count"] -= 1
    if "results" in output:
        output["results"][-1] = {"code": code, "message": message}
        output["task_metrics"].update(SUCCEEDED=usage["image_count"], FAILED=1)
    elif len(output["choices"]) > 1:
        output["choices"].pop()
    else:
        output["choices"][0]["message"]["content"].pop()
