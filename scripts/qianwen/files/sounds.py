"""How long a sound is, from its own headers: WAV, MP3 and AAC."""

from __future__ import annotations

import io
import struct

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

MOST_CHUNKS = 1_000

MOST_FRAMES = 640_000  # counted one by one: 15 MB of the smallest, which have 24 bytes; further ones are estimated

MOST_TAGS = 8

MOST_GAPS = 8  # between runs of frames

BLOCK = 262_144  # bytes

FRAME_SEARCH = 65_536  # bytes looked through for the next frame

LARGEST_FRAME = 2_881  # bytes: layer II, 160 kbit/s, 8 kHz

ADTS_HEADER = 7  # bytes

MOST_SECONDS = 1e7


def _ratio(count: float, unit: float) -> float:
    return count / unit if unit else 0.0


def _sane(value: float, most: float) -> float:
    """To three decimals; 0 where no clip is like that."""
    return round(value, 3) if value <= most else 0.0


def wav(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """RIFF WAVE: the bytes of the `data` chunk at the byte rate of the `fmt ` chunk before it.

    RF64 and BW64, for more than 4 GB, have the same form and are no WAV to most readers.
    """
    if head[:4] != b"RIFF":
        return {"type": "audio/x-rf64"} if head[:4] in (b"RF64", b"BW64") else None
    size = stream.seek(0, io.SEEK_END)
    at, rate = 12, 0
    for _ in range(MOST_CHUNKS):
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8))
        at += 8
        if name == b"fmt ":
            (rate,) = struct.unpack("<8xI", stream.read(12))
        elif name == b"data":
            streamed = length == 0 or at + length > size  # by a program that could not go back and tell its length
            return {"seconds": _sane(_ratio(size - at if streamed else length, rate), MOST_SECONDS)}
        at += length + length % 2
    return {}


@record
class _Frame:
    """What the header of an MPEG audio frame says. Frames of one stream share their `family`."""

    family: tuple[int, int]
    mono: bool
    halvings: int
    bytes: int
    samples: int
    rate: int


