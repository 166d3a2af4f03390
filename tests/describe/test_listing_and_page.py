"""What --list-models and --describe tell, of every row of both catalogues, and the nearest names of what is mistyped."""

from __future__ import annotations

import re
import shlex
import unittest
from typing import TYPE_CHECKING, Any, Iterator

from qianwen.checks.validate import in_words
from qianwen.command.flags import WIDTH
from qianwen.describe import examples, listing, page, schema, wording
from qianwen.models.catalog import GIVEN, find
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
from qianwen.plain.spelling import nearest

from .. import SCRIPTS
from ..support import Case, Script, answer
from ..test_cli import imported

if TYPE_CHECKING:
    from qianwen.models.catalog import Catalog, Mode, Model, Param

    from ..support import Ran

CATALOGS = (IMAGES, VIDEOS)
ROWS = [(catalog, model) for catalog in CATALOGS for model in catalog.models]
COMPLAINTS = "left out|no effect|ignored|unknown|names none|passed on"


class CatalogCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.env = {}  # neither of the two commands needs a key

    def run_it(self, catalog: Catalog, *argv: str) -> Ran:
        """Run a program that is not allowed to send anything."""
        ran = self.run_program(catalog, argv, "", Script())
        self.assertNotIn("Traceback", ran.stderr)
        return ran

    def page(self, catalog: Catalog, *argv: str) -> list[str]:
        ran = self.run_it(catalog, *argv)
        self.assertEqual((ran.code, ran.stderr), (0, ""))
        return ran.stdout.splitlines()

    def entries(self, catalog: Catalog, *argv: str) -> Any:
        reply = self.run_it(catalog, *argv, "--print-response").json
        self.assertEqual(reply["ok"], True)
        return reply["models"]


class Lists(CatalogCase):
    def test_every_model_has_a_row_of_its_own(self) -> None:
        for catalog in CATALOGS:
            lines = self.page(catalog, "--list-models")
            first = [line.split()[0] for line in lines if re.match(r"  \S", line)]
            first += [line.split()[1] for line in lines if re.match(r"\* \S", line) and "without --model" not in line]
            self.assertEqual(sorted(first), sorted(["MODEL", *(model.id for model in catalog.models)]))
            self.assertEqual(list(self.cwd.iterdir()), [])

    def test_it_fits_a_terminal_with_one_line_for_each_model(self) -> None:
        for catalog in CATALOGS:
            for width in (60, 80, 100, 120):
                self.env = {"COLUMNS": str(width)}
                lines = self.page(catalog, "--list-models")
                self.assertLessEqual(max(map(len, lines)), max(width, 80))
                self.assertFalse([line for line in lines if line != line.rstrip()])
                rows = [line for line in lines if re.match(r"[ *] [a-z]+[a-z0-9]*[-.0-9]", line)]
                self.assertEqual(len(rows), len(catalog.models))

    def test_what_is_taken_without_a_model_has_a_mark(self) -> None:
        for catalog in CATALOGS:
            marked = {line.split()[1] for line in self.page(catalog, "--list-models") if re.match(r"\* [a-z]+\d", line)}
            self.assertEqual(marked, {default.model for default in catalog.defaults})

    def test_groups_stand_in_order_and_hold_their_models(self) -> None:
        for catalog, expected in (
            (IMAGES, {"from text": "wan2.6-t2i", "from text, with or without pictures": "qwen-image-2.0", "from pictures": "wan2.6-image"}),
            (VIDEOS, {"t2v: from text": "wan2.7-t2v", "kf2v: from a first to a last picture": "wan2.2-kf2v-flash", "several ways, by what is given": "wan3.0-video"}),
        ):  # fmt: skip
            group, found = "", {}
            for line in self.page(catalog, "--list-models"):
                if line.endswith(":"):
                    group = line[:-1]
                elif re.match(r"[ *] \S", line) and "without --model" not in line:
                    found[line[2:].split()[0]] = group
            heads = list(dict.fromkeys(found.values()))
            self.assertEqual(heads, ["", *(head for head in listing._groups(catalog))])
            for head, model in expected.items():
                self.assertEqual(found[model], head)

    def test_the_columns_say_what_the_rows_say(self) -> None:
        images = "\n".join(self.page(IMAGES, "--list-models"))
        videos = "\n".join(self.page(VIDEOS, "--list-models"))
        self.assertRegex(images, r"wan2\.7-image-pro +1K, 2K, 4K +1 to 12 +either +cn intl +text to picture")
        self.assertRegex(images, r"qwen-image-max +5 fixed sizes +1 +at once +cn intl +text")
        self.assertRegex(images, r"wanx2\.1-imageedit +as the input +1 to 4 +task +cn +ten")
        self.assertRegex(videos, r"wan2\.6-t2v +720P, 1080P +2 to 15 +task +cn intl us eu +text to video")
        self.assertRegex(videos, r"happyhorse-1\.1-t2v .* like happyhorse-1\.0-t2v, newer\n")
        self.assertIn("us is us-east-1 (Virginia)", videos)

    def test_the_json_has_the_same_columns_and_is_short(self) -> None:
        for catalog in CATALOGS:
            ran = self.run_it(catalog, "--list-models", "--print-response")
            self.assertLess(len(ran.stdout.encode()), 20_000)
            listed = ran.json["models"]
            self.assertEqual([entry["id"] for entry in listed], [model.id for model in catalog.models])
            lines = {line[2:].split()[0]: line for line in self.page(catalog, "--list-models") if line[2:].strip()}
            for entry in listed:
                for name in set(entry) - {"default", "ends", "replacement"}:
                    self.assertIn(entry[name], lines[entry["id"]])


