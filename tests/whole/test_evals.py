"""The evaluations: their data is well formed, the runner gives an agent what it should, and nothing is passed for nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from qianwen.sandbox import placeholder

from .. import ROOT
from ..evals import check, play, run

JSON = dict[str, Any]
TASKS = run.tasks()
SOLUTIONS, FAILURES = play.transcript("solutions.json"), play.transcript("failures.json")
GUIDE = (ROOT / "SKILL.md").read_text(encoding="utf-8")
PICTURE, CLIP = placeholder.png(64, 64, "x", []), placeholder.clip()
QUERIES: list[JSON] = json.loads((run.HERE / "triggers.json").read_text(encoding="utf-8"))
CHINESE = re.compile("[一-鿿]")

# The rows of the mode guides that the product was made from, and what can go wrong.
COVERED = {
    "image: text only",
    "image: open source, lowest cost",
    "image: edit or restyle from references",
    "image: subject consistency",
    "image: composition of several pictures",
    "image: single-image edit keeping the subject",
    "image: fusion of several pictures",
    "image: text and pictures in turn",
    "image: fast drafts",
    "image: text edited in a picture",
    "image: fusion with realistic textures",
    "image: posters, Chinese and English text",
    "image: fixed ratios in batches",
    "video: a document",
    "video: text only",
    "video: one picture animated",
    "video: wan2.7 first and last picture with sound",
    "video: wan2.7 continuation",
    "video: wan2.7 audio sync",
    "video: first and last picture",
    "video: role play from references",
    "video: vace",
    "video: videoedit",
    "chaining",
    "many at once",
    "many at once, some refused",
    "many at once, two minutes at a time",
    "many at once, interrupted",
    "many at once, planned",
    "gallery",
    "vague wish: go on",
    "unclear: ask",
    "cost",
    "privacy",
    "key in .env",
    "signal: no update check",
    "throttled",
    "two minutes at a time",
    "interrupted run",
    "cancel",
    "CI",
    "exit 1: content",
    "exit 2: the task still runs",
    "exit 3: a broken file",
    "exit 3: a value out of range",
    "exit 4: no key",
    "exit 4: wrong region",
    "exit 6: unknown outcome",
    "exit 7: made, not saved",
}


class Graded(unittest.TestCase):
    """What needs no agent: runs in which nothing was done but talking. tests/crosscheck/check_evals.py plays the others."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve() / "run"

    def failed(self, task: JSON, answer: str) -> list[str]:
        """The expectations that fail when this answer is all that there is."""
        shutil.rmtree(self.folder, ignore_errors=True)
        run.prepare(task, self.folder, with_skill=False)
        (self.folder / "answer.txt").write_text(answer, encoding="utf-8")
        return [result["text"] for result in check.grade(self.folder)["expectations"] if not result["passed"]]

    def test_who_does_nothing_fails_every_task(self) -> None:
        for answer in ("", "Done, enjoy! 做好了。"):
            self.assertEqual([task["name"] for task in TASKS.values() if not self.failed(task, answer)], [])

    def test_every_expectation_can_fail(self) -> None:
        """Nothing was done, or what must not be there is there: each of a task's own fails in one or the other."""
        for task in TASKS.values():
            with self.subTest(task["name"]):
                passed = set(task["expectations"]) - set(self.failed(task, ""))
                left = [asked for text, asked in check.expectations(task) if text in passed]
                (self.folder / "outputs" / "x.png").write_bytes(PICTURE)
                (self.folder / "outputs" / "x.mp4").write_bytes(CLIP)
                false = check.Run(self.folder)
                self.assertEqual([asked for asked in left if check.verdict_of(false, asked).passed], [])

    def test_a_key_is_found_wherever_it_is_but_where_its_owner_put_it(self) -> None:
        """The agent's own key is of the same make, and may lie in its home."""
        rows = (
            ("answer.txt", run.KEY, False),
            ("outputs/.env", f"{run.PLANTED}", False),
            ("outputs/notes/x.bin", f"\0{run.PLANTED}", False),
            ("outputs/.env.example", "DASHSCOPE_API_KEY=sk-your-key-here", True),
            ("home/.agent/log", f"seen {run.KEY}", False),
            ("home/.agent/auth.json", "sk-0123456789abcdef0123", True),
            ("logs/agent.txt", "sk-0123456789abcdef0123", False),
        )
        for name, text, is_fine in rows:
            with self.subTest(name):
                self.failed(TASKS[1], "")
                (self.folder / name).parent.mkdir(exist_ok=True)
                (self.folder / name).write_text(text, encoding="utf-8")
                self.assertEqual(check.verdict_of(check.Run(self.folder), {"kind": "no_key"}).passed, is_fine)

    def test_talk_is_graded_as_the_transcripts_say(self) -> None:
        good: list[tuple[JSON, str, list[str]]] = [
            (TASKS[int(number)], row["answer"], []) for number, row in SOLUTIONS.items() if not row["steps"]
        ]
        bad = [(TASKS[row["task"]], row["answer"], row["fails"]) for row in FAILURES.values() if not row["steps"]]
        self.assertEqual((bool(good), bool(bad)), (True, True))
        for task, answer, fails in [*good, *bad]:
            with self.subTest(answer):
                self.assertEqual(self.failed(task, answer), fails)


