"""CONTRIBUTING taken literally, in a copy of the project: a row, a golden request, one command, and the tests are green."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from .. import ROOT
from ..generate_references import COMMAND

CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = ("scripts", "tests", "references", ".github", "README.md", "SKILL.md", "pyproject.toml", "LICENSE")
TABLE = "\nMODELS = (\n"

VIDEO_ROW = '_row("wan99.9-t2v", "t2v", "text to video with sound, 2 to 15 s", (_WAN27_T2V,), _T2V_PAGE, _WITH_TOKYO),'
OLDER_VIDEO = '    _row("wan2.7-t2v", '


def block(language: str) -> str:
    """The only block of a language in CONTRIBUTING, without its indentation; 99.9 so that a real 2.9 may come."""
    (found,) = re.findall(rf"(?ms)^   ```{language}\n(.*?)^   ```$", CONTRIBUTING)
    return re.sub(r"(?m)^   ", "", found).replace("2.9", "99.9")


class Copy(unittest.TestCase):
    """A copy for the class; what a test changes in it is undone afterwards."""

    root: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name) / "copy"
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, cls.root / name, ignore=shutil.ignore_patterns("*.pyc.*"))
            else:
                shutil.copyfile(ROOT / name, cls.root / name)

    def add_row(self, module: str, row: str, above: str = "") -> None:
        path = self.root / "scripts" / "qianwen" / "models" / module
        text = path.read_text(encoding="utf-8")
        self.addCleanup(path.write_text, text, encoding="utf-8")
        place = text.index(above) if above else text.index(TABLE) + len(TABLE)
        path.write_text(f"{text[:place]}    {row.strip()}\n{text[place:]}", encoding="utf-8")

    def add_golden_request(self, folder: str, name: str, content: str) -> None:
        path = self.root / "tests" / "data" / folder / f"{name}.json"
        path.write_text(content, encoding="utf-8")
        self.addCleanup(path.unlink)

    def leave_golden_requests(self, pattern: str) -> None:
        """Delete those with other names. The copy is of no use to another test then."""
        for folder in ("requests", "video_requests"):
            for path in (self.root / "tests" / "data" / folder).iterdir():
                if not path.match(pattern):
                    path.unlink()

    def run_python(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *argv]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, encoding="utf-8", check=False)

    def generate(self) -> subprocess.CompletedProcess[str]:
        self.assertIn(f"`{COMMAND}`", CONTRIBUTING)
        return self.run_python(*COMMAND.split()[1:])

    def generated(self) -> str:
        folder = self.root / "references"
        paths = (folder / "models.md", folder / "request-fields.md", *sorted(folder.glob("fields-*.md")))
        return "".join(path.read_text("utf-8") for path in paths)

    def assert_green(self, *tests: str) -> None:
        ran = self.run_python("-m", "unittest", *tests)
        self.assertEqual(ran.returncode, 0, ran.stderr[-4000:])


class AsContributingSays(Copy):
    def test_a_picture_model_and_a_video_model(self) -> None:
        golden = block("json")
        self.add_row("image_models.py", block("text"))
        self.add_golden_request("requests", json.loads(golden)["body"]["model"], golden)
        golden = (ROOT / "tests" / "data" / "video_requests" / "wan2.7-t2v.json").read_text(encoding="utf-8")
        self.add_row("video_models.py", VIDEO_ROW, above=OLDER_VIDEO)
        self.add_golden_request("video_requests", "wan99.9-t2v", golden.replace("wan2.7-t2v", "wan99.9-t2v"))
        ran = self.generate()
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertRegex(self.generated(), r"\| `wan99\.9-t2i` \| text to picture \| .* \| 2026-12-24 \|\n")
        self.assertIn("## Wan 99.9 pictures\n\nModels: `wan99.9-t2i`.", self.generated())
        self.assertIn("text, 3000 characters", self.generated())
        self.assertIn("| `wan99.9-t2v` | t2v |", self.generated())
        pictures, videos = "tests.actions.test_golden_pictures", "tests.actions.test_golden_videos"
        self.assert_green(
            *("tests.models.test_catalog", "tests.describe.test_references.Generated"),
            *(f"{pictures}.Coverage", f"{videos}.Coverage", f"{videos}.Choice", f"{videos}.Defects"),
            "tests.describe.test_listing_and_page",
        )
        self.leave_golden_requests("wan99.9-*.json")  # the others are played elsewhere, and need no second time
        self.assert_green(
            f"{pictures}.Requests.test_dry_run_prints_the_documented_request",
            f"{pictures}.Requests.test_the_sandbox_receives_it_and_every_picture_is_saved",
            f"{videos}.Requests.test_dry_run_prints_the_documented_request",
            f"{videos}.Requests.test_the_sandbox_receives_it_and_a_video_and_its_reply_are_saved",
        )


class WhatIsMissing(Copy):
    """The command says it in a sentence, writes nothing, and ends with 1."""

    def assert_says(self, *sentences: str) -> None:
        before = self.generated()
        ran = self.generate()
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertNotIn("Traceback", ran.stderr)
        self.assertEqual(ran.stderr.splitlines(), list(sentences))
        self.assertEqual(self.generated(), before)

    def test_a_golden_request(self) -> None:
        self.add_row("image_models.py", block("text"))
        self.assert_says(
            "wan99.9-t2i has no golden request: write tests/data/requests/wan99.9-t2i.json (.github/CONTRIBUTING.md says how)."
        )

    def test_names_that_nothing_knows(self) -> None:
        mode = 'Mode("t2i", (Param("prompt", "txt", "what"),), "mesages", answer="new")'
        row = f'_row("wan2.6-t2i", "wan2.6", "text to picture", ({mode},), _T2I_PAGE, ("cn-mars",)),'
        self.add_row("image_models.py", row)
        ran = self.generate()
        self.assertEqual(ran.returncode, 1)
        said = ran.stderr.splitlines()
        self.assertEqual(sum("has 2 rows: keep one of them." in line for line in said), 2)
        for piece in (
            "region 'cn-mars'",
            "wire shape 'mesages'",
            "layout 'new'",
            "kind 'txt': name one of text, integer",
        ):
            self.assertEqual(sum(piece in line for line in said), 1, piece)
        self.assertNotIn("Traceback", ran.stderr)

    def test_a_way_of_working_that_there_is_not(self) -> None:
        self.add_row("video_models.py", VIDEO_ROW.replace('"t2v", "text', '"v2x", "text'), above=OLDER_VIDEO)
        self.add_golden_request("video_requests", "wan99.9-t2v", '{"body": {"model": "wan99.9-t2v"}}')
        self.assert_says(
            "The row of wan99.9-t2v has the kinds 'v2x': name one or more of t2v, i2v, kf2v, r2v, vace, videoedit."
        )

    def test_a_file_that_is_no_golden_request(self) -> None:
        contents = ("{", "[]", '{"body": {}}', '{"body": null}', '{"body": {"model": []}}')
        for number, content in enumerate(contents):
            self.add_golden_request("requests", f"broken-{number}", content)
        ran = self.generate()
        self.assertEqual(ran.returncode, 1)
        said = r"tests/data/requests/broken-{}\.json is not a golden request, .*\n"
        self.assertRegex(ran.stderr, f"^{''.join(said.format(number) for number in range(len(contents)))}$")
