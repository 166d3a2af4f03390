"""Requests that are refused, requests that are warned about, and what every answer says about it."""

from __future__ import annotations

import os
import random
import unittest
from typing import Any

from qianwen.checks import sources, validate
from qianwen.checks.findings import Manner
from qianwen.errors import InvalidRequest, Problem
from qianwen.files.media import Facts
from qianwen.models import wire
from qianwen.models.catalog import Param, Source, find
from qianwen.models.image_models import IMAGES, MODELS

from ..support import PHOTO, Case, data_url
from .test_media_files import exif, jpeg

URL = "https://example.com/a.png"
PALETTE = [
    {"hex": "#FFFFFF", "ratio": "33.33%"},
    {"hex": "#00FF00", "ratio": "33.33%"},
    {"hex": "#0000ff", "ratio": "33.34%"},
]


def check(model: str, *, task: bool = False, needs: bool = False, **fields: Any) -> validate.Checked:
    found = find(IMAGES, model)
    assert found
    manner = Manner(wants_task=task, needs_task=needs)
    return validate.check(IMAGES, found, fields, lambda text: sources.inspect(text, os.getcwd()), manner)


def problems(model: str, **fields: Any) -> tuple[Problem, ...]:
    try:
        check(model, **fields)
    except InvalidRequest as error:
        return error.problems
    return ()


