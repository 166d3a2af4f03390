#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = []
# ///
"""A local stand-in for DashScope, for trials and CI. See `python3 sandbox.py --help`."""

import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("Error: Python 3.9 or newer is needed; this is %d.%d\n" % sys.version_info[:2])
    raise SystemExit(3)

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # python -P and -I leave it out

try:
    from qianwen.sandbox.server import main

    if __name__ == "__main__":
        raise SystemExit(main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
