"""The family's update check, which runs beside the work and costs it nothing, and its signals on stderr.

It asks nobody itself: the skill `qianwen-update-check` does, when it is installed beside this one. What is known stands
in `<root>/.agents/state.json`, which the skills of the family share. Whatever goes wrong here, nothing is said.
"""

from __future__ import annotations

import os
import sys

from . import environment as surroundings
from .errors import OK, AuthError, Interrupted, OutputError, UsageError
from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any, Callable, Mapping, TextIO

    from .environment import World

    State = dict[str, Any]
    Lines = tuple[str, ...]

REPOSITORY = "QianWen-AI/qianwen-ai"
COMPANION = "qianwen-update-check"
OFF_VARIABLE = "QIANWEN_NO_UPDATE_CHECK"
ANSWERED, NEVER = "last_interaction", "never_install"  # the family's
ATTEMPTED = "last_attempt"  # ours: the companion writes the other only when it has reached its server

DAY_SECONDS = 86400.0
RETRY_SECONDS = 3600.0
REAP_SECONDS = 0.1
LOCK_SECONDS = 1.0
PAUSE_SECONDS = 0.01
LARGEST_FILE = 1 << 20
LARGEST_ANSWER = 1 << 16

# After these ends nobody waits for the check: the user has to act first, or has lost patience.
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


@record
class Bounds:
    """Seconds. head_start: the work's; a request that is refused is over by then, and nothing was done for the check.

    checker: the longest that the companion's may run.  farewell: the longest that the end of the work waits for it.
    """

    head_start: float = 1.0
    checker: float = 15.0
    farewell: float = 0.5


# Beside the work ------------------------------------------------------------------------------------------


def beside(world: World, work: Callable[[], int], say: Callable[[str], None], bounds: Bounds | None = None) -> int:
    """The exit code of `work`, with the check run beside it and its signal said afterwards, line by line.

    Says nothing in CI, when `QIANWEN_NO_UPDATE_CHECK` is set, and where no folder above the script has `.agents/`.
    """
    bounds = bounds or Bounds()
    check = _begun(world, bounds)
    if check is None:
        return work()
    code = Interrupted.exit_code
    try:
        code = work()
    finally:
        check.end(0.0 if code in _HASTY else bounds.farewell)
    for line in check.lines:
        say(line)
    return code


def _begun(world: World, bounds: Bounds) -> _Check | None:
    if any(world.env.get(name, "").lower() not in ("", "0", "false") for name in ("CI", OFF_VARIABLE)):
        return None
    place = find(world.script)
    if place is None:
        return None
    import threading

    check = _Check(place, world, bounds)
    try:
        threading.Thread(target=check.run, daemon=True).start()
    except RuntimeError:  # this machine has no thread to spare
        return None
    return check


