"""MP4 files of any size and length, written with only `struct`: a gray picture for each second and a silent track.

The picture is the simplest H.264 (constrained baseline). A macroblock (16 × 16 pixels) is predicted from its neighbors
and corrected by one number, so it has one shade; every later picture repeats it in a few bytes. Clause numbers are
those of ITU-T H.264; the boxes are those of ISO/IEC 14496-12 and -14.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from operator import sub
from typing import Callable, Sequence

FPS = 24
BLOCK = 16  # pixels on each side of a macroblock
SAMPLE_RATE = 24000
SOUND_FRAME = 1024  # samples
SILENCE = bytes.fromhex("01182007")  # one AAC-LC frame of two channels
TICKS = 512  # of the clock of the pictures, for each of them
START_QP = 28  # here the one number is a step of brightness exactly (8.5.10, 8.5.12)

Rows = Sequence[bytes]
"""The brightness of each macroblock of a picture, 16 (black) to 235 (white), row by row."""


def mp4(width: int, height: int, seconds: float, picture: Callable[[int], Rows], sound: bool = True) -> bytes:
    """A file with its index first. Odd sides lose a pixel; the length is rounded to whole pictures.

    picture: the number of a second, from 0 → what is seen then, in `blocks(width, height)` columns and rows.
    """
    columns, rows = blocks(width, height)
    width, height = max(width & ~1, 2), max(height & ~1, 2)
    frames = max(round(seconds * FPS), 1)
    sps = _sps(width, height, columns, rows)
    repeats = [_nal(0x41, _repeat(number, columns * rows)) for number in range(1, FPS)]
    known: dict[tuple[bytes, bytes], str] = {}
    pictures: list[bytes] = []
    for second in range(math.ceil(frames / FPS)):  # each begins with a key picture
        pictures += [_nal(0x65, _key_picture(picture(second), known)), *repeats]
    samples = [struct.pack(">I", len(sample)) + sample for sample in pictures[:frames]]
    length = round(frames / FPS * SAMPLE_RATE) if sound else 0
    noises = [SILENCE] * math.ceil(length / SOUND_FRAME)

    def moov(start: int) -> bytes:
        video = _video_track(width, height, sps, list(map(len, samples)), start)
        audio = _sound_track(length, len(noises), start + sum(map(len, samples))) if sound else b""
        return _box(b"moov", _header(b"mvhd", 1000, frames * 1000 // FPS, _MOVIE_TAIL), video, audio)

    ftyp = _box(b"ftyp", b"isom", bytes(4), b"isomiso2avc1mp41")
    start = len(ftyp) + len(moov(0)) + 8
    return ftyp + moov(start) + _box(b"mdat", *samples, *noises)


def blocks(width: int, height: int) -> tuple[int, int]:
    """The columns and rows of macroblocks that a picture has."""
    return math.ceil(max(width & ~1, 2) / BLOCK), math.ceil(max(height & ~1, 2) / BLOCK)


# Pictures -------------------------------------------------------------------------------------------------


def _unsigned(value: int) -> str:
    """An Exp-Golomb code (9.1)."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _payload(bits: str) -> bytes:
    """The bits with their stop bit, filled up to bytes."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _nal(kind: int, payload: bytes) -> bytes:
    """A NAL unit; an extra byte keeps two zeros from looking like the start of the next one (7.4.1)."""
    return bytes([kind]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _sps(width: int, height: int, columns: int, rows: int) -> bytes:
    """The sequence parameter set (7.3.2.1.1): profile 66, level 5.1, pictures in order, edges cropped."""
    right, bottom = (columns * BLOCK - width) // 2, (rows * BLOCK - height) // 2
    numbers = (0, 0, 2, 1)  # id, 16 picture numbers, order as decoded, one reference
    head = "".join(map(_unsigned, numbers)) + "0" + _unsigned(columns - 1) + _unsigned(rows - 1)
    cut = "".join(map(_unsigned, (0, right, 0, bottom)))
    return _nal(0x67, bytes((66, 0xC0, 51)) + _payload(head + "11" + "1" + cut + "0"))


_PPS = _nal(0x68, _payload("11" + "0" + "0" + "1" + "1" + "1" + "0" + "00" + "00100" + "1" + "1" + "1" + "0" + "0"))
"""The picture parameter set (7.3.2.2): no arithmetic coding, one slice, START_QP, deblocking can be switched off."""

_PLAIN = "00100"  # mb_type I_16x16 with DC prediction and no further coefficients (table 7-11)
_AS_PREDICTED = _PLAIN + "1" + "1" + "1"


def _key_picture(rows: Rows, known: dict[tuple[bytes, bytes], str]) -> bytes:
    """A slice of intra macroblocks (7.3.3), each coded as its difference from the mean of its neighbors.

    known: rows that were coded before, by the shades of the row above and their own; most rows of a film are alike.
    """
    parts = [_unsigned(0), _unsigned(7), _unsigned(0), "0000", _unsigned(0), "0", "0", "1", _unsigned(1)]
    above = b""
    for wanted in rows:
        if (above, wanted) not in known:
            known[above, wanted] = "".join(map(_corrected, map(sub, wanted, _predicted(above, wanted))))
        parts.append(known[above, wanted])
        above = wanted
    return _payload("".join(parts))


def _predicted(above: bytes, wanted: bytes) -> list[int]:
    """The mean of the neighbors of each macroblock of a row, to its left and above it; b"" stands above the first."""
    if not above:
        return [128, *wanted[:-1]]
    return [above[0], *((left + over + 1) // 2 for left, over in zip(wanted, above[1:]))]


@functools.cache  # 511 steps at most
def _corrected(step: int) -> str:
    """A macroblock with one coefficient in the DC block (9.2): its value, its place, nothing after it."""
    if not step:
        return _AS_PREDICTED
    if abs(step) == 1:
        return _PLAIN + "1" + "1" + "01" + ("1" if step < 0 else "0") + "1"
    code = 2 * abs(step) - 4 + (step < 0)
    if code < 14:
        level = "0" * code + "1"
    elif code < 30:
        level = "0" * 14 + "1" + f"{code - 14:04b}"
    else:
        level = "0" * 15 + "1" + f"{code - 30:012b}"
    return _PLAIN + "1" + "1" + "000101" + level + "1"


def _repeat(number: int, blocks: int) -> bytes:
    """A slice that skips every macroblock, which repeats the previous picture."""
    head = _unsigned(0) + _unsigned(5) + _unsigned(0) + f"{number % 16:04b}" + "0" + "0" + "0" + "1" + _unsigned(1)
    return _payload(head + _unsigned(blocks))


# Boxes ----------------------------------------------------------------------------------------------------


def _box(name: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, name) + data


def _full(name: bytes, *content: bytes, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I", flags), *content)


def _table(name: bytes, *rows: tuple[int, ...]) -> bytes:
    return _full(name, struct.pack(">I", len(rows)), *(struct.pack(f">{len(row)}I", *row) for row in rows))


def _header(name: bytes, scale: int, duration: int, tail: bytes) -> bytes:
    """`mvhd` or `mdhd`. duration: in units of 1/scale second."""
    return _full(name, struct.pack(">IIII", 0, 0, scale, duration), tail)


_UPRIGHT = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MOVIE_TAIL = struct.pack(">IH10x", 1 << 16, 1 << 8) + _UPRIGHT + bytes(24) + struct.pack(">I", 3)
_NO_LANGUAGE = struct.pack(">HH", 0x55C4, 0)


def _track(
    number: int, kind: bytes, size: tuple[int, int], clock: tuple[int, int], head: bytes, *tables: bytes
) -> bytes:
    """size: pixels. clock: (units a second, duration in units)."""
    scale, duration = clock
    volume = 0 if size[0] else 1 << 8
    place = struct.pack(">IIIII8xHHHH", 0, 0, number, 0, duration * 1000 // scale, 0, 0, volume, 0)
    pixels = struct.pack(">II", size[0] << 16, size[1] << 16)
    here = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    handler = _full(b"hdlr", bytes(4), kind, bytes(12), b"Sandbox\0")
    media = _box(
        b"mdia",
        _header(b"mdhd", scale, duration, _NO_LANGUAGE),
        handler,
        _box(b"minf", head, here, _box(b"stbl", *tables)),
    )
    return _box(b"trak", _full(b"tkhd", place, _UPRIGHT, pixels, flags=3), media)


def _video_track(width: int, height: int, sps: bytes, sizes: list[int], start: int) -> bytes:
    config = b"\1" + sps[1:4] + b"\xff\xe1" + _counted(sps) + b"\1" + _counted(_PPS)
    pixels = struct.pack(">HH", width, height)
    entry = _box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        pixels,
        struct.pack(">III", 72 << 16, 72 << 16, 0),
        struct.pack(">H32xHh", 1, 24, -1),
        _box(b"avcC", config),
    )
    return _track(
        1,
        b"vide",
        (width, height),
        (FPS * TICKS, len(sizes) * TICKS),
        _full(b"vmhd", bytes(8), flags=1),
        _full(b"stsd", struct.pack(">I", 1), entry),
        _table(b"stts", (len(sizes), TICKS)),
        _table(b"stss", *((number,) for number in range(1, len(sizes) + 1, FPS))),
        _table(b"stsc", (1, len(sizes), 1)),
        _full(b"stsz", struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes)),
        _table(b"stco", (start,)),
    )


def _counted(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _sound_track(length: int, frames: int, start: int) -> bytes:
    """length: in samples; the last frame is cut to it."""
    whole, rest = divmod(length, SOUND_FRAME)
    runs = [run for run in ((whole, SOUND_FRAME), (1, rest)) if all(run)]
    rate = struct.pack(">I", SAMPLE_RATE << 16)
    entry = _box(b"mp4a", struct.pack(">6xH8xHHI", 1, 2, 16, 0), rate, _full(b"esds", _AAC))
    return _track(
        2,
        b"soun",
        (0, 0),
        (SAMPLE_RATE, length),
        _full(b"smhd", bytes(4)),
        _full(b"stsd", struct.pack(">I", 1), entry),
        _table(b"stts", *runs),
        _table(b"stsc", (1, frames, 1)),
        _full(b"stsz", struct.pack(">II", len(SILENCE), frames)),
        _table(b"stco", (start,)),
    )


def _descriptor(tag: int, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes([tag, len(data)]) + data


_AAC = _descriptor(
    3,
    struct.pack(">HB", 2, 0),
    _descriptor(4, struct.pack(">BB3xII", 0x40, 0x15, 0, 0), _descriptor(5, b"\x13\x10")),
    _descriptor(6, b"\2"),
)
"""The decoder configuration: AAC-LC (object type 2), 24 kHz (index 6), two channels."""
