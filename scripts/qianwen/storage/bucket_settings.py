"""The configuration of the user's own OSS bucket: `QWEN_TMP_OSS_BUCKET` turns it on. This module sends nothing.

A `.env` file may name the bucket and its keys, but only OSS hosts. The `OSS_*` names, which other tools share, count
only in the real environment.
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

# Setting → (normalizer, pattern of the normal form, what is wrong with any other value, what is allowed).
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
    """Where files go and which key signs.

    source, key_source: where the bucket and the key were configured, in words.
    file: the `.env` file that names the bucket, "" if it comes from elsewhere.
    put_base, get_base: URLs to append an object's name to, for the upload and for the download.
    prefix: of object names.
    expires: seconds for which a presigned URL is valid.
    """

    name: str
    source: str
    put_base: str
    get_base: str
    prefix: str
    expires: int
    signer: Signer
    key_source: str
    file: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no output may contain."""
        return tuple(filter(None, (self.signer.secret, self.signer.token)))


def configured(place: Place) -> Bucket | None:
    """The configured bucket, or None.

    Raises UsageError for a setting that is not allowed, AuthError for missing or incomplete credentials.
    """
    bucket = _read(place, "BUCKET")
    if bucket is None:
        return None
    region = _read(place, "REGION")
    if region is None:
        hint = f"set {_NAME}REGION: {_SHAPES['REGION'][3]}"
        raise UsageError(f"{_NAME}BUCKET is set but {_NAME}REGION is not", hint=hint)
    prefix = _read(place, "PREFIX")
    signer, key_source = _signer(place, region.value)
    put_base, get_base = _bases(environment.lookup(place, (f"{_NAME}ENDPOINT",)), bucket.value, region.value)
    expires = _expires(place, bool(signer.token))
    folder = prefix.value if prefix else DEFAULT_PREFIX
    return Bucket(bucket.value, bucket.source, put_base, get_base, folder, expires, signer, key_source, bucket.file)


def _read(place: Place, name: str) -> Setting | None:
    """A setting in its normal form, or None if it is not set. Raises UsageError for an illegal value."""
    setting = environment.lookup(place, (_NAME + name,))
    if setting is None:
        return None
    normalize, pattern, fault, allowed = _SHAPES[name]
    value = normalize(setting.value)
    if not re.fullmatch(pattern, value):
        raise _wrong(setting, fault, allowed)
    return environment.Setting(value, setting.source, setting.trusted, setting.file)


def _expires(place: Place, has_token: bool) -> int:
    longest = LONGEST_EXPIRES_OF_A_TOKEN if has_token else LONGEST_EXPIRES
    setting = environment.lookup(place, (f"{_NAME}URL_EXPIRES",))
    if setting is None:
        return min(DEFAULT_EXPIRES, longest)
    if not re.fullmatch(r"[0-9]{1,9}", setting.value) or not 1 <= int(setting.value) <= longest:
        allowed = f"whole seconds, 1 to {longest}" + (" with temporary credentials" if has_token else "")
        raise _wrong(setting, "is not a number of seconds, or is out of range", allowed)
    return int(setting.value)


def _signer(place: Place, region: str) -> tuple[Signer, str]:
    """The credentials and their source. Id and secret always come from the same set of variables."""
    own = [(name, environment.lookup(place, (name,))) for name in _OWN_KEYS]
    if any(setting for _, setting in own):
        return _pair(own, region, "")
    shared = [(name, _exported(place, name)) for name in _SHARED_KEYS]
    if not any(setting for _, setting in shared):
        raise AuthError(f"{_NAME}BUCKET is set, but no credentials for it were found", hint=_KEY_HINT)
    token = next(filter(None, (_exported(place, name) for name in _SHARED_TOKENS)), None)
    return _pair(shared, region, _printable(token) if token else "")


def _exported(place: Place, name: str) -> Setting | None:
    """A variable that other programs share: only the real environment counts, because a .env file may be theirs."""
    value = place.env.get(name, "").strip()
    return environment.Setting(value, f"{name} in the environment", trusted=True) if value else None


def _pair(halves: Sequence[tuple[str, Setting | None]], region: str, token: str) -> tuple[Signer, str]:
    for name, setting in halves:
        if setting is None:
            raise AuthError(f"the credentials of the bucket are incomplete: {name} is not set", hint=_KEY_HINT)
    key_id, secret = (setting for _, setting in halves if setting)
    places = {setting.source.partition(" in ")[2] for setting in (key_id, secret)}
    if len(places) > 1:
        raise AuthError(
            f"the credentials of the bucket come from different places: {key_id.source}, {secret.source}",
            hint=_KEY_HINT,
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", key_id.value):
        raise AuthError(f"{key_id.source} has characters that no AccessKey id has")
    if key_id.value.startswith("STS.") and not token:
        raise AuthError(
            f"{key_id.source} belongs to temporary (STS) credentials, whose token is missing",
            hint="set OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN in the real environment, and "
            "leave QWEN_TMP_OSS_AK_ID and QWEN_TMP_OSS_AK_SECRET unset, because they take no token",
        )
    return Signer(Secret(key_id.value), Secret(_printable(secret)), region, Secret(token)), key_id.source


def _printable(setting: Setting) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", setting.value):
        raise AuthError(f"{setting.source} has spaces or characters that no key has")
    return setting.value


def _bases(setting: Setting | None, bucket: str, region: str) -> tuple[str, str]:
    """The bucket's URLs for upload and for download. The model service downloads from the public internet."""
    if setting is None:
        base = f"https://{bucket}.oss-{region}.aliyuncs.com"
        return base, base
    scheme, host, port = _endpoint(setting)
    authority = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    if _is_addressed_by_path(host):
        base = f"{scheme}://{authority}/{bucket}"
        return base, base
    match = _OSS_HOST.fullmatch(host)
    if match and match[1] not in (None, bucket):
        raise _wrong(setting, "names another bucket", f"the endpoint alone, or that of {_NAME}BUCKET")
    bucket_is_missing = match and match[1] is None
    base = f"{scheme}://{bucket}.{authority}" if bucket_is_missing else f"{scheme}://{authority}"
    return base, _INTERNAL.sub("", base)


def _is_addressed_by_path(host: str) -> bool:
    """Whether the bucket goes into the path, because an IP address has no subdomains."""
    return _NUMERIC_HOST.fullmatch(host) is not None or is_loopback(host)


def _endpoint(setting: Setting) -> tuple[str, str, int | None]:
    """Scheme, host and port of an endpoint that files may be sent to."""
    text = setting.value if "://" in setting.value else f"https://{setting.value}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _wrong(setting, "cannot be read", _ENDPOINTS) from None
    extra = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    is_host = re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host) or _is_addressed_by_path(host)
    if parts.scheme not in ("https", "http") or extra or not is_host:
        raise _wrong(setting, "is not a host", _ENDPOINTS)
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong(setting, "is not encrypted (http)", _ENDPOINTS)
    is_oss = _OSS_HOST.fullmatch(host)
    if host.endswith(".aliyuncs.com") and not is_oss:
        raise _wrong(setting, "is not an OSS endpoint", _ENDPOINTS)
    if not setting.trusted and not (is_oss and port in (None, 443)):
        raise _wrong(setting, "is not an OSS endpoint, and a .env file is not trusted to name another host", _ENDPOINTS)
    return parts.scheme, host, port


def _wrong(setting: Setting, what: str, allowed: str) -> UsageError:
    """The error for a setting. It leaves out the value, which may be a key in the wrong variable."""
    return UsageError(f"{setting.source} {what}", hint=f"allowed: {allowed}")
