"""Download results from their storage host, and check length and checksums against what the server announced.

After a broken connection the download resumes with `Range`. No key goes to a result host. `outputs` decides where the
bytes go on disk.
"""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import urljoin, urlsplit

from ..errors import LinkExpired, OutputError
from ..http.messages import AGENT, Fault, Request, Response
from ..plain.record import record
from ..regions import STORAGE_SUFFIX, is_loopback
from .checksums import Crc64, Hasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    from ..http.messages import Send

BLOCK_BYTES = 256 * 1024
PATIENCE = 60.0
BREAKS = 5  # attempts in a row that bring no new byte
REDIRECTS = 3
MOST_BYTES = {"picture": 2**28, "video": 2**31}  # twice 4096 x 4096 in 16 bits; two minutes of 4K
_NUMBER = re.compile(r"[0-9]{1,20}")


@record
class Fetched:
    """A finished download.

    bytes: how many.
    sha256: in hex.
    proven: the server announced a length or a checksum, and it matched.
    """

    bytes: int
    sha256: str
    proven: bool


def fetch(
    send: Send,
    url: str,
    stream: BinaryIO,
    loopback: bool = False,
    warn: Callable[[str], None] = lambda _: None,
    most: int = MOST_BYTES["video"],
) -> Fetched:
    """Download `url` into an empty seekable stream.

    loopback: allow plain http to this machine, because the API is there too.
    warn: called about an unusual host.
    most: bytes that such a result may have at most; a server without an end must not fill the disk.
    Raises OutputError if the URL is not allowed, the result is too large or the download stays incomplete, LinkExpired
    for an expired link.
    """
    url = fetchable(url, loopback, warn)
    download = _Download(stream, most)
    reason = hint = ""
    breaks = most_bytes = 0
    while breaks <= BREAKS:
        try:
            with _open(send, url, download, loopback) as response:
                download.receive(response)
            reason = download.mismatch()
            if not reason:
                return Fetched(download.size, download.sha256.hexdigest(), download.is_proven)
        except Fault as fault:
            reason, hint = fault.reason, fault.hint
            if fault.permanent:
                break
        breaks = 0 if download.size > most_bytes else breaks + 1  # progress resets the count
        most_bytes = max(most_bytes, download.size)
    raise OutputError(f"the download of {shown(url)} broke off: {reason}", hint=hint)


def fetchable(url: str, loopback: bool, warn: Callable[[str], None] = lambda _: None) -> str:
    """The URL to download: https, or loopback http where that is allowed. Warns about an unusual host.

    Raises OutputError for any other URL.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise OutputError("the service sent a result URL that cannot be parsed") from None
    if parts.scheme == "http" and loopback and is_loopback(host):
        return url
    if parts.scheme == "http" and host.endswith(STORAGE_SUFFIX):
        url = "https" + url[len("http") :]  # the service gives some results http links, although storage speaks https
    elif parts.scheme != "https" or not host:
        raise OutputError(f"the service sent a result URL with the scheme {parts.scheme}:, which is not allowed")
    if not host.endswith(STORAGE_SUFFIX):
        warn(f"the result comes from {host}, which is not an Alibaba Cloud storage host; no key is sent there")
    return url


def shown(url: str) -> str:
    """A result URL for messages, without its query, which works like a password."""
    return url.partition("?")[0]


class _Download:
    """The bytes so far, and what the server announced about the whole object."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream = stream
        self._most = most
        self.restart()

    def restart(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5: Any = None
        self.crc64: Crc64 | None = None
        self.total: int | None = None
        self.etag = ""
        self.expected_md5 = ""
        self.expected_crc = ""
        self.stream.seek(0)
        self.stream.truncate()

    def begin(self, response: Response) -> None:
        """Start again with a full answer (200) and note what it announces."""
        self.restart()
        length = response.headers.get("content-length", "")
        self.total = int(length) if _NUMBER.fullmatch(length) else None
        self.etag = response.headers.get("etag", "")
        self.expected_md5 = response.headers.get("content-md5", "")
        self.expected_crc = response.headers.get("x-oss-hash-crc64ecma", "")
        self.md5 = hashlib.md5(usedforsecurity=False) if self.expected_md5 else None
        self.crc64 = Crc64() if _NUMBER.fullmatch(self.expected_crc) else None

    def receive(self, response: Response) -> None:
        with Hasher(self._digest) as hasher:
            while block := response.read(BLOCK_BYTES):
                self.size += len(block)
                if max(self.size, self.total or 0) > self._most:
                    words = f"it is larger than {self._most / 2**20:,.0f} MiB, which no such result is"
                    raise Fault(
                        words, sent=True, permanent=True, hint="nothing of it is kept; look at the link yourself"
                    )
                self.stream.write(block)
                hasher.update(block)

    def _digest(self, block: bytes) -> None:
        self.sha256.update(block)
        if self.md5:
            self.md5.update(block)
        if self.crc64:
            self.crc64.update(block)

    @property
    def is_proven(self) -> bool:
        return self.total is not None or bool(self.expected_md5 or self.expected_crc)

    def mismatch(self) -> str:
        """Why these bytes are not the whole object, "" if they are. After a wrong checksum starts from zero."""
        if self.total is not None and self.size != self.total:
            return f"{self.size} of {self.total} bytes arrived"
        if self.size == 0:
            return "it is empty"
        md5_fits = not self.md5 or self.expected_md5 == base64.b64encode(self.md5.digest()).decode()
        crc_fits = not self.crc64 or self.crc64.matches(int(self.expected_crc) % 2**64)
        if not (md5_fits and crc_fits):
            self.restart()
            return "the bytes do not match their checksum"
        return ""


def _open(send: Send, url: str, download: _Download, loopback: bool) -> Response:
    """The answer from where `download` ends, or the whole object again if the server does not resume."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if download.size:
        headers["Range"] = f"bytes={download.size}-"
        if download.etag:
            headers["If-Match"] = download.etag
    response = _follow(send, url, headers, loopback)
    if response.status == 206 and download.size and _continues(response, download):
        return response
    if response.status == 200:
        download.begin(response)
        return response
    response.close()
    if response.status in (206, 412, 416):
        download.restart()
        raise Fault("the object changed during the download", sent=True)
    raise _refusal(response, url)


def _follow(send: Send, url: str, headers: dict[str, str], loopback: bool) -> Response:
    for _ in range(REDIRECTS + 1):
        response = send(Request("GET", url, headers, patience=PATIENCE))
        location = response.headers.get("location")
        if response.status not in (301, 302, 303, 307, 308) or not location:
            return response
        try:
            url = urljoin(url, location)
        except ValueError:
            raise OutputError(f"the download of {shown(url)} is redirected to something that is not a URL") from None
        url = fetchable(url, loopback)
    raise OutputError(f"the download of {shown(url)} is redirected too often")


def _continues(response: Response, download: _Download) -> bool:
    content_range = re.fullmatch(r"bytes ([0-9]{1,20})-[0-9]+/([0-9]+|\*)", response.headers.get("content-range", ""))
    if content_range is None or response.headers.get("etag", download.etag) != download.etag:
        return False
    return int(content_range[1]) == download.size and content_range[2] in ("*", str(download.total))


def _refusal(response: Response, url: str) -> OutputError:
    text = response.refusal.decode("utf-8", "replace")
    code = re.search(r"<Code>([^<]*)</Code>", text)
    reason = f"HTTP {response.status}" + (f", {code[1]}" if code else "")
    if response.status == 403 and "expired" in text:
        return LinkExpired(f"the link to {shown(url)} has expired ({reason})")
    return OutputError(f"{shown(url)} could not be downloaded ({reason})")
