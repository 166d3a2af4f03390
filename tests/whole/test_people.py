"""What a person at a terminal reads: errors in the words that were typed, the page for a key, ids, sums, Ctrl-C."""

from __future__ import annotations

import unittest
from typing import Any

from qianwen import regions
from qianwen.http.messages import Fault
from qianwen.sandbox import placeholder

from ..support import Case, Script, answer

VIDEO = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.mp4"


class Errors(Case):
    def test_a_problem_is_told_of_the_flag_that_was_typed(self) -> None:
        for run, argv, words in (
            (self.image, ("x", "--image", "nope.png"), "Error: --image: nope.png does not exist"),
            (self.image, ("x", "-n", "9"), "Error: -n: 9 is out of range"),
            (self.image, ("x", "--ratio", "1:99"), "Error: --size: 1:99"),
            (self.video, ("x", "--image", "nope.png"), "Error: --image: nope.png does not exist"),
            (self.video, ("x", "--duration", "99"), "Error: --duration: 99 is out of range"),
            (self.image, ("x", "--set", "n=9"), "Error: n: 9 is out of range"),
        ):
            with self.subTest(argv):
                self.assertIn(words, run(*argv, "--dry-run").stderr)
        problem = self.json("x", "-n", "9", "--dry-run", code=3)["problems"][0]
        self.assertEqual(problem["path"], "n", "programs read the field")

    def test_nothing_to_make_is_told_with_an_example(self) -> None:
        self.assertIn('image.py "A cat on a windowsill"', self.image().stderr)

    def test_without_a_key_there_is_the_page_where_one_is_made(self) -> None:
        for key in ("", "sk-your-key-here"):
            self.env = {"DASHSCOPE_API_KEY": key}
            ran = self.image("x")
            self.assertEqual(ran.code, 4)
            self.assertIn(regions.KEYS_PAGE, ran.stderr)
        self.assertNotIn("=sk-your", ran.stderr, "whoever has a placeholder must not be told to write one")

    def test_a_network_error_names_the_host_once(self) -> None:
        lost = Fault("the host name could not be resolved", sent=False)
        ran = self.image("x", send=Script(*[lost] * 9))
        self.assertEqual(ran.code, 5)
        self.assertIn("Error: dashscope.aliyuncs.com: the host name could not be resolved\n", ran.stderr)
        self.assertNotIn("in 0.0 s", ran.stderr)

    def test_a_plan_names_the_page_of_prices(self) -> None:
        self.assertIn(f"\n# prices: {regions.PRICES_PAGE}\n", self.image("x", "--dry-run").stdout)
        self.assertEqual(self.json("x", "--dry-run")["prices"], regions.PRICES_PAGE)

    def test_what_no_json_may_say_twice(self) -> None:
        ran = self.image("--request", '{"prompt": "a", "prompt": "b"}')
        self.assertEqual(ran.code, 3)
        self.assertIn("'prompt' is given twice", ran.stderr)
        self.assertIn("--set gives n twice", self.image("x", "--set", "n=1", "--set", "n=2").stderr)


class Stopped(Case):
    def test_ctrl_c_says_that_the_task_goes_on_and_how_to_stop_it(self) -> None:
        def send(request: Any) -> Any:
            if request.method == "POST":
                return answer({"output": {"task_id": "t-1", "task_status": "PENDING"}, "request_id": "r"})
            raise KeyboardInterrupt

        ran = self.video("x", send=send)
        self.assertEqual(ran.code, 130)
        self.assertNotIn("Error", ran.stderr)
        self.assertRegex(
            ran.stderr, "Stopped: .*\nHint: the task goes on, and is billed if it succeeds; --cancel .*\nContinue"
        )
        error = self.video_json("y", code=130, send=send)["error"]
        self.assertEqual((error["kind"], error["billed"]), ("interrupted", "unknown"))
        self.assertIn("--cancel", error["hint"])


class Ids(Case):
    def test_the_beginning_of_an_id_and_last(self) -> None:
        with self.standin(delay=60.0) as standin:
            ids = [self.video_json(f"x{number}", "--submit-only")["task_id"] for number in range(2)]
            self.assertEqual(self.video("--cancel", ids[0][:6]).stdout, f"{ids[0]}\n")
            self.assertEqual(self.video_json("--cancel", "last")["task_id"], ids[1])
            self.assertTrue(all(task.canceled for task in standin.tasks.values()))
            unknown = self.video_json("--cancel", "feedfeed", code=1)
            self.assertIn("knows no task feedfeed", unknown["error"]["message"])
            self.assertNotIn("next", unknown)
            self.assertEqual(self.image("--cancel", "last").code, 3, "this program has submitted none")

    def test_several_that_begin_alike_are_named(self) -> None:
        for task_id in ("abcd-1", "abcd-2"):
            submitted = answer({"output": {"task_id": task_id, "task_status": "PENDING"}})
            self.video(task_id, "--submit-only", send=Script(submitted))
        ran = self.video("--cancel", "abcd", send=Script())
        self.assertEqual(ran.code, 3)
        self.assertIn("abcd-1, abcd-2", ran.stderr)


