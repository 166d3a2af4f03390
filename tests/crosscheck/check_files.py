"""Odd files as Pillow and ffmpeg make them: what we read in each, and what the programs say about it.

Formats, sizes, turns, lengths, rates and tracks are compared with what Pillow and ffprobe read in the same file; the verdicts stand in the
tables. Where a file is refused with a command that converts it, the command is run and its result must be taken.

Not part of the plain test command, because it needs Pillow (dev group) and ffmpeg:
`python3 -m unittest discover -s tests/crosscheck -p "check_*.py"`. Without them it is skipped, in CI it fails.
"""

from __future__ import annotations

import io
import json
import os
import random
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from qianwen.files import media  # noqa: E402
from qianwen.files.media import Facts, examine  # noqa: E402

try:
    from PIL import Image, ImageOps
except ImportError:
    Image = ImageOps = None  # type: ignore[assignment]

ORIENTATION = 274
TAKEN = ""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "picture": ("image.py", "--model", "wan2.7-image", "--image"),
    "edit": ("image.py", "--model", "qwen-image-2.0", "--image"),  # takes TIFF and GIF as well
    "clip": ("video.py", "--model", "wan2.7-videoedit", "--video"),
    "sound": ("video.py", "--model", "wan2.6-t2v", "--audio"),
}


class Row(NamedTuple):
    """verdict: "" when the file is taken without a word, "warns: …" or "refused: …" with a part of the message."""

    name: str
    field: str
    made: Callable[[Path], object] | str
    verdict: str = TAKEN


def photo(width: int = 640, height: int = 480, mode: str = "RGB") -> Any:
    """Something like a photograph: smooth, with some noise, the same each time."""
    noise = random.Random(7)
    row = bytes(noise.randrange(256) for _ in range(64))
    picture = Image.frombytes("L", (64, 64), b"".join(row[at:] + row[:at] for at in range(64)))
    return picture.resize((width, height)).convert("RGB").convert(mode)


def pillow(mode: str = "RGB", size: tuple[int, int] = (640, 480), **options: Any) -> Callable[[Path], object]:
    return lambda path: photo(*size, mode=mode).save(path, **options)


def sixteen_bits(path: Path) -> None:
    Image.frombytes("I;16", (640, 480), os.urandom(640 * 480 * 2)).save(path)


def with_exif(turn: int, size: tuple[int, int] = (640, 480)) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        photo(*size).save(path, exif=exif)

    return make


def transparent_palette(path: Path) -> None:
    photo().quantize(16).save(path, transparency=3)


def frames(count: int, **options: Any) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        pictures = [photo().rotate(30 * number) for number in range(count)]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)

    return make


def interlaced(path: Path) -> None:
    """An Adam7 PNG, which neither tool writes: seven smaller pictures, all gray."""
    width, height = 640, 480
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [
        b"\0" + b"\x80" * -(-(width - left) // right)
        for left, top, right, down in passes
        for _ in range(top, height, down)
    ]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )


def top_down(path: Path) -> None:
    """A BMP whose height is negative."""
    header = struct.pack("<IiiHHIIiiII", 40, 640, -480, 1, 24, 0, 0, 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54 + 640 * 480 * 3, 0, 0, 54) + header + bytes(640 * 480 * 3))


def part(of: Callable[[Path], object] | str, share: float) -> Callable[[Path], object]:
    """The first part of a file."""

    def make(path: Path) -> None:
        produce(of, path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def longer(of: Callable[[Path], object] | str, more: bytes) -> Callable[[Path], object]:
    """With bytes behind the end."""

    def make(path: Path) -> None:
        produce(of, path)
        with path.open("ab") as stream:
            stream.write(more)

    return make


def with_a_clip(path: Path) -> None:
    """A motion photo: an MP4 behind the end of a JPEG."""
    clip = path.with_name("behind.mp4")
    produce(f"{PICTURES} {H264}", clip)
    photo().save(path)
    with path.open("ab") as stream:
        stream.write(clip.read_bytes() + bytes(99_999))


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def heic(path: Path) -> None:
    """A real one where libheif's tool is installed, else the head of one."""
    tool = shutil.which("heif-enc")
    if tool is None:
        path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(999))
        return
    source = path.with_name("heic-source.png")
    photo().save(source)
    subprocess.run([tool, source, "-o", path], check=True, capture_output=True)


