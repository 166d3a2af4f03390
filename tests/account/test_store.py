"""What was submitted is found again: after a crash, in a damaged file, beside other processes, whatever the clock says."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, NoReturn
from unittest import mock

from qianwen.account import database, journal, repair, report, rows, store
from qianwen.account.purchase import PATIENCE, Batch, Kept, Purchase
from qianwen.account.store import Account
from qianwen.errors import Unavailable
from qianwen.files import locks
from qianwen.plain.record import changed

from .. import SCRIPTS
from ..bench import past
from ..support import Case, place_for_all
from . import RUN

NAME = "qianwen-media-generation"
WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from qianwen.account.purchase import Purchase
from qianwen.account.store import Account
account = Account(sys.argv[2], lambda: 1.7e9)
def run(request):
    return Purchase(os.urandom(8).hex(), "image.py", "m", "t2i", "r", "b", request, True, "/o", "s", "", 1.7e9)
print("ready", flush=True)
sys.stdin.readline()
"""
BUYER = WRITER + "twin = account.begin(run('same'))\nprint('bought' if twin is None else 'twin', flush=True)\n"
STEPPER = (
    WRITER
    + """
mine = run(sys.argv[3])
account.begin(mine)
for number in range(10):
    account.add(mine.id, "task", task_id=f"{sys.argv[3]}/{number}")
    print(number, flush=True)
"""
)


class Folder(Case):
    def test_where_the_account_is_kept(self) -> None:
        state, other, local = (str(self.folder / name) for name in ("state", "other", "local"))
        usual = os.path.join(str(self.home), ".local", "state", NAME)
        chosen = {"QIANWEN_STATE_DIR": state, "XDG_STATE_HOME": other}
        for system, env, expected in (
            ("posix", {}, usual),
            ("posix", chosen, state),
            ("posix", {**chosen, "QIANWEN_STATE_DIR": ""}, os.path.join(other, NAME)),
            ("posix", {"QIANWEN_STATE_DIR": "here"}, os.path.join(os.getcwd(), "here")),
            ("posix", {"QIANWEN_STATE_DIR": "..", "XDG_STATE_HOME": other}, os.path.dirname(os.getcwd())),
            ("posix", {"XDG_STATE_HOME": ""}, usual),
            ("posix", {"XDG_STATE_HOME": "relative/state"}, usual),
            ("posix", {"LOCALAPPDATA": local}, usual),
            ("nt", {"LOCALAPPDATA": local}, os.path.join(local, NAME)),
            ("nt", {"LOCALAPPDATA": local, "XDG_STATE_HOME": "relative"}, os.path.join(local, NAME)),
            ("nt", {"LOCALAPPDATA": local, "XDG_STATE_HOME": other}, os.path.join(other, NAME)),
            ("nt", {"LOCALAPPDATA": local, **chosen}, state),
            ("nt", {"LOCALAPPDATA": ""}, usual),
            ("nt", {}, usual),
        ):
            with self.subTest(system, **env), mock.patch("os.name", system):
                found = store.folder(env, str(self.home))
            self.assertEqual(found, expected)
        self.assertEqual((list(self.home.iterdir()), list(self.cwd.iterdir())), ([], []))

    @unittest.skipIf(os.name == "nt", "Windows keeps the current folder")
    def test_a_current_folder_that_is_gone(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.cwd)
        self.cwd.rmdir()
        book = Account(store.folder({"QIANWEN_STATE_DIR": "here"}, str(self.home)))
        with self.assertRaises(OSError):
            book.begin(RUN)
        self.assertEqual(book.runs(), [])


class AccountCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.folder / "a #%20" / "state"
        self.file = self.state / "account.db"
        self.said: list[str] = []
        self.book = Account(str(self.state), self.clock, self.said.append)

    def only(self) -> Purchase:
        (run,) = self.book.runs()
        return run

    def started(self, code: str, *argv: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(SCRIPTS), str(self.state), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process


class Steps(AccountCase):
    def test_the_life_of_a_run(self) -> None:
        kept = Kept("/o/a-cat.mp4", "ff")
        self.assertIsNone(self.book.begin(RUN))
        whole = RUN
        self.assertEqual(self.only(), whole)
        for event, fields, expected in (
            ("offer", {"task_ids": ["t-1", "t-2"]}, {"offered": ("t-1", "t-2")}),
            ("task", {"task_id": "t-1"}, {"task_id": "t-1", "state": "waiting"}),
            ("result", {"urls": ["https://a/b?c"]}, {"urls": ("https://a/b?c",), "state": "made"}),
            ("result", {"urls": [], "body": {"a": [1]}}, {"urls": (), "body": {"a": [1]}}),
            ("file", {"index": 0, "path": kept.path, "sha256": "ff"}, {"files": {0: kept}}),
            ("end", {"state": "failed", "told": "X: y", "at": 9.5}, {"state": "failed", "told": "X: y", "ended": 9.5}),
        ):
            self.book.add(RUN.id, event, **fields)
            whole = changed(whole, **expected)
            with self.subTest(event):
                self.assertEqual(self.only(), whole)
        self.assertEqual(self.book.find("t-1"), whole)
        for absent in ("t-2", "t", "t-12", "video.py", "", "%", "t-_"):
            self.assertIsNone(self.book.find(absent))

    def test_looking_makes_nothing(self) -> None:
        self.assertIsNone(self.book.find("x"))
        self.assertEqual((self.book.runs(), self.book.open_runs(), self.book.recent(5)), ([], [], []))
        self.assertFalse(self.state.parent.exists())

    def test_an_offered_task_leads_to_its_run_until_that_has_another(self) -> None:
        self.book.begin(RUN)
        self.book.add(RUN.id, "offer", task_ids=["t-1", "t-2"])
        self.assertEqual(self.book.find("t-2"), self.only())
        self.book.add(RUN.id, "task", task_id="t-1")
        self.assertEqual((self.book.find("t-1"), self.book.find("t-2")), (self.only(), None))

    def test_every_text_comes_back_as_it_was(self) -> None:
        self.book.begin(RUN)
        for text in (
            "a\nb",
            "a\r\nb",
            "任务 🐈",
            "\u2028\x85\x1b[2J",
            "quo\"te\\'; --",
            "half \ud800",
            "\udcff",
            "a\0b",
            " ",
            "x" * 99_999,
        ):
            with self.subTest(ascii(text)[:40]):
                self.book.add(RUN.id, "task", task_id=text)
                self.book.add(RUN.id, "file", index=7, path=text, sha256="0")
                found = self.book.find(text)
                self.assertEqual((found and found.task_id, found and found.files[7].path), (text, text))
        self.assertIsNone(self.book.begin(changed(RUN, id="e" * 16, request="r", folder="/\udcff", stem="\ud800")))
        self.assertEqual(self.book.runs()[-1].folder, "/\udcff")

    def test_the_clock_decides_no_order_and_hides_nothing(self) -> None:
        for number, moment in enumerate((1.7e9, 0.0, 1e300, -5.0, 1_701_388_799.0, 1_672_531_199.0)):
            self.clock.moment = min(max(moment, 0.0), 4e9)
            self.book.begin(changed(RUN, id=f"{number:016x}", at=moment, request=str(number)))
            self.book.add(f"{number:016x}", "task", task_id=f"t-{number}")
        for moment in (0.0, 1.7e9, 1.8e9, 4e9):
            self.clock.moment = moment
            with self.subTest(moment):
                self.assertEqual([run.task_id for run in self.book.runs()], [f"t-{number}" for number in range(6)])
                self.assertEqual(
                    [run.task_id for run in self.book.recent(2)], ["t-5", "t-4", "t-3", "t-2", "t-1", "t-0"]
                )
                self.assertIsNotNone(self.book.twin(changed(RUN, request="1")))

    def test_no_moment_of_a_run_breaks_the_listing(self) -> None:
        for number, moment in enumerate((1e300, -1e300, 0.0, float("inf"), 1e11, -1.0)):
            self.book.begin(changed(RUN, id=f"{number:016x}", at=moment, request=str(number)))
        rows = report.recent(self.book)
        self.assertEqual([row["run"] for row in rows], [f"{number:016x}" for number in reversed(range(6))])
        self.assertEqual([row["age"] for row in rows if row["age"] < 0], [])

    def test_what_is_recent_and_what_is_open(self) -> None:
        for number in range(9):
            self.book.begin(changed(RUN, id=f"{number:016x}", request=str(number)))
            if number not in (0, 8):
                self.book.add(f"{number:016x}", "end", state="done")
        self.assertEqual([int(run.id, 16) for run in self.book.recent(3)], [8, 7, 6, 0])
        self.assertEqual([int(run.id, 16) for run in self.book.open_runs()], [0, 8])

    @unittest.skipIf(os.name == "nt", "Windows has no modes")
    def test_only_the_owner_may_look(self) -> None:
        for umask in (0o000, 0o022):
            book = Account(str(self.folder / f"umask-{umask}" / "state"), self.clock)
            before = os.umask(umask)
            try:
                book.begin(RUN)
                lock = book.claim(RUN.id)
            finally:
                os.umask(before)
            assert lock
            for path in Path(book.folder).rglob("*"):
                with self.subTest(umask, path=path.name):
                    self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700 if path.is_dir() else 0o600)
            lock.release()

    def test_a_commit_waits_for_the_disk(self) -> None:
        self.book.begin(RUN)
        for event, fields, expected in (
            ("task", {"task_id": "t"}, 2),
            ("deliver", {}, 1),
            ("end", {"state": "done"}, 2),
        ):
            self.book.add(RUN.id, event, **fields)
            asked = self.book._file.read(lambda database: database.execute("PRAGMA synchronous").fetchone())
            with self.subTest(event):
                self.assertEqual(asked, (expected,))  # 2 is FULL, 1 NORMAL
        mode = self.book._file.read(lambda database: database.execute("PRAGMA journal_mode").fetchone())
        self.assertEqual(mode, ("wal",))

    def test_look_ups_use_indexes(self) -> None:
        """So their cost does not grow with what was bought before."""
        asked: list[str] = []
        self.book.begin(RUN)
        self.book._file.read(lambda database: database.set_trace_callback(asked.append))
        self.book.begin(changed(RUN, id="e" * 16))
        self.book.add(RUN.id, "task", task_id="t")
        self.book.find("t"), self.book.find("other"), self.book.get("x"), self.book.twin(RUN), self.book.open_runs()
        self.book.made(RUN.request, True), list(self.book.states()), self.book.named("t")
        self.book.runs(RUN.request)
        connection = sqlite3.connect(self.file)
        queries = [query for query in asked if query.startswith(("SELECT", "UPDATE"))]
        self.assertGreater(len(queries), 6)
        for query in queries:
            plan = " ".join(str(row) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            with self.subTest(query):
                self.assertNotRegex(plan, r"SCAN (runs|files|offers)(?! USING)", plan)
        connection.close()


class Costs(AccountCase):
    """In instructions of SQLite's machine, and in commits, which are the same everywhere; tests/bench has the times."""

    def test_what_was_bought_before_costs_nothing(self) -> None:
        costs = []
        for count in (0, 3000):
            folder = str(self.folder / str(count))
            past.fill(folder, count)
            costs.append((self.steps(folder, past.keep_books), self.steps(folder, lambda book: book.recent(20))))
        self.assertLess(costs[1][0], 1.2 * costs[0][0], costs)
        self.assertLess(costs[1][1], 2000, costs)

    def steps(self, folder: str, work: Callable[[Account], object]) -> int:
        book, count = Account(folder, self.clock), 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        book._file.read(lambda connection: connection.set_progress_handler(step, 1))
        work(book)
        book.close()
        return count

    def test_a_run_opens_the_file_once(self) -> None:
        past.fill(str(self.state), 0)
        opened: list[str] = []
        connect = rows.connect

        def counting(path: str, mode: str, seconds: float) -> sqlite3.Connection:
            opened.append(mode)
            return connect(path, mode, seconds)

        with mock.patch.object(database, "connect", counting):
            past.keep_books(self.book)
        self.assertEqual(opened, ["rw"])


class Twins(AccountCase):
    def test_while_a_run_is_open_an_identical_one_does_not_begin(self) -> None:
        over = ("refused", "failed", "canceled", "done", "expired")
        table: list[tuple[str, dict[str, Any], bool]] = [
            ("", {}, True),
            ("task", {"task_id": "t"}, True),
            ("result", {"urls": ["https://a"]}, True),
            ("end", {"state": "unknown"}, True),
            *(("end", {"state": state}, False) for state in over),
        ]
        for number, (event, fields, is_open) in enumerate(table):
            first = changed(RUN, id=f"{number:016x}", request=str(number))
            other = changed(first, id=f"{number + 100:016x}")
            self.book.begin(first)
            if event:
                self.book.add(first.id, event, **fields)
            with self.subTest(event, **fields):
                twin = self.book.begin(other)
                self.assertEqual(twin.id if twin else None, first.id if is_open else None)
                self.assertEqual(self.book.get(other.id) is not None, not is_open)
                self.assertIsNone(self.book.begin(changed(first, id=f"{number + 200:016x}"), again=True))
                self.assertIsNone(self.book.begin(changed(first, id=f"{number + 300:016x}", request=f"other {number}")))

    def test_a_submission_that_died_has_an_unknown_outcome(self) -> None:
        self.book.begin(RUN)
        lock = self.book.claim(RUN.id)
        assert lock
        self.assertEqual(self.book.state(RUN), "submitting")
        self.assertIsNone(self.book.claim(RUN.id))
        lock.release()
        self.assertEqual(self.book.state(RUN), "unknown")
        self.assertEqual(list((self.state / "running").iterdir()), [])

    def test_of_identical_requests_at_once_one_is_bought(self) -> None:
        for count in (2, 6):  # 30 of them are in tests/crosscheck
            with self.subTest(count):
                buyers = [self.started(BUYER) for _ in range(count)]
                for buyer in buyers:
                    assert buyer.stdin
                    buyer.stdin.write("\n")
                    buyer.stdin.flush()
                said = [buyer.communicate()[0].strip() for buyer in buyers]
                self.assertEqual((said.count("bought"), said.count("twin")), (1, count - 1))
                self.book.add(self.book.open_runs()[-1].id, "end", state="done")

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_disk_without_flock(self) -> None:
        """SQLite's own locks remain, and the first file that gets the name is the account."""
        broken = mock.patch("fcntl.flock", side_effect=OSError(errno.ENOLCK, "no locks here"))
        with broken, ThreadPoolExecutor(6) as pool:
            books = [Account(str(self.state), self.clock) for _ in range(6)]
            twins = list(pool.map(lambda pair: pair[1].begin(changed(RUN, id=f"{pair[0]:016x}")), enumerate(books)))
        self.assertEqual(twins.count(None), 1)
        self.assertEqual([path.name for path in self.state.glob("*.new*")], [])

    def test_threads_of_one_process_note_their_files(self) -> None:
        self.book.begin(RUN)
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda place: self.book.add(RUN.id, "file", index=place, path=f"/{place}", sha256=""), range(40)
                )
            )
        self.assertEqual(sorted(self.only().files), list(range(40)))