class Pages(CatalogCase):
    """The text of --describe."""

    def test_every_row_is_told_in_full(self) -> None:
        for catalog, model in ROWS:
            with self.subTest(model.id):
                lines = self.page(catalog, "--describe", model.id)
                text = " ".join(" ".join(lines).split())
                self.assertTrue(text.startswith(f"{model.id}: "))
                for said in (
                    wording.summary(catalog, model),
                    model.source,
                    model.checked,
                    *model.regions,
                    *model.aliases,
                ):
                    self.assertIn(said, text)
                for mode in model.modes:
                    self.assertIn(wording.bill_words(mode, catalog.unit).replace("`", ""), text)
                    self.assertIn(mode.usual, text)
                    for param in mode.params:
                        self.check_field(lines, text, param)

    def check_field(self, lines: list[str], text: str, param: Param) -> None:
        self.assertTrue([line for line in lines if line.startswith(f"  {param.name:<25} ")], param.name)
        for said in (param.meaning, *param.also, *map(str, filter(None, param.choices))):
            self.assertIn(said, text)
        for size in (size for sizes in (param.size.presets.values() if param.size else ()) for size in sizes):
            self.assertIn(size, text)

    def test_lines_fit_except_those_to_copy(self) -> None:
        for place, (catalog, model) in enumerate(ROWS):
            width = (80, WIDTH, 120)[place % 3]
            self.env = {"COLUMNS": str(width)}
            for line in self.page(catalog, "--describe", model.id):
                with self.subTest(model=model.id, line=line):
                    self.assertTrue(len(line) <= width or line.startswith("  python3 ") or " " not in line[28:])
                    self.assertNotRegex(line, r"`|\*\*")

    def test_each_mode_has_its_conditions_rules_and_fields(self) -> None:
        text = "\n".join(self.page(IMAGES, "--describe", "wan2.7-image-pro"))
        modes = re.findall(r"\nMode (\w+): (.*)", text)
        self.assertEqual(
            modes,
            [("sequential", "with enable_sequential true"), ("edit", "with reference_images"), ("t2i", "otherwise")],
        )
        self.assertIn("image made, at most n (12 unless given)", text)
        self.assertRegex(text, r"\n  reference_images +pictures to edit(.*\n)+?.* --image · also\s+reference_image\n")
        self.assertIn("integer 1 to 4 · default 1, sent · -n", text)
        self.assertIn("4096*2304", text)

    def test_a_rule_is_told_where_its_fields_are(self) -> None:
        text = "\n".join(self.page(IMAGES, "--describe", "wanx2.1-imageedit"))
        self.assertEqual(text.count("mask_image_url has exactly the size"), 1)
        text = " ".join(" ".join(self.page(VIDEOS, "--describe", "wan2.6-r2v")).split())
        self.assertIn("The prompt calls the references character1, character2, … in their order", text)
        self.assertIn("takes at most 5 pictures and 3 clips", text)
        self.assertIn("and every second of the clips that are sent", text)

    def test_a_reference_to_the_row_above_is_spelled_out(self) -> None:
        self.assertIn(
            "like wan2.7-image-pro (text to picture up to 4K", self.page(IMAGES, "--describe", "wan2.7-image")[0]
        )

    def test_no_summary_leaves_the_reader_without_its_other_half(self) -> None:
        for catalog, model in ROWS:
            self.assertFalse(wording.summary(catalog, model).startswith(wording.SAME), model.id)


