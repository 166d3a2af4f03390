"""Download results from their storage host, and check length and checksums against what the server announced.

After a broken connection the download resumes with `Range`. What comes in gzip, although we never ask for it, is
unpacked on its way to the disk. No key goes to a result host. `outputs` decides where the bytes go on disk.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from urllib.parse import urljoin, urlsplit

from ..errors import LinkExpired, OutputError
from ..http.messages import AGENT, Fault, Request, Response
from ..http.proxies import stays_here
from ..plain import addresses
from ..plain.record import record
from ..regions import STORAGE_SUFFIX, is_loopback, is_loopback_url
from .checksums import Crc64, Hasher, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    from ..http.messages import Send

BLOCK_BYTES = 2**21  # over TLS a tenth less CPU than with an eighth of it
PATIENCE = 60.0
BREAKS = 5  # attempts in a row that bring no new byte
REDIRECTS = 3
MOST_BYTES = {"picture": 2**28, "video": 2**31}  # twice 4096 x 4096 in 16 bits; two minutes of 4K
_GZIP = b"\x1f\x8b\x08"  # begins no picture or video, so no header has to say so
_NOT_FETCHED = "its link is in the answer: if you know what is there, fetch it yourself"


@record
class Fetched:
    """A finished download.

    bytes: how many are in the stream.
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
    api: str = "",
    moved: Callable[[int, int], None] = lambda *_: None,
) -> Fetched:
    """Download `url` into an empty seekable stream.

    loopback: allow plain http to this machine, because the API is there too.
    warn: called about an unusual host, also of a redirect.
    most: bytes that such a result may have at most; a server without an end must not fill the disk.
    api: the API's URL; the user chose its host, so results may come from there wherever it is, and if that is this
        machine, over https from any of its ports.
    moved: hears how many bytes have arrived, of how many; 0 when that is not known.
    Raises OutputError if the URL is not allowed, the result is too large or the download stays incomplete, LinkExpired
    for an expired link.
    """
    url = fetchable(url, loopback, warn, api)
    download, follower = _Download(stream, most, moved), _Follower(send, loopback, warn, api)
    reason = hint = ""
    breaks = most_bytes = 0
    while breaks <= BREAKS:
        try:
            with _open(follower, url, download) as response:
                download.receive(response)
            reason = download.mismatch()
            if not reason:
                return Fetched(stream.tell(), download.sha256.hexdigest(), download.is_proven)
        except Fault as fault:
            reason, hint = fault.reason, fault.hint
            if fault.permanent:
                break
        breaks = 0 if download.size > most_bytes else breaks + 1  # progress resets the count
        most_bytes = max(most_bytes, download.size)
    raise OutputError(f"the download of {shown(url)} broke off: {reason}", hint=hint)


def fetchable(url: str, loopback: bool, warn: Callable[[str], None] = lambda _: None, api: str = "") -> str:
    """The URL to download: https at its usual port, or loopback http if allowed. Warns about an unusual host.

    Raises OutputError for any other URL, and for a host that is an address on no public network.
    """
    url = url.strip()  # white space around a link would become a part of its path
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise OutputError("the service sent a result URL that cannot be parsed") from None
    if parts.scheme == "http" and loopback and is_loopback(host):
        return url
    if parts.scheme == "http" and host.endswith(STORAGE_SUFFIX):
        # The service gives some results http links, although storage speaks https.
        url = (
            "https://" + (parts.netloc[: -len(":80")] if port == 80 else parts.netloc) + url.partition(parts.netloc)[2]
        )
        port = None if port == 80 else port
    elif parts.scheme != "https" or not host:
        raise OutputError(f"the service sent a result URL with the scheme {parts.scheme}:, which is not allowed")
    if not _is_of(api, url) and not (is_loopback(host) and (loopback or is_loopback_url(api))):
        address = addresses.spelled(host)
        if stays_here(host) or (address and not addresses.is_public(address)):
            raise OutputError(
                f"the service sent a result URL to {host}, which is not on the internet", hint=_NOT_FETCHED
            )
        if port not in (None, 443):
            raise OutputError(
                f"the service sent a result URL with the port {port}, which is not allowed", hint=_NOT_FETCHED
            )
    if not host.endswith(STORAGE_SUFFIX):
        warn(f"the result comes from {host}, which is not an Alibaba Cloud storage host; no key is sent there")
    return url


def _is_of(api: str, url: str) -> bool:
    """Whether a URL has the host and the port of the API's base."""
    return bool(api) and urlsplit(api)[:2] == urlsplit(url)[:2]


def _may_reach(loopback: bool) -> Callable[[str], bool]:
    """Whether a result may come from an IP address that a name leads to."""

    def may_reach(text: str) -> bool:
        if loopback and is_loopback(text):
            return True  # before anything imports `ipaddress`
        address = addresses.spelled(text)
        if address is None or addresses.is_public(address) or addresses.is_made_up(address):
            return True
        return loopback and addresses.is_here(address)

    return may_reach


def shown(url: str) -> str:
    """A result URL for messages, without its query, which works like a password."""
    return url.partition("?")[0]


