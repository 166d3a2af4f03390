"""DesireCore's agent-service on this machine: the media proxy, which passes a request on, and the media store.

It listens on 127.0.0.1 with a certificate of its own; its port stands in a file. No key goes there: the providers' keys
are kept by DesireCore. What a provider says comes back inside an envelope of the proxy's.
"""

from __future__ import annotations

import json
import os
import re
from shlex import quote

from ..errors import AuthError, OutputError, QianwenError, Refused, Unavailable, UnknownOutcome, UsageError
from ..media import SUFFIXES
from ..record import record
from ..strict_json import load_object
from . import api, asking
from .exchange import Fault, Request
from .forms import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from .exchange import Response, Send
    from .forms import Upload

    JSON = dict[str, Any]

HOST = "127.0.0.1"
PROXY_PATH = "/api/media-proxy"
STORE_PATH = "/api/media/upload"
IN_THE_LEDGER = f"https://{HOST}{PROXY_PATH}"  # without the port, which is another one after each start
ROOT_NAMES = ("DESIRECORE_ROOT", "DESIRECORE_HOME")
PORT_FILE = "agent-service.port"
ANSWER_BYTES = 128 * 2**20  # pictures in base64 stand inside the answer
STORE_PATIENCE = 60.0
_MEDIA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@record
class Row:
    """A complaint of the proxy's own, or a provider's that asks for something else here than at DashScope.

    words: a regular expression for what is said or for its code.  status: the provider's.
    """

    kind: type[QianwenError]
    hint: str
    words: str = ""
    status: int = 0


_SETTINGS = "in DesireCore's settings, under compute providers"
NO_PROVIDER = f"enable a provider that offers image_gen {_SETTINGS}"
NO_KEY = f"enter the provider's API key {_SETTINGS}; a key of this folder or environment is not sent there"
BAD_KEY = f"the provider refuses its API key: correct it {_SETTINGS}"
NOT_BOUGHT = "the account of DesireCore's provider has not activated the model: do that in the Model Studio console"
NOT_OFFERED = (
    "the provider that DesireCore chose does not offer the model: enable a DashScope provider "
    f"{_SETTINGS}, or name a model of the provider's own (newer DesireCore: --model gpt-image-2)"
)

# The first row that fits counts.
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
    """Where the service writes its port: below the folder that a variable names, else below ~/.desirecore."""
    root = next((env[name] for name in ROOT_NAMES if env.get(name)), "") or os.path.join(home, ".desirecore")
    return os.path.join(os.path.expanduser(root), PORT_FILE)


