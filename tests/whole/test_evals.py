"""The evaluations: their data is well formed, each reference solution gets full marks, and each kind of check can fail."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable
from unittest import mock

from qianwen.sandbox import placeholder

from .. import IS_SAMPLE, ROOT, lend_bytecode
from ..evals import check, run

JSON = dict[str, Any]
TASKS = run.tasks()
SOLUTIONS: dict[str, JSON] = json.loads((run.HERE / "solutions.json").read_text(encoding="utf-8"))
QUERIES: list[JSON] = json.loads((run.HERE / "triggers.json").read_text(encoding="utf-8"))
CHINESE = re.compile("[一-鿿]")
SOON = ("--poll-interval", "0.1")  # what a solution leaves out, so that no test waits as an agent does

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
    "exit 1: content",
    "exit 2: the task still runs",
    "exit 4: no key",
    "exit 4: wrong region",
    "exit 6: unknown outcome",
    "exit 7: made, not saved",
}


def solve(task: JSON, folder: Path) -> None:
    """Do a task as its reference solution does."""
    run.prepare(task, folder)
    lend_bytecode(folder / "outputs" / run.PLACES[0] / run.NAME / "scripts")
    solution = SOLUTIONS[str(task["id"])]
    replies: list[JSON] = []
    with run.service(task, folder) as world:
        for step in solution["steps"]:
            if isinstance(step, dict):
                (folder / "outputs" / step["write"]).write_text(step["text"], encoding="utf-8")
            else:
                ran = subprocess.run(
                    argv(step, replies, folder),
                    cwd=folder / "outputs",
                    env=world,
                    capture_output=True,
                    encoding="utf-8",
                )
                assert "Traceback" not in ran.stderr, ran.stderr
                replies.append(json.loads(ran.stdout))
    (folder / "answer.txt").write_text(filled(solution["answer"], replies), encoding="utf-8")


def argv(step: list[str], replies: list[JSON], folder: Path) -> list[str]:
    """A step's command line: a program with its arguments, or a whole line that an earlier reply gave."""
    words = [filled(word, replies) for word in step]
    if len(words) == 1:
        return shlex.split(words[0])
    program = folder / "outputs" / run.PLACES[0] / run.NAME / "scripts" / words[0]
    return [sys.executable, str(program), *words[1:], *SOON]


def filled(text: str, replies: list[JSON]) -> str:
    """{1.name} is what the first command answered under `name`."""
    return re.sub(r"\{(\d)\.(\w+)\}", lambda match: str(replies[int(match[1]) - 1][match[2]]), text)