class Data(unittest.TestCase):
    def test_the_tasks_have_the_format_of_agentskills(self) -> None:
        data = json.loads((run.HERE / "evals.json").read_text(encoding="utf-8"))
        self.assertEqual(data["skill_name"], run.NAME)
        self.assertEqual([task["id"] for task in data["evals"]], list(range(1, len(data["evals"]) + 1)))
        for task in data["evals"]:
            with self.subTest(task["name"]):
                self.assertRegex(task["name"], "^[a-z0-9]+(-[a-z0-9]+)*$")
                self.assertTrue(task["prompt"] and task["expected_output"])
                self.assertTrue(all((ROOT / name).is_file() for name in task["files"]))
                self.assertEqual(len(task["expectations"]), len(task["checks"]))
                self.assertEqual(len(task["expectations"]), len(set(task["expectations"])))
                self.assertLessEqual(
                    task.keys(),
                    {
                        "id",
                        "name",
                        "prompt",
                        "expected_output",
                        "files",
                        "section",
                        "covers",
                        "before",
                        "shell_seconds",
                        "updates",
                        "service",
                        "key",
                        "expectations",
                        "checks",
                    },
                )
        self.assertEqual(len(TASKS), len({task["name"] for task in TASKS.values()}))

    def test_every_row_of_the_guides_and_every_failure_is_covered(self) -> None:
        self.assertEqual({row for task in TASKS.values() for row in task["covers"]}, COVERED)

    def test_every_section_of_the_guide_is_defended_by_a_task(self) -> None:
        self.assertEqual({task["section"] for task in TASKS.values()}, set(run.headings(GUIDE)))

    def test_there_are_forty_tasks_or_more_and_some_in_chinese(self) -> None:
        self.assertGreaterEqual(len(TASKS), 40)
        self.assertGreaterEqual(sum(bool(CHINESE.search(task["prompt"])) for task in TASKS.values()), 7)

    def test_every_task_has_a_solution_and_every_failure_an_expectation_that_it_fails(self) -> None:
        self.assertEqual(set(SOLUTIONS), set(map(str, TASKS)))
        for name, row in FAILURES.items():
            told = [text for text, _ in check.expectations(TASKS[row["task"]])]
            self.assertEqual(row["fails"], [text for text in told if text in row["fails"]], name)
            self.assertTrue(row["fails"], name)

    def test_half_of_the_queries_must_not_trigger(self) -> None:
        self.assertEqual({frozenset(query) for query in QUERIES}, {frozenset({"query", "should_trigger"})})
        wanted = [query["should_trigger"] for query in QUERIES]
        self.assertEqual((len(wanted), wanted.count(True), wanted.count(False)), (20, 10, 10))
        self.assertEqual(len({query["query"] for query in QUERIES}), 20)
        for trigger in (True, False):
            self.assertTrue(
                any(CHINESE.search(query["query"]) for query in QUERIES if query["should_trigger"] is trigger)
            )


