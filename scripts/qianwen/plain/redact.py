"""What may leave the program: text without secrets and without terminal commands.

What a secret looks like is written here and nowhere else; cassettes ask this module too. Every pattern takes time that
grows linearly with the text, whatever the text is: a match may look ahead only as far as it goes on to consume.
Redaction comes before text is shortened for display, so that half a key is never left over. This module imports
nothing of ours.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

HIDDEN = "[hidden]"
KEY_NAMES = ("QIANWEN_API_KEY", "QWENCLOUD_API_KEY", "QWEN_API_KEY", "DASHSCOPE_API_KEY")

LONGEST = 64 * 1024  # characters of one text for people; the rest of a longer one is not read
UNSURE = 4096  # characters before such a cut, in which a secret may have lost its end and thereby its shape
SHORTEST_SECRET = 16  # a shorter "key" is an ordinary word to the stand-in, and hiding it would spoil paths and names

# A key begins where a word does, or after an escape that hides its beginning: \n, %3D, \u0022.
_BEGINS = r"(?:(?<![A-Za-z0-9{also}])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{{2}})|(?<=\\u[0-9A-Fa-f]{{4}}))"
_NOT_IN_A_NAME, _NOT_IN_A_WORD = _BEGINS.format(also="-"), _BEGINS.format(also="")
_DONE = r"(?!(?:\[hidden\]|\{\{[a-z]+(?:-[0-9]{1,6})?\}\})(?![^&\s\"'<>\\]))"  # not yet hidden as a whole
# With a digit somewhere, see `_is_key`: a pattern that looked for it would read the rest of the text at every "sk-".
_API_KEY = rf"{_NOT_IN_A_NAME}()(?:sk|st)-[A-Za-z0-9._-]{{12,}}"
_CLOUD_KEY = rf"{_NOT_IN_A_WORD}()(?:LTAI|STS\.)[A-Za-z0-9]{{8,}}"
_HEADER = (
    r"(?i)(Bearer(?:\s|%20|\+)+|Authorization[\"']?\s*[:=]\s*[\"']?(?:Basic|Digest|OSS[\w-]*)\s+)"
    rf"{_DONE}\S+"
)
_SIGNING = r"signature|credential|(?:OSS[-_]?)?Access[-_]?Key[-_]?(?:Id|Secret)|token|Expires"
_FIELD = (
    rf"(?i)((?:{_SIGNING})(?:=|%(?:25)*3D|\\u003d|\\?[\"']\s*[:=]\s*\\?[\"'])"
    r"|x-oss-(?:signature|credential|security-token)\s*:\s*)"
    rf"{_DONE}(?:(?!%(?:25)*26)[^&\s\"'<>\\])+"
)
_ELEMENT = r"(?i)(<(?:StringToSign|CanonicalRequest|Signature|SecurityToken|(?:OSS)?AccessKey)\w*>)[^<]+"
_USER_INFO = r"(?<!\w)(\w{1,20}://)[^/?#\s]+(?=@)"

# What to look for, the part before the secret in a group, and words without one of which, in lower case, it cannot be
# there: most lines have none of them, and a pattern that is not needed need not be compiled.
_SHAPES = (
    (("bearer", "authorization"), _HEADER),
    (("sk-", "st-"), _API_KEY),
    (("ltai", "sts."), _CLOUD_KEY),
    (("signature", "credential", "token", "access", "expires"), _FIELD),
    (("<",), _ELEMENT),
    (("@",), _USER_INFO),
)
_URL = r"(?i)(https?://[^\s\"'<>#\\]+)"
# Commands to a terminal, what reverses or hides text, and what other programs take for the end of a line.
_CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
_NEXT_LINE = r"\n(?![ \t])"


def safe(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Text for people: known secrets, everything shaped like one, and control characters are replaced.

    Every line but the first is indented, so that a text of the service cannot pass for a line of ours. A text of more
    than `LONGEST` characters loses its end.
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
    """A text of any length with `mark` for every part that is shaped like a secret."""

    def marked(found: re.Match[str]) -> str:
        return found[1] + mark if _is_key(found[0]) else found[0]

    lowered = text.casefold()
    for words, shape in _SHAPES:
        if any(word in lowered for word in words):
            text = re.sub(shape, marked, text)
    return text


def _is_key(text: str) -> bool:
    """False for words such as st-petersburg-and-back, which have the letters of a key and no digit."""
    return not text.startswith(("sk-", "st-")) or re.search("[0-9]", text) is not None


def keys(text: str) -> list[str]:
    """Every API key and AccessKey id in a text, or what looks like one, in order."""
    found = sorted((match.start(), match[0]) for shape in (_API_KEY, _CLOUD_KEY) for match in re.finditer(shape, text))
    return [key for _, key in found if _is_key(key)]


def signed_links(text: str) -> list[tuple[str, str]]:
    """(address, query) of every URL in a text whose query lets whoever holds it in."""
    links = (found[1].partition("?") for found in re.finditer(_URL, text))
    return [(url, query) for url, _, query in links if re.search(rf"(?i)(?:{_SIGNING}|x-amz-date)=", query)]


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
