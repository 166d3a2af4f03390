"""DesireCore's agent-service on this machine: the media proxy, which forwards a request, and the media store.

It listens on 127.0.0.1 with a self-signed certificate and writes its port to a file. It never gets our key: DesireCore
holds the providers' keys. The proxy wraps a provider's answer in an envelope of its own.
"""

from __future__ import annotations

import json
import os
import re
from shlex import quote

from ..errors import AuthError, OutputError, QianwenError, Refused, Unavailable, UnknownOutcome, UsageError
from ..files.media import SUFFIXES
from ..files.safe_open import open_theirs
from ..http import messages
from ..http.messages import Fault, Request
from ..plain.paths import under_home
from ..plain.record import record
from ..plain.strict_json import load_object
from ..service import answers, requests, salvage
from ..storage.forms import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from ..http.messages import Response, Send
    from ..storage.forms import Upload

    JSON = dict[str, Any]

HOST = "127.0.0.1"
PROXY_PATH = "/api/media-proxy"
STORE_PATH = "/api/media/upload"
ROOT_NAMES = ("DESIRECORE_ROOT", "DESIRECORE_HOME")
PORT_FILE = "agent-service.port"
ANSWER_BYTES = 128 * 2**20  # the answer contains the pictures, in base64
STORE_PATIENCE = 60.0
_MEDIA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@record
class Row:
    """An error of the proxy, or a provider's error with other advice here than at DashScope.

    error_type: what to raise.
    words: a regular expression for a part of "code: message".
    status: the provider's HTTP status, 0 for any.
    """

    error_type: type[QianwenError]
    hint: str
    words: str = ""
    status: int = 0


_SETTINGS = "in DesireCore's settings, under compute providers"
NO_PROVIDER = f"enable a provider that offers image_gen {_SETTINGS}"
NO_KEY = f"enter the provider's API key {_SETTINGS}; a key from this folder or environment is not used"
BAD_KEY = f"the provider refuses its API key: correct it {_SETTINGS}"
NOT_BOUGHT = "the account of DesireCore's provider has not activated the model: do that in the Model Studio console"
NOT_OFFERED = (
    "the provider that DesireCore chose does not offer the model: enable a DashScope provider "
    f"{_SETTINGS}, or name a model of the provider's own (newer DesireCore: --model gpt-image-2)"
)

# The first matching row counts.
ROWS = (
    Row(AuthError, NO_PROVIDER, r"(?i:no matching provider)|未找到匹配的供应商"),
    Row(AuthError, NO_KEY, r"(?i:api key not configured)|未配置 ?API ?Key"),
    Row(AuthError, NOT_BOUGHT, r"AccessDenied\.Unpurchased"),
    Row(Refused, NOT_OFFERED, r"model_price_error|model_not_supported|(?i:url error)"),
    Row(Refused, NOT_OFFERED, status=404),
    Row(AuthError, BAD_KEY, r"InvalidApiKey|invalid_api_key"),
    Row(AuthError, BAD_KEY, status=401),
)


def port_file(env: Mapping[str, str], home: str) -> str:
    """The file with the service's port: in the folder that a variable names, else in ~/.desirecore."""
    root = next((env[name] for name in ROOT_NAMES if env.get(name)), "") or os.path.join("~", ".desirecore")
    return os.path.join(under_home(root, home) or os.sep, PORT_FILE)