class _Check:
    """One check, in a thread of its own. lines: what it found, to be said when `end` has returned."""

    def __init__(self, place: Place, world: World, bounds: Bounds) -> None:
        import threading

        self.lines: Lines = ()
        self._place = place
        self._world = world
        self._bounds = bounds
        self._summons = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._is_over = False
        self._child: Popen[bytes] | None = None

    def run(self) -> None:
        try:
            self._summons.wait(self._bounds.head_start)
            if not self._is_over:
                self.lines = self._look()
        except Exception:  # noqa: S110 - no fault of the check may show in a run; cli does not see this thread
            pass
        finally:
            self._done.set()

    def end(self, seconds: float) -> None:
        """Wait for the check up to `seconds`, then leave nothing of it behind. 0: what has not begun never will."""
        try:
            if seconds:
                self._summons.set()
                self._done.wait(seconds)
        except KeyboardInterrupt:  # the work is done, and its exit code stands
            pass
        with self._lock:
            self._is_over = True
        self._summons.set()
        if self._child and not self._done.is_set():
            self._stop()
            self._done.wait(REAP_SECONDS)

    def _look(self) -> Lines:
        companion = _companion(self._place)
        if not companion:
            return (NOT_INSTALLED,) if self._claim(ANSWERED, DAY_SECONDS) else ()
        checker = os.path.join(companion, "scripts", "check_update.py")
        if not _is_trusted(checker, self._place.script) or not self._claim(ATTEMPTED, RETRY_SECONDS):
            return ()
        if _object(self._answer_of(checker)).get("has_update") is not True:
            return ()
        lines = newer_version(_skills(self._place, companion))
        _change(self._place, lambda state: {**state, ANSWERED: self._world.now()})
        return lines

    def _claim(self, name: str, seconds: float) -> bool:
        """Whether a check is due and no other process has taken it; then it is noted as ours."""
        now = self._world.now()

        def is_due(state: State) -> bool:
            quiet = state.get(NEVER) or _is_within(state.get(ANSWERED), now, DAY_SECONDS)
            return not quiet and not _is_within(state.get(name), now, seconds)

        if not is_due(_state(self._place)):
            return False
        return _change(self._place, lambda state: {**state, name: now} if is_due(state) else None)

    def _answer_of(self, checker: str) -> bytes:
        """What the companion's checker prints; nothing when it fails, hangs or does not stop talking."""
        import subprocess
        import threading

        apart: Any = {"start_new_session": True}
        if os.name == "nt":
            apart = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
        with self._lock:
            if self._is_over:
                return b""
            child = self._child = subprocess.Popen(  # noqa: S603 - a skill that the user installed
                [sys.executable, checker, "--print-response"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=os.path.dirname(checker),  # not the user's folder, whose .env it might believe
                env=_harmless(self._world.env),
                **apart,
            )
        watch = threading.Timer(self._bounds.checker, self._stop)
        watch.daemon = True
        watch.start()
        try:
            with child:
                answer = child.stdout.read(LARGEST_ANSWER + 1) if child.stdout else b""
                if len(answer) > LARGEST_ANSWER:
                    self._stop()
        finally:
            watch.cancel()
        return b"" if child.returncode or len(answer) > LARGEST_ANSWER else answer

    def _stop(self) -> None:
        """End the checker and what it started."""
        import signal

        child = self._child
        if child is None or child.returncode is not None:  # until then nobody else can have its number
            return
        try:
            if os.name == "nt":
                child.kill()
            else:
                os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass  # it has ended in this moment


def _harmless(env: Mapping[str, str]) -> dict[str, str]:
    """The variables for the checker: no keys, and a repository only when it is the name of one."""
    import re

    def is_fine(name: str, value: str) -> bool:
        if name == "QWEN_SKILLS_REPO":
            return bool(re.fullmatch(_REPOSITORY, value))
        return not re.search(_SECRETS, name.upper())

    return {name: value for name, value in env.items() if is_fine(name, value)}


# Places ---------------------------------------------------------------------------------------------------


@record
class Place:
    """root: the folder that has `.agents/`.  script: the path of the program by which it was found."""

    root: str
    script: str

    @property
    def state(self) -> str:
        return os.path.join(self.root, ".agents", "state.json")


def find(script: str) -> Place | None:
    """The nearest folder above the program that has `.agents/`, above its real path first, then as it was called.

    None also when that folder is somebody else's: what stands there would be run.
    """
    for path in dict.fromkeys((os.path.realpath(script), script)):
        folder, below = os.path.dirname(path), path
        while folder != below:
            agents = os.path.join(folder, ".agents")
            if os.path.basename(folder) != ".agents" and os.path.isdir(agents):
                return Place(folder, path) if _is_trusted(agents, path) else None
            folder, below = os.path.dirname(folder), folder
    return None


def _is_trusted(path: str, script: str) -> bool:
    """Whether it is there and belongs to this user, to the system, or to whoever owns the program."""
    try:
        owners = (0, getattr(os, "geteuid", int)(), os.stat(script).st_uid)
        return os.stat(path).st_uid in owners
    except OSError:
        return False


def _companion(place: Place) -> str:
    """The folder of the companion skill, "" when it is not installed."""
    ours = os.path.dirname(os.path.dirname(os.path.dirname(place.script)))
    skills = [os.path.join(place.root, *parts, "skills") for parts in ((), (".agents",))]
    folders = [*(os.path.join(folder, "ops") for folder in skills), *skills, ours]
    candidates = (os.path.join(folder, COMPANION) for folder in folders)
    return next(filter(os.path.isdir, candidates), "")


def _skills(place: Place, companion: str) -> list[str]:
    """The names of the family's skills that are installed: by the lock file, else by the folders beside the companion.

    Only names that a shell takes as they are; the companion's own is always among the folders.
    """
    import re

    try:
        locked = _object(_read(os.path.join(place.root, "skills-lock.json"))).get("skills")
    except OSError:
        locked = None
    for names in (locked if isinstance(locked, dict) else (), os.listdir(os.path.dirname(companion))):
        found = sorted(name for name in names if re.fullmatch(_SKILL, name))
        if found:
            return found
    return [COMPANION]


# The state ------------------------------------------------------------------------------------------------


def _state(place: Place) -> State:
    """What the family knows: nothing when the file is missing or spoiled. Raises OSError when it is no plain file."""
    try:
        return _object(_read(place.state))
    except FileNotFoundError:
        return {}


def _change(place: Place, edit: Callable[[State], State | None]) -> bool:
    """Replace the state while no other process of ours does. False: `edit` answered None. Raises OSError."""
    import time

    from .files import locks

    end = time.monotonic() + LOCK_SECONDS
    lock = locks.take(place.state + ".lock")
    while lock is None:
        if time.monotonic() > end:
            raise TimeoutError(f"{place.state} is held by another process")
        time.sleep(PAUSE_SECONDS)
        lock = locks.take(place.state + ".lock")
    try:
        state = edit(_state(place))
        if state is not None:
            _replace(place.state, state)
        return state is not None
    finally:
        lock.release()


def _replace(path: str, state: State) -> None:
    """Whole or not at all, as readable for others as it was. Raises OSError."""
    import json

    new = path + ".new"
    if os.path.lexists(new):
        os.unlink(new)
    try:
        with open(new, "x", encoding="utf-8") as stream:
            stream.write(json.dumps(state, indent=2) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(path):
            os.chmod(new, os.stat(path).st_mode & 0o777)
        os.replace(new, path)
    except BaseException:
        if os.path.lexists(new):
            os.unlink(new)
        raise


def _read(path: str) -> bytes:
    """A small regular file, and nothing that a link leads to. Raises OSError."""
    import stat

    special = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | special)) as stream:
        data = stream.read(LARGEST_FILE + 1) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else None
    if data is None or len(data) > LARGEST_FILE:
        raise OSError(f"{path} is no small file")
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
    """Whether a stored moment, in epoch seconds, is that near. What is no moment, or far in the future, is not."""
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        return False
    try:
        return abs(now - moment) < seconds
    except OverflowError:
        return False


