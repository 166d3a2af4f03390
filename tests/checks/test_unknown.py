"""Ids and fields without a row: all that is given arrives, what cannot be made here is refused for nothing."""

from __future__ import annotations

import json
import re
import unittest
from random import Random
from typing import Any, Iterator

from qianwen.checks.meanings import MEANINGS, meant
from qianwen.checks.sources import inspect
from qianwen.checks.validate import bill, check
from qianwen.errors import InvalidRequest
from qianwen.models.catalog import Found, find, why_not
from qianwen.models.image_models import IMAGES
from qianwen.models.shared_rows import CLOSED
from qianwen.models.video_models import VIDEOS
from qianwen.models.wire import WHOLE, encode
from qianwen.plain.record import changed

from .. import IS_SAMPLE
from ..support import KEY, PHOTO, Case, Script, answer

A, B = "https://example.com/a.png", "https://example.com/b.mp4"
MANY = [f"https://example.com/{number}.png" for number in range(25)]

# (program, invented id, fields beyond what its relative takes)
IDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("image", "qwen-image-4.0", {"n": 20, "size": "9999*9999"}),
    ("image", "qwen-image-4.0-edit", {"reference_images": MANY, "size": "16:9"}),
    ("image", "qwen-image-edit-next", {"reference_images": MANY, "n": 0}),
    ("image", "qwen-image-max-next", {"n": 4, "size": "4K", "reference_images": [A]}),
    ("image", "qwen-image-plus-next", {"n": -1, "size": 2048}),
    ("image", "z-image-pro", {"n": 9, "reference_images": [A], "watermark": False}),
    ("image", "z-image-2-turbo", {"size": "1x1", "negative_prompt": ""}),
    ("image", "wan4.0-t2i", {"n": 50, "size": "8000x8000", "reference_images": MANY}),
    ("image", "wan9.8-t2i-flash", {"size": "tall", "prompt_extend": "maybe"}),
    ("image", "wan4.0-image", {"n": 13, "reference_images": MANY, "size": "16K"}),
    ("image", "wan4.0-image-pro", {"bbox_list": "all", "color_palette": [1], "thinking_mode": 0}),
    ("image", "wan9.9-image", {"enable_sequential": True, "n": 99}),
    ("image", "wan2.6-image-ultra", {"enable_interleave": True, "max_images": 50}),
    ("image", "wan2.5-i2i-ultra", {"reference_images": MANY, "size": "auto"}),
    ("image", "wan2.2-t2i-ultra", {"seed": -5, "n": [3]}),
    ("image", "wan9.0-imageedit", {"function": "new_function", "base_image_url": A, "upscale_factor": 16}),
    ("video", "wan4.0-t2v", {"duration": 600, "resolution": "8K", "ratio": "32:9", "reference_urls": MANY}),
    ("video", "wan9.8-t2v-flash", {"size": "1921*1081", "duration": 0}),
    ("video", "wan2.6-t2v-ultra", {"size": "8K", "duration": 31, "shot_type": "three"}),
    ("video", "wan2.2-t2v-ultra", {"duration": 60, "audio": False}),
    ("video", "wan4.0-i2v", {"first_frame_url": A, "last_frame_url": A, "first_clip_url": B, "duration": 99}),
    ("video", "wan2.6-i2v-ultra", {"img_url": A, "resolution": "4K", "template": ""}),
    ("video", "wan9.9-kf2v", {"first_frame_url": A, "last_frame_url": A, "duration": 10}),
    ("video", "wan9.8-r2v", {"reference_urls": MANY, "duration": 45, "reference_types": ["a", None, 7]}),
    ("video", "wan2.6-r2v-ultra", {"reference_urls": MANY, "size": "1x1"}),
    ("video", "wan9.8-vace", {"function": "dance", "video_url": B, "strength": 7}),
    ("video", "wan9.8-videoedit", {"video_url": B, "reference_urls": MANY, "duration": 120}),
    ("video", "happyhorse-2.0-t2v", {"duration": 120, "resolution": "2K", "watermark": None}),
    ("video", "happyhorse-2.0-i2v", {"first_frame_url": A, "media": [{"type": "tail", "url": B, "weight": 0}]}),
    ("video", "happyhorse-3.0-r2v", {"reference_urls": MANY, "ratio": "5:9"}),
)

