"""What a person sees of a batch: a line every ten seconds, the first rows that were not made, and only their warnings."""

from __future__ import annotations

import io
import unittest
from collections import Counter

from qianwen.batch.flight import Flight
from qianwen.batch.plan import MOST_PROBLEMS, span
from qianwen.batch.progress import RowVoice, Voice
from qianwen.batch.rows import Row
from qianwen.errors import ContentRefused, UnknownOutcome
from qianwen.terminal.progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Lines(unittest.TestCase):
    def setUp(self) -> None:
        self.clock, self.stream = Clock(), io.StringIO()
        self.counts: Counter[str] = Counter({"": 30, "made": 10})
        self.voice = Voice(Progress(self.stream), self.clock, self.counts, lambda: 3)

    def row(self, number: int) -> Row:
        return Row(number, "0" * 16, {}, {}, id=f"r{number}")

    def told(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def test_a_line_every_ten_seconds(self) -> None:
        for second in range(60):
            self.clock.now = second
            if second % 6 == 5:
                self.voice.ended(self.row(second), "", "made", None)
            self.voice.tick()
        self.assertEqual(len(self.told()), 5)
        self.assertEqual(self.told()[-1], "18 of 40 made, 3 running, 9.6 a minute, about 2 min left")

    def test_time_left_never_grows_while_nothing_is_made(self) -> None:
        """Rounds of three rows that take 12 s each: after the first one the last round is not a third of that."""
        self.counts[""], self.clock.now = 5, 12
        for number in (1, 2, 3):
            self.voice.ended(self.row(number), "", "made", None)
        told = []
        for self.clock.now in (12, 15, 20, 24, 30):
            told.append(self.voice.line().rpartition(", ")[2])
        self.assertEqual(
            told,
            ["about 12 s left", "about 9 s left", "about 4 s left", "none finished for 12 s", "none finished for 18 s"],
        )
        for number in (4, 5):
            self.voice.ended(self.row(number), "", "made", None)
        self.assertEqual(self.voice.line(), "15 of 15 made, 3 running")

    def test_the_first_rows_that_were_not_made_are_told(self) -> None:
        for number in range(1, 31):
            self.voice.ended(self.row(number), "", "refused", ContentRefused("a filter said no"))
        self.assertEqual(len(self.told()), MOST_PROBLEMS)
        self.assertEqual(self.told()[0], "row 1 (r1) refused: a filter said no")
        self.assertEqual((self.counts[""], self.counts["refused"]), (0, 30))

    def test_of_a_row_only_its_warnings_are_told(self) -> None:
        flight = Flight(self.clock, self.clock() + 100)
        voice = RowVoice(self.voice, self.row(7), flight)
        voice.say("x")
        voice.always("x")
        voice.note("x")
        voice.state("t", "RUNNING", 3)
        voice.answered("t")
        voice.warn("a thing")
        self.assertEqual(self.told(), ["Warning: row 7: a thing"])

    def test_three_rows_without_an_answer_stop_the_batch(self) -> None:
        flight = Flight(self.clock, self.clock() + 100)
        voices = [RowVoice(self.voice, self.row(number), flight) for number in range(3)]
        for voice in (voices[0], voices[1]):
            voice.unanswered("lost")
        voices[2].answered("")
        for voice in voices:
            self.assertIsNone(flight.error)
            voice.unanswered("lost")
        self.assertIsInstance(flight.error, UnknownOutcome)

    def test_spans(self) -> None:
        for seconds, wanted in ((0, "0 s"), (89, "89 s"), (720, "12 min"), (29040, "8 h 4 min")):
            self.assertEqual(span(seconds), wanted)


if __name__ == "__main__":
    unittest.main()