# (name, model, fields, path of the problem, part of what is allowed or None, nearest legal value)
REFUSED: tuple[tuple[str, str, dict[str, Any], str, str | None, Any], ...] = (
    ("no prompt", "wan2.6-t2i", {}, "prompt", None, None),
    ("empty prompt", "wan2.6-t2i", {"prompt": ""}, "prompt", None, None),
    ("blank prompt", "z-image-turbo", {"prompt": " \n "}, "prompt", None, None),
    ("prompt is a number", "wan2.6-t2i", {"prompt": 7}, "prompt", "text", None),
    ("prompt is a list", "wan2.6-t2i", {"prompt": ["a"]}, "prompt", "text", None),
    ("prompt with half a character", "wan2.6-t2i", {"prompt": "a\ud800b"}, "prompt", "Unicode", None),
    ("n too large", "wan2.6-t2i", {"prompt": "x", "n": 5}, "n", "1 to 4", 4),
    ("n zero", "wan2.6-t2i", {"prompt": "x", "n": 0}, "n", "1 to 4", 1),
    ("n negative", "wan2.7-image", {"prompt": "x", "n": -3}, "n", "1 to 4", 1),
    ("n beyond a set", "wan2.7-image", {"prompt": "x", "enable_sequential": True, "n": 13}, "n", "1 to 12", 12),
    ("n of a set without a set", "wan2.7-image", {"prompt": "x", "n": 12}, "n", "1 to 4", 4),
    ("n as text", "wan2.6-t2i", {"prompt": "x", "n": "2"}, "n", "1 to 4", 2),
    ("n as a fraction", "wan2.6-t2i", {"prompt": "x", "n": 2.5}, "n", "1 to 4", 2),
    ("n as a switch", "wan2.6-t2i", {"prompt": "x", "n": True}, "n", "1 to 4", None),
    ("n on a one-picture model", "z-image-turbo", {"prompt": "x", "n": 2}, "n", "1", 1),
    ("n on qwen-image-max", "qwen-image-max", {"prompt": "x", "n": 2}, "n", "1", 1),
    ("n on qwen-image-edit", "qwen-image-edit", {"prompt": "x", "reference_image": URL, "n": 2}, "n", "1", 1),
    ("n of qwen 2.0", "qwen-image-2.0", {"prompt": "x", "n": 7}, "n", "1 to 6", 6),
    ("n while interleaving", "wan2.6-image", {"prompt": "x", "enable_interleave": True, "n": 2}, "n", "1", 1),
    ("max_images", "wan2.6-image", {"prompt": "x", "enable_interleave": True, "max_images": 6}, "max_images", "1 to 5", 5),
    ("seed below", "wan2.6-t2i", {"prompt": "x", "seed": -1}, "seed", "leave it out", None),
    ("seed above", "wan2.6-t2i", {"prompt": "x", "seed": 2147483648}, "seed", "2147483647", 2147483647),
    ("seed as text", "wan2.6-t2i", {"prompt": "x", "seed": "seven"}, "seed", "2147483647", None),
    ("seed infinite", "wan2.6-t2i", {"prompt": "x", "seed": float("inf")}, "seed", "2147483647", None),
    ("switch as text", "wan2.6-t2i", {"prompt": "x", "watermark": "no"}, "watermark", "true or false", False),
    ("switch as number", "wan2.7-image", {"prompt": "x", "thinking_mode": 1}, "thinking_mode", "true or false", True),
    ("size outside the area", "wan2.6-t2i", {"prompt": "x", "size": "1024*1024"}, "size", "1,638,400", "1280*1280"),
    ("size as number", "wan2.6-t2i", {"prompt": "x", "size": 1024}, "size", "text", None),
    ("size shorthand", "wan2.6-t2i", {"prompt": "x", "size": "2K"}, "size", "W*H", None),
    ("B7 with a picture", "wan2.7-image-pro", {"prompt": "x", "size": "4K", "reference_image": URL}, "size", "1K, 2K", "2K"),
    ("B7 with a set", "wan2.7-image-pro", {"prompt": "x", "size": "4K", "enable_sequential": True}, "size", "1K, 2K", "2K"),
    ("B8 interleaved", "wan2.6-image", {"prompt": "x", "size": "1K", "enable_interleave": True}, "size", "W*H", None),
    ("five sizes", "qwen-image-plus", {"prompt": "x", "size": "1024*1024"}, "size", "1664*928", "1328*1328"),
    ("no picture to edit", "wan2.6-image", {"prompt": "x"}, "reference_images", None, None),
    ("an empty list to edit", "qwen-image-edit", {"prompt": "x", "reference_images": []}, "reference_images", None, None),
    ("too many pictures", "wan2.6-image", {"prompt": "x", "reference_images": [URL] * 5}, "reference_images", "1 to 4", None),
    ("too many for a guide", "wan2.6-image", {"prompt": "x", "enable_interleave": True, "reference_images": [URL] * 2},
     "reference_images", "0 to 1", None),
    ("ten pictures", "wan2.7-image", {"prompt": "x", "reference_images": [URL] * 10}, "reference_images", "0 to 9", None),
    ("four pictures for qwen", "qwen-image-2.0", {"prompt": "x", "reference_images": [URL] * 4}, "reference_images", "0 to 3", None),
    ("pictures for a model without", "wan2.6-t2i", {"prompt": "x", "reference_image": URL}, "reference_image", None, None),
    ("a picture that is a number", "wan2.7-image", {"prompt": "x", "reference_images": [3]}, "reference_images[0]", "path", None),
    ("pictures that are no list", "wan2.7-image", {"prompt": "x", "reference_images": {"a": 1}}, "reference_images", "list", None),
    ("a missing file", "wan2.7-image", {"prompt": "x", "reference_image": "no/such.png"}, "reference_images[0]", None, None),
    ("a folder", "wan2.7-image", {"prompt": "x", "reference_image": "/"}, "reference_images[0]", None, None),
    ("a strange scheme", "wan2.7-image", {"prompt": "x", "reference_image": "ftp://a/b.png"}, "reference_images[0]", None, None),
    ("a name with NUL", "wan2.7-image", {"prompt": "x", "reference_image": "a\0b.png"}, "reference_images[0]", None, None),
    ("text as data", "wan2.7-image", {"prompt": "x", "reference_image": "data:text/plain,x"}, "reference_images[0]", None, None),
    ("data that is no base64", "wan2.7-image", {"prompt": "x", "reference_image": "data:image/png;base64,*"}, "reference_images[0]", None, None),
    ("data that is no picture", "wan2.7-image", {"prompt": "x", "reference_image": "data:image/png;base64,AAAA"}, "reference_images[0]", "PNG", None),
    ("data that is a small picture", "wan2.7-image", {"prompt": "x", "reference_image": data_url(100, 300)}, "reference_images[0]", "240 to 8000", "240*720"),
    ("interleaving on another model", "wan2.7-image", {"prompt": "x", "enable_interleave": True}, "enable_interleave", None, None),
    ("a set on another model", "wan2.6-t2i", {"prompt": "x", "enable_sequential": True}, "enable_sequential", None, None),
    ("boxes on another model", "wan2.6-image", {"prompt": "x", "reference_image": URL, "bbox_list": [[]]}, "bbox_list", None, None),
    ("a function on another model", "wan2.6-t2i", {"prompt": "x", "function": "doodle"}, "function", None, None),
    ("Chinese in the URL of a legacy model", "wanx2.1-imageedit",
     {"prompt": "x", "function": "doodle", "base_image_url": "https://a/图.png"}, "base_image_url", "ASCII", None),
    ("B12", "wan2.7-image", {"prompt": "x", "reference_images": [URL, URL], "bbox_list": [[[1, 2, 3, 4]]]}, "bbox_list", "2 lists", None),
    ("boxes without pictures", "wan2.7-image", {"prompt": "x", "bbox_list": [[[1, 2, 3, 4]]]}, "bbox_list", "0 lists", None),
    ("three boxes", "wan2.7-image", {"prompt": "x", "reference_image": URL, "bbox_list": [[[1, 2, 3, 4]] * 3]}, "bbox_list[0]", "0 to 2", None),
    ("a box of three", "wan2.7-image", {"prompt": "x", "reference_image": URL, "bbox_list": [[[1, 2, 3]]]}, "bbox_list[0][0]", "whole", None),
    ("a box of fractions", "wan2.7-image", {"prompt": "x", "reference_image": URL, "bbox_list": [[[1, 2, 3, 4.5]]]}, "bbox_list[0][0]", "whole", None),
    ("a box inside out", "wan2.7-image", {"prompt": "x", "reference_image": URL, "bbox_list": [[[9, 2, 3, 4]]]}, "bbox_list[0][0]", "left < right", None),
    ("boxes that are no list", "wan2.7-image", {"prompt": "x", "reference_image": URL, "bbox_list": "all"}, "bbox_list", "1 lists", None),
    ("a palette of two", "wan2.7-image", {"prompt": "x", "color_palette": PALETTE[:2]}, "color_palette", "3 to 10", None),
    ("a palette of eleven", "wan2.7-image", {"prompt": "x", "color_palette": PALETTE * 4}, "color_palette", "3 to 10", None),
    ("a palette that is short", "wan2.7-image", {"prompt": "x", "color_palette": [*PALETTE[:2], {"hex": "#000000", "ratio": "33.33%"}]},
     "color_palette", "100.00%", "33.34% as the last ratio"),
    ("a ratio with one decimal", "wan2.7-image", {"prompt": "x", "color_palette": [*PALETTE[:2], {"hex": "#000000", "ratio": "33.3%"}]},
     "color_palette[2].ratio", "two decimals", "33.30%"),
    ("a ratio as number", "wan2.7-image", {"prompt": "x", "color_palette": [*PALETTE[:2], {"hex": "#000000", "ratio": 33.34}]},
     "color_palette[2].ratio", "two decimals", "33.34%"),
    ("a color by name", "wan2.7-image", {"prompt": "x", "color_palette": [*PALETTE[:2], {"hex": "red", "ratio": "33.34%"}]},
     "color_palette[2].hex", "#RRGGBB", None),
    ("a color with more", "wan2.7-image", {"prompt": "x", "color_palette": [*PALETTE[:2], {"hex": "#000000"}]}, "color_palette[2]", "ratio", None),
    ("a style without brackets", "wanx-v1", {"prompt": "x", "style": "watercolor"}, "style", "<watercolor>", "<watercolor>"),
    ("a mode of reference", "wanx-v1", {"prompt": "x", "ref_mode": "paint"}, "ref_mode", "repaint", "repaint"),
    ("a strength above one", "wanx-v1", {"prompt": "x", "ref_strength": 1.5}, "ref_strength", "0.0 to 1.0", 1.0),
    ("no function", "wanx2.1-imageedit", {"prompt": "x", "base_image_url": URL}, "function", "expand", None),
    ("a mistyped function", "wanx2.1-imageedit", {"prompt": "x", "base_image_url": URL, "function": "expnd"}, "function", "expand", "expand"),
    ("no base picture", "wanx2.1-imageedit", {"prompt": "x", "function": "expand"}, "base_image_url", None, None),
    ("no mask", "wanx2.1-imageedit", {"prompt": "x", "function": "description_edit_with_mask", "base_image_url": URL}, "mask_image_url", None, None),
    ("a scale below one", "wanx2.1-imageedit", {"prompt": "x", "function": "expand", "base_image_url": URL, "top_scale": 0.5}, "top_scale", "1.0 to 2.0", 1.0),
    ("a scale as text", "wanx2.1-imageedit", {"prompt": "x", "function": "expand", "base_image_url": URL, "top_scale": "1.5"}, "top_scale", "1.0 to 2.0", None),
    ("a factor of five", "wanx2.1-imageedit", {"prompt": "x", "function": "super_resolution", "base_image_url": URL, "upscale_factor": 5}, "upscale_factor", "1 to 4", 4),
    ("two base pictures", "wanx2.1-imageedit", {"prompt": "x", "function": "doodle", "reference_images": [URL, URL]}, "reference_images", "one path", None),
    ("n of qwen 3.0", "qwen-image-3.0-pro", {"prompt": "x", "n": 7}, "n", "1 to 6", 6),
    ("n of qwen 3.0 while editing", "qwen-image-3.0", {"prompt": "x", "n": 0, "reference_image": URL}, "n", "1 to 6", 1),
    ("n of qwen 3.0 as text", "qwen-image-3.0-pro", {"prompt": "x", "n": "3"}, "n", "1 to 6", 3),
    ("n of qwen 2.1", "qwen-image-2.1-pro", {"prompt": "x", "n": 9}, "n", "1 to 6", 6),
    ("n of qwen 2.1 turbo", "qwen-image-2.1-turbo", {"prompt": "x", "n": -1}, "n", "1 to 6", 1),
    ("agent with a picture", "qwen-image-3.0-pro", {"prompt": "x", "reference_image": URL, "prompt_extend_mode": "agent"},
     "prompt_extend_mode", "direct", "direct"),
    ("agent with pictures on 2.1", "qwen-image-2.1-pro", {"prompt": "x", "reference_images": [URL] * 9, "prompt_extend_mode": "agent"},
     "prompt_extend_mode", "direct", "direct"),
    ("no such way to rewrite", "qwen-image-3.0", {"prompt": "x", "prompt_extend_mode": "agnet"}, "prompt_extend_mode", "direct, agent", "agent"),
    ("a way to rewrite that is a switch", "qwen-image-3.0", {"prompt": "x", "prompt_extend_mode": True}, "prompt_extend_mode", "direct, agent", None),
    ("thinking as text", "qwen-image-3.0-pro", {"prompt": "x", "enable_thinking": "false"}, "enable_thinking", "true or false", False),
    ("thinking as a number", "qwen-image-2.1-turbo", {"prompt": "x", "enable_thinking": 1}, "enable_thinking", "true or false", True),
    ("four pictures for 3.0", "qwen-image-3.0-pro", {"prompt": "x", "reference_images": [URL] * 4}, "reference_images", "0 to 3", None),
    ("eleven pictures for 2.1", "qwen-image-2.1-pro", {"prompt": "x", "reference_images": [URL] * 11}, "reference_images", "0 to 10", None),
    ("eleven pictures for 2.1 turbo", "qwen-image-2.1-turbo", {"prompt": "x", "reference_images": [URL] * 11}, "reference_images", "0 to 10", None),
    ("4K of 3.0", "qwen-image-3.0-pro", {"prompt": "x", "size": "4K"}, "size", "1K, 2K or W*H", "2K"),
    ("3.0 above its area", "qwen-image-3.0-pro", {"prompt": "x", "size": "4096*4096"}, "size", "4,194,304", "2048*2048"),
    ("3.0 above its area while editing", "qwen-image-3.0", {"prompt": "x", "size": "3000*2000", "reference_image": URL}, "size", "4,194,304", "2496*1664"),
    ("3.0 below its area", "qwen-image-3.0", {"prompt": "x", "size": "400*400"}, "size", "262,144", "512*512"),
    ("3.0 longer than 8 to 1", "qwen-image-3.0-pro", {"prompt": "x", "size": "4000*400"}, "size", "1:8 to 8:1", "3584*448"),
    ("3.0 with a ratio of 9 to 1", "qwen-image-3.0-pro", {"prompt": "x", "size": "9:1"}, "size", "1:8 to 8:1", "3408*432"),
    ("2.1 above its area", "qwen-image-2.1-turbo", {"prompt": "x", "size": "2100*2100"}, "size", "4,194,304", "2048*2048"),
    ("3.0 with a size of words", "qwen-image-3.0", {"prompt": "x", "size": "auto"}, "size", "1K, 2K", None),
    ("3.0 without words", "qwen-image-3.0-pro", {"reference_image": URL}, "prompt", None, None),
    ("2.1 without words", "qwen-image-2.1-pro", {"prompt": "\n", "reference_image": URL}, "prompt", None, None),
    ("seed of 3.0", "qwen-image-3.0", {"prompt": "x", "seed": 2**31}, "seed", "2147483647", 2147483647),
    ("watermark of 3.0", "qwen-image-3.0", {"prompt": "x", "watermark": "off"}, "watermark", "true or false", False),
    ("a set on 3.0", "qwen-image-3.0-pro", {"prompt": "x", "enable_sequential": True}, "enable_sequential", None, None),
    ("boxes on 2.1", "qwen-image-2.1-pro", {"prompt": "x", "reference_image": URL, "bbox_list": [[]]}, "bbox_list", None, None),
    ("a mistyped field", "wan2.6-t2i", {"prompt": "x", "negitive_prompt": "y"}, "negitive_prompt", None, "negative_prompt"),
    ("an invented field", "wan2.6-t2i", {"prompt": "x", "zzzzzz": 1}, "zzzzzz", None, None),
)  # fmt: skip


