"""Files as people have them: each kind is named for what it is, with what to do about it, before anything is sent."""

from __future__ import annotations

import base64
import io
import os
import random
import struct
import time
import tracemalloc
import unittest
import zlib

from qianwen.files import conversions, media, tiff
from qianwen.files.media import FORMATS, Facts, examine, probe, probe_bytes
from qianwen.plain.record import changed
from qianwen.sandbox import placeholder

from ..files.test_media import SOUND as PICTURES
from ..files.test_media import png, webp
from ..files.test_movies_and_sounds import AUDIO as SOUND_TRACK
from ..files.test_movies_and_sounds import (
    CBR,
    CLIP,
    MDAT,
    SMALL,
    SOON,
    WAVE,
    box,
    fragment,
    fragmented,
    ftyp,
    moov,
    track,
    video,
    wav,
)
from ..support import Case

EBML = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82"
W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
ASF = b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel"
PACKET = b"G\x40\x00\x10" + bytes(184)

# (name, first bytes, media type, what it is called)
NAMED = (
    ("HEIC", ftyp(b"heic", b"mif1") + MDAT, "image/heic", "HEIC"),
    ("AVIF", ftyp(b"avif") + MDAT, "image/avif", "AVIF"),
    ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl", "JPEG XL"),
    ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2", "JPEG 2000"),
    ("Photoshop", b"8BPS\0\x01" + bytes(20), "image/x-photoshop", "a Photoshop file"),
    ("icon", b"\0\0\x01\0\x01\0" + bytes(20), "image/x-icon", "an icon (ICO)"),
    ("an MP4 whose ftyp has 256 bytes", ftyp(b"isom", *[b"isom"] * 60) + moov(video()), "video/mp4", "MP4"),
    ("CR2", b"II*\0\x10\0\0\0CR\x02\0", "image/x-raw", "a camera's raw data"),
    ("CR3", ftyp(b"crx ") + MDAT, "image/x-raw", "a camera's raw data"),
    ("Fuji", b"FUJIFILMCCD-RAW 0201", "image/x-raw", "a camera's raw data"),
    ("DNG", b"II*\0\x08\0\0\0" + struct.pack("<HHHI4s", 1, tiff.DNG_VERSION, 1, 4, b"\1\4\0\0"), "image/x-raw", "a camera's raw data"),
    ("NEF", b"MM\0*\0\0\0\x08" + struct.pack(">HHHIIHHII", 2, tiff.SUBFILE, 4, 1, 1, tiff.DIRECTORIES, 4, 1, 99), "image/x-raw", "a camera's raw data"),
    ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "SVG"),
    ("SVG behind much", b"\xef\xbb\xbf\n<?xml version='1.0'?><!-- " + b"a" * 900 + b" --><SVG/>", "image/svg+xml", "SVG"),
    ("a web page", b"\n<!DOCTYPE html><html><svg/></html>", "text/html", "a web page, perhaps an error that was saved under this name"),
    ("PDF", b"%PDF-1.7\n", "application/pdf", "PDF"),
    ("Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "text/x-git-lfs", "a pointer of Git LFS, not the file itself"),
    ("WebM", EBML + b"\x84webm", "video/webm", "WebM"),
    ("Matroska", EBML + b"\x88matroska", "video/x-matroska", "Matroska (MKV)"),
    ("AVI", b"RIFF\xff\0\0\0AVI LIST", "video/x-msvideo", "AVI"),
    ("FLV", b"FLV\x01\x05", "video/x-flv", "FLV"),
    ("WMV", ASF + bytes(20), "video/x-ms-asf", "Windows Media (WMV, WMA)"),
    ("MPEG", b"\0\0\x01\xba" + bytes(20), "video/mpeg", "an MPEG program stream (MPG, VOB)"),
    ("TS", PACKET * 3, "video/mp2t", "an MPEG transport stream (TS, MTS)"),
    ("MTS", (bytes(4) + PACKET) * 3, "video/mp2t", "an MPEG transport stream (TS, MTS)"),
    ("Ogg Theora", b"OggS\0\x02" + bytes(22) + b"\x80theora", "video/ogg", "Ogg"),
    ("M4A", ftyp(b"M4A ") + moov(SOUND_TRACK), "audio/mp4", "MP4 with sound alone (M4A)"),
    ("FLAC", b"fLaC\0\0\0\x22", "audio/flac", "FLAC"),
    ("Ogg", b"OggS\0\x02" + bytes(22) + b"OpusHead", "audio/ogg", "Ogg"),
    ("AIFF", b"FORM\0\0\xff\0AIFFCOMM", "audio/aiff", "AIFF"),
    ("AIFF-C", b"FORM\0\0\xff\0AIFCFVER", "audio/aiff", "AIFF"),
    ("AMR", b"#!AMR\n", "audio/amr", "AMR"),
    ("AU", b".snd\0\0\0\x18", "audio/basic", "AU"),
    ("CAF", b"caff\0\x01", "audio/x-caf", "CAF"),
    ("W64", W64 + bytes(20), "audio/x-w64", "Wave64 (W64)"),
    ("RF64", b"RF64\xff\xff\xff\xffWAVEds64", "audio/x-rf64", "RF64, a WAV for more than 4 GB"),
    ("BW64", b"BW64\xff\xff\xff\xffWAVEds64", "audio/x-rf64", "RF64, a WAV for more than 4 GB"),
)  # fmt: skip

