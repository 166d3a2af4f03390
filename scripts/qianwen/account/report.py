"""`--tasks`: what the account knows about the last runs. Sends nothing and needs no key."""

from __future__ import annotations

import time

from .purchase import EXPIRED, OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .purchase import Purchase
    from .store import Account

    JSON = dict[str, Any]

MOST_ROWS = 20


def recent(account: Account, now: float) -> list[JSON]:
    """The last runs of both programs, newest first, and every older one that is open."""
    return [row(account, run, now) for run in account.recent(MOST_ROWS)]


def batches(account: Account) -> list[JSON]:
    """The batches that are not over, newest first, each with the command that goes on with it."""
    import shlex

    return [
        {
            "folder": batch.folder,
            "program": batch.program,
            "begun": _date(batch.at),
            "command": " ".join(map(shlex.quote, batch.command)),
        }
        for batch in account.batches()
    ]


def row(account: Account, run: Purchase, now: float) -> JSON:
    """A run as `--tasks` and `--resume` report it. age: in seconds."""
    return {
        "run": run.id,
        "state": EXPIRED if run.state in OPEN and account.is_forgotten(run) else account.state(run),
        "submitted": _date(run.at),
        "age": max(0, int(now - run.at)),
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


def _date(moment: float) -> str | None:
    """A moment for people; None for one that no calendar has."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    except (OverflowError, ValueError, OSError):
        return None
