"""Upload local files to the user's own OSS bucket instead of temporary storage: `QWEN_TMP_OSS_BUCKET` turns it on.

`bucket_settings` has checked the whole configuration before a byte is sent. Uploads may be retried; after one with an
unknown outcome the next try uses a new name, because we forbid overwriting. The result is a presigned https URL. Anyone
who has it can download the file until it expires, so it goes into the request and nowhere else.
"""

from __future__ import annotations

import os
import re
import time

from ..errors import AuthError, QianwenError, Refused, Unavailable, UsageError
from ..http import messages
from ..http.messages import Fault, Request, Response, Stream, moment_of
from ..plain.record import record
from ..plain.redact import HIDDEN, shortened
from . import forms, signature, temporary
from .checksums import Crc64
from .forms import file_blocks
from .signature import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping

    from ..http.messages import Send
    from .bucket_settings import Bucket
    from .forms import Upload

LARGEST_OBJECT_BYTES = 5 * 2**30
TRIES = 3


@record
class _Attempt:
    """The result of one try.

    error: None if storage has the file.
    again: another try may succeed.
    server_time: epoch seconds by the server's clock, if it refused ours.
    """

    error: QianwenError | None = None
    again: bool = False
    server_time: float | None = None


# Upload -------------------------------------------------------------------------------------------------------


def preview(bucket: Bucket, named: str) -> str:
    """A description in place of a file's URL, for --dry-run.

    named: the file, in words.
    """
    return f"{bucket.get_base}/{bucket.prefix}/(upload of {named})"


def upload(send: Send, pause: Callable[[float], None], now: Callable[[], float], bucket: Bucket, file: Upload) -> str:
    """Upload a file to the bucket and answer a presigned URL, valid for `bucket.expires` seconds from now.

    pause: sleeps for some seconds before another try.
    now: answers epoch seconds.
    Raises UsageError if the file is too large or changes during the upload, AuthError if storage refuses the
    credentials, Refused if it refuses the file, Unavailable if it cannot be reached or has trouble.
    """
    if file.bytes > LARGEST_OBJECT_BYTES:
        raise UsageError(f"{file.path} has {file.bytes / 2**30:.1f} GB; one upload to OSS takes up to 5 GB")
    skew, is_corrected = 0.0, False
    tries = 0
    while True:
        moment = now() + skew
        key = f"{bucket.prefix}/{_day(moment)}/{forms.object_name(file.path, file.media_type)}"
        attempt = _put(send, bucket, key, file, moment)
        if attempt.error is None:
            return _url(bucket, key, now() + skew)
        if attempt.server_time is not None and not is_corrected:
            skew, is_corrected = attempt.server_time - now(), True
            continue
        tries += 1
        if tries == TRIES or not attempt.again:
            raise attempt.error
        pause(2.0**tries)


def _day(moment: float) -> str:
    return time.strftime("%Y%m%d", time.localtime(moment))


def _url(bucket: Bucket, key: str, moment: float) -> str:
    """A presigned URL. Only its query is signed, so that the model service may send any headers."""
    query = signature.presigned(bucket.signer, moment, Operation("GET", f"/{bucket.name}/{key}"), bucket.expires)
    return f"{bucket.get_base}/{signature.encoded_path(key)}?{query}"


def _put(send: Send, bucket: Bucket, key: str, file: Upload, moment: float) -> _Attempt:
    headers = {"User-Agent": messages.AGENT, "Content-Type": file.media_type, "x-oss-forbid-overwrite": "true"}
    operation = Operation("PUT", f"/{bucket.name}/{key}", headers)
    headers.update(signature.authorization(bucket.signer, moment, operation))
    body = _Checked(file)
    url = f"{bucket.put_base}/{signature.encoded_path(key)}"
    request = Request("PUT", url, headers, Stream(file.bytes, body.blocks), temporary.UPLOAD_PATIENCE, once=True)
    try:
        with send(request) as response:
            if response.status != 200:
                return _refusal(response, bucket, file, headers["Authorization"])
            response.read_all(messages.ANSWER_BYTES)
            if body.crc.matches(response.headers.get("x-oss-hash-crc64ecma", "")):
                return _Attempt()
            return _Attempt(Unavailable(f"{_not_uploaded(file)}: storage received other bytes than were sent"), True)
    except Fault as fault:
        trouble = f"{_not_uploaded(file)}: {fault.reason}"
        return _Attempt(Unavailable(trouble, hint=fault.hint, retryable=not fault.permanent), not fault.permanent)


