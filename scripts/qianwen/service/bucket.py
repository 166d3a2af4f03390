"""Local files into the user's own OSS bucket instead of temporary storage: `QWEN_TMP_OSS_BUCKET` turns it on.

Everything that is configured has been checked before a byte is sent; see `bucket_settings`. Uploads may be retried;
after a doubtful one the next try has a new name, because overwriting is forbidden. What comes back is a presigned https
URL, which whoever holds it can fetch until it expires: it goes into the request and nowhere else.
"""

from __future__ import annotations

import os
import re
import time

from ..errors import AuthError, QianwenError, Refused, Unavailable, UsageError
from ..record import record
from ..redact import HIDDEN, shortened
from . import asking, oss_v4, uploads
from .crc64 import Crc64
from .exchange import Fault, Request, Response, Stream, moment_of
from .forms import file_blocks
from .oss_v4 import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping

    from .bucket_settings import Bucket
    from .exchange import Send
    from .forms import Upload

LARGEST_OBJECT_BYTES = 5 * 2**30
TRIES = 3

_CRC = re.compile(r"[0-9]{1,20}")


@record
class _Tried:
    """What came of one try. error: None when storage has the file.  again: another try may go better.

    server_time: epoch seconds that the server's clock shows, when ours is too wrong for it.
    """

    error: QianwenError | None = None
    again: bool = False
    server_time: float | None = None


# Upload -------------------------------------------------------------------------------------------------------


def preview(bucket: Bucket, named: str) -> str:
    """What stands for a file's URL where nothing is uploaded. named: the file, in words for people."""
    return f"{bucket.get_base}/{bucket.prefix}/(upload of {named})"


def upload(send: Send, pause: Callable[[float], None], now: Callable[[], float], bucket: Bucket, file: Upload) -> str:
    """A presigned URL of a file put into the bucket, good for `bucket.expires` seconds from now on.

    pause: sleeps for some seconds before another try.  now: epoch seconds.
    Raises UsageError for a file that is too large or changes while it is sent, AuthError when storage does not take the
    credentials, Refused when it says no for another reason, Unavailable when it cannot be reached or has trouble.
    """
    if file.bytes > LARGEST_OBJECT_BYTES:
        raise UsageError(f"{file.path} has {file.bytes / 2**30:.1f} GB; one upload to OSS takes up to 5 GB")
    ahead, corrected = 0.0, False
    attempt = 0
    while True:
        moment = now() + ahead
        key = f"{bucket.prefix}/{_day(moment)}/{uploads.object_name(file.path, file.media_type)}"
        tried = _put(send, bucket, key, file, moment)
        if tried.error is None:
            return _url(bucket, key, now() + ahead)
        if tried.server_time is not None and not corrected:
            ahead, corrected = tried.server_time - now(), True
            continue
        attempt += 1
        if attempt == TRIES or not tried.again:
            raise tried.error
        pause(2.0**attempt)


def _day(moment: float) -> str:
    return time.strftime("%Y%m%d", time.localtime(moment))


def _url(bucket: Bucket, key: str, moment: float) -> str:
    """Nothing but the query is signed: whoever fetches chooses host headers and media types for itself."""
    query = oss_v4.presigned(bucket.signer, moment, Operation("GET", f"/{bucket.name}/{key}"), bucket.expires)
    return f"{bucket.get_base}/{oss_v4.encoded_path(key)}?{query}"