class Solved(unittest.TestCase):
    """All tasks, or a sample of them, done once for every test below."""

    holder: tempfile.TemporaryDirectory[str]
    runs: dict[str, Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.holder.cleanup)
        tasks = [task for number, task in TASKS.items() if not IS_SAMPLE or number % 4 == 1]
        cls.runs = {task["name"]: Path(cls.holder.name).resolve() / task["name"] for task in tasks}
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda task: solve(task, cls.runs[task["name"]]), tasks))

    def test_every_reference_solution_gets_full_marks(self) -> None:
        for name, folder in self.runs.items():
            with self.subTest(name):
                grading = check.grade(folder)
                failed = [result for result in grading["expectations"] if not result["passed"]]
                self.assertEqual(failed, [])
                self.assertEqual(grading["summary"]["pass_rate"], 1.0)

    def test_every_expectation_can_fail(self) -> None:
        """Nothing was done, or what must not be there is there: each of a task's own fails in one or the other."""
        for task in TASKS.values():
            with self.subTest(task["name"]), tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve() / "run"
                run.prepare(task, folder, with_skill=False)
                idle = check.Run(folder)
                left = [asked for asked in task["checks"] if check.verdict_of(idle, asked).passed]
                (folder / "outputs" / "x.png").write_bytes(placeholder.png(64, 64, "x", []))
                (folder / "outputs" / "x.mp4").write_bytes(placeholder.clip())
                false = check.Run(folder)
                self.assertEqual([asked for asked in left if check.verdict_of(false, asked).passed], [])

    def test_every_kind_of_check_fails_on_a_run_that_was_spoiled(self) -> None:
        for kind, task, spoil in SPOILED:
            if task not in self.runs:
                continue
            with self.subTest(kind=kind, task=task, spoil=spoil.__name__), tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve() / "run"
                skill = () if kind == "skill_unchanged" else (".agents", ".claude")
                shutil.copytree(self.runs[task], folder, ignore=shutil.ignore_patterns(*skill))
                asked = [asked for _, asked in check.expectations(check.Run(folder).task) if asked["kind"] == kind]
                before = check.Run(folder)
                self.assertTrue(all(check.verdict_of(before, one).passed for one in asked))
                spoil(folder)
                after = check.Run(folder)
                verdicts = [check.verdict_of(after, one) for one in asked]
                self.assertFalse(all(verdict.passed for verdict in verdicts), verdicts)
                self.assertTrue(all(verdict.evidence for verdict in verdicts))

    def test_every_kind_is_spoiled_and_asked_somewhere(self) -> None:
        asked = {one["kind"] for task in TASKS.values() for _, one in check.expectations(task)}
        self.assertEqual(asked, set(check.CHECKS))
        self.assertEqual({kind for kind, _, _ in SPOILED}, set(check.CHECKS))

    def test_the_checker_writes_a_grading_and_tells_what_failed(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve() / "eval-1" / "with_skill"
            shutil.copytree(self.runs["header-picture"], folder)
            with contextlib.redirect_stdout(io.StringIO()) as told:
                self.assertEqual(check.main([name]), 0)
            (folder / "outputs" / "header.png").unlink()
            with contextlib.redirect_stdout(told):
                self.assertEqual(check.main([str(folder)]), 1)
            grading = json.loads((folder / "grading.json").read_text(encoding="utf-8"))
            self.assertEqual(grading["summary"]["failed"], 2)
            self.assertIn(
                "failed: header.png is one whole picture in landscape\n          no file fits header.png",
                told.getvalue(),
            )


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
                        "covers",
                        "service",
                        "key",
                        "expectations",
                        "checks",
                    },
                )
        self.assertEqual(len(TASKS), len({task["name"] for task in TASKS.values()}))

    def test_every_row_of_the_guides_and_every_failure_is_covered(self) -> None:
        self.assertEqual({row for task in TASKS.values() for row in task["covers"]}, COVERED)

    def test_there_are_prompts_in_chinese(self) -> None:
        self.assertGreaterEqual(sum(bool(CHINESE.search(task["prompt"])) for task in TASKS.values()), 3)

    def test_every_task_has_a_solution(self) -> None:
        self.assertEqual(set(SOLUTIONS), set(map(str, TASKS)))

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

    def run_with(self, agent: str, *more: str) -> Path:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            mock.patch.dict("os.environ", {"QWEN_API_KEY": "sk-the-users-own"}),
        ):
            argv = ["--task", "1", "--to", str(self.folder), *more, "--", sys.executable, "-c", agent, "{prompt}"]
            self.assertEqual(run.main(argv), 0)
        side = "without_skill" if more else "with_skill"
        return self.folder / "eval-1-header-picture" / side

    def test_an_agent_gets_the_prompt_the_files_the_skill_and_no_key_of_the_user(self) -> None:
        folder = self.run_with(
            "import os, sys\n"
            "print(sys.argv[1])\n"
            f"print(sorted(os.listdir()), 'QWEN_API_KEY' in os.environ, os.environ['DASHSCOPE_API_KEY'] == '{run.KEY}')"
        )
        self.assertEqual(
            (folder / "answer.txt").read_text().splitlines(),
            [TASKS[1]["prompt"], "['.agents', '.claude'] False True"],
        )
        self.assertGreaterEqual(json.loads((folder / "timing.json").read_text())["duration_ms"], 0)
        skill = folder / "outputs" / ".claude" / "skills" / run.NAME
        self.assertEqual({path.name for path in skill.iterdir()}, set(run.SHIPPED))

    def test_the_baseline_has_no_skill_and_a_run_is_never_replaced(self) -> None:
        folder = self.run_with("import os; print(os.listdir())", "--without-skill")
        self.assertEqual((folder / "answer.txt").read_text(), "[]\n")
        with contextlib.redirect_stderr(io.StringIO()) as told, self.assertRaises(SystemExit):
            self.run_with("pass", "--without-skill")
        self.assertIn("choose another folder", told.getvalue())

    def test_both_programs_run_by_their_path_from_any_folder(self) -> None:
        for name in ("run.py", "check.py"):
            ran = subprocess.run([sys.executable, str(run.HERE / name), "--help"], cwd=self.folder, capture_output=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, b""))
            self.assertIn(f"usage: {name}".encode(), ran.stdout)

    def test_what_is_logged_is_what_the_program_did(self) -> None:
        folder = self.run_with(
            "import subprocess, sys\n"
            "script = '.claude/skills/qianwen-media-generation/scripts/image.py'\n"
            "ran = subprocess.run([sys.executable, script, '-', '--dry-run'], input='猫'.encode(), capture_output=True)\n"
            "sys.exit(ran.returncode or '猫'.encode() not in ran.stdout)"
        )
        (command,) = check.Run(folder).commands
        self.assertEqual((command.program, command.line, command.code), ("image.py", "image.py - --dry-run", 0))
        self.assertIn("猫", command.stdout)


