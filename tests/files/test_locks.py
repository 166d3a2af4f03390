"""Locks end with their holder, and only one of many gets one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import unittest
from unittest import mock

from qianwen.files import locks

from .. import SCRIPTS
from ..support import Case

HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from qianwen.files import locks
lock = locks.take(sys.argv[2])
print(lock is not None, flush=True)
sys.stdin.read()
"""


class Locks(Case):
    def setUp(self) -> None:
        super().setUp()
        self.path = str(self.folder / "lock")

    def test_one_at_a_time(self) -> None:
        lock = locks.take(self.path)
        assert lock
        self.assertIsNone(locks.take(self.path))
        self.assertTrue(locks.is_held(self.path))
        lock.release()
        lock.release()
        self.assertFalse(os.path.exists(self.path))
        self.assertFalse(locks.is_held(self.path))

    def test_a_lasting_lock_leaves_its_file(self) -> None:
        lock = locks.wait_for(self.path, 0)
        assert lock
        self.assertIsNone(locks.wait_for(self.path, 0.02))
        lock.release()
        self.assertTrue(os.path.exists(self.path))

    def test_a_place_where_there_can_be_none(self) -> None:
        os.mkdir(self.path)
        self.assertIsNone(locks.wait_for(self.path, 0))
        self.assertFalse(locks.is_held(self.path))
        with self.assertRaises(OSError):
            locks.take(self.path)

    def test_a_disk_whose_numbers_change_is_given_up(self) -> None:
        with mock.patch("os.path.samestat", return_value=False), self.assertRaises(OSError):
            locks.take(self.path)

    def test_a_file_that_was_left_behind_is_no_lock(self) -> None:
        open(self.path, "w").close()
        self.assertFalse(locks.is_held(self.path))
        self.assertFalse(os.path.exists(self.path))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_killed_holder_holds_nothing(self) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(SCRIPTS), self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdin and holder.stdout
        with holder.stdin, holder.stdout:
            self.assertEqual(holder.stdout.readline(), b"True\n")
            self.assertTrue(locks.is_held(self.path))
            holder.kill()
            holder.wait()
        self.assertFalse(locks.is_held(self.path))

    def test_of_many_that_take_and_release_two_never_hold_at_once(self) -> None:
        holders: list[int] = []
        worst: list[int] = []

        def work() -> None:
            for _ in range(60):
                lock = locks.take(self.path)
                if lock:
                    holders.append(1)
                    worst.append(len(holders))
                    holders.pop()
                    lock.release()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(worst), {1})

    def test_where_there_is_no_flock(self) -> None:
        windows = mock.Mock()
        windows.locking.side_effect = [None, OSError(13, "Permission denied")]
        with mock.patch.dict(sys.modules, {"fcntl": None, "msvcrt": windows}):
            first, second = locks.take(self.path), locks.take(self.path)
        assert first
        self.assertIsNone(second)
        first.release()
