"""The stand-in on its own: what it accepts, what it refuses in whose words, its storage, its faults, its program."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
import zlib
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from urllib.parse import urlsplit

from qianwen.files.media import probe_bytes
from qianwen.models.catalog import GIVEN
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
from qianwen.models.wire import decode
from qianwen.plain.record import changed
from qianwen.sandbox import answers, faults, placeholder, server
from qianwen.sandbox.rules import Order
from qianwen.sandbox.server import running
from qianwen.sandbox.storage import LINK_SECONDS, POLICY_SECONDS

from .. import SCRIPTS
from ..support import KEY, PHOTO, Case, cases, data_url

SYNC = "/services/aigc/multimodal-generation/generation"
ASYNC_M = "/services/aigc/image-generation/generation"
T2I = "/services/aigc/text2image/image-synthesis"
I2I = "/services/aigc/image2image/image-synthesis"
TASK = {"X-DashScope-Async": "enable"}


def message(*content: dict[str, Any], model: str = "wan2.6-t2i", **parameters: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "input": {"messages": [{"role": "user", "content": list(content)}]}}
    return {**body, "parameters": parameters} if parameters else body


TEXT = {"text": "x"}
PICTURE = {"image": "https://a/b.png"}


class Http(Case):
    """A plain HTTP client, so that nothing of ours stands between the test and the stand-in."""

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, key: str = KEY
    ) -> tuple[int, Any]:
        base = urlsplit(self.env["DASHSCOPE_HTTP_BASE_URL"])
        connection = http.client.HTTPConnection(base.netloc, timeout=10)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {key}"} if key else {}),
            **(headers or {}),
        }
        target = path if path.startswith(("/results", "http")) or path == "/" else base.path + path
        connection.request(method, target, data, sent)
        answer = connection.getresponse()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        raw = answer.read()
        connection.close()
        return answer.status, json.loads(raw) if raw[:1] == b"{" else raw


class Refusals(Http):
    TABLE: tuple[tuple[str, str, Any, dict[str, str], int, str, str], ...] = (
        ("async header on the synchronous route", SYNC, message(TEXT), TASK, 403, "AccessDenied",
         "Current user api does not support asynchronous calls."),
        ("no async header on a task route", ASYNC_M, message(TEXT), {}, 403, "AccessDenied",
         "current user api does not support synchronous calls."),
        ("no JSON", SYNC, b"{", {}, 400, "BadRequest.IllegalInput", "json"),
        ("no object", SYNC, b"[]", {}, 400, "BadRequest.IllegalInput", "json"),
        ("no model", SYNC, {"input": {"prompt": "x"}}, {}, 400, "BadRequest.EmptyModel", "model"),
        ("no input", SYNC, {"model": "wan2.6-t2i"}, {}, 400, "BadRequest.EmptyInput", "input"),
        ("an unknown model", SYNC, message(TEXT, model="wan9"), {}, 400, "InvalidParameter", "Model not exist."),
        ("the guide's spelling", T2I, {"model": "wan2.1-t2i-plus", "input": {"prompt": "x"}}, TASK, 400, "InvalidParameter",
         "Model not exist."),
        ("a model on another route", SYNC, message(TEXT, model="wan2.2-t2i-flash"), {}, 400, "InvalidParameter", "url error"),
        ("qwen-image-max as a task", T2I, {"model": "qwen-image-max", "input": {"prompt": "x"}}, TASK, 400, "InvalidParameter",
         "url error"),
        ("an edit on the text route", T2I, {"model": "wan2.5-i2i-preview", "input": {"prompt": "x"}}, TASK, 400,
         "InvalidParameter", "url error"),
        ("a prompt where messages belong", SYNC, {"model": "wan2.6-t2i", "input": {"prompt": "x"}}, {}, 400, "InvalidParameter",
         "No messages found in input"),
        ("neither", SYNC, {"model": "wan2.6-t2i", "input": {"x": 1}}, {}, 400, "InvalidParameter", 'Either "prompt" or "messages"'),
        ("two messages", SYNC, {"model": "wan2.6-t2i", "input": {"messages": [{}, {}]}}, {}, 400, "InvalidParameter",
         "messages length only support 1"),
        ("no text", SYNC, message(PICTURE, model="wan2.7-image"), {}, 400, "InvalidParameter", "lack of image or text"),
        ("two texts", SYNC, message(TEXT, TEXT), {}, 400, "InvalidParameter", "lack of image or text"),
        ("no picture to edit", SYNC, message(TEXT, model="qwen-image-edit"), {}, 400, "InvalidParameter", "lack of image or text"),
        ("a path as picture", SYNC, message(TEXT, {"image": "cat.png"}, model="wan2.7-image"), {}, 400, "InvalidParameter",
         "Invalid image format"),
        ("n beyond", SYNC, message(TEXT, n=5), {}, 400, "InvalidParameter", "Range of n should be [1, 4]"),
        ("n on one-picture models", SYNC, message(TEXT, model="qwen-image-max", n=2), {}, 400, "InvalidParameter",
         "num_images_per_prompt must be 1"),
        ("a size with x", SYNC, message(TEXT, size="1280x1280"), {}, 400, "InvalidParameter", "size"),
        ("a ratio", SYNC, message(TEXT, size="16:9"), {}, 400, "InvalidParameter", "size"),
        ("a size outside", SYNC, message(TEXT, size="100*100"), {}, 400, "InvalidParameter", "size"),
        ("4K with a picture", SYNC, message(TEXT, PICTURE, model="wan2.7-image-pro", size="4K"), {}, 400, "InvalidParameter", "size"),
        ("a seed outside", SYNC, message(TEXT, seed=-1), {}, 400, "InvalidParameter", "seed"),
        ("interleaved without a stream", SYNC, message(TEXT, model="wan2.6-image", enable_interleave=True), {}, 400,
         "InvalidParameter", "stream"),
        ("interleaved without the header", SYNC, message(TEXT, model="wan2.6-image", enable_interleave=True, stream=True), {}, 400,
         "InvalidParameter", "stream"),
        ("oss without the header", SYNC, message(TEXT, {"image": "oss://x/y.png"}, model="wan2.7-image"), {}, 400,
         "invalid_parameter_error", "does not appear to be valid"),
        ("oss that is not there", SYNC, message(TEXT, {"image": "oss://x/y.png"}, model="wan2.7-image"),
         {"X-DashScope-OssResourceResolve": "enable"}, 400, "InvalidParameter.DataInspection", "Unable to download"),
        ("no function", I2I, {"model": "wanx2.1-imageedit", "input": {"prompt": "x"}}, TASK, 400, "InvalidParameter", "function"),
        ("no such route", "/services/aigc/music/generation", message(TEXT), {}, 404, "NotFound", "Not found!"),
    )  # fmt: skip

    def test_table(self) -> None:
        with self.standin() as standin:
            for name, path, body, headers, status, code, words in self.TABLE:
                with self.subTest(name):
                    found, answer = self.ask("POST", path, body, headers)
                    self.assertEqual((found, answer["code"]), (status, code), answer)
                    self.assertIn(words, answer["message"])
                    self.assertTrue(answer["request_id"])
        self.assertEqual(standin.tasks, {})

    def test_every_call_needs_a_key_and_any_will_do(self) -> None:
        with self.standin():
            for method, path in (
                ("POST", SYNC),
                ("POST", T2I),
                ("GET", "/tasks/x"),
                ("GET", "/tasks/"),
                ("GET", "/uploads?action=getPolicy&model=m"),
            ):
                status, answer = self.ask(method, path, message(TEXT) if method == "POST" else None, key="")
                self.assertEqual(
                    (status, answer["code"], answer["message"]), (401, "InvalidApiKey", "No API-key provided.")
                )
            self.assertEqual(self.ask("POST", SYNC, message(TEXT), key="anything")[0], 200)

    def test_a_size_outside_the_enum_of_wanx_v1_fails_late(self) -> None:
        body = {"model": "wanx-v1", "input": {"prompt": "x"}, "parameters": {"size": "640*640"}}
        with self.standin():
            _, answer = self.ask("POST", T2I, body, TASK)
            _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
        output = answer["output"]
        self.assertEqual((output["task_status"], output["code"]), ("FAILED", "InvalidParameter"))
        self.assertTrue(output["message"].startswith("The size is not match the allowed size ['1024*1024'"))

    def test_unknown_parameters_are_ignored_as_the_service_does(self) -> None:
        with self.standin():
            self.assertEqual(self.ask("POST", SYNC, message(TEXT, negative="x", shiny=True))[0], 200)


class Documented(Http):
    def test_every_documented_request_is_accepted(self) -> None:
        with self.standin():
            for name, case in cases("requests"):
                with self.subTest(name):
                    status, answer = self.ask("POST", case["path"], case["body"], case["headers"])
                    self.assertEqual(status, 200, answer)

    def test_a_model_that_cannot_stream_answers_in_one_piece(self) -> None:
        """Two clients ask so and can read both; what the service does is not known."""
        with self.standin():
            status, answer = self.ask("POST", SYNC, message(TEXT, n=1), {"X-DashScope-SSE": "enable"})
        self.assertEqual((status, self.headers["content-type"]), (200, "application/json"))
        self.assertEqual(len(answer["output"]["choices"]), 1)

    def test_the_layouts_of_the_answers(self) -> None:
        with self.standin():
            _, wan = self.ask("POST", SYNC, message(TEXT, n=2))
            _, wan_set = self.ask("POST", SYNC, message(TEXT, model="wan2.7-image", enable_sequential=True, n=3))
            _, qwen = self.ask("POST", SYNC, message(TEXT, model="qwen-image-2.0", n=3))
            _, fixed = self.ask("POST", SYNC, message(TEXT, model="qwen-image-max"))
            _, z_image = self.ask("POST", SYNC, message(TEXT, model="z-image-turbo", prompt_extend=True))
        self.assertEqual([len(choice["message"]["content"]) for choice in wan["output"]["choices"]], [1, 1])
        self.assertEqual(wan["output"]["choices"][0]["message"]["content"][0]["type"], "image")
        self.assertEqual([len(choice["message"]["content"]) for choice in wan_set["output"]["choices"]], [3])
        self.assertEqual([set(item) for item in qwen["output"]["choices"][0]["message"]["content"]], [{"image"}] * 3)
        self.assertEqual(qwen["usage"], {"height": 2048, "image_count": 3, "width": 2048})
        self.assertNotIn("task_metric", qwen["output"])
        self.assertEqual(fixed["output"]["task_metric"], {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0})
        self.assertEqual((fixed["usage"]["width"], fixed["usage"]["height"]), (1664, 928))
        self.assertTrue(z_image["output"]["choices"][0]["message"]["reasoning_content"])
        self.assertGreater(z_image["usage"]["output_tokens_details"]["reasoning_tokens"], 0)

    def test_output_sizes_follow_the_shorthand_or_the_last_picture(self) -> None:
        wide = data_url(800, 400)
        with self.standin():
            for body, size in (
                (message(TEXT, model="wan2.7-image", size="1K"), "1024*1024"),
                (message(TEXT, model="wan2.7-image-pro", size="4K"), "4096*4096"),
                (message(TEXT, {"image": wide}, model="wan2.6-image"), "1808*912"),
                (message(TEXT, {"image": wide}, model="wan2.6-image", size="1033*1032"), "1040*1024"),
            ):
                _, answer = self.ask("POST", SYNC, body)
                with self.subTest(size):
                    self.assertEqual(answer["usage"]["size"], size)


class Tasks(Http):
    def submit(self, **body: Any) -> str:
        _, answer = self.ask("POST", T2I, {"model": "wan2.2-t2i-flash", "input": {"prompt": "x"}, **body}, TASK)
        self.assertEqual(answer["output"]["task_status"], "PENDING")
        return str(answer["output"]["task_id"])

    def test_a_task_in_time(self) -> None:
        with self.standin(delay=10):
            task_id = self.submit()
            states = []
            for _ in range(12):
                _, answer = self.ask("GET", f"/tasks/{task_id}")
                states.append(answer["output"]["task_status"])
                self.clock.sleep(1)
        self.assertEqual(states, ["PENDING"] * 2 + ["RUNNING"] * 8 + ["SUCCEEDED"] * 2)
        self.assertRegex(answer["output"]["end_time"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$")
        self.assertEqual(answer["usage"], {"image_count": 4})
        self.assertEqual(len(answer["output"]["results"]), 4)

    def test_an_older_task_that_runs_counts_its_total(self) -> None:
        with self.standin(delay=10):
            for path, body, metrics in (
                (T2I, {"model": "wan2.2-t2i-flash", "input": {"prompt": "x"}, "parameters": {"n": 3}}, {"TOTAL": 3, "SUCCEEDED": 0, "FAILED": 0}),
                (ASYNC_M, message(TEXT, n=3), None),
            ):  # fmt: skip
                task_id = self.ask("POST", path, body, TASK)[1]["output"]["task_id"]
                self.assertNotIn("task_metrics", self.ask("GET", f"/tasks/{task_id}")[1]["output"])
                self.clock.sleep(5)
                output = self.ask("GET", f"/tasks/{task_id}")[1]["output"]
                self.assertEqual((output["task_status"], output.get("task_metrics")), ("RUNNING", metrics))

    def test_results_stay_the_same(self) -> None:
        with self.standin():
            task_id = self.submit()
            first, second = (self.ask("GET", f"/tasks/{task_id}")[1]["output"] for _ in range(2))
        self.assertEqual(first, second)

    def test_unknown_and_expired(self) -> None:
        with self.standin():
            task_id = self.submit()
            self.clock.sleep(86401)
            for asked in (task_id, "no-such-task", "%2e%2e"):
                status, answer = self.ask("GET", f"/tasks/{asked}")
                self.assertEqual((status, answer["output"]["task_status"]), (200, "UNKNOWN"))

    def test_cancel_only_while_pending(self) -> None:
        with self.standin(delay=10):
            first, second = self.submit(), self.submit()
            status, answer = self.ask("POST", f"/tasks/{first}/cancel")
            self.assertEqual((status, set(answer)), (200, {"request_id"}))
            self.clock.sleep(5)
            self.assertEqual(self.ask("GET", f"/tasks/{first}")[1]["output"]["task_status"], "CANCELED")
            for task_id in (second, first, "none"):
                status, answer = self.ask("POST", f"/tasks/{task_id}/cancel")
                self.assertEqual((status, answer["code"]), (400, "UnsupportedOperation"))

    def test_list(self) -> None:
        with self.standin(delay=10):
            ids = []
            for _ in range(12):
                ids.append(self.submit())
                self.clock.sleep(1)
            _, answer = self.ask("GET", "/tasks/?page_no=2&page_size=5")
            self.assertEqual((answer["total"], answer["total_page"], len(answer["data"])), (12, 3, 5))
            self.assertEqual([entry["task_id"] for entry in answer["data"]], ids[::-1][5:10])
            for query, count in (
                ("status=SUCCEEDED", 3),
                ("model_name=wan2.2-t2i-flash", 12),
                ("model_name=other", 0),
                (f"task_id={ids[3]}", 1),
                ("start_time=20231115061325", 7),
                ("start_time=20231115061325&end_time=20231115061326", 2),
            ):
                with self.subTest(query):
                    self.assertEqual(self.ask("GET", f"/tasks/?{query}")[1]["total"], count)
            entry = answer["data"][0]
            self.assertNotIn("prompt", json.dumps(entry))
            self.assertEqual(entry["gmt_create"] % 1000, 0)
            self.assertNotIn("end_time", entry)


class Storage(Http):
    def policy(self, model: str = "wan2.7-image") -> dict[str, Any]:
        _, answer = self.ask("GET", f"/uploads?action=getPolicy&model={model}")
        return dict(answer["data"])

    def post(
        self, fields: dict[str, str], data: bytes = PHOTO.read_bytes(), headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        boundary = "b0undary"
        body = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        )
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode() + data
        body += f"\r\n--{boundary}--\r\n".encode()
        more = {"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})}
        return self.ask("POST", "/", body, more, key="")

    def fields(self, given: dict[str, Any], **changes: str) -> dict[str, str]:
        fields = {
            "OSSAccessKeyId": given["oss_access_key_id"],
            "Signature": given["signature"],
            "policy": given["policy"],
            "x-oss-object-acl": given["x_oss_object_acl"],
            "x-oss-forbid-overwrite": given["x_oss_forbid_overwrite"],
            "key": f"{given['upload_dir']}/x.jpg",
            "success_action_status": "200",
        }
        return {**fields, **changes}

    def test_an_upload_is_good_for_its_model_only(self) -> None:
        with self.standin():
            policy = self.policy()
            self.assertEqual(self.post(self.fields(policy)), (200, b""))
            url = f"oss://{policy['upload_dir']}/x.jpg"
            resolve = {"X-DashScope-OssResourceResolve": "enable"}
            status, answer = self.ask("POST", SYNC, message(TEXT, {"image": url}, model="wan2.7-image"), resolve)
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["usage"]["size"], "2512*1664")
            status, answer = self.ask("POST", SYNC, message(TEXT, {"image": url}, model="wan2.7-image-pro"), resolve)
            self.assertEqual((status, answer["code"]), (400, "InvalidParameter.DataInspection"))

    def test_what_storage_refuses(self) -> None:
        with self.standin() as standin:
            policy = self.policy()
            for name, fields, headers, status, words in (
                ("another policy", self.fields(policy, policy="x"), {}, 403, "Policy Condition failed"),
                ("another folder", self.fields(policy, key="elsewhere/x.jpg"), {}, 403, "0006-00000227"),
                (
                    "overwriting",
                    self.fields(policy, **{"x-oss-forbid-overwrite": "false"}),
                    {},
                    403,
                    "Policy Condition failed",
                ),
                ("no form", self.fields(policy), {"Content-Type": "image/png"}, 400, "MalformedPOSTRequest"),
                ("an API key", self.fields(policy), {"Authorization": f"Bearer {KEY}"}, 400, "Only one auth mechanism"),
            ):
                with self.subTest(name):
                    found, body = self.post(fields, headers=headers)
                    self.assertEqual(found, status)
                    self.assertIn(words.encode(), body)
            self.assertEqual(self.post(self.fields(policy))[0], 200)
            self.assertEqual(self.post(self.fields(policy))[0], 409)
            self.clock.sleep(POLICY_SECONDS + 1)
            status, body = self.post(self.fields(policy, key=f"{policy['upload_dir']}/y.jpg"))
            self.assertEqual((status, b"Policy expired" in body), (403, True))
        self.assertEqual(len(standin.storage.uploads), 1)

    def test_every_way_to_write_the_head_of_a_part(self) -> None:
        for number, (field, file) in enumerate(
            (
                ('name="{}"', 'name="file"; filename="x"'),
                ('name="{}"', 'filename="x"; name="file"'),
                ('name="{}"', 'filename="a \\"b\\"; name=\\"key\\""; name="file"'),
                ("name={}", "name=file; filename=x.jpg; filename*=utf-8''x.jpg"),
                ("name={} ", "filename=x.jpg;name=file"),
            )
        ):
            with self.subTest(file), self.standin() as standin:
                given = self.policy()
                texts = self.fields(given, key=f"{given['upload_dir']}/{number}.jpg").items()
                parts = [(field.format(name), value.encode()) for name, value in texts] + [(file, PHOTO.read_bytes())]
                body = b"".join(
                    f"--b\r\ncontent-disposition: form-data; {head}\r\nX: name=x\r\n\r\n".encode() + value + b"\r\n"
                    for head, value in parts
                )
                more = {"Content-Type": "multipart/form-data; boundary=b"}
                self.assertEqual(self.ask("POST", "/", body + b"--b--\r\n", more, key=""), (200, b""))
                self.assertEqual([kept.bytes for kept in standin.storage.uploads.values()], [PHOTO.stat().st_size])

    def test_a_policy_is_given_with_a_slash_too(self) -> None:
        with self.standin():
            status, answer = self.ask("GET", "/uploads/?action=getPolicy&model=m")
        self.assertEqual((status, answer["data"]["max_file_size_mb"]), (200, 1024))

    def test_links_name_the_host_that_the_client_used(self) -> None:
        small = {"model": "wan2.2-t2i-flash", "input": {"prompt": "x"}, "parameters": {"n": 1}}
        with self.standin() as standin:
            known = standin.origin.replace("127.0.0.1", "localhost")
            for host, origin in (
                (urlsplit(known).netloc, known),
                (urlsplit(known).netloc.upper(), known),
                (urlsplit(standin.origin).netloc, standin.origin),
                ("localhost:1", standin.origin),
                ("example.com", standin.origin),
                ("", standin.origin),
            ):
                with self.subTest(host):
                    named = {"Host": host}
                    _, policy = self.ask("GET", "/uploads?action=getPolicy&model=m", headers=named)
                    _, answer = self.ask("POST", SYNC, message(TEXT, model="wan2.7-image"), named)
                    _, task = self.ask("POST", T2I, small, {**TASK, **named})
                    _, done = self.ask("GET", f"/tasks/{task['output']['task_id']}")
                    url = answer["output"]["choices"][0]["message"]["content"][0]["image"]
                    self.assertEqual(policy["data"]["upload_host"], origin)
                    self.assertEqual(url.partition("/results/")[0], origin)
                    self.assertEqual(done["output"]["results"][0]["url"].partition("/results/")[0], origin)
                    chained = message(TEXT, {"image": url}, model="wan2.7-image")
                    self.assertEqual(self.ask("POST", SYNC, chained)[0], 200)
                    broken = message(TEXT, {"image": url.replace("Signature=", "Signature=0")}, model="wan2.7-image")
                    _, refused = self.ask("POST", SYNC, broken)
                    self.assertEqual(refused["code"], "InvalidParameter.DataInspection")

    def test_a_form_that_breaks_off(self) -> None:
        with self.standin():
            for body in (
                b"",
                b"--b\r\n",
                b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nx',
                b'--b\r\nX: "file"\r\n\r\nx',
                b'--b\r\nContent-Disposition: form-data; filename="x"\r\n\r\nx\r\n--b--\r\n',
                b'--b\r\nX: name="file"\r\n\r\nx\r\n--b--\r\n',
                b"--b\r\n" + b"X: y\r\n" * 200 + b'Content-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
                b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"x\r\n" * 2**19 + b"--b\r\n",
            ):
                status, answer = self.ask(
                    "POST", "/", body, {"Content-Type": "multipart/form-data; boundary=b"}, key=""
                )
                self.assertEqual((status, b"MalformedPOSTRequest" in answer), (400, True), body[:100])

    def result(self) -> str:
        _, answer = self.ask("POST", SYNC, message(TEXT))
        url = answer["output"]["choices"][0]["message"]["content"][0]["image"]
        return str(urlsplit(url)._replace(scheme="", netloc="").geturl())

    def test_results_and_their_headers(self) -> None:
        with self.standin():
            path = self.result()
            status, data = self.ask("GET", path, key="")
            self.assertEqual(status, 200)
            facts = probe_bytes(data)
            self.assertEqual(facts and (facts.width, facts.height), (1280, 1280))
            for name in (
                "etag",
                "content-md5",
                "x-oss-hash-crc64ecma",
                "x-oss-object-type",
                "accept-ranges",
                "x-oss-request-id",
            ):
                self.assertIn(name, self.headers)
            etag = self.headers["etag"]
            status, part = self.ask("GET", path, headers={"Range": "bytes=100-", "If-Match": etag}, key="")
            self.assertEqual(
                (status, part, self.headers["content-range"]),
                (206, data[100:], f"bytes 100-{len(data) - 1}/{len(data)}"),
            )
            status, part = self.ask("GET", path, headers={"Range": "bytes=0-9"}, key="")
            self.assertEqual((status, part), (206, data[:10]))
            self.assertEqual(self.ask("GET", path, headers={"Range": "bytes=99999999-"}, key="")[0], 200)
            self.assertEqual(self.ask("GET", path, headers={"If-Match": '"other"'}, key="")[0], 412)

    def test_links_are_signed_and_expire(self) -> None:
        with self.standin():
            path = self.result()
            for odd, status, words in (
                (path.replace("Signature=", "Signature=0"), 403, b"SignatureDoesNotMatch"),
                (path.partition("?")[0], 403, b"SignatureDoesNotMatch"),
                ("/results/none.png", 404, b"NoSuchKey"),
            ):
                found, body = self.ask("GET", odd, key="")
                self.assertEqual((found, words in body), (status, True))
            self.assertEqual(self.ask("GET", path)[0], 400, "an API key has no business here")
            self.assertEqual(self.ask("HEAD", path, key=""), (403, b""), "the link is signed for GET")
            self.clock.sleep(LINK_SECONDS + 1)
            status, body = self.ask("GET", path, key="")
            self.assertEqual(
                (status, b"Request has expired" in body, self.headers["x-oss-ec"]), (403, True, "0002-00000069")
            )


def _address(_width: int, _height: int, _model: str, index: int, _count: int) -> str:
    return f"http://a/{index}.png"


class Layouts(unittest.TestCase):
    def test_a_family_that_is_named_nowhere_is_answered(self) -> None:
        """A new row needs no table in the stand-in: its modes say how they answer."""
        for catalog in (IMAGES, VIDEOS):
            for model in catalog.models:
                for mode in model.modes:
                    for is_task in {not mode.sync, bool(mode.task)}:
                        fields = {"prompt": "x", **{name: value for name, value in mode.when.items() if value != GIVEN}}
                        order = Order(
                            "never-seen-9",
                            changed(model, id="never-seen-9", family="never seen"),
                            mode,
                            fields,
                            is_task,
                        )
                        with self.subTest(model=model.id, mode=mode.name, is_task=is_task):
                            made = answers.make(order, {}, _address, lambda _: "http://a/b.mp4")
                            body = answers.body(order, made)
                            urls = decode(body, mode.interleaved).urls
                            self.assertEqual(list(urls), made.urls)


class Pictures(unittest.TestCase):
    def test_every_pixel_is_there(self) -> None:
        for width, height in ((1, 1), (3, 5), (255, 97), (512, 512), (720, 1680)):
            with self.subTest(width=width, height=height):
                data = placeholder.png(width, height, "Sandbox", ["placeholder", "qwen-image-2.0-pro", "1 / 4"])
                packed = b"".join(chunk for name, chunk in chunks(data) if name == b"IDAT")
                rows = zlib.decompress(packed)
                self.assertEqual(len(rows), height * (1 + (width + 3) // 4))
                self.assertEqual(set(rows[:: 1 + (width + 3) // 4]), {0})

    def test_the_words_can_be_read_back(self) -> None:
        """The pixels of the title, taken from the picture, are the glyphs of its letters."""
        width, height = 640, 480
        data = placeholder.png(width, height, "Sandbox", ["placeholder - not made by a model"])
        rows = zlib.decompress(b"".join(chunk for name, chunk in chunks(data) if name == b"IDAT"))
        stride = 1 + width // 4
        ink = [
            [(rows[y * stride + 1 + x // 4] >> (6 - 2 * (x % 4)) & 3) == 3 for x in range(width)] for y in range(height)
        ]
        top = next(y for y in range(height) if any(ink[y]))
        scale = width * 3 // 5 // (6 * len("SANDBOX"))
        for index, letter in enumerate("SANDBOX"):
            glyph = placeholder._GLYPHS[letter]
            start = (width - scale * 6 * len("SANDBOX")) // 2 + index * 6 * scale
            for row, bits in enumerate(glyph):
                found = [ink[top + row * scale][start + column * scale] for column in range(5)]
                self.assertEqual(found, [bool(bits & 16 >> column) for column in range(5)], letter)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with its checksum proven."""
    found = []
    position = 8
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        chunk = data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack(">I", data[position + 8 + length : position + 12 + length])
        assert crc == zlib.crc32(name + chunk)
        found.append((name, chunk))
        position += 12 + length
    return found


