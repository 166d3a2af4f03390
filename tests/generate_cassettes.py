"""Records tests/data/cassettes/ anew: `python3 tests/generate_cassettes.py [--seed N]`.

Every scenario is a row: a command, how the stand-in behaves meanwhile, and what the caller must learn. Most rows are
recorded against the stand-in, on a clock that nobody waits for. Some are transcribed: what the official pages print as
answers is given to the program instead. `test_cassette` replays each cassette and shows that it is current.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import random
import shutil
import sys
import tempfile
import wave
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Mapping, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if sys.path[0] == str(ROOT / "tests"):  # run as a script: tests/http would stand for the library's http
    del sys.path[0]
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from qianwen import cli, environment  # noqa: E402
from qianwen.models.image_models import IMAGES  # noqa: E402
from qianwen.models.video_models import VIDEOS  # noqa: E402
from qianwen.sandbox import placeholder  # noqa: E402
from qianwen.sandbox.faults import Faults  # noqa: E402
from qianwen.sandbox.server import running  # noqa: E402
from qianwen.sandbox.standin import StandIn  # noqa: E402

from tests.support import DATA, KEY, PHOTO, Clock, Ran, Script, answer  # noqa: E402

if TYPE_CHECKING:
    from qianwen.http.messages import Response, Send

FOLDER = DATA / "cassettes"
SEED = 7
DELAY = 40.0
CATALOGS = {catalog.program: catalog for catalog in (IMAGES, VIDEOS)}
ANOTHER_TASK = "0b9d1f6e-5a53-4e0c-9d53-6d7a7f3b2c11"

_SMALL = ("--size", "1280*1280")
_CRANE = "A three-picture guide to folding a paper crane"
_UNFIT = "DataInspectionFailed:Output data may contain inappropriate content."
_EXPIRED = "403:AccessDenied:Request has expired."


class Scenario(NamedTuple):
    """A command and its end. expects: parts of the reply by their path, `a.b.0`.

    delay: seconds that the stand-in takes.  faults: its trouble.  first: a command before it, whose task id stands for
    {task}.  source, answers: of a transcribed one, the page and what it prints.
    """

    name: str
    program: str
    argv: tuple[str, ...]
    expects: Mapping[str, object]
    code: int = 0
    delay: float = 0.0
    faults: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    source: str = ""
    answers: tuple[Any, ...] = ()


def image(name: str, *argv: str, expects: Mapping[str, object], **more: Any) -> Scenario:
    return Scenario(name, "image.py", argv, expects, **more)


def video(name: str, *argv: str, expects: Mapping[str, object], **more: Any) -> Scenario:
    return Scenario(name, "video.py", argv, expects, **{"delay": DELAY, **more})


def _object(**fields: object) -> tuple[str, str]:
    return "--request", json.dumps(fields)


_LIGHTHOUSE = _object(
    model="wan2.6-t2i",
    prompt="A lighthouse on a basalt cliff at dawn, soft haze",
    size="1280*1280",
    n=1,
    negative_prompt="",
    prompt_extend=True,
    watermark=False,
    seed=42,
)
_VIDEO = {"duration": 5.0, "files.0.media_type": "video/mp4"}


def _failure(kind: str, billed: str, **more: object) -> dict[str, object]:
    return {"ok": False, "error.kind": kind, "error.billed": billed, **{f"error.{name}": more[name] for name in more}}


PICTURES = (
    image("t2i-sync", "A paper boat on a pond", *_SMALL, expects={"model": "wan2.6-t2i", "image_count": 1}),
    image("t2i-async", "一只在窗台上的猫", "--async", *_SMALL, delay=DELAY, expects={"image_count": 1}),
    image("t2i-task-only", "A cat", "--model", "wan2.2-t2i-flash", "-n", "2", delay=DELAY, expects={"image_count": 2}),
    image(
        "t2i-qwen3",
        *("A sign that says OPEN", "--model", "qwen-image-3.0-pro", "--size", "3:2", "-n", "2"),
        expects={"image_count": 2, "width": 1824, "height": 1216, "usage.output_image_count": 2},
    ),
    image(
        "edit-qwen3-task",
        *("The sign says CLOSED", "--image", "photo.jpg", "--model", "qwen-image-3.0", "--async"),
        delay=DELAY,
        expects={"image_count": 1, "width": 1024, "output.rewrite_status": "not_use"},
    ),
    image("t2i-qwen", "A sign that says OPEN", "--model", "qwen-image-max", expects={"image_count": 1}),
    image(
        "edit-local-references",
        *("Put the cat of the first picture into the second", "--image", "photo.jpg", "--image", "second.jpg", *_SMALL),
        expects={"image_count": 1, "model": "wan2.7-image"},
    ),
    image(
        "edit-legacy",
        *_object(function="description_edit", prompt="Make it snow", base_image_url="https://example.com/base.png"),
        delay=DELAY,
        expects={"model": "wanx2.1-imageedit", "image_count": 1},
    ),
    image(
        "i2i-by-url",
        *("Make it a watercolor", "--image", "https://example.com/cat.png", "--model", "wan2.5-i2i-preview"),
        delay=DELAY,
        expects={"image_count": 1},
    ),
    image(
        "interleave-task",
        *_object(prompt=_CRANE, enable_interleave=True, max_images=2, size="1280*1280"),
        delay=DELAY,
        expects={"image_count": 2, "interleaved_content.0.type": "text", "interleaved_content.1.type": "image"},
    ),
    image(
        "interleave-stream",
        *_object(prompt=_CRANE, enable_interleave=True, stream=True, max_images=2, size="1280*1280"),
        expects={"image_count": 2, "interleaved_content.0.type": "text", "interleaved_content.1.type": "image"},
    ),
    image(
        "sequential",
        *_object(prompt="A cat in three seasons", enable_sequential=True, n=3, size="1K"),
        expects={"image_count": 3},
    ),
    image("submit-only", "A cat", "--async", "--submit-only", delay=DELAY, expects={"output.task_status": "PENDING"}),
    image(
        "look-once",
        *("--task-id", "{task}", "--poll-once"),
        first=("A cat", "--async"),
        delay=DELAY,
        code=2,
        expects=_failure("running", "unknown", retryable=True),
    ),
    image("cancel", "--cancel", "{task}", first=("A cat", "--async"), delay=DELAY, expects={"canceled": True}),
)

CLIPS = (
    video("t2v", "A paper boat drifts away", expects={"model": "wan2.6-t2v", **_VIDEO}),
    video("i2v", "It jumps", "--image", "photo.jpg", expects={"model": "wan2.6-i2v-flash", **_VIDEO}),
    video(
        "kf2v",
        *("It grows", "--first-frame", "photo.jpg", "--last-frame", "second.jpg", "--model", "wan2.2-kf2v-flash"),
        expects=_VIDEO,
    ),
    video(
        "r2v",
        *("Image 1 sings", "--reference", "photo.jpg", "--voice", "voice.wav"),
        expects={"model": "wan2.7-r2v", **_VIDEO},
    ),
    video(
        "vace",
        *_object(function="video_repainting", prompt="A brass car", video_url="clip.mp4", control_condition="depth"),
        expects=_VIDEO,
    ),
    video("videoedit", "Make it snow", "--video", "clip.mp4", expects={"model": "wan2.7-videoedit", **_VIDEO}),
)

TROUBLE = (
    image(
        "refused-401",
        "A cat",
        faults=("sync=401:InvalidApiKey:Invalid API-key provided.",),
        code=4,
        expects=_failure("auth", "no", code="InvalidApiKey", http_status=401),
    ),
    image(
        "refused-403",
        "A cat",
        faults=("sync=403:Model.AccessDenied:Model access denied.",),
        code=4,
        expects=_failure("auth", "no", code="Model.AccessDenied", http_status=403),
    ),
    image(
        "throttled-then-accepted",
        *("A cat", "--async", *_SMALL),
        faults=("submit=429:Throttling.RateQuota:Requests rate limit exceeded.*2",),
        expects={"image_count": 1},
    ),
    image(
        "content-refused",
        "A cat",
        faults=("sync=400:DataInspectionFailed:Input data may contain inappropriate content.",),
        code=1,
        expects=_failure("content", "no", code="DataInspectionFailed"),
    ),
    image(
        "task-failed",
        *("A cat", "--async"),
        delay=DELAY,
        faults=("task=fail:InternalError.Timeout:An internal timeout error.",),
        code=1,
        expects=_failure("failed", "no", code="InternalError.Timeout"),
    ),
    image(
        "task-content-refused",
        *("A cat", "--async"),
        faults=(f"task=fail:{_UNFIT}",),
        code=1,
        expects=_failure("content", "no", code="DataInspectionFailed"),
    ),
    image(
        "partial-result",
        *("A cat", "--model", "wan2.2-t2i-flash", "-n", "3"),
        faults=(f"task=partial:{_UNFIT}",),
        expects={"image_count": 2, "failures.0.number": 3, "failures.0.code": "DataInspectionFailed"},
    ),
    image(
        "expired-link-renewed",
        "A cat",
        "--async",
        *_SMALL,
        faults=(f"result={_EXPIRED}*1",),
        expects={"image_count": 1},
    ),
    image(
        "expired-link",
        *("A cat", *_SMALL),
        faults=(f"result={_EXPIRED}",),
        code=7,
        expects=_failure("output", "yes"),
    ),
    image(
        "upload-policy-expired",
        *("Make it blue", "--image", "photo.jpg", *_SMALL),
        faults=("upload=403:AccessDenied:Invalid according to Policy: Policy expired.",),
        code=5,
        expects=_failure("unavailable", "no"),
    ),
    image(
        "upload-again",
        *("Make it blue", "--image", "photo.jpg", *_SMALL),
        faults=("upload=403:AccessDenied:Invalid according to Policy: Policy expired.*1", "policy=429:Throttling*1"),
        expects={"image_count": 1},
    ),
    image(
        "stream-breaks",
        *_object(prompt=_CRANE, enable_interleave=True, stream=True, max_images=2, size="1280*1280"),
        faults=("stream=cut",),
        code=6,
        expects=_failure("unknown_outcome", "yes"),
    ),
    image(
        "answer-lost",
        *("A cat", "--async"),
        delay=DELAY,
        faults=("submit=lose",),
        code=6,
        expects={**_failure("unknown_outcome", "unknown"), "candidates.0.status": "PENDING"},
    ),
    image("server-trouble", "A cat", faults=("sync=500",), code=6, expects=_failure("unknown_outcome", "unknown")),
    video(
        "polls-in-trouble",
        "A paper boat",
        faults=("poll=503*2", "poll=429:Throttling*1", "poll=drop*1", "poll=cut*1"),
        expects=_VIDEO,
    ),
    video(
        "download-continued", "A paper boat", faults=("result=cut*1", "result=503*1", "result=drop*1"), expects=_VIDEO
    ),
    video("download-lost", "A boat", faults=("result=404:NoSuchKey",), code=7, expects=_failure("output", "yes")),
    video(
        "out-of-time",
        *("A paper boat", "--timeout", "60"),
        delay=600.0,
        code=2,
        expects={**_failure("running", "unknown"), "output.task_status": "PENDING"},
    ),
)


def _printed(*items: Mapping[str, str], finish: str = "stop", **usage: Any) -> dict[str, Any]:
    """An answer as the pages of the 2.6 models print it."""
    choice = {"finish_reason": finish, "message": {"role": "assistant", "content": list(items)}}
    output = {"choices": [choice], "finished": finish == "stop"}
    return {"output": output, "usage": usage, "request_id": "815505c6-7c3d-49d7-b197-0123456789ab"}


def _streamed(frames: Iterable[Mapping[str, Any]]) -> Response:
    text = "".join(
        f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(frame, separators=(',', ':'))}\n\n"
        for number, frame in enumerate(frames, 1)
    )
    return answer(text.encode(), content_type="text/event-stream;charset=UTF-8")


def _task(status: str, **output: object) -> dict[str, Any]:
    """An answer about a task as the pages of the video models print it."""
    task = {"task_id": "0385dc79-5ff8-4d82-bcb6-0123456789ab", "task_status": status, **output}
    return {"request_id": "caa62a12-8841-41a6-8af2-0123456789ab", "output": task}


_RESULTS = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com"
_TOKENS: Mapping[str, Any] = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
_PAGE = "transcribed from the official page {} (answers as printed there, ids made up, media replaced by placeholders)"


_QWEN3_USAGE = {
    "output_height": 1024,
    "output_width": 1024,
    "input_image_count": 0,
    "input_image_type": "qima_input_1k",
    "output_image_count": 1,
    "output_image_type": "qima_output_1k",
}


def _qwen3_output(link: Mapping[str, str]) -> dict[str, Any]:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": [link]}}
    times = {"submit_time": "2026-08-07 15:50:14.837", "scheduled_time": "2026-08-07 15:50:14.884"}
    return {**times, "end_time": "2026-08-07 15:50:33.607", "rewrite_status": "not_use", "choices": [choice]}


def _frames() -> list[dict[str, Any]]:
    pictures = [{"type": "image", "image": f"{_RESULTS}/{number}.png?Expires=xxxx"} for number in (1, 2)]
    texts = [{"type": "text", "text": text} for text in ("Fold", " a square.", "Then crease it.")]
    items = [*texts[:2], pictures[0], texts[2], pictures[1]]
    frames = [_printed(item, finish="null", image_count=0, size="0*0", input_tokens=28) for item in items]
    return [*frames[:-1], _printed(items[-1], image_count=2, size="1280*1280", input_tokens=28, output_tokens=232)]


_WAN3_USAGE = {
    "video_count": 1,
    "duration": 5.0,
    "input_video_duration": 0.0,
    "output_video_duration": 5.0,
    "fps": 30,
    "SR": 720,
    "ratio": "16:9",
}
_EXCLUSIVE = (
    "The two modes are mutually exclusive. Do not pass reference_xx and first_frame/last_frame at the same time."
)


@functools.cache
def _png(words: str) -> bytes:
    return placeholder.png(1280, 1280, "Sandbox", [words])


def transcribed() -> tuple[Scenario, ...]:
    """Scenarios of the documentation. Answers can be read once, so they are made anew for each use."""
    picture, *pictures = (answer(_png(words), content_type="image/png") for words in ("placeholder", "1 / 2", "2 / 2"))
    shop = answer(placeholder.png(1024, 1024, "Sandbox", ["placeholder"]), content_type="image/png")
    clip, wan3_clip, animated = (answer(placeholder.clip(), content_type="video/mp4") for _ in range(3))
    moments = {"submit_time": "2026-01-10 14:18:52.331", "scheduled_time": "2026-01-10 14:18:59.290"}
    made = {**moments, "end_time": "2026-01-10 14:23:39.407", "orig_prompt": "A paper boat"}
    made["video_url"] = "https://dashscope-result-sh.oss-accelerate.aliyuncs.com/x.mp4?Expires=xxx"
    usage = {"duration": 5, "size": "1280*720", "input_video_duration": 0, "output_video_duration": 5, "video_count": 1}
    link = {"type": "image", "image": f"{_RESULTS}/xxxx.png?Expires=xxx"}
    return (
        image(
            "documented-t2i",
            *_LIGHTHOUSE,
            expects={"image_count": 1, "seed": 42, "width": 1280},
            source=_PAGE.format("万相-文生图V2版API参考"),
            answers=(_printed(link, image_count=1, size="1280*1280", **_TOKENS), picture),
        ),
        image(
            "documented-stream",
            *_object(prompt=_CRANE, enable_interleave=True, stream=True, max_images=2, size="1280*1280"),
            expects={"image_count": 2, "interleaved_content.0.text": "Fold a square."},
            source=_PAGE.format("万相-图像生成与编辑2.6 API参考"),
            answers=(_streamed(_frames()), *pictures),
        ),
        image(
            "documented-qwen3-task",
            *("A shop front", "--model", "qwen-image-3.0-pro", "--async", "--set", "prompt_extend=true"),
            expects={"image_count": 1, "width": 1024, "height": 1024, "output.rewrite_status": "not_use"},
            source=_PAGE.format("千问-图像生成与编辑3.0 API参考"),
            answers=(_task("PENDING"), {**_task("SUCCEEDED", **_qwen3_output(link)), "usage": _QWEN3_USAGE}, shop),
        ),
        image(
            "documented-qwen3-failed",
            *("A shop front", "--model", "qwen-image-3.0-pro", "--async"),
            code=1,
            expects=_failure("failed", "no", code="InternalError"),
            source=_PAGE.format("千问-图像生成与编辑3.0 API参考"),
            answers=(
                _task("PENDING"),
                _task("FAILED", code="InternalError", message="An internal error has occurred."),
            ),
        ),
        video(
            "documented-t2v",
            *("A paper boat", "--model", "wan2.6-t2v"),
            expects=_VIDEO,
            source=_PAGE.format("万相-文生视频API参考（2.1-2.6）"),
            answers=(
                _task("PENDING"),
                _task("PENDING"),
                _task("RUNNING", **moments),
                {**_task("SUCCEEDED", **made), "usage": usage},
                clip,
            ),
        ),
        video(
            "documented-task-failed",
            *("A paper boat", "--model", "wan2.6-t2v"),
            code=1,
            expects=_failure("failed", "no", code="InvalidParameter"),
            source=_PAGE.format("万相-文生视频API参考（2.1-2.6）"),
            answers=(
                _task("PENDING"),
                _task("FAILED", code="InvalidParameter", message="The size is not match xxxxxx"),
            ),
        ),
        video(
            "documented-wan3",
            *("A paper boat", "--model", "wan3.0-video", "--ratio", "adaptive", "--set", "prompt_extend=true"),
            expects={**_VIDEO, "usage.output_video_duration": 5.0, "usage.fps": 30},
            source=_PAGE.format("万相3.0-视频生成API参考"),
            answers=(
                _task("PENDING"),
                _task("RUNNING", **moments),
                {**_task("SUCCEEDED", **made), "usage": _WAN3_USAGE},
                wan3_clip,
            ),
        ),
        video(
            "documented-wan3-failed",
            *("A paper boat", "--model", "wan3.0-video"),
            code=1,
            expects=_failure("failed", "no", code="InvalidParameter"),
            source=_PAGE.format("万相3.0-视频生成API参考"),
            answers=(_task("PENDING"), _task("FAILED", code="InvalidParameter", message=_EXCLUSIVE)),
        ),
        video(
            "documented-animate",
            *("--model", "wan2.2-animate-move", "--image", "https://example.com/anna.jpeg"),
            *("--video", "https://example.com/dance.mp4"),
            expects={"usage.video_ratio": "standard", "files.0.media_type": "video/mp4"},
            source=_PAGE.format("万相-图生动作API参考"),
            answers=(
                _task("PENDING"),
                {
                    **_task("SUCCEEDED", **moments, results={"video_url": made["video_url"]}),
                    "usage": {"video_duration": 5.2, "video_ratio": "standard"},
                },
                animated,
            ),
        ),
    )


def scenarios() -> tuple[Scenario, ...]:
    return (*PICTURES, *CLIPS, *TROUBLE, *transcribed())


# Recording and replaying ------------------------------------------------------------------------------------


class Place:
    """A folder with the files that the commands name, and a home. Time stands still unless somebody sleeps."""

    def __init__(self, folder: Path) -> None:
        self.home, self.cwd = folder / "home", folder / "cwd"
        self.clock = Clock()
        self.home.mkdir()
        self.cwd.mkdir()
        shutil.copy(PHOTO, self.cwd / "photo.jpg")
        (self.cwd / "second.jpg").write_bytes(PHOTO.read_bytes() + b"\0")
        (self.cwd / "clip.mp4").write_bytes(placeholder.clip())
        with wave.open(str(self.cwd / "voice.wav"), "wb") as stream:
            stream.setparams((1, 2, 8000, 0, "NONE", ""))
            stream.writeframes(bytes(48000))

    def run(self, program: str, argv: Iterable[str], env: Mapping[str, str], send: Send | None = None) -> Ran:
        stdout, stderr = io.StringIO(), io.StringIO()
        script = f"/skill/scripts/{program}"
        streams = (io.StringIO(), stdout, stderr)
        clock = self.clock
        world = environment.Environment(
            environment.Place(env, str(self.cwd), str(self.home)), script, *streams, clock, clock, send, clock.sleep
        )
        code = cli.main(CATALOGS[program], [*argv, "--print-response"], world)
        return Ran(code, stdout.getvalue(), stderr.getvalue())


def record(scenario: Scenario, path: Path, place: Place, seed: int = SEED) -> Ran:
    """Run the command of a scenario and write its cassette."""
    random.seed(SEED)  # the pauses between tries, which decide how often a task is looked at
    faults = Faults(scenario.faults)
    clock = place.clock
    env = {"DASHSCOPE_API_KEY": KEY}
    argv = scenario.argv
    with ExitStack() as stack:
        if not scenario.answers:
            standin = StandIn(scenario.delay, faults, seed, clock, clock.sleep)
            env["DASHSCOPE_HTTP_BASE_URL"] = stack.enter_context(running(standin))
        if scenario.first:
            first = place.run(scenario.program, (*scenario.first, "--submit-only"), env)
            argv = tuple(word.format(task=first.json["task_id"]) for word in argv)
        send = Script(*scenario.answers) if scenario.answers else None
        return place.run(scenario.program, (*argv, "--record", str(path)), env, send)


def replay(scenario: Scenario, path: Path, place: Place) -> Ran:
    """Run it again, by its cassette, without a key; a task that is named has another id than it had."""
    argv = tuple(word.replace("{task}", ANOTHER_TASK) for word in scenario.argv)
    return place.run(scenario.program, (*argv, "--replay", str(path)), {})


def at(reply: Any, path: str) -> Any:
    """A part of a reply, or None where there is nothing."""
    for step in path.split("."):
        reply = dict(enumerate(reply)).get(int(step)) if isinstance(reply, list) else (reply or {}).get(step)
    return reply


def complaint(scenario: Scenario, ran: Ran) -> str:
    """What a run did not do as the scenario says, or ""."""
    if ran.code != scenario.code:
        return f"exit {ran.code}, not {scenario.code}:\n{ran.stderr}"
    reply = ran.json
    odd = [f"{path} is {at(reply, path)!r}" for path, value in scenario.expects.items() if at(reply, path) != value]
    return "; ".join(odd)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="makes the ids of the stand-in repeatable")
    seed = parser.parse_args(argv).seed
    FOLDER.mkdir(exist_ok=True)
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    wanted = set()
    for scenario in scenarios():
        with tempfile.TemporaryDirectory() as folder:
            path = FOLDER / f"{scenario.name}.json"
            path.unlink(missing_ok=True)
            shutil.rmtree(path.with_suffix(".files"), ignore_errors=True)
            told = complaint(scenario, record(scenario, path, Place(Path(folder)), seed))
            if told:
                print(f"{scenario.name}: {told}", file=sys.stderr)
                return 1
        wanted |= {path, path.with_suffix(".files")}
        _finish(path, scenario, kept.get(path.name, "{}"))
    for path in set(FOLDER.iterdir()) - wanted:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 0


def _finish(path: Path, scenario: Scenario, before: str) -> None:
    """Say where the cassette comes from, and give it the date of today, unless nothing else has changed."""
    from datetime import datetime, timezone

    cassette, old = json.loads(path.read_text(encoding="utf-8")), json.loads(before)
    cassette["source"] = scenario.source or "recorded against the sandbox by tests/generate_cassettes.py"
    cassette["recorded_at"] = old.get("recorded_at", "")
    if cassette != old:
        cassette["recorded_at"] = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    path.write_text(json.dumps(cassette, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    beside = path.with_suffix(".files")
    for public in (path, *beside.glob("*")):  # there is nothing private in them
        public.chmod(0o644)
    if beside.exists():
        beside.chmod(0o755)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
