"""What was paid for is read wherever an answer has it, saved as a file, and told; over a real socket."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence
from urllib.parse import quote

from qianwen.http.messages import Request, Response
from qianwen.http.unpacked import unpacking
from qianwen.models import results, wire
from qianwen.sandbox import placeholder
from qianwen.sandbox.server import running
from qianwen.sandbox.standin import Incoming, Reply

from ..support import KEY, Case, Clock, Recording

PNG = placeholder.png(64, 48, "test", ["a"])
OTHER = placeholder.png(48, 64, "test", ["b"])
CLIP = placeholder.clip()
B64 = base64.b64encode(PNG).decode()
FILES = {"a.png": PNG, "b.png": OTHER, "c.mp4": CLIP, "bare": PNG}


class Gateway(Recording):
    """A stand-in that answers a route with a body of the test's, and serves a few files. `@` is its origin."""

    def __init__(self, clock: Clock, replies: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(clock)
        self.replies = {route: list(bodies) for route, bodies in replies.items()}

    def handle(self, route: str, incoming: Incoming) -> Reply:
        name = incoming.target.partition("?")[0].rpartition("/")[2]
        if incoming.target.startswith("/media/"):
            return Reply(200, {"Content-Type": "application/octet-stream"}, FILES[name])
        left = self.replies.get(route)
        if not left:
            return super().handle(route, incoming)
        body = left.pop(0) if len(left) > 1 else left[0]
        super().handle(route, incoming)
        if isinstance(body, Reply):
            return body
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(body).replace("@", self.origin).encode())


class Through(Case):
    @contextmanager
    def gateway(self, **replies: Any) -> Iterator[Gateway]:
        gateway = Gateway(
            self.clock, {route: bodies if isinstance(bodies, list) else [bodies] for route, bodies in replies.items()}
        )
        with running(gateway) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            yield gateway

    def saved(self, reply: Any) -> list[bytes]:
        return [Path(path).read_bytes() for path in reply["local_paths"]]


def done(**output: Any) -> dict[str, Any]:
    return {"request_id": "r-1", "output": {"task_id": "t-1", "task_status": "SUCCEEDED", **output}, "usage": {}}


