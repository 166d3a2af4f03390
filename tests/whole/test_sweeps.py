"""Seeded noise: whatever a user asks and whatever a server answers, a run ends with a documented exit code."""

from __future__ import annotations

import json
import random
import socket
from typing import Any, Callable

from qianwen.command.flags import EXIT_CODES
from qianwen.http.messages import Fault, Request, Response
from qianwen.models import image_models, video_models
from qianwen.models.catalog import Model

from .. import IS_SAMPLE
from ..peer import Peer, answering, peer
from ..support import PHOTO, Case, Ran, answer

SEED = 20261120
CODES = {code for code, _ in EXIT_CODES} - {70}


def fields_of(models: tuple[Model, ...]) -> list[str]:
    params = [param for model in models for mode in model.modes for param in mode.params]
    more = {"model", "mode", "media", "async", "timeout_s", "poll_interval_s", "parameters", "input", "foo"}
    return sorted({name for param in params for name in (param.name, *param.also)} | more)


TEXTS = (
    *(
        "16:9",
        "1:1",
        "1024*1024",
        "1K",
        "9999999*1",
        "0:5",
        "1:0",
        "x" * 3000,
        "猫" * 600,
        "expand",
        "<auto>",
        "-1",
        "nan",
        "",
    ),
    *(
        "oss://a",
        "https://x/y",
        "data:,",
        "file:///etc/passwd",
        "first_frame",
        "reference_video",
        "720p",
        "image_reference",
        "obj",
        "file://",
        "~",
        "~nobody/x",
        "\0",
        "\ud800",
        "C:\\a.png",
        "http://",
    ),
)
KEYS = (
    *(
        "output",
        "choices",
        "message",
        "content",
        "image",
        "text",
        "results",
        "video_url",
        "url",
        "code",
        "usage",
        "task_id",
        "task_status",
    ),
    *("request_id", "finish_reason", "size", "width", "height", "data"),
)
WORDS = (
    *("x", "SUCCEEDED", "FAILED", "PENDING", "UNKNOWN", "1024*1024", "\ud800", "\x1b[31m"),
    *(
        "first_frame",
        "reference_image",
        "720P",
        "https://a.aliyuncs.com/x.mp4",
        "https://a.aliyuncs.com/x.png",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
        "https://[::1",
    ),
)


def noise(generator: random.Random, keys: tuple[str, ...], texts: tuple[str, ...], depth: int = 0) -> Any:
    """A JSON value of no particular sense."""

    def more() -> Any:
        return noise(generator, keys, texts, depth + 1)

    kind = generator.randrange(12 if depth < 6 else 7)
    if kind < 3:
        return generator.choice((None, True, False, "", [], {}, 0, 1, -1))
    if kind == 3:
        return generator.randint(-(10 ** generator.randint(0, 30)), 10 ** generator.randint(0, 30))
    if kind == 4:
        return generator.random() * 10.0 ** generator.randint(-3, 300)
    if kind < 7:
        return generator.choice(texts)
    if kind < 9:
        return [more() for _ in range(generator.randint(0, 4))]
    return {generator.choice(keys): more() for _ in range(generator.randint(0, 5))}


