"""A real ffprobe and a real decoder on the sandbox's own MP4 files: every size, every length, every pixel.

Not part of the plain test command, because it needs ffmpeg; see check_ffmpeg.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from qianwen.models.video_models import SIZES, WAN27_PIXELS
from qianwen.sandbox import movie, placeholder

TOOLS = ("ffmpeg", "ffprobe")
EVERY_SIZE = sorted({size for table in (SIZES, WAN27_PIXELS) for sizes in table.values() for size in sizes.values()})
ODD_SIZES = ("224*1792", "848*480", "1472*624", "18*34", "16*16", "4096*2160")


def setUpModule() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing and os.environ.get("CI"):
        raise AssertionError(f"CI must have {', '.join(missing)}: apt-get install ffmpeg")
    if missing:
        raise unittest.SkipTest(f"no {', '.join(missing)} here")


class Movies(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.path = str(Path(holder.name) / "x.mp4")

    def run_tool(self, *argv: str) -> bytes:
        ran = subprocess.run([argv[0], "-v", "error", *argv[1:]], capture_output=True, timeout=60, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""), argv)
        return ran.stdout

    def probed(self, data: bytes) -> Any:
        Path(self.path).write_bytes(data)
        return json.loads(self.run_tool("ffprobe", "-show_streams", "-show_format", "-of", "json", self.path))

    def test_every_size(self) -> None:
        self.assertGreater(len(EVERY_SIZE), 12)
        for size in (*EVERY_SIZE, *ODD_SIZES):
            with self.subTest(size):
                width, height = map(int, size.split("*"))
                video, sound = self.probed(placeholder.clip(width, height, 2.0))["streams"]
                self.assertEqual((video["codec_name"], video["width"], video["height"]), ("h264", width, height))
                self.assertEqual((video["nb_frames"], video["r_frame_rate"]), ("48", "24/1"))
                self.assertEqual((sound["codec_name"], sound["channels"], sound["duration"]), ("aac", 2, "2.000000"))
                self.run_tool("ffmpeg", "-xerror", "-i", self.path, "-f", "null", "-")

    def test_every_length(self) -> None:
        for seconds in (0.0, *range(1, 16), 5.02, 6.62, 30.0):
            for sound in (True, False):
                with self.subTest(seconds=seconds, sound=sound):
                    found = self.probed(placeholder.clip(832, 480, seconds, sound))
                    self.assertEqual(len(found["streams"]), 1 + sound)
                    self.assertAlmostEqual(float(found["format"]["duration"]), max(seconds, 1 / 24), delta=1 / 24)

    def test_the_decoder_sees_what_was_drawn(self) -> None:
        width, height = 100, 70

        def shade(column: int, row: int) -> int:
            return 16 + (column * 37 + row * 91) % 220

        columns, rows = movie.blocks(width, height)
        picture = [bytes(shade(column, row) for column in range(columns)) for row in range(rows)]
        Path(self.path).write_bytes(movie.mp4(width, height, 2.0, lambda _: picture))
        raw = self.run_tool("ffmpeg", "-i", self.path, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
        drawn = bytes(shade(x // 16, y // 16) for y in range(height) for x in range(width))
        gray = bytes([128]) * (width * height // 2)
        self.assertTrue(raw == (drawn + gray) * 48, "every pixel of every picture")


if __name__ == "__main__":
    unittest.main()