class Examples(CatalogCase):
    def commands(self, catalog: Catalog, model: Model) -> Iterator[tuple[list[str], str]]:
        """The arguments of every example of a page, and what is said to be billed."""
        for line in self.page(catalog, "--describe", model.id):
            if line.startswith("  python3 "):
                command, _, bill = line.partition("  # bills at most ")
                python, script, *argv = shlex.split(command)
                self.assertEqual((python, script), ("python3", f"/skill/scripts/{catalog.program}"))
                yield argv, bill

    def test_every_one_runs_in_its_mode_and_bills_what_it_says(self) -> None:
        for catalog, model in ROWS:
            shown = []
            for argv, bill in self.commands(catalog, model):
                with self.subTest(argv=argv):
                    ran = self.run_it(catalog, *argv, "--dry-run", "--print-response")
                    self.assertEqual(ran.code, 0, ran.stderr)
                    bills = ran.json["bills"]
                    self.assertEqual(f"bills at most {bill}", in_words({**bills, "unconfirmed": ""}))
                    self.assertNotRegex(" ".join(ran.json["warnings"]), COMPLAINTS)
                    self.assertEqual(ran.json["request"]["body"]["model"], model.id)
                    match = re.search(r"Model: \S+ \(([\w ]+)\)", ran.stderr)
                    assert match
                    shown.append(match[1])
            self.assertEqual(list(dict.fromkeys(shown)), [mode.name for mode in model.modes])

    def test_the_longer_one_costs_no_more_than_it_must(self) -> None:
        for catalog, model in ROWS:
            found = find(catalog, model.id)
            assert found
            least, *more = examples.of_mode(catalog, found, model.modes[-1])
            for specimen in more:
                self.assertGreater(len(specimen.argv), len(least.argv))
                self.assertLessEqual(specimen.units, 2 * least.units)

    def test_the_flag_of_the_same_name_comes_first(self) -> None:
        param = VIDEOS.models[0].modes[0].param("prompt")
        assert param
        self.assertEqual(examples.flags_of(VIDEOS, param), [])
        i2v = next(model for model in VIDEOS.models if model.id == "wan2.7-i2v").modes[0].param("first_frame_url")
        assert i2v
        self.assertEqual([flag.name for flag in examples.flags_of(VIDEOS, i2v)], ["--first-frame", "--image"])


TYPES: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}


