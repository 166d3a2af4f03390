"""The user's own OSS bucket as it is configured: `QWEN_TMP_OSS_BUCKET` turns it on. Nothing here sends.

A `.env` file may name the bucket and its keys, but no host that is not an OSS endpoint; the `OSS_*` names, which other
tools share, count only in the real environment.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .. import environment
from ..errors import AuthError, UsageError
from ..plain.record import record
from ..regions import is_loopback
from .signature import Secret, Signer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping, Sequence

    from ..environment import Place, Setting

DEFAULT_PREFIX = "qwencloud-uploads"
DEFAULT_EXPIRES = 86400
LONGEST_EXPIRES = 604_800  # seconds, with a lasting key
LONGEST_EXPIRES_OF_A_TOKEN = 43_200

_NAME = "QWEN_TMP_OSS_"
_OWN_KEYS = (f"{_NAME}AK_ID", f"{_NAME}AK_SECRET")
_SHARED_KEYS = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
_SHARED_TOKENS = ("OSS_SESSION_TOKEN", "OSS_SECURITY_TOKEN")
_OSS_HOST = re.compile(r"(?:([a-z0-9-]+)\.)?(oss-[a-z0-9-]+|[a-z0-9-]+\.oss)\.aliyuncs\.com")
_NUMERIC_HOST = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f.]*:[0-9a-f:.]*")
_INTERNAL = re.compile(r"-internal(?=(\.oss)?\.aliyuncs\.com)")
_FOLDER = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+"

# Setting → its plain form, the pattern of that, what to say of any other value, and what is allowed.
_SHAPES: Mapping[str, tuple[Callable[[str], str], str, str, str]] = {
    "BUCKET": (
        str,
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "is not a bucket name",
        "3 to 63 lower-case letters, digits and hyphens, no hyphen at either end",
    ),
    "REGION": (
        lambda text: re.sub(r"^oss-", "", text.lower()),
        r"[a-z0-9]+(-[a-z0-9]+)+",
        "is not a region",
        "the bucket's region, such as cn-beijing or ap-southeast-1",
    ),
    "PREFIX": (
        lambda text: text.strip("/"),
        rf"(?=.{{1,200}}$){_FOLDER}(/{_FOLDER})*",
        "is not a prefix for object names",
        "up to 200 letters, digits, '.', '_' and '-', with single '/' between folders, none of them '.' or '..'",
    ),
}
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

    source, key_source: in words, where the bucket was named and where the key was found.
    put_base, get_base: URLs that an object's name is added to, for the upload and for whoever fetches.
    prefix: of object names.
    expires: seconds that a presigned URL is valid.
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


def configured(place: Place) -> Bucket | None:
    """The bucket to use, or None when none is named.

    Raises UsageError for a setting that is not allowed, AuthError when credentials are missing or incomplete.
    """
    bucket = _read(place, "BUCKET")
    if bucket is None:
        return None
    region = _read(place, "REGION")
    if region is None:
        hint = f"set {_NAME}REGION: {_SHAPES['REGION'][3]}"
        raise UsageError(f"{_NAME}BUCKET is set and {_NAME}REGION is not", hint=hint)
    prefix = _read(place, "PREFIX")
    signer, key_source = _signer(place, region.value)
    put_base, get_base = _bases(environment.find(place, (f"{_NAME}ENDPOINT",)), bucket.value, region.value)
    expires = _expires(place, bool(signer.token))
    folder = prefix.value if prefix else DEFAULT_PREFIX
    return Bucket(bucket.value, bucket.source, put_base, get_base, folder, expires, signer, key_source)


def _read(place: Place, name: str) -> Setting | None:
    """A setting in its plain form, or None when it is not set. Raises UsageError for one of another shape."""
    found = environment.find(place, (_NAME + name,))
    if found is None:
        return None
    plain, shape, otherwise, allowed = _SHAPES[name]
    if not re.fullmatch(shape, plain(found.value)):
        raise _wrong(found, otherwise, allowed)
    return environment.Setting(plain(found.value), found.source, found.trusted)


def _expires(place: Place, has_token: bool) -> int:
    longest = LONGEST_EXPIRES_OF_A_TOKEN if has_token else LONGEST_EXPIRES
    found = environment.find(place, (f"{_NAME}URL_EXPIRES",))
    if found is None:
        return min(DEFAULT_EXPIRES, longest)
    if not re.fullmatch(r"[0-9]{1,9}", found.value) or not 1 <= int(found.value) <= longest:
        allowed = f"whole seconds, 1 to {longest}" + (" with temporary credentials" if has_token else "")
        raise _wrong(found, "is not a number of seconds, or is out of range", allowed)
    return int(found.value)


def _signer(place: Place, region: str) -> tuple[Signer, str]:
    """The credentials, all from one set, and where they were found. Half a pair is never completed from elsewhere."""
    own = [(name, environment.find(place, (name,))) for name in _OWN_KEYS]
    if any(found for _, found in own):
        return _pair(own, region, "")
    shared = [(name, _exported(place, name)) for name in _SHARED_KEYS]
    if not any(found for _, found in shared):
        raise AuthError(f"{_NAME}BUCKET is set, but no credentials for it were found", hint=_KEY_HINT)
    token = next(filter(None, (_exported(place, name) for name in _SHARED_TOKENS)), None)
    return _pair(shared, region, _printable(token) if token else "")


def _exported(place: Place, name: str) -> Setting | None:
    """A name that other programs share. In a .env file it belongs to them: only the real environment counts."""
    value = place.env.get(name, "").strip()
    return environment.Setting(value, f"{name} in the environment", trusted=True) if value else None


def _pair(halves: Sequence[tuple[str, Setting | None]], region: str, token: str) -> tuple[Signer, str]:
    for name, found in halves:
        if found is None:
            raise AuthError(f"the credentials of the bucket are incomplete: {name} is not set", hint=_KEY_HINT)
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
    return _NUMERIC_HOST.fullmatch(host) is not None or is_loopback(host)


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
        raise _wrong(found, "is not a host", _ENDPOINTS)
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong(found, "is not encrypted (http)", _ENDPOINTS)
    is_oss = _OSS_HOST.fullmatch(host)
    if host.endswith(".aliyuncs.com") and not is_oss:
        raise _wrong(found, "is not an OSS endpoint", _ENDPOINTS)
    if not found.trusted and not (is_oss and port in (None, 443)):
        raise _wrong(found, "is not an OSS endpoint, and a .env file is not trusted to name another host", _ENDPOINTS)
    return parts.scheme, host, port


def _wrong(found: Setting, what: str, allowed: str) -> UsageError:
    """The value is left out of the message: now and then a key is put into the wrong variable."""
    return UsageError(f"{found.source} {what}", hint=f"allowed: {allowed}")