def piped(words: str, form: str) -> Callable[[Path], object]:
    """What ffmpeg writes to a pipe: it cannot go back and fill in the length."""

    def make(path: Path) -> None:
        line = f"ffmpeg -v error {words} -f {form} - | cat > {shlex.quote(path.name)}"
        subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=path.parent, check=True)

    return make


PICTURES = "-f lavfi -i testsrc2=s=320x240:r=24 -t 5"
TONE = "-f lavfi -i sine=r=44100 -t 5"
BOTH = f"{PICTURES} {TONE}"
H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
MP4 = f"{BOTH} {H264} -c:a aac"
FIVE_ONE = f"{TONE} -ac 6"
GPS = b"&&&&\x00\x00\x10\x00LIGOGPSINFO " + b"A" * 4080
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><rect width="90" height="90"/></svg>'

ROWS = (
    Row("rgb.png", "picture", pillow()),
    Row("gray.png", "picture", pillow("L")),
    Row("one-bit.png", "picture", pillow("1")),
    Row("16-bit.png", "picture", sixteen_bits),
    Row("16-bit-color.png", "picture", f"{PICTURES} -frames:v 1 -pix_fmt rgb48be"),
    Row("alpha.png", "picture", pillow("RGBA"), "warns: transparency"),
    Row("gray-alpha.png", "picture", pillow("LA"), "warns: transparency"),
    Row("palette.png", "picture", pillow("P")),
    Row("transparent-palette.png", "picture", transparent_palette, "warns: transparency"),
    Row("interlaced.png", "picture", interlaced),
    Row("apng.png", "picture", frames(3), "warns: has several pictures"),
    Row("turned.png", "picture", with_exif(6)),
    Row("half.png", "picture", part(pillow(), 0.5), "warns: its end is missing"),
    Row("motion-photo.jpg", "picture", with_a_clip),
    Row("behind.png", "picture", longer(pillow(), bytes(200_000))),
    Row("1x1.png", "picture", pillow(size=(1, 1)), "refused: sides of 240 to 8000"),
    Row("wide.png", "picture", pillow(size=(20_000, 300)), "refused: sides of 240 to 8000"),
    Row("ribbon.png", "picture", pillow(size=(4000, 250)), "refused: too long and narrow"),
    Row("baseline.jpg", "picture", pillow()),
    Row("progressive.jpg", "picture", pillow(progressive=True)),
    Row("cmyk.jpg", "picture", pillow("CMYK")),
    Row("gray.jpg", "picture", pillow("L")),
    Row("of-ffmpeg.jpg", "picture", f"{PICTURES} -frames:v 1"),
    Row("large-comment.jpg", "picture", pillow(comment=b"\xff\xd9" * 30_000)),
    Row("half.jpg", "picture", part(pillow(size=(3000, 2000), quality=95), 0.5), "warns: its end is missing"),
    *(Row(f"turned-{turn}.jpg", "picture", with_exif(turn)) for turn in range(1, 9)),
    Row("turned-narrow.jpg", "picture", with_exif(6, (300, 2500)), "refused: 2500*300"),
    Row("lossy.webp", "picture", pillow()),
    Row("lossless.webp", "picture", pillow(lossless=True)),
    Row("alpha.webp", "picture", pillow("RGBA", lossless=True)),
    Row("turned.webp", "picture", with_exif(8)),
    Row("animated.webp", "picture", frames(3), "warns: has several pictures"),
    Row("half.webp", "picture", part(pillow(), 0.5), "warns: its end is missing"),
    Row("usual.bmp", "picture", pillow()),
    Row("top-down.bmp", "picture", top_down),
    Row("palette.bmp", "picture", pillow("P")),
    Row("still.gif", "edit", pillow("P")),
    Row("still-not-taken.gif", "picture", pillow("P"), "refused: is GIF"),
    Row("animated.gif", "edit", frames(3), "warns: has several pictures"),
    Row("little.tiff", "edit", pillow()),
    Row("big.tiff", "edit", pillow(big_endian=True)),
    Row("lzw.tiff", "edit", pillow(compression="tiff_lzw")),
    Row("cmyk.tiff", "edit", pillow("CMYK")),
    Row("turned.tiff", "edit", with_exif(5)),
    Row("pages.tiff", "edit", frames(2), "warns: has several pictures"),
    Row("not-taken.tiff", "picture", pillow(), "refused: is TIFF"),
    Row("telephone.heic", "picture", heic, "refused: is HEIC"),
    Row("telephone.avif", "picture", pillow(), "refused: is AVIF"),
    Row("jpeg2000.jp2", "picture", pillow(), "refused: is JPEG 2000"),
    Row("icon.ico", "picture", pillow(size=(256, 256)), "refused: is an icon"),
    Row("drawing.svg", "picture", content(SVG), "refused: is SVG"),
    Row("page.pdf", "picture", pillow(), "refused: is PDF"),
    Row("targa.tga", "picture", pillow(), "refused: is not a known picture format"),
    Row("error.jpg", "picture", content(b"<!DOCTYPE html><html><body>404</body></html>"), "refused: is a web page"),
    Row("pointer.png", "picture", content(b"version https://git-lfs.github.com/spec/v1\n"), "refused: Git LFS"),
    Row("moov-first.mp4", "clip", f"{MP4} -movflags +faststart"),
    Row("moov-last.mp4", "clip", MP4),
    Row("silent.mp4", "clip", f"{PICTURES} {H264}"),
    Row("hevc.mp4", "clip", f"{PICTURES} -c:v libx265 -preset ultrafast -x265-params log-level=error"),
    Row("10-bit.mp4", "clip", f"{PICTURES} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le"),
    Row("fragments.mp4", "clip", f"{MP4} -movflags frag_keyframe+empty_moov"),
    Row("every-frame.mp4", "clip", f"{MP4} -movflags frag_every_frame+empty_moov+default_base_moof"),
    Row("dash.mp4", "clip", f"{MP4} -g 24 -movflags dash+frag_keyframe+empty_moov"),
    Row("no-edits.mp4", "clip", f"{MP4} -use_editlist 0"),
    Row("fine-clock.mp4", "clip", f"{MP4} -video_track_timescale 90000"),
    Row("ntsc.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=30000/1001 -t 7 {H264}"),
    Row("fast.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=60 -t 3 {H264}"),
    Row("fractions.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=24 -t 4.958 {H264}"),
    Row("ten-seconds.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=24 -t 10.04 {H264}"),
    Row("eleven-seconds.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=24 -t 11 {H264}", "refused: lasts 11.0 s"),
    Row("one-second.mov", "clip", f"-f lavfi -i testsrc2=s=320x240:r=24 -t 1 {H264}", "refused: lasts 1.0 s"),
    Row("small.mp4", "clip", f"-f lavfi -i testsrc2=s=200x150:r=24 -t 3 {H264}", "refused: sides of 240 to 4096"),
    Row("upright.mp4", "clip", f"-f lavfi -i testsrc2=s=240x426:r=24 -t 3 {H264}"),
    Row("b-frames.mp4", "clip", f"{PICTURES} -c:v libx264 -preset veryfast -bf 3 -pix_fmt yuv420p"),
    Row("longer-sound.mp4", "clip", f"{PICTURES} -f lavfi -i sine -t 6 {H264} -c:a aac"),
    Row("longer-picture.mp4", "clip", f"{PICTURES} -f lavfi -i sine=d=2 -t 5 {H264} -c:a aac"),
    Row("sound-first.mp4", "clip", f"{MP4} -map 1 -map 0"),
    Row("two-sounds.mp4", "clip", f"{MP4} -map 0 -map 1 -map 1"),
    Row("pcm.mov", "clip", f"{BOTH} {H264} -c:a pcm_s16le"),
    Row("motion-jpeg.mov", "clip", f"{PICTURES} -c:v mjpeg -pix_fmt yuvj420p"),
    Row("old-codec.mp4", "clip", f"{BOTH} -c:v mpeg4 -c:a libmp3lame"),
    Row("half-a-turn.mp4", "clip", f"{MP4} -metadata:s:v rotate=180"),
    Row("turned-back.mov", "clip", f"{MP4} -metadata:s:v rotate=270"),
    Row("fragmented-sound-alone.mp4", "clip", f"{TONE} -c:a aac -movflags frag_keyframe+empty_moov", "refused: MP4 with sound alone"),
    Row("first-part.mp4", "clip", f"{MP4} -g 24 -movflags frag_keyframe"),
    Row("turned.mp4", "clip", f"{MP4} -metadata:s:v rotate=90"),
    Row("variable.mp4", "clip", f"{PICTURES} -vf select='not(mod(n\\,3))+lt(n\\,40)' -vsync vfr {H264}"),
    Row("edited.mp4", "clip", f"-ss 0.7 -itsoffset 0.3 {BOTH} {H264} -c:a aac"),
    Row("dashcam.mp4", "clip", longer(MP4, GPS)),
    Row("zeros-behind.mp4", "clip", longer(MP4, bytes(9999))),
    Row("half-of-moov-first.mp4", "clip", part(f"{MP4} -movflags +faststart", 0.5), "refused: is cut off"),
    Row("half-of-moov-last.mp4", "clip", part(MP4, 0.5), "refused: has no index (moov)"),
    Row("sound-alone.mp4", "clip", f"{TONE} -c:a aac", "refused: MP4 with sound alone"),
    Row("usual.mov", "clip", MP4),
    Row("prores.mov", "clip", f"{PICTURES} -c:v prores"),
    Row("sound-alone.mov", "clip", f"{TONE} -c:a aac", "refused: holds no pictures"),
    Row("telephone.3gp", "clip", f"{MP4}"),
    Row("slow.mp4", "clip", f"-f lavfi -i testsrc2=s=320x240:r=1 -t 12 {H264}", "refused: lasts 12.0 s"),
    Row("vp9.webm", "clip", f"{PICTURES} -c:v libvpx-vp9 -deadline realtime", "refused: is WebM"),
    Row("odd-sides.webm", "clip", "-f lavfi -i testsrc2=s=321x241:r=24 -t 3 -c:v libvpx -deadline realtime", "refused: is WebM"),
    Row("usual.mkv", "clip", MP4, "refused: is Matroska"),
    Row("named-mp4.mp4", "clip", f"{MP4} -f matroska", "refused: is Matroska"),
    Row("usual.avi", "clip", f"{BOTH} -c:v mpeg4", "refused: is AVI"),
    Row("usual.flv", "clip", f"{BOTH} -c:v flv", "refused: is FLV"),
    Row("usual.ts", "clip", MP4, "refused: is an MPEG transport stream"),
    Row("camera.mts", "clip", f"{MP4} -f mpegts -mpegts_m2ts_mode 1", "refused: is an MPEG transport stream"),
    Row("usual.mpg", "clip", f"{BOTH} -c:v mpeg2video", "refused: is an MPEG program stream"),
    Row("usual.wmv", "clip", BOTH, "refused: is Windows Media"),
    Row("animated-clip.gif", "clip", frames(60, duration=50), "refused: is GIF"),
    Row("picture.png", "clip", pillow(), "refused: is PNG"),
    Row("usual.wav", "sound", TONE),
    Row("float.wav", "sound", f"{TONE} -c:a pcm_f32le"),
    Row("24-bit.wav", "sound", f"{TONE} -c:a pcm_s24le"),
    Row("extensible.wav", "sound", f"{FIVE_ONE} -c:a pcm_s24le"),
    Row("8-bit.wav", "sound", f"{TONE} -c:a pcm_u8"),
    Row("telephone-line.wav", "sound", f"{TONE} -ar 8000 -c:a pcm_alaw"),
    Row("piped.wav", "sound", piped(TONE, "wav")),
    Row("half.wav", "sound", part(TONE, 0.7), "warns: its end is missing"),
    Row("rf64.wav", "sound", f"{TONE} -rf64 always", "refused: is RF64"),
    Row("sony.w64", "sound", TONE, "refused: is Wave64"),
    Row("named-wav.wav", "sound", f"{TONE} -f w64", "refused: is Wave64"),
    Row("mono.wav", "sound", f"{TONE} -ar 22050 -ac 1"),
    Row("ima.wav", "sound", f"{TONE} -c:a adpcm_ima_wav"),
    Row("mp3-inside.wav", "sound", f"{TONE} -c:a libmp3lame"),
    Row("adpcm.wav", "sound", f"{TONE} -c:a adpcm_ms"),
    Row("minute.wav", "sound", "-f lavfi -i sine -t 60 -ar 8000", "refused: lasts 60.0 s"),
    Row("xing.mp3", "sound", TONE),
    Row("stereo.mp3", "sound", f"{TONE} -ac 2 -b:a 320k"),
    Row("fine.mp3", "sound", f"{TONE} -ar 48000 -q:a 0"),
    Row("half-minute.mp3", "sound", "-f lavfi -i sine -t 30 -ac 1 -ar 22050", "warns: the video 5 s"),
    Row("layer-two.mp3", "sound", f"{TONE} -c:a mp2 -f mp2"),
    Row("no-xing.mp3", "sound", f"{TONE} -write_xing 0"),
    Row("vbr.mp3", "sound", f"{TONE} -q:a 4"),
    Row("vbr-no-xing.mp3", "sound", f"{TONE} -q:a 4 -write_xing 0"),
    Row("slow-rate.mp3", "sound", f"{TONE} -ar 16000 -b:a 24k"),
    Row("tagged.mp3", "sound", f"{TONE} -metadata title={'x' * 5000} -id3v2_version 4 -write_id3v1 1"),
    Row("cover.mp3", "sound", f"{TONE} -f lavfi -i color=s=64x64:d=1 -map 0:a -map 1:v -frames:v 1 -c:v mjpeg -t 5"),
    Row("short.mp3", "sound", f"{TONE} -t 1", "refused: lasts 1."),
    Row("usual.flac", "sound", TONE, "refused: is FLAC"),
    Row("vorbis.ogg", "sound", f"{TONE} -c:a libvorbis", "refused: is Ogg"),
    Row("voice-note.opus", "sound", f"{TONE} -c:a libopus", "refused: is Ogg"),
    Row("usual.m4a", "sound", f"{TONE} -c:a aac", "refused: M4A"),
    Row("bare.aac", "sound", f"{TONE} -c:a aac", "refused: is bare AAC"),
    Row("usual.aiff", "sound", TONE, "refused: is AIFF"),
    Row("usual.au", "sound", TONE, "refused: is AU"),
    Row("usual.caf", "sound", TONE, "refused: is CAF"),
    Row("usual.wma", "sound", TONE, "refused: is Windows Media"),
    Row("of-a-clip.mp4", "sound", MP4, "refused: is MP4"),
)  # fmt: skip