class Faults(unittest.TestCase):
    def test_specs(self) -> None:
        for spec, route, fault, times in (
            ("poll=503", "poll", faults.Fault("status", 503), faults.FOREVER),
            ("submit=429:Throttling.RateQuota*2", "submit", faults.Fault("status", 429, "Throttling.RateQuota"), 2),
            ("sync=400:A:b: c*1", "sync", faults.Fault("status", 400, "A", "b: c"), 1),
            ("result=cut", "result", faults.Fault("cut"), faults.FOREVER),
            ("upload=stall:1.5*3", "upload", faults.Fault("stall", seconds=1.5), 3),
            ("task=fail:X:y", "task", faults.Fault("fail", 200, "X", "y"), faults.FOREVER),
        ):
            with self.subTest(spec):
                self.assertEqual(faults.parse(spec), (route, fault, times))

    def test_bad_specs(self) -> None:
        for spec in (
            "",
            "poll",
            "poll=",
            "sky=503",
            "poll=200",
            "poll=explode",
            "poll=stall",
            "poll=drop:x",
            "task=drop",
            "poll=503*x",
        ):
            with self.subTest(spec), self.assertRaises(ValueError):
                faults.parse(spec)

    def test_they_come_in_order_and_run_out(self) -> None:
        coming = faults.Faults(["poll=503*2", "poll=drop*1"])
        kinds = [fault.kind if fault else None for fault in (coming.take("poll") for _ in range(4))]
        self.assertEqual(kinds, ["status", "status", "drop", None])
        self.assertIsNone(coming.take("submit"))


