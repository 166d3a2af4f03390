"""Whether to send again: a table over outcomes, and the wrapper with time that only moves when it sleeps."""

from __future__ import annotations

import unittest
from email.utils import formatdate
from typing import Union

from qianwen.http import retry
from qianwen.http.messages import Fault, Request, Response
from qianwen.service import answers

from ..support import Clock, Script, answer

GET = Request("GET", "https://host/")
PAID = Request("POST", "https://host/", body=b"{}", billable=True, once=True)
NOT_SENT = Fault("refused", sent=False)
SENT = Fault("broke", sent=True)
HOPELESS = Fault("certificate", sent=False, permanent=True)
THROTTLED = answer({"code": "Throttling.RateQuota", "message": "slow down"}, 429)
QUOTA = answer({"code": "Throttling.AllocationQuota", "message": "Free allocated quota exceeded."}, 429)
BROKEN = answer(b"<html>", 502)
REFUSED = answer({"code": "InvalidParameter", "message": "no"}, 400)
FINE = answer({"output": {}})

# request, outcome, whether it may be sent again
MATRIX: tuple[tuple[str, Request, Union[Response, Fault], bool], ...] = (
    ("poll, not sent", GET, NOT_SENT, True),
    ("poll, broke off", GET, SENT, True),
    ("poll, hopeless", GET, HOPELESS, False),
    ("poll, throttled", GET, THROTTLED, True),
    ("poll, out of quota", GET, QUOTA, False),
    ("poll, gateway", GET, BROKEN, True),
    ("poll, refused", GET, REFUSED, False),
    ("poll, answered", GET, FINE, False),
    ("paid, not sent", PAID, NOT_SENT, True),
    ("paid, broke off", PAID, SENT, False),
    ("paid, hopeless", PAID, HOPELESS, False),
    ("paid, throttled", PAID, THROTTLED, True),
    ("paid, out of quota", PAID, QUOTA, False),
    ("paid, gateway", PAID, BROKEN, False),
    ("paid, refused", PAID, REFUSED, False),
    ("paid, answered", PAID, FINE, False),
)


class Decisions(unittest.TestCase):
    def test_matrix(self) -> None:
        for name, request, outcome, again in MATRIX:
            with self.subTest(name):
                self.assertEqual(retry.may_resend(request, outcome, answers.judge), again)
                pause = retry.delay(1, request, outcome, 0.0, 0.5, answers.judge)
                self.assertEqual(pause is not None, again)

    def test_pauses_grow_with_full_jitter_and_end(self) -> None:
        pauses = [retry.delay(attempt, GET, SENT, 0.0, 1.0, answers.judge) for attempt in range(1, 7)]
        self.assertEqual(pauses, [1.0, 2.0, 4.0, 8.0, None, None])
        self.assertEqual(retry.delay(3, GET, SENT, 0.0, 0.0, answers.judge), 0.0)

    def test_retry_after(self) -> None:
        now = 1_700_000_000.0
        for text, pause in (
            ("7", 7.0),
            ("0", 0.0),
            ("9999", 60.0),
            (formatdate(now + 5, usegmt=True), 5.0),
            (formatdate(now - 5, usegmt=True), 0.5),
            ("soon", 0.5),
            ("-3", 0.5),
            ("1e9", 0.5),
            ("", 0.5),
            ("99999999999999999999999", 60.0),
        ):
            with self.subTest(text):
                outcome = answer({"code": "Throttling"}, 429, retry_after=text)
                self.assertEqual(retry.delay(1, GET, outcome, now, 0.5, answers.judge), pause)

    def test_error_bodies_of_every_envelope(self) -> None:
        for body, found in (
            (b'{"code":"A","message":"b"}', ("A", "b")),
            (b'{"code":"A","msg":"b"}', ("A", "b")),
            (b'{"error":{"code":"A","message":"b"}}', ("A", "b")),
            (b"<html>", ("", "")),
            (b"[1]", ("", "")),
            (b'"text"', ("", "")),
            (b"[" * 100000, ("", "")),
            (b"\xff\xfe", ("", "")),
        ):
            with self.subTest(body[:20]):
                self.assertEqual(answers.error_of(body), found)


class Retrying(unittest.TestCase):
    def run_script(self, request: Request, *outcomes: Union[Response, Fault], deadline: float = 1e12) -> Script:
        script, self.clock, self.said = Script(*outcomes), Clock(), list[str]()
        send = retry.retrying(
            script,
            self.clock.sleep,
            self.clock,
            deadline,
            answers.judge,
            self.clock,
            self.said.append,
            lambda: 1.0,
        )
        self.response = send(request)
        return script

    def test_throttled_then_answered(self) -> None:  # B20
        script = self.run_script(PAID, THROTTLED, FINE)
        self.assertEqual((len(script.requests), self.response.status), (2, 200))
        self.assertIn("Throttling.RateQuota; trying again in 1.0 s", self.said[0])

    def test_a_doubtful_paid_request_is_sent_once(self) -> None:
        script = Script(SENT, FINE)
        send = retry.retrying(script, Clock().sleep, Clock(), 1e12, answers.judge, jitter=lambda: 1.0)
        with self.assertRaises(Fault):
            send(PAID)
        self.assertEqual(len(script.requests), 1)

    def test_it_gives_up_in_the_end(self) -> None:
        script = self.run_script(GET, *[BROKEN] * 9)
        self.assertEqual((len(script.requests), self.response.status), (retry.ATTEMPTS, 502))

    def test_a_throttled_submission_waits_for_its_turn(self) -> None:
        script = self.run_script(PAID, *[THROTTLED] * 30, FINE)
        self.assertEqual((len(script.requests), self.response.status), (31, 200))
        self.assertIn(f"trying again in {retry.LONGEST_SECONDS:.1f} s", self.said[-1])

    def test_no_pause_reaches_beyond_the_deadline(self) -> None:
        script = self.run_script(GET, *[THROTTLED] * 9, deadline=1_700_000_000.0 + 4)
        self.assertEqual(len(script.requests), 3)
