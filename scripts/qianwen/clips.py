"""How large and how long a clip or a sound is, read from its headers: MP4, QuickTime, WAV and MP3.

Matroska, Ogg, MPEG transport streams and ADTS are only told from each other.

The readers stand in the table of `media`, which imports this module only for a file that begins like one of these. A
reader gets the first bytes and the seekable stream of a file. It answers the fields that it found (`width` and `height`
in pixels as shown, `seconds`, `fps` as the average, `cut`, `fault`, and `type` where it knows better), or None where
the bytes belong to another format. Every walk is bounded. Needs no other module of ours but `record`.
"""

from __future__ import annotations

import io
import struct

from .record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Iterator

MOST_BOXES = 10_000  # looked at in one file, whatever their depth; a movie has some hundred
MOST_CHUNKS = 1_000
MOST_FRAMES = 640_000  # counted one by one: 15 MB of the smallest, which have 24 bytes; further ones are estimated
MOST_TAGS = 8
MOST_GAPS = 8  # between runs of frames
BLOCK = 262_144  # bytes
FRAME_SEARCH = 65_536  # bytes looked through for the next frame
LARGEST_FRAME = 2_881  # bytes: layer II, 160 kbit/s, 8 kHz
ADTS_HEADER = 7  # bytes
LARGEST_FTYP = 4_096  # bytes; it is a list of names
MOST_SECONDS = 1e7
MOST_FPS = 1e3
MOST_EDITS = 1_000
MOST_DOUBT = 0.2  # by which the clocks of a movie may differ; more is an error of who wrote it
MOST_SAMPLES = 200_000  # whose durations are read one by one
NO_INDEX = "has no index (moov): half of a download, or a recording that was not finished"
NO_PICTURES = "holds no pictures, only other tracks"
STILLS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
SAMPLES = (b"mdia", b"minf", b"stbl")  # where a track keeps the tables of its samples
KNOWN_BOXES = {
    *(b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"free", b"skip", b"wide"),
    *(b"uuid", b"meta", b"pdin", b"sidx", b"styp", b"udta", b"pnot", b"emsg", b"prft"),
}
"""At the top of a file. Behind them some cameras write data of their own, which looks like a box without end."""


