"""What a URL or a path tells by itself: why it cannot be read, and what was probably meant.

A URL may be mangled, expired, or name a host that only its neighbors can reach; nothing is opened or resolved.
A path may be pasted with quotes, blanks, Markdown and backslashes, and names hold characters that look like others;
what is found is only suggested, because two files may have names that look the same.

Sources of the fields of signed links: Alibaba Cloud OSS, "Include signatures in URLs" (versions 1 and 4); Amazon S3,
"Authenticating requests: using query parameters". Sources of the local names: RFC 6761, 6762.
"""

from __future__ import annotations

import os
import re

from . import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping

    _Query = Mapping[str, str]

# URLs -----------------------------------------------------------------------------------------------------

EXPIRED = "expired"  # begins the fault of a link that is over
LONGEST_URL = 16_384  # characters that are looked at; no server takes more

# (fields of which one marks a signed link, the field that it then needs too), in lower case. The first form shares its
# names with other sites, so a link counts as cut only if it has no other fields.
_OLD_FORM = frozenset({"expires", "ossaccesskeyid", "awsaccesskeyid", "key-pair-id", "security-token"})
_DATED_FORMS = (
    (("x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires"), "x-oss-signature"),
    (("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"), "x-amz-signature"),
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".intranet", ".localdomain", ".home.arpa")
_LEFTOVERS = ((r"\\u0026", "&"), (r"\\u003[dD]", "="), (r"\\(?=[^\w\s\\])", ""))  # of JSON and of shells


def url_fault(url: str, now: float, is_near: Callable[[], bool]) -> tuple[str, str | None]:
    """(why nobody can fetch a http or https URL, what was probably meant); ("", None) if nothing is known against it.

    A signed link is never suggested: messages hide its signature.
    now: epoch seconds.
    is_near: whether the service that fetches it is on this machine or in this network, as a stand-in is.
    """
    url = url[:LONGEST_URL]
    if "\\" in url:
        return "has a backslash, which no URL has (\\u0026 stands for & in JSON)", _without_leftovers(url)
    fields = _query(url)
    if any(name.startswith("amp;") for name in fields) and _is_signed(_query(url.replace("&amp;", "&"))):
        return "has &amp; where a signed link has &", None
    if _is_cut(fields):
        return "is the beginning of a signed link: a shell ends a word at &, so put the whole link in quotes", None
    end = _end(fields)
    if end is not None and end < now:
        return f"{EXPIRED} on {_day(end)}: give the file itself, or a new link", None
    host = host_of(url)
    if is_near_host(host) and not is_near():
        return f"is at {host}, which the service cannot reach: download it and give the file", None
    return "", None


def url_doubt(url: str) -> str:
    """What makes a URL unlikely to work or unwise to send, as the end of a warning; "" if nothing does."""
    host = host_of(url[:LONGEST_URL])
    if "@" in _authority(url[:LONGEST_URL]):
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
    address = addresses.spelled(host)
    return address is not None and addresses.is_near(address)


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


# Paths --------------------------------------------------------------------------------------------------

LONGEST_PATH = 4096  # characters; no system has longer paths
MOST_NAMES = 20_000  # of a folder, that are compared
DEEPEST = 8  # folders of a path whose names may be wrong too
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»", "<>")
_MARKDOWN = r"!?\[[^\[\]]*\]\((\S+?)(?:\s+[\"'][^\"']*[\"'])?\)"
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"
_STRIPPED = " \t\r\n\v\f\u00a0\u202f\u3000" + _INVISIBLE
_URL = r"https?://[^\s/]+/\S+"


def path_meant(text: str, path: str, cwd: str) -> tuple[str, str | None]:
    """(the end of a message: why there is no such file, what was probably meant or None).

    text: as it was given.  path: the absolute path that was looked for.  cwd: the base of relative paths.
    """
    if max(len(text), len(path)) > LONGEST_PATH or "\0" in text:
        return "", None
    for spelled in _unwrapped(text):
        if re.fullmatch(_URL, spelled, re.IGNORECASE):
            return "; a URL must stand alone", spelled
        if os.path.isfile(os.path.join(cwd, os.path.expanduser(spelled))):
            return "", spelled
    return _reason(text, cwd) or _backslashes(text, path) or _alike_in(text, path)


def visible(text: str) -> str:
    """A text with escapes for the characters that cannot be seen or that break a line."""
    return "".join(char if char.isprintable() or char == "\u3000" else ascii(char)[1:-1] for char in text)


