"""The words of a command line, sorted by the flags of a program: `--flag VALUE`, `--flag=VALUE`, `-n4`, `--`, a prompt.

Written here and not left to argparse, because a request that is refused should not wait for its import, and because
a value may then begin with a hyphen wherever it cannot be a flag.
"""

from __future__ import annotations

from .errors import UsageError
from .flags import groups
from .models.catalog import Catalog, Flag
from .spelling import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Given:
    """What was given: an attribute for each flag by its key, and `prompt`. Absent: None, False for a switch."""

    def __init__(self, catalog: Catalog) -> None:
        self.prompt: str | None = None
        self.__dict__.update((flag.key, None if flag.metavar else False) for flag in _rows(catalog))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def read(catalog: Catalog, argv: list[str]) -> Given:
    """Raises UsageError for a word that is no flag, a second prompt, and a value that is missing or wrong."""
    by_name = {name: flag for flag in _rows(catalog) for name in (flag.name, flag.short) if name}
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
            raise UsageError(f"{word} is no flag", hint=_help_and_nearest(catalog, name))
        else:
            _take_prompt(given, word)
    return given


def _rows(catalog: Catalog) -> list[Flag]:
    return [flag for _, flags in groups(catalog) for flag in flags]


def _split(word: str, by_name: dict[str, Flag]) -> tuple[str, str | None]:
    """The name and, when it stands in the same word, the value."""
    name, equals, value = word.partition("=")
    if equals and word.startswith("--"):
        return name, value
    if word[:2] in by_name and len(word) > 2 and by_name[word[:2]].metavar:  # -n4, -n=4
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _take(given: Given, flag: Flag, name: str, value: str | None, left: list[str], by_name: dict[str, Flag]) -> None:
    """Put a flag's value where it belongs; it may be the next word."""
    if not flag.metavar:
        if value is not None:
            raise UsageError(f"{name} is a switch and takes no value")
        setattr(given, flag.key, True)
        return
    if value is None:
        if not left or _split(left[-1], by_name)[0] in by_name:
            raise UsageError(f"{name} needs a value: {name} {flag.metavar}")
        value = left.pop()
    if flag.many:
        setattr(given, flag.key, [*(getattr(given, flag.key) or ()), value])
    else:
        setattr(given, flag.key, _seconds(name, value) if flag.seconds else value)


def _take_prompt(given: Given, text: str) -> None:
    if given.prompt is not None:
        raise UsageError(f"{text!r} is a second prompt", hint="put a prompt of several words in quotes")
    given.prompt = text


def _looks_like_a_flag(word: str) -> bool:
    """A prompt may begin with a hyphen, as a number does, or when it has several words; "-" alone is stdin."""
    return word[:1] == "-" and word != "-" and " " not in word and not word[1:2].isdigit()


def _help_and_nearest(catalog: Catalog, name: str) -> str:
    near = nearest(name, [flag.name for flag in _rows(catalog)])
    return f"{catalog.program} --help lists all flags" + (f"; did you mean {near[0]}?" if near else "")


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not are_positive_seconds(seconds):
        raise UsageError(f"{name}: {text!r} is not a positive number of seconds")
    return seconds


def are_positive_seconds(value: object) -> bool:
    """Whether a value of the user's is a time that a run can take: a number, above 0 and below 30 years."""
    return type(value) in (int, float) and 0 < value < 1e9  # type: ignore[operator]