def movie(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """MP4 and its kin, which begin with an `ftyp` box. Without a `moov` nobody can play it."""
    if not _begins_with_ftyp(head):
        return None
    boxes = _Boxes(stream)
    moov = boxes.first(boxes.whole, b"moov")
    if moov is None:
        return still(head, stream) if _brands(head) & STILLS else {"cut": boxes.are_cut(), "fault": NO_INDEX}
    found, kinds = _facts(boxes, moov)
    found["cut"] = boxes.are_cut()
    if b"vide" not in kinds and b"soun" in kinds and head[8:12] != b"qt  ":
        found["type"] = "audio/mp4"
    elif b"vide" not in kinds:
        found["fault"] = NO_PICTURES
    return found


def old_movie(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """QuickTime from before `ftyp`: any box may come first, and only a `moov` proves what it is."""
    boxes = _Boxes(stream)
    moov = boxes.first(boxes.whole, b"moov")
    if moov is None:
        return None
    found, kinds = _facts(boxes, moov)
    return {**found, "cut": boxes.are_cut(), "fault": "" if b"vide" in kinds else NO_PICTURES}


def still(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """HEIC and AVIF, told apart by their brands; their sizes are not read."""
    if not _begins_with_ftyp(head):
        return None
    if head[8:12] == b"crx ":
        return {}
    return {"type": "image/avif" if _brands(head) & {b"avif", b"avis"} else "image/heic"}


def _brands(head: bytes) -> set[bytes]:
    """The major brand and the compatible ones, with the version between them, which looks like none."""
    size = int.from_bytes(head[:4], "big")
    return {head[at : at + 4] for at in range(8, min(size, len(head)), 4)}


def _begins_with_ftyp(head: bytes) -> bool:
    """A believable size before the name; in a text the same bytes are letters, which make a huge number."""
    return 8 <= int.from_bytes(head[:4], "big") <= LARGEST_FTYP


@record
class _Box:
    """A stretch of the file from the first byte of the content to the one behind the last."""

    name: bytes
    start: int
    end: int


class _Boxes:
    """Looks for boxes by seeking from header to header, until MOST_BOXES are seen."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MOST_BOXES
        self.whole = _Box(b"", 0, stream.seek(0, io.SEEK_END))

    def within(self, box: _Box) -> Iterator[_Box]:
        """The boxes right inside a box, none longer than it; they end at the first that cannot be."""
        for inner in self._as_they_say(box):
            yield _Box(inner.name, inner.start, min(inner.end, box.end))

    def are_cut(self) -> bool:
        """Whether a box that a clip is made of says that it goes on behind the end of the file."""
        return any(box.end > self.whole.end and box.name in KNOWN_BOXES for box in self._as_they_say(self.whole))

    def _as_they_say(self, box: _Box) -> Iterator[_Box]:
        at = box.start
        while box.end - at >= 8 and self._left:
            self._left -= 1
            self._stream.seek(at)
            size, name = struct.unpack(">I4s", self._stream.read(8))
            start = at + 8
            if size == 1:
                size = int.from_bytes(self._stream.read(8), "big")
                start += 8
            end = at + size if size else box.end
            if end < start:
                return
            yield _Box(name, start, end)
            at = end

    def first(self, box: _Box, *path: bytes) -> _Box | None:
        """The box that is reached by taking the first of each name, level by level."""
        found: _Box | None = box
        for name in path:
            found = next((inner for inner in self.within(found) if inner.name == name), None) if found else None
        return found

    def unpack(self, box: _Box | None, *formats: str) -> tuple[Any, ...]:
        """What the content begins with, by the format for its version; zeros where it is too short or not there."""
        version = self._read(box, 1)[0] if len(formats) > 1 else 0
        layout = formats[min(version, len(formats) - 1)]
        return struct.unpack(layout, self._read(box, struct.calcsize(layout)))

    @property
    def is_tired(self) -> bool:
        """Whether MOST_BOXES are seen, and further ones were not."""
        return not self._left

    def durations(self, stts: _Box | None) -> tuple[int, int]:
        """The number of samples and the sum of their durations in ticks; zeros where there are too many entries."""
        (entries,) = self.unpack(stts, ">4xI")
        if stts is None or entries > MOST_SAMPLES:
            return 0, 0
        pairs = list(struct.iter_unpack(">II", self._read(stts, 8 + 8 * entries)[8:]))
        return sum(count for count, _ in pairs), sum(count * ticks for count, ticks in pairs)

    def edits(self, elst: _Box | None) -> Iterator[tuple[int, int]]:
        """The duration of each edit, in the movie's ticks, and where it begins in the track; none if there are many."""
        version, entries = self.unpack(elst, ">B3xI")
        layout = ">Qq4x" if version else ">Ii4x"
        if elst is None or entries > MOST_EDITS:
            return iter(())
        return struct.iter_unpack(layout, self._read(elst, 8 + struct.calcsize(layout) * entries)[8:])

    def run(self, trun: _Box, usual: int, most: int) -> tuple[int, int]:
        """The same of the samples of a fragment, each of `usual` ticks where they have none of their own."""
        flags, count = self.unpack(trun, ">II")
        flags &= 0xFFFFFF
        if not flags & 0x100 or count > most:
            return count, count * usual
        start = 8 + 4 * (flags & 1) + (flags & 4)
        size = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
        data = self._read(trun, start + count * size)[start:]
        return count, sum(ticks for (ticks,) in struct.iter_unpack(f">I{size - 4}x", data))

    def _read(self, box: _Box | None, size: int) -> bytes:
        if box is None or box.end - box.start < size:
            return bytes(size)
        return _bytes_at(self._stream, box.start, size)


def _facts(boxes: _Boxes, moov: _Box) -> tuple[dict[str, Any], set[bytes]]:
    """The fields of a movie, and the kinds of its tracks (`vide`, `soun`, …)."""
    tracks = [(_kind(boxes, box), box) for box in boxes.within(moov) if box.name == b"trak"]
    every_one = [box for _, box in tracks]
    fragments = boxes.first(moov, b"mvex")
    found: dict[str, Any] = {}
    rates: dict[int, float] = {}
    if fragments:
        found["seconds"], rates = _time_of_fragments(boxes, moov, fragments, every_one)
    else:
        found.update(_seconds(boxes, moov, every_one))
    videos = [box for kind, box in tracks if kind == b"vide"]
    if videos:
        video = next((box for box in videos if _is_enabled(boxes, box)), videos[0])
        found["width"], found["height"] = _shown_size(boxes, video)
        found["fps"] = rates.get(_number(boxes, video), 0.0) if fragments else _rate(boxes, video)
    return found, {kind for kind, _ in tracks}


def _kind(boxes: _Boxes, track: _Box) -> bytes:
    (kind,) = boxes.unpack(boxes.first(track, b"mdia", b"hdlr"), ">8x4s")
    return bytes(kind)


def _is_enabled(boxes: _Boxes, track: _Box) -> bool:
    """A movie may hold pictures that are not part of the show, such as those of its chapters."""
    (flags,) = boxes.unpack(boxes.first(track, b"tkhd"), ">I")
    return bool(flags & 1)


def _shown_size(boxes: _Boxes, track: _Box) -> tuple[int, int]:
    """Width and height in pixels, after the turn that the matrix makes."""
    header = boxes.first(track, b"tkhd")
    a, b, c, d, width, height = boxes.unpack(header, ">40x ii4x ii16x II", ">52x ii4x ii16x II")
    if a == d == 0 and b and c:
        width, height = height, width
    return width >> 16, height >> 16


def _rate(boxes: _Boxes, track: _Box) -> float:
    """Frames per second: the samples of the track over the sum of their durations, else over what its clock says."""
    table = boxes.first(track, *SAMPLES)
    duration, scale = _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))
    samples, total = boxes.durations(table and boxes.first(table, b"stts"))
    if not total:
        sizes = table and (boxes.first(table, b"stsz") or boxes.first(table, b"stz2"))
        (samples,), total = boxes.unpack(sizes, ">8xI"), duration
    return _sane(_ratio(samples * scale, total), MOST_FPS)


def _seconds(boxes: _Boxes, moov: _Box, tracks: list[_Box]) -> dict[str, float]:
    """`seconds`, and `other_seconds` where the clock of the movie says something else than its longest track does.

    Some recorders leave one of the clocks wrong. Then the tables of the samples are right.
    """
    duration, scale = _clock(boxes, boxes.first(moov, b"mvhd"))
    whole = _sane(_ratio(duration, scale), MOST_SECONDS)
    longest = max((_seconds_of_track(boxes, track, scale) for track in tracks), default=0.0)
    if not whole or abs(whole - longest) <= MOST_DOUBT * whole:
        return {"seconds": whole or longest}
    by_tables = max((_ratio_of_samples(boxes, track) for track in tracks), default=0.0)
    return {"seconds": longest, "other_seconds": whole} if by_tables else {"seconds": whole}


def _seconds_of_track(boxes: _Boxes, track: _Box, scale: int) -> float:
    """By its edit list, whose unit is the movie's, else by its samples, else by its own clock."""
    edits = boxes.first(track, b"edts", b"elst")
    ticks = sum(duration for duration, _ in boxes.edits(edits))
    by_clock = _ratio(*_clock(boxes, boxes.first(track, b"mdia", b"mdhd")))
    return _sane(_ratio(ticks, scale) or _ratio_of_samples(boxes, track) or by_clock, MOST_SECONDS)


def _ratio_of_samples(boxes: _Boxes, track: _Box) -> float:
    _, ticks = boxes.durations(boxes.first(track, *SAMPLES, b"stts"))
    return _ratio(ticks, _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))[1])


