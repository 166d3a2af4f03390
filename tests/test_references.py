"""The references: every command of video.py in a document runs, what is generated is current, and a reader finds the way."""

from __future__ import annotations

import re
import shlex
import unittest
from typing import TYPE_CHECKING, Any, Iterator

from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from . import ROOT, generate_references
from .support import Case
from .test_docs import DOCUMENTS, commands, text

if TYPE_CHECKING:
    from pathlib import Path

    from qianwen.models.catalog import Param

REFERENCES = sorted((ROOT / "references").glob("*.md"))
EXAMPLES = ROOT / "references" / "examples.md"
GENERATED = generate_references.documents()
PLACES = {"IMAGE_URL": "https://example.com/made.png", "VIDEO_URL": "https://example.com/made.mp4"}
LONGEST_WITHOUT_CONTENTS = 100


def argvs(path: Path, program: str) -> list[list[str]]:
    """The arguments of every call of a program in a document, with URLs in place of its placeholders."""
    found = []
    for line in commands(path):
        words = shlex.split(line, comments=True)
        if len(words) > 1 and words[1].endswith(f"scripts/{program}"):
            found.append([filled(word) for word in words[2:]])
    return found


def filled(word: str) -> str:
    for name, url in PLACES.items():
        word = word.replace(name, url)
    return word


def params() -> Iterator[Param]:
    for catalog in (IMAGES, VIDEOS):
        for model in catalog.models:
            for mode in model.modes:
                yield from mode.params


class Commands(Case):
    def test_every_video_command_runs(self) -> None:
        count = 0
        for path in DOCUMENTS:
            for argv in argvs(path, "video.py"):
                with self.subTest(path=path.name, argv=argv):
                    self.check(argv)
                    count += 1
        self.assertGreater(count, 50)

    def check(self, argv: list[str]) -> None:
        self.make_files(argv)
        if "TASK_ID" in argv:
            self.collect(argv)
        elif "--sandbox" in argv or "--help" in argv:
            ran = self.video(*argv)
            self.assertEqual(ran.code, 0, ran.stderr)
        else:
            shown = self.dry_run(argv)
            self.assertNotRegex(" ".join(shown["warnings"]), "left out|no effect|ignored|unknown")

    def make_files(self, argv: list[str]) -> None:
        """The local files that a command names, each of its kind."""
        for name in set(re.findall(r"[\w-]+\.(?:png|mp4|wav)\b", " ".join(argv))):
            if (self.cwd / name).exists() or f"/{name}" in " ".join(argv):
                continue
            if name.endswith(".png"):
                self.picture(name, 1280, 720)
            elif name.endswith(".mp4"):
                self.clip(name)
            else:
                self.sound(name, 5)

    def collect(self, argv: list[str]) -> None:
        with self.standin() as standin:
            self.video("x", "--submit-only")
            (task_id,) = standin.tasks
            ran = self.video(*[task_id if word == "TASK_ID" else word for word in argv])
        self.assertEqual(ran.code, 0, ran.stderr)

    def dry_run(self, argv: list[str]) -> Any:
        words = [word for word in argv if word not in ("--dry-run", "--print-response", "--submit-only")]
        return self.video_json(*words, "--dry-run")

    def test_an_example_says_the_same_twice(self) -> None:
        """The two lines of a block: flags, and a request."""
        pairs = argvs(EXAMPLES, "video.py")
        self.assertEqual(len(pairs) % 2, 0)
        for flags, request in zip(pairs[::2], pairs[1::2]):
            with self.subTest(flags):
                self.assertEqual(request[0], "--request")
                self.make_files(flags)
                self.assertEqual(self.sent(flags), self.sent(request))

    def sent(self, argv: list[str]) -> Any:
        """What would go out. The order of media matters only among those of one type."""
        shown = self.dry_run(argv)
        media = shown["request"]["body"]["input"].get("media", [])
        media.sort(key=lambda item: item["type"])
        return shown["request"], shown["bills"]

    def test_every_mode_and_function_has_an_example(self) -> None:
        shown = {self.mode_of(argv) for argv in argvs(EXAMPLES, "video.py")}
        self.assertEqual(shown, {mode.name for model in VIDEOS.models for mode in model.modes})

    def mode_of(self, argv: list[str]) -> str:
        """The mode that stderr names."""
        self.make_files(argv)
        match = re.search(r"Model: \S+ \(([\w ]+)", self.video(*argv, "--dry-run").stderr)
        assert match
        return match[1]


class Generated(unittest.TestCase):
    def test_they_are_current(self) -> None:
        for path, expected in GENERATED.items():
            with self.subTest(path.name):
                self.assertTrue(path.is_file() and text(path) == expected, f"run: {generate_references.COMMAND}")

    def test_every_name_in_them_exists(self) -> None:
        """A name in backticks without a dot or a dash is a field, a function, or a value of one."""
        known = {name for param in params() for name in (param.name, *param.also, *map(str, param.choices))}
        known |= {mode.name for model in VIDEOS.models + IMAGES.models for mode in model.modes}
        known |= {"media", "reference_voice", "intl", "us"}
        for path, content in GENERATED.items():
            for name in set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)*)`", content)):
                with self.subTest(path=path.name, name=name):
                    self.assertIn(name, known)

    def test_they_name_everything(self) -> None:
        fields, models = (content for content in GENERATED.values())
        for param in params():
            for name in (param.name, *param.also, *filter(None, map(str, param.choices))):
                self.assertIn(f"`{name}`", fields)
        for model in (*IMAGES.models, *VIDEOS.models):
            self.assertIn(f"`{model.id}`", fields)
            self.assertIn(f"| `{model.id}`", models)

    def test_every_rule_has_a_sentence_and_every_sentence_a_rule(self) -> None:
        modes = [mode for model in IMAGES.models + VIDEOS.models for mode in model.modes]
        used = {generate_references.rule_name(rule) for mode in modes for rule in mode.rules}
        self.assertEqual(used, set(generate_references.RULES))

    def test_silence_is_what_the_rows_say(self) -> None:
        for model in VIDEOS.models:
            with self.subTest(model.id):
                said = "silent" in model.summary.replace("or silent", "")
                if said or "with sound" in model.summary:
                    self.assertEqual(generate_references.sound(model) == "no", said)


class Guides(unittest.TestCase):
    def test_they_say_when_to_read_them(self) -> None:
        for path in REFERENCES:
            with self.subTest(path.name):
                self.assertRegex("\n".join(text(path).splitlines()[:10]), r"(?m)^Read this (before|when|to) ")

    def test_long_ones_have_contents(self) -> None:
        for path in REFERENCES:
            lines = text(path).splitlines()
            if len(lines) > LONGEST_WITHOUT_CONTENTS:
                with self.subTest(path.name):
                    self.assertGreater("\n".join(lines[:30]).count("](#"), 2)

    def test_links_within_and_between_them_resolve(self) -> None:
        for path in REFERENCES:
            for file, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text(path)):
                with self.subTest(path=path.name, file=file, anchor=anchor):
                    target = (path.parent / file).resolve() if file else path
                    self.assertTrue(target.is_file())
                    if anchor:
                        titles = re.findall(r"(?m)^#+ (.*)$", text(target))
                        self.assertIn(anchor, map(generate_references.anchor, titles))

    def test_the_usual_times_are_those_of_the_rows(self) -> None:
        guide = text(ROOT / "references" / "polling-guide.md")
        for model in VIDEOS.models:
            for mode in model.modes:
                self.assertIn(mode.usual, guide)
