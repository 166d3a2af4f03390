"""The size and length of a clip, from the headers of MP4 and QuickTime; Matroska and MPEG-TS are only recognized.

Sources: ISO/IEC 14496-12 (boxes) and Apple's QuickTime File Format; RFC 8794 (EBML); ITU-T H.222.0 (transport stream).

`media.FORMATS` names the readers and imports this module only for a file that begins like one of these. A reader gets
the first bytes and the seekable stream of a file. It returns fields of `media.Facts` (`width` and `height` in pixels as
displayed, `fps` as the average), or None if the bytes belong to another format. Every loop is bounded.
"""

from __future__ import annotations

import io
import struct

from ..plain.record import record
from .sounds import MOST_SECONDS, bytes_at, ratio, sane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Iterator

MOST_BOXES = 10_000  # read in one file, at all depths; a movie has some hundred
LARGEST_FTYP = 4_096  # bytes; it is a list of brands
MOST_FPS = 1e3
MOST_EDITS = 1_000
MOST_DOUBT = 0.2  # relative difference between the clocks of a movie; above it, one of them is wrong
MOST_SAMPLES = 200_000  # above it, durations are not read one by one
NO_INDEX = "has no index (moov): an incomplete download, or a recording that was not finished"
NO_PICTURES = "holds no pictures, only other tracks"
STILLS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
SAMPLES = (b"mdia", b"minf", b"stbl")  # the path to a track's sample tables
KNOWN_BOXES = {
    *(b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"free", b"skip", b"wide"),
    *(b"uuid", b"meta", b"pdin", b"sidx", b"styp", b"udta", b"pnot", b"emsg", b"prft"),
}
"""Top-level boxes. Some cameras append data of their own, which looks like a box without an end."""


