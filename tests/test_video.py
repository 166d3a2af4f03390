"""Whole runs of video.py through real sockets: modes, uploads, waiting, what is saved and what is remembered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from qianwen import ledger
from qianwen.models.video_models import VIDEOS

from .support import KEY, Case, Script, answer

FRAME = "https://example.com/a.png"


class Results(Case):
    def test_a_video_and_the_reply_beside_it(self) -> None:
        with self.standin(delay=40):
            ran = self.video("A paper boat", "--output", "boat.mp4", "--print-response")
        reply = ran.json
        self.assertEqual(reply["local_path"], str(self.cwd / "boat.mp4"))
        self.assertEqual(reply["response_path"], str(self.cwd / "boat.json"))
        self.assertEqual((reply["width"], reply["height"], reply["duration"]), (1280, 720, 5.0))
        self.assertEqual(reply["files"][0]["media_type"], "video/mp4")
        self.assertEqual(reply["video_url"], reply["output"]["video_url"])
        self.assertEqual(reply["usage"]["duration"], 5)
        kept = json.loads((self.cwd / "boat.json").read_text(encoding="utf-8"))
        self.assertEqual(
            {name: kept[name] for name in ("request_id", "output", "usage")},
            {name: reply[name] for name in ("request_id", "output", "usage")},
        )
        self.assertNotIn("image_url", reply)
        self.assertRegex(ran.stderr, r"status=RUNNING \(usually 1 to 3 minutes")

    def test_default_names_and_nothing_is_replaced(self) -> None:
        with self.standin():
            first = self.video("A paper boat").stdout.strip()
            second = self.video("A paper boat").stdout.strip()
        self.assertRegex(first, r"/output/qianwen-video-generation/\d{8}-\d{6}-a-paper-boat\.mp4$")
        self.assertNotEqual(first, second)
        names = sorted(path.name for path in Path(first).parent.iterdir())
        self.assertEqual(len(names), 4)
        (self.cwd / "boat.json").write_text("precious")
        with self.standin():
            reply = self.video_json("A paper boat", "--output", "boat.mp4")
        self.assertEqual(Path(reply["response_path"]).name, "boat-2.json")

    def test_a_download_that_fails_is_exit_7_with_the_url(self) -> None:
        with self.standin(faults=["result=404:NoSuchKey"]) as standin:
            reply = self.video_json("x", code=7)
            (task_id,) = standin.tasks
        self.assertEqual((reply["error"]["billed"], reply["local_path"]), ("yes", None))
        self.assertTrue(reply["video_url"].startswith("http"))
        self.assertIn(f"video.py --task-id {task_id}", reply["next"])

    def test_older_layouts_of_an_answer(self) -> None:
        done = {
            "output": {"task_id": "t", "task_status": "SUCCEEDED", "results": [{"url": "https://x.aliyuncs.com/a.mp4"}]}
        }
        reply = self.video_json("--task-id", "t", code=7, send=Script(answer(done), *[answer(b"", 404)] * 9))
        self.assertEqual(reply["video_url"], "https://x.aliyuncs.com/a.mp4")

    def test_success_without_a_video(self) -> None:
        done = {"output": {"task_id": "t", "task_status": "SUCCEEDED"}}
        reply = self.video_json("--task-id", "t", code=1, send=Script(done))
        self.assertIn("holds no video", reply["error"]["message"])

    def test_what_is_billed_at_most(self) -> None:
        self.clip("clip.mp4")
        for argv, seconds in (
            (["x"], 5),
            (["x", "--duration", "9"], 9),
            (["x", "--model", "wan2.2-t2v-plus"], 5),
            (["x", "--video", "clip.mp4"], 15),
            (["x", "--video", "clip.mp4", "--duration", "3"], 8),
            (["x", "--video", "https://example.com/clip.mp4"], 20),
            (["Image 1", "--model", "wan2.7-r2v", "--reference", FRAME], 5),
            (["Video 1", "--model", "wan2.7-r2v", "--reference", "clip.mp4"], 10),
            (["character1", "--reference", "https://example.com/clip.mp4"], 35),
            (["x", "--model", "happyhorse-1.0-video-edit", "--video", "clip.mp4"], 20),
        ):
            with self.subTest(argv):
                bills = self.video_json(*argv, "--dry-run")["bills"]
                self.assertEqual(bills, {"unit": "second", "at_most": seconds})


class Files(Case):
    def test_every_local_file_is_uploaded_for_its_model(self) -> None:
        self.clip("clip.mp4")
        self.sound("voice.wav")
        self.picture("cat.png")
        media = [
            {"type": "reference_image", "url": "cat.png", "reference_voice": "voice.wav"},
            {"type": "reference_video", "url": "clip.mp4"},
        ]
        request = json.dumps({"prompt": "Image 1 meets Video 1", "media": media})
        with self.standin() as standin:
            self.video_json("--request", request)
        (sent,) = standin.of("submit")
        found = re.findall(r"oss://[^\"]+", sent.body.decode())
        self.assertEqual([Path(url).suffix for url in found], [".png", ".wav", ".mp4"])
        self.assertEqual(sent.headers["x-dashscope-ossresourceresolve"], "enable")
        self.assertEqual({policy.target.rpartition("=")[2] for policy in standin.of("policy")}, {"wan2.7-r2v"})
        self.assertEqual(sent.json["input"]["media"][0]["type"], "reference_image")

    def test_a_small_picture_for_happyhorse_goes_as_bytes(self) -> None:
        self.picture("cat.png")
        with self.standin() as standin:
            self.video_json("x", "--model", "happyhorse-1.0-i2v", "--image", "cat.png")
        self.assertEqual(standin.of("policy", "upload"), [])
        (sent,) = standin.of("submit")
        self.assertTrue(sent.json["input"]["media"][0]["url"].startswith("data:image/png;base64,"))
        shown = self.video_json("x", "--model", "happyhorse-1.0-i2v", "--image", "cat.png", "--dry-run")
        self.assertEqual(shown["request"]["body"]["input"]["media"][0]["url"], f"data:(bytes of {self.cwd}/cat.png)")

    def test_many_pictures_for_happyhorse_are_uploaded_beyond_the_first_megabytes(self) -> None:
        for number in range(3):
            path = self.picture(f"{number}.png", 600, 600)
            path.write_bytes(path.read_bytes() + bytes(3 * 2**20))
        argv = [word for number in range(3) for word in ("--reference", f"{number}.png")]
        shown = self.video_json("[Image 1] meets", "--model", "happyhorse-1.1-r2v", *argv, "--dry-run")
        self.assertEqual([upload["field"] for upload in shown["uploads"]], ["reference_urls[2]"])

    def test_media_that_are_passed_on_may_be_local(self) -> None:
        self.picture("cat.png")
        media = [{"type": "anything", "url": "cat.png", "more": 1}]
        with self.standin():
            shown = self.video_json(
                "--request", json.dumps({"model": "wan3.0-video", "prompt": "x", "media": media}), "--dry-run"
            )
        self.assertEqual(shown["uploads"][0]["field"], "media[0].url")
        self.assertEqual(shown["request"]["body"]["input"]["media"][0]["more"], 1)

    def test_a_picture_becomes_a_clip_that_goes_on(self) -> None:
        """The chain of the guide: a picture, its URL into i2v, the clip continued."""
        with self.standin():
            picture = self.json("a cat", "--output", "cat.png")
            first = self.video_json("it jumps", "--image", picture["image_url"], "--output", "one.mp4")
            argv = ("it runs on", "--set", f"first_clip_url={first['local_path']}", "--duration", "9")
            second = self.video_json(*argv, "--output", "two.mp4")
        self.assertEqual(second["model"], "wan2.7-i2v")
        self.assertTrue(Path(second["local_path"]).is_file())


class Memory(Case):
    """A task that this machine submitted is found again: its model, its mode, its region."""

    def entry(self, **changes: Any) -> None:
        fields = {"program": "video.py", "model": "wan2.2-kf2v-flash", "mode": "kf2v", "region": "ap-southeast-1"}
        entry = ledger.Entry(task_id="t-1", base="https://x", submitted=1.7e9, **{**fields, **changes})
        ledger.Ledger(ledger.folder(self.env, str(self.home))).note(entry)

    def test_a_submission_is_remembered(self) -> None:
        with self.standin() as standin:
            self.video(
                "x",
                "--submit-only",
                "--region",
                "intl",
                "--mode",
                "vace",
                "--set",
                "function=image_reference",
                "--set",
                f'ref_images_url=["{FRAME}"]',
            )
            (task_id,) = standin.tasks
        known = ledger.Ledger(ledger.folder(self.env, str(self.home))).find(task_id)
        assert known
        self.assertEqual(
            (known.program, known.model, known.mode, known.region),
            ("video.py", "wan2.1-vace-plus", "image_reference", "ap-southeast-1"),
        )
        text = Path(ledger.folder(self.env, str(self.home)), "tasks.jsonl").read_text()
        self.assertNotIn(KEY, text)

    def test_a_task_is_asked_for_in_its_own_region(self) -> None:
        self.entry()
        script = Script({"output": {"task_status": "RUNNING"}})
        ran = self.video("--task-id", "t-1", "--poll-once", send=script)
        self.assertTrue(script.requests[0].url.startswith("https://dashscope-intl.aliyuncs.com/"))
        self.assertEqual(ran.code, 2)
        self.assertIn("Task of wan2.2-kf2v-flash (kf2v) in ap-southeast-1", ran.stderr)
        script = Script({"output": {"task_status": "RUNNING"}})
        self.video("--task-id", "t-1", "--poll-once", "--region", "us", send=script)
        self.assertTrue(script.requests[0].url.startswith("https://dashscope-us.aliyuncs.com/"))

    def test_the_usual_time_is_told_again(self) -> None:
        self.entry()
        looks = [{"output": {"task_status": "RUNNING"}}] * 3
        ran = self.video("--task-id", "t-1", "--timeout", "8", send=Script(*looks))
        self.assertIn("(usually 1 to 8 minutes)", ran.stderr)

    def test_a_task_of_the_other_program(self) -> None:
        self.entry(program="image.py")
        ran = self.video("--task-id", "t-1", send=Script())
        self.assertEqual(ran.code, 3)
        self.assertIn("image.py", ran.stderr)

    def test_a_place_that_cannot_be_written_warns_and_goes_on(self) -> None:
        (self.home / "file").write_text("x")
        with self.standin():
            self.env["QIANWEN_STATE_DIR"] = str(self.home / "file" / "state")
            reply = self.video_json("x")
        self.assertIn("is not remembered", reply["warnings"][0])
        self.assertEqual(len(reply["files"]), 1)

    def test_a_rehearsal_is_not_remembered(self) -> None:
        self.env = {}
        self.assertEqual(self.video("x", "--sandbox").code, 0)
        self.assertEqual(list(self.home.iterdir()), [])


class Help(Case):
    def test_it_lists_what_there_is(self) -> None:
        text = self.video("--help").stdout
        for flag in VIDEOS.flags:
            self.assertIn(flag.name, text)
        for model in VIDEOS.models:
            self.assertIn(model.id, text)
        self.assertLess(max(map(len, text.splitlines())), 121)
