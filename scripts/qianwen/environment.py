"""What a run takes from its surroundings, in one place, so that a test can hand in another world."""

from __future__ import annotations

import os
import sys
import time

from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping, TextIO

    from .http.messages import Send


@record
class World:
    """env: variables.  cwd, home: folders.  script: absolute path of the program.  clock: monotonic seconds.

    now: epoch seconds.  send, sleep: replace the network and the waiting.  before_sending: called before a session
    opens.  session_opened: called when it is open and requests can be sent.
    """

    env: Mapping[str, str]
    cwd: str
    home: str
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


def real(script: str) -> World:
    """The world as it is. A current folder that was deleted reads as the root of a path that cannot be used."""
    home = os.path.expanduser("~")
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = os.path.join(os.sep, "the current folder is gone")
    # A stream that the caller closed is None in Python: reading it finds nothing, writing it goes nowhere.
    stdin = sys.stdin or open(os.devnull, encoding="utf-8")
    stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    return World(os.environ, cwd, home, os.path.abspath(script), stdin, stdout, stderr)