# How runs are spoiled -------------------------------------------------------------------------------------------


def log_line(folder: Path, name: str, **line: Any) -> None:
    with (folder / "logs" / name).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def a_picture_is_cut_short(folder: Path) -> None:
    path = folder / "outputs" / "header.png"
    path.write_bytes(path.read_bytes()[:-20])


def a_picture_of_another_shape(folder: Path) -> None:
    (folder / "outputs" / "header.png").write_bytes(placeholder.png(512, 1024, "x", []))


def a_text_that_calls_itself_a_picture(folder: Path) -> None:
    (folder / "outputs" / "header.png").write_text("sorry, no picture")


def one_picture_too_many(folder: Path) -> None:
    (folder / "outputs" / "drafts" / "extra.png").write_bytes(placeholder.png(64, 64, "x", []))


def one_of_another_size(folder: Path) -> None:
    (folder / "outputs" / "cards" / "spring.png").write_bytes(placeholder.png(800, 600, "x", []))


def a_clip_is_cut_short(folder: Path) -> None:
    path = folder / "outputs" / "boat.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_clip_of_another_length(folder: Path) -> None:
    (folder / "outputs" / "boat.mp4").write_bytes(placeholder.clip(720, 1280, 5.0))


def a_clip_of_another_shape(folder: Path) -> None:
    (folder / "outputs" / "boat.mp4").write_bytes(placeholder.clip(1280, 720, 8.0))


def a_picture_that_calls_itself_a_clip(folder: Path) -> None:
    (folder / "outputs" / "boat.mp4").write_bytes(placeholder.png(640, 480, "x", []))


def a_guide_without_pictures(folder: Path) -> None:
    for path in (folder / "outputs" / "guide").glob("*.md"):
        path.write_text("Fold it three times.")


def it_was_paid_twice(folder: Path) -> None:
    (last,) = [
        line
        for line in (folder / "logs" / "service.jsonl").read_text(encoding="utf-8").splitlines()
        if '"route": "submit"' in line
    ]
    log_line(folder, "service.jsonl", **json.loads(last))


def another_model_was_used(folder: Path) -> None:
    path = folder / "logs" / "service.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("qwen-image-plus", "z-image-turbo"), encoding="utf-8")


def one_more_command(folder: Path) -> None:
    log_line(folder, "commands.jsonl", call="x", program="video.py", argv=["x", "--again"], cwd="/")
    log_line(folder, "commands.jsonl", call="x", code=3, stdout="")


def no_log_of_commands(folder: Path) -> None:
    (folder / "logs" / "commands.jsonl").unlink()


