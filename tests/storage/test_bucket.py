"""The user's own bucket: what may be configured, what is sent, what comes back, and what is said when it goes wrong.

The server here checks signatures with code of its own, written from the description of the algorithm and not from ours.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import lzma
import re
import threading
import time
import tracemalloc
import unittest
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, build_opener

from qianwen import environment
from qianwen.errors import AuthError, QianwenError, Refused, Unavailable, UsageError
from qianwen.http.messages import Fault, Request, Response, Stream
from qianwen.http.transport import Transport
from qianwen.storage import bucket, bucket_settings
from qianwen.storage.bucket_settings import Bucket
from qianwen.storage.forms import Upload

from .. import ROOT
from ..support import PHOTO, Case, Clock, Script, answer

KEY_ID = "LTAI5tTestTestTestTest01"
SECRET = "ThisIsTheSecretOfATest0123456789"
ODD_ID = "an-id.of_no_known_shape"
TOKEN = "CAISTokenOfATest/with+signs=="
FILE = Upload(str(PHOTO), "image/jpeg", PHOTO.stat().st_size)
MINIMAL = {
    "QWEN_TMP_OSS_BUCKET": "my-bucket",
    "QWEN_TMP_OSS_REGION": "cn-beijing",
    "QWEN_TMP_OSS_AK_ID": KEY_ID,
    "QWEN_TMP_OSS_AK_SECRET": SECRET,
}
TEMPORARY = {
    "QWEN_TMP_OSS_BUCKET": "my-bucket",
    "QWEN_TMP_OSS_REGION": "cn-beijing",
    "OSS_ACCESS_KEY_ID": f"STS.{KEY_ID}",
    "OSS_ACCESS_KEY_SECRET": SECRET,
    "OSS_SESSION_TOKEN": TOKEN,
}


class Settings(Case):
    def configured(self, env: dict[str, str], dotenv: str = "") -> Bucket:
        (self.cwd / ".env").write_text(dotenv, encoding="utf-8")
        made = bucket_settings.configured(environment.Place(env, str(self.cwd), str(self.home)))
        assert made
        return made

    def test_nothing_happens_without_the_switch(self) -> None:
        others = {name: value for name, value in MINIMAL.items() if name != "QWEN_TMP_OSS_BUCKET"}
        for env in ({}, others, {**others, "QWEN_TMP_OSS_BUCKET": "  "}):
            self.assertIsNone(bucket_settings.configured(environment.Place(env, str(self.cwd), str(self.home))))

    def test_the_least_that_must_be_set(self) -> None:
        made = self.configured(MINIMAL)
        self.assertEqual((made.name, made.signer.region), ("my-bucket", "cn-beijing"))
        self.assertEqual((made.signer.access_key_id, made.signer.secret, made.signer.token), (KEY_ID, SECRET, ""))
        self.assertEqual((made.prefix, made.expires), ("qwencloud-uploads", 86400))
        self.assertEqual(made.put_base, "https://my-bucket.oss-cn-beijing.aliyuncs.com")
        self.assertEqual(made.get_base, made.put_base)
        self.assertEqual(made.source, "QWEN_TMP_OSS_BUCKET in the environment")

    def test_all_of_it_may_stand_in_a_dotenv_file(self) -> None:
        lines = {
            **MINIMAL,
            "QWEN_TMP_OSS_PREFIX": "/team/uploads/",
            "QWEN_TMP_OSS_ENDPOINT": "oss-accelerate.aliyuncs.com",
            "QWEN_TMP_OSS_URL_EXPIRES": "3600",
        }
        self.assertEqual(set(lines), set(environment.BUCKET_NAMES))
        made = self.configured({}, "\n".join(f"{name}={value}" for name, value in lines.items()))
        self.assertEqual((made.prefix, made.expires), ("team/uploads", 3600))
        self.assertEqual(made.get_base, "https://my-bucket.oss-accelerate.aliyuncs.com")
        self.assertIn(".env", made.source)
        self.assertIn(".env", made.key_source)

    def test_a_region_may_be_written_as_storage_writes_it(self) -> None:
        for text in ("oss-cn-beijing", "CN-Beijing", "cn-beijing"):
            self.assertEqual(self.configured({**MINIMAL, "QWEN_TMP_OSS_REGION": text}).signer.region, "cn-beijing")

    def test_whose_credentials_count(self) -> None:
        shared = {"OSS_ACCESS_KEY_ID": "shared", "OSS_ACCESS_KEY_SECRET": "theirs", "OSS_SESSION_TOKEN": TOKEN}
        own = self.configured({**MINIMAL, **shared}).signer
        self.assertEqual((own.access_key_id, own.secret, own.token), (KEY_ID, SECRET, ""), "a token of another pair")
        temporary = self.configured(TEMPORARY).signer
        self.assertEqual((temporary.access_key_id, temporary.secret, temporary.token), (f"STS.{KEY_ID}", SECRET, TOKEN))
        synonym = {**TEMPORARY, "OSS_SECURITY_TOKEN": TOKEN, "OSS_SESSION_TOKEN": ""}
        self.assertEqual(self.configured(synonym).signer.token, TOKEN)

    def test_the_shared_names_in_a_dotenv_file_are_another_programs(self) -> None:
        base = {name: value for name, value in MINIMAL.items() if "AK_" not in name}
        with self.assertRaisesRegex(AuthError, "no credentials"):
            self.configured(base, f"OSS_ACCESS_KEY_ID={KEY_ID}\nOSS_ACCESS_KEY_SECRET={SECRET}\n")

    def test_urls_of_temporary_credentials_live_shorter(self) -> None:
        self.assertEqual(self.configured(TEMPORARY).expires, 43200)
        self.assertEqual(self.configured({**TEMPORARY, "QWEN_TMP_OSS_URL_EXPIRES": "43200"}).expires, 43200)
        with self.assertRaisesRegex(UsageError, "QWEN_TMP_OSS_URL_EXPIRES .*out of range") as caught:
            self.configured({**TEMPORARY, "QWEN_TMP_OSS_URL_EXPIRES": "43201"})
        self.assertIn("1 to 43200 with temporary credentials", caught.exception.hint)

    # endpoint, where files go, where they are fetched from; {} is the whole host of the bucket
    ENDPOINTS = (
        ("oss-cn-beijing.aliyuncs.com", "https://my-bucket.oss-cn-beijing.aliyuncs.com", ""),
        ("https://oss-cn-beijing.aliyuncs.com", "https://my-bucket.oss-cn-beijing.aliyuncs.com", ""),
        ("HTTPS://OSS-cn-beijing.aliyuncs.com/", "https://my-bucket.oss-cn-beijing.aliyuncs.com", ""),
        ("my-bucket.oss-cn-beijing.aliyuncs.com", "https://my-bucket.oss-cn-beijing.aliyuncs.com", ""),
        ("oss-cn-beijing.aliyuncs.com:443", "https://my-bucket.oss-cn-beijing.aliyuncs.com:443", ""),
        (
            "oss-cn-beijing-internal.aliyuncs.com",
            "https://my-bucket.oss-cn-beijing-internal.aliyuncs.com",
            "https://my-bucket.oss-cn-beijing.aliyuncs.com",
        ),
        (
            "https://my-bucket.oss-cn-beijing-internal.aliyuncs.com",
            "https://my-bucket.oss-cn-beijing-internal.aliyuncs.com",
            "https://my-bucket.oss-cn-beijing.aliyuncs.com",
        ),
        ("oss-accelerate.aliyuncs.com", "https://my-bucket.oss-accelerate.aliyuncs.com", ""),
        ("oss-accelerate-overseas.aliyuncs.com", "https://my-bucket.oss-accelerate-overseas.aliyuncs.com", ""),
        ("cn-beijing.oss.aliyuncs.com", "https://my-bucket.cn-beijing.oss.aliyuncs.com", ""),
        ("my-bucket.cn-beijing.oss.aliyuncs.com", "https://my-bucket.cn-beijing.oss.aliyuncs.com", ""),
    )
    ONLY_EXPORTED = (
        ("media.example.com", "https://media.example.com"),
        ("https://media.example.com:8443", "https://media.example.com:8443"),
        ("https://media-internal.example.com", "https://media-internal.example.com"),
        ("https://203.0.113.7", "https://203.0.113.7/my-bucket"),
        ("https://[2001:db8::7]:9000", "https://[2001:db8::7]:9000/my-bucket"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/my-bucket"),
        ("http://localhost:9000/", "http://localhost:9000/my-bucket"),
        ("http://[::1]:9000", "http://[::1]:9000/my-bucket"),
        ("https://oss-cn-beijing.aliyuncs.com:8443", "https://my-bucket.oss-cn-beijing.aliyuncs.com:8443"),
        ("https://oss-cn-beijing.aliyuncs.com.example.com", "https://oss-cn-beijing.aliyuncs.com.example.com"),
    )
    NEVER = (
        "http://oss-cn-beijing.aliyuncs.com",
        "http://media.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://oss-cn-beijing.aliyuncs.com",
        "oss://my-bucket",
        "other-bucket.oss-cn-beijing.aliyuncs.com",
        "https://123.cn-beijing.fc.aliyuncs.com",
        "dashscope.aliyuncs.com",
        "https://user:password@oss-cn-beijing.aliyuncs.com",
        "https://oss-cn-beijing.aliyuncs.com/folder",
        "https://oss-cn-beijing.aliyuncs.com?x=1",
        "https://oss-cn-beijing.aliyuncs.com#x",
        "https://oss-cn-beijing.aliyuncs.com.",
        "https://host:port",
        "https://[::1",
        "https://",
        "beijing",
        "两个.example.com",
    )

    def test_endpoints_of_storage_from_anywhere(self) -> None:
        for text, put, get in self.ENDPOINTS:
            for env, dotenv in (({"QWEN_TMP_OSS_ENDPOINT": text}, ""), ({}, f"QWEN_TMP_OSS_ENDPOINT={text}")):
                with self.subTest(text, dotenv=bool(dotenv)):
                    made = self.configured({**MINIMAL, **env}, dotenv)
                    self.assertEqual((made.put_base, made.get_base), (put, get or put))

    def test_other_hosts_only_from_the_real_environment(self) -> None:
        for text, base in self.ONLY_EXPORTED:
            with self.subTest(text):
                made = self.configured({**MINIMAL, "QWEN_TMP_OSS_ENDPOINT": text})
                self.assertEqual((made.put_base, made.get_base), (base, base))
                with self.assertRaises(UsageError) as caught:
                    self.configured(MINIMAL, f"QWEN_TMP_OSS_ENDPOINT={text}")
                self.assertIn("QWEN_TMP_OSS_ENDPOINT in", caught.exception.message)

    def test_what_is_never_sent_to(self) -> None:
        for text in self.NEVER:
            with self.subTest(text), self.assertRaises(UsageError) as caught:
                self.configured({**MINIMAL, "QWEN_TMP_OSS_ENDPOINT": text})
            self.assertIn("QWEN_TMP_OSS_ENDPOINT in the environment", caught.exception.message)
            self.assertNotIn("password", caught.exception.message + caught.exception.hint)

    def test_a_bucket_that_is_named_like_an_endpoint(self) -> None:
        env = {
            **MINIMAL,
            "QWEN_TMP_OSS_BUCKET": "oss-cn-beijing",
            "QWEN_TMP_OSS_ENDPOINT": "oss-cn-beijing.aliyuncs.com",
        }
        self.assertEqual(self.configured(env).put_base, "https://oss-cn-beijing.oss-cn-beijing.aliyuncs.com")

    # what is changed (None: not set), the error, what its message and its hint must hold
    WRONG: tuple[tuple[dict[str, str | None], type[QianwenError], str, str], ...] = (
        ({"QWEN_TMP_OSS_BUCKET": "My_Bucket"}, UsageError, "QWEN_TMP_OSS_BUCKET in the environment", "3 to 63"),
        ({"QWEN_TMP_OSS_BUCKET": "ab"}, UsageError, "QWEN_TMP_OSS_BUCKET", "3 to 63"),
        ({"QWEN_TMP_OSS_BUCKET": "-abc"}, UsageError, "QWEN_TMP_OSS_BUCKET", "hyphen"),
        ({"QWEN_TMP_OSS_BUCKET": "abc-"}, UsageError, "QWEN_TMP_OSS_BUCKET", "hyphen"),
        ({"QWEN_TMP_OSS_BUCKET": "a" * 64}, UsageError, "QWEN_TMP_OSS_BUCKET", "3 to 63"),
        ({"QWEN_TMP_OSS_BUCKET": "a.example.com/x"}, UsageError, "QWEN_TMP_OSS_BUCKET", "letters"),
        ({"QWEN_TMP_OSS_REGION": None}, UsageError, "QWEN_TMP_OSS_REGION is not", "cn-beijing"),
        ({"QWEN_TMP_OSS_REGION": "cn"}, UsageError, "QWEN_TMP_OSS_REGION in the environment", "cn-beijing"),
        ({"QWEN_TMP_OSS_REGION": "oss-cn-beijing.aliyuncs.com"}, UsageError, "QWEN_TMP_OSS_REGION", "cn-beijing"),
        ({"QWEN_TMP_OSS_REGION": "evil.example.com/"}, UsageError, "QWEN_TMP_OSS_REGION", "cn-beijing"),
        ({"QWEN_TMP_OSS_PREFIX": "//"}, UsageError, "QWEN_TMP_OSS_PREFIX in the environment", "up to 200"),
        ({"QWEN_TMP_OSS_PREFIX": "a//b"}, UsageError, "QWEN_TMP_OSS_PREFIX", "single '/'"),
        ({"QWEN_TMP_OSS_PREFIX": "a/../b"}, UsageError, "QWEN_TMP_OSS_PREFIX", "none of them"),
        ({"QWEN_TMP_OSS_PREFIX": "a/."}, UsageError, "QWEN_TMP_OSS_PREFIX", "none of them"),
        ({"QWEN_TMP_OSS_PREFIX": "my files"}, UsageError, "QWEN_TMP_OSS_PREFIX", "letters"),
        ({"QWEN_TMP_OSS_PREFIX": "图片"}, UsageError, "QWEN_TMP_OSS_PREFIX", "letters"),
        ({"QWEN_TMP_OSS_PREFIX": "a" * 201}, UsageError, "QWEN_TMP_OSS_PREFIX", "up to 200"),
        ({"QWEN_TMP_OSS_URL_EXPIRES": "0"}, UsageError, "QWEN_TMP_OSS_URL_EXPIRES in the environment", "1 to 604800"),
        ({"QWEN_TMP_OSS_URL_EXPIRES": "604801"}, UsageError, "QWEN_TMP_OSS_URL_EXPIRES", "1 to 604800"),
        ({"QWEN_TMP_OSS_URL_EXPIRES": "1h"}, UsageError, "QWEN_TMP_OSS_URL_EXPIRES", "whole seconds"),
        ({"QWEN_TMP_OSS_URL_EXPIRES": "-1"}, UsageError, "QWEN_TMP_OSS_URL_EXPIRES", "whole seconds"),
        ({"QWEN_TMP_OSS_URL_EXPIRES": "9" * 40}, UsageError, "QWEN_TMP_OSS_URL_EXPIRES", "whole seconds"),
        ({"QWEN_TMP_OSS_AK_ID": None, "QWEN_TMP_OSS_AK_SECRET": None}, AuthError, "no credentials", "OSS_ACCESS_KEY_ID"),
        ({"QWEN_TMP_OSS_AK_ID": None}, AuthError, "QWEN_TMP_OSS_AK_ID is not set", "both in one place"),
        ({"QWEN_TMP_OSS_AK_SECRET": None}, AuthError, "QWEN_TMP_OSS_AK_SECRET is not set", "both in one place"),
        (
            {"QWEN_TMP_OSS_AK_SECRET": None, "OSS_ACCESS_KEY_ID": KEY_ID, "OSS_ACCESS_KEY_SECRET": SECRET},
            AuthError,
            "QWEN_TMP_OSS_AK_SECRET is not set",
            "both in one place",
        ),
        (
            {"QWEN_TMP_OSS_AK_ID": None, "QWEN_TMP_OSS_AK_SECRET": None, "OSS_ACCESS_KEY_ID": KEY_ID},
            AuthError,
            "OSS_ACCESS_KEY_SECRET is not set",
            "real environment",
        ),
        ({"QWEN_TMP_OSS_AK_ID": "LTAI/x,y"}, AuthError, "QWEN_TMP_OSS_AK_ID in the environment has", ""),
        ({"QWEN_TMP_OSS_AK_SECRET": "two words"}, AuthError, "QWEN_TMP_OSS_AK_SECRET in the environment has", ""),
        ({"QWEN_TMP_OSS_AK_ID": f"STS.{KEY_ID}"}, AuthError, "whose token is missing", "OSS_SESSION_TOKEN"),
        (
            {
                "QWEN_TMP_OSS_AK_ID": None,
                "QWEN_TMP_OSS_AK_SECRET": None,
                "OSS_ACCESS_KEY_ID": "STS.x",
                "OSS_ACCESS_KEY_SECRET": SECRET,
                "OSS_SESSION_TOKEN": "not\na token",
            },
            AuthError,
            "OSS_SESSION_TOKEN in the environment has",
            "",
        ),
    )  # fmt: skip

    def test_what_is_wrong_is_named_and_what_is_allowed_is_said(self) -> None:
        for changes, kind, message, hint in self.WRONG:
            with self.subTest(changes):
                env = {name: value for name, value in {**MINIMAL, **changes}.items() if value is not None}
                with self.assertRaises(kind) as caught:
                    self.configured(env)
                self.assertIn(message, caught.exception.message)
                self.assertIn(hint, caught.exception.hint)
                for value in env.values():
                    if value not in ("my-bucket", "cn-beijing", "cn", "ab", "0", "-1", "1h"):
                        self.assertNotIn(value, caught.exception.message + caught.exception.hint)

    def test_a_pair_stands_in_one_place(self) -> None:
        env = {name: value for name, value in MINIMAL.items() if name != "QWEN_TMP_OSS_AK_SECRET"}
        for dotenv in (f"QWEN_TMP_OSS_AK_SECRET={SECRET}", f"QWEN_TMP_OSS_AK_ID=x\nQWEN_TMP_OSS_AK_SECRET={SECRET}"):
            with self.assertRaisesRegex(AuthError, "different places") as caught:
                self.configured(env, dotenv)
            self.assertNotIn(SECRET, caught.exception.message)

    def test_a_bucket_does_not_show_its_secrets(self) -> None:
        made = self.configured(TEMPORARY)
        self.assertEqual(made.secrets, (SECRET, TOKEN))
        for secret in (SECRET, TOKEN, KEY_ID):
            self.assertNotIn(secret, repr(made))
        self.assertIn("my-bucket", repr(made))

    def test_a_preview_has_host_and_prefix_and_no_signature(self) -> None:
        env = {**MINIMAL, "QWEN_TMP_OSS_ENDPOINT": "oss-cn-beijing-internal.aliyuncs.com"}
        self.assertEqual(
            bucket.preview(self.configured(env), "/home/me/猫.png"),
            "https://my-bucket.oss-cn-beijing.aliyuncs.com/qwencloud-uploads/(upload of /home/me/猫.png)",
        )


class Reply(NamedTuple):
    """What the server says instead of doing its work. then_close: it reads the request and hangs up."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    hang_up: bool = False


