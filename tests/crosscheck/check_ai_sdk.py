"""Vercel's AI SDK, `ai` with `@ai-sdk/alibaba`, makes videos against the stand-in: what it sends, and what comes back.

Not part of the plain test command, because it needs npm and a network:
`python3 -m unittest discover -s tests/crosscheck -p "check_ai*.py"`. Without npm it is skipped, in CI it fails.
The packages and their major versions stand in ai_sdk/package.json; they are installed into a temporary folder.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from qianwen.files import media  # noqa: E402
from qianwen.sandbox import placeholder  # noqa: E402
from qianwen.sandbox.server import running  # noqa: E402

from tests.support import Clock, Recording  # noqa: E402

OLDER, NEWER = ("ai-6", "alibaba-1"), ("ai-7", "alibaba-2")
NODE = {OLDER: 18, NEWER: 20}
"""The oldest Node.js that runs each: the newer one asks for 22, and works on 20."""

PROXIES = re.compile("(http|https|all)_proxy", re.IGNORECASE)
WORLD = {name: value for name, value in os.environ.items() if not PROXIES.fullmatch(name)}
INSTALL = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")


def setUpModule() -> None:
    missing = [tool for tool in ("node", "npm") if not shutil.which(tool)]
    if missing and os.environ.get("CI"):
        raise AssertionError(f"CI must have {', '.join(missing)}: apt-get install nodejs npm")
    if missing:
        raise unittest.SkipTest(f"no {', '.join(missing)} here: the AI SDK was not tried")
    holder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(holder.cleanup)
    Sdk.folder = Path(shutil.copytree(Path(__file__).with_name("ai_sdk"), Path(holder.name) / "ai_sdk"))
    installed = subprocess.run([str(shutil.which("npm")), *INSTALL], cwd=Sdk.folder, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    Sdk.node = int(subprocess.check_output(["node", "-p", "process.versions.node"], text=True).partition(".")[0])


def picture(width: int, height: int) -> str:
    return "data:image/png;base64," + base64.b64encode(placeholder.png(width, height, "test", [])).decode()


WIDE, TALL = picture(1280, 720), picture(720, 1280)
WEB = "https://example.com/a.mp4"


class Row(NamedTuple):
    """A call, and what the stand-in must have received for it, beside the prompt; then the clip that must come back.

    given: seconds of the clips that went in, which are billed too.
    """

    model: str
    call: dict[str, Any]
    input: dict[str, Any]
    parameters: dict[str, Any]
    size: tuple[int, int] = (1280, 720)
    seconds: int = 5
    sound: bool = True
    given: int = 0


def items(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"media": [{"type": kind, "url": url} for kind, url in pairs]}


ROWS = (
    Row(
        "wan2.6-t2v",
        {"resolution": "1280x720", "duration": 3, "seed": 7, "providerOptions": {"negativePrompt": "fog", "shotType": "multi", "watermark": False}},
        {"negative_prompt": "fog"},
        {"size": "1280*720", "duration": 3, "seed": 7, "shot_type": "multi", "watermark": False},
        seconds=3,
    ),
    Row("wan2.6-t2v", {}, {}, {}, (1920, 1080)),
    Row("wan2.7-t2v", {"resolution": "720x1280", "duration": 9, "generateAudio": False}, {}, {"resolution": "720P", "ratio": "9:16", "duration": 9}, (720, 1280), 9),
    Row(
        "wan2.7-r2v",
        {"resolution": "960x960", "inputReferences": [WIDE, TALL]},
        items(("reference_image", WIDE), ("reference_image", TALL)),
        {"resolution": "720P", "ratio": "1:1"},
        (960, 960),
    ),
    Row("happyhorse-1.0-t2v", {"duration": 3, "seed": 7}, {}, {"duration": 3, "seed": 7}, (1920, 1088), 3),
    Row("happyhorse-1.1-t2v", {"providerOptions": {"watermark": False}}, {}, {"watermark": False}, (1920, 1088)),
)  # fmt: skip
"""Sizes: what is asked for, or the service's default, 1080P in 16:9. HappyHorse publishes no pixels; the stand-in's sides are
multiples of 16. Wan 2.7 takes no word about sound, so none is sent."""

WAN3 = (
    Row(
        "wan3.0-video",
        {"resolution": "1280x720", "duration": 2, "generateAudio": False, "seed": 7},
        {},
        {"resolution": "720P", "ratio": "16:9", "duration": 2, "audio": False, "seed": 7},
        seconds=2,
        sound=False,
    ),
    Row("wan3.0-video-prime", {"resolution": "480x832", "providerOptions": {"ratio": "1:1"}, "aspectRatio": "4:3"}, {}, {"resolution": "480P", "ratio": "1:1"}, (624, 624)),
    Row("wan3.0-video", {"frameImages": [{"image": WIDE, "frameType": "first_frame"}], "resolution": "1280x720"}, items(("first_frame", WIDE)), {"resolution": "720P", "ratio": "16:9"}),
    Row(
        "wan3.0-video",
        {
            "frameImages": [{"image": TALL, "frameType": "first_frame"}, {"image": TALL, "frameType": "last_frame"}],
            "resolution": "720x1280",
            "duration": 30,
        },
        items(("first_frame", TALL), ("last_frame", TALL)),
        {"resolution": "720P", "ratio": "9:16", "duration": 30},
        (720, 1280),
        30,
    ),
    Row(
        "wan3.0-video",
        {"inputReferences": [WIDE, TALL], "resolution": "720x1280"},
        items(("reference_image", WIDE), ("reference_image", TALL)),
        {"resolution": "720P", "ratio": "9:16"},
        (720, 1280),
    ),
    Row(
        "wan3.0-video",
        {"inputReferences": [WIDE, WEB], "resolution": "1280x720", "duration": 4},
        items(("reference_image", WIDE), ("reference_video", WEB)),
        {"resolution": "720P", "ratio": "16:9", "duration": 4},
        seconds=4,
        given=5,  # as the stand-in takes a clip that it cannot see
    ),
)  # fmt: skip
"""One id for every mode: what is given decides."""


class Sdk(unittest.TestCase):
    folder: Path
    node: int

    def lines(self) -> list[tuple[str, str]]:
        """The versions that this Node.js can run; what is left out is told."""
        for line in (OLDER, NEWER):
            if self.node < NODE[line]:
                sys.stderr.write(f"{line[0]} was not tried: it needs Node.js {NODE[line]}, this is {self.node}\n")
        return [line for line in (OLDER, NEWER) if self.node >= NODE[line]]

    def ask(self, line: tuple[str, str], base: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What each call of generateVideo ended with. base: of the stand-in, with its path."""
        told = json.dumps({"base": base.partition("/api/v1")[0], "calls": calls})
        command = ["node", "make_videos.mjs", *line]
        ran = subprocess.run(
            command, cwd=self.folder, env=WORLD, input=told, capture_output=True, text=True, timeout=120
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return list(json.loads(ran.stdout))

    def refused(self, calls: list[dict[str, Any]], words: list[str]) -> None:
        """Each call fails with its words, in every version."""
        for line in self.lines():
            with running(Recording(Clock())) as base:
                for call, outcome, wanted in zip(calls, self.ask(line, base, calls), words):
                    with self.subTest(line=line[0], model=call["model"]):
                        self.assertIn(wanted, outcome.get("error", "no error"))

    def made(self, rows: tuple[Row, ...]) -> None:
        """Each row is received as it says, and its clip comes back byte for byte, in every version."""
        calls = [{"model": row.model, "prompt": f"call {number}", **row.call} for number, row in enumerate(rows)]
        for line in self.lines():
            standin = Recording(Clock())
            with running(standin) as base:
                outcomes = self.ask(line, base, calls)
            received = {sent.json["input"]["prompt"]: sent for sent in standin.of("submit")}
            self.assertEqual(len(standin.of("submit")), len(rows), "one submission a call")
            for call, row, outcome in zip(calls, rows, outcomes):
                with self.subTest(line=line[0], model=row.model, **row.parameters):
                    sent = received[call["prompt"]]
                    self.assertEqual(
                        sent.json,
                        {
                            "model": row.model,
                            "input": {"prompt": call["prompt"], **row.input},
                            "parameters": row.parameters,
                        },
                    )
                    self.assertEqual(sent.headers["x-dashscope-async"], "enable")
                    self.clip(outcome, row, standin)
            self.assertEqual(
                [sent.route for sent in standin.sent if "authorization" not in sent.headers], ["result"] * len(rows)
            )

    def clip(self, outcome: dict[str, Any], row: Row, standin: Recording) -> None:
        self.assertNotIn("error", outcome)
        data = base64.b64decode(outcome["base64"])
        facts = media.probe_bytes(data)
        assert facts
        self.assertEqual((outcome["mediaType"], facts.type), ("video/mp4", "video/mp4"))
        self.assertEqual((facts.width, facts.height), row.size)
        self.assertAlmostEqual(facts.seconds, row.seconds, delta=0.05)
        self.assertEqual(b"soun" in data, row.sound)
        self.assertIn(data, [kept.data for kept in standin.storage.results.values()])
        usage = outcome["metadata"]["usage"]
        self.assertEqual((usage["duration"], usage["outputVideoDuration"]), (row.seconds + row.given, row.seconds))


class Videos(Sdk):
    def test_every_family(self) -> None:
        self.made(ROWS)

    def test_a_picture_of_the_stand_in_begins_to_move(self) -> None:
        """The link of one result is the first frame of the next, and decides its shape."""
        for line in self.lines():
            standin = Recording(Clock())
            with self.subTest(line[0]), running(standin) as base:
                link = standin.origin + standin.storage.publish(
                    placeholder.png(600, 800, "test", []), "image/png", ".png"
                )
                call = {"model": "wan2.6-i2v-flash", "prompt": {"image": link, "text": "x"}, "resolution": "1280x720"}
                (outcome,) = self.ask(line, base, [{**call, "duration": 2, "generateAudio": False}])
                (sent,) = standin.of("submit")
                self.assertEqual(sent.json["input"], {"prompt": "x", "img_url": link})
                self.assertEqual(sent.json["parameters"], {"resolution": "720P", "duration": 2, "audio": False})
                self.clip(outcome, Row("", {}, {}, {}, (832, 1104), 2, sound=False), standin)

    def test_the_program_on_localhost(self) -> None:
        """Its links name the host that the client named, and a task takes its time."""
        for line in self.lines():
            command = [sys.executable, str(ROOT / "scripts" / "sandbox.py"), "--delay", "0.3"]
            with (
                self.subTest(line[0]),
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server,
            ):
                assert server.stdout
                base = server.stdout.readline().strip().partition("=")[2].replace("127.0.0.1", "localhost")
                call = {"model": "wan2.6-t2v", "prompt": "x", "resolution": "720x1280"}
                made, alone = self.ask(line, base, [call, {**call, "download": False}])
                server.terminate()
            facts = media.probe_bytes(base64.b64decode(made["base64"]))
            assert facts
            self.assertEqual((facts.type, facts.width, facts.height), ("video/mp4", 720, 1280))
            self.assertEqual(made["metadata"]["videoUrl"].partition("/results/")[0], base.partition("/api/v1")[0])
            self.assertIn(
                "not allowed", alone["error"], "execution-guide.md says that the SDK fetches nothing from here"
            )

    def test_what_is_refused(self) -> None:
        self.refused(
            [
                {"model": "no-such-model", "prompt": "x"},
                {"model": "wan2.6-t2v", "prompt": "x", "duration": 99},
                {"model": "wan2.7-r2v", "prompt": "x"},
            ],
            ["Model not exist.", "Duration should be between 2 and 15", "Field required: input.media"],
        )


class Wan3(Sdk):
    def test_every_mode(self) -> None:
        self.made(WAN3)

    def test_frames_and_references_exclude_each_other(self) -> None:
        mixed = [{"type": "first_frame", "url": WIDE}, {"type": "reference_image", "url": TALL}]
        call = {"model": "wan3.0-video", "prompt": "x", "providerOptions": {"media": mixed}}
        self.refused([call], ["The two modes are mutually exclusive."])


if __name__ == "__main__":
    unittest.main()
