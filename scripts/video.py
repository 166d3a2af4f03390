#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = []
# ///
"""Make and edit videos through DashScope. See `python3 video.py --help`."""

import gc
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("Error: Python 3.9 or newer is needed; this is %d.%d\n" % sys.version_info[:2])
    raise SystemExit(3)

gc.set_threshold(50000)  # nothing created before the request is garbage

# Modules come from the interpreter and from this folder alone, never from the current one, which may be a stranger's:
# python -m and an empty or relative entry of PYTHONPATH lead there. `os` is loaded already, but for python -S.
sys.path[:] = [entry for entry in sys.path if entry[:1] in ("/", "\\") or entry[1:2] == ":"]
import os  # noqa: E402

folder, library = os.path.dirname(os.path.realpath(__file__)), os.path.dirname(os.__file__)
try:
    foreign = [
        os.path.realpath(entry) for entry in [os.curdir, folder, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    ]
    sys.path[:] = [entry for entry in sys.path if entry.startswith(library) or os.path.realpath(entry) not in foreign]
except OSError:  # the current folder is gone
    pass
sys.path.insert(0, folder)

try:
    from qianwen.cli import main
    from qianwen.models.video_models import VIDEOS

    if __name__ == "__main__":
        code = main(VIDEOS, sys.argv[1:])
        os._exit(code)  # all is written and closed: a twentieth of a picture's CPU would go into taking modules apart
except KeyboardInterrupt:  # before there was a run that could tell its end
    sys.exit(130)
