"""The line that is written over: its width, its numbers, and that it never stands in the way of another line."""

from __future__ import annotations

import io
import unittest
from unittest import mock

from qianwen.terminal import live_line, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        """What stands on the last line."""
        return self.getvalue().rpartition("\n")[2].rpartition(live_line.ERASE)[2]


class Text(unittest.TestCase):
    def test_cut(self) -> None:
        rows = [
            ("short", 80, "short"),
            ("abcdefgh", 8, "abcdefgh"),
            ("abcdefghi", 8, "abcdefg…"),
            ("雨夜的江南水乡", 14, "雨夜的江南水乡"),
            ("雨夜的江南水乡", 8, "雨夜的…"),
            ("e\u0301" * 8, 8, "e\u0301" * 8),
            ("RUNNING", 1, "…"),
            ("雨夜", -3, "…"),
        ]
        for text, columns, wanted in rows:
            with self.subTest(text, columns=columns):
                self.assertEqual(live_line.cut(text, columns), wanted)

    def test_clock_and_size(self) -> None:
        for seconds, text in ((0, "0:00"), (7.9, "0:07"), (754, "12:34"), (3723, "1:02:03"), (-5, "0:00")):
            self.assertEqual(live_line.clock(seconds), text)
        for count, text in (
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (1.2e6, "1.2 MB"),
            (3.4e9, "3.40 GB"),
        ):
            self.assertEqual(live_line.size(count), text)


class Progress(unittest.TestCase):
    def setUp(self) -> None:
        self.stream = Terminal()
        self.now = 0.0
        self.progress = progress.Progress(self.stream, clock=lambda: self.now, cwd="/here")
        self.addCleanup(self.progress.close)

    def test_a_state_is_one_line(self) -> None:
        self.progress.state("t", "RUNNING", 34, "1 to 3 min")
        self.assertEqual(self.stream.shown, "RUNNING 0:34 · usually 1 to 3 min · Ctrl-C leaves it running")
        self.now = 5
        self.progress.say("Task submitted: t")
        self.assertIn("\r\x1b[KTask submitted: t\n", self.stream.getvalue())
        self.assertTrue(self.stream.shown.startswith("RUNNING 0:39"))
        self.progress.close()
        self.assertEqual(self.stream.shown, "")

    def test_files_share_the_line(self) -> None:
        self.progress.moved("a", 10**6, 4 * 10**6)
        self.progress.moved("small", 10, 100)
        self.now = 2.0
        self.progress.moved("a", 2 * 10**6, 4 * 10**6)
        self.progress.say("x")
        self.assertEqual(self.stream.shown, f"a  {'█' * 10}{'░' * 10}  2.0 MB of 4.0 MB  1.0 MB/s  0:02 left")
        self.progress.moved("b", 2 * 10**6, 4 * 10**6)
        self.progress.say("x")
        self.assertEqual(self.stream.shown, f"2 files  {'█' * 10}{'░' * 10}  4.0 MB of 8.0 MB  2.0 MB/s  0:02 left")
        self.progress.moved("b", 3 * 10**6, 0)
        self.progress.say("x")
        self.assertEqual(self.stream.shown, "2 files  5.0 MB  2.5 MB/s")
        self.progress.arrived("a")
        self.progress.arrived("b")
        self.assertEqual(self.stream.shown, "")

    def test_a_saved_file_is_named_from_here_with_its_facts(self) -> None:
        self.now = 8.2
        self.progress.saved("/here/hat.png", 2368, 1776, 1_200_000)
        self.progress.saved("/there/hat.png", 0, 0, 10)
        lines = self.stream.getvalue().replace(live_line.ERASE, "").splitlines()
        self.assertEqual(lines, ["hat.png  2368×1776  1.2 MB  8 s", "/there/hat.png  10 B  8 s"])

    def test_no_such_line_elsewhere(self) -> None:
        for quiet, term, stream in (
            (True, "xterm", Terminal()),
            (False, "dumb", Terminal()),
            (False, "xterm", io.StringIO()),
        ):
            with self.subTest(quiet=quiet, term=term):
                quiet_one = progress.Progress(stream, quiet, term, lambda: 0.0)
                quiet_one.state("t", "RUNNING", 1)
                quiet_one.moved("a", 10**6, 10**7)
                quiet_one.close()
                self.assertNotIn("\r", stream.getvalue())

    def test_without_a_thread_to_spare_it_is_written_at_each_change(self) -> None:
        with mock.patch("_thread.start_new_thread", side_effect=RuntimeError):
            self.progress.working("sending")
        self.assertEqual(self.stream.shown, "sending 0:00")
        self.progress.close()
        self.assertEqual(self.stream.shown, "")

    def test_a_terminal_that_has_gone_changes_nothing(self) -> None:
        self.progress.working("sending")
        self.stream.close()
        self.progress.say("x")
        self.progress.working("waiting")

    def test_secrets_are_hidden_there_too(self) -> None:
        self.progress.secrets = ("a secret of 18 chr",)
        self.progress.working("sending a secret of 18 chr")
        self.assertEqual(self.stream.shown, "sending [hidden] 0:00")


if __name__ == "__main__":
    unittest.main()