def port(env: Mapping[str, str], home: str) -> int:
    """The port that the service listens on. Raises Unavailable if the service has not been started."""
    path = port_file(env, home)
    try:
        if not os.path.isfile(path):
            raise _not_running(f"{path} does not exist")
        with open_theirs(path) as stream:
            text = stream.read(100).decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise _not_running(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise _not_running(f"{path} does not contain a port")
    return int(text)


def _not_running(why: str) -> Unavailable:
    hint = f"start DesireCore and run it again; {ROOT_NAMES[0]} names its folder when that is not ~/.desirecore"
    return Unavailable(f"DesireCore's agent-service is not running: {why}", hint=hint)


def at_home(send: Send, base: str) -> Send:
    """`send`, but if the agent-service cannot be reached, the Fault is permanent and says how to start it."""

    def sending(request: Request) -> Response:
        try:
            return send(request)
        except Fault as fault:
            if fault.sent or fault.permanent or not request.url.startswith(f"{base}/"):
                raise
            error = _not_running(f"no answer on {base}: {fault.reason}")
            raise Fault(error.message, sent=False, permanent=True, hint=error.hint) from fault

    return sending


# The media proxy ------------------------------------------------------------------------------------------


def envelope(endpoint: str, body: JSON) -> JSON:
    """The body for the proxy.

    endpoint: path below the provider's own base.
    body: for the provider.
    """
    return {"serviceType": "image_gen", "endpoint": endpoint, "body": body, "responseType": "json"}


def proxied(base: str, endpoint: str, body: JSON) -> Request:
    """The request that makes pictures."""
    headers = {"User-Agent": messages.AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
    headers["Content-Type"] = "application/json"
    encoded = json.dumps(envelope(endpoint, body), ensure_ascii=False).encode("utf-8")
    return Request("POST", base + PROXY_PATH, headers, encoded, requests.SYNC_PATIENCE, billable=True, once=True)


def generate(send: Send, base: str, endpoint: str, body: JSON, warn: Callable[[str], None]) -> JSON:
    """The provider's answer, as far as it can be read: it may have been paid for.

    warn: called with what is odd about an answer that is read all the same.
    Raises UnknownOutcome if the request may have been accepted, but nothing of the answer can be read.
    """
    request = proxied(base, endpoint, body)
    try:
        with send(request) as response:
            status = response.status
            text, broken = (response.refusal, None) if status >= 300 else _received(response)
    except Fault as fault:
        if fault.sent:
            raise _unanswered(fault) from fault
        raise Unavailable(fault.reason, hint=fault.hint) from fault
    answer = load_object(text)
    known = answer or {}
    data, provider_status = known.get("data"), known.get("statusCode")
    if type(provider_status) is int and provider_status >= 400:
        status = provider_status
    if "success" in known and (status >= 300 or known["success"] is False):
        raise refused(known, status, request)
    if isinstance(data, str):
        data = load_object(data.encode("utf-8", "replace"))
    if known.get("success") is True and isinstance(data, dict):
        answers.unquote_output(data, warn)
        return data
    found = salvage.salvage(text, b"") if status < 300 else {"output": {}}
    if "choices" in found["output"]:
        warn("the answer of DesireCore's media proxy is incomplete; what could be read is used")
        return found
    if broken:
        raise _unanswered(broken) from broken
    if "success" not in known:
        raise _not_the_proxy(status, base)
    raise UnknownOutcome("DesireCore's media proxy answered without a result")


def _unanswered(fault: Fault) -> UnknownOutcome:
    return UnknownOutcome(f"{fault.reason} after the request was sent", hint=fault.hint)


def _received(response: Response) -> tuple[bytes, Fault | None]:
    """The body of an answer as far as it arrived, and the fault that ended it early."""
    body = bytearray()
    try:
        while len(body) <= ANSWER_BYTES and (block := response.read(65536)):
            body += block
    except Fault as fault:
        return bytes(body), fault
    return bytes(body), None


def refused(answer: JSON, status: int, request: Request) -> QianwenError:
    """The error for a failed request. Unless the provider certainly never got the request, the outcome is unknown."""
    code, message, request_id = error_of(answer)
    words = ": ".join(dict.fromkeys(filter(None, (code, message)))) or f"HTTP {status}"
    text = f"through DesireCore: {words}"
    row = next((row for row in ROWS if _matches(row, words, status)), None)
    if row:
        return row.error_type(text, hint=row.hint, code=code, http_status=status, request_id=request_id)
    if status < 400:  # the proxy itself failed, before or after it asked the provider
        return UnknownOutcome(text, code=code, request_id=request_id)
    error = answers.refused({"code": code, "message": message, "request_id": request_id}, status, request)
    error.message = text
    return error


def _matches(row: Row, words: str, status: int) -> bool:
    return re.search(row.words, words) is not None if row.words else row.status == status


def error_of(answer: JSON) -> tuple[str, str, str]:
    """Code, message and request id of an error, wherever the proxy nests the provider's answer."""
    code = message = request_id = ""
    pending: list[object] = [answer]
    while pending:
        fields = pending.pop(0)
        if isinstance(fields, str):
            nested = load_object(fields.encode("utf-8", "replace"))
            message = message or ("" if nested else " ".join(fields.split()))
            fields = nested
        if isinstance(fields, dict):
            code = code or _text(fields.get("code"))
            request_id = request_id or _text(fields.get("request_id"))
            pending[:0] = [fields.get(name) for name in ("data", "error", "message", "details")]  # the provider's first
    return code, message, request_id


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# The media store ------------------------------------------------------------------------------------------


def store(send: Send, base: str, file: Upload) -> str:
    """Put a file into the media store and answer its id. Raises OutputError if the store refuses it."""
    content_type, body = form((), f"picture{SUFFIXES.get(file.media_type, '')}", file)
    headers = {"User-Agent": messages.AGENT, "Content-Type": content_type}
    request = Request("POST", base + STORE_PATH, headers, body, STORE_PATIENCE, longest=messages.ANSWER_BYTES)
    try:
        status, text = _exchange(send, request)
    except Fault as fault:
        raise _not_stored(base, file, fault.reason) from fault
    except UsageError as error:
        raise _not_stored(base, file, error.message) from error
    answer = load_object(text) or {}
    inner = answer.get("data")
    media_id = answer.get("mediaId") or (inner.get("mediaId") if isinstance(inner, dict) else None)
    if status < 300 and isinstance(media_id, str) and _MEDIA_ID.fullmatch(media_id):
        return media_id
    _, message, _ = error_of(answer)
    raise _not_stored(base, file, message or f"it answered HTTP {status} without a media id")


def _not_stored(base: str, file: Upload, why: str) -> OutputError:
    text = f"{file.path} is saved, but could not be put into DesireCore's media store: {why}"
    form = quote(f"file=@{file.path};type={file.media_type}")
    return OutputError(text, hint=f"do not make it again, but store it: curl -sk -F {form} {base}{STORE_PATH}")


# Pieces ---------------------------------------------------------------------------------------------------


def _exchange(send: Send, request: Request) -> tuple[int, bytes]:
    """The status and the body of any answer. Raises Fault."""
    with send(request) as response:
        return response.status, response.refusal if response.status >= 300 else response.read_all(ANSWER_BYTES)


def _not_the_proxy(status: int, base: str) -> QianwenError:
    """The error for an answer that is not the proxy's. Only 404 and 405 prove that no picture was made."""
    text = f"{base} answered HTTP {status} and is not DesireCore's media proxy"
    if status in (404, 405):
        hint = f"restart DesireCore; the port in {PORT_FILE} may be from an earlier start"
        return Unavailable(text, hint=hint, http_status=status, retryable=False)
    return UnknownOutcome(text, http_status=status)
