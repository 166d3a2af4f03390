"""An account with many earlier runs, and the bookkeeping of one picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qianwen.account.purchase import Purchase
from qianwen.account.store import Account

if TYPE_CHECKING:
    import sqlite3

_MANY = """
INSERT INTO runs (id, program, model, mode, region, base, request, is_task, folder, stem, suffix, at, patience, state,
    delivered, task_id, urls, asked)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
SELECT printf('%016x', i), 'image.py', 'wan2.6-t2i', 't2i', 'cn-beijing', 'https://dashscope.aliyuncs.com/api/v1',
    printf('%064x', i), 1, '/output', 'a-cat', '', 1.7e9 + i, 180, 'done', 1, printf('task-%d', i),
    '["https://example.com/a.png"]', '{{"prompt": "a cat on a windowsill"}}' FROM n
"""


def fill(folder: str, count: int) -> None:
    """Make the account in a folder, with `count` finished runs."""
    account = Account(folder)

    def work(database: sqlite3.Connection) -> None:
        if count:
            database.execute(_MANY.format(count))

    account._file.write(work, 5.0)
    account.close()


def keep_books(account: Account) -> None:
    """All that one picture writes and asks."""
    run = Purchase(
        os.urandom(8).hex(), "image.py", "m", "t2i", "r", "b", os.urandom(32).hex(), False, "/o", "s", "", 2e9
    )
    if account.made(run.request, False) or account.twin(run):
        raise RuntimeError("it was made before")
    lock = account.claim(run.id)
    account.begin(run)
    account.add(run.id, "result", urls=["https://example.com/a.png"], body={"a": 1})
    account.add(run.id, "file", index=0, path="/o/s.png", sha256="0" * 64)
    account.add(run.id, "end", state="done", at=2e9)
    if lock:
        lock.release()
    account.add(run.id, "deliver")
    account.close()