# (media type, sort, platform, path, the line)
COMMANDS = (
    ("image/heic", "image", "linux", "a/p 1.heic", "heif-convert 'a/p 1.heic' 'a/p 1.jpg'"),
    ("image/heic", "image", "darwin", "p.heic", "sips -s format jpeg p.heic --out p.jpg"),
    ("image/heic", "image", "win32", r"C:\my pictures\p.heic", r'magick "C:\my pictures\p.heic" "C:\my pictures\p.jpg"'),
    ("image/avif", "image", "darwin", "p.avif", "sips -s format png p.avif --out p.png"),
    ("image/avif", "image", "linux", "p.avif", "ffmpeg -i p.avif -frames:v 1 p.png"),
    ("image/svg+xml", "image", "linux", "p.svg", "rsvg-convert -w 1024 -o p.png p.svg"),
    ("application/pdf", "image", "linux", "p.pdf", "pdftoppm -png -singlefile -r 150 p.pdf p"),
    ("image/gif", "image", "linux", "p.gif", "ffmpeg -i p.gif -frames:v 1 p.png"),
    ("image/gif", "video", "linux", "p.gif", 'ffmpeg -i p.gif -vf "scale=trunc(iw/2)*2:-2" -c:v libx264 -pix_fmt yuv420p -c:a aac p.mp4'),
    ("video/webm", "video", "linux", "p.webm", 'ffmpeg -i p.webm -vf "scale=trunc(iw/2)*2:-2" -c:v libx264 -pix_fmt yuv420p -c:a aac p.mp4'),
    ("video/x-matroska", "image", "linux", "p.mkv", "ffmpeg -i p.mkv -frames:v 1 p.png"),
    ("video/mp4", "audio", "linux", "p.mp4", "ffmpeg -i p.mp4 -vn -c:a libmp3lame -q:a 2 p.mp3"),
    ("audio/flac", "audio", "linux", "-p.flac", "ffmpeg -i ./-p.flac -vn -c:a libmp3lame -q:a 2 ./-p.mp3"),
    ("audio/x-rf64", "audio", "linux", "taken.wav", "ffmpeg -i taken.wav -vn -c:a libmp3lame -q:a 2 taken-2.mp3"),
    ("audio/flac", "audio", "linux", "", "ffmpeg -i FILE -vn -c:a libmp3lame -q:a 2 FILE.mp3"),
    ("audio/flac", "audio", "linux", "two\nlines", "ffmpeg -i FILE -vn -c:a libmp3lame -q:a 2 FILE.mp3"),
    ("audio/flac", "audio", "linux", "$(reboot)", "ffmpeg -i '$(reboot)' -vn -c:a libmp3lame -q:a 2 '$(reboot).mp3'"),
    ("image/jpeg", "image", "linux", "p.png", "ffmpeg -i p.png -frames:v 1 p-2.png"),
    ("text/x-git-lfs", "image", "linux", "p.png", "git lfs pull"),
    ("audio/flac", "image", "linux", "p.flac", ""),
    ("audio/flac", "video", "linux", "p.flac", ""),
    ("image/png", "video", "linux", "p.png", ""),
    ("image/png", "audio", "linux", "p.png", ""),
    ("text/html", "image", "linux", "p.png", ""),
)  # fmt: skip


