"""Text as other programs write it: encodings that name themselves, `NAME=value` lines, and letters that were lost;
and moments and numbers as they are read.

Windows PowerShell 5.1 writes UTF-16 with `>`, appends it with `>>` to any file, and pipes "?" for what ASCII lacks.
"""

from __future__ import annotations

import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_PIECE_OF_UTF_16 = rb"(?:[ -~]\0){4}|(?:\0[ -~]){4}"
LOST = "\ufffd"
CHINA_SECONDS = 8 * 3600  # ahead of UTC, all year


def decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 that begins with its mark. Raises UnicodeError."""
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding)


def read_somehow(data: bytes) -> str:
    """The same without errors, for settings, whose letters are ASCII: also UTF-16 without its mark, or only in part."""
    if not data.startswith(tuple(mark for mark, _ in _MARKS)) and re.search(_PIECE_OF_UTF_16, data):
        data = data.replace(b"\0", b"")
    try:
        return decoded(data)
    except UnicodeError:
        return data.decode("utf-8", "replace")


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of each `NAME=value` line, as `.env` files have them.

    A value in quotes ends at its quote; of another one, a # behind a blank begins a comment. `export` is tolerated.
    """
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        words = name.split()
        if words[:1] == ["export"]:
            words = words[1:]
        if equals and len(words) == 1:
            yield words[0], _value(value.strip())


def _value(text: str) -> str:
    quote = text[:1]
    if quote in ("'", '"') and quote in text[1:]:
        return text[1 : text.index(quote, 1)]
    return re.split(r"(?:^|(?<=\s))#", text, maxsplit=1)[0].strip().strip('"').strip("'")


def moment(epoch_seconds: float) -> str | None:
    """In UTC, such as 2026-11-20T15:30:12Z; None for a moment that no calendar has."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_seconds))
    except (OverflowError, ValueError, OSError):
        return None


def china_time(form: str, epoch_seconds: float) -> str:
    """A moment in China's time, which the service uses. form: for `strftime`."""
    return time.strftime(form, time.gmtime(epoch_seconds + CHINA_SECONDS))


def counted(number: float, noun: str) -> str:
    """A number and its noun: 1 image, 2.5 seconds, 1234567 images."""
    return f"{number:.12g} {noun}" + "s" * (number != 1)


def lost_letters(text: str) -> str:
    """How surely letters were replaced on the way by ? or U+FFFD: "certain", "possible", or "" for no sign."""
    if LOST in text or (text.count("?") > 2 and not any(map(str.isalnum, text))):
        return "certain"
    return "possible" if "??" in text and re.search(r"(?:^|\s)\?{2,}(?=[\s,.]|$)", text) else ""
