"""The recipe of references/ci.md, as a team would follow it: recorded once, then its workflow run step by step."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

from qianwen.files import media
from qianwen.sandbox.server import running

from .. import BYTECODE, ROOT
from ..support import KEY, Case

RECIPE = (ROOT / "references" / "ci.md").read_text(encoding="utf-8")
SECONDS = 10.0  # on a machine that has nothing else to do


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", RECIPE, re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks of {language}"
    return str(found[0])


def crowded() -> float:
    """How much longer than its own work a child takes here now, because others work too: 1 on a quiet machine."""
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-c", "for _ in range(10**7): pass"], check=True)
    worked = os.times().children_user + os.times().children_system - before.children_user - before.children_system
    return max(1.0, (time.monotonic() - began) / worked)


def steps() -> list[str]:
    """The `run:` of each step of the workflow, as YAML reads it: one line, or the indented lines after `|`."""
    found = []
    for line, more in re.findall(r"^ {8}run: (.*)\n((?: {10}.*\n)*)", block("yaml"), re.MULTILINE):
        found.append(re.sub("(?m)^ {10}", "", more) if line == "|" else line)
    return found


@unittest.skipIf(os.name == "nt" or not shutil.which("git") or not shutil.which("bash"), "needs git and bash")
class Recipe(Case):
    def shell(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        bare = {
            name: value for name, value in os.environ.items() if name in ("PATH", "PYENV_VERSION", "TMPDIR", "LANG")
        }
        surroundings = {**bare, **BYTECODE, "HOME": str(self.home), "CI": "true", **env}
        command = ["bash", "-e", "-o", "pipefail", "-c", script]
        return subprocess.run(command, cwd=self.cwd, env=surroundings, capture_output=True, text=True)

    def follow(self, runner: Path) -> list[subprocess.CompletedProcess[str]]:
        """The workflow in a fresh place, its address replaced by a local repository of this very tree."""
        repository = self.folder / "repository"
        shutil.copytree(ROOT / "scripts", repository / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        identity = "-c user.name=x -c user.email=x@example.com"
        self.assertEqual(
            self.shell(f"cd '{repository}'; git init -q; git add -A; git {identity} commit -qm x").returncode, 0
        )
        runner.mkdir()
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "python3").symlink_to(sys.executable)
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        env = {"SKILL_REPOSITORY": repository.as_uri(), "RUNNER_TEMP": str(runner), "PATH": path}
        return [self.shell(step, **env) for step in steps()]

    def test_it_runs_and_takes_seconds(self) -> None:
        with running() as base:
            env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY, "SKILL": str(ROOT)}
            recorded = self.shell(block("sh").replace("python3", f"'{sys.executable}'"), **env)
        self.assertEqual(recorded.returncode, 0, recorded.stderr)
        shutil.rmtree(self.cwd / "out")
        self.assertNotIn(KEY, (self.cwd / "tapes" / "cat.json").read_text(encoding="utf-8"))
        before, began = crowded(), time.monotonic()
        ran = self.follow(self.folder / "runner")
        took = time.monotonic() - began
        self.assertEqual([(step.returncode, step.stderr if step.returncode else "") for step in ran], [(0, "")] * 3)
        self.assertLess(took, SECONDS * max(before, crowded()))
        kinds = {}
        for path in (self.cwd / "out").iterdir():
            with path.open("rb") as stream:
                facts = media.probe(stream)
            kinds[path.name] = facts and facts.type
        self.assertEqual(
            {name: kinds.get(name) for name in ("cat.png", "cat.mp4")}, {"cat.png": "image/png", "cat.mp4": "video/mp4"}
        )

    def test_another_prompt_fails_and_says_where(self) -> None:
        with running() as base:
            env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY, "SKILL": str(ROOT)}
            line = block("sh").replace("python3", f"'{sys.executable}'")
            self.assertEqual(self.shell(line, **env).returncode, 0)
        script = f"'{sys.executable}' '{ROOT}/scripts/image.py' 'a white bat on a windowsill' --replay tapes/cat.json"
        ran = self.shell(script)
        self.assertEqual(ran.returncode, 3)
        self.assertIn("a white bat", ran.stderr)
        self.assertIn("a white cat", ran.stderr)
