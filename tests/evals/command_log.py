"""What an agent typed and what it got: a line for the start and one for the end of each call of a program.

`begin` is called by the copies of image.py and video.py that `run.py` puts into a task's folder. The first call starts
the same program once more as a child and passes everything on; the child returns from `begin` and does the work.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

INNER = "QIANWEN_EVALS_INNER"
LONGEST_STDOUT = 200_000


def begin(script: str, log: str, home: str, seconds: float = 0.0) -> None:
    """Returns in the child; in the first process it ends with the child's exit code.

    log: file of JSON lines.  home: the program's home folder, so that no key file of this machine is found.
    seconds: when the child is killed, as a shell with a limit does (exit code 137); 0 for never.
    """
    if os.environ.pop(INNER, None):
        return
    call = {"call": uuid.uuid4().hex, "at": time.time()}
    _write(log, {**call, "program": os.path.basename(script), "argv": sys.argv[1:], "cwd": os.getcwd()})
    code, stdout = _run(script, home, seconds)
    _write(log, {**call, "code": code, "stdout": stdout[:LONGEST_STDOUT].decode("utf-8", "replace")})
    os._exit(code)


def _run(script: str, home: str, seconds: float) -> tuple[int, bytes]:
    surroundings = {**os.environ, INNER: "1", "HOME": home, "USERPROFILE": home}
    child = subprocess.Popen([sys.executable, script, *sys.argv[1:]], env=surroundings, stdout=subprocess.PIPE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the child too, and the child decides
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    limit = threading.Timer(seconds, child.kill)
    if seconds:
        limit.start()
    assert child.stdout
    seen = b""
    while block := child.stdout.read1(65536):  # type: ignore[attr-defined]
        seen += block
        try:
            sys.stdout.buffer.write(block)
            sys.stdout.flush()
        except OSError:
            pass  # nobody reads; the log still wants the rest
    code = child.wait()
    limit.cancel()
    return (code if code >= 0 else 128 - code), seen


def _write(log: str, line: dict[str, Any]) -> None:
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