@unittest.skipIf(os.name == "nt", "POSIX only")
class Interrupted(AccountCase):
    def test_a_process_that_is_stopped_while_it_writes_stops_every_purchase(self) -> None:
        """Nobody can know whether it is buying the same."""
        self.book.begin(changed(RUN, id="e" * 16, request="other"))
        holder = self.started(
            WRITER
            + "account.open_runs()\naccount._file._kept.execute('BEGIN IMMEDIATE')\nprint('holds', flush=True)\nsys.stdin.read()\n"
        )
        assert holder.stdin and holder.stdout
        holder.stdin.write("\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "holds\n")
        holder.send_signal(signal.SIGSTOP)
        with mock.patch.object(store, "BEGIN_SECONDS", 0.3), self.assertRaises(Unavailable) as caught:
            self.book.begin(RUN)
        self.assertIn("nothing was sent", caught.exception.message)
        self.assertIn("Ctrl-Z", caught.exception.hint)
        self.assertEqual(len(self.book.runs()), 1)  # looking needs no leave
        holder.kill()  # the lock dies with its holder
        holder.wait()
        self.assertIsNone(self.book.begin(RUN))

    def test_a_step_waits_no_longer_than_the_run_lasts_and_once(self) -> None:
        self.book.begin(RUN)
        kept = self.book._file._kept
        assert kept
        kept.execute("BEGIN IMMEDIATE")  # as by a process that was stopped
        mine = Account(self.book.folder, self.clock, left=lambda: -5.0)
        with mock.patch.object(store, "SHORTEST_STEP_SECONDS", 0.4):
            times = []
            for _ in range(4):
                before = time.monotonic()
                self.assertRaises(TimeoutError, mine.add, RUN.id, "task", task_id="t-1")
                times.append(time.monotonic() - before)
        self.assertGreater(times[0], 0.4)
        self.assertLess(sum(times), 5.0)
        self.assertLess(min(times[1:]), 0.4)
        kept.execute("ROLLBACK")
        mine.add(RUN.id, "task", task_id="t-1")
        self.assertFalse(mine._file._waited_in_vain)
        mine.close()

    def test_a_process_that_is_killed_leaves_all_that_it_said(self) -> None:
        for moment in (0, 3, 7):
            writer = self.started(STEPPER, f"r{moment}")
            assert writer.stdin and writer.stdout
            writer.stdin.write("\n")
            writer.stdin.flush()
            for _ in range(moment + 1):
                last = writer.stdout.readline().strip()
            writer.kill()
            writer.wait()
            (found,) = self.book.runs(f"r{moment}")
            with self.subTest(moment):
                self.assertGreaterEqual(int(found.task_id.partition("/")[2]), int(last))


class Damage(AccountCase):
    def fill(self, count: int) -> None:
        for number in range(count):
            self.book.begin(changed(RUN, id=f"{number:016x}", request=str(number), stem="s" * 300))

    def test_a_file_of_another_kind_is_set_aside(self) -> None:
        for content in (b"not a database at all", b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 9000):
            with self.subTest(content[:20]):
                self.state.mkdir(parents=True, exist_ok=True)
                self.file.write_bytes(content)
                self.assertIsNone(self.book.begin(changed(RUN, id=os.urandom(8).hex())))
                aside = [path for path in self.state.iterdir() if ".damaged-" in path.name]
                self.assertIn(content, [path.read_bytes() for path in aside])
                self.assertIn("was damaged", self.said[-1])
                self.book.close()
                self.file.unlink()

    def test_what_can_be_read_is_taken_over(self) -> None:
        self.fill(60)
        connection = sqlite3.connect(self.file)
        connection.execute("UPDATE sqlite_sequence SET seq = 1000000000000")  # nobody counts as far as that
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        data = bytearray(self.file.read_bytes())
        middle = len(data) // 2 // 4096 * 4096
        data[middle : middle + 8192] = os.urandom(8192)
        self.file.write_bytes(data)
        for _ in range(70):  # sooner or later a write meets the damage
            self.book.begin(changed(RUN, id=os.urandom(8).hex(), request=os.urandom(4).hex(), stem="t" * 300))
            if self.said:
                break
        self.assertIn("was damaged", self.said[-1])
        taken = len([run for run in self.book.runs() if run.stem[:1] == "s"])
        self.assertGreater(taken, 20)
        self.assertIn("runs recovered: ", self.said[-1])

    def test_a_file_of_a_newer_version_is_left_alone(self) -> None:
        self.fill(1)
        connection = sqlite3.connect(self.file)
        connection.execute(f"PRAGMA user_version = {rows.VERSION + 1}")
        connection.close()
        self.book.add(f"{0:016x}", "task", task_id="t")  # what is paid for already goes on
        book = Account(str(self.state), self.clock)
        with self.assertRaisesRegex(Unavailable, "newer version"):
            book.begin(changed(RUN, id="f" * 16))
        self.assertEqual(book.runs(), [])
        self.assertIn("newer version", book.trouble)

    def test_a_repair_that_was_killed_is_finished_by_the_next_process(self) -> None:
        self.fill(3)
        for ending in ("", "-wal", "-shm"):
            for is_recreated in (False, True):
                with self.subTest((ending, is_recreated)):
                    book = Account(str(self.state / f"{ending}{is_recreated}"), self.clock, self.said.append)
                    book.begin(RUN)
                    path = Path(book.folder) / rows.FILE_NAME
                    path.rename(Path(book.folder) / rows.REPAIRING_NAME)
                    for moved in ("-wal", "-shm")[: ("", "-wal", "-shm").index(ending)]:
                        if Path(f"{path}{moved}").exists():
                            Path(f"{path}{moved}").rename(f"{Path(book.folder) / rows.REPAIRING_NAME}{moved}")
                    if is_recreated:
                        path.touch()
                    twin = book.begin(changed(RUN, id="f" * 16))
                    self.assertEqual(twin and twin.id, RUN.id)
                    self.assertIn("runs recovered: 1", self.said[-1])
                    self.assertFalse((Path(book.folder) / rows.REPAIRING_NAME).exists())

    @unittest.skipUnless(hasattr(os, "fork"), "POSIX only")
    def test_a_repair_that_is_killed_at_any_call_is_finished_by_the_next_process(self) -> None:
        killed = 0
        for number in range(50):
            book = Account(str(self.state / str(number)), self.clock, self.said.append)
            book.begin(RUN)
            book.close()
            connection = sqlite3.connect(os.path.join(book.folder, rows.FILE_NAME))
            connection.execute("DROP TABLE files")
            connection.close()
            child = os.fork()
            if not child:
                self.killed_at(number, book)
            _, status = os.waitpid(child, 0)
            with self.subTest(number):
                twin = Account(book.folder, self.clock, self.said.append).begin(changed(RUN, id="f" * 16))
                self.assertEqual((twin and twin.id, os.path.lexists(book._file.place.repairing)), (RUN.id, False))
            if not status:
                break
            killed += 1
        self.assertGreater(killed, 8)

    def killed_at(self, number: int, book: Account) -> NoReturn:
        """Repair in a process that dies before its call `number` that changes the folder or the new file."""
        calls = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                nonlocal calls
                if calls == number:
                    os._exit(1)
                calls += 1
                return real(*args, **more)

            return call

        for module, name in ((os, "rename"), (os, "open"), (os, "fsync"), (rows, "execute"), (repair, "connect")):
            setattr(module, name, counted(getattr(module, name)))
        book.begin(changed(RUN, id="e" * 16))
        os._exit(0)

    def test_nothing_is_bought_while_another_process_repairs(self) -> None:
        self.fill(1)
        self.file.rename(self.state / rows.REPAIRING_NAME)
        lock = locks.take(str(self.state / repair.LOCK_NAME))
        assert lock
        self.addCleanup(lock.release)
        with mock.patch.object(repair, "SECONDS", 0.1), self.assertRaisesRegex(Unavailable, "repairs it"):
            self.book.begin(RUN)

    def test_a_run_survives_the_loss_of_its_files_and_its_odd_neighbours(self) -> None:
        odd = (
            "UPDATE runs SET urls = '5' WHERE number = 2",
            "UPDATE runs SET told = CAST(x'ff' AS TEXT) WHERE number = 2",
            "DROP TABLE files",
            "DROP TABLE offers",
        )
        for place, damage in enumerate(odd):
            with self.subTest(damage):
                book = Account(str(self.state / str(place)), self.clock, self.said.append)
                for run in range(3):
                    book.begin(changed(RUN, id=f"{run:016x}", request=str(run)))
                connection = sqlite3.connect(os.path.join(book.folder, rows.FILE_NAME))
                connection.execute(damage)
                connection.commit()
                connection.close()
                book.runs()
                book.begin(changed(RUN, id="e" * 16, request="1"))
                twin = book.begin(changed(RUN, id="f" * 16, request="2"))
                self.assertEqual(twin and twin.id, f"{2:016x}", book.trouble)

    def test_a_patience_that_cannot_be_is_not_believed_and_what_is_no_run_is_damage(self) -> None:
        self.book.begin(RUN)
        for damage, is_run in (("patience = 'x', at = 1e300", True), ("folder = x'00'", False)):
            with closing(sqlite3.connect(self.file)) as connection, connection:
                connection.execute(f"UPDATE runs SET {damage}")
            found = self.book.runs()
            with self.subTest(damage):
                self.assertEqual([(run.patience, run.at) for run in found], [(PATIENCE, 0.0)] if is_run else [])
                self.assertEqual("malformed row" in self.book.trouble, not is_run)

    def test_a_ledger_of_version_1_beside_a_damaged_account(self) -> None:
        self.book.begin(RUN)
        begin = {"run": RUN.id, "event": "begin", "is_task": True, "at": 1, **dict.fromkeys(journal._TEXTS, "x")}
        (self.state / "ledger-2026-01.jsonl").write_text(json.dumps(begin) + "\n")
        self.file.rename(self.state / rows.REPAIRING_NAME)
        twin = self.book.begin(changed(RUN, id="f" * 16))
        self.assertEqual(twin and (twin.id, twin.model), (RUN.id, RUN.model))

    def test_an_account_that_vanishes_during_a_run_is_told(self) -> None:
        self.book.begin(RUN)
        for path in self.state.glob("account.db*"):
            path.unlink()
        with self.assertRaisesRegex(OSError, "removed"):
            self.book.add(RUN.id, "task", task_id="t")

    def test_an_empty_file_is_a_loss_and_no_new_account(self) -> None:
        for has_wal in (False, True):
            with self.subTest(has_wal=has_wal):
                book = Account(str(self.state / str(has_wal)), self.clock, self.said.append)
                book.begin(RUN)
                path = Path(book.folder) / rows.FILE_NAME
                wal = Path(f"{path}-wal").read_bytes()
                if not has_wal:
                    book.close()
                path.write_bytes(b"")
                fresh = Account(book.folder, self.clock, self.said.append)
                self.assertEqual(fresh.open_runs(), [])
                with self.assertRaisesRegex(Unavailable, "it is empty"):
                    fresh.complain()
                self.assertIsNone(fresh.begin(changed(RUN, id="f" * 16)))
                self.assertIn("was damaged", self.said[-1])
                aside = [file.read_bytes() for file in path.parent.glob("*.damaged-*-wal")]
                self.assertEqual(aside, [wal] if has_wal else [])

    def test_the_next_step_finds_the_file_that_is_in_place(self) -> None:
        """Another process repaired it, or restored a backup, while this run waited."""
        self.book.begin(RUN)
        other = Account(str(self.folder / "other"), self.clock)
        other.begin(RUN)
        other.add(RUN.id, "task", task_id="t")
        other.close()
        for ending in ("-wal", "-shm", ""):
            os.rename(f"{self.file}{ending}", self.folder / f"old{ending}")
        os.rename(self.folder / "other" / "account.db", self.file)
        third = Account(str(self.state), self.clock)
        self.assertEqual([run.task_id for run in third.runs()], ["t"])
        self.book.add(
            RUN.id, "end", state="done"
        )  # its old connection closes, and leaves the WAL of the new file alone
        third.add(RUN.id, "file", index=0, path="/o", sha256="0")
        self.book.close()
        third.close()
        (run,) = Account(str(self.state), self.clock).runs()
        self.assertEqual((run.state, list(run.files)), ("done", [0]))

    def test_a_step_whose_file_is_repaired_under_it_is_repeated(self) -> None:
        self.book.begin(RUN)
        moves: list[str] = []

        def work(connection: sqlite3.Connection) -> None:
            rows.STEPS["task"](connection, RUN.id, task_id=f"t{len(moves)}")
            if not moves:  # as if another process repaired it between our look and our commit, and read the old state
                moves.append("")
                repaired = Account(str(self.folder / "new"), self.clock)
                repaired.begin(RUN)
                repaired.close()
                for ending in ("-wal", "-shm", ""):
                    os.rename(f"{self.file}{ending}", self.folder / f"old{ending}")
                os.rename(self.folder / "new" / "account.db", self.file)

        self.book._file.write(work, 1.0)
        self.assertEqual([run.task_id for run in self.book.runs()], ["t1"])

    @unittest.skipUnless(hasattr(os, "fork"), "POSIX only")
    def test_a_fork_opens_its_own(self) -> None:
        self.book.begin(RUN)
        child = os.fork()
        if not child:
            try:
                self.book.add(RUN.id, "task", task_id="t")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.assertEqual(self.only().task_id, "t")
        self.book.add(RUN.id, "end", state="done")
        self.assertEqual(Account(str(self.state), self.clock).runs()[0].state, "done")


class Batches(AccountCase):
    """The account of a batch's folder."""

    def setUp(self) -> None:
        super().setUp()
        self.book = Account(str(self.state), self.clock, self.said.append, shared=False)
        self.addCleanup(self.book.close)

    def row(self, number: int, state: str = "", **more: Any) -> Purchase:
        run = changed(RUN, id=f"{number:016x}", request=f"key {number}", **more)
        self.book.begin(run)
        if state:
            self.book.add(run.id, "end", state=state)
        return run

    def test_one_process_at_a_time(self) -> None:
        self.assertTrue(self.book.hold())
        self.assertTrue(self.book.hold())
        self.row(1)
        other = Account(str(self.state), self.clock, shared=False)
        self.assertFalse(other.hold())
        with mock.patch.object(store, "BEGIN_SECONDS", 0.1), self.assertRaisesRegex(Unavailable, "works in this"):
            other.begin(RUN)
        self.book.close()
        self.assertTrue(other.hold())
        self.assertEqual([run.request for run in other.runs()], ["key 1"])
        other.close()

    def test_without_it_nothing_is_bought(self) -> None:
        """A purchase that only memory knows would be bought again by the next run."""
        self.state.rmdir() if self.state.exists() else None
        self.state.parent.mkdir(parents=True)
        self.state.write_text("a file")
        with self.assertRaises(Unavailable):
            self.book.begin(RUN, again=True)

    def test_it_writes_no_wal_because_the_folder_may_lie_on_a_share(self) -> None:
        self.row(1)
        self.assertEqual([path.name for path in self.state.glob("account.db-[ws]*")], [])
        self.book.close()
        connection = sqlite3.connect(self.file)
        self.assertNotEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("wal",))
        connection.close()

    def test_what_a_batch_asks(self) -> None:
        with mock.patch.object(store, "PAGE", 2):
            self.assertEqual((list(self.book.states()), self.book.billed()), ([], 0))
            ends = ("", "done", "failed", "refused", "unknown", "done", "canceled", "expired", "done")
            rows = [self.row(number, end, units=2**number) for number, end in enumerate(ends)]
            self.book.add(rows[5].id, "deliver")
            self.assertEqual(
                list(self.book.states()),
                [(f"key {number}", end or "submitting") for number, end in enumerate(ends)],
            )
            self.assertEqual([run.delivered for run in self.book.runs()], [number == 5 for number in range(9)])
            self.assertEqual(self.book.billed(), 1 + 2 + 16 + 32 + 128 + 256)
            self.book.add(rows[0].id, "bill", units=0.5)
            self.assertEqual(self.book.billed(), 0.5 + 2 + 16 + 32 + 128 + 256)
            self.assertEqual([run.units for run in self.book.open_runs()], [0.5, 16])

    def test_the_machines_account_names_a_batch_until_it_is_over(self) -> None:
        book = Account(str(self.folder / "machine"), self.clock)
        first, second = (
            Batch(f"/b/{name}", "image.py", ("image.py", "--batch", name), at)
            for name, at in (("\udcff", 1.0), ("ü", 2.0))
        )
        for batch in (first, second, changed(first, at=3.0)):
            book.note_batch(batch)
        self.assertEqual(book.batches(), [changed(first, at=3.0), second])
        book.note_batch(changed(first, is_over=True))
        self.assertEqual(book.batches(), [second])


