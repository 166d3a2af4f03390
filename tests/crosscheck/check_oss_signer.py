"""The official OSS SDK's signer against ours, and its client against the storage of our tests.

Random inputs from a fixed seed, both modes of signing; then whole presigned URLs for every way to address a bucket.
Needs the dev group: `python -m unittest discover -s tests/crosscheck -p "check_oss*.py"`.
"""

from __future__ import annotations

import datetime
import importlib
import os
import random
import string
import sys
import threading
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)

from qianwen import environment  # noqa: E402
from qianwen.storage import bucket_settings, signature  # noqa: E402
from qianwen.storage.signature import Operation, Secret, Signer  # noqa: E402

from tests.storage.test_bucket import KEY_ID, SECRET, TOKEN, Storage  # noqa: E402
from tests.support import PHOTO, Clock  # noqa: E402

# The SDK's own annotations are loose; what it does at run time is what is checked here.
oss: Any = importlib.import_module("alibabacloud_oss_v2")
types: Any = importlib.import_module("alibabacloud_oss_v2.types")
SignerV4: Any = importlib.import_module("alibabacloud_oss_v2.signer").SignerV4

SEED = 20231216
ROUNDS = 400
PLAIN = string.ascii_letters + string.digits
ANY = PLAIN + " -_.~!*'();:@&=+$,/?#[]%|\"<>\\^`{}" + "图片é猫🙂"


class Case:
    """One random thing to sign, as both sides take it."""

    def __init__(self, chance: random.Random) -> None:
        def text(letters: str, shortest: int, longest: int) -> str:
            return "".join(chance.choices(letters, k=chance.randint(shortest, longest)))

        def header() -> str:
            return text(PLAIN + "/=;, -", 1, 20).strip() or "x"

        self.moment = chance.randint(1_600_000_000, 1_900_000_000)
        self.expires = chance.randint(1, 604_800)
        self.key_id, self.secret = text(PLAIN, 4, 30), text(PLAIN + "/+=", 4, 40)
        self.token = text(PLAIN + "/+=", 1, 200) if chance.random() < 0.5 else ""
        self.region = chance.choice(("cn-hangzhou", "ap-southeast-1", "us-west-1", "cn-beijing"))
        self.method = chance.choice(("GET", "PUT", "POST", "DELETE", "HEAD"))
        self.bucket = text(string.ascii_lowercase + string.digits, 3, 20)
        self.key = text(ANY, 1, 40)
        names = {text(ANY, 1, 12) for _ in range(chance.randint(0, 6))}
        self.query = {name: text(ANY, 0, 12) for name in names}
        headers = {chance.choice(("", "x-oss-", "X-Oss-Meta-")) + text(PLAIN + "-", 1, 12) for _ in range(5)}
        self.headers = {name: header() for name in {name.lower(): name for name in headers}.values()}
        for name in ("Content-Type", "content-md5", "Host", "Content-Length"):
            if chance.random() < 0.4:
                self.headers[name] = header()

    @property
    def ours(self) -> tuple[Signer, Operation]:
        signer = Signer(Secret(self.key_id), Secret(self.secret), self.region, Secret(self.token))
        resource = f"/{self.bucket}/{self.key}"
        return signer, Operation(self.method, resource, self.headers, self.query)

    def signed_by_the_sdk(self, in_the_query: bool) -> Any:
        """The SDK's request after it was signed."""
        pairs = [f"{quote(n, safe='')}={quote(v, safe='')}" if v else quote(n, safe="") for n, v in self.query.items()]
        url = f"https://{self.bucket}.oss-{self.region}.aliyuncs.com/{quote(self.key)}"
        request = types.HttpRequest(self.method, url + (f"?{'&'.join(pairs)}" if pairs else ""), dict(self.headers))
        when = datetime.datetime.fromtimestamp(self.moment, datetime.timezone.utc)
        context = types.SigningContext(
            product="oss",
            region=self.region,
            bucket=self.bucket,
            key=self.key,
            request=request,
            credentials=types.Credentials(self.key_id, self.secret, self.token or None),
            signing_time=when,
        )
        context.auth_method_query = in_the_query
        if in_the_query:
            context.expiration_time = when + datetime.timedelta(seconds=self.expires)
        SignerV4().sign(context)
        return request


