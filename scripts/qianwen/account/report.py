"""`--tasks`: what the account knows about the last runs. Sends nothing and needs no key."""

from __future__ import annotations

import time

from .store import OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .store import Ledger, Purchase

    JSON = dict[str, Any]

MOST_ROWS = 20


def recent(ledger: Ledger, now: float) -> list[JSON]:
    """The last runs of both programs, newest first, and every older one that is open."""
    rows = [row(ledger, run, now) for run in reversed(ledger.runs())]
    return rows[:MOST_ROWS] + [row for row in rows[MOST_ROWS:] if row["state"] in OPEN]


def row(ledger: Ledger, run: Purchase, now: float) -> JSON:
    """A run as `--tasks` and `--resume` report it. age: in seconds."""
    return {
        "run": run.id,
        "state": ledger.state(run),
        "submitted": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.at)),
        "age": int(now - run.at),
        "program": run.program,
        "model": run.model,
        "mode": run.mode,
        "region": run.region,
        "base": run.base,
        "task_id": run.task_id or None,
        "offered": list(run.offered),
        "urls": list(run.urls),
        "local_paths": [run.files[index].path for index in sorted(run.files)],
        "told": run.told or None,
    }
