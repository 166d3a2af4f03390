"""Whole runs of image.py through real sockets: upload, wait, save, and what is left when something goes wrong."""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qianwen.http import messages
from qianwen.http.messages import Request, Response
from qianwen.models import wire
from qianwen.sandbox import placeholder
from qianwen.sandbox.faults import Fault
from qianwen.sandbox.server import running
from qianwen.sandbox.standin import Incoming, Reply

from ..support import KEY, PHOTO, Case, Recording, Script, answer, data_url

if TYPE_CHECKING:
    from qianwen.http.messages import Send


class References(Case):
    def test_a_photograph_travels_through_upload_and_edit_into_three_files(self) -> None:
        with self.standin() as standin:
            reply = self.json("make it watercolor", "--image", str(PHOTO), "-n", "3", "--output", "cat.png")
        self.assertEqual([sent.route for sent in standin.sent][:3], ["policy", "upload", "sync"])
        policy, upload, call = standin.sent[:3]
        self.assertTrue(policy.target.endswith("model=wan2.7-image"))
        self.assertNotIn("authorization", upload.headers)
        self.assertEqual(call.headers["x-dashscope-ossresourceresolve"], "enable")
        ((key, kept),) = standin.storage.uploads.items()
        self.assertEqual(call.json["input"]["messages"][0]["content"][0], {"image": f"oss://{key}"})
        self.assertEqual((kept.bytes, kept.facts and kept.facts.type), (PHOTO.stat().st_size, "image/jpeg"))
        self.assertRegex(key, r"/[0-9a-f]{16}_photo\.jpg$")
        self.assertEqual(reply["local_paths"], [str(self.cwd / f"cat_{number}.png") for number in (1, 2, 3)])
        self.assertEqual((reply["image_count"], len(set(reply["image_urls"]))), (3, 3))
        for path in reply["local_paths"]:
            self.assertTrue(Path(path).read_bytes().startswith(b"\x89PNG"))
        self.assertAlmostEqual(reply["width"] / reply["height"], 640 / 426, delta=0.02)

    def test_the_same_file_is_uploaded_once(self) -> None:
        picture = self.picture("a.png")
        with self.standin() as standin:
            self.json(
                "x", "--image", "a.png", "--image", str(picture), "--image", str(PHOTO), "--image", f"file://{picture}"
            )
        self.assertEqual(len(standin.of("upload")), 2)
        content = standin.of("sync")[0].json["input"]["messages"][0]["content"]
        urls = [item["image"] for item in content if "image" in item]
        self.assertEqual((urls[0], urls[0]), (urls[1], urls[3]))
        self.assertNotEqual(urls[0], urls[2])

    def test_urls_go_through_untouched(self) -> None:
        urls = ["https://example.com/a.png?x=%2B", "http://example.com/b.png", data_url(400, 400)]
        with self.standin() as standin:
            self.json("x", *[word for url in urls for word in ("--image", url)])
        content = standin.of("sync")[0].json["input"]["messages"][0]["content"]
        self.assertEqual([item["image"] for item in content if "image" in item], urls)
        self.assertNotIn("x-dashscope-ossresourceresolve", standin.of("sync")[0].headers)
        self.assertEqual(standin.of("policy", "upload"), [])

    def test_an_oss_url_needs_no_upload_but_the_header(self) -> None:  # B18
        script = Script(answer({"code": "InvalidParameter", "message": "no"}, 400))
        self.json("x", "--image", "oss://there/x.png", code=1, send=script)
        self.assertEqual(script.requests[0].headers["X-DashScope-OssResourceResolve"], "enable")

    def test_several_files_of_the_legacy_models(self) -> None:
        self.picture("base.png", 600, 600)
        self.picture("mask.png", 600, 600)
        request = {
            "function": "description_edit_with_mask",
            "prompt": "x",
            "base_image_url": "base.png",
            "mask_image_url": "mask.png",
        }
        with self.standin() as standin:
            self.json("--request", json.dumps(request))
        given = standin.of("submit")[0].json["input"]
        self.assertTrue(given["base_image_url"].startswith("oss://") and given["mask_image_url"].startswith("oss://"))
        self.assertTrue(standin.of("policy")[0].target.endswith("model=wanx2.1-imageedit"))

    def test_only_documented_fields_are_read_from_disk(self) -> None:
        with self.standin() as standin:
            self.json(str(PHOTO), "--negative-prompt", str(PHOTO))
        self.assertEqual(standin.of("policy", "upload"), [])
        self.assertEqual(standin.of("sync")[0].json["parameters"]["negative_prompt"], str(PHOTO))

    def test_a_policy_that_expired_is_fetched_anew(self) -> None:
        with self.standin(faults=["upload=403:AccessDenied:Policy expired.*1"]) as standin:
            self.json("x", "--image", str(PHOTO))
        self.assertEqual(len(standin.of("policy")), 2)

    def test_an_upload_that_never_succeeds_bought_nothing(self) -> None:
        with self.standin(faults=["upload=503"]) as standin:
            reply = self.json("x", "--image", str(PHOTO), code=5)
        self.assertEqual((reply["error"]["billed"], standin.of("sync")), ("no", []))