class Refused(unittest.TestCase):
    def test_table(self) -> None:
        for name, model, fields, path, allowed, nearest in REFUSED:
            with self.subTest(name):
                found = problems(model, **fields)
                self.assertEqual([problem.path for problem in found], [path])
                self.assertIn(allowed or "", found[0].allowed)
                if nearest is not None:
                    self.assertEqual(found[0].nearest, nearest)
                self.assertTrue(found[0].message)
                self.assertTrue(str(found[0]).startswith(f"{path}: "))

    def test_all_problems_at_once(self) -> None:
        found = problems(
            "wan2.7-image",
            size="9*9",
            n=99,
            seed=-1,
            watermark="x",
            bbox_list=[[]],
            negitive_prompt="a",
            color_palette=[1],
        )
        paths = {problem.path for problem in found}
        self.assertEqual(
            paths, {"prompt", "size", "n", "seed", "watermark", "bbox_list", "negitive_prompt", "color_palette"}
        )

    def test_the_hint_names_the_model_to_use(self) -> None:
        for model in ("wan2.6-image", "qwen-image-edit-max"):
            with self.subTest(model), self.assertRaises(InvalidRequest) as caught:
                check(model, prompt="x")
            self.assertIn("wan2.6-t2i", caught.exception.hint)

    def test_a_task_that_there_is_not(self) -> None:
        with self.assertRaises(InvalidRequest) as caught:
            check("qwen-image-2.0", needs=True, prompt="x")
        self.assertEqual(caught.exception.problems[0].path, "model")