PILLOW = {
    **{f"image/{name}": name.upper() for name in ("png", "jpeg", "webp", "bmp", "gif", "tiff", "avif")},
    "image/jp2": "JPEG2000",
    "image/x-icon": "ICO",
}
FFPROBE = {
    **dict.fromkeys(("video/mp4", "video/quicktime", "audio/mp4"), "mp4"),
    **dict.fromkeys(("video/webm", "video/x-matroska"), "matroska"),
    "video/x-msvideo": "avi",
    "video/x-flv": "flv",
    "video/x-ms-asf": "asf",
    "video/mpeg": "mpeg",
    "video/mp2t": "mpegts",
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-rf64": "wav",
    "audio/x-w64": "w64",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/basic": "au",
    "audio/x-caf": "caf",
}
EITHER = {"video/x-ms-asf"}
"""A container whose name does not tell whether it has pictures."""
NOBODY = "nobody"
UNREADABLE = {"half-of-moov-first.mp4", "half-of-moov-last.mp4"}
GUESSED = {"vbr-no-xing.mp3", "piped.wav"}
"""ffprobe takes the length from the first bit rate, or does not know it."""


def produce(made: Callable[[Path], object] | str, path: Path) -> None:
    if callable(made):
        made(path)
        return
    line = ["ffmpeg", "-v", "error", "-nostdin", "-y", *shlex.split(made), str(path)]
    subprocess.run(line, check=True, timeout=120)


