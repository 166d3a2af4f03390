"""What version 2 of the official SDK brought, its command line and its `Client`, against the stand-in: what it sends, and
what comes back. Only calls that the pages allow; check_dashscope_sdk.py has the older interface.

Not part of the plain test command, because it needs the SDK:
`python -m unittest discover -s tests/crosscheck -p "check_dash*.py"` in an environment with the dev group.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)

from qianwen.files import media  # noqa: E402
from qianwen.sandbox import placeholder  # noqa: E402
from qianwen.sandbox.server import running  # noqa: E402

from tests.support import KEY, Clock, Recording, Sent  # noqa: E402

# The SDK's own annotations are loose; what it does at run time is what is checked here.
dashscope: Any = importlib.import_module("dashscope")
errors: Any = importlib.import_module("dashscope.v2.errors")

SYNC = "/services/aigc/multimodal-generation/generation"
ASYNC_M = "/services/aigc/image-generation/generation"
T2I = "/services/aigc/text2image/image-synthesis"
VIDEO = "/services/aigc/video-generation/video-synthesis"
FRAMES = "/services/aigc/image2video/video-synthesis"
WEB = "https://example.com/a.png"
OF_ITS_OWN = (
    "function",
    "extend_prompt",
)  # the command line writes them into every `input` of a video; no page has them


class Row(NamedTuple):
    """A request, and what the stand-in must have received for it; then the size of what must come back.

    asked: words of the command line, or arguments of the client. "FILE" is a local picture, which arrives as oss://.
    """

    model: str
    asked: Any
    path: str
    input: dict[str, Any]
    parameters: dict[str, Any]
    size: tuple[int, int]
    pictures: int = 1
    seconds: float = 0.0


def message(*pictures: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "x"}, *({"image": url} for url in pictures)]}]}


def items(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"prompt": "x", "media": [{"type": kind, "url": url} for kind, url in pairs]}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.picture = Path(holder.name) / "frame.png"
        self.picture.write_bytes(placeholder.png(1280, 720, "frame", []))

    @contextmanager
    def standin(self, delay: float = 0.0) -> Iterator[tuple[Recording, str]]:
        self.clock = Clock()
        recording = Recording(self.clock, delay)
        with running(recording) as base:
            yield recording, base

    def received(self, row: Row, sent: Sent) -> None:
        """A request is the row's, whatever name its upload got. The SDK writes null for some of what was not given."""
        self.assertEqual(sent.target, f"/api/v1{row.path}")
        body = json.loads(re.sub(r'oss://[^"]+', "FILE", json.dumps(sent.json)))
        given = {name: value for name, value in body["input"].items() if name not in OF_ITS_OWN}
        parameters = {name: value for name, value in body.get("parameters", {}).items() if value is not None}
        self.assertEqual((body["model"], given, parameters), (row.model, row.input, row.parameters))
        self.assertEqual(sent.headers.get("x-dashscope-async", ""), "" if row.path == SYNC else "enable")
        self.assertEqual("x-dashscope-ossresourceresolve" in sent.headers, "FILE" in json.dumps(body))

    def came(self, row: Row, urls: list[str], standin: Recording) -> None:
        self.assertEqual(len(urls), row.pictures, urls)
        for url in urls:
            with urllib.request.urlopen(url) as answer:
                data = answer.read()
            facts = media.probe_bytes(data)
            assert facts
            self.assertEqual(facts.type, "video/mp4" if row.seconds else "image/png")
            self.assertEqual((facts.width, facts.height), row.size)
            self.assertAlmostEqual(facts.seconds, row.seconds, delta=0.05)
            self.assertIn(data, [kept.data for kept in standin.storage.results.values()])


def links(told: str) -> list[str]:
    """The results that a text names, each once, in order."""
    return list(dict.fromkeys(re.findall(r'http://[^"\s]+/results/[^"\s]+', told)))


