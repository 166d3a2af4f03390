"""Local files into temporary storage: form, names, policies, retries, and what is never sent."""

from __future__ import annotations

import os
import re
import unittest
from typing import Any

from qianwen.errors import AuthError, QianwenError, Refused, Unavailable, UsageError
from qianwen.http.messages import Fault, Stream
from qianwen.http.session import Session
from qianwen.service.client import Client
from qianwen.service.endpoint import Endpoint
from qianwen.storage import forms, temporary
from qianwen.storage.forms import Upload

from ..support import KEY, PHOTO, Case, Clock, Script, answer

ENDPOINT = Endpoint("https://dashscope.aliyuncs.com/api/v1", KEY)
POLICY: dict[str, Any] = {
    "policy": "cG9saWN5",
    "signature": "c2lnbg==",
    "upload_dir": "dashscope-instant/1/2026-11-20/2",
    "upload_host": "https://dashscope-file-x.oss-cn-beijing.aliyuncs.com",
    "expire_in_seconds": 300,
    "max_file_size_mb": 100,
    "oss_access_key_id": "LTAI0123456789",
    "x_oss_object_acl": "private",
    "x_oss_forbid_overwrite": "true",
}
FILE = Upload(str(PHOTO), "image/jpeg", PHOTO.stat().st_size)


def policy(**changes: Any) -> dict[str, Any]:
    return {"request_id": "r", "data": {**POLICY, **changes}}


def put(send: Any, clock: Clock, endpoint: Endpoint, model: str, file: Upload) -> str:
    """The upload as a run makes it: the policy comes from the API, with the key."""
    client = Client(Session(send, clock.sleep, clock, 1e12, clock, lambda: None), endpoint)
    return temporary.upload(send, clock.sleep, endpoint.base, client.upload_policy, model, file)


class Form(unittest.TestCase):
    def upload(self, *outcomes: Any, file: Upload = FILE) -> str:
        self.script = Script(*outcomes)
        return put(self.script, Clock(), ENDPOINT, "wan2.7-image", file)

    def form(self, index: int = 1) -> tuple[list[tuple[bytes, bytes]], bytes, bytes]:
        """(name, value) of the text fields in their order, the head of the file part, and its bytes."""
        request = self.script.requests[index]
        assert isinstance(request.body, Stream)
        body = b"".join(request.body.blocks())
        self.assertEqual(len(body), request.body.length)
        boundary = re.search(r"boundary=(\w+)", request.headers["Content-Type"])
        assert boundary
        parts = body.split(b"--" + boundary[1].encode())
        self.assertEqual((parts[0], parts[-1]), (b"", b"--\r\n"))
        fields = []
        for part in parts[1:-2]:
            match = re.fullmatch(
                rb'\r\nContent-Disposition: form-data; name="([^"]+)"\r\n\r\n(.*)\r\n', part, re.DOTALL
            )
            assert match
            fields.append((match[1], match[2]))
        head, _, data = parts[-2].partition(b"\r\n\r\n")
        return fields, head, data[:-2]

    def test_the_form_of_the_sheet(self) -> None:
        url = self.upload(policy(), answer(b""))
        request = self.script.requests[1]
        self.assertEqual((request.method, request.url), ("POST", POLICY["upload_host"]))
        self.assertNotIn("Authorization", request.headers)
        fields, head, data = self.form()
        self.assertEqual(
            [name.decode() for name, _ in fields],
            [
                "OSSAccessKeyId",
                "Signature",
                "policy",
                "x-oss-object-acl",
                "x-oss-forbid-overwrite",
                "key",
                "success_action_status",
            ],
        )
        self.assertEqual(fields[-1][1], b"200")
        self.assertEqual(url, "oss://" + fields[-2][1].decode())
        self.assertTrue(url.startswith(f"oss://{POLICY['upload_dir']}/"))
        self.assertIn(b"Content-Type: image/jpeg", head)
        self.assertEqual(data, PHOTO.read_bytes())

    def test_the_policy_is_asked_for_the_very_model(self) -> None:
        self.upload(policy(), answer(b""))
        request = self.script.requests[0]
        self.assertTrue(request.url.endswith("/uploads?action=getPolicy&model=wan2.7-image"))
        self.assertFalse(request.billable)

    def test_numbers_and_switches_in_a_policy_may_have_either_type(self) -> None:
        self.upload(policy(max_file_size_mb="100", x_oss_forbid_overwrite=True), answer(b"", 204))
        self.assertIn((b"x-oss-forbid-overwrite", b"true"), self.form()[0])

    def test_a_policy_cannot_smuggle_lines_into_the_form(self) -> None:
        self.upload(policy(policy="a\r\nb"), answer(b""))
        self.assertIn((b"policy", b"ab"), self.form()[0])

    def test_a_refused_or_doubtful_upload_takes_a_new_policy_and_a_new_name(self) -> None:
        for trouble in (
            answer(b"<Error><Code>FileAlreadyExists</Code></Error>", 409),
            answer(
                b"<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message></Error>",
                403,
            ),
            Fault("the connection broke", sent=True),
        ):
            with self.subTest(str(trouble)):
                url = self.upload(policy(), trouble, policy(upload_dir="dir/2"), answer(b""))
                self.assertTrue(url.startswith("oss://dir/2/"))

    def test_what_another_try_does_not_mend_is_not_tried_again(self) -> None:
        for status, code in ((400, "EntityTooLarge"), (400, "MalformedPOSTRequest"), (404, "NoSuchBucket")):
            with self.subTest(code), self.assertRaises(Refused) as caught:
                self.upload(policy(), answer(f"<Error><Code>{code}</Code></Error>".encode(), status))
            self.assertIn(code, caught.exception.message)

    def test_a_form_is_not_sent_again_under_the_same_name(self) -> None:
        self.upload(policy(), answer(b""))
        self.assertTrue(self.script.requests[1].once)
        self.assertFalse(self.script.requests[0].once)

    def test_it_gives_up_and_shows_no_signature(self) -> None:
        xml = b"<Error><Code>AccessDenied</Code><Message>Invalid</Message><StringToSign>SECRET</StringToSign></Error>"
        with self.assertRaises(Unavailable) as caught:
            self.upload(*[policy(), answer(xml, 403)] * temporary.TRIES)
        self.assertIn("AccessDenied: Invalid", caught.exception.message)
        self.assertNotIn("SECRET", caught.exception.message)

    def test_a_file_above_the_policy_is_refused_before_it_is_sent(self) -> None:
        with self.assertRaises(UsageError):
            self.upload(policy(max_file_size_mb=0.01))
        self.assertEqual(len(self.script.requests), 1)

    def test_a_policy_that_lacks_fields(self) -> None:
        bodies: tuple[dict[str, Any], ...] = ({}, {"data": []}, policy(upload_dir=""), policy(signature=None))
        for body in bodies:
            with self.subTest(body=body), self.assertRaises(Unavailable):
                self.upload(body)

    def test_an_upload_host_must_be_https(self) -> None:
        for host in ("http://evil.example", "https://[bad", "ftp://x", "file:///etc", "http://127.0.0.1:1"):
            with self.subTest(host), self.assertRaises(QianwenError):
                self.upload(policy(upload_host=host))
            self.assertEqual(len(self.script.requests), 1)

    def test_a_refused_key_is_told_at_once(self) -> None:
        with self.assertRaises(AuthError):
            self.upload(answer({"code": "InvalidApiKey"}, 401))