class Named(unittest.TestCase):
    def test_every_kind_by_its_bytes(self) -> None:
        for name, data, kind, called in NAMED:
            with self.subTest(name):
                facts = probe_bytes(data)
                self.assertEqual((facts and facts.type, conversions.name(kind)), (kind, called))

    def test_every_signature_that_no_model_takes_stands_here(self) -> None:
        foreign = {kind for _, _, kind, _ in FORMATS} - media.TAKEN - {"audio/aac"}  # test_clips has that
        self.assertEqual(foreign - {kind for _, _, kind, _ in NAMED}, set())

    def test_every_command(self) -> None:
        taken = ("taken.mp3",)
        for kind, sort, platform, path, line in COMMANDS:
            with self.subTest(line, kind=kind, sort=sort):
                self.assertEqual(conversions.command(kind, sort, path, platform, taken.__contains__), line)

    def test_what_is_no_media_type_has_a_command_or_none_makes_sense(self) -> None:
        without = {"text/html"}
        for _, _, kind, _ in NAMED:
            lines = [conversions.command(kind, sort, "x", "linux") for sort in ("image", "video", "audio")]
            self.assertEqual(any(lines), kind not in without, kind)


def exif(turn: int, order: str = "<", kind: int = 3) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + ("H2x" if kind == 3 else "I"), turn)
    return (
        mark
        + struct.pack(order + "IH", 8, 1)
        + struct.pack(order + "HHI4s", tiff.ORIENTATION, kind, 1, value)
        + bytes(4)
    )


def jpeg(block: bytes, end: bytes = b"\xff\xda\xff\xd9", width: int = 1200, height: int = 800) -> bytes:
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    return b"\xff\xd8" + segment + b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9) + end


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def turned_webp(block: bytes) -> bytes:
    size = b"\x08\0\0\0" + (1199).to_bytes(3, "little") + (799).to_bytes(3, "little")
    pixels = b"VP8 " + struct.pack("<I", 3) + bytes(4)
    return webp(b"VP8X", size) + pixels + b"EXIF" + struct.pack("<I", len(block)) + block


def turned_png(block: bytes) -> bytes:
    return png(2, chunk(b"eXIf", block))


def turned_tiff(turn: int) -> bytes:
    entries = ((256, 1200), (257, 800), (tiff.ORIENTATION, turn))
    return (
        b"MM\0*\0\0\0\x08\0\x03"
        + b"".join(struct.pack(">HHIH2x", tag, 3, 1, value) for tag, value in entries)
        + bytes(4)
    )


class Turned(unittest.TestCase):
    def test_width_and_height_are_those_that_are_seen(self) -> None:
        for turn in range(1, 9):
            seen = (800, 1200) if turn >= 5 else (1200, 800)
            for name, data in (
                ("JPEG", jpeg(b"Exif\0\0" + exif(turn))),
                ("JPEG, big end first", jpeg(b"Exif\0\0" + exif(turn, ">"))),
                ("JPEG, long number", jpeg(b"Exif\0\0" + exif(turn, ">", 4))),
                ("WebP", turned_webp(exif(turn))),
                ("WebP with the mark of a JPEG", turned_webp(b"Exif\0\0" + exif(turn))),
                ("TIFF", turned_tiff(turn)),
            ):
                with self.subTest(name, turn=turn):
                    facts = probe_bytes(data)
                    assert facts
                    self.assertEqual((facts.width, facts.height, facts.turn), (*seen, turn))
            facts = probe_bytes(turned_png(exif(turn)))
            self.assertEqual(facts, Facts("image/png", *((457, 123) if turn >= 5 else (123, 457)), turn=turn))

    def test_damaged_exif_turns_nothing(self) -> None:
        for block in (
            b"",
            b"II*\0",
            exif(0),
            exif(9),
            exif(6)[:12],
            b"II*\0\xff\xff\xff\xff",
            b"XX*\0" + exif(6)[4:],
            b"http://ns.adobe.com/xap/1.0/\0",
        ):
            with self.subTest(block):
                for data in (jpeg(b"Exif\0\0" + block), turned_webp(block), turned_png(block)):
                    facts = probe_bytes(data)
                    assert facts
                    self.assertEqual(facts.turn, 1)
                    self.assertIn((facts.width, facts.height), ((1200, 800), (123, 457)))


