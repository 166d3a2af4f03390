"""The family's update check, beside a run, and its signals on stderr.

It asks no server: the skill `qianwen-update-check` does, if it is installed beside this one, in a process of its own
that ends with the run. The skills of the family share `<root>/.agents/state.json`. No failure of the check is shown.
"""

from __future__ import annotations

import os
import sys

from .environment import Environment, real, write
from .errors import OK, AuthError, Interrupted, OutputError, UsageError
from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any, Callable, Mapping

    State = dict[str, Any]
    Lines = tuple[str, ...]

REPOSITORY = "QianWen-AI/qianwen-ai"
COMPANION = "qianwen-update-check"
OFF_VARIABLE = "QIANWEN_NO_UPDATE_CHECK"
ANSWERED, NEVER = "last_interaction", "never_install"  # the family's
ATTEMPTED = "last_attempt"  # ours: the companion writes the other only when it has reached its server

DAY_SECONDS = 86400.0
RETRY_SECONDS = 3600.0
ANSWER_SECONDS = 0.5
KILL_SECONDS = 0.1
LOCK_SECONDS = 1.0
LARGEST_FILE = 1 << 20
LARGEST_ANSWER = 1 << 16

# After these ends nothing is waited for: the user has to act first, or has lost patience.
_HASTY = (UsageError.exit_code, AuthError.exit_code, Interrupted.exit_code)
_SKILL = "qianwen-[A-Za-z0-9._-]{1,80}"
_REPOSITORY = r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SECRETS = "KEY|SECRET|TOKEN|PASS|CREDENTIAL"

NOT_INSTALLED = (
    f"[ACTION_REQUIRED] {COMPANION} skill is not installed. Install: npx skills add {REPOSITORY} --skill {COMPANION} -y"
)


def newer_version(skills: list[str]) -> Lines:
    """The signal of a newer version, with the command that updates these skills."""
    return (
        "",
        f"[UPDATE_AVAILABLE] {REPOSITORY} has a newer version available.",
        f"  Run: npx skills add {REPOSITORY} --skill {' '.join(skills)} -y",
        "",
    )


