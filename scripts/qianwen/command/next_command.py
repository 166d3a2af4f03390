"""The exact command that continues a run."""

from __future__ import annotations

import os
import sys

from ..ask import POLL_SECONDS, TIMEOUT_SECONDS, Ask
from ..environment import Environment
from ..outcome import Outcome
from ..plain.redact import safe
from .flags import words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping


def next_command(outcome: Outcome, ask: Ask, environment: Environment) -> str | None:
    """The command that waits for the task and saves its result, or that searches for it. None when nothing can."""
    if ask.batch:
        return again(environment.script, outcome.words)
    if not outcome.resumable:
        return None
    next_flags = outcome.next_flags or ("--task-id", outcome.task_id)
    words = [*(next_flags if len(next_flags) == 1 else words_of(*next_flags))]
    collects = next_flags[0] == "--task-id"
    for flag, value, usual in (
        ("--region", ask.region if next_flags[0] != "--resume" else "", ""),
        ("--output", _from_anywhere(ask.output, environment) if collects and ask.output else "", ""),
        ("--timeout", f"{ask.timeout:g}", f"{TIMEOUT_SECONDS:g}"),
        ("--poll-interval", f"{ask.poll_interval:g}", f"{POLL_SECONDS:g}"),
    ):
        words += words_of(flag, value) if value != usual else []
    for flag, given in (
        ("--overwrite", ask.overwrite),
        ("--sidecar", ask.sidecar),
        ("--print-response", ask.print_response),
        ("--quiet", ask.quiet),
    ):
        words += [flag] if given else []
    return again(environment.script, words)


def again(script: str, words: Iterable[str]) -> str:
    """The command that runs a program with other words."""
    import shlex

    return " ".join(map(shlex.quote, (sys.executable or "python3", script, *words)))


def shown(command: str) -> str:
    """A command for people to copy; words in place of one that a line for people would change, as it asks otherwise."""
    is_whole = safe(command) == command
    return command if is_whole else "(told by --print-response: it has a line break or a secret, as a signed link does)"


def to_make(environment: Environment, program: str, request: Mapping[str, object]) -> str:
    """The command that makes a request of the account again."""
    import json

    script = os.path.join(os.path.dirname(environment.script), program)
    return again(script, ("--request", json.dumps(request, ensure_ascii=False)))


def _from_anywhere(output: str, environment: Environment) -> str:
    """The path in absolute form, so that the next command may run in any folder."""
    path = environment.path(output)
    return os.path.join(path, "") if output.endswith(("/", os.sep)) else path
