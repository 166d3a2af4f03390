"""Describes how a request differs from the recorded one, down to the character. Imports nothing of ours."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping, Sequence

    JSON = dict[str, Any]
    Leaves = Mapping[str, str]

MOST_DIFFERENCES = 6
BEFORE, AFTER = 40, 40  # characters shown around a difference


def difference(sent: JSON, recorded: Sequence[JSON], due: int) -> str:
    """How a request differs from the next recorded one; "" if they are equal.

    due: the index of the next recorded request. If another one has the same method and URL, that one is compared: then
    the order has changed, or a request is missing.
    """
    leaves = dict(_leaves(sent))
    has_due = due < len(recorded)
    if has_due and leaves == dict(_leaves(recorded[due])):
        return ""
    heading = f"its request {due + 1} is not the recorded one"
    if not has_due:
        heading = f"it makes more requests than the {len(recorded)} that were recorded"
    lines = [f"{heading}\n  sent:     {_line(sent)}"]
    if has_due:
        lines.append(f"  recorded: {_line(recorded[due])}")
    if recorded:
        near = _nearest(sent, recorded, due)
        if near != due:
            when = "was replayed before" if near < due else "comes later"
            lines.append(f"  nearest:  {_line(recorded[near])} (request {near + 1}, which {when})")
        lines += _differences(leaves, dict(_leaves(recorded[near])))
    return "\n".join(lines)


def _line(request: JSON) -> str:
    return f"{request['method']} {request['url']}"


def _nearest(sent: JSON, recorded: Sequence[JSON], due: int) -> int:
    """The next recorded request with the same method and URL, else an earlier one, else the one that is due."""
    same = [number for number, other in enumerate(recorded) if _line(other) == _line(sent)]
    last = len(recorded) - 1
    return next((number for number in same if number >= due), same[-1] if same else min(due, last))


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON text) of every scalar and of every empty object and list."""
    if isinstance(value, dict) and value:
        for name, entry in value.items():
            yield from _leaves(entry, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, entry in enumerate(value):
            yield from _leaves(entry, f"{path}[{index}]")
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _differences(sent: Leaves, recorded: Leaves) -> list[str]:
    paths = [path for path in {**recorded, **sent} if sent.get(path) != recorded.get(path)]
    lines = []
    for path in paths[:MOST_DIFFERENCES]:
        if path not in sent:
            lines.append(f"  {path}: {_cut(recorded[path])} was recorded, nothing is sent")
        elif path not in recorded:
            lines.append(f"  {path}: {_cut(sent[path])} is sent, nothing was recorded")
        else:
            lines += _compared(path, recorded[path], sent[path])
    more = len(paths) - MOST_DIFFERENCES
    return lines + ([f"  and {more} more differences"] if more > 0 else [])


def _compared(path: str, old: str, new: str) -> list[str]:
    """Two texts around their first difference, one above the other, with a caret below it."""
    differing = (index for index, (left, right) in enumerate(zip(old, new)) if left != right)
    start = next(differing, min(len(old), len(new)))
    begin = max(start - BEFORE, 0)
    dots = "…" if begin else ""

    def part(text: str) -> str:
        end = start + AFTER
        return dots + text[begin:end] + ("…" if len(text) > end else "")

    are_texts = old[:1] == new[:1] == '"'  # the opening quote counts as 0, so characters count from 1
    caret = " " * (len(dots) + start - begin) + "^"
    return [
        f"  {path}, from character {start}:" if are_texts else f"  {path}:",
        f"    recorded: {part(old)}",
        f"    sent:     {part(new)}",
        f"              {caret}",
    ]


def _cut(text: str) -> str:
    return text if len(text) <= BEFORE + AFTER else text[: BEFORE + AFTER - 1] + "…"