class Json(CatalogCase):
    def test_it_holds_what_the_rows_hold(self) -> None:
        for catalog, model in ROWS:
            (entry,) = self.entries(catalog, "--describe", model.id)
            with self.subTest(model.id):
                self.assertEqual(entry["id"], model.id)
                self.assertEqual(entry["regions"], list(model.regions))
                self.assertEqual((entry["source"], entry["checked"]), (model.source, model.checked))
                self.assertEqual(entry.get("kinds", []), list(model.kinds))
                for told, mode in zip(entry["modes"], model.modes):
                    self.check_mode(told, mode)
                self.assertEqual(len(entry["modes"]), len(model.modes))

    def check_mode(self, told: Any, mode: Mode) -> None:
        self.assertEqual((told["name"], told["when"]), (mode.name, dict(mode.when)))
        self.assertEqual((told["sync"], told["task"]), (bool(mode.sync), bool(mode.task)))
        self.assertEqual([field["name"] for field in told["fields"]], [param.name for param in mode.params])
        self.assertLessEqual(set(told["when"].values()), {GIVEN, True, mode.name})
        self.assertGreater(told["bills"]["at_most"], 0)
        for field, param in zip(told["fields"], mode.params):
            self.check_field(field, param)

    def check_field(self, field: Any, param: Param) -> None:
        self.assertIn(field["type"], TYPES)
        self.assertEqual(field.get("required", False), param.is_needed)
        self.assertEqual(field.get("choices", []), list(param.choices))
        self.assertEqual(field.get("also", []), list(param.also))
        self.assertEqual(len(field.get("files", [])), len(param.media))
        for name, value in (("default", param.default), ("sent", param.send)):
            if value not in (None, ""):
                self.assertEqual(field[name], value)
                self.assertIsInstance(value, TYPES[field["type"]])
        bounds = field.get("count" if param.media else "range")
        self.assertEqual(bounds, [param.low, param.high] if param.high else None)
        if param.size and param.size.presets:
            self.assertEqual(
                field["size"]["presets"], {ratio: list(sizes) for ratio, sizes in param.size.presets.items()}
            )
        for file, rule in zip(field.get("files", ()), param.media):
            self.assertEqual((file["types"], file["megabytes"]), (list(rule.types), rule.megabytes))
            self.assertEqual((file["alpha"], file["data_url"]), (rule.alpha, rule.data_url))

    def test_every_kind_of_field_has_a_type(self) -> None:
        kinds = {param.kind for _, model in ROWS for mode in model.modes for param in mode.params}
        self.assertEqual(kinds - {"choice"}, set(schema.TYPES) & kinds)

    def test_a_type_is_that_of_the_choices(self) -> None:
        (entry,) = self.entries(VIDEOS, "--describe", "wan2.5-t2v-preview")
        fields = {field["name"]: field for field in entry["modes"][0]["fields"]}
        self.assertEqual((fields["duration"]["type"], fields["duration"]["choices"]), ("integer", [5, 10]))
        self.assertEqual(fields["size"]["type"], "string")
        self.assertEqual(entry["modes"][0]["pixels"]["720P"]["16:9"], "1280*720")


class Ids(CatalogCase):
    """Which row an id is told of."""

    def test_rows_snapshots_aliases_and_families(self) -> None:
        for catalog, model_id, shown, rules_of, warning in (
            (IMAGES, "qwen-image-max-2025-12-30", "qwen-image-max-2025-12-30", "qwen-image-max", ""),
            (IMAGES, "wan2.1-t2i-plus", "wanx2.1-t2i-plus", None, "is spelled wanx2.1-t2i-plus in requests"),
            (IMAGES, "qwen-image-max-next", "qwen-image-max-next", "qwen-image-max", "the nearest known id is qwen-image-max"),
            (IMAGES, "wan2.6-t2", "wan2.6-t2", "wan2.7-image", "the nearest known id is wan2.6-t2i"),
            (VIDEOS, "wan2.7-i2v-2026-04-25", "wan2.7-i2v-2026-04-25", "wan2.7-i2v", ""),
            (VIDEOS, "happyhorse-2.0-i2v", "happyhorse-2.0-i2v", "happyhorse-1.1-i2v", "the nearest known id is happyhorse-1.0-i2v"),
        ):  # fmt: skip
            with self.subTest(model_id):
                ran = self.run_it(catalog, "--describe", model_id)
                self.assertEqual(ran.code, 0)
                self.assertTrue(ran.stdout.startswith(f"{shown}: "))
                reply = self.run_it(catalog, "--describe", model_id, "--print-response").json
                (entry,) = reply["models"]
                self.assertEqual((entry["id"], entry.get("rules_of")), (shown, rules_of))
                for said in (ran.stderr, "".join(reply["warnings"])):
                    self.assertIn(warning, said)
                    self.assertEqual(bool(said), bool(warning))

    def test_an_id_of_no_family_is_refused_with_the_nearest(self) -> None:
        for catalog, model_id, hint in (
            (IMAGES, "qwen-imge-edit-max", "the nearest: qwen-image-edit-max"),
            (IMAGES, "WAN2.6-T2I", "the nearest: wan2.6-t2i, "),
            (IMAGES, "zimage", "the nearest: z-image-turbo"),
            (IMAGES, "?", "image.py --list-models shows all"),
            (IMAGES, "wan2.7-i2v", "video.py --describe wan2.7-i2v"),
            (VIDEOS, "wan2.6-tv2", "the nearest: wan2.6-t2v"),
            (VIDEOS, "hapyhorse-1.0", "the nearest: happyhorse-1.0-"),
            (VIDEOS, "wan2.6-t2i", "image.py --describe wan2.6-t2i"),
        ):
            with self.subTest(model_id):
                ran = self.run_it(catalog, "--describe", model_id)
                self.assertEqual((ran.code, ran.stdout), (3, ""))
                self.assertIn(hint, ran.stderr)
                reply = self.run_it(catalog, "--describe", model_id, "--print-response").json
                self.assertEqual((reply["ok"], reply["error"]["kind"]), (False, "usage"))
                self.assertIn(hint, reply["error"]["hint"])

    def test_a_request_and_a_description_agree_on_the_row(self) -> None:
        for catalog, model_id in ((IMAGES, "wan2.6-t2"), (VIDEOS, "wan9.9-i2v")):
            found = find(catalog, model_id)
            assert found
            self.assertEqual(page.resolve(catalog, model_id), found)


