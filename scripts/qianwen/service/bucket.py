"""Local files into the user's own OSS bucket instead of temporary storage: `QWEN_TMP_OSS_BUCKET` turns it on.

Everything that is configured is checked before a byte is sent. Uploads may be retried; after a doubtful one the next
try has a new name, because overwriting is forbidden. What comes back is a presigned https URL, which whoever holds it
can fetch until it expires: it goes into the request and nowhere else.

A `.env` file may name the bucket and its keys, but no host that is not an OSS endpoint; the `OSS_*` names, which other
tools share, count only in the real environment.
"""

from __future__ import annotations

import os
import re
import time
from urllib.parse import urlsplit

from .. import regions
from ..errors import AuthError, QianwenError, Refused, Unavailable, UsageError
from ..record import record
from ..redact import HIDDEN, shortened
from . import asking, oss_v4, settings, uploads
from .crc64 import Crc64
from .exchange import Fault, Request, Response, Stream
from .oss_v4 import Operation, Secret, Signer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping

    from .exchange import Send
    from .settings import Place, Setting
    from .uploads import Upload

DEFAULT_PREFIX = "qwencloud-uploads"
DEFAULT_EXPIRES = 86400
LONGEST_EXPIRES = 604_800  # seconds, with a lasting key
LONGEST_EXPIRES_OF_A_TOKEN = 43_200
LARGEST_OBJECT_BYTES = 5 * 2**30
TRIES = 3

_NAME = "QWEN_TMP_OSS_"
_SHARED_TOKENS = ("OSS_SESSION_TOKEN", "OSS_SECURITY_TOKEN")
_OSS_HOST = re.compile(r"(?:([a-z0-9-]+)\.)?(oss-[a-z0-9-]+|[a-z0-9-]+\.oss)\.aliyuncs\.com")
_NUMERIC_HOST = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f.]*:[0-9a-f:.]*")
_INTERNAL = re.compile(r"-internal(?=(\.oss)?\.aliyuncs\.com)")
_CRC = re.compile(r"[0-9]{1,20}")

_KEY_HINT = (
    "set QWEN_TMP_OSS_AK_ID and QWEN_TMP_OSS_AK_SECRET, both in one place; or OSS_ACCESS_KEY_ID and "
    "OSS_ACCESS_KEY_SECRET (with OSS_SESSION_TOKEN for temporary ones) in the real environment"
)
_ENDPOINTS = (
    "oss-<region>.aliyuncs.com, its -internal or oss-accelerate form, <region>.oss.aliyuncs.com; "
    "your own domain only in the real environment, not in a .env file"
)


