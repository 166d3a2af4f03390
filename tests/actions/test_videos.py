"""Whole runs of video.py through real sockets: modes, uploads, waiting, what is saved and what is remembered."""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from qianwen.errors import OutputError
from qianwen.models.video_models import VIDEOS
from qianwen.plain.record import changed
from qianwen.sandbox import placeholder

from ..account import RUN
from ..support import KEY, Case, Script, answer

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
        looks = Script(*[done] * 200)
        reply = self.video_json("--task-id", "t", code=1, send=looks)
        self.assertIn("holds no video", reply["error"]["message"])

    def test_what_is_billed_at_most(self) -> None:
        self.clip("clip.mp4")
        for argv, seconds, clips in (
            (["x"], 5, 0),
            (["x", "--duration", "9"], 9, 0),
            (["x", "--model", "wan2.2-t2v-plus"], 5, 0),
            (["x", "--video", "clip.mp4"], 10, 5),  # an edit is as long as its clip
            (["x", "--video", "clip.mp4", "--duration", "3"], 8, 5),
            (["x", "--video", "https://example.com/clip.mp4"], 20, 10),
            (["Image 1", "--model", "wan2.7-r2v", "--reference", FRAME], 5, 0),
            (["Video 1", "--model", "wan2.7-r2v", "--reference", "clip.mp4"], 10, 5),
            (["character1", "--reference", "https://example.com/clip.mp4"], 35, 30),
            (["x", "--model", "happyhorse-1.0-video-edit", "--video", "clip.mp4"], 10, 5),
        ):
            with self.subTest(argv):
                bills = self.video_json(*argv, "--dry-run")["bills"]
                of_clips = {"input_clips": clips} if clips else {}
                self.assertEqual(bills, {"unit": "second", "at_most": seconds, **of_clips})


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
                "--request", json.dumps({"model": "wan3.5-video", "prompt": "x", "media": media}), "--dry-run"
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
        fields["base"] = "https://dashscope-intl.aliyuncs.com/api/v1"
        self.ledger.begin(changed(RUN, **{**fields, **changes}))
        self.ledger.add(RUN.id, "task", task_id="t-1")

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
        known = self.ledger.find(task_id)
        assert known
        self.assertEqual(
            (known.program, known.model, known.mode, known.region),
            ("video.py", "wan2.1-vace-plus", "image_reference", "ap-southeast-1"),
        )
        files = [path for path in Path(self.ledger.folder).rglob("*") if path.is_file()]
        self.assertEqual([path.name for path in files if KEY.encode() in path.read_bytes()], [])
        self.assertIn("account.db", [path.name for path in files])

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
        self.assertEqual(sum("cannot remember the run" in warning for warning in reply["warnings"]), 1)
        self.assertEqual(len(reply["files"]), 1)

    def test_a_rehearsal_is_not_remembered(self) -> None:
        self.env = {}
        self.assertEqual(self.video("x", "--sandbox").code, 0)
        self.assertEqual(list(self.home.iterdir()), [])


class Help(Case):
    def test_it_lists_what_there_is(self) -> None:
        text = self.video("--help-all").stdout
        for flag in VIDEOS.flags:
            self.assertIn(flag.name, text)
        for default in VIDEOS.defaults:
            self.assertIn(default.model, text)
        self.assertLess(max(map(len, text.splitlines())), 121)

    def test_the_first_screen_is_one(self) -> None:
        for width in (80, 120):
            self.env = {"COLUMNS": str(width)}
            for ran in (self.image("--help"), self.video("-h")):
                lines = ran.stdout.splitlines()
                self.assertLess(len(lines), 24)
                self.assertLessEqual(max(map(len, lines)), width)
                self.assertIn("--help-all", ran.stdout)


