"""The OpenAI-compatible form of a picture request, which DesireCore's providers accept.

The two documented models use the chat endpoint. Any other id is the provider's own (such as gpt-image-2) and uses the
images endpoint of newer DesireCore. Both send text only: nothing else is documented.
"""

from __future__ import annotations

import math

from ..errors import Problem
from ..models.catalog import Catalog, Default, Found, Size, says_something
from ..models.wire import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..checks.validate import Checked
    from ..models.catalog import Values

    JSON = dict[str, Any]

FIELDS = ("prompt", "size", "n")
CHAT_MODELS = ("wan2.7-image", "wan2.7-image-pro")
DEFAULT = Default(CHAT_MODELS[0])
DEFAULT_SIZE = "1024*1024"
CHAT = "/chat/completions"
IMAGES = "/images/generations"


def split(catalog: Catalog, fields: Values) -> tuple[dict[str, Any], list[Problem], list[str]]:
    """The fields that can be sent, problems for those that must not be dropped, and warnings for the dropped ones.

    Unknown fields are kept, for `validate` to judge.
    """
    vocabulary = catalog.vocabulary
    kept: dict[str, Any] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    for name, value in fields.items():
        param = vocabulary.get(name)
        if name in FIELDS or param is None:
            kept[name] = value
        elif says_something(value) and (param.media or param.essential):
            message = "cannot be sent through DesireCore; leave out --via to send it to DashScope itself"
            problems.append(Problem(name, value, message, ", ".join(FIELDS), reason="not taken"))
        else:
            warnings.append(f"DesireCore does not pass on {name}; it is left out")
    return kept, problems, warnings


def model_problem(found: Found) -> Problem | None:
    """Why DesireCore does not offer a model of the catalogue. An unknown id may be the provider's own."""
    if not found.exact or found.model.id in CHAT_MODELS:
        return None
    allowed = f"{' or '.join(CHAT_MODELS)}, or an id of the provider's own"
    return Problem("model", found.id, "is not available through DesireCore", allowed, DEFAULT.model, reason="not taken")


def encode(checked: Checked) -> Call:
    """The call for a checked request. Its path is relative to the provider's OpenAI-compatible base."""
    prompt, rest = checked.values["prompt"], {name: held for name, held in checked.values.items() if name != "prompt"}
    param = checked.mode.param("size")
    rest["size"] = _in_pixels(str(rest.get("size") or DEFAULT_SIZE), param.size if param else None)
    if not checked.is_known:
        return Call(IMAGES, {"model": checked.id, "prompt": prompt, **rest}, is_task=False, is_stream=False)
    messages = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
    return Call(CHAT, {"model": checked.id, **rest, "messages": messages}, is_task=False, is_stream=False)


def _in_pixels(size: str, rule: Size | None) -> str:
    """A size such as 1024x1024. A tier such as 2K, which has no name here, becomes the square of its area."""
    area = rule.tiers.get(size) if rule else None
    if area:
        size = f"{math.isqrt(area)}*{math.isqrt(area)}"
    return size.replace("*", "x")
