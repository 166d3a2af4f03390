"""What a file is, read from its own bytes; names and declared types are never believed.

`probe` knows the formats that the models take: pictures (PNG, JPEG, WebP, BMP, GIF, TIFF), clips (MP4, MOV) and sounds
(WAV, MP3). It also knows many that no model takes but people have, so that a message can name them; `conversions` says
how to turn those into something else. A format is a row of `FORMATS`: the bytes that betray it, its media type, and the
reader of the other facts. The readers of clips and sounds stand in `clips`.
"""

from __future__ import annotations

import io
import struct

from . import documents
from .record import changed, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Optional

    _Fields = dict[str, Any]  # of Facts; a reader answers None when the next bytes rule its format out
    _Reader = Callable[[bytes, BinaryIO], Optional[_Fields]]


@record
class Facts:
    """What the bytes say. Pixels, seconds and frames per second are 0 where the header is damaged or does not tell.

    width, height: as shown, so after the turn that EXIF or a clip's matrix asks for.
    turn: the EXIF orientation, 1 to 8; from 5 on the stored picture has width and height the other way round.
    many: it holds several pictures, as frames or pages.
    cut: a clip says that it is longer than the file.  fault: why it cannot be used as what it is, in words.
    other_seconds: what another part of a clip's header says, where that is much more or less.
    ends_early: a picture or a sound breaks off before its end; only `examine` looks.
    """

    type: str
    width: int = 0
    height: int = 0
    alpha: bool = False
    seconds: float = 0.0
    fps: float = 0.0
    cut: bool = False
    turn: int = 1
    many: bool = False
    fault: str = ""
    other_seconds: float = 0.0
    ends_early: bool = False


HEAD_BYTES = 512
MOST_JPEG_STEPS = 4096  # markers and stray bytes before the frame header; bounds the walk through garbage
SHORTEST_BASE64, BASE64_SAMPLE = 16, 8192  # characters
MOST_PNG_CHUNKS = 20_000  # 160 MB of those that most programs write
MOST_CHUNKS = 4096  # of a WebP; animations have one a frame
MOST_GIF_BLOCKS = 20_000  # of 255 bytes at most, looked through for a second picture
MARKUP_BYTES = 4096  # looked through for the first element of an SVG; editors put long comments before it
BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

SIZED_IN_HEADER = frozenset({"image/png", "image/webp", "image/bmp", "image/gif"})  # always, in a whole file

TAKEN = frozenset(
    {
        *("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff"),
        *("video/mp4", "video/quicktime", "audio/wav", "audio/mpeg"),
    }
)
"""What at least one model takes. Everything else is known only by name."""

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/tiff": ".tiff",
    "image/heic": ".heic",
    "image/avif": ".avif",
    "image/jxl": ".jxl",
    "image/jp2": ".jp2",
    "image/svg+xml": ".svg",
    "image/x-icon": ".ico",
    "image/x-photoshop": ".psd",
    "image/x-raw": ".raw",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "video/x-flv": ".flv",
    "video/x-ms-asf": ".wmv",
    "video/mpeg": ".mpg",
    "video/mp2t": ".ts",
    "video/ogg": ".ogv",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/aac": ".aac",
    "audio/aiff": ".aiff",
    "audio/amr": ".amr",
    "audio/basic": ".au",
    "audio/x-caf": ".caf",
    "audio/x-w64": ".w64",
    "audio/x-rf64": ".wav",
    "application/pdf": ".pdf",
    "text/html": ".html",
    "text/x-git-lfs": ".txt",
    **documents.SUFFIXES,
}


TAIL_BYTES = 65536
LARGEST_RIFF = 2**31 - 2**16  # bytes; who streams a WAV and cannot know its length writes a number near 2^31 or 2^32
_ENDS = {"image/jpeg": b"\xff\xd9", "image/gif": b"\x00;"}


