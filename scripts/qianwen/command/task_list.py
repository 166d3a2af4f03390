"""What `--tasks` shows a person: a table of runs, or one run in full."""

from __future__ import annotations

import os

from ..plain.redact import safe
from ..terminal.live_line import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    JSON = dict[str, Any]

STATES = {
    "submitting": "being sent",
    "waiting": "still running",
    "made": "made, not saved",
    "done": "saved",
    "unknown": "may be billed",
    "refused": "refused, free",
    "failed": "failed, free",
    "canceled": "canceled, free",
    "expired": "too old to fetch",
}
_AGES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_HEAD = ("AGE", "STATE", "ID", "MODEL", "RESULT OR PROMPT")
ID_LETTERS = 8  # enough for --cancel and --task-id
NARROWEST = 20


def table(tasks: Sequence[JSON], cwd: str, columns: int) -> list[str]:
    """A head, and a line for each run: its files if it has some, else why it has none, else its prompt.

    cwd: paths below it are shown relative to it.
    columns: of the terminal; 0 for no bound.
    """
    if not tasks:
        return ["nothing yet: this machine has bought nothing with these programs"]
    rows = [_HEAD, *(_cells(task, cwd) for task in tasks)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD) - 1)]
    most = max(columns - 1, sum(widths) + 2 * len(widths) + NARROWEST)
    lines = []
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + f"  {row[-1]}"
        lines.append((cut(line, most) if columns else line).rstrip())
    return lines


def _cells(task: JSON, cwd: str) -> tuple[str, ...]:
    age = next((f"{task['age'] // size}{unit}" for unit, size in _AGES if task["age"] >= size), "now")
    below = os.path.join(cwd, "")
    name = task["task_id"] or (task["offered"] or [task["run"]])[0]
    said = " ".join(path.removeprefix(below) for path in task["local_paths"]) or task["told"] or task["prompt"] or ""
    cells = (age, STATES.get(task["state"], task["state"]), name[:ID_LETTERS], task["model"], said)
    return tuple(" ".join(safe(str(cell)).split()) for cell in cells)


def whole(task: JSON, cwd: str) -> list[str]:
    """One run in full: a line for each fact, the request, and the command that makes it again."""
    import json

    below = os.path.join(cwd, "")
    facts = {
        "state": STATES.get(task["state"], task["state"]),
        "why": task["told"],
        "submitted": task["submitted"],
        "program": task["program"],
        "model": f"{task['model']} ({task['mode']})",
        "task": task["task_id"],
        "offered": ", ".join(task["offered"]),
        "run": task["run"],
        "region": task["region"],
        "base": task["base"],
        "files": "\n".join(path.removeprefix(below) for path in task["local_paths"]),
        "links": "\n".join(task["urls"]),
        "request": json.dumps(task["request"], ensure_ascii=False, indent=2) if task["request"] else "",
        "again": task["again"],
    }
    lines = []
    for name, value in facts.items():
        first, *rest = (value or "").splitlines() or [""]
        lines += [f"{name:<10} {safe(first)}", *(f"{'':<10} {safe(line)}" for line in rest)] if first else []
    return lines
