"""Placeholder pictures and clips: real files of any size, drawn with only zlib and `movie`.

Four colors, two bits a pixel and repeated rows, so even the largest size takes a few milliseconds and kilobytes.
"""

from __future__ import annotations

import functools
import re
import struct
import textwrap
import zlib
from typing import Iterator, Sequence

from . import movie

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-*/: "
_FORMS = """
    0e11111f111111 1e11111e11111e 0e11101010110e 1e11111111111e 1f10101e10101f 1f10101e101010 0e11101711110f
    1111111f111111 0e04040404040e 0702020202120c 11121418141211 1010101010101f 111b1515111111 11191513111111
    0e11111111110e 1e11111e101010 0e11111115120d 1e11111e141211 0f10100e01011e 1f040404040404 1111111111110e
    11111111110a04 11111115151b11 11110a040a1111 11110a04040404 1f01020408101f 0e11131519110e 040c040404040e
    0e11010608101f 1f02040201110e 02060a121f0202 1f101e0101110e 0608101e11110e 1f010204080808 0e11110e11110e
    0e11110f01020c 00000000000c0c 000000000c0408 0000001f000000 0004150e150400 00010204081000 000c0c000c0c00
    00000000000000
"""
# 5 × 7 pixels a letter, one number a row from the top; the highest of its five bits is on the left.
_GLYPHS = dict(zip(_LETTERS, map(bytes.fromhex, _FORMS.split())))
_PAPER, _HATCH, _FRAME, _INK = range(4)
_PALETTES = (
    ((238, 242, 247), (222, 230, 240), (148, 163, 184), (30, 41, 59)),
    ((247, 242, 232), (240, 230, 212), (190, 164, 120), (68, 51, 24)),
    ((234, 246, 238), (214, 236, 222), (128, 178, 146), (20, 66, 40)),
    ((246, 236, 243), (238, 218, 232), (186, 134, 168), (72, 26, 56)),
)


def caption(prompt: str) -> str:
    """What tells placeholders apart: the first words of the prompt in letters that we can draw, and a number of it."""
    words = re.findall(r"[A-Za-z0-9]+", prompt[:1000])[:5]
    return " ".join([*words, f"no.{zlib.crc32(prompt.encode('utf-8', 'surrogatepass')) % 10000:04}"])[-CAPTION:]


CAPTION = 40  # characters


@functools.lru_cache(maxsize=8)
def clip(width: int = 1280, height: int = 720, seconds: float = 5.0, sound: bool = True, words: str = "") -> bytes:
    """An MP4 of this size and length (H.264, 24 frames per second, a silent track) with some words and a clock."""
    columns, rows = movie.blocks(width, height)
    title = ["SANDBOX"] if columns > 6 * len("SANDBOX") else ["SAND", "BOX"]
    told = map(str.strip, textwrap.wrap(words.upper(), max(columns // 6, 4)))
    lines = [*title, *list(told)[: max(rows // 8 - len(title) - 1, 0)]]
    top = (rows - 8 * (len(lines) + 1) + 1) // 2
    still = [bytearray(224 if (column + row) % 8 else 208 for column in range(columns)) for row in range(rows)]
    for number, line in enumerate(lines):
        _write(still, line, top + 8 * number)

    def picture(second: int) -> movie.Rows:
        shown = list(map(bytearray, still))
        _write(shown, f"{second // 60}:{second % 60:02}", top + 8 * len(lines))
        return list(map(bytes, shown))

    return movie.mp4(width, height, seconds, picture, sound)


def _write(rows: Sequence[bytearray], line: str, top: int) -> None:
    """Blacken the macroblocks of a line of text, centered; what does not fit is left out."""
    left = (len(rows[0]) - 6 * len(line) + 1) // 2
    for place, letter in enumerate(line):
        for row, bits in enumerate(_GLYPHS.get(letter, _GLYPHS["*"]), top):
            for column in (left + 6 * place + column for column in range(5) if bits & 16 >> column):
                if 0 <= row < len(rows) and 0 <= column < len(rows[0]):
                    rows[row][column] = 40


def png(width: int, height: int, title: str, lines: Sequence[str], palette: int = 0) -> bytes:
    """A PNG of exactly `width` × `height` with a large title and smaller lines (ASCII, shown in capitals)."""
    return _png(width, height, title, tuple(lines), palette % len(_PALETTES))


@functools.lru_cache(maxsize=8)
def _png(width: int, height: int, title: str, lines: tuple[str, ...], palette: int) -> bytes:
    packed = zlib.compress(b"\x00" + b"\x00".join(_rows(width, height, title, lines)), 6)
    colors = b"".join(bytes(color) for color in _PALETTES[palette])
    header = struct.pack(">IIBBBBB", width, height, 2, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colors), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rows(width: int, height: int, title: str, lines: Sequence[str]) -> list[bytes]:
    """The packed rows from top to bottom: a frame, a hatched background, and a plain band with the text."""
    border = max(1, min(width, height) // 100)
    band = list(_band(width, height, border, title, lines))
    top = (height - len(band)) // 2
    edges = [_pack(bytearray([_FRAME]) * width)] * border
    hatch = bytes([_HATCH] * 2 + [_PAPER] * 14) * (width // 16 + 2)
    grounds = [_framed(bytearray(hatch[y : y + width]), border) for y in range(16)]
    rows = (grounds * (height // 16 + 1))[:height]
    rows[max(top, 0) : top + len(band)] = band[max(-top, 0) :]
    return [*edges, *rows[border : height - border], *edges][:height]


def _band(width: int, height: int, border: int, title: str, lines: Sequence[str]) -> Iterator[bytes]:
    """Rows of text: the title as large as possible, the lines in one smaller size, with space between them."""
    longest = max(map(len, lines), default=1)
    small = max(1, min(width * 4 // 5 // (6 * longest), height // (14 * (len(lines) + 2))))
    large = max(small, min(width * 3 // 5 // (6 * len(title)), height // 28))
    plain = _framed(bytearray([_PAPER]) * width, border)
    for text, scale in ((title, large), *((line, small) for line in lines)):
        yield from [plain] * (scale * 3)
        for bits in range(7):
            yield from [_framed(_text(text.upper(), bits, scale, width), border)] * scale
    yield from [plain] * (small * 6)


def _text(line: str, bits: int, scale: int, width: int) -> bytearray:
    """One row of pixels of a line of text, centered."""
    dots = "".join(f"{_GLYPHS.get(character, _GLYPHS['*'])[bits]:05b}0" for character in line).encode()
    pixels = dots.replace(b"0", bytes([_PAPER]) * scale).replace(b"1", bytes([_INK]) * scale)
    paper = bytearray([_PAPER])
    left = max((width - len(pixels)) // 2, 0)
    return (paper * left + pixels + paper * width)[:width]


def _framed(pixels: bytearray, border: int) -> bytes:
    pixels[:border] = pixels[-border:] = bytes([_FRAME]) * border
    return _pack(pixels)


def _pack(pixels: bytearray) -> bytes:
    """Four pixels a byte, the first in its highest bits. Every fourth pixel together makes one long number."""
    pixels += bytes(-len(pixels) % 4)
    places = (int.from_bytes(pixels[place::4], "big") << 6 - 2 * place for place in range(4))
    return sum(places).to_bytes(len(pixels) // 4, "big")
