"""The update check of the skill family during a run, and its prompts on stderr.

The check itself is the skill `qianwen-update-check`. If it is installed next to this one, we run it in a process that
ends with the run; but never a copy in the folder one works in or in a repository around it, which may be a stranger's.
The family's skills share `<root>/.agents/state.json`. A failed check is never shown.
"""

from __future__ import annotations

import os
import sys

from .environment import Environment, project_of, real, write
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
ANSWERED, NEVER = "last_interaction", "never_install"  # names that the whole family uses
ATTEMPTED = "last_attempt"  # ours alone: the companion sets the others only after it has reached its server

DAY_SECONDS = 86400.0
RETRY_SECONDS = 3600.0
ANSWER_SECONDS = 0.5
KILL_SECONDS = 0.1
LOCK_SECONDS = 1.0
LARGEST_FILE = 1 << 20
LARGEST_ANSWER = 1 << 16

# After these exit codes no prompt is printed: the user has to act first, or has lost patience.
_NO_PROMPT_AFTER = (UsageError.exit_code, AuthError.exit_code, Interrupted.exit_code)
_SKILL = "qianwen-[A-Za-z0-9._-]{1,80}"
_REPOSITORY = r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*"
_NEEDED = (
    r"PATH|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|WINDIR|PATHEXT|COMSPEC|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)"
    r"|QWEN_SKILLS_REPO"
)

# What runs the checker on Linux: with Landlock (5.13 and later) it can read the interpreter, the system's libraries and
# the installed skills, but no key file, no .env, and not our own variables in /proc. Without Landlock it just runs.
_GUARD = """\
import os, runpy, sys
checker, agents = sys.argv[1:3]
try:
    import ctypes
    READ_FILE = 4
    call, number = ctypes.CDLL(None).syscall, ctypes.c_long
    rules = call(number(444), ctypes.byref(ctypes.c_uint64(READ_FILE)), number(8), number(0))
    skills = os.path.dirname(os.path.dirname(os.path.dirname(checker)))
    system = ("/usr", "/lib", "/lib64", "/etc", "/nix", "/dev/null", "/dev/urandom")
    for path in (sys.prefix, sys.base_prefix, *system, agents, skills):
        if rules >= 0 and os.path.exists(path):
            beneath = READ_FILE.to_bytes(8, sys.byteorder) + os.open(path, os.O_PATH).to_bytes(4, sys.byteorder)
            call(number(445), number(rules), number(1), beneath, number(0))
    if rules >= 0 and ctypes.CDLL(None).prctl(38, number(1), number(0), number(0), number(0)) == 0:
        call(number(446), number(rules), number(0))
except (ImportError, OSError, AttributeError):
    pass
sys.argv[:] = [checker, *sys.argv[3:]]
sys.path[0] = os.path.dirname(checker)
runpy.run_path(checker, run_name="__main__")
"""

NOT_INSTALLED = (
    f"[ACTION_REQUIRED] {COMPANION} skill is not installed. Install: npx skills add {REPOSITORY} --skill {COMPANION} -y"
)


def newer_version(skills: list[str]) -> Lines:
    """The prompt about a newer version, with the command that updates these skills."""
    return (
        "",
        f"[UPDATE_AVAILABLE] {REPOSITORY} has a newer version available.",
        f"  Run: npx skills add {REPOSITORY} --skill {' '.join(skills)} -y",
        "",
    )


