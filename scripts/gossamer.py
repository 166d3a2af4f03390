#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = []
# ///
"""Answer the prompts of the update check. See `python3 gossamer.py --help`."""

import sys

if sys.version_info < (3, 9):
    sys.stderr.write("Error: Python 3.9 or newer is needed; this is %d.%d\n" % sys.version_info[:2])
    raise SystemExit(3)

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
    from qianwen.update_signal import main

    if __name__ == "__main__":
        raise SystemExit(main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