def _put(send: Send, bucket: Bucket, key: str, file: Upload, moment: float) -> _Tried:
    headers = {"User-Agent": asking.AGENT, "Content-Type": file.media_type, "x-oss-forbid-overwrite": "true"}
    operation = Operation("PUT", f"/{bucket.name}/{key}", headers)
    headers.update(oss_v4.authorization(bucket.signer, moment, operation))
    body = _Checked(file)
    url = f"{bucket.put_base}/{oss_v4.encoded_path(key)}"
    request = Request("PUT", url, headers, Stream(file.bytes, body.blocks), uploads.UPLOAD_PATIENCE, once=True)
    try:
        with send(request) as response:
            if response.status != 200:
                return _refusal(response, bucket, file, headers["Authorization"])
            response.read_all(asking.ANSWER_BYTES)
            if body.arrived_as(response.headers.get("x-oss-hash-crc64ecma", "")):
                return _Tried()
            return _Tried(Unavailable(f"{_not_uploaded(file)}: storage received other bytes than were sent"), True)
    except Fault as fault:
        trouble = f"{_not_uploaded(file)}: {fault.reason}"
        return _Tried(Unavailable(trouble, hint=fault.hint, retryable=not fault.permanent), not fault.permanent)


class _Checked:
    """The blocks of a file, and the checksum of those that were sent last."""

    def __init__(self, file: Upload) -> None:
        self._file = file
        self._crc = Crc64()

    def blocks(self) -> Iterator[bytes]:
        crc = self._crc = Crc64()
        for block in file_blocks(self._file):
            crc.update(block)
            yield block

    def arrived_as(self, crc: str) -> bool:
        """Whether storage's checksum is that of the bytes sent; also True when it gave none."""
        return not _CRC.fullmatch(crc) or self._crc.matches(int(crc) % 2**64)


# What a refusal means -----------------------------------------------------------------------------------------

_CREDENTIALS = "check the AccessKey in the RAM console: the id and its secret belong together and are enabled"
_RENEW = "get new temporary credentials and set all three: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_SESSION_TOKEN"
_WHICH_BUCKET = "check QWEN_TMP_OSS_BUCKET and QWEN_TMP_OSS_REGION"
_ACCOUNT = "look at billing and at the state of OSS in the console"

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


def _refusal(response: Response, bucket: Bucket, file: Upload, authorization: str) -> _Tried:
    """The error that a refusal means, in words from which everything that could be a credential is taken out."""
    status = response.status
    said = uploads.oss_error(response.refusal)
    match = re.match(r"[A-Za-z0-9.]{1,60}(?=:|$)", said)
    code = match[0] if match else ""
    passing = status in (408, 429) or status >= 500
    kind, hint = REFUSALS.get(code, (AuthError if status in (401, 403) else Refused, ""))
    if code == "AccessDenied":
        hint = _denied(response.refusal, bucket)
    if kind is AuthError:
        hint += f" (the key is {bucket.key_source})" if hint else f"the key is {bucket.key_source}"
    words = said or f"HTTP {status}"
    for secret in (*bucket.secrets, bucket.signer.access_key_id, authorization.rpartition("=")[2]):
        words = words.replace(secret, HIDDEN)
    error = (Unavailable if passing else kind)(
        f"{_not_uploaded(file)} to bucket {bucket.name}: {shortened(words)}",
        hint="" if passing else hint,
        code=code,
        http_status=status,
        request_id=response.headers.get("x-oss-request-id", ""),
    )
    server_time = moment_of(response.headers.get("date", "")) if code == "RequestTimeTooSkewed" else None
    return _Tried(error, passing or code == "FileAlreadyExists", server_time)


def _denied(body: bytes, bucket: Bucket) -> str:
    """Permission, or a bucket that lives elsewhere: then storage names its endpoint."""
    match = re.search(rb"<Endpoint>([a-z0-9.-]{1,100})</Endpoint>", body)
    endpoint = match[1].decode("ascii") if match else ""
    if endpoint not in bucket.put_base:
        return (
            f"the bucket is in another region: set QWEN_TMP_OSS_REGION, and the endpoint if set, to that of {endpoint}"
        )
    return f"the key needs oss:PutObject and oss:GetObject on {bucket.name}/{bucket.prefix}/*"


def _not_uploaded(file: Upload) -> str:
    return f"{os.path.basename(file.path)} could not be uploaded"
