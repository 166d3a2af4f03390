"""What others made is read within bounds, and what is ours follows no link and leaves nothing behind."""

from __future__ import annotations

import io
import os
import unittest
from unittest import mock

from qianwen.files import safe_open

from ..support import Case


@unittest.skipIf(os.name == "nt", "POSIX only")
class Theirs(Case):
    def test_a_bound(self) -> None:
        path = self.cwd / "a"
        path.write_bytes(b"x" * 1000)
        self.assertEqual(len(safe_open.read_theirs(str(path), 1000)), 1000)
        with self.assertRaisesRegex(OSError, "larger than"):
            safe_open.read_theirs(str(path), 999)

    def test_a_link_and_what_is_no_file(self) -> None:
        (self.cwd / "a").write_text("x")
        (self.cwd / "link").symlink_to(self.cwd / "a")
        safe_open.open_theirs(str(self.cwd / "link")).close()
        for path, follow in (("link", False), (".", True), ("/dev/zero", True), ("absent", True)):
            with self.subTest(path), self.assertRaises(OSError):
                safe_open.open_theirs(str(self.cwd / path), follow)

    def test_a_disk_that_has_nothing_to_give_now_is_an_error_and_no_end(self) -> None:
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        os.set_blocking(reader, False)
        with io.BufferedReader(safe_open.File(reader, "rb")) as stream, self.assertRaises(BlockingIOError):
            stream.read(8)
        for opened in (safe_open.open_theirs(__file__), safe_open.Draft(str(self.cwd)).stream):
            with opened:
                self.assertIsInstance(opened.raw, safe_open.File)  # type: ignore[attr-defined]


@unittest.skipIf(os.name == "nt", "POSIX only")
class Ours(Case):
    def test_a_lock_may_exist_and_must_be_a_file(self) -> None:
        path = self.cwd / "lock"
        for _ in range(2):
            os.close(safe_open.make_ours(str(path), may_exist=True))
        with self.assertRaises(FileExistsError):
            safe_open.make_ours(str(path))
        os.mkfifo(self.cwd / "pipe")
        (self.cwd / "link").symlink_to(path)
        for name in ("pipe", "link", "."):
            with self.subTest(name), self.assertRaises(OSError):
                safe_open.make_ours(str(self.cwd / name), may_exist=True)

    def test_a_stream_that_cannot_be_had_leaves_no_file(self) -> None:
        with mock.patch("io.BufferedRandom", side_effect=MemoryError), self.assertRaises(MemoryError):
            safe_open.Draft(str(self.cwd), "draft")
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_where_the_system_has_no_nameless_files_one_with_a_name_is_made(self) -> None:
        with mock.patch.object(os, "O_TMPFILE", os.O_DIRECTORY, create=True):
            os.close(safe_open.make_ours(str(self.cwd / "named"), nameless=True))
        self.assertTrue((self.cwd / "named").exists())

    def test_a_folder_without_locks_is_used_all_the_same(self) -> None:
        with safe_open._alone_in(str(self.cwd / "absent")):
            pass
        with safe_open._alone_in(str(self.cwd)):
            pass

    def test_what_cannot_be_synced(self) -> None:
        safe_open.sync(str(self.cwd))
        with self.assertRaises(OSError):
            safe_open.sync(str(self.cwd / "absent"))
        with mock.patch.object(os, "fsync", side_effect=OSError(22, "no")):
            safe_open.sync(str(self.cwd))  # a network share
        with mock.patch.object(os, "fsync", side_effect=OSError(5, "broken")), self.assertRaises(OSError):
            safe_open.sync(str(self.cwd))

    def test_what_cannot_be_removed_stays(self) -> None:
        safe_open.remove(str(self.cwd / "absent"))
        safe_open.remove(str(self.cwd))
        self.assertTrue(self.cwd.exists())


if __name__ == "__main__":
    unittest.main()
