"""A child process, and what it cost. Medians of rounds in which everything takes its turn."""

from __future__ import annotations

import os
import subprocess
import time
from statistics import median
from typing import Callable, Mapping, NamedTuple, Sequence


class Cost(NamedTuple):
    """seconds: by the wall clock.  cpu: seconds, user and system.  resident: peak MiB of memory, and never less than ours:
    a child counts from the moment at which it still shares its parent's.
    """

    seconds: float
    cpu: float
    resident: float


class Command(NamedTuple):
    """code: the exit code that it must have.  before: run each time, outside of what is measured."""

    argv: Sequence[str]
    code: int = 0
    before: Callable[[], object] = lambda: None


def run(command: Command, env: Mapping[str, str], cwd: str) -> Cost:
    """Raises RuntimeError when the child ends otherwise than it should: a failure is never quick."""
    command.before()
    errors = os.path.join(cwd, "stderr.txt")
    with open(errors, "wb") as stderr:
        begun = time.perf_counter()
        child = subprocess.Popen(
            command.argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
    child.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    if child.returncode != command.code:
        with open(errors, encoding="utf-8", errors="replace") as stream:
            raise RuntimeError(f"exit code {child.returncode} of {' '.join(command.argv)}\n{stream.read()[-2000:]}")
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def interleaved(commands: Mapping[str, Command], rounds: int, env: Mapping[str, str], cwd: str) -> dict[str, Cost]:
    """The median cost of each command. One round more runs first and is not counted: it warms what can be warm."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            cost = run(command, env, cwd)
            if number:
                costs[name].append(cost)
    return {name: Cost(*map(median, zip(*found))) for name, found in costs.items()}
