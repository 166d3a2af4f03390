"""Real processes in surroundings that people really have: closed streams, full disks, odd interpreters, an impatient hand."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

from qianwen.sandbox.server import running
from qianwen.sandbox.standin import StandIn

from .. import SCRIPTS
from ..support import KEY, Case, Recording

IMAGE = str(SCRIPTS / "image.py")


@unittest.skipIf(os.name == "nt", "POSIX only")
class Surroundings(Case):
    def shell(self, command: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        """A line for sh in which $image is the program; the stand-in's variables are set when there is one."""
        image = f"'{sys.executable}' '{IMAGE}'"
        surroundings = {**os.environ, "HOME": str(self.home), **self.env, **env}
        surroundings.pop("PYTHONUNBUFFERED", None)  # it hides what the last flush of a stream does
        if "ulimit -f" in command:
            surroundings["PYTHONDONTWRITEBYTECODE"] = "1"  # Python before 3.12 keeps a module that was cut short
        line = command.replace("$image", image)
        return subprocess.run(["/bin/sh", "-c", line], cwd=self.cwd, env=surroundings, input=stdin, capture_output=True)

    def test_a_viewer_adds_nothing_to_our_output_and_holds_nobody_up(self) -> None:
        """It says something, stays open in the background, and is told what to show."""
        viewer, seen = self.cwd / "viewer", self.cwd / "seen"
        viewer.write_text(f"#!/bin/sh\necho noise\necho noise >&2\nsleep 30 &\necho \"$1\" $! >> '{seen}'\n")
        viewer.chmod(0o700)
        (self.cwd / "rows.txt").write_text("a\nb\n")
        for argv, shown in (
            ("x -n 2 --sandbox --output x.png", "x_1.png"),
            ("--batch rows.txt --sandbox --output out", "out"),
            ("--gallery out", "out/index.html"),
        ):
            with self.subTest(argv):
                began = time.monotonic()
                ran = self.shell(f"$image {argv} --open --print-response", BROWSER=str(viewer), DISPLAY=":0")
                self.assertLess(time.monotonic() - began, 20)
                self.assertEqual((ran.returncode, json.loads(ran.stdout)["ok"]), (0, True), ran.stderr)
                self.assertNotIn(b"noise", ran.stderr)
                url, process = seen.read_text().splitlines()[-1].split()
                os.kill(int(process), signal.SIGTERM)
                self.assertEqual(url, (self.cwd / shown).as_uri())

    def test_a_viewer_that_cannot_be_started_spoils_nothing(self) -> None:
        """There is one answer, and it is a success."""
        ran = self.shell("$image x --sandbox --open --print-response", BROWSER="viewer '%s", DISPLAY=":0")
        self.assertEqual((ran.returncode, json.loads(ran.stdout)["ok"]), (0, True), ran.stderr)
        self.assertIn(b"--open did nothing: No closing quotation", ran.stderr)

    def test_streams_that_the_caller_closed(self) -> None:
        """What is made is there whatever the streams are like; only an answer that nobody got changes the ending."""
        for closed, code in (
            (">&-", 7),
            ("2>&-", 0),
            ("<&-", 0),
            (">&- 2>&- <&-", 7),
            (">/dev/full", 7),
            ("2>/dev/full", 0),
            (">/dev/full 2>/dev/full", 7),
        ):
            if "full" in closed and not os.path.exists("/dev/full"):
                continue
            with self.subTest(closed):
                ran = self.shell(f"$image x --sandbox --overwrite --output x.png {closed}")
                self.assertEqual((ran.returncode, b"Traceback" in ran.stderr), (code, False), ran.stderr)
                self.assertTrue((self.cwd / "x.png").is_file())
                (self.cwd / "x.png").unlink()

    @unittest.skipUnless(os.path.exists("/dev/full"), "Linux only")
    def test_an_answer_that_stdout_does_not_take_is_told_on_stderr_and_answered_again(self) -> None:
        with self.standin() as standin:
            ran = self.shell("$image 'a cat' --output x.png --print-response >/dev/full")
            told = json.loads(ran.stderr.rpartition(b"\nAnswer: ")[2])
            self.assertEqual((ran.returncode, told["error"]["kind"]), (7, "output"))
            again = self.shell(told["next"])
            self.assertEqual((again.returncode, len(standin.of("sync"))), (0, 1), again.stderr)
            self.assertEqual(json.loads(again.stdout)["local_path"], told["local_path"])
            self.assertTrue(json.loads(again.stdout)["reused"])
            ran = self.shell("$image x --set n=99 --print-response >/dev/full")  # an ending of its own stays
            told = json.loads(ran.stderr.rpartition(b"\nAnswer: ")[2])
            self.assertEqual((ran.returncode, told["error"]["kind"]), (3, "usage"))

    @unittest.skipUnless(os.path.exists("/dev/full"), "Linux only")
    def test_exit_codes_survive_a_full_disk(self) -> None:
        gossamer = f"'{sys.executable}' '{SCRIPTS / 'gossamer.py'}'"
        for command, code in (
            ("$image --nonsense", 3),
            ("$image x --set n=99", 3),
            ("$image x --dry-run", 0),
            ("$image --help", 0),
            (f"{gossamer} --help", 0),
            (f"{gossamer} --nonsense", 3),
        ):
            with self.subTest(command):
                self.assertEqual(self.shell(f"{command} >/dev/full 2>/dev/full").returncode, code)

    def test_a_prompt_comes_in_utf_8_whatever_the_code_page(self) -> None:
        ran = self.shell("$image - --dry-run", "\ufeff猫 é\n".encode(), PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
        self.assertIn('"text": "猫 é"'.encode(), ran.stdout)
        ran = self.shell("$image - --dry-run", b"caf\xe9")
        self.assertEqual(ran.returncode, 3)
        self.assertIn(b"stdin could not be read: it is not UTF-8 text", ran.stderr)

    def test_interpreters_that_leave_the_folder_of_a_script_out(self) -> None:
        for flag in ("-I", *(["-P"] if sys.version_info >= (3, 11) else [])):
            with self.subTest(flag):
                ran = subprocess.run([sys.executable, flag, IMAGE, "x", "--dry-run"], capture_output=True)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                ran = subprocess.run([sys.executable, flag, str(SCRIPTS / "sandbox.py"), "--help"], capture_output=True)
                self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_a_disk_that_is_full_is_known_before_paying(self) -> None:
        with self.standin() as standin:
            ran = self.shell("ulimit -f 8; $image x --output x.png --print-response")  # blocks of 512 bytes
        self.assertEqual((ran.returncode, standin.of("sync")), (3, []), ran.stderr)
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_a_disk_that_fills_up_later_is_exit_7_and_leaves_no_piece(self) -> None:
        """128 KiB a file: enough for the account, too little for the clip."""
        video = f"'{sys.executable}' '{SCRIPTS / 'video.py'}'"
        flags = "--duration 15 --resolution 1080P --model wan2.7-t2v --output x.mp4 --print-response"
        with self.standin() as standin:
            ran = self.shell(f"ulimit -f 256; {video} x {flags}")
        self.assertEqual((ran.returncode, len(standin.of("submit"))), (7, 1), ran.stderr)
        reply = json.loads(ran.stdout)
        self.assertEqual((bool(reply["video_url"]), reply["error"]["billed"], reply["files"]), (True, "yes", []))
        self.assertEqual(list(self.cwd.iterdir()), [])

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_disk_that_takes_no_account_takes_no_purchase(self) -> None:
        with self.standin() as standin:
            ran = self.shell("ulimit -f 40; $image x --output x.png --print-response")
        self.assertEqual((ran.returncode, standin.of("sync")), (5, []), ran.stderr)
        self.assertIn("nothing was sent", json.loads(ran.stdout)["error"]["message"])

    def test_a_folder_that_was_deleted_under_us(self) -> None:
        ran = self.shell("mkdir gone; cd gone; rmdir ../gone; $image x --sandbox")
        self.assertEqual(ran.returncode, 3)
        self.assertIn(b"the current folder is gone", ran.stderr)

    def test_a_pipe_where_a_file_should_be_blocks_nobody(self) -> None:
        os.mkfifo(self.cwd / ".env")
        os.mkfifo(self.cwd / "x.png")
        ran = self.shell("$image x --dry-run")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        ran = self.shell("$image x --image x.png --dry-run")
        self.assertIn(b"is not a regular file", ran.stderr)

    def test_a_key_is_hidden_wherever_it_was_put_by_mistake(self) -> None:
        key = 'quo"ted\\key-without-a-known-shape'
        self.env = {"DASHSCOPE_API_KEY": key}
        ran = self.shell(f"$image x --set 'nosuch={key}' --output '{key}' --print-response")
        self.assertEqual(ran.returncode, 3)
        for text in (ran.stdout, ran.stderr):
            self.assertNotIn(b"without-a-known-shape", text)
        self.assertIn("[hidden]", json.loads(ran.stdout)["problems"][0]["value"])


@unittest.skipIf(os.name == "nt", "signals differ")
class Interrupted(Case):
    def setUp(self) -> None:
        """Under nohup, SIGHUP is ignored from the start, by the tests and by the programs that they start."""
        super().setUp()
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL))

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, IMAGE, *argv, "--print-response"],
            cwd=self.cwd,
            env={**os.environ, "HOME": str(self.home), **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, words: str, process: subprocess.Popen[str]) -> None:
        """Read stderr until it says `words`; a process that ends before fails the test, and does not stop it."""
        assert process.stderr
        said = ""
        while words not in said:
            line = process.stderr.readline()
            self.assertNotEqual(line, "", f"it ended early: {said}")
            said += line

    def interrupt(self, process: subprocess.Popen[str], after: str, number: int = signal.SIGINT) -> Any:
        """Send Ctrl-C (or another signal) as soon as stderr says `after`; the JSON, which must come soon and without a traceback."""
        self.wait_for(after, process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, "Traceback" in stderr), (130, False), stderr)
        return json.loads(stdout)

    def test_a_task_leaves_its_id_and_the_way_on(self) -> None:
        standin = Recording(self.clock, delay=3600)
        with running(standin) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            reply = self.interrupt(self.start("x", "--async", "--output", "o/"), "Task submitted")
        (task_id,) = standin.tasks
        self.assertEqual((reply["task_id"], reply["error"]["billed"]), (task_id, "unknown"))
        argv = shlex.split(reply["next"])
        self.assertEqual(argv[2:6], ["--task-id", task_id, "--output", f"{self.cwd / 'o'}/"])

    def test_the_signal_by_which_shells_end_a_command_is_told_alike(self) -> None:
        standin = Recording(self.clock, delay=3600)
        with running(standin) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            for number, name in enumerate(("SIGTERM", "SIGHUP")):
                reply = self.interrupt(self.start(f"x{number}", "--async"), "Task submitted", getattr(signal, name))
                with self.subTest(name):
                    self.assertIn(f"--task-id {list(standin.tasks)[number]}", reply["next"])

    @unittest.skipUnless(Path("/proc/self/fd").exists(), "needs Linux to see when the file is read")
    def test_so_it_is_while_a_batch_checks_its_rows(self) -> None:
        rows = self.cwd / "rows.txt"
        rows.write_text("".join(f"a cat {number}\n" for number in range(30_000)))
        self.env = {"DASHSCOPE_API_KEY": KEY}
        process = self.start("--batch", "rows.txt", "--max-images", "30000")
        opened = Path(f"/proc/{process.pid}/fd")
        while process.poll() is None and str(rows) not in {os.path.realpath(fd) for fd in opened.iterdir()}:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
        reply = json.loads(stdout)
        self.assertEqual(
            (process.returncode, reply["error"]["kind"], reply["error"]["billed"]), (130, "interrupted", "no"), stderr
        )

    def test_a_signal_that_was_ignored_at_the_start_stays_ignored(self) -> None:
        """nohup, and a job in the background of a shell without job control."""
        with running(StandIn(delay=2)) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            for name in ("SIGHUP", "SIGINT"):
                before = signal.signal(getattr(signal, name), signal.SIG_IGN)
                try:
                    process = self.start(f"x {name}", "--async", "--output", f"{name}.png", "--poll-interval", "1")
                finally:
                    signal.signal(getattr(signal, name), before)
                self.wait_for("Task submitted", process)
                process.send_signal(getattr(signal, name))
                stdout, stderr = process.communicate(timeout=20)
                with self.subTest(name):
                    self.assertEqual((process.returncode, json.loads(stdout)["ok"]), (0, True), stderr)

    def test_two_signals_in_quick_succession_cost_no_json(self) -> None:
        standin = Recording(self.clock, delay=3600)
        with running(standin) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            for number, pause in enumerate((0.0, 0.002, 0.005, 0.01, 0.02)):
                process = self.start(f"x{number}", "--async")
                self.wait_for("Task submitted", process)
                process.send_signal(signal.SIGTERM)
                time.sleep(pause)
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=60)
                with self.subTest(pause):
                    self.assertEqual((process.returncode, "Traceback" in stderr), (130, False), stderr)
                    self.assertIn("--task-id", json.loads(stdout)["next"])

    def test_in_the_middle_of_a_submission_nobody_is_told_to_run_it_again(self) -> None:
        with self.standin(faults=["sync=stall:5"]):
            reply = self.interrupt(self.start("x"), "Waiting for the answer")
        self.assertEqual((reply["error"]["billed"], reply["error"]["retryable"]), ("unknown", False))
        self.assertIn("before you run it again", reply["error"]["hint"])

    def test_a_stream_leaves_what_came(self) -> None:
        with running(StandIn(delay=8)) as base:
            self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
            argv = ["x", "--set", "enable_interleave=true", "--set", "stream=true", "--set", "max_images=5"]
            reply = self.interrupt(self.start(*argv), "Received a picture")
        self.assertEqual(reply["error"]["billed"], "yes")
        self.assertGreaterEqual(len(reply["image_urls"]), 1)

    def test_downloads_end_at_once_and_leave_no_piece(self) -> None:
        with self.standin(faults=["result=stall:3*4"]) as standin:
            process = self.start("x", "-n", "4", "--output", "o/")
            deadline = time.monotonic() + 10
            while len(standin.of("result")) < 4 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        reply = json.loads(stdout)
        self.assertEqual((process.returncode, len(reply["image_urls"]), "Traceback" in stderr), (130, 4, False))
        self.assertEqual(list((self.cwd / "o").iterdir()), [])
        self.assertEqual(len(standin.of("result")), 4)

    def test_before_anything_has_begun(self) -> None:
        """Ctrl-C while the program is still being imported: an import hook plays the hand, so that the moment is sure."""
        hook = (
            "import runpy, sys\n"
            "class Hand:\n"
            "    def find_spec(self, name, *_):\n"
            "        if name == 'qianwen.cli': raise KeyboardInterrupt\n"
            "sys.meta_path.insert(0, Hand())\n"
            "runpy.run_path(sys.argv[1], run_name='__main__')\n"
        )
        for program in ("image.py", "video.py"):
            ran = subprocess.run([sys.executable, "-c", hook, str(SCRIPTS / program)], capture_output=True, text=True)
            with self.subTest(program):
                self.assertEqual((ran.returncode, ran.stderr), (130, ""))
