"""The two OSS buckets behind the service: temporary storage for uploads, and results with signed links."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import tempfile
import threading
import time
from typing import BinaryIO, Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from ..files import media
from ..plain.record import record

POLICY_SECONDS = 300
LINK_SECONDS = 86400
FIXED_EXPIRES = 4102444800  # the year 2100
MOST_BYTES = 2**30  # as recorded live; the page's example says 100 MB and that it depends on the model
MOST_FIELD_BYTES = 2**20
BLOCK_BYTES = 256 * 1024


class StorageError(Exception):
    """An error answer of OSS, in XML. ec: its detailed error code."""

    def __init__(self, status: int, code: str, message: str, ec: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec

    def xml(self) -> bytes:
        return (
            f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{self.code}</Code><Message>{self.message}</Message>"
            f"<RequestId>SANDBOX</RequestId><HostId>sandbox</HostId><EC>{self.ec}</EC></Error>"
        ).encode()


@record
class Upload:
    """An uploaded file: the model of its policy, its size and its facts."""

    model: str
    bytes: int
    facts: media.Facts | None


@record
class Object:
    """A stored result.

    headers: of every answer with it, complete or partial.
    expires: when its link expires, in epoch seconds of the stand-in's time.
    named_expires: the time in the link itself.
    """

    data: bytes
    headers: Mapping[str, str]
    expires: int
    named_expires: int
    signature: str


def _scratch() -> BinaryIO:
    """A file that goes with its last use; in memory where the machine has no place for one."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return io.BytesIO()


