"""What a batch may bill: the worst case of a row is set aside before it starts, and what was less is given back."""

from __future__ import annotations

import math
import threading


class Cap:
    """Safe to use from several threads.

    most: units that may be billed in all.
    is_closed: False without a bound.
    spent: units that were billed or may be, those set aside included.
    """

    def __init__(self, most: float, spent: float, is_closed: bool = False) -> None:
        self.most = most
        self.is_closed = is_closed
        self.spent = spent
        self._lock = threading.Lock()

    def fits(self, units: float) -> bool:
        return not self.is_closed or self.spent + units <= self.most

    def set_aside(self, units: float) -> bool:
        """Set the worst case of a row aside; False when it does not fit."""
        with self._lock:
            if not self.fits(units):
                return False
            self.spent += units
            return True

    def settle(self, set_aside: float, billed: float) -> None:
        """A row has ended, and billed so much."""
        with self._lock:
            self.spent += billed - set_aside


def share(most: int, spent_before: float, own: int, whole: int, shard: tuple[int, int]) -> float:
    """The part of a cap that is a shard's; the parts of all shards together are no more than what is left of it.

    spent_before: units that were billed while the batch was cut otherwise.
    own, whole: units of the shard's rows and of all rows; chance makes shards uneven.
    """
    index, count = shard
    left = max(0, most - math.ceil(spent_before))
    if count == 1:
        return left
    if left < whole:
        return left * own // whole
    spare, rest = divmod(left - whole, count)
    return own + spare + (index < rest)