def movie(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """MP4 and related formats, which begin with an `ftyp` box. Without a `moov` box they cannot be played."""
    if not _begins_with_ftyp(head):
        return None
    boxes = _Boxes(stream)
    moov = boxes.first(boxes.whole, b"moov")
    if moov is None:
        return still(head, stream) if _brands(head) & STILLS else {"cut": boxes.are_cut(), "fault": NO_INDEX}
    fields, handlers = _facts(boxes, moov)
    fields["cut"] = boxes.are_cut()
    if b"vide" not in handlers and b"soun" in handlers and head[8:12] != b"qt  ":
        fields["type"] = "audio/mp4"
    elif b"vide" not in handlers:
        fields["fault"] = NO_PICTURES
    return fields


def old_movie(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """QuickTime without `ftyp`: any box may come first, so only a `moov` box proves the format."""
    boxes = _Boxes(stream)
    moov = boxes.first(boxes.whole, b"moov")
    if moov is None:
        return None
    fields, handlers = _facts(boxes, moov)
    return {**fields, "cut": boxes.are_cut(), "fault": "" if b"vide" in handlers else NO_PICTURES}


def still(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """HEIC or AVIF, by their brands. Their sizes are not read."""
    if not _begins_with_ftyp(head):
        return None
    if head[8:12] == b"crx ":
        return {}
    return {"type": "image/avif" if _brands(head) & {b"avif", b"avis"} else "image/heic"}


def _brands(head: bytes) -> set[bytes]:
    """The major and compatible brands; the version between them is included, but matches no brand."""
    size = int.from_bytes(head[:4], "big")
    return {head[at : at + 4] for at in range(8, min(size, len(head)), 4)}


def _begins_with_ftyp(head: bytes) -> bool:
    """A plausible size before the name: in a text these bytes are letters, which make a huge number."""
    return 8 <= int.from_bytes(head[:4], "big") <= LARGEST_FTYP


@record
class _Box:
    """The content of a box: offsets of its first byte and of the byte behind its last."""

    name: bytes
    start: int
    end: int


class _Boxes:
    """Finds boxes by seeking from header to header, up to MOST_BOXES in all."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MOST_BOXES
        self.whole = _Box(b"", 0, stream.seek(0, io.SEEK_END))

    def within(self, box: _Box) -> Iterator[_Box]:
        """The child boxes, cut to the end of their parent; stops at the first invalid one."""
        for inner in self._as_declared(box):
            yield _Box(inner.name, inner.start, min(inner.end, box.end))

    def are_cut(self) -> bool:
        """Whether a known top-level box declares an end behind the end of the file."""
        return any(box.end > self.whole.end and box.name in KNOWN_BOXES for box in self._as_declared(self.whole))

    def _as_declared(self, box: _Box) -> Iterator[_Box]:
        """The child boxes with the ends that they declare themselves."""
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
        """The box at the end of the path; at each level the first box of the name."""
        for name in path:
            inner = next((inner for inner in self.within(box) if inner.name == name), None)
            if inner is None:
                return None
            box = inner
        return box

    def unpack(self, box: _Box | None, *formats: str) -> tuple[Any, ...]:
        """The first fields of the content, in the format for its version; zeros if it is missing or too short."""
        version = self._read(box, 1)[0] if len(formats) > 1 else 0
        layout = formats[min(version, len(formats) - 1)]
        return struct.unpack(layout, self._read(box, struct.calcsize(layout)))

    @property
    def is_exhausted(self) -> bool:
        """Whether MOST_BOXES were read, so that others were skipped."""
        return not self._left

    def durations(self, stts: _Box | None) -> tuple[int, int]:
        """(number of samples, sum of their durations in ticks); zeros if there are too many entries."""
        (entries,) = self.unpack(stts, ">4xI")
        if stts is None or entries > MOST_SAMPLES:
            return 0, 0
        pairs = list(struct.iter_unpack(">II", self._read(stts, 8 + 8 * entries)[8:]))
        return sum(count for count, _ in pairs), sum(count * ticks for count, ticks in pairs)

    def edits(self, elst: _Box | None) -> Iterator[tuple[int, int]]:
        """(duration in the movie's ticks, start in the track) of each edit; nothing if there are too many."""
        version, entries = self.unpack(elst, ">B3xI")
        layout = ">Qq4x" if version else ">Ii4x"
        if elst is None or entries > MOST_EDITS:
            return iter(())
        return struct.iter_unpack(layout, self._read(elst, 8 + struct.calcsize(layout) * entries)[8:])

    def run(self, trun: _Box, default: int, most: int) -> tuple[int, int]:
        """(number of samples, sum of their ticks) of a fragment.

        default: ticks of a sample that declares none, and of all samples if there are more than `most`.
        """
        flags, count = self.unpack(trun, ">II")
        flags &= 0xFFFFFF
        if not flags & 0x100 or count > most:
            return count, count * default
        start = 8 + 4 * (flags & 1) + (flags & 4)
        size = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
        data = self._read(trun, start + count * size)[start:]
        return count, sum(ticks for (ticks,) in struct.iter_unpack(f">I{size - 4}x", data))

    def _read(self, box: _Box | None, size: int) -> bytes:
        if box is None or box.end - box.start < size:
            return bytes(size)
        return bytes_at(self._stream, box.start, size)


def _facts(boxes: _Boxes, moov: _Box) -> tuple[dict[str, Any], set[bytes]]:
    """(fields of `media.Facts`, handler types of the tracks such as `vide` and `soun`)."""
    tracks = [(_handler(boxes, box), box) for box in boxes.within(moov) if box.name == b"trak"]
    all_tracks = [box for _, box in tracks]
    fragments = boxes.first(moov, b"mvex")
    fields: dict[str, Any] = {}
    rates: dict[int, float] = {}
    if fragments:
        fields["seconds"], rates = _time_of_fragments(boxes, moov, fragments, all_tracks)
    else:
        fields.update(_seconds(boxes, moov, all_tracks))
    videos = [box for handler, box in tracks if handler == b"vide"]
    if videos:
        video = next((box for box in videos if _is_enabled(boxes, box)), videos[0])
        fields["width"], fields["height"] = _displayed_size(boxes, video)
        fields["fps"] = rates.get(_track_id(boxes, video), 0.0) if fragments else _frame_rate(boxes, video)
    return fields, {handler for handler, _ in tracks}


def _handler(boxes: _Boxes, track: _Box) -> bytes:
    (handler,) = boxes.unpack(boxes.first(track, b"mdia", b"hdlr"), ">8x4s")
    return bytes(handler)


def _is_enabled(boxes: _Boxes, track: _Box) -> bool:
    """A movie may have disabled picture tracks, such as chapter images."""
    (flags,) = boxes.unpack(boxes.first(track, b"tkhd"), ">I")
    return bool(flags & 1)


def _displayed_size(boxes: _Boxes, track: _Box) -> tuple[int, int]:
    """Width and height in pixels, after the rotation by the track's matrix."""
    header = boxes.first(track, b"tkhd")
    a, b, c, d, width, height = boxes.unpack(header, ">40x ii4x ii16x II", ">52x ii4x ii16x II")
    if a == d == 0 and b and c:
        width, height = height, width
    return width >> 16, height >> 16


def _frame_rate(boxes: _Boxes, track: _Box) -> float:
    """Frames per second: the number of samples over the sum of their durations, else over the track's duration."""
    table = boxes.first(track, *SAMPLES)
    duration, scale = _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))
    samples, total = boxes.durations(table and boxes.first(table, b"stts"))
    if not total:
        sizes = table and (boxes.first(table, b"stsz") or boxes.first(table, b"stz2"))
        (samples,), total = boxes.unpack(sizes, ">8xI"), duration
    return sane(ratio(samples * scale, total), MOST_FPS)


def _seconds(boxes: _Boxes, moov: _Box, tracks: list[_Box]) -> dict[str, float]:
    """`seconds`, and `other_seconds` if the movie's header contradicts its longest track.

    Some recorders write one of them wrong. Then the sample tables are right.
    """
    duration, scale = _clock(boxes, boxes.first(moov, b"mvhd"))
    whole = sane(ratio(duration, scale), MOST_SECONDS)
    longest = max((_seconds_of_track(boxes, track, scale) for track in tracks), default=0.0)
    if not whole or abs(whole - longest) <= MOST_DOUBT * whole:
        return {"seconds": whole or longest}
    by_tables = max((_seconds_of_samples(boxes, track) for track in tracks), default=0.0)
    return {"seconds": longest, "other_seconds": whole} if by_tables else {"seconds": whole}


def _seconds_of_track(boxes: _Boxes, track: _Box, scale: int) -> float:
    """By its edit list, else by its samples, else by its header. scale: the movie's, the unit of edit lists."""
    edits = boxes.first(track, b"edts", b"elst")
    ticks = sum(duration for duration, _ in boxes.edits(edits))
    by_header = ratio(*_clock(boxes, boxes.first(track, b"mdia", b"mdhd")))
    return sane(ratio(ticks, scale) or _seconds_of_samples(boxes, track) or by_header, MOST_SECONDS)


def _seconds_of_samples(boxes: _Boxes, track: _Box) -> float:
    _, ticks = boxes.durations(boxes.first(track, *SAMPLES, b"stts"))
    return ratio(ticks, _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))[1])


