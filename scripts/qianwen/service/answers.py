"""Reading the API's answers, and turning its refusals into our errors."""

from __future__ import annotations

import json
import re

from ..errors import AuthError, ContentRefused, QianwenError, Refused, Unavailable, UnknownOutcome
from ..http.messages import Fault, Request, Response
from ..plain.strict_json import load_object
from .codes import meaning, words_of
from .requests import RESULT_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    from ..http.messages import Send

    JSON = dict[str, Any]

LINE_BYTES = 2**20

KINDS: Mapping[str, type[QianwenError]] = {
    "auth": AuthError,
    "content": ContentRefused,
    "failed": Refused,
    "unavailable": Unavailable,
}


def answer(send: Send, request: Request, is_poll: bool = False) -> JSON:
    """Send a request and answer its JSON. Raises the error for a refusal, a fault or an unreadable answer.

    is_poll: HTTP 200 with a code and no output may mean that the task failed, so `tasks` judges it.
    """
    with _answered(send, request) as response:
        try:
            return _accepted(response.read_all(RESULT_BYTES), request, is_poll)
        except Fault as fault:
            raise _of_fault(fault, request) from fault


def events(send: Send, request: Request) -> Iterator[JSON]:
    """The JSON frames of a streamed answer, as they arrive. Raises as `answer` does, also in mid-stream."""
    with _answered(send, request) as response:
        try:
            if "event-stream" not in response.headers.get("content-type", ""):
                yield _accepted(response.read_all(RESULT_BYTES), request)
                return
            for event, data in _frames(response):
                frame = _parse(data)
                if frame is None:
                    continue
                if event == "error" or complains(frame) or frame.get("code"):
                    raise refused(frame, 200, request)
                yield frame
        except Fault as fault:
            raise _of_fault(fault, request) from fault


def refused(answer: JSON, status: int, request: Request | None = None) -> QianwenError:
    """The error for a refusal in the service's own words.

    request: None when the words are those of a task's result.
    """
    code, message = words_of(answer)
    means = meaning(code, message, status)
    error_type = KINDS[means.kind]
    # Server trouble may follow the acceptance of the request, also inside an answer or in mid-stream (status 200).
    trouble = error_type is Unavailable and (status >= 500 or status == 200)
    doubtful = request is not None and request.billable and (trouble or status == 408)
    if doubtful:
        error_type = UnknownOutcome
    elif request is None and error_type is not ContentRefused:
        error_type = Refused  # whatever the reason, the task has ended
    words = " ".join(message.split()) or f"the service answered HTTP {status}"
    return error_type(
        f"{code}: {words}" if code else words,
        hint="" if doubtful else means.hint,
        code=code,
        http_status=status,
        request_id=str(answer.get("request_id") or ""),
        retryable=means.passing and error_type is Unavailable,
    )


def _answered(send: Send, request: Request) -> Response:
    try:
        response = send(request)
    except Fault as fault:
        raise _of_fault(fault, request) from fault
    if response.status >= 400:
        raise refused(_parse(response.refusal) or {}, response.status, request)
    if response.status >= 300:
        raise _unreadable(
            f"the service answered with a redirect (HTTP {response.status}), which is not followed", request
        )
    return response


def _accepted(body: bytes, request: Request, is_poll: bool = False) -> JSON:
    answer = _parse(body)
    if answer is None:
        raise _unreadable("the service's answer is not valid JSON", request)
    if complains(answer) and not is_poll:
        raise refused(answer, 200, request)
    return answer


def complains(answer: JSON) -> bool:
    """Whether an answer with HTTP 200 is a refusal. A code next to a result is only a remark."""
    has_words = bool(words_of(answer)[0]) if not isinstance(answer.get("error"), dict) else any(words_of(answer))
    return has_words and not (answer.get("output") or answer.get("data"))


def _unreadable(message: str, request: Request) -> QianwenError:
    return UnknownOutcome(message) if request.billable else Unavailable(message, retryable=False)


def _of_fault(fault: Fault, request: Request) -> QianwenError:
    reason = fault.of_host(request)
    if request.billable and fault.sent:
        return UnknownOutcome(f"{reason} after the request was sent", hint=fault.hint)
    return Unavailable(reason, hint=fault.hint, retryable=not fault.permanent)


def _parse(body: bytes) -> JSON | None:
    """The JSON object in a body or in a `data:` line of a failed stream; None for anything else."""
    answer = _load(body)
    if answer is None:
        framed = re.search(rb"^data:(.*)$", body, re.MULTILINE)
        answer = _load(framed[1]) if framed else None
    return answer


def _load(text: bytes) -> JSON | None:
    """A JSON object without lone surrogates, which cannot be printed, saved or sent. None for anything else."""
    answer = load_object(text)
    if answer and b"\\ud" in text.lower():
        whole = json.dumps(answer, ensure_ascii=False)
        answer = json.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return answer


def _frames(response: Response) -> Iterator[tuple[str, bytes]]:
    """(event, data) of each server-sent event, without comments, unknown lines and `[DONE]`."""
    event, data = "result", bytearray()
    for line in _lines(response):
        if not line:
            if data and data != b"[DONE]":
                yield event, bytes(data)
            event, data = "result", bytearray()
        elif line.startswith(b"event:"):
            event = line[6:].strip().decode("ascii", "replace")
        elif line.startswith(b"data:"):
            data += line[5:].strip()
    if data and data != b"[DONE]":
        yield event, bytes(data)


def _lines(response: Response) -> Iterator[bytes]:
    """The lines of a streamed answer. Raises Fault when it, or a line of it, is too long."""
    rest, total = bytearray(), 0  # `rest` is a line that is not complete yet
    while block := response.read(65536):
        total += len(block)
        if total > RESULT_BYTES or len(rest) > LINE_BYTES:
            raise Fault("the answer is longer than any answer should be", sent=True, permanent=True)
        end, *lines = block.split(b"\n")
        rest += end
        for line in lines:
            yield bytes(rest).rstrip(b"\r")
            rest = bytearray(line)
    if rest:
        yield bytes(rest).rstrip(b"\r")


def error_of(body: bytes) -> tuple[str, str]:
    """`code` and `message` of an error body in any of its shapes; ("", "") when it has none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    return words_of(answer) if isinstance(answer, dict) else ("", "")


def judge(response: Response) -> tuple[bool, str]:
    """For `http.retry`: whether the same request may succeed in a moment, and a name for the refusal."""
    code, message = error_of(response.refusal)
    return meaning(code, message, response.status).passing, f"HTTP {response.status} {code}".rstrip()
