"""The stand-in's limits: what is over the rate is throttled, and tasks over the number that runs wait as PENDING."""

from __future__ import annotations

import unittest

from qianwen.sandbox import faults
from qianwen.sandbox.faults import Limit

from ..support import Case


class Limits(Case):
    def test_tasks_beyond_the_limit_are_pending_and_a_burst_is_throttled(self) -> None:
        with self.standin(delay=10) as there:
            there.limits = {"wan2.6-t2i": Limit(3, 2)}
            ids = [self.image(f"p{number}", "--async", "--submit-only").stdout.strip() for number in range(3)]
            self.clock.sleep(5)
            states = [there._state(there.tasks[task]) for task in ids]
            self.assertEqual(states, ["RUNNING", "RUNNING", "PENDING"])
            self.clock.sleep(10)
            self.assertEqual([there._state(there.tasks[task]) for task in ids], ["SUCCEEDED", "SUCCEEDED", "RUNNING"])
            before = self.clock()
            for number in range(4):
                self.assertEqual(self.image(f"q{number}", "--async", "--submit-only").code, 0)
            self.assertGreater(self.clock(), before)  # the fourth waited for its turn
            self.assertEqual(set(there.orders.values()), {1})

    def test_specs(self) -> None:
        self.assertEqual(faults.limit("wan2.6-t2i=0.5/2"), ("wan2.6-t2i", Limit(0.5, 2)))
        for wrong in ("x", "x=1", "x=0/1", "x=1/y", "=1/2"):
            with self.subTest(wrong), self.assertRaises(ValueError):
                faults.limit(wrong)


if __name__ == "__main__":
    unittest.main()