# (name, model, fields, part of the warning, whether the field still goes out)
WARNED: tuple[tuple[str, str, dict[str, Any], str, tuple[str, ...]], ...] = (
    ("B10", "wan2.7-image", {"negative_prompt": "people"}, "has no field negative_prompt", ()),
    ("prompt_extend on 2.7", "wan2.7-image", {"prompt_extend": True}, "has no field prompt_extend", ()),
    ("thinking while editing", "wan2.7-image", {"thinking_mode": True, "reference_image": URL}, "no effect", ("reference_images",)),
    ("a palette for a set", "wan2.7-image", {"color_palette": PALETTE, "enable_sequential": True, "n": 2}, "no effect",
     ("enable_sequential", "n")),
    ("boxes for a set", "wan2.7-image", {"bbox_list": [[]], "reference_image": URL, "enable_sequential": True, "n": 2}, "may refuse",
     ("bbox_list", "reference_images", "enable_sequential", "n")),
    ("a set without n", "wan2.7-image", {"enable_sequential": True}, "up to 12", ("enable_sequential", "n")),
    ("extend while interleaving", "wan2.6-image", {"prompt_extend": True, "enable_interleave": True}, "no effect", ("enable_interleave",)),
    ("size of an edit", "qwen-image-edit", {"size": "1024*1024", "reference_image": URL}, "has no field size", ("reference_images",)),
    ("style on qwen", "qwen-image-max", {"style": "<anime>"}, "has no field style", ()),
    ("watermark on z-image", "z-image-turbo", {"watermark": True}, "has no field watermark", ()),
    ("both names", "wan2.7-image", {"reference_image": URL, "reference_images": [URL]}, "reference_image is ignored", ("reference_images",)),
    ("close to a bound", "wan2.6-t2i", {"size": "1279*1279"}, "just outside", ("size",)),
    ("a long prompt", "wan2.2-t2i-flash", {"prompt": "猫" * 501}, "after 500", ()),
    ("a long negative prompt", "wan2.6-t2i", {"negative_prompt": "a" * 501}, "after 500", ("negative_prompt",)),
    ("a prompt of many tokens", "qwen-image-max", {"prompt": "猫" * 801}, "about 801 tokens", ()),
    ("a prompt of more tokens than advised", "qwen-image-3.0-pro", {"prompt": "猫" * 4501}, "at most 4500 are advised", ()),
    ("a negative prompt of 3.0", "qwen-image-3.0", {"negative_prompt": "a" * 501}, "at most 500 are advised", ("negative_prompt",)),
    ("a negative prompt of 2.1 pro", "qwen-image-2.1-pro", {"negative_prompt": "people"}, "has no field negative_prompt", ()),
    ("a negative prompt of 2.1 turbo", "qwen-image-2.1-turbo", {"negative_prompt": "a" * 501}, "at most 500 are advised", ("negative_prompt",)),
    ("thinking without rewriting", "qwen-image-3.0-pro", {"enable_thinking": True, "prompt_extend": False}, "only with prompt_extend",
     ("enable_thinking", "prompt_extend")),
    ("an agent without rewriting", "qwen-image-2.1-pro", {"prompt_extend_mode": "agent", "prompt_extend": False}, "only with prompt_extend",
     ("prompt_extend_mode", "prompt_extend")),
    ("a ratio of 3.0", "qwen-image-3.0-pro", {"size": "16:9"}, "is 1920*1080 on this model, the largest size of the 1K tier", ("size",)),
    ("a tier of 3.0", "qwen-image-3.0-pro", {"size": "2K"}, "is 2048*2048 on this model", ("size",)),
    ("thinking that a model has not", "qwen-image-2.0", {"enable_thinking": False}, "has no field enable_thinking", ()),
    ("an end that was announced", "qwen-image-plus", {}, "announced to end on 2026-10-10, and may be refused from then on; its replacement is qwen-image-2.0", ()),
    ("an end of a snapshot", "qwen-image-edit-max-2026-01-16", {"reference_image": URL}, "qwen-image-edit-max-2026-01-16 was announced",
     ("reference_images",)),
    ("an alias", "wan2.1-t2i-turbo", {}, "wanx2.1-t2i-turbo", ()),
    ("an unknown id", "qwen-image-9", {"new_thing": 1}, "unknown model id", ("new_thing",)),
    ("data above ten megabytes", "qwen-image-2.0", {"reference_image": data_url(400, 400, 8 * 2**20)}, "10 MB",
     ("reference_images",)),
)  # fmt: skip


