"""Calls to the service's API: how one looks in HTTP, how its answer is read, which of our errors a refusal becomes.

The key goes into `Authorization` here, to the API host and nowhere else.
"""

from __future__ import annotations

import json
import re
import time

from .. import strict_json
from ..errors import AuthError, ContentRefused, QianwenError, Refused, Unavailable, UnknownOutcome
from .codes import meaning
from .exchange import Endpoint, Fault, Request, Response
from .retry import error_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    from .exchange import Send

    JSON = dict[str, Any]

AGENT = "qianwen-media-generation/1.0"
ANSWER_BYTES = 16 * 2**20
LINE_BYTES = 2**20
SYNC_PATIENCE = 600.0  # the shared hosts answer or give up within this many seconds
POLL_PATIENCE = 60.0
CHINA_SECONDS = 8 * 3600
LONGEST_SPAN_SECONDS = 86400 - 1

KINDS: Mapping[str, type[QianwenError]] = {
    "auth": AuthError,
    "content": ContentRefused,
    "failed": Refused,
    "unavailable": Unavailable,
}


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
    longest = 0 if paid else ANSWER_BYTES
    return Request(method, endpoint.base + path, headers, encoded, patience, billable=paid, once=paid, longest=longest)


def answer(send: Send, request: Request) -> JSON:
    """The JSON answer. Raises the error that a refusal, a fault or an unreadable answer means."""
    with _answered(send, request) as response:
        try:
            return _accepted(response.read_all(ANSWER_BYTES), request)
        except Fault as fault:
            raise _of_fault(fault, request) from fault


def events(send: Send, request: Request) -> Iterator[JSON]:
    """The JSON frames of a streamed answer, as they come. Raises as `answer` does, also in the middle."""
    with _answered(send, request) as response:
        try:
            if "event-stream" not in response.headers.get("content-type", ""):
                yield _accepted(response.read_all(ANSWER_BYTES), request)
                return
            for event, data in _frames(response):
                frame = _parse(data)
                if frame is None:
                    continue
                if event == "error" or frame.get("code"):
                    raise refused(frame, 200, request)
                yield frame
        except Fault as fault:
            raise _of_fault(fault, request) from fault


def policy_path(model: str) -> str:
    from urllib.parse import urlencode

    return "/uploads?" + urlencode({"action": "getPolicy", "model": model})


def task_path(task_id: str) -> str:
    from urllib.parse import quote

    return "/tasks/" + quote(task_id, safe="", errors="replace")


def list_path(model: str, since: float, until: float, page: int) -> str:
    """The tasks of a model; the moments, epoch seconds, are told in China's time and at most a day apart."""

    from urllib.parse import urlencode

    def told(moment: float) -> str:
        return time.strftime("%Y%m%d%H%M%S", time.gmtime(moment + CHINA_SECONDS))

    until = min(until, since + LONGEST_SPAN_SECONDS)
    query = {"model_name": model, "start_time": told(since), "end_time": told(until), "page_no": page}
    return "/tasks/?" + urlencode(query)


def refused(answer: JSON, status: int, request: Request | None = None) -> QianwenError:
    """The error for a refusal in the service's own words. `request` is None when they stand in a result."""
    code, message = str(answer.get("code") or ""), str(answer.get("message") or "")
    means = meaning(code, message, status)
    kind = KINDS[means.kind]
    trouble = kind is Unavailable and status == 200  # told inside an answer, or in the middle of a stream
    doubtful = request is not None and request.billable and (status >= 500 or status == 408 or trouble)
    if doubtful:
        kind = UnknownOutcome
    elif request is None and kind is not ContentRefused:
        kind = Refused  # whatever the reason, the task has ended
    words = " ".join(message.split()) or f"the service answered HTTP {status}"
    return kind(
        f"{code}: {words}" if code else words,
        hint="" if doubtful else means.hint,
        code=code,
        http_status=status,
        request_id=str(answer.get("request_id") or ""),
        retryable=means.passing and kind is Unavailable,
    )


def _answered(send: Send, request: Request) -> Response:
    try:
        response = send(request)
    except Fault as fault:
        raise _of_fault(fault, request) from fault
    if response.status >= 400:
        code, message = error_of(response.refusal)
        answer = {**(_parse(response.refusal) or {}), "code": code, "message": message}
        raise refused(answer, response.status, request)
    if response.status >= 300:
        raise _unreadable(
            f"the service answered with a redirect (HTTP {response.status}), which is not followed", request
        )
    return response


def _accepted(body: bytes, request: Request) -> JSON:
    answer = _parse(body)
    if answer is None:
        raise _unreadable("the service answered something that is no JSON", request)
    if answer.get("code") and not answer.get("output"):  # beside an output, a code is a remark and the output counts
        raise refused(answer, 200, request)
    return answer


def _unreadable(message: str, request: Request) -> QianwenError:
    return UnknownOutcome(message) if request.billable else Unavailable(message, retryable=False)


def _of_fault(fault: Fault, request: Request) -> QianwenError:
    if request.billable and fault.sent:
        return UnknownOutcome(f"{fault.reason} after the request was sent", hint=fault.hint)
    return Unavailable(fault.reason, hint=fault.hint, retryable=not fault.permanent)


def _parse(body: bytes) -> JSON | None:
    """A JSON object, also when it stands in a `data:` line of a failed stream; None for anything else."""
    answer = _load(body)
    if answer is None:
        framed = re.search(rb"^data:(.*)$", body, re.MULTILINE)
        answer = _load(framed[1]) if framed else None
    return answer if isinstance(answer, dict) else None


def _load(text: bytes) -> object:
    """What a JSON text says, without halves of characters. None for what is no JSON."""
    try:
        answer: object = strict_json.load(text, tolerant=True)
        if b"\\ud" in text.lower():  # halves of characters cannot be printed, saved or sent
            whole = json.dumps(answer, ensure_ascii=False)
            answer = json.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        return answer
    except ValueError:
        return None


def _frames(response: Response) -> Iterator[tuple[str, bytes]]:
    """(event, data) of each server-sent event. Comments and unknown lines are heartbeats; `[DONE]` is no data."""
    event, data = "result", b""
    for line in _lines(response):
        if not line:
            if data and data != b"[DONE]":
                yield event, data
            event, data = "result", b""
        elif line.startswith(b"event:"):
            event = line[6:].strip().decode("ascii", "replace")
        elif line.startswith(b"data:"):
            data += line[5:].strip()
    if data and data != b"[DONE]":
        yield event, data


def _lines(response: Response) -> Iterator[bytes]:
    rest, total = b"", 0
    while block := response.read(65536):
        total += len(block)
        if total > ANSWER_BYTES or len(rest) > LINE_BYTES:
            raise Fault("the answer is longer than any answer should be", sent=True, permanent=True)
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
    if rest:
        yield rest.rstrip(b"\r")


def _mentions_oss(value: object) -> bool:
    """Whether any string anywhere in a body is a temporary-storage URL."""
    if isinstance(value, str):
        return value[:6].lower() == "oss://"
    if isinstance(value, dict):
        return any(map(_mentions_oss, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_mentions_oss, value))
