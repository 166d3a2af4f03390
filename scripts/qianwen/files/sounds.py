"""The length of a sound, from the headers of WAV and MP3; AAC and Ogg are only recognized.

Sources: WAV: Microsoft/IBM Multimedia Programming Interface 1.0. MP3: ISO/IEC 11172-3 and 13818-3, section 2.4.
ADTS: ISO/IEC 13818-7, section 6.2. ID3v2.4: id3.org, section 3.
"""

from __future__ import annotations

import io
import struct

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

MOST_CHUNKS = 1_000
MOST_FRAMES = 640_000  # counted one by one: 15 MB of the smallest frames (24 bytes); the rest is estimated
MOST_TAGS = 8
MOST_GAPS = 8  # between runs of frames
BLOCK = 262_144  # bytes
FRAME_SEARCH = 65_536  # bytes searched for the next frame
LARGEST_FRAME = 2_881  # bytes: layer II, 160 kbit/s, 8 kHz
ADTS_HEADER = 7  # bytes

MOST_SECONDS = 1e7
UNKNOWN_SAMPLES = 2**32 - 1  # of a WAV that was streamed


def ratio(count: float, unit: float) -> float:
    return count / unit if unit else 0.0


def sane(value: float, most: float) -> float:
    """Rounded to three decimals; 0 if it is above `most`, so that the header must be wrong."""
    return round(value, 3) if value <= most else 0.0


def wav(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """RIFF WAVE: the size of the `data` chunk over the byte rate in the `fmt ` chunk before it.

    For codings such as ADPCM some programs write a wrong byte rate; then the `fact` chunk has the number of samples.
    RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088) have the same layout, but most programs cannot read them as WAV.
    """
    if head[:4] != b"RIFF":
        return {"type": "audio/x-rf64"} if head[:4] in (b"RF64", b"BW64") else None
    size = stream.seek(0, io.SEEK_END)
    at, rate, hertz, samples = 12, 0, 0, 0
    for _ in range(MOST_CHUNKS):
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8))
        at += 8
        if name == b"fmt ":
            coding, hertz, rate = struct.unpack("<H2xII", stream.read(12))
            hertz = 0 if coding in _EVEN_CODINGS else hertz
        elif name == b"fact":
            samples = int.from_bytes(stream.read(4), "little") % UNKNOWN_SAMPLES
        elif name == b"data":
            streamed = length == 0 or at + length > size  # the writer could not seek back to fill in the length
            by_bytes = ratio(size - at if streamed else length, rate)
            return {"seconds": sane(ratio(samples, hertz) or by_bytes, MOST_SECONDS)}
        at += length + length % 2
    return {}


_EVEN_CODINGS = {1, 3, 6, 7, 0xFFFE}  # PCM, float, A-law, µ-law, extensible: their byte rate is exact


@record
class _Frame:
    """The header of an MPEG audio frame. Frames of one stream have the same `family`."""

    family: tuple[int, int]
    mono: bool
    halvings: int
    bytes: int
    samples: int
    rate: int


