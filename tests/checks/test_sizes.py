"""Sizes: the sheet's vectors, the forms that users write, and the nearest legal size."""

from __future__ import annotations

import random
import unittest

from qianwen.checks import sizes
from qianwen.models.catalog import Size
from qianwen.models.image_models import (
    FREE_SIDES,
    MODELS,
    QWEN2_SIZE,
    QWEN3_SIZE,
    QWEN_EDIT_SIZE,
    QWEN_FIVE_SIZES,
    STYLE_SIZE,
    WAN26_EDIT_SIZE,
    WAN26_INTERLEAVE_SIZE,
    WAN26_T2I_SIZE,
    WAN27_4K_SIZE,
    WAN27_SIZE,
    Z_IMAGE_SIZE,
)


class Vectors(unittest.TestCase):
    ACCEPTED = (
        ("B1", "1696*960", WAN26_T2I_SIZE),
        ("B2", "768*2700", WAN26_T2I_SIZE),
        ("B4", "2688*1536", QWEN2_SIZE),
        ("4K with the pro", "4K", WAN27_4K_SIZE),
        ("edges of a side", "512*1440", FREE_SIDES),
        ("edges of an area", "2048*2048", WAN27_SIZE),
    )
    REFUSED = (
        ("B3", "768*2700", FREE_SIDES, "512*1440"),
        ("B5", "2688*1536", QWEN_EDIT_SIZE, "2048*1168"),
        ("B6", "1024*1024", QWEN_FIVE_SIZES, "1328*1328"),
        ("B7", "4K", WAN27_SIZE, "2K"),
        ("B8", "1K", WAN26_T2I_SIZE, None),
        ("B8 interleaved", "1K", WAN26_INTERLEAVE_SIZE, None),
        ("too small", "100*100", WAN26_T2I_SIZE, "1280*1280"),
        ("too large", "5000*5000", WAN26_T2I_SIZE, "1440*1440"),
        ("too long", "4096*400", WAN26_EDIT_SIZE, "2560*640"),
        ("two forms mixed", "2K*1024", WAN27_SIZE, None),
        ("words", "large", WAN27_SIZE, None),
        ("zero", "0*1024", WAN27_SIZE, None),
        ("a ratio of nothing", "0:0", WAN27_SIZE, None),
        ("empty", "", FREE_SIDES, None),
        ("a ratio outside the enum", "4:3", STYLE_SIZE, "1024*1024"),
        ("a ratio outside the bounds", "9:1", WAN27_SIZE, "3408*432"),
        ("a tier that there is not", "4K", QWEN3_SIZE, "2K"),
        ("an area above 2048²", "2560*2560", QWEN3_SIZE, "2048*2048"),
        ("an area below 512²", "256*256", QWEN3_SIZE, "512*512"),
        ("longer than 8 to 1 without a preset", "6000*600", QWEN3_SIZE, "5376*672"),
        ("no tier dearer than asked for", "1021:1000", QWEN3_SIZE, "1504*1472"),
    )

    def test_accepted(self) -> None:
        for name, text, rule in self.ACCEPTED:
            with self.subTest(name):
                self.assertEqual(sizes.judge(text, rule), sizes.Verdict(text))

    def test_refused_with_the_nearest(self) -> None:
        for name, text, rule, nearest in self.REFUSED:
            with self.subTest(name):
                verdict = sizes.judge(text, rule)
                self.assertTrue(verdict.fault)
                self.assertEqual(verdict.nearest, nearest)
                self.assertTrue(sizes.allowed(rule))


class Forms(unittest.TestCase):
    def test_separators_and_spaces(self) -> None:  # B9
        for text in ("1024*1024", "1024x1024", "1024X1024", "1024×1024", " 1024 x 1024 "):
            self.assertEqual(sizes.judge(text, WAN27_SIZE).size, "1024*1024")
        self.assertEqual(sizes.judge("2k", WAN27_SIZE).size, "2K")

    def test_ratios_take_the_preset_or_the_largest_legal_size_and_say_so(self) -> None:
        table = (
            ("16:9", WAN26_T2I_SIZE, "1696*960"),
            ("32:18", WAN26_T2I_SIZE, "1696*960"),
            ("16:9", WAN27_4K_SIZE, "2688*1536"),
            ("16：9", WAN27_4K_SIZE, "2688*1536"),
            ("1:1", Z_IMAGE_SIZE, "1280*1280"),
            ("3:2", WAN26_T2I_SIZE, "1761*1174"),
            ("16:9", FREE_SIDES, "1440*810"),
            ("7:5", WAN26_EDIT_SIZE, "2352*1680"),
            ("2:1", QWEN_EDIT_SIZE, "2048*1024"),
            ("16:9", QWEN3_SIZE, "1920*1080"),
            ("9:16", QWEN3_SIZE, "1080*1920"),
            ("4:3", QWEN3_SIZE, "1728*1296"),
            ("3:2", QWEN3_SIZE, "1824*1216"),
            ("1:1", QWEN3_SIZE, "1496*1496"),
            ("1K", QWEN3_SIZE, "1496*1496"),
            ("2k", QWEN3_SIZE, "2048*2048"),
            ("8:1", QWEN3_SIZE, "4224*528"),
        )
        for text, rule, size in table:
            with self.subTest(text=text, size=size):
                verdict = sizes.judge(text, rule)
                self.assertEqual((verdict.size, verdict.fault), (size, ""))
                self.assertIn(size, verdict.meaning)

    def test_close_to_a_bound_is_a_warning(self) -> None:
        for text, rule, word in (
            ("1279*1279", WAN26_T2I_SIZE, "just outside"),
            ("1033*1032", WAN26_EDIT_SIZE, "multiples of 16"),
            ("600*600", Z_IMAGE_SIZE, "advised"),
            ("2576*640", WAN26_EDIT_SIZE, "just outside"),
        ):
            with self.subTest(text):
                verdict = sizes.judge(text, rule)
                self.assertEqual(verdict.fault, "")
                self.assertIn(word, verdict.notes[0])


class Nearest(unittest.TestCase):
    def test_whatever_is_asked_the_nearest_is_legal(self) -> None:
        generator = random.Random(20261120)
        rules = {
            id(param.size): param.size
            for model in MODELS
            for mode in model.modes
            for param in mode.params
            if param.size
        }
        for rule in rules.values():
            for _ in range(200):
                width, height = (round(10 ** generator.uniform(0, 5)) for _ in range(2))
                with self.subTest(width=width, height=height, rule=rule.default):
                    self.check(rule, width, height)

    def check(self, rule: Size, width: int, height: int) -> None:
        verdict = sizes.judge(f"{width}*{height}", rule)
        if verdict.fault:
            assert verdict.nearest
            self.assertFalse(sizes.judge(verdict.nearest, rule).fault)