@record
class Bucket:
    """Where files go and whose key signs.

    source: in words, where the bucket was named.  put_base, get_base: URLs that an object's name is added to, for the
    upload and for whoever fetches.  expires: seconds that a presigned URL is good for.
    """

    name: str
    source: str
    put_base: str
    get_base: str
    prefix: str
    expires: int
    signer: Signer
    key_source: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no line that leaves the program may hold."""
        return tuple(filter(None, (self.signer.secret, self.signer.token)))


@record
class _Tried:
    """What came of one try. error: None when storage has the file.  again: another try may go better.

    server_time: epoch seconds that the server's clock shows, when ours is too wrong for it.
    """

    error: QianwenError | None = None
    again: bool = False
    server_time: float | None = None


# Configuration ------------------------------------------------------------------------------------------------


def configured(place: Place) -> Bucket | None:
    """The bucket to use, or None when none is named.

    Raises UsageError for a setting that is not allowed, AuthError when the credentials are missing or not whole.
    """
    found = settings.find(place, (f"{_NAME}BUCKET",))
    if found is None:
        return None
    allowed = "3 to 63 lower-case letters, digits and hyphens, no hyphen at either end"
    name = _matching(found, found.value, r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "is no bucket name", allowed)
    region = _region(place)
    signer, key_source = _signer(place, region)
    put_base, get_base = _bases(settings.find(place, (f"{_NAME}ENDPOINT",)), name, region)
    expires = _expires(place, bool(signer.token))
    return Bucket(name, found.source, put_base, get_base, _prefix(place), expires, signer, key_source)


def _region(place: Place) -> str:
    found = settings.find(place, (f"{_NAME}REGION",))
    allowed = "the bucket's region, such as cn-beijing or ap-southeast-1"
    if found is None:
        raise UsageError(f"{_NAME}BUCKET is set and {_NAME}REGION is not", hint=f"set {_NAME}REGION: {allowed}")
    plain = re.sub(r"^oss-", "", found.value.lower())
    return _matching(found, plain, r"[a-z0-9]+(-[a-z0-9]+)+", "is no region", allowed)


def _prefix(place: Place) -> str:
    found = settings.find(place, (f"{_NAME}PREFIX",))
    if found is None:
        return DEFAULT_PREFIX
    allowed = "up to 200 letters, digits, '.', '_' and '-', with single '/' between folders, none of them '.' or '..'"
    folder = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+"
    return _matching(
        found, found.value.strip("/"), rf"(?=.{{1,200}}$){folder}(/{folder})*", "is no prefix for object names", allowed
    )


def _expires(place: Place, has_token: bool) -> int:
    longest = LONGEST_EXPIRES_OF_A_TOKEN if has_token else LONGEST_EXPIRES
    found = settings.find(place, (f"{_NAME}URL_EXPIRES",))
    if found is None:
        return min(DEFAULT_EXPIRES, longest)
    allowed = f"whole seconds, 1 to {longest}" + (" with temporary credentials" if has_token else "")
    seconds = int(_matching(found, found.value, r"[0-9]{1,9}", "is no number of seconds", allowed))
    if not 1 <= seconds <= longest:
        raise _wrong(found, "is out of range", allowed)
    return seconds


def _signer(place: Place, region: str) -> tuple[Signer, str]:
    """The credentials, all of one set: no half of a pair is ever completed from elsewhere. And where they stand."""
    own = [(name, settings.find(place, (name,))) for name in (f"{_NAME}AK_ID", f"{_NAME}AK_SECRET")]
    if any(found for _, found in own):
        return _pair(own, region, "")
    shared = [(name, _exported(place, name)) for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")]
    if not any(found for _, found in shared):
        raise AuthError(f"{_NAME}BUCKET is set, but no credentials for it were found", hint=_KEY_HINT)
    token = next(filter(None, (_exported(place, name) for name in _SHARED_TOKENS)), None)
    return _pair(shared, region, _printable(token) if token else "")


def _exported(place: Place, name: str) -> Setting | None:
    """A name that other programs share. In a .env file it belongs to them: only the real environment counts."""
    value = place.env.get(name, "").strip()
    return settings.Setting(value, f"{name} in the environment", trusted=True) if value else None


def _pair(halves: list[tuple[str, Setting | None]], region: str, token: str) -> tuple[Signer, str]:
    for name, found in halves:
        if found is None:
            raise AuthError(f"the credentials of the bucket are not whole: {name} is not set", hint=_KEY_HINT)
    key_id, secret = (found for _, found in halves if found)
    places = {found.source.partition(" in ")[2] for found in (key_id, secret)}
    if len(places) > 1:
        raise AuthError(
            f"the credentials of the bucket stand in different places: {key_id.source}, {secret.source}", hint=_KEY_HINT
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", key_id.value):
        raise AuthError(f"{key_id.source} holds characters that no AccessKey id has")
    if key_id.value.startswith("STS.") and not token:
        raise AuthError(
            f"{key_id.source} is of temporary (STS) credentials, whose token is missing",
            hint="set OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN in the real environment, and "
            "leave QWEN_TMP_OSS_AK_ID and QWEN_TMP_OSS_AK_SECRET unset: they take no token",
        )
    return Signer(Secret(key_id.value), Secret(_printable(secret)), region, Secret(token)), key_id.source


def _printable(found: Setting) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", found.value):
        raise AuthError(f"{found.source} holds spaces or characters that no key has")
    return found.value


def _bases(found: Setting | None, bucket: str, region: str) -> tuple[str, str]:
    """URLs of the bucket to put to and to get from. Model services stand outside any private network of the user."""
    if found is None:
        base = f"https://{bucket}.oss-{region}.aliyuncs.com"
        return base, base
    scheme, host, port = _endpoint(found)
    authority = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    if _is_addressed_by_path(host):
        base = f"{scheme}://{authority}/{bucket}"
        return base, base
    match = _OSS_HOST.fullmatch(host)
    if match and match[1] not in (None, bucket):
        raise _wrong(found, "names another bucket", f"the endpoint alone, or that of {_NAME}BUCKET")
    bucket_is_missing = match and match[1] is None
    base = f"{scheme}://{bucket}.{authority}" if bucket_is_missing else f"{scheme}://{authority}"
    return base, _INTERNAL.sub("", base)


def _is_addressed_by_path(host: str) -> bool:
    """Whether the bucket stands in the path: an address of numbers has no subdomains."""
    return _NUMERIC_HOST.fullmatch(host) is not None or regions.is_loopback(host)


def _endpoint(found: Setting) -> tuple[str, str, int | None]:
    """Scheme, host and port of an endpoint that files may be sent to."""
    text = found.value if "://" in found.value else f"https://{found.value}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _wrong(found, "cannot be read", _ENDPOINTS) from None
    extra = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    is_host = re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host) or _is_addressed_by_path(host)
    if parts.scheme not in ("https", "http") or extra or not is_host:
        raise _wrong(found, "is no host", _ENDPOINTS)
    if parts.scheme == "http" and not regions.is_loopback(host):
        raise _wrong(found, "is not encrypted (http)", _ENDPOINTS)
    is_oss = _OSS_HOST.fullmatch(host)
    if host.endswith(".aliyuncs.com") and not is_oss:
        raise _wrong(found, "is no OSS endpoint", _ENDPOINTS)
    if not found.trusted and not (is_oss and port in (None, 443)):
        raise _wrong(found, "is no OSS endpoint, and a .env file is not trusted to name another host", _ENDPOINTS)
    return parts.scheme, host, port


def _matching(found: Setting, value: str, shape: str, what: str, allowed: str) -> str:
    """`value`, which is that of the setting in its plain form."""
    if not re.fullmatch(shape, value):
        raise _wrong(found, what, allowed)
    return value


def _wrong(found: Setting, what: str, allowed: str) -> UsageError:
    """The value is left out of the message: now and then a key is put into the wrong variable."""
    return UsageError(f"{found.source} {what}", hint=f"allowed: {allowed}")


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
        for block in uploads.file_blocks(self._file):
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
    server_time = _server_time(response) if code == "RequestTimeTooSkewed" else None
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


def _server_time(response: Response) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _not_uploaded(file: Upload) -> str:
    return f"{os.path.basename(file.path)} could not be uploaded"
