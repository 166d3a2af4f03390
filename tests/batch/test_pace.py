"""The pace of a batch under a clock of its own: never faster than documented, hardly slower, and patient."""

from __future__ import annotations

import heapq
import sys
import threading
import unittest
from functools import partial
from typing import Callable

from qianwen.batch import pace
from qianwen.batch.flight import Flight
from qianwen.batch.pace import Gate, Turn
from qianwen.batch.plan import Cap, share
from qianwen.errors import Unavailable, UnknownOutcome
from qianwen.http.messages import Fault, Request, Response
from qianwen.models.catalog import Pace
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

PAID = Request("POST", "http://127.0.0.1/api/v1/x", billable=True, once=True)


def judge(response: Response) -> tuple[bool, str]:
    return True, ""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """Answers 429 when it is asked to, and remembers when it accepted something."""

    def __init__(self, clock: Clock, refuses: Callable[[int], bool] = lambda number: False) -> None:
        self.clock = clock
        self.refuses = refuses
        self.asked = 0
        self.accepted: list[float] = []

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        if self.refuses(self.asked):
            return Response(429, {}, lambda size: b"", refusal=b"{}")
        self.accepted.append(self.clock())
        return Response(200, {}, lambda size: b"")


def gate(rate: float, clock: Clock, give_up: Callable[[], object] = lambda: None, over: str = "") -> Gate:
    return Gate(rate, 7, clock, clock.sleep, lambda: over, give_up)


class Gates(unittest.TestCase):
    def test_never_faster_and_hardly_slower(self) -> None:
        for rate in (5.0, 2.0, 1.0, 2 / 60):
            clock = Clock()
            there = Service(clock)
            send = gate(rate, clock).paced(there, judge, Turn())
            for _ in range(200):
                send(PAID)
            with self.subTest(rate=rate):
                for window in (1.0, 60.0):
                    for moment in there.accepted:
                        within = sum(moment <= other < moment + window - 1e-6 for other in there.accepted)
                        self.assertLessEqual(within, max(1, round(rate * window)))
                taken = there.accepted[-1] - there.accepted[0]
                self.assertGreaterEqual(199 / taken, 0.95 * rate)

    def test_refusals_hardly_cost_a_place_at_the_service(self) -> None:
        """Five tasks of 15 s run at once; with a tenth of all submissions refused, at least 80 % of that is reached."""
        for share_refused, least in ((0, 0.95), (10, 0.8)):
            clock = Clock()
            refused = set(range(share_refused, 1000, share_refused)) if share_refused else set()
            send = gate(5.0, clock).paced(Service(clock, refused.__contains__), judge, Turn())
            ends: list[float] = []  # of the tasks at the service
            in_work: list[float] = []
            for _ in range(500):
                while len(in_work) >= pace.places(Pace(5, 5), 5, True):
                    clock.now = max(clock.now, heapq.heappop(in_work))
                send(PAID)
                begins = max(clock.now, sorted(ends)[-5] if len(ends) >= 5 else 0)
                ends = [*sorted(ends)[-4:], begins + 15]
                heapq.heappush(in_work, begins + 15 + 1)  # noticed a second later
            with self.subTest(share_refused=share_refused):
                self.assertGreaterEqual(500 / ((max(ends) - 1000) / 15 * 5), least)

    def test_a_refusal_slows_down_and_calm_speeds_up(self) -> None:
        clock = Clock()
        there = Service(clock, lambda number: number in (2, 3))
        send = gate(5.0, clock).paced(there, judge, Turn())
        for _ in range(400):
            send(PAID)
        gaps = [round(after - before, 3) for before, after in zip(there.accepted, there.accepted[1:])]
        self.assertEqual(gaps[0], 0.2 + 2 + 4)  # two refusals in a row
        self.assertEqual(gaps[1], 0.4)
        self.assertEqual(gaps[-1], 0.2)

    def test_nothing_but_refusals_gives_up(self) -> None:
        clock = Clock()
        stopped: list[float] = []
        there = Service(clock, lambda number: True)
        here = Gate(1, 1, clock, clock.sleep, lambda: "over" if stopped else "", lambda: stopped.append(clock()))
        with self.assertRaises(Fault) as caught:
            here.paced(there, judge, Turn())(PAID)
        self.assertFalse(caught.exception.sent)
        self.assertTrue(600 <= stopped[0] - 1000 <= 700)

    def test_what_is_free_does_not_wait(self) -> None:
        clock = Clock()
        send = gate(0.01, clock).paced(Service(clock), judge, Turn())
        for _ in range(5):
            send(Request("GET", "http://127.0.0.1/api/v1/tasks/x"))
        self.assertEqual(clock(), 1000.0)

    def test_a_row_waits_before_it_is_written_down(self) -> None:
        """A turn that was taken before is used up by the request; after a refusal another one is waited for."""
        clock, turn = Clock(), Turn()
        here = gate(1.0, clock)
        there = Service(clock, lambda number: number == 2)
        send = here.paced(there, judge, turn)
        here.wait(turn)
        send(PAID)
        here.wait(turn)
        self.assertEqual(clock(), 1001.0)
        send(PAID)
        self.assertEqual(there.accepted, [1000.0, 1003.0])

    def test_a_quota_is_no_throttling(self) -> None:
        clock = Clock()
        send = gate(1, clock).paced(Service(clock, lambda number: True), lambda response: (False, "quota"), Turn())
        self.assertEqual(send(PAID).status, 429)

    def test_places(self) -> None:
        for limits, is_task, shards, wanted in (
            (Pace(5, 5), True, 1, 7),
            (Pace(5, 5), True, 3, 2),
            (Pace(5, 5), True, 16, 1),
            (Pace(2, 0), False, 1, 24),
            (Pace(2 / 60, 0), False, 1, 2),
            (Pace(2, 2), False, 1, 24),
        ):
            self.assertEqual(pace.places(limits, limits.rate, is_task, shards), wanted)

    def test_newer_videos_keep_the_limits_of_their_own_pages(self) -> None:
        for model_id, wanted in (("wan3.0-video", (50, 5)), ("happyhorse-1.1-t2v", (600, 5)), ("wan2.2-s2v", (300, 1))):
            limits = next(model.pace for model in VIDEOS.models if model.id == model_id)
            self.assertEqual((round(limits.rate * 60), limits.running), wanted, model_id)

    def test_every_row_says_where_its_pace_comes_from(self) -> None:
        for model in (*IMAGES.models, *VIDEOS.models):
            self.assertTrue(model.pace == Pace() or (model.pace.source and model.pace.checked), model.id)
        documented = sum(model.pace != Pace() for model in (*IMAGES.models, *VIDEOS.models))
        self.assertGreater(documented, 50)