class Sweeps(Case):
    def test_requests(self) -> None:
        for run, models in ((self.image, image_models.MODELS), (self.video, video_models.MODELS)):
            self.sweep(run, models)

    def sweep(self, run: Callable[..., Ran], rows: tuple[Model, ...]) -> None:
        generator = random.Random(SEED)
        models = [model.id for model in rows] + ["unknown", "wan9", "", "qwen-image-2.0-2026-03-03"]
        fields = fields_of(rows)
        seen = set()
        for number in range(100 if IS_SAMPLE else 600):
            request = {
                generator.choice(fields): noise(generator, ("hex", "ratio", "type", "url", "reference_voice"), TEXTS)
                for _ in range(generator.randint(0, 5))
            }
            if generator.random() < 0.8:
                request["prompt"] = generator.choice(("x", "猫"))
            if generator.random() < 0.7:
                request["model"] = generator.choice(models)
            ran = run("--request", json.dumps(request), "--dry-run", "--print-response")
            with self.subTest(number=number, request=ascii(request)[:200]):
                self.assertIn(ran.code, (0, 3), ascii(ran.stderr))
                self.assertEqual(ran.json["ok"], ran.code == 0)
            seen.add(ran.code)
        self.assertEqual(seen, {0, 3})

    def test_answers(self) -> None:
        generator = random.Random(SEED)
        commands = (
            ["x", "--again"],
            ["x", "--async", "--again"],
            ["x", "--async", "--submit-only", "--again"],
            ["x", "--set", "enable_interleave=true", "--set", "stream=true", "--again"],
            ["x", "--image", str(PHOTO), "--again"],
            ["--task-id", "t"],
            ["--task-id", "t", "--poll-once"],
            ["--cancel", "t"],
            ["--resume"],
            ["--tasks"],
        )
        seen = set()
        for number in range(150 if IS_SAMPLE else 900):
            self.env["QIANWEN_STATE_DIR"] = str(self.folder / f"state-{number // 10}")
            outcomes = [self.outcome(generator) for _ in range(12)]

            def send(_: Request, outcomes: list[Response | Fault] = outcomes) -> Response:
                outcome = outcomes.pop(0) if outcomes else Fault("the end", sent=True)
                if isinstance(outcome, Fault):
                    raise outcome
                return outcome

            argv = generator.choice(commands)
            program = self.video if number % 3 == 0 and "--set" not in argv and "--async" not in argv else self.image
            ran = program(*argv, "--print-response", send=send)
            with self.subTest(number=number, argv=argv):
                self.assertIn(ran.code, CODES, ascii(ran.stderr))
                self.assertEqual(ran.json["ok"], ran.code == 0)
            seen.add(ran.code)
        self.assertGreaterEqual(seen, {0, 1, 2, 4, 5, 6})

    def outcome(self, generator: random.Random) -> Response | Fault:
        chance = generator.random()
        if chance < 0.05:
            return Fault("noise", sent=generator.random() < 0.5)
        body = noise(generator, KEYS, WORDS)
        if chance < 0.15:
            body = {"output": {"task_id": "t", "task_status": "PENDING"}}
        elif chance < 0.4:
            content = noise(generator, KEYS, WORDS, 3)
            body = {
                "output": {
                    "choices": [{"message": {"content": content}}],
                    "task_status": noise(generator, KEYS, WORDS, 6),
                }
            }
        data = json.dumps(body).encode() if chance < 0.95 else generator.getrandbits(200).to_bytes(25, "big")
        return answer(data, generator.choice((200,) * 8 + (206, 302, 304, 400, 401, 403, 404, 429, 500, 502)))


TEMPLATE = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nETag: "a"\r\n\r\n%s',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
)
ANSWERS = (
    b'{"output": {"choices": [{"message": {"content": [{"image": "https://a.aliyuncs.com/x.png"}]}}]}}',
    b'{"output": {"task_id": "t-1", "task_status": "PENDING"}, "request_id": "r"}',
    b'{"output": {"task_id": "t-1", "task_status": "SUCCEEDED", "results": [{"url": "http://127.0.0.1:1/x"}]}}',
    b'{"code": "Throttling.RateQuota", "message": "slow down"}',
    b"\x89PNG\r\n\x1a\n",
)


class Bytes(Case):
    """Whatever bytes a server sends on a real socket, a run ends with a documented exit code, in JSON."""

    def test_mutated_answers(self) -> None:
        generator = random.Random(SEED)
        seen = set()
        for number in range(40 if IS_SAMPLE else 250):
            speaker = peer(*[self.speaking(generator) for _ in range(80)])
            self.env["QIANWEN_STATE_DIR"] = str(self.folder / f"bytes-{number}")
            with speaker.listening() as url:
                self.env["DASHSCOPE_HTTP_BASE_URL"] = url
                argv = generator.choice(
                    (["x"], ["x", "--async"], ["--task-id", "t"], ["--cancel", "t"], ["x", "--image", str(PHOTO)])
                )
                ran = self.image(*argv, "--print-response", "--timeout", "8")
            with self.subTest(number=number, argv=argv):
                self.assertIn(ran.code, CODES, ascii(ran.stderr))
                self.assertEqual(ran.json["ok"], ran.code == 0)
            seen.add(ran.code)
        self.assertGreaterEqual(len(seen), 4)

    def speaking(self, generator: random.Random) -> Callable[[Peer], Callable[[socket.socket], None]]:
        body = generator.choice(ANSWERS)
        data = bytearray(generator.choice(TEMPLATE) % (len(body), body))
        for _ in range(generator.choice((0, 1, 3, 20))):
            place = generator.randrange(len(data))
            kind = generator.randrange(4)
            if kind == 0:
                data[place] = generator.randrange(256)
            elif kind == 1:
                del data[place:]
            elif kind == 2:
                data[place:place] = data[: generator.randrange(60)]
            else:
                data[place:place] = bytes(generator.randrange(256) for _ in range(generator.randrange(9)))
            data = data or bytearray(b"\n")
        return answering(bytes(data))
