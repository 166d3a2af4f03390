"""The documents say what is true: their commands run, and their flags, models, fields, exit codes and links exist.

What every document must hold stands here; what the references say of the service and the programs, in test_references.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

from qianwen import ask, regions
from qianwen.command import flags, help_page
from qianwen.command.flags import EXIT_CODES
from qianwen.environment import BUCKET_NAMES
from qianwen.http import messages
from qianwen.models.catalog import find
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from .. import ROOT
from ..support import Case

if TYPE_CHECKING:
    from qianwen.models.catalog import Param

SKILL = ROOT / "SKILL.md"
README = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
REFERENCES = sorted((ROOT / "references").glob("*.md"))
DOCUMENTS = [README, SKILL, CONTRIBUTING, *REFERENCES]
CATALOGS = (IMAGES, VIDEOS)
MODELS = (*IMAGES.models, *VIDEOS.models)
FLAGS = {
    name
    for catalog in CATALOGS
    for _, rows in flags.groups(catalog)
    for flag in rows
    for name in (flag.name, flag.short)
    if name
}
OTHER_FLAGS = {"--skill", "--out"}  # of npx skills, in the command that the update signal shows; of sips
ENTRIES = ("image.py", "video.py", "sandbox.py", "gossamer.py")
# Of other skills, of other tools, and of a workflow that the reader writes.
OTHER_PATHS = {
    "scripts/check_update.py",
    ".github/workflows/media.yml",
    ".github/skills",
    ".github/copilot-instructions.md",
}
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "scripts").rglob("*.py"))}
PLACES = {"IMAGE_URL": "https://example.com/made.png", "VIDEO_URL": "https://example.com/made.mp4"}
# Flags of a command that works on what exists, or on nothing; such a command is run as it stands.
RUN_AS_THEY_ARE = ("--sandbox", "--replay", "--help", "--version", "--tasks", "--list-models", "--describe")
ON_A_TASK = ("--task-id", "--cancel", "--resume")


class Line(NamedTuple):
    """A command in a document: the script's file name, its arguments, and what is piped into it."""

    program: str
    argv: list[str]
    stdin: str = ""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text(path), re.DOTALL | re.MULTILINE)


def commands(path: Path, language: str = "bash") -> list[str]:
    """Every command line in the fenced blocks of a language, in order."""
    lines = "".join(blocks(path, language)).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def ours(path: Path) -> Iterator[Line]:
    """Every call of one of our programs in the bash blocks of a document."""
    for line in commands(path):
        words = shlex.split(line, comments=True)
        stdin = ""
        if "|" in words:
            stdin, words = words[1], words[words.index("|") + 1 :]
        if len(words) > 1 and os.path.basename(words[1]) in ENTRIES:
            yield Line(os.path.basename(words[1]), [filled(word) for word in words[2:]], stdin)


def filled(word: str) -> str:
    for name, url in PLACES.items():
        word = word.replace(name, url)
    return word


def table_rows(content: str, title: str) -> list[list[str]]:
    """The cells of the tables below a heading, without the table's own head."""
    below = re.split(rf"(?m)^#+ {re.escape(title)}$", content)[1]
    rows = re.findall(r"(?m)^\| .* \|$", re.split(r"(?m)^#+ ", below)[0])
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows[1:]]


def params() -> Iterator[Param]:
    for model in MODELS:
        for mode in model.modes:
            yield from mode.params


def as_shown(line: str) -> str:
    """A line of output without the folder and the time of the run."""
    return re.sub(r"\d{8}-\d{6}", "TIME", re.sub(r"(^| )/.*(?=/output/)", r"\1FOLDER", line))


def fields() -> set[str]:
    return {name for param in params() for name in (param.name, *param.also)}