def a_reply_that_is_no_json(folder: Path) -> None:
    path = folder / "logs" / "commands.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"stdout": "{', '"stdout": "Look: {'), encoding="utf-8")


def the_picture_was_uploaded_instead(folder: Path) -> None:
    log_line(folder, "service.jsonl", route="upload", status=200, body=None)
    path = folder / "logs" / "service.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("/results/", "/elsewhere/"), encoding="utf-8")


def an_answer_that_asks_for_the_key(folder: Path) -> None:
    (folder / "answer.txt").write_text("There is no key in .env. Please paste your API key here.")


def an_answer_without_the_region(folder: Path) -> None:
    (folder / "answer.txt").write_text("The key was refused.")


def an_answer_that_names_nothing(folder: Path) -> None:
    (folder / "answer.txt").write_text("Here it is, enjoy!")


def an_answer_with_a_price(folder: Path) -> None:
    (folder / "answer.txt").write_text("header.png is ready, that was about 0.2 yuan.")


def a_key_in_a_file(folder: Path) -> None:
    (folder / "outputs" / ".env").write_text(f"DASHSCOPE_API_KEY={run.KEY}\n")


def a_key_in_the_answer(folder: Path) -> None:
    (folder / "answer.txt").write_text(f"I used {run.KEY}.")


def the_original_was_replaced(folder: Path) -> None:
    (folder / "outputs" / "cat.png").write_bytes(placeholder.png(640, 640, "x", []))


def the_original_is_gone(folder: Path) -> None:
    (folder / "outputs" / "cat.png").unlink()


def an_output_in_the_skill(folder: Path) -> None:
    (folder / "outputs" / run.PLACES[1] / run.NAME / "shop.png").write_bytes(b"x")


def the_skill_was_edited(folder: Path) -> None:
    (folder / "outputs" / run.PLACES[0] / run.NAME / "SKILL.md").write_text("x")


SPOILED: list[tuple[str, str, Callable[[Path], None]]] = [
    ("pictures", "header-picture", a_picture_is_cut_short),
    ("pictures", "header-picture", a_picture_of_another_shape),
    ("pictures", "header-picture", a_text_that_calls_itself_a_picture),
    ("pictures", "mascot-drafts", one_picture_too_many),
    ("pictures", "season-cards", one_of_another_size),
    ("clips", "paper-boat", a_clip_is_cut_short),
    ("clips", "paper-boat", a_clip_of_another_length),
    ("clips", "paper-boat", a_clip_of_another_shape),
    ("clips", "paper-boat", a_picture_that_calls_itself_a_clip),
    ("text_file", "crane-guide", a_guide_without_pictures),
    ("submissions", "answer-got-lost", it_was_paid_twice),
    ("submissions", "download-broke", it_was_paid_twice),
    ("submissions", "season-cards", another_model_was_used),
    ("no_repeats", "refused-content", it_was_paid_twice),
    ("commands", "answer-got-lost", one_more_command),
    ("commands", "come-back-later", no_log_of_commands),
    ("ends_with", "paper-boat", one_more_command),
    ("ends_with", "paper-boat", no_log_of_commands),
    ("replies", "come-back-later", a_reply_that_is_no_json),
    ("chained", "cat-comes-alive", the_picture_was_uploaded_instead),
    ("uploads", "bakery-poster", the_picture_was_uploaded_instead),
    ("answer", "no-key-yet", an_answer_that_asks_for_the_key),
    ("answer", "key-of-another-region", an_answer_without_the_region),
    ("answer_names", "header-picture", an_answer_that_names_nothing),
    ("no_price", "header-picture", an_answer_with_a_price),
    ("no_key", "header-picture", a_key_in_a_file),
    ("no_key", "header-picture", a_key_in_the_answer),
    ("inputs_unchanged", "watercolor-cat", the_original_was_replaced),
    ("inputs_unchanged", "watercolor-cat", the_original_is_gone),
    ("skill_unchanged", "header-picture", an_output_in_the_skill),
    ("skill_unchanged", "header-picture", the_skill_was_edited),
]
