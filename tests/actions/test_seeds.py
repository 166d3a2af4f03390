"""The interface of the skill alicloud-ai-image-qwen-image: its request, its answer, its key and its folder, as its page
promises them, through the stand-in. Where the page promises what the API does not have, the rulings are shown."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ..support import KEY, PHOTO, Case, data_url

MODELS = ("qwen-image-max", "qwen-image-plus-2026-01-09")
OTHER_KEY = "sk-other-0123456789abcdef0123456789abcde"


def ending(model: str) -> str:
    """The service has announced the end of both models since the page was written."""
    return f"{model} was announced to end on 2026-10-10, and may be refused from then on; its replacement is qwen-image-2.0"


class Promised(Case):
    def request(self, code: int = 0, **fields: Any) -> Any:
        return self.json("--request", json.dumps(fields), "--overwrite", code=code)

    def test_the_minimal_request_of_the_page_and_its_answer(self) -> None:
        with self.standin() as standin:
            reply = self.request(
                prompt="a cinematic portrait of a cyclist at dusk, soft rim light, shallow depth of field",
                negative_prompt="blurry, low quality, watermark",
                size="1024*1024",
                seed=1234,
            )
        self.assertTrue(reply["image_url"].startswith(standin.origin))
        self.assertEqual((reply["width"], reply["height"], reply["seed"]), (1024, 1024, 1234))
        self.assertTrue(Path(reply["local_path"]).is_file())
        (call,) = standin.of("sync")
        self.assertEqual(call.json["parameters"], {"size": "1024*1024", "seed": 1234, "n": 1})
        self.assertEqual(reply["warnings"], ["wan2.7-image has no field negative_prompt; it is ignored"])

    def test_the_helper_command_of_the_page(self) -> None:
        command = """--request '{"prompt":"a studio product photo of headphones","size":"1024*1024"}'
            --output output/ai-image-qwen-image/images/headphones.png --print-response"""
        with self.standin():
            ran = self.image(*shlex.split(command))
        self.assertEqual(ran.code, 0, ran.stderr)
        self.assertEqual(ran.json["local_path"], str(self.cwd / "output/ai-image-qwen-image/images/headphones.png"))
        self.assertIn("wan2.7-image (t2i, the default with size 1024*1024)", ran.stderr)

    def test_its_exact_model_ids(self) -> None:
        for model in MODELS:
            with self.subTest(model), self.standin() as standin:
                reply = self.request(
                    model=model,
                    prompt="a poster that says HELLO",
                    negative_prompt="blurry",
                    size="1328*1328",
                    seed=7,
                )
                (call,) = standin.of("sync")
                self.assertTrue(call.target.endswith("/services/aigc/multimodal-generation/generation"))
                self.assertEqual(call.json["model"], model)
                self.assertEqual(call.json["input"]["messages"][0]["content"], [{"text": "a poster that says HELLO"}])
                self.assertEqual(
                    call.json["parameters"], {"negative_prompt": "blurry", "size": "1328*1328", "seed": 7, "n": 1}
                )
                self.assertEqual((reply["model"], reply["width"], reply["height"]), (model, 1328, 1328))
                self.assertEqual((reply["seed"], reply["warnings"]), (7, [ending(model)]))

    def test_the_sizes_of_the_page_are_none_of_these_models(self) -> None:
        for model in MODELS:
            for size, nearest in (("1024*1024", "1328*1328"), ("768*1024", "1104*1472"), ("1024x1024", "1328*1328")):
                with self.subTest(model, size=size), self.standin() as standin:
                    (problem,) = self.request(3, model=model, prompt="x", size=size)["problems"]
                    self.assertEqual((problem["path"], problem["nearest"]), ("size", nearest))
                    self.assertEqual(standin.sent, [])  # the API would refuse it too, later and with fewer words

    def test_without_a_seed_there_is_none_in_the_answer(self) -> None:
        with self.standin():
            self.assertIsNone(self.request(prompt="x", size="1024*1024")["seed"])

    def test_style(self) -> None:
        """A hint of the page's; among all models one has it, and the others say that they leave it out."""
        for model in MODELS:
            with self.subTest(model), self.standin() as standin:
                reply = self.request(model=model, prompt="x", style="watercolor")
                self.assertNotIn("style", json.dumps(standin.of("sync")[0].json))
                self.assertEqual(reply["warnings"], [ending(model), f"{model} has no field style; it is ignored"])
        with self.standin() as standin:
            self.request(model="wanx-v1", prompt="x", style="<watercolor>")
            self.assertEqual(standin.of("submit")[0].json["parameters"]["style"], "<watercolor>")
            (problem,) = self.request(3, model="wanx-v1", prompt="x", style="watercolor")["problems"]
            self.assertEqual((problem["path"], problem["nearest"]), ("style", "<watercolor>"))

    def test_reference_image_as_url_file_and_bytes(self) -> None:
        bytes_of_a_picture = data_url(400, 400)
        for reference, sent in (
            ("https://example.com/a.png", "https://example.com/a.png"),
            (str(PHOTO), "oss://"),
            (bytes_of_a_picture, bytes_of_a_picture),
        ):
            for model, taken in ((None, "wan2.7-image"), ("qwen-image-edit-max", "qwen-image-edit-max")):
                with self.subTest(reference[:40], model=model), self.standin() as standin:
                    self.request(prompt="make it blue", size="1024*1024", reference_image=reference, model=model)
                    (call,) = standin.of("sync")
                    self.assertEqual(call.json["model"], taken)
                    picture, text = call.json["input"]["messages"][0]["content"]
                    self.assertTrue(picture["image"].startswith(sent))
                    self.assertEqual(text, {"text": "make it blue"})

    def test_reference_image_with_a_model_that_makes_pictures_from_text_alone(self) -> None:
        for model in MODELS:
            with self.subTest(model), self.standin() as standin:
                reply = self.request(3, model=model, prompt="x", reference_image=str(PHOTO))
                (problem,) = reply["problems"]
                self.assertEqual((problem["path"], problem["reason"]), ("reference_image", "not taken"))
                self.assertIn("wan2.7-image", reply["error"]["hint"])
                self.assertEqual(standin.sent, [])