def verdict(row: Row, path: Path) -> tuple[str, str, list[str]]:
    """How the program takes the file, the message of a refusal, and the warnings, from a dry run."""
    program, *flags = FIELDS[row.field]
    command = [
        sys.executable,
        str(SCRIPTS / program),
        "Make it snow",
        *flags,
        str(path),
        "--dry-run",
        "--print-response",
    ]
    env = {**os.environ, "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"}  # without one it warns
    ran = subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True, timeout=60)
    reply = json.loads(ran.stdout)
    if ran.returncode == 0:
        return "warns" if reply["warnings"] else TAKEN, "", reply["warnings"]
    problems = [
        f"{problem['value']} {problem['message']}; allowed: {problem['allowed']}" for problem in reply["problems"]
    ]
    return "refused", " | ".join(problems), []


def probe(path: Path) -> Any:
    shown = "stream=codec_type,width,height,avg_frame_rate:stream_disposition=attached_pic:stream_side_data=rotation:format=duration,format_name"
    line = ["ffprobe", "-v", "error", "-show_entries", shown, "-of", "json", str(path)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        missing = [tool for tool in ("ffmpeg", "ffprobe", "bash") if not shutil.which(tool)]
        missing += [] if Image else ["Pillow"]
        if missing and os.environ.get("CI"):
            raise AssertionError(f"CI must have {', '.join(missing)}")
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name).resolve()

    def test_every_file(self) -> None:
        self.assertEqual(len({row.name for row in ROWS}), len(ROWS))
        compared = {"Pillow": 0, "ffprobe": 0, NOBODY: 0}
        for row in ROWS:
            with self.subTest(row.name):
                path = self.folder / row.name
                produce(row.made, path)
                with path.open("rb") as stream:
                    facts = examine(stream)
                if facts and row.name not in UNREADABLE and not facts.ends_early:
                    compared[self.compare(path, facts)] += 1
                self.judge(row, path)
        self.assertGreaterEqual(compared["Pillow"], 40)
        self.assertGreaterEqual(compared["ffprobe"], 80)

    def judge(self, row: Row, path: Path) -> None:
        found, message, warnings = verdict(row, path)
        wanted, _, words = row.verdict.partition(": ")
        self.assertEqual(found, wanted, (message, warnings))
        self.assertIn(words, " | ".join([message, *warnings]))
        _, mark, line = message.partition("; convert it: ")
        if mark:
            self.convert(row, path, line.rpartition("; allowed: ")[0])

    def convert(self, row: Row, path: Path, line: str) -> None:
        """The told command makes a file that the field takes, if its tool is here."""
        tool = shlex.split(line)[0]
        is_only_a_head = row.name.endswith(".heic") and not shutil.which("heif-enc")
        if not shutil.which(tool) or is_only_a_head or tool == "git":
            return
        before = set(self.folder.iterdir())
        quiet = ["bash", "-c", line]
        ran = subprocess.run(
            quiet, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        self.assertEqual(ran.returncode, 0, f"{line}\n{ran.stderr[-999:]}")
        (made,) = set(self.folder.iterdir()) - before
        self.assertIn(str(made), [*shlex.split(line), *(f"{word}.png" for word in shlex.split(line))])
        found, message, _ = verdict(row, made)
        self.assertNotEqual(found, "refused", message)

    def compare(self, path: Path, facts: Facts) -> str:
        """Who else has read the file."""
        if facts.type.startswith(("video/", "audio/")):
            self.compare_with_ffprobe(path, facts)
            return "ffprobe"
        if facts.type in PILLOW:
            self.compare_with_pillow(path, facts)
            return "Pillow"
        return NOBODY

    def compare_with_pillow(self, path: Path, facts: Facts) -> None:
        with Image.open(path) as picture:
            self.assertEqual(picture.format, PILLOW[facts.type])
            if facts.type in media.TAKEN:
                self.assertEqual(facts.turn, picture.getexif().get(ORIENTATION, 1))
                self.assertEqual(facts.many, getattr(picture, "n_frames", 1) > 1)
                self.assertEqual((facts.width, facts.height), ImageOps.exif_transpose(picture).size)
                has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
                self.assertEqual(facts.alpha, has_alpha and facts.type in ("image/png", "image/webp"))

    def compare_with_ffprobe(self, path: Path, facts: Facts) -> None:
        found = probe(path)
        self.assertIn(FFPROBE[facts.type], found["format"]["format_name"].split(","))
        pictures = [
            stream
            for stream in found["streams"]
            if stream["codec_type"] == "video" and not stream["disposition"]["attached_pic"]
        ]
        has_pictures = facts.type.startswith("video/") and not facts.fault
        if facts.type not in EITHER:
            self.assertEqual(has_pictures, bool(pictures))
        if facts.type not in media.TAKEN:
            return
        if path.name not in GUESSED:
            self.assertAlmostEqual(facts.seconds, float(found["format"]["duration"]), delta=0.06)
        if has_pictures:
            turned = any(abs(data.get("rotation", 0)) == 90 for data in pictures[0].get("side_data_list", ()))
            size = (pictures[0]["width"], pictures[0]["height"])
            self.assertEqual((facts.width, facts.height), size[::-1] if turned else size)
            self.assertAlmostEqual(facts.fps, float(Fraction(pictures[0]["avg_frame_rate"])), delta=0.3)


class Mutated(unittest.TestCase):
    """Real files with wrong bytes in them: nothing raises and nothing hangs."""

    setUpClass = Files.setUpClass
    NAMES = ("turned-6.jpg", "turned.webp", "apng.png", "animated.gif", "pages.tiff", "moov-first.mp4", "every-frame.mp4", "vbr-no-xing.mp3", "extensible.wav")  # fmt: skip

    def test_bytes_changed_at_random(self) -> None:
        generator = random.Random(11)
        with tempfile.TemporaryDirectory() as name:
            for row in self.rows():
                path = Path(name) / row.name
                produce(row.made, path)
                whole = path.read_bytes()
                for _ in range(300):
                    with self.subTest(row.name):
                        examine(io.BytesIO(mutated(whole, generator)))

    def rows(self) -> Iterable[Row]:
        found = [row for row in ROWS if row.name in self.NAMES]
        self.assertEqual(len(found), len(self.NAMES))
        return found


def mutated(whole: bytes, generator: random.Random) -> bytes:
    data = bytearray(whole)
    reach = min(len(data), generator.choice((64, 2048, 1 << 20)))
    for _ in range(generator.randrange(1, 30)):
        data[generator.randrange(reach)] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
    return bytes(data[: generator.randrange(len(data))] if generator.random() < 0.2 else data)


if __name__ == "__main__":
    unittest.main()
