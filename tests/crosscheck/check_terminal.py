"""What a person sees at a real terminal, in tmux: one line that is written over, right numbers, nothing left at the end.

Not part of the plain test command, because it needs tmux.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from qianwen.sandbox import placeholder  # noqa: E402

LARGE = 10**9  # bytes of the large clip
BLOCK = bytes(2**20)
RUNS_SECONDS = 5


def setUpModule() -> None:
    if not shutil.which("tmux") and os.environ.get("CI"):
        raise AssertionError("CI must have tmux: apt-get install tmux")
    if not shutil.which("tmux"):
        raise unittest.SkipTest("no tmux here")


class Service(BaseHTTPRequestHandler):
    """A service with one task, which runs for a while and then has a clip of 1 GB."""

    protocol_version = "HTTP/1.1"
    began = 0.0

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, output: str) -> None:
        body = f'{{"request_id": "r", "output": {output}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).began = time.monotonic()
        self._answer('{"task_id": "task-1", "task_status": "PENDING"}')

    def do_GET(self) -> None:
        if "/tasks/" in self.path:
            if time.monotonic() - self.began < RUNS_SECONDS:
                self._answer('{"task_id": "task-1", "task_status": "RUNNING"}')
            else:
                host = self.headers["Host"]
                link = f'"video_url": "http://{host}/large.mp4"'
                self._answer(f'{{"task_id": "task-1", "task_status": "SUCCEEDED", {link}}}')
            return
        clip = placeholder.clip()
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.end_headers()
        try:
            self.wfile.write(clip + (LARGE - len(clip)).to_bytes(4, "big") + b"free")
            left = LARGE - len(clip) - 8
            while left:
                left -= self.wfile.write(BLOCK[:left])
        except OSError:
            pass  # Ctrl-C


class Terminal(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.base = f"http://127.0.0.1:{server.server_port}/api/v1"
        self.name = ""

    def tmux(self, *argv: str) -> str:
        return subprocess.run(["tmux", "-L", self.name, *argv], capture_output=True, text=True, check=True).stdout

    def start(self, columns: int, *argv: str, term: str = "") -> None:
        words = [sys.executable, str(ROOT / "scripts" / "video.py"), "a fox", "--output", "out/", *argv]
        env = {
            "DASHSCOPE_HTTP_BASE_URL": self.base,
            "DASHSCOPE_API_KEY": "k",
            "QIANWEN_STATE_DIR": f"{self.folder}/state",
        }
        env.update({"QIANWEN_NO_UPDATE_CHECK": "1", **({"TERM": term} if term else {})})
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
        command = f"cd {self.folder}; {given} {shlex.join(words)}; echo over $?; sleep 60"
        self.name = f"qianwen-{os.urandom(8).hex()}"  # the server of an earlier session may just be about to end
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", "30", command)
        self.addCleanup(subprocess.run, ["tmux", "-L", self.name, "kill-server"], capture_output=True)

    def screen(self) -> list[str]:
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def watch(self, until: str, seconds: float = 60.0) -> list[list[str]]:
        """The screens until one matches, a tenth of a second apart."""
        screens: list[list[str]] = []
        over = time.monotonic() + seconds
        while not screens or not re.search(until, "\n".join(screens[-1])):
            self.assertLess(time.monotonic(), over, screens[-1:])
            time.sleep(0.1)
            screens.append(self.screen())
        return screens

    def test_a_clip_of_a_gigabyte(self) -> None:
        for columns in (80, 120):
            with self.subTest(columns):
                self.start(columns)
                screens = self.watch(r"over \d+")
                running = [screen for screen in screens if any(line.startswith("RUNNING") for line in screen)]
                loading = [screen for screen in screens if any(line.startswith("Downloading") for line in screen)]
                self.assertTrue(running and loading, screens[-1])
                for screen in (*running, *loading):
                    live = [line for line in screen if line.startswith(("RUNNING", "Downloading", "Submitting"))]
                    self.assertEqual(len(live), 1, screen)
                    self.assertLess(len(live[0]), columns)
                seconds = {
                    match[1] for screen in running for match in re.finditer(r"RUNNING 0:(\d\d)", "\n".join(screen))
                }
                self.assertGreaterEqual(len(seconds), 2)
                shares = []
                for screen in loading:
                    line = next(line for line in screen if line.startswith("Downloading"))
                    match = re.search(r"(█*)(░*)  ([\d.]+) (MB|GB|kB) of 1\.00 GB", line)
                    if match:  # not in the moment before the length is known
                        done = float(match[3]) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[match[4]] / LARGE
                        self.assertAlmostEqual(len(match[1]) / 20, done, delta=0.06)
                        shares.append(done)
                self.assertEqual(shares, sorted(shares))
                self.assertIn("over 0", screens[-1])
                text = "\n".join(screens[-1])
                self.assertNotRegex(text, "RUNNING|Downloading|Submitting|█")
                self.assertRegex(text, r"out/\S+\.mp4  1280×720  1\.00 GB  \d+ s")
                self.tmux("kill-server")
                for path in (self.folder / "out").glob("*.mp4"):
                    self.assertEqual(path.stat().st_size, LARGE)
                    path.unlink()
                shutil.rmtree(self.folder / "state")

    def test_ctrl_c_leaves_a_clean_screen(self) -> None:
        self.start(80)
        self.watch("Downloading")
        self.tmux("send-keys", "C-c")
        text = "\n".join(self.watch(r"over \d+")[-1])
        self.assertIn("over 130", text)
        self.assertNotRegex(text, "RUNNING|Downloading|█")

    def test_a_dumb_terminal_and_quiet_have_no_such_line(self) -> None:
        self.start(100, term="dumb")
        self.assertIn("status=RUNNING", "\n".join(self.watch(r"over \d+")[-1]))
        self.tmux("kill-server")
        self.start(100, "-q", "--again")
        for screen in self.watch(r"over \d+"):
            self.assertNotRegex("\n".join(screen), "RUNNING|Downloading")


if __name__ == "__main__":
    unittest.main()