_KBITS = {  # by (is MPEG-1, layer); the first entry is index 1
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

_RATES = (44_100, 48_000, 32_000)  # Hz of MPEG-1; halved for MPEG-2 and again for MPEG-2.5

_HALVINGS = {3: 0, 2: 1, 0: 2}  # by the two version bits; 1 is reserved


def mp3(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """MPEG audio, after any ID3v2 tags. Without a tag, the file must begin with two frames in a row."""
    size = stream.seek(0, io.SEEK_END)
    start = _end_of_tags(stream)
    if start and (other := _other_sound(bytes_at(stream, start, 4))):
        return {"type": other}
    first = _next_frame(stream, start, FRAME_SEARCH if start else 1)
    if first is None:
        return {} if start else None
    at, frame = first
    frames = _declared_frames(bytes_at(stream, at, 64), frame) or _count_frames(stream, at, size, frame)
    return {"seconds": sane(frames * frame.samples / frame.rate, MOST_SECONDS)}


def bytes_at(stream: BinaryIO, at: int, size: int) -> bytes:
    stream.seek(at)
    return stream.read(size)


def _end_of_tags(stream: BinaryIO) -> int:
    """The offset behind the ID3v2 tags at the beginning; 0 without one. Their size has seven bits a byte."""
    at = 0
    for _ in range(MOST_TAGS):
        tag = bytes_at(stream, at, 10)
        if len(tag) < 10 or tag[:3] != b"ID3" or not 2 <= tag[3] <= 4 or max(tag[6:]) > 0x7F:
            break
        footer = 10 if tag[5] & 0x10 else 0
        at += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + footer
    return at


def _other_sound(data: bytes) -> str:
    """Some programs put ID3v2 tags before FLAC and AAC (ADTS) too."""
    is_adts = len(data) == 4 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return "audio/flac" if data == b"fLaC" else "audio/aac" if is_adts else ""


def adts(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """A raw AAC stream: two frames in a row. The length of a frame has 13 bits."""
    length = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
    if length <= ADTS_HEADER:
        return None
    frames = (head[:4], bytes_at(stream, length, 4))
    return {} if all(_other_sound(frame) == "audio/aac" for frame in frames) else None


def ogg(head: bytes, stream: BinaryIO) -> dict[str, Any]:
    return {"type": "video/ogg"} if b"\x80theora" in head else {}


def _frame(header: bytes) -> _Frame | None:
    """The frame with this header of four bytes; None too for free format, which does not declare its length."""
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
    """(offset, frame) of the first frame within `reach` bytes that another frame of its family follows directly."""
    data = bytes_at(stream, start, reach + LARGEST_FRAME + 4)
    at = data.find(b"\xff", 0, reach)
    while at >= 0:
        frame = _frame(data[at : at + 4])
        if frame:
            next_one = _frame(data[at + frame.bytes : at + frame.bytes + 4])
            if next_one and next_one.family == frame.family:
                return start + at, frame
        at = data.find(b"\xff", at + 1, reach)
    return None


def _declared_frames(data: bytes, frame: _Frame) -> int:
    """The number of frames in the Xing, Info or VBRI header inside the first frame; 0 without one."""
    if data[36:40] == b"VBRI":
        return int.from_bytes(data[50:54], "big")
    at = 4 + (9 if frame.mono else 17) if frame.halvings else 4 + (17 if frame.mono else 32)
    name, flags, frames = struct.unpack_from(">4sII", data.ljust(64, b"\x00"), at)
    return int(frames) if name in (b"Xing", b"Info") and flags & 1 else 0


def _count_frames(stream: BinaryIO, start: int, size: int, first: _Frame) -> float:
    """The number of frames to the end, across a few gaps; beyond MOST_FRAMES it is estimated from the bytes."""
    lengths = _lengths(first.family)
    frames, at = 0, start
    for _ in range(MOST_GAPS):
        count, at = _run_of_frames(stream, at, lengths, MOST_FRAMES - frames)
        frames += count
        if frames == MOST_FRAMES:
            return frames * (size - start) / (at - start)
        following = _next_frame(stream, at, FRAME_SEARCH)
        if following is None or following[1].family != first.family:
            break
        at = following[0]
    return frames


def _lengths(family: tuple[int, int]) -> dict[bytes, int]:
    """First three bytes of a frame → its length, for every frame header of a family."""
    lengths = {}
    for second in (family[0], family[0] | 1):
        for third in range(256):
            frame = _frame(bytes((0xFF, second, third, 0)))
            if frame and frame.family == family:
                lengths[bytes((0xFF, second, third))] = frame.bytes
    return lengths


def _run_of_frames(stream: BinaryIO, at: int, lengths: dict[bytes, int], most: int) -> tuple[int, int]:
    """(number of frames without a gap from `at`, at most `most`; offset where they end)."""
    count = 0
    while count < most:
        data = bytes_at(stream, at, BLOCK)
        offset = 0
        while count < most and (length := lengths.get(data[offset : offset + 3])):
            offset += length
            count += 1
        at += offset
        if len(data) < BLOCK or offset <= BLOCK - 3:
            break
    return count, at
