"""Run a task of evals.json with an agent of your own against the sandbox: `run.py --help`, and README.md beside it.

A task gets a folder of its own with the files that it names, a copy of the skill that logs the calls of its programs,
and a stand-in for DashScope that logs what reaches it. Nothing is billed and no key of yours is used.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from qianwen.plain.record import changed  # noqa: E402
from qianwen.sandbox.faults import Fault, Faults  # noqa: E402
from qianwen.sandbox.server import running  # noqa: E402
from qianwen.sandbox.standin import Incoming, Reply, StandIn  # noqa: E402

JSON = dict[str, Any]
NAME = "qianwen-media-generation"
SHIPPED = ("SKILL.md", "LICENSE", "references", "scripts")  # no tests: the solutions are among them
LOGGED = ("image.py", "video.py")
PLACES = (".agents/skills", ".claude/skills")  # where agents look in a project
KEY = "sk-canary00112233445566778899aabbccddeeff"  # any key opens the sandbox; check.py looks for this one
OURS = re.compile(r"(QIANWEN|DASHSCOPE)_.*|QWEN(CLOUD)?_(API_KEY|BASE_URL|REGION|TMP_OSS_.*)|OUTPUT_DIR")
PAID = ("sync", "stream", "submit")
QUIET = {"QIANWEN_NO_UPDATE_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class Logging(StandIn):
    """A stand-in that writes a line for every request that reached it. Headers, and with them keys, are left out."""

    def __init__(self, log: Path, delay: float = 0.0, faults: Sequence[str] = ()) -> None:
        super().__init__(delay, Faults(faults))
        self._log = log
        self._writing = threading.Lock()

    def handle(self, route: str, incoming: Incoming) -> Reply:
        body = b""
        if route in PAID:
            body = incoming.stream.read()
            incoming = changed(incoming, stream=io.BytesIO(body))
        reply = super().handle(route, incoming)
        self._write({"route": route, "status": reply.status, "body": _shown(body)})
        return reply

    def injected(self, fault: Fault, route: str) -> Reply:
        self._write({"route": route, "status": fault.status, "body": None})
        return super().injected(fault, route)

    def _write(self, line: JSON) -> None:
        with self._writing, self._log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"at": time.time(), **line}, ensure_ascii=False) + "\n")


def _shown(body: bytes) -> Any:
    """A request as JSON, the bytes of data: URLs only counted."""
    text = body.decode("utf-8", "replace")
    text = re.sub(r"(data:[\w/+.-]+;base64,)([\w+/=]+)", lambda match: f"{match[1]}({len(match[2])})", text)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def tasks() -> dict[int, JSON]:
    """The evaluations of evals.json by their id."""
    data = json.loads((HERE / "evals.json").read_text(encoding="utf-8"))
    return {task["id"]: task for task in data["evals"]}


def prepare(task: JSON, folder: Path, with_skill: bool = True) -> None:
    """Lay out a task's folder, which must not exist yet."""
    outputs = folder / "outputs"
    for name in ("outputs", "logs", "home", "state"):
        (folder / name).mkdir(parents=True)
    for name in task["files"]:
        shutil.copy(ROOT / name, outputs)
    for place in PLACES if with_skill else ():
        _install(outputs / place / NAME, folder)
    facts = {"id": task["id"], "with_skill": with_skill, "skill": digests(outputs)}
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _install(skill: Path, folder: Path) -> None:
    skill.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, skill / name, ignore=shutil.ignore_patterns("*.pyc.*"))  # with whatever is compiled
        else:
            shutil.copy(source, skill)
    for name in LOGGED:
        path = skill / "scripts" / name
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
        path.write_text("\n".join((first, *_preamble(folder), rest)), encoding="utf-8")


def _preamble(folder: Path) -> list[str]:
    log, home = str(folder / "logs" / "commands.jsonl"), str(folder / "home")
    return [
        f"import sys; sys.path.insert(0, {str(HERE)!r})",
        "import command_log; sys.path.pop(0)",
        f"command_log.begin(__file__, {log!r}, {home!r})",
    ]


def digests(outputs: Path) -> dict[str, str]:
    """SHA-256 of every file of the installed skill, by its path below `outputs`."""
    return {
        path.relative_to(outputs).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for place in PLACES
        for path in sorted((outputs / place).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@contextmanager
def service(task: JSON, folder: Path) -> Iterator[dict[str, str]]:
    """The task's sandbox for the length of a block; yields the environment in which an agent works."""
    wanted: Mapping[str, Any] = task.get("service", {})
    standin = Logging(folder / "logs" / "service.jsonl", wanted.get("delay", 0.0), wanted.get("faults", ()))
    with running(standin) as base:
        world = {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}
        world |= {**QUIET, "DASHSCOPE_HTTP_BASE_URL": base, "QIANWEN_STATE_DIR": str(folder / "state")}
        if task.get("key", True):
            world["DASHSCOPE_API_KEY"] = KEY
        yield world


def perform(task: JSON, folder: Path, command: Sequence[str]) -> int:
    """Let an agent do a prepared task; `{prompt}` in its command is the prompt. Its stdout becomes answer.txt."""
    argv = [word.replace("{prompt}", task["prompt"]) for word in command]
    start = time.monotonic()
    with service(task, folder) as world, (folder / "answer.txt").open("wb") as answer:
        ended = subprocess.run(argv, cwd=folder / "outputs", env=world, stdin=subprocess.DEVNULL, stdout=answer)
    timing = {"duration_ms": round((time.monotonic() - start) * 1000)}
    (folder / "timing.json").write_text(json.dumps(timing), encoding="utf-8")
    return ended.returncode


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--task", type=int, action="append", help="id of a task; repeatable; all when left out")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="workspace for the runs, outside of repositories"
    )
    parser.add_argument("--without-skill", action="store_true", help="the baseline: the same tasks, no skill installed")
    parser.add_argument("command", nargs="+", help="-- and your agent's command; {prompt} stands for the prompt")
    args = parser.parse_args(argv)
    known = tasks()
    for number in args.task or known:
        if number not in known:
            parser.error(f"there is no task {number}; ids: {', '.join(map(str, known))}")
    side = "without_skill" if args.without_skill else "with_skill"
    for number in args.task or known:
        task = known[number]
        folder = args.to.resolve() / f"eval-{number}-{task['name']}" / side
        if folder.exists():
            parser.error(f"{folder} exists; choose another folder for a new iteration")
        prepare(task, folder, not args.without_skill)
        print(
            f"{number:>3} {task['name']}: the agent ended with {perform(task, folder, args.command)}; {folder}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