class Sums(Case):
    def done(self, duration: int) -> dict[str, Any]:
        output = {"task_id": f"t{duration}", "task_status": "SUCCEEDED", "video_url": VIDEO}
        return {"output": output, "usage": {"duration": duration, "video_count": 1}}

    def test_what_this_machine_bought_in_units(self) -> None:
        for seconds in (5, 10):
            submitted = answer({"output": {"task_id": f"t{seconds}", "task_status": "PENDING"}})
            film = answer(placeholder.clip(), content_type="video/mp4")
            self.assertEqual(self.video(f"{seconds}", send=Script(submitted, answer(self.done(seconds)), film)).code, 0)
        self.video("a", send=Script(answer({"code": "InvalidParameter", "message": "no"}, 400)))
        self.video("b", "--submit-only", send=Script(answer({"output": {"task_id": "u", "task_status": "PENDING"}})))
        reply = self.json("--tasks", "--since", "1d")
        self.assertEqual(reply["bought"], {"runs": 3, "images": 0, "seconds": 15, "uncounted": 1})
        self.assertEqual(len(reply["tasks"]), 4)
        last = self.image("--tasks", "--since", "1d").stdout.splitlines()[-1]
        self.assertIn("bought in 3 runs: 15 seconds; 1 run more may be billed; prices: https://", last)
        self.clock.sleep(90000)
        self.assertEqual(self.json("--tasks", "--since", "1d")["bought"]["runs"], 0)

    def test_a_stand_in_bills_nothing(self) -> None:
        with self.standin():
            self.assertEqual(self.image("x").code, 0)
            self.assertEqual(self.json("--tasks", "--since", "1h")["bought"]["runs"], 0)
            self.assertIn("nothing yet; a stand-in bills nothing", self.image("--tasks", "--since", "1h").stdout)

    def test_ages(self) -> None:
        for age in ("1d", "12h", "30m", "2w"):
            self.assertEqual(self.image("--tasks", "--since", age).code, 0)
        for age in ("0d", "1", "d", "-1d", "1y", "١d", "1.5d"):
            self.assertEqual(self.image("--tasks", "--since", age).code, 3, age)
        self.assertEqual(self.image("--since", "1d").code, 3)


class Told(Case):
    def test_placeholders_can_be_told_apart(self) -> None:
        captions = [placeholder.caption(text) for text in ("A red boat", "A red boat sails", "一只猫", "一只狗", "")]
        self.assertEqual(len(set(captions)), len(captions))
        self.assertTrue(captions[0].startswith("A red boat no."))
        with self.standin():
            pictures = [self.json(text, "--output", f"{text}/")["files"][0]["sha256"] for text in ("one", "two")]
            clips = [self.video_json(text, "--output", f"{text}/")["files"][0]["sha256"] for text in ("one", "two")]
        self.assertEqual((len(set(pictures)), len(set(clips))), (2, 2))

    def test_a_failed_task_hides_nothing_that_resume_saved(self) -> None:
        with self.standin(faults=["task=fail:InternalError*1"]):
            for number in range(3):
                self.video(f"x{number}", "--submit-only", "--output", f"{number}.mp4")
            ran = self.video("--resume")
        self.assertEqual(ran.code, 1)
        self.assertEqual(sorted(ran.stdout.splitlines()), [str(self.cwd / "1.mp4"), str(self.cwd / "2.mp4")])

    def test_a_redirect_of_the_reply_leaves_the_name_of_the_video_alone(self) -> None:
        (self.cwd / "boat.json").write_text("")
        with self.standin():
            reply = self.video_json("x", "--output", "boat.mp4")
        self.assertEqual(reply["local_path"], str(self.cwd / "boat.mp4"))
        self.assertEqual(reply["response_path"], str(self.cwd / "boat-2.json"))
        self.assertEqual((self.cwd / "boat.json").read_text(), "")


if __name__ == "__main__":
    unittest.main()
