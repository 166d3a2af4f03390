"""The time of the tests: no wait of one thread overtakes what another one does meanwhile."""

from __future__ import annotations

import threading
import time
import unittest

from ..support import Clock


class TimeOfThreads(unittest.TestCase):
    def test_waits_beside_work(self) -> None:
        clock = Clock()
        start = clock()
        ready = threading.Barrier(2)
        ends: dict[str, float] = {}

        def wait() -> None:
            clock.read()
            ready.wait()
            for _ in range(100):
                clock.sleep(5)
            ends["waits"] = clock() - start

        def work() -> None:
            clock.read()
            ready.wait()
            time.sleep(0.05)
            ends["works"] = clock() - start
            clock.sleep(7)
            ends["then waits"] = clock() - start

        threads = [threading.Thread(target=target) for target in (wait, work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(ends, {"works": 0.0, "then waits": 7.0, "waits": 500.0})

    def test_a_thread_that_waits_for_another_holds_it_up_once(self) -> None:
        clock = Clock()
        clock.LONGEST_WORK = 0.1
        over = threading.Event()
        real: list[float] = []

        def wait_for_it() -> None:
            clock.read()
            over.wait()

        def sleep() -> None:
            before = time.monotonic()
            for _ in range(100):
                clock.sleep(5)
            real.append(time.monotonic() - before)
            over.set()

        threads = [threading.Thread(target=target, daemon=True) for target in (wait_for_it, sleep)]
        for thread in threads:
            thread.start()
            thread.join(0 if thread is threads[0] else 15)
        self.assertTrue(over.is_set())
        self.assertLess(real[0], 5)  # not a hundred times a tenth of a second
