"""The evaluations, run: each task is solvable and graded as passed, each bad transcript fails where it should.

Not part of the plain test command, because it takes more than a minute: `python3 -m unittest discover -s tests/crosscheck -p
"check_evals.py"`. It needs nothing but Python: `tests/evals/play.py` is the agent, called by the runner as a real one is.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from qianwen.sandbox import placeholder  # noqa: E402

from tests.evals import check, play, run  # noqa: E402

JSON = dict[str, Any]
HURRY = 10  # a task's time: a shell of 120 s is one of 12 s
AT_ONCE = 6
AGENT = (sys.executable, str(run.HERE / "play.py"), "{prompt}", "--hurry", str(HURRY))
TASKS = run.tasks()
FAILURES = play.transcript("failures.json")


class Played(unittest.TestCase):
    """All transcripts, played once for every test below."""

    holder: tempfile.TemporaryDirectory[str]
    solved: dict[str, Path]
    failed: dict[str, Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.holder.cleanup)
        top = Path(cls.holder.name).resolve()
        cls.solved = {task["name"]: top / task["name"] for task in TASKS.values()}
        cls.failed = {name: top / name for name in FAILURES}
        good = [(task, cls.solved[task["name"]], ()) for task in TASKS.values()]
        bad = [(TASKS[FAILURES[name]["task"]], folder, ("--failure", name)) for name, folder in cls.failed.items()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for ended in pool.map(lambda one: played(*one), [*good, *bad]):
                assert ended == 0

    def test_every_solution_is_graded_as_passed(self) -> None:
        for name, folder in self.solved.items():
            with self.subTest(name):
                failed = [result for result in check.grade(folder)["expectations"] if not result["passed"]]
                self.assertEqual(failed, [], (folder / "logs" / "agent.txt").read_text(encoding="utf-8")[-800:])

    def test_every_bad_transcript_fails_where_it_is_bad_and_nowhere_else(self) -> None:
        for name, folder in self.failed.items():
            with self.subTest(name):
                results = check.grade(folder)["expectations"]
                failed = [result["text"] for result in results if not result["passed"]]
                self.assertEqual(failed, FAILURES[name]["fails"], [r for r in results if not r["passed"]])

    def test_nothing_ended_in_a_traceback(self) -> None:
        for name, folder in {**self.solved, **self.failed}.items():
            with self.subTest(name):
                self.assertNotIn("Traceback", (folder / "logs" / "agent.txt").read_text(encoding="utf-8"))

    def test_every_kind_of_check_fails_on_a_run_that_was_spoiled(self) -> None:
        for kind, task, spoil in SPOILED:
            with self.subTest(kind=kind, task=task, spoil=spoil.__name__), tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve() / "run"
                skill = () if kind == "skill_unchanged" else (".agents", ".claude")
                shutil.copytree(self.solved[task], folder, ignore=shutil.ignore_patterns(*skill))
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
            shutil.copytree(self.solved["header-picture"], folder)
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

    def test_a_section_earns_its_place_when_its_tasks_fail_without_it(self) -> None:
        heading = "When to ask"
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()) as told:
            for more in ((), ("--without", heading)):
                chosen = [f"--task={task['id']}" for task in TASKS.values() if task["section"] == heading and not more]
                run.main(["--to", name, *chosen, *more, "--", *AGENT])
            self.assertEqual(check.main([name]), 0)
        count = len([task for task in TASKS.values() if task["section"] == heading])
        line = f"{heading}: tasks passed with it {count} of {count}, without 0 of {count}; calls a task with it "
        self.assertRegex(told.getvalue(), rf"(?m)^{line}[1-9]\.\d, without 0\.0$")

    def test_the_programs_run_by_their_path_from_any_folder(self) -> None:
        for name in ("run.py", "check.py", "play.py"):
            ran = subprocess.run([sys.executable, str(run.HERE / name), "--help"], cwd="/", capture_output=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, b""))
            self.assertIn(f"usage: {name}".encode(), ran.stdout)


def played(task: JSON, folder: Path, more: tuple[str, ...]) -> int:
    run.prepare(task, folder, hurry=HURRY)
    return run.perform(task, folder, (*AGENT, *more), HURRY)


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
    (folder / "outputs" / "cards" / "march.png").write_bytes(placeholder.png(800, 600, "x", []))


def a_clip_is_cut_short(folder: Path) -> None:
    path = folder / "outputs" / "wave.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_clip_of_another_length(folder: Path) -> None:
    (folder / "outputs" / "wave.mp4").write_bytes(placeholder.clip(720, 1280, 5.0))


def a_clip_of_another_shape(folder: Path) -> None:
    (folder / "outputs" / "wave.mp4").write_bytes(placeholder.clip(1280, 720, 8.0))


def a_picture_that_calls_itself_a_clip(folder: Path) -> None:
    (folder / "outputs" / "wave.mp4").write_bytes(placeholder.png(640, 480, "x", []))


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


def many_looks(folder: Path) -> None:
    for number in range(5):
        log_line(folder, "commands.jsonl", call=f"look {number}", program="image.py", argv=["--tasks"], cwd="/")


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
    ("pictures", "month-cards", one_of_another_size),
    ("clips", "shop-window", a_clip_is_cut_short),
    ("clips", "shop-window", a_clip_of_another_length),
    ("clips", "shop-window", a_clip_of_another_shape),
    ("clips", "shop-window", a_picture_that_calls_itself_a_clip),
    ("text_file", "crane-guide", a_guide_without_pictures),
    ("submissions", "answer-got-lost", it_was_paid_twice),
    ("submissions", "download-broke", it_was_paid_twice),
    ("bought", "laptop-died", it_was_paid_twice),
    ("submissions", "month-cards", another_model_was_used),
    ("no_repeats", "refused-content", it_was_paid_twice),
    ("commands", "answer-got-lost", one_more_command),
    ("commands", "come-back-later", no_log_of_commands),
    ("calls", "a-list-of-pictures", many_looks),
    ("calls", "a-list-of-pictures", no_log_of_commands),
    ("ends_with", "shop-window", one_more_command),
    ("ends_with", "shop-window", no_log_of_commands),
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
