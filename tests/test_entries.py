"""The entry scripts that end by themselves, run in this process: what they say, and that they leave the path clean."""

from __future__ import annotations

import io
import runpy
import sys
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from qianwen import update_signal
from qianwen.environment import Environment, Place

from . import SCRIPTS
from .support import Case


class Entries(unittest.TestCase):
    def run_script(self, name: str, *argv: str) -> tuple[object, str, str]:
        stdout, stderr = io.StringIO(), io.StringIO()
        with mock.patch.object(sys, "path", ["", *sys.path]), mock.patch.object(sys, "argv", [name, *argv]):
            with redirect_stdout(stdout), redirect_stderr(stderr), self.assertRaises(SystemExit) as ended:
                runpy.run_path(str(SCRIPTS / name), run_name="__main__")
            self.assertNotIn("", sys.path)  # which leads to the current folder
        return ended.exception.code, stdout.getvalue(), stderr.getvalue()

    def test_help(self) -> None:
        for name, word in (("gossamer.py", "--dismiss"), ("sandbox.py", "--time-scale")):
            code, stdout, _ = self.run_script(name, "--help")
            self.assertEqual(code, 0)
            self.assertIn(word, stdout)

    def test_wrong_arguments(self) -> None:
        for name, argv in (
            ("gossamer.py", ("--nothing",)),
            ("gossamer.py", ()),
            ("sandbox.py", ("--time-scale", "0")),
            ("sandbox.py", ("--fault", "nonsense")),
            ("sandbox.py", ("--limit", "nonsense")),
        ):
            with self.subTest(name, argv=argv):
                code, _, stderr = self.run_script(name, *argv)
                self.assertIn(code, (2, 3))
                self.assertIn("rror", stderr)

    def test_the_other_two_can_be_loaded_without_a_run(self) -> None:
        for name in ("image.py", "video.py"):
            with mock.patch.object(sys, "path", list(sys.path)):
                self.assertTrue(callable(runpy.run_path(str(SCRIPTS / name))["main"]))


class Answers(Case):
    def test_what_gossamer_keeps(self) -> None:
        (self.cwd / ".agents").mkdir()
        script = self.cwd / ".agents" / "skills" / "qianwen-media-generation" / "scripts" / "gossamer.py"
        script.parent.mkdir(parents=True)
        script.write_text("")
        for flag, words in (
            ("--dismiss", "24 hours"),
            ("--never-install", "permanently"),
            ("--wrong", "unknown argument"),
        ):
            stderr = io.StringIO()
            place = Place(self.env, str(self.cwd), str(self.home))
            streams = (io.StringIO(), io.StringIO(), stderr)
            update_signal.main([flag], Environment(place, str(script), *streams, self.clock, self.clock))
            self.assertIn(words, stderr.getvalue())


if __name__ == "__main__":
    unittest.main()