@unittest.skipIf(sys.platform == "win32", "a thread's stack has a bound there")
class Threads(unittest.TestCase):
    def test_without_a_thread_to_spare_the_rows_follow_one_another(self) -> None:
        clock = Clock()
        made: list[int] = []
        flight = Flight(clock, clock() + 100)
        before = threading.stack_size(2**62)  # which no machine has
        try:
            begun = [flight.start(gate(1.0, clock), partial(made.append, number)) for number in range(3)]
        finally:
            threading.stack_size(before)
        self.assertEqual((begun, made, flight.running, flight.error), ([True] * 3, [0, 1, 2], 0, None))


class Outcomes(unittest.TestCase):
    def test_three_unknown_ones_in_a_row(self) -> None:
        """What was never sent tells nothing. The rows end later, when their tasks were looked for."""
        lost, unsent = UnknownOutcome("lost"), Unavailable("no network")
        for endings, is_over in (
            ((lost, lost, lost), True),
            ((lost, unsent, lost, unsent, unsent, lost), True),
            ((lost, lost, None, lost, lost, None, lost, lost), False),
        ):
            clock = Clock()
            flight = Flight(clock, clock() + 100)
            for ending in endings:
                if ending is lost:
                    flight.unanswered("lost")
                elif not ending:
                    flight.answered()
            for ending in endings:
                flight.ended(ending)
            with self.subTest(endings=endings):
                self.assertEqual(flight.error is not None, is_over)


class Caps(unittest.TestCase):
    def test_worst_cases_are_set_aside_and_given_back(self) -> None:
        cap = Cap(10, 4, is_closed=True)
        self.assertTrue(cap.set_aside(4))
        self.assertFalse(cap.set_aside(3))
        cap.settle(4, 1)
        self.assertTrue(cap.set_aside(5))
        self.assertEqual(cap.spent, 10)
        self.assertTrue(Cap(0, 10).set_aside(1000))

    def test_the_parts_of_shards_are_the_whole(self) -> None:
        for most, before, parts in ((900, 0, (310, 290, 300)), (899, 0, (310, 290, 300)), (1000, 50, (310, 290, 300))):
            shares = [share(most, before, own, sum(parts), (index, 3)) for index, own in enumerate(parts)]
            self.assertLessEqual(sum(shares), most - before)
            self.assertGreaterEqual(sum(shares), min(most - before, sum(parts)) - 2)
            if most - before >= sum(parts):
                self.assertTrue(all(mine >= own for mine, own in zip(shares, parts)))


if __name__ == "__main__":
    unittest.main()