class _Checked:
    """The blocks of a file, and the checksum of the last pass over them."""

    def __init__(self, file: Upload) -> None:
        self._file = file
        self.crc = Crc64()

    def blocks(self) -> Iterator[bytes]:
        crc = self.crc = Crc64()
        for block in file_blocks(self._file):
            crc.update(block)
            yield block


# What a refusal means -----------------------------------------------------------------------------------------

_CREDENTIALS = "check in the RAM console that the AccessKey id and its secret belong together and are enabled"
_RENEW = "get new temporary credentials and set all three: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_SESSION_TOKEN"
_WHICH_BUCKET = "check QWEN_TMP_OSS_BUCKET and QWEN_TMP_OSS_REGION"
_ACCOUNT = "check billing and the state of OSS in the console"

REFUSALS: Mapping[str, tuple[type[QianwenError], str]] = {
    "InvalidAccessKeyId": (AuthError, _CREDENTIALS),
    "SignatureDoesNotMatch": (AuthError, f"{_CREDENTIALS}; copy both again, whole and without spaces"),
    "SecurityTokenExpired": (AuthError, _RENEW),
    "InvalidSecurityToken": (AuthError, _RENEW),
    "AccessKeyIdAndSecurityTokenNotMatch": (AuthError, _RENEW),
    "UserDisable": (AuthError, _ACCOUNT),
    "InDebt": (AuthError, _ACCOUNT),
    "PublicEndpointForbidden": (
        Refused,
        "this account may not use the default public domain of a bucket in mainland China: bind your own domain with a "
        "certificate to the bucket and export QWEN_TMP_OSS_ENDPOINT=https://your.domain, or unset QWEN_TMP_OSS_BUCKET",
    ),
    "NoSuchBucket": (Refused, f"{_WHICH_BUCKET}; the program creates no bucket"),
    "InvalidBucketName": (Refused, _WHICH_BUCKET),
    "InvalidArgument": (Refused, "check QWEN_TMP_OSS_REGION: it must be the region in which the bucket was created"),
    "RequestTimeTooSkewed": (Refused, "set the clock of this machine"),
}


def _refusal(response: Response, bucket: Bucket, file: Upload, authorization: str) -> _Attempt:
    """The error for a refusal, with everything that could be a credential removed from its message."""
    status = response.status
    message = forms.oss_error(response.refusal)
    match = re.match(r"[A-Za-z0-9.]{1,60}(?=:|$)", message)
    code = match[0] if match else ""
    passing = status in (408, 429) or status >= 500
    error_type, hint = REFUSALS.get(code, (AuthError if status in (401, 403) else Refused, ""))
    if code == "AccessDenied":
        hint = _denied(response.refusal, bucket)
    if error_type is AuthError:
        hint += f" (the key is {bucket.key_source})" if hint else f"the key is {bucket.key_source}"
    words = message or f"HTTP {status}"
    for secret in (*bucket.secrets, bucket.signer.access_key_id, authorization.rpartition("=")[2]):
        words = words.replace(secret, HIDDEN)
    error = (Unavailable if passing else error_type)(
        f"{_not_uploaded(file)} to bucket {bucket.name}: {shortened(words)}",
        hint="" if passing else hint,
        code=code,
        http_status=status,
        request_id=response.headers.get("x-oss-request-id", ""),
    )
    server_time = moment_of(response.headers.get("date", "")) if code == "RequestTimeTooSkewed" else None
    return _Attempt(error, passing or code == "FileAlreadyExists", server_time)


def _denied(body: bytes, bucket: Bucket) -> str:
    """The hint for AccessDenied: a missing permission, or a bucket in another region, whose endpoint storage names."""
    match = re.search(rb"<Endpoint>([a-z0-9.-]{1,100})</Endpoint>", body)
    endpoint = match[1].decode("ascii") if match else ""
    if endpoint not in bucket.put_base:
        return (
            f"the bucket is in another region: set QWEN_TMP_OSS_REGION, and the endpoint if set, to that of {endpoint}"
        )
    return f"the key needs oss:PutObject and oss:GetObject on {bucket.name}/{bucket.prefix}/*"


def _not_uploaded(file: Upload) -> str:
    return f"{os.path.basename(file.path)} could not be uploaded"
