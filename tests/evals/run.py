"""Run a task of evals.json with an agent of your own against the sandbox: `run.py --help`, and README.md beside it.

A task gets a folder of its own with the files that it names, a home of its own, a copy of the skill that logs the
calls of its programs, and a stand-in for DashScope that logs what reaches it. Nothing is billed, no key of yours is used.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
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
LOGGED = ("image.py", "video.py", "gossamer.py")
PLACES = (".agents/skills", ".claude/skills")  # where agents look in a project
KEY = "sk-canary00112233445566778899aabbccddeeff"  # any key opens the sandbox; check.py looks for this one
PLANTED = "sk-" + hashlib.sha256(b"planted").hexdigest()[:32]  # looks real: the user's own, in .env
AGENT = "QIANWEN_EVAL_AGENT"
HIDDEN = re.compile(
    r"(QIANWEN|DASHSCOPE)_.*|QWEN(CLOUD)?_(API_KEY|BASE_URL|REGION|TMP_OSS_.*)|OUTPUT_DIR|XDG_.*_HOME|CI"
)
PAID = ("sync", "stream", "submit")
QUIET = "QIANWEN_NO_UPDATE_CHECK"


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


def planted(task: JSON) -> dict[str, str]:
    """What the user keeps in the folder beside the task's files: a key, unless the task is about having none."""
    return {".env": f"DASHSCOPE_API_KEY={PLANTED}\n"} if task.get("key", "environment") else {}


def prepare(task: JSON, folder: Path, with_skill: bool = True, without: str = "", hurry: float = 1.0) -> None:
    """Lay out a task's folder, which must not exist yet.

    without: heading of a section that SKILL.md loses.  hurry: how many times as fast the task's time runs.
    """
    outputs = folder / "outputs"
    for name in ("outputs", "logs", "home", "state"):
        (folder / name).mkdir(parents=True)
    for name in task["files"]:
        shutil.copy(ROOT / name, outputs)
    for name, text in planted(task).items():
        (outputs / name).write_text(text, encoding="utf-8")
        (outputs / name).chmod(0o600)
    for place in PLACES if with_skill else ():
        _install(outputs / place / NAME, folder, task.get("shell_seconds", 0) / hurry)
        if without:
            guide = outputs / place / NAME / "SKILL.md"
            guide.write_text(shortened(guide.read_text(encoding="utf-8"), without), encoding="utf-8")
    facts = {"id": task["id"], "with_skill": with_skill, "without": without, "skill": digests(outputs)}
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def shortened(guide: str, heading: str) -> str:
    """SKILL.md without one section, and with plain words where it linked there: nobody shall look for what is gone.

    Raises ValueError if it has no such heading.
    """
    before, found, rest = guide.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"SKILL.md has no section {heading!r}; sections: {', '.join(headings(guide))}")
    end = (rest + "\n## ").index("\n## ")
    left = before + "\n" + rest[end + 1 :]
    for title in (heading, *re.findall("^### (.+)$", rest[:end], re.MULTILINE)):
        anchor = title.lower().replace(" ", "-")
        left = re.sub(rf"\[([^]]+)\]\(#{anchor}\)", r"\1", left)
    return left


def headings(guide: str) -> list[str]:
    return re.findall("^## (.+)$", guide, re.MULTILINE)


def _install(skill: Path, folder: Path, shell_seconds: float) -> None:
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
        path.write_text("\n".join((first, *_preamble(folder, shell_seconds), rest)), encoding="utf-8")