class Rehearsal(Case):
    """A case that can run what a document shows, with the files that it names."""

    def run_line(self, line: Line) -> Any:
        program = self.image if line.program == "image.py" else self.video
        return program(*line.argv, stdin=line.stdin)

    def rehearse(self, line: Line) -> None:
        """The line's command ends well; one that would pay is only shown."""
        self.make_files(line.argv)
        self.make_rows(line.argv)
        if any(flag in line.argv for flag in ON_A_TASK):
            self.on_a_task(line)
        elif "--gallery" in line.argv:
            for folder in ("campaign", "output/qianwen-image-generation/images"):
                (self.cwd / folder).mkdir(parents=True, exist_ok=True)
            self.assertEqual(self.run_line(line).code, 0)
        elif any(flag in line.argv for flag in RUN_AS_THEY_ARE):
            self.assertEqual(self.run_line(line).code, 0)
        else:
            self.dry_run(line)

    def dry_run(self, line: Line) -> Any:
        elsewhere = ("--dry-run", "--print-response", "--submit-only")
        argv = [word for word in line.argv if word not in elsewhere]
        ran = self.run_line(line._replace(argv=[*argv, "--dry-run", "--print-response"]))
        self.assertEqual(ran.code, 0, ran.stderr)
        self.assertNotRegex(" ".join(ran.json["warnings"]), "left out|no effect|ignored|unknown")
        return ran.json

    def on_a_task(self, line: Line) -> None:
        """A task is submitted first, and TASK_ID stands for it. One that shall be canceled has not begun."""
        submit = Line(line.program, ["x", "--submit-only", *(["--async"] if line.program == "image.py" else [])])
        with self.standin(delay=60.0 if "--cancel" in line.argv else 0.0) as standin:
            self.assertEqual(self.run_line(submit).code, 0)
            (task_id,) = standin.tasks
            ran = self.run_line(line._replace(argv=[task_id if word == "TASK_ID" else word for word in line.argv]))
        self.assertEqual(ran.code, 0, ran.stderr)

    def make_files(self, argv: list[str]) -> None:
        """The local files that a command names, each of its kind."""
        said = " ".join(argv)
        for name in set(re.findall(r"(?<![\w/-])[\w-]+\.(?:png|mp4|wav|json|pptx|pdf)\b", said)):
            path = self.cwd / name
            if path.exists():
                continue
            if name.endswith(".png"):
                self.picture(name, 1280, 720)
            elif name.endswith((".pptx", ".pdf")):
                (self.cwd / name).write_bytes(b"PK\x03\x04" if name.endswith(".pptx") else b"%PDF-1.7\n")
            elif name.endswith(".mp4"):
                self.clip(name)
            elif name.endswith(".wav"):
                self.sound(name, 5)
            else:
                path.write_text('{"prompt": "a boat"}', encoding="utf-8")

    def make_rows(self, argv: list[str]) -> None:
        """The file of a batch, as the examples show it, with the local files that it names."""
        for name in (value for flag, value in zip(argv, argv[1:]) if flag == "--batch"):
            shown = re.search(rf"(?s)`{name}`.*?```\w+\n(.*?)```", text(ROOT / "references" / "examples-pictures.md"))
            rows = shown[1] if shown else '{"prompt": "a boat"}\n'
            (self.cwd / name).write_text(rows, encoding="utf-8")
            for media in re.findall(r"[\w/-]+\.png", rows):
                (self.cwd / media).parent.mkdir(exist_ok=True)
                self.picture(media, 1280, 720)