class Warned(unittest.TestCase):
    def test_table(self) -> None:
        for name, model, fields, words, sent in WARNED:
            with self.subTest(name):
                checked = check(model, **{"prompt": "x", **fields})
                self.assertTrue(any(words in warning for warning in checked.warnings), checked.warnings)
                self.assertEqual(set(checked.values) - {"prompt", "n"}, set(sent) - {"n"})

    def test_saying_nothing_is_not_worth_a_warning_where_the_model_has_the_field(self) -> None:
        self.assertEqual(check("wan2.7-image", prompt="x", reference_images=[], seed=None).warnings, ())
        self.assertEqual(check("wan2.6-image", prompt="x", reference_images=[URL], stream=False).warnings, ())

    def test_whatever_is_said_of_a_field_that_the_model_lacks_is_told(self) -> None:
        nothing: tuple[Any, ...] = (False, 0, "", None, [], {})
        for value in nothing:
            for name in ("negative_prompt", "prompt_extend", "function", "base_image_url"):
                with self.subTest(name=name, value=value):
                    checked = check("wan2.7-image", prompt="x", **{name: value})
                    self.assertEqual([*checked.warnings], [f"wan2.7-image has no field {name}; it is ignored"])
                    self.assertNotIn(name, checked.values)

    def test_a_name_that_no_model_has_is_refused_whatever_is_said_of_it(self) -> None:
        anything: tuple[Any, ...] = (False, True, 0, 1, "", "x", None, [], {})
        for value in anything:
            for name in ("waternark", "foo"):
                with self.subTest(name=name, value=value):
                    self.assertEqual(
                        [problem.path for problem in problems("wan2.6-t2i", prompt="x", **{name: value})], [name]
                    )

    def test_asking_for_a_task_where_there_is_none(self) -> None:  # B19
        checked = check("qwen-image-2.0", task=True, prompt="x")
        self.assertEqual(checked.shape, "messages")
        self.assertIn("--async", checked.warnings[0])


