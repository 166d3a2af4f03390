"""`--via desirecore` through real sockets over TLS: what is sent, what is stored, what is said, and what is never done."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from qianwen.account.purchase import DESIRECORE_BASE
from qianwen.desirecore.way import description
from qianwen.http.messages import Fault, Request, Response
from qianwen.http.transport import Transport
from qianwen.sandbox import placeholder

from .. import BYTECODE, SCRIPTS
from ..support import KEY, PHOTO, Case, Ran, Script, breaking
from .server import AgentService

VIA = ("--via", "desirecore")
PROXY = "/api/media-proxy"
NOT_ASKED = {"success": False, "error": "No matching provider"}


class Through(Case):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.folder / "desirecore"
        self.env = {"DESIRECORE_ROOT": str(self.root), "DASHSCOPE_API_KEY": KEY}

    @contextmanager
    def service(self, shape: str = "native") -> Iterator[AgentService]:
        with AgentService(shape).running(self.root) as service:
            yield service

    def via(self, *argv: str, code: int = 0) -> Any:
        return self.json(*argv, *VIA, code=code)


class Pictures(Through):
    def test_two_pictures_end_in_the_store_and_in_files(self) -> None:
        with self.service() as service:
            reply = self.via("a white fox", "-n", "2", "--size", "1792x1024", "--output", "fox.png")
        self.assertEqual(
            service.orders,
            [
                {
                    "serviceType": "image_gen",
                    "endpoint": "/chat/completions",
                    "body": {
                        "model": "wan2.7-image",
                        "n": 2,
                        "size": "1792x1024",
                        "messages": [{"role": "user", "content": [{"type": "text", "text": "a white fox"}]}],
                    },
                    "responseType": "json",
                }
            ],
        )
        self.assertEqual(reply["media_ids"], [file["media_id"] for file in reply["files"]])
        self.assertEqual(reply["media_id"], reply["media_ids"][0])
        self.assertEqual(
            reply["markdown"].splitlines(),
            [
                f"![a white fox ({number} of 2)](dc-media://{media_id})"
                for number, media_id in enumerate(reply["media_ids"], 1)
            ],
        )
        self.assertEqual(reply["local_paths"], [str(self.cwd / "fox_1.png"), str(self.cwd / "fox_2.png")])
        for path, media_id in zip(reply["local_paths"], reply["media_ids"]):
            self.assertEqual(Path(path).read_bytes(), service.stored[media_id])
        self.assertEqual((reply["width"], reply["height"], reply["image_count"]), (1792, 1024, 2))
        self.assertRegex(reply["request_id"], "^[0-9a-f-]{36}$")
        self.assertTrue(all(url.startswith(f"{service.origin}/results/") for url in reply["image_urls"]))
        self.assertTrue(all("Signature=abc%2Bd" in url for url in reply["image_urls"]))

    def test_stdout_is_the_markdown_because_a_path_shows_nothing_there(self) -> None:
        with self.service() as service:
            ran = self.image("a fox", *VIA)
        (media_id,) = service.stored
        self.assertEqual((ran.code, ran.stdout), (0, f"![a fox](dc-media://{media_id})\n"))
        self.assertRegex(ran.stderr, r"Saved /.*\.png\n")

    def test_every_shape_of_an_answer(self) -> None:
        for shape in ("native", "links", "base64"):
            with self.subTest(shape), self.service(shape) as service:
                ran = self.image("x", "-n", "2", *VIA, "--output", f"{shape}/", "--again", "--print-response")
                self.assertEqual(ran.code, 0, ran.stderr)
                self.assertEqual(set(ran.json["media_ids"]), set(service.stored))
                saved = [Path(path).read_bytes() for path in ran.json["local_paths"]]
                self.assertEqual(saved, [service.stored[media_id] for media_id in ran.json["media_ids"]])
                self.assertEqual(ran.json["image_count"], 2)
                self.assertEqual(len(ran.json["image_urls"]), 0 if shape == "base64" else 2)
                self.assertEqual(ran.json["image_url"] is None, shape == "base64")
                self.assertEqual([file["url"] is None for file in ran.json["files"]], [shape == "base64"] * 2)
                self.assertLess(len(ran.stdout), 6000)  # the bytes of a picture are no part of an answer

    def test_an_answer_that_is_damaged(self) -> None:
        for data, code, words in (
            ({"data": [{"b64_json": "no base64!"}]}, 7, "not valid base64"),
            (
                {"data": [{"b64_json": "bm8gcGljdHVyZQ=="}]},
                7,
                "is saved, but could not be put into DesireCore's media store",
            ),
            ({"data": []}, 1, "holds no picture"),
            ({"output": {"choices": []}}, 1, "holds no picture"),
            ({"output": {"choices": [{"message": {"content": [{"image": "file:///etc/passwd"}]}}]}}, 7, "scheme file"),
            ({"output": {"choices": [{"message": {"content": [{"image": "http://127.0.0.1:1/"}]}}]}}, 7, "scheme http"),
        ):
            with self.subTest(data=data), self.service() as service:
                service.answers = [(200, {"success": True, "data": data, "statusCode": 200})]
                reply = self.via("x", "--again", code=code)
                self.assertIn(words, reply["error"]["message"])
                self.assertNotEqual(reply["error"]["billed"], "no")
                self.assertEqual((len(service.orders), service.stored), (1, {}))

    def test_an_answer_that_is_not_whole_is_read_as_far_as_it_goes(self) -> None:
        with self.service("base64") as service:
            made = service.made(2)
            whole = json.dumps(made).encode()
            for name, told, count in (
                ("broken off within the second picture", (200, whole[:-200]), 1),
                ("broken off behind both", (200, whole[: whole.rindex(b"]")]), 2),
                ("bytes that are no JSON before it", (200, b"<!-- -->" + whole), 2),
                ("without its envelope", (200, made["data"]), 2),
                ("a word in the place of true", (200, {**made, "success": "true"}), 2),
                ("a text in the place of the answer", (200, {**made, "data": json.dumps(made["data"])}), 2),
            ):
                with self.subTest(name):
                    service.answers, service.sent = [told], []
                    reply = self.via("x", "-n", "2", "--again")
                    self.assertEqual((len(reply["files"]), len(service.orders)), (count, 1))
                    self.assertEqual(any("incomplete" in words for words in reply["warnings"]), "text" not in name)

    def test_an_output_in_quotes_is_read(self) -> None:
        with self.service() as service:
            data = service.made(1)["data"]
            answer = {"success": True, "statusCode": 200, "data": {**data, "output": json.dumps(data["output"])}}
            service.answers = [(200, answer)]
            reply = self.via("x")
        self.assertEqual(len(reply["files"]), 1)
        self.assertTrue(any("in quotes" in words for words in reply["warnings"]))

    def test_a_connection_that_breaks_within_the_answer(self) -> None:
        picture = base64.b64encode(placeholder.png(64, 64, "x", [])).decode()
        for block, code in (
            (b'{"data": [{"b64_json": "%b"}, ' % picture.encode(), 7),
            (b'{"data": [{"b64_json"', 6),
        ):
            read = breaking(block)
            with self.subTest(code=code), self.service():
                script = Script(Response(200, {}, read), Response(400, {}, read, refusal=b"full"))
                ran = self.image("x", *VIA, "--again", "--print-response", send=script)
                self.assertEqual((ran.code, len(ran.json.get("files", ()))), (code, int(code == 7)), ran.stderr)

    def test_a_data_url_in_the_place_of_bare_base64(self) -> None:
        with self.service("base64") as service:
            answer = service.made(1)
            answer["data"]["data"][0]["b64_json"] = "data:image/png;base64," + answer["data"]["data"][0]["b64_json"]
            service.answers = [(200, answer)]
            reply = self.via("x")
        self.assertEqual((reply["width"], len(service.stored)), (64, 1))

    def test_the_key_stays_at_home_and_none_is_needed(self) -> None:
        for with_key in (True, False):
            if not with_key:
                del self.env["DASHSCOPE_API_KEY"]
            with self.subTest(with_key=with_key), self.service() as service:
                ran = self.image("x", *VIA, "--again", "--print-response")
                self.assertEqual(ran.code, 0, ran.stderr)
                for sent in service.sent:
                    self.assertNotIn("authorization", sent.headers)
                    self.assertNotIn(KEY.encode(), sent.body + repr(sent.headers).encode())

    def test_a_real_process_finds_the_service_below_home(self) -> None:
        self.root = self.home / ".desirecore"
        dead = "http://127.0.0.1:9"  # a proxy that nobody must be led to
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "HTTPS_PROXY": dead, "ALL_PROXY": dead, **BYTECODE}
        with self.service() as service:
            command = [sys.executable, str(SCRIPTS / "image.py"), "x", *VIA, "--output", "x.png"]
            ran = subprocess.run(command, cwd=self.cwd, env=env, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        (media_id,) = service.stored
        self.assertEqual(ran.stdout, f"![x](dc-media://{media_id})\n")
        self.assertEqual((self.cwd / "x.png").read_bytes(), service.stored[media_id])

    def test_descriptions_stay_inside_their_brackets(self) -> None:
        for prompt, shown in (
            ("a fox", "a fox"),
            ("a [red](x) \\ `fox`\nand <b>", "a red (x) fox and b"),
            ("狐狸 " * 60, ("狐狸 " * 60)[:79].rstrip() + "…"),
            ("[]", "picture"),
        ):
            with self.subTest(prompt):
                self.assertEqual(description(prompt), shown)


class Certificates(Through):
    def fails(self, door: Transport, url: str) -> str:
        with self.assertRaises(Fault) as caught:
            door.send(Request("GET", url)).close()
        self.assertFalse(caught.exception.sent)
        return caught.exception.reason

    def test_they_are_unchecked_on_one_port_of_this_machine_alone(self) -> None:
        with self.service() as one, AgentService().running(self.folder / "two") as two:
            port = int(one.origin.rpartition(":")[2])
            trusting = Transport(self_signed=port, env={"SSL_CERT_FILE": str(self.cwd / "missing")})
            trusting.send(Request("GET", f"{one.origin}/x")).close()
            door = Transport(self_signed=port)
            door.send(Request("GET", f"{one.origin}/x")).close()
            self.assertIn("certificate", self.fails(door, f"{two.origin}/x"))
            self.assertIn("certificate", self.fails(door, f"https://localhost:{port}/x"))
            self.assertIn("certificate", self.fails(Transport(), f"{one.origin}/x"))
            for transport in (trusting, door):
                transport.close()
        self.assertEqual((len(one.sent), len(two.sent)), (2, 0))

    def test_a_result_on_another_port_is_not_trusted(self) -> None:
        with self.service() as service, AgentService().running(self.folder / "two") as other:
            service.result_origin = other.origin
            other.results = service.results
            reply = self.via("x", code=7)
        self.assertIn("certificate", reply["error"]["message"])
        self.assertEqual((reply["error"]["billed"], other.sent), ("yes", []))
        self.assertTrue(reply["image_url"].startswith(other.origin))  # what was obtained is told

    def test_a_port_that_speaks_no_tls(self) -> None:
        with self.standin() as standin:
            port = re.search(r":(\d+)/", self.env["DASHSCOPE_HTTP_BASE_URL"])
            assert port
            self.root.mkdir()
            (self.root / "agent-service.port").write_text(port[1])
            self.env = {"DESIRECORE_ROOT": str(self.root)}
            reply = self.via("x", code=5)
        self.assertEqual((reply["error"]["billed"], standin.sent), ("no", []))


class Regions(Through):
    def test_the_provider_has_its_own(self) -> None:
        self.env["QWEN_REGION"] = "nowhere"
        with self.service():
            self.via("x")
        (run,) = self.ledger.runs()
        self.assertEqual(run.region, "")


class Trouble(Through):
    def test_a_service_that_does_not_run(self) -> None:
        self.root.mkdir()
        path = self.root / "agent-service.port"
        for content, words in (
            (None, f"{path} does not exist"),
            (b"", "does not contain a port"),
            (b"61000; rm", "does not contain a port"),
            (b"70000", "does not contain a port"),
            (b"\xff\xfe", "cannot be read"),
            (b"1\n", "no answer on https://127.0.0.1:1: the connection was refused"),
        ):
            with self.subTest(content):
                if content is not None:
                    path.write_bytes(content)
                began = self.clock()
                reply = self.via("x", code=5)
                self.assertIn("DesireCore's agent-service is not running", reply["error"]["message"])
                self.assertIn(words, reply["error"]["message"])
                self.assertIn("start DesireCore", reply["error"]["hint"])
                self.assertEqual((reply["error"]["billed"], reply["error"]["retryable"]), ("no", True))
                self.assertEqual(self.clock(), began)  # nothing is waited for
                self.assertNotIn("next", reply)

    def test_the_folder_is_named_by_the_real_environment_alone(self) -> None:
        with self.service():
            del self.env["DESIRECORE_ROOT"]
            (self.cwd / ".env").write_text(f"DESIRECORE_ROOT={self.root}\n")
            reply = self.via("x", code=5)
        self.assertIn(str(self.home / ".desirecore"), reply["error"]["message"])

    def test_what_is_complained_about(self) -> None:
        provider = {"success": False, "statusCode": 403}
        denied = {"code": "AccessDenied.Unpurchased", "message": "Access to model denied", "request_id": "r-1"}
        for status, answer, code, words, advice in (
            (200, NOT_ASKED, 4, "No matching provider", "image_gen"),
            (500, NOT_ASKED, 4, "No matching provider", "image_gen"),
            (200, {"success": False, "error": "未找到匹配的供应商"}, 4, "未找到匹配的供应商", "image_gen"),
            (200, {"success": False, "error": "API Key not configured"}, 4, "API Key", "DesireCore's settings"),
            (400, {"success": False, "error": "未配置 API Key"}, 4, "API Key", "DesireCore's settings"),
            (200, {"success": False, "statusCode": 401, "error": "Unauthorized"}, 4, "Unauthorized", "correct it"),
            (401, {"success": False, "error": {"code": "InvalidApiKey", "message": "x"}}, 4, "InvalidApiKey", "correct"),
            (200, {**provider, "error": "AccessDenied.Unpurchased"}, 4, "Unpurchased", "not activated"),
            (200, {**provider, "error": "failed with status code 403", "data": denied}, 4, "Access to model", "activate"),
            (200, {**provider, "error": json.dumps(denied)}, 4, "AccessDenied.Unpurchased: Access", "not activated"),
            (200, {"success": True, "statusCode": 403, "data": denied}, 4, "Unpurchased", "not activated"),
            (200, {"success": False, "statusCode": 400, "error": {"code": "InvalidParameter", "message": "size"}}, 1, "InvalidParameter: size", None),
            (200, {"success": False, "statusCode": 400, "error": "model_price_error"}, 1, "model_price_error", "gpt-image-2"),
            (404, {"success": False, "error": "no such route"}, 1, "no such route", "does not offer"),
            (200, {"success": False, "statusCode": 429, "error": "slow down"}, 5, "slow down", "wait a moment"),
            (200, {"success": False, "statusCode": 400, "error": {"code": "DataInspectionFailed", "message": "x"}}, 1, "DataInspectionFailed", "content filter"),
            (404, {"error": "Not Found"}, 5, "is not DesireCore's media proxy", "restart DesireCore"),
            (404, b"<html>", 5, "is not DesireCore's media proxy", "restart DesireCore"),
        ):  # fmt: skip
            with self.subTest(status=status, answer=answer), self.service() as service:
                service.answers = [(status, answer)]
                reply = self.via("x", code=code)
                error = reply["error"]
                self.assertIn(words, error["message"])
                self.assertEqual((error["billed"], len(service.orders)), ("no", 1))
                if advice:
                    self.assertIn(advice, error["hint"])
                self.assertNotIn("next", reply)
                self.assertNotIn("DASHSCOPE", error["hint"] or "")  # the user's own key is not the one to correct

    def test_the_request_id_of_the_provider_is_told(self) -> None:
        with self.service() as service:
            service.answers = [(200, {"success": False, "statusCode": 400, "error": '{"request_id": "r-7"}'})]
            self.assertEqual(self.via("x", code=1)["error"]["request_id"], "r-7")


class Money(Through):
    def test_a_doubtful_answer_is_never_sent_again(self) -> None:
        for answer in (
            None,
            (500, {"success": False, "error": "socket hang up"}),
            (502, b"Bad Gateway"),
            (200, {"success": False, "error": "fetch failed"}),
            (200, {"success": False, "statusCode": 504, "error": "timeout"}),
            (200, {"success": True, "statusCode": 200}),
            (200, {"success": True, "data": "later"}),
            (200, b"no JSON"),
            (307, b""),
        ):
            with self.subTest(answer=answer), self.service() as service:
                service.answers = [answer]
                reply = self.via(f"a {answer}", code=6)
                self.assertEqual((reply["error"]["billed"], reply["error"]["retryable"]), ("unknown", False))
                self.assertEqual(len(service.orders), 1)
                self.assertEqual(self.ledger.state(self.ledger.runs()[-1]), "unknown")
                again = self.via(f"a {answer}", code=3)
                self.assertIn("may have been accepted", again["error"]["message"])
                self.assertIn("--again", again["error"]["hint"])
                self.assertNotIn("next", again)
                self.assertEqual(len(service.orders), 1)
                self.via(f"a {answer}", "--again")
                self.assertEqual(len(service.orders), 2)

    def test_what_was_made_and_not_saved_is_collected(self) -> None:
        argv = ("a fox", "-n", "2", "--output", "fox.png")
        with self.service() as service:
            service.answers = [(200, service.made(2))]
            there, service.results = service.results, dict.fromkeys(service.results, b"")
            for code in (7, 3):
                self.assertIn("--resume", self.via(*argv, code=code)["next"])
            port = self.root / "agent-service.port"
            port.rename(self.root / "away")
            reply = self.json("--resume", code=5)
            self.assertIn("agent-service is not running", reply["error"]["message"])
            self.assertIn("--resume", reply["next"])
            (self.root / "away").rename(port)
            service.results = there
            (told,) = self.json("--resume")["tasks"]
            self.assertEqual([Path(path).read_bytes() for path in told["local_paths"]], list(there.values()))
            self.assertEqual((set(told["media_ids"]), len(service.orders)), (set(service.stored), 1))
            self.assertIn("![a fox (1 of 2)](dc-media://", told["markdown"])
        self.assertEqual(self.json("--resume")["tasks"], [])

    def test_the_twin_is_known_after_a_restart_on_another_port(self) -> None:
        with self.service() as service:
            service.answers = [None]
            self.via("x", code=6)
        with self.service() as service:
            self.via("x", code=3)
            self.assertEqual(service.orders, [])

    def test_only_throttling_at_the_door_is_tried_again(self) -> None:
        with self.service() as service:
            service.answers = [(429, {"success": False, "error": "busy"})]
            self.via("x")
            self.assertEqual(len(service.orders), 2)

    def test_the_ledger_tells_the_run_as_of_any_other(self) -> None:
        with self.service():
            reply = self.via("x", "-n", "2")
        (run,) = self.ledger.runs()
        self.assertEqual((run.state, run.is_task, run.base), ("done", False, DESIRECORE_BASE))
        self.assertEqual(run.urls, tuple(reply["image_urls"]))
        self.assertEqual([run.files[index].path for index in (0, 1)], reply["local_paths"])

    def test_pictures_inside_the_answer_do_not_swell_the_ledger(self) -> None:
        with self.service("base64"):
            self.via("x", "--size", "2048x2048")
        (run,) = self.ledger.runs()
        self.assertEqual(run.state, "done")
        self.assertLess(len(json.dumps(run.body) + "".join(run.urls)), 1000)

    def test_a_refusal_closes_the_account(self) -> None:
        with self.service() as service:
            service.answers = [(200, NOT_ASKED)]
            self.via("x", code=4)
            self.assertEqual(self.ledger.runs()[-1].state, "refused")
            self.via("x")

    def test_a_bad_folder_is_known_before_paying(self) -> None:
        (self.cwd / "file").write_text("")
        with self.service() as service:
            self.via("x", "--output", "file/x.png", code=3)
            self.assertEqual(service.sent, [])


class Store(Through):
    def test_one_of_two_is_not_taken(self) -> None:
        for answer, words in (
            ((413, {"error": "too large"}), "too large"),
            ((200, {"success": True}), "without a media id"),
            ((200, {"mediaId": "x)](http://evil"}), "without a media id"),
            ((200, b"no JSON"), "without a media id"),
        ):
            with self.subTest(answer=answer), self.service() as service:
                service.store_answers = [answer]
                reply = self.via("x", "-n", "2", "--again", code=7)
                self.assertIn("is saved, but could not be put into DesireCore's media store", reply["error"]["message"])
                self.assertIn(words, reply["error"]["message"])
                self.assertRegex(reply["error"]["hint"], f"curl -sk -F 'file=@.*;type=image/png' {service.origin}/api")
                self.assertEqual((reply["error"]["billed"], len(service.orders)), ("yes", 1))
                self.assertEqual((len(reply["local_paths"]), len(reply["media_ids"])), (2, 1))
                self.assertEqual(reply["media_ids"], list(service.stored))
                self.assertEqual(sorted("media_id" in file for file in reply["files"]), [False, True])

    def test_storing_is_free_and_tried_again(self) -> None:
        with self.service() as service:
            service.store_answers = [(503, {"error": "busy"}), (500, {"error": "busy"})]
            reply = self.via("x")
        self.assertEqual((len(service.of("/api/media/upload")), len(service.orders)), (3, 1))
        self.assertEqual(reply["media_ids"], list(service.stored))

    def test_an_id_inside_an_envelope(self) -> None:
        with self.service() as service:
            service.store_answers = [(200, {"success": True, "data": {"mediaId": "a1.png"}})]
            self.assertEqual(self.via("x")["markdown"], "![x](dc-media://a1.png)")


class Requests(Through):
    def body(self, *argv: str) -> tuple[Any, list[str]]:
        reply = self.via(*argv, "--dry-run")
        return reply["request"]["body"], reply["warnings"]

    def test_a_dry_run_is_the_request(self) -> None:
        with self.service() as service:
            reply = self.via("a fox", "--dry-run")
            self.assertEqual(service.sent, [])
            self.via("a fox")
            (sent,) = service.of(PROXY)
        shown = reply["request"]
        self.assertEqual((shown["method"], shown["url"]), ("POST", service.origin + PROXY))
        self.assertEqual(shown["body"], sent.json)
        for name, value in shown["headers"].items():
            self.assertEqual(sent.headers[name.lower()], value)
        self.assertEqual((reply["bills"], reply["uploads"]), ({"unit": "image", "at_most": 1}, []))
        self.assertEqual(reply["warnings"], [])

    def test_a_dry_run_needs_no_service(self) -> None:
        reply = self.via("a fox", "--dry-run")
        self.assertEqual(reply["request"]["url"], f"https://127.0.0.1:PORT{PROXY}")
        self.assertIn("is not running", reply["warnings"][0])

    def test_sizes(self) -> None:
        for argv, size in (
            ([], "1024x1024"),
            (["--size", "1024x1792"], "1024x1792"),
            (["--size", "1792*1024"], "1792x1024"),
            (["--size", "16:9"], "2688x1536"),
            (["--size", "1K"], "1024x1024"),
            (["--size", "2k"], "2048x2048"),
            (["--size", "4K", "--model", "wan2.7-image-pro"], "4096x4096"),
        ):
            with self.subTest(argv=argv):
                self.assertEqual(self.body("x", *argv)[0]["body"]["size"], size)

    def test_models(self) -> None:
        for model, endpoint, asks_by in (
            ("wan2.7-image", "/chat/completions", "messages"),
            ("wan2.7-image-pro", "/chat/completions", "messages"),
            ("wan2.7-image-2026-03-01", "/chat/completions", "messages"),
            ("gpt-image-2", "/images/generations", "prompt"),
        ):
            with self.subTest(model):
                body, _ = self.body("x", "--model", model, "-n", "3")
                self.assertEqual(body["endpoint"], endpoint)
                self.assertEqual(set(body["body"]), {"model", asks_by, "size", "n"})
                self.assertEqual((body["body"]["model"], body["body"]["n"]), (model, 3))

    def test_a_model_of_the_provider_s_own_makes_pictures(self) -> None:
        with self.service("base64") as service:
            reply = self.via("x", "--model", "gpt-image-2", "--size", "1536x1024")
        self.assertEqual((reply["model"], reply["width"], len(service.stored)), ("gpt-image-2", 1536, 1))

    def test_what_does_not_travel_is_refused_or_left_out_with_words(self) -> None:
        for field, value, is_refused in (
            ("reference_images", [str(PHOTO)], True),
            ("reference_image", "https://example.com/a.png", True),
            ("enable_sequential", True, True),
            ("enable_interleave", True, True),
            ("seed", 5, False),
            ("negative_prompt", "blur", False),
            ("watermark", True, False),
            ("thinking_mode", True, False),
            ("style", "<anime>", False),
        ):
            request = json.dumps({"prompt": "x", field: value})
            with self.subTest(field):
                if is_refused:
                    reply = self.via("--request", request, code=3)
                    (problem,) = reply["problems"]
                    self.assertEqual((problem["path"], problem["reason"]), (field, "not taken"))
                    self.assertIn("DesireCore", problem["message"])
                else:
                    body, warnings = self.body("--request", request)
                    self.assertEqual(set(body["body"]), {"model", "messages", "size", "n"})
                    self.assertIn(f"DesireCore does not pass on {field}; it is left out", warnings)

    def test_a_model_that_is_not_made_there_hides_no_other_problem(self) -> None:
        reply = self.via("x", "--model", "wan2.6-t2i", "--image", "https://a.example/a.png", code=3)
        self.assertEqual({problem["path"] for problem in reply["problems"]}, {"model", "reference_images"})

    def test_all_problems_at_once_by_the_rows_of_the_model(self) -> None:
        request = {"size": "10x10", "n": 9, "reference_image": "a.png", "promt": "x"}
        reply = self.via("--request", json.dumps(request), code=3)
        self.assertEqual(
            {problem["path"] for problem in reply["problems"]}, {"prompt", "size", "n", "reference_image", "promt"}
        )
        self.assertFalse((self.home / ".local").exists())

    def test_a_model_of_ours_that_is_not_made_there(self) -> None:
        for model in ("qwen-image-max", "wan2.2-t2i-flash", "wan2.6-t2i", "z-image-turbo"):
            with self.subTest(model):
                (problem,) = self.via("x", "--model", model, code=3)["problems"]
                self.assertEqual((problem["path"], problem["nearest"]), ("model", "wan2.7-image"))

    def test_what_makes_no_sense_beside_it(self) -> None:
        for argv, words in (
            (
                ("x", "--submit-only"),
                "--via and --submit-only cannot be combined: DesireCore answers at once, without a task",
            ),
            (("x", "--async"), "--via and --async cannot be combined: DesireCore answers at once, without a task"),
            (
                ("x", "--set", "async=true"),
                "--via and --async cannot be combined: DesireCore answers at once, without a task",
            ),
            (("--task-id", "t"), "DesireCore has no tasks"),
            (("--cancel", "t"), "DesireCore has no tasks"),
            (("--resume",), "DesireCore has no tasks"),
            (("--tasks",), "DesireCore has no tasks"),
            (("x", "--sandbox"), "the sandbox stands in for DashScope"),
            (("x", "--region", "intl"), "--via and --region cannot be combined"),
        ):
            with self.subTest(argv), self.service() as service:
                reply = self.via(*argv, code=3)
                self.assertIn(words, reply["error"]["message"])
                self.assertEqual(service.sent, [])

    def test_the_way_as_a_field_and_one_that_is_none(self) -> None:
        with self.service() as service:
            self.json("--request", '{"prompt": "x", "via": "desirecore"}')
            self.assertEqual(len(service.orders), 1)
        for value in ("comfyui", "DesireCore"):
            (problem,) = self.json("x", "--via", value, code=3)["problems"]
            self.assertEqual((problem["path"], problem["nearest"]), ("via", "desirecore"))
        for value in ("5", "true", '["desirecore"]', "{}"):
            with self.subTest(value):
                self.json("x", "--set", f"via={value}", "--dry-run", code=0 if value == "{}" else 3)

    def test_video_py_knows_no_such_way(self) -> None:
        self.assertEqual(self.video("x", *VIA).code, 3)
        ran: Ran = self.video("--request", '{"prompt": "x", "via": "desirecore"}', "--print-response")
        self.assertEqual([problem["path"] for problem in ran.json["problems"]], ["via"])
