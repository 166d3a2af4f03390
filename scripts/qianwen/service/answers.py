"""Reading the API's answers, and turning its refusals into our errors.

What an answer holds is worth more than its form: one that was paid for is read as far as it can be, with a warning.
"""

from __future__ import annotations

import json
import re

from ..errors import AuthError, ContentRefused, QianwenError, Refused, Unavailable, UnknownOutcome
from ..http.messages import Fault, Request, Response
from ..plain.strict_json import load_object
from .codes import meaning, words_of
from .requests import RESULT_BYTES
from .salvage import salvage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping

    from ..http.messages import Send

    JSON = dict[str, Any]

BLOCK_BYTES = 65536
LINE_BYTES = 2**20
SHOWN_BYTES = 9  # of an answer show whether it is a stream of events: a byte order mark and `event:`
_FRAME = rb"(?:data|event|id|retry)?:"

KINDS: Mapping[str, type[QianwenError]] = {
    "auth": AuthError,
    "content": ContentRefused,
    "failed": Refused,
    "unavailable": Unavailable,
}


def answer(send: Send, request: Request, is_poll: bool = False, warn: Callable[[str], None] = lambda _: None) -> JSON:
    """Send a request and answer its JSON. Raises the error for a refusal, a fault or an unreadable answer.

    is_poll: HTTP 200 with a code and no output may mean that the task failed, so `tasks` judges it.
    warn: called with what is odd about an answer that is read all the same.
    """
    with _answered(send, request) as response:
        body, fault = _body(response)
        answer = _parse(body, warn)
        if answer is None:
            answer = _salvaged(body, request, is_poll, warn)
        if answer is None and fault:
            raise _of_fault(fault, request) from fault
        if answer is None:
            raise _unreadable("the service's answer is not valid JSON", request)
        if fault:
            warn(f"the service's answer is incomplete: {fault.reason}")
        if complains(answer) and not is_poll:
            raise refused(answer, 200, request)
        return answer


def events(send: Send, request: Request, warn: Callable[[str], None] = lambda _: None) -> Iterator[JSON]:
    """The JSON frames of a streamed answer, as they arrive. Raises as `answer` does, also in mid-stream."""
    with _answered(send, request) as response:
        try:
            first = b""
            while len(first) < SHOWN_BYTES and (block := response.read(BLOCK_BYTES)):
                first += block
            first = first.removeprefix(b"\xef\xbb\xbf")
            is_stream = "event-stream" in response.headers.get("content-type", "").lower()
            blocks = _blocks(first, response)
            if not (is_stream or re.match(_FRAME, first)):
                whole = Response(200, response.headers, lambda _: next(blocks, b""))
                yield answer(lambda _: whole, request, warn=warn)
                return
            for event, data in _frames(blocks):
                frame = _parse(data, warn)
                if frame is None:
                    frame = _salvaged(data, request, False, warn)
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


def _body(response: Response) -> tuple[bytes, Fault | None]:
    """The body of an answer as far as it arrived, and the fault that ended it early."""
    body = bytearray()
    try:
        for block in _blocks(response.read(BLOCK_BYTES), response):
            body += block
    except Fault as fault:
        return bytes(body), fault
    return bytes(body), None


def _blocks(block: bytes, response: Response) -> Iterator[bytes]:
    """A block that was read from an answer, and those that follow. Raises Fault if all of it is too long."""
    total = 0
    while block:
        total += len(block)
        if total > RESULT_BYTES:
            response.close()
            raise Fault("the answer is longer than any answer should be", sent=True, permanent=True)
        yield block
        block = response.read(BLOCK_BYTES)


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


def _parse(body: bytes, warn: Callable[[str], None] = lambda _: None) -> JSON | None:
    """The JSON object in a body or in a `data:` line of a failed stream; None for anything else."""
    answer = _load(body, warn)
    if answer is None:
        framed = re.search(rb"^data:(.*)$", body, re.MULTILINE)
        answer = _load(framed[1], warn) if framed else None
    return answer


def _load(text: bytes, warn: Callable[[str], None]) -> JSON | None:
    """A JSON object without lone surrogates, which cannot be printed, saved or sent. None for anything else."""
    answer = load_object(
        text, lambda why: warn(f"the service's answer is not valid JSON ({why}); it was read all the same")
    )
    if answer:
        unquote_output(answer, warn)
    if answer and b"\\ud" in text.lower():
        whole = json.dumps(answer, ensure_ascii=False)
        answer = json.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return answer


def unquote_output(answer: JSON, warn: Callable[[str], None]) -> None:
    """Replace an output that is a JSON text in quotes by what it holds."""
    output = answer.get("output")
    within = load_object(output.encode("utf-8", "surrogatepass")) if isinstance(output, str) else None
    if within:
        warn("the service's answer has its output in quotes; it was read all the same")
        answer["output"] = within


def _salvaged(body: bytes, request: Request, is_poll: bool, warn: Callable[[str], None]) -> JSON | None:
    """What was paid for, out of an answer that is no JSON; None if nothing of it can be read."""
    if not (request.billable or is_poll):
        return None
    answer = salvage(body, request.body if isinstance(request.body, bytes) else b"")
    output = answer["output"]
    is_task = "X-DashScope-Async" in request.headers
    if not ("task_id" in output if is_task else "choices" in output or (is_poll and "task_status" in output)):
        return None
    warn("the service's answer is not valid JSON; what it holds was read out of it")
    return answer


def _frames(blocks: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """(event, data) of each server-sent event, without comments, unknown lines and `[DONE]`.

    Raises Fault when the stream breaks, after what had arrived until then.
    """
    event, data = "result", bytearray()
    broken: Fault | None = None
    lines = _lines(blocks)
    while True:
        try:
            line = next(lines, None)
        except Fault as fault:
            broken, line = fault, None
        if not line:
            if data and data != b"[DONE]":
                yield event, bytes(data)
            event, data = "result", bytearray()
        elif line.startswith(b"event:"):
            event = line[6:].strip().decode("ascii", "replace")
        elif line.startswith(b"data:"):
            data += line[5:].strip()
        if broken:
            raise broken
        if line is None:
            return


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a streamed answer, which end with CR LF, LF or CR. Raises Fault when it, or a line, is too long.

    When the stream breaks, the line that was cut off comes before the Fault.
    """
    rest, follows_cr = bytearray(), False  # `rest` is a line that is not complete yet
    try:
        for block in blocks:
            if len(rest) > LINE_BYTES:
                raise Fault("a line of the answer is longer than any should be", sent=True, permanent=True)
            new = block[1:] if follows_cr and block[:1] == b"\n" else block
            follows_cr = block[-1:] == b"\r"
            end, *lines = new.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            rest += end
            for line in lines:
                yield bytes(rest)
                rest = bytearray(line)
    except Fault:
        yield bytes(rest)
        raise
    yield bytes(rest)


def error_of(body: bytes) -> tuple[str, str]:
    """`code` and `message` of an error body in any of its shapes; ("", "") when it has none."""
    return words_of(_parse(body) or {})


def judge(response: Response) -> tuple[bool, str]:
    """For `http.retry`: whether the same request may succeed in a moment, and a name for the refusal."""
    code, message = error_of(response.refusal)
    return meaning(code, message, response.status).passing, f"HTTP {response.status} {code}".rstrip()