class Check:
    """One check beside a run. Use as a context manager: at its end the checker's process is gone.

    Does nothing in CI, when `QIANWEN_NO_UPDATE_CHECK` is set, and where no folder above the script has `.agents/`.
    seconds: the longest that the end of the run waits for the checker.
    """

    def __init__(self, environment: Environment, seconds: float = ANSWER_SECONDS) -> None:
        self._world = environment
        self._seconds = seconds
        self._project: Project | None = None
        self._companion = ""
        self._checker: Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the companion's checker if it is due. Called when a session with the service has been opened."""
        try:
            if self._project is None and not _is_off(self._world.env):
                self._project = find(self._world.script)
                self._companion = _companion(self._project) if self._project else ""
                if self._project and self._companion:
                    self._start_checker(self._project)
        except Exception:  # noqa: S110 - a check must not cost a run
            pass

    def lines(self, exit_code: int) -> Lines:
        """The signal to print after a run that ended with this exit code; waits for the checker a moment at most."""
        if self._project is None or exit_code in _HASTY:
            return ()
        try:
            if not self._companion:
                return (NOT_INSTALLED,) if self._claim(self._project, ANSWERED, DAY_SECONDS) else ()
            if self._checker is None or _object(_output(self._checker, self._seconds)).get("has_update") is not True:
                return ()
            lines = newer_version(_skills(self._project, self._companion))
            now = self._world.now()
            _change(self._project, lambda state: {**state, ANSWERED: now}, LOCK_SECONDS)
            return lines
        except Exception:  # as in `begin`
            return ()

    def __enter__(self) -> Check:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._checker:
            _stop(self._checker)

    def _start_checker(self, project: Project) -> None:
        checker = os.path.join(self._companion, "scripts", "check_update.py")
        if not _is_trusted(checker, project.script) or not self._claim(project, ATTEMPTED, RETRY_SECONDS):
            return
        import subprocess

        apart: Any = {"start_new_session": True}
        if os.name == "nt":
            apart = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
        self._checker = subprocess.Popen(  # noqa: S603 - a skill that the user installed
            [sys.executable, checker, "--print-response"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.dirname(checker),  # not the user's folder, whose .env it might believe
            env=_harmless(self._world.env),
            **apart,
        )

    def _claim(self, project: Project, name: str, seconds: float) -> bool:
        """Whether a check is due and no other process has taken it; then it is noted as ours."""
        now = self._world.now()

        def is_due(state: State) -> bool:
            quiet = state.get(NEVER) or _is_within(state.get(ANSWERED), now, DAY_SECONDS)
            return not quiet and not _is_within(state.get(name), now, seconds)

        if not is_due(_state(project)):
            return False
        return _change(project, lambda state: {**state, name: now} if is_due(state) else None, 0.0)


# The checker's process ------------------------------------------------------------------------------------


def _output(checker: Popen[bytes], seconds: float) -> bytes:
    """What the checker printed; b"" when it fails, does not end in this time, or prints too much."""
    if os.name == "nt":  # no select on pipes
        answer, _ = checker.communicate(timeout=seconds)
        return b"" if checker.returncode else answer
    import select
    import time

    assert checker.stdout
    pipe, answer, end = checker.stdout.fileno(), b"", time.monotonic() + seconds
    while len(answer) <= LARGEST_ANSWER:
        if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            return b""
        block = os.read(pipe, LARGEST_ANSWER)
        if not block:
            return b"" if checker.wait(max(0.0, end - time.monotonic())) else answer
        answer += block
    return b""


def _stop(checker: Popen[bytes]) -> None:
    """End the checker and what it started, if it still runs."""
    import signal
    import subprocess

    if checker.stdout:
        checker.stdout.close()
    if checker.returncode is not None:
        return
    try:  # it has not been waited for, so no other process can have its number
        if os.name == "nt":
            checker.kill()
        else:
            os.killpg(checker.pid, signal.SIGKILL)
        checker.wait(KILL_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        pass


def _harmless(env: Mapping[str, str]) -> dict[str, str]:
    """The variables for the checker: no keys, and a repository only when it is the name of one."""
    import re

    kept = {name: value for name, value in env.items() if not re.search(_SECRETS, name.upper())}
    if not re.fullmatch(_REPOSITORY, kept.get("QWEN_SKILLS_REPO", "")):
        kept.pop("QWEN_SKILLS_REPO", None)
    return kept


def _is_off(env: Mapping[str, str]) -> bool:
    return any(env.get(name, "").lower() not in ("", "0", "false") for name in ("CI", OFF_VARIABLE))


# The project ----------------------------------------------------------------------------------------------


@record
class Project:
    """root: the folder that has `.agents/`.  script: the path of the program by which it was found."""

    root: str
    script: str

    @property
    def state(self) -> str:
        return os.path.join(self.root, ".agents", "state.json")


def find(script: str) -> Project | None:
    """The nearest folder above the program that has `.agents/`, above its real path first, then as it was called.

    None also when that folder is somebody else's: what stands there would be run.
    """
    for path in dict.fromkeys((os.path.realpath(script), script)):
        folder, below = os.path.dirname(path), path
        while folder != below:
            agents = os.path.join(folder, ".agents")
            if os.path.basename(folder) != ".agents" and os.path.isdir(agents):
                return Project(folder, path) if _is_trusted(agents, path) else None
            folder, below = os.path.dirname(folder), folder
    return None


def _is_trusted(path: str, script: str) -> bool:
    """Whether it is there and belongs to this user, to the system, or to whoever owns the program."""
    try:
        owners = (0, getattr(os, "geteuid", int)(), os.stat(script).st_uid)
        return os.stat(path).st_uid in owners
    except OSError:
        return False


def _companion(project: Project) -> str:
    """The folder of the companion skill, "" when it is not installed."""
    ours = os.path.dirname(os.path.dirname(os.path.dirname(project.script)))
    skills = [os.path.join(project.root, *parts, "skills") for parts in ((), (".agents",))]
    folders = [*(os.path.join(folder, "ops") for folder in skills), *skills, ours]
    candidates = (os.path.join(folder, COMPANION) for folder in folders)
    return next(filter(os.path.isdir, candidates), "")


def _skills(project: Project, companion: str) -> list[str]:
    """The names of the family's skills that are installed: by the lock file, else by the folders beside the companion.

    Only names that a shell takes as they are; the companion's own is always among the folders.
    """
    import re

    try:
        locked = _object(_read(os.path.join(project.root, "skills-lock.json"))).get("skills")
    except OSError:
        locked = None
    for names in (locked if isinstance(locked, dict) else (), os.listdir(os.path.dirname(companion))):
        found = sorted(name for name in names if re.fullmatch(_SKILL, name))
        if found:
            return found
    return [COMPANION]


# The state ------------------------------------------------------------------------------------------------


def _state(project: Project) -> State:
    """What the family knows: nothing when the file is missing or spoiled. Raises OSError when it is no plain file."""
    try:
        return _object(_read(project.state))
    except FileNotFoundError:
        return {}


def _mode_of(path: str) -> int:
    """The mode of a file, which a new one in its place keeps."""
    import stat

    return stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else 0o666


def _change(project: Project, edit: Callable[[State], State | None], patience: float) -> bool:
    """Replace the state while no other process of ours does. False: `edit` returned None. Raises OSError.

    patience: seconds to wait for another process.
    """
    import json

    from .files import locks, safe_open

    lock = locks.wait_for(project.state + ".lock", patience, lasting=False)
    if lock is None:
        raise TimeoutError(f"{project.state} is held by another process")
    try:
        state = edit(_state(project))
        if state is not None:
            safe_open.write_whole(
                project.state, (json.dumps(state, indent=2) + "\n").encode("ascii"), _mode_of(project.state)
            )
        return state is not None
    finally:
        lock.release()


def _read(path: str) -> bytes:
    """A small regular file, and nothing that a link leads to. Raises OSError."""
    from .files.safe_open import open_regular

    no_link = getattr(os, "O_NOFOLLOW", 0)
    with open(path, "rb", opener=lambda name, flags: open_regular(name, flags | no_link)) as stream:
        data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise OSError(f"{path} is too large")
    return data


def _object(text: bytes) -> State:
    """A JSON object; an empty one for any other text."""
    from .plain import strict_json

    try:
        value = strict_json.load(text, tolerant=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_within(moment: object, now: float, seconds: float) -> bool:
    """Whether a stored moment, in epoch seconds, is that near. What is not a moment, or far in the future, is not."""
    return type(moment) in (int, float) and now - seconds < moment < now + seconds  # type: ignore[operator]


# gossamer.py ----------------------------------------------------------------------------------------------

_HELP = f"""\
usage: gossamer.py --dismiss | --never-install

Answers the prompts that the update check prints on stderr after a run: [ACTION_REQUIRED] and
[UPDATE_AVAILABLE]. The answer is kept in .agents/state.json, in the nearest folder above this skill that
has .agents/; where there is none, there are no prompts.

  --dismiss         no prompts for 24 hours
  --never-install   no prompts ever again; take "{NEVER}" out of that file to have them back
  --help, -h        print this

Without an answer a prompt is printed at most once in 24 hours; never in CI (CI is set) or with {OFF_VARIABLE}=1.

exit codes:
    0  done
    3  bad flags
    7  the answer could not be kept
"""


def main(argv: list[str], environment: Environment | None = None) -> int:
    """Run one command line of gossamer.py; `environment` is the real one unless a test hands in another."""
    environment = environment or real(sys.argv[0])
    now = environment.now()
    answers: dict[str, tuple[State, str]] = {
        "--dismiss": ({ANSWERED: now}, "Update-check prompts suppressed for 24 hours."),
        "--never-install": ({NEVER: True}, "Update-check prompts permanently suppressed."),
    }
    if "--help" in argv or "-h" in argv:
        write(environment.stdout, _HELP)
        return OK
    if len(argv) != 1 or argv[0] not in answers:
        unknown = [word for word in argv if word not in answers]
        said = f"unknown argument {unknown[0]!r}" if unknown else "exactly one flag is needed"
        write(environment.stderr, f"Error: {said}\nHint: give --dismiss or --never-install; --help explains them\n")
        return UsageError.exit_code
    project = find(environment.script)
    if project is None:
        write(environment.stderr, "No folder above this skill has .agents/, so there are no prompts to suppress.\n")
        return OK
    fields, said = answers[argv[0]]
    try:
        _change(project, lambda state: {**state, **fields}, LOCK_SECONDS)
    except OSError as error:
        write(environment.stderr, f"Error: {project.state} could not be written: {error.strerror or error}\n")
        write(environment.stderr, f"Hint: {OFF_VARIABLE}=1 in the environment turns the prompts off\n")
        return OutputError.exit_code
    write(environment.stderr, said + "\n")
    return OK