def port(env: Mapping[str, str], home: str) -> int:
    """The port that the service listens on. Raises Unavailable when it has not been started."""
    path = port_file(env, home)
    try:
        if not os.path.isfile(path):  # a pipe of that name must not block us
            raise _not_running(f"{path} is not there")
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read(100).strip()
    except (OSError, ValueError) as error:
        raise _not_running(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise _not_running(f"{path} holds no port")
    return int(text)


def _not_running(why: str) -> Unavailable:
    hint = f"start DesireCore and run it again; {ROOT_NAMES[0]} names its folder when it is not ~/.desirecore"
    return Unavailable(f"DesireCore's agent-service is not running: {why}", hint=hint)


def at_home(send: Send, base: str) -> Send:
    """`send`, which knows what it means when nobody answers on this machine: waiting and trying again does not help."""

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
    """What the proxy is told. endpoint: path below the provider's own base.  body: what the provider gets."""
    return {"serviceType": "image_gen", "endpoint": endpoint, "body": body, "responseType": "json"}


def proxied(base: str, endpoint: str, body: JSON) -> Request:
    """The request that makes pictures."""
    headers = {"User-Agent": asking.AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
    headers["Content-Type"] = "application/json"
    encoded = json.dumps(envelope(endpoint, body), ensure_ascii=False).encode("utf-8")
    return Request("POST", base + PROXY_PATH, headers, encoded, asking.SYNC_PATIENCE, billable=True, once=True)


def generate(send: Send, base: str, endpoint: str, body: JSON) -> JSON:
    """What the provider answered. Raises UnknownOutcome when it may have been accepted and no answer can be read."""
    request = proxied(base, endpoint, body)
    try:
        status, told = _exchanged(send, request)
    except Fault as fault:
        if fault.sent:
            raise UnknownOutcome(f"{fault.reason} after the request was sent", hint=fault.hint) from fault
        raise Unavailable(fault.reason, hint=fault.hint) from fault
    answer = load_object(told)
    if answer is None or "success" not in answer:
        raise _no_proxy(status, base)
    data, provider_status = answer.get("data"), answer.get("statusCode")
    if type(provider_status) is int and provider_status >= 400:
        status = provider_status
    if status >= 300 or answer.get("success") is False:
        raise refused(answer, status, request)
    if answer.get("success") is not True or not isinstance(data, dict):
        raise UnknownOutcome("DesireCore's media proxy answered without a result")
    return data


def refused(answer: JSON, status: int, request: Request) -> QianwenError:
    """The error for a complaint. One that is not known to come before the provider was asked leaves it open."""
    code, message, request_id = complaint(answer)
    words = ": ".join(dict.fromkeys(filter(None, (code, message)))) or f"HTTP {status}"
    told = f"through DesireCore: {words}"
    row = next((row for row in ROWS if _fits(row, words, status)), None)
    if row:
        return row.kind(told, hint=row.hint, code=code, http_status=status, request_id=request_id)
    if status < 400:  # the proxy itself failed, and nobody knows when
        return UnknownOutcome(told, code=code, request_id=request_id)
    error = api.refused({"code": code, "message": message, "request_id": request_id}, status, request)
    error.message = told
    return error


def _fits(row: Row, words: str, status: int) -> bool:
    return re.search(row.words, words) is not None if row.words else row.status == status


def complaint(answer: JSON) -> tuple[str, str, str]:
    """Code, message and request id of a failure, wherever the proxy has put what the provider said."""
    code = message = request_id = ""
    level: list[object] = [answer]
    while level:
        fields = level.pop(0)
        if isinstance(fields, str):
            nested = load_object(fields.encode("utf-8", "replace"))
            message = message or ("" if nested else " ".join(fields.split()))
            fields = nested
        if isinstance(fields, dict):
            code = code or _word(fields.get("code"))
            request_id = request_id or _word(fields.get("request_id"))
            level[:0] = [fields.get(name) for name in ("data", "error", "message", "details")]  # the provider's first
    return code, message, request_id


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


# The media store ------------------------------------------------------------------------------------------


def store(send: Send, base: str, file: Upload) -> str:
    """Put a file into the media store and answer its id. Raises OutputError when the store does not take it."""
    content_type, body = form((), f"picture{SUFFIXES.get(file.media_type, '')}", file)
    headers = {"User-Agent": asking.AGENT, "Content-Type": content_type}
    request = Request("POST", base + STORE_PATH, headers, body, STORE_PATIENCE, longest=asking.ANSWER_BYTES)
    try:
        status, told = _exchanged(send, request)
    except Fault as fault:
        raise _not_stored(base, file, fault.reason) from fault
    except UsageError as error:
        raise _not_stored(base, file, error.message) from error
    answer = load_object(told) or {}
    inner = answer.get("data")
    found = answer.get("mediaId") or (inner.get("mediaId") if isinstance(inner, dict) else None)
    if status < 300 and isinstance(found, str) and _MEDIA_ID.fullmatch(found):
        return found
    _, message, _ = complaint(answer)
    raise _not_stored(base, file, message or f"it answered HTTP {status} and no media id")


def _not_stored(base: str, file: Upload, why: str) -> OutputError:
    told = f"{file.path} is saved, but could not be put into DesireCore's media store: {why}"
    form = quote(f"file=@{file.path};type={file.media_type}")
    return OutputError(told, hint=f"do not make it again, but store it: curl -sk -F {form} {base}{STORE_PATH}")


# Pieces ---------------------------------------------------------------------------------------------------


def _exchanged(send: Send, request: Request) -> tuple[int, bytes]:
    """The status and the whole body of an answer, whichever it is. Raises Fault."""
    with send(request) as response:
        return response.status, response.refusal if response.status >= 300 else response.read_all(ANSWER_BYTES)


def _no_proxy(status: int, base: str) -> QianwenError:
    """An answer that is none of the proxy's: a refusal at the door is told from one that may hide a picture."""
    told = f"what answers on {base} with HTTP {status} is no media proxy of DesireCore's"
    if status in (404, 405):
        hint = f"restart DesireCore; the port in {PORT_FILE} may be one of an earlier start"
        return Unavailable(told, hint=hint, http_status=status, retryable=False)
    return UnknownOutcome(told, http_status=status)
