"""What the service's error codes mean: a table and its look-up.

Codes are matched before messages, because messages vary in spelling. Throttling, an exhausted quota, account trouble, a
refused content, an input that could not be fetched and server trouble each need another reaction, so they are told
apart whatever the HTTP status. Sources: the page "Error messages" (error-code of the model-api-reference, 2026-10) and
public logs; tests/data/codes.tsv names the source of each pair.
"""

from __future__ import annotations

import re

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping


@record
class Meaning:
    """What an error means for us.

    kind: an error kind of `errors`.
    passing: the same request may succeed in a moment, and nothing was bought.
    """

    kind: str
    passing: bool = False
    hint: str = ""


@record
class Row:
    """The meaning of errors that match.

    code: a regular expression for the whole code.
    message: a regular expression for a part of the message.
    status: the HTTP status, 0 for any.
    """

    meaning: Meaning
    code: str = ""
    message: str = ""
    status: int = 0


QUOTA = Meaning("auth", hint="the quota is used up; check usage and billing in the console")
ACCOUNT = Meaning("auth", hint="the account is overdue or the service is not activated; check billing in the console")
ROUTE = Meaning("failed", hint="the model is not available at this endpoint; the id may be misspelled")
MODEL = Meaning(
    "failed",
    hint="check the spelling of the model id, and that the key's region offers it (--region); "
    "models of the 2.1 family are called wanx2.1-… in Beijing and wan2.1-… in Singapore",
)
CONTENT = Meaning(
    "content", hint="a content filter refused it; change the prompt or the picture before you send it again"
)
FETCH = Meaning(
    "failed",
    hint="the service could not download an input: give a public https URL that is still valid and loads fast in the "
    "service's region, or give the local file, which is then uploaded",
)
MEDIA = Meaning("failed", hint="an input file is not what the model takes: check its format, size, length and content")
REQUEST = Meaning("failed", hint="the service refused a value of the request, which the message names; change it")
THROTTLED = Meaning("unavailable", passing=True, hint="too many requests; wait a moment and run it again")
SERVER = Meaning("unavailable", passing=True, hint="the service has trouble; run it again later")
NOT_THERE = Meaning("failed", hint="there is nothing with this id: check the id, and its region or workspace")
NO_SERVICE = Meaning(
    "failed",
    hint="this address does not serve the API: check the base URL (DASHSCOPE_HTTP_BASE_URL or "
    "QWEN_BASE_URL), which ends in /api/v1",
)

KEY_HINT = (
    "check the key, and that it belongs to this region and plan: --region cn-beijing or ap-southeast-1, "
    "DASHSCOPE_WORKSPACE for a workspace, DASHSCOPE_HTTP_BASE_URL for a plan's host"
)
KEY = Meaning("auth", hint=KEY_HINT)  # the key itself is refused, whatever the request
AGENTS = Meaning("auth", hint="this plan is for coding agents and has no pictures or videos; use a pay-as-you-go key")
WORKSPACE = Meaning(
    "auth", hint="the key belongs to another workspace, or its workspace is gone; use a key of the right one"
)
PERMISSION = Meaning("auth", hint="the key may not use this model: activate it in the console, or use another key")
UNDECIDED = Meaning("failed")

