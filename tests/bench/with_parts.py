"""The program's own upload, alone: no field takes a file so large that a stream can be measured by a whole run.

with_parts.py upload BASE FILE
"""

from __future__ import annotations

import os
import sys
import time

sys.path.insert(0, os.environ["BENCH_SCRIPTS"])  # where the benchmark has put the program

from qianwen.http.session import Session
from qianwen.http.transport import Transport
from qianwen.service.client import Client
from qianwen.service.endpoint import Endpoint
from qianwen.storage import temporary
from qianwen.storage.forms import Upload

_, _, base, path = sys.argv
transport = Transport()
file = Upload(path, "video/mp4", os.path.getsize(path))
session = Session(transport.send, time.sleep, time.monotonic, float("inf"), time.time, transport.close)
client = Client(session, Endpoint(base, os.environ["DASHSCOPE_API_KEY"]))
temporary.upload(transport.send, time.sleep, base, client.upload_policy, "wan2.6-t2v", file)
transport.close()
