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
# A key begins where a word does, or after an escape that hides its beginning: \n, %3D, \u0022.
_BEGINS = r"(?:(?<![A-Za-z0-9{also}])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{{2}})|(?<=\\u[0-9A-Fa-f]{{4}}))"
_NOT_IN_A_NAME, _NOT_IN_A_WORD = _BEGINS.format(also="-"), _BEGINS.format(also="")
_KEYS = rf"{_NOT_IN_A_NAME}(?:sk|st)-(?=[A-Za-z._-]*\d)[A-Za-z0-9._-]{{12,}}"
_CLOUD_KEYS = rf"{_NOT_IN_A_WORD}(?:LTAI|STS\.)[A-Za-z0-9]{{8,}}"
_HEADERS = (
    r"(?i)(Bearer(?:\s|%20|\+)+|Authorization[\"']?\s*[:=]\s*[\"']?(?:Basic|Digest|OSS[\w-]*)\s+)(?!\[hidden\])\S+"
)
_SIGNED = (
    r"(?i)((?:(?:x[-_]oss[-_])?(?:signature|credential|security[-_]?token)"
    r"|(?:OSS[-_]?)?Access[-_]?Key[-_]?(?:Id|Secret)|Expires)"
    r"(?:=|%(?:25)*3D|\\u003d|\\?[\"']\s*[:=]\s*\\?[\"'])|x-oss-(?:signature|credential|security-token)\s*:\s*)"
    r"(?:(?!%(?:25)*26)[^&\s\"'<>\\])+"
)
_ELEMENTS = r"(?i)<((?:StringToSign|CanonicalRequest|Signature|SecurityToken|(?:OSS)?AccessKey)\w*)>[^<]+"
_USER_INFO = r"(?<!\w)(\w{1,20}://)[^/?#\s]+@"

# What to look for, what to put in its place, and words without one of which, in lower case, it cannot be there: most
# lines have none of them, and a pattern that is not needed need not be compiled.
_RULES = (
    (("bearer", "authorization"), _HEADERS, rf"\1{HIDDEN}"),
    (("sk-", "st-"), _KEYS, HIDDEN),
    (("ltai", "sts."), _CLOUD_KEYS, HIDDEN),
    (("signature", "credential", "token", "access", "expires"), _SIGNED, rf"\1{HIDDEN}"),
    (("<",), _ELEMENTS, rf"<\1>{HIDDEN}"),
    (("@",), _USER_INFO, rf"\1{HIDDEN}@"),
)
# Commands to a terminal, what reverses or hides text, and what other programs take for the end of a line.
_CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
_NEXT_LINE = r"\n(?![ \t])"


def safe(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Text for people: known secrets, everything shaped like one, and control characters are replaced.

    Every line but the first is indented, so that a text of the service cannot pass for a line of ours.
    """
    text = literal(text, secrets)
    lowered = text.casefold()
    for words, pattern, replacement in _RULES:
        if any(word in lowered for word in words):
            text = re.sub(pattern, replacement, text)
    if not text.isprintable():
        text = re.sub(_NEXT_LINE, "\n  ", re.sub(_CONTROLS, "\ufffd", text))
    return text


def literal(text: str, secrets: tuple[str, ...]) -> str:
    """Text for machines: only the configured secrets are replaced; result URLs stay whole."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            for form in _forms(secret):
                if form.casefold() in text.casefold():
                    text = re.sub(re.escape(form), HIDDEN, text, flags=re.IGNORECASE)
    return text


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, and as it stands in a JSON text and in a URL. Real keys look the same in all three."""
    if re.fullmatch(r"[\w.-]+", secret, re.ASCII):
        return (secret,)
    from json import dumps
    from urllib.parse import quote

    escaped = (dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1])
    return tuple(dict.fromkeys((secret, *escaped, quote(secret, safe=""))))


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
