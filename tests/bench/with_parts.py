"""The program's own upload, alone: no field takes a file so large that a stream can be measured by a whole run.

with_parts.py upload BASE FILE
"""

from __future__ import annotations

import os
import sys
import time

sys.path.insert(0, os.environ["BENCH_SCRIPTS"])  # where the benchmark has put the program

from qianwen.service import uploads
from qianwen.service.exchange import Endpoint
from qianwen.service.forms import Upload
from qianwen.service.transport import Transport

_, _, base, path = sys.argv
transport = Transport()
file = Upload(path, "video/mp4", os.path.getsize(path))
uploads.upload(transport.send, time.sleep, Endpoint(base, os.environ["DASHSCOPE_API_KEY"]), "wan2.6-t2v", file)
transport.close()