class Runner(unittest.TestCase):
    """run.py with an agent that is a line of Python."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()

    def run_with(self, agent: str, *more: str, task: int = 1) -> Path:
        """Run a task; the agent's command comes from the environment, where its own key is that of a user."""
        command = shlex.join([sys.executable, "-c", agent, "{prompt}"])
        with (
            contextlib.redirect_stdout(io.StringIO()),
            mock.patch.dict("os.environ", {"QWEN_API_KEY": "sk-the-users-own", run.AGENT: command, "CI": "1"}),
        ):
            self.assertEqual(run.main(["--task", str(task), "--to", str(self.folder), *more]), 0)
        (folder,) = [path.parent for path in self.folder.rglob("answer.txt")]
        return folder

    def test_an_agent_gets_the_prompt_the_files_the_skill_a_home_and_no_key_of_the_user(self) -> None:
        folder = self.run_with(
            "import os, sys\n"
            "print(sys.argv[1])\n"
            f"print(sorted(os.listdir()), 'QWEN_API_KEY' in os.environ, os.environ['DASHSCOPE_API_KEY'] == '{run.KEY}')\n"
            "print(os.path.realpath(os.path.expanduser('~')), os.listdir(os.path.expanduser('~')))\n"
            "print(open('.env').read(), file=sys.stderr)",
            "--share=.gitconfig",
        )
        self.assertEqual(
            (folder / "answer.txt").read_text().splitlines(),
            [TASKS[1]["prompt"], "['.agents', '.claude', '.env'] False True", f"{folder / 'home'} ['.gitconfig']"],
        )
        self.assertEqual(os.readlink(folder / "home" / ".gitconfig"), str(Path.home() / ".gitconfig"))
        self.assertEqual(folder.relative_to(self.folder).as_posix(), "eval-1-header-picture/with_skill")
        self.assertFalse(check.verdict_of(check.Run(folder), {"kind": "no_key"}).passed)
        self.assertGreaterEqual(json.loads((folder / "timing.json").read_text())["duration_ms"], 0)
        skill = folder / "outputs" / ".claude" / "skills" / run.NAME
        self.assertEqual({path.name for path in skill.iterdir()}, set(run.SHIPPED))

    def test_the_baseline_has_no_skill_and_a_run_is_never_replaced(self) -> None:
        folder = self.run_with("import os; print(os.listdir())", "--without-skill", task=18)
        self.assertEqual(((folder / "answer.txt").read_text(), folder.name), ("[]\n", "without_skill"))
        with contextlib.redirect_stderr(io.StringIO()) as told, self.assertRaises(SystemExit):
            self.run_with("pass", "--without-skill", task=18)
        self.assertIn("choose another folder", told.getvalue())

    def test_a_section_is_taken_out_and_nothing_else(self) -> None:
        gone = "Which model"
        folder = self.run_with("pass", f"--without={gone}")
        guide = (folder / "outputs" / ".agents" / "skills" / run.NAME / "SKILL.md").read_text(encoding="utf-8")
        self.assertEqual(run.headings(guide), [heading for heading in run.headings(GUIDE) if heading != gone])
        before, after = GUIDE.replace("[model](#which-model)", "model").split(f"\n## {gone}\n")
        self.assertEqual(guide, before + after[after.index("\n## ") :])
        self.assertEqual((folder.name, check.Run(folder).without), ("with_skill_b", gone))
        last = run.headings(GUIDE)[-1]
        self.assertEqual(run.shortened(GUIDE, last), GUIDE[: GUIDE.index(f"\n## {last}\n") + 1])

    def test_nothing_points_to_a_section_that_was_taken_out(self) -> None:
        for gone in run.headings(GUIDE):
            guide = run.shortened(GUIDE, gone)
            there = {title.lower().replace(" ", "-") for title in re.findall("^##+ (.+)$", guide, re.MULTILINE)}
            self.assertLessEqual(set(re.findall(r"\]\(#([^)]+)\)", guide)), there, gone)

    def test_a_wrong_command_line_is_refused(self) -> None:
        agent = [sys.executable, "{prompt}"]
        for argv in (
            [sys.executable],
            ["no-such-agent", "{prompt}"],
            ["--without=Nothing", *agent],
            ["--without=Fields", "--without-skill", *agent],
            ["--task=99", *agent],
            ["--share=/etc/hosts", *agent],
            ["--share=../x", *agent],
        ):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
                run.main(["--to", str(self.folder), *argv])
            self.assertEqual(ended.exception.code, 2)

    def test_what_happened_before_has_happened_and_what_is_logged_is_what_the_program_did(self) -> None:
        folder = self.run_with(
            "import subprocess, sys\n"
            f"script = '.claude/skills/{run.NAME}/scripts/video.py'\n"
            "ran = subprocess.run([sys.executable, script, '-', '--dry-run'], input='猫'.encode(), capture_output=True)\n"
            "sys.exit(ran.returncode or '猫'.encode() not in ran.stdout)",
            task=38,
        )
        ran = check.Run(folder)
        (command,) = ran.commands
        self.assertEqual((command.program, command.line, command.code), ("video.py", "video.py - --dry-run", 0))
        self.assertIn("猫", command.stdout)
        self.assertEqual([sent["body"]["input"]["prompt"] for sent in ran.submissions], ["A whale under the ice"])