class Layouts(Through):
    """`--task-id` of tasks that others submitted, and answers of gateways."""

    # program, the answer, what is saved, whether the place is an odd one
    TASKS: tuple[tuple[str, dict[str, Any], list[bytes], bool], ...] = (
        ("video", done(results={"video_url": "@/media/c.mp4?Signature=x"}), [CLIP], False),
        ("video", done(output_video_url="@/media/c.mp4"), [CLIP], False),
        ("video", done(video_url="@/media/c.mp4", image_url="@/media/a.png"), [CLIP], False),
        ("video", done(video_url="@/media/c.mp4", results={"video_url": "@/media/c.mp4"}), [CLIP], False),
        ("image", done(image_url="@/media/a.png", message="ok"), [PNG], False),
        ("image", done(output_image_url="@/media/bare"), [PNG], False),
        ("image", done(results={"url": "@/media/a.png"}), [PNG], False),
        ("image", done(results={"image_url": "@/media/a.png"}), [PNG], False),
        ("image", done(results=[{"image_url": "@/media/a.png"}, {"url": "@/media/b.png"}]), [PNG, OTHER], False),
        ("image", done(image_url=f"data:image/png;base64,{B64}"), [PNG], False),
        ("image", done(results=[{"url": B64}]), [PNG], False),
        ("image", done(results=[{"b64_json": B64}, {"url": "@/media/b.png"}]), [PNG, OTHER], False),
        ("image", done(choices=[{"message": {"content": [{"image": f"data:image/png;base64,{B64}"}]}}]), [PNG], False),
        ("image", done(choices=[{"message": {"content": [{"image": B64}]}}], results=[{"url": B64}]), [PNG], False),
        ("image", done(render={"files": ["@/media/a.png?x=1", "@/media/b.png"]}), [PNG, OTHER], True),
        ("image", done(render={"same": "@/media/a.png", "again": "@/media/a.png"}), [PNG], True),
        ("image", done(render=f"data:image/png;base64,{B64}"), [PNG], True),
        ("image", done(image_url=f"data:image/png;base64,{quote(B64)}"), [PNG], False),  # as RFC 2397 allows
        ("image", done(img_url="@/media/b.png", input={"x": "@/media/b.png"}, out="@/media/a.png"), [PNG], True),
    )  # fmt: skip

    def test_tasks_of_others(self) -> None:
        for program, body, files, is_odd in self.TASKS:
            with self.subTest(body=str(body)[:200]), self.gateway(poll=body):
                run = self.video_json if program == "video" else self.json
                reply = run("--task-id", "t-1", "--output", f"{time.monotonic_ns()}/")
                self.assertEqual(self.saved(reply), files)
                self.assertEqual(any("undocumented" in warning for warning in reply["warnings"]), is_odd)
                self.assertNotIn(B64[:60], json.dumps(reply))

    # an answer with the result itself, also to a request for a task, and what is saved
    ANSWERS: tuple[tuple[dict[str, Any], list[bytes]], ...] = (
        (
            {"created": 1, "data": [{"url": "@/media/a.png"}, {"b64_json": base64.b64encode(OTHER).decode()}]},
            [PNG, OTHER],
        ),
        ({"code": 0, "message": "success", "data": [{"url": "@/media/a.png"}]}, [PNG]),
        ({"code": "Success", "data": [{"b64_json": B64}]}, [PNG]),
        ({"data": [{"b64_json": f"data:image/png;base64,{B64}"}]}, [PNG]),
        ({"data": [{"b64_json": B64.rstrip("=").replace("+", "-").replace("/", "_")}]}, [PNG]),
        ({"data": [{"b64_json": "\n".join(B64[start : start + 76] for start in range(0, len(B64), 76))}]}, [PNG]),
        ({"data": {"images": ["@/media/a.png"]}}, [PNG]),
        ({"output": ["@/media/a.png"]}, [PNG]),
        ({"output": "@/media/a.png"}, [PNG]),
        ({"images": [{"url": "@/media/a.png"}]}, [PNG]),
    )

    def test_answers_of_gateways(self) -> None:
        for number, (body, files) in enumerate(self.ANSWERS):
            for ways in ((), ("--async",), ("--async", "--submit-only")):
                with self.subTest(ways, body=str(body)[:200]), self.gateway(sync=body, submit=body):
                    reply = self.json("x", *ways, "--again", "--output", f"{number}{len(ways)}/")
                    self.assertEqual(self.saved(reply), files)
                    self.assertEqual(reply["image_count"], len(files))
                    self.assertNotIn(B64[:60], json.dumps(reply))
                    self.assertEqual(self.json("--resume")["tasks"], [])

    def test_a_result_at_once_where_a_task_was_asked_for_has_a_place(self) -> None:
        with self.gateway(submit={"data": [{"b64_json": B64}]}):
            reply = self.json("x", "--async", "--submit-only")
        self.assertEqual((self.saved(reply), "next" in reply), ([PNG], False))

    def test_task_ids_of_gateways(self) -> None:
        for body, wanted in (
            ({"output": {"task_id": 12345678901234567890}}, "12345678901234567890"),
            ({"output": {"task_id": " t-1\n"}}, "t-1"),
            ({"task_id": "t-1", "output": {"task_status": "PENDING"}}, "t-1"),
        ):
            with self.subTest(body=body), self.gateway(submit=body, poll=done(image_url="@/media/a.png")) as gateway:
                reply = self.json("x", "--async", "--again", "--output", f"{time.monotonic_ns()}/")
                self.assertEqual((reply["task_id"], self.saved(reply)), (wanted, [PNG]))
                self.assertTrue(gateway.of("poll")[0].target.endswith(f"/tasks/{wanted}"))

    def test_paths_on_stdout_without_json(self) -> None:
        with self.gateway(sync={"data": [{"b64_json": B64}]}):
            ran = self.image("x", "--output", "x.png")
        self.assertEqual((ran.code, ran.stdout), (0, f"{self.cwd / 'x.png'}\n"))
        self.assertEqual((self.cwd / "x.png").read_bytes(), PNG)

    def test_the_reply_beside_a_video_has_no_bytes_in_it(self) -> None:
        with self.gateway(poll=done(video_url="data:video/mp4;base64," + base64.b64encode(CLIP).decode())):
            reply = self.video_json("--task-id", "t-1", "--output", "x.mp4")
        self.assertEqual(self.saved(reply), [CLIP])
        self.assertLess(len(Path(reply["response_path"]).read_text()), 1000)

    def test_what_cannot_be_saved_is_told_and_may_be_billed(self) -> None:
        for body, code, billed, words in (
            (done(), 1, "unknown", "holds no picture"),
            (done(message="No text detected for translation"), 1, "unknown", "No text detected"),
            (done(page="https://example.com/result"), 1, "unknown", "holds no picture"),
            (done(image_url="data:image/png;base64,!!!"), 7, "yes", "not valid base64"),
            (done(image_url="data:,hello"), 7, "yes", "scheme data"),
            (done(image_url="file:///etc/passwd"), 7, "yes", "scheme file"),
            (done(out="http://127.0.0.1.evil.example/a.png"), 7, "yes", "scheme http"),
        ):
            with self.subTest(body=body), self.gateway(poll=body):
                reply = self.json("--task-id", "t-1", code=code)
                self.assertIn(words, reply["error"]["message"])
                self.assertEqual(reply["error"]["billed"], billed)
                self.assertEqual(reply["output"]["task_id"], "t-1")

    def test_an_answer_of_words_alone_tells_them(self) -> None:
        def answer(content: object, reason: str = "stop") -> dict[str, object]:
            choice = {"finish_reason": reason, "message": {"role": "assistant", "content": content}}
            return {"request_id": "r-9", "output": {"choices": [choice]}}

        for body, kind, code, words in (
            (
                answer([{"text": "I can't create this picture\nbecause it shows a crime."}]),
                "failed",
                None,
                "because it shows a crime.",
            ),
            (answer("I can't create this."), "failed", None, "I can't create this."),
            (answer([], "content_filter"), "content", "content_filter", "(content_filter)"),
            (answer([{"text": "No. " * 9999}], "length"), "failed", "length", "No. No."),
            (answer(None), "failed", None, "holds no picture"),
        ):
            with self.subTest(body=str(body)[:200]), self.gateway(sync=body):
                error = self.json("x", "--again", code=1)["error"]
                self.assertEqual((error["kind"], error["code"], error["request_id"]), (kind, code, "r-9"))
                self.assertEqual((error["http_status"], error["billed"], error["retryable"]), (200, "unknown", False))
                self.assertIn(words, error["message"])
                self.assertLess(len(error["message"]), 700)
                self.assertEqual("change the prompt" in error["hint"], words != "holds no picture")

    def test_the_answer_of_a_paid_request_is_kept_when_nothing_in_it_can_be_read(self) -> None:
        with self.gateway(sync={"output": {"page": "https://example.com/result?token=1"}}):
            ran = self.image("x", "--output", "o/x.png")
        self.assertEqual(ran.code, 1)
        (kept,) = (self.cwd / "o").iterdir()
        self.assertIn(f"the whole answer is in {kept}", ran.stderr)
        self.assertEqual(json.loads(kept.read_text())["output"]["page"], "https://example.com/result?token=1")

    def test_a_stream_with_pictures_inside(self) -> None:
        def event(finish: str, **item: str) -> str:
            choice = {"message": {"content": [item]}, "finish_reason": finish}
            return f"data:{json.dumps({'output': {'choices': [choice]}})}\n\n"

        other = "data:image/png;base64," + base64.b64encode(OTHER).decode()
        text = (
            event("null", text="one") + event("null", image=f"data:image/png;base64,{B64}") + event("stop", image=other)
        )
        argv = ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--set", "max_images=2")
        with self.gateway(stream=Reply(200, {"Content-Type": "text/event-stream"}, text.encode())):
            reply = self.json(*argv, "--output", "o/")
        self.assertEqual(self.saved(reply), [PNG, OTHER])
        self.assertNotIn(B64[:60], json.dumps(reply) + Path(reply["markdown_path"]).read_text())

    def test_an_answer_that_is_gone_is_not_asked_for_for_ever(self) -> None:
        with self.gateway(sync={"data": [{"b64_json": B64}]}) as gateway:
            (self.cwd / "o").write_text("")
            self.json("x", "--output", "x.png", "--set", "n=1")
            run = next(run for run in self.ledger.runs())
            self.ledger.add(run.id, "end", state="made")
            (self.cwd / "x.png").unlink()
            reply = self.json("--resume")
        self.assertEqual([task["error"]["kind"] for task in reply["tasks"]], ["output"])
        self.assertIn("came inside an answer that is gone", reply["tasks"][0]["error"]["message"])
        self.assertEqual(len(gateway.of("sync")), 1)

    def test_sizes_of_newer_models(self) -> None:
        body = {**done(image_url="https://a/1"), "usage": {"output_width": 1728, "output_height": 1296}}
        result = wire.decode(body)
        self.assertEqual((result.width, result.height), (1728, 1296))

    def test_texts_that_only_look_like_pictures(self) -> None:
        for text in ("iVBORw0KGgo", "/9j/", "R0lGOD is a prefix", "UklGR", "data:", "data:image/png", "a cat", ""):
            body = {"output": {"choices": [{"message": {"content": [{"text": text}]}}]}}
            self.assertEqual(wire.decode(body).inline, {}, text)

    def test_huge_and_deep_answers_cost_little(self) -> None:
        deep: Any = "https://a/1.png"
        for _ in range(400):
            deep = {"x": [deep]}
        for body in (
            {"output": deep},
            {"output": {"x": "https://" + "a" * 1_000_000 + ".png"}},
            {"output": {"x": "https://a.png" + ".png" * 250_000}},
            {"output": {"ref_" + "_" * 200_000 + "!": "https://a/1.png"}},
            {"output": {"x": [f"https://a/{number}.png" for number in range(50_000)]}},
            {"output": {"x": "data:" + ";" * 1_000_000}},
            {"output": {"x": "/9j/" + "A" * 1_000_000}},
        ):
            began = time.thread_time()
            self.assertLessEqual(len(wire.decode(body).urls), results.MOST_LINKS)
            self.assertLess(time.thread_time() - began, 1.0)


