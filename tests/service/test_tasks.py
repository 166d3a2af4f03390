"""Waiting: states, the rhythm of looks, deadlines, and how each ending is told."""

from __future__ import annotations

import unittest
from typing import Any, Union

from qianwen.errors import AuthError, ContentRefused, QianwenError, Refused, StillRunning, Unavailable
from qianwen.http.session import Session
from qianwen.service import tasks

from ..support import Clock, Script


def body(state: str, **output: Any) -> dict[str, Any]:
    if state == "SUCCEEDED":
        output = {"video_url": "https://a/1.mp4", **output}
    return {"request_id": "r-1", "output": {"task_id": "t-1", "task_status": state, **output}}


def has_result(answer: dict[str, Any]) -> bool:
    return bool(answer["output"].get("video_url")) if isinstance(answer.get("output"), dict) else False


class Wait(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.start = self.clock()
        self.looks: list[float] = []
        self.words: list[str] = []

    def wait(
        self,
        *answers: Union[dict[str, Any], QianwenError],
        timeout: float = 600.0,
        interval: float = 15.0,
        young: bool = True,
    ) -> dict[str, Any]:
        """Play the answers, the last one for ever."""
        left = list(answers)

        def fetch() -> tasks.Poll:
            self.looks.append(self.clock() - self.start)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, QianwenError):
                raise answer
            return tasks.read(answer, has_result)

        session = Session(Script(), self.clock.sleep, self.clock, self.start + timeout, self.clock, lambda: None)
        return tasks.wait(
            session,
            fetch,
            "t-1",
            interval,
            lambda poll, _: self.words.append(poll.status),
            young,
        )

    def test_it_ends_with_the_last_answer(self) -> None:
        done = body("SUCCEEDED")
        self.assertIs(self.wait(body("PENDING"), body("RUNNING"), done), done)
        self.assertEqual(self.words, ["PENDING", "RUNNING", "SUCCEEDED"])

    def test_quick_at_first_and_slower_up_to_the_interval(self) -> None:
        with self.assertRaises(StillRunning):
            self.wait(body("RUNNING"), timeout=3600)
        first_half_minute = [look for look in self.looks if look <= 30]
        self.assertEqual([round(look) for look in first_half_minute], [2, 4, 6, 8, 10, 12, 14, 17, 21, 25])
        gaps = [later - earlier for earlier, later in zip(self.looks, self.looks[1:])]
        self.assertAlmostEqual(max(gaps[10:60]), 4)
        self.assertEqual(max(gaps), 15)
        for part in (gaps[:9], gaps[10:-1]):
            self.assertEqual([round(gap, 6) for gap in part], sorted(round(gap, 6) for gap in part))

    def test_a_short_interval_is_kept(self) -> None:
        with self.assertRaises(StillRunning):
            self.wait(body("RUNNING"), timeout=10, interval=1)
        self.assertEqual(self.looks[:4], [1, 2, 3, 4])

    def test_nobody_asks_more_often_than_once_a_second(self) -> None:
        with self.assertRaises(StillRunning):
            self.wait(body("RUNNING"), timeout=10, interval=0.01)
        self.assertLessEqual(len(self.looks), 10)

    def test_an_old_task_is_looked_at_at_once(self) -> None:
        self.wait(body("SUCCEEDED"), young=False)
        self.assertEqual(self.looks, [0])

    def test_the_deadline_leaves_one_more_look(self) -> None:
        with self.assertRaises(StillRunning) as caught:
            self.wait(body("RUNNING"), timeout=100)
        self.assertEqual(self.looks[-1], 98)
        self.assertEqual((caught.exception.exit_code, caught.exception.task_id), (2, "t-1"))

    def test_a_timeout_shorter_than_a_gap_still_looks(self) -> None:
        with self.assertRaises(StillRunning):
            self.wait(body("RUNNING"), timeout=1)
        self.assertEqual(len(self.looks), 1)

    def test_an_unknown_state_is_reported_and_waited_on(self) -> None:
        self.wait(body("DREAMING"), body("SUSPENDED"), body(""), body("SUCCEEDED"))
        self.assertEqual(self.words, ["DREAMING", "SUSPENDED", "", "SUCCEEDED"])

    def test_success_without_a_result_is_looked_at_again(self) -> None:
        done, empty = body("SUCCEEDED"), body("SUCCEEDED", video_url="")
        self.assertIs(self.wait(empty, body("RUNNING"), empty, done), done)

    def test_success_without_a_result_is_final_at_the_deadline_and_not_before(self) -> None:
        empty = body("SUCCEEDED", video_url="")
        self.assertIs(self.wait(empty, timeout=100), empty)
        self.assertEqual(self.looks[-1], 98)
        with self.assertRaises(StillRunning):
            self.wait(empty, timeout=30)
        with self.assertRaises(StillRunning):
            tasks.finished(tasks.read(empty, has_result), "t-1")

    def test_an_undocumented_state_beside_a_result_is_an_end(self) -> None:
        for state in ("ARCHIVED", "", "done"):
            made = body(state, video_url="https://a/1.mp4")
            with self.subTest(state):
                self.assertIs(self.wait(body("DREAMING"), made), made)
        self.assertEqual(len(self.looks), 6)

    def test_a_documented_state_is_believed_whatever_stands_beside_it(self) -> None:
        self.wait(body("RUNNING", video_url="https://a/preview.mp4"), body("SUCCEEDED"))
        self.assertEqual(self.words, ["RUNNING", "SUCCEEDED"])

    def test_trouble_on_the_way_is_waited_out(self) -> None:
        self.wait(Unavailable("the connection broke"), body("SUCCEEDED"))
        self.assertEqual(self.words, ["no answer: the connection broke", "SUCCEEDED"])

    def test_a_refused_look_says_nothing_about_the_task(self) -> None:
        refusals = [Refused("not now", http_status=404), ContentRefused("odd"), Unavailable("html", retryable=False)]
        self.wait(*refusals, body("RUNNING"), *refusals, body("SUCCEEDED"))
        self.assertEqual(self.words[0], "no answer: not now")

    def test_look_after_look_refused_gives_up_without_calling_the_task_failed(self) -> None:
        with self.assertRaises(Unavailable) as caught:
            self.wait(Refused("gone fishing", code="NotFound", http_status=404))
        self.assertEqual(len(self.looks), tasks.MOST_REFUSED_POLLS)
        error = caught.exception
        self.assertEqual((error.task_id, error.code, error.http_status), ("t-1", "NotFound", 404))
        self.assertIn("the task itself continues", error.hint)

    def test_a_refused_key_ends_it(self) -> None:
        with self.assertRaises(AuthError):
            self.wait(AuthError("no"), body("SUCCEEDED"))

    def test_unknown_ends(self) -> None:  # B15
        with self.assertRaises(Refused) as caught:
            self.wait(body("UNKNOWN"), young=False)
        self.assertIn("expired or never existed", caught.exception.message)
        self.assertEqual(len(self.looks), 1)

    def test_a_task_that_was_just_submitted_may_be_unknown_for_a_moment(self) -> None:
        self.wait(body("UNKNOWN"), body("UNKNOWN"), body("RUNNING"), body("SUCCEEDED"))
        with self.assertRaises(Refused):
            self.wait(*[body("UNKNOWN")] * 9)

    def test_how_failures_are_told(self) -> None:
        table: tuple[tuple[dict[str, Any], type[QianwenError], str], ...] = (
            (body("FAILED", code="InvalidParameter", message="bad size"), Refused, "InvalidParameter: bad size"),
            ({"request_id": "r", "code": "InvalidParameter", "message": "n", "output": {"task_status": "FAILED"}}, Refused, "InvalidParameter: n"),
            (body("FAILED", code="DataInspectionFailed", message="no"), ContentRefused, "DataInspectionFailed"),
            (body("FAILED", code="InternalError.Timeout", message="late"), Refused, "InternalError.Timeout"),
            (body("FAILED"), Refused, "ended as FAILED"),
            (body("CANCELED"), Refused, "ended as CANCELED"),
            (body("CANCELLED"), Refused, "ended as CANCELLED"),
        )  # fmt: skip
        for answer, kind, words in table:
            with self.subTest(words), self.assertRaises(QianwenError) as caught:
                self.wait(answer)
            self.assertIs(type(caught.exception), kind)
            self.assertIn(words, caught.exception.message)
            self.assertEqual((caught.exception.exit_code, caught.exception.billed), (1, "no"))

    def test_bodies_that_are_none(self) -> None:
        answers: tuple[dict[str, Any], ...] = ({}, {"output": None}, {"output": []}, {"output": {"task_status": None}})
        for answer in answers:
            self.assertEqual(tasks.read(answer, has_result).meaning, tasks.WAITING)
