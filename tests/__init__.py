"""Run with `python3 -m unittest` from the project's root; nothing needs to be installed."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"

sys.path.insert(0, str(SCRIPTS))
os.environ.setdefault("QIANWEN_NO_UPDATE_CHECK", "1")  # a skill tree around this folder is not the tests' business

# The plain command plays a sample of the largest sweeps; tests/crosscheck/check_sweeps.py plays all of them.
IS_SAMPLE = "QIANWEN_WHOLE_SWEEPS" not in os.environ

MEMORY = "/dev/shm"


def has_room(folder: str, size: int) -> bool:
    """Whether we may write to a folder, programs can be run from files in it, and `size` bytes fit in."""
    try:
        found = os.statvfs(folder)
        may_run = not found.f_flag & os.ST_NOEXEC
    except (OSError, AttributeError):
        return False
    return may_run and os.access(folder, os.W_OK) and found.f_bavail * found.f_frsize >= size


if "TMPDIR" not in os.environ and has_room(MEMORY, 2**31):
    tempfile.tempdir = MEMORY  # some disks take a while for each of many thousand folders that live for a moment


def keep_bytecode() -> str:
    """Where Python writes no bytecode beside the modules, each of the many programs would compile them anew.

    For the length of the tests it has a folder elsewhere; "" where none is needed.
    """
    if not sys.dont_write_bytecode or sys.pycache_prefix or os.name != "posix":
        return ""
    folder, ours = tempfile.mkdtemp(prefix="bytecode-"), os.getpid()

    def remove() -> None:
        if os.getpid() == ours:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    sys.pycache_prefix, sys.dont_write_bytecode = folder, False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return folder


PREFIX = keep_bytecode()
BYTECODE = {"PYTHONPYCACHEPREFIX": PREFIX} if PREFIX else {}  # for a program that does not inherit our environment
os.environ.update(BYTECODE)


def lend_bytecode(copy: Path) -> None:
    """A copy of `scripts` has the same bytecode; __pycache__ was copied with the rest."""
    if PREFIX:
        place = Path(f"{PREFIX}{copy}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(f"{PREFIX}{SCRIPTS}")


def load_tests(loader: unittest.TestLoader, standard: unittest.TestSuite, pattern: str | None) -> unittest.TestSuite:
    """What `python3 -m unittest` asks a package for."""
    from .parallel_runner import ParallelSuite, can_fork

    found = loader.discover(str(Path(__file__).parent), pattern or "test*.py", str(ROOT))
    return ParallelSuite(found) if can_fork() else found
