#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = []
# ///
"""Make and edit videos through DashScope. See `python3 video.py --help`."""

import gc
import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("Error: Python 3.9 or newer is needed; this is %d.%d\n" % sys.version_info[:2])
    raise SystemExit(3)

gc.set_threshold(50000)  # nothing created before the request is garbage
folder = os.path.dirname(os.path.realpath(__file__))
if sys.path[:1] != [folder]:  # python -P and -I leave it out; twice there, it would be searched twice
    sys.path.insert(0, folder)

try:
    from qianwen.cli import main
    from qianwen.models.video_models import VIDEOS

    if __name__ == "__main__":
        code = main(VIDEOS, sys.argv[1:])
        gc.freeze()  # nor is it worth looking through when the process ends
        raise SystemExit(code)
except KeyboardInterrupt:  # before there was a run that could tell its end
    sys.exit(130)