class Check:
    """One check during a run. Use as a context manager, which ends the checker's process.

    Does nothing in CI, if `QIANWEN_NO_UPDATE_CHECK` is set, or if no folder above the script has `.agents/`.
    seconds: how long the end of the run may wait for the checker.
    """

    def __init__(self, environment: Environment, seconds: float = ANSWER_SECONDS) -> None:
        self._environment = environment
        self._seconds = seconds
        self._project: Project | None = None
        self._companion = ""
        self._checker: Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the companion's checker if it is due. Called when a session opens."""
        try:
            if self._project is None and not _is_off(self._environment.env):
                self._project = find(self._environment.script)
                self._companion = _companion(self._project) if self._project else ""
                script = self._environment.script
                if self._companion and _may_be_strangers(self._companion, script, self._environment):
                    self._project = None  # no signal
                if self._project and self._companion:
                    self._start_checker(self._project)
        except Exception:  # noqa: S110 - a check must not fail a run
            pass

    def lines(self, exit_code: int) -> Lines:
        """The prompt to print after a run with this exit code; () for none. Waits for the checker at most `seconds`."""
        if self._project is None or exit_code in _NO_PROMPT_AFTER:
            return ()
        try:
            if not self._companion:
                return (NOT_INSTALLED,) if self._claim(self._project, ANSWERED, DAY_SECONDS) else ()
            if self._checker is None or _object(_output(self._checker, self._seconds)).get("has_update") is not True:
                return ()
            lines = newer_version(_skills(self._project, self._companion))
            now = self._environment.now()
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
        if os.path.realpath(checker) != checker or not _is_trusted(checker, project.script):
            return
        if not self._claim(project, ATTEMPTED, RETRY_SECONDS):
            return
        import subprocess

        options: Any = {"start_new_session": True}
        if os.name == "nt":
            options = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
        agents = os.path.dirname(project.state)
        guarded = ["-c", _GUARD, checker, agents] if sys.platform == "linux" else [checker]
        self._checker = subprocess.Popen(  # noqa: S603 - a skill that the user installed
            [sys.executable, *guarded, "--print-response"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.dirname(checker),  # not the user's folder, whose .env it might read
            env=_safe_variables(self._environment.env, os.path.dirname(checker)),
            **options,
        )

    def _claim(self, project: Project, name: str, seconds: float) -> bool:
        """Whether a check is due and no other process has claimed it. If so, records our claim."""
        now = self._environment.now()

        def is_due(state: State) -> bool:
            is_silenced = state.get(NEVER) or _is_within(state.get(ANSWERED), now, DAY_SECONDS)
            return not is_silenced and not _is_within(state.get(name), now, seconds)

        if not is_due(_state(project)):
            return False
        return _change(project, lambda state: {**state, name: now} if is_due(state) else None, 0.0)


# The checker's process ------------------------------------------------------------------------------------


def _output(checker: Popen[bytes], seconds: float) -> bytes:
    """The checker's output; b"" if it fails, takes longer than `seconds`, or prints too much."""
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
    """End the checker and its children, if it still runs."""
    import signal
    import subprocess

    if checker.stdout:
        checker.stdout.close()
    if checker.returncode is not None:
        return
    try:  # it has not been waited for, so no other process can have its id
        if os.name == "nt":
            checker.kill()
        else:
            os.killpg(checker.pid, signal.SIGKILL)
        checker.wait(KILL_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        pass


def _safe_variables(env: Mapping[str, str], folder: str) -> dict[str, str]:
    """The variables for the checker: what a program needs to run and to reach the network, and nothing with a password.

    folder: stands for the home, whose files hold keys.
    """
    import re

    kept = {name: value for name, value in env.items() if re.fullmatch(_NEEDED, name.upper()) and "@" not in value}
    if not re.fullmatch(_REPOSITORY, kept.get("QWEN_SKILLS_REPO", "")):
        kept.pop("QWEN_SKILLS_REPO", None)
    return {**kept, **dict.fromkeys(("HOME", "USERPROFILE"), folder)}


def _is_off(env: Mapping[str, str]) -> bool:
    return any(env.get(name, "").lower() not in ("", "0", "false") for name in ("CI", OFF_VARIABLE))


# The project ----------------------------------------------------------------------------------------------


@record
class Project:
    """The folder where the family's skills are installed.

    root: the folder that has `.agents/`.
    script: the path of the program under which `root` was found.
    """

    root: str
    script: str

    @property
    def state(self) -> str:
        return os.path.join(self.root, ".agents", "state.json")


def find(script: str) -> Project | None:
    """The project of the program; None if `.agents/` belongs to another user, because we would run what is in it."""
    root, path = project_of(script)
    return Project(root, path) if root and _is_trusted(os.path.join(root, ".agents"), path) else None


def _is_trusted(path: str, script: str) -> bool:
    """Whether the path exists and belongs to this user, to root, or to the owner of the program."""
    try:
        owners = (0, getattr(os, "geteuid", int)(), os.stat(script).st_uid)
        return os.stat(path).st_uid in owners
    except OSError:
        return False


def _companion(project: Project) -> str:
    """The real folder of the companion skill, wherever it is installed in the project; "" if it is not."""
    ours = os.path.dirname(os.path.dirname(os.path.dirname(project.script)))
    skills = [os.path.join(project.root, *parts, "skills") for parts in ((), (".agents",))]
    folders = [*(os.path.join(folder, "ops") for folder in skills), *skills, ours]
    candidates = (os.path.join(folder, COMPANION) for folder in folders)
    return next((os.path.realpath(path) for path in candidates if os.path.isdir(path)), "")


def _may_be_strangers(companion: str, script: str, environment: Environment) -> bool:
    """Whether the companion is not next to the real folder of this skill, or is in the folder one works in.

    A repository around that folder counts as this folder. The home, and what is above it, is the user's own, even if it
    is a repository.
    """
    from .plain.paths import folders_above

    skills = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(script))))
    if os.path.dirname(companion) not in (skills, os.path.join(skills, "ops")):
        return True
    home = os.path.join(os.path.realpath(environment.home), "")
    here = os.path.realpath(environment.cwd)
    for folder in (here, *folders_above(here)):
        is_project = folder == here or os.path.exists(os.path.join(folder, ".git"))
        inside = os.path.join(folder, "")
        if is_project and not home.startswith(inside) and companion.startswith(inside):
            return True
    return False