def _time_of_fragments(
    boxes: _Boxes, moov: _Box, fragments: _Box, tracks: list[_Box]
) -> tuple[float, dict[int, float]]:
    """(seconds, frames per second by track id) of a fragmented movie, whose other headers cover only the first part.

    The seconds stand in `mehd`; without it, add up the samples of the first part and of every fragment.
    """
    scales = {_track_id(boxes, track): _clock(boxes, boxes.first(track, b"mdia", b"mdhd"))[1] for track in tracks}
    defaults = {}
    for box in boxes.within(fragments):
        if box.name == b"trex":
            track_id, duration = boxes.unpack(box, ">4xI4xI")
            defaults[track_id] = duration
    first = {_track_id(boxes, track): boxes.durations(boxes.first(track, *SAMPLES, b"stts")) for track in tracks}
    sums = _sums_of_fragments(boxes, defaults, first)
    lengths = {track_id: ratio(ticks, scales.get(track_id, 0)) for track_id, (_, ticks) in sums.items()}
    rates = {track_id: sane(ratio(sums[track_id][0], seconds), MOST_FPS) for track_id, seconds in lengths.items()}
    (duration,) = boxes.unpack(boxes.first(fragments, b"mehd"), ">4xI", ">4xQ")
    declared = ratio(duration, _clock(boxes, boxes.first(moov, b"mvhd"))[1])
    return sane(declared or max(lengths.values(), default=0.0), MOST_SECONDS), rates


def _sums_of_fragments(
    boxes: _Boxes, defaults: dict[int, int], first: dict[int, tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    """Track id → (number of samples, sum of their ticks); empty if there are more than we read.

    defaults: track id → ticks of a sample that declares none.
    first: the same sums of the part before the fragments.
    """
    sums = dict(first)
    left = MOST_SAMPLES
    for moof in boxes.within(boxes.whole):
        for traf in boxes.within(moof) if moof.name == b"moof" else ():
            track_id, ticks = 0, 0
            for box in boxes.within(traf):
                if box.name == b"tfhd":
                    track_id, own = _fragment_header(boxes, box)
                    ticks = defaults.get(track_id, 0) if own is None else own
                elif box.name == b"trun":
                    count, total = boxes.run(box, ticks, left)
                    left -= count
                    samples, before = sums.get(track_id, (0, 0))
                    sums[track_id] = samples + count, before + total
    return {} if boxes.is_exhausted or left < 0 else sums


def _fragment_header(boxes: _Boxes, tfhd: _Box) -> tuple[int, int | None]:
    """(track id, default ticks of a sample in this fragment, or None)."""
    flags, track_id = boxes.unpack(tfhd, ">II")
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    return track_id, boxes.unpack(tfhd, f">{at}xI")[0] if flags & 8 else None


def _track_id(boxes: _Boxes, track: _Box) -> int:
    (track_id,) = boxes.unpack(boxes.first(track, b"tkhd"), ">12xI", ">20xI")
    return int(track_id)


def _clock(boxes: _Boxes, header: _Box | None) -> tuple[int, int]:
    """(duration in ticks or 0 if unknown, ticks a second) of an `mvhd` or `mdhd`."""
    scale, duration = boxes.unpack(header, ">12xII", ">20xIQ")
    is_unknown = duration in (2**32 - 1, 2**64 - 1)
    return (0 if is_unknown else duration), scale


def matroska(head: bytes, stream: BinaryIO) -> dict[str, Any]:
    """Matroska, or WebM by the DocType in its EBML header."""
    _, _, name = head.partition(b"\x42\x82")
    return {"type": "video/webm"} if name[1:5] == b"webm" else {}


def transport_stream(head: bytes, stream: BinaryIO) -> dict[str, Any] | None:
    """Three packets in a row begin with the sync byte; cameras put a timestamp of four bytes before each."""
    extra = 0 if head[:1] == b"G" else 4
    starts = range(extra, 3 * (188 + extra), 188 + extra)
    return {} if all(head[at : at + 1] == b"G" for at in starts) else None
