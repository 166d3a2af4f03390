"""What the service's error codes mean: a table, and the one question that is asked of it.

Codes are matched before messages, because messages vary in spelling. Throttling, an exhausted quota, an account
matter and a content refusal call for different answers and are never confused.
"""

from __future__ import annotations

import re

from ..record import record


@record
class Meaning:
    """kind: an error kind of `errors`. passing: the same request may succeed in a moment, and nothing was bought."""

    kind: str
    passing: bool = False
    hint: str = ""


@record
class Row:
    meaning: Meaning
    code: str = ""
    message: str = ""
    status: int = 0


_QUOTA = Meaning("auth", hint="the quota is used up; look at usage and billing in the console")
_ACCOUNT = Meaning("auth", hint="the account is overdue or the service is not bought; look at billing in the console")
_ROUTE = Meaning("failed", hint="the model does not answer on this route; the id may be misspelled")
_MODEL = Meaning(
    "failed",
    hint="check the spelling of the model id, and that the key's region offers it (--region); "
    "models of the 2.1 family are wanx2.1-… in Beijing and wan2.1-… in Singapore",
)
_CONTENT = Meaning(
    "content", hint="a content filter refused it; change the prompt or the picture, do not send it again"
)
_MEDIA = Meaning("failed", hint="the service could not use an input file or URL; check that it is public and whole")
_THROTTLED = Meaning("unavailable", passing=True, hint="too many requests; wait a moment and run it again")
_SERVER = Meaning("unavailable", passing=True, hint="the service has trouble; run it again later")

KEY_HINT = (
    "check the key, and that it belongs to this region and plan: "
    "--region cn-beijing or ap-southeast-1, DASHSCOPE_HTTP_BASE_URL for a workspace or plan host"
)
KEY = Meaning("auth", hint=KEY_HINT)  # the key itself is refused, whatever it asked for
_AGENTS = Meaning("auth", hint="this plan is for coding agents and has no pictures or videos; use a pay-as-you-go key")
_WORKSPACE = Meaning(
    "auth", hint="the key belongs to another workspace, or its workspace is gone; use a key of the right one"
)
_PERMISSION = Meaning("auth", hint="the key may not use this model: activate it in the console, or use another key")

# Regular expressions over the whole code and a part of the message; the first row that fits counts.
ROWS = (
    Row(_QUOTA, r"AllocationQuota\.FreeTierOnly"),
    Row(_QUOTA, r"Throttling\.AllocationQuota|insufficient_quota", r"[Ff]ree allocated quota|quota has been exhausted"),
    Row(_QUOTA, r"Throttling\.AllocationQuota|insufficient_quota", r"(hour|week|month) allocated quota"),
    Row(_ACCOUNT, r"Arrearage|CommodityNotPurchased|PrepaidBillOverdue|PostpaidBillOverdue"),
    Row(_ACCOUNT, message=r"account is in good standing"),
    Row(
        _CONTENT, r"DataInspectionFailed|data_inspection_failed|IPInfringementSuspect|FaqRuleBlocked|CustomRoleBlocked"
    ),
    Row(_CONTENT, message=r"green network verification|inappropriate content"),
    Row(
        _MEDIA,
        r"InvalidParameter\.DataInspection|InvalidURL.*|InvalidFile.*|InvalidImage.*|BadRequest\.(Input|Too|Unsup).*",
    ),
    Row(_MEDIA, message=r"data inspection|download image failed|oss download error"),
    Row(_ROUTE, r"AccessDenied|access_denied", r"does not support (a?synchronous) calls"),
    Row(_ROUTE, message=r"url error"),
    Row(_MODEL, r"ModelNotFound|model_not_found|model_not_supported"),
    Row(_MODEL, message=r"Model not exist"),
    Row(_MODEL, message=r"model '[^']*' is not supported"),
    Row(_AGENTS, message=r"only available for Coding Agents"),
    Row(KEY, r"InvalidApiKey|invalid_api_key|NOT AUTHORIZED"),
    Row(KEY, message=r"(?i:(invalid|incorrect) api[- ]?key)"),
    Row(_WORKSPACE, r"WorkSpaceNotFound"),
    Row(
        _PERMISSION,
        r"AccessDenied\.Unpurchased|(Model|Workspace|App|Endpoint)\.AccessDenied|AccessDenied|access_denied",
    ),
    Row(_THROTTLED, r"Throttling.*|LimitRequests|limit_requests|limit_burst_rate"),
    Row(Meaning("failed"), r"InternalError\.Algo\.InvalidParameter"),
    Row(_SERVER, r"InternalError.*|internal_error|SystemError|ModelServiceFailed|RewriteFailed|Request_?TimeOut"),
    Row(_SERVER, r"ResponseTimeout|ModelServingError|ModelUnavailable|ServiceUnavailable(Error)?"),
    Row(KEY, status=401),
    Row(_PERMISSION, status=403),
    Row(_MODEL, status=404),
    Row(_THROTTLED, status=429),
)


def meaning(code: str, message: str, status: int) -> Meaning:
    """What an answer says, by its code, its message and its HTTP status (200 for a task that failed)."""
    for row in ROWS:
        if (
            (not row.code or re.fullmatch(row.code, code))
            and (not row.message or re.search(row.message, message))
            and (not row.status or row.status == status)
        ):
            return Meaning("failed", hint=row.meaning.hint) if status == 400 and row.meaning.passing else row.meaning
    return _SERVER if status >= 500 else Meaning("failed")


def blames_the_model(code: str, message: str, status: int | None) -> bool:
    """Whether the service does not know the model, or does not let this key use it."""
    return meaning(code, message, status or 0) in (_MODEL, _PERMISSION)


def blames_the_key(code: str, message: str, status: int | None) -> bool:
    """Whether the key itself was refused, and not what it asked for, a quota or the account."""
    return meaning(code, message, status or 0) is KEY
