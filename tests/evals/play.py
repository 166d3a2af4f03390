"""An agent that thinks nothing: it plays the transcript of a task, a good one or a bad one, to show what the grader sees.

`play.py PROMPT` plays the solution of the task with that prompt, `--failure NAME` a row of failures.json. It "knows"
only what SKILL.md tells: when the section is not there that the task is about, it gives up.

A transcript has `steps` and an `answer`. A step is a command line (a program of the skill, or another one), a file to
write, or a command line to repeat while it ends with a code. `{1.next}` is what the first command answered under `next`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from tests.evals import run  # noqa: E402

JSON = dict[str, Any]
SKILL = Path(run.PLACES[0]) / run.NAME
WAITS = re.compile(r"--(dry-run|tasks|gallery|cancel|describe|list-models|help|sandbox|replay)")


def transcript(name: str) -> dict[str, JSON]:
    found: dict[str, JSON] = json.loads((run.HERE / name).read_text(encoding="utf-8"))
    return found


def play(script: JSON, hurry: float) -> str:
    """Do the steps in the current folder and return the answer."""
    replies: list[JSON] = []
    for step in script["steps"]:
        if isinstance(step, list):
            replies.append(_call(step, replies, hurry)[1])
        elif "write" in step:
            Path(step["write"]).write_text(filled(step["text"], replies), encoding="utf-8")
        else:
            code = step["while"]
            while code == step["while"]:
                code, reply = _call(step["run"], replies, hurry)
            replies.append(reply)
    return filled(script["answer"], replies)


def _call(step: Sequence[str], replies: Sequence[JSON], hurry: float) -> tuple[int, JSON]:
    ran = subprocess.run(_argv([filled(word, replies) for word in step], hurry), stdout=subprocess.PIPE)
    try:
        reply = json.loads(ran.stdout)
    except ValueError:
        reply = {"stdout": ran.stdout.decode("utf-8", "replace").strip()}
    return ran.returncode, reply


def _argv(words: list[str], hurry: float) -> list[str]:
    """A whole line that an earlier reply gave, a program of the skill, or another program."""
    if len(words) == 1:
        words = shlex.split(words[0])
    elif words[0].endswith(".py"):
        waits = () if WAITS.search(" ".join(words)) else ("--poll-interval", "0.1")
        words = [sys.executable, str((SKILL / "scripts" / words[0]).resolve()), *words[1:], *waits]
    for place, word in enumerate(words[:-1]):
        if word == "--timeout":
            words[place + 1] = f"{float(words[place + 1]) / hurry:g}"
    return words


def filled(text: str, replies: Sequence[JSON]) -> str:
    """{1.tasks.0.task_id} is what the first command answered there."""

    def found(match: re.Match[str]) -> str:
        value: Any = replies[int(match[1]) - 1]
        for name in match[2].split("."):
            value = value[int(name) if name.isdigit() else name]
        return str(value)

    return re.sub(r"\{(\d)\.([\w.]+)\}", found, text)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="play.py", allow_abbrev=False)
    parser.add_argument("prompt")
    parser.add_argument("--failure")
    parser.add_argument("--hurry", type=float, default=1.0)
    args = parser.parse_args(argv)
    (task,) = (task for task in run.tasks().values() if task["prompt"] == args.prompt)
    script = (
        transcript("failures.json")[args.failure] if args.failure else transcript("solutions.json")[str(task["id"])]
    )
    known = run.headings((SKILL / "SKILL.md").read_text(encoding="utf-8"))
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(play(script, args.hurry) if task["section"] in known else "I do not know how to do that.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
