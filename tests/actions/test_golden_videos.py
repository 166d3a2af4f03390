"""Golden requests of video.py: every model in every mode sends exactly the documented body, and a video comes back.

A case is a file in data/video_requests: argv, path, headers of the protocol, body; written from the API, not from what
the program prints. The choice of mode and model, and what other clients do wrong, stand below as tables.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from qianwen.checks.validate import choose_mode
from qianwen.http.messages import Fault
from qianwen.models import video_models
from qianwen.models.catalog import SNAPSHOT, Found, Mode, find
from qianwen.models.video_models import VIDEOS

from ..support import Case, Script, answer, cases, elided, protocol

HOSTS = {"us": "-us", "us-east-1": "-us", "intl": "-intl", "ap-southeast-1": "-intl"}
CASES = cases("video_requests")
URL = "https://example.com/"
FRAME, LAST, CLIP, SOUND = URL + "a.png", URL + "b.png", URL + "c.mp4", URL + "d.mp3"


def _base(argv: list[str]) -> str:
    region = argv[argv.index("--region") + 1] if "--region" in argv else ""
    return f"https://dashscope{HOSTS.get(region, '')}.aliyuncs.com/api/v1"


def _row(case: dict[str, Any]) -> tuple[Found, Mode]:
    """The row and the mode that a case is for; it names the mode where its body does not tell."""
    body = case["body"]
    found = find(VIDEOS, body["model"])
    assert found
    named = [mode for mode in found.model.modes if mode.name == case.get("mode")]
    mode = named[0] if named else choose_mode(found.model, body["input"])
    assert mode
    return found, mode


def _is_known(body: dict[str, Any]) -> bool:
    """Whether a stand-in has the model, and has every stored file that the request names."""
    found = find(VIDEOS, body["model"])
    return bool(found and found.exact) and "oss://" not in json.dumps(body)


class Requests(Case):
    def test_dry_run_prints_the_documented_request(self) -> None:
        for name, case in CASES:
            with self.subTest(name):
                request = self.video_json(*case["argv"], "--dry-run")["request"]
                self.assertEqual(request["url"], _base(case["argv"]) + case["path"])
                self.assertEqual(request["method"], "POST")
                self.assertEqual(protocol(request["headers"]), case["headers"])
                self.assertEqual(request["body"], elided(case["body"]))
                self.assertNotIn("test", request["headers"]["Authorization"])

    def test_the_mode_that_a_case_names_is_the_one_that_is_told(self) -> None:
        for name, case in CASES:
            if "mode" in case:
                with self.subTest(name):
                    ran = self.video(*case["argv"], "--dry-run")
                    self.assertIn(f"Model: {case['body']['model']} ({case['mode']}", ran.stderr)

    def test_the_sandbox_receives_it_and_a_video_and_its_reply_are_saved(self) -> None:
        for name, case in CASES:
            with self.subTest(name), self.standin() as standin:
                known = _is_known(case["body"])
                reply = self.video_json(*case["argv"], "--output", f"{name}/", code=0 if known else 1)
                (sent,) = standin.of("sync", "stream", "submit")
                self.assertEqual(sent.target, "/api/v1" + case["path"])
                self.assertEqual(sent.json, case["body"])
                self.assertEqual(protocol(sent.headers), case["headers"])
                if not known:
                    continue
                (video,) = (self.cwd / name).glob("*.mp4")
                (kept,) = (self.cwd / name).glob("*.json")
                self.assertEqual([reply["local_path"], reply["response_path"]], [str(video), str(kept)])
                self.assertEqual(json.loads(kept.read_text(encoding="utf-8"))["output"], reply["output"])

    def test_what_dry_run_shows_is_what_is_sent(self) -> None:
        self.assert_shown_is_sent(self.video_json, dict(CASES)["wan2.7-i2v"]["argv"])


class Coverage(Case):
    def test_every_model_id_and_every_mode_has_a_golden_request(self) -> None:
        modes: dict[str, set[str]] = {}
        for _, case in CASES:
            found, mode = _row(case)
            modes.setdefault(found.model.id, set()).add(mode.name)
        for model in video_models.MODELS:
            with self.subTest(model.id):
                self.assertEqual(modes.get(model.id, set()), {mode.name for mode in model.modes})
                self.assertIn(model.id, {case["body"]["model"] for _, case in CASES})

    def test_snapshots_and_unknown_ids_are_covered(self) -> None:
        ids = {case["body"]["model"] for _, case in CASES}
        self.assertGreaterEqual(sum(1 for model_id in ids if re.search(SNAPSHOT, model_id)), 4)
        self.assertTrue(any(not found or not found.exact for found in (find(VIDEOS, model_id) for model_id in ids)))

    def test_every_field_of_every_mode_is_sent_somewhere(self) -> None:
        """What a row takes and no golden request shows would be checked by nobody."""
        sent: dict[tuple[str, ...], set[str]] = {}
        for _, case in CASES:
            found, mode = _row(case)
            plain = next(other for other in found.model.modes if other.name == mode.name.partition(" ")[0])
            fields = {*case["body"]["input"], *case["body"]["parameters"]}
            for item in case["body"]["input"].get("media", ()):
                fields |= {item["type"] + "_url", *item}
            sent.setdefault((plain.task, *(param.name for param in plain.params)), set()).update(fields)
        wire = {
            "reference_urls": ("reference_urls", "reference_image_url"),
            "reference_types": ("type",),
            "reference_voices": ("reference_voice", "reference_audio_url"),
            "video_url": ("video_url", "reference_video_url"),
            "file": ("file_url",),
            "link": ("link_url",),
        }
        for (task, *params), fields in sent.items():
            with self.subTest(task, params=params):
                self.assertEqual({param for param in params if not fields & {*wire.get(param, (param,))}}, set())


class Choice(Case):
    """Mode and model: --mode, then the id, then the fields; one line on stderr says which and why."""

    CHOSEN: tuple[tuple[str, dict[str, Any], list[str], str, str], ...] = (
        # name, request, flags, mode, model
        ("text", {"prompt": "x"}, [], "t2v", "wan2.6-t2v"),
        ("img_url", {"img_url": FRAME}, [], "i2v", "wan2.6-i2v-flash"),
        ("reference_image", {"reference_image": FRAME}, [], "i2v", "wan2.6-i2v-flash"),
        ("a first frame alone", {"first_frame_url": FRAME}, [], "i2v", "wan2.6-i2v-flash"),
        ("a first frame and a sound track", {"first_frame_url": FRAME, "audio_url": SOUND}, [], "i2v", "wan2.6-i2v-flash"),
        ("first and last", {"first_frame_url": FRAME, "last_frame_url": LAST}, [], "kf2v", "wan2.2-kf2v-flash"),
        ("img_url and last", {"img_url": FRAME, "last_frame_url": LAST}, [], "kf2v", "wan2.2-kf2v-flash"),
        ("media", {"media": [{"type": "first_frame", "url": FRAME}]}, [], "i2v", "wan2.7-i2v"),
        ("first_clip_url", {"first_clip_url": CLIP}, [], "i2v", "wan2.7-i2v"),
        ("driving_audio_url", {"first_frame_url": FRAME, "driving_audio_url": SOUND}, [], "i2v", "wan2.7-i2v"),
        ("a clip to a last frame", {"first_clip_url": CLIP, "last_frame_url": LAST}, [], "i2v", "wan2.7-i2v"),
        ("first, last and sound", {"first_frame_url": FRAME, "last_frame_url": LAST, "driving_audio_url": SOUND}, [], "i2v", "wan2.7-i2v"),
        ("a video item", {"media": [{"type": "video", "url": CLIP}]}, [], "videoedit", "wan2.7-videoedit"),
        ("a video item and a picture", {"media": [{"type": "reference_image", "url": FRAME}, {"type": "video", "url": CLIP}]}, [], "videoedit", "wan2.7-videoedit"),
        ("reference items", {"prompt": "Image 1", "media": [{"type": "reference_image", "url": FRAME}]}, [], "r2v", "wan2.7-r2v"),
        ("a reference clip", {"prompt": "Video 1", "media": [{"type": "reference_video", "url": CLIP}]}, [], "r2v", "wan2.7-r2v"),
        ("reference_urls", {"prompt": "character1", "reference_urls": [FRAME]}, [], "r2v", "wan2.6-r2v-flash"),
        ("references with voices", {"prompt": "Image 1", "reference_urls": [FRAME]}, ["--voice", SOUND], "r2v", "wan2.7-r2v"),
        ("video_url", {"video_url": CLIP}, [], "videoedit", "wan2.7-videoedit"),
        ("video_url with references", {"video_url": CLIP, "reference_urls": [FRAME]}, [], "videoedit", "wan2.7-videoedit"),
        ("function", {"prompt": "x", "function": "video_outpainting", "video_url": CLIP}, [], "vace", "wanx2.1-vace-plus"),
        ("function in Singapore", {"prompt": "x", "function": "video_outpainting", "video_url": CLIP}, ["--region", "intl"], "vace", "wan2.1-vace-plus"),
        ("function with frames", {"prompt": "x", "function": "video_extension", "first_frame_url": FRAME}, [], "vace", "wanx2.1-vace-plus"),
        ("--mode vace", {"prompt": "x", "function": "video_outpainting", "video_url": CLIP}, ["--mode", "vace"], "vace", "wanx2.1-vace-plus"),
        ("--mode vace in Singapore", {"prompt": "x", "function": "video_outpainting", "video_url": CLIP}, ["--mode", "vace", "--region", "ap-southeast-1"], "vace", "wan2.1-vace-plus"),
        ("--mode kf2v", {"first_frame_url": FRAME, "last_frame_url": LAST}, ["--mode", "kf2v"], "kf2v", "wan2.2-kf2v-flash"),
        ("--mode i2v beats two frames", {"first_frame_url": FRAME, "last_frame_url": LAST}, ["--mode", "i2v"], "i2v", "wan2.7-i2v"),
        ("--mode i2v and media", {"media": [{"type": "first_clip", "url": CLIP}]}, ["--mode", "i2v"], "i2v", "wan2.7-i2v"),
        ("--mode r2v and media", {"prompt": "Image 1", "media": [{"type": "reference_image", "url": FRAME}]}, ["--mode", "r2v"], "r2v", "wan2.7-r2v"),
        ("--mode videoedit", {"video_url": CLIP}, ["--mode", "videoedit"], "videoedit", "wan2.7-videoedit"),
        ("mode in the request", {"mode": "videoedit", "video_url": CLIP}, [], "videoedit", "wan2.7-videoedit"),
        ("--mode beats the request", {"mode": "vace", "prompt": "x"}, ["--mode", "t2v"], "t2v", "wan2.6-t2v"),
        ("the id", {"prompt": "x"}, ["--model", "wan2.7-t2v"], "t2v", "wan2.7-t2v"),
        ("the id in the request", {"model": "happyhorse-1.0-i2v", "first_frame_url": FRAME}, [], "i2v", "happyhorse-1.0-i2v"),
        ("the id beats the fields", {"model": "wan2.7-i2v", "first_frame_url": FRAME, "last_frame_url": LAST}, [], "i2v", "wan2.7-i2v"),
        ("--model beats the request", {"model": "wan2.6-i2v", "img_url": FRAME}, ["--model", "wan2.7-i2v"], "i2v", "wan2.7-i2v"),
        ("an id with video-edit", {"prompt": "x", "video_url": CLIP}, ["--model", "happyhorse-1.0-video-edit"], "videoedit", "happyhorse-1.0-video-edit"),
        ("an explicit spelling stays", {"prompt": "x", "function": "video_outpainting", "video_url": CLIP}, ["--model", "wan2.1-vace-plus"], "vace", "wan2.1-vace-plus"),
        ("a snapshot with a date", {"prompt": "Image 1", "reference_urls": [FRAME]}, ["--model", "wan2.7-r2v-2026-06-12"], "r2v", "wan2.7-r2v-2026-06-12"),
    )  # fmt: skip

    def test_mode_and_model(self) -> None:
        for name, request, flags, mode, model in self.CHOSEN:
            with self.subTest(name):
                ran = self.video("--request", json.dumps(request), *flags, "--dry-run", "--print-response")
                self.assertEqual(ran.code, 0, ran.stdout + ran.stderr)
                self.assertEqual(ran.json["request"]["body"]["model"], model)
                lines = [line for line in ran.stderr.splitlines() if model in line and "arning" not in line]
                self.assertTrue(lines, ran.stderr)
                self.assertRegex(lines[0], rf"\b{mode}\b" if mode != "vace" else r"vace|video_|image_reference")

    def test_the_line_says_why(self) -> None:
        for flags, why in (
            (["x"], "default"),
            (["--image", FRAME], "img_url|--image"),
            (["--first-frame", FRAME, "--last-frame", LAST], "last_frame_url|--last-frame"),
            (["--video", CLIP], "video_url|--video"),
            (["--reference", FRAME, "character1"], "reference_urls|--reference"),
            (["--set", f"first_clip_url={CLIP}"], "first_clip_url"),
            (["--mode", "t2v", "x"], "mode t2v"),
            (["--model", "wan2.7-t2v", "x"], "wan2.7-t2v"),
        ):
            with self.subTest(flags):
                ran = self.video(*flags, "--dry-run")
                (line,) = [line for line in ran.stderr.splitlines() if re.search(r"Model|Mode", line)]
                self.assertRegex(line, why)

    def test_a_mode_of_another_model_is_refused(self) -> None:
        for mode, model in (
            ("i2v", "wan2.6-t2v"),
            ("t2v", "wan2.7-i2v"),
            ("r2v", "wan2.7-videoedit"),
            ("kf2v", "wan2.6-i2v-flash"),
            ("vace", "wan2.2-kf2v-flash"),
            ("videoedit", "wanx2.1-vace-plus"),
            ("videoedit", "happyhorse-1.1-r2v"),
            ("t2v", "wan2.7-i2v-2026-04-25"),
        ):
            with self.subTest(mode=mode, model=model):
                reply = self.video_json("x", "--mode", mode, "--model", model, code=3, send=Script())
                self.assertIn("mode", [problem["path"] for problem in reply["problems"]])

    def test_first_and_last_frames_on_wan27_may_be_called_kf2v(self) -> None:
        argv = ("--model", "wan2.7-i2v", "--mode", "kf2v", "--first-frame", FRAME, "--last-frame", LAST)
        body = self.video_json(*argv, "--dry-run")["request"]["body"]
        self.assertEqual([item["type"] for item in body["input"]["media"]], ["first_frame", "last_frame"])


class Defects(Case):
    """What other clients of the same family get wrong, each shown absent (section 6.3 of the contract sheet)."""

    def body(self, *argv: str, **request: Any) -> Any:
        return self.video_json("--request", json.dumps(request), *argv, "--dry-run")["request"]["body"]

    def test_1_media_go_to_a_model_that_takes_them(self) -> None:
        for request in (
            {"media": [{"type": "first_frame", "url": FRAME}]},
            {"first_clip_url": CLIP},
            {"first_frame_url": FRAME, "driving_audio_url": SOUND},
        ):
            body = self.body(**request)
            self.assertEqual(body["model"], "wan2.7-i2v")
            self.assertEqual(set(body["input"]), {"media"})

    def test_2_a_snapshot_has_the_body_of_its_family(self) -> None:
        body = self.body(model="wan2.7-i2v-2026-04-25", img_url=FRAME)
        self.assertEqual(body["input"], {"media": [{"type": "first_frame", "url": FRAME}]})
        self.assertIn("resolution", self.body(model="wan2.7-t2v-2026-06-12", prompt="x")["parameters"])

    def test_3_local_files_in_media_are_uploaded(self) -> None:
        self.picture("cat.png")
        self.sound("voice.wav")
        item = {"type": "reference_image", "url": "cat.png", "reference_voice": "voice.wav"}
        with self.standin() as standin:
            self.video_json("--request", json.dumps({"prompt": "Image 1 sings", "media": [item]}))
            (sent,) = standin.of("submit")
            self.assertEqual(len(standin.of("upload")), 2)
        (received,) = sent.json["input"]["media"]
        self.assertTrue(received["url"].startswith("oss://"))
        self.assertTrue(received["reference_voice"].startswith("oss://"))
        self.assertEqual(sent.headers["x-dashscope-ossresourceresolve"], "enable")

    def test_4_template_stands_in_input(self) -> None:
        body = self.body(model="wan2.6-i2v-flash", img_url=FRAME, template="flying")
        self.assertEqual(body["input"]["template"], "flying")
        self.assertNotIn("template", body["parameters"])

    def test_5_no_field_is_dropped(self) -> None:
        for model, request, names in (
            ("wan2.7-t2v", {"prompt": "x"}, "seed negative_prompt"),
            ("wan2.7-i2v", {"img_url": FRAME}, "seed negative_prompt"),
            ("wan2.2-kf2v-flash", {"first_frame_url": FRAME, "last_frame_url": LAST}, "seed negative_prompt"),
            ("wan2.6-r2v", {"prompt": "character1", "reference_urls": [FRAME]}, "seed negative_prompt"),
            ("wanx2.1-vace-plus", {"prompt": "x", "function": "video_edit", "video_url": CLIP, "mask_image_url": FRAME}, "seed expand_mode"),
        ):  # fmt: skip
            with self.subTest(model):
                values = {"seed": 4, "negative_prompt": "fog", "expand_mode": "bbox"}
                given = {name: values[name] for name in names.split()}
                body = self.body(model=model, **request, **given)
                both = {**body["input"], **body["parameters"]}
                self.assertEqual({name: both.get(name) for name in given}, given)

    def test_6_functions_have_their_whole_names(self) -> None:
        reply = self.video_json("x", "--set", "function=repaint", "--set", f"video_url={CLIP}", code=3, send=Script())
        (problem,) = [problem for problem in reply["problems"] if problem["path"] == "function"]
        self.assertIn("video_repainting", problem["allowed"])
        for text in (self.video("--help-all").stdout, self.video("--describe", "wanx2.1-vace-plus").stdout):
            self.assertNotRegex(text, r"\brepainting\b(?<!video_repainting)")

    def test_7_a_clip_alone_is_edited(self) -> None:
        body = self.body(prompt="Make it snow", video_url=CLIP)
        self.assertEqual(body["model"], "wan2.7-videoedit")
        self.assertEqual(body["input"]["media"], [{"type": "video", "url": CLIP}])

    def test_8_an_expired_id_ends_at_once(self) -> None:
        script = Script({"request_id": "r", "output": {"task_id": "t-1", "task_status": "UNKNOWN"}})
        ran = self.video("--task-id", "t-1", send=script)
        self.assertEqual((ran.code, len(script.requests)), (1, 1))
        self.assertRegex(ran.stderr, r"24 h|expired")

    def test_9_the_size_is_always_said(self) -> None:
        self.assertEqual(self.body(prompt="x")["parameters"]["size"], "1280*720")
        self.assertEqual(self.body(prompt="character1", reference_urls=[FRAME])["parameters"]["size"], "1280*720")
        self.assertEqual(self.body(img_url=FRAME)["parameters"]["resolution"], "720P")

    def test_10_a_failed_download_is_a_failure(self) -> None:
        with self.standin(faults=["result=404:NoSuchKey"]):
            reply = self.video_json("x", code=7)
        self.assertFalse(reply["ok"])
        self.assertIsNone(reply["local_path"])
        self.assertTrue(reply["video_url"])

    def test_11_a_submission_is_not_sent_twice(self) -> None:
        trouble = answer({"code": "InternalError", "message": "x", "request_id": "r"}, 500)
        for outcome in (trouble, answer(b"", 503), Fault("the connection broke", sent=True)):
            script = Script(outcome, *[{"data": []}] * 3)
            self.assertEqual(self.video("x", "--submit-only", "--again", send=script).code, 6)
            self.assertEqual([request.method for request in script.requests], ["POST", "GET", "GET", "GET"])

    def test_12_a_second_run_overwrites_nothing(self) -> None:
        with self.standin():
            paths = [self.video_json("x", "--output", "out/")["local_path"] for _ in range(2)]
            paths += [self.video_json("y", "--output", "one.mp4")["local_path"] for _ in range(2)]
        self.assertEqual(len({*paths}), 4)
        self.assertEqual(
            len({path.with_suffix(".json") for path in map(Path, paths) if path.with_suffix(".json").is_file()}), 4
        )