def lacks_its_end(stream: BinaryIO, kind: str) -> bool:
    """Whether a picture or a WAV breaks off before the end that its format promises. Others are not judged.

    For a file of which nobody said how long it is; whole pictures with careless ends are seen too.
    """
    size = stream.seek(0, io.SEEK_END)
    if kind in ("image/webp", "audio/wav"):
        stream.seek(4)
        promised = int.from_bytes(stream.read(4), "little") + 8
        return size < promised <= LARGEST_RIFF
    if kind == "image/png":
        return not _reaches_its_end(stream, size)
    stream.seek(max(size - TAIL_BYTES, 0))
    return kind in _ENDS and _ENDS[kind] not in stream.read()


def _reaches_its_end(stream: BinaryIO, size: int) -> bool:
    """Whether the chunks of a PNG lead to its last one, whatever stands behind; so many that nobody counts do."""
    at = 8
    for _ in range(MOST_PNG_CHUNKS):
        stream.seek(at)
        header = stream.read(8)
        at += int.from_bytes(header[:4], "big") + 12
        if at > size or header[4:] == b"IEND":
            return at <= size
    return True


def same_kind(left: str, right: str) -> bool:
    """Whether two suffixes mean the same, whatever their spelling."""
    spellings = {".jpeg": ".jpg", ".tif": ".tiff"}
    return spellings.get(left.lower(), left.lower()) == right


def probe(stream: BinaryIO) -> Facts | None:
    """The facts of a seekable binary stream, or None when it is no format that we know.

    Reads a few hundred bytes, and few more further in; only an MP3 without a count of its frames is read to its end.
    Never raises on bad bytes.
    """
    head = stream.read(HEAD_BYTES)
    for offset, magic, kind, reader in FORMATS:
        if head[offset : offset + len(magic)] == magic:
            try:
                fields = reader(head, stream)
            except (struct.error, LookupError, ValueError, OverflowError):
                return Facts(kind)
            if fields is not None:
                return changed(Facts(kind), **fields)
    return None


def probe_bytes(data: bytes) -> Facts | None:
    return probe(io.BytesIO(data))


def examine(stream: BinaryIO) -> Facts | None:
    """`probe` for a file that is about to be sent: its last 64 KiB are looked at as well."""
    facts = probe(stream)
    return changed(facts, ends_early=True) if facts and lacks_its_end(stream, facts.type) else facts


def probe_data_url(text: str) -> tuple[int, Facts | None]:
    """The size in bytes and the facts of what a `data:<type>;base64,…` URL holds; its declared type is not believed.

    Raises ValueError with words for the user.
    """
    import base64

    head, comma, encoded = text.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise ValueError("is no data:<type>;base64,<bytes> URL")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ValueError("is no valid base64") from None
    return len(data), examine(io.BytesIO(data))


