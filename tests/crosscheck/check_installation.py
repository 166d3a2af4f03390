"""The skill as it arrives: judged by the validator of agentskills, installed by `npx skills`, run from where it lies.

Not part of the plain test command, because it needs PyPI's `skills-ref` (the dev group; Python 3.11 or newer), npm's
`skills` through npx, and a network: `python -m unittest discover -s tests/crosscheck -p "check_inst*.py"`.
Without the validator or npx its tests are skipped, in CI they fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from qianwen.files import media  # noqa: E402

NAME = "qianwen-media-generation"
MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
MAY_BE_DROPPED = re.compile(r"(.*/)?(_.*|\..*|README\.md|metadata\.json)(/.*)?")
DROPPED_BY_SOME = re.compile(r"(.*/)?(_.*|\..*|README\.md|metadata\.json|tests|evals|pyproject\.toml|LICENSE)(/.*)?")
PROGRAMS = {"image.py": ("out.png", "image/png"), "video.py": ("out.mp4", "video/mp4")}
OURS = re.compile(r"(QIANWEN|DASHSCOPE|QWEN|QWENCLOUD)_.*|OUTPUT_DIR|PYTHON.*", re.IGNORECASE)
CLEAN = {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}


def files() -> list[str]:
    """What a clone of the working tree would hold, as relative paths."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, text=True
    )
    if listed.returncode:
        raise unittest.SkipTest(f"{ROOT} is no git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def oldest_python() -> str:
    """The oldest interpreter from 3.9 on that is here: pyenv's, or on the PATH; else this one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for minor in MINORS:
        for path in (*sorted(pyenv.glob(f"{minor}.*/bin/python")), shutil.which(f"python{minor}")):
            if path and not subprocess.run([str(path), "-c", ""], capture_output=True).returncode:
                return str(path)
    return sys.executable


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def missing(wanted: bool, tool: str, where: str) -> None:
    """Skip, or fail in CI, when a tool is not here."""
    if wanted:
        return
    if os.environ.get("CI"):
        raise AssertionError(f"CI must have {tool}: {where}")
    raise unittest.SkipTest(f"{tool} is not installed: {where}")


class Case(unittest.TestCase):
    python: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.python = oldest_python()

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="a folder ")  # with a space, as people have
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()
        self.home = self.folder / "home"
        self.home.mkdir()

    def clone(self, name: str = "clone", without: re.Pattern[str] | None = None) -> Path:
        """A copy of the tree in a folder of that name, without what an installer drops."""
        target = self.folder / name
        for path in files():
            if not (without and without.fullmatch(path)):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, target / path)
        return target

    def both_programs_run(self, scripts: Path, *flags: str) -> None:
        """image.py and video.py make a placeholder each, called by their path from another folder."""
        elsewhere = Path(tempfile.mkdtemp(dir=self.folder))
        world = {**CLEAN, "HOME": str(self.home), "USERPROFILE": str(self.home), "QIANWEN_NO_UPDATE_CHECK": "1"}
        for program, (output, kind) in PROGRAMS.items():
            argv = [
                self.python,
                *flags,
                str(scripts / program),
                "A cat on a windowsill",
                "--sandbox",
                "--print-response",
            ]
            ran = subprocess.run(
                [*argv, "--output", output, "--timeout", "60"],
                cwd=elsewhere,
                env=world,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
            self.assertEqual(ran.returncode, 0, ran.stderr.decode())
            self.assertEqual(json.loads(ran.stdout)["local_path"], str(elsewhere / output))
            with (elsewhere / output).open("rb") as stream:
                facts = media.probe(stream)
            assert facts
            self.assertEqual(facts.type, kind)
            self.assertGreater(facts.width, 0)


class Validated(Case):
    def validate(self, folder: Path) -> subprocess.CompletedProcess[str]:
        beside = Path(sys.executable).with_name("agentskills.exe" if os.name == "nt" else "agentskills")
        tool = str(beside) if beside.exists() else shutil.which("agentskills")
        missing(bool(tool), "agentskills", "pip install skills-ref (Python 3.11 or newer)")
        return subprocess.run([str(tool), "validate", str(folder)], capture_output=True, text=True)

    def test_the_folder_under_the_name_of_the_skill_is_valid(self) -> None:
        ran = self.validate(self.clone(NAME))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("Valid skill", ran.stdout)

    def test_the_validator_judges(self) -> None:
        ran = self.validate(self.clone("another-name"))
        self.assertEqual(ran.returncode, 1)
        self.assertIn(NAME, ran.stderr)


class Installed(Case):
    def add(self, installer: str, *flags: str) -> Path:
        """Install a clone into a fresh project without a question; returns the project.

        An installer without a version is the newest that npx finds for its Node.
        """
        npx = shutil.which("npx")
        missing(bool(npx), "npx", "Node 20 or newer, https://nodejs.org")
        clone, project = self.clone(), self.folder / "project"
        project.mkdir()
        world = {**CLEAN, "HOME": str(self.home), "DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "NO_COLOR": "1"}
        world.setdefault("npm_config_cache", str(Path.home() / ".npm"))
        world.setdefault("npm_config_userconfig", str(Path.home() / ".npmrc"))
        argv = [str(npx), "--yes", installer, "add", str(clone), "--skill", "*", "--yes", *flags]
        ran = subprocess.run(
            argv, cwd=project, env=world, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
        )
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return project

    def installed(self, skill: Path) -> None:
        """Everything arrived but what may be dropped, and both programs run from there and write nothing there."""
        self.assertTrue((skill / "SKILL.md").is_file(), list(skill.parent.rglob("*"))[:20])
        arrived = digests(skill)
        lost = sorted(set(files()) - set(arrived))
        self.assertEqual([path for path in lost if not MAY_BE_DROPPED.fullmatch(path)], [])
        self.both_programs_run(skill / "scripts")
        self.assertEqual(digests(skill), arrived)

    def test_a_copy_for_one_agent(self) -> None:
        self.copied_by("skills")

    def test_a_copy_by_the_version_that_drops_the_most(self) -> None:
        self.copied_by("skills@1.3.9")

    def copied_by(self, installer: str) -> None:
        project = self.add(installer, "--agent", "claude-code", "--copy")
        found = [path.parent for path in project.rglob("SKILL.md")]
        self.assertEqual([path.name for path in found], [NAME])
        self.installed(found[0])

    def test_one_copy_and_links_to_it_for_several_agents(self) -> None:
        project = self.add("skills", "--agent", "claude-code", "codex")
        self.installed(project / ".agents" / "skills" / NAME)
        link = project / ".claude" / "skills" / NAME
        self.assertEqual(link.resolve(), project / ".agents" / "skills" / NAME)
        self.both_programs_run(link / "scripts")


class Places(Case):
    """No installer, but what installers and people do with a folder."""

    def test_the_name_files_and_the_dot_files_that_some_installers_drop_are_not_needed(self) -> None:
        skill = self.clone(NAME, without=DROPPED_BY_SOME)
        self.assertEqual({path.name for path in skill.iterdir()}, {"SKILL.md", "references", "scripts"})
        self.assertEqual(list(skill.rglob("__init__.py")), [])
        self.both_programs_run(skill / "scripts")
        for flags in (("-I",), ("-B", "-S")):
            self.both_programs_run(skill / "scripts", *flags)

    @unittest.skipIf(os.name == "nt", "links need a privilege there")
    def test_through_links_to_the_folder_and_to_the_programs(self) -> None:
        skill = self.clone(NAME)
        folder = self.folder / "linked"
        folder.symlink_to(skill)
        self.both_programs_run(folder / "scripts")
        programs = self.folder / "bin"
        programs.mkdir()
        for program in PROGRAMS:
            (programs / program).symlink_to(os.path.relpath(skill / "scripts" / program, programs))
        self.both_programs_run(programs)

    def test_from_a_folder_that_is_read_only(self) -> None:
        """Root may write all the same; that nothing is written is seen from the bytes."""
        skill = self.clone(NAME)
        before = digests(skill)
        everything = [skill, *skill.rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            self.both_programs_run(skill / "scripts")
        finally:
            for path in everything:
                path.chmod(0o755 if path.is_dir() else 0o644)
        self.assertEqual(digests(skill), before)


if __name__ == "__main__":
    unittest.main()
