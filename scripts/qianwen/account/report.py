"""`--tasks`: what the account knows about the last runs. Sends nothing and needs no key."""

from __future__ import annotations

from .. import regions
from ..models import wire
from ..plain.texts import moment
from .purchase import EXPIRED, FREE, OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .purchase import Purchase
    from .store import Account

    JSON = dict[str, Any]

MOST_ROWS = 20
PROMPT_LETTERS = 80


def recent(account: Account, since: float | None = None) -> list[JSON]:
    """The last runs of both programs, newest first, and every older one that is open; or all since then.

    since: epoch seconds.
    """
    runs = account.recent(MOST_ROWS) if since is None else reversed(account.since(since))
    return [row(account, run) for run in runs]


def bought(account: Account, since: float) -> JSON:
    """What was made since then and is therefore billed, in units. since: epoch seconds.

    images, seconds: as far as the answers tell; seconds count input clips where the service bills them.
    uncounted: runs that may be billed and whose units are not known: no answer yet, or none that tells.
    """
    sums: JSON = {"runs": 0, "images": 0, "seconds": 0, "uncounted": 0}
    for run in account.since(since):
        if run.state in FREE or regions.is_loopback_url(run.base):  # a stand-in bills nothing
            continue
        sums["runs"] += 1
        units = len(run.urls) if run.program == "image.py" else wire.billed_seconds(run.body)
        if units:
            sums["images" if run.program == "image.py" else "seconds"] += units
        else:
            sums["uncounted"] += 1
    return sums


def batches(account: Account) -> list[JSON]:
    """The batches that are not over, newest first, each with the command that goes on with it."""
    import shlex

    return [
        {
            "folder": batch.folder,
            "program": batch.program,
            "begun": moment(batch.at),
            "command": " ".join(map(shlex.quote, batch.command)),
        }
        for batch in account.batches()
    ]


def row(account: Account, run: Purchase) -> JSON:
    """A run as `--tasks` and `--resume` report it. age: in seconds."""
    return {
        "run": run.id,
        "state": EXPIRED if run.state in OPEN and account.is_forgotten(run) else account.state(run),
        "submitted": moment(run.at),
        "age": max(0, int(account.now() - run.at)),
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
        "prompt": " ".join(str(run.asked.get("prompt") or "").split())[:PROMPT_LETTERS] or None,
    }


def whole(account: Account, run: Purchase) -> JSON:
    """A run as `--tasks ID` reports it, with its request; None for one of which only the fingerprint is kept."""
    return {**row(account, run), "request": dict(run.asked) or None}
