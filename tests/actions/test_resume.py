"""What was paid for is finished by a later run: resumed, listed, offered, canceled, and never paid twice."""

from __future__ import annotations

import email.utils
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Iterator, NamedTuple
from unittest import mock
from urllib.parse import urlsplit

from qianwen.account.purchase import DESIRECORE_BASE, Purchase
from qianwen.account.store import Account
from qianwen.http.messages import Fault
from qianwen.plain import parallel
from qianwen.plain.record import changed
from qianwen.sandbox.faults import Fault as Trouble
from qianwen.sandbox.server import running
from qianwen.sandbox.standin import Incoming, Reply, StandIn

from .. import IS_SAMPLE, SCRIPTS
from ..account import RUN
from ..support import DATA, KEY, Case, Ran, Recording, Script, answer

ASYNC = ("x", "--async", "--output", "x.png")


class ResumeCase(Case):
    def state(self, task_id: str = "") -> str:
        """The state of the only run, or of a task's."""
        runs = [run for run in self.ledger.runs() if task_id in ("", run.task_id)]
        self.assertEqual(len(runs), 1)
        return self.ledger.state(runs[0])

    def bought(self, standin: Recording) -> int:
        """How many submissions the stand-in has accepted."""
        return len(standin.tasks) + len(standin.of("sync", "stream"))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.cwd.rglob("*") if path.is_file())


