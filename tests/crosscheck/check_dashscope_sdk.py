"""The official `dashscope` SDK, unchanged, against scripts/sandbox.py: what shows that the stand-in is honest.

Not part of the plain test command, because it needs the SDK:
`python -m unittest discover -s tests/crosscheck -p "check_*.py"` in an environment with the dev group.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

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


class Sdk(unittest.TestCase):
    server: subprocess.Popen[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = subprocess.Popen(
            [sys.executable, str(SCRIPTS / "sandbox.py"), "--delay", "0.3"], stdout=subprocess.PIPE, text=True
        )
        assert cls.server.stdout
        name, _, base = cls.server.stdout.readline().strip().partition("=")
        assert name == "DASHSCOPE_HTTP_BASE_URL", name
        dashscope.base_http_api_url = base
        dashscope.api_key = "sk-any-key-will-do"

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.terminate()
        cls.server.wait()
        assert cls.server.stdout
        cls.server.stdout.close()

    def picture(self, url: str, width: int, height: int) -> None:
        with urllib.request.urlopen(url) as answer:
            facts = media.probe_bytes(answer.read())
        self.assertEqual(facts, media.Facts("image/png", width, height))

    def fine(self, response: Any) -> Any:
        self.assertEqual(response.status_code, HTTPStatus.OK, f"{response.code}: {response.message}")
        return response

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

    def clip(self, response: Any) -> None:
        self.assertEqual(self.fine(response).output.task_status, "SUCCEEDED", response)
        with urllib.request.urlopen(response.output.video_url) as answer:
            facts = media.probe_bytes(answer.read())
        assert facts
        self.assertEqual((facts.type, facts.width, facts.seconds), ("video/mp4", 1280, 5.0))

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

    def test_a_video_from_a_local_first_frame(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            frame = Path(folder) / "frame.png"
            frame.write_bytes(placeholder.png(640, 480, "frame", []))
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


if __name__ == "__main__":
    unittest.main()
