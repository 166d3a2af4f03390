"""A real ffmpeg on videos of the sandbox: every command of the guides that use it, a chain, and the loop that waits.

Not part of the plain test command, because it needs ffmpeg (Debian's package will do) and real seconds:
`python3 -m unittest discover -s tests/crosscheck -p "check_*.py"`. Without ffmpeg it is skipped, in CI it fails.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
import wave
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from qianwen.sandbox import placeholder  # noqa: E402

TOOLS = ("ffmpeg", "ffprobe", "bash")
PICTURES = ("cat.png", "first.png", "last.png", "mask.png", "anna.png")
CLIPS = ("clip.mp4", "next.mp4", "part1.mp4", "part2.mp4")
SOUNDS = {"song.wav": 6, "voice.wav": 3, "jingle.wav": 1}
FRAME = 0.25  # seconds by which a length may differ: sound comes in blocks, cuts in frames
SECONDS = {
    "joined.mp4": 10.0,
    "joined-again.mp4": 10.0,
    "mixed-silent.mp4": 10.0,
    "mixed.mp4": 10.0,
    "with-track.mp4": 5.0,
    "middle.mp4": 3.0,
    "tail.mp4": 2.9,
    "tail-sound.mp4": 3.0,
    "later.mp4": 3.0,
    "still.mp4": 3.0,
    "talk.mp4": 5.0,
    "note.mp3": 6.0,
    "rewritten.mp4": 5.0,
    "with-song.mp4": 5.0,
    "looped.mp4": 5.0,
    "spoken.mp4": 5.0,
    "under.mp4": 5.0,
    "before.mp4": 1.5,
    "after.mp4": 1.5,
    "boat.mp4": 12.0,
    "ride.mp4": 9.95,
    "skate.mp4": 7.1,
    "dog-sound.mp4": 5.0,
}
"""How long the results of the guides must be, given that a video of the sandbox is as long as its order says."""


def blocks(path: Path, language: str) -> str:
    return "".join(re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))


def lines(path: Path) -> list[str]:
    return [line for line in blocks(path, "bash").replace("\\\n", " ").splitlines() if line.strip()]


def is_of_ffmpeg(line: str) -> bool:
    return line.startswith(("ffmpeg ", "ffprobe "))


def installed(line: str) -> str:
    """A line of a document as it is typed here."""
    line = line.replace("python3 ", f"{shlex.quote(sys.executable)} ").replace("<skill-dir>", shlex.quote(str(ROOT)))
    return line + " --poll-interval 1" if "scripts/video.py" in line else line


GUIDES = [path for path in sorted((ROOT / "references").glob("*.md")) if any(map(is_of_ffmpeg, lines(path)))]


@contextmanager
def sandbox(*flags: str) -> Iterator[str]:
    """The base URL of a stand-in of its own."""
    server = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "sandbox.py"), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        name, _, base = server.stdout.readline().strip().partition("=")
        assert name == "DASHSCOPE_HTTP_BASE_URL", name
        yield base
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing and os.environ.get("CI"):
            raise AssertionError(f"CI must have {', '.join(missing)}: apt-get install ffmpeg")
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}; apt-get install ffmpeg")

    def setUp(self) -> None:
        self.folder = Path(self.opened(tempfile.TemporaryDirectory()))
        self.urls = {"IMAGE_URL": "", "VIDEO_URL": ""}
        self.env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.env.update(DASHSCOPE_API_KEY="sk-any-key-will-do", QIANWEN_STATE_DIR=str(self.folder / "state"))

    def opened(self, context: Any) -> Any:
        """What a context manager gives, until the end of the test. (`enterContext` came with 3.11.)"""
        entered = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return entered

    def serve(self, *flags: str) -> None:
        self.env["DASHSCOPE_HTTP_BASE_URL"] = self.opened(sandbox(*flags))

    def run_line(self, line: str) -> str:
        """What a line printed on stdout; its URLs are kept for the lines after it."""
        for name, url in self.urls.items():
            line = line.replace(name, url)
        ran = subprocess.run(
            ["bash", "-c", installed(line)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(ran.returncode, 0, f"{line}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
        if ran.stdout.startswith("{") and "--print-response" in line:
            self.keep_urls(json.loads(ran.stdout))
        return ran.stdout

    def keep_urls(self, reply: dict[str, Any]) -> None:
        for name in self.urls:
            self.urls[name] = str(reply.get(name.lower()) or self.urls[name])

    def script(self, name: str, *argv: str) -> dict[str, Any]:
        """The JSON of image.py or video.py."""
        words = ["python3", f"<skill-dir>/scripts/{name}", *map(shlex.quote, argv), "--print-response"]
        found: dict[str, Any] = json.loads(self.run_line(" ".join(words)))
        return found

    def probe(self, name: str) -> dict[str, Any]:
        """What ffprobe says of a file; that it can be read at all is the first assertion."""
        self.assertGreater((self.folder / name).stat().st_size, 0, name)
        shown = "ffprobe -v error -show_entries stream=codec_type -show_entries format=duration -of json "
        found: dict[str, Any] = json.loads(self.run_line(shown + shlex.quote(name)))
        self.assertTrue(found["streams"], name)
        return found

    def seconds(self, name: str) -> float:
        return float(self.probe(name)["format"]["duration"])


class Guides(Case):
    def setUp(self) -> None:
        super().setUp()
        self.serve()
        for name in PICTURES:
            (self.folder / name).write_bytes(placeholder.png(1280, 720, "test", [name]))
        for name, seconds in SOUNDS.items():
            with wave.open(str(self.folder / name), "wb") as stream:
                stream.setparams((1, 2, 16000, 0, "NONE", ""))
                stream.writeframes(bytes(32000 * seconds))

    def test_every_line_runs(self) -> None:
        self.assertGreater(len(GUIDES), 1)
        made = set()
        for guide in GUIDES:
            folder = self.folder
            self.folder = folder / guide.stem
            shutil.copytree(folder, self.folder, ignore=lambda *_: ["state", *(path.stem for path in GUIDES)])
            self.prepare(lines(guide))
            for line in lines(guide):
                with self.subTest(guide=guide.name, line=line):
                    made |= self.check(line)
            self.folder = folder
        self.assertEqual(set(SECONDS) - made, set(), "no line makes these any more")

    def prepare(self, told: list[str]) -> None:
        """The clips that the lines take for granted, made on the sandbox."""
        text = "\n".join(told)
        for name in CLIPS:
            if name in text and f"--output {name}" not in text:
                self.script("video.py", "a clip", "--output", name)
        if "small.mp4" in text:
            self.run_line("ffmpeg -i clip.mp4 -vf scale=640:480 -r 15 -c:v libx264 -pix_fmt yuv420p -c:a aac small.mp4")
        if "talk.mkv" in text:
            self.run_line("ffmpeg -i clip.mp4 -c copy talk.mkv")
        if "note.ogg" in text:
            self.run_line("ffmpeg -i song.wav -c:a libvorbis note.ogg")
        if "silent.mp4" in text and "--output silent.mp4" not in text:
            self.run_line("ffmpeg -i clip.mp4 -an -c:v copy silent.mp4")

    def check(self, line: str) -> set[str]:
        """Run a line; answer the file that ffmpeg made of it."""
        stdout = self.run_line(line)
        if line.startswith("ffprobe "):
            self.assertIn("width", stdout)
        if not line.startswith("ffmpeg "):
            return set()
        name = shlex.split(line)[-1]
        found = self.probe(name)
        if name in SECONDS:
            self.assertAlmostEqual(float(found["format"]["duration"]), SECONDS[name], delta=FRAME)
        return {name}


class LastFrame(Case):
    """The recipe for the last frame, on ordinary clips: of several lengths and rates, with sound that ends elsewhere."""

    CLIPS = tuple(
        (f"{seconds} s, {rate} a second, {sound}", f"-f lavfi -i testsrc2=s=320x240:r={rate} {tone}", f"-t {length}")
        for seconds, rate in ((5, "24"), (5, "30000/1001"), (4.958, "25"), (2, "60"), (10, "4"), (1, "15"))
        for sound, tone, length in (
            ("silent", "", seconds),
            ("sound 0.3 s longer", f"-f lavfi -i sine=d={seconds + 0.3} -vf trim=duration={seconds}", seconds + 0.3),
            ("sound shorter", f"-f lavfi -i sine=d={seconds / 2}", seconds),
        )
    )  # fmt: skip

    def test_it_is_the_very_last_one(self) -> None:
        text = blocks(ROOT / "references" / "merge-media.md", "bash")
        (recipe,) = (line for line in text.splitlines() if line.endswith("last-frame.png"))
        for name, made, length in self.CLIPS:
            with self.subTest(name):
                quiet = "ffmpeg -v error -nostdin -y"
                self.run_line(f"{quiet} {made} {length} -c:v libx264 -pix_fmt yuv420p -c:a aac clip.mp4")
                self.run_line("rm -f last-frame.png all-*.png")
                self.run_line(recipe.replace("ffmpeg", quiet, 1))
                self.assertGreater((self.folder / "last-frame.png").stat().st_size, 0)
                self.run_line(f"{quiet} -i clip.mp4 -map 0:v:0 -vsync passthrough -q:v 1 all-%04d.png")
                last = max(self.folder.glob("all-*.png"))
                self.assertEqual((self.folder / "last-frame.png").read_bytes(), last.read_bytes())


class Chain(Case):
    def test_a_picture_a_clip_a_continuation_and_a_join(self) -> None:
        self.serve()
        picture = self.script("image.py", "a red fox", "--size", "16:9", "--output", "fox.png")
        first = self.script("video.py", "it trots", "--image", picture["image_url"], "--output", "one.mp4")
        self.assertEqual((first["model"], first["duration"]), ("wan2.6-i2v-flash", 5.0))
        self.run_line("ffmpeg -sseof -2.9 -i one.mp4 -c:v libx264 -pix_fmt yuv420p -c:a aac tail.mp4")
        self.assertAlmostEqual(self.seconds("tail.mp4"), 2.9, delta=FRAME)
        argv = ("it runs on", "--set", "first_clip_url=tail.mp4", "--duration", "5", "--output", "two.mp4")
        second = self.script("video.py", *argv)
        self.assertEqual(second["model"], "wan2.7-i2v")
        self.run_line("ffmpeg -ss 2.9 -i two.mp4 -c:v libx264 -pix_fmt yuv420p -c:a aac new.mp4")
        self.run_line("printf \"file '%s'\\n\" one.mp4 new.mp4 > list.txt")
        self.run_line("ffmpeg -f concat -safe 0 -i list.txt -c:v libx264 -pix_fmt yuv420p -c:a aac fox.mp4")
        self.assertAlmostEqual(self.seconds("fox.mp4"), 5 + 5 - 2.9, delta=FRAME)
        kinds = {stream["codec_type"] for stream in self.probe("fox.mp4")["streams"]}
        self.assertEqual(kinds, {"video", "audio"})


class Loop(Case):
    def test_the_loop_of_the_guide_waits_in_pieces(self) -> None:
        """With a task of four seconds and pieces of two and a half, the first command must end with exit 2."""
        self.serve("--delay", "4")
        loop = blocks(ROOT / "references" / "polling-guide.md", "sh")
        self.assertIn("--timeout 100", loop)
        loop = loop.replace("--timeout 100", "--timeout 2.5").replace("code=$?", "code=$?; echo $code")
        codes = self.run_line(loop).split()
        self.assertEqual((codes[0], codes[-1]), ("2", "0"))
        reply = json.loads((self.folder / "reply.json").read_text(encoding="utf-8"))
        self.assertTrue(Path(reply["local_path"]).is_file())


if __name__ == "__main__":
    unittest.main()