class Commands(Rehearsal):
    def test_every_command_runs(self) -> None:
        count = 0
        for path in DOCUMENTS:
            for line in ours(path):
                if line.program in ("image.py", "video.py"):
                    with self.subTest(path=path.name, argv=line.argv):
                        self.rehearse(line)
                        count += 1
        self.assertGreater(count, 140)

    def test_the_stand_in_is_called_with_flags_and_faults_that_it_has(self) -> None:
        from qianwen.sandbox.faults import Faults

        shown = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "sandbox.py"), "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in DOCUMENTS:
            for line in ours(path):
                if line.program == "sandbox.py":
                    with self.subTest(path=path.name, argv=line.argv):
                        for word in line.argv:
                            if word.startswith("--"):
                                self.assertIn(f"  {word} ", shown)
                        Faults([value for flag, value in zip(line.argv, line.argv[1:]) if flag == "--fault"])

    def test_no_other_program_is_called_that_is_not_known(self) -> None:
        known = {"python3", "ffmpeg", "ffprobe", "printf", "echo", "bash", "[", "command"}
        for path in DOCUMENTS:
            for line in commands(path):
                with self.subTest(path=path.name, line=line):
                    self.assertIn(shlex.split(line, comments=True)[0], known)

    def test_the_first_command_of_the_readme_is_free_and_its_output_is_what_is_printed(self) -> None:
        first = commands(README)[0]
        self.assertEqual(first, 'python3 scripts/image.py "A cozy flower shop with a wooden door" --sandbox')
        (shown,) = blocks(README, "text")
        ran = self.run_line(next(ours(README)))
        said = [*ran.stderr.splitlines(), *ran.stdout.splitlines()]
        self.assertEqual(list(map(as_shown, said)), list(map(as_shown, shown.splitlines())))

    def test_the_tests_of_the_readme_need_one_command(self) -> None:
        """`.ci/run` takes it from there."""
        self.assertEqual(commands(README)[-1], "python3 -m unittest")

    def test_agents_are_shown_quoted_absolute_paths(self) -> None:
        for path in (SKILL, *REFERENCES):
            for line in commands(path):
                if "scripts/" in line:
                    with self.subTest(path=path.name, line=line):
                        self.assertRegex(line, r'"<skill-dir>/scripts/\w+\.py"')


class Guides(Rehearsal):
    """Each row of the two guides in SKILL.md is one command away."""

    def test_every_row_of_the_picture_guide_is_one_command(self) -> None:
        self.picture("cat.png", 1280, 720)
        chosen = []
        for want, models, _ in table_rows(text(SKILL), "For a picture"):
            for name in re.findall(r"`([a-z][\w.-]*-[\w.-]*)`", models):
                with self.subTest(want, model=name):
                    argv = ["a cat", "--model", name]
                    argv += ["--set", "enable_interleave=true"] if "enable_interleave" in models else []
                    argv += ["--set", "function=colorization"] if "`function`" in models else []
                    found = find(IMAGES, name)
                    assert found
                    wants_pictures = "edit" in want or all(
                        any(param.media and (param.required or param.low) for param in mode.params)
                        for mode in found.model.modes
                    )
                    argv += ["--image", "cat.png"] if wants_pictures else []
                    with self.standin():
                        self.assertEqual(self.json(*argv)["model"], name)
                    chosen.append(name)
        self.assertGreater(len(chosen), 10)

    def test_every_row_of_the_mode_guide_is_one_command(self) -> None:
        rows = table_rows(text(SKILL), "For a video")
        self.assertEqual(len(rows), 14)
        for want, give, chosen in rows:
            with self.subTest(want):
                mode, model = re.findall(r"^(\w+): (?:`([\w.-]+)`)?", chosen)[0]
                given = re.search(r"`(--.*?)`", give)
                argv = ["Image 1 and character1", *(shlex.split(given[1]) if given else [])]
                self.make_files(argv)
                with self.standin():
                    answer = self.video_json(*argv)
                found = find(VIDEOS, answer["model"])
                assert found
                self.assertIn(mode, found.model.kinds)
                self.assertEqual(answer["model"], model or answer["model"])


