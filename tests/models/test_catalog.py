"""The tables are swept: a row that contradicts itself cannot be merged."""

from __future__ import annotations

import re
import unittest

from qianwen.checks import sizes
from qianwen.checks.fields import CHECKS
from qianwen.models import wire
from qianwen.models.catalog import GIVEN, Mode, Model, Param, find
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
from qianwen.sandbox import answers

from ..support import cases

CATALOGS = (IMAGES, VIDEOS)
MODELS = (*IMAGES.models, *VIDEOS.models)

INVENTED = {"wan9.1-t2v", "wan2.2-kf2v-plus-2027-01-01"}
"""Ids of golden requests for models without a row."""


def every_param() -> list[tuple[Model, Mode, Param]]:
    return [(model, mode, param) for model in MODELS for mode in model.modes for param in mode.params]


class Rows(unittest.TestCase):
    def test_a_golden_request_for_every_row_and_a_row_for_every_golden_request(self) -> None:
        for catalog, folder in ((IMAGES, "requests"), (VIDEOS, "video_requests")):
            golden = {case["body"]["model"] for _, case in cases(folder)}
            with self.subTest(catalog.program):
                self.assertLessEqual({model.id for model in catalog.models}, golden)
                rows = {model_id: found for model_id in golden if (found := find(catalog, model_id)) and found.exact}
                self.assertEqual(golden - set(rows), golden & INVENTED)

    def test_every_video_row_says_what_it_does(self) -> None:
        for model in VIDEOS.models:
            with self.subTest(model.id):
                self.assertLessEqual(set(model.kinds), set(VIDEOS.kinds))
                self.assertTrue(model.kinds)
                ways = {mode.name.partition(" ")[0] for mode in model.modes}
                if model.kinds != ("vace",):
                    self.assertIn(model.kinds[0], ways)
                    self.assertEqual(ways, set(model.kinds) if len(ways) > 1 else {model.kinds[0]})

    def test_names_are_unique(self) -> None:
        names = [name for model in MODELS for name in (model.id, *model.aliases)]
        self.assertEqual(len(names), len(set(names)))

    def test_every_row_tells_its_source(self) -> None:
        for model in MODELS:
            with self.subTest(model.id):
                self.assertTrue(model.source and model.summary and model.regions and model.modes)
                self.assertRegex(model.checked, r"^\d{4}-\d\d-\d\d$")

    def test_modes_can_be_reached_and_go_somewhere(self) -> None:
        for model in MODELS:
            conditions = [(*mode.when.items(), *mode.when_any) for mode in model.modes]
            with self.subTest(model.id):
                self.assertEqual(len(set(conditions)), len(conditions))
                self.assertNotIn((), conditions[:-1])
                for mode in model.modes:
                    self.assertTrue(mode.sync or mode.task)
                    for shape, is_task in ((mode.sync, False), (mode.task, True)):
                        if shape:
                            self.assertEqual(wire.SHAPES[shape].is_task, is_task)
                    for field in mode.when:
                        self.assertTrue(field == "async" or mode.param(field) or mode.when[field] is GIVEN)

    def test_params_are_sound(self) -> None:
        for model, mode, param in every_param():
            with self.subTest(model=model.id, mode=mode.name, param=param.name):
                self.assertIn(param.kind, CHECKS)
                self.assertTrue(param.meaning)
                self.assertEqual(param.size is not None, param.kind == "size")
                self.assertEqual(bool(param.media), param.kind in ("media", "media list"))
                is_counted = param.kind in ("integer", "number", "media list")
                self.assertEqual(
                    param.high > 0 and param.low <= param.high, is_counted, "each has bounds, and no other"
                )
                for number in (param.default, param.send):
                    if isinstance(number, int) and not isinstance(number, bool) and not param.choices:
                        self.assertTrue(param.low <= number <= param.high)
                if param.choices and param.default is not None:
                    self.assertIn(param.default, param.choices)
                for rule in param.media:
                    for bounds in (rule.side, rule.seconds, rule.fps):
                        self.assertTrue(bounds is None or bounds[0] < (bounds[1] or 1e9))

    def test_every_mode_has_a_prompt_and_counts_what_it_bills(self) -> None:
        for model in MODELS:
            for mode in model.modes:
                names = [param.name for param in mode.params]
                with self.subTest(model=model.id, mode=mode.name):
                    self.assertEqual(len(names), len(set(names)))
                    self.assertTrue("prompt" in names or mode.when.get("template") == GIVEN or mode.lasts in names)
                    self.assertTrue(mode.bills in names or mode.most > 1)
                    self.assertEqual(mode.usual != "", mode.bills == "duration")

    def test_sizes_are_legal_by_their_own_rules(self) -> None:
        for model, mode, param in every_param():
            if param.size is None:
                continue
            with self.subTest(model=model.id, mode=mode.name):
                if param.size.default:  # else the model chooses
                    self.assertFalse(sizes.judge(param.size.default, param.size).fault)
                for ratio, presets in param.size.presets.items():
                    self.assertEqual(sizes.judge(ratio, param.size).size, presets[0])
                    across, down = map(int, ratio.split(":"))
                    for preset in presets:
                        verdict = sizes.judge(preset, param.size)
                        self.assertEqual((verdict.size, verdict.fault, verdict.notes), (preset, "", ()))
                        width, height = sizes.pixels_of(preset)
                        self.assertAlmostEqual(width / height / (across / down), 1, delta=0.05)

    def test_an_end_has_a_day_and_a_replacement_that_goes_on(self) -> None:
        rows = {model.id: model for model in MODELS}
        ending = {model.id for model in MODELS if model.ends}
        self.assertEqual(
            ending,
            {f"qwen-image{rest}" for rest in ("", "-plus", "-max", "-edit", "-edit-plus", "-edit-max")}
            | {"qwen-image-plus-2026-01-09"},
        )
        for model in MODELS:
            with self.subTest(model.id):
                self.assertEqual(bool(model.ends), bool(model.replacement))
                if model.ends:
                    self.assertRegex(model.ends, r"^\d{4}-\d\d-\d\d$")
                    self.assertEqual(rows[model.replacement].ends, "")

    def test_how_it_answers_is_known_to_the_stand_in(self) -> None:
        for model in MODELS:
            for mode in model.modes:
                layouts = answers.VIDEO_LAYOUTS if mode.bills == "duration" else answers.LAYOUTS
                self.assertIn(mode.answer, layouts, model.id)

    def test_every_video_row_says_what_its_answer_tells(self) -> None:
        for model in VIDEOS.models:
            for mode in model.modes:
                with self.subTest(model=model.id, mode=mode.name):
                    names = mode.usage.split()
                    self.assertTrue({"duration", "video_duration"} & set(names))
                    self.assertEqual("fps" in names, mode.fps > 0)

    def test_what_chooses_and_excludes_are_fields_of_the_row(self) -> None:
        for model in VIDEOS.models:
            fields = {param.name for mode in model.modes for param in mode.params}
            for mode in model.modes:
                own = {param.name for param in mode.params}
                with self.subTest(model=model.id, mode=mode.name):
                    self.assertLessEqual({*mode.when_any, mode.lasts} - {""}, own)
                    self.assertLessEqual(set(mode.excludes), fields - own)
                    self.assertEqual(set(model.instead) & fields, set())

    def test_families_and_defaults_name_rows(self) -> None:
        for catalog in CATALOGS:
            ids = {model.id for model in catalog.models}
            with self.subTest(catalog.program):
                self.assertLessEqual({row for _, row in catalog.families}, ids)
                self.assertLessEqual({default.model for default in catalog.defaults}, ids)
                self.assertLessEqual({name for default in catalog.defaults for name in default.regional.values()}, ids)
                self.assertEqual(catalog.defaults[-1].when, {})
                self.assertEqual(catalog.families[-1][0], "*")
                for model in catalog.models:
                    self.assertIs(getattr(find(catalog, model.id), "model", None), model)


