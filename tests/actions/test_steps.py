"""Between two steps of a run: an interruption at every line, and what each step leaves for the answer and the account."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import qianwen
from qianwen.account import rows
from qianwen.http.messages import Response
from qianwen.plain import parallel

from .. import IS_SAMPLE
from ..support import KEY, Case, Script, answer

PACKAGE = Path(qianwen.__file__).parent
STEPS = frozenset(str(PACKAGE / name) for name in ("account/entry.py", "actions/generate.py", "actions/saving.py"))
LEAVING = ("__exit__", "generate")  # where the lock is let go, as the end of a process would do


class Interruption:
    """Ctrl-C at line number `at` of `STEPS`, counted from the moment when the run has the service's answer."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.place = ""
        self._count = 0
        self._is_answered = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename in STEPS else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_name
        if name == "accept":
            self._is_answered = True
        elif event == "line" and self._is_answered and name not in LEAVING:
            self._count += 1
            if self._count == self.at:
                self.place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._line


class Interrupted(Case):
    def interrupted(self, at: int, argv: tuple[str, ...]) -> str:
        """Interrupt a run, ask for the same once more, and resume: one purchase, and it is on the disk. "" at the end."""
        with self.standin() as standin:
            self.env["QIANWEN_STATE_DIR"] = str(self.folder / f"{argv} {at}".replace("/", ""))
            interruption, before = Interruption(at), sys.gettrace()
            sys.settrace(interruption)
            try:
                ran = self.image(*argv, "--overwrite", "--print-response")
            finally:
                sys.settrace(before)
            if not interruption.place:
                return ""
            with self.subTest(interruption.place):
                self.assertEqual((ran.code, "Traceback" in ran.stderr), (130, False), ran.stderr)
                (run,) = self.ledger.runs()
                if self.ledger.state(run) != "done":
                    if not run.files:
                        self.assertIn("--resume" if not run.task_id else run.task_id, ran.json["next"])
                    again = self.image(*argv, "--print-response")
                    is_there = bool(run.files)  # nobody was told, so the same command tells what was made
                    expected = (0, True) if is_there else (3, False)
                    self.assertEqual((again.code, again.json.get("reused", False)), expected, again.stdout)
                    self.assertEqual(self.image("--resume").code, 0)
                (run,) = self.ledger.runs()
                self.assertEqual(run.state, "done")
                self.assertTrue(run.files)
                self.assertTrue(all(Path(kept.path).is_file() for kept in run.files.values()))
                self.assertEqual(len(standin.of("sync", "submit", "stream")), 1)
                self.assertEqual([path for path in self.cwd.rglob("*") if path.suffix in (".part", ".probe")], [])
        return interruption.place

    def test_a_picture_is_bought_once_and_saved_wherever_its_run_is_interrupted(self) -> None:
        step = 4 if IS_SAMPLE else 1
        for start, argv in enumerate((("x", "--output", "x.png"), ("x", "--async", "--output", "y.png")), 1):
            at = start
            while self.interrupted(at, argv):
                at += step
            self.assertGreater(at, 50)


class OutOfMemory(Case):
    """As SQLite tells it; each row: in which statement, how the run ends, and how often is bought."""

    def test_nothing_is_bought_unrecorded_and_what_was_bought_is_saved(self) -> None:
        def fails(*_: object, **__: object) -> None:
            raise MemoryError

        for step, code, bought in (("result", 0, 1), ("file", 0, 1), ("end", 0, 1), ("insert", 5, 0)):
            with self.subTest(step), self.standin() as standin:
                is_first = step == "insert"
                with mock.patch.object(rows, step, fails) if is_first else mock.patch.dict(rows.STEPS, {step: fails}):
                    reply = self.json(step, "--output", f"{step}.png", code=code)
                self.assertEqual(len(standin.of("sync")), bought)
                self.assertEqual((self.cwd / f"{step}.png").is_file(), bool(bought))
                if bought:
                    self.assertIn("cannot remember the run", reply["warnings"][0])

    def test_a_function_of_python_that_answers_all_the_same(self) -> None:
        """As `str.expandtabs` of 3.13 does, in an import."""

        def fails(_: object) -> Response:
            raise SystemError("returned a result with an exception set") from MemoryError()

        self.assertIn("too little memory", self.json("x", send=fails, code=6)["error"]["message"])

    def test_a_task_that_is_resumed_stays_open(self) -> None:
        def fails(_: object) -> Response:
            raise MemoryError

        with self.standin():
            self.image("x", "--async", "--submit-only")
            reply = self.json("--resume", send=fails, code=2)
        self.assertEqual((reply["tasks"][0]["error"]["kind"], "--resume" in reply["next"]), ("running", True))