def _unwrapped(text: str) -> Iterator[str]:
    """The text without what shells, chats and Markdown put around it."""
    inner = text.strip(_STRIPPED)
    if inner != text:
        yield inner
    for pair in _QUOTES:
        if len(inner) > 2 and inner[0] == pair[0] and inner[-1] == pair[1]:
            inner = inner[1:-1].strip(_STRIPPED)
            yield inner
            break
    linked = re.fullmatch(_MARKDOWN, inner)
    if linked:
        yield linked[1]
    if inner.startswith("@"):  # as curl reads a file
        yield inner[1:]
    if re.match(r"www\.[^\s/]+\.[^\s/]+/", inner, re.IGNORECASE):
        yield f"https://{inner}"
    yield inner.rstrip(",;.)]\"'”’")


def _reason(text: str, cwd: str) -> tuple[str, str | None] | None:
    """Why a text cannot be the name of one file."""
    if text.strip() == "-":
        return "; - is only for text: save the picture, clip or sound, and give its path", None
    parts = [part.strip() for part in re.split(r"[,;\n]", text)]
    if len(parts) > 1 and all(os.path.exists(os.path.join(cwd, part)) or re.match(_URL, part) for part in parts):
        return "; it names several: give each in its own flag, or as an item of a list", None
    if re.search(r"\$\w|\$\{\w|%\w+%", text):
        spelled = os.path.expandvars(text)
        found = os.path.isfile(os.path.join(cwd, spelled))
        return "; it holds a variable that no shell has replaced", spelled if found else None
    if re.search(r"[*?]|\[[^\[\]]+\]", text):
        return "; it is a pattern that no shell has replaced: name each file", None
    return None


def _backslashes(text: str, path: str) -> tuple[str, str | None] | None:
    """The file that a Windows path means on Linux and macOS, or a path with a shell's leftover backslashes."""
    if os.sep == "\\" or "\\" not in text:
        return None
    why = "; on this system / separates folders, and a backslash is part of a name"
    drive = re.match(r"([A-Za-z]):\\", text)
    if drive:
        mounted = f"/mnt/{drive[1].lower()}/" + text[3:].replace("\\", "/")  # where WSL mounts drives
        return why, mounted if os.path.isfile(mounted) else None
    for pattern, meaning in ((r"\\", "/"), (r"\\(?=\W)", "")):
        if os.path.isfile(re.sub(pattern, meaning, path)):
            return why, re.sub(pattern, meaning, text)
    return why, None


def _alike_in(text: str, path: str) -> tuple[str, str | None]:
    """The file whose name looks the same, or differs in its suffix alone."""
    found = list(_alike(path, DEEPEST))
    if len(found) > 1:
        names = ", ".join(visible(os.path.basename(each)) for each in found[:3])
        return f"; several names look like it: {names}", None
    if found:
        return f"; {_difference(os.path.basename(path), os.path.basename(found[0]))}", _as_given(text, path, found[0])
    stem = os.path.splitext(os.path.basename(path))[0]
    others = [name for name in _names(os.path.dirname(path)) if os.path.splitext(name)[0] == stem and stem != name]
    if len(others) == 1 and os.path.isfile(other := os.path.join(os.path.dirname(path), others[0])):
        return "; the file of that name has another suffix", _as_given(text, path, other)
    return "", None


def _alike(path: str, deepest: int) -> Iterator[str]:
    """Existing paths whose names look like those of a path."""
    folder, name = os.path.split(path)
    if not name or not deepest:
        return
    folders = [folder] if os.path.isdir(folder) else _alike(folder, deepest - 1)
    looks = _folded(name)
    for each in folders:
        yield from (os.path.join(each, other) for other in _names(each) if _folded(other) == looks)


def _names(folder: str) -> list[str]:
    from itertools import islice

    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, MOST_NAMES)]
    except (OSError, ValueError):
        return []


def _folded(name: str) -> str:
    """The same text for names that a person cannot tell apart; case is ignored too."""
    if name.isascii():
        return " ".join(name.split()).casefold()
    import unicodedata

    plain = "".join(char for char in unicodedata.normalize("NFKC", name) if char not in _INVISIBLE)
    return unicodedata.normalize("NFKC", " ".join(plain.split()).casefold())


def _difference(name: str, other: str) -> str:
    import unicodedata

    odd = [char for char in dict.fromkeys(other) if char not in name and not (char.isascii() and char.isprintable())]
    if odd:
        marks = ", ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() for char in odd[:3])
        return f"the name that looks the same holds {marks}"
    same = name.casefold() == other.casefold()
    return "upper and lower case differ" if same else "a name that looks the same has other characters"


def _as_given(text: str, path: str, found: str) -> str:
    """A found path, relative if the given one was and only its last name differs."""
    if os.path.dirname(found) != os.path.dirname(path):
        return found
    return os.path.join(os.path.dirname(text), os.path.basename(found))
