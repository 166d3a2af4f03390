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

# Never look for a module in the current folder, which may be a stranger's: python -m and an empty or relative entry of
# PYTHONPATH lead there. `os` is loaded already, but for python -S.
sys.path[:] = [entry for entry in sys.path if entry[:1] in ("/", "\\") or entry[1:2] == ":"]
import os  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

try:
    from qianwen.plain.paths import close_search

    close_search()
    from qianwen.cli import main
    from qianwen.models.video_models import VIDEOS

    if __name__ == "__main__":
        code = main(VIDEOS, sys.argv[1:])
        os._exit(code)  # all is written and closed: a twentieth of a picture's CPU would go into taking modules apart
except KeyboardInterrupt:  # before there was a run that could tell its end
    sys.exit(130)
