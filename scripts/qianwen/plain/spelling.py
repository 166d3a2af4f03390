"""Suggests known names for a mistyped one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


def nearest(name: str, known: Iterable[str], most: int = 1, likeness: float = 0.6) -> list[str]:
    """At most `most` known names that are similar to a name, the most similar first. likeness: at least, 0 to 1."""
    import difflib

    return difflib.get_close_matches(name, sorted(set(known)), most, likeness)