def _time_of_fragments(
    boxes: _Boxes, moov: _Box, fragments: _Box, tracks: list[_Box]
) -> tuple[float, dict[int, float]]:
    """Seconds, and frames per second by the number of the track; the other durations are those of the first part.

    `mehd` may tell the seconds; else the durations of the samples are added up, those of the first part and of every
    fragment.
    """
    clocks = {_number(boxes, track): _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))[1] for track in tracks}
    usual = {}
    for box in boxes.within(fragments):
        if box.name == b"trex":
            number, duration = boxes.unpack(box, ">4xI4xI")
            usual[number] = duration
    first = {_number(boxes, track): boxes.durations(boxes.first(track, *SAMPLES, b"stts")) for track in tracks}
    sums = _sums_of_fragments(boxes, usual, first)
    each = {number: _ratio(ticks, clocks.get(number, 0)) for number, (_, ticks) in sums.items()}
    rates = {number: _sane(_ratio(sums[number][0], seconds), MOST_FPS) for number, seconds in each.items()}
    (duration,) = boxes.unpack(boxes.first(fragments, b"mehd"), ">4xI", ">4xQ")
    told = _ratio(duration, _clock(boxes, boxes.first(moov, b"mvhd"))[1])
    return _sane(told or max(each.values(), default=0.0), MOST_SECONDS), rates