class Resume(ResumeCase):
    def test_nothing_open_is_no_error(self) -> None:
        self.env = {}
        reply = self.json("--resume")
        self.assertEqual((reply["ok"], reply["tasks"]), (True, []))
        self.assertEqual(self.image("--resume").stdout, "")

    def test_tasks_that_were_left_are_finished_where_they_were_wanted(self) -> None:
        with self.standin(delay=5) as standin:
            self.assertEqual(self.image(*ASYNC, "--submit-only").code, 0)
            self.assertEqual(self.image("y", "--async", "--timeout", "3", "--output", "deep/").code, 2)
            self.assertEqual(self.video("z", "--submit-only").code, 0)
            reply = self.json("--resume")
            self.assertEqual(self.bought(standin), 3)
        self.assertEqual([task["state"] for task in reply["tasks"]], ["done"] * 3)
        self.assertEqual([task["program"] for task in reply["tasks"]], ["image.py", "image.py", "video.py"])
        self.assertNotIn("next", reply)
        self.assertTrue((self.cwd / "x.png").is_file())
        self.assertEqual(len(list((self.cwd / "deep").iterdir())), 1)
        (clip,) = (self.cwd / "output" / "qianwen-video-generation").glob("*.mp4")
        self.assertEqual(reply["tasks"][2]["local_path"], str(clip))
        self.assertTrue(clip.with_suffix(".json").is_file())
        self.assertEqual(self.json("--resume")["tasks"], [])

    def test_looking_once(self) -> None:
        with self.standin(delay=50):
            self.image(*ASYNC, "--submit-only")
            reply = self.json("--resume", "--poll-once", code=2)
            self.assertEqual((reply["tasks"][0]["state"], reply["error"]["kind"]), ("waiting", "running"))
            self.assertIn("--resume --print-response", reply["next"])
            self.clock.sleep(50)
            ran = self.image("--resume", "--poll-once")
        self.assertEqual((ran.code, ran.stdout), (0, f"{self.cwd / 'x.png'}\n"))

    def test_the_most_urgent_end_is_the_exit_code_and_all_are_reported(self) -> None:
        with self.standin(faults=["task=fail*1"]) as standin:
            self.image("fails", "--async", "--submit-only")
            self.image("goes well", "--async", "--submit-only", "--output", "well.png")
            standin.delay = 5000
            self.image("takes long", "--async", "--submit-only")
            standin.delay = 0
            standin.tasks[list(standin.tasks)[2]].created = self.clock() + 9000
            reply = self.json("--resume", "--timeout", "20", code=2)
        self.assertEqual([task["state"] for task in reply["tasks"]], ["failed", "done", "waiting"])
        self.assertEqual([task["ok"] for task in reply["tasks"]], [False, True, False])
        self.assertEqual(reply["tasks"][0]["error"]["code"], "InternalError.Timeout")
        self.assertIn("--task-id", reply["tasks"][2]["next"])
        self.assertTrue((self.cwd / "well.png").is_file())

    STUCK = "3"  # of five, the task that never ends

    def left_open(self, standin: Recording) -> list[str]:
        """Leave five tasks, one of them stuck."""
        for number in range(5):
            self.image(str(number), "--async", "--submit-only", "--output", f"{number}.png")
        for task in standin.tasks.values():
            task.created += 9e9 if task.order.fields["prompt"] == self.STUCK else 5
        return [f"{number}.png" for number in range(5) if str(number) != self.STUCK]

    def test_one_that_is_stuck_holds_up_no_other(self) -> None:
        none = mock.Mock(side_effect=RuntimeError("can't start new thread"))
        starved = mock.patch.object(parallel, "threading", mock.Mock(wraps=threading, Thread=none))
        for name, threads in (("threads", nullcontext()), ("none to spare", starved)):
            with self.subTest(name), self.standin() as standin:
                self.env["QIANWEN_STATE_DIR"] = str(self.folder / name)
                others = self.left_open(standin)
                before = self.clock()
                moments: list[float] = []
                fetch = standin.handle

                def heard(route: str, incoming: Incoming, fetch: Any = fetch, moments: Any = moments) -> Reply:
                    moments.extend([self.clock()] if route == "result" else [])
                    return fetch(route, incoming)  # type: ignore[no-any-return]

                with mock.patch.object(standin, "handle", heard), threads:
                    ran = self.image("--resume", "--overwrite")
                self.assertEqual((ran.code, self.bought(standin)), (2, 5), ran.stderr)
                self.assertEqual(sorted(Path(line).name for line in ran.stdout.splitlines()), others)
                self.assertLess(max(moments) - before, 60)
                self.assertGreater(self.clock() - before, 590)
        self.assertTrue(none.called)

    def test_a_key_that_is_missing_ends_it_and_keeps_everything_open(self) -> None:
        with self.standin():
            self.image(*ASYNC, "--submit-only")
        del self.env["DASHSCOPE_API_KEY"]
        reply = self.json("--resume", code=4)
        self.assertEqual(reply["tasks"][0]["state"], "waiting")
        self.assertEqual(self.state(), "waiting")

    def test_a_task_that_another_key_does_not_know_stays_open_for_its_day(self) -> None:
        with self.standin() as standin:
            self.image(*ASYNC, "--submit-only")
            self.image("y", "--async", "--submit-only", "--output", "y.png")
            of_the_first_key, standin.tasks = standin.tasks, {}
            self.clock.sleep(30)
            self.assertEqual(self.json("--resume", "--poll-once", code=2)["error"]["kind"], "running")  # too young
            for seconds in (70, 86_000):
                self.clock.sleep(seconds)
                reply = self.json("--resume", code=1)
                self.assertEqual([task["state"] for task in reply["tasks"]], ["waiting"] * 2)
                self.assertEqual(reply["error"]["code"], "UNKNOWN")
                self.assertIn("with a key of its account", reply["error"]["hint"])
                self.assertIn("--resume", reply["next"])
                self.assertEqual((self.image(*ASYNC).code, len(standin.of("submit"))), (3, 2))
            standin.tasks = of_the_first_key
            self.assertEqual([task["state"] for task in self.json("--resume")["tasks"]], ["done"] * 2)
            self.assertEqual((self.names(), self.bought(standin)), (["x.png", "y.png"], 2))
            standin.tasks = {}
            reply = self.json("--task-id", self.ledger.runs()[0].task_id, code=1)
            self.assertEqual((reply["error"]["code"], "next" in reply), ("UNKNOWN", False))  # there is nothing to fetch

    def test_a_task_that_the_service_does_not_know_after_its_day_is_told_once_and_leaves(self) -> None:
        self.image(*ASYNC, "--submit-only", send=Script({"output": {"task_id": "t-1", "task_status": "PENDING"}}))
        self.clock.sleep(86_500)
        reply = self.json("--resume", code=1, send=Script({"output": {"task_id": "t-1", "task_status": "UNKNOWN"}}))
        self.assertEqual((reply["error"]["code"], self.state()), ("UNKNOWN", "expired"))
        self.assertIn("--task-id asks again", reply["error"]["hint"])
        self.assertNotIn("next", reply)
        self.assertEqual(self.json("--resume", send=Script())["tasks"], [])
        link = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/x.png"
        done = {"output": {"task_id": "t-1", "task_status": "SUCCEEDED", "results": [{"url": link}]}}
        picture = self.picture("a.png").read_bytes()  # the clock was wrong, and the key was another account's
        self.assertEqual(self.image("--task-id", "t-1", send=Script(done, answer(picture))).code, 0)
        self.assertEqual(self.state(), "done")

    def test_a_link_is_tried_whatever_the_clock_says_and_leaves_when_it_has_expired_after_its_day(self) -> None:
        link = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/x.png"
        made = {"output": {"choices": [{"message": {"content": [{"image": link}]}}]}, "usage": {"image_count": 1}}
        picture, expired = self.picture("a.png").read_bytes(), b"<Message>Request has expired.</Message>"
        for found, code, state in ((answer(picture), 0, "done"), (answer(expired, 403), 7, "expired")):
            with self.subTest(state):
                self.json("x", "--output", f"{state}.png", code=7, send=Script(made, answer(b"", 404)))
                self.clock.sleep(86_500)  # or the clock was wrong when it was bought
                reply = self.json("--resume", code=code, send=Script(found))
                (task,) = reply["tasks"]
                self.assertEqual((task["state"], "next" in reply), (state, False))
                self.assertEqual(self.json("--resume", send=Script())["tasks"], [])

    def test_a_link_whose_task_could_not_be_asked_for_another_is_not_given_up(self) -> None:
        task = {"task_id": "t-1", "task_status": "SUCCEEDED"}
        link = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/x.png"
        done, expired = {"output": {**task, "results": [{"url": link}]}}, answer(b"Request has expired.", 403)
        self.image(*ASYNC, "--submit-only", send=Script({"output": {"task_id": "t-1", "task_status": "PENDING"}}))
        self.clock.sleep(86_500)
        trouble = answer({"code": "InvalidApiKey", "message": "no"}, 401)
        reply = self.json("--resume", code=7, send=Script(done, expired, trouble))
        self.assertEqual((self.state(), "next" in reply), ("made", True))
        self.json("--resume", code=7, send=Script(done, answer(b"Request has expired.", 403), done, expired))
        self.assertEqual(self.state(), "expired")

    def test_a_task_that_is_unknown_elsewhere_stays_open(self) -> None:
        with self.standin():
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            home = dict(self.env)
        with self.standin():
            self.env["QIANWEN_STATE_DIR"] = self.ledger.folder
            self.clock.sleep(100)
            reply = self.json("--task-id", task_id, "--region", "intl", code=1)
            self.assertEqual((reply["error"]["code"], shlex.split(reply["next"])[2]), ("UNKNOWN", "--resume"))
        self.env = home
        self.assertEqual(self.state(), "waiting")

    def test_a_task_that_the_service_has_forgotten_is_closed_when_it_says_so_and_not_before(self) -> None:
        with self.standin() as standin:
            self.image(*ASYNC, "--submit-only")
            self.clock.sleep(8 * 86_400)  # a clock that was set forward, or a week
            self.assertEqual(self.image(*ASYNC).code, 3)
            self.assertEqual((self.state(), self.bought(standin)), ("waiting", 1))
            standin.tasks.clear()
            self.json("--task-id", self.ledger.runs()[-1].task_id, code=1)
            self.assertEqual(self.state(), "expired")
            self.assertEqual(self.json("--resume")["tasks"], [])
            self.assertEqual((self.image(*ASYNC).code, len(standin.of("submit"))), (0, 2))

    def test_what_is_over_stays_as_it_ended_when_the_service_has_forgotten_it(self) -> None:
        with self.standin(faults=["task=fail*1"]) as standin:
            self.assertEqual([self.image(text, *ASYNC[1:]).code for text in ("fails", "x")], [1, 0])
            standin.tasks.clear()
            self.clock.sleep(8 * 86_400)
            for run in self.ledger.runs():
                reply = self.json("--task-id", run.task_id, code=1)
                self.assertEqual((reply["error"]["code"], "next" in reply), ("UNKNOWN", False))
            self.assertEqual([run.state for run in self.ledger.runs()], ["failed", "done"])
            self.assertTrue(self.json(*ASYNC, "--reuse")["reused"])

    def test_pictures_that_could_not_be_fetched_are_fetched_later(self) -> None:
        for argv in (("x", "-n", "3", "--output", "a/"), ("y", "-n", "3", "--async", "--output", "b/")):
            with self.subTest(argv), self.standin(faults=["result=500*24"]) as standin:
                reply = self.json(*argv, code=7)
                self.assertEqual(len(reply["image_urls"]), 3)
                self.assertIn("--task-id" if "--async" in argv else "--resume --print-response", reply["next"])
                left = 3 - len(reply["files"])
                self.assertGreater(left, 0)
                standin.faults._left.clear()
                resumed = self.json("--resume")
                self.assertEqual(len(resumed["tasks"][0]["files"]), 3)
                self.assertEqual(len(list((self.cwd / argv[-1]).iterdir())), 3)
                self.assertEqual((self.bought(standin), self.json("--resume")["tasks"]), (1, []))

    def test_what_was_saved_already_is_not_saved_again(self) -> None:
        with self.standin(faults=["result=404*1"]):
            first = self.json("x", "-n", "3", "--output", "x.png", code=7)
            self.assertEqual(len(first["files"]), 2)
            reply = self.json("--resume")
        self.assertEqual(self.names(), ["x_1.png", "x_2.png", "x_3.png"])
        self.assertEqual(len(reply["tasks"][0]["files"]), 3)

    def test_a_file_that_was_changed_since_is_kept_and_made_anew_beside_it(self) -> None:
        with self.standin(faults=["result=404*1"]):
            first = self.json("x", "-n", "2", "--output", "x.png", code=7)
            Path(first["files"][0]["path"]).write_text("mine now")
            self.json("--resume")
        self.assertEqual(len(self.names()), 3)
        self.assertIn("mine now", [path.read_text(errors="replace") for path in self.cwd.iterdir()])

    def test_an_interleaved_answer_comes_with_its_text(self) -> None:
        argv = ("x", "--set", "enable_interleave=true", "--set", "stream=true", "--set", "max_images=2")
        with self.standin(faults=["result=404*1"]):
            self.json(*argv, "--output", "o/", code=7)
            reply = self.json("--resume")["tasks"][0]
        self.assertEqual([item["type"] for item in reply["interleaved_content"]], ["text", "image"] * 2)
        self.assertTrue(Path(reply["markdown_path"]).is_file())

    def test_a_folder_that_is_gone_and_cannot_be_made(self) -> None:
        with self.standin():
            self.image("x", "--async", "--output", "deep/x.png", "--submit-only")
            (self.cwd / "deep").rmdir()
            (self.cwd / "deep").write_text("in the way")
            reply = self.json("--resume", code=7)
        self.assertIn("--task-id", reply["error"]["hint"])
        self.assertEqual(self.state(), "waiting")

    def test_another_service_than_the_runs(self) -> None:
        self.ledger.begin(RUN)
        self.ledger.add(RUN.id, "task", task_id="t-1")
        with self.standin() as standin:
            reply = self.json("--resume", code=4)
        self.assertIn(RUN.base, reply["error"]["message"])
        self.assertIn("DASHSCOPE_HTTP_BASE_URL or --region", reply["error"]["hint"])
        self.assertEqual(standin.sent, [])

    def test_runs_of_another_base_are_told_in_one_line(self) -> None:
        for number in range(3):
            self.ledger.begin(changed(RUN, id=f"{number:016x}", request=str(number)))
            self.ledger.add(f"{number:016x}", "task", task_id=f"t-{number}")
        with self.standin():
            self.image(*ASYNC, "--submit-only")
            ran = self.image("--resume")
        self.assertEqual((ran.code, ran.stdout), (4, f"{self.cwd / 'x.png'}\n"))
        told = [line for line in ran.stderr.splitlines() if RUN.base in line and not line.startswith(("Error", "Hint"))]
        self.assertEqual(len(told), 1, ran.stderr)
        self.assertIn("3 requests went to", told[0])

    def test_what_is_finished_is_delivered_whatever_becomes_of_the_others(self) -> None:
        with self.standin() as standin:
            self.left_open(standin)
            self.assertEqual(len([task for task in self.json("--resume", code=2)["tasks"] if task["ok"]]), 4)
            self.assertNotIn("reused", self.json("0", "--async", "--output", "0.png"))
            self.assertEqual(self.bought(standin), 6)

    # where it was submitted, what is set afterwards, flags, the host that is asked
    HOMES: tuple[tuple[dict[str, str], dict[str, str], tuple[str, ...], str], ...] = (
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, {}, (), "ws-1.cn-beijing.maas.aliyuncs.com"),
        ({"DASHSCOPE_WORKSPACE": "ws-1", "QWEN_REGION": "eu"}, {}, (), "ws-1.eu-central-1.maas.aliyuncs.com"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, {"DASHSCOPE_WORKSPACE": "ws-2"}, (), "ws-1.cn-beijing.maas.aliyuncs.com"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, {"DASHSCOPE_WORKSPACE": "a/b"}, (), "ws-1.cn-beijing.maas.aliyuncs.com"),
        ({}, {"DASHSCOPE_WORKSPACE": "ws-2"}, (), "dashscope.aliyuncs.com"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, {}, ("--region", "cn"), "ws-1.cn-beijing.maas.aliyuncs.com"),
        ({"DASHSCOPE_WORKSPACE": "ws-1"}, {}, ("--region", "intl"), "dashscope-intl.aliyuncs.com"),
        ({}, {"QWEN_BASE_URL": "https://maas.qwencloudapi.com"}, (), "maas.qwencloudapi.com"),
        ({"QWEN_BASE_URL": "https://proxy.example.com/x"}, {}, (), "dashscope.aliyuncs.com"),
    )

    def test_a_task_is_looked_for_at_the_base_that_took_it(self) -> None:
        for number, (then, now, flags, host) in enumerate(self.HOMES):
            for way in ("--task-id", "--cancel", "--resume"):
                if way == "--resume" and (flags or "QWEN_BASE_URL" in {**then, **now}):
                    continue  # --region does not go with it, and what another base means has tests of its own
                with self.subTest(then=then, now=now, flags=flags, way=way):
                    state = {"DASHSCOPE_API_KEY": KEY, "QIANWEN_STATE_DIR": str(self.folder / f"{number}{way}")}
                    self.env = {**state, **then}
                    submitted = Script({"output": {"task_id": "t-1", "task_status": "PENDING"}})
                    self.assertEqual(self.image("x", "--async", "--submit-only", send=submitted).code, 0)
                    self.env = {**state, **now}
                    looked = Script({"output": {"task_id": "t-1", "task_status": "CANCELED"}})
                    self.image(way, *(("t-1",) if way != "--resume" else ("--poll-once",)), *flags, send=looked)
                    self.assertEqual(urlsplit(looked.requests[0].url).hostname, host)
                    self.assertEqual(len(looked.requests), 1)

    def test_files_go_where_the_workspace_keeps_them(self) -> None:
        self.picture("a.png")
        self.env = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_WORKSPACE": "ws-1"}
        script = Script(Fault("no", sent=False, permanent=True))
        self.assertEqual(self.image("x", "--image", "a.png", "--region", "jp", send=script).code, 5)
        (request,) = script.requests
        self.assertTrue(request.url.startswith("https://ws-1.ap-northeast-1.maas.aliyuncs.com/api/v1/uploads?"))

    def test_a_run_whose_host_cannot_be_named_disturbs_nobody(self) -> None:
        self.env = {"DASHSCOPE_API_KEY": KEY}
        for number, base in enumerate(
            ("https://proxy.example.com/api/v1", "https://ws-1.eu-central-1.maas.aliyuncs.com/api/v1")
        ):
            run = changed(RUN, id=f"{number:016x}", request=str(number), region="eu-central-1", base=base)
            self.ledger.begin(run)
            self.ledger.add(run.id, "task", task_id=f"t-{number}")
        looked = Script({"output": {"task_id": "t-1", "task_status": "CANCELED"}})
        reply = self.json("--resume", "--poll-once", code=4, send=looked)
        self.assertEqual([task["state"] for task in reply["tasks"]], ["waiting", "canceled"])
        self.assertIn("no shared host", reply["error"]["message"])

    def test_a_refused_key_is_explained(self) -> None:
        with self.standin(faults=["poll=401:InvalidApiKey"]):
            self.image(*ASYNC, "--submit-only")
            reply = self.json("--resume", code=4)
        for error in (reply["error"], reply["tasks"][0]["error"]):
            self.assertIn("(the key is DASHSCOPE_API_KEY in the environment)", error["hint"])

    def test_a_region_that_is_none_disturbs_nobody(self) -> None:
        self.ledger.begin(changed(RUN, region="mars"))
        with self.standin():
            self.image(*ASYNC, "--submit-only")
            reply = self.json("--resume", code=4)
        self.assertEqual({task["state"] for task in reply["tasks"]}, {"unknown", "done"})

    def test_what_went_through_desirecore_disturbs_nobody_and_needs_no_key(self) -> None:
        self.ledger.begin(changed(RUN, base=DESIRECORE_BASE, is_task=False))
        self.env = {}
        reply = self.json("--resume", code=6)
        self.assertEqual((reply["tasks"][0]["ok"], reply["tasks"][0]["state"]), (False, "unknown"))
        self.assertIn("DesireCore", reply["tasks"][0]["error"]["message"])

    def test_what_still_runs_decides_before_what_is_lost(self) -> None:
        self.ledger.begin(changed(RUN, base=DESIRECORE_BASE, is_task=False))
        with self.standin(delay=100):
            self.image(*ASYNC, "--submit-only")
            reply = self.json("--resume", "--poll-once", code=2)
        self.assertEqual({task["state"] for task in reply["tasks"]}, {"unknown", "waiting"})

    def test_a_stand_in_of_earlier_disturbs_nobody(self) -> None:
        with self.standin():
            self.image(*ASYNC, "--submit-only")
        with self.standin():
            reply = self.json("--resume")
        self.assertEqual((reply["ok"], reply["tasks"][0]["ok"], reply["tasks"][0]["state"]), (True, False, "waiting"))

    def test_a_run_at_which_another_process_works_is_left_to_it(self) -> None:
        with self.standin() as standin:
            self.image(*ASYNC, "--submit-only")
            (run,) = self.ledger.runs()
            lock = self.ledger.claim(run.id)
            assert lock
            reply = self.json("--resume", code=2)
            lock.release()
        self.assertIn("another process", reply["error"]["message"])
        self.assertEqual((standin.of("poll", "result"), self.names()), ([], []))

    def test_a_run_that_another_process_finished_meanwhile(self) -> None:
        with self.standin() as standin:
            self.image(*ASYNC, "--submit-only")
            (run,) = self.ledger.runs()
            as_they_were = mock.patch("qianwen.account.store.Account.open_runs", return_value=[run])
            self.ledger.add(run.id, "end", state="done")
            with as_they_were:
                reply = self.json("--resume")
        self.assertEqual((reply["tasks"][0]["ok"], standin.of("poll")), (True, []))

    def test_combinations_that_make_no_sense(self) -> None:
        for argv in (
            ("--resume", "--task-id", "t"),
            ("--tasks", "--resume"),
            ("--cancel", "t", "--tasks"),
            ("--resume", "x"),
            ("--resume", "--again"),
            ("--cancel", "t", "--dry-run"),
            ("--tasks", "--submit-only"),
            ("--resume", "--output", "x/"),
            ("--resume", "--sandbox"),
            ("--tasks", "--poll-once"),
        ):
            with self.subTest(argv):
                self.assertEqual(self.image(*argv, send=Script()).code, 3)