def _skills(project: Project, companion: str) -> list[str]:
    """The names of the installed skills of the family, by the lock file, else by the folders next to the companion.

    Only names that need no quoting in a shell.
    """
    import re

    try:
        locked = _object(_read(os.path.join(project.root, "skills-lock.json"))).get("skills")
    except OSError:
        locked = None
    for names in (locked if isinstance(locked, dict) else (), os.listdir(os.path.dirname(companion))):
        skills = sorted(name for name in names if re.fullmatch(_SKILL, name))
        if skills:
            return skills
    return [COMPANION]


# The state ------------------------------------------------------------------------------------------------


def _state(project: Project) -> State:
    """The family's shared state; empty if the file is missing or damaged. Raises OSError if it is not a plain file."""
    try:
        return _object(_read(project.state))
    except FileNotFoundError:
        return {}


def _change(project: Project, edit: Callable[[State], State | None], patience: float) -> bool:
    """Replace the state under a lock. Answers whether `edit` returned a new state. Raises OSError.

    edit: the new state, or None to leave it alone.
    patience: seconds to wait for the lock.
    """
    import json

    from .files import locks, safe_open

    lock = locks.wait_for(project.state + ".lock", patience, lasting=False)
    if lock is None:
        raise TimeoutError(f"{project.state} is locked by another process")
    try:
        state = edit(_state(project))
        if state is not None:
            safe_open.write_whole(project.state, (json.dumps(state, indent=2) + "\n").encode("ascii"))
        return state is not None
    finally:
        lock.release()


def _read(path: str) -> bytes:
    """The content of a small regular file; does not follow a link. Raises OSError."""
    from .files.safe_open import read_theirs

    return read_theirs(path, LARGEST_FILE, follow=False)


def _object(text: bytes) -> State:
    """A JSON object; an empty one if the text is anything else."""
    from .plain import strict_json

    try:
        value = strict_json.load(text, tolerant=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_within(moment: object, now: float, seconds: float) -> bool:
    """Whether a stored moment, in epoch seconds, is within `seconds` of `now`. False for any other value."""
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
    """Run one command line of gossamer.py and answer its exit code. A test passes an `environment` of its own."""
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
        fault = f"unknown argument {unknown[0]!r}" if unknown else "exactly one flag is needed"
        write(environment.stderr, f"Error: {fault}\nHint: give --dismiss or --never-install; --help explains them\n")
        return UsageError.exit_code
    project = find(environment.script)
    if project is None:
        write(environment.stderr, "No folder above this skill has .agents/, so there are no prompts to suppress.\n")
        return OK
    fields, message = answers[argv[0]]
    try:
        _change(project, lambda state: {**state, **fields}, LOCK_SECONDS)
    except OSError as error:
        write(environment.stderr, f"Error: {project.state} could not be written: {error.strerror or error}\n")
        write(environment.stderr, f"Hint: {OFF_VARIABLE}=1 in the environment turns the prompts off\n")
        return OutputError.exit_code
    write(environment.stderr, message + "\n")
    return OK