def _preamble(folder: Path, shell_seconds: float) -> list[str]:
    log, home = str(folder / "logs" / "commands.jsonl"), str(folder / "home")
    return [
        f"import sys; sys.path.insert(0, {str(HERE)!r})",
        "import command_log; sys.path.pop(0)",
        f"command_log.begin(__file__, {log!r}, {home!r}, {shell_seconds})",
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
def service(task: JSON, folder: Path, hurry: float = 1.0) -> Iterator[dict[str, str]]:
    """The task's sandbox for the length of a block; yields the environment in which an agent works.

    What happened before the agent was called (`before`) has happened by then.
    """
    wanted: Mapping[str, Any] = task.get("service", {})
    log = folder / "logs" / "service.jsonl"
    with running(Logging(log, wanted.get("delay", 0.0) / hurry, wanted.get("faults", ()))) as base:
        world = _world(task, folder, base)
        for step in task.get("before", ()):
            _happen(step, folder, {**world, QUIET: "1"})
        (folder / "logs" / "commands.jsonl").unlink(missing_ok=True)
        yield world


def _world(task: JSON, folder: Path, base: str) -> dict[str, str]:
    home = str(folder / "home")
    world = {name: value for name, value in os.environ.items() if not HIDDEN.fullmatch(name)}
    world |= {"HOME": home, "USERPROFILE": home, "PYTHONDONTWRITEBYTECODE": "1"}
    world |= {"DASHSCOPE_HTTP_BASE_URL": base, "QIANWEN_STATE_DIR": str(folder / "state")}
    if task.get("key", "environment") == "environment":
        world["DASHSCOPE_API_KEY"] = KEY
    return world if task.get("updates") else {**world, QUIET: "1"}


def _happen(step: JSON, folder: Path, world: Mapping[str, str]) -> None:
    """Run a program as the user once did, and kill it, with what it started, when a request for `killed_at` arrived."""
    installed = folder / "outputs" / PLACES[0] / NAME / "scripts"
    program, *rest = step["run"]
    argv = [sys.executable, str((installed if installed.exists() else ROOT / "scripts") / program), *rest]
    streams: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    log, route = folder / "logs" / "service.jsonl", f'"route": "{step.get("killed_at")}"'
    with subprocess.Popen(argv, cwd=folder / "outputs", env=world, start_new_session=True, **streams) as process:
        while process.poll() is None:
            if log.exists() and route in log.read_text(encoding="utf-8"):
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.02)


def perform(task: JSON, folder: Path, command: Sequence[str], hurry: float = 1.0) -> int:
    """Let an agent do a prepared task; `{prompt}` in its command is the prompt. Its stdout becomes answer.txt."""
    argv = [word.replace("{prompt}", task["prompt"]) for word in command]
    start = time.monotonic()
    with (
        service(task, folder, hurry) as world,
        (folder / "answer.txt").open("wb") as answer,
        (folder / "logs" / "agent.txt").open("wb") as told,
    ):
        ended = subprocess.run(
            argv, cwd=folder / "outputs", env=world, stdin=subprocess.DEVNULL, stdout=answer, stderr=told
        )
    timing = {"duration_ms": round((time.monotonic() - start) * 1000)}
    (folder / "timing.json").write_text(json.dumps(timing), encoding="utf-8")
    return ended.returncode


def share(names: Sequence[str], folder: Path) -> None:
    """Let the agent find its own settings: links in the run's home to these paths below the real one."""
    for name in names:
        link = folder / "home" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path.home() / name)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--task", type=int, action="append", help="id of a task; repeatable; all when left out")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="workspace for the runs, outside of repositories"
    )
    parser.add_argument("--without-skill", action="store_true", help="the baseline: the same tasks, no skill installed")
    parser.add_argument(
        "--without",
        default="",
        metavar="HEADING",
        help="take this section out of SKILL.md; runs the tasks that need it",
    )
    parser.add_argument(
        "--share", action="append", default=[], metavar="NAME", help="link this path of your home into the agent's"
    )
    parser.add_argument("command", nargs="*", help=f"-- and your agent's command, with {{prompt}}; else ${AGENT}")
    args = parser.parse_args(argv)
    command = args.command or shlex.split(os.environ.get(AGENT, ""))
    if not any("{prompt}" in word for word in command):
        parser.error(f"name an agent after -- or in {AGENT}, such as: mycli -p {{prompt}}")
    if not shutil.which(command[0]):
        parser.error(f"there is no program {command[0]}")
    if wrong := [name for name in args.share if Path(name).is_absolute() or ".." in Path(name).parts]:
        parser.error(f"--share takes a path below your home, not {wrong[0]}")
    guide = (ROOT / "SKILL.md").read_text(encoding="utf-8")
    if args.without and (args.without_skill or args.without not in headings(guide)):
        parser.error(f"--without takes one heading of SKILL.md: {', '.join(headings(guide))}")
    known = tasks()
    chosen = args.task or [number for number, task in known.items() if args.without in ("", task["section"])]
    for number in chosen:
        if number not in known:
            parser.error(f"there is no task {number}; ids: {', '.join(map(str, known))}")
    # An agent sees where it works, and must not be told what it lacks.
    side = "without_skill" if args.without_skill else "with_skill_b" if args.without else "with_skill"
    for number in chosen:
        task = known[number]
        folder = args.to.resolve() / f"eval-{number}-{task['name']}" / side
        if folder.exists():
            parser.error(f"{folder} exists; choose another folder for a new iteration")
        prepare(task, folder, not args.without_skill, args.without)
        share(args.share, folder)
        print(
            f"{number:>3} {task['name']}: the agent ended with {perform(task, folder, command)}; {folder}", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