class CommandLine(Case):
    ROWS = (
        Row("wan2.2-t2i-flash", "image-synthesis create -p x -n 2 --size 768*1024 --negative-prompt fog", T2I,
            {"prompt": "x", "negative_prompt": "fog"}, {"n": 2, "size": "768*1024"}, (768, 1024), 2),
        Row("wan2.6-t2i", "image-generation create -t x -n 1 --size 1280*1280", SYNC,
            message(), {"n": 1, "size": "1280*1280"}, (1280, 1280)),
        Row("wan2.7-image", "image-generation create -t x -n 1 --size 1K", SYNC,
            message(), {"n": 1, "size": "1K"}, (1024, 1024)),
        Row("qwen-image-2.0", "multimodal-conversation create -t x", SYNC, message(), {}, (2048, 2048)),
        # This model chooses its size by the prompt; the stand-in always chooses the same.
        Row("qwen-image-3.0-pro", "multimodal-conversation create -t x", SYNC, message(), {}, (1024, 1024)),
        Row("wan2.6-t2v", "video-synthesis create -p x --size 720*1280 --duration 3 --seed 7 --no-watermark", VIDEO,
            {"prompt": "x"}, {"size": "720*1280", "duration": 3, "seed": 7, "watermark": False}, (720, 1280), seconds=3),
        Row("wan2.7-t2v", "video-synthesis create -p x --resolution 720P --ratio 1:1 --duration 2", VIDEO,
            {"prompt": "x"}, {"resolution": "720P", "ratio": "1:1", "duration": 2}, (960, 960), seconds=2),
        Row("wan2.6-i2v-flash", "video-synthesis create -p x --img-url FILE --resolution 720P --duration 2", VIDEO,
            {"prompt": "x", "img_url": "FILE"}, {"resolution": "720P", "duration": 2}, (1280, 720), seconds=2),
        Row("wan2.2-kf2v-flash", f"video-synthesis create -p x --first-frame-url {WEB} --last-frame-url {WEB} --resolution 480P", FRAMES,
            {"prompt": "x", "first_frame_url": WEB, "last_frame_url": WEB}, {"resolution": "480P"}, (848, 480), seconds=5),
        Row("happyhorse-1.1-t2v", "video-synthesis create -p x --resolution 720P --ratio 16:9", VIDEO,
            {"prompt": "x"}, {"resolution": "720P", "ratio": "16:9"}, (1280, 720), seconds=5),
    )  # fmt: skip
    WAN3 = (
        Row("wan3.0-video", "video-synthesis create -p x --resolution 720P --ratio 9:16 --duration 4", VIDEO,
            {"prompt": "x"}, {"resolution": "720P", "ratio": "9:16", "duration": 4}, (720, 1280), seconds=4),
    )  # fmt: skip

    def run_it(self, base: str, *argv: str, code: int = 0) -> str:
        env = {**os.environ, "DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": base, "COLUMNS": "5000"}
        command = [sys.executable, "-c", "from dashscope.cli import main; main()", *argv]
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
        return ran.stdout + ran.stderr

    def each(self, rows: tuple[Row, ...]) -> None:
        def run(row: Row) -> tuple[Recording, str]:
            with self.standin() as (standin, base):
                words = (f"file://{self.picture}" if word == "FILE" else word for word in row.asked.split())
                told = self.run_it(base, *words, "-m", row.model)
                (sent,) = standin.of("sync", "submit")
                self.received(row, sent)
                self.came(row, links(told), standin)
            return standin, told

        with ThreadPoolExecutor(3) as pool:
            for row, running_one in [(row, pool.submit(run, row)) for row in rows]:
                with self.subTest(row.model, asked=row.asked):
                    standin, _ = running_one.result()
                    uploads = [sent.target for sent in standin.of("policy", "upload")]
                    self.assertEqual(len(uploads), 2 * row.asked.count("FILE"), uploads)

    def test_every_command_that_makes_something(self) -> None:
        self.each(self.ROWS)

    def test_wan_3(self) -> None:
        self.each(self.WAN3)

    def test_a_task_from_submission_to_its_end(self) -> None:
        with self.standin(delay=1000) as (standin, base):
            client = dashscope.Client(api_key=KEY, base_url=base)
            first, second = (
                client.videos.jobs.create(model="wan2.6-t2v", prompt="x", size="1280*720") for _ in range(2)
            )
            self.assertIn("PENDING", self.run_it(base, "video-synthesis", "fetch", first.task_id))
            listed = self.run_it(base, "video-synthesis", "list", "--status", "PENDING", "--model-name", "wan2.6-t2v")
            self.assertIn(first.task_id, listed)
            self.assertIn(second.task_id, listed)
            self.run_it(base, "video-synthesis", "cancel", first.task_id)
            self.assertTrue(standin.tasks[first.task_id].canceled)
            self.assertIn("UnsupportedOperation", self.run_it(base, "video-synthesis", "cancel", first.task_id, code=3))
            standin.delay = 0
            urls = links(self.run_it(base, "video-synthesis", "wait", second.task_id))
            self.came(Row("", "", "", {}, {}, (1280, 720), seconds=5), urls, standin)

    def test_upload(self) -> None:
        with self.standin() as (standin, base):
            told = self.run_it(base, "oss", "upload", "-f", str(self.picture), "-m", "wan2.6-image")
        ((key, kept),) = standin.storage.uploads.items()
        self.assertIn(f"oss://{key}", told)
        self.assertEqual((kept.model, kept.bytes), ("wan2.6-image", self.picture.stat().st_size))

    def test_what_is_refused(self) -> None:
        with self.standin() as (standin, base):
            told = self.run_it(base, "video-synthesis", "create", "-m", "no-such-model", "-p", "x", code=1)
            self.assertIn("Model not exist.", told)
            self.assertEqual(standin.tasks, {})