class Accepted(unittest.TestCase):
    def test_what_is_off_is_sent_where_it_is_on_without_it(self) -> None:
        for model in ("qwen-image-3.0-pro", "qwen-image-3.0", "qwen-image-2.1-pro", "qwen-image-2.1-turbo"):
            with self.subTest(model):
                checked = check(model, prompt="x", enable_thinking=False, prompt_extend=False, watermark=False)
                self.assertEqual(checked.warnings, ())
                body = wire.encode(checked.shape, checked.id, checked.values).body
                self.assertEqual(
                    body["parameters"], {"enable_thinking": False, "prompt_extend": False, "watermark": False, "n": 1}
                )

    def test_an_end_is_told_once_and_of_no_other_id(self) -> None:
        for model in MODELS:
            given: dict[str, Any] = {"reference_image": URL} if "edit" in model.id else {}
            if model.id.startswith("qwen-image"):
                warnings = check(model.id, prompt="x", **given).warnings
                self.assertEqual(sum("announced" in warning for warning in warnings), int(bool(model.ends)), model.id)
        for unknown in ("qwen-image-max-ultra", "qwen-image-edit-ultra"):  # by the rules of a row that ends
            warnings = check(unknown, prompt="x", reference_image=URL if "edit" in unknown else None).warnings
            self.assertFalse([warning for warning in warnings if "announced" in warning])

    def test_price_tiers(self) -> None:
        for tier, size, model in (
            ("up to 2K", None, "qwen-image-3.0-pro"),
            ("1K", "1500*1500", "qwen-image-3.0-pro"),
            ("2K", "1500*1501", "qwen-image-3.0"),
            ("1K", "1K", "qwen-image-3.0"),
            ("2K", "2K", "qwen-image-3.0"),
            ("1K", "21:9", "qwen-image-3.0"),
            ("2K", "2060*2048", "qwen-image-3.0"),  # just outside the documented area
            ("", "2K", "qwen-image-2.1-pro"),
            ("", None, "qwen-image-2.0"),
        ):
            with self.subTest(size=size, model=model):
                checked = check(model, prompt="x", size=size, reference_images=[URL, URL])
                self.assertEqual(checked.tier, tier)
                self.assertEqual(checked.billed_inputs, 2 if tier else 0)

    def test_palette_is_added_in_decimals(self) -> None:  # B11
        self.assertEqual(check("wan2.7-image", prompt="x", color_palette=PALETTE).values["color_palette"], PALETTE)

    def test_n_is_always_sent(self) -> None:
        for model in MODELS:
            for mode in model.modes:
                param = mode.param("n")
                with self.subTest(model=model.id, mode=mode.name):
                    self.assertTrue(param and (param.send is not None or not param.on_wire))

    def test_units_to_bill(self) -> None:
        for units, model, fields in (
            (1, "wan2.6-t2i", {}),
            (3, "wan2.6-t2i", {"n": 3}),
            (12, "wan2.7-image", {"enable_sequential": True}),
            (5, "wan2.6-image", {"enable_interleave": True}),
            (2, "wan2.6-image", {"enable_interleave": True, "max_images": 2}),
            (1, "z-image-turbo", {}),
        ):
            with self.subTest(model=model, fields=fields):
                self.assertEqual(check(model, prompt="x", **fields).units, units)

    def test_whatever_is_accepted_is_encoded(self) -> None:
        """A seeded sweep: values in and around the limits of every param of every mode."""
        generator = random.Random(20261120)
        accepted = 0
        for model in MODELS:
            for mode in model.modes:
                for _ in range(40):
                    fields: dict[str, Any] = {
                        "prompt": "x",
                        **{field: value for field, value in mode.when.items() if field != "async"},
                    }
                    for param in mode.params:
                        if param.required or (param.media and param.low) or generator.random() < 0.4:
                            fields.setdefault(param.name, guess(param, generator))
                    try:
                        checked = check(model.id, task=generator.random() < 0.5, **fields)
                    except InvalidRequest:
                        continue
                    call = wire.encode(checked.shape, checked.id, checked.values, checked.mode.text_first)
                    self.assertEqual(call.body["model"], model.id)
                    accepted += 1
        self.assertGreater(accepted, 400)


def guess(param: Param, generator: random.Random) -> Any:
    """A value that the param may take, or nearly."""
    if param.kind == "integer":
        return generator.randint(int(param.low or 0) - (generator.random() < 0.1), min(int(param.high or 9), 12))
    if param.kind == "number":
        return generator.uniform(param.low or 0, param.high or 1)
    if param.kind == "switch":
        return generator.random() < 0.5
    if param.kind == "choice":
        return generator.choice(param.choices)
    if param.kind == "size" and param.size:
        return generator.choice(
            ["16:9", "1280*1280", "4K", *[size for sizes in param.size.presets.values() for size in sizes]]
        )
    if param.kind == "media":
        return URL
    if param.kind == "media list":
        return [URL] * generator.randint(int(param.low or 0), int(param.high or 1))
    if param.name == "color_palette":
        return PALETTE
    if param.name == "bbox_list":
        return [[[1, 2, 30, 40]]]
    return "words"


