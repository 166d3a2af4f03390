"""What may leave the program: text without secrets and without terminal commands.

Redaction comes before any cutting, so that half a key is never left over. This module imports nothing of ours.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

HIDDEN = "[hidden]"
KEY_NAMES = ("QIANWEN_API_KEY", "QWENCLOUD_API_KEY", "QWEN_API_KEY", "DASHSCOPE_API_KEY")

SHORTEST_SECRET = 16  # a shorter "key" is an ordinary word to the stand-in, and hiding it would spoil paths and names
_KEYS = re.compile(r"(?<![\w-])(?:sk|st)-(?=[A-Za-z._-]*\d)[A-Za-z0-9._-]{12,}|\bLTAI[A-Za-z0-9]{8,}")
_BEARER = re.compile(r"(Bearer\s+)\S+", re.IGNORECASE)
_QUERY = re.compile(
    r"\b((?:x-oss-)?(?:signature|credential|security-token)|OSSAccessKeyId|Expires)=[^&\s\"'<>]+", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<!\w)(\w{1,20}://)[^/@\s]+@")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def safe(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Text for people: known secrets, everything shaped like one, and control characters are replaced."""
    text = literal(text, secrets)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _KEYS.sub(HIDDEN, text)
    text = _QUERY.sub(rf"\1={HIDDEN}", text)
    text = _USER_INFO.sub(rf"\1{HIDDEN}@", text)
    return _CONTROLS.sub("\ufffd", text)


def literal(text: str, secrets: tuple[str, ...]) -> str:
    """Text for machines: only the configured secrets are replaced; result URLs stay whole."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return text


def shortened(text: str, longest: int = 500) -> str:
    """Text for people that is made safe and then cut."""
    text = safe(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def each_text(value: object, change: Callable[[str], str]) -> object:
    """A JSON value with every text in it changed, the names of fields too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(name)): each_text(entry, change) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [each_text(entry, change) for entry in value]
    return value
