"""Names that are readable and unique, files that are whole or absent, and nothing replaced by accident."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import unittest
from pathlib import Path
from typing import Any, BinaryIO
from unittest import mock

from qianwen.errors import OutputError, UsageError
from qianwen.files import outputs
from qianwen.files.outputs import Target
from qianwen.sandbox import placeholder

from ..support import PHOTO, Case

PNG = placeholder.png(30, 20, "a", [])


def fill(data: bytes = PNG) -> outputs.Fill:
    def write(stream: BinaryIO) -> tuple[int, str, bool]:
        stream.write(data)
        return len(data), hashlib.sha256(data).hexdigest(), True

    return write


class Plan(Case):
    def plan(self, output: str, overwrite: bool = False) -> Target:
        target = outputs.plan(
            output, "output/pictures", str(self.cwd), "A Cat, on a sill!", "20261120-153012", overwrite
        )
        return outputs.prepare(target)

    def test_where_a_result_goes(self) -> None:
        (self.cwd / "there.d").mkdir()
        stem = "20261120-153012-a-cat-on-a-sill"
        for output, folder, name, suffix in (
            ("", "output/pictures", stem, ""),
            ("out.png", "", "out", ".png"),
            ("a/b/out.JPG", "a/b", "out", ".JPG"),
            ("pictures", "pictures", stem, ""),
            ("new.d/", "new.d", stem, ""),
            ("there.d", "there.d", stem, ""),
            (".", "", stem, ""),
            ("..", "..", stem, ""),
            ("猫.png", "", "猫", ".png"),
        ):
            with self.subTest(output):
                target = self.plan(output)
                self.assertEqual(target, Target(os.path.abspath(self.cwd / folder), name, suffix, False))
                self.assertTrue(os.path.isdir(target.folder))

    def test_an_absolute_path_and_the_home_folder(self) -> None:
        self.assertEqual(self.plan(str(self.folder / "x.png")).folder, str(self.folder))
        with mock.patch.dict(os.environ, {"HOME": str(self.home), "USERPROFILE": str(self.home)}):
            self.assertEqual(self.plan("~/y.png").folder, str(self.home))

    def test_a_folder_that_cannot_be_used_is_known_beforehand(self) -> None:
        (self.cwd / "file").write_text("x")
        for output in ("file/out.png", "a\0b.png", "x" * 250 + ".png"):
            with self.subTest(output), self.assertRaises(UsageError) as caught:
                self.plan(output)
            self.assertIn("--output", caught.exception.hint)

    def test_the_very_name_is_tried(self) -> None:
        """A disk that takes no colon is found before anything is paid for, and the trial leaves nothing."""

        def on_a_disk(make: Any) -> Any:
            def without_colons(path: str, *more: Any, **kept: Any) -> Any:
                if ":" in os.path.basename(path):
                    raise OSError(22, "Invalid argument", path)
                return make(path, *more, **kept)

            return without_colons

        with mock.patch("os.open", on_a_disk(os.open)), mock.patch("os.mkdir", on_a_disk(os.mkdir)):
            self.plan("fine.png")
            with self.assertRaisesRegex(UsageError, "Invalid argument"):
                self.plan("12:30.png")
        for length in range(220, 260):
            try:
                target = self.plan("x" * length + ".png")
            except UsageError:
                continue
            (self.cwd / f"{target.stem}_12-345{target.suffix}").touch()
        (self.cwd / ".killed_0.png.try").mkdir()
        self.plan("killed.png")
        self.assertEqual(list(self.cwd.glob(".*")), [])
        (self.cwd / ".theirs_0.png.try").touch()
        self.plan("theirs.png")
        self.assertEqual(len(list(self.cwd.glob(".*"))), 1)

    def test_a_current_folder_that_is_gone(self) -> None:
        self.cwd.rmdir()
        with self.assertRaisesRegex(UsageError, "current folder is gone"):
            self.plan("")
        self.assertFalse(self.cwd.exists())
        self.assertEqual(self.plan(str(self.folder / "x.png")).stem, "x")

    def test_a_path_of_thousands_of_folders(self) -> None:
        with self.assertRaises(UsageError):
            self.plan("a/" * 3000)

    def test_a_plan_makes_nothing(self) -> None:
        outputs.plan("planned/x.png", "output", str(self.cwd), "x", "now")
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_looking_leaves_nothing_behind(self) -> None:
        self.plan("looked/")
        self.assertEqual(list((self.cwd / "looked").iterdir()), [])

    def test_slugs_keep_every_script_and_nothing_else(self) -> None:
        for prompt, slug in (
            ("A cozy flower shop", "a-cozy-flower-shop"),
            ("窗台上的猫,水彩", "窗台上的猫-水彩"),
            ("../../etc/passwd", "etc-passwd"),
            ('<>:"/\\|?*\n', "result"),
            ("", "result"),
            ("x" * 100, "x" * 40),
            ("half \ud800 a character", "half-a-character"),
            ("Ünïcode e\u0301", "ünïcode-é"),
        ):
            with self.subTest(prompt):
                self.assertEqual(outputs.slug(prompt), slug)


class Save(Case):
    def setUp(self) -> None:
        super().setUp()
        self.warnings: list[str] = []

    def save(self, target: Target, data: bytes = PNG) -> outputs.Saved:
        return outputs.save_media(target, fill(data), self.warnings.append, "image/")

    def names(self) -> list[str]:
        return sorted(path.name for path in self.cwd.iterdir())

    def test_a_file_with_all_that_is_said_of_it(self) -> None:
        saved = self.save(Target(str(self.cwd), "cat"))
        self.assertEqual(saved.path, str(self.cwd / "cat.png"))
        self.assertEqual(Path(saved.path).read_bytes(), PNG)
        self.assertEqual((saved.bytes, saved.sha256), (len(PNG), hashlib.sha256(PNG).hexdigest()))
        self.assertEqual((saved.facts.type, saved.facts.width, saved.facts.height), ("image/png", 30, 20))
        self.assertEqual((self.names(), self.warnings), (["cat.png"], []))

    def test_nothing_is_replaced_and_the_free_name_is_told(self) -> None:
        (self.cwd / "cat.png").write_text("precious")
        for number in (2, 3):
            self.assertEqual(self.save(Target(str(self.cwd), "cat")).path, str(self.cwd / f"cat-{number}.png"))
        self.assertEqual((self.cwd / "cat.png").read_text(), "precious")
        self.assertIn("cat-2.png", self.warnings[0])

    def test_nothing_is_replaced_on_disks_without_links(self) -> None:
        (self.cwd / "cat.png").write_text("precious")
        with mock.patch("os.link", side_effect=PermissionError(1, "no links here")):
            saved = self.save(Target(str(self.cwd), "cat"))
        self.assertEqual((Path(saved.path).name, Path(saved.path).read_bytes()), ("cat-2.png", PNG))
        self.assertEqual((self.cwd / "cat.png").read_text(), "precious")

    def test_a_kill_leaves_no_empty_file_under_a_final_name(self) -> None:
        """Not even on disks without links, where the name is taken by the whole file."""
        seen: list[list[str]] = []

        def killed(source: str, target: str) -> None:
            seen.append(self.names())
            raise KeyboardInterrupt

        refused = PermissionError(1, "no links here")
        with (
            mock.patch("os.link", side_effect=refused),
            mock.patch("os.replace", killed),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.save(Target(str(self.cwd), "cat"))
        self.assertEqual([name.endswith(".part") for name in seen[0]], [True])
        self.assertEqual(self.names(), [])

    def test_overwrite_replaces(self) -> None:
        (self.cwd / "cat.png").write_text("old")
        self.save(Target(str(self.cwd), "cat", overwrite=True))
        self.assertEqual((self.names(), (self.cwd / "cat.png").read_bytes()), (["cat.png"], PNG))

    def test_only_the_name_that_was_given_is_replaced(self) -> None:
        (self.cwd / "cat.png").write_text("precious")
        saved = self.save(Target(str(self.cwd), "cat", ".jpg", overwrite=True))
        self.assertEqual(saved.path, str(self.cwd / "cat-2.png"))
        (self.cwd / "dog.png").mkdir()
        saved = self.save(Target(str(self.cwd), "dog", ".png", overwrite=True))
        self.assertEqual(saved.path, str(self.cwd / "dog-2.png"))

    def test_the_suffix_follows_the_bytes(self) -> None:
        photo = PHOTO.read_bytes()
        for suffix, data, name, told in (
            (".png", PNG, "cat.png", False),
            (".PNG", PNG, "cat.PNG", False),
            (".jpeg", photo, "cat.jpeg", False),
            (".webp", photo, "cat.jpg", True),
            (".bmp", PNG, "cat-2.png", True),
        ):
            with self.subTest(suffix=suffix, name=name):
                saved = self.save(Target(str(self.cwd), "cat", suffix, overwrite=True), data)
                self.assertEqual(Path(saved.path).name, name)
                self.assertEqual(bool(self.warnings), told)
                self.warnings.clear()

    def test_what_is_no_picture_is_not_saved(self) -> None:
        with self.assertRaises(OutputError):
            self.save(Target(str(self.cwd), "cat"), b"<html>error</html>")
        self.assertEqual(self.names(), [])

    def test_a_format_that_is_only_known_by_name_is_saved_under_its_own_suffix(self) -> None:
        for data, sort, suffix in (
            (b"\x1aE\xdf\xa3\x9fB\x82\x84webm", "video/", ".webm"),
            (b"\0\0\0\x10ftypavif\0\0\0\0", "image/", ".avif"),
        ):
            with self.subTest(suffix):
                saved = outputs.save_media(Target(str(self.cwd), "cat", ".mp4"), fill(data), self.warnings.append, sort)
                self.assertEqual(Path(saved.path).name, f"cat{suffix}")
                self.assertIn(f"gets the suffix {suffix}", self.warnings[-1])

    def test_what_is_odd_but_whole_is_saved_with_a_warning(self) -> None:
        clip = placeholder.clip()
        for sort, data, name, words in (
            ("video/", PNG, "x.png", "is image/png, which was not asked for"),
            ("image/", clip, "x.mp4", "is video/mp4, which was not asked for"),
            ("video/", clip[:1000], "x.mp4", "is damaged or incomplete (video/mp4)"),
            ("image/", PNG[:17], "x.png", "is damaged or incomplete (image/png)"),
            ("video/", clip + b"\x7f\xff\xff\xfffree", "x.mp4", "is damaged or incomplete"),
            ("image/", b"NEW\x01" + bytes(900), "x.bin", "has a format that is unknown"),
        ):
            with self.subTest(words, length=len(data)):
                saved = outputs.save_media(Target(str(self.cwd), "x"), fill(data), self.warnings.append, sort)
                self.assertEqual((Path(saved.path).name, Path(saved.path).read_bytes()), (name, data))
                self.assertIn(words, self.warnings.pop())
                self.assertEqual(self.warnings, [])
                self.assertEqual(outputs.saved_before(saved.path, saved.sha256), saved)
                Path(saved.path).unlink()

    def test_a_new_format_keeps_the_name_that_was_asked_for(self) -> None:
        self.assertEqual(Path(self.save(Target(str(self.cwd), "x", ".mp4"), b"NEW\x01").path).name, "x.mp4")

    def test_a_page_that_says_what_is_wrong_is_not_the_result(self) -> None:
        for data in (
            b"<html>no</html>",
            b"\xef\xbb\xbf <?xml version='1.0'?><Error/>",
            b'{"code": "NoSuchKey"}',
            b"<Error>",
        ):
            with self.subTest(data), self.assertRaisesRegex(OutputError, "error page"):
                self.save(Target(str(self.cwd), "x"), data)
        self.assertEqual(self.names(), [])

    def test_a_reply_whose_name_is_taken_takes_a_number_alone(self) -> None:
        (self.cwd / "x.json").write_text("what a shell's > x.json has made")
        saved = outputs.save_media(Target(str(self.cwd), "x"), fill(placeholder.clip()), self.warnings.append, "video/")
        self.assertEqual((saved.path, self.warnings), (str(self.cwd / "x.mp4"), []))
        path = outputs.save_text(outputs.beside(saved, Target("", "")), ".json", "{}", self.warnings.append)
        self.assertEqual(path, str(self.cwd / "x-2.json"))
        self.assertIn("x.json already exists", self.warnings[0])

    def test_what_nothing_proves_whole_is_fetched_again_and_believed_when_it_comes_twice(self) -> None:
        half, less = PNG[:-10], PNG[:-30]
        for comes, fetches, size in (
            ([PNG], 1, len(PNG)),
            ([half, PNG], 2, len(PNG)),
            ([half, half], 2, len(half)),
            ([half, less, less], 3, len(less)),
            ([half, less, half], 3, 0),
        ):
            with self.subTest(list(map(len, comes))):
                left = list(comes)

                def write(stream: BinaryIO, left: list[bytes] = left) -> tuple[int, str, bool]:
                    return (*fill(left.pop(0))(stream)[:2], False)

                try:
                    saved = outputs.save_media(Target(str(self.cwd), "x"), write, self.warnings.append, "image/")
                    self.assertEqual(Path(saved.path).stat().st_size, size)
                    Path(saved.path).unlink()
                except OutputError as error:
                    self.assertIn("differed at each download", error.message)
                    self.assertEqual((size, self.names()), (0, []))
                self.assertEqual(len(comes) - len(left), fetches)

    def test_a_break_leaves_nothing(self) -> None:
        def breaking(stream: BinaryIO) -> tuple[int, str, bool]:
            stream.write(PNG[:10])
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            outputs.save_media(Target(str(self.cwd), "cat"), breaking, self.warnings.append, "image/")
        self.assertEqual(self.names(), [])

    def test_a_disk_that_fails_is_exit_7(self) -> None:
        def full(stream: BinaryIO) -> tuple[int, str, bool]:
            raise OSError(28, "No space left on device")

        with self.assertRaises(OutputError) as caught:
            outputs.save_media(Target(str(self.cwd), "cat"), full, self.warnings.append, "image/")
        self.assertIn("No space left", caught.exception.message)
        with self.assertRaises(OutputError):
            self.save(Target(str(self.cwd / "gone"), "cat"))

    def test_twenty_writers_of_one_name_all_keep_theirs(self) -> None:
        target = Target(str(self.cwd), "cat")
        threads = [threading.Thread(target=self.save, args=(target,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.names()), 20)
        self.assertTrue(all((self.cwd / name).read_bytes() == PNG for name in self.names()))

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_results_have_the_usual_mode(self) -> None:
        saved = self.save(Target(str(self.cwd), "cat"))
        plain = self.cwd / "plain"
        plain.touch()
        self.assertEqual(stat.S_IMODE(os.stat(saved.path).st_mode), stat.S_IMODE(plain.stat().st_mode))


class Markdown(unittest.TestCase):
    def test_texts_and_pictures_in_order(self) -> None:
        content = (
            {"type": "text", "text": "First, fold.\n"},
            {"type": "image", "image": "https://a/1"},
            {"type": "image", "image": "https://a/2"},
            {"type": "text", "text": "Done."},
        )
        text = outputs.markdown(
            content, {"https://a/1": os.path.join(os.sep, "x", "a (1).png")}, os.path.join(os.sep, "x")
        )
        self.assertEqual(text, "First, fold.\n\n![Image 1](<a (1).png>)\n\n![Image 2](<https://a/2>)\n\nDone.\n")