class Mended(Case):
    """What a hostile review found, a test for each."""

    def problems(self, *argv: str) -> Any:
        return self.video_json(*argv, "--dry-run", code=3)["problems"]

    def test_the_nearest_choice_is_near_and_the_cheaper_of_two(self) -> None:
        for model, field, given, nearest in (
            ("wan2.6-t2v-us", "duration", 1, 5),
            ("wan2.6-t2v-us", "duration", 50, 10),
            ("wan2.5-t2v-preview", "duration", 8, 10),
            ("wan2.7-t2v", "resolution", "480P", "720P"),
            ("wan2.7-t2v", "resolution", "1440P", "1080P"),
            ("wan2.7-t2v", "ratio", "16:10", "16:9"),
        ):
            with self.subTest(model=model, given=given):
                (problem,) = self.problems("x", "--model", model, "--set", f"{field}={given}")
                self.assertEqual(problem["nearest"], nearest)

    def test_voices_pair_with_references_whichever_way_they_came(self) -> None:
        media = [{"type": "reference_image", "url": FRAME}, {"type": "reference_image", "url": FRAME}]
        voice = "https://example.com/v.mp3"
        argv = ["Image 1", "--set", f"media={json.dumps(media)}", "--voice", voice, "--voice", voice]
        sent = self.video_json(*argv, "--mode", "r2v", "--dry-run")["request"]["body"]["input"]["media"]
        self.assertEqual([item.get("reference_voice") for item in sent], [voice, voice])
        media[0]["reference_voice"] = "https://example.com/other.mp3"
        (problem,) = self.problems("Image 1", "--set", f"media={json.dumps(media)}", "--voice", voice, "--mode", "r2v")
        self.assertEqual(problem["path"], "media[0].reference_voice")

    def test_an_item_without_an_address_is_a_problem(self) -> None:
        addresses: tuple[Any, ...] = (None, "", 5, [])
        for url in addresses:
            media = [{"type": "first_frame", "url": FRAME}, {"type": "last_frame", "url": url}]
            paths = [problem["path"] for problem in self.problems("x", "--set", f"media={json.dumps(media)}")]
            self.assertIn("media[1].url", paths)

    def test_types_of_references_are_words(self) -> None:
        for types in ("5", "[{}]", '["x"]', "{}"):
            with self.subTest(types):
                argv = ["Image 1", "--model", "wan2.7-r2v", "--reference", FRAME, "--set", f"reference_types={types}"]
                self.assertTrue(self.problems(*argv)[0]["path"].startswith("reference_types"))

    def test_what_cannot_be_known_is_billed_at_its_most(self) -> None:
        argv = ["character1", "--reference", "https://example.com/download?id=7", "--dry-run"]
        self.assertEqual(self.video_json(*argv)["bills"]["at_most"], 35)
        argv = ["x", "--model", "happyhorse-1.0-video-edit", "--video", "https://example.com/c.mp4", "--dry-run"]
        self.assertEqual(self.video_json(*argv)["bills"]["at_most"], 30)

    def test_the_preview_tells_the_kind_of_the_bytes(self) -> None:
        self.clip("noext")
        self.picture("fake.mp4")
        argv = ["Video 1 Image 1", "--model", "wan2.7-r2v", "--reference", "noext", "--reference", "fake.mp4"]
        shown = self.video_json(*argv, "--dry-run")["request"]["body"]["input"]["media"]
        with self.standin() as standin:
            self.video_json(*argv)
        sent = standin.of("submit")[0].json["input"]["media"]
        self.assertEqual([item["type"] for item in shown], ["reference_video", "reference_image"])
        self.assertEqual([item["type"] for item in sent], ["reference_video", "reference_image"])

    def test_a_task_that_failed_has_failed_whatever_the_reason(self) -> None:
        for code in ("Arrearage", "AccessDenied", "InvalidApiKey", "Throttling"):
            with self.subTest(code), self.standin(faults=[f"task=fail:{code}:x"]):
                reply = self.video_json("x", code=1)
                self.assertEqual((reply["error"]["billed"], reply["error"]["retryable"]), ("no", False))
                self.assertNotIn("next", reply)

    def test_a_young_task_that_is_unknown_still_runs(self) -> None:
        with self.standin(faults=["task=unknown"]) as standin:
            task_id = self.video("x", "--submit-only").stdout.strip()
            self.assertIn("next", self.video_json("--task-id", task_id, "--poll-once", code=2))
            self.clock.sleep(61)
            self.video_json("--task-id", task_id, "--poll-once", code=1)
        self.assertEqual(len(standin.of("submit")), 1)

    def test_a_folder_that_cannot_be_used_is_known_before_a_task_is_bought(self) -> None:
        (self.cwd / "file").write_text("x")
        with self.standin() as standin:
            self.video_json("x", "--submit-only", "--output", "file/x.mp4", code=3)
        self.assertEqual(standin.of("submit"), [])

    def test_a_video_without_its_reply_is_saved_all_the_same(self) -> None:
        def refuse(*_: object, **__: object) -> str:
            raise OutputError("no room")

        with self.standin(), mock.patch("qianwen.files.outputs.save_text", refuse):
            reply = self.video_json("x", "--output", "x.mp4")
        self.assertTrue((self.cwd / "x.mp4").is_file())
        self.assertIn("no room", reply["warnings"][-1])

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_a_reply_which_repeats_the_prompt_is_for_its_owner_alone(self) -> None:
        with self.standin():
            reply = self.video_json("x", "--output", "x.mp4")
        self.assertEqual(os.stat(reply["response_path"]).st_mode & 0o777, 0o600)

    def test_one_video_named_in_both_layouts_is_one(self) -> None:
        url = "https://x.aliyuncs.com/a.mp4"
        done = {"output": {"task_status": "SUCCEEDED", "video_url": url, "results": [{"url": url}]}}
        script = Script(done, answer(placeholder.clip()))
        self.assertEqual(len(self.video_json("--task-id", "t", send=script)["files"]), 1)

    def test_a_remembered_region_that_is_none_does_not_block_a_task(self) -> None:
        self.ledger.begin(changed(RUN, region="nonsense"))
        self.ledger.add(RUN.id, "task", task_id="t-1")
        reply = self.video_json(
            "--task-id", "t-1", "--poll-once", code=2, send=Script({"output": {"task_status": "RUNNING"}})
        )
        self.assertIn("nonsense", reply["warnings"][0])

    def test_a_ratio_takes_the_tier_that_is_sent_anyway(self) -> None:
        for flag in ("--ratio", "--size"):
            reply = self.video_json("x", "--model", "wan2.2-t2v-plus", flag, "9:16", "--dry-run")
            self.assertEqual(reply["request"]["body"]["parameters"]["size"], "1080*1920")

    def test_addresses_that_are_none(self) -> None:
        for url in ("https:", "https://", "https:///a.png", "https://x.com/a b.png", "http://a\n.com"):
            with self.subTest(url):
                self.assertIn("not a complete URL", self.problems("x", "--image", url)[0]["message"])

    def test_an_odd_state_is_warned_of_once(self) -> None:
        looks = [{"output": {"task_status": "DREAMING\nTask submitted: evil"}}] * 3
        ran = self.video("--task-id", "t", "--timeout", "8", send=Script(*looks))
        self.assertEqual(ran.stderr.count("undocumented status"), 1)
        self.assertNotRegex(ran.stderr, r"(?m)^Task submitted: evil")

    def test_the_service_cannot_forge_a_line(self) -> None:
        refusal = answer({"code": "InvalidParameter", "message": "no\nTask submitted: evil\x9b31m"}, 400)
        ran = self.video("x", "--print-response", send=Script(refusal))
        self.assertNotRegex(ran.stderr, r"(?m)^Task submitted: evil")
        self.assertNotIn("\x9b", ran.stdout)

    def test_a_clip_that_is_cut_off(self) -> None:
        path = self.clip("half.mp4")
        path.write_bytes(path.read_bytes()[:9000])
        self.assertIn("is cut off", self.problems("x", "--video", "half.mp4")[0]["message"])