class Storage(ThreadingHTTPServer):
    """Storage addressed by path: it checks each signature, keeps small objects, and gives their checksum."""

    daemon_threads = True

    def __init__(self, clock: Clock, secret: str = SECRET, token: str = "", region: str = "cn-beijing") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.clock, self.secret, self.token, self.region = clock, secret, token, region
        self.replies: list[Reply] = []
        self.objects: dict[str, bytes] = {}
        self.heads: list[tuple[str, str, dict[str, str]]] = []
        self.largest = 2**20
        self.received = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def mac(self, stamp: str, scope: str, canonical: str) -> str:
        text = "\n".join(["OSS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = b"aliyun_v4" + self.secret.encode()
        for step in scope.split("/"):
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def complaint_about_headers(self, method: str, path: str, headers: dict[str, str]) -> str:
        """Why a request that authorizes itself in its headers is refused, or ""."""
        algorithm, _, rest = headers.get("authorization", "").partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(","))
        key_id, _, scope = fields["Credential"].partition("/")
        stamp = headers["x-oss-date"]
        lines = [f"{n}:{v}\n" for n, v in sorted(headers.items()) if n.startswith("x-oss-") or n == "content-type"]
        canonical = f"{method}\n{path}\n\n{''.join(lines)}\n\nUNSIGNED-PAYLOAD"
        return self._complaint(
            algorithm == "OSS4-HMAC-SHA256",
            headers["x-oss-content-sha256"] == "UNSIGNED-PAYLOAD",
            headers.get("x-oss-security-token", "") == self.token,
            key_id.endswith(KEY_ID),
            scope == f"{stamp[:8]}/{self.region}/oss/aliyun_v4_request",
            abs(_epoch(stamp) - self.clock()) <= 900,
            self.mac(stamp, scope, canonical) == fields["Signature"],
        )

    def complaint_about_query(self, method: str, path: str, query: str) -> str:
        """The same for a presigned URL."""
        pairs = dict(pair.partition("=")[::2] for pair in query.split("&"))
        signature = pairs.pop("x-oss-signature", "")
        stamp, scope = pairs["x-oss-date"], unquote(pairs["x-oss-credential"]).partition("/")[2]
        canonical = f"{method}\n{path}\n{'&'.join(f'{n}={v}' for n, v in sorted(pairs.items()))}\n\n\nUNSIGNED-PAYLOAD"
        return self._complaint(
            pairs["x-oss-signature-version"] == "OSS4-HMAC-SHA256",
            unquote(pairs.get("x-oss-security-token", "")) == self.token,
            -900 <= self.clock() - _epoch(stamp) <= int(pairs["x-oss-expires"]),
            self.mac(stamp, scope, canonical) == signature,
        )

    def _complaint(self, *holds: bool) -> str:
        return "" if all(holds) else f"check {holds.index(False) + 1} failed"


class _Handler(BaseHTTPRequestHandler):
    server: Storage
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heads.append(("PUT", self.path, headers))
        crc = lzma.LZMACompressor(check=lzma.CHECK_CRC64, preset=0)
        kept, tail = b"", crc.compress(b"")
        left = int(headers["content-length"])
        while left:
            block = self.rfile.read(min(65536, left))
            if not block:  # the client broke off
                return
            left -= len(block)
            self.server.received += len(block)
            kept = kept + block if len(kept) < self.server.largest else kept
            tail = (tail + crc.compress(block))[-64:]
        tail += crc.flush()
        reply = self.server.replies.pop(0) if self.server.replies else None
        if reply:
            self.answer(reply)
            return
        complaint = self.server.complaint_about_headers("PUT", self.path, headers)
        if complaint:
            self.answer(
                Reply(403, f"<Error><Code>SignatureDoesNotMatch</Code><Message>{complaint}</Message></Error>".encode())
            )
            return
        self.server.objects[self.path] = kept
        self.answer(Reply(headers=(("x-oss-hash-crc64ecma", str(_crc_at_the_end(tail))), ("ETag", '"x"'))))

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        complaint = self.server.complaint_about_query("GET", path, query)
        self.answer(Reply(403, complaint.encode()) if complaint else Reply(200, self.server.objects[path]))

    def answer(self, reply: Reply) -> None:
        if reply.hang_up:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)


