"""The API's requests: paths, headers, and how long an answer may take. This module sends nothing.

It puts the key into `Authorization`, for the API host only. Header names are those of the Model Studio pages (2026-10):
`X-DashScope-Async` of "Asynchronous task management API", `X-DashScope-OssResourceResolve` of "Upload local files to
get temporary URLs", `X-DashScope-SSE` of the API reference of each streaming model.
"""

from __future__ import annotations

import json

from ..http.messages import AGENT, Request
from ..plain.texts import china_time
from .endpoint import Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

RESULT_BYTES = 64 * 2**20  # an answer may hold pictures: some gateways inline them
SYNC_PATIENCE = 600.0  # the shared hosts time out after this many seconds ("Base URL overview", 2026-10)
POLL_PATIENCE = 60.0
LONGEST_SPAN_SECONDS = 86400 - 1  # of a task list ("Asynchronous task management API", 2026-10)


def request_for(
    endpoint: Endpoint, method: str, path: str, body: JSON | None = None, *, task: bool = False, stream: bool = False
) -> Request:
    """The HTTP request of an API call. A POST with a body costs money when it is accepted."""
    headers = {"Authorization": f"Bearer {endpoint.key}", "User-Agent": AGENT, "Accept": "application/json"}
    headers["Accept-Encoding"] = "identity"
    encoded = None
    if method == "POST":
        encoded = b"" if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8")
        headers["Content-Type"] = "application/json"
    if task:
        headers["X-DashScope-Async"] = "enable"
    if stream:
        headers["X-DashScope-Sse"] = "enable"
        headers["Accept"] = "text/event-stream"
    if body is not None and _mentions_oss(body):
        headers["X-DashScope-OssResourceResolve"] = "enable"
    patience = SYNC_PATIENCE if body is not None and not task else POLL_PATIENCE
    paid = body is not None
    longest = 0 if paid else RESULT_BYTES
    return Request(method, endpoint.base + path, headers, encoded, patience, billable=paid, once=paid, longest=longest)


def policy_path(model: str) -> str:
    from urllib.parse import urlencode

    return "/uploads?" + urlencode({"action": "getPolicy", "model": model})


def task_path(task_id: str) -> str:
    from urllib.parse import quote

    return "/tasks/" + quote(task_id, safe="", errors="replace")


def list_path(model: str, since: float, until: float, page: int) -> str:
    """The list of a model's tasks between two moments, in epoch seconds. Cuts the period to a day."""
    from urllib.parse import urlencode

    form = "%Y%m%d%H%M%S"
    first, last = (china_time(form, moment) for moment in (since, min(until, since + LONGEST_SPAN_SECONDS)))
    return "/tasks/?" + urlencode({"model_name": model, "start_time": first, "end_time": last, "page_no": page})


def _mentions_oss(value: object) -> bool:
    """Whether any string in a body is a URL of temporary storage."""
    if isinstance(value, str):
        return value[:6].lower() == "oss://"
    if isinstance(value, dict):
        return any(map(_mentions_oss, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_mentions_oss, value))
