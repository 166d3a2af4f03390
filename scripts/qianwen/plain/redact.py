"""Removes secrets and terminal control characters from text that leaves the program.

Only this module knows what a secret looks like; cassettes use it too. Every pattern takes linear time on any text: a
lookahead never reads more than the match then consumes. Redact before shortening a text, or half a key may remain.
This module imports nothing of ours.
"""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Tuple

    _Patterns = Tuple[Tuple[Tuple[str, ...], str], ...]

HIDDEN = "[hidden]"
KEY_NAMES = ("QIANWEN_API_KEY", "QWENCLOUD_API_KEY", "QWEN_API_KEY", "DASHSCOPE_API_KEY")

LONGEST = 64 * 1024  # characters of one text for people; the rest is dropped
UNSURE = 4096  # characters dropped before that cut, because a secret there may have lost its end and so its shape
_OF_A_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
SHORTEST_SECRET = 16  # a shorter "key" is an ordinary word for the stand-in, and hiding it would damage paths and names

# A key begins at the start of a word, or after an escape: \n, %3D, \u0022.
_BEGINS = r"(?:(?<![A-Za-z0-9{also}])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{{2}})|(?<=\\u[0-9A-Fa-f]{{4}}))"
_NOT_IN_A_NAME, _NOT_IN_A_WORD = _BEGINS.format(also="-"), _BEGINS.format(also="")
_DONE = r"(?!(?:\[hidden\]|\{\{[a-z]+(?:-[0-9]{1,6})?\}\})(?![^&\s\"'<>\\]))"  # not hidden yet
# `_is_key` checks for a digit: a lookahead for it would read the rest of the text at every "sk-".
_API_KEY = rf"{_NOT_IN_A_NAME}()(?:sk|st)-[A-Za-z0-9._-]{{12,}}"
_CLOUD_KEY = rf"{_NOT_IN_A_WORD}()(?:LTAI|STS\.)[A-Za-z0-9]{{8,}}"
_HEADER = (
    r"(?i)(Bearer(?:\s|%20|\+)+|Authorization[\"']?\s*[:=]\s*[\"']?(?:Basic|Digest|OSS[\w-]*)\s+)"
    rf"{_DONE}\S+"
)
# `auth_key` is that of Alibaba Cloud's CDN, `sig` that of Azure's storage, which holds other providers' pictures.
_SIGNING = r"signature|credential|(?:OSS[-_]?)?Access[-_]?Key[-_]?(?:Id|Secret)|token|Expires|auth_key|(?<![A-Za-z])sig"
_FIELD = (
    rf"(?i)((?:{_SIGNING})(?:=|%(?:25)*3D|\\u003d|\\?[\"']\s*[:=]\s*\\?[\"'])"
    r"|x-oss-(?:signature|credential|security-token)\s*:\s*)"
    rf"{_DONE}(?:(?!%(?:25)*26)[^&\s\"'<>\\])+"
)
_ELEMENT = r"(?i)(<(?:StringToSign|CanonicalRequest|Signature|SecurityToken|(?:OSS)?AccessKey)\w*>)[^<]+"
_USER_INFO = r"(?<!\w)(\w{1,20}://)[^/?#\s]+(?=@)"

# (words, pattern): the pattern, whose first group precedes the secret, can only match a text that has one of the words
# in lower case. Most lines have none, which saves compiling the pattern.
_KEYS: _Patterns = (
    (("sk-", "st-"), _API_KEY),
    (("ltai", "sts."), _CLOUD_KEY),
)
_PATTERNS: _Patterns = (
    (("bearer", "authorization"), _HEADER),
    *_KEYS,
    (("sig", "credential", "token", "access", "expires", "auth_key"), _FIELD),
    (("<",), _ELEMENT),
    (("@",), _USER_INFO),
)
_SIGNED_QUERY = rf"(?i)(?:{_SIGNING}|x-amz-date)="
_URL = r"(?i)(https?://[^\s\"'<>#\\]+)"
# Terminal control, characters that reverse or hide text, and line separators of other programs.
_CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
_NEXT_LINE = r"\n(?![ \t])"


