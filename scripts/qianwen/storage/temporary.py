"""Upload local files to the service's temporary storage: one policy per model, one form POST per file.

Uploads are free and may be retried. After a POST with an unknown outcome the next try uses a new policy and a new name,
because storage forbids overwriting. The `oss://` URL is valid for 48 hours, for this model and this account only (page
"Upload local files to get temporary URLs", Model Studio, 2026-10).
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from ..errors import QianwenError, Refused, Unavailable, UsageError
from ..http import messages
from ..http.messages import Fault, Request
from ..regions import STORAGE_SUFFIX, is_dashscope, is_loopback
from .forms import form, object_name, oss_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..http.messages import Send

    JSON = dict[str, Any]
    from .forms import Upload

UPLOAD_PATIENCE = 120.0
TRIES = 3
NEW_POLICY_HELPS = (403, 408, 409, 429)  # expired, timed out, name taken by an earlier try, throttled

FORM_FIELDS = (
    ("OSSAccessKeyId", "oss_access_key_id"),
    ("Signature", "signature"),
    ("policy", "policy"),
    ("x-oss-object-acl", "x_oss_object_acl"),
    ("x-oss-forbid-overwrite", "x_oss_forbid_overwrite"),
)


def upload(
    send: Send,
    pause: Callable[[float], None],
    api_base: str,
    policy_of: Callable[[str], JSON],
    model: str,
    file: Upload,
) -> str:
    """Upload a file to temporary storage for `model` and answer its `oss://` URL.

    pause: sleeps for some seconds before another try.
    api_base: the API's URL, which decides whose storage may be used.
    policy_of: asks the service for the upload policy of a model.
    Raises UsageError if the file is larger than the policy allows or changes during the upload, Refused if storage
    refuses it, Unavailable if storage cannot be reached or has trouble, and what `policy_of` raises.
    """
    attempt = 0
    while True:
        policy = policy_of(model)
        _check(policy, api_base)
        limit = _number(policy.get("max_file_size_mb"))
        if limit and file.bytes > limit * 2**20:
            raise UsageError(
                f"{file.path} has {file.bytes / 2**20:.1f} MB; storage takes up to {limit:g} MB for {model}"
            )
        key = f"{policy['upload_dir']}/{object_name(file.path, file.media_type)}"
        error, may_pass = _post_form(send, policy, key, file)
        if error is None:
            return f"oss://{key}"
        attempt += 1
        if attempt == TRIES or not may_pass:
            raise error
        pause(2.0**attempt)


def _check(policy: JSON, api_base: str) -> None:
    """Raises Unavailable for a policy that lacks fields, and Refused for a host that gets no file."""
    wanted = ("upload_dir", "upload_host", *(source for _, source in FORM_FIELDS))
    if any(not policy.get(name) for name in wanted):
        raise Unavailable("the service sent an upload policy that lacks fields")
    _check_host(str(policy["upload_host"]), api_base)


def _check_host(host: str, api_base: str) -> None:
    """Accept https hosts, of Alibaba Cloud only if the API is DashScope's own; and a stand-in on this machine."""
    try:
        name, api_host = urlsplit(host).hostname or "", urlsplit(api_base).hostname or ""
    except ValueError:
        raise Unavailable("the service sent an upload host that is not a URL") from None
    if host.startswith("http://") and is_loopback(name) and is_loopback(api_host):
        return
    shown = host.partition("?")[0]
    if not host.startswith("https://"):
        raise Refused(f"the service sent an upload host that is not https: {shown}")
    if is_dashscope(api_host) and not name.endswith(STORAGE_SUFFIX):
        raise Refused(f"the service sent an upload host that is not Alibaba Cloud's: {shown}; no file is sent there")


def _post_form(send: Send, policy: JSON, key: str, file: Upload) -> tuple[QianwenError | None, bool]:
    """Send one form. Answers the error (None: storage has the file) and whether another try may succeed."""
    fields = [(name, _text(policy[source])) for name, source in FORM_FIELDS]
    fields += [("key", key), ("success_action_status", "200")]
    content_type, body = form(fields, key.rpartition("/")[2], file)
    headers = {"User-Agent": messages.AGENT, "Content-Type": content_type}
    name = os.path.basename(file.path)
    try:
        with send(Request("POST", str(policy["upload_host"]), headers, body, UPLOAD_PATIENCE, once=True)) as response:
            if response.status in (200, 204):
                response.read_all(messages.ANSWER_BYTES)
                return None, False
            message = f"{name} could not be uploaded: {oss_error(response.refusal) or f'HTTP {response.status}'}"
            may_pass = response.status >= 500 or response.status in NEW_POLICY_HELPS
            is_refused = response.status >= 400 and not may_pass
            return Refused(message) if is_refused else Unavailable(message), may_pass
    except Fault as fault:
        return Unavailable(f"{name} could not be uploaded: {fault.reason}", hint=fault.hint), not fault.permanent


def _text(value: object) -> str:
    """A policy value as a form field. The service documents text, but also sends numbers and booleans."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[\r\n]", "", text)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0  # no readable limit; storage itself will refuse the file