class Key(Case):
    def credentials(self, text: str) -> None:
        path = self.home / ".alibabacloud" / "credentials"
        path.parent.mkdir()
        path.write_text(text)

    def test_the_file_opens_the_door_and_the_environment_goes_first(self) -> None:
        self.credentials(
            f"[default]\ntype = access_key\ndashscope_api_key = {OTHER_KEY}\n[work]\ndashscope_api_key={KEY}\n"
        )
        for env, key in (
            ({}, OTHER_KEY),
            ({"DASHSCOPE_API_KEY": KEY}, KEY),
            ({"ALIBABA_CLOUD_PROFILE": "work"}, KEY),
            ({"ALICLOUD_PROFILE": "work"}, KEY),
        ):
            with self.subTest(env=env), self.standin() as standin:
                del self.env["DASHSCOPE_API_KEY"]
                self.env.update(env)
                ran = self.image("x", "--print-response", "--again")
                self.assertEqual(ran.code, 0, ran.stderr)
                self.assertEqual(standin.of("sync")[0].headers["authorization"], f"Bearer {key}")
                self.assertNotIn(key, ran.stdout + ran.stderr)

    def test_a_refused_key_is_named_by_its_place(self) -> None:
        self.credentials(f"[default]\ndashscope_api_key = {OTHER_KEY}\n")
        with self.standin(faults=["sync=401:InvalidApiKey"]):
            del self.env["DASHSCOPE_API_KEY"]
            reply = self.json("x", code=4)
        self.assertIn(str(self.home / ".alibabacloud" / "credentials"), reply["error"]["hint"])
        self.assertNotIn(OTHER_KEY, json.dumps(reply))

    def test_no_key_at_all(self) -> None:
        with self.standin() as standin:
            del self.env["DASHSCOPE_API_KEY"]
            reply = self.json("x", code=4)
        self.assertIn("DASHSCOPE_API_KEY", reply["error"]["hint"])
        self.assertEqual(standin.sent, [])


class Folder(Case):
    def test_output_dir_replaces_the_base(self) -> None:
        """Wherever it is; but from a file only below the project, because the file may be somebody else's."""
        for from_file in (False, True):
            base = (self.cwd if from_file else self.folder) / "elsewhere"
            with self.subTest(from_file=from_file), self.standin():
                if from_file:
                    (self.cwd / ".env").write_text(f"OUTPUT_DIR={base}\n")
                else:
                    self.env["OUTPUT_DIR"] = str(base)
                path = Path(self.json("x", "--again")["local_path"])
                self.assertEqual(path.parent, base / "qianwen-image-generation" / "images")

    def test_it_may_be_relative_and_an_output_outdoes_it(self) -> None:
        with self.standin():
            self.env["OUTPUT_DIR"] = "made"
            self.assertEqual(
                Path(self.json("x")["local_path"]).parent, self.cwd / "made" / "qianwen-image-generation" / "images"
            )
            self.assertEqual(self.json("y", "--output", "y.png")["local_path"], str(self.cwd / "y.png"))


class Trouble(Case):
    def test_the_table_of_errors(self) -> None:
        """As the page has it, but for trouble of the server's: to pay once more is the user's decision."""
        for fault, code, kind in (
            ("sync=401:InvalidApiKey", 4, "auth"),
            ("sync=403:AccessDenied.Unpurchased", 4, "auth"),
            ("sync=400:InvalidParameter", 1, "failed"),
            ("sync=429*2", 0, None),
            ("sync=500*1", 6, "unknown_outcome"),
        ):
            with self.subTest(fault), self.standin(faults=[fault]) as standin:
                reply = self.json(f"a {fault}", code=code)
                self.assertEqual(reply.get("error", {}).get("kind"), kind)
                self.assertEqual(len(standin.of("sync")), 0 if kind else 1)