class Identical(ResumeCase):
    def test_an_open_request_is_not_paid_for_again(self) -> None:
        with self.standin(delay=5) as standin:
            first = self.json(*ASYNC, "--submit-only")
            reply = self.json(*ASYNC, code=3)
            self.assertEqual(reply["error"]["kind"], "usage")
            self.assertIn("--again", reply["error"]["hint"])
            argv = shlex.split(reply["next"])
            self.assertEqual(argv[2:6], ["--task-id", first["task_id"], "--output", str(self.cwd / "x.png")])
            self.assertEqual(self.bought(standin), 1)
            self.assertEqual(self.image(*ASYNC, "--again").code, 0)
            self.assertEqual(self.bought(standin), 2)
            self.assertEqual(self.image("--resume").code, 0)
            self.assertEqual(self.image(*ASYNC).code, 0)
            self.assertEqual(self.bought(standin), 3)

    def test_another_request_is_another(self) -> None:
        self.picture("a.png")
        with self.standin(delay=5):
            for argv in (("x",), ("y",), ("x", "-n", "2"), ("x", "--seed", "1"), ("x", "--image", "a.png")):
                self.assertEqual(self.image(*argv, "--async", "--submit-only").code, 0)
                self.assertEqual(self.image(*argv, "--async", "--submit-only").code, 3)
            self.picture("a.png", 800)
            self.assertEqual(self.image("x", "--image", "a.png", "--async", "--submit-only").code, 0)

    def test_after_a_refusal_it_may_be_sent_again(self) -> None:
        with self.standin(faults=["sync=400:DataInspectionFailed*1"]):
            self.assertEqual(self.image("x").code, 1)
            self.assertEqual(self.image("x").code, 0)

    def test_when_nothing_was_sent_it_may_be_sent_again(self) -> None:
        refused = [Fault("refused", sent=False)] * 9
        self.assertEqual(self.image("x", send=Script(*refused)).code, 5)
        self.assertEqual(self.state(), "refused")
        self.assertEqual(self.image("x", send=Script(*refused)).code, 5)

    def test_of_many_at_once_one_is_sent(self) -> None:
        codes: list[int] = []
        with self.standin() as standin:
            threads = [
                threading.Thread(target=lambda: codes.append(self.image(*ASYNC, "-q", "--submit-only").code))
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(self.bought(standin), 1)
        self.assertEqual(sorted(codes), [0] + [3] * 19)


class AfterAnUpdate(ResumeCase):
    """Version 1.0 left open runs. It made its fingerprints in another way, so any of them may be the same request."""

    NOT_THE_SAME = (
        ("x", "--async", "--model", "wan2.7-image"),
        ("x", "--async", "--model", "wan2.6-image", "--image", "https://example.com/a.png"),
        ("a cat", "--async", "--again"),
    )

    @contextmanager
    def left_by_1_0(self, *ended: str) -> Iterator[Recording]:
        """A stand-in, and the ledger that version 1.0 wrote when it used that. ended: runs that are over."""
        with self.standin() as standin:
            self.env["QIANWEN_STATE_DIR"] = str(Path(tempfile.mkdtemp(dir=self.folder)))
            text = (DATA / "ledger-1.0.jsonl").read_text(encoding="utf-8")
            text = text.replace("{base}", self.env["DASHSCOPE_HTTP_BASE_URL"]).replace("{cwd}", str(self.cwd))
            text += "".join(f'{{"v": 1, "run": "{run}", "event": "end", "state": "done"}}\n' for run in ended)
            Path(self.ledger.folder, "ledger-2026-11.jsonl").write_text(text, encoding="utf-8")
            self.clock.moment = 1_795_725_700.0  # a minute later
            yield standin

    def test_the_same_command_buys_nothing(self) -> None:
        dog = "59c477e449fb7a33"
        for argv in (("a cat", "--async"), ("a cat",), ("A cat ", "--seed", "1")):
            with self.subTest(argv), self.left_by_1_0(dog) as standin:
                reply = self.json(*argv, code=3)
                self.assertIn("of version 1.0 to wan2.6-t2i, perhaps the same,", reply["error"]["message"])
                self.assertIn("--task-id 12f728fa-80f1-4638-b33b-2fc372105105", reply["next"])
                self.assertEqual((self.video("a cat").code, standin.of("sync", "submit")), (3, []))

    def test_a_lost_answer_holds_up_its_like_for_a_day(self) -> None:
        cat = "3abecc75f4685309"
        with self.left_by_1_0(cat) as standin:
            reply = self.json("a dog", code=3)
            self.assertNotIn("next", reply)
            self.assertIn("--again", reply["error"]["hint"])
            self.clock.sleep(86_300)
            self.assertEqual((self.image("a dog").code, self.bought(standin)), (3, 0))
            self.clock.sleep(100)
            self.assertEqual((self.image("a dog").code, self.bought(standin)), (0, 1))

    def test_what_cannot_be_the_same_is_bought(self) -> None:
        with self.left_by_1_0() as standin:
            for argv in self.NOT_THE_SAME:
                with self.subTest(argv):
                    self.assertEqual(self.image(*argv).code, 0)
            self.assertEqual(self.bought(standin), len(self.NOT_THE_SAME))
        with self.left_by_1_0(), self.standin():  # another service
            self.assertEqual(self.image("a cat").code, 0)

    def test_once_it_is_finished_the_next_one_is_bought(self) -> None:
        with self.left_by_1_0("59c477e449fb7a33") as standin:
            self.json("y", "--async", "--submit-only", "--again")  # a task of the stand-in's own
            ((_, task),) = standin.tasks.items()
            standin.tasks["12f728fa-80f1-4638-b33b-2fc372105105"] = task
            reply = self.json("a cat", code=3)
            self.assertEqual(self.image(*shlex.split(reply["next"])[2:]).code, 0)
            self.assertEqual(self.image("another").code, 0)
            self.assertEqual(len(standin.of("sync", "submit")), 2)


class Lost(ResumeCase):
    """A submission whose answer never came."""

    def test_one_task_that_fits_is_offered_and_collected(self) -> None:
        with self.standin(delay=3, faults=["submit=lose*1"]) as standin:
            reply = self.json(*ASYNC, code=6)
            (task_id,) = standin.tasks
            self.assertEqual((reply["error"]["billed"], reply["error"]["retryable"]), ("unknown", False))
            self.assertEqual([each["task_id"] for each in reply["candidates"]], [task_id])
            self.assertIn(f"--task-id {task_id}", reply["next"])
            self.assertEqual(self.state(), "unknown")
            self.assertEqual(self.json(*ASYNC, code=3)["error"]["kind"], "usage")
            argv = shlex.split(reply["next"])[2:]
            self.assertEqual(self.image(*argv).code, 0)
            self.assertEqual((self.bought(standin), self.state()), (1, "done"))
            self.assertEqual(self.image("--resume").code, 0)
        self.assertEqual(self.names(), ["x.png"])

    def test_resume_offers_it_and_does_not_take_it(self) -> None:
        with self.standin(faults=["submit=lose*1", "list=500*30"]) as standin:
            reply = self.json(*ASYNC, code=6)
            self.assertIn("--resume", reply["next"])
            standin.faults._left.clear()
            reply = self.json("--resume", code=6)
            (task_id,) = standin.tasks
            task = reply["tasks"][0]
            self.assertEqual((task["state"], task["offered"]), ("unknown", [task_id]))
            self.assertIn(f"--task-id {task_id}", task["next"])
            self.assertEqual((standin.of("poll"), self.names()), ([], []))
            self.assertEqual(self.image(*shlex.split(task["next"])[2:]).code, 0)
        self.assertEqual(self.names(), ["x.png"])

    def test_a_task_that_is_collected_twice_is_saved_once(self) -> None:
        with self.standin() as standin:
            first = self.json(*ASYNC)
            fetched = len(standin.of("result"))
            again = self.json("--task-id", first["task_id"])
            self.assertEqual((again["files"], len(standin.of("result"))), (first["files"], fetched))
            elsewhere = self.json("--task-id", first["task_id"], "--output", "y.png")
        self.assertEqual(elsewhere["local_path"], str(self.cwd / "y.png"))
        self.assertEqual(self.names(), ["x.png", "y.png"])

    def test_several_are_listed_and_none_is_taken(self) -> None:
        with self.standin(faults=["submit=lose*2"]) as standin:
            self.image("a", "--async")
            standin.sent.clear()
            reply = self.json("b", "--async", code=6)
            self.assertEqual({each["task_id"] for each in reply["candidates"]}, set(standin.tasks))
            self.assertIn("2 tasks", reply["error"]["hint"])
            self.assertIn("--resume", reply["next"])
            first, second = standin.tasks
            self.assertEqual(self.image("--task-id", second, "--output", "b.png").code, 0)
            reply = self.json("--resume", code=6)
            self.assertEqual([each["offered"] for each in reply["tasks"]], [[first]])

    def test_tasks_that_this_machine_can_explain_are_not_offered(self) -> None:
        with self.standin(faults=["list=500*30"]) as standin:
            self.image("explained", "--async", "--submit-only")
            standin.faults._left.clear()
            standin.faults._left["submit"] = [(Trouble("drop"), 9)]
            reply = self.json("x", "--async", code=6)
        self.assertNotIn("candidates", reply)
        self.assertIn("may still appear", reply["error"]["hint"])

    def test_a_lost_answer_of_no_task_cannot_be_asked_for(self) -> None:
        with self.standin(faults=["sync=lose*1"]):
            reply = self.json("x", code=6)
            self.assertNotIn("next", reply)
            reply = self.json("x", code=3)
            self.assertEqual((reply["error"]["kind"], "next" in reply), ("usage", False))
            self.assertIn("cannot be fetched again", reply["error"]["hint"])
            reply = self.json("--resume", code=6)
            self.assertEqual((reply["ok"], reply["error"]["billed"], "next" in reply), (False, "unknown", False))
            self.assertIn("console", reply["error"]["hint"])
        self.assertEqual((reply["tasks"][0]["ok"], reply["tasks"][0]["state"]), (False, "unknown"))

    def test_the_other_program_names_the_one_that_goes_on(self) -> None:
        with self.standin(faults=["submit=lose*1"]) as standin:
            self.image("x", "--async")
            reply = self.video_json("--resume", code=6)
            script, *words = shlex.split(reply["next"])[1:]
            self.assertEqual(Path(script).name, "image.py")
            self.assertEqual((self.image(*words).code, len(standin.tasks)), (0, 1))

    def test_a_submission_that_was_not_answered_cannot_be_asked_for_after_a_day(self) -> None:
        with self.standin(faults=["submit=lose*1"]):
            self.assertIn("next", self.json("x", "--async", code=6))
            self.clock.sleep(2 * 86400)
            reply = self.json("x", "--async", code=3)
        self.assertNotIn("next", reply)
        self.assertIn("cannot be fetched again", reply["error"]["hint"])
        self.assertRegex(reply["error"]["message"], r"from \d{4}-\d\d-\d\d ")

    def test_the_question_is_asked_in_the_terms_of_the_service(self) -> None:
        listed = {"data": [], "total_page": 1}
        script = Script(Fault("gone", sent=True), listed, listed, listed)
        self.image("x", "--async", send=script)
        target = script.requests[1].url.partition("/api/v1")[2]
        self.assertEqual(
            target,
            "/tasks/?model_name=wan2.6-t2i&start_time=20231115061220&end_time=20231115061426&page_no=1",
        )

    def test_a_long_list_is_read_to_its_end(self) -> None:
        def page(number: int, *ids: str) -> dict[str, Any]:
            data = [{"task_id": each, "gmt_create": 1_700_000_000_000, "status": "RUNNING"} for each in ids]
            return {"data": data, "total_page": 3, "page_no": number}

        odd = {"data": [None, 7, {"task_id": 5}, {}, {"task_id": "c"}], "total_page": 3}
        script = Script(Fault("gone", sent=True), page(1, "a"), page(2, "b"), odd)
        reply = self.json("x", "--async", code=6, send=script)
        self.assertEqual([each["task_id"] for each in reply["candidates"]], ["a", "b", "c"])
        self.assertEqual(reply["candidates"][2]["created"], None)

    def test_without_a_ledger_nothing_is_guessed(self) -> None:
        (self.home / "file").write_text("x")
        self.env["QIANWEN_STATE_DIR"] = str(self.home / "file")
        script = Script(Fault("gone", sent=True))
        reply = self.json("x", "--async", code=6, send=script)
        self.assertEqual((len(script.requests), "candidates" in reply, "next" in reply), (1, False, False))


class Tasks(ResumeCase):
    def test_the_last_runs_newest_first(self) -> None:
        with self.standin(delay=5) as standin:
            self.image("a cat", "--async", "--output", "cat.png")
            self.clock.sleep(7300)
            self.video("a dog", "--submit-only")
            self.clock.sleep(100)
            sent = len(standin.sent)
            reply = self.json("--tasks")
            ran = self.image("--tasks")
            self.assertEqual(len(standin.sent), sent)
        newest, oldest = reply["tasks"]
        self.assertEqual((newest["state"], newest["model"], newest["age"]), ("waiting", "wan2.6-t2v", 100))
        self.assertEqual((oldest["state"], oldest["local_paths"]), ("done", [str(self.cwd / "cat.png")]))
        self.assertIn("--resume", reply["next"])
        head, first, second = ran.stdout.splitlines()
        self.assertEqual(head.split(), ["AGE", "STATE", "ID", "MODEL", "RESULT", "OR", "PROMPT"])
        self.assertRegex(first, rf"^1m +still running +{newest['task_id'][:8]} +wan2.6-t2v +a dog$")
        self.assertRegex(second, r"^2h +saved +\w{8} +\S+ +cat\.png$")

    def test_it_needs_no_key_and_no_ledger(self) -> None:
        self.env = {}
        self.assertEqual(self.json("--tasks")["tasks"], [])
        self.assertIn("nothing yet", self.image("--tasks").stdout)

    def test_twenty_rows_are_enough(self) -> None:
        for number in range(25):
            self.ledger.begin(changed(RUN, id=f"{number:016x}", at=RUN.at + number, request=str(number)))
            if number != 3:
                self.ledger.add(f"{number:016x}", "end", state="done")
        rows = self.json("--tasks")["tasks"]
        self.assertEqual([row["run"] for row in rows], [f"{number:016x}" for number in (*range(24, 4, -1), 3)])

    def test_no_line_of_the_service_can_command_a_terminal(self) -> None:
        self.ledger.begin(RUN)
        self.ledger.add(RUN.id, "task", task_id="t\x1b[2J\nfake")
        ran = self.image("--tasks")
        self.assertEqual(len(ran.stdout.splitlines()), 2)
        self.assertNotIn("\x1b", ran.stdout)
        self.assertNotIn("\x1b", self.image("--tasks", RUN.id).stdout)

    def test_one_run_in_full_with_the_command_that_makes_it_again(self) -> None:
        with self.standin():
            made = self.json("it's a cat", "--async", "--seed", "7", "--output", "cat.png")
            self.json("a dog", "--async")
        ran = self.image("--tasks", made["task_id"][:6])
        facts = dict(line.split(None, 1) for line in ran.stdout.splitlines() if line[0] != " ")
        self.assertEqual((facts["state"], facts["files"], facts["task"]), ("saved", "cat.png", made["task_id"]))
        self.assertIn("it's a cat", ran.stdout)
        argv = shlex.split(facts["again"])
        self.assertEqual(argv[1], "/skill/scripts/image.py")
        again, first = self.json(*argv[2:], "--dry-run"), self.json("it's a cat", "--async", "--seed", "7", "--dry-run")
        self.assertEqual(again["request"]["body"], first["request"]["body"])
        self.assertIn("a dog", self.image("--tasks", "last").stdout)
        (row,) = self.json("--tasks", made["task_id"])["tasks"]
        self.assertEqual((row["request"]["seed"], row["again"]), (7, facts["again"]))

    def test_an_id_that_is_not_one_run(self) -> None:
        for number in range(2):
            self.ledger.begin(changed(RUN, id=f"ab{number:014x}", request=str(number)))
        for text in ("ab", "cd"):
            self.assertEqual(self.image("--tasks", text).code, 3)

    def test_the_table_fits_a_terminal(self) -> None:
        self.ledger.begin(changed(RUN, asked={"prompt": "word " * 40}))
        for columns in (80, 120):
            self.env["COLUMNS"] = str(columns)
            self.assertLess(max(map(len, self.image("--tasks").stdout.splitlines())), columns)

    def test_chinese_prompts_take_two_columns_a_character(self) -> None:
        self.ledger.begin(changed(RUN, asked={"prompt": "雨夜的江南水乡" * 20}))
        self.env["COLUMNS"] = "80"
        row = self.image("--tasks").stdout.splitlines()[1]
        self.assertIn(sum(2 if "一" <= letter <= "龥" else 1 for letter in row), (77, 78, 79))


class Cancel(ResumeCase):
    def test_a_task_that_has_not_begun(self) -> None:
        with self.standin(delay=100) as standin:
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            reply = self.json("--cancel", task_id)
            self.assertEqual((reply["canceled"], reply["task_id"]), (True, task_id))
            self.assertTrue(standin.tasks[task_id].canceled)
            self.assertEqual(self.state(), "canceled")
            self.assertEqual(self.json("--resume")["tasks"], [])

    def test_a_task_that_has_begun(self) -> None:
        with self.standin(delay=100):
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            self.clock.sleep(60)
            reply = self.json("--cancel", task_id, code=1)
            self.assertEqual(reply["error"]["code"], "UnsupportedOperation")
            self.assertIn("goes on", reply["error"]["hint"])
            self.assertEqual(self.state(), "waiting")

    def test_the_bare_id_on_stdout(self) -> None:
        with self.standin(delay=100):
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            self.assertEqual(self.image("--cancel", task_id).stdout, f"{task_id}\n")

    def test_an_answer_that_was_lost_is_no_failure(self) -> None:
        with self.standin(delay=100, faults=["cancel=lose*1"]) as standin:
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            self.assertEqual(self.json("--cancel", task_id)["canceled"], True)
            self.assertEqual(len(standin.of("cancel")), 2)

    def test_a_canceled_task_ends_whoever_waits(self) -> None:
        with self.standin(delay=100) as standin:
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            standin.tasks[task_id].canceled = True
            self.assertEqual(self.image("--task-id", task_id).code, 1)
        self.assertEqual(self.state(), "canceled")


class Mended(ResumeCase):
    """What a hostile review found, a test for each."""

    def test_nobody_takes_a_task_from_a_process_that_is_at_work_on_it(self) -> None:
        with self.standin() as standin:
            task_id = self.json(*ASYNC, "--submit-only")["task_id"]
            (run,) = self.ledger.runs()
            draft = self.cwd / f".{run.id}.0123.part"
            draft.write_bytes(b"half")
            lock = self.ledger.claim(run.id)
            assert lock
            reply = self.json("--task-id", task_id, code=2)
            self.assertIn("another process", reply["error"]["message"])
            self.assertTrue(draft.exists())
            self.assertEqual(self.json("--cancel", task_id, code=1)["error"]["code"], "UnsupportedOperation")
            lock.release()
            self.assertEqual(self.image("--task-id", task_id).code, 0)
        self.assertEqual((self.names(), standin.of("poll")[0].method), (["x.png"], "GET"))

    def test_a_disk_without_links_that_fails_at_the_last_step(self) -> None:
        broken = OSError(5, "Input/output error")
        with (
            self.standin(),
            mock.patch("os.link", side_effect=OSError(1, "no")),
            mock.patch("os.replace", side_effect=broken),
        ):
            self.assertEqual(self.image("x", "--output", "x.png").code, 7)
        self.assertEqual(self.names(), [])

    def test_cancel_adopts_nothing_that_it_could_not_cancel(self) -> None:
        with self.standin(faults=["submit=lose*1"]) as standin:
            self.image(*ASYNC)
            (task_id,) = standin.tasks
            self.assertEqual(self.image("--cancel", task_id).code, 1)
            self.assertEqual(self.state(), "unknown")

    def test_cancel_without_a_network_is_tried_again_by_next(self) -> None:
        reply = self.json("--cancel", "t", code=5, send=Script(*[Fault("refused", sent=False)] * 9))
        self.assertIn("--cancel t", reply["next"])

    def test_a_region_is_not_carried_into_resume(self) -> None:
        script = Script(Fault("gone", sent=True), *[{"data": []}] * 3)
        reply = self.json("x", "--async", "--region", "intl", code=6, send=script)
        self.assertTrue(reply["next"].endswith("--resume --print-response"), reply["next"])
        self.assertEqual(self.image("--resume", "--region", "intl").code, 3)

    def test_one_odd_run_ends_no_other(self) -> None:
        odd = {"region": "mars"}, {"base": "http://[x"}, {"folder": "/a\0b"}, {"base": ""}
        with self.standin():
            self.image(*ASYNC, "--submit-only")
            base = self.env["DASHSCOPE_HTTP_BASE_URL"]
            for number, changes in enumerate(odd):
                run = changed(RUN, id=f"{number:016x}", request=str(number), **{"base": base, **changes})
                self.ledger.begin(run)
                self.ledger.add(run.id, "task", task_id=f"t-{number}")
            reply = self.json("--resume", "--timeout", "30", code=self.image("--resume", "--poll-once").code)
        self.assertEqual(sum(task["state"] == "done" for task in reply["tasks"]), 0)
        self.assertEqual(self.names(), ["x.png"])

    @unittest.skipUnless(hasattr(os, "mkfifo"), "POSIX only")
    def test_a_pipe_under_the_wanted_name(self) -> None:
        with self.standin():
            self.image(*ASYNC, "--submit-only")
            os.mkfifo(self.cwd / "x.png")
            self.assertEqual(self.image("--resume").code, 0)
        self.assertTrue((self.cwd / "x-2.png").is_file())

    def test_few_descriptors_are_enough(self) -> None:
        with self.standin():
            for number in range(30):
                self.image(f"x{number}", "--async", "--submit-only", "--output", f"{number}.png")
            held: list[int] = []
            claim = Account.claim

            def counting(ledger: Account, run_id: str) -> Any:
                held.append(len(list((Path(ledger.folder) / "running").glob("*"))))
                return claim(ledger, run_id)

            with mock.patch.object(Account, "claim", counting):
                self.assertEqual(self.image("--resume").code, 0)
        self.assertEqual(len(self.names()), 30)
        self.assertLess(max(held), parallel.MOST_TURNS)

    def test_a_ledger_that_cannot_be_read_is_not_empty(self) -> None:
        Path(self.ledger.folder, "account.db").mkdir(parents=True)
        for argv in (["--tasks"], ["--resume"]):
            with self.subTest(argv):
                self.assertIn("could not be read", self.json(*argv, code=5)["error"]["message"])

    def test_a_reply_that_a_killed_process_did_not_save(self) -> None:
        with self.standin():
            first = self.video_json("x", "--output", "x.mp4")
            Path(first["response_path"]).unlink()
            again = self.video_json("--task-id", first["task_id"])
        self.assertEqual((again["response_path"], self.names()), (first["response_path"], ["x.json", "x.mp4"]))

    def test_an_identical_request_is_refused_before_its_files_are_uploaded(self) -> None:
        picture = str(self.picture("a.png"))
        with self.standin(delay=5) as standin:
            self.video("x", "--image", picture, "--submit-only")
            sent = len(standin.sent)
            self.assertEqual(self.video("x", "--image", picture, "--submit-only").code, 3)
            self.assertEqual(len(standin.sent), sent)

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_the_state_folder_is_for_its_owner_alone(self) -> None:
        with self.standin():
            self.image("x")
        self.assertEqual(os.stat(self.ledger.folder).st_mode & 0o777, 0o700)


class SameWish(ResumeCase):
    """An open request is found again however the same wish is written or sent."""

    def test_however_it_is_written(self) -> None:
        picture = self.picture("a.png")
        shutil.copy(picture, self.cwd / "b.png")
        (self.cwd / "c.png").symlink_to(picture)
        first = ("x", "--model", "wan2.7-image", "--image", "a.png", "--output", "o/")
        same: tuple[tuple[str, ...], ...] = (
            first,
            ("x  ", *first[1:]),
            (*first, "--async"),
            (*first, "-n", "1"),
            (*first, "--set", "watermark=false"),
            (*first[:4], "b.png", *first[5:]),
            (*first[:4], "c.png", *first[5:]),
            (*first[:4], str(picture), *first[5:]),
            (*first[:3], "--set", 'reference_images=["a.png"]'),
        )
        others = (("y", *first[1:]), (*first, "-n", "2"), (*first, "--seed", "0"), ("x", "--output", "o/"))
        with self.standin(faults=["result=500*99"]) as standin:
            self.assertEqual(self.image(*first).code, 7)
            os.utime(picture)
            for argv in same:
                with self.subTest(argv):
                    self.assertEqual((self.image(*argv).code, self.bought(standin)), (3, 1))
            self.env["DASHSCOPE_HTTP_BASE_URL"] = self.env["DASHSCOPE_HTTP_BASE_URL"].replace("127.0.0.1", "localhost")
            self.assertEqual((self.image(*first).code, self.bought(standin)), (3, 1))
            for number, argv in enumerate(others, 2):
                with self.subTest(argv):
                    self.assertEqual((self.image(*argv).code, self.bought(standin)), (7, number))


class Delivered(ResumeCase):
    """A run that was made and whose answer nobody read is answered again; one that was read is bought anew."""

    DIES = (
        "import os, sys; sys.path.insert(0, sys.argv.pop(1)); from qianwen import cli;"
        "from qianwen.models.image_models import IMAGES; from qianwen.models.video_models import VIDEOS;"
        "cli.write = lambda stream, text: os.kill(os.getpid(), 9) if stream is sys.stdout else True;"
        "cli.main(VIDEOS if sys.argv.pop(1) == 'video.py' else IMAGES, sys.argv[1:])"
    )

    def killed(self, *commands: tuple[str, tuple[str, ...]]) -> None:
        """Run programs side by side, each of which is killed in the moment in which it would write its answer."""
        env = {**os.environ, "HOME": str(self.home), **self.env}
        begun = [
            subprocess.Popen(
                [sys.executable, "-c", self.DIES, str(SCRIPTS), program, *argv],
                cwd=self.cwd,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for program, argv in commands
        ]
        ended = [(process.communicate()[1], process.returncode) for process in begun]
        self.assertEqual([code for _, code in ended], [-9] * len(commands), ended)

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_the_same_command_after_a_kill_buys_nothing(self) -> None:
        commands = (
            ("image.py", ("x", "-n", "2", "--output", "a/")),
            ("image.py", ("y", "--async", "--output", "b/")),
            ("video.py", ("z", "--output", "c/")),
            ("image.py", ("w", "--output", "d/", "--model", "wan2.6-image", "--set", "enable_interleave=true")),
        )
        with self.standin() as standin:
            self.killed(*commands)
            self.assertEqual(self.bought(standin), len(commands))
            for bought, (program, argv) in enumerate(commands, len(commands)):
                with self.subTest(program, argv=argv):
                    before = self.names()
                    run = self.video_json if program == "video.py" else self.json
                    reply = run(*argv)
                    self.assertEqual((reply["reused"], self.bought(standin), self.names()), (True, bought, before))
                    self.assertEqual(
                        [Path(path).is_file() for path in reply["local_paths"] or [reply["local_path"]]],
                        [True] * len(reply["files"]),
                    )
                    self.assertTrue(reply["usage"])
                    self.assertNotIn("reused", run(*argv))  # it was read: this is a new wish
                    self.assertEqual(self.bought(standin), bought + 1)

    @unittest.skipUnless(os.path.exists("/dev/full"), "Linux only")
    def test_an_answer_that_could_not_be_written_is_not_delivered(self) -> None:
        with self.standin() as standin:
            env = {**os.environ, "HOME": str(self.home), **self.env}
            with open("/dev/full", "w") as full:
                subprocess.run(
                    [sys.executable, str(SCRIPTS / "image.py"), "x"],
                    cwd=self.cwd,
                    env=env,
                    stdout=full,
                    stderr=subprocess.DEVNULL,
                )
            self.assertEqual((self.json("x")["reused"], self.bought(standin)), (True, 1))

    def test_files_that_are_gone_are_made_anew(self) -> None:
        with self.standin() as standin:
            first = self.json("x")
            Path(first["local_path"]).unlink()
            self.assertNotIn("reused", self.json("x", "--reuse"))
            self.assertEqual(self.bought(standin), 2)

    def test_on_purpose_any_earlier_one_will_do(self) -> None:
        picture = str(self.picture("a.png"))
        with self.standin() as standin:
            for argv in (
                ("x", "--seed", "7"),
                ("x", "--seed", "7", "--image", picture),
                ("x", "--async", "--seed", "8"),
            ):
                first = self.json(*argv)
                again = self.json(*argv, "--reuse")
                with self.subTest(argv):
                    same = {name: first[name] for name in ("local_paths", "files", "image_urls", "seed", "output")}
                    self.assertEqual({name: again[name] for name in same}, same)
                    self.assertEqual(again["reused"], True)
            self.assertEqual(self.bought(standin), 3)
            self.assertNotIn("reused", self.json("x", "--seed", "9", "--reuse"))
            self.assertEqual(self.image("x", "--reuse", "--again").code, 3)
            again = self.image("x", "--seed", "7", "--reuse", "--submit-only", "--record", "tape.json")
            self.assertIn(".png", again.stdout)  # there is no task to name
            self.assertIn("nothing is recorded", again.stderr)
            again = self.image("x", "--async", "--seed", "8", "--reuse", "--submit-only")
            newest = self.ledger.last("image.py")
            self.assertEqual(again.stdout.strip(), newest.task_id if newest else None)

    def test_reuse_needs_no_key_and_copies_to_another_place(self) -> None:
        with self.standin() as standin:
            first = self.json("x", "--async", "-n", "2", "--seed", "7")
            standin.sent.clear()
            del self.env["DASHSCOPE_API_KEY"]
            argv = ("x", "-n", "2", "--seed", "7", "--reuse")
            shown = self.json(*argv, "--dry-run")
            self.assertIn(first["local_path"], shown["warnings"][0])
            for _ in range(2):
                again = self.json(*argv, "--output", "new/b.png")
                self.assertEqual(
                    again["local_paths"], [str(self.cwd / "new" / name) for name in ("b_1.png", "b_2.png")]
                )
            self.assertEqual([file["sha256"] for file in again["files"]], [file["sha256"] for file in first["files"]])
            self.assertEqual(self.json(*argv)["local_paths"], first["local_paths"])
            self.assertEqual(standin.sent, [])
            self.assertEqual(sorted(path.name for path in (self.cwd / "new").iterdir()), ["b_1.png", "b_2.png"])

    def test_reuse_beside_others(self) -> None:
        """Many may answer at once; and what another process makes while files are uploaded is not bought again."""
        argv = ("x", "--image", str(self.picture("a.png")), "--seed", "7", "--output", "x.png")
        others: list[int] = []
        with self.standin() as standin:
            take = standin.handle

            def handle(route: str, incoming: Incoming) -> Reply:
                if route == "upload" and not others:
                    others.append(0)
                    others[0] = self.image(*argv).code
                return take(route, incoming)

            standin.handle = handle  # type: ignore[method-assign]
            reply = self.json(*argv, "--reuse")
            self.assertEqual((others, reply.get("reused"), self.bought(standin)), ([0], True, 1))
            lock = self.ledger.claim(self.ledger.runs()[0].id)
            assert lock
            self.assertTrue(self.json(*argv, "--reuse")["reused"])
            lock.release()


class Lists(ResumeCase):
    """What the service may say when it is asked for a lost task, and what is made of it."""

    NOW = 1_700_000_000_000

    def offered(self, *pages: Any) -> tuple[list[str], str]:
        reply = self.json("x", "--async", "--again", code=6, send=Script(Fault("gone", sent=True), *pages))
        return [each["task_id"] for each in reply.get("candidates", [])], reply["error"]["hint"]

    def entry(self, task_id: str, **changes: Any) -> dict[str, Any]:
        return {"task_id": task_id, "gmt_create": self.NOW, "model_name": "wan2.6-t2i", "status": "RUNNING", **changes}

    def test_odd_lists(self) -> None:
        one = self.entry("t")
        empty: dict[str, Any] = {"data": []}
        for name, pages, ids, words in (
            ("one", [{"data": [one], "total_page": 1}], ["t"], "very likely"),
            ("no date", [{"data": [self.entry("t", gmt_create=None)], "total_page": 1}], ["t"], "has no date"),
            (
                "a date in words",
                [{"data": [self.entry("t", gmt_create="2023")], "total_page": 1}],
                ["t"],
                "has no date",
            ),
            (
                "a date and a page beyond all numbers",
                [{"data": [self.entry("t", gmt_create=10**399)], "total_page": "²"}, empty],
                ["t"],
                "has no date",
            ),
            (
                "another model",
                [{"data": [self.entry("t", model_name="qwen-plus")], "total_page": 1}] * 3,
                [],
                "no such task",
            ),
            (
                "yesterday",
                [{"data": [self.entry("t", gmt_create=self.NOW - 9e7)], "total_page": 1}] * 3,
                [],
                "no such task",
            ),
            ("shifting pages", [{"data": [one], "total_page": 3}] * 3, ["t"], "very likely"),
            (
                "pages in words",
                [{"data": [one], "total_page": "2"}, {"data": [self.entry("u")], "total_page": "2"}],
                ["t", "u"],
                "2 tasks",
            ),
            ("no pages", [{"data": [one]}, empty], ["t"], "very likely"),
            ("nothing", [empty] * 3, [], "no such task"),
            ("no list", [{"data": {"a": 1}}], [], "could not be read"),
            ("no object", [answer(b"[1, 2]")], [], "could not be read"),
            ("a refusal", [answer({"code": "InvalidApiKey"}, 401)], [], "could not be read"),
        ):
            with self.subTest(name):
                found, hint = self.offered(*pages)
                self.assertEqual(found, ids)
                self.assertIn(words, hint)

    def test_a_clock_that_is_wrong(self) -> None:
        for ahead in (-4000, -90, 90, 4000):
            when = self.NOW + ahead * 1000
            dated = email.utils.formatdate(when / 1000, usegmt=True)
            body = {"data": [self.entry("t", gmt_create=when)], "total_page": 1}
            with self.subTest(ahead):
                found, _ = self.offered(answer(body, date=dated), answer(body, date=dated))
                self.assertEqual(found, ["t"])

    def test_a_colleagues_task_of_later_is_not_offered(self) -> None:
        self.offered(*[{"data": []}] * 3)
        self.clock.sleep(600)
        later = {"data": [self.entry("colleague", gmt_create=self.NOW + 500_000)], "total_page": 1}
        reply = self.json("--resume", code=6, send=Script(*[later] * 3))
        self.assertEqual(reply["tasks"][0]["offered"], [])


class Slow(StandIn):
    """Takes a moment for everything. `steps` is released when a request has come, and again when its reply leaves."""

    def __init__(self) -> None:
        super().__init__(delay=0.1)
        self.steps = threading.Semaphore(0)

    def handle(self, route: str, incoming: Incoming) -> Reply:
        self.steps.release()
        time.sleep(0.03)
        reply = super().handle(route, incoming)
        time.sleep(0.03)
        self.steps.release()
        return reply


class Moment(NamedTuple):
    step: int
    seconds: float


@unittest.skipIf(os.name == "nt", "POSIX only")
class Killed(ResumeCase):
    """kill -9 at any moment: whatever was paid for is on the disk afterwards, and nothing is paid for twice.

    A moment is a step of the service and a little time after it, so that a busy machine meets the same ones.
    """

    MOMENTS = 10 if IS_SAMPLE else 20
    STEPS = 10  # two more than a run has: submission, a look and two pictures, each asked for and answered
    MACHINES = 5  # at once, each with a ledger and a service of its own

    def start(self, machine: int, base: str, *argv: str) -> subprocess.Popen[bytes]:
        more = {"DASHSCOPE_HTTP_BASE_URL": base, "QIANWEN_STATE_DIR": str(self.folder / f"state-{machine}")}
        often = () if "--poll-interval" in argv else ("--poll-interval", "1")  # `next` repeats it
        command = [sys.executable, str(SCRIPTS / "image.py"), *argv, *often]
        env = {**os.environ, **self.env, **more}
        return subprocess.Popen(command, cwd=self.cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def finish(self, machine: int, base: str, *argv: str) -> Ran:
        stdout, _ = (process := self.start(machine, base, *argv)).communicate(timeout=60)
        return Ran(process.returncode, stdout.decode(), "")

    def live(self, machine: int, moments: dict[int, Moment], told: dict[int, tuple[str, int, str]]) -> None:
        """Be killed and resumed again and again; tell what was found, and how many tasks the service had taken."""
        standin = Slow()
        with running(standin) as base:
            for number, moment in moments.items():
                argv = (f"cat {number}", "-n", "2", "--async", "--output", f"{number}/x.png")
                standin.steps = threading.Semaphore(0)
                process = self.start(machine, base, *argv)
                for _ in range(moment.step):
                    while process.poll() is None and not standin.steps.acquire(timeout=0.05):
                        pass
                time.sleep(moment.seconds)
                process.kill()
                process.communicate()
                (state,) = [run.state for run in self.runs(machine) if run.stem and f"/{number}" in run.folder] or [
                    "none"
                ]
                ran = self.finish(machine, base, "--resume", "--print-response")
                if ran.code == 6 and "--task-id" in ran.json["tasks"][0].get("next", ""):
                    ran = self.finish(machine, base, *shlex.split(ran.json["tasks"][0]["next"])[2:])
                prompts = [task.order.fields["prompt"] for task in standin.tasks.values()]
                told[number] = (f"{moment}, {state}, then exit {ran.code}", prompts.count(argv[0]), state)

    def runs(self, machine: int) -> list[Purchase]:
        return Account(str(self.folder / f"state-{machine}")).runs()

    def test_at_random_moments(self) -> None:
        generator = random.Random(20261121)
        moments = {
            number: Moment(number * self.STEPS // self.MOMENTS, 0.06 * generator.random())
            for number in range(self.MOMENTS)
        }
        told: dict[int, tuple[str, int, str]] = {}
        shares = [dict(list(moments.items())[machine :: self.MACHINES]) for machine in range(self.MACHINES)]
        threads = [
            threading.Thread(target=self.live, args=(number, share, told)) for number, share in enumerate(shares)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in moments:
            how, bought, _ = told[number]
            files = sorted(path.name for path in (self.cwd / str(number)).glob("*"))
            with self.subTest(how):
                self.assertLessEqual(bought, 1)
                self.assertEqual(files, ["x_1.png", "x_2.png"] if bought else [])
        self.assertGreaterEqual(len({state for _, _, state in told.values()}), 3, "the moments were all alike")
