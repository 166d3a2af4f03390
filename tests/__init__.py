"""Run with `python3 -m unittest` from the project's root; nothing needs to be installed."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"

sys.path.insert(0, str(SCRIPTS))
os.environ.setdefault("QIANWEN_NO_UPDATE_CHECK", "1")  # a skill tree around this folder is not the tests' business