class Names(unittest.TestCase):
    def test_every_flag_in_a_document_exists(self) -> None:
        entries = "".join(
            content for path, content in SOURCES.items() if path.name in ("server.py", "update_signal.py")
        )
        for path in DOCUMENTS:
            # The flags of other programs stand in blocks of shell, and in lines of ffmpeg and curl.
            content = re.sub(r"(?ms)^ *```sh\n.*?^ *```", "", text(path))
            for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", content)) - OTHER_FLAGS:
                with self.subTest(path=path.name, flag=flag):
                    known = flag in FLAGS or any(flag in flags.spellings(catalog) for catalog in CATALOGS)
                    self.assertTrue(known or f'"{flag}"' in entries or flag == "--retry", flag)

    def test_every_flag_is_documented(self) -> None:
        content = "".join(map(text, (SKILL, *REFERENCES)))
        for flag in FLAGS - {"-h", "-q"}:
            with self.subTest(flag):
                self.assertTrue(re.search(rf"{flag}(?![\w-])", content), flag)

    def test_every_flag_is_in_the_help_and_explained(self) -> None:
        for catalog in CATALOGS:
            shown = help_page.help_text(catalog)
            for _, rows in flags.groups(catalog):
                for flag in rows:
                    self.assertTrue(flag.help)
                    self.assertIn(f" {flag.name}", shown)

    def test_every_model_in_a_document_exists(self) -> None:
        known = {name for model in MODELS for name in (model.id, *model.aliases)}
        families = {"qwen-image", "qwen-image-edit", "wan-std", "wan-pro"}  # the last two are values of `mode`
        shown_how_to_add = {"wan2.9-t2i", "wan2.9-t2i-plus"}
        for path in DOCUMENTS:
            allowed = known | families | (shown_how_to_add if path == CONTRIBUTING else set())
            for model in set(re.findall(r"`((?:wan|qwen-image|z-image|happyhorse)[a-z0-9.-]*)`", text(path))):
                with self.subTest(path=path.name, model=model):
                    self.assertIn(model, allowed)

    def test_every_field_that_is_set_exists(self) -> None:
        known = fields() | {"media"}
        for path in DOCUMENTS:
            for field in re.findall(r"--set '?\"?([a-z_]+)=", text(path)):
                with self.subTest(path=path.name, field=field):
                    self.assertIn(field, known)

    def test_every_name_in_backticks_stands_in_the_code(self) -> None:
        """Fields of requests and answers, kinds, states, variables. A name of theirs has an underscore.

        CONTRIBUTING names tests as well.
        """
        code = set(re.findall(r"\w+", "".join(SOURCES.values()))) | fields()
        code |= set(BUCKET_NAMES)
        tests = sorted((ROOT / "tests").rglob("*.py"))
        in_tests = {word for test in tests for word in (test.stem, *re.findall(r"\w+", text(test)))}
        theirs = {"TASK_ID", "WORKSPACE_ID", "VIDEO_URL", "concatenate_videoclips", "set_audio"}
        for path in DOCUMENTS:
            for span in re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^ *```.*?^ *```", "", text(path))):
                for name in re.findall(r"(?<![\w./-])[A-Za-z]\w*_\w+(?![\w./])", span):
                    if name not in theirs:
                        with self.subTest(path=path.name, name=name):
                            self.assertTrue(name in code or (path == CONTRIBUTING and name in in_tests), name)

    def test_every_variable_that_the_code_reads_is_documented(self) -> None:
        content = "".join(map(text, REFERENCES))
        pattern = r"env(?:iron)?(?:\.get\(|\[)\"([A-Z][A-Z_]+)\"|^[A-Z_]*VARIABLE = \"([A-Z_]+)\""
        read = {
            name
            for code in SOURCES.values()
            for pair in re.findall(pattern, code, re.MULTILINE)
            for name in pair
            if name
        }
        self.assertIn("QIANWEN_STATE_DIR", read)
        for name in read - {"REQUEST_METHOD"}:  # what a web server sets; nobody sets it on purpose
            with self.subTest(name):
                self.assertTrue(name in content, name)

    def test_every_exit_code_is_in_every_table_of_them(self) -> None:
        for path in (SKILL, *(ROOT / "references" / name for name in ("errors.md", "README.zh-CN.md"))):
            for code, _ in EXIT_CODES:
                with self.subTest(path=path.name, code=code):
                    self.assertTrue(f"\n| {code} |" in text(path), code)
            for row in re.findall(r"\n\| (\d{1,2}|130) \|", text(path)):
                self.assertIn(int(row), dict(EXIT_CODES))

    def test_links_resolve(self) -> None:
        for path in DOCUMENTS:
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text(path)):
                if not link.startswith(("http", "dc-media:")):
                    with self.subTest(path=path.name, link=link):
                        self.assertTrue((path.parent / link).exists())

    def test_addresses_are_those_of_the_sources(self) -> None:
        """A page that a document names is in the list of sources; what else looks like an address is an example or a host."""
        sources = text(ROOT / "references" / "sources.md")
        for path in DOCUMENTS:
            if path.name != "sources.md":
                for address in re.findall(r"https?://[\w./-]+", re.sub(r"(?s)```.*?```", "", text(path))):
                    with self.subTest(path=path.name, address=address):
                        is_listed = f"<{address}>" in sources
                        self.assertTrue(
                            is_listed
                            or re.match(r"https?://(HOST|[\w.-]*(example\.com|dashscope|127\.0\.0\.1))", address)
                        )

    def test_the_pages_for_keys_and_prices_are_given_where_they_are_needed(self) -> None:
        self.assertIn(regions.KEYS_PAGE, text(README))
        for page in (regions.KEYS_PAGE, regions.PRICES_PAGE):
            self.assertIn(f"<{page}>", text(SKILL))

    def test_no_price_is_named(self) -> None:
        for path in DOCUMENTS:
            with self.subTest(path.name):
                priced = re.search(r"[$¥€]\s?\d|\d\s?(USD|CNY|RMB|元|yuan|dollars?|cents?)\b", text(path))
                self.assertFalse(priced, priced)