class Storage:
    """Keeps the facts of uploads and the bytes of results. Safe to use from several threads.

    repeats: put a fixed date into links, so that two runs give the same; they still expire after a day.
    """

    def __init__(
        self, token: Callable[[int], str], clock: Callable[[], float] = time.time, repeats: bool = False
    ) -> None:
        self._token = token
        self._repeats = repeats
        self._clock = clock
        self._lock = threading.Lock()
        self._policies: dict[str, tuple[str, str, float]] = {}
        self.uploads: dict[str, Upload] = {}
        self.results: dict[str, Object] = {}

    # Uploads -----------------------------------------------------------------------------------------------

    def policy(self, model: str, host: str) -> dict[str, object]:
        """`data` of a getPolicy answer; allows uploads below its `upload_dir` until it expires."""
        day = time.strftime("%Y-%m-%d", time.gmtime(self._clock()))
        folder = f"dashscope-instant/{self._token(16)}/{day}/{self._token(16)}"
        policy = base64.b64encode(f"sandbox {folder}".encode()).decode()
        with self._lock:
            self._policies[policy] = (model, folder, self._clock() + POLICY_SECONDS)
        return {
            "policy": policy,
            "signature": base64.b64encode(self._token(20).encode()).decode(),
            "upload_dir": folder,
            "upload_host": host,
            "expire_in_seconds": POLICY_SECONDS,
            "max_file_size_mb": MOST_BYTES // 2**20,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": "LTAISANDBOX",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }

    def receive(self, content_type: str, stream: BinaryIO) -> int:
        """Store the file of a multipart form (RFC 7578); return the success status. Raises StorageError."""
        match = re.search(r'boundary="?([^";,]+)', content_type)
        if not match or "multipart/form-data" not in content_type:
            raise _malformed()
        with _scratch() as file:
            form, size = _read_form(stream, match[1].encode("latin-1"), file)
            key, model = self._check_form(form, size)
            file.seek(0)
            facts = media.probe(file)
        with self._lock:
            if key in self.uploads:
                raise StorageError(
                    409, "FileAlreadyExists", "The object you specified already exists.", "0026-00000002"
                )
            self.uploads[key] = Upload(model, size, facts)
        status = form.get("success_action_status", "")
        return int(status) if status in ("200", "201") else 204

    def _check_form(self, form: Mapping[str, str], size: int) -> tuple[str, str]:
        policy = self._policies.get(form.get("policy", ""))
        if policy is None or not form.get("Signature") or not form.get("OSSAccessKeyId"):
            raise StorageError(403, "AccessDenied", "Invalid according to Policy: Policy Condition failed.")
        model, folder, expires = policy
        if self._clock() > expires:
            raise StorageError(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        key = form.get("key", "")
        if not key.startswith(f"{folder}/") or form.get("x-oss-forbid-overwrite") != "true":
            raise StorageError(
                403, "AccessDenied", "Invalid according to Policy: Policy Condition failed.", "0006-00000227"
            )
        if size > MOST_BYTES:
            raise StorageError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
        return key, model

    # Results -----------------------------------------------------------------------------------------------

    def publish(self, data: bytes, media_type: str, suffix: str) -> str:
        """Store a result; return its path with the signed query."""
        name = f"{self._token(32)}{suffix}"
        expires = int(self._clock()) + LINK_SECONDS
        named = FIXED_EXPIRES if self._repeats else expires
        signature = self._token(28)
        with self._lock:
            self.results[name] = Object(data, _headers(data, media_type), expires, named, signature)
        return f"/results/{name}?Expires={named}&OSSAccessKeyId=LTAISANDBOX&Signature={signature}"

    def fetch(self, link: str) -> Object:
        """A result by its signed link, with or without a host. Raises StorageError."""
        parts = urlsplit(link)
        query = dict(parse_qsl(parts.query))
        with self._lock:
            stored = self.results.get(parts.path.rpartition("/")[2])
        if stored is None:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        if query.get("Signature") != stored.signature or query.get("Expires") != str(stored.named_expires):
            raise StorageError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if self._clock() > stored.expires:
            raise StorageError(403, "AccessDenied", "Request has expired.", "0002-00000069")
        return stored


def _headers(data: bytes, media_type: str) -> dict[str, str]:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {
        "Content-Type": media_type,
        "ETag": f'"{digest.hex().upper()}"',
        "Content-MD5": base64.b64encode(digest).decode(),
        "x-oss-hash-crc64ecma": str(crc64(data)),
        "x-oss-object-type": "Normal",
        "x-oss-storage-class": "Standard",
        "x-oss-request-id": "SANDBOX",
        "Accept-Ranges": "bytes",
    }


_QUICKLY = {"dict_size": 4096, "mode": 1, "mf": 3, "nice_len": 3, "depth": 1, "lc": 0, "lp": 0, "pb": 0}


def crc64(data: bytes) -> int:
    """CRC-64/XZ, the checksum of OSS (ECMA-182).

    An .xz container has it behind the bytes, before the index, and liblzma computes it far faster than we can.
    """
    try:
        import lzma
    except ImportError:  # this Python was built without
        return _crc64(data)
    packed = lzma.compress(data, check=lzma.CHECK_CRC64, filters=[{"id": lzma.FILTER_LZMA2, **_QUICKLY}])
    (index,) = struct.unpack("<I", packed[-8:-4])
    end = len(packed) - 12 - 4 * (index + 1)
    return int.from_bytes(packed[end - 8 : end], "little") if data else 0


def _crc64(data: bytes) -> int:
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFFFFFFFFFF


# Forms ----------------------------------------------------------------------------------------------------


def _read_form(stream: BinaryIO, boundary: bytes, file: BinaryIO) -> tuple[dict[str, str], int]:
    """(text fields of a form, size of its `file` part in bytes); the `file` part must be the last."""
    form: dict[str, str] = {}
    while True:
        name = _read_part_head(stream)
        if name == "file":
            return form, _copy_file(stream, boundary, file)
        value = bytearray()
        end = b"\r\n--" + boundary + b"\r\n"
        while not value.endswith(end):
            value += _line(stream)
            if len(value) > MOST_FIELD_BYTES:
                raise _malformed()
        form[name] = bytes(value[: -len(end)]).decode("utf-8", "replace")


_PARAMETER = rb';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))'
MOST_HEAD_LINES = 100


def _read_part_head(stream: BinaryIO) -> str:
    name = b""
    for _ in range(MOST_HEAD_LINES):
        line = _line(stream)
        if line == b"\r\n":
            if not name:
                raise _malformed()
            return name.decode("utf-8", "replace")
        if line.lower().startswith(b"content-disposition:"):
            given = {key.lower(): quoted or bare for key, quoted, bare in re.findall(_PARAMETER, line)}
            name = given.get(b"name", b"")
    raise _malformed()


def _copy_file(stream: BinaryIO, boundary: bytes, file: BinaryIO) -> int:
    """Copy the rest of a form, which is the file and the closing boundary; return the size of the file in bytes."""
    tail = b""
    size = 0
    keep = len(boundary) + 8
    while block := stream.read(BLOCK_BYTES):
        tail += block
        size += file.write(tail[:-keep])
        tail = tail[-keep:]
    end = tail.rfind(b"\r\n--" + boundary + b"--")
    if end < 0:
        raise _malformed()
    return size + file.write(tail[:end])


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(65536)
    if not line:
        raise _malformed()
    return line


def _malformed() -> StorageError:
    return StorageError(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed.")