class OutOfDescriptors(Case):
    def test_what_could_not_be_saved_is_not_bought(self) -> None:
        with self.standin() as standin:
            with mock.patch.object(parallel, "prove_descriptors", side_effect=OSError(24, "Too many open files")):
                reply = self.json("x", code=5)
            self.assertEqual((reply["error"]["billed"], len(standin.of("sync"))), ("no", 0))
            self.assertEqual([run.state for run in self.ledger.runs()], ["refused"])
            self.assertEqual(self.image("x").code, 0)


class Answers(Case):
    def test_an_answer_that_names_no_task_is_shown(self) -> None:
        self.env["QIANWEN_STATE_DIR"] = os.devnull + "/none"
        reply = self.json("x", "--async", code=6, send=Script(answer({"request_id": "r-1", "output": {}})))
        self.assertEqual(reply["request_id"], "r-1")

    def test_a_state_folder_below_thousands_is_one_that_cannot_be_written(self) -> None:
        with self.standin() as standin:
            self.env["QIANWEN_STATE_DIR"] = str(self.folder) + "/a" * 1900
            reply = self.json("x", "--output", "x.png")
        self.assertIn("cannot remember the run", reply["warnings"][0])
        self.assertEqual(len(standin.of("sync")), 1)

    def test_a_lost_picture_whose_link_is_known_has_a_next(self) -> None:
        with self.standin(faults=("result=404*9",)):
            reply = self.json("x", "--output", "x.png", code=7)
        self.assertIn("--resume", reply["next"])

    def test_a_stream_that_is_interrupted_before_its_first_picture_may_be_billed(self) -> None:
        item = {"output": {"choices": [{"message": {"content": [{"type": "text", "text": "1."}]}}]}}
        blocks = [b"data: " + json.dumps(item).encode() + b"\n\n"]

        def read(size: int = -1) -> bytes:
            if not blocks:
                raise KeyboardInterrupt
            return blocks.pop()

        request = {"prompt": "x", "model": "wan2.6-image", "enable_interleave": True, "stream": True}
        send = Script(Response(200, {"content-type": "text/event-stream"}, read))
        reply = self.json("--request", json.dumps(request), code=130, send=send)
        self.assertEqual((reply["error"]["billed"], reply["interleaved_content"][0]["text"]), ("unknown", "1."))
        self.assertIn("may have been accepted and billed", reply["error"]["hint"])

    def test_a_link_that_has_expired_has_none(self) -> None:
        with self.standin(faults=("result=403:AccessDenied:Request has expired.",)):
            self.assertNotIn("next", self.json("x", "--output", "x.png", code=7))

    def test_what_the_service_said_is_clean_and_short_in_the_account(self) -> None:
        other = KEY[::-1].replace("-ks", "-") + "abc"
        message = f"the key sk-{other} and https://a.example/x?Signature=secret " + "x" * 400_000
        reply = self.json("x", code=1, send=Script(answer({"code": "InvalidParameter", "message": message}, 400)))
        self.assertEqual(reply["error"]["billed"], "no")
        (run,) = self.ledger.runs()
        self.assertEqual(run.state, "refused")
        self.assertNotIn(other, run.told)
        self.assertNotIn("Signature=secret", run.told)

    def test_warnings_of_the_request_come_before_that_of_the_region(self) -> None:
        request = {"prompt": "x", "size": "16:9"}
        warnings = self.json(
            "--request", json.dumps(request), "--region", "us", "--model", "wan2.7-image", "--dry-run"
        )["warnings"]
        self.assertIn("not for us-east-1", warnings[-1])
        self.assertGreater(len(warnings), 1)

    def test_a_region_that_the_base_url_contradicts_is_told(self) -> None:
        for host, told in (
            ("dashscope-intl.aliyuncs.com", ["ap-southeast-1; --region cn does not change it"]),
            ("dashscope.aliyuncs.com", []),
            ("proxy.example.com", []),
        ):
            with self.subTest(host):
                self.env = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": f"https://{host}/api/v1"}
                warnings = self.json("x", "--region", "cn", "--dry-run")["warnings"]
                self.assertEqual([warning.partition("which is in ")[2] for warning in warnings], told)
