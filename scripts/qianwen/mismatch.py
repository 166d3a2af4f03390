"""In which way a request is not the recorded one, in words that show the very character. Imports nothing of ours."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping, Sequence

    JSON = dict[str, Any]
    Leaves = Mapping[str, str]

MOST_DIFFERENCES = 6
BEFORE, AFTER = 40, 40  # characters that are shown around a difference
WEIGHTS: Mapping[str, float] = {"method": 8.0, "url": 8.0}  # of a difference, when the nearest is looked for


def mismatch(asked: JSON, recorded: Sequence[JSON], due: int) -> str:
    """What tells a request from the recorded one that is due, from 0; "" when they are equal.

    When another recorded request is nearer than that one, it is shown: the order has changed then, or one was left out.
    """
    leaves = dict(_leaves(asked))
    if due < len(recorded) and leaves == dict(_leaves(recorded[due])):
        return ""
    all_recorded = [dict(_leaves(request)) for request in recorded]
    heading = f"its request {due + 1} is not the recorded one" if due < len(recorded) else _too_many(len(recorded))
    lines = [f"{heading}\n  sent:     {_line(asked)}"]
    if due < len(recorded):
        lines.append(f"  recorded: {_line(recorded[due])}")
    if not recorded:
        return lines[0]
    near = _nearest(leaves, all_recorded, due)
    if near != due:
        when = "was played before" if near < due else "comes later"
        lines.append(f"  nearest:  {_line(recorded[near])} (request {near + 1}, which {when})")
    lines += _differences(leaves, all_recorded[near])
    return "\n".join(lines)


def _too_many(count: int) -> str:
    return f"it makes a request more than the {count} that were recorded"


def _line(request: JSON) -> str:
    return f"{request['method']} {request['url']}"


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON text) of every value that holds no others, and of every empty one that could."""
    if isinstance(value, dict) and value:
        for name, entry in value.items():
            yield from _leaves(entry, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, entry in enumerate(value):
            yield from _leaves(entry, f"{path}[{index}]")
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _nearest(leaves: Leaves, recorded: Sequence[Leaves], due: int) -> int:
    """The one that is due if it goes to the same place, else the one with the fewest differences."""
    if due < len(recorded) and all(leaves[name] == recorded[due][name] for name in ("method", "url")):
        return due

    def distance(number: int) -> float:
        other = recorded[number]
        apart = (path for path in {**leaves, **other} if leaves.get(path) != other.get(path))
        return sum(WEIGHTS.get(path, 1.0) for path in apart)

    return min(range(len(recorded)), key=distance)


def _differences(sent: Leaves, recorded: Leaves) -> list[str]:
    apart = [path for path in {**recorded, **sent} if sent.get(path) != recorded.get(path)]
    lines = []
    for path in apart[:MOST_DIFFERENCES]:
        if path not in sent:
            lines.append(f"  {path}: {_cut(recorded[path])} was recorded, nothing is sent")
        elif path not in recorded:
            lines.append(f"  {path}: {_cut(sent[path])} is sent, nothing was recorded")
        else:
            lines += _beside(path, recorded[path], sent[path])
    more = len(apart) - MOST_DIFFERENCES
    return lines + ([f"  and {more} more differences"] if more > 0 else [])


def _beside(path: str, old: str, new: str) -> list[str]:
    """Two texts around their first difference, one above the other, and a sign under it."""
    unequal = (index for index, pair in enumerate(zip(old, new)) if pair[0] != pair[1])
    start = next(unequal, min(len(old), len(new)))
    begin = max(start - BEFORE, 0)
    dots = "…" if begin else ""

    def part(text: str) -> str:
        end = start + AFTER
        return dots + text[begin:end] + ("…" if len(text) > end else "")

    are_texts = old[:1] == new[:1] == '"'  # whose quotes are no characters of theirs
    sign = " " * (len(dots) + start - begin) + "^"
    return [
        f"  {path}, from character {start}:" if are_texts else f"  {path}:",
        f"    recorded: {part(old)}",
        f"    sent:     {part(new)}",
        f"              {sign}",
    ]


def _cut(text: str) -> str:
    return text if len(text) <= BEFORE + AFTER else text[: BEFORE + AFTER - 1] + "…"