class Alone(CatalogCase):
    def test_nothing_else_goes_with_them(self) -> None:
        for argv, named in (
            (["--list-models", "a cat"], "--list-models takes no prompt"),
            (["--list-models", "-"], "takes no prompt"),
            (["--list-models", "--describe", "wan2.6-t2i"], "--list-models takes no --describe"),
            (["--describe", "wan2.6-t2i", "--model", "wan2.6-t2i"], "--describe takes no --model"),
            (["--describe", "wan2.6-t2i", "--dry-run"], "takes no --dry-run"),
            (["--describe", "wan2.6-t2i", "--request", "-"], "takes no --request"),
            (["--describe", "wan2.6-t2i", "--size", "1:1"], "takes no --size"),
            (["--describe", "wan2.6-t2i", "--set", "n=1"], "takes no --set"),
            (["--list-models", "--tasks"], "takes no --tasks"),
            (["--list-models", "--timeout", "9"], "takes no --timeout"),
            (["--list-models", "--negative-prompt", ""], "takes no --negative-prompt"),
            (["--list-models", "--quiet"], "takes no --quiet"),
            (["--describe"], "--describe needs a value"),
            (["--describe", ""], "--describe is empty"),
            (["--model", "wan2.6-t2i", "--describe"], "--describe needs a value"),
        ):
            with self.subTest(argv):
                ran = self.run_it(IMAGES, *argv)
                self.assertEqual((ran.code, ran.stdout), (3, ""), ran.stdout)
                self.assertIn(named, ran.stderr)

    def test_they_leave_the_network_alone(self) -> None:
        bare = imported("-c", "pass")
        for program in ("image.py", "video.py"):
            for argv in (["--list-models"], ["--describe", IMAGES.models[0].id]):
                loaded = imported(str(SCRIPTS / program), *argv) - bare
                self.assertEqual(
                    loaded & {"socket", "ssl", "http.client", "qianwen.http.transport", "qianwen.actions.session"},
                    set(),
                )

    def test_help_does_not_load_them(self) -> None:
        loaded = imported(str(SCRIPTS / "image.py"), "--help")
        ours = {"describe", "spelling", "arguments", "models.words", "models.schema", "models.specimens"}
        self.assertEqual(loaded & {f"qianwen.{name}" for name in ours}, set())