class Tasks(Case):
    def test_submit_wait_save(self) -> None:
        with self.standin(delay=40) as standin:
            ran = self.image("x", "--async", "--print-response", "--output", "x.png")
        (task_id,) = standin.tasks
        self.assertEqual(ran.json["task_id"], task_id)
        self.assertEqual(ran.json["output"]["task_status"], "SUCCEEDED")
        words = re.findall(r"status=(\w+)", ran.stderr)
        self.assertEqual(list(dict.fromkeys(words)), ["PENDING", "RUNNING", "SUCCEEDED"])
        self.assertLess(ran.stderr.index(f"Task submitted: {task_id}"), ran.stderr.index("status="))
        self.assertRegex(ran.stderr, rf"\n  \[\d+s\] task={task_id} status=PENDING\n")
        self.assertEqual(len(standin.of("submit")), 1)

    def test_submit_only_and_back_again(self) -> None:
        with self.standin(delay=40) as standin:
            ran = self.image("x", "--model", "wan2.2-t2i-flash", "--submit-only")
            (task_id,) = standin.tasks
            self.assertEqual((ran.code, ran.stdout), (0, f"{task_id}\n"))
            reply = self.json("--task-id", task_id, "--poll-once", code=2)
            self.assertEqual(
                (reply["error"]["kind"], reply["error"]["billed"], reply["ok"]), ("running", "unknown", False)
            )
            self.assertEqual(reply["output"]["task_status"], "PENDING")
            self.assertTrue(reply["next"].endswith(f"--task-id {task_id} --print-response"))
            self.clock.sleep(40)
            reply = self.json("--task-id", task_id, "--poll-once", "--output", "later.png")
            self.assertEqual(reply["local_path"], str(self.cwd / "later.png"))
            reply = self.json("--task-id", task_id)
            self.assertEqual(reply["local_path"], str(self.cwd / "later.png"))
        self.assertEqual(len(standin.of("submit")), 1)

    def test_submit_only_as_json(self) -> None:
        with self.standin() as standin:
            reply = self.json("x", "--submit-only")
        (task_id,) = standin.tasks
        self.assertEqual((reply["ok"], reply["task_id"], reply["output"]["task_id"]), (True, task_id, task_id))
        self.assertIn(f"/skill/scripts/image.py --task-id {task_id}", reply["next"])

    def test_time_runs_out_and_the_next_command_finishes_it(self) -> None:
        with self.standin(delay=500) as standin:
            reply = self.json("x", "--async", "--timeout", "100", "--region", "cn", "--output", "a b/x.png", code=2)
            (task_id,) = standin.tasks
            self.assertEqual(reply["error"]["task_id"], task_id)
            place = shlex.quote(str(self.cwd / "a b" / "x.png"))
            flags = f"--task-id {task_id} --region cn --output {place} --timeout 100 --print-response"
            self.assertTrue(reply["next"].endswith(flags), reply["next"])
            self.clock.sleep(400)
            self.json("--task-id", task_id, "--output", "a b/x.png")
        self.assertTrue((self.cwd / "a b/x.png").is_file())
        self.assertEqual(len(standin.of("submit")), 1)

    def test_timeouts_in_the_request(self) -> None:
        with self.standin(delay=500):
            self.json("x", "--async", "--set", "timeout_s=20", "--set", "poll_interval_s=4", code=2)
            self.assertAlmostEqual(self.clock() - 1_700_000_000, 18, delta=1)

    def test_a_task_that_fails(self) -> None:
        unfit = "DataInspectionFailed:Output data may contain inappropriate content."
        for fault, kind, billed, words in (
            (f"task=fail:{unfit}", "content", "no", "DataInspectionFailed"),
            ("task=fail:InternalError.Timeout:late", "failed", "no", "InternalError.Timeout: late"),
            ("task=unknown", "failed", "unknown", "expired or never existed"),
        ):
            with self.subTest(fault), self.standin(faults=[fault]):
                reply = self.json("x", "--async", code=1)
                self.assertEqual((reply["error"]["kind"], reply["error"]["billed"]), (kind, billed))
                self.assertIn(words, reply["error"]["message"])
                self.assertNotIn("next", reply)

    def test_a_late_refusal_of_the_service(self) -> None:
        with self.standin() as standin:
            self.json("x", "--model", "wanx-v1", "--submit-only")
            (task,) = standin.tasks.values()
            self.assertIsNone(task.order.late)

    def test_polling_survives_trouble(self) -> None:
        faults = ["poll=503*3", "poll=429:Throttling*2", "poll=drop*2", "poll=cut*1"]
        with self.standin(delay=20, faults=faults) as standin:
            self.json("x", "--async")
        self.assertEqual(len(standin.of("submit")), 1)

    def test_a_refused_poll_is_no_failed_task(self) -> None:
        for status in (400, 404, 405, 408, 409, 418):
            with self.subTest(status), self.standin(delay=20, faults=[f"poll={status}:Odd*3"]) as standin:
                self.json("x", "--async")
                self.assertEqual(len(standin.of("submit")), 1)
        with self.standin(delay=20, faults=["poll=404:Odd"]) as standin:
            reply = self.json("x", "--async", code=5)
            (task_id,) = standin.tasks
            error = reply["error"]
            self.assertEqual((error["billed"], error["retryable"], error["code"]), ("unknown", False, "Odd"))
            self.assertIn(f"--task-id {task_id}", reply["next"])
            reply = self.json("--task-id", task_id, "--poll-once", code=5)
            self.assertIn(f"--task-id {task_id}", reply["next"])

    def test_the_last_look_is_kept(self) -> None:
        with self.standin(faults=["task=fail:DataInspectionFailed:no"]):
            reply = self.json("x", "--async", code=1)
        self.assertEqual((reply["output"]["task_status"], reply["output"]["message"]), ("FAILED", "no"))
        with self.standin(delay=500):
            reply = self.json("x", "--async", "--timeout", "200", code=2)
        self.assertEqual(reply["output"]["task_status"], "RUNNING")

    def test_what_bought_something_is_not_called_retryable(self) -> None:
        with self.standin(delay=500) as standin:
            self.assertFalse(self.json("x", "--async", "--timeout", "10", code=2)["error"]["retryable"])
            (task_id,) = standin.tasks
            self.assertTrue(self.json("--task-id", task_id, "--poll-once", code=2)["error"]["retryable"])
        with self.standin(faults=["sync=429:Throttling"]):
            self.assertTrue(self.json("x", code=5)["error"]["retryable"])

    def test_a_lost_answer_to_a_submission_is_an_unknown_outcome(self) -> None:
        for fault in ("submit=lose", "submit=cut", "submit=500", "submit=502"):
            with self.subTest(fault), self.standin(faults=[fault]) as standin:
                reply = self.json("x", "--async", code=6)
                self.assertEqual((reply["error"]["kind"], reply["error"]["billed"]), ("unknown_outcome", "unknown"))
                self.assertLessEqual(len(standin.of("submit")), 1)

    def test_throttled_once_and_then_accepted_once(self) -> None:  # B20
        with self.standin(faults=["submit=429:Throttling.RateQuota*1"]) as standin:
            self.json("x", "--async")
        self.assertEqual(len(standin.tasks), 1)


