"""Results from their storage host: streamed, counted, hashed, compared with what the server promised.

A broken connection is continued with `Range`. No key goes to a result host. What is done with the bytes on the disk
is the business of `outputs`.
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
from .beside import Beside
from .checksums import Crc64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    from ..http.messages import Send

BLOCK_BYTES = 256 * 1024
PATIENCE = 60.0
BREAKS = 5  # how often a download is taken up again without a byte that is new
REDIRECTS = 3
_NUMBER = re.compile(r"[0-9]{1,20}")


@record
class Fetched:
    """bytes: how many came.  sha256: of them, in hex.  proven: the server had said how many, or which."""

    bytes: int
    sha256: str
    proven: bool


def fetch(
    send: Send, url: str, stream: BinaryIO, loopback: bool = False, warn: Callable[[str], None] = lambda _: None
) -> Fetched:
    """Write the whole of `url` into an empty seekable stream.

    loopback: plain http to this machine is allowed, because the API is there too.
    Raises OutputError when the URL may not be fetched or its bytes do not come whole, LinkExpired for a dead link.
    """
    url = fetchable(url, loopback, warn)
    whole = _Whole(stream)
    trouble = hint = ""
    breaks = most = 0
    while breaks <= BREAKS:
        try:
            with _open(send, url, whole, loopback) as response:
                whole.receive(response)
            trouble = whole.complaint()
            if not trouble:
                return Fetched(whole.size, whole.sha256.hexdigest(), whole.is_proven)
        except Fault as fault:
            trouble, hint = fault.reason, fault.hint
            if fault.permanent:
                break
        breaks = 0 if whole.size > most else breaks + 1  # a line that goes on bringing bytes is not given up
        most = max(most, whole.size)
    raise OutputError(f"the download of {shown(url)} broke off: {trouble}", hint=hint)


def fetchable(url: str, loopback: bool, warn: Callable[[str], None] = lambda _: None) -> str:
    """The URL as it is fetched: https, or loopback http where that is allowed. Warns about an unusual host.

    Raises OutputError for what is never fetched.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise OutputError("the service named a result URL that cannot be read") from None
    if parts.scheme == "http" and loopback and is_loopback(host):
        return url
    if parts.scheme == "http" and host.endswith(STORAGE_SUFFIX):
        url = "https" + url[len("http") :]  # some results are named by http although storage speaks https
    elif parts.scheme != "https" or not host:
        raise OutputError(f"the service named a result with the scheme {parts.scheme}:, which is not fetched")
    if not host.endswith(STORAGE_SUFFIX):
        warn(f"the result comes from {host}, which is no Alibaba Cloud storage host; no key is sent there")
    return url


def shown(url: str) -> str:
    """A result URL for messages: without its query, which is as good as a password."""
    return url.partition("?")[0]


class _Whole:
    """The object as far as it has come, and what the server has said about all of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
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
        """Note the promises of a full answer (200)."""
        self.restart()
        length = response.headers.get("content-length", "")
        self.total = int(length) if _NUMBER.fullmatch(length) else None
        self.etag = response.headers.get("etag", "")
        self.expected_md5 = response.headers.get("content-md5", "")
        self.expected_crc = response.headers.get("x-oss-hash-crc64ecma", "")
        self.md5 = hashlib.md5(usedforsecurity=False) if self.expected_md5 else None
        self.crc64 = Crc64() if _NUMBER.fullmatch(self.expected_crc) else None

    def receive(self, response: Response) -> None:
        with Beside(self._digest) as digests:
            while block := response.read(BLOCK_BYTES):
                self.stream.write(block)
                self.size += len(block)
                digests.hand_over(block)

    def _digest(self, block: bytes) -> None:
        self.sha256.update(block)
        if self.md5:
            self.md5.update(block)
        if self.crc64:
            self.crc64.update(block)

    @property
    def is_proven(self) -> bool:
        return self.total is not None or bool(self.expected_md5 or self.expected_crc)

    def complaint(self) -> str:
        """Why these bytes are not the object, or ""; a wrong checksum starts from nothing again."""
        if self.total is not None and self.size != self.total:
            return f"{self.size} of {self.total} bytes came"
        if self.size == 0:
            return "it is empty"
        md5_fits = not self.md5 or self.expected_md5 == base64.b64encode(self.md5.digest()).decode()
        crc_fits = not self.crc64 or self.crc64.matches(int(self.expected_crc) % 2**64)
        if not (md5_fits and crc_fits):
            self.restart()
            return "the bytes do not match their checksum"
        return ""


def _open(send: Send, url: str, whole: _Whole, loopback: bool) -> Response:
    """The answer from where `whole` ends; a server that does not continue gives all of it again."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if whole.size:
        headers["Range"] = f"bytes={whole.size}-"
        if whole.etag:
            headers["If-Match"] = whole.etag
    response = _follow(send, url, headers, loopback)
    if response.status == 206 and whole.size and _continues(response, whole):
        return response
    if response.status == 200:
        whole.begin(response)
        return response
    response.close()
    if response.status in (206, 412, 416):
        whole.restart()
        raise Fault("the object changed while it was fetched", sent=True)
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
            raise OutputError(f"the download of {shown(url)} is redirected to what is no URL") from None
        url = fetchable(url, loopback)
    raise OutputError(f"the download of {shown(url)} is redirected too often")


def _continues(response: Response, whole: _Whole) -> bool:
    said = re.fullmatch(r"bytes ([0-9]{1,20})-[0-9]+/([0-9]+|\*)", response.headers.get("content-range", ""))
    is_same = response.headers.get("etag", whole.etag) == whole.etag
    return bool(is_same and said and int(said[1]) == whole.size and said[2] in ("*", str(whole.total)))


def _refusal(response: Response, url: str) -> OutputError:
    text = response.refusal.decode("utf-8", "replace")
    code = re.search(r"<Code>([^<]*)</Code>", text)
    said = f"HTTP {response.status}" + (f", {code[1]}" if code else "")
    if response.status == 403 and "expired" in text:
        return LinkExpired(f"the link to {shown(url)} has expired ({said})")
    return OutputError(f"{shown(url)} could not be fetched ({said})")
