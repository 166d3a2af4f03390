"""What the caller sees: stdout, stderr, exit codes, JSON, and that nothing is sent by mistake."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import tracemalloc
import unittest
from pathlib import Path
from typing import Any, cast

from qianwen import cli, environment
from qianwen.command import parse
from qianwen.command.flags import EXIT_CODES
from qianwen.errors import UsageError
from qianwen.models.image_models import IMAGES

from . import SCRIPTS
from .support import KEY, PHOTO, Case, Script, answer, data_url


class Request(Case):
    """Where a request comes from, and which source wins."""

    def body(self, *argv: str, stdin: str = "") -> dict[str, object]:
        answered = self.json(*argv, "--dry-run", stdin=stdin)
        body = answered["request"]["body"]
        prompt = next(item["text"] for item in body["input"]["messages"][0]["content"] if "text" in item)
        return {"model": body["model"], "prompt": prompt, **body["parameters"]}

    def test_sources_and_their_order(self) -> None:
        path = self.cwd / "request.json"
        path.write_text('\ufeff{"prompt": "file", "n": 2}', encoding="utf-8")
        wide = self.cwd / "of-powershell.json"
        wide.write_bytes('{"prompt": "猫"}\r\n'.encode("utf-16"))
        for name, argv, stdin, expected in (
            ("prompt", ["a cat"], "", {"prompt": "a cat", "n": 1}),
            ("stdin", ["-"], "from stdin\n", {"prompt": "from stdin", "n": 1}),
            ("request", ["--request", '{"prompt": "json"}'], "", {"prompt": "json", "n": 1}),
            ("request from stdin", ["--request", "-"], '\ufeff{"prompt": "json"}', {"prompt": "json", "n": 1}),
            ("file", ["--file", str(path)], "", {"prompt": "file", "n": 2}),
            ("file in UTF-16", ["--file", str(wide)], "", {"prompt": "猫", "n": 1}),
            ("file from stdin", ["--file", "-"], '{"prompt": "json"}', {"prompt": "json", "n": 1}),
            ("set wins over file", ["--file", str(path), "--set", "n=3"], "", {"prompt": "file", "n": 3}),
            ("flag wins over set", ["--file", str(path), "--set", "n=3", "-n", "4"], "", {"prompt": "file", "n": 4}),
            ("prompt wins", ["mine", "--file", str(path), "--set", "prompt=other"], "", {"prompt": "mine", "n": 2}),
            ("text that is no JSON", ["--set", "prompt=a: {b", "--set", "seed=7"], "", {"prompt": "a: {b", "n": 1, "seed": 7}),
            ("a field with =", ["--set", "prompt=a=b"], "", {"prompt": "a=b", "n": 1}),
            ("convenience", ["x", "--size", "16:9", "--seed", "3", "--negative-prompt", "12"], "",
             {"prompt": "x", "n": 1, "size": "1696*960", "seed": 3, "negative_prompt": "12"}),
        ):  # fmt: skip
            with self.subTest(name):
                body = self.body(*argv, stdin=stdin)
                self.assertEqual({**expected, "model": "wan2.6-t2i"}, body)

    def test_models(self) -> None:
        for argv, model in (
            (["x"], "wan2.6-t2i"),
            (["x", "--set", "model=wan2.7-image"], "wan2.7-image"),
            (["x", "--set", "model=wan2.7-image", "--model", "qwen-image-2.0"], "qwen-image-2.0"),
            (["x", "--image", str(PHOTO)], "wan2.7-image"),
            (["x", "--set", "reference_image=https://a/b.png"], "wan2.7-image"),
            (["x", "--set", "enable_interleave=true"], "wan2.6-image"),
            (["x", "--set", "enable_sequential=true"], "wan2.7-image"),
        ):
            with self.subTest(argv):
                self.assertEqual(self.body(*argv)["model"], model)

    def test_the_model_and_why_are_said_in_one_line(self) -> None:
        ran = self.image("x", "--image", str(PHOTO), "--dry-run")
        self.assertIn("Model: wan2.7-image (edit, the default with reference_images)\n", ran.stderr)

    def test_a_service_on_this_machine_is_named_with_what_chose_it(self) -> None:
        self.assertNotIn("Base:", self.image("x", "--sandbox").stderr)
        with self.standin():
            ran = self.image("z", "--print-response")
            base = self.env["DASHSCOPE_HTTP_BASE_URL"]
            self.assertEqual(ran.stderr.count(f"Base: {base}, from DASHSCOPE_HTTP_BASE_URL in the environment\n"), 1)
            self.assertEqual(ran.json["warnings"], [])
            self.assertNotIn("Base:", self.image("y", "-q").stderr)


class Refused(Case):
    BAD: tuple[tuple[list[str], str], ...] = (
        (["--nonsense"], "unknown flag --nonsense"),
        (["x", "--sead", "3"], "did you mean --seed?"),
        (["x", "y"], "in quotes"),
        (["x", "--model"], "--model needs a value: --model ID"),
        (["--request", "{"], "--request is not valid JSON"),
        (["--request", "[]"], "--request is not a JSON object"),
        (["--request", '{"prompt": NaN}'], "NaN"),
        (["--request", "[" * 100_000], "--request is not valid JSON"),
        (["--request", '{"n": ' + "9" * 5000 + "}"], ""),
        (["--file", "missing.json"], "could not be read"),
        (["--file", str(PHOTO)], "not UTF-8 text"),
        (["--file", str(PHOTO)], "Hint: save it as UTF-8"),
        (["--file", "."], "could not be read"),
        (["--file", "a\0b"], "could not be read"),
        (["--set", "novalue"], "FIELD=VALUE"),
        (["--set", "=1"], "FIELD=VALUE"),
        (["--file", "a.json", "--request", "{}"], "--request and --file cannot be combined"),
        (["x", "--task-id", ""], "--task-id is empty"),
        (["x", "--model", ""], "--model is empty"),
        (["x", "--image", ""], "--image is empty"),
        (["--request", '{"prompt": 1e999}'], "not a number in JSON"),
        (["--request", '{"x": ' + "[" * 70 + "]" * 70 + "}"], "nested too deeply"),
        (["x", "--image", "https://a/\ud800.png"], "not valid Unicode"),
        (["x", "--model", "wan9.9-image", "--set", "new=\ud800"], "not valid Unicode"),
        (["x", "--model", "wanx-v1", "--set", "ref_strength=" + "9" * 400], "is not a number"),
        (["x", "--output", "a/" * 3000], "output folder"),
        (["-", "--request", "-"], "stdin can be read only once"),
        (["x", "--timeout", "0"], "positive"),
        (["x", "--timeout", "soon"], "positive"),
        (["x", "--poll-interval", "-1"], "positive"),
        (["x", "--timeout", "nan"], "positive"),
        (["x", "--set", "timeout_s=0"], "timeout_s"),
        (["x", "--set", "poll_interval_s=often"], "poll_interval_s"),
        (["x", "--set", "model=3"], "model"),
        *((["x", "--via", value], f"--via: {value} is not one of the choices") for value in ("null", "0")),
        *((["x", flag, "null"], f"{flag}: null is not a whole number") for flag in ("-n", "--seed")),
        (["x", "--via", "dall-e"], "Error: --via: dall-e is not one of the choices"),
        (["x", "--set", "async=maybe"], "async"),
        (["--poll-once"], "--task-id"),
        (["--task-id", "t", "x"], "takes no request"),
        (["--task-id", "t", "--submit-only"], "takes no request"),
        (["--task-id", "t", "--model", "wan2.6-t2i"], "takes no request"),
        (["--task-id", "t", "--sandbox"], "has no tasks"),
        (["--task-id", "t", "--async"], "takes no request"),
        (["--tasks", "--region", "intl"], "sends nothing and shows all regions"),
        (["--tasks", "--output", "a"], "waits for no task and saves no result"),
        (["--tasks", "--overwrite"], "waits for no task and saves no result"),
        (["--cancel", "t", "--poll-interval", "1"], "waits for no task and saves no result"),
        (["--cancel", "t", "--sidecar"], "waits for no task and saves no result"),
        (["--cancel", "t", "--open"], "--cancel saves no result"),
        (["x", "--submit-only", "--sidecar"], "--submit-only saves no result"),
        (["--gallery", "--output", "a"], "name the folder behind --gallery"),
        (["--gallery", "--region", "intl"], "sends nothing and shows all regions"),
        (["--gallery", "--overwrite"], "waits for no task and saves no result"),
        (["--gallery", "--max-images", "1"], "what exists is already paid for"),
        *((["--gallery", flag], "sends nothing") for flag in ("--async", "--again", "--reuse", "--dry-run", "--via=desirecore")),
        (["x", "--model", "wan2.6-t2v"], "video.py"),
        (["x", "--model", "wan 2.6"], "name of a family, not an id; allowed: wan2.6-image, wan2.6-t2i"),
        (["x", "--model", "wan 9.6"], "cannot be a model id"),
        (["x", "--model", "万相"], "cannot be a model id"),
        (["x", "--model", "/"], "cannot be a model id"),
        (["x", "--model", "maker/"], "cannot be a model id"),
        (["x", "--model", "/wan2.7-image"], "nearest: wan2.7-image"),
        (["x", "--model", "/wan9.7-image"], "cannot be a model id"),
        (["x", "--model", "maker//wan9.7-image"], "cannot be a model id"),
        (["x", "--region", "mars"], "unknown region 'mars' (--region)"),
        ([], "prompt: is missing"),
        ([""], "prompt"),
        (["x", "-n", "two"], "n: two is not a whole number"),
        (["x", "--size", "9x9", "-n", "9"], "2 problems"),
        (["x", "--image", "no.png"], "does not exist"),
        (["x", "--submit-only", "--model", "qwen-image-2.0"], "no task to submit"),
        (["x", "--model", "wan2.6-t2i", "--image", "https://h/a.png"], 'Error: --image: ["https://h/a.png"] was given'),
        (["x", "--model", "qwen-image-edit"], "Error: --image: is missing"),
        (["x", "--model", "qwen-image-edit", "--set", "reference_images=[]"], "Error: reference_images: "),
        (["--request", '{"prompt": "x"}', "--model", "qwen-image-edit"], "Error: reference_images: is missing"),
        (["x", "--output", "a\0b.png"], "output folder"),
    )  # fmt: skip

    def test_nothing_is_sent_and_the_code_is_3(self) -> None:
        with self.standin() as standin:
            for argv, words in self.BAD:
                with self.subTest(argv=[word[:30] for word in argv]):
                    ran = self.image(*argv)
                    self.assertEqual((ran.code, ran.stdout), (3, ""), ran.stderr)
                    self.assertIn("Error: ", ran.stderr)
                    self.assertIn(words, ran.stderr)
                    self.assertNotIn("Traceback", ran.stderr)
                    reply = self.json(*argv, code=3)
                    self.assertEqual(
                        (reply["ok"], reply["error"]["kind"], reply["error"]["billed"]), (False, "usage", "no")
                    )
        self.assertEqual(standin.sent, [])

    def test_every_problem_has_its_path_value_allowed_and_nearest(self) -> None:
        reply = self.json("x", "--size", "9x9", "-n", "9", "--image", "no.png", code=3)
        found = {problem["path"]: problem for problem in reply["problems"]}
        self.assertEqual(
            {path: problem["value"] for path, problem in found.items()},
            {"size": "9x9", "n": 9, "reference_images[0]": "no.png"},
        )
        self.assertEqual((found["n"]["allowed"], found["n"]["nearest"]), ("1 to 4 (9 is for the sequential mode)", 4))
        self.assertEqual(found["size"]["nearest"], "768*768")
        self.assertTrue(all(problem["message"] for problem in reply["problems"]))

    def test_a_key_is_asked_for_without_being_shown(self) -> None:
        self.env = {}
        reply = self.json("x", code=4)
        self.assertEqual(reply["error"]["kind"], "auth")
        self.assertIn("--sandbox", reply["error"]["hint"])
        self.env = {"DASHSCOPE_API_KEY": "sk-sp-0123456789abcdef"}
        self.assertNotIn("sk-sp-0123", json.dumps(self.json("x", code=4)))


class Endless:
    """A stdin that never ends."""

    def __init__(self, begins: bytes, goes_on: bytes) -> None:
        self.buffer = self
        self._begins, self._goes_on = begins, goes_on
        self.given = 0

    def read(self, size: int) -> bytes:
        begins, self._begins = self._begins, b""
        self.given += size
        return begins + self._goes_on * (size // len(self._goes_on))


class Bounds(Case):
    """Input that is too long for what it is: an error at once, with flat memory."""

    def refused(self, *argv: str, stdin: object = None) -> str:
        began = time.process_time()
        tracemalloc.start()
        try:
            with self.assertRaises(UsageError) as caught:
                parse.parse(IMAGES, list(argv), cast("Any", stdin), str(self.cwd), {})
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 8 * 2**20)
        self.assertLess(time.process_time() - began, 1 if not sys.gettrace() else 5)
        self.assertLess(len(caught.exception.message), 200)
        return caught.exception.message

    def test_what_never_ends(self) -> None:
        for argv in (["-"], ["--file", "-"], ["--request", "-"]):
            for begins in (b"", b'{"prompt": "'):
                stdin = Endless(begins, b"y\n")
                with self.subTest(argv, begins=begins):
                    self.assertIn("stdin is longer than a request can be (1 MB", self.refused(*argv, stdin=stdin))
                    self.assertLess(stdin.given, 2 * 10**6)
        prompt = Endless(b"data:image/png;base64,", b"AAAA")
        self.assertIn("stdin is longer", self.refused("-", stdin=prompt))

    def test_words_that_are_too_long(self) -> None:
        long = "x" * (parse.LONGEST + 1)
        for argv in (
            [long],
            ["--set", f"seed={long}"],
            ["x", "--request", long],
            ["x", f"--size={long}"],
            ["--file", long],
        ):
            with self.subTest(argv[0][:20]):
                self.assertIn("is longer than a request can be", self.refused(*argv))
        picture = json.dumps({"prompt": "x", "reference_images": [data_url(400, 400, 3_000_000)]})
        self.assertEqual(len(parse.parse(IMAGES, ["--request", picture], io.StringIO(), "/").fields), 2)
        self.assertEqual(len(parse.parse(IMAGES, ["--file", "-"], io.StringIO(picture), "/").fields), 2)

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_files_that_are_none(self) -> None:
        os.mkfifo(self.cwd / "pipe")
        writer = os.open(self.cwd / "pipe", os.O_RDWR)
        os.write(writer, b'{"prompt": "through a pipe"}')
        threading.Timer(0.05, os.close, (writer,)).start()
        self.assertEqual(
            parse.parse(IMAGES, ["--file", "pipe"], io.StringIO(), str(self.cwd)).fields, {"prompt": "through a pipe"}
        )
        (self.cwd / "big").touch()
        os.truncate(self.cwd / "big", 2**40)
        self.assertIn("is longer than", self.refused("--file", "big"))
        for path in ("/dev/zero", "/dev/null", "."):
            self.assertIn("not a regular file", self.refused("--file", path))


class Output(Case):
    def test_stdout_is_the_saved_paths_and_nothing_else(self) -> None:
        with self.standin():
            ran = self.image("a cat", "-n", "2", "--output", "cat.png")
        self.assertEqual(ran.code, 0)
        self.assertEqual(ran.stdout, f"{self.cwd / 'cat_1.png'}\n{self.cwd / 'cat_2.png'}\n")
        self.assertIn("Saved ", ran.stderr)

    def test_quiet(self) -> None:
        with self.standin():
            ran = self.image("a cat", "-q", "--output", "cat.png")
            self.assertEqual((ran.code, ran.stderr), (0, ""))
            ran = self.image("a cat", "-q", "--async", "--output", "dog.png")
            self.assertEqual((ran.code, ran.stderr), (0, ""))
            ran = self.image("a bird", "-q", "--async", "--submit-only", "--size", "16:9")
            self.assertEqual((ran.code, ran.stderr, ran.stdout.count("\n")), (0, "", 1))

    def test_what_only_informs_is_a_note(self) -> None:
        note = "size: 16:9 is 1696*960 on this model, which is nearly that ratio"
        ran = self.image("a cat", "--size", "16:9", "--dry-run")
        self.assertIn(f"\nNote: {note}\n", ran.stderr)
        self.assertNotIn("Warning", ran.stderr)
        self.assertEqual(self.json("a cat", "--size", "16:9", "--dry-run")["warnings"], [note])
        exact = self.json("a cat", "--size", "1:1", "--dry-run")["warnings"]
        self.assertEqual(exact, ["size: 1:1 is 1280*1280 on this model"])

    def test_the_json_of_success(self) -> None:
        with self.standin():
            reply = self.json("猫", "--seed", "5", "--output", "猫.png")
            (url,) = reply["image_urls"]
            self.assertEqual(reply["output"], standin_output(url))
        self.assertEqual(
            set(reply),
            {
                *("ok", "model", "task_id", "seed", "width", "height", "files", "warnings", "failures"),
                *("request_id", "output", "usage"),
                *("image_url", "image_urls", "image_count", "local_path", "local_paths"),
            },
        )
        path = self.cwd / "猫.png"
        self.assertEqual((reply["ok"], reply["model"], reply["seed"]), (True, "wan2.6-t2i", 5))
        self.assertEqual((reply["width"], reply["height"], reply["image_count"]), (1280, 1280, 1))
        self.assertEqual((reply["image_url"], reply["local_path"], reply["local_paths"]), (url, str(path), [str(path)]))
        (file,) = reply["files"]
        self.assertEqual(file["bytes"], path.stat().st_size)
        self.assertEqual((file["path"], file["media_type"], file["url"]), (str(path), "image/png", url))
        self.assertEqual((file["width"], file["height"], len(file["sha256"])), (1280, 1280, 64))

    def test_default_names_are_readable_and_unique(self) -> None:
        with self.standin():
            paths = [Path(self.image("A cat, 猫!").stdout.strip()) for _ in range(2)]
        self.assertEqual(paths[0].parent, self.cwd / "output/qianwen-image-generation/images")
        self.assertRegex(paths[0].name, r"^\d{8}-\d{6}-a-cat-猫\.png$")
        self.assertEqual(paths[1].name, paths[0].stem + "-2.png")

    def test_output_dir_replaces_output(self) -> None:
        with self.standin():
            self.env["OUTPUT_DIR"] = "elsewhere"
            path = Path(self.image("x").stdout.strip())
        self.assertEqual(path.parent, self.cwd / "elsewhere/qianwen-image-generation/images")

    def test_dry_run_needs_no_key_and_tells_the_bill(self) -> None:
        self.env = {}
        ran = self.image("x", "-n", "3", "--image", str(PHOTO), "--dry-run")
        self.assertEqual(ran.code, 0)
        self.assertIn("POST https://dashscope.aliyuncs.com/api/v1/services/", ran.stdout)
        self.assertIn("Authorization: Bearer [hidden]", ran.stdout)
        self.assertIn("X-DashScope-OssResourceResolve: enable", ran.stdout)
        self.assertIn(f"# uploads first: {PHOTO}", ran.stdout)
        self.assertIn("# bills at most 3 images; nothing was sent", ran.stdout)
        reply = self.json("x", "--set", "enable_sequential=true", "--region", "intl", "--dry-run")
        self.assertEqual(reply["bills"], {"unit": "image", "at_most": 12})
        self.assertIn("dashscope-intl", reply["request"]["url"])
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_dry_run_tells_the_price_tier_where_the_size_sets_the_price(self) -> None:
        pictures = ("--image", "https://example.com/a.png", "--image", "https://example.com/b.png")
        for argv, tier, said in (
            ((), "up to 2K", "1 image (price tier: up to 2K)"),
            (("--size", "16:9", "-n", "2"), "1K", "2 images (price tier: 1K)"),
            (("--size", "2048*1152"), "2K", "1 image (price tier: 2K)"),
            (("--size", "1K", *pictures[:2]), "1K", "1 image (price tier: 1K) and 1 input image"),
            (pictures, "up to 2K", "1 image (price tier: up to 2K) and 2 input images"),
        ):
            command = ("x", "--model", "qwen-image-3.0-pro", *argv, "--dry-run")
            with self.subTest(argv):
                self.assertIn(f"# bills at most {said}; nothing was sent", self.image(*command).stdout)
                bills = self.json(*command)["bills"]
                self.assertEqual((bills["tier"], bills["input_images"]), (tier, argv.count("--image")))

    def test_dry_run_tells_what_is_billed_of_what_is_sent(self) -> None:
        clip, picture = "https://example.com/a.mp4", "https://example.com/a.png"
        for program, argv, said in (
            (self.video, ("x", "--video", clip), "bills at most 20 seconds, of which up to 10 are of the clips that"),
            (self.video, ("character1", "--reference", picture), "bills at most 5 seconds; nothing was sent"),
            (self.image, ("x", "--image", picture), "bills at most 1 image; nothing was sent"),
            (
                self.image,
                ("x", "--image", picture, "--model", "qwen-image-2.1-pro"),
                "bills at most 1 image; no page says whether pictures that are sent are billed; nothing was sent",
            ),
        ):
            with self.subTest(said):
                self.assertIn(f"# {said}", program(*argv, "--dry-run").stdout)

    def test_a_dry_run_says_that_the_run_itself_has_no_key(self) -> None:
        (self.cwd / "rows.txt").write_text("a cat\n")
        for key, said in (
            ("", "no API key was found"),
            ("sk-sp-0123", "a Token Plan or Coding Plan key"),
            ("sk-0", ""),
        ):
            self.env["DASHSCOPE_API_KEY"] = key
            for argv in (("x",), ("--batch", "rows.txt")):
                with self.subTest(key=key, argv=argv):
                    told = " ".join(self.json(*argv, "--dry-run")["warnings"])
                    self.assertEqual("would end with exit 4" in told, bool(said))
                    self.assertIn(said, told)
                    self.assertNotIn("exit 4", " ".join(self.json(*argv, "--dry-run", "--sandbox")["warnings"]))

    def test_a_region_that_does_not_have_the_model(self) -> None:
        refused = {"code": "InvalidParameter", "message": "Model not exist."}
        for model, region, warned in (("wanx-v1", "intl", True), ("wanx-v1", "cn", False), ("wan2.6-t2i", "us", False)):
            with self.subTest(model=model, region=region):
                reply = self.json("x", "--model", model, "--region", region, code=1, send=Script(answer(refused, 400)))
                self.assertEqual(any("not for ap-southeast-1" in text for text in reply["warnings"]), warned)
                self.assertIn("--region", reply["error"]["hint"])

    def test_errors_of_the_service_keep_their_words(self) -> None:
        for status, code, message, exit_code, kind in (
            (400, "InvalidParameter", "Model not exist.", 1, "failed"),
            (400, "DataInspectionFailed", "no", 1, "content"),
            (401, "InvalidApiKey", "Invalid API-key provided.", 4, "auth"),
            (403, "Model.AccessDenied", "no", 4, "auth"),
            (400, "Arrearage", "overdue", 4, "auth"),
            (429, "Throttling.RateQuota", "slow", 5, "unavailable"),
            (500, "InternalError", "trouble", 6, "unknown_outcome"),
        ):
            with self.subTest(code), self.standin(faults=[f"sync={status}:{code}:{message}"]):
                reply = self.json("x", code=exit_code)
                error = reply["error"]
                self.assertEqual((error["kind"], error["code"], error["http_status"]), (kind, code, status))
                self.assertIn(message, error["message"])
                self.assertTrue(error["request_id"])
                self.assertEqual(error["billed"], "unknown" if exit_code == 6 else "no")
                self.assertNotIn(KEY, json.dumps(reply))

    def test_no_network(self) -> None:
        self.env = {"DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:9", "DASHSCOPE_API_KEY": KEY}
        reply = self.json("x", code=5)
        self.assertEqual(
            (reply["error"]["kind"], reply["error"]["billed"], reply["error"]["retryable"]), ("unavailable", "no", True)
        )

    def test_the_key_is_hidden_wherever_it_turns_up(self) -> None:
        leaky = answer({"code": "InvalidApiKey", "message": f"no such key: {KEY} Bearer {KEY}\x1b[31m"}, 401)
        ran = self.image("x", "--print-response", send=Script(leaky))
        self.assertEqual(ran.code, 4)
        self.assertNotIn(KEY, ran.stdout + ran.stderr)
        self.assertNotIn("\x1b", ran.stdout + ran.stderr)

    def test_a_bug_is_one_line_and_exit_70(self) -> None:
        def broken(_: object) -> None:
            raise KeyError("surprise")

        ran = self.image("x", "--print-response", send=broken)  # type: ignore[arg-type]
        self.assertEqual(ran.code, 70)
        self.assertRegex(ran.stderr, r"Error: a bug in this program: KeyError: 'surprise' at .*test_cli\.py:\d+\n")
        self.assertEqual((ran.json["error"]["kind"], ran.json["error"]["billed"]), ("internal", "unknown"))

    def test_ctrl_c(self) -> None:
        def interrupted(_: object) -> None:
            raise KeyboardInterrupt

        reply = self.json("x", code=130, send=interrupted)  # type: ignore[arg-type]
        self.assertEqual(reply["error"]["kind"], "interrupted")


def standin_output(url: str) -> dict[str, object]:
    content = [{"type": "image", "image": url}]
    return {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "finished": True,
    }


class Processes(Case):
    """The programs as they are really run."""

    def run_script(self, *argv: str, script: Path = SCRIPTS / "image.py") -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "HOME": str(self.home), "PYTHONWARNINGS": "error"}
        for name in list(env):
            if name.endswith(("_API_KEY", "_BASE_URL")) or name in ("OUTPUT_DIR", "COLUMNS"):
                del env[name]
        command = [sys.executable, str(script), *argv]
        return subprocess.run(command, cwd=self.cwd, env=env, capture_output=True, text=True, encoding="utf-8")

    def test_the_first_command_of_the_readme(self) -> None:
        ran = self.run_script("A cozy flower shop with a wooden door", "--sandbox")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertTrue(Path(ran.stdout.strip()).is_file())

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_through_a_link_and_from_a_folder_with_spaces(self) -> None:
        link = self.cwd / "a link to it.py"
        link.symlink_to(SCRIPTS / "image.py")
        self.assertEqual(self.run_script("x", "--dry-run", script=link).returncode, 0)

    def test_help_and_version(self) -> None:
        ran = self.run_script("--help-all")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        for words in ("--print-response", "wan2.7-image", "exit codes:", 'image.py "A cozy flower shop'):
            self.assertIn(words, ran.stdout)
        for code, _ in EXIT_CODES:
            self.assertRegex(ran.stdout, rf"\n +{code}  ")
        self.assertLess(max(map(len, ran.stdout.splitlines())), 121)
        self.assertRegex(self.run_script("--version").stdout, r"^image\.py \d+\.\d+\.\d+\n$")

    def test_what_help_imports(self) -> None:
        """Start-up is a feature: none of the heavy modules, and none of ours that a run may not need."""
        bare = imported("-c", "pass")
        loaded = imported(str(SCRIPTS / "image.py"), "--help") - bare
        heavy = {"argparse", "dataclasses", "email", "hashlib", "http", "inspect", "json", "pathlib", "re", "shutil"}
        heavy |= {"socket", "ssl", "threading", "typing", "urllib"}
        self.assertEqual(loaded & heavy, set())
        self.assertEqual((imported(str(SCRIPTS / "video.py"), "--help") - bare) & heavy, set())
        ours = {name for name in loaded if name.startswith("qianwen")}
        self.assertEqual(
            ours,
            {
                *("qianwen", "qianwen.ask", "qianwen.cli", "qianwen.environment", "qianwen.errors", "qianwen.regions"),
                *("qianwen.command", "qianwen.command.flags", "qianwen.command.help_page"),
                *("qianwen.models", "qianwen.models.catalog", "qianwen.models.image_models"),
                *("qianwen.models.image_rules", "qianwen.models.shared_rows", "qianwen.plain", "qianwen.plain.record"),
            },
        )

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_reader_that_has_gone_away(self) -> None:
        for argv in ("--help", "x --dry-run"):
            command = f"{shlex.quote(sys.executable)} {shlex.quote(str(SCRIPTS / 'image.py'))} {argv} 2>err.txt | true"
            subprocess.run(["/bin/sh", "-c", command], cwd=self.cwd)
            self.assertNotIn("Traceback", (self.cwd / "err.txt").read_text())

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_names_and_prompts_that_are_no_utf_8(self) -> None:
        ran = subprocess.run(
            [sys.executable.encode(), str(SCRIPTS / "image.py").encode(), b"caf\xe9", b"--dry-run"], capture_output=True
        )
        self.assertEqual(ran.returncode, 3)
        self.assertIn(b"not valid Unicode", ran.stderr)
        ran = subprocess.run(
            [
                sys.executable.encode(),
                str(SCRIPTS / "image.py").encode(),
                b"x",
                b"--image",
                b"caf\xe9.png",
                b"--dry-run",
            ],
            capture_output=True,
        )
        self.assertEqual(ran.returncode, 3)
        self.assertNotIn(b"Traceback", ran.stderr)

    def test_ascii_terminals(self) -> None:
        ran = subprocess.run(
            [sys.executable, str(SCRIPTS / "image.py"), "猫", "--dry-run", "--print-response"],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("猫", ran.stdout.decode("utf-8"))

    def test_old_interpreters_are_told_so(self) -> None:
        source = (SCRIPTS / "image.py").read_text()
        guard = source.partition("from qianwen")[0]
        self.assertIn("sys.version_info < (3, 9)", guard)
        self.assertNotRegex(guard, r'f"')


def imported(*argv: str) -> set[str]:
    """The modules that an interpreter imports for a command line."""
    ran = subprocess.run([sys.executable, "-X", "importtime", *argv], capture_output=True, text=True)
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


class Streams(unittest.TestCase):
    def test_no_file_name_breaks_the_json(self) -> None:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        environment.write(stream, "caf\udce9\n")
        self.assertEqual(raw.getvalue(), b"caf\xe9\n")

    def test_main_needs_no_world(self) -> None:
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual(cli.main(IMAGES, ["--nonsense"]), 3)
        self.assertIn("unknown flag --nonsense", said.getvalue())