# The first matching row counts.
SPECIFIC = (
    Row(QUOTA, r"AllocationQuota\.FreeTierOnly"),
    Row(QUOTA, r"Throttling\.AllocationQuota|insufficient_quota", r"[Ff]ree allocated quota|quota has been exhausted"),
    Row(QUOTA, r"Throttling\.AllocationQuota|insufficient_quota", r"(hour|week|month) allocated quota"),
    Row(ACCOUNT, r"Arrearage|CommodityNotPurchased|PrepaidBillOverdue|PostpaidBillOverdue"),
    Row(ACCOUNT, message=r"account is in good standing"),
    Row(CONTENT, r"DataInspectionFailed|data_inspection_failed|IPInfringementSuspect|FaqRuleBlocked|CustomRoleBlocked"),
    Row(CONTENT, message=r"(?i)green network verification|inappropriate content|involved in IP infringement"),
    Row(FETCH, r"InvalidURL\.(ConnectionRefused|Timeout)|BadRequest\.InputDownloadFailed|InvalidFile\.DownloadFailed"),
    Row(
        FETCH,
        message=r"(?i)(failed|unable) to download|download image failed|oss download error|of multimodal url"
        r"|download (the media resource|multimodal file) timed out|(requested|access the) media resource"
        r"|URL does not appear to be valid",
    ),
    Row(MEDIA, r"InvalidParameter\.DataInspection"),
    Row(MEDIA, message=r"(?i)data inspection"),
    Row(ROUTE, r"AccessDenied|access_denied", r"does not support (a?synchronous) calls"),
    Row(ROUTE, message=r"url error"),
    Row(MODEL, r"ModelNotFound|model_not_found|model_not_supported|Model\.NotExist"),
    Row(MODEL, message=r"Model not exist"),
    Row(MODEL, message=r"model '[^']*' is not supported"),
    Row(AGENTS, message=r"only available for Coding Agents"),
    Row(KEY, r"InvalidApiKey|invalid_api_key|NOT AUTHORIZED"),
    Row(KEY, message=r"(?i:(invalid|incorrect) api[- ]?key)"),
    Row(WORKSPACE, r"WorkSpaceNotFound"),
    Row(PERMISSION, message=r"(?i)product is not activated"),
    Row(
        PERMISSION,
        r"AccessDenied\.Unpurchased|(Model|Workspace|App|Endpoint)\.AccessDenied|AccessDenied|access_denied",
    ),
    Row(THROTTLED, r"Throttling|LimitRequests|limit_requests|limit_burst_rate"),
)
# Codes that may wrap a more exact code in the message.
GENERAL = (
    Row(THROTTLED, message=r"(?i)too many requests"),
    Row(SERVER, r"internal_error|internal_server_error|SystemError|ModelServiceFailed|RewriteFailed|Request_?TimeOut"),
    Row(SERVER, r"ResponseTimeout|GatewayTimeout|ModelServingError|ModelUnavailable|ServiceUnavailable(Error)?"),
    Row(REQUEST, r"InvalidParameter|invalid_parameter_error|UnsupportedOperation|InvalidInputLength"),
    Row(NOT_THERE, r"NotFound"),
)
FAMILIES = (
    Row(THROTTLED, r"Throttling\..*"),
    Row(MEDIA, r"(InvalidURL|InvalidFile|InvalidImage|InvalidVideo|InvalidPerson).*|BadRequest\.(Too|Unsup).*"),
    Row(REQUEST, r"(InvalidParameter|BadRequest)\..*"),
    Row(SERVER, r"InternalError(\..*)?"),
)
STATUSES = (
    Row(KEY, status=401),
    Row(PERMISSION, status=403),
    Row(NO_SERVICE, r"(?!.)", status=404),  # the service itself always gives a code
    Row(MODEL, status=404),
    Row(THROTTLED, status=429),
)
ROWS = SPECIFIC + GENERAL + FAMILIES + STATUSES
LONGEST_MESSAGE = 4096  # characters of a message that are looked at
# OpenAI-compatible endpoints put the HTTP status and the code of an inner layer before a message.
_INNER = r"\s*(?:<(\d{3})>\s*)?([A-Za-z]+(?:\.[A-Za-z]+)+)\s*:"


def meaning(code: str, message: str, status: int) -> Meaning:
    """What an error means, by its code, its message and its HTTP status (200 for a failed task)."""
    row = row_of(code, message, status)
    if row is None:
        return SERVER if _inner_status(message, status) >= 500 else UNDECIDED
    is_refusal = row.meaning.passing and _inner_status(message, status) == 400
    return Meaning("failed", hint=row.meaning.hint) if is_refusal else row.meaning


def row_of(code: str, message: str, status: int) -> Row | None:
    """The row that decides. Specific codes come first; of a dotted code the last part counts when the whole is unknown.

    A message that begins with a code of its own ("<400> InternalError.Algo.InvalidParameter: …") is more exact than
    a general word around it.
    """
    match = re.match(_INNER, message[:200])
    inner = match[2] if match else ""
    message, last, inner_last = message[:LONGEST_MESSAGE], code.rpartition(".")[2], inner.rpartition(".")[2]
    for rows, parts in (
        (SPECIFIC, (code, last, inner, inner_last)),
        (GENERAL, (inner, inner_last)),
        (FAMILIES, (inner,)),
        (GENERAL, (code, last)),
        (FAMILIES + STATUSES, (code,)),
    ):
        for part in dict.fromkeys(parts):
            for row in rows:
                if (
                    (not row.code or re.fullmatch(row.code, part))
                    and (not row.message or re.search(row.message, message))
                    and (not row.status or row.status == status)
                ):
                    return row
    return None


def _inner_status(message: str, status: int) -> int:
    """The HTTP status of the inner layer, if the message begins with it."""
    match = re.match(_INNER, message[:200])
    return int(match[1]) if match and match[1] else status


def words_of(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error: in the native form, that of a failed task, or OpenAI's `error`.

    ("", "") when the answer holds no error.
    """
    error = answer.get("error")
    if isinstance(error, dict):
        code = _first(error.get("code"), error.get("type"), answer.get("code"))
        return code, _first(error.get("message"), error.get("msg"), answer.get("message"))
    code = _first(answer.get("code"), answer.get("error_code"))
    return code, _first(answer.get("message"), answer.get("msg"), answer.get("error_message"), error)


def _first(*values: object) -> str:
    """The first text that is not blank; else the first number that is not 0; else ""."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    numbers = [str(value) for value in values if isinstance(value, (int, float)) and value and value is not True]
    return next(iter(texts + numbers), "")


def blames_the_model(code: str, message: str, status: int | None) -> bool:
    """Whether the service does not know the model or does not let this key use it."""
    return meaning(code, message, status or 0) in (MODEL, PERMISSION)


def blames_the_key(code: str, message: str, status: int | None) -> bool:
    """Whether the key itself was refused, not the request, a quota or the account."""
    return meaning(code, message, status or 0) is KEY