INVENTED: dict[str, Any] = {
    "new_true": True,
    "new_false": False,
    "new_zero": 0,
    "new_empty": "",
    "new_null": None,
    "new_list": [],
    "new_object": {},
    "new_text": "auto",
    "new_chinese": "水墨",
    "new_integer": 7,
    "new_negative": -1,
    "new_huge": 10**30,
    "new_fraction": 0.25,
    "new_small": 1e-300,
    "new_nested": {"a": [{"b": None}, False, ""], "c": {"d": 0}},
    "new_mixed": [0, "", None, False, {}],
    "camelCase": "x",
    "with-hyphen": 1,
    "new.dotted": {"url": "cat.png"},
    "negative_promt": "a slip of the pen",
}


def leaves(body: dict[str, Any]) -> dict[str, Any]:
    """What arrived, by the name of the field; the pieces of messages and of `media` under our names for them."""
    found = {**body["input"], **body.get("parameters", {})}
    for message in found.pop("messages", ()):
        content = message["content"]
        found["prompt"] = next(item["text"] for item in content if "text" in item)
        found["reference_images"] = [item["image"] for item in content if "image" in item]
    if "images" in found:
        found["reference_images"] = found.pop("images")
    return found


class Arrives(Case):
    def ask(self, program: str, model: str, fields: dict[str, Any], *argv: str, code: int = 0) -> Any:
        run = self.json if program == "image" else self.video_json
        request = json.dumps({"prompt": "x", "model": model, **fields})
        return run("--request", request, "--dry-run", *argv, code=code)

    def media(self, given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """(type, address) of every flat field that goes into the array, the type "" where any will do."""
        for name, kind in (
            ("first_frame_url", "first_frame"),
            ("last_frame_url", "last_frame"),
            ("first_clip_url", "first_clip"),
            ("video_url", "video"),
        ):
            if name in given:
                yield kind, given[name]
        types = given.get("reference_types", ())
        for index, url in enumerate(given.get("reference_urls", ())):
            yield (types[index] if index < len(types) and types[index] else ""), url

    def test_everything_arrives_as_it_was_given(self) -> None:
        self.assertEqual((len(IDS), len(INVENTED)), (30, 20))
        for program, model, special in IDS:
            with self.subTest(model):
                given = {**INVENTED, **special}
                reply = self.ask(program, model, given)
                body = reply["request"]["body"]
                self.assertEqual(body["model"], model)
                arrived = leaves(body)
                if "media" in arrived:
                    items = [*arrived["media"]]
                    for whole in given.pop("media", ()):
                        self.assertIn(whole, items)
                    for kind, url in self.media(given):
                        self.assertTrue(any(item["url"] == url and kind in ("", item["type"]) for item in items), url)
                    for name in ("first_frame_url", "last_frame_url", "first_clip_url", "video_url"):
                        given.pop(name, None)
                    given.pop("reference_urls", None), given.pop("reference_types", None)
                for name, value in given.items():
                    if name == "watermark" and value is None:
                        self.assertIs(arrived[name], False)  # what sets the price is not left to the service
                        continue
                    self.assertIn(name, arrived)
                    self.assertEqual(json.dumps(arrived[name]), json.dumps(value), name)
                self.assertIn(f"unknown model id '{model}'", reply["warnings"][0])
                told = " ".join(reply["warnings"])
                self.assertRegex(told, rf"new_true, .* and \d+ more; sent to {model} anyway")
                by = reply["bills"]["by_the_rules_of"]
                self.assertEqual(by, find(IMAGES if program == "image" else VIDEOS, model).model.id)  # type: ignore[union-attr]

    def test_the_service_receives_what_the_dry_run_shows(self) -> None:
        for program, model, special in IDS:
            with self.subTest(model), self.standin() as standin:
                given = {**INVENTED, **special}
                shown = self.ask(program, model, given)["request"]
                run = self.json if program == "image" else self.video_json
                request = json.dumps({"prompt": "x", "model": model, **given})
                reply = run("--request", request, "--output", f"{model}/", code=1)
                self.assertIn("Model not exist", reply["error"]["message"])
                (sent,) = standin.of("sync", "stream", "submit")
                self.assertEqual(sent.json, shown["body"])

    def test_in_the_sandbox_the_relative_plays_it(self) -> None:
        for program, model, special in IDS:
            with self.subTest(model):
                run = self.json if program == "image" else self.video_json
                request = json.dumps({"prompt": "x", "model": model, **special})
                reply = run("--request", request, "--sandbox", "--output", f"{model}/")
                self.assertTrue(reply["files"])

    def test_nothing_that_sets_the_price_is_left_to_the_service(self) -> None:
        for program, model, fields, name, sent in (
            ("image", "qwen-image-4.0", {}, "n", 1),
            ("image", "qwen-image-4.0", {"n": None}, "n", 1),
            ("image", "qwen-image-4.0", {"parameters": {"n": None}}, "n", 1),
            ("image", "qwen-image-4.0", {"parameters": {"n": 3}}, "n", 3),
            ("image", "wan4.0-image", {"enable_sequential": True}, "n", 12),
            ("video", "wan4.0-t2v", {}, "resolution", "720P"),
            ("video", "wan4.0-t2v", {}, "duration", 5),
            ("video", "wan4.0-t2v", {"resolution": None}, "resolution", "720P"),
            ("video", "wan4.0-t2v", {"size": "1920*1080"}, "resolution", None),
            ("video", "wan2.6-t2v-ultra", {}, "size", "1280*720"),
            ("video", "wan2.6-t2v-ultra", {"ratio": "9:16"}, "size", "720*1280"),
            ("video", "wan2.6-t2v-ultra", {"ratio": "7:9"}, "size", None),
            ("video", "wan2.6-t2v-ultra", {"resolution": "1080P"}, "size", None),
            ("video", "happyhorse-2.0-t2v", {}, "watermark", False),
        ):
            with self.subTest(model=model, fields=fields):
                reply = self.ask(program, model, dict(fields))
                self.assertEqual(reply["request"]["body"]["parameters"].get(name), sent)
                if sent is None:
                    self.assertTrue(any("the service chooses it" in text for text in reply["warnings"]))

    def test_bills_say_by_whose_rules_or_that_nothing_tells(self) -> None:
        for program, model, fields, most in (
            ("image", "qwen-image-4.0", {}, 1),
            ("image", "qwen-image-4.0", {"n": 20}, 20),
            ("image", "qwen-image-4.0", {"parameters": {"n": 7}}, 7),
            ("image", "qwen-image-4.0", {"n": 0}, None),
            ("image", "qwen-image-4.0", {"n": "many"}, None),
            ("image", "qwen-image-4.0", {"n": True}, None),
            ("video", "wan4.0-t2v", {"duration": 600}, 600),
            ("video", "wan4.0-t2v", {"duration": -1}, None),
            ("video", "wan9.8-r2v", {"reference_urls": [B], "duration": 5, "reference_types": 3}, 35),
        ):
            with self.subTest(model=model, fields=fields):
                self.assertEqual(self.ask(program, model, dict(fields))["bills"]["at_most"], most)
        lines = self.image("x", "--model", "qwen-image-4.0", "--dry-run").stdout
        self.assertIn("# bills at most 1 image by the rules of qwen-image-3.0, which may not be", lines)

    def test_a_task_is_submitted_where_the_family_has_one(self) -> None:
        for model, path, words in (
            ("wan4.0-image", "image-generation/generation", ""),
            ("wan4.0-t2i", "image-generation/generation", ""),
            ("qwen-image-4.0-edit", "image-generation/generation", ""),
            ("z-image-pro", "multimodal-generation/generation", "not known to have tasks"),
        ):
            with self.subTest(model):
                reply = self.ask("image", model, {}, "--async")
                self.assertTrue(reply["request"]["url"].endswith(path))
                self.assertTrue(not words or any(words in text for text in reply["warnings"]))
        reply = self.json("x", "--model", "z-image-pro", "--submit-only", "--dry-run", code=3)
        self.assertIn("no task to submit", reply["problems"][0]["message"])

    def test_another_row_of_the_family_lends_its_task(self) -> None:
        from qianwen.checks import validate
        from qianwen.checks.findings import Manner

        turbo, twin = (find(IMAGES, name).model for name in ("z-image-turbo", "wan2.6-t2i"))  # type: ignore[union-attr]
        family = changed(IMAGES, models=(*IMAGES.models, changed(twin, id="z-image-task", family=turbo.family)))
        found = find(family, "z-image-pro")
        assert found
        checked = validate.check(family, found, {"prompt": "x"}, self.fail, Manner(wants_task=True))
        self.assertEqual(checked.shape, "messages task")

    def test_objects_of_the_body_may_be_given_whole(self) -> None:
        fields = {"input": {"element_list": [1], "prompt": "old"}, "parameters": {"n": 4, "seed": None, "size": "1*1"}}
        body = self.ask("video", "wan4.0-t2v", {**fields, "size": "2*2"})["request"]["body"]
        self.assertEqual(body["input"], {"element_list": [1], "prompt": "x"})
        self.assertEqual(body["parameters"], {"n": 4, "seed": None, "size": "2*2", "duration": 5})
        reply = self.ask("video", "wan4.0-i2v", {"input": {"media": [{"type": "new"}]}, "first_frame_url": A})
        items = [{"type": "new"}, {"type": "first_frame", "url": A}]
        self.assertEqual(reply["request"]["body"]["input"]["media"], items)
        reply = self.ask("image", "wan4.0-t2i", {"parameters": {"n": 4}, "n": 2})
        self.assertEqual(reply["request"]["body"]["parameters"]["n"], 2)
        self.assertIn("n: given twice, in parameters and as a field", " ".join(reply["warnings"]))
        body = self.ask("image", "qwen-image-4.0", {"input": 5, "parameters": [1]})["request"]["body"]
        self.assertEqual((body["parameters"]["input"], body["parameters"]["parameters"]), (5, [1]))

    def test_files_are_uploaded_from_every_media_field(self) -> None:
        (self.cwd / "cat.png").write_bytes(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000280000001e00802000000"))
        for program, model, fields, path in (
            ("image", "qwen-image-4.0", {"reference_images": ["cat.png", A]}, "reference_images[0]"),
            ("image", "z-image-pro", {"reference_image": "cat.png"}, "reference_images[0]"),
            ("image", "qwen-image-4.0", {"mask_image_url": "cat.png"}, "mask_image_url"),
            ("image", "wan9.0-imageedit", {"base_image_url": ["cat.png", A]}, "base_image_url[0]"),
            ("video", "wan4.0-t2v", {"img_url": "cat.png"}, "img_url"),
            ("video", "wan4.0-i2v", {"media": [{"type": "new", "url": "cat.png"}]}, "media[0].url"),
            ("video", "wan9.8-r2v", {"reference_urls": ["cat.png"]}, "reference_urls[0]"),
        ):
            with self.subTest(model=model, fields=fields):
                reply = self.ask(program, model, dict(fields))
                self.assertEqual([upload["field"] for upload in reply["uploads"]], [path])
                self.assertIn("oss://(upload of", json.dumps(reply["request"]["body"]))

    def test_what_cannot_be_sent_is_refused(self) -> None:
        (self.cwd / "id_rsa").write_text("-----BEGIN", encoding="utf-8")
        for program, model, fields, path in (
            ("image", "qwen-image-4.0", {"reference_images": ["no/such.png"]}, "reference_images[0]"),
            ("image", "qwen-image-4.0", {"mask_image_url": "no.png"}, "mask_image_url"),
            ("image", "qwen-image-4.0", {"reference_images": ["id_rsa"]}, "reference_images[0]"),
            ("image", "qwen-image-4.0", {"new": ["\ud800"]}, "new[0]"),
            ("image", "qwen-image-4.0", {"prompt": "\ud800"}, "prompt"),
            ("image", "qwen-image-4.0", {"new": {"\ud800": 1}}, "new"),
            ("video", "wan4.0-i2v", {"media": [{"type": "new", "url": "no.png"}]}, "media[0].url"),
            ("video", "wan4.0-i2v", {"media": 5, "first_frame_url": A}, "media"),
            ("video", "wan9.8-r2v", {"reference_urls": [A], "reference_voices": [B, B]}, "reference_voices"),
        ):
            with self.subTest(model=model, fields=fields):
                reply = self.ask(program, model, dict(fields), code=3)
                self.assertEqual([problem["path"] for problem in reply["problems"]], [path])
        for kind in ("new_kind", "reference_video"):
            given = {"reference_urls": [str(PHOTO)], "reference_types": [kind]}
            reply = self.ask("video", "wan9.8-r2v", given)
            self.assertIn(f"is not a {kind}", " ".join(reply["warnings"]))
        reply = self.ask("image", "qwen-image-4.0", {"reference_images": ["ftp://a/b.png", "asset://7"]})
        self.assertIn("asset://7", json.dumps(reply["request"]["body"]))

    def test_odd_values_in_every_field_of_a_relative(self) -> None:
        odd: tuple[Any, ...] = (
            None,
            False,
            0,
            -1,
            10**30,
            1e300,
            "",
            " ",
            "x" * 9000,
            [],
            [None, ""],
            [[1]],
            {},
            {"url": 1},
        )
        for program, model, _ in IDS:
            catalog = IMAGES if program == "image" else VIDEOS
            found = find(catalog, model)
            assert found
            names = {param.name for mode in found.model.modes for param in mode.params} - {"prompt"}
            media = {param.name for mode in found.model.modes for param in mode.params if param.media}
            for value in odd:
                given = {
                    name: value for name in names if not (name in media and isinstance(value, str) and value.strip())
                }
                with self.subTest(model=model, value=str(value)[:20]):
                    ran = (self.image if program == "image" else self.video)(
                        "--request",
                        json.dumps({"prompt": value, "model": model, **given}),
                        "--dry-run",
                        "--print-response",
                    )
                    self.assertIn(ran.code, (0, 3), ran.stderr)
                    for problem in ran.json.get("problems", ()):
                        self.assertRegex(problem["path"], "media|reference_(voices|types)")

    def test_any_mixture_of_odd_values_is_sent_or_refused(self) -> None:
        chance = Random(26)
        odd: tuple[Any, ...] = (
            None, "", 0, -1, 1.5, 10**30, True, [], {}, ["foo"], [None], [[1]], [{}], [[[1, 2, 3, 4]]], {"a": 1}, "16:9",
            "21:9", "1280*720", "multi", "agent", str(PHOTO), [str(PHOTO)], [str(PHOTO), None], "reference_image",
            ["reference_audio"], "oss://a/b.mp4", ["https://e.com/a.mp3"],
        )  # fmt: skip
        for catalog, model in ((program, model) for program in (IMAGES, VIDEOS) for model in program.models):
            params = [param for mode in model.modes for param in mode.params]
            names = sorted({name for param in params for name in (param.name, *param.also)} | {"media", *WHOLE})
            for found in (Found(model, model.id), Found(model, f"{model.id}-x", exact=False)) * (
                4 if IS_SAMPLE else 400
            ):
                fields = {name: chance.choice(odd) for name in chance.sample(names, min(len(names), 7))}
                fields.update(prompt="x", **{name: "x" for name in chance.choice(model.modes).when if name != "async"})
                with self.subTest(model=found.id, fields=fields):
                    try:
                        checked = check(catalog, found, fields, lambda text: inspect(text, "/"))
                    except InvalidRequest:
                        continue
                    self.assertIn("at_most", bill(catalog, checked))
                    encode(checked.shape, checked.id, checked.values)

    def test_no_model_at_all_is_still_refused(self) -> None:
        for model in ("a b", "模型"):
            self.assertEqual(self.image("x", "--model", model, "--dry-run").code, 3)


class Makers(Case):
    def test_passed_through_untouched(self) -> None:
        items = [{"type": "first_frame", "url": A}, {"type": "refer", "url": A, "keep_original_sound": "yes"}]
        request = {
            "prompt": "x",
            "model": "kling/kling-v3-omni-video-generation",
            "mode": "std",
            "duration": 99,
            "audio": False,
            "media": items,
            "input": {"multi_shot": True, "element_list": []},
            "parameters": {"aspect_ratio": "1:1", "watermark": None},
        }
        reply = self.video_json("--request", json.dumps(request), "--dry-run")
        self.assertTrue(reply["request"]["url"].endswith("/services/aigc/video-generation/video-synthesis"))
        self.assertEqual(reply["request"]["headers"]["X-DashScope-Async"], "enable")
        self.assertEqual(
            reply["request"]["body"],
            {
                "model": "kling/kling-v3-omni-video-generation",
                "input": {"multi_shot": True, "element_list": [], "prompt": "x", "media": items},
                "parameters": {"aspect_ratio": "1:1", "watermark": None, "mode": "std", "duration": 99, "audio": False},
            },
        )
        self.assertEqual(reply["bills"], {"unit": "second", "at_most": None, "by_the_rules_of": None})
        self.assertIn("its bill is unknown", reply["warnings"][0])

    def test_nothing_of_ours_is_added(self) -> None:
        for model in ("vidu/viduq3-pro_text2video", "pixverse/pixverse-v6-it2v", "MiniMax/MiniMax-H3", "new/thing"):
            with self.subTest(model):
                body = self.video_json("x", "--model", model, "--dry-run")["request"]["body"]
                self.assertEqual(body, {"model": model, "input": {"prompt": "x"}})

    def test_mode_is_a_field_of_theirs_whatever_its_value(self) -> None:
        for argv, sent in (
            (["--mode", "pro"], {"mode": "pro"}),
            (["--set", "mode=false"], {"mode": False}),
            (["--set", "mode=null"], {"mode": None}),
            (["--set", "mode=i2v"], {"mode": "i2v"}),
        ):
            reply = self.video_json("x", "--model", "kling/kling-v3-video-generation", *argv, "--dry-run")
            self.assertEqual(reply["request"]["body"]["parameters"], sent)
        reply = self.video_json("x", "--model", "wan4.0-t2v", "--set", "mode=fast", "--dry-run")
        self.assertEqual(reply["request"]["body"]["parameters"]["mode"], "fast")
        self.assertEqual(self.video("x", "--model", "wan2.7-t2v", "--set", "mode=fast", "--dry-run").code, 3)

    def test_pictures_go_as_messages(self) -> None:
        request = {"model": "kling/kling-v3-image-generation", "prompt": "x", "reference_image": A, "n": 3}
        reply = self.json("--request", json.dumps(request), "--dry-run")
        self.assertTrue(reply["request"]["url"].endswith("/services/aigc/image-generation/generation"))
        content = [{"image": A}, {"text": "x"}]
        self.assertEqual(reply["request"]["body"]["input"], {"messages": [{"role": "user", "content": content}]})
        self.assertEqual(reply["request"]["body"]["parameters"], {"n": 3})

    def test_each_program_has_its_own(self) -> None:
        for catalog, model in (
            (IMAGES, "kling/kling-v3-video-generation"),
            (VIDEOS, "kling/kling-v3-image-generation"),
        ):
            self.assertIsNone(find(catalog, model))
            self.assertIn("makes another kind", why_not(catalog, model)[0])

    def test_the_sandbox_plays_them(self) -> None:
        self.assertTrue(self.video_json("x", "--model", "MiniMax/MiniMax-H3", "--sandbox")["files"])
        self.assertTrue(self.json("x", "--model", "kling/kling-v3-image-generation", "--sandbox")["files"])


class Closed(Case):
    IDS = (
        *("aitryon", "aitryon-plus", "aitryon-refiner", "facechain-generation", "image-out-painting", "liveportrait"),
        *("wordart-semantic", "wordart-texture", "wanx-background-generation-v2", "animate-anyone-gen2", "emo-v1"),
        *("emoji-v1", "stable-diffusion-xl", "flux-dev", "wanx-style-cosplay-v1", "wanx-ast", "wanx-anytext-v1"),
        *("videoretalk", "video-style-transform", "qwen-mt-image", "qwen-mt-image-2.0", "wanx-style-repaint-v1"),
        *("wanx-sketch-to-image-lite", "image-erase-completion", "image-instance-segmentation", "wanx-x-painting"),
        *("wanx-poster-generation-v1", "wanx-virtualmodel", "virtualmodel-v2", "shoemodel-v1", "emo-detect-v1"),
        *("liveportrait-detect", "wan2.2-s2v-detect", "wan9.9-animate", "HappyOyster-1"),
    )

    def test_refused_for_nothing_and_told_what_they_are(self) -> None:
        for catalog in (IMAGES, VIDEOS):
            for model in self.IDS:
                with self.subTest(program=catalog.program, model=model):
                    ran = self.run_program(catalog, ["x", "--model", model, "--print-response"], "", Script())
                    self.assertEqual(ran.code, 3)
                    self.assertIn(f"{model} cannot be used here: it ", ran.json["error"]["message"])
                    self.assertEqual(ran.json["error"]["billed"], "no")
                    self.assertEqual(self.run_program(catalog, ["--describe", model], "", None).code, 3)

    def test_a_row_wins_and_so_does_a_family_of_more_letters(self) -> None:
        row = changed(VIDEOS.models[0], id="wan2.2-animate-move")
        added = changed(VIDEOS, models=(*VIDEOS.models, row), families=(("*animate-move*", row.id), *VIDEOS.families))
        for model, exact in (
            ("wan2.2-animate-move", True),
            ("wan2.2-animate-move-2027-01-01", True),
            ("wan3-animate-move", False),
        ):
            found = find(added, model)
            assert found
            self.assertEqual((found.model.id, found.exact), ("wan2.2-animate-move", exact))
        self.assertIsNone(find(added, "wan3-animate-mix"))

    def test_no_glob_catches_a_row_or_an_invented_id(self) -> None:
        for catalog in (IMAGES, VIDEOS):
            for model in (*(model.id for model in catalog.models), *(model for _, model, _ in IDS)):
                refused = "cannot be asked for" in why_not(catalog, model)[0]
                self.assertFalse(refused and find(catalog, model) is None, model)  # a row wins over a glob

    def test_every_glob_is_lower_case_but_for_a_brand_and_says_a_sentence(self) -> None:
        for pattern, sentence in CLOSED:
            self.assertRegex(pattern, r"^[A-Za-z0-9*-]+$")
            self.assertTrue(re.match(r"it (was|has|is|only|translates) ", sentence), sentence)

    def test_the_models_that_a_sentence_names_are_rows(self) -> None:
        rows = {model.id for catalog in (IMAGES, VIDEOS) for model in catalog.models}
        for _, sentence in CLOSED:
            self.assertLessEqual(set(re.findall(r"\b(?:wan|wanx|qwen-image)[\d.-][\w.-]*\w", sentence)), rows)


class Twins(Case):
    def test_they_are_rows_and_of_regions_that_the_model_has_not(self) -> None:
        told = 0
        for catalog in (IMAGES, VIDEOS):
            rows = {model.id: model for model in catalog.models}
            for model in catalog.models:
                for region, twin in model.twins.items():
                    told += 1
                    self.assertNotIn(region, model.regions)
                    self.assertIn(region, rows[twin].regions)
        self.assertGreaterEqual(told, 16)

    def test_named_before_anything_is_sent(self) -> None:
        for model, region, twin in (
            ("wan2.1-t2v-plus", "cn-beijing", "wanx2.1-t2v-plus"),
            ("wanx2.1-t2v-turbo", "ap-southeast-1", "wan2.1-t2v-turbo"),
            ("wan2.6-t2v-us", "cn-beijing", "wan2.6-t2v"),
        ):
            with self.subTest(model):
                reply = self.video_json("x", "--model", model, "--region", region, "--dry-run")
                self.assertTrue(any(f"in {region} it is {twin}" in text for text in reply["warnings"]))

    def test_named_after_the_service_has_refused(self) -> None:
        self.env = {"DASHSCOPE_API_KEY": KEY}
        for code, message, status in (
            ("InvalidParameter", "Model not exist.", 400),
            ("ModelNotFound", "?", 404),
            ("Model.AccessDenied", "Model access denied.", 403),
        ):
            with self.subTest(code):
                script = Script(answer({"code": code, "message": message}, status))
                ran = self.run_program(VIDEOS, ["x", "--model", "wan2.1-t2v-plus", "--print-response"], "", script)
                self.assertIn("in cn-beijing it is wanx2.1-t2v-plus", ran.json["error"]["hint"])
        script = Script(answer({"code": "DataInspectionFailed", "message": "?"}, 400))
        ran = self.run_program(VIDEOS, ["x", "--model", "wan2.1-t2v-plus", "--print-response"], "", script)
        self.assertNotIn("wanx2.1-t2v-plus", ran.json["error"]["hint"])


class Meanings(unittest.TestCase):
    def test_a_suggestion_is_by_meaning_or_a_slip_of_the_pen_or_none(self) -> None:
        for catalog, model, name, field in (
            (IMAGES, "wan2.6-t2i", "num_images", "n"),
            (IMAGES, "wan2.6-t2i", "numImages", "n"),
            (IMAGES, "wan2.6-t2i", "promptExtend", "prompt_extend"),
            (IMAGES, "wan2.6-t2i", "negitive_prompt", "negative_prompt"),
            (IMAGES, "wan2.6-t2i", "aspect_ratio", "size"),
            (IMAGES, "wan2.7-image", "image_url", "reference_images"),
            (IMAGES, "wan2.7-image", "promptExtend", None),
            (IMAGES, "wan2.7-image", "cfg_scale", None),
            (IMAGES, "wan2.7-image", "steps", None),
            (IMAGES, "wan2.6-t2i", "", None),
            (VIDEOS, "wan2.7-t2v", "aspect_ratio", "ratio"),
            (VIDEOS, "wan2.6-i2v", "image", "img_url"),
            (VIDEOS, "wan2.7-t2v", "duratoin", "duration"),
        ):
            found = find(catalog, model)
            assert found
            with self.subTest(model=model, name=name):
                fields = {param.name for mode in found.model.modes for param in mode.params}
                self.assertEqual(meant(name, fields), field)

    def test_every_meaning_is_a_field_of_some_row(self) -> None:
        params = [
            param
            for catalog in (IMAGES, VIDEOS)
            for row in catalog.models
            for mode in row.modes
            for param in mode.params
        ]
        known = {name for param in params for name in (param.name, *param.also)}
        for name, fields in MEANINGS.items():
            with self.subTest(name):
                self.assertLessEqual(set(fields) - {"enable_thinking"}, known)


if __name__ == "__main__":
    unittest.main()
