"""A run's surroundings: variables and `.env` files, folders, streams, clock. Tests pass their own.

A `.env` file is not trusted: only the names of `names_in_files` are read from it, and none is exported.
"""

from __future__ import annotations

import os
import sys
import time

from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping, TextIO

    from .http.messages import Send

BASE_NAMES = ("DASHSCOPE_HTTP_BASE_URL", "QWEN_BASE_URL")
REGION_NAMES = ("QWEN_REGION", "DASHSCOPE_API_REGION", "DASHSCOPE_REGION")
WORKSPACE_NAMES = ("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID")  # the first is the official SDK's
BUCKET_NAMES = tuple(
    f"QWEN_TMP_OSS_{part}" for part in ("BUCKET", "REGION", "AK_ID", "AK_SECRET", "PREFIX", "ENDPOINT", "URL_EXPIRES")
)
LARGEST_KEY_FILE = 1_000_000  # bytes


def names_in_files() -> frozenset[str]:
    """The settings that may come from a `.env` file."""
    from .plain.redact import KEY_NAMES

    return frozenset({*KEY_NAMES, *BASE_NAMES, *REGION_NAMES, *WORKSPACE_NAMES, *BUCKET_NAMES, "OUTPUT_DIR"})


@record
class Setting:
    """A value and where it was found.

    source: in words, for messages.
    trusted: False for a value from a `.env` file, which any downloaded project may hold.
    file: the path of that file, "" for a value from elsewhere.
    """

    value: str
    source: str
    trusted: bool
    file: str = ""


class Place:
    """The variables, the current folder and the home folder of a run; home is "" where the user has none.

    The `.env` files are read once, when a setting is not in the variables, so that a file that changes during a run
    cannot give two answers.

    warn: called with a sentence about each `.env` file that is not believed.
    """

    def __init__(self, env: Mapping[str, str], cwd: str, home: str) -> None:
        self.env = env
        self.cwd = cwd
        self.home = home
        self.warn: Callable[[str], None] = lambda _: None
        self._files: list[tuple[str, dict[str, str]]] | None = None

    @property
    def files(self) -> list[tuple[str, dict[str, str]]]:
        """(path, settings) of each `.env` file, the nearest first."""
        if self._files is None:
            self._files = [(path, self._believed(path)) for path in _env_files(self.cwd)]
        return self._files

    def _believed(self, path: str) -> dict[str, str]:
        if not os.path.lexists(path):
            return {}  # as in most folders: what a file needs is not even imported
        from .settings import env_file

        settings, doubt = env_file.read(path, names_in_files, self.env)
        if doubt:
            self.warn(f"{path} is not trusted, and nothing is taken from it: {doubt}")
        return settings


@record
class Environment:
    """What a run gets from outside.

    place: variables and folders.
    script: absolute path of the program.
    clock: answers monotonic seconds.
    now: answers epoch seconds.
    send, sleep: replace the network and the waiting, in tests.
    before_sending: called before a session opens, and before a batch checks its rows.
    session_opened: called once requests can be sent.
    """

    place: Place
    script: str
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    send: Send | None = None
    sleep: Callable[[float], None] | None = None
    before_sending: Callable[[], None] = lambda: None
    session_opened: Callable[[], None] = lambda: None

    @property
    def env(self) -> Mapping[str, str]:
        return self.place.env

    @property
    def cwd(self) -> str:
        return self.place.cwd

    @property
    def home(self) -> str:
        return self.place.home

    def path(self, text: str) -> str:
        """A path that the user wrote, in absolute form."""
        return os.path.abspath(os.path.join(self.cwd, os.path.expanduser(text)))


def real(script: str) -> Environment:
    """The surroundings of this process. A deleted current folder becomes a path that cannot exist."""
    home = os.path.expanduser("~")  # stays "~" for a user without HOME and without an entry in passwd
    home = home if os.path.isabs(home) else ""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = os.path.join(os.sep, "the current folder is gone")
    # Python sets a stream that the caller closed to None. Reading such a stream finds nothing, writing to it fails.
    stdin = sys.stdin or open(os.devnull, encoding="utf-8")
    stdout = sys.stdout or open(os.devnull, encoding="utf-8")
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    return Environment(Place(os.environ, cwd, home), os.path.abspath(script), stdin, stdout, stderr)