def _epoch(stamp: str) -> int:
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def _crc_at_the_end(container: bytes) -> int:
    """The CRC-64 of what an .xz container of one block holds: it stands right before the index."""
    index = (int.from_bytes(container[-8:-4], "little") + 1) * 4
    return int.from_bytes(container[-12 - index - 8 : -12 - index], "little")


def denied(code: str, message: str = "", more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


class Uploads(Case):
    def storage(self, token: str = "") -> Storage:
        server = Storage(self.clock, token=token)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def bucket(self, server: Storage, env: dict[str, str] = MINIMAL, **more: str) -> Bucket:
        place = environment.Place({**env, "QWEN_TMP_OSS_ENDPOINT": server.url, **more}, str(self.cwd), str(self.home))
        made = bucket_settings.configured(place)
        assert made
        return made

    def upload(self, made: Bucket, file: Upload = FILE) -> str:
        transport = Transport()
        self.addCleanup(transport.close)
        return bucket.upload(transport.send, self.clock.sleep, self.clock, made, file)

    def get(self, url: str) -> tuple[int, bytes]:
        try:
            with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def test_a_file_goes_up_and_its_url_gives_it_back(self) -> None:
        for env, token in ((MINIMAL, ""), (TEMPORARY, TOKEN)):
            with self.subTest(token=bool(token)):
                server = self.storage(token)
                url = self.upload(self.bucket(server, env))
                self.assertEqual(self.get(url), (200, PHOTO.read_bytes()))

    def test_what_is_sent(self) -> None:
        server = self.storage()
        url = self.upload(self.bucket(server))
        ((method, path, headers),) = server.heads
        day = time.strftime("%Y%m%d", time.localtime(self.clock()))
        self.assertRegex(path, rf"^/my-bucket/qwencloud-uploads/{day}/[0-9a-f]{{16}}_photo\.jpg$")
        self.assertEqual(url.partition("?")[0], server.url + path)
        self.assertEqual(method, "PUT")
        self.assertEqual(headers["content-type"], "image/jpeg")
        self.assertEqual(headers["x-oss-forbid-overwrite"], "true")
        self.assertEqual(int(headers["content-length"]), FILE.bytes)
        self.assertNotIn("transfer-encoding", headers)
        self.assertNotIn("x-oss-security-token", headers)
        self.assertIn("x-oss-expires=86400&", url)

    def test_a_url_is_good_for_its_time_and_its_object_alone(self) -> None:
        server = self.storage()
        url = self.upload(self.bucket(server, QWEN_TMP_OSS_URL_EXPIRES="600"))
        self.assertEqual(self.get(url)[0], 200)
        self.assertEqual(self.get(url.replace("x-oss-expires=600", "x-oss-expires=6000"))[0], 403)
        self.assertEqual(self.get(url.replace("_photo.jpg", "_other.jpg"))[0], 403)
        self.clock.sleep(601)
        self.assertEqual(self.get(url)[0], 403)

    def test_another_secret_than_storage_knows(self) -> None:
        server = self.storage()
        with self.assertRaises(AuthError) as caught:
            self.upload(self.bucket(server, QWEN_TMP_OSS_AK_SECRET="another"))
        self.assertIn("SignatureDoesNotMatch: check 7 failed", caught.exception.message)

    def test_a_host_of_the_bucket_and_a_prefix_of_ones_own(self) -> None:
        env = {**MINIMAL, "QWEN_TMP_OSS_ENDPOINT": "oss-cn-beijing-internal.aliyuncs.com", "QWEN_TMP_OSS_PREFIX": "a/b"}
        made = bucket_settings.configured(environment.Place(env, str(self.cwd), str(self.home)))
        assert made
        script = Script(answer(b""))
        url = bucket.upload(script, self.clock.sleep, self.clock, made, FILE)
        (request,) = script.requests
        self.assertTrue(request.once)
        self.assertFalse(request.billable)
        self.assertRegex(request.url, r"^https://my-bucket\.oss-cn-beijing-internal\.aliyuncs\.com/a/b/\d{8}/\w+\.jpg$")
        self.assertEqual(url.partition("?")[0], request.url.replace("-internal", ""))
        assert isinstance(request.body, Stream)
        self.assertEqual(request.body.length, FILE.bytes)
        self.assertEqual(b"".join(request.body.blocks()), PHOTO.read_bytes())

    def test_a_file_of_any_size_takes_little_memory(self) -> None:
        size = 50 * 2**20
        path = self.cwd / "long.mp4"
        with open(path, "wb") as stream:
            stream.truncate(size)
        server = self.storage()
        server.largest = 0
        made = self.bucket(server)
        tracemalloc.start()
        try:
            self.upload(made, Upload(str(path), "video/mp4", size))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertEqual(server.received, size)
        self.assertLess(peak, 6 * 2**20)

    def test_the_checksum_is_of_the_bytes_that_were_sent_last(self) -> None:
        """Another `send` in between may look at the body, or send it a second time."""
        server = self.storage()
        transport = Transport()
        self.addCleanup(transport.close)

        def peeking(request: Request) -> Response:
            assert isinstance(request.body, Stream)
            looked_at = request.body.blocks()
            next(looked_at)
            response = transport.send(request)
            next(looked_at, None)
            return response

        bucket.upload(peeking, self.clock.sleep, self.clock, self.bucket(server), FILE)
        self.assertEqual(len(server.heads), 1)

    def test_a_file_that_is_too_large_is_not_sent(self) -> None:
        server = self.storage()
        with self.assertRaisesRegex(UsageError, "up to 5 GB"):
            self.upload(self.bucket(server), Upload(str(PHOTO), "image/jpeg", 5 * 2**30 + 1))
        self.assertEqual(server.heads, [])

    def test_a_file_that_changes_while_it_is_sent(self) -> None:
        server = self.storage()
        with self.assertRaisesRegex(UsageError, "was changed while it was sent"):
            self.upload(self.bucket(server), Upload(str(PHOTO), "image/jpeg", FILE.bytes + 1))

    def test_trouble_that_passes_is_tried_again_under_a_new_name(self) -> None:
        for reply in (
            Reply(503, denied("ServiceUnavailable")),
            Reply(500, denied("InternalError")),
            Reply(408, denied("RequestTimeout")),
            Reply(429),
            Reply(409, denied("FileAlreadyExists", "The object you specified already exists")),
            Reply(hang_up=True),
            Reply(200, headers=(("x-oss-hash-crc64ecma", "1"),)),
        ):
            with self.subTest(reply):
                server = self.storage()
                server.replies = [reply, reply]
                started = self.clock()
                url = self.upload(self.bucket(server))
                paths = [path for _, path, _ in server.heads]
                self.assertEqual(len(set(paths)), 3)
                self.assertEqual(urlsplit(url).path, paths[-1])
                self.assertEqual(self.get(url)[0], 200)
                self.assertGreater(self.clock() - started, 2)

    def test_it_gives_up_after_three_tries(self) -> None:
        for reply, said in (
            (Reply(503, denied("ServiceUnavailable", "later")), "ServiceUnavailable: later"),
            (Reply(hang_up=True), "connection"),
            (Reply(200, headers=(("x-oss-hash-crc64ecma", "1"),)), "other bytes"),
        ):
            with self.subTest(said):
                server = self.storage()
                server.replies = [reply] * 4
                with self.assertRaises(Unavailable) as caught:
                    self.upload(self.bucket(server))
                self.assertIn("photo.jpg could not be uploaded", caught.exception.message)
                self.assertIn(said, caught.exception.message)
                self.assertEqual(len(server.heads), 3)

    def test_a_fault_that_will_not_pass_is_told_at_once(self) -> None:
        made = bucket_settings.configured(environment.Place(MINIMAL, str(self.cwd), str(self.home)))
        assert made
        script = Script(Fault("the certificate is not trusted", sent=False, permanent=True, hint="set it"))
        with self.assertRaises(Unavailable) as caught:
            bucket.upload(script, self.clock.sleep, self.clock, made, FILE)
        self.assertEqual((caught.exception.hint, caught.exception.retryable), ("set it", False))

    def test_a_wrong_clock_takes_the_time_of_the_server(self) -> None:
        server = self.storage()
        ours = Clock()
        ours.moment = self.clock() - 86400
        skewed = Reply(403, denied("RequestTimeTooSkewed"), (("Date", formatdate(self.clock(), usegmt=True)),))
        server.replies = [skewed]
        transport = Transport()
        self.addCleanup(transport.close)
        made = self.bucket(server, QWEN_TMP_OSS_URL_EXPIRES="600")
        url = bucket.upload(transport.send, ours.sleep, ours, made, FILE)
        self.assertEqual(self.get(url)[0], 200, "the URL, too, is signed with the server's time")
        self.assertEqual(len(server.heads), 2)

    def test_a_wrong_clock_is_mended_once(self) -> None:
        date = (("Date", formatdate(self.clock() + 86400, usegmt=True)),)
        for headers, tries in ((date, 2), ((), 1), ((("Date", "yesterday"),), 1)):
            with self.subTest(headers):
                server = self.storage()
                server.replies = [Reply(403, denied("RequestTimeTooSkewed"), headers)] * 3
                with self.assertRaises(Refused) as caught:
                    self.upload(self.bucket(server))
                self.assertIn("clock", caught.exception.hint)
                self.assertEqual(len(server.heads), tries)

    # status, code, further elements, the error, what the hint must hold
    REFUSALS: tuple[tuple[int, str, str, type[QianwenError], str], ...] = (
        (400, "PublicEndpointForbidden", "<EC>0048-00000401</EC>", Refused, "QWEN_TMP_OSS_ENDPOINT=https://"),
        (403, "SignatureDoesNotMatch", "", AuthError, "secret"),
        (403, "InvalidAccessKeyId", "", AuthError, "RAM console"),
        (403, "SecurityTokenExpired", "", AuthError, "OSS_SESSION_TOKEN"),
        (403, "InvalidSecurityToken", "", AuthError, "OSS_SESSION_TOKEN"),
        (403, "AccessDenied", "", AuthError, "oss:PutObject and oss:GetObject on my-bucket/qwencloud-uploads/*"),
        (403, "AccessDenied", "<Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint>", AuthError, "oss-cn-shanghai.aliyuncs.com"),
        (403, "AccessDenied", "<Endpoint>&lt;evil&gt; text</Endpoint>", AuthError, "oss:PutObject"),
        (403, "UserDisable", "", AuthError, "billing"),
        (404, "NoSuchBucket", "", Refused, "QWEN_TMP_OSS_BUCKET and QWEN_TMP_OSS_REGION"),
        (400, "InvalidBucketName", "", Refused, "QWEN_TMP_OSS_BUCKET"),
        (400, "InvalidArgument", "<EC>0002-00000228</EC>", Refused, "QWEN_TMP_OSS_REGION"),
        (400, "EntityTooLarge", "", Refused, ""),
        (403, "SomethingNew", "", AuthError, "the key is QWEN_TMP_OSS_AK_ID in the environment"),
        (307, "TemporaryRedirect", "<Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint>", Refused, ""),
    )  # fmt: skip

    def test_what_a_refusal_means(self) -> None:
        for status, code, more, kind, hint in self.REFUSALS:
            with self.subTest(code, more=more):
                server = self.storage()
                server.replies = [Reply(status, denied(code, "No.", more), (("x-oss-request-id", "R-1"),))]
                with self.assertRaises(kind) as caught:
                    self.upload(self.bucket(server))
                error = caught.exception
                self.assertEqual(error.message, f"photo.jpg could not be uploaded to bucket my-bucket: {code}: No.")
                self.assertEqual((error.code, error.http_status, error.request_id), (code, status, "R-1"))
                self.assertIn(hint, error.hint)
                self.assertEqual(len(server.heads), 1)

    def test_the_endpoint_that_was_used_is_no_other_region(self) -> None:
        made = bucket_settings.configured(environment.Place(MINIMAL, str(self.cwd), str(self.home)))
        assert made
        body = denied("AccessDenied", "No.", "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>")
        with self.assertRaises(AuthError) as caught:
            bucket.upload(Script(answer(body, 403)), self.clock.sleep, self.clock, made, FILE)
        self.assertIn("oss:PutObject", caught.exception.hint)

    def test_an_answer_that_is_no_xml(self) -> None:
        server = self.storage()
        server.replies = [Reply(418, b"<html>no")]
        with self.assertRaisesRegex(Refused, "HTTP 418") as caught:
            self.upload(self.bucket(server))
        self.assertEqual(caught.exception.code, "")

    def test_nothing_secret_is_told_whatever_storage_repeats(self) -> None:
        """An error of storage repeats what was signed, with what, and by whom; so may a message."""
        refusals = [(status, code) for status, code, *_ in self.REFUSALS]
        for status, code in (*refusals, (503, "ServiceUnavailable"), (403, "RequestTimeTooSkewed")):
            with self.subTest(code):
                server = self.storage(TOKEN)
                made = self.bucket(server, {**TEMPORARY, "OSS_ACCESS_KEY_ID": ODD_ID})
                script = _Repeating(status, code)
                with self.assertRaises(QianwenError) as caught:
                    bucket.upload(script, self.clock.sleep, self.clock, made, FILE)
                told = caught.exception.message + caught.exception.hint
                for secret in (SECRET, TOKEN, ODD_ID, script.signature, "STRING-TO-SIGN", "PROVIDED"):
                    self.assertNotIn(secret, told)
                self.assertIn("[hidden]", told)


class Programs(Uploads):
    """The bucket in a whole run."""

    def test_a_local_picture_reaches_the_service_by_a_presigned_url(self) -> None:
        server = self.storage()
        with self.standin() as standin:
            self.env.update(MINIMAL, QWEN_TMP_OSS_ENDPOINT=server.url)
            reply = self.json("x", "--image", str(PHOTO), "--model", "wan2.6-image")
            (sent,) = standin.of("sync")
        url = sent.json["input"]["messages"][0]["content"][-1]["image"]
        self.assertEqual(self.get(url), (200, PHOTO.read_bytes()))
        self.assertEqual(standin.of("policy", "upload"), [])
        self.assertNotIn("x-dashscope-ossresourceresolve", sent.headers)
        self.assertEqual(len(reply["files"]), 1)
        for path in filter(Path.is_file, self.folder.rglob("*")):
            self.assertNotIn(SECRET.encode(), path.read_bytes())
        for _, _, headers in server.heads:
            self.assertNotIn("Bearer", str(headers))

    def test_a_dry_run_names_the_bucket(self) -> None:
        self.env.update(MINIMAL)
        body = self.json("x", "--image", str(PHOTO), "--dry-run")["request"]["body"]
        self.assertIn("https://my-bucket.oss-cn-beijing.aliyuncs.com/qwencloud-uploads/(upload of ", str(body))

    def test_what_is_configured_wrongly_is_known_before_anything_is_sent(self) -> None:
        with self.standin() as standin:
            for changes, code in (({"QWEN_TMP_OSS_REGION": ""}, 3), ({"QWEN_TMP_OSS_AK_SECRET": ""}, 4)):
                self.env.update({**MINIMAL, **changes})
                with self.subTest(changes):
                    reply = self.json("x", "--image", str(PHOTO), code=code)
                    self.assertIn(next(iter(changes)), str(reply["error"]))
            self.assertEqual(standin.sent, [])
            self.assertEqual(self.image("without a file").code, 0)

    def test_the_sandbox_has_no_use_for_it(self) -> None:
        self.env.update(MINIMAL, QWEN_TMP_OSS_REGION="")
        self.assertEqual(self.image("x", "--image", str(PHOTO), "--sandbox").code, 0)

    def test_a_refusal_names_the_buckets_key_and_not_the_services(self) -> None:
        server = self.storage()
        with self.standin() as standin:
            self.env.update({**MINIMAL, "QWEN_TMP_OSS_AK_SECRET": "another" * 4}, QWEN_TMP_OSS_ENDPOINT=server.url)
            reply = self.json("x", "--image", str(PHOTO), code=4)
        self.assertIn("QWEN_TMP_OSS_AK_ID", reply["error"]["hint"])
        self.assertNotIn("DASHSCOPE_API_KEY", reply["error"]["hint"])
        self.assertEqual(standin.of("sync"), [])


class Document(unittest.TestCase):
    """references/custom-oss.md says what the code does."""

    text = (ROOT / "references" / "custom-oss.md").read_text(encoding="utf-8")

    def test_it_names_every_variable_and_no_other(self) -> None:
        shared = {"OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN", "OSS_SECURITY_TOKEN"}
        self.assertEqual(
            set(re.findall(r"\b(?:QWEN_TMP_)?OSS_[A-Z_]+", self.text)), {*environment.BUCKET_NAMES, *shared}
        )

    def test_it_names_the_limits(self) -> None:
        for fact in (
            f"default `{bucket_settings.DEFAULT_PREFIX}`",
            f"default {bucket_settings.DEFAULT_EXPIRES}, 1 to {bucket_settings.LONGEST_EXPIRES};",
            f"1 to {bucket_settings.LONGEST_EXPIRES_OF_A_TOKEN} ",
            f"up to {bucket.LARGEST_OBJECT_BYTES // 2**30} GB",
        ):
            self.assertIn(fact, self.text)
        self.assertEqual(bucket.TRIES, 3)

    def test_it_says_how_every_refusal_ends(self) -> None:
        rows = re.findall(r"(?m)^\| (`.*`) \| (\d) \|", self.text)
        said = {code: int(exit_code) for codes, exit_code in rows for code in re.findall(r"`(\w+)`", codes)}
        known = {code: kind.exit_code for code, (kind, _) in bucket.REFUSALS.items()}
        self.assertEqual(said, {**known, "AccessDenied": AuthError.exit_code})


class _Repeating:
    """A `send` whose refusal repeats everything that came with the request."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code, self.signature = status, code, ""

    def __call__(self, request: Request) -> Response:
        authorization = request.headers["Authorization"]
        self.signature = authorization.rpartition("=")[2]
        more = (
            "<StringToSign>STRING-TO-SIGN</StringToSign><SignatureProvided>PROVIDED</SignatureProvided>"
            f"<OSSAccessKeyId>{ODD_ID}</OSSAccessKeyId>"
        )
        message = f"{authorization} {TOKEN} {ODD_ID} {SECRET}"
        return answer(denied(self.code, message, more), self.status)


if __name__ == "__main__":
    unittest.main()
