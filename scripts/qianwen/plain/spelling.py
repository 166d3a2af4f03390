"""Suggests known names for a mistyped one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


LONGEST = 200  # letters of a name that anything known may be like


def nearest(name: str, known: Iterable[str], most: int = 1, likeness: float = 0.6) -> list[str]:
    """At most `most` known names that are similar to a name, the most similar first. likeness: at least, 0 to 1."""
    import difflib

    return difflib.get_close_matches(name, sorted(set(known)), most, likeness) if len(name) <= LONGEST else []


def typo_of(name: str, known: Iterable[str]) -> str | None:
    """The known name that a slip of the pen turned into `name`; None when there is none, or more than one.

    A slip is a letter too few, too many or wrong, or two that changed places; in eight letters or more there may be
    two of them. Names of three letters and fewer are too much alike for a guess.
    """
    near = [other for other in set(known) if min(len(name), len(other)) > 3 and _slips(name, other) <= _allowed(name)]
    return near[0] if len(near) == 1 else None


def _allowed(name: str) -> int:
    return 2 if len(name) >= 8 else 1


def _slips(one: str, other: str) -> int:
    """The distance of Damerau and Levenshtein, without a second look at letters that have changed places."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != wanted))
            if row > 1 < column and letter == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]