def safe(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Text for people, without known secrets, anything shaped like one, and control characters.

    All lines but the first are indented, so that a text of the service cannot look like a line of ours. A text of more
    than `LONGEST` characters is cut.
    """
    is_cut = len(text) > LONGEST
    text = without_secrets(literal(text[:LONGEST], secrets))
    if is_cut:
        text = text[:-UNSURE] + "…"
    if not text.replace("\n", "").isprintable():
        text = re.sub(_CONTROLS, "\ufffd", text)
    if "\n" in text:
        text = re.sub(_NEXT_LINE, "\n  ", text)
    return text


def without_secrets(text: str, mark: str = HIDDEN) -> str:
    """A text of any length with `mark` in place of everything that is shaped like a secret."""

    def marked(match: re.Match[str]) -> str:
        return match[1] + mark if _is_key(match[0]) else match[0]

    for pattern in _possible(_PATTERNS, text):
        text = re.sub(pattern, marked, text)
    return text


def _possible(patterns: _Patterns, text: str) -> list[str]:
    lowered = text.casefold()
    return [pattern for words, pattern in patterns if any(word in lowered for word in words)]


def _is_key(text: str) -> bool:
    """False for words such as st-petersburg-and-back, which look like a key but have no digit."""
    return not text.startswith(("sk-", "st-")) or re.search("[0-9]", text) is not None


def keys(text: str) -> list[str]:
    """Everything in a text that looks like an API key or AccessKey id, in order."""
    matches = (match for pattern in (_API_KEY, _CLOUD_KEY) for match in re.finditer(pattern, text))
    return [match[0] for match in sorted(matches, key=lambda match: match.start()) if _is_key(match[0])]


def without_keys(text: str) -> str:
    """A text of any length without what looks like an API key or AccessKey id; signed links stay whole."""
    for pattern in _possible(_KEYS, text):
        text = re.sub(pattern, lambda match: HIDDEN if _is_key(match[0]) else match[0], text)
    return text


def shareable(text: str) -> str:
    """A text that others may read: without secrets, and a signed link without its query."""

    def cut(match: re.Match[str]) -> str:
        url, _, query = match[1].partition("?")
        return url if re.search(_SIGNED_QUERY, query) else match[1]

    return without_secrets(re.sub(_URL, cut, text) if "://" in text else text)


def signed_links(text: str) -> list[tuple[str, str]]:
    """(URL without query, query) of every signed URL in a text, whose query alone grants access."""
    links = (match[1].partition("?") for match in re.finditer(_URL, text))
    return [(url, query) for url, _, query in links if re.search(_SIGNED_QUERY, query)]


def literal(text: str, secrets: tuple[str, ...], mark: str = HIDDEN) -> str:
    """Text for machines: only the configured secrets are replaced; result URLs stay intact."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            for form in _forms(secret):
                if form.casefold() in text.casefold():
                    text = re.sub(re.escape(form), mark, text, flags=re.IGNORECASE)
    return text


@lru_cache(maxsize=8)  # every text of an answer is asked for the same few
def _forms(secret: str) -> tuple[str, ...]:
    """A secret in plain text, JSON and a URL. Real keys look the same in all three."""
    if not secret.strip(_OF_A_KEY):
        return (secret,)
    from json import dumps
    from urllib.parse import quote

    escaped = (dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1])
    return tuple(dict.fromkeys((secret, *escaped, quote(secret, safe=""))))


def shortened(text: str, longest: int = 500) -> str:
    """Text for people, made safe and then shortened."""
    text = safe(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def each_text(value: object, change: Callable[[str], object]) -> object:
    """A copy of a JSON value with every text changed, including the names of fields."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(name)): each_text(entry, change) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [each_text(entry, change) for entry in value]
    return value
