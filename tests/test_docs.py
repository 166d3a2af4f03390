"""The documents say what is true: their commands run, and their flags, models, fields, exit codes and links exist."""

from __future__ import annotations

import re
import shlex
import unittest
from pathlib import Path

from qianwen import flags
from qianwen.flags import EXIT_CODES
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from . import ROOT
from .support import Case

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "SKILL.md",
    ROOT / ".github" / "CONTRIBUTING.md",
    *(ROOT / "references").glob("*.md"),
]
CATALOGS = (IMAGES, VIDEOS)
MODELS = (*IMAGES.models, *VIDEOS.models)
FLAGS = {
    name
    for catalog in CATALOGS
    for _, rows in flags.groups(catalog)
    for flag in rows
    for name in (flag.name, flag.short)
}
SANDBOX_FLAGS = {"--port", "--delay", "--seed", "--time-scale", "--fault", "--help"}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def commands(path: Path) -> list[str]:
    """Every command line in the fenced shell blocks of a document, comments removed."""
    blocks = re.findall(r"```bash\n(.*?)```", text(path), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def image_commands(path: Path) -> list[list[str]]:
    """The arguments of every call of image.py in a document."""
    found = []
    for line in commands(path):
        words = shlex.split(line, comments=True)
        if len(words) > 1 and words[1].endswith("scripts/image.py"):
            found.append(words[2:])
    return found


class Commands(Case):
    def test_every_image_command_runs(self) -> None:
        for name in ("cat.png", "room.png"):
            self.picture(name, 640, 640)
        count = 0
        for path in DOCUMENTS:
            for argv in image_commands(path):
                with self.subTest(path=path.name, argv=argv):
                    self.check(argv)
                    count += 1
        self.assertGreater(count, 10)

    def check(self, argv: list[str]) -> None:
        if "--help" in argv:
            return
        if "--task-id" in argv:
            with self.standin() as standin:
                self.image("x", "--async", "--submit-only")
                (task_id,) = standin.tasks
                self.assertEqual(self.image(*[task_id if word == "TASK_ID" else word for word in argv]).code, 0)
            return
        ran = self.image(*argv) if "--sandbox" in argv else self.image(*argv, "--dry-run")
        self.assertEqual(ran.code, 0, ran.stderr)

    def test_the_two_commands_of_the_readme_come_first(self) -> None:
        first, second = commands(ROOT / "README.md")[:2]
        self.assertEqual(first, 'python3 scripts/image.py "A cozy flower shop with a wooden door" --sandbox')
        self.assertEqual(second, "python3 -m unittest")


class Names(unittest.TestCase):
    def test_every_flag_in_a_document_exists(self) -> None:
        for path in DOCUMENTS:
            for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text(path))):
                with self.subTest(path=path.name, flag=flag):
                    self.assertIn(flag, FLAGS | SANDBOX_FLAGS)

    def test_every_flag_is_in_the_help_and_explained(self) -> None:
        for catalog in CATALOGS:
            shown = flags.help_text(catalog)
            for _, rows in flags.groups(catalog):
                for flag in rows:
                    self.assertTrue(flag.help)
                    self.assertIn(f" {flag.name}", shown)

    def test_every_model_in_a_document_exists(self) -> None:
        known = {name for model in MODELS for name in (model.id, *model.aliases)}
        families = {"qwen-image", "qwen-image-edit"}
        for path in DOCUMENTS:
            for model in set(re.findall(r"`((?:wan|qwen-image|z-image|happyhorse)[a-z0-9.-]*)`", text(path))):
                with self.subTest(path=path.name, model=model):
                    self.assertIn(model, known | families)

    def test_every_field_in_the_skill_exists(self) -> None:
        params = [param for model in MODELS for mode in model.modes for param in mode.params]
        fields = {name for param in params for name in (param.name, *param.also)}
        for field in re.findall(r"--set ([a-z_]+)=", "".join(map(text, DOCUMENTS))):
            self.assertIn(field, fields)

    def test_every_exit_code_is_in_both_documents(self) -> None:
        for path in (ROOT / "README.md", ROOT / "SKILL.md"):
            for code, _ in EXIT_CODES:
                with self.subTest(path=path.name, code=code):
                    self.assertRegex(text(path), rf"\n\| {code} \|")

    def test_links_resolve(self) -> None:
        for path in DOCUMENTS:
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text(path)):
                if not link.startswith("http"):
                    with self.subTest(path=path.name, link=link):
                        self.assertTrue((path.parent / link).exists())


class Skill(unittest.TestCase):
    def setUp(self) -> None:
        match = re.match(r"---\n(.*?)\n---\n(.*)", text(ROOT / "SKILL.md"), re.DOTALL)
        assert match
        self.front, self.body = match[1], match[2]

    def test_front_matter(self) -> None:
        keys = re.findall(r"^([a-z-]+):", self.front, re.MULTILINE)
        self.assertEqual(keys, ["name", "description", "license", "compatibility", "metadata"])
        self.assertIn("\nname: qianwen-media-generation\n", f"\n{self.front}\n")
        folded = re.search(r"description: >-\n((?:  .*\n)+)", self.front)
        assert folded
        description = " ".join(folded[1].split())
        self.assertLessEqual(len(description), 1024)
        self.assertNotRegex(description, "[<>]")
        for words in ("Use when", "Not for", "文生图"):
            self.assertIn(words, description)
        compatibility = re.search(r"compatibility: (.*)", self.front)
        assert compatibility
        self.assertLessEqual(len(compatibility[1]), 500)
        self.assertIn(f'version: "{flags.VERSION}"', self.front)

    def test_it_is_short(self) -> None:
        self.assertLess(len(self.body.splitlines()), 500)
        self.assertLess(len(self.body) / 3.5, 5000, "about 5,000 tokens")

    def test_versions_agree(self) -> None:
        self.assertIn(f'version = "{flags.VERSION}"', text(ROOT / "pyproject.toml"))