def bare_base64(text: str) -> str:
    """The media type of what a text holds if it is base64 without the head of a data: URL, else an empty text.

    Only its beginning is decoded.
    """
    import base64
    import binascii

    sample = "".join(text.rpartition("base64,")[2][:BASE64_SAMPLE].split())
    try:
        facts = probe_bytes(base64.b64decode(sample[: len(sample) // 4 * 4], validate=True))
    except (binascii.Error, ValueError):
        return ""
    return facts.type if facts and len(sample) >= SHORTEST_BASE64 else ""


def _size(width: int, height: int, alpha: bool = False, many: bool = False, turn: int = 1) -> _Fields:
    if turn >= 5:
        width, height = height, width
    return {"width": width, "height": height, "alpha": alpha, "many": many, "turn": turn}


def _png(head: bytes, stream: BinaryIO) -> _Fields:
    name, width, height, color_type = struct.unpack(">4sIIxB", head[12:26])
    if name != b"IHDR":
        raise ValueError("a PNG that does not begin with its header chunk")
    chunks = _chunks_before_the_pixels(stream)
    transparent_color = b"tRNS" in chunks  # makes a palette entry or a color transparent
    frames = int.from_bytes(chunks.get(b"acTL", (0, b""))[1][:4], "big")
    turn = _turn(stream, chunks[b"eXIf"][0]) if b"eXIf" in chunks else 1
    return _size(width, height, bool(color_type & 4) or transparent_color, frames > 1, turn)


def _chunks_before_the_pixels(stream: BinaryIO) -> dict[bytes, tuple[int, bytes]]:
    """Where the content of each of a PNG's chunks begins, and its first bytes."""
    chunks: dict[bytes, tuple[int, bytes]] = {}
    at = 8
    for _ in range(64):
        stream.seek(at)
        header = stream.read(16)
        if len(header) < 8 or header[4:8] in (b"IDAT", b"IEND"):
            break
        chunks[header[4:8]] = at + 8, header[8:]
        at += int.from_bytes(header[:4], "big") + 12
    return chunks


def _turn(stream: BinaryIO, start: int) -> int:
    """The orientation that an EXIF block asks for; 1, upright, where it is damaged or says nothing."""
    from . import tiff

    stream.seek(start)
    if stream.read(6) == b"Exif\0\0":
        start += 6
    try:
        turn = tiff.directory(stream, start).get(tiff.ORIENTATION, 1)
    except (struct.error, ValueError, OverflowError):
        return 1
    return turn if 1 <= turn <= 8 else 1


def _jpeg(head: bytes, stream: BinaryIO) -> _Fields:
    """Walk the markers to the first frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
    turn = 1
    stream.seek(2)
    for _ in range(MOST_JPEG_STEPS):
        if stream.read(1) != b"\xff":
            continue
        marker = _after_fill_bytes(stream)
        if marker is None or marker in (0xD9, 0xDA):
            return {}
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = struct.unpack(">H", stream.read(2))
        start = stream.tell()
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", stream.read(5))
            return _size(width, height, turn=turn)
        if marker == 0xE1 and stream.read(6) == b"Exif\0\0":
            turn = _turn(stream, start)
        stream.seek(start + length - 2)
    return {}


def _after_fill_bytes(stream: BinaryIO) -> int | None:
    for _ in range(MOST_JPEG_STEPS):
        byte = stream.read(1)
        if byte != b"\xff":
            return byte[0] if byte else None
    return None


def _gif(head: bytes, stream: BinaryIO) -> _Fields:
    width, height = struct.unpack("<HH", head[6:10])
    return _size(width, height, many=_has_more_pictures(head, stream))


def _has_more_pictures(head: bytes, stream: BinaryIO) -> bool:
    """Whether a GIF has a second picture, as far as its blocks are followed."""
    packed = head[10] if len(head) > 10 else 0
    stream.seek(13 + _color_table(packed))
    pictures = 0
    left = MOST_GIF_BLOCKS
    while left > 0:
        mark = stream.read(1)
        if mark == b",":
            pictures += 1
            packed = (stream.read(9) or b"\0")[-1]
            stream.seek(_color_table(packed) + 1, io.SEEK_CUR)
        elif mark == b"!":
            stream.seek(1, io.SEEK_CUR)
        else:
            break
        if pictures > 1:
            return True
        left -= _skip_blocks(stream, left)
    return False


def _color_table(packed: int) -> int:
    """Its bytes, by the flags of the descriptor before it."""
    return 6 << (packed & 7) if packed & 0x80 else 0


def _skip_blocks(stream: BinaryIO, most: int) -> int:
    """Pass over a row of blocks, each behind its length, to the empty one; answer their number."""
    for count in range(1, most + 1):
        length = stream.read(1)
        if length in (b"", b"\0"):
            return count
        stream.seek(length[0], io.SEEK_CUR)
    return most


def _bmp(head: bytes, stream: BinaryIO) -> _Fields | None:
    header_size = int.from_bytes(head[14:18], "little")
    if header_size not in BMP_HEADER_SIZES:
        return None  # "BM" alone is how some texts begin
    if header_size == 12:
        width, height = struct.unpack("<HH", head[18:22])
    else:
        width, height = struct.unpack("<ii", head[18:26])
    return _size(width, abs(height))  # a negative height only says that the rows run top down


def _webp(head: bytes, stream: BinaryIO) -> _Fields | None:
    if head[:4] != b"RIFF":
        return None
    return _WEBP_CHUNKS[head[12:16]](head, stream)


def _webp_lossy(head: bytes, stream: BinaryIO) -> _Fields:
    width, height = struct.unpack("<HH", head[26:30])
    return _size(width & 0x3FFF, height & 0x3FFF)


def _webp_lossless(head: bytes, stream: BinaryIO) -> _Fields:
    (bits,) = struct.unpack("<I", head[21:25])
    return _size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))


def _webp_extended(head: bytes, stream: BinaryIO) -> _Fields:
    width = int.from_bytes(head[24:27], "little") + 1
    height = int.from_bytes(head[27:30], "little") + 1
    flags = head[20]
    return _size(width, height, bool(flags & 0x10), bool(flags & 0x02), _webp_turn(stream) if flags & 0x08 else 1)


def _webp_turn(stream: BinaryIO) -> int:
    """EXIF stands behind the pixels."""
    at = 12
    for _ in range(MOST_CHUNKS):
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
        if name == b"EXIF":
            return _turn(stream, at + 8)
        if name == bytes(4):
            break
        at += 8 + length + length % 2
    return 1


_WEBP_CHUNKS = {b"VP8 ": _webp_lossy, b"VP8L": _webp_lossless, b"VP8X": _webp_extended}


def _tiff(head: bytes, stream: BinaryIO) -> _Fields:
    from . import tiff

    tags = tiff.directory(stream)
    if tiff.is_raw(tags):
        return {"type": "image/x-raw"}
    width, height = tags.get(tiff.WIDTH, 0), tags.get(tiff.HEIGHT, 0)
    turn = tags.get(tiff.ORIENTATION, 1)
    return _size(width, height, many=bool(tags.get(tiff.NEXT)), turn=turn if 1 <= turn <= 8 else 1)


def _name_alone(head: bytes, stream: BinaryIO) -> _Fields:
    """For a format that only has to be named."""
    return {}


def _inside(container: bytes) -> _Reader:
    """The same where the first four bytes must be those of a container."""
    return lambda head, stream: {} if head[:4] == container else None


def _markup(head: bytes, stream: BinaryIO) -> _Fields | None:
    """A web page, often an error that was saved under a picture's name; or an SVG."""
    stream.seek(0)
    text = stream.read(MARKUP_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return {"type": "text/html"}
    return {} if b"<svg" in text else None


def _clip(name: str) -> _Reader:
    """A reader of `clips`, which is imported only when a file needs it: start-up is a feature."""

    def read(head: bytes, stream: BinaryIO) -> _Fields | None:
        from . import clips

        reader: _Reader = getattr(clips, name)
        return reader(head, stream)

    return read


FORMATS: tuple[tuple[int, bytes, str, _Reader], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", _png),
    (0, b"\xff\xd8\xff", "image/jpeg", _jpeg),
    (8, b"WEBP", "image/webp", _webp),
    (0, b"BM", "image/bmp", _bmp),
    (0, b"GIF87a", "image/gif", _gif),
    (0, b"GIF89a", "image/gif", _gif),
    (8, b"CR\x02", "image/x-raw", _inside(b"II*\x00")),  # Canon
    (0, b"II*\x00", "image/tiff", _tiff),
    (0, b"MM\x00*", "image/tiff", _tiff),
    (0, b"IIRO", "image/x-raw", _name_alone),  # Olympus
    (0, b"IIRS", "image/x-raw", _name_alone),
    (0, b"IIU\x00", "image/x-raw", _name_alone),  # Panasonic
    (0, b"FUJIFILMCCD-RAW", "image/x-raw", _name_alone),
    (4, b"ftypcrx ", "image/x-raw", _clip("still")),  # Canon
    (4, b"ftypheic", "image/heic", _clip("still")),
    (4, b"ftypheix", "image/heic", _clip("still")),
    (4, b"ftypheim", "image/heic", _clip("still")),
    (4, b"ftypheis", "image/heic", _clip("still")),
    (4, b"ftyphevc", "image/heic", _clip("still")),
    (4, b"ftyphevx", "image/heic", _clip("still")),
    (4, b"ftypmif1", "image/heic", _clip("still")),
    (4, b"ftypmsf1", "image/heic", _clip("still")),
    (4, b"ftypavif", "image/avif", _clip("still")),
    (4, b"ftypavis", "image/avif", _clip("still")),
    (4, b"JXL \r\n\x87\n", "image/jxl", _name_alone),
    (4, b"jP  \r\n\x87\n", "image/jp2", _name_alone),
    (0, b"\xff\x4f\xff\x51", "image/jp2", _name_alone),
    (0, b"8BPS\x00\x01", "image/x-photoshop", _name_alone),
    *((0, first, "image/svg+xml", _markup) for first in (b"<", b"\xef\xbb\xbf", b"\n", b"\r", b"\t", b" ")),
    (0, b"%PDF-", "application/pdf", _name_alone),
    (0, b"version https://git-lfs.github.com/spec/", "text/x-git-lfs", _name_alone),
    (4, b"ftypM4A ", "audio/mp4", _clip("movie")),
    (4, b"ftypM4B ", "audio/mp4", _clip("movie")),
    (4, b"ftypqt  ", "video/quicktime", _clip("movie")),
    (4, b"ftyp", "video/mp4", _clip("movie")),  # any other brand
    (4, b"moov", "video/quicktime", _clip("old_movie")),
    (4, b"mdat", "video/quicktime", _clip("old_movie")),
    (4, b"wide", "video/quicktime", _clip("old_movie")),
    (4, b"free", "video/quicktime", _clip("old_movie")),
    (4, b"skip", "video/quicktime", _clip("old_movie")),
    (0, b"\x00\x00\x01\x00", "image/x-icon", _name_alone),  # behind the boxes, whose size may look like it
    (0, b"\x1aE\xdf\xa3", "video/x-matroska", _clip("matroska")),
    (8, b"AVI ", "video/x-msvideo", _inside(b"RIFF")),
    (0, b"FLV\x01", "video/x-flv", _name_alone),
    (0, b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", "video/x-ms-asf", _name_alone),
    (0, b"\x00\x00\x01\xba", "video/mpeg", _name_alone),
    (0, b"\x00\x00\x01\xb3", "video/mpeg", _name_alone),
    (0, b"G", "video/mp2t", _clip("transport_stream")),
    (4, b"G", "video/mp2t", _clip("transport_stream")),  # of a camera, with a time before each packet
    (8, b"WAVE", "audio/wav", _clip("wav")),
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "audio/x-w64", _name_alone),
    (0, b"fLaC", "audio/flac", _name_alone),
    (0, b"OggS", "audio/ogg", _clip("ogg")),
    (8, b"AIFF", "audio/aiff", _inside(b"FORM")),
    (8, b"AIFC", "audio/aiff", _inside(b"FORM")),
    (0, b"#!AMR", "audio/amr", _name_alone),
    (0, b".snd", "audio/basic", _name_alone),
    (0, b"caff", "audio/x-caf", _name_alone),
    (0, b"ID3", "audio/mpeg", _clip("mp3")),
    (0, b"\xff", "audio/mpeg", _clip("mp3")),
    (0, b"\xff", "audio/aac", _clip("adts")),
)
"""The only table of signatures: offset, bytes, media type, reader. The first row that fits counts."""