def gif(pictures: int, rows: int = 9) -> bytes:
    comment = b"!\xfe\x03abc\0"
    picture = b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0x80) + bytes(6) + b"\x02" + (b"\x05abcde" * rows) + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x81, 0, 0) + bytes(12) + comment + picture * pictures + b";"


class Moving(unittest.TestCase):
    def test_more_than_one_picture(self) -> None:
        for name, data, many in (
            ("GIF", gif(1), False),
            ("GIF with two", gif(2), True),
            ("GIF with two large ones", gif(2, 9999), True),
            ("GIF cut off", gif(2)[:60], False),
            ("GIF with more blocks than are looked at", gif(2, media.MOST_GIF_BLOCKS), False),
            ("APNG", png(2, chunk(b"acTL", struct.pack(">II", 3, 0))), True),
            ("APNG with one frame", png(2, chunk(b"acTL", struct.pack(">II", 1, 0))), False),
            ("WebP", webp(b"VP8X", b"\x02\0\0\0" + bytes(6)), True),
            ("WebP at rest", webp(b"VP8X", bytes(10)), False),
            ("TIFF of one page", turned_tiff(1), False),
            ("TIFF of two", turned_tiff(1)[:-4] + b"\0\0\1\0", True),
        ):
            with self.subTest(name):
                facts = probe_bytes(data)
                assert facts
                self.assertEqual(facts.many, many)


WHOLE_PNG = placeholder.png(600, 600, "x", [])
WHOLE_WEBP = webp(b"VP8X", bytes(10))[:4] + struct.pack("<I", 22) + webp(b"VP8X", bytes(10))[8:]