def _sums_of_fragments(
    boxes: _Boxes, usual: dict[int, int], first: dict[int, tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    """By the number of the track: how many samples it has, and how many ticks they last.

    Nothing where there are more than anybody counts.  usual: the ticks of a sample that says nothing of its own.
    first: the same sums of the part before the fragments.
    """
    sums = dict(first)
    left = MOST_SAMPLES
    for moof in boxes.within(boxes.whole):
        for traf in boxes.within(moof) if moof.name == b"moof" else ():
            number, ticks = 0, 0
            for box in boxes.within(traf):
                if box.name == b"tfhd":
                    number, own = _fragment_header(boxes, box)
                    ticks = usual.get(number, 0) if own is None else own
                elif box.name == b"trun":
                    count, total = boxes.run(box, ticks, left)
                    left -= count
                    samples, before = sums.get(number, (0, 0))
                    sums[number] = samples + count, before + total
    return {} if boxes.is_tired or left < 0 else sums


def _fragment_header(boxes: _Boxes, tfhd: _Box) -> tuple[int, int | None]:
    """The number of the track, and the ticks of each sample where the fragment has its own."""
    flags, number = boxes.unpack(tfhd, ">II")
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    return number, boxes.unpack(tfhd, f">{at}xI")[0] if flags & 8 else None


def _number(boxes: _Boxes, track: _Box) -> int:
    (number,) = boxes.unpack(boxes.first(track, b"tkhd"), ">12xI", ">20xI")
    return int(number)


def _clock(boxes: _Boxes, header: _Box | None) -> tuple[int, int]:
    """The duration in ticks, 0 where it is unknown, and the ticks a second, of an `mvhd` or `mdhd`."""
    scale, duration = boxes.unpack(header, ">12xII", ">20xIQ")
    is_unknown = duration in (2**32 - 1, 2**64 - 1)
    return (0 if is_unknown else duration), scale


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


def matroska(head: bytes, stream: BinaryIO) -> dict[str, Any]:
    """WebM is a Matroska that says so."""
    _, _, name = head.partition(b"\x42\x82")
    return {"type": "video/webm"} if name[1:5] == b"webm" else {}


def ogg(head: bytes, stream: BinaryIO) -> dict[str, Any]:
    return {"type": "video/ogg"} if b"\x80theora" in head else {}


def transport_stream(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """Three packets in a row begin alike, each perhaps behind four bytes of time."""
    extra = 0 if head[:1] == b"G" else 4
    starts = range(extra, 3 * (188 + extra), 188 + extra)
    return {} if all(head[at : at + 1] == b"G" for at in starts) else None


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
