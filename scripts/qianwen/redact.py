"""What may leave the program: text without secrets and without terminal commands.

Redaction comes before any cutting, so that half a key is never left over. This module imports nothing of ours.
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

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
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def literal(text: str, secrets: tuple[str, ...]) -> str:
    """Text for machines: only the configured secrets are replaced; result URLs stay whole."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return text


def safe_value(value: object, secrets: tuple[str, ...] = (), longest: int = 500) -> object:
    """A JSON value for people to read: its texts are made safe and then cut."""
    if isinstance(value, str):
        text = safe(value, secrets)
        return text if len(text) <= longest else text[: longest - 1] + "…"
    if isinstance(value, dict):
        return {safe(str(name), secrets): safe_value(entry, secrets, longest) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [safe_value(entry, secrets, longest) for entry in value]
    return value
