"""Many processes want the same picture at once: on an account that none of them has made yet, and on damaged ones."""

from __future__ import annotations

import os
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

from qianwen.account.purchase import Purchase
from qianwen.account.store import Account

from tests.support import Case
from tests.whole.test_accounts import at_once

ROUNDS = 8


def _wish(request: str) -> Purchase:
    return Purchase(os.urandom(8).hex(), "image.py", "m", "t2i", "r", "b", request, True, "/o", "s", "", 1.7e9)


class AtOnce(Case):
    def test_thirty_programs(self) -> None:
        self.assertEqual(at_once(self, 30), (1, 29))

    @unittest.skipUnless(hasattr(os, "fork"), "POSIX only")
    def test_eight_processes_that_meet_a_damaged_account(self) -> None:
        """One of them repairs it, one of them buys, and that one's later steps are not lost to the repair."""
        for what in ("new", "whole", "a table is missing", "empty", "no database"):
            for number in range(ROUNDS):
                folder = self.folder / f"{what} {number}"
                if what != "new":
                    self.make(folder, what)
                with self.subTest(what, number=number):
                    self.assertEqual(self.buy(folder), 1)
                    book = Account(str(folder))
                    (bought,) = book.runs("same")
                    self.assertEqual(bought.task_id, "task-4")
                    if what in ("whole", "a table is missing"):
                        self.assertEqual(len(book.runs()), 2)

    def make(self, folder: Path, what: str) -> None:
        book, path = Account(str(folder)), folder / "account.db"
        book.begin(_wish("earlier"))
        book.close()
        if what == "a table is missing":
            connection = sqlite3.connect(path)
            connection.execute("DROP TABLE files")
            connection.close()
        elif what != "whole":
            path.write_bytes(b"" if what == "empty" else b"nonsense" * 1000)

    def buy(self, folder: Path) -> int:
        waiting, begin = os.pipe()
        children = []
        for number in range(8):
            child = os.fork()
            if not child:
                os.close(begin)
                os.read(waiting, 1)  # all of them begin when the other end is closed
                os._exit(self.bought(folder, is_closing=number % 2 == 0))
            children.append(child)
        os.close(begin)
        os.close(waiting)
        return sum(os.waitpid(child, 0)[1] >> 8 for child in children)

    def bought(self, folder: Path, is_closing: bool) -> int:
        book, wish = Account(str(folder)), _wish("same")
        try:
            if book.begin(wish):
                return 0
            for number in range(5):
                book.add(wish.id, "task", task_id=f"task-{number}")
            if is_closing:
                book.close()
            return 1
        except Exception:
            return 100


if __name__ == "__main__":
    unittest.main()