# (name, bytes, whether it breaks off)
ENDS = (
    ("PNG", WHOLE_PNG, False),
    ("PNG with bytes behind", WHOLE_PNG + bytes(200_000), False),
    ("half a PNG", WHOLE_PNG[: len(WHOLE_PNG) // 2], True),
    ("PNG without its last bytes", WHOLE_PNG[:-1], True),
    ("PNG that is only a header", WHOLE_PNG[:33], True),
    ("PNG whose chunk goes on for ever", WHOLE_PNG[:33] + b"\xff\xff\xff\xffIDAT", True),
    ("JPEG", jpeg(b"x"), False),
    ("JPEG with bytes behind", jpeg(b"x") + bytes(60_000), False),
    ("JPEG with a clip behind, a motion photo", jpeg(b"x") + SMALL + bytes(300_000), False),
    ("JPEG without end", jpeg(b"x", b"\xff\xda"), True),
    ("JPEG without end, but with one in its thumbnail", jpeg(b"\xff\xd8\xff\xd9", b"\xff\xda\0\x0c" + bytes(99)), True),
    ("large JPEG without end", jpeg(b"\xff\xd8\xff\xd9", b"\xff\xda\0\x0c" + bytes(200_000)), True),
    (
        "JPEG whose end lies between two blocks",
        jpeg(b"x", b"\xff\xda\0\x0c" + bytes(media.TAIL_BYTES - 5) + b"\xff\xd9" + bytes(99_999)),
        False,
    ),
    ("JPEG that stops before its pixels", jpeg(b"\xff\xd8\xff\xd9", b"")[:30], True),
    ("GIF", gif(1), False),
    ("GIF without end", gif(1)[:-2], True),
    ("WebP", WHOLE_WEBP, False),
    ("WebP that says more", WHOLE_WEBP[:-1], True),
    ("WAV", WAVE, False),
    ("half a WAV", WAVE[:9999], True),
    ("a streamed WAV", WAVE[:4] + b"\xff\xff\xff\xff" + WAVE[8:], False),
    ("a streamed WAV of another program", WAVE[:4] + b"\x24\0\0\x80" + WAVE[8:], False),
    ("a streamed WAV with nothing told", WAVE[:4] + bytes(4) + WAVE[8:], False),
    ("TIFF", turned_tiff(1), False),
    ("MP3", CBR, False),
    ("MP4", SMALL, False),
)


class Ends(unittest.TestCase):
    def test_what_breaks_off(self) -> None:
        for name, data, early in ENDS:
            with self.subTest(name):
                facts = examine(io.BytesIO(data))
                assert facts
                self.assertEqual(facts.ends_early, early)
                self.assertEqual(changed(facts, ends_early=False), probe_bytes(data))


class Told(Case):
    """What the user reads, in a dry run; nothing is sent in any of these."""

    def refused(self, *argv: str, video: bool = False) -> str:
        run = self.video_json if video else self.json
        (problem,) = run("x", *argv, "--dry-run", code=3)["problems"]
        return f"{problem['path']}: {problem['value']} {problem['message']}; allowed: {problem['allowed']}; nearest: {problem['nearest']}"

    def warned(self, *argv: str, video: bool = False) -> str:
        run = self.video_json if video else self.json
        return " | ".join(run("x", *argv, "--dry-run")["warnings"])

    def file(self, name: str, data: bytes) -> str:
        (self.cwd / name).write_bytes(data)
        return name

    def test_a_foreign_file_is_named_with_its_command(self) -> None:
        for name, data, kind, called in NAMED:
            if kind in media.TAKEN:
                continue
            with self.subTest(name):
                said = self.refused("--image", self.file("a.bin", data), "--model", "wan2.7-image")
                self.assertIn(f"a.bin is {called}", said)
                line = conversions.command(kind, "image", str(self.cwd / "a.bin"))
                self.assertEqual("convert it: " in said, bool(line))
                self.assertIn(line, said)
                said = self.refused("--video", "a.bin", "--model", "wan2.7-videoedit", video=True)
                self.assertIn(conversions.command(kind, "video", str(self.cwd / "a.bin")), said)

    def test_a_field_for_pictures_and_clips_keeps_what_it_is(self) -> None:
        for data, suffix in ((EBML + b"\x84webm", "a.mp4"), (ftyp(b"avif") + MDAT, "a.png")):
            said = self.refused("--reference", self.file("a.bin", data), "--model", "wan2.7-r2v", video=True)
            self.assertRegex(said, f"convert it: .*{suffix}")

    def test_a_clip_without_index_or_pictures(self) -> None:
        for name, data, words in (
            ("no index", ftyp() + MDAT, "has no index (moov)"),
            ("no pictures", ftyp(b"qt  ") + moov(SOUND_TRACK), "holds no pictures"),
            ("cut off", ftyp() + moov(video()) + MDAT[:99], "is cut off"),
        ):
            with self.subTest(name):
                said = self.refused("--video", self.file("a.mp4", data), "--model", "wan2.7-videoedit", video=True)
                self.assertIn(words, said)
        both = self.video_json("x", "--video", self.file("b.mp4", ftyp() + MDAT[:99]), "--dry-run", code=3)["problems"]
        self.assertEqual(len(both), 2)
        said = self.refused("--first-frame", self.picture("p.png").name, "--audio", "b.mp4", video=True)
        self.assertIn("is MP4 and has no index", said)

    def test_a_fragmented_clip_has_a_length(self) -> None:
        clip = self.file("a.mp4", fragmented() + fragment(300))
        said = self.refused("--video", clip, "--model", "wan2.7-videoedit", video=True)
        self.assertIn("lasts 12.0 s", said)

    def test_a_clip_whose_header_contradicts_itself(self) -> None:
        data = bytearray(CLIP.read_bytes())
        struct.pack_into(">I", data, data.index(b"mvhd") + 20, 9000)  # milliseconds
        said = self.warned("--reference", self.file("a.mp4", bytes(data)), "--model", "wan2.6-r2v", video=True)
        self.assertIn("1.0 s by its pictures, 9.0 s by its clock", said)

    def test_a_picture_that_ends_early_or_moves_is_warned_of(self) -> None:
        half = self.file("half.png", WHOLE_PNG[: len(WHOLE_PNG) // 2])
        self.assertIn("its end is missing", self.warned("--image", half, "--model", "wan2.7-image"))
        encoded = base64.b64encode(WHOLE_PNG[:-20]).decode()
        said = self.warned("--image", f"data:image/png;base64,{encoded}", "--model", "wan2.7-image")
        self.assertIn("its end is missing", said)
        moving = self.file("a.webp", webp(b"VP8X", b"\x02\0\0\0" + (499).to_bytes(3, "little") * 2))
        self.assertIn("only one", self.warned("--image", moving, "--model", "wan2.7-image"))
        sound = self.file("half.wav", wav(5)[:120_000])
        self.assertIn("its end is missing", self.warned("--audio", sound, "--model", "wan2.6-t2v", video=True))

    def test_a_turned_picture(self) -> None:
        phone = self.file("phone.jpg", jpeg(b"Exif\0\0" + exif(6)))
        boxes = ("--model", "wan2.7-image", "--image", phone, "--set")
        self.assertIn("EXIF orientation 6", self.warned(*boxes, "bbox_list=[[[0, 0, 800, 1200]]]"))
        self.assertIn("inside 800*1200", self.refused(*boxes, "bbox_list=[[[0, 0, 1200, 800]]]"))
        self.assertNotIn("EXIF", self.warned(*boxes, "bbox_list=[[]]"))
        self.assertNotIn("EXIF", self.warned(*boxes[:-1]))
        self.file("upright.jpg", jpeg(b"Exif\0\0" + exif(1)))
        self.assertNotIn(
            "EXIF", self.warned("--image", "upright.jpg", *boxes[:2], "--set", "bbox_list=[[[0, 0, 9, 9]]]")
        )

    def test_base64_without_its_head(self) -> None:
        for data, kind in ((WHOLE_PNG, "image/png"), (jpeg(b"x") + bytes(999), "image/jpeg"), (CBR, "audio/mpeg")):
            text = base64.b64encode(data).decode()
            for spelled in (text, f"base64,{text}", f"{kind};base64,{text}", "\n".join((text[:76], text[76:]))):
                with self.subTest(kind, text=spelled[:20]):
                    said = self.refused("--image", spelled)
                    self.assertIn(f"is {kind} in base64: write data:{kind};base64, before it", said)
                    self.assertIn(f"({len(spelled)} characters)", said)
                    self.assertLess(len(said), 400)

    def test_what_only_looks_like_base64_is_a_path(self) -> None:
        for text in ("photo", "iVBORw0KGgo=", "cat" * 200, "/9j/" + "a" * 200 + "!" + "a" * 9, "A" * 100):
            with self.subTest(text[:20]):
                self.assertNotIn("base64:", self.refused("--image", text))

    @unittest.skipIf(os.name == "nt", "backslashes separate folders here")
    def test_backslashes_of_another_system(self) -> None:
        (self.cwd / "my pics").mkdir()
        self.picture("my pics/a.png")
        for text, nearest in (
            ("my pics\\a.png", "my pics/a.png"),
            ("my\\ pics/a.png", "my pics/a.png"),
            ("my pics\\b.png", None),
            ("C:\\Users\\me\\a.png", None),
        ):
            with self.subTest(text):
                said = self.refused("--image", text)
                self.assertIn("a backslash is part of a name", said)
                self.assertTrue(said.endswith(f"nearest: {nearest}"), said)
        self.picture("odd\\name.png")
        self.json("x", "--image", "odd\\name.png", "--dry-run")


class Hostile(unittest.TestCase):
    """Any byte may be wrong: nothing raises, hangs, or takes memory by what a header says."""

    SPECIMENS = tuple(
        data
        for data in (
            *(data for _, data, _, _ in NAMED),
            *(data for _, data, _ in PICTURES),
            *(data for _, data, _ in ENDS if len(data) < 20_000),
            *(jpeg(b"Exif\0\0" + exif(6)), turned_webp(exif(6)), turned_png(exif(6)), turned_tiff(6), gif(2)),
            *(fragmented() + fragment(), fragmented() + fragment(own=True), CBR),
        )
        if len(data) > 12
    )

    def test_bytes_changed_at_random(self) -> None:
        generator = random.Random(20261126)
        for round_ in range(60):
            for number, specimen in enumerate(self.SPECIMENS):
                data = bytearray(specimen)
                reach = min(len(data), 600)
                for _ in range(generator.randrange(1, 6)):
                    data[generator.randrange(reach)] = generator.choice(
                        (0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256))
                    )
                if generator.random() < 0.2:
                    del data[generator.randrange(len(data)) :]
                started = time.thread_time()
                examine(io.BytesIO(data))
                self.assertLess(time.thread_time() - started, SOON, (round_, number))

    def test_large_counts_take_no_memory_and_no_time(self) -> None:
        table = struct.pack(">II", 0, 2**32 - 1)
        long_list = box(b"stts", table, bytes(2_000_000))
        clock_ = box(b"mdhd", bytes(12), struct.pack(">II", 1000, 9))
        pictures = track(b"vide", box(b"edts", box(b"elst", table, bytes(999))), clock_, 9, more=long_list)
        one_run = box(b"trun", struct.pack(">II", 0x100, 2**32 - 1), bytes(4_000_000))
        cases = {
            "a table of samples": ftyp() + moov(pictures),
            "a run of samples": fragmented() + box(b"moof", box(b"traf", box(b"tfhd", bytes(8)), one_run)),
            "many runs": fragmented()
            + box(
                b"moof", box(b"traf", box(b"tfhd", bytes(8)), box(b"trun", struct.pack(">II", 0, 1), bytes(4)) * 30_000)
            ),
            "a TIFF of 65535 tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(800_000),
            "a GIF of tiny blocks": gif(1, 0)[:-2] + b"\x01a" * 1_000_000,
            "a GIF of comments": b"GIF89a" + bytes(7) + b"!\xfe\0" * 1_000_000,
            "a GIF of pictures without pixels": b"GIF89a" + bytes(7) + b"!\xfe\x01a\0" * 500_000,
            "a PNG of tiny chunks": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"teXt", b"") * 200_000,
            "a WebP of tiny chunks": webp(b"VP8X", b"\x08" + bytes(9)) + (b"ANMF" + bytes(4)) * 400_000,
            "a JPEG of EXIF blocks": b"\xff\xd8" + (b"\xff\xe1\x00\x28Exif\0\0" + exif(6).ljust(32, b"\0")) * 60_000,
            "a JPEG whose EXIF points at itself": jpeg(b"Exif\0\0II*\0\0\0\0\0") + bytes(900_000),
            "spaces before a tag": b"<" + b" " * 3_000_000,
        }
        for name, data in cases.items():
            with self.subTest(name):
                stream = io.BytesIO(data)
                tracemalloc.start()
                started = time.thread_time()
                examine(stream)
                taken = time.thread_time() - started
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                self.assertLess(taken, 3 * SOON)
                self.assertLess(peak, 32 * 2**20)

    def test_a_long_text_costs_no_more_than_its_length(self) -> None:
        for text in ("A" * 5_000_000, "/" * 5_000_000, "base64," * 900_000, "\\" * 3_000_000):
            started = time.thread_time()
            self.assertEqual(media.bare_base64(text), "")
            self.assertLess(time.thread_time() - started, SOON)

    def test_a_probe_of_a_picture_leaves_the_end_alone(self) -> None:
        facts = probe(io.BytesIO(WHOLE_PNG[:40]))
        self.assertEqual(facts and facts.ends_early, False)