class Places(AccountCase):
    def refused(self, book: Account, error_type: type[Exception] = OSError) -> None:
        """OSError: the run goes on without an account. Unavailable: the folder may hold one, so nothing is bought."""
        with self.assertRaises(error_type):
            book.begin(RUN)
        self.assertEqual(book.runs(), [])

    def test_a_folder_that_is_a_file(self) -> None:
        (self.folder / "file").write_bytes(b"precious")
        self.refused(Account(str(self.folder / "file")))
        self.refused(Account(str(self.folder / "file" / "below")))
        self.assertEqual((self.folder / "file").read_bytes(), b"precious")

    @unittest.skipIf(os.name == "nt" or getattr(os, "geteuid", int)() == 0, "modes bind neither Windows nor root")
    def test_a_folder_that_cannot_be_written_to(self) -> None:
        self.state.mkdir(parents=True)
        self.state.chmod(0o500)
        self.addCleanup(self.state.chmod, 0o700)
        self.refused(self.book)

    @unittest.skipUnless(hasattr(os, "fork"), "POSIX only")
    def test_a_folder_that_can_only_be_read_still_says_what_is_open(self) -> None:
        """In a child without the rights of root, which no mode binds."""
        run = changed(RUN, request="x")
        holder = tempfile.TemporaryDirectory(dir=place_for_all())
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()
        texts = {name: getattr(run, name) for name in journal._TEXTS}
        begin = {"v": 1, "run": RUN.id, "event": "begin", "is_task": True, "at": run.at, **texts}
        for kept, expected in (
            ("account", "twin"),
            ("wal", "twin"),
            ("ledger", "twin"),
            ("damaged", "Unavailable"),
            ("", "PermissionError"),
        ):
            state = self.folder / f"state-{kept}"
            state.mkdir()
            book = Account(str(state), self.clock)
            if kept in ("account", "wal"):
                book.begin(run)
            if kept == "wal":
                (state / "account.db-shm").unlink()
            elif kept:
                book.close()
            if kept == "ledger":
                (state / "ledger-2026-01.jsonl").write_text(json.dumps(begin) + "\n")
            elif kept == "damaged":
                (state / "account.db").write_bytes(b"not a database")
            with self.subTest(kept):
                self.assertEqual(self.as_another_user(state, changed(run, id="f" * 16)), expected)
            state.chmod(0o700)

    def as_another_user(self, state: Path, run: Purchase) -> str:
        """What `begin` answers in a folder that only that user can read."""
        is_root = os.geteuid() == 0
        for path in [self.folder, *state.iterdir(), state] if is_root else []:
            os.chown(path, 65534, -1)
        state.chmod(0o500)
        answer, question = os.pipe()
        child = os.fork()
        if not child:
            if is_root:
                os.setuid(65534)
            try:
                said = "twin" if Account(str(state), self.clock).begin(run) else "bought"
            except Exception as error:
                said = type(error).__name__
            os.write(question, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(question)
        with open(answer, encoding="ascii") as stream:
            return stream.read()

    def test_without_a_home_nothing_is_made_and_the_reason_is_told(self) -> None:
        for env in ({}, {"QIANWEN_STATE_DIR": "~/state"}, {"XDG_STATE_HOME": "~/state"}):
            book = Account(store.folder(env, ""))
            with self.subTest(**env), self.assertRaisesRegex(OSError, "QIANWEN_STATE_DIR"):
                book.begin(RUN)
            self.assertEqual((book.folder, book.runs(), book.trouble), ("", [], ""))
            self.assertRaisesRegex(OSError, "QIANWEN_STATE_DIR", book.claim, RUN.id)
        self.assertFalse(os.path.lexists("~"))
        self.assertEqual(store.folder({"QIANWEN_STATE_DIR": "~/state"}, str(self.home)), str(self.home / "state"))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_path_that_begins_with_two_slashes(self) -> None:
        """SQLite takes what follows them for a host, and a home of / made such a path."""
        place = f"/{self.folder}/slashes"
        self.assertIsNone(Account(place).begin(RUN))
        self.assertEqual([run.id for run in Account(place).runs()], [RUN.id])
        for home in ("/", "/root"):
            self.assertEqual(store.folder({"QIANWEN_STATE_DIR": "~/state"}, home), f"{home.rstrip('/')}/state")

    def test_a_path_that_cannot_be(self) -> None:
        for path in ("a\0b", "x" * 300, "x/" * 5000):
            with self.subTest(path[:5]):
                self.refused(Account(os.path.join(str(self.folder), path)))

    def test_a_folder_in_the_place_of_the_file(self) -> None:
        self.file.mkdir(parents=True)
        self.refused(self.book, Unavailable)

    @unittest.skipUnless(hasattr(os, "mkfifo"), "POSIX only")
    def test_a_pipe_in_the_place_of_the_file_blocks_nobody(self) -> None:
        self.state.mkdir(parents=True)
        os.mkfifo(self.file)
        self.refused(self.book, Unavailable)
        self.assertTrue(stat.S_ISFIFO(self.file.stat().st_mode))

    @unittest.skipUnless(hasattr(os, "getuid"), "POSIX only")
    def test_a_link_in_the_place_of_the_file_is_not_followed(self) -> None:
        self.state.mkdir(parents=True)
        self.file.symlink_to("/dev/zero")
        self.refused(self.book, Unavailable)


if __name__ == "__main__":
    unittest.main()