class Files(Case):
    def test_a_file_that_is_written_to_while_it_is_sent(self) -> None:
        path = self.picture("x.png", 900, 900)
        size = path.stat().st_size
        script = Script(policy(), answer(b""))
        put(script, self.clock, ENDPOINT, "m", Upload(str(path), "image/png", size))
        body = script.requests[1].body
        assert isinstance(body, Stream)
        blocks = body.blocks()
        next(blocks), next(blocks)
        path.write_bytes(bytes(size))
        os.utime(path, (1, 1))
        with self.assertRaisesRegex(UsageError, "was changed while it was sent"):
            list(blocks)

    def test_names_are_unique_plain_and_keep_the_kind(self) -> None:
        for path, kind, shape in (
            ("/a/cat.png", "image/png", r"[0-9a-f]{16}_cat\.png"),
            ("/a/my cat (1).jpeg", "image/jpeg", r"[0-9a-f]{16}_my_cat_1\.jpg"),
            ("/a/猫.png", "image/png", r"[0-9a-f]{16}_file\.png"),
            ('/a/"\r\n..".png', "image/webp", r"[0-9a-f]{16}_file\.webp"),
            ("/a/" + "x" * 200, "image/bmp", r"[0-9a-f]{16}_x{40}\.bmp"),
            ("/a/private.txt.png", "image/gif", r"[0-9a-f]{16}_private_txt\.gif"),
        ):
            with self.subTest(path):
                self.assertRegex(forms.object_name(path, kind), rf"^{shape}$")
        self.assertNotEqual(forms.object_name("/a/b.png", "image/png"), forms.object_name("/a/b.png", "image/png"))

    def test_a_file_that_changes_while_it_is_sent(self) -> None:
        path = self.picture("x.png")
        gone = Upload(str(self.cwd / "gone.png"), "image/png", 10)
        longer = Upload(str(path), "image/png", path.stat().st_size + 10)
        shorter = Upload(str(path), "image/png", path.stat().st_size - 10)
        for file in (gone, longer, shorter):
            with self.subTest(file), self.standin(), self.assertRaises(UsageError):
                from qianwen.http.transport import Transport

                endpoint = Endpoint(self.env["DASHSCOPE_HTTP_BASE_URL"], KEY)
                put(Transport().send, self.clock, endpoint, "wan2.7-image", file)