class Ends(Through):
    """A task's own failure, and looks that say nothing about it."""

    FAILED = (
        ({"request_id": "r-1", "code": "InvalidParameter", "message": "num_images_per_prompt must be 1"}, "failed", "InvalidParameter"),
        ({"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}, "content", "DataInspectionFailed"),
        ({"code": "InternalError.Timeout", "message": "late", "output": None}, "failed", "InternalError.Timeout"),
        ({"code": "InternalError.Algo", "message": "x", "output": {}}, "failed", "InternalError.Algo"),
        ({"error": {"code": "InvalidParameter", "message": "no"}}, "failed", "InvalidParameter"),
        ({"output": {"task_status": "FAILED", "error_code": "InvalidImage", "error_message": "no face"}}, "failed", "InvalidImage"),
        ({"output": {"task_status": "FAILED", "error_message": "no face"}}, "failed", "FAILED"),
        ({"output": {"task_status": "FAILED", "code": "InternalError.Algo.DataInspectionFailed", "message": "x"}}, "content", "InternalError.Algo.DataInspectionFailed"),
    )  # fmt: skip

    def test_a_task_that_failed_ends_at_once_with_its_code(self) -> None:
        for body, kind, code in self.FAILED:
            for way in (("--task-id", "t-1"), ("--task-id", "t-1", "--poll-once")):
                with self.subTest(body=body, way=way), self.gateway(poll=body) as gateway:
                    error = self.json(*way, code=1)["error"]
                    self.assertEqual((error["kind"], error["code"], error["billed"]), (kind, code, "no"))
                    self.assertEqual(len(gateway.of("poll")), 1)

    def test_the_words_of_a_failed_task_are_told(self) -> None:
        for body, *_ in self.FAILED:
            with self.gateway(poll=body):
                error = self.json("--task-id", "t-1", code=1)["error"]
                words = str(body).rpartition("message': '")[2].partition("'")[0]
                self.assertIn(words, error["message"])

    def test_what_speaks_of_the_asking_says_nothing_about_the_task(self) -> None:
        for body in (
            Reply(400, {}, b'{"code": "InvalidParameter", "message": "no"}'),
            Reply(404, {}, b"<html>"),
            Reply(200, {}, b'{"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}'),
        ):
            with self.subTest(body=body), self.gateway(poll=[body, done(image_url="@/media/a.png")]):
                self.assertEqual(
                    self.saved(self.json("--task-id", "t-1", "--output", f"{time.monotonic_ns()}/")), [PNG]
                )

    def test_a_key_that_is_refused_inside_an_answer(self) -> None:
        with self.gateway(poll={"code": "InvalidApiKey", "message": "Invalid API-key provided."}):
            self.assertEqual(self.json("--task-id", "t-1", code=4)["error"]["code"], "InvalidApiKey")

    def test_a_submission_that_is_refused_with_500(self) -> None:
        for body, code, billed in (
            ({"code": "InternalError.Algo.DataInspectionFailed", "message": "x"}, 1, "no"),
            (
                {"code": "InternalError.Algo.InvalidParameter", "message": "Failed to download multimodal content"},
                1,
                "no",
            ),
            ({"error": {"type": "data_inspection_failed", "message": "x"}}, 1, "no"),
            ({"code": "InternalError.Algo", "message": "x"}, 6, "unknown"),
            ({"error": {"code": "internal_server_error", "message": "x"}}, 6, "unknown"),
        ):
            with self.subTest(body=body), self.gateway(sync=Reply(500, {}, json.dumps(body).encode())) as gateway:
                self.assertEqual(self.json("x", "--again", code=code)["error"]["billed"], billed)
                self.assertEqual(len(gateway.of("sync")), 1)

    # what a look answers after the refusal, words of the hint, billed, whether `next` collects it
    REFUSED_CANCELS = (
        ({"output": {"task_status": "RUNNING"}}, "goes on", "unknown", True),
        ({"output": {"task_status": "PENDING"}}, "goes on", "unknown", True),
        ({"output": {"task_status": "SUCCEEDED"}}, "finished and billed", "yes", True),
        ({"output": {"task_status": "FAILED", "code": "X"}}, "has failed", "no", False),
        ({"code": "InvalidParameter", "message": "no"}, "has failed", "no", False),
        ({"output": {"task_status": "UNKNOWN"}}, "has expired", "unknown", False),
        (Reply(500, {}, b""), "", "unknown", True),
    )

    def test_a_cancel_that_is_refused_says_what_became_of_the_task(self) -> None:
        refusal = Reply(400, {}, b'{"code": "UnsupportedOperation", "message": "Failed to cancel the task"}')
        for body, words, billed, has_next in self.REFUSED_CANCELS:
            with self.subTest(body=body), self.gateway(cancel=refusal, poll=body):
                reply = self.json("--cancel", "t-1", "--timeout", "100", code=1)
                self.assertIn(words, reply["error"]["hint"])
                self.assertEqual("goes on" in reply["error"]["hint"], words == "goes on")
                self.assertEqual((reply["error"]["billed"], "next" in reply), (billed, has_next))

    def test_a_404_without_json_blames_the_base_url(self) -> None:
        page = Reply(404, {"Content-Type": "text/html"}, b"<html>404</html>")
        with self.gateway(sync=page, cancel=page, poll=page):
            for argv in (("x", "--again"), ("--cancel", "t-1")):
                hint = self.json(*argv, code=1)["error"]["hint"]
                self.assertIn("DASHSCOPE_HTTP_BASE_URL", hint)
                self.assertNotIn("spelling", hint)


def packed(body: Any, encoding: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    return Reply(200, {"Content-Type": "application/json", "Content-Encoding": encoding}, pack(data))


ANSWER = {"output": {"results": [{"b64_json": B64}]}}


def in_pieces(data: bytes, size: int) -> Callable[[Request], Response]:
    """A network that hands over an answer a few bytes at a time."""
    pieces = iter([data[start : start + size] for start in range(0, len(data), size)])
    return lambda _: Response(200, {"content-encoding": "gzip"}, lambda _: next(pieces, b""))


class Compressed(Through):
    def test_answers_that_come_compressed(self) -> None:
        for encoding in ("gzip", "deflate"):
            with (
                self.subTest(encoding),
                self.gateway(sync=packed(ANSWER, encoding), poll=packed(done(image_url=B64), encoding)),
            ):
                self.assertEqual(self.saved(self.json("x", "--again", "--output", f"{encoding}/")), [PNG])
                self.assertEqual(self.saved(self.json("--task-id", "t-1", "--output", f"{encoding}2/")), [PNG])

    def test_in_whatever_pieces_they_come(self) -> None:
        whole = json.dumps(ANSWER).encode()
        for data in (whole, gzip.compress(whole), zlib.compress(whole)):
            for size in (1, 2, 3, 7):
                send = unpacking(in_pieces(data, size), "https://x")
                with self.subTest(begin=data[:2], size=size), send(Request("GET", "https://x/y", {})) as response:
                    self.assertEqual(response.read_all(10**6), whole)

    def test_a_refusal_that_comes_compressed(self) -> None:
        body = gzip.compress(b'{"code": "DataInspectionFailed", "message": "no"}')
        with self.gateway(sync=Reply(400, {"Content-Encoding": "gzip"}, body)):
            self.assertEqual(self.json("x", code=1)["error"]["kind"], "content")

    def test_what_is_damaged_or_swells_is_an_unknown_outcome(self) -> None:
        whole = gzip.compress(json.dumps(ANSWER).encode())
        for data in (
            whole[:-20],
            whole[:30] + b"\0" * 30 + whole[60:],
            b"no gzip at all",
            gzip.compress(bytes(100 * 2**20), 1),
        ):
            with (
                self.subTest(data=data[:20]),
                self.gateway(sync=Reply(200, {"Content-Encoding": "gzip"}, data)) as gateway,
            ):
                began = time.thread_time()
                self.assertEqual(self.json("x", "--again", code=6)["error"]["billed"], "unknown")
                self.assertLess(time.thread_time() - began, 5.0)
                self.assertEqual(len(gateway.of("sync")), 1)