class NearestNames(CatalogCase):
    def test_whatever_is_mistyped(self) -> None:
        for catalog, argv, said in (
            (IMAGES, ["x", "--modle", "wan2.6-t2i"], "did you mean --model?"),
            (IMAGES, ["--list-model"], "did you mean --list-models?"),
            (IMAGES, ["--descibe=wan2.6-t2i"], "did you mean --describe?"),
            (IMAGES, ["x", "--set", "negative_promt=fog"], "nearest: negative_prompt"),
            (IMAGES, ["x", "--region", "cn-bejing"], "did you mean cn-beijing?"),
            (IMAGES, ["x", "--region", "int", "--dry-run"], "did you mean intl?"),
            (IMAGES, ["x", "--model", "wanx-v1", "--set", "style=<anim>"], "nearest: <anime>"),
            (IMAGES, ["x", "--model", "wanx2.1-imageedit", "--set", "function=dodle"], "nearest: doodle"),
            (VIDEOS, ["x", "--mode", "tv2"], "nearest: t2v"),
            (VIDEOS, ["x", "--mode", "video-edit"], "nearest: videoedit"),
            (VIDEOS, ["x", "--set", "duratoin=5"], "nearest: duration"),
        ):
            with self.subTest(argv):
                ran = self.run_it(catalog, *argv)
                self.assertEqual(ran.code, 3, ran.stderr)
                self.assertIn(said, ran.stderr)

    def test_a_mistyped_model_is_passed_on_with_a_warning(self) -> None:
        for catalog, model_id, near in ((IMAGES, "wan2.6-t2ii", "wan2.6-t2i"), (VIDEOS, "wan2.6-t2vv", "wan2.6-t2v")):
            reply = self.run_program(
                catalog, ["x", "--model", model_id, "--dry-run", "--print-response"], "", None
            ).json
            self.assertEqual(reply["request"]["body"]["model"], model_id)
            self.assertTrue(any(f"the nearest known id is {near}" in text for text in reply["warnings"]))

    def test_what_the_service_does_not_know_names_it_too(self) -> None:
        self.env = {"DASHSCOPE_API_KEY": "sk-test-0123456789abcdef"}
        refused = answer({"code": "InvalidParameter", "message": "Model not exist."}, 400)
        reply = self.json("x", "--model", "wan2.6-t2ii", code=1, send=Script(refused))
        self.assertIn("the nearest known id is wan2.6-t2i", reply["warnings"][0])

    def test_how_near_is_near(self) -> None:
        self.assertEqual(nearest("t2", ["t2v", "i2v", "t2i"], 2), ["t2v", "t2i"])
        self.assertEqual(nearest("zzz", ["t2v"]), [])
        self.assertEqual(nearest("zzz", ["t2v"], likeness=0.0), ["t2v"])


class Words(unittest.TestCase):
    def test_marks_are_taken_away(self) -> None:
        self.assertEqual(
            wording.bare(f"{wording.REQUIRED}{wording.code('', 'a')}, **we send 1280*720**"),
            'required; "", a, we send 1280*720',
        )

    def test_a_rule_says_the_limits_that_it_was_made_with(self) -> None:
        said = {rule.sentence for _, model in ROWS for mode in model.modes for rule in mode.rules}
        self.assertIn("`reference_urls` takes at most 5 pictures and 3 clips.", said)
        self.assertIn("At most 10 pictures, 5 clips and 5 sounds in all.", said)

    def test_bills(self) -> None:
        for catalog, model_id, expected in (
            (IMAGES, "qwen-image-2.1-pro", "every image made, at most `n` (1 unless given)"),
            (IMAGES, "wan2.6-t2i", "every image made, at most `n` (1 unless given)"),
            (IMAGES, "qwen-image", "1 image"),
            (VIDEOS, "wan2.2-t2v-plus", "5 seconds"),
            (VIDEOS, "wan2.7-videoedit", "every second made, at most `duration` (10 unless given), and every second of the clips that are sent"),
            (VIDEOS, "happyhorse-1.0-video-edit", "every second made, at most 15, and every second of the clips that are sent"),
        ):  # fmt: skip
            with self.subTest(model_id):
                found = find(catalog, model_id)
                assert found
                self.assertEqual(wording.bill_words(found.model.modes[-1], catalog.unit), expected)


if __name__ == "__main__":
    unittest.main()
