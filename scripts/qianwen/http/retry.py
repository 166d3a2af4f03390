"""Whether and when to send a request again: pure decisions, and the wrapper that acts on them.

The question is always whether the server may have acted. A request that costs money or has a unique name is sent again
only if nothing of it was sent, or if the service throttled it (HTTP 429), which it does before it accepts a request.
"""

from __future__ import annotations

import re
import time

from .messages import Fault, Request, Response, moment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    from .messages import Send

    Outcome = Union[Response, Fault]
    Judge = Callable[[Response], "tuple[bool, str]"]
    """Judges a refusal: whether the same request may succeed in a moment, and a name for it."""

ATTEMPTS = 5
BASE_SECONDS = 1.0
LONGEST_SECONDS = 60.0


def delay(attempt: int, request: Request, outcome: Outcome, now: float, jitter: float, judge: Judge) -> float | None:
    """Seconds until the request may be sent again, or None to give up. A throttled submission never gives up.

    attempt: how often it was sent, from 1.
    now: epoch seconds, for a `Retry-After` date.
    jitter: 0 to 1.
    """
    if not may_resend(request, outcome, judge):
        return None
    is_queued = request.once and isinstance(outcome, Response)  # throttled, and nothing is bought yet: wait for a turn
    if attempt >= ATTEMPTS and not is_queued:
        return None
    asked = _retry_after(outcome, now) if isinstance(outcome, Response) else None
    if asked is not None:
        return min(asked, LONGEST_SECONDS)
    return jitter * min(BASE_SECONDS * 2.0 ** min(attempt - 1, 10), LONGEST_SECONDS)


def may_resend(request: Request, outcome: Outcome, judge: Judge) -> bool:
    if isinstance(outcome, Fault):
        return not outcome.permanent and not (request.once and outcome.sent)
    if outcome.status < 400:
        return False
    may_pass, _ = judge(outcome)
    return may_pass and (outcome.status == 429 or not request.once)


def _retry_after(response: Response, now: float) -> float | None:
    """`Retry-After` in seconds, from a number or a date; None if absent, past or unreadable.

    Proxies send it; DashScope documents none ("Rate limits", 2026-10).
    """
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,30}", text):
        return float(text)
    moment = moment_of(text)
    return None if moment is None or moment < now else moment - now


def skew(response: Response, now: float) -> float:
    """How far the server's clock is ahead of ours, in seconds, by its `Date` header; 0 without one."""
    moment = moment_of(response.headers.get("date", ""))
    return 0.0 if moment is None else moment - now


def _random() -> float:
    from random import random  # half a millisecond, which a run without a retry saves

    return random()  # noqa: S311 - spreads tries


def retrying(
    send: Send,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    deadline: float,
    judge: Judge,
    now: Callable[[], float] = time.time,
    tell: Callable[[str], None] = lambda _: None,
    jitter: Callable[[], float] = _random,
) -> Send:
    """`send`, but it sends again as `delay` allows, if the pause ends before the deadline.

    tell: called with the reason for each pause.
    sleep, clock, jitter, now: replaced in tests.
    """

    def send_again(request: Request) -> Response:
        attempt = 1
        while True:
            try:
                response = send(request)
                response = response.whole(request.longest) if request.longest else response
                if response.status < 400:
                    return response
                outcome: Outcome = response
            except Fault as fault:
                outcome = fault
            pause = delay(attempt, request, outcome, now(), jitter(), judge)
            if pause is None or clock() + pause >= deadline:
                if isinstance(outcome, Fault):
                    raise outcome
                return outcome
            reason = outcome.of_host(request) if isinstance(outcome, Fault) else judge(outcome)[1]
            tell(f"{reason}; trying again" + (f" in {pause:.1f} s" if pause >= 0.1 else ""))
            sleep(pause)
            attempt += 1

    return send_again