class Program(Case):
    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(SCRIPTS / "sandbox.py"), *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @unittest.skipIf(os.name == "nt", "signals differ")
    def test_the_first_line_is_what_to_set(self) -> None:
        with self.start("--seed", "1") as process:
            assert process.stdout
            line = process.stdout.readline()
            match = re.fullmatch(r"DASHSCOPE_HTTP_BASE_URL=(http://127\.0\.0\.1:\d+/api/v1)\n", line)
            assert match, line
            pasted = f"{line}{process.stdout.readline()}env"
            env = subprocess.run(["sh", "-c", pasted], env={}, capture_output=True, text=True).stdout
            self.assertIn(f"DASHSCOPE_HTTP_BASE_URL={match[1]}\n", env)
            self.assertIn("DASHSCOPE_API_KEY=", env)
            self.env = {"DASHSCOPE_HTTP_BASE_URL": match[1], "DASHSCOPE_API_KEY": "any"}
            self.assertEqual(self.image("x", "--output", "x.png").code, 0)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
            self.assertEqual((process.returncode, "Traceback" in stderr), (0, False))

    def test_a_port_of_ones_own_and_one_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            process = self.start("--port", port)
            _, stderr = process.communicate(timeout=60)
            self.assertEqual((process.returncode, "Traceback" in stderr), (3, False))
        with self.start("--port", port) as process:
            assert process.stdout
            self.assertIn(f":{port}/", process.stdout.readline())
            process.terminate()

    def test_bad_flags(self) -> None:
        for argv in (
            ["--fault", "x"],
            ["--port", "no"],
            ["--port", "99999"],
            ["--what"],
            ["--delay", "soon"],
            ["--delay", "-1"],
        ):
            with (
                self.subTest(argv),
                redirect_stdout(io.StringIO()) as out,
                redirect_stderr(io.StringIO()) as told,
                self.assertRaises(SystemExit) as ended,
            ):
                server.main(argv)
            self.assertEqual((ended.exception.code, out.getvalue()), (3, ""))
            self.assertTrue(told.getvalue().startswith("Error: "))
        process = self.start("--port", "no")
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout, "Traceback" in stderr), (3, "", False), stderr)

    def test_a_stdout_that_takes_nothing(self) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        with open("/dev/full", "w") as full:
            command = [sys.executable, str(SCRIPTS / "sandbox.py")]
            ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual((ran.returncode, "Traceback" in ran.stderr), (3, False), ran.stderr)

    def test_requests_that_are_none(self) -> None:
        """Each is answered with a client's error, and the connection tells the next request right."""
        big = b"Content-Length: 99999999999\r\n"
        with running() as base, contextlib.redirect_stderr(io.StringIO()) as said:
            port = urlsplit(base).port or 0
            for request, status in (
                (b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
                (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
                (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"400"),
                (b"GET /api/v1/tasks?page_no=\xc2\xb2&page_size=0 HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n", b"200"),
                (b"GET /api/v1/tasks HTTP/1.1\r\nContent-Length: 16\r\n\r\nGET / HTTP/1.1\r\n", b"401"),
                (
                    b"POST /api/v1/services/aigc/text2image/image-synthesis HTTP/1.1\r\nAuthorization: Bearer x\r\n"
                    + big
                    + b"\r\n",
                    b"403",
                ),
            ):
                with self.subTest(request[:50]), socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                    received = b"".join(iter(lambda: connection.recv(65536), b""))
                    self.assertEqual(re.findall(rb"HTTP/1\.[01] (\d+)", received), [status])
        self.assertEqual(said.getvalue(), "")

    def test_help_explains_the_faults(self) -> None:
        process = self.start("--help")
        stdout, _ = process.communicate(timeout=60)
        for route in faults.ROUTES:
            self.assertIn(route, stdout)

    def test_many_clients_at_once(self) -> None:
        codes: list[int] = []
        with self.standin():
            argv = ("--output", "many/", "-q")
            threads = [
                threading.Thread(target=lambda n=n: codes.append(self.image(f"x{n}", *argv).code)) for n in range(40)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(codes, [0] * 40)
        self.assertEqual(len(list((self.cwd / "many").iterdir())), 40)
