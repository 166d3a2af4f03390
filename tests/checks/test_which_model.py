"""Which model a request is for: ids in other spellings, names of families, and the model that takes what one refuses."""

from __future__ import annotations

import re
import unittest

from qianwen.checks.defaults import not_an_id
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from ..support import Case

FRAMES = ("--first-frame", "https://e.com/a.png", "--last-frame", "https://e.com/b.png")
PICTURE = ("--image", "https://e.com/a.png")
SUBJECT = ("--reference", "https://e.com/a.png")


class Ids(unittest.TestCase):
    def test_another_spelling_names_the_id_and_a_family_its_members(self) -> None:
        for catalog, typed, right in (
            (IMAGES, "Wan2.2-T2I-Flash", "wan2.2-t2i-flash"),
            (IMAGES, "wan2.6-t2i ", "wan2.6-t2i"),
            (IMAGES, "wan 2.6 t2i", "wan2.6-t2i"),
            (IMAGES, "dashscope/wan2.6-t2i", "wan2.6-t2i"),
            (IMAGES, "qwen_image_2.0_pro", "qwen-image-2.0-pro"),
            (IMAGES, "Alibaba/Qwen-Image-Max-2025-12-30", "qwen-image-max-2025-12-30"),
            (VIDEOS, "WAN2.6-T2V", "wan2.6-t2v"),
            (IMAGES, "wan2.7", "wan2.7-image, wan2.7-image-pro"),
            (IMAGES, "wan 2.7", "wan2.7-image, wan2.7-image-pro"),
            (VIDEOS, "wan2.7", "wan2.7-i2v, wan2.7-r2v, wan2.7-t2v, wan2.7-videoedit"),
            (VIDEOS, "wan3.0", "wan3.0-video, wan3.0-video-prime"),
        ):
            with self.subTest(typed):
                problem = not_an_id(catalog, typed)
                assert problem
                self.assertEqual(problem.nearest or problem.allowed, right)

    def test_ids_and_what_may_be_a_newer_one_pass(self) -> None:
        for catalog in (IMAGES, VIDEOS):
            for model in catalog.models:
                for name in (model.id, *model.aliases, f"{model.id}-2026-11-01"):
                    self.assertIsNone(not_an_id(catalog, name), name)
        for name in ("qwen-image-2.1", "z-image", "wan2.6-t2", "wan9.9-t2i", "kling/kling-v3-image", "wanx2.1-t2i", ""):
            self.assertIsNone(not_an_id(IMAGES, name), name)


class WayOut(Case):
    def test_a_refused_value_names_the_model_that_refuses_and_one_that_takes_it(self) -> None:
        for catalog, argv, refuses in (
            (IMAGES, ("--size", "4K"), "wan2.6-t2i"),
            (IMAGES, ("--size", "3840x2160"), "wan2.6-t2i"),
            (IMAGES, ("--size", "512x512"), "wan2.6-t2i"),
            (IMAGES, ("-n", "6"), "wan2.6-t2i"),
            (IMAGES, ("--model", "qwen-image", "-n", "2"), "qwen-image"),
            (VIDEOS, ("--duration", "20"), "wan2.6-t2v"),
            (VIDEOS, ("--size", "21:9"), "wan2.6-t2v"),
            (VIDEOS, ("--ratio", "21:9"), "wan2.6-t2v"),
            (VIDEOS, ("--duration", "10", *FRAMES), "wan2.2-kf2v-flash"),
            (IMAGES, ("--model", "wan2.2-t2i-flash", *PICTURE), "wan2.2-t2i-flash"),
            (IMAGES, ("--model", "wan2.7-image", "--set", "enable_interleave=true"), "wan2.7-image"),
            (VIDEOS, ("--model", "wan2.5-t2v-preview", *PICTURE), "wan2.5-t2v-preview"),
            (VIDEOS, (*FRAMES[:2], *SUBJECT), "wan2.6-r2v-flash"),
        ):
            with self.subTest(argv):
                ran = self.run_program(catalog, ("x", *argv, "--dry-run"), "", None)
                self.assertEqual(ran.code, 3)
                found = re.search(
                    rf"limit of {re.escape(refuses)}; (\S+) takes it, at its own price: use --model \1", ran.stderr
                )
                assert found, ran.stderr
                own = [word for word in argv if word not in ("--model", refuses)]
                self.assertTrue("pro" not in found[1] or "4" in argv[1] or "3840" in argv[1], "a plain grade will do")
                again = self.run_program(catalog, ("x", *own, "--model", found[1], "--dry-run"), "", None)
                self.assertEqual(again.code, 0, again.stderr)
                self.assertNotIn("ignored", again.stderr)

    def test_what_no_model_takes_has_another_way(self) -> None:
        for catalog, argv, way in (
            (IMAGES, ("-n", "9"), "enable_sequential=true"),
            (VIDEOS, ("--duration", "40"), "references/workflows.md"),
            (IMAGES, ("--size", "9999x1"), "limit of wan2.6-t2i\n"),
            (VIDEOS, (*PICTURE, *SUBJECT), "no model in cn-beijing takes all of this together"),
            (VIDEOS, (*PICTURE, "--voice", "https://e.com/a.wav"), "--reference: is missing"),
        ):
            with self.subTest(argv):
                ran = self.run_program(catalog, ("x", *argv, "--dry-run"), "", None)
                self.assertEqual(ran.code, 3)
                self.assertIn(way, ran.stderr)
                self.assertNotIn("takes it", ran.stderr)
                self.assertNotIn("use --model", ran.stderr)

    def test_a_mode_that_the_files_contradict_is_to_be_left_out(self) -> None:
        argv = ("x", *PICTURE, "--dry-run")
        ran = self.video(*argv, "--mode", "t2v")
        self.assertEqual(ran.code, 3)
        self.assertIn("Hint: leave out --mode t2v: wan2.6-i2v-flash takes the rest", ran.stderr)
        self.assertIn("Model: wan2.6-i2v-flash", self.video(*argv).stderr)


class Output(Case):
    def test_it_is_a_place_on_this_machine(self) -> None:
        for output, words in (
            ("s3://bucket/x.png", "not at s3://"),
            ("https://h/x.png", "not at https://"),
            ("-", "results are files"),
            ("$HOME/x.png", "nobody has replaced $HOME"),
            ("${HOME}/x.png", "nobody has replaced ${HOME}"),
            ("%TEMP%/x.png", "nobody has replaced %TEMP%"),
            ("C:\\Users\\x.png", "no drive letters"),
        ):
            with self.subTest(output):
                ran = self.image("x", "--output", output, "--dry-run")
                self.assertEqual((ran.code, ran.stdout), (3, ""))
                self.assertIn(words, ran.stderr)
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_a_file_address_is_a_path_and_odd_names_are_names(self) -> None:
        (self.cwd / "US$Prices").mkdir()  # as `next` has it in full for one who stands there
        with self.standin():
            for output, name in (
                (f"file://{self.cwd}/a%20b.png", "a b.png"),
                ("a$5.png", "a$5.png"),
                ("50%.png", "50%.png"),
                (f"{self.cwd}/US$Prices/new/x.png", "US$Prices/new/x.png"),
            ):
                ran = self.image(f"x {name}", "--output", output)
                self.assertEqual(ran.stdout, f"{self.cwd / name}\n", ran.stderr)


if __name__ == "__main__":
    unittest.main()
