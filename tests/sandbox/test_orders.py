"""The stand-in's video routes: what it refuses at once, what it accepts and fails later, and how its answers look."""

from __future__ import annotations

from typing import Any

from qianwen.models.catalog import find
from qianwen.models.video_models import VIDEOS

from ..support import cases
from .test_standin import TASK, Http

SYNTHESIS = "/services/aigc/video-generation/video-synthesis"
FRAMES = "/services/aigc/image2video/video-synthesis"
URL = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"


def request(model: str, fields: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return {"model": model, "input": {"prompt": "x", **fields}, "parameters": parameters}


def frame(kind: str = "first_frame") -> dict[str, Any]:
    return {"media": [{"type": kind, "url": URL}]}


VACE = "wanx2.1-vace-plus"


class Refusals(Http):
    AT_ONCE: tuple[tuple[str, str, Any, dict[str, str], int, str], ...] = (
        ("no async header", SYNTHESIS, request("wan2.6-t2v", {}), {}, 403, "does not support synchronous calls"),
        ("kf2v on the usual path", SYNTHESIS, request("wan2.2-kf2v-flash", {"first_frame_url": URL}), TASK, 400, "url error"),
        ("t2v on the path of kf2v", FRAMES, request("wan2.6-t2v", {}), TASK, 400, "url error"),
        ("an unknown model", SYNTHESIS, request("wan9.9-t2v", {}), TASK, 400, "Model not exist."),
        ("img_url for wan2.7", SYNTHESIS, request("wan2.7-i2v", {"img_url": URL}), TASK, 400, "Field required: input.media"),
        ("media for wan2.6", SYNTHESIS, request("wan2.6-i2v", frame()), TASK, 400, "Field required: input.img_url"),
        ("no prompt", SYNTHESIS, {"model": "wan2.6-t2v", "input": {"negative_prompt": "x"}}, TASK, 400, "Field required: input.prompt"),
        ("no function", SYNTHESIS, request(VACE, {"video_url": CLIP}), TASK, 400, "function"),
        ("obj_or_bg of another length", SYNTHESIS, request(VACE, {"function": "image_reference", "ref_images_url": [URL, URL]}, obj_or_bg=["obj"]), TASK, 400,
         "ref_images_url and obj_or_bg must be the same length."),
    )  # fmt: skip
    LATE: tuple[tuple[str, str, Any, str], ...] = (
        ("a tier as size", SYNTHESIS, request("wan2.6-t2v", {}, size="720P"), "size must be in 1280*720"),
        ("a size outside", SYNTHESIS, request("wan2.6-t2v", {}, size="1280*721"), "size must be in 1280*720"),
        ("too long", SYNTHESIS, request("wan2.6-t2v", {}, duration=16), "Duration should be between 2 and 15"),
        ("a length of its own", SYNTHESIS, request("wan2.2-t2v-plus", {}, duration=8), "duration customization is not supported"),
        ("a tier in small letters", SYNTHESIS, request("wan2.7-t2v", {}, resolution="720p"), "Input should be '720P' or '1080P'"),
        ("a ratio outside", SYNTHESIS, request("wan2.7-t2v", {}, ratio="2:1"), "Input should be '16:9'"),
        ("a wrong type of item", SYNTHESIS, request("wan2.7-i2v", frame("picture")), "Input should be 'first_frame'"),
        ("an illegal combination", SYNTHESIS, request("wan2.7-i2v", frame("last_frame")), "specification: media"),
        ("a seed outside", SYNTHESIS, request("wan2.6-t2v", {}, seed=-1), "specification: seed"),
    )  # fmt: skip

    def test_what_is_refused_at_once(self) -> None:
        with self.standin() as standin:
            for name, path, body, headers, status, words in self.AT_ONCE:
                with self.subTest(name):
                    found, answer = self.ask("POST", path, body, headers)
                    self.assertEqual(found, status, answer)
                    self.assertIn(words, answer["message"])
        self.assertEqual(standin.tasks, {})

    def test_what_is_accepted_and_fails_later(self) -> None:
        with self.standin():
            for name, path, body, words in self.LATE:
                with self.subTest(name):
                    status, answer = self.ask("POST", path, body, TASK)
                    self.assertEqual(status, 200, answer)
                    _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
                    output = answer["output"]
                    self.assertEqual((output["task_status"], output["code"]), ("FAILED", "InvalidParameter"))
                    self.assertIn(words, output["message"])


class Answers(Http):
    USAGE: tuple[tuple[str, str, Any, set[str]], ...] = (
        ("wan2.7-t2v", SYNTHESIS, request("wan2.7-t2v", {}), {"duration", "input_video_duration", "output_video_duration", "video_count", "SR", "ratio"}),
        ("wan2.7-i2v", SYNTHESIS, request("wan2.7-i2v", frame()), {"duration", "input_video_duration", "output_video_duration", "video_count", "SR"}),
        ("wan2.6-t2v", SYNTHESIS, request("wan2.6-t2v", {}), {"duration", "size", "input_video_duration", "output_video_duration", "video_count", "SR"}),
        ("wan2.6-i2v-flash", SYNTHESIS, request("wan2.6-i2v-flash", {"img_url": URL}), {"duration", "input_video_duration", "output_video_duration", "video_count", "SR", "audio"}),
        ("wan2.5-t2v-preview", SYNTHESIS, request("wan2.5-t2v-preview", {}), {"video_duration", "video_ratio", "video_count"}),
        ("wan2.2-i2v-flash", SYNTHESIS, request("wan2.2-i2v-flash", {"img_url": URL}), {"duration", "SR", "video_count"}),
        ("vace", SYNTHESIS, request(VACE, {"function": "video_outpainting", "video_url": CLIP}), {"video_duration", "video_ratio", "video_count"}),
    )  # fmt: skip

    def test_usage_differs_by_generation(self) -> None:
        with self.standin():
            for name, path, body, fields in self.USAGE:
                with self.subTest(name):
                    _, answer = self.ask("POST", path, body, TASK)
                    _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
                    self.assertEqual(answer["output"]["task_status"], "SUCCEEDED", answer)
                    self.assertEqual(set(answer["usage"]), fields)
                    self.assertTrue(answer["output"]["video_url"].startswith("http://127.0.0.1:"))

    def test_every_golden_request_is_accepted(self) -> None:
        with self.standin() as standin:
            for name, case in cases("video_requests"):
                body = case["body"]
                found = find(VIDEOS, body["model"])
                if not (found and found.exact) or "oss://" in str(body):
                    continue  # the service would not know the model, or the file
                with self.subTest(name):
                    status, answer = self.ask("POST", case["path"], body, case["headers"])
                    self.assertEqual(status, 200, answer)
            self.assertTrue(all(task.order.late is None for task in standin.tasks.values()))
            self.assertGreater(len(standin.tasks), 100)