# gossamer.py ----------------------------------------------------------------------------------------------

_HELP = f"""\
usage: gossamer.py --dismiss | --never-install

Answers to the prompts of the update check, which stand on stderr after a run: [ACTION_REQUIRED] and
[UPDATE_AVAILABLE]. The answer is kept in .agents/state.json, in the nearest folder above this skill that
has .agents/; where there is none, there are no prompts.

  --dismiss         no prompts for 24 hours
  --never-install   no prompts ever again; take "{NEVER}" out of that file to have them back
  --help, -h        print this

Without any answer a prompt comes once in 24 hours; in CI (CI is set) and with {OFF_VARIABLE}=1 none does.

exit codes:
    0  done
    3  bad flags
    7  the answer could not be kept
"""


def main(argv: list[str], world: World | None = None) -> int:
    """Run one command line of gossamer.py; `world` is the real one unless a test hands in another."""
    world = world or surroundings.real(sys.argv[0])
    now = world.now()
    answers: dict[str, tuple[State, str]] = {
        "--dismiss": ({ANSWERED: now}, "Update-check prompts suppressed for 24 hours."),
        "--never-install": ({NEVER: True}, "Update-check prompts permanently suppressed."),
    }
    if "--help" in argv or "-h" in argv:
        _write(world.stdout, _HELP)
        return OK
    if len(argv) != 1 or argv[0] not in answers:
        odd = [word for word in argv if word not in answers]
        said = f"{odd[0]} is no flag" if odd else "exactly one flag is needed"
        _write(world.stderr, f"Error: {said}\nHint: give --dismiss or --never-install; --help tells what they do\n")
        return UsageError.exit_code
    place = find(world.script)
    if place is None:
        _write(world.stderr, "No folder above this skill has .agents/, so there are no prompts to suppress.\n")
        return OK
    fields, said = answers[argv[0]]
    try:
        _change(place, lambda state: {**state, **fields})
    except OSError as error:
        _write(world.stderr, f"Error: {place.state} could not be written: {error.strerror or error}\n")
        _write(world.stderr, f"Hint: {OFF_VARIABLE}=1 in the environment does without it\n")
        return OutputError.exit_code
    _write(world.stderr, said + "\n")
    return OK


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        pass  # nobody listens