class Paths(unittest.TestCase):
    """Whoever has only the tree and the documents finds the right file."""

    PACKAGE = ROOT / "scripts" / "qianwen"
    FILES = frozenset(path.name for folder in ("scripts", "tests") for path in (ROOT / folder).rglob("*.py"))

    def test_every_path_in_a_document_exists(self) -> None:
        """From the root, from scripts/qianwen/, or beside the document; a bare file name is that of some module."""
        looks_like_one = (
            r"(?<![\w/.~>}$-])((?:scripts|tests|references|\.ci|\.github)/[\w./-]*|[\w-]+(?:/[\w-]+)*\.py\b)"
        )
        count = 0
        for path in [*DOCUMENTS, ROOT / "tests" / "evals" / "README.md"]:
            for shown in {found.rstrip(".") for found in re.findall(looks_like_one, text(path))} - OTHER_PATHS:
                with self.subTest(path=path.name, shown=shown):
                    places = (ROOT, self.PACKAGE, path.parent)
                    self.assertTrue(shown in self.FILES or any((place / shown).exists() for place in places), shown)
                    count += 1
        self.assertGreater(count, 60)

    def test_the_tree_has_every_wing(self) -> None:
        (tree,) = re.findall(r"(?s)\n## The tree\n\n```\n(.*?)```", text(CONTRIBUTING))
        wings = {path.parent.name for path in self.PACKAGE.glob("*/__init__.py")}
        self.assertEqual(set(re.findall(r"  ([a-z]+)/ ", tree)), wings)

    def test_the_files_in_which_a_change_goes_have_what_is_named(self) -> None:
        """The names in a clause stand in every file of that clause."""
        rows = table_rows(text(README), "Work on it")
        self.assertEqual(len(rows), 11)
        count = 0
        for change, file, others in rows:
            for clause in f"{file};{others}".split(";"):
                spans = re.findall(r"`([^`]+)`", clause)
                files = [self.PACKAGE / span for span in spans if re.fullmatch(r"(?!tests/)[\w/]+\.py", span)]
                for name in (span for span in spans if re.fullmatch(r"\w+", span)):
                    for path in files:
                        with self.subTest(change, name=name, file=path.name):
                            self.assertRegex(SOURCES[path], rf"\b{name}\b")
                            count += 1
        self.assertGreater(count, 15)