class Results(Case):
    def test_partial_failures_are_listed_one_by_one(self) -> None:
        with self.standin(faults=["task=partial:DataInspectionFailed:Output data may contain inappropriate content."]):
            reply = self.json("x", "--model", "wan2.2-t2i-flash", "-n", "3")
        self.assertEqual((reply["image_count"], len(reply["files"])), (2, 2))
        (failure,) = reply["failures"]
        self.assertEqual((failure["number"], failure["code"]), (3, "DataInspectionFailed"))
        self.assertIn("picture 3 was not made: DataInspectionFailed", reply["warnings"][-1])

    def test_fewer_pictures_than_asked_are_told(self) -> None:
        with self.standin(faults=["task=partial"]):
            reply = self.json("x", "--async", "-n", "3")
        self.assertEqual(reply["image_count"], 2)
        self.assertIn("2 of 3 pictures arrived", reply["warnings"][-1])

    def test_success_without_pictures_is_a_failure_with_the_reply_kept(self) -> None:
        failed = {"code": "DataInspectionFailed", "message": "no"}
        outputs: tuple[tuple[dict[str, Any], str, str], ...] = (
            ({"choices": []}, "failed", "unknown"),
            ({"results": [failed]}, "content", "no"),
            ({"choices": [], "code": "DataInspectionFailed"}, "content", "no"),
            ({}, "failed", "unknown"),
        )
        for output, kind, billed in outputs:
            with self.subTest(output=output):
                remark = {"code": output["code"]} if "code" in output else {}
                reply = self.json("x", code=1, send=Script({"request_id": "r", "output": output, **remark}))
                error = reply["error"]
                self.assertEqual((reply["output"], error["kind"], error["billed"]), (output, kind, billed))

    def test_sizes_come_from_usage_or_from_the_file(self) -> None:
        with self.standin():
            for model, size, expected in (
                ("wan2.2-t2i-flash", "1440*810", (1440, 810)),
                ("qwen-image-max", "928*1664", (928, 1664)),
                ("wan2.7-image", "2K", (2048, 2048)),
                ("wan2.7-image-pro", "4K", (4096, 4096)),
            ):
                reply = self.json("x", "--model", model, "--size", size)
                self.assertEqual((reply["width"], reply["height"]), expected)
                self.assertEqual((reply["files"][0]["width"], reply["files"][0]["height"]), expected)

    def test_a_guide_is_saved_with_its_texts(self) -> None:
        for name, more in (("task", []), ("stream", ["--set", "stream=true"])):
            with self.subTest(name), self.standin() as standin:
                argv = ["fold a crane", "--set", "enable_interleave=true", "--set", "max_images=2", *more]
                reply = self.json(*argv, "--output", f"{name}.png")
                self.assertEqual(len(standin.of("stream")), name == "stream")
                kinds = [item["type"] for item in reply["interleaved_content"]]
                self.assertEqual(kinds, ["text", "image"] * 2)
                path = self.cwd / f"{name}.md"
                self.assertEqual(reply["markdown_path"], str(path))
                text = path.read_text(encoding="utf-8")
                self.assertEqual(
                    re.findall(r"!\[Image (\d)\]\(<(.*)>\)", text), [("1", f"{name}_1.png"), ("2", f"{name}_2.png")]
                )
                self.assertIn(reply["interleaved_content"][0]["text"], text)
        with self.standin():
            paths = self.image("x", "--set", "enable_interleave=true", "--set", "max_images=1").stdout.splitlines()
        self.assertEqual([Path(path).suffix for path in paths], [".png", ".md"])

    def test_a_stream_that_breaks_keeps_what_came(self) -> None:
        with self.standin(faults=["stream=cut"]):
            reply = self.json(
                "x", "--set", "enable_interleave=true", "--set", "stream=true", "--output", "x.png", code=6
            )
        self.assertEqual((reply["error"]["kind"], reply["error"]["billed"]), ("unknown_outcome", "yes"))
        self.assertGreaterEqual(len(reply["files"]), 1)
        for file in reply["files"]:
            self.assertTrue(Path(file["path"]).is_file())

    def test_a_rewritten_prompt_is_no_content(self) -> None:
        with self.standin():
            reply = self.json("x", "--model", "z-image-turbo", "--set", "prompt_extend=true")
        self.assertNotIn("interleaved_content", reply)
        self.assertEqual(len(reply["files"]), 1)

    def test_existing_files_stay(self) -> None:
        (self.cwd / "x.png").write_text("precious")
        with self.standin():
            reply = self.json("x", "--output", "x.png")
            self.assertEqual(reply["local_path"], str(self.cwd / "x-2.png"))
            self.assertIn("already exists", reply["warnings"][-1])
            self.json("x", "--output", "x.png", "--overwrite")
        self.assertNotEqual((self.cwd / "x.png").read_bytes(), b"precious")

    def test_several_pictures_download_at_the_same_time(self) -> None:
        meeting = threading.Barrier(3, timeout=10)

        class Waiting(Recording):
            def handle(self, route: str, incoming: Incoming) -> Reply:
                if route == "result":
                    meeting.wait()  # breaks, and the test with it, unless three are asked for at once
                return super().handle(route, incoming)

        with running(Waiting(self.clock)) as base:
            self.env["DASHSCOPE_HTTP_BASE_URL"] = base
            self.assertEqual(len(self.json("x", "-n", "3")["files"]), 3)

    def test_a_download_that_breaks_is_continued(self) -> None:
        with self.standin(faults=["result=cut*1", "result=503*1", "result=drop*1"]) as standin:
            reply = self.json("x", "--output", "x.png")
        self.assertTrue(any("range" in sent.headers for sent in standin.of("result")))
        self.assertEqual(reply["files"][0]["bytes"], (self.cwd / "x.png").stat().st_size)

    def test_a_download_that_fails_is_exit_7_with_the_url(self) -> None:
        with self.standin(faults=["result=404:NoSuchKey"]) as standin:
            reply = self.json("x", "-n", "2", "--output", "x.png", code=7)
        self.assertEqual((reply["error"]["kind"], reply["error"]["billed"]), ("output", "yes"))
        self.assertEqual((len(reply["image_urls"]), reply["files"]), (2, []))
        self.assertIn("again for 24 hours", reply["error"]["hint"])  # and not that it has expired
        self.assertEqual(len(standin.of("sync")), 1)
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_an_expired_link_is_renewed_by_asking_the_task_again(self) -> None:
        expired = "result=403:AccessDenied:Request has expired."
        with self.standin(faults=[f"{expired}*1"]) as standin:
            self.json("x", "--async", "--output", "x.png")
            self.assertEqual([sent.route for sent in standin.sent], ["submit", "poll", "poll", "result"])
        with self.standin(faults=[expired]):
            self.assertIn("has expired", self.json("x", "--async", code=7)["error"]["message"])
            error = self.json("y", code=7)["error"]
            self.assertIn("has expired", error["message"])
            self.assertIn("cannot be renewed", error["hint"])

        class Forgetful(Recording):
            def handle(self, route: str, incoming: Incoming) -> Reply:
                if route == "poll" and self.of("poll"):
                    return self.injected(Fault("status", 404, "Odd"), route)
                return super().handle(route, incoming)

        with running(Forgetful(self.clock, faults=[expired])) as base:
            self.env["DASHSCOPE_HTTP_BASE_URL"] = base
            error = self.json("x", "--async", code=7)["error"]
            self.assertIn("could not be polled", error["message"])

    def test_every_lost_picture_is_told(self) -> None:
        with self.standin(faults=["result=404:NoSuchKey"]):
            reply = self.json("x", "-n", "3", code=7)
        told = [warning for warning in reply["warnings"] if "NoSuchKey" in warning]
        self.assertEqual(len(told), 2)

    def test_a_stream_that_ends_too_early_is_an_unknown_outcome(self) -> None:
        def script(*contents: dict[str, str]) -> Script:
            choices = [{"output": {"choices": [{"message": {"content": [content]}}]}} for content in contents]
            data = "".join(f"data:{json.dumps(choice)}\n\n" for choice in choices)
            return Script(answer(data.encode(), content_type="text/event-stream"))

        argv = ("x", "--set", "enable_interleave=true", "--set", "stream=true")
        reply = self.json(*argv, code=6, send=script({"type": "text", "text": "First"}))
        self.assertIn("ended before the service said", reply["error"]["message"])
        self.assertEqual(reply["interleaved_content"], [{"type": "text", "text": "First"}])
        reply = self.json(*argv, "--again", code=6, send=script())
        self.assertEqual(reply["error"]["billed"], "unknown")

    def test_an_empty_answer_was_accepted_all_the_same(self) -> None:
        for body, state in (({}, "failed"), ({"code": "InvalidParameter", "message": "no"}, "refused")):
            self.assertEqual(self.image("x", "--again", send=Script(answer(body))).code, 1)
            self.assertEqual(self.ledger.runs()[-1].state, state)
            self.clock.sleep(1)

    def test_an_interleaved_request_says_how_many_it_may_make(self) -> None:
        reply = self.json("x", "--set", "enable_interleave=true", "--dry-run")
        self.assertIn("makes up to 5 pictures, each billed", reply["warnings"][0])
        self.assertEqual(reply["bills"]["at_most"], 5)

    def test_a_refused_key_is_named_by_its_place(self) -> None:
        with self.standin(faults=["sync=401:InvalidApiKey"]):
            hint = self.json("x", code=4)["error"]["hint"]
        self.assertIn("the key is DASHSCOPE_API_KEY in the environment", hint)

    def test_bytes_in_the_request_are_elided_in_a_dry_run(self) -> None:
        reply = self.json("x", "--image", data_url(500, 500), "--dry-run")
        content = reply["request"]["body"]["input"]["messages"][0]["content"]
        shown = next(item["image"] for item in content if "image" in item)
        self.assertTrue(shown.startswith("data:image/png;base64,"))
        self.assertLess(len(shown), 120)

    def test_one_lost_picture_does_not_cost_the_others(self) -> None:
        with self.standin(faults=["result=404:NoSuchKey*1"]):
            reply = self.json("x", "-n", "3", "--output", "x.png", code=7)
        self.assertEqual((len(reply["image_urls"]), len(reply["files"])), (3, 2))

    def test_no_key_goes_to_results_or_uploads(self) -> None:
        with self.standin() as standin:
            self.json("x", "--image", str(PHOTO))
        for sent in standin.of("result", "upload"):
            self.assertNotIn(KEY, json.dumps(sent.headers))
        for sent in standin.of("policy", "sync"):
            self.assertEqual(sent.headers["authorization"], f"Bearer {KEY}")