class Signatures(unittest.TestCase):
    def setUp(self) -> None:
        chance = random.Random(SEED)
        self.cases = [Case(chance) for _ in range(ROUNDS)]

    def test_in_headers(self) -> None:
        for index, case in enumerate(self.cases):
            with self.subTest(index):
                signer, operation = case.ours
                theirs = case.signed_by_the_sdk(in_the_query=False).headers
                for name, value in signature.authorization(signer, case.moment, operation).items():
                    self.assertEqual(value, theirs[name], name)

    def test_in_the_query(self) -> None:
        for index, case in enumerate(self.cases):
            with self.subTest(index):
                signer, operation = case.ours
                theirs = urlsplit(case.signed_by_the_sdk(in_the_query=True).url).query
                ours = signature.presigned(signer, case.moment, operation, case.expires)
                self.assertEqual(sorted(ours.split("&")), sorted(theirs.split("&")))


def client(region: str, token: str = "", **options: Any) -> Any:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(KEY_ID, SECRET, token or None)
    config.region = region
    for name, value in options.items():
        setattr(config, name, value)
    return oss.Client(config)


def made(endpoint: str, token: str = "") -> bucket_settings.Bucket:
    env = {"QWEN_TMP_OSS_BUCKET": "my-bucket", "QWEN_TMP_OSS_REGION": "cn-beijing", "OSS_ACCESS_KEY_ID": KEY_ID}
    env.update(OSS_ACCESS_KEY_SECRET=SECRET, OSS_SESSION_TOKEN=token, QWEN_TMP_OSS_ENDPOINT=endpoint)
    configured = bucket_settings.configured(environment.Place(env, "/", "/"))
    assert configured
    return configured


class Addresses(unittest.TestCase):
    """A presigned URL of the SDK's client, and ours of the same second: the same address and the same signature."""

    # our endpoint, the options that make the SDK do the same
    FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        ("oss-cn-beijing.aliyuncs.com", {"endpoint": "oss-cn-beijing.aliyuncs.com"}),
        ("oss-accelerate.aliyuncs.com", {"use_accelerate_endpoint": True}),
        ("cn-beijing.oss.aliyuncs.com", {"use_dualstack_endpoint": True}),
        ("https://media.example.com", {"endpoint": "https://media.example.com", "use_cname": True}),
        ("https://203.0.113.7:9000", {"endpoint": "https://203.0.113.7:9000"}),
        ("http://127.0.0.1:9000", {"endpoint": "http://127.0.0.1:9000"}),
    )

    def test_whole_urls(self) -> None:
        for endpoint, options in self.FORMS:
            for token in ("", TOKEN):
                with self.subTest(endpoint, token=bool(token)):
                    self.check(made(endpoint, token), client("cn-beijing", token, **options))

    def check(self, ours: bucket_settings.Bucket, theirs: Any) -> None:
        key = "qwencloud-uploads/20261121/0a1b2c3d_a b+图.png"
        request = oss.GetObjectRequest(bucket="my-bucket", key=key)
        expected = urlsplit(theirs.presign(request, expires=datetime.timedelta(seconds=3600)).url)
        query = parse_qs(expected.query)
        stamp = datetime.datetime.strptime(query["x-oss-date"][0], "%Y%m%dT%H%M%SZ")
        moment = stamp.replace(tzinfo=datetime.timezone.utc).timestamp()
        signed = signature.presigned(
            ours.signer, moment, Operation("GET", f"/my-bucket/{key}"), int(query["x-oss-expires"][0])
        )
        base = f"{expected.scheme}://{expected.netloc}{expected.path}"
        self.assertEqual(f"{ours.get_base}/{signature.encoded_path(key)}", base)
        self.assertEqual(sorted(signed.split("&")), sorted(expected.query.split("&")))


class OfficialClient(unittest.TestCase):
    """The storage of tests/storage/test_bucket.py takes what the SDK's client sends: its check is that of real storage."""

    def test_it_puts_and_presigns(self) -> None:
        for token in ("", TOKEN):
            with self.subTest(token=bool(token)):
                clock = Clock()
                clock.moment = datetime.datetime.now(datetime.timezone.utc).timestamp()
                server = Storage(clock, token=token)
                thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
                thread.start()
                try:
                    self.check(client("cn-beijing", token, endpoint=server.url))
                finally:
                    server.shutdown()
                    server.server_close()
                    thread.join()

    def check(self, theirs: Any) -> None:
        data = PHOTO.read_bytes()
        put = oss.PutObjectRequest(bucket="my-bucket", key="a/photo.jpg", body=data, forbid_overwrite=True)
        self.assertEqual(theirs.put_object(put).status_code, 200)
        url = theirs.presign(oss.GetObjectRequest(bucket="my-bucket", key="a/photo.jpg")).url
        with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
            self.assertEqual(response.read(), data)


if __name__ == "__main__":
    unittest.main()