def project_of(script: str) -> tuple[str, str]:
    """The nearest folder above a program that has `.agents/`, where the skill's family is installed; "" for none.

    Looked for above the program's real path, else above the path as called. Also answers which of them it was.
    """
    from .plain.paths import folders_above

    for path in dict.fromkeys((os.path.realpath(script), script)):
        for folder in folders_above(path):
            if os.path.basename(folder) != ".agents" and os.path.isdir(os.path.join(folder, ".agents")):
                return folder, path
    return "", ""


# Streams --------------------------------------------------------------------------------------------------


def write(stream: TextIO, text: str) -> bool:
    """Write and flush in UTF-8, whatever the terminal's code page. False if that failed: the reader may have gone."""
    try:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        stream.write(text)
        stream.flush()
        return True
    except (OSError, ValueError):
        _redirect_to_null(stream)
        return False


def _redirect_to_null(stream: TextIO) -> None:
    """Let the interpreter's last flush succeed; if it failed, the exit code would be 120."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass


def columns(environment: Environment) -> int:
    """The width of the terminal that shows stdout, at most 120; COLUMNS wins. 0: no terminal, so no bound."""
    given = environment.env.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given[:6]):
        return max(40, min(int(given[:6]), 120))
    try:
        return max(40, min(os.get_terminal_size(environment.stdout.fileno()).columns or 80, 120))
    except (OSError, ValueError, AttributeError):
        return 0


# Settings -------------------------------------------------------------------------------------------------


def lookup(place: Place, names: tuple[str, ...]) -> Setting | None:
    """The first of `names` that is set: in the environment, then in `.env` here, then in the project's root."""
    return next(lookup_all(place, names), None)


def lookup_all(place: Place, names: tuple[str, ...]) -> Iterator[Setting]:
    """Every value of `names`, in the order of `lookup`."""
    for name in names:
        value = place.env.get(name, "").strip()
        if value:
            yield Setting(value, f"{name} in the environment", trusted=True)
    for path, entries in place.files:
        for name in names:
            if entries.get(name):
                yield Setting(entries[name], f"{name} in {path}", trusted=False, file=path)


def output_folder(place: Place) -> str:
    """`OUTPUT_DIR`, "output" if it is not set. One from a `.env` file counts only below the project."""
    for setting in lookup_all(place, ("OUTPUT_DIR",)):
        if setting.trusted or _is_below(_project(place), os.path.join(place.cwd, os.path.expanduser(setting.value))):
            return setting.value
        place.warn(f"{setting.source} is ignored: it leads out of the project; set it in the environment instead")
    return "output"


def _is_below(folder: str, path: str) -> bool:
    """Whether a path is in a folder, wherever links lead. A path that cannot exist is: using it will say why."""
    try:
        folder, path = os.path.realpath(folder), os.path.realpath(path)
    except (OSError, ValueError):
        return True
    return path == folder or path.startswith(os.path.join(folder, ""))


def _project(place: Place) -> str:
    """The root of the git repository around the current folder; itself without one, or if it is the home."""
    root = _repository(place.cwd)
    return place.cwd if not root or _is_below(root, place.home) else root


def _repository(cwd: str) -> str:
    """The root of the git repository around a folder, which may be that folder; "" without one."""
    from .plain.paths import folders_above

    folders = (cwd, *folders_above(cwd))
    return next((folder for folder in folders if os.path.exists(os.path.join(folder, ".git"))), "")


def text_of(path: str) -> str:
    """The text of a small regular file; "" for anything else. Does not block on a pipe."""
    from .files.safe_open import read_theirs
    from .plain.texts import read_somehow

    try:
        return read_somehow(read_theirs(path, LARGEST_KEY_FILE))
    except (OSError, ValueError):
        return ""


def _env_files(cwd: str) -> Iterator[str]:
    """`.env` of the current folder, then of the root of its git repository."""
    for folder in dict.fromkeys((cwd, _repository(cwd) or cwd)):
        yield os.path.join(folder, ".env")