class Skill(unittest.TestCase):
    def setUp(self) -> None:
        match = re.match(r"---\n(.*?)\n---\n(.*)", text(SKILL), re.DOTALL)
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
        for words in ("Use when", "Not for", "文生图", "图生视频", "DashScope", "HappyHorse"):
            self.assertIn(words, description)
        compatibility = re.search(r"compatibility: (.*)", self.front)
        assert compatibility
        self.assertLessEqual(len(compatibility[1]), 500)
        self.assertIn(f'version: "{ask.VERSION}"', self.front)

    def test_it_is_short(self) -> None:
        """4,000 tokens. A common tokenizer was seen to take 3.5 characters of this text for one, and a Chinese character for one."""
        whole = text(SKILL)
        wide = len(re.findall(r"[\u3000-\u9fff\uff00-\uffef]", whole))
        self.assertLess((len(whole) - wide) / 3.55 + wide, 4000)

    def test_it_names_every_reference(self) -> None:
        """But for the pages of fields, which request-fields.md names: a reader wants one of them."""
        for path in (path for path in REFERENCES if not path.name.startswith("fields-")):
            with self.subTest(path.name):
                self.assertTrue(f"(references/{path.name})" in self.body, path.name)

    def test_it_knows_the_signals(self) -> None:
        from qianwen import update_signal

        signals = re.findall(r"(?m)^- `(\[[A-Z_]+\][^`]*)`", self.body)
        said = [update_signal.NOT_INSTALLED, *update_signal.newer_version(["qianwen-x"])]
        self.assertEqual(
            {signal.split("]")[0] for signal in signals}, {line.split("]")[0] for line in said if "]" in line}
        )
        for signal in signals:
            self.assertTrue(any(line.startswith(signal) for line in said), signal)

    def test_it_never_shows_more_than_the_placeholder_of_a_key(self) -> None:
        for path in DOCUMENTS:
            self.assertLessEqual(set(re.findall(r"sk-[\w-]{6,}", text(path))), {"sk-your-key-here"})

    def test_versions_agree(self) -> None:
        self.assertIn(f'version = "{ask.VERSION}"', text(ROOT / "pyproject.toml"))
        self.assertEqual(messages.AGENT, f"qianwen-media-generation/{ask.VERSION}")


class Installed(Case):
    """What installers leave out is not needed: files whose names begin with _ or a dot, README.md, and all but the
    skill's own two folders."""

    def test_it_runs_without_what_installers_drop(self) -> None:
        there = self.folder / "a skills folder" / "qianwen-media-generation"
        dropped = shutil.ignore_patterns("_*", ".*", "README.md", "metadata.json")
        for name in ("scripts", "references"):
            shutil.copytree(ROOT / name, there / name, ignore=dropped)
        link = self.folder / "link"
        try:
            link.symlink_to(there, target_is_directory=True)
        except OSError:  # Windows without the right to make links
            link = there
        environment = {**os.environ, "QIANWEN_STATE_DIR": str(self.folder / "state"), "PYTHONDONTWRITEBYTECODE": "1"}
        for program, argv in (("image.py", ["a cat", "--sandbox"]), ("video.py", ["--help"])):
            ran = subprocess.run(
                [sys.executable, str(link / "scripts" / program), *argv],
                cwd=self.cwd,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            if "--sandbox" in argv:
                self.assertTrue(Path(ran.stdout.strip()).is_file())
        self.assertEqual({path.name for path in there.iterdir()}, {"scripts", "references"})

    def test_nothing_but_empty_package_files_begins_with_an_underscore(self) -> None:
        for path, code in SOURCES.items():
            if path.name.startswith("_"):
                with self.subTest(path.name):
                    self.assertNotRegex(code, r"(?m)^(import|from|def|class) ")
