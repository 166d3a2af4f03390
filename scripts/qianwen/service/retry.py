"""Whether to send a request again, and after how long: pure decisions, and the wrapper that acts on them.

The question is always "can the server have acted?". A request that costs money, or that has a unique name, is sent
again only when nothing of it was sent, or when the answer was that it is throttled, which is a refusal at the door.
"""

from __future__ import annotations

import json
import re
import time

from .codes import meaning, words_of
from .exchange import Fault, Request, Response, moment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    from .exchange import Send

    Outcome = Union[Response, Fault]

ATTEMPTS = 5
BASE_SECONDS = 1.0
LONGEST_SECONDS = 60.0


def delay(attempt: int, request: Request, outcome: Outcome, now: float, chance: float) -> float | None:
    """Seconds until the request may be sent again, or None to give up.

    attempt: how often it was sent, from 1.  now: epoch seconds, for a `Retry-After` date.  chance: 0 to 1, the jitter.
    """
    if attempt >= ATTEMPTS or not may_resend(request, outcome):
        return None
    asked = _retry_after(outcome, now) if isinstance(outcome, Response) else None
    if asked is not None:
        return min(asked, LONGEST_SECONDS)
    return chance * min(BASE_SECONDS * 2.0 ** (attempt - 1), LONGEST_SECONDS)


def may_resend(request: Request, outcome: Outcome) -> bool:
    if isinstance(outcome, Fault):
        return not outcome.permanent and not (request.once and outcome.sent)
    if outcome.status < 400:
        return False
    code, message = error_of(outcome.refusal)
    passing = meaning(code, message, outcome.status).passing
    return passing and (outcome.status == 429 or not request.once)


def error_of(body: bytes) -> tuple[str, str]:
    """`code` and `message` of an error body in any of its envelopes; ("", "") when it has none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    return words_of(answer) if isinstance(answer, dict) else ("", "")


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, Fault):
        return outcome.reason
    code, _ = error_of(outcome.refusal)
    return f"HTTP {outcome.status} {code}".rstrip()


def _retry_after(response: Response, now: float) -> float | None:
    """`Retry-After` in seconds, given as a number or a date; None when absent, past or unreadable."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,30}", text):
        return float(text)
    moment = moment_of(text)
    return None if moment is None or moment < now else moment - now


def ahead(response: Response, now: float) -> float:
    """How far the server's clock is ahead of ours by its `Date`, in seconds; 0 when that cannot be known."""
    moment = moment_of(response.headers.get("date", ""))
    return 0.0 if moment is None else moment - now


def retrying(
    send: Send,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    deadline: float,
    chance: Callable[[], float],
    now: Callable[[], float] = time.time,
    tell: Callable[[str], None] = lambda _: None,
) -> Send:
    """`send`, but sent again as `delay` allows, as long as the pause ends before the deadline.

    sleep, clock, chance, now: replaced in tests.  tell: hears why there is a pause.
    """

    def send_again(request: Request) -> Response:
        attempt = 1
        while True:
            try:
                response = send(request)
                outcome: Outcome = response.whole(request.longest) if request.longest else response
            except Fault as fault:
                outcome = fault
            pause = delay(attempt, request, outcome, now(), chance())
            if pause is None or clock() + pause >= deadline:
                if isinstance(outcome, Fault):
                    raise outcome
                return outcome
            tell(f"{_reason(outcome)}; trying again in {pause:.1f} s")
            sleep(pause)
            attempt += 1

    return send_again
