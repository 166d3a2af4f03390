"""Facts from header bytes: real headers of every picture format, damaged ones, and noise. Clips: see test_clips."""

from __future__ import annotations

import io
import random
import struct
import unittest

from qianwen.files import documents
from qianwen.files.media import FORMATS, SUFFIXES, TAKEN, Facts, probe, probe_bytes
from qianwen.sandbox import placeholder

from ..support import PHOTO


def png(color_type: int = 2, extra: bytes = b"") -> bytes:
    header = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 123, 457, 8, color_type, 0, 0, 0) + b"crc!"
    return b"\x89PNG\r\n\x1a\n" + header + extra + struct.pack(">I4s", 0, b"IDAT") + b"crc!"


def jpeg(*segments: bytes) -> bytes:
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 457, 123, 3) + bytes(9)
    return b"\xff\xd8" + b"".join(segments) + frame + b"\xff\xda"


def segment(marker: int, size: int) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", size + 2) + bytes(size)


def webp(chunk: bytes, data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + chunk + struct.pack("<I", len(data)) + data


def tiff(order: str, kind: int) -> bytes:
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    value = {3: "H2x", 4: "I"}[kind]
    entries = b"".join(
        struct.pack(f"{order}HHI{value}", tag, kind, 1, number) for tag, number in ((256, 123), (257, 457))
    )
    return mark + struct.pack(f"{order}I", 600) + bytes(592) + struct.pack(f"{order}H", 2) + entries


BMP = b"BM" + bytes(12) + struct.pack("<Iii", 40, 123, -457)
OLD_BMP = b"BM" + bytes(12) + struct.pack("<IHH", 12, 123, 457)
TRANSPARENT = struct.pack(">I4s", 1, b"tRNS") + b"\x00crc!"

BY_READERS = {"video/webm", "video/ogg", "text/html", "audio/x-rf64"}
"""What no signature tells: a reader of another kind finds it."""

SOUND = (
    ("PNG", png(), Facts("image/png", 123, 457)),
    ("PNG with alpha channel", png(6), Facts("image/png", 123, 457, True)),
    ("PNG gray with alpha", png(4), Facts("image/png", 123, 457, True)),
    ("PNG with transparent palette", png(3, TRANSPARENT), Facts("image/png", 123, 457, True)),
    ("JPEG", jpeg(), Facts("image/jpeg", 123, 457)),
    (
        "JPEG behind a large EXIF and tables",
        jpeg(segment(0xE1, 60000), segment(0xC4, 30)),
        Facts("image/jpeg", 123, 457),
    ),
    ("JPEG with fill bytes", jpeg(b"\xff\xff" + segment(0xE0, 4)[1:]), Facts("image/jpeg", 123, 457)),
    ("WebP lossy", webp(b"VP8 ", bytes(6) + struct.pack("<HH", 123, 457)), Facts("image/webp", 123, 457)),
    ("WebP lossless", webp(b"VP8L", b"\x2f" + struct.pack("<I", 122 | 456 << 14)), Facts("image/webp", 123, 457)),
    (
        "WebP with alpha",
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 122 | 456 << 14 | 1 << 28)),
        Facts("image/webp", 123, 457, True),
    ),
    ("WebP extended", webp(b"VP8X", b"\x10\0\0\0" + b"\x7a\0\0\xc8\x01\0"), Facts("image/webp", 123, 457, True)),
    ("BMP top down", BMP, Facts("image/bmp", 123, 457)),
    ("BMP of no width", BMP[:18] + struct.pack("<ii", -123, -457), Facts("image/bmp", 0, 457)),
    ("BMP with the first header", OLD_BMP, Facts("image/bmp", 123, 457)),
    ("GIF", b"GIF89a" + struct.pack("<HH", 123, 457), Facts("image/gif", 123, 457)),
    ("TIFF little end first", tiff("<", 3), Facts("image/tiff", 123, 457)),
    ("TIFF big end first", tiff(">", 4), Facts("image/tiff", 123, 457)),
)

UNKNOWN = (
    b"",
    b"\x00",
    b"hello world",
    b"BM is how this text begins",
    b"xxxx....WAVE",
    b"xxxx....AVI ",
    b"xxxx....AIFF",
    b"<feed>neither a page nor a picture</feed>",
    b"\xef\xbb\xbfa text with a byte order mark",
    b"Good prose begins with the mark of a transport stream, and so does this line." * 9,
    b"\xff\xf1 and nothing",
    b"xxxx....WEBPVP8 ",
)


class Probe(unittest.TestCase):
    def test_every_format(self) -> None:
        for name, data, facts in SOUND:
            with self.subTest(name):
                self.assertEqual(probe_bytes(data), facts)
        self.assertEqual({facts.type for _, _, facts in SOUND}, {kind for kind in TAKEN if kind.startswith("image/")})

    def test_a_photograph(self) -> None:
        with PHOTO.open("rb") as stream:
            self.assertEqual(probe(stream), Facts("image/jpeg", 640, 426))

    def test_the_sandbox_draws_real_png(self) -> None:
        self.assertEqual(probe_bytes(placeholder.png(321, 99, "a", ["b"])), Facts("image/png", 321, 99))

    def test_what_is_no_picture(self) -> None:
        for data in UNKNOWN:
            with self.subTest(data):
                self.assertIsNone(probe_bytes(data))

    def test_a_damaged_header_keeps_its_type_and_tells_no_size(self) -> None:
        for name, data, facts in SOUND:
            with self.subTest(name):
                self.assertIn(probe_bytes(data[:9]), (None, Facts(facts.type)))
                self.assertIn(probe_bytes(data[:15]), (None, Facts(facts.type), facts))

    def test_noise_never_raises(self) -> None:
        generator = random.Random(20261120)
        for _ in range(5000):
            offset, magic, _, _ = generator.choice(FORMATS)
            noise = bytes(generator.randrange(256) for _ in range(generator.randrange(90)))
            probe(io.BytesIO(b"RIFF1234"[:offset] + magic + noise))

    def test_garbage_behind_a_jpeg_mark_ends_soon(self) -> None:
        for garbage in (b"\xe0\x00\x04ab" + b"x" * 2_000_000, b"\xff" * 2_000_000):
            stream = io.BytesIO(b"\xff\xd8\xff" + garbage)
            self.assertEqual(probe(stream), Facts("image/jpeg"))
            self.assertLess(stream.tell(), 100_000)

    def test_every_format_has_a_suffix(self) -> None:
        self.assertEqual(set(SUFFIXES), {row[2] for row in FORMATS} | BY_READERS | set(documents.SUFFIXES))
