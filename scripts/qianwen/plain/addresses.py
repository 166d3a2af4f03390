"""What a URL tells by itself: that it was mangled, has expired, or names a host that only its neighbors can reach.

Nothing is opened or resolved here. Sources of the fields of signed links: Alibaba Cloud OSS, "Include signatures in
URLs" (versions 1 and 4); Amazon S3, "Authenticating requests: using query parameters". Sources of the addresses:
RFC 1918, 3927, 4193, 6598, 6761, 6762.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

    _Query = Mapping[str, str]

LONGEST = 16_384  # characters of a URL that is looked at; no server takes more

# (fields of which one marks a signed link, the field that it then needs too), in lower case. The first form shares its
# names with other sites, so a link counts as cut only if it has no other fields.
_OLD_FORM = frozenset({"expires", "ossaccesskeyid", "awsaccesskeyid", "key-pair-id", "security-token"})
_DATED_FORMS = (
    (("x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires"), "x-oss-signature"),
    (("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"), "x-amz-signature"),
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".intranet", ".localdomain", ".home.arpa")
_LEFTOVERS = ((r"\\u0026", "&"), (r"\\u003[dD]", "="), (r"\\(?=[^\w\s\\])", ""))  # of JSON and of shells


def fault(url: str, now: float, is_near: Callable[[], bool]) -> tuple[str, str | None]:
    """(why nobody can fetch a http or https URL, what was probably meant); ("", None) if nothing is known against it.

    A signed link is never suggested: messages hide its signature.
    now: epoch seconds.
    is_near: whether the service that fetches it is on this machine or in this network, as a stand-in is.
    """
    url = url[:LONGEST]
    if "\\" in url:
        return "has a backslash, which no URL has (\\u0026 stands for & in JSON)", _without_leftovers(url)
    fields = _query(url)
    if any(name.startswith("amp;") for name in fields) and _is_signed(_query(url.replace("&amp;", "&"))):
        return "has &amp; where a signed link has &", None
    if _is_cut(fields):
        return "is the beginning of a signed link: a shell ends a word at &, so put the whole link in quotes", None
    end = _end(fields)
    if end is not None and end < now:
        return f"expired on {_day(end)}: give the file itself, or a new link", None
    host = host_of(url)
    if is_near_host(host) and not is_near():
        return f"is at {host}, which the service cannot reach: download it and give the file", None
    return "", None


def doubt(url: str) -> str:
    """What makes a URL unlikely to work or unwise to send, as the end of a warning; "" if nothing does."""
    host = host_of(url[:LONGEST])
    if "@" in _authority(url[:LONGEST]):
        return "its user name and password go to the service"
    if re.fullmatch(r"(?:.*\.)?oss-[a-z0-9-]+-internal\.aliyuncs\.com", host):
        return "an -internal host answers only inside Alibaba Cloud's network; the service may need the public one"
    if host and "." not in host and ":" not in host and not is_near_host(host):
        return f"the host {host} has no domain, so the service may not find it"
    return ""


def host_of(url: str) -> str:
    """The host in lower case, without port and brackets; "" if there is none."""
    host = _authority(url).rpartition("@")[2].lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def is_near_host(host: str) -> bool:
    """Whether a host is this machine or certainly of a private network."""
    if host == "localhost" or host.endswith(_LOCAL_NAMES):
        return True
    if ":" in host:
        mapped = host.rpartition(":")[2] if host.startswith("::ffff:") else ""
        return host in ("::", "::1") or re.match(r"fe[89ab]|f[cd]", host) is not None or is_near_host(mapped)
    parts = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}", host)
    if parts is None:
        return False
    first, second = int(parts[1]), int(parts[2])
    return (
        first in (0, 10, 127)
        or (first, second) in ((169, 254), (192, 168))
        or (first == 172 and 16 <= second < 32)
        or (first == 100 and 64 <= second < 128)
    )


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def _without_leftovers(url: str) -> str | None:
    for pattern, meant in _LEFTOVERS:
        url = re.sub(pattern, meant, url)
    return None if "\\" in url or _is_signed(_query(url)) else url


def _query(url: str) -> dict[str, str]:
    """The fields of the query, names in lower case."""
    query = url.partition("#")[0].partition("?")[2]
    pairs = (field.partition("=") for field in query.split("&") if field)
    return {name.lower(): value for name, _, value in pairs}


def _is_signed(fields: _Query) -> bool:
    return "signature" in fields or any(last in fields for _, last in _DATED_FORMS)


def _is_cut(fields: _Query) -> bool:
    if fields and _OLD_FORM.issuperset(fields):
        return True
    return any(last not in fields and any(name in fields for name in names) for names, last in _DATED_FORMS)


def _end(fields: _Query) -> float | None:
    """Epoch seconds at which a signed link expires; None if it does not say."""
    if "signature" in fields and re.fullmatch(r"\d{9,11}", fields.get("expires", ""), re.ASCII):
        return float(fields["expires"])
    for service in ("oss", "amz"):
        day, seconds = fields.get(f"x-{service}-date", ""), fields.get(f"x-{service}-expires", "")
        if re.fullmatch(r"\d{8}T\d{6}Z", day, re.ASCII) and re.fullmatch(r"\d{1,8}", seconds, re.ASCII):
            import calendar
            import time

            try:
                return calendar.timegm(time.strptime(day, "%Y%m%dT%H%M%SZ")) + float(seconds)
            except ValueError:
                return None
    return None


def _day(end: float) -> str:
    import time

    return time.strftime("%Y-%m-%d at %H:%M UTC", time.gmtime(end))
