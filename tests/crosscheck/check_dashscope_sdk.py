"""The official `dashscope` SDK, unchanged, against scripts/sandbox.py: what shows that the stand-in is honest.

Not part of the plain test command, because it needs the SDK:
`python -m unittest discover -s tests/crosscheck -p "check_*.py"` in an environment with the dev group.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Iterator, Sequence

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PHOTO = Path(__file__).resolve().parents[1] / "data" / "photo.jpg"
sys.path.insert(0, str(SCRIPTS))

for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)

from qianwen import media  # noqa: E402
from qianwen.sandbox import placeholder  # noqa: E402

# The SDK's own annotations are loose; what it does at run time is what is checked here.
dashscope: Any = importlib.import_module("dashscope")
ImageSynthesis, MultiModalConversation = dashscope.ImageSynthesis, dashscope.MultiModalConversation
VideoSynthesis = dashscope.VideoSynthesis
ImageGeneration: Any = importlib.import_module("dashscope.aigc.image_generation").ImageGeneration
Message: Any = importlib.import_module("dashscope.api_entities.dashscope_response").Message


ImageGenerationModule: Any = importlib.import_module("dashscope.aigc.image_generation")
ImageSynthesisModule: Any = importlib.import_module("dashscope.aigc.image_synthesis")
VideoSynthesisModule: Any = importlib.import_module("dashscope.aigc.video_synthesis")
OssUtils: Any = importlib.import_module("dashscope.utils.oss_utils").OssUtils
errors: Any = importlib.import_module("dashscope.common.error")

KEY = "sk-any-key-will-do"


@contextmanager
def sandbox(*flags: str) -> Iterator[str]:
    """The program with these flags; the SDK talks to it for the length of the block."""
    command = [sys.executable, str(SCRIPTS / "sandbox.py"), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        name, _, base = server.stdout.readline().strip().partition("=")
        assert name == "DASHSCOPE_HTTP_BASE_URL", name
        before = dashscope.base_http_api_url, dashscope.api_key
        dashscope.base_http_api_url, dashscope.api_key = base, KEY
        try:
            yield base
        finally:
            dashscope.base_http_api_url, dashscope.api_key = before
            server.terminate()


class Sdk(unittest.TestCase):
    FLAGS: tuple[str, ...] = ("--delay", "0.3")

    def setUp(self) -> None:
        context = sandbox(*self.FLAGS)
        self.base = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def fine(self, response: Any) -> Any:
        self.assertEqual(response.status_code, HTTPStatus.OK, f"{response.code}: {response.message}")
        return response

    def facts(self, url: str) -> media.Facts:
        with urllib.request.urlopen(url) as answer:
            found = media.probe_bytes(answer.read())
        assert found
        return found

    def picture(self, url: str, width: int, height: int) -> None:
        self.assertEqual(self.facts(url), media.Facts("image/png", width, height))

    def clip(self, response: Any, width: int = 1280, height: int = 720, seconds: float = 5.0) -> None:
        self.assertEqual(self.fine(response).output.task_status, "SUCCEEDED", response)
        found = self.facts(response.output.video_url)
        self.assertEqual((found.type, found.width, found.height), ("video/mp4", width, height))
        self.assertAlmostEqual(found.seconds, seconds, delta=0.05)

    def file(self, name: str) -> str:
        """A local file of the kind that its name says, as the SDK wants it."""
        path = self.folder / name
        if name.endswith(".png"):
            path.write_bytes(placeholder.png(800, 600, "frame", [name]))
        elif name.endswith(".mp4"):
            path.write_bytes(placeholder.clip(800, 600, 3.0))
        else:
            with wave.open(str(path), "wb") as stream:
                stream.setparams((1, 2, 8000, 0, "NONE", ""))
                stream.writeframes(bytes(16000 * 4))
        return f"file://{path}"


def at_once(call: Any, rows: Sequence[tuple[Any, ...]], **more: Any) -> Iterator[tuple[Any, Any]]:
    """Each row, (model, arguments, …), with what the call answers; all calls run at the same time."""
    with ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(call, model=row[0], **{**more, **row[1]}) for row in rows]
        yield from ((row, answer.result()) for row, answer in zip(rows, calls))


def said(text: str, *pictures: str) -> list[Any]:
    return [Message(role="user", content=[{"text": text}, *({"image": picture} for picture in pictures)])]


class Images(Sdk):
    def test_a_synchronous_image(self) -> None:
        response = self.fine(
            MultiModalConversation.call(
                model="qwen-image-2.0-pro",
                messages=[{"role": "user", "content": [{"text": "a poster"}]}],
                result_format="message",
                stream=False,
                watermark=False,
                prompt_extend=True,
                negative_prompt="blurry",
                size="2048*2048",
            )
        )
        self.picture(response.output.choices[0].message.content[0]["image"], 2048, 2048)
        self.assertEqual((response.usage["width"], response.usage["image_count"]), (2048, 1))

    def test_a_synchronous_image_of_wan(self) -> None:
        message = Message(role="user", content=[{"text": "a lighthouse"}])
        response = self.fine(ImageGeneration.call(model="wan2.6-t2i", messages=[message], n=2, size="1280*1280"))
        self.assertEqual(len(response.output.choices), 2)
        self.picture(response.output.choices[1].message.content[0]["image"], 1280, 1280)

    def test_an_asynchronous_image(self) -> None:
        response = self.fine(
            ImageSynthesis.call(
                model="wan2.2-t2i-flash", prompt="a lighthouse", n=2, size="1024*1024", negative_prompt="fog"
            )
        )
        self.assertEqual(response.output.task_status, "SUCCEEDED")
        self.assertEqual(len(response.output.results), 2)
        self.picture(response.output.results[0].url, 1024, 1024)

    def test_submit_fetch_wait_list_cancel(self) -> None:
        task = self.fine(ImageSynthesis.async_call(model="wan2.5-t2i-preview", prompt="x", n=1, size="1280*1280"))
        self.assertEqual(task.output.task_status, "PENDING")
        self.assertIn(self.fine(ImageSynthesis.fetch(task)).output.task_status, ("PENDING", "RUNNING"))
        listed = self.fine(ImageSynthesis.list(model_name="wan2.5-t2i-preview"))
        self.assertIn(task.output.task_id, str(listed.output))
        self.assertEqual(self.fine(ImageSynthesis.wait(task)).output.task_status, "SUCCEEDED")
        refused = ImageSynthesis.cancel(task)
        self.assertEqual((refused.status_code, refused.code), (400, "UnsupportedOperation"))

    def test_an_asynchronous_image_of_wan_with_messages(self) -> None:
        message = Message(role="user", content=[{"text": "a lighthouse"}])
        task = self.fine(ImageGeneration.async_call(model="wan2.7-image", messages=[message], n=1, size="2K"))
        response = self.fine(ImageGeneration.wait(task=task))
        self.picture(response.output.choices[0].message.content[0]["image"], 2048, 2048)

    def test_a_reference_picture_from_a_local_file(self) -> None:
        message = Message(role="user", content=[{"text": "make it watercolor"}, {"image": f"file://{PHOTO}"}])
        response = self.fine(ImageGeneration.call(model="wan2.6-image", messages=[message], n=1, size="1K"))
        self.assertIn("image", response.output.choices[0].message.content[0])

    def test_a_reference_picture_for_an_asynchronous_edit(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "other.jpg"
            copy.write_bytes(PHOTO.read_bytes())
            response = self.fine(
                ImageSynthesis.call(
                    model="wan2.5-i2i-preview", prompt="x", images=[f"file://{PHOTO}", f"file://{copy}"], n=1
                )
            )
        self.assertEqual(response.output.task_status, "SUCCEEDED")

    def test_a_stream_of_texts_and_pictures(self) -> None:
        message = Message(role="user", content=[{"text": "fold a crane"}])
        frames = list(
            ImageGeneration.call(
                model="wan2.6-image",
                messages=[message],
                stream=True,
                enable_interleave=True,
                max_images=2,
                size="1280*1280",
            )
        )
        items = [
            item for frame in frames for choice in self.fine(frame).output.choices for item in choice.message.content
        ]
        self.assertEqual(sum("image" in item for item in items), 2)

    def test_every_family_of_pictures(self) -> None:
        photo = f"file://{PHOTO}"
        for model, content, more, count in (
            ("wan2.7-image-pro", said("x"), {"size": "1K", "n": 2}, 2),
            ("wan2.7-image-pro", said("x"), {"enable_sequential": True, "n": 3, "size": "1K"}, 3),
            ("wan2.7-image", said("x", photo), {"size": "1K", "bbox_list": [[[1, 2, 30, 40]]]}, 1),
            ("wan2.6-image", said("x", photo), {"size": "1K", "n": 2}, 2),
        ):
            with self.subTest(model, **more):
                response = self.fine(ImageGeneration.call(model=model, messages=content, **more))
                items = [item for choice in response.output.choices for item in choice.message.content]
                self.assertEqual(sum("image" in item for item in items), count)
        for name, items, size in (
            ("qwen-image-edit", [{"text": "x"}, {"image": photo}], None),
            ("qwen-image-edit-plus", [{"text": "x"}, {"image": photo}], "1024*1024"),
            ("qwen-image-max", [{"text": "x"}], "1328*1328"),
            ("z-image-turbo", [{"text": "x"}], "1024*1024"),
        ):
            with self.subTest(name):
                messages = [{"role": "user", "content": items}]
                response = self.fine(MultiModalConversation.call(model=name, messages=messages, size=size))
                self.assertIn("image", response.output.choices[0].message.content[0])

    def test_every_older_way_to_ask(self) -> None:
        base, mask = self.file("base.png"), self.file("mask.png")
        edit, masked = "wanx2.1-imageedit", {"base_image_url": base, "mask_image_url": mask}
        rows: tuple[tuple[str, dict[str, Any]], ...] = (
            ("wan2.5-t2i-preview", {"size": "1280*1280"}),
            ("wanx2.1-t2i-turbo", {"size": "1024*1024"}),
            ("wanx2.0-t2i-turbo", {"size": "1024*1024"}),
            ("qwen-image-plus", {"size": "1328*1328", "negative_prompt": "fog"}),
            ("wanx-v1", {"size": "720*1280", "style": "<anime>", "ref_img": base}),
            ("wan2.5-i2i-preview", {"images": [base, mask]}),
            (edit, {"base_image_url": base, "function": "colorization"}),
            (edit, {**masked, "function": "description_edit_with_mask"}),
        )
        for (model, more), response in at_once(ImageSynthesis.call, rows, prompt="x", n=1):
            with self.subTest(model, **more):
                self.assertEqual(self.fine(response).output.task_status, "SUCCEEDED", response)
                self.facts(response.output.results[0].url)

    def test_the_upload_helper(self) -> None:
        given = self.fine(OssUtils.get_upload_certificate(model="qwen-image-2.0")).output
        self.assertEqual(given["max_file_size_mb"], 1024)
        url, again = OssUtils.upload(model="qwen-image-2.0", file_path=str(PHOTO), upload_certificate=given)
        self.assertEqual((url, again), (f"oss://{given['upload_dir']}/{PHOTO.name}", given))
        with self.assertRaisesRegex(errors.UploadFileException, "FileAlreadyExists"):
            OssUtils.upload(model="qwen-image-2.0", file_path=str(PHOTO), upload_certificate=given)
        with self.assertRaisesRegex(errors.UploadFileException, "Policy Condition failed"):
            OssUtils.upload(model="x", file_path=str(PHOTO), upload_certificate={**given, "upload_dir": "elsewhere"})
        messages = [{"role": "user", "content": [{"text": "x"}, {"image": url}]}]
        self.fine(MultiModalConversation.call(model="qwen-image-2.0", messages=messages))
        refused = MultiModalConversation.call(model="qwen-image-edit", messages=messages)
        self.assertEqual((refused.status_code, refused.code), (400, "InvalidParameter.DataInspection"))

    def test_the_coroutines(self) -> None:
        async def run() -> None:
            many = await asyncio.gather(
                ImageSynthesisModule.AioImageSynthesis.call(model="wan2.2-t2i-flash", prompt="x", n=1),
                ImageGenerationModule.AioImageGeneration.call(model="wan2.6-t2i", messages=said("x"), n=1),
                VideoSynthesisModule.AioVideoSynthesis.call(model="wan2.6-t2v", prompt="x", size="1280*720"),
            )
            for response in many:
                self.fine(response)
            self.clip(many[2])
            task = await VideoSynthesisModule.AioVideoSynthesis.async_call(model="wan2.6-t2v", prompt="x")
            for _ in range(2):
                self.fine(await VideoSynthesisModule.AioVideoSynthesis.fetch(task))
            self.fine(await VideoSynthesisModule.AioVideoSynthesis.list())

        asyncio.run(run())


class Videos(Sdk):
    def test_a_video_from_text(self) -> None:
        response = VideoSynthesis.call(
            model="wan2.6-t2v",
            prompt="a paper boat",
            size="1280*720",
            duration=5,
            shot_type="multi",
            prompt_extend=True,
        )
        self.clip(response)
        self.assertEqual((response.usage.duration, response.usage.video_count), (5, 1))

    def test_every_way_to_make_one(self) -> None:
        frame, last, clip, sound = map(self.file, ("frame.png", "last.png", "clip.mp4", "voice.wav"))
        tier, tall = {"resolution": "720P"}, (1104, 832)  # of a picture of 4:3

        def items(*pairs: tuple[str, str], **more: str) -> dict[str, Any]:
            return {"media": [{"type": kind, "url": url, **more} for kind, url in pairs]}

        rows: tuple[tuple[str, dict[str, Any], tuple[int, int], int], ...] = (
            ("wan2.7-t2v", {**tier, "ratio": "3:4", "duration": 9, "audio_url": sound}, (832, 1104), 9),
            ("wan2.5-t2v-preview", {"size": "832*480", "duration": 10}, (832, 480), 10),
            ("wan2.2-t2v-plus", {"size": "480*832"}, (480, 832), 5),
            ("happyhorse-1.0-t2v", {**tier, "ratio": "1:1", "duration": 3}, (960, 960), 3),
            ("wan2.6-i2v-flash", {**tier, "img_url": frame, "audio_url": sound, "duration": 2}, tall, 2),
            ("wan2.2-i2v-flash", {**tier, "img_url": frame}, tall, 5),
            ("wanx2.1-i2v-turbo", {**tier, "img_url": frame, "template": "flying", "duration": 4}, tall, 4),
            ("wan2.7-i2v", {**tier, **items(("last_frame", last), ("first_frame", frame)), "duration": 15}, tall, 15),
            ("wan2.7-i2v", {**tier, **items(("first_frame", frame), ("driving_audio", sound))}, tall, 5),
            ("wan2.7-i2v", {**tier, **items(("first_clip", clip)), "duration": 8}, tall, 8),
            ("happyhorse-1.1-i2v", {**tier, **items(("first_frame", frame))}, tall, 5),
            ("wan2.2-kf2v-flash", {**tier, "first_frame_url": frame, "last_frame_url": last}, tall, 5),
            ("wanx2.1-kf2v-plus", {**tier, "first_frame_url": frame, "template": "mech1"}, tall, 5),
            ("wan2.6-r2v-flash", {"reference_urls": [frame, clip], "size": "1088*832", "shot_type": "multi"}, (1088, 832), 5),
            ("wan2.7-r2v", {**tier, "ratio": "16:9", **items(("reference_image", frame), reference_voice=sound)}, (1280, 720), 5),
            ("happyhorse-1.0-r2v", {**tier, "ratio": "16:9", **items(("reference_image", frame))}, (1280, 720), 5),
            ("wan2.7-videoedit", {**tier, **items(("video", clip), ("reference_image", frame)), "audio_setting": "origin"}, tall, 3),
            ("happyhorse-1.0-video-edit", {**tier, **items(("video", clip)), "audio_setting": "auto"}, tall, 3),
        )  # fmt: skip
        for (model, more, size, seconds), response in at_once(VideoSynthesis.call, rows, prompt="Image 1 character1"):
            with self.subTest(model, **more):
                self.clip(response, size[0], size[1], seconds)

    def test_every_function_of_vace(self) -> None:
        model = "wanx2.1-vace-plus"
        web, clip = "https://example.com/a.png", "https://example.com/a.mp4"
        functions: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
            ("image_reference", {"ref_images_url": [web, web]}, {"obj_or_bg": ["obj", "bg"], "size": "1280*720"}),
            ("video_repainting", {"video_url": clip}, {"control_condition": "depth", "strength": 0.8}),
            ("video_edit", {"video_url": clip, "mask_image_url": web, "mask_frame_id": 1}, {"mask_type": "tracking"}),
            ("video_extension", {"first_clip_url": clip}, {}),
            ("video_outpainting", {"video_url": clip}, {"top_scale": 1.5}),
        )
        rows = [(model, {**more, "extra_input": {"function": name, **given}}) for name, given, more in functions]
        for (_, more), response in at_once(VideoSynthesis.call, rows, prompt="x", prompt_extend=False):
            with self.subTest(**more):
                self.clip(response)

    def test_a_video_from_a_local_first_frame(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            frame = Path(folder) / "frame.png"
            frame.write_bytes(placeholder.png(640, 360, "frame", []))
            self.clip(
                VideoSynthesis.call(
                    model="wan2.6-i2v-flash",
                    prompt="it moves",
                    img_url=f"file://{frame}",
                    resolution="720P",
                    duration=5,
                )
            )
            self.clip(
                VideoSynthesis.call(
                    model="wan2.2-kf2v-flash",
                    prompt="from here to there",
                    first_frame_url=f"file://{frame}",
                    last_frame_url=f"file://{frame}",
                    resolution="720P",
                )
            )

    def test_a_video_by_the_media_array(self) -> None:
        media_items = [{"type": "first_frame", "url": "https://example.com/a.png"}]
        self.clip(VideoSynthesis.call(model="wan2.7-i2v", prompt="x", media=media_items, resolution="720P", duration=5))

    def test_a_video_task_is_submitted_fetched_and_waited_for(self) -> None:
        task = self.fine(VideoSynthesis.async_call(model="wan2.6-t2v", prompt="x", size="1280*720"))
        self.assertIn(self.fine(VideoSynthesis.fetch(task)).output.task_status, ("PENDING", "RUNNING"))
        self.clip(VideoSynthesis.wait(task))

    def test_a_video_that_fails_late(self) -> None:
        response = VideoSynthesis.call(model="wan2.6-t2v", prompt="x", size="720P")
        self.assertEqual((response.status_code, response.output.task_status), (HTTPStatus.OK, "FAILED"))
        self.assertIn("size must be in 1280*720", str(response.output))

    def test_what_the_service_refuses(self) -> None:
        message = [{"role": "user", "content": [{"text": "x"}]}]
        refused = MultiModalConversation.call(model="qwen-image-max", messages=message, n=2, result_format="message")
        self.assertEqual((refused.status_code, refused.message), (400, "num_images_per_prompt must be 1"))
        refused = MultiModalConversation.call(model="no-such-model", messages=message)
        self.assertEqual((refused.status_code, refused.message), (400, "Model not exist."))


def started() -> Iterator[tuple[str, Any, Any]]:
    """A task of each class that has them: (model, class, the answer to its submission)."""
    yield "wan2.2-t2i-flash", ImageSynthesis, ImageSynthesis.async_call(model="wan2.2-t2i-flash", prompt="x", n=1)
    yield "wan2.7-image", ImageGeneration, ImageGeneration.async_call(model="wan2.7-image", messages=said("x"), n=1)
    yield "wan2.6-t2v", VideoSynthesis, VideoSynthesis.async_call(model="wan2.6-t2v", prompt="x")


class Slow(Sdk):
    FLAGS = ("--delay", "1000")

    def test_cancel_while_it_waits(self) -> None:
        for model, kind, task in started():
            with self.subTest(model):
                self.assertEqual(self.fine(task).output.task_status, "PENDING")
                self.fine(kind.cancel(task))
                self.assertEqual(self.fine(kind.wait(task)).output.task_status, "CANCELED")
                refused = kind.cancel(task.output.task_id)
                self.assertEqual((refused.status_code, refused.code), (400, "UnsupportedOperation"))
                self.assertIn("PENDING status", refused.message)

    def test_list_by_model_by_state_and_by_page(self) -> None:
        tasks = [(model, kind, task.output.task_id) for _ in range(3) for model, kind, task in started()]
        for model, kind, task_id in tasks:
            found = self.fine(kind.list(model_name=model)).output
            self.assertEqual(found["total"], 3)
            self.assertIn(task_id, [entry["task_id"] for entry in found["data"]])
        page = self.fine(VideoSynthesis.list(page_no=2, page_size=4)).output
        self.assertEqual((page["total"], page["total_page"], page["page_no"], len(page["data"])), (9, 3, 2, 4))
        self.fine(VideoSynthesis.cancel(tasks[-1][2]))
        for state, count in (("CANCELED", 1), ("PENDING", 8), ("SUCCEEDED", 0)):
            self.assertEqual(self.fine(VideoSynthesis.list(status=state)).output["total"], count)
        none = VideoSynthesis.list(start_time="20200101000000", end_time="20200102000000")
        self.assertEqual(self.fine(none).output["total"], 0)

    def test_a_wait_that_ends_first(self) -> None:
        task = VideoSynthesis.async_call(model="wan2.6-t2v", prompt="x")
        given_up = VideoSynthesis.wait(task, wait_timeout=1)
        self.assertEqual((given_up.status_code, given_up.code), (408, "WaitTaskTimeout"))
        self.assertEqual(self.fine(VideoSynthesis.fetch(task)).output.task_status, "PENDING")


class FastTime(Sdk):
    FLAGS = ("--delay", "600", "--time-scale", "600")

    def test_ten_minutes_in_a_second(self) -> None:
        task = VideoSynthesis.async_call(model="wan2.6-t2v", prompt="x", size="1280*720")
        self.clip(VideoSynthesis.wait(task, wait_timeout=20))


class Failures(unittest.TestCase):
    def call(self) -> Any:
        return ImageSynthesis.call(model="wan2.2-t2i-flash", prompt="x", n=2)

    def test_how_the_sdk_sees_each(self) -> None:
        for flag, status, code in (
            ("submit=429:Throttling.RateQuota:slow down", 429, "Throttling.RateQuota"),
            ("submit=401:InvalidApiKey:no", 401, "InvalidApiKey"),
            ("submit=403:AccessDenied.Unpurchased:no", 403, "AccessDenied.Unpurchased"),
            ("submit=500", 500, "InternalError"),
        ):
            with self.subTest(flag), sandbox("--fault", flag):
                response = ImageSynthesis.async_call(model="wan2.2-t2i-flash", prompt="x")
                self.assertEqual((response.status_code, response.code), (status, code))
                with self.assertRaisesRegex(errors.InvalidTask, code):
                    self.call()

    def test_polls_that_fail_twice(self) -> None:
        with sandbox("--fault", "poll=503*2"):
            self.assertEqual(self.call().output.task_status, "SUCCEEDED")

    def test_how_tasks_end(self) -> None:
        with sandbox("--fault", "task=fail:DataInspectionFailed:no*1", "--fault", "task=unknown*1", "--fault", "task=partial:X:y*1"):  # fmt: skip
            failed, unknown, partial, whole = (self.call().output for _ in range(4))
        self.assertEqual((failed.task_status, failed.code, failed.message), ("FAILED", "DataInspectionFailed", "no"))
        self.assertEqual(failed.task_metrics["FAILED"], 2)
        self.assertEqual(unknown.task_status, "UNKNOWN")
        self.assertEqual(partial.task_status, "SUCCEEDED")
        self.assertEqual((partial.results[1]["code"], partial.task_metrics["SUCCEEDED"]), ("X", 1))
        self.assertEqual(len(whole.results), 2)

    def test_a_stream_that_fails_on_its_way(self) -> None:
        with sandbox("--fault", "task=fail:InternalError.Algo:broken*1"):
            frames = list(
                ImageGeneration.call(
                    model="wan2.6-image", messages=said("x"), stream=True, enable_interleave=True, max_images=2
                )
            )
        self.assertEqual(frames[0].status_code, HTTPStatus.OK)
        self.assertEqual((frames[-1].status_code, frames[-1].code), (400, "InternalError.Algo"))

    def test_a_connection_that_breaks(self) -> None:
        for flag in ("submit=drop", "submit=lose", "poll=cut"):
            with self.subTest(flag), sandbox("--fault", flag), self.assertRaises(OSError):
                self.call()  # what the SDK raises is a kind of OSError

    def test_no_key(self) -> None:
        with sandbox() as base:
            dashscope.api_key = " "
            response = VideoSynthesis.async_call(model="wan2.6-t2v", prompt="x")
            self.assertEqual((response.status_code, response.code), (401, "InvalidApiKey"), base)


class CommandLine(Sdk):
    """The SDK's own program."""

    def run_it(self, *argv: str) -> str:
        env = {**os.environ, "DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": self.base, "COLUMNS": "500"}
        code = "from dashscope.cli import main; main()"
        ran = subprocess.run([sys.executable, "-c", code, *argv], env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout

    def test_upload(self) -> None:
        self.assertIn("oss://dashscope-instant/", self.run_it("oss", "upload", "-f", str(PHOTO), "-m", "wan2.6-image"))


if __name__ == "__main__":
    unittest.main()
