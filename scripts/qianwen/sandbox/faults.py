"""Injected faults: `ROUTE=ACTION[*TIMES]`, to test what a caller does when the service fails.

Routes: sync, stream, submit, poll, list, cancel, policy, upload, result, and task (how the next task or stream ends).
Actions on a route: an HTTP status with an optional code and message (`429:Throttling.RateQuota`), `drop` (hang up
without acting), `lose` (act, then hang up without an answer), `cut` (answer half and hang up), `stall:SECONDS` (act,
wait, then hang up). Ends of a task: `fail[:CODE[:MESSAGE]]` (a stream fails halfway), `partial[:CODE[:MESSAGE]]`
(a task lacks its last picture), `unknown`. Without TIMES a fault lasts until the stand-in stops.

Limits: `MODEL=RATE/RUNNING`. More than RATE requests a second are answered with 429. At most RUNNING tasks of the
model run at once, and the others wait as PENDING (0: no limit).
"""

from __future__ import annotations

import re
import threading
from typing import Iterable

from ..plain.record import record

ROUTES = ("sync", "stream", "submit", "poll", "list", "cancel", "policy", "upload", "result", "task")
FOREVER = 10**9


@record
class Fault:
    """kind: "status", "drop", "lose", "cut" or "stall"; for a task "fail", "partial" or "unknown"."""

    kind: str
    status: int = 0
    code: str = ""
    message: str = ""
    seconds: float = 0.0


@record
class Limit:
    """rate: requests a second.  running: tasks at once; 0 for no bound."""

    rate: float
    running: int = 0


def limit(spec: str) -> tuple[str, Limit]:
    """(model id, limit). Raises ValueError with a message for the user."""
    match = re.fullmatch(r"([^=\s]+)=(\d+(?:\.\d+)?)/(\d+)", spec)
    if not match or not float(match[2]):
        raise ValueError(f"{spec!r} is not MODEL=RATE/RUNNING")
    return match[1], Limit(float(match[2]), int(match[3]))


class Faults:
    """The faults still to inject, by route, in the order in which they were given."""

    def __init__(self, specs: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, list[tuple[Fault, int]]] = {}
        for spec in specs:
            route, fault, times = parse(spec)
            self._left.setdefault(route, []).append((fault, times))

    def take(self, route: str) -> Fault | None:
        with self._lock:
            queue = self._left.get(route)
            if not queue:
                return None
            fault, times = queue[0]
            queue[:1] = [(fault, times - 1)] if times > 1 else []
            return fault


def parse(spec: str) -> tuple[str, Fault, int]:
    """(route, fault, times). Raises ValueError with a message for the user."""
    match = re.fullmatch(r"(\w+)=([^*]+)(?:\*(\d+))?", spec)
    if not match or match[1] not in ROUTES:
        raise ValueError(f"{spec!r} is not ROUTE=ACTION[*TIMES]; routes: {', '.join(ROUTES)}")
    route, times = match[1], int(match[3]) if match[3] else FOREVER
    action, _, rest = match[2].partition(":")
    code, _, message = rest.partition(":")
    if route == "task":
        if action in ("fail", "partial", "unknown"):
            return (
                route,
                Fault(action, 200, code or "InternalError.Timeout", message or "An internal timeout error."),
                times,
            )
        raise ValueError(f"{match[2]!r} is not an end of a task; ends: fail[:CODE[:MESSAGE]], partial[:…], unknown")
    if re.fullmatch(r"[345]\d\d", action):
        return route, Fault("status", int(action), code, message), times
    if action in ("drop", "lose", "cut") and not rest:
        return route, Fault(action), times
    if action == "stall" and re.fullmatch(r"\d+(\.\d+)?", rest):
        return route, Fault("stall", seconds=float(rest)), times
    raise ValueError(f"{match[2]!r} is not an action; actions: STATUS[:CODE[:MESSAGE]], drop, lose, cut, stall:SECONDS")