class TheClient(Case):
    ROWS = (
        Row("wan2.2-t2i-flash", {"n": 2, "size": "1024x768", "negative_prompt": "fog"}, T2I,
            {"prompt": "x", "negative_prompt": "fog"}, {"n": 2, "size": "1024*768"}, (1024, 768), 2),
        Row("wan2.5-t2i-preview", {"n": 1, "size": "1280*1280", "prompt_extend": False}, T2I,
            {"prompt": "x"}, {"n": 1, "size": "1280*1280", "prompt_extend": False}, (1280, 1280)),
        Row("wan2.6-t2i", {"n": 2, "size": "1280*1280", "negative_prompt": "fog"}, SYNC,
            message(), {"n": 2, "size": "1280*1280", "negative_prompt": "fog"}, (1280, 1280), 2),
        Row("wan2.6-image", {"n": 1, "size": "1K", "image_urls": ["FILE"]}, SYNC,
            message("FILE"), {"n": 1, "size": "1K"}, (1712, 960)),
        Row("wan2.6-t2v", {"size": "1280*720", "duration": 3, "watermark": False}, VIDEO,
            {"prompt": "x"}, {"size": "1280*720", "duration": 3, "watermark": False}, (1280, 720), seconds=3),
        Row("wan2.6-i2v-flash", {"image_url": "FILE", "resolution": "720P", "duration": 2}, VIDEO,
            {"prompt": "x", "img_url": "FILE"}, {"resolution": "720P", "duration": 2}, (1280, 720), seconds=2),
        Row("wan2.7-i2v", {"image_url": "FILE", "resolution": "720P", "duration": 2}, VIDEO,
            items(("first_frame", "FILE")), {"resolution": "720P", "duration": 2}, (1280, 720), seconds=2),
        Row("wan2.7-t2v", {"resolution": "720P", "ratio": "3:4", "seed": 7}, VIDEO,
            {"prompt": "x"}, {"resolution": "720P", "ratio": "3:4", "seed": 7}, (832, 1104), seconds=5),
        Row("wan2.7-r2v", {"resolution": "720P", "ratio": "1:1", "media": [{"type": "reference_image", "url": WEB}]}, VIDEO,
            items(("reference_image", WEB)), {"resolution": "720P", "ratio": "1:1"}, (960, 960), seconds=5),
        Row("happyhorse-1.1-i2v", {"resolution": "720P", "media": [{"type": "first_frame", "url": "FILE"}]}, VIDEO,
            items(("first_frame", "FILE")), {"resolution": "720P"}, (1280, 720), seconds=5),
    )  # fmt: skip
    WAN3 = (
        Row("wan3.0-video", {"resolution": "720P", "ratio": "16:9", "duration": 2, "parameters": {"audio": False}}, VIDEO,
            {"prompt": "x"}, {"resolution": "720P", "ratio": "16:9", "duration": 2, "audio": False}, (1280, 720), seconds=2),
        Row("wan3.0-video", {"resolution": "720P", "ratio": "adaptive", "media": [{"type": "first_frame", "url": "FILE"}]}, VIDEO,
            items(("first_frame", "FILE")), {"resolution": "720P", "ratio": "adaptive"}, (1280, 720), seconds=5),
        Row("wan3.0-video-prime", {"resolution": "480P", "ratio": "1:1", "media": [{"type": "reference_image", "url": "FILE"}]}, VIDEO,
            items(("reference_image", "FILE")), {"resolution": "480P", "ratio": "1:1"}, (624, 624), seconds=5),
    )  # fmt: skip

    def each(self, rows: tuple[Row, ...]) -> None:
        for row in rows:
            with self.subTest(row.model), self.standin() as (standin, base):
                client = dashscope.Client(api_key=KEY, base_url=base)
                asked = json.loads(json.dumps(row.asked).replace('"FILE"', json.dumps(f"file://{self.picture}")))
                if row.seconds:
                    job = client.videos.generate(model=row.model, prompt="x", poll_interval=0.05, **asked)
                    urls = [job.video_url]
                else:
                    extra = {} if row.path == SYNC else {"poll_interval": 0.05}
                    job = client.images.generate(model=row.model, prompt="x", **extra, **asked)
                    urls = job.image_urls
                self.assertTrue(job.succeeded)
                (sent,) = standin.of("sync", "submit")
                self.received(row, sent)
                self.came(row, urls, standin)

    def test_everything_it_makes(self) -> None:
        self.each(self.ROWS)

    def test_wan_3(self) -> None:
        self.each(self.WAN3)

    def test_a_picture_as_a_task(self) -> None:
        with self.standin(delay=10) as (standin, base):
            client = dashscope.Client(api_key=KEY, base_url=base)
            job = client.images.jobs.create(model="wan2.6-t2i", prompt="x", n=1, size="1280*1280")
            row = Row("wan2.6-t2i", "", ASYNC_M, message(), {"n": 1, "size": "1280*1280"}, (1280, 1280))
            self.received(row, standin.of("submit")[0])
            states = [job.status]
            for _ in range(3):
                states.append(client.images.jobs.fetch(job.task_id).status)
                self.clock.sleep(5)
            self.assertEqual(states, ["PENDING", "PENDING", "RUNNING", "SUCCEEDED"])
            self.came(row, client.images.jobs.wait(job.task_id).image_urls, standin)

    def test_cancel(self) -> None:
        with self.standin(delay=10) as (standin, base):
            client = dashscope.Client(api_key=KEY, base_url=base)
            job = client.videos.jobs.create(model="wan2.6-t2v", prompt="x")
            client.videos.jobs.cancel(job.task_id)
            self.assertTrue(standin.tasks[job.task_id].canceled)
            self.assertEqual(client.videos.jobs.fetch(job.task_id).status, "CANCELED")
            with self.assertRaisesRegex(errors.DashScopeError, "PENDING status"):
                client.videos.jobs.cancel(job.task_id)

    def test_what_is_refused(self) -> None:
        with self.standin() as (_, base):
            client = dashscope.Client(api_key=KEY, base_url=base)
            for model, words in (("no-such-model", "Model not exist"), ("wan2.7-r2v", "Field required: input.media")):
                with self.assertRaisesRegex(errors.BadRequestError, words):
                    client.videos.generate(model=model, prompt="x")
            with self.assertRaisesRegex(errors.DashScopeError, "Duration should be between 2 and 15"):
                client.videos.generate(model="wan2.6-t2v", prompt="x", duration=99, poll_interval=0.05)

    def test_coroutines(self) -> None:
        async def run(base: str) -> Any:
            client = dashscope.AsyncClient(api_key=KEY, base_url=base)
            return await asyncio.gather(
                client.images.generate(model="wan2.6-t2i", prompt="x", n=1, size="1280*1280"),
                client.videos.generate(model="wan2.6-t2v", prompt="x", size="1280*720", poll_interval=0.05),
            )

        with self.standin() as (standin, base):
            picture, video = asyncio.run(run(base))
            self.came(Row("", "", "", {}, {}, (1280, 1280)), picture.image_urls, standin)
            self.came(Row("", "", "", {}, {}, (1280, 720), seconds=5), [video.video_url], standin)


if __name__ == "__main__":
    unittest.main()