class Sandbox(Case):
    def test_a_key_in_the_prompt_is_not_shown(self) -> None:
        key = "p+r/o=x_y%41key:with;stuff~12345"
        self.env = {}
        (self.cwd / ".env").write_text(f"DASHSCOPE_API_KEY={key}\n")
        ran = self.image(f"a cat {key}", "--dry-run")
        self.assertEqual((ran.code, "a cat [hidden]" in ran.stdout, key in ran.stdout + ran.stderr), (0, True, False))

    def test_without_key_and_network(self) -> None:
        self.env = {}
        for argv in (["x"], ["x", "--async"], ["x", "--image", str(PHOTO)], ["x", "--set", "enable_interleave=true"]):
            with self.subTest(argv):
                ran = self.image(*argv, "--sandbox")
                self.assertEqual(ran.code, 0, ran.stderr)
                self.assertIn("nothing leaves this machine or is billed", ran.stderr)

    def test_the_users_key_stays_at_home(self) -> None:
        self.env = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:9"}
        self.assertEqual(self.image("x", "--sandbox").code, 0)

    def test_a_task_ends_with_the_run_so_there_is_no_next(self) -> None:
        reply: Any = self.json("x", "--sandbox", "--submit-only")
        self.assertIsNone(reply["next"])


class LongStreams(Case):
    """A stream of 8,000 frames takes an eighth of a second; time that grew with their square would be two minutes."""

    ARGV = ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--output", "x.png")
    FRAMES = 8_000
    SECONDS = 2.0  # of the processor
    LINK = "https://result.oss-cn-beijing.aliyuncs.com/{}.png"

    def frame(self, item: dict[str, str], finish: str = "null") -> bytes:
        choice = {"message": {"content": [item]}, "finish_reason": finish}
        return f"data:{json.dumps({'output': {'choices': [choice]}})}\n\n".encode()

    def sends(self, blocks: list[bytes], breaks: bool = False) -> Send:
        left = iter(blocks)
        end = time.process_time() + self.SECONDS

        def read(_: int) -> bytes:
            if time.process_time() > end:  # rather than many minutes later
                raise AssertionError("the stream costs too much time")
            block = next(left, b"")
            if breaks and not block:
                raise messages.Fault("the connection broke", sent=True)
            return block

        def send(request: Request) -> Response:
            if request.method == "POST":
                return Response(200, {"content-type": "text/event-stream"}, read)
            return answer(placeholder.png(8, 8, "x", []), content_type="image/png")

        return send

    def test_words(self) -> None:
        words = [f"word {number} " for number in range(self.FRAMES)]
        told = [self.frame({"type": "text", "text": word}) for word in words]
        picture = self.frame({"type": "image", "image": self.LINK.format(1)})
        for breaks, end, code in ((False, [picture, self.frame({"text": "!"}, "stop")], 0), (True, [picture], 6)):
            with self.subTest(breaks=breaks):
                reply = self.json(*self.ARGV, "--overwrite", code=code, send=self.sends(told + end, breaks))
                self.assertEqual(reply["interleaved_content"][0]["text"], "".join(words))
                self.assertTrue(Path(reply["files"][0]["path"]).is_file())
                self.assertEqual(self.ledger.runs()[-1].state, "unknown" if breaks else "done")

    def test_pictures(self) -> None:
        """None is saved, for it is the collecting of links that is measured."""
        links = [self.LINK.format(number) for number in range(self.FRAMES // 8)]
        frames = [self.frame({"image": link}) for link in links]

        def sends(request: Request) -> Response:
            if request.method == "GET":
                raise KeyboardInterrupt
            return stream(request)

        stream = self.sends([*frames, self.frame({"text": "!"}, "stop")])
        reply = self.json(*self.ARGV, code=130, send=sends)
        pictures = [item["image"] for item in reply["output"]["choices"][0]["message"]["content"] if "image" in item]
        self.assertEqual((pictures, reply["image_urls"]), (links, links[: wire.MOST_RESULTS]))

    def test_one_event_in_many_pieces(self) -> None:
        item = json.dumps({"output": {"choices": [{"message": {"content": [{"text": "x" * 8 * self.FRAMES}]}}]}})
        for name, blocks in (
            ("lines", [b"data:" + item[i : i + 1].encode() + b"\n" for i in range(len(item))]),
            ("blocks", [b"data:", *(item[i : i + 1].encode() for i in range(len(item))), b"\n"]),
        ):
            with self.subTest(name):
                reply = self.json(*self.ARGV, "--again", code=6, send=self.sends([*blocks, b"\n"]))
                self.assertEqual(len(reply["interleaved_content"][0]["text"]), 8 * self.FRAMES)