class Find(unittest.TestCase):
    TABLE = (
        # id asked for, row, id sent, whether the row was named outright
        ("wan2.6-t2i", "wan2.6-t2i", "wan2.6-t2i", True),
        ("wan2.1-t2i-turbo", "wanx2.1-t2i-turbo", "wanx2.1-t2i-turbo", True),
        ("qwen-image-2.0-pro-2026-04-22", "qwen-image-2.0-pro", "qwen-image-2.0-pro-2026-04-22", True),
        ("qwen-image-2.0-pro-2026-06-22", "qwen-image-2.0-pro", "qwen-image-2.0-pro-2026-06-22", True),
        ("qwen-image-plus-2026-01-09", "qwen-image-plus-2026-01-09", "qwen-image-plus-2026-01-09", True),
        ("wan2.7-image-2027-01-01", "wan2.7-image", "wan2.7-image-2027-01-01", True),
        ("qwen-image-3.0", "qwen-image-3.0", "qwen-image-3.0", True),
        ("qwen-image-3.0-pro-2026-07-20", "qwen-image-3.0-pro", "qwen-image-3.0-pro-2026-07-20", True),
        ("qwen-image-3.5", "qwen-image-3.0", "qwen-image-3.5", False),
        ("qwen-image-3.1-pro", "qwen-image-3.0-pro", "qwen-image-3.1-pro", False),
        ("qwen-image-2.1", "qwen-image-2.1-turbo", "qwen-image-2.1", False),
        ("qwen-image-2.1-pro-fast", "qwen-image-2.1-pro", "qwen-image-2.1-pro-fast", False),
        ("qwen-image-2.5", "qwen-image-2.0", "qwen-image-2.5", False),
        ("qwen-image-edit-ultra", "qwen-image-edit-plus", "qwen-image-edit-ultra", False),
        ("wan9.0-image", "wan2.7-image", "wan9.0-image", False),
        ("wan9.0-image-pro", "wan2.7-image-pro", "wan9.0-image-pro", False),
        ("wan9.0-t2i", "wan2.6-t2i", "wan9.0-t2i", False),
        ("wan2.5-t2i-plus", "wan2.5-t2i-preview", "wan2.5-t2i-plus", False),
        ("wan9", "wan2.7-image", "wan9", False),
        ("z-image-max", "z-image-turbo", "z-image-max", False),
        ("something-else", "qwen-image-2.0", "something-else", False),
    )

    def test_table(self) -> None:
        for asked, row, sent, exact in self.TABLE:
            with self.subTest(asked):
                found = find(IMAGES, asked)
                assert found
                self.assertEqual((found.model.id, found.id, found.exact), (row, sent, exact))
                self.assertEqual(bool(found.note), not exact or asked != sent)

    def test_unknown_videos_take_the_rules_of_their_nearest_family(self) -> None:
        for asked, row in (
            ("wan2.7-t2v-2026-04-25", "wan2.7-t2v"),
            ("wan9.8-t2v", "wan2.7-t2v"),
            ("wan9.8-i2v", "wan2.7-i2v"),
            ("wan2.6-i2v-ultra", "wan2.6-i2v"),
            ("wan9.9-kf2v", "wan2.2-kf2v-flash"),
            ("wan9.8-vace", "wanx2.1-vace-plus"),
            ("happyhorse-2.0-r2v", "happyhorse-1.1-r2v"),
            ("happyhorse-2.0-video-edit", "happyhorse-1.0-video-edit"),
            ("wan3.0-video-max", "wan3.0-video"),
            ("something-else", "wan2.7-t2v"),
        ):
            with self.subTest(asked):
                found = find(VIDEOS, asked)
                assert found
                self.assertEqual((found.model.id, found.id), (row, asked))

    def test_pictures_are_not_of_the_video_program(self) -> None:
        for model in IMAGES.models:
            self.assertIsNone(find(VIDEOS, model.id))

    def test_video_models_are_not_of_this_program(self) -> None:
        for model_id in (*(model.id for model in VIDEOS.models), "wan2.7-i2v-2026-04-25"):
            self.assertIsNone(find(IMAGES, model_id))

    def test_ids_are_lower_case_and_plain(self) -> None:
        for model in MODELS:
            self.assertTrue(re.fullmatch(r"[a-z0-9.-]+", model.id))