class Pictures(Case):
    """Limits that are read from the files themselves."""

    def facts(self, model: str, facts: Facts | None, size: int = 1000) -> tuple[list[str], tuple[str, ...]]:
        """The problems' paths and the warnings for one local file of which `facts` are known."""
        source = Source("x.png", "file", "/x.png", size, facts)
        found = find(IMAGES, model)
        assert found
        fields = {"prompt": "x", "reference_images": ["x.png"]}
        try:
            checked = validate.check(IMAGES, found, fields, lambda _: source)
        except InvalidRequest as error:
            return [str(problem) for problem in error.problems], ()
        return [], checked.warnings

    def test_hard_limits_refuse(self) -> None:
        for name, model, facts, size, words in (
            ("small", "wan2.7-image", Facts("image/png", 239, 500), 1, "sides of 240 to 8000; nearest: 240*503"),
            ("large", "wan2.6-image", Facts("image/png", 9000, 4500), 1, "nearest: 8000*4000"),
            ("small for 2.5", "wan2.5-i2i-preview", Facts("image/png", 300, 500), 1, "384 to 5000"),
            ("long", "wan2.7-image", Facts("image/png", 8000, 900), 1, "1:8 to 8:1"),
            (
                "GIF",
                "wan2.7-image",
                Facts("image/gif", 500, 500),
                1,
                "is GIF; convert it: ffmpeg -i /x.png -frames:v 1 /x-2.png; allowed: JPEG, PNG, BMP, WEBP",
            ),
            ("TIFF", "wan2.6-image", Facts("image/tiff", 500, 500), 1, "is TIFF; convert it: "),
            ("no picture", "qwen-image-2.0", None, 1, "not a known picture format"),
            ("heavy", "wan2.6-image", Facts("image/png", 500, 500), 11 * 2**20, "has 11.0 MB; allowed: up to 10 MB"),
            ("heavy for 3.0", "qwen-image-3.0", Facts("image/png", 500, 500), 11 * 2**20, "allowed: up to 10 MB"),
            ("no picture for 3.0", "qwen-image-3.0-pro", None, 1, "not a known picture format"),
            ("legacy", "wanx2.1-imageedit", Facts("image/png", 500, 600), 1, "function"),
        ):
            with self.subTest(name):
                found, _ = self.facts(model, facts, size)
                self.assertTrue(found and words in found[0], found)

    def test_soft_limits_warn(self) -> None:
        for name, model, facts, words in (
            ("advice", "qwen-image-2.0", Facts("image/png", 100, 100), "384 to 3072 are advised"),
            ("small for 3.0", "qwen-image-3.0-pro", Facts("image/png", 383, 500), "384 to 2048 are advised"),
            ("large for 3.0", "qwen-image-3.0", Facts("image/gif", 2049, 500), "384 to 2048 are advised"),
            ("large for 2.1", "qwen-image-2.1-pro", Facts("image/tiff", 5000, 500), "384 to 2048 are advised"),
            ("alpha", "wan2.7-image", Facts("image/png", 500, 500, True), "transparency"),
            ("unreadable", "wan2.7-image", Facts("image/jpeg"), "could not be read"),
        ):
            with self.subTest(name):
                found, warnings = self.facts(model, facts)
                self.assertEqual(found, [])
                self.assertIn(words, warnings[0])

    def test_a_header_that_must_tell_the_size_and_does_not(self) -> None:
        for kind in ("image/png", "image/webp", "image/bmp"):
            with self.subTest(kind):
                found, _ = self.facts("wan2.7-image", Facts(kind, 0, 300))
                self.assertIn("is damaged", found[0])

    def test_twenty_megabytes_are_legal_on_2_7(self) -> None:
        self.assertEqual(self.facts("wan2.7-image", Facts("image/png", 500, 500), 20 * 2**20), ([], ()))

    def test_a_box_must_lie_in_the_picture(self) -> None:
        fields = {"prompt": "x", "reference_images": [str(PHOTO)], "bbox_list": [[[0, 0, 640, 427]]]}
        (problem,) = problems("wan2.7-image", **fields)
        self.assertEqual((problem.path, problem.allowed), ("bbox_list[0][0]", "inside 640*426"))

    def test_the_mask_is_as_large_as_its_base(self) -> None:
        base, mask = self.picture("base.png", 600, 600), self.picture("mask.png", 600, 601)
        fields = {"prompt": "x", "function": "description_edit_with_mask", "base_image_url": str(base)}
        (problem,) = problems("wanx2.1-imageedit", mask_image_url=str(mask), **fields)
        self.assertEqual((problem.path, problem.allowed), ("mask_image_url", "600*600"))
        self.assertEqual(problems("wanx2.1-imageedit", mask_image_url=str(base), **fields), ())

    def test_a_mask_is_white_and_black_and_upright(self) -> None:
        base, hole = self.picture("base.png", 600, 800), self.cwd / "hole.png"
        hole.write_bytes(base.read_bytes()[:25] + b"\x06" + base.read_bytes()[26:])  # with an alpha channel
        turned, other = self.cwd / "turned.jpg", self.cwd / "turned-other.jpg"
        turned.write_bytes(jpeg(b"Exif\0\0" + exif(6), width=800, height=600))
        other.write_bytes(jpeg(b"Exif\0\0" + exif(6), width=900, height=600))
        fields: Any = {"prompt": "x", "function": "description_edit_with_mask"}
        for picture, mask, words in (
            (base, base, ""),
            (base, hole, "its transparency is ignored"),
            (turned, base, "is stored rotated"),  # the size that people see
            (turned, self.picture("stored.png", 800, 600), "is stored rotated"),
            (base, turned, "is stored rotated"),
        ):
            with self.subTest(mask=mask.name, base=picture.name):
                told = check(
                    "wanx2.1-imageedit", base_image_url=str(picture), mask_image_url=str(mask), **fields
                ).warnings
                self.assertEqual(bool(told), bool(words), told)
                self.assertIn(words, " ".join(told))
        (problem,) = problems("wanx2.1-imageedit", base_image_url=str(other), mask_image_url=str(base), **fields)
        self.assertEqual(problem.path, "mask_image_url")

    def test_a_second_picture_may_be_the_mask(self) -> None:
        fields = {"prompt": "x", "function": "description_edit_with_mask", "reference_images": [URL, URL]}
        told = {problem.path: problem.allowed for problem in problems("wanx2.1-imageedit", **fields)}
        self.assertIn("mask_image_url", told["reference_images"])

    def test_an_expansion_has_a_direction(self) -> None:
        fields: Any = {"prompt": "x", "function": "expand", "base_image_url": URL}
        self.assertIn("nothing is painted", " ".join(check("wanx2.1-imageedit", top_scale=1.0, **fields).warnings))
        self.assertEqual(check("wanx2.1-imageedit", left_scale=1.5, **fields).warnings, ())

    def test_a_picture_that_the_prompt_names_is_missing(self) -> None:
        for prompt, pictures, is_told in (
            ("put the hat of image 3 on the cat of Image 1", 2, True),
            ("把图3的帽子给图1的猫", 2, True),
            ("put the hat of image 2 on the cat of image 1", 2, False),
            ("an image 1024 wide", 1, False),
            ("three images", 1, False),
        ):
            with self.subTest(prompt):
                told = check("wan2.7-image", prompt=prompt, reference_images=[URL] * pictures).warnings
                self.assertEqual("speaks of image 3" in " ".join(told), is_told)
        self.assertEqual(check("wan2.6-t2i", prompt="image 3 of a series").warnings, ())

    def test_the_body_of_the_api_is_told_from_a_request(self) -> None:
        told = problems("wan2.6-t2i", prompt="x", input={"messages": []}, parameters={})
        self.assertEqual([problem.path for problem in told], ["input", "parameters"])
        self.assertIn("a request here is flat", told[0].message)

    def test_an_edit_with_fewer_pixels_than_its_picture_is_told(self) -> None:
        large, usual = str(self.picture("large.png", 2400, 1800)), str(self.picture("usual.png", 1100, 1000))
        for model, fields, words in (
            (
                "qwen-image-edit-plus",
                {"reference_images": [large]},
                "about 1024*1024 pixels, fewer than its 2400*1800; size may have up to 2048*2048",
            ),
            ("wan2.5-i2i-preview", {"reference_images": [large]}, "about 1280*1280 pixels, fewer than its 2400*1800"),
            ("qwen-image-edit-plus", {"reference_images": [large], "size": "2048*1536"}, ""),
            ("qwen-image-edit-plus", {"reference_images": [usual]}, ""),
            ("qwen-image-edit-plus", {"reference_images": [large, usual]}, ""),  # the last one sets the shape
            ("qwen-image-edit-plus", {"reference_images": [URL]}, ""),
        ):
            with self.subTest(model, fields=fields):
                told = [text for text in check(model, prompt="x", **fields).warnings if "pixels" in text]
                self.assertEqual(len(told), bool(words))
                self.assertIn(words, "".join(told))

    def test_letters_that_were_lost_on_the_way(self) -> None:
        for prompt, is_lost, is_doubtful in (
            ("?????? ?????,??", True, False),
            ("???", True, False),
            ("a cat \ufffd\ufffd", True, False),
            ("?? in the rain", False, True),
            ("a ????, red", False, True),
            ("what? who??", False, False),
            ("?", False, False),
            ("猫?? 在窗台上???", False, False),
        ):
            with self.subTest(prompt):
                told = [problem.path for problem in problems("wan2.6-t2i", prompt=prompt)]
                self.assertEqual(told, ["prompt"] if is_lost else [])
                if not is_lost:
                    warnings = " ".join(check("wan2.6-t2i", prompt=prompt).warnings)
                    self.assertEqual("question marks" in warnings, is_doubtful)
        self.assertEqual(problems("wan2.6-t2i", prompt="a cat", negative_prompt="?????")[0].path, "negative_prompt")
