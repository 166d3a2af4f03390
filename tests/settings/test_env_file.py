"""Which `.env` files are believed: real files, real repositories, and indexes that are damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import unittest
from pathlib import Path
from typing import Callable

from qianwen import environment
from qianwen.environment import Place
from qianwen.settings import env_file, git_index

from ..support import KEY, PHOTO, Case, Script, answer

LINE = f"DASHSCOPE_API_KEY={KEY}\nOUTPUT_DIR=made\n"
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Believed(Case):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.cwd / ".env"

    def doubt(self, **env: str) -> str:
        began = time.monotonic()
        settings, doubt = env_file.read(str(self.path), environment.names_in_files, env)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(bool(settings), self.path.is_file() and not doubt)
        return doubt

    def test_ones_own(self) -> None:
        self.path.write_text(LINE)
        for mode in (0o600, 0o644, 0o664):
            self.path.chmod(mode)
            self.assertEqual(self.doubt(), "")
        elsewhere = self.path.rename(self.home / "settings")
        self.path.symlink_to(elsewhere)
        self.assertEqual(self.doubt(), "")

    def test_none_is_no_reason_for_a_word(self) -> None:
        self.assertEqual(self.doubt(), "")
        self.path.symlink_to("gone")
        self.assertEqual(self.doubt(), "")
        self.path.unlink()
        self.path.mkdir()  # a virtual environment
        self.assertEqual(self.doubt(), "")

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_what_is_no_small_file_of_ones_own(self) -> None:
        def written(mode: int = 0o644, size: int = 0) -> None:
            self.path.write_text(LINE)
            self.path.chmod(mode)
            if size:
                os.truncate(self.path, size)

        rows: tuple[tuple[Callable[[], object], str], ...] = (
            (lambda: written(0o646), "others can write"),
            (lambda: written(size=2**40), "larger than 1 MB"),
            (lambda: written(size=env_file.LARGEST + 1), "larger than 1 MB"),
            (lambda: os.mkfifo(self.path), "not a regular file"),
            (lambda: self.path.symlink_to("/dev/zero"), "not a regular file"),
            (lambda: self.path.symlink_to("/dev/tty"), "not a regular file"),
        )
        for make, words in rows:
            make()
            with self.subTest(words):
                self.assertIn(words, self.doubt())
            self.path.unlink()
        for target in ("/proc/kmsg", "/proc/self/environ", "/proc/self/mem"):
            if os.path.exists(target):
                self.path.symlink_to(target)
                env_file.read(str(self.path), environment.names_in_files, {})  # ends
                self.path.unlink()

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_another_users(self) -> None:
        self.path.write_text(LINE)
        os.chown(self.path, 12345, 12345)
        self.assertIn("another user", self.doubt())
        self.assertEqual(self.doubt(SUDO_UID="12345"), "")
        for odd in ("", "x", "-1", "9" * 5000, "²"):
            self.assertIn("another user", self.doubt(SUDO_UID=odd))
        mine = self.home / "mine"
        mine.write_text(LINE)
        self.path.unlink()
        self.path.symlink_to(mine)
        os.lchown(self.path, 12345, 12345)
        self.assertIn("another user", self.doubt())

    def test_the_next_source_is_asked_and_the_file_is_named_once(self) -> None:
        (self.folder / ".git").mkdir()
        self.path.write_text(LINE)
        self.path.chmod(0o666)
        (self.folder / ".env").write_text("OUTPUT_DIR=below\n")
        told: list[str] = []
        place = Place({}, str(self.cwd), str(self.home))
        place.warn = told.append
        self.assertEqual([environment.output_folder(place) for _ in range(2)], ["below"] * 2)
        self.assertIsNone(environment.lookup(place, ("DASHSCOPE_API_KEY",)))
        (words,) = told
        self.assertRegex(words, f"^{self.path} is not trusted.*others can write")

    def test_an_output_folder_of_a_file_is_below_the_project(self) -> None:
        (self.folder / ".git").mkdir()
        (self.cwd / "out").symlink_to(self.home.parent.parent)
        rows = (("made", True), ("../made", True), (".", True), ("../..", False), ("/etc", False), ("~/x", False))
        for value, counts in (*rows, ("out/x", False), ("../../" + self.folder.name + "x", False)):
            self.path.write_text(f"OUTPUT_DIR={value}\n")
            told: list[str] = []
            place = Place({}, str(self.cwd), "/nowhere")
            place.warn = told.append
            with self.subTest(value):
                self.assertEqual(environment.output_folder(place), value if counts else "output")
                self.assertEqual(len(told), 0 if counts else 1)
            place = Place({"OUTPUT_DIR": value}, str(self.cwd), "/nowhere")
            self.assertEqual(environment.output_folder(place), value)

    def test_a_file_that_decides_where_pictures_go_is_named(self) -> None:
        with self.standin():
            del self.env["DASHSCOPE_API_KEY"]
            self.path.write_text(LINE)
            ran = self.image("x", "--image", str(PHOTO), "-q")
            self.assertEqual(
                (ran.code, ran.stderr), (0, f"Note: local files go to the account of the key in {self.path}\n")
            )
            self.assertNotIn("uploaded with", self.image("x", "-q").stderr)
        self.env = {"DASHSCOPE_API_KEY": KEY}
        names = {
            "BUCKET": "a-bucket",
            "REGION": "cn-beijing",
            "AK_ID": "LTAI5tTestTestTestTest01",
            "AK_SECRET": "x" * 20,
        }
        self.path.write_text("".join(f"QWEN_TMP_OSS_{name}={value}\n" for name, value in names.items()))
        refusal = answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
        told = self.image("x", "--image", str(PHOTO), "-q", send=Script(refusal)).stderr
        self.assertIn(f"Note: local files are uploaded to the bucket that {self.path} names\n", told)


@unittest.skipUnless(shutil.which("git"), "no git")
class Tracked(Case):
    def git(self, *argv: str, cwd: Path | None = None) -> None:
        settings = (
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "init.defaultBranch=m",
        )
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # as a hook sets
        command = ["git", *settings, *argv]
        subprocess.run(command, cwd=cwd or self.cwd, env=env, check=True, capture_output=True)

    def repository(self, *argv: str) -> None:
        shutil.rmtree(self.cwd)
        (self.cwd / "deep").mkdir(parents=True)
        for name in (".editorconfig", ".env", ".envrc", "deep/.env", "deep/.env.example", "z" * 200):
            (self.cwd / name).write_text(LINE)
        self.git("init", *argv)

    def test_every_kind_of_index(self) -> None:
        for version, argv in (("2", ()), ("4", ()), ("3", ()), ("2", ("--object-format=sha256",)), ("4", ("--object-format=sha256",)), ("split", ())):  # fmt: skip
            with self.subTest(version, argv=argv):
                self.repository(*argv)
                self.assertEqual(git_index.doubt(str(self.cwd / ".env")), "")
                self.git("add", ".editorconfig", ".envrc", "deep/.env.example", "z" * 200)
                if version == "split":
                    self.git("add", ".env")
                    self.git("update-index", "--split-index")
                elif version == "3":
                    self.git("add", "-N", "deep/.env")
                else:
                    self.git("update-index", "--index-version", version)
                    self.assertEqual(git_index.doubt(str(self.cwd / ".env")), "")
                    self.git("add", "deep/.env")
                found = [bool(git_index.doubt(str(self.cwd / name))) for name in (".env", "deep/.env", ".ENV")]
                self.assertEqual(found, [True, False, True] if version == "split" else [False, True, False])

    def test_worktrees_submodules_and_links(self) -> None:
        self.repository()
        self.git("add", ".env")
        self.git("commit", "-m", "x")
        self.git("worktree", "add", "../tree")
        self.assertIn("version control", git_index.doubt(str(self.folder / "tree" / ".env")))
        (self.folder / "outer").mkdir()
        self.git("init", cwd=self.folder / "outer")
        self.git("submodule", "add", str(self.cwd), "inner", cwd=self.folder / "outer")
        self.assertTrue((self.folder / "outer" / "inner" / ".git").is_file())
        self.assertIn("version control", git_index.doubt(str(self.folder / "outer" / "inner" / ".env")))
        (self.folder / "link").symlink_to(self.cwd / ".env")
        self.assertIn("version control", git_index.doubt(str(self.folder / "link")))
        (self.folder / "linked").symlink_to(self.cwd)
        self.assertIn("version control", git_index.doubt(str(self.folder / "linked" / ".env")))
        (self.cwd / "deep" / ".git").mkdir()  # a repository in it, which has nothing
        self.git("add", "-f", "deep/.env.example")
        self.git("init", cwd=self.cwd / "deep")
        self.git("rm", "--cached", ".env")
        self.assertEqual(git_index.doubt(str(self.cwd / "deep" / ".env")), "")

    def test_what_cannot_be_read_is_a_doubt(self) -> None:
        self.repository()
        self.git("add", ".envrc", "deep")
        index = self.cwd / ".git" / "index"
        data = index.read_bytes()
        version_4, entry = b"DIRC" + bytes([0, 0, 0, 4]), bytes(60) + b"\x0f\xff"
        wrong = (
            data[:100],
            b"",
            b"x" * 1000,
            b"DIRC" + bytes([0, 0, 0, 9]) + data[8:],
            data[:8] + b"\xff" * 4 + data[12:],
            version_4 + bytes([0, 0, 0, 1]) + entry + b"\x80" * 2**20,  # a number that does not end
            version_4
            + b"\0\0\x60\0"
            + entry
            + b"\0"
            + b"a" * 2**20
            + b"\0"
            + (entry + b"\0\0") * 0x6000,  # a long name in each
        )
        started = time.process_time()
        for spoiled in wrong:
            index.write_bytes(spoiled)
            with self.subTest(spoiled[:20]):
                self.assertIn("cannot be read", git_index.doubt(str(self.cwd / "zz")))
        self.assertLess(time.process_time() - started, 1)
        os.truncate(index, 2**40)
        self.assertIn("is larger", git_index.doubt(str(self.cwd / ".env")))
        index.unlink()
        os.mkfifo(index)
        self.assertIn("is not a regular file", git_index.doubt(str(self.cwd / ".env")))

    def test_a_run_says_so_and_sends_with_no_key_of_it(self) -> None:
        self.repository()
        self.git("add", ".env")
        self.env = {}
        reply = self.json("x", code=4)
        (words,) = reply["warnings"]
        self.assertIn("under version control", words)
        self.assertEqual(reply["error"]["message"], "no API key was found")


if __name__ == "__main__":
    unittest.main()
