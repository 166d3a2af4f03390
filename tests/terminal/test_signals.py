"""The first signal ends a run, further ones do not; what was ignored at the start stays ignored."""

from __future__ import annotations

import os
import signal
import threading
import unittest

from qianwen.terminal.signals import Signals


@unittest.skipIf(os.name == "nt", "POSIX only")
class First(unittest.TestCase):
    def setUp(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.skipTest("signals come to the main thread")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))

    def test_each_is_an_interruption_and_a_second_one_is_nothing(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                signal.signal(number, signal.SIG_DFL)
                Signals()
                with self.assertRaises(KeyboardInterrupt):
                    os.kill(os.getpid(), number)
                os.kill(os.getpid(), number)

    def test_after_the_end_they_are_ignored(self) -> None:
        signals = Signals()
        signals.ignore()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
            self.assertEqual(signal.getsignal(number), signal.SIG_IGN)

    def test_let_go_they_end_the_process_and_what_it_starts(self) -> None:
        signals = Signals()
        signals.ignore()
        signals.let_go()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.assertEqual(signal.getsignal(number), signal.SIG_DFL)

    def test_one_that_was_ignored_stays_ignored(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Signals()
        self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)

    def test_in_another_thread_nothing_is_changed(self) -> None:
        thread = threading.Thread(target=lambda: Signals().ignore())
        thread.start()
        thread.join()
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)


if __name__ == "__main__":
    unittest.main()