_KBITS = {  # by version 1 or later ones, and layer; from index 1
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

_RATES = (44_100, 48_000, 32_000)  # Hz, of version 1; halved for 2 and again for 2.5

_HALVINGS = {3: 0, 2: 1, 0: 2}  # by the two bits of the version; 1 is reserved


def mp3(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """MPEG audio, perhaps behind ID3v2 tags. Without a tag, two frames in a row must stand at the beginning."""
    size = stream.seek(0, io.SEEK_END)
    start = _behind_tags(stream)
    if not start:
        found = _next_frame(stream, 0, 1)
    elif other := _other_sound(_bytes_at(stream, start, 4)):
        return {"type": other}
    else:
        found = _next_frame(stream, start, FRAME_SEARCH)
    if found is None:
        return {} if start else None
    at, frame = found
    frames = _told_frames(_bytes_at(stream, at, 64), frame) or _count_frames(stream, at, size, frame)
    return {"seconds": _sane(frames * frame.samples / frame.rate, MOST_SECONDS)}


def _bytes_at(stream: BinaryIO, at: int, size: int) -> bytes:
    stream.seek(at)
    return stream.read(size)


def _behind_tags(stream: BinaryIO) -> int:
    """Where the ID3v2 tags at the beginning end; 0 without one. Their size has seven bits a byte."""
    at = 0
    for _ in range(MOST_TAGS):
        tag = _bytes_at(stream, at, 10)
        if len(tag) < 10 or tag[:3] != b"ID3" or not 2 <= tag[3] <= 4 or max(tag[6:]) > 0x7F:
            break
        footer = 10 if tag[5] & 0x10 else 0
        at += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + footer
    return at


def _other_sound(data: bytes) -> str:
    """FLAC and AAC (ADTS) are tagged in the same way at times."""
    is_adts = len(data) == 4 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return "audio/flac" if data == b"fLaC" else "audio/aac" if is_adts else ""


def adts(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """AAC as a bare stream: two frames in a row; the length of a frame has 13 bits."""
    length = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
    if length <= ADTS_HEADER:
        return None
    frames = (head[:4], _bytes_at(stream, length, 4))
    return {} if all(_other_sound(frame) == "audio/aac" for frame in frames) else None


def ogg(head: bytes, stream: BinaryIO) -> dict[str, Any]:
    return {"type": "video/ogg"} if b"\x80theora" in head else {}


def _frame(header: bytes) -> _Frame | None:
    """The frame that begins with these four bytes. None also for free format, whose length is not told."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return None
    halvings = _HALVINGS.get(header[1] >> 3 & 3)
    layer = 4 - (header[1] >> 1 & 3)
    bit_rate, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if halvings is None or layer == 4 or bit_rate in (0, 15) or rate_index == 3 or header[3] & 3 == 2:
        return None
    bits = _KBITS[halvings == 0, layer][bit_rate - 1] * 1000
    rate = _RATES[rate_index] >> halvings
    samples = 384 if layer == 1 else 576 if layer == 3 and halvings else 1152
    length = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
    return _Frame((header[1] & 0xFE, header[2] & 0x0C), header[3] >> 6 == 3, halvings, length, samples, rate)


def _next_frame(stream: BinaryIO, start: int, reach: int) -> tuple[int, _Frame] | None:
    """The first frame that begins within `reach` bytes, and where; the next of its family must follow at once."""
    data = _bytes_at(stream, start, reach + LARGEST_FRAME + 4)
    at = data.find(b"\xff", 0, reach)
    while at >= 0:
        frame = _frame(data[at : at + 4])
        if frame:
            next_one = _frame(data[at + frame.bytes : at + frame.bytes + 4])
            if next_one and next_one.family == frame.family:
                return start + at, frame
        at = data.find(b"\xff", at + 1, reach)
    return None


def _told_frames(data: bytes, frame: _Frame) -> int:
    """The number of frames by the Xing, Info or VBRI header inside the first frame; 0 where there is none."""
    if data[36:40] == b"VBRI":
        return int.from_bytes(data[50:54], "big")
    at = 4 + (9 if frame.mono else 17) if frame.halvings else 4 + (17 if frame.mono else 32)
    name, flags, frames = struct.unpack_from(">4sII", data.ljust(64, b"\x00"), at)
    return int(frames) if name in (b"Xing", b"Info") and flags & 1 else 0


def _count_frames(stream: BinaryIO, start: int, size: int, first: _Frame) -> float:
    """The number of frames to the end, across a few gaps; what is behind MOST_FRAMES is estimated by its bytes."""
    lengths = _lengths(first.family)
    frames, at = 0, start
    for _ in range(MOST_GAPS):
        count, at = _run_of_frames(stream, at, lengths, MOST_FRAMES - frames)
        frames += count
        if frames == MOST_FRAMES:
            return frames * (size - start) / (at - start)
        found = _next_frame(stream, at, FRAME_SEARCH)
        if found is None or found[1].family != first.family:
            break
        at = found[0]
    return frames


def _lengths(family: tuple[int, int]) -> dict[bytes, int]:
    """The bytes of a frame by the first three of them, for all that a family has."""
    lengths = {}
    for second in (family[0], family[0] | 1):
        for third in range(256):
            frame = _frame(bytes((0xFF, second, third, 0)))
            if frame and frame.family == family:
                lengths[bytes((0xFF, second, third))] = frame.bytes
    return lengths


def _run_of_frames(stream: BinaryIO, at: int, lengths: dict[bytes, int], most: int) -> tuple[int, int]:
    """How many frames follow each other from here on, at most `most`, and where they end."""
    count = 0
    while count < most:
        data = _bytes_at(stream, at, BLOCK)
        offset = 0
        while count < most and (length := lengths.get(data[offset : offset + 3])):
            offset += length
            count += 1
        at += offset
        if len(data) < BLOCK or offset <= BLOCK - 3:
            break
    return count, at
