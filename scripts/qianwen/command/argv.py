"""Parse argv by a program's flag table: `--flag VALUE`, `--flag=VALUE`, `-n4`, `--`, a prompt.

Not with argparse, because importing it would slow down every refused request, and because here a value may begin with
a hyphen unless it is a flag.
"""

from __future__ import annotations

from ..errors import UsageError
from ..models.catalog import Catalog, Flag
from .flags import PROMPT, rows, spellings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Given:
    """The given flags: an attribute per flag, named by its key, and `prompt`. Absent: None, or False for a switch."""

    def __init__(self, catalog: Catalog) -> None:
        self.prompt: str | None = None
        self.__dict__.update((flag.key, None if flag.metavar else False) for flag in rows(catalog))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def read(catalog: Catalog, argv: list[str]) -> Given:
    """Parse argv. Raises UsageError for an unknown flag, what is given twice, and a missing or wrong value."""
    by_name = spellings(catalog)
    given = Given(catalog)
    left = argv[::-1]
    while left:
        word = left.pop()
        if word == "--":
            for prompt in reversed(left):
                _take_prompt(given, prompt)
            break
        name, value = _split(word, by_name)
        if name in by_name:
            _take(given, by_name[name], name, value, left, by_name)
        elif _looks_like_a_flag(word):
            from .guesses import hint

            raise UsageError(f"unknown flag {word}", hint=hint(catalog, name))
        else:
            _take_prompt(given, word)
    return given


def _split(word: str, by_name: dict[str, Flag]) -> tuple[str, str | None]:
    """The name, and the value if it is in the same word."""
    name, equals, value = word.partition("=")
    if equals and word.startswith("--"):
        return name, value
    if word[:2] in by_name and len(word) > 2 and by_name[word[:2]].metavar:  # -n4, -n=4
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _take(given: Given, flag: Flag, name: str, value: str | None, left: list[str], by_name: dict[str, Flag]) -> None:
    """Store the value of a flag. It may be the next word of `left`."""
    if not flag.metavar:
        if value is not None:
            raise UsageError(f"{name} is a switch and takes no value")
        setattr(given, flag.key, True)
        return
    if value is None:
        word = left[-1] if left else ""
        is_misspelt = word[:2] == "--" and " " not in word and (word[2:3].isalpha() or word == "--")
        if not left or _split(word, by_name)[0] in by_name or is_misspelt:
            if flag.optional:
                setattr(given, flag.key, True)
                return
            hint = f"if {word} is the value: {name}={word}" if is_misspelt else ""
            raise UsageError(f"{name} needs a value: {name} {flag.metavar}", hint=hint)
        value = left.pop()
    if flag is PROMPT:
        _take_prompt(given, value)
    elif flag.many:
        setattr(given, flag.key, [*(getattr(given, flag.key) or ()), value])
    elif getattr(given, flag.key) is not None:  # the first value must not be lost without a word
        raise UsageError(f"{flag.name} was given twice, and takes one value", hint=flag.one)
    else:
        read = _seconds if flag.seconds else _whole if flag.whole else None
        setattr(given, flag.key, read(name, value) if read else value)


def _take_prompt(given: Given, text: str) -> None:
    if given.prompt is not None:
        raise UsageError(
            f"only one prompt is allowed; got a second: {text!r}", hint="put a prompt of several words in quotes"
        )
    given.prompt = text


def _looks_like_a_flag(word: str) -> bool:
    """A negative number, text of several words and "-" (stdin) are prompts, although they begin with a hyphen."""
    return word[:1] == "-" and word != "-" and " " not in word and not word[1:2].isdigit()


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not are_positive_seconds(seconds):
        raise UsageError(f"{name} must be a positive number of seconds, not {text!r}")
    return seconds


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise UsageError(f"{name} must be a whole number from 1, not {text!r}")
    return int(text)


def are_positive_seconds(value: object) -> bool:
    """Whether a value is a number of seconds that a run can take: above 0 and below 30 years."""
    return type(value) in (int, float) and 0 < value < 1e9  # type: ignore[operator]
