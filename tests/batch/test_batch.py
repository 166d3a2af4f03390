"""Batches against the stand-in: what is bought, what is noted, how a batch ends and goes on."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import sqlite3
import sys
import unittest
from contextlib import closing
from pathlib import Path
from typing import Any, Callable

from qianwen import cli
from qianwen.account.store import Account
from qianwen.batch.folder import Folder
from qianwen.environment import Environment, Place
from qianwen.errors import OutputError, StillRunning
from qianwen.files import locks
from qianwen.models.image_models import IMAGES
from qianwen.sandbox.faults import Limit
from qianwen.sandbox.standin import Incoming, Reply

from .. import support

PRO = "qwen-image-2.0-pro"


class Case(support.Case):
    def rows(self, *rows: dict[str, Any] | str, name: str = "rows.jsonl") -> Path:
        path = self.cwd / name
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
        return path

    def batch(self, *flags: str, code: int = 0, file: str = "rows.jsonl", output: str = "out") -> Any:
        told = self.json("--batch", file, "--output", output, *flags, code=code)
        if "rows" in told and "dry_run" not in told:
            states = ("made", "refused", "failed", "unknown", "unsaved", "left")
            self.assertEqual(sum(told[state] for state in states), told["rows"])
        return told

    def lines(self, output: str = "out") -> list[dict[str, Any]]:
        found = sorted((self.cwd / output).glob("results*.jsonl"))
        return [json.loads(line) for path in found for line in path.read_text("utf-8").splitlines()]

    def last(self, output: str = "out") -> dict[str, dict[str, Any]]:
        return {line["key"]: line for line in self.lines(output)}


def once(there: support.Recording, meddle: Callable[[], object]) -> None:
    """Do something between the first request and its answer."""
    handle = there.handle

    def meddling(route: str, incoming: Incoming) -> Reply:
        there.handle = handle  # type: ignore[method-assign]
        meddle()
        return handle(route, incoming)

    there.handle = meddling  # type: ignore[method-assign]


class Making(Case):
    def test_a_row_becomes_a_line_and_a_file(self) -> None:
        self.rows(
            {"prompt": "a red cat", "id": "tom"},
            {"prompt": "a dog", "output": "dogs/rex.png", "seed": 7},
            '{"prompt": "一只鸟", "n": 2}',
        )
        with self.standin() as there:
            told = self.batch("--size", "16:9")
        self.assertEqual((told["made"], told["left"], told["billed"], told["unit"]), (3, 0, 4, "image"))
        self.assertEqual(told["results"], str(self.cwd / "out" / "results.jsonl"))
        lines = {line["row"]: line for line in self.lines()}
        self.assertEqual(
            [lines[row]["files"][0]["path"] for row in (1, 2, 3)], ["tom.png", "dogs/rex.png", "000003-一只鸟_1.png"]
        )
        for line in lines.values():
            for file in line["files"]:
                self.assertEqual((self.cwd / "out" / file["path"]).stat().st_size, file["bytes"])
        self.assertEqual(
            (lines[1]["id"], lines[1]["state"], lines[1]["units"], lines[1]["billed"]), ("tom", "made", 1, "yes")
        )
        self.assertEqual(lines[2]["seed"], 7)
        self.assertEqual(
            lines[1]["request"],
            {"prompt": "a red cat", "size": "16:9", "model": "wan2.6-t2i", "seed": lines[1]["seed"]},
        )
        self.assertTrue(all(sent.headers["x-dashscope-async"] == "enable" for sent in there.of("sync", "submit")))
        self.assertNotIn("http://127.0.0.1:1", json.dumps([line["files"] for line in lines.values()]))

    def test_the_record_makes_the_same_request_again(self) -> None:
        self.rows({"prompt": "a cat", "n": 1})
        with self.standin() as there:
            self.batch()
            (self.cwd / "again.json").write_text(json.dumps(self.lines()[0]["request"]))
            self.image("--file", "again.json", "--async", "--again")
        first, second = (sent.json for sent in there.of("submit"))
        self.assertEqual(first, second)

    def test_all_is_checked_before_anything_leaves(self) -> None:
        rows = [{"prompt": f"x{number}", "n": 9} for number in range(30)]
        self.rows({"prompt": "fine"}, *rows, {"prompt": "y", "id": "a"}, {"prompt": "z", "id": "a"}, {"promt": "w"})
        with self.standin() as there:
            told = self.batch(code=3)
        self.assertEqual(there.sent, [])
        self.assertEqual(len(told["problems"]), 20)
        self.assertEqual(told["problems"][0]["path"], "row 2: n")
        self.assertIn("problems in 32 rows", told["error"]["hint"])
        self.assertEqual(told["error"]["message"].splitlines()[0], "the file has 33 problems:")
        self.assertFalse((self.cwd / "out").exists())

    def test_a_base_that_gets_no_key_is_told_before_the_folder_is_made(self) -> None:
        self.rows({"prompt": "x"})
        self.env["DASHSCOPE_HTTP_BASE_URL"] = "http://example.com/api/v1"
        self.batch(code=4)
        self.assertFalse((self.cwd / "out").exists())

    def test_files_are_relative_to_the_batch_and_uploaded_once(self) -> None:
        folder = self.cwd / "list"
        folder.mkdir()
        self.picture("hero.png").rename(folder / "hero.png")
        with (folder / "scenes.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(
                [["prompt", "reference_images"], *([f"scene {n}", "hero.png"] for n in range(5))]
            )
        with self.standin() as there:
            told = self.batch(file="list/scenes.csv")
            self.assertEqual((told["made"], len(there.of("upload"))), (5, 1))
        self.assertEqual(self.lines()[0]["request"]["reference_images"], "hero.png")

    def test_clips(self) -> None:
        self.rows({"prompt": "waves", "duration": 5}, {"prompt": "hills", "duration": 3})
        with self.standin() as there:
            told = self.video_json("--batch", "rows.jsonl", "--output", "out", "--max-seconds", "8")
            self.assertEqual((told["made"], told["billed"], told["unit"], len(there.of("submit"))), (2, 8, "second", 2))
        self.assertEqual({line["files"][0]["duration"] for line in self.lines()}, {5.0, 3.0})

    def test_stdout_is_the_path_of_the_results(self) -> None:
        self.rows({"prompt": "x"})
        with self.standin():
            ran = self.image("--batch", "rows.jsonl", "--output", "out")
        self.assertEqual(ran.stdout, f"{self.cwd / 'out' / 'results.jsonl'}\n")

    def test_an_answer_that_stdout_does_not_take_is_told_on_stderr(self) -> None:
        """As of a single run; a plan can be looked up again."""
        self.rows({"prompt": "x"})
        shut, stderr = io.StringIO(), io.StringIO()
        shut.close()
        with self.standin() as there:
            for flags, code in ((("--dry-run",), 0), ((), 7), ((), 7)):
                place = Place(self.env, str(self.cwd), str(self.home))
                world = Environment(
                    place, "image.py", io.StringIO(), shut, stderr, self.clock, self.clock, None, self.clock.sleep
                )
                self.assertEqual(cli.main(IMAGES, ["--batch", "rows.jsonl", "--output", "out", *flags], world), code)
            self.assertEqual(there.orders, {"x": 1})
        told = json.loads(stderr.getvalue().rpartition("Answer: ")[2])
        self.assertEqual((told["error"]["kind"], told["made"], "--batch" in told["next"]), ("output", 1, True))

    def test_the_sandbox_has_a_folder_of_its_own(self) -> None:
        self.rows("a cat", name="cats.txt")
        self.env = {}
        told = self.json("--batch", "cats.txt", "--sandbox")
        self.assertEqual(Path(told["folder"]).name, "cats-rehearsal")
        self.assertIn("1 made; nothing is billed; results in", self.image("--batch", "cats.txt", "--sandbox").stderr)
        self.env = {"DASHSCOPE_API_KEY": support.KEY}
        told = self.json("--batch", "cats.txt", "--output", told["folder"], code=3)
        self.assertIn("results of a stand-in", told["error"]["message"])

    def test_a_folder_is_known_by_what_was_bought_for_it_and_has_no_line_yet(self) -> None:
        """Else pictures were the unit of seconds in its cap, and the tasks of a stand-in were given up."""
        self.rows({"prompt": "waves", "duration": 3})
        self.rows("a cat", name="cats.txt")
        with self.standin(delay=60):
            self.video_json("--batch", "rows.jsonl", "--output", "out", "--timeout", "1", code=2)
            told = self.batch(file="cats.txt", code=3)
            self.assertIn("has results of video.py", told["error"]["message"])
            self.clock.sleep(60)
            self.env, here = {"DASHSCOPE_API_KEY": support.KEY}, self.env
            told = self.video_json("--batch", "rows.jsonl", "--output", "out", code=3)
            self.assertIn("results of a stand-in", told["error"]["message"])
            self.env = here
            self.video_json("--batch", "rows.jsonl", "--output", "out")
            told = self.batch(file="cats.txt", code=3)
            self.assertIn("has results of video.py", told["error"]["message"])

    def test_a_folder_that_a_file_names_is_below_the_project(self) -> None:
        self.rows("a cat", name="cats.txt")
        usual = Path("qianwen-image-generation", "images", "cats")
        for named, wanted in ((self.cwd / "made", self.cwd / "made"), (self.folder, self.cwd / "output")):
            (self.cwd / ".env").write_text(f"OUTPUT_DIR={named}\n")
            self.assertEqual(self.json("--batch", "cats.txt", "--dry-run")["folder"], str(wanted / usual))


class GoingOn(Case):
    def test_what_is_made_is_never_bought_again(self) -> None:
        self.rows({"prompt": "a", "id": 1}, {"prompt": "b"}, {"prompt": "c"})
        with self.standin() as there:
            self.batch()
            (self.cwd / "out" / "000002-b.png").unlink()  # what a person deletes stays deleted
            self.rows({"prompt": "new"}, {"prompt": "c"}, {"id": 5, "prompt": "a"}, {"prompt": "b"})
            told = self.batch("--timeout", "50", "--region", "cn-beijing")
            self.assertEqual((told["made"], len(there.of("submit"))), (4, 4))
            there.sent.clear()
            del self.env["DASHSCOPE_API_KEY"]
            self.assertEqual(self.batch()["made"], 4)
            self.assertEqual(there.sent, [])

    def test_results_that_were_lost_are_written_again(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b", "output": "deep/b.png"})
        with self.standin() as there:
            self.batch()
            before = self.last()
            (self.cwd / "out" / "results.jsonl").unlink()
            (self.cwd / "out").rename(self.cwd / "elsewhere")
            self.batch(output="elsewhere")
            self.assertEqual(len(there.of("submit")), 2)
        after = self.last("elsewhere")
        self.assertEqual(
            {key: line["files"] for key, line in before.items()}, {key: line["files"] for key, line in after.items()}
        )

    def test_repeated_rows_are_made_once(self) -> None:
        self.rows(*[{"prompt": "a"}] * 3, {"prompt": "b"})
        with self.standin() as there:
            told = self.batch()
            self.assertEqual((told["made"], told["billed"], len(there.of("submit"))), (4, 2, 2))
        copies = [line for line in self.lines() if "same_as" in line]
        self.assertEqual([(line["row"], line["units"]) for line in copies], [(2, 0), (3, 0)])
        self.assertEqual(copies[0]["files"], self.last()[copies[0]["same_as"]]["files"])

    def test_repeated_rows_follow_the_first_that_is_fetched_after_all(self) -> None:
        self.rows(*[{"prompt": "a"}] * 3)
        results = self.cwd / "out" / "results.jsonl"
        with self.standin(faults=["result=500*60"]) as there:
            self.assertEqual(self.batch(code=7)["unsaved"], 3)
            there.faults._left.clear()
            told = self.batch()
            self.assertEqual((told["made"], told["billed"], there.orders), (3, 1, {"a": 1}))
            lines = results.read_text().splitlines(keepends=True)
            results.write_text("".join(lines[:4]))  # a kill before the others were told
            self.assertEqual(self.batch("--dry-run")["left"], 2)
            self.assertEqual(self.batch()["made"], 3)
            self.assertEqual(results.read_text().count('"same_as"'), 4)

    def test_refused_and_failed_rows_are_passed_over_until_again(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(4)))
        faults = ["submit=400:DataInspectionFailed:no*1", "task=fail:InvalidParameter:bad*1"]
        with self.standin(faults=faults) as there:
            told = self.batch("--at-once", "1", code=1)
            self.assertEqual((told["made"], told["refused"], told["failed"]), (2, 1, 1))
            self.assertEqual([failure["state"] for failure in told["failures"]], ["refused", "failed"])
            self.assertEqual(told["billed"], 2)
            self.assertNotIn("next", told)
            self.assertIn("do not resend unchanged", told["error"]["hint"])
            self.batch(code=1)
            self.assertEqual(len(there.of("submit")), 3)  # and the refused one
            self.assertEqual(self.batch("--again")["made"], 4)
            self.assertEqual(len(there.of("submit")), 5)

    def test_only_what_no_filter_refused_is_offered_unchanged(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin(faults=["task=fail:InvalidParameter:bad*1"]):
            self.assertIn("--again retries them unchanged", self.batch(code=1)["error"]["hint"])

    def test_a_fault_of_the_service_is_tried_by_the_next_run(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(faults=["task=fail*4"]) as there:
            told = self.batch("--at-once", "1", code=5)
            self.assertEqual((told["left"], told["billed"]), (2, 0))
            self.assertIn("--batch", told["next"])
            self.batch(code=5)
            told = self.batch()
            self.assertEqual((told["made"], len(there.of("submit"))), (2, 6))

    def test_time_is_up_and_tasks_go_on(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(3)))
        with self.standin(delay=1000) as there:
            told = self.batch("--timeout", "20", code=2)
            self.assertEqual((told["left"], told["error"]["kind"]), (3, "running"))
            self.assertIn("--timeout 20", told["next"])
            self.clock.sleep(1000)
            told = self.batch("--timeout", "20")
            self.assertEqual((told["made"], len(there.of("submit"))), (3, 3))

    def test_next_goes_on_from_any_folder(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(delay=1000) as there:
            for argv in (("--batch", "rows.jsonl", "--"), ("--batch", "rows.jsonl", "--output", "out")):
                told = self.image("--print-response", "--timeout", "20", *argv).json
                self.clock.sleep(1000)
                home, self.cwd = self.cwd, self.home
                done = self.image(*shlex.split(told["next"])[2:]).json
                self.cwd = home
                self.assertEqual((done["made"], done["folder"]), (2, told["folder"]))
        self.assertEqual(there.orders, {"a": 2, "b": 2})

    def test_a_shard_without_a_row_says_so(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin() as there:
            said = [self.image("--batch", "rows.jsonl", "--shard", f"{part}/2").stderr for part in (0, 1)]
            self.assertEqual(len(there.of("submit")), 1)
        self.assertEqual(sum("0 rows: none to make; " in each for each in said), 1)

    def test_a_row_whose_line_says_made_is_not_fetched_again(self) -> None:
        """A full disk may take the line, and then no step of the account."""
        self.rows({"prompt": "a"})
        with self.standin() as there:
            self.batch()
            with closing(sqlite3.connect(self.cwd / "out" / ".batch" / "account.db")) as database, database:
                database.execute("UPDATE runs SET state = 'made', delivered = 0")
                database.execute("DELETE FROM files")
            there.sent.clear()
            self.assertEqual((self.batch()["made"], there.sent), (1, []))
            self.assertEqual(len(list((self.cwd / "out").glob("*.png"))), 1)

    def test_a_row_that_has_left_the_file_is_collected_with_its_request(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(delay=60) as there:
            self.batch("--timeout", "1", code=2)
            self.clock.sleep(60)
            self.rows({"prompt": "b"})
            told = self.batch()
            self.assertEqual((told["rows"], told["made"], told["billed"], there.orders), (1, 1, 2, {"a": 1, "b": 1}))
        self.assertEqual(sorted(line["request"]["prompt"] for line in self.lines()), ["a", "b"])

    def test_a_lost_answer_counts_as_billed_and_is_not_sent_again(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(faults=["submit=lose*1"]) as there:
            told = self.batch("--at-once", "1", code=6)
            self.assertEqual((told["made"], told["unknown"], told["billed"]), (1, 1, 2))
            self.assertEqual(self.batch(code=6)["billed"], 2)
            self.assertEqual(len(there.of("submit")), 2)

    def test_tasks_that_another_key_does_not_know_are_asked_for_again_for_a_day(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(3)))
        with self.standin(delay=100) as there:
            self.batch("--timeout", "1", code=2)
            of_the_first_key, there.tasks = there.tasks, {}
            self.clock.sleep(100)
            for _ in range(2):
                told = self.batch(code=6)
                self.assertEqual((told["unknown"], told["billed"]), (3, 3))
            self.assertIn("a key of the account", told["error"]["hint"])
            lost, there.tasks = next(iter(of_the_first_key)), of_the_first_key
            del of_the_first_key[lost]
            told = self.batch(code=6)
            self.assertEqual((told["made"], told["unknown"], told["billed"], len(there.of("submit"))), (2, 1, 3, 3))
            self.clock.sleep(90_000)
            there.sent.clear()
            for polls in (1, 1):  # the second time nobody asks any more
                self.batch(code=6)
                self.assertEqual(len(there.of("poll")), polls)
            self.assertEqual(self.batch("--again")["made"], 3)
            self.assertEqual(sorted(there.orders.values()), [1, 1, 2])

    def test_what_is_found_to_have_failed_after_all_is_not_billed(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(3)))
        with self.standin(delay=100, faults=["task=fail:InvalidParameter:bad*1", "task=fail*1"]) as there:
            self.batch("--timeout", "1", code=2)
            of_the_first_key, there.tasks = there.tasks, {}
            self.clock.sleep(100)
            self.assertEqual(self.batch(code=6)["billed"], 3)
            there.tasks = of_the_first_key
            for _ in range(2):
                told = self.batch("--max-images", "3", code=1)
                self.assertEqual((told["made"], told["failed"], told["billed"]), (1, 2, 1))
            self.assertEqual(self.batch("--again", "--max-images", "3")["made"], 3)
            shutil.rmtree(self.cwd / "out" / ".batch")
            self.assertEqual(self.batch("--max-images", "3")["billed"], 3)

    def test_a_task_that_nobody_knows_is_bought_again_at_once_when_that_is_wanted(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin(delay=100) as there:
            self.batch("--timeout", "1", code=2)
            there.tasks.clear()
            self.clock.sleep(100)
            self.batch(code=6)
            self.assertEqual(self.batch("--again", "--dry-run")["bills"]["at_most"], 1)
            self.assertEqual((self.batch("--again")["made"], there.orders), (1, {"a": 2}))

    def test_three_unknown_outcomes_in_a_row_stop(self) -> None:
        for action, model in (
            ("lose", PRO),
            ("cut", PRO),
            ("302", PRO),
            ("500", PRO),
            ("408", ""),
            ("lose", ""),
            ("cut", ""),
        ):
            with self.subTest(action, model=model), self.standin(faults=[f"{'sync' if model else 'submit'}={action}"]):
                self.rows(*({"prompt": f"p{number}", **({"model": model} if model else {})} for number in range(9)))
                told = self.batch("--at-once", "1", code=6, output=f"{action}{model}")
                self.assertEqual((told["unknown"], told["left"]), (3, 6))
                self.assertNotIn("--resume", str(told["failures"]))  # it does not know of a batch's rows

    def test_unknown_outcomes_with_clear_ones_between_do_not_stop(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(9)))
        with self.standin(faults=["submit=lose*2", "submit=400:X*1", "submit=500*2"]):
            told = self.batch("--at-once", "1", code=6)
            self.assertEqual((told["unknown"], told["refused"] + told["failed"], told["made"]), (4, 1, 4))

    def test_a_refused_key_stops_everything_and_fails_nothing(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(30)))
        for fault in ("401:InvalidApiKey", "400:Arrearage", "403:AllocationQuota.FreeTierOnly"):
            with self.subTest(fault), self.standin(faults=[f"submit={fault}"]) as there:
                told = self.batch("--at-once", "2", code=4, output=fault.partition(":")[2])
                self.assertEqual((told["left"], told["failures"]), (30, []))
                self.assertLessEqual(len(there.of("submit")), 2)
                self.assertNotIn("next", told)

    def test_throttling_fails_no_row(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(12)))
        with self.standin(delay=3, faults=["submit=429*7"]) as there:
            there.limits = {"wan2.6-t2i": Limit(1, 2)}
            told = self.batch()
            self.assertEqual((told["made"], sum(there.orders.values())), (12, 12))

    def test_a_pause_after_a_refusal_ends_with_the_time(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(faults=["submit=429"]) as there:
            before = self.clock()
            told = self.batch("--timeout", "100", code=2)
            self.assertEqual((told["left"], told["billed"], there.orders), (2, 0, {}))
            self.assertLessEqual(self.clock() - before, 100)

    def test_a_killed_run_leaves_what_the_next_one_notes(self) -> None:
        """A purchase that is over but has no line; one that is open; and one whose submission was not answered."""
        self.rows({"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}, {"prompt": "d"})
        with self.standin(delay=5) as there:
            self.batch("--at-once", "1")
            made = self.lines()
            results = self.cwd / "out" / "results.jsonl"
            results.write_text(results.read_text().partition("\n")[0] + '\n{"key": "torn')
            account = Account(str(self.cwd / "out" / ".batch"), self.clock, shared=False)
            runs = {run.request: run for run in account.runs()}
            for line, state in zip(made[1:], ("done", "waiting", "submitting")):
                run = runs[line["key"]]
                account._file.write(
                    lambda database, run=run, state=state: database.execute(  # type: ignore[misc]
                        "UPDATE runs SET delivered = 0, state = ?, task_id = ?, urls = '[]' WHERE id = ?",
                        (state, "" if state == "submitting" else run.task_id, run.id),
                    ),
                    1,
                )
            account.close()
            self.rows({"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}, {"prompt": "d"}, {"prompt": "e", "n": 2})
            plan = self.batch("--dry-run")
            self.assertEqual((plan["left"], plan["bought"], plan["bills"]["at_most"]), (4, 3, 2))
            self.assertEqual((plan["models"]["wan2.6-t2i"]["left"], plan["warnings"]), (1, []))
            page = self.image("--batch", "rows.jsonl", "--output", "out", "--dry-run").stdout
            self.assertIn("bought by an earlier run, and only to be collected: 3 rows\n", page)
            self.assertIn("what is left bills at most 2 images;", page)
            self.assertTrue(account.hold())  # as a process does that works there
            plan = self.batch("--dry-run")
            account.close()
            self.assertEqual((plan["bought"], plan["bills"]["at_most"]), (0, 5))
            self.assertIn("another process works in this folder", plan["warnings"][0])
            self.rows({"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}, {"prompt": "d"})
            ran = self.image("--batch", "rows.jsonl", "--output", "out")
            self.assertIn("3 of 4 rows are left; this run bills at most 0 images;", ran.stderr)
            told = self.batch(code=6)
            self.assertEqual((told["made"], told["unknown"], len(there.of("submit"))), (3, 1, 4))
            self.assertEqual(self.json("--batch", "rows.jsonl", "--output", "new", "--dry-run")["warnings"], [])
            self.assertEqual(len(list((self.cwd / "out").glob("*.png"))), 4)
            self.assertEqual(self.batch(code=6)["made"], 3)

    def test_a_kill_while_a_throttled_row_waits_leaves_no_doubt(self) -> None:
        """The service refused it, so the next run makes it: nothing is unknown, and nothing is set aside for it."""
        self.rows({"prompt": "a"})
        kept = self.cwd / "killed.db"
        account = self.cwd / "out" / ".batch" / "account.db"

        def copied(seconds: float) -> None:  # what a kill in the pause leaves
            if account.exists() and not kept.exists():
                kept.write_bytes(account.read_bytes())
            sleep(seconds)

        sleep, self.clock.sleep = self.clock.sleep, copied  # type: ignore[method-assign]
        with self.standin(faults=["submit=429*2"]):
            told = self.batch()
            self.assertEqual((told["made"], told["billed"], kept.exists()), (1, 1, True))
            (self.cwd / "out" / "results.jsonl").unlink()
            kept.replace(account)
            told = self.batch()
            self.assertEqual((told["made"], told["unknown"], told["billed"]), (1, 0, 1))

    def test_an_unknown_row_whose_line_was_lost_is_not_bought_again(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin(faults=["submit=lose*1"]) as there:
            self.batch("--at-once", "1", code=6)
            (self.cwd / "out" / "results.jsonl").unlink()
            told = self.batch("--at-once", "1", code=6)
            self.assertEqual((told["made"], told["unknown"], there.orders), (1, 1, {"a": 1, "b": 1}))

    def test_what_a_kill_left_in_the_air_does_not_stop_the_next_run(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(4)))
        with self.standin() as there:
            self.batch("--max-images", "3", "--at-once", "1", code=1)
            account = self.cwd / "out" / ".batch" / "account.db"
            with closing(sqlite3.connect(account)) as database, database:
                database.execute("UPDATE runs SET state = 'submitting', delivered = 0, task_id = '', urls = '[]'")
            (self.cwd / "out" / "results.jsonl").unlink()
            told = self.batch(code=6)
            self.assertEqual((told["unknown"], told["made"], told["left"]), (3, 1, 0))
            self.assertEqual(set(there.orders.values()), {1})

    def test_lines_that_somebody_else_wrote(self) -> None:
        """Odd values in lines of the right form cost nothing but themselves, in the plan, the run and the page."""
        self.rows({"prompt": "a", "id": "tom"}, {"prompt": "b"})
        with self.standin() as there:
            self.batch("--max-images", "1", code=1)
            key = self.lines()[0]["key"]
            with (self.cwd / "out" / "results.jsonl").open("ab") as results:
                for odd in ([1], {"a": 1}, -5, True, 10**30, "\x00"):
                    fields = dict.fromkeys(
                        ("id", "row", "error", "files", "units", "base", "model", "request", "shard"), odd
                    )
                    file = dict.fromkeys(("width", "height", "bytes", "duration"), odd)
                    for each in ("0" * 16, key):
                        line = {"key": each, "state": "refused", **fields, "files": [odd, {"path": "tom.png", **file}]}
                        results.write(
                            json.dumps({**line, "units": 0, "base": self.env["DASHSCOPE_HTTP_BASE_URL"]}).encode()
                            + b"\n"
                        )
                    results.write(json.dumps({"key": odd, "state": odd}).encode() + b"\n")
                results.write(b"[" * 10_000 + b"\n{\xff\n" + b'{"key": "torn')
            for flags, code in ((("--dry-run",), 0), ((), 0), (("--again",), 0)):
                self.assertEqual(self.batch(*flags, code=code)["made"], 1 if flags == ("--dry-run",) else 2)
            self.assertEqual(there.orders, {"a": 1, "b": 1})
            self.assertEqual(self.image("--gallery", "out").code, 0)

    def test_an_again_in_one_file_does_not_outdo_what_followed_in_another(self) -> None:
        """A shard or the whole tries a row `--again` and is killed, and another cut goes on with it."""
        key = "0" * 15 + "2"
        for first, second in (((0, 2), (0, 1)), ((0, 1), (0, 2))):
            with self.subTest(first=first):
                at = str(self.cwd / f"of-{first[1]}")

                def opened(shard: tuple[int, int], *then: str, at: str = at) -> str:
                    """What a run finds of the row before it writes so many lines of it."""
                    folder = Folder(at, shard, self.clock, self.fail, self.fail)
                    folder.read()
                    folder.take()
                    for state in then:
                        folder.write({"key": key, "state": state, "units": int(state != "again")})
                    folder.close()
                    return folder.state(key) if not then else ""

                opened(first, "refused", "again")
                self.assertEqual((opened(first), opened(second)), ("", ""))
                opened(second, "unknown")
                self.assertEqual((opened(first), opened(second)), ("unknown", "unknown"))
                opened(second, "again")
                self.assertEqual((opened(first), opened(second)), ("", ""))
                opened(first, "made")
                self.assertEqual((opened(first), opened(second)), ("made", "made"))
                folder = Folder(at, second, self.clock, self.fail, self.fail)
                folder.read()
                self.assertEqual(sum(folder.told_units.values()), 3)
                self.assertEqual([line["state"] for line in folder.endings()], ["made"])

    @unittest.skipIf(sys.platform == "win32", "no limit of a file's size")
    def test_a_line_that_did_not_fit_spoils_no_other(self) -> None:
        import resource

        folder = Folder(str(self.cwd), (0, 1), self.clock, self.fail, self.fail)
        folder.take()
        self.addCleanup(folder.close)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        line = {"key": "1" * 16, "state": "made"}
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            with self.assertRaises(OutputError):
                folder.write(line)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        folder.write({**line, "key": "2" * 16})
        self.assertEqual([told["key"] for told in folder.lines()], ["2" * 16])

    def test_a_file_that_is_edited_and_results_that_are_moved_while_rows_are_made(self) -> None:
        path, results = self.cwd / "rows.jsonl", self.cwd / "out" / "results.jsonl"
        for meddle, code in (
            (lambda: path.write_text('{"prompt": \n' * 3), 5),
            (lambda: results.replace(self.cwd / "moved"), 7),
        ):
            with self.subTest(code), self.standin() as there:
                shutil.rmtree(self.cwd / "out", ignore_errors=True)
                self.rows(*({"prompt": prompt} for prompt in "aba"))
                once(there, meddle)
                self.assertGreater(self.batch(code=code)["left"], 0)
                self.rows(*({"prompt": prompt} for prompt in "aba"))
                self.assertEqual(self.batch()["made"], 3)
                self.assertEqual(there.orders, {"a": 1, "b": 1})

    def test_one_process_at_a_time(self) -> None:
        self.rows({"prompt": "a"})
        account = Account(str(self.cwd / "out" / ".batch"), self.clock, shared=False)
        account.hold()
        self.addCleanup(account.close)
        with self.standin() as there:
            for shard in ((), ("--shard", "1/2")):
                self.assertIn("another process", self.batch(*shard, code=3)["error"]["message"])
            self.assertEqual(there.sent, [])

    def test_a_wait_for_a_fellow_that_took_too_long_has_a_next(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin():
            Account(str(self.cwd / "out" / ".batch"), self.clock, shared=False).hold()  # an earlier run of the whole
            lock = locks.take(str(self.cwd / "out" / ".batch" / "look.lock"), lasting=True)
            assert lock
            told = self.batch("--shard", "1/2", "--timeout", "1", code=2)
            self.assertEqual((told["error"]["kind"], told["error"]["billed"]), ("running", "no"))
            self.assertIn("--shard 1/2", told["next"])
            lock.release()

    def test_a_damaged_account_is_put_right_before_its_rows_are_bought_again(self) -> None:
        for cut in ((), ("--shard", "1/2")):
            with self.subTest(cut), self.standin(delay=60) as there:
                shutil.rmtree(self.cwd / "out", ignore_errors=True)
                (self.cwd / "out").mkdir()
                self.rows(*(f'{{"prompt": "{number}", "model": "wan2.6-t2i"}}' for number in range(3)))
                self.batch("--timeout", "1", code=2)
                path = self.cwd / "out" / ".batch" / "account.db"
                with closing(sqlite3.connect(path)) as database, database:
                    database.execute("UPDATE runs SET folder = x'00' WHERE number = 3")
                self.clock.sleep(60)
                self.assertIn("; runs recovered: 2", str(self.batch(*cut)["warnings"]))
                self.batch("--timeout", "100")
                self.assertEqual(sorted(there.orders.values()), [1, 1, 2])
                path.unlink()
                path.mkdir()
                with (self.cwd / "rows.jsonl").open("a") as file:
                    file.write('{"prompt": "new"}\n')
                error = self.batch(*cut, code=5)["error"]
                self.assertIn("could not be read", error["message"])
                self.assertNotIn("QIANWEN_STATE_DIR", error["hint"])
                self.assertNotIn("new", there.orders)

    def test_a_shard_waits_while_its_fellow_collects_what_both_have_to(self) -> None:
        """Else it would take the fellow for a run of the whole, or pass over the account and buy its rows again."""
        waits: list[int] = []

        def wait() -> None:
            waits.append(1)
            if len(waits) > 1:
                raise StillRunning("the time is up")

        at = str(self.cwd / "out")
        whole, first, second = (Folder(at, shard, self.clock, wait, self.fail) for shard in ((0, 1), (0, 2), (1, 2)))
        for folder in (whole, first):
            folder.take()
            folder.close()
        first.take()
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        accounts = first.idle_accounts()
        self.assertEqual([next(accounts), next(accounts).folder], [first.account, whole.account.folder])
        with self.assertRaises(StillRunning):
            second.take()
        accounts.close()  # type: ignore[attr-defined]
        second.close()
        second.take()
        accounts = first.idle_accounts()
        self.assertEqual([next(accounts), next(accounts).folder], [first.account, whole.account.folder])
        with self.assertRaises(StillRunning):
            list(second.idle_accounts())
        accounts.close()  # type: ignore[attr-defined]
        self.assertEqual([account.folder for account in second.idle_accounts()][1:], [whole.account.folder])
        self.assertEqual(len(waits), 3)

    def test_no_account_is_passed_over_because_a_process_that_plans_is_reading_it(self) -> None:
        """What is open there would be bought again; and that a plan is made is no reason to refuse a run."""
        self.rows({"prompt": "a", "model": "wan2.6-t2i"})
        with self.standin(delay=60) as there:
            self.batch("--timeout", "1", code=2)
            at = str(self.cwd / "out")
            reader = Account(str(self.cwd / "out" / ".batch"), self.clock, shared=False)
            waits: list[int] = []

            def wait() -> None:
                waits.append(1)
                if len(waits) % 2 == 0:
                    reader.close()

            shard = Folder(at, (1, 2), self.clock, wait, self.fail)
            for work in (shard.take, lambda: list(shard.idle_accounts())):
                self.assertTrue(reader.hold())
                work()
            shard.close()
            self.assertEqual(len(waits), 4)
            self.assertTrue(reader.hold())
            plan = self.batch("--dry-run", "--shard", "1/2")
            self.assertIn("another process looks at", plan["warnings"][0])
            reader.close()
            look = self.cwd / "out" / ".batch" / "look.lock"
            look.unlink()
            look.mkdir()  # as where nothing can be written
            self.assertIn("cannot be used", self.batch("--dry-run", "--shard", "1/2")["warnings"][0])
            look.rmdir()
            self.clock.sleep(60)
            lock = self.cwd / "out" / ".batch" / "account.lock"
            lock.unlink()
            lock.mkdir()
            for shard_of_it in ("0/2", "1/2"):
                self.batch("--shard", shard_of_it, code=3)
            lock.rmdir()
            self.assertEqual(sum(self.batch("--shard", which)["made"] for which in ("0/2", "1/2")), 1)
            self.assertEqual(there.orders, {"a": 1})

    def test_tasks_and_resume_name_a_batch_that_is_not_over(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin(delay=1000) as there:
            told = self.batch("--timeout", "20", code=2)
            for flag in ("--tasks", "--resume"):
                (found,) = self.json(flag)["batches"]
                self.assertEqual((found["command"], found["folder"]), (told["next"], told["folder"]))
            (line,) = self.image("--tasks").stdout.splitlines()  # and no word that nothing was bought
            self.assertIn(told["next"], line)
            self.assertEqual(len(there.of("poll", "list")), len(there.of("poll")))
            self.clock.sleep(1000)
            self.batch()
            self.assertNotIn("batches", self.json("--tasks"))

    def test_what_is_not_over_does_not_begin_anew_where_its_folder_is_not(self) -> None:
        rows, first, other = str(self.rows({"prompt": "a"})), self.cwd, self.folder / "other"
        other.mkdir()
        with self.standin(delay=1000) as there:
            place = Path(self.json("--batch", "../cwd/rows.jsonl", "--timeout", "20", code=2)["folder"])
            self.cwd = other
            for flags in ((), ("--dry-run",)):
                told = self.json("--batch", "../cwd/rows.jsonl", *flags, code=3)["error"]
                self.assertIn(f"--output {place}", told["hint"])
            place.rename(other / "moved")
            (told,) = self.json("--tasks")["batches"]
            ran = self.image(*shlex.split(told["command"])[2:])
            self.assertEqual((ran.code, f"{place} is gone" in ran.stderr), (3, True))
            self.assertEqual(there.orders, {"a": 1})
            self.clock.sleep(1000)
            self.assertEqual(self.batch(file=rows, output="moved")["made"], 1)
            self.assertEqual(there.orders, {"a": 1})
            place.mkdir()
            self.cwd = first
            self.json("--batch", rows, "--timeout", "20", code=2)
            self.assertEqual(there.orders, {"a": 2})

    def test_a_command_that_would_be_printed_changed_is_not_printed(self) -> None:
        """Its rows would ask otherwise, and be bought again."""
        self.rows({"prompt": "a"})
        signed = "https://b.oss-cn-beijing.aliyuncs.com/a.png?Expires=9999999999&Signature=abcdef"
        flags = ("--batch", "rows.jsonl", "--model", "wan2.7-image", "--timeout", "20")
        for number, default in enumerate((("--image", signed), ("--negative-prompt", "fog\nrain"))):
            with self.subTest(default), self.standin(delay=1000):
                ran = self.image(*flags, *default, "--output", f"out{number}")
                told = self.json(*flags, *default, "--output", f"out{number}", code=2)
                self.assertIn(default[1], shlex.split(told["next"]))
                for text in (ran.stderr, self.image("--resume").stderr, self.image("--tasks").stdout):
                    self.assertIn("(told by --print-response", text)
                    self.assertNotIn("--timeout", text)
                self.clock.sleep(1000)
                self.assertEqual(self.image(*shlex.split(told["next"])[2:]).code, 0)

    def test_rows_that_became_new_ones_are_told_before_they_cost(self) -> None:
        self.rows({"prompt": "a"}, {"prompt": "b"})
        with self.standin() as there:
            self.batch()
            told = "the results have 2 rows that this file and these flags do not ask for"
            for flags, is_told in (((), False), (("-n", "1", "--dry-run"), True), (("-n", "1"), True)):
                self.assertEqual(told in str(self.batch(*flags)["warnings"]), is_told, flags)
            self.assertEqual(there.orders, {"a": 2, "b": 2})
            self.rows({"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"})
            self.assertIn("the results have 2 rows", str(self.batch()["warnings"]))

    def test_results_that_cannot_be_read_are_not_left_for_another_folder(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin():
            self.batch()
            results = self.cwd / "out" / "results.jsonl"
            results.unlink()
            results.mkdir()
            self.assertIn("another --output buys every row again", self.batch(code=3)["error"]["hint"])

    def test_what_began_elsewhere_is_not_known_without_the_account(self) -> None:
        rows = str(self.rows({"prompt": "a"}))
        path = Path(self.ledger.folder) / "account.db"
        path.parent.mkdir(parents=True)
        with self.standin() as there:
            path.mkdir()  # as good as one that is locked
            self.assertIn("could not be read", self.json("--batch", rows, code=5)["error"]["message"])
            self.assertEqual(there.orders, {})
            path.rmdir()
            path.write_bytes(bytes(5000))
            told = self.json("--batch", rows)
        self.assertEqual((told["made"], "was damaged" in told["warnings"][0]), (1, True))

    def test_what_bought_nothing_may_begin_elsewhere(self) -> None:
        rows = self.rows({"prompt": "a"})
        key = self.env.pop("DASHSCOPE_API_KEY")
        self.json("--batch", rows.name, code=4)
        self.assertNotIn("batches", self.json("--tasks"))
        shutil.rmtree(self.cwd / "output")
        self.env["DASHSCOPE_API_KEY"] = key
        with self.standin():
            self.assertEqual(self.json("--batch", rows.name)["made"], 1)

    def test_the_other_program_makes_something_else_of_the_same_file(self) -> None:
        rows = str(self.rows({"prompt": "a"}))
        with self.standin(delay=1000):
            self.json("--batch", rows, "--timeout", "20", code=2)
            self.assertEqual(self.video_json("--batch", rows, "--dry-run")["left"], 1)

    def test_a_batch_is_one_by_whatever_links_its_folder_is_named(self) -> None:
        self.rows({"prompt": "a"})
        with self.standin(delay=1000):
            self.batch("--timeout", "20", code=2)
            (self.cwd / "link").symlink_to("out")
            self.clock.sleep(1000)
            self.batch(output="link")
            self.assertEqual(self.ledger.batches(), [])


class Caps(Case):
    def test_a_large_batch_needs_one(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(101)))
        with self.standin() as there:
            told = self.batch(code=3)
            self.assertEqual(there.sent, [])
        self.assertIn("up to 101 images", told["error"]["message"])
        self.assertIn("--max-images", told["error"]["hint"])

    def test_it_holds_over_all_runs(self) -> None:
        self.rows(*({"prompt": f"p{number}", "n": 2} for number in range(6)))
        with self.standin(delay=1) as there:
            for most, made in (("5", 2), ("5", 2), ("9", 4), ("12", 6)):
                told = self.batch("--max-images", most, code=0 if made == 6 else 1)
                self.assertEqual((told["made"], told["billed"]), (made, 2 * made))
                self.assertEqual(sum(there.orders.values()), made)
                self.assertEqual(told.get("error", {}).get("kind"), None if made == 6 else "capped")

    def test_it_holds_when_the_account_is_lost(self) -> None:
        """A copy of a folder easily leaves `.batch` behind; the lines tell what was billed."""
        self.rows(*({"prompt": f"p{number}", "n": 2} for number in range(6)))
        with self.standin() as there:
            self.batch("--max-images", "6", code=1)
            for most, made in (("6", 3), ("9", 4), ("10", 5)):
                shutil.rmtree(self.cwd / "out" / ".batch")
                told = self.batch("--max-images", most, code=1)
                self.assertEqual((told["billed"], sum(there.orders.values())), (2 * made, made))

    def test_it_holds_when_shards_and_the_whole_take_turns(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(40)))
        with self.standin() as there:
            for cut in ("1/2", "", "2/2", "1/2", "2/3", "3/3", "1/3"):
                self.batch("--max-images", "10", *(("--shard", cut) if cut else ()), code=1)
                self.assertLessEqual(sum(there.orders.values()), 10, cut)
            self.assertEqual(sum(there.orders.values()), 10)

    def test_a_dry_run_says_what_the_cap_will_do(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(101)))
        for flags, words in (
            ((), "the run itself needs --max-images N: it may bill up to 101 images"),
            (("--max-images", "7"), "--max-images 7 may stop it early: all rows may bill up to 101 images"),
            (("--max-images", "101"), ""),
        ):
            ran = self.image("--batch", "rows.jsonl", "--dry-run", *flags)
            self.assertEqual((ran.code, "cap" in ran.stdout), (0, False))
            self.assertIn(words, ran.stderr)
            self.assertEqual("Note:" in ran.stderr, bool(words))

    def test_a_single_request_has_one_too(self) -> None:
        with self.standin() as there:
            told = self.json("x", "-n", "3", "--max-images", "2", code=1)
            self.assertEqual((told["error"]["kind"], there.sent), ("capped", []))
            self.json("x", "-n", "2", "--max-images", "2")


class Plans(Case):
    def test_the_plan_and_later_the_progress(self) -> None:
        self.rows(
            *({"prompt": f"p{number}", "id": number} for number in range(4)),
            {"prompt": "p0"},
            {"prompt": "q", "model": PRO},
        )
        plan = self.batch("--dry-run")
        self.assertEqual((plan["left"], plan["repeated"], plan["bills"]["at_most"]), (6, 1, 5))
        self.assertEqual(plan["models"][PRO], {"left": 1, "at_most": 1, "seconds": 30})
        self.assertFalse((self.cwd / "out").exists())
        with self.standin():
            self.batch()
        self.rows({"prompt": "other", "id": 0}, {"prompt": "p1", "id": 1})
        plan = self.batch("--dry-run")
        self.assertEqual((plan["made"], plan["left"], plan["changed_ids"]), (1, 1, 1))
        text = self.image("--batch", "rows.jsonl", "--output", "out", "--dry-run").stdout
        self.assertIn("2 rows: 1 made, 1 left", text)
        self.assertIn("nothing was sent", text)

    def test_a_time_is_told_with_what_it_assumes(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(8)))
        for flags, model, said in (
            ((), "wan2.6-t2i", "about 24 s at the documented pace"),
            ((), "qwen-image-3.0", "about 60 s at a guessed pace"),
            (("--at-once", "4"), "wan2.6-t2i", "about 30 s with 4 at once"),
        ):
            with self.subTest(said):
                page = self.image("--batch", "rows.jsonl", "--dry-run", "--model", model, *flags).stdout
                self.assertIn(said, page)
        whole, parts = (self.batch("--dry-run", *flags) for flags in ((), ("--shard", "0/2")))
        self.assertEqual(parts["seconds"], round(whole["seconds"] * parts["left"] * 2 / 8))

    def test_pictures_that_are_sent_and_billed_are_in_the_plan(self) -> None:
        rows = ({"prompt": f"p{number}", "reference_images": "https://example.com/a.png"} for number in range(3))
        self.rows(*rows, {"prompt": "x"})
        plan = self.batch("--dry-run", "--model", "qwen-image-3.0-pro")
        self.assertEqual((plan["bills"]["at_most"], plan["bills"]["input_images"]), (4, 3))
        page = self.image("--batch", "rows.jsonl", "--dry-run", "--model", "qwen-image-3.0-pro").stdout
        self.assertIn("what is left bills at most 4 images and 3 input images;", page)
        self.assertNotIn("input_images", self.batch("--dry-run", "--model", "wan2.7-image")["bills"])
        page = self.image("--batch", "rows.jsonl", "--dry-run", "--model", "qwen-image-2.1-pro").stdout
        self.assertIn("bills at most 4 images; no page says whether pictures that are sent are billed;", page)
        self.rows({"prompt": "x", "video_url": "https://example.com/a.mp4"}, name="clips.jsonl")
        plan = self.video_json("--batch", "clips.jsonl", "--dry-run")
        self.assertEqual((plan["bills"]["at_most"], plan["bills"]["input_clips"]), (20, 10))

    def test_flags_that_do_not_go_together(self) -> None:
        self.rows({"prompt": "x"})
        for flags in (["a prompt"], ["--submit-only"], ["--task-id", "x"], ["--overwrite"], ["--record", "x"], ["--reuse"],
                      ["--via", "desirecore"], ["--resume"], ["--async"], ["--shard", "3/2"], ["--shard", "x"], ["--at-once", "0"],
                      ["--file", "-"], ["--at-once", "257"], ["--gallery", "out"]):  # fmt: skip
            with self.subTest(flags):
                self.batch(*flags, code=3)
        for flags in (["--shard", "1/2"], ["--at-once", "2"]):
            self.assertIn("needs --batch", self.json("x", *flags, code=3)["error"]["message"])


class Shards(Case):
    def test_every_row_is_in_one_shard_and_the_whole_tells_all(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(20)))
        for count in range(1, 17):
            parts = [self.batch("--dry-run", "--shard", f"{index}/{count}")["rows"] for index in range(count)]
            self.assertEqual(sum(parts), 20)
            self.assertEqual(self.batch("--dry-run", "--shard", f"{count}/{count}")["rows"], parts[0])
        with self.standin() as there:
            parts = [self.batch("--shard", shard, "--max-images", "20")["made"] for shard in ("1/3", "3/3")]
            (batch,) = self.ledger.batches()
            self.assertNotIn("--shard", batch.command)
            names = sorted(path.name for path in (self.cwd / "out").glob("*.jsonl"))
            self.assertEqual(names, ["results.0-of-3.jsonl", "results.1-of-3.jsonl"])
            told = self.batch("--max-images", "20")
            self.assertEqual((told["made"], told["billed"], len(there.of("submit"))), (20, 20, 20))
            self.assertLess(sum(parts), 20)
            self.assertEqual(self.ledger.batches(), [])

    def test_what_was_bought_by_one_and_collected_by_another_is_counted_once(self) -> None:
        self.rows(*({"prompt": f"p{number}"} for number in range(6)))
        for first, then in (
            (("--shard", "0/2"), ()),
            ((), ("--shard", "0/1")),
            (("--shard", "0/2"), ("--shard", "0/3")),
        ):
            output = "".join(("out", *first, *then)).replace("/", "of")
            with self.subTest(output), self.standin(delay=1000) as there:
                self.batch(*first, "--timeout", "20", code=2, output=output)
                self.clock.sleep(1000)
                for flags in (then, then, (), ()):
                    told = self.batch(*flags, "--max-images", "60", output=output)
                self.assertEqual((told["made"], told["billed"]), (6, 6))
                (self.cwd / output / ".batch").rename(self.cwd / f"lost-{output}")
                self.assertEqual(self.batch(output=output)["billed"], 6)
                self.assertEqual(there.orders, {f"p{number}": 1 for number in range(6)})


class Rows(Case):
    def test_a_row_is_redacted_and_small(self) -> None:
        picture = support.data_url(300, 300)
        other, link = "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "https://b.oss-cn-beijing.aliyuncs.com/a.png"
        signed = f"{link}?Expires=9999999999&Signature=abcdef"
        self.rows({"prompt": f"{support.KEY} {other}", "reference_images": [picture, signed]})
        with self.standin() as there:
            self.batch()
            self.assertIn(signed, str(there.of("submit")[0].json))
        text = (self.cwd / "out" / "results.jsonl").read_text() + str(list((self.cwd / "out").iterdir()))
        self.assertIn(link, text)
        for secret in (support.KEY[:20], other[:20], "Signature"):
            self.assertNotIn(secret, text)
        self.assertNotIn(picture, text)
        self.assertIn("characters)", text)

    def test_warnings_name_their_row(self) -> None:
        self.rows(*({"prompt": f"p{number}", "model": "wan2.7-image-next"} for number in range(3)))
        with self.standin() as there:
            there.takes_new = True
            told = self.batch()
        self.assertTrue(all(warning.startswith("row 1: ") for warning in told["warnings"]), told["warnings"])
