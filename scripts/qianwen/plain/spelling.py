"""What a mistyped name may have meant. It knows no names of its own, so every part of the client can ask it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


def nearest(name: str, known: Iterable[str], most: int = 1, likeness: float = 0.6) -> list[str]:
    """The known names that are most like a given one, the likeliest first. likeness: from 0 to 1, at least."""
    import difflib

    return difflib.get_close_matches(name, sorted(set(known)), most, likeness)