class _Download:
    """The bytes so far, and what the server announced about the whole object.

    size: of what came; in the stream there may be more, unpacked.
    """

    def __init__(self, stream: BinaryIO, most: int, moved: Callable[[int, int], None]) -> None:
        self.stream = stream
        self._most = most
        self._moved = moved
        self._may_unpack = True
        self.restart()

    def restart(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5: Any = None
        self.crc64: Crc64 | None = None
        self._unpacker: zlib._Decompress | None = None
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
        self.total = int(length) if is_number(length) else None
        self.etag = response.headers.get("etag", "")
        self.expected_md5 = response.headers.get("content-md5", "")
        self.expected_crc = response.headers.get("x-oss-hash-crc64ecma", "")
        self.md5 = hashlib.md5(usedforsecurity=False) if self.expected_md5 else None
        self.crc64 = Crc64() if self.expected_crc else None

    def receive(self, response: Response) -> None:
        with Hasher(self._digest) as hasher:
            while block := response.read(BLOCK_BYTES):
                while not self.size and len(block) < len(_GZIP) and (more := response.read(BLOCK_BYTES)):
                    block += more
                if not self.size and self._may_unpack and block.startswith(_GZIP):
                    self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
                self.size += len(block)
                self._bound(max(self.size, self.total or 0))
                hasher.update(block)
                if self._unpacker:
                    self._unpack(self._unpacker, block)
                else:
                    self.stream.write(block)
                self._moved(self.size, self.total or 0)

    def _bound(self, size: int) -> None:
        if size > self._most:
            words = f"it is larger than {self._most / 2**20:,.0f} MiB, which no such result is"
            raise Fault(words, sent=True, permanent=True, hint="nothing of it is kept; look at the link yourself")

    def _unpack(self, unpacker: zlib._Decompress, block: bytes) -> None:
        """Write what a block holds. Raises Fault if it is no whole gzip; then the next try saves it as it comes."""
        try:
            while piece := unpacker.decompress(block, BLOCK_BYTES):
                block = unpacker.unconsumed_tail
                self.sha256.update(piece)
                self.stream.write(piece)
                self._bound(self.stream.tell())
        except zlib.error:
            raise self._spoiled() from None
        if unpacker.unused_data:
            raise self._spoiled()

    def _spoiled(self) -> Fault:
        self._may_unpack, self.size = False, 0  # which begins anew; a thread may still work on the checksums
        return Fault("what it came packed in is damaged", sent=True)

    def _digest(self, block: bytes) -> None:
        if not self._unpacker:
            self.sha256.update(block)
        if self.md5:
            self.md5.update(block)
        if self.crc64:
            self.crc64.update(block)

    @property
    def is_proven(self) -> bool:
        return self.total is not None or bool(self.expected_md5 or self.expected_crc or self._unpacker)

    def mismatch(self) -> str:
        """Why these bytes are not the whole object, "" if they are. After a wrong checksum starts from zero."""
        if self.total is not None and self.size != self.total:
            return f"{self.size} of {self.total} bytes arrived"
        if self._unpacker and not self._unpacker.eof:
            return self._spoiled().reason
        if not self.stream.tell():
            self.restart()
            return "it is empty"
        if self._unpacker:  # gzip has a checksum of its own; those of the server may be of what is in it
            return ""
        md5_fits = not self.md5 or self.expected_md5 == base64.b64encode(self.md5.digest()).decode()
        crc_fits = not self.crc64 or self.crc64.matches(self.expected_crc)
        if not (md5_fits and crc_fits):
            self.restart()
            return "the bytes do not match their checksum"
        return ""


def _open(follower: _Follower, url: str, download: _Download) -> Response:
    """The answer from where `download` ends, or the whole object again if the server does not resume."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if download.size:
        headers["Range"] = f"bytes={download.size}-"
        if download.etag:
            headers["If-Match"] = download.etag
    response = follower.follow(url, headers)
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


class _Follower:
    """Asks for a result, and follows redirects to where results may come from."""

    def __init__(self, send: Send, loopback: bool, warn: Callable[[str], None], api: str) -> None:
        self._send = send
        self._loopback = loopback
        self._warn = warn
        self._api = api
        self._may_reach = _may_reach(loopback or is_loopback_url(api))

    def follow(self, url: str, headers: dict[str, str]) -> Response:
        for _ in range(REDIRECTS + 1):
            # Nobody but Alibaba Cloud decides where the names of its storage lead; in its own network that is inside.
            is_checked = not (_is_of(self._api, url) or (urlsplit(url).hostname or "").endswith(STORAGE_SUFFIX))
            may_reach = self._may_reach if is_checked else None
            response = self._send(Request("GET", url, headers, patience=PATIENCE, may_reach=may_reach))
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            try:
                there = urljoin(url, location)
                is_elsewhere = urlsplit(there).hostname != urlsplit(url).hostname
            except ValueError:
                raise OutputError(
                    f"the download of {shown(url)} is redirected to something that is not a URL"
                ) from None
            url = fetchable(there, self._loopback, self._warn if is_elsewhere else lambda _: None, self._api)
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
