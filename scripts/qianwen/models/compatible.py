"""The OpenAI-compatible form of a picture request, in which DesireCore's providers take it.

Two routes are known. The documented pair of models is asked as in a chat; every other id, which is the provider's own
(gpt-image-2), by the plain route of newer DesireCore. Text alone travels: nothing else is documented for them.
"""

from __future__ import annotations

import math

from ..errors import Problem
from .catalog import Catalog, Default, Found, Size, says_something
from .wire import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .catalog import Values

    JSON = dict[str, Any]

FIELDS = ("prompt", "size", "n")
CHAT_MODELS = ("wan2.7-image", "wan2.7-image-pro")
DEFAULT = Default(CHAT_MODELS[0])
DEFAULT_SIZE = "1024*1024"
CHAT = "/chat/completions"
PLAIN = "/images/generations"


def sorted_out(catalog: Catalog, fields: Values) -> tuple[dict[str, Any], list[Problem], list[str]]:
    """What of the user's fields can travel, why some of the others refuse the request, and warnings for the rest.

    A field that the catalogue does not know stays, for `validate` to judge.
    """
    params = (param for model in catalog.models for mode in model.modes for param in mode.params)
    vocabulary = {name: param for param in params for name in (param.name, *param.also)}
    kept: dict[str, Any] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    for name, value in fields.items():
        param = vocabulary.get(name)
        if name in FIELDS or param is None:
            kept[name] = value
        elif says_something(value) and (param.media or param.essential):
            message = "does not travel through DesireCore; leave --via out to send it to DashScope itself"
            problems.append(Problem(name, value, message, ", ".join(FIELDS), reason="not taken"))
        else:
            warnings.append(f"DesireCore passes no {name} on; it is left out")
    return kept, problems, warnings


def model_problem(found: Found) -> Problem | None:
    """Why a model of ours cannot be had this way. An id that we do not know may be the provider's own."""
    if not found.exact or found.model.id in CHAT_MODELS:
        return None
    allowed = f"{' or '.join(CHAT_MODELS)}, or an id of the provider's own"
    return Problem("model", found.id, "is not made through DesireCore", allowed, DEFAULT.model, reason="not taken")


def encode(found: Found, values: Values, size: Size | None) -> Call:
    """The call for checked values; `path` is relative to the compatible base of whatever provider gets it."""
    prompt, rest = values["prompt"], {name: value for name, value in values.items() if name != "prompt"}
    rest["size"] = _in_pixels(str(rest.get("size") or DEFAULT_SIZE), size)
    if not found.exact:
        return Call(PLAIN, {"model": found.id, "prompt": prompt, **rest}, is_task=False, is_stream=False)
    messages = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
    return Call(CHAT, {"model": found.id, **rest, "messages": messages}, is_task=False, is_stream=False)


def _in_pixels(size: str, rule: Size | None) -> str:
    """A size with the letter x. A tier such as 2K has no spelling here and becomes the square of its area."""
    area = rule.tiers.get(size) if rule else None
    if area:
        size = f"{math.isqrt(area)}*{math.isqrt(area)}"
    return size.replace("*", "x")
