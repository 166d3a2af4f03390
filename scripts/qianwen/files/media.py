"""What a file is, read from its content; file names and declared types are ignored.

`probe` reads the formats that the models take: pictures (PNG, JPEG, WebP, BMP, GIF, TIFF), clips (MP4, MOV) and sounds
(WAV, MP3). It also recognizes common formats that no model takes, so that messages can name them and `conversions` can
say how to convert them. A format is a row of `FORMATS`: signature, media type, and the reader of the other facts. The
readers of clips are in `movies`, those of sounds in `sounds`.

Sources: W3C PNG (third edition); ITU-T T.81 (JPEG); RFC 9649 (WebP); GIF89a; Microsoft's BITMAPINFOHEADER; TIFF 6.0;
CIPA DC-008 (EXIF).
"""

from __future__ import annotations

import io
import struct

from ..plain.record import changed, record
from . import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Optional

    _Fields = dict[str, Any]  # of Facts
    _Reader = Callable[[bytes, BinaryIO], Optional[_Fields]]  # None if the file is of another format after all


@record
class Facts:
    """What the content says. Pixels, seconds and fps are 0 if the header is damaged or has none.

    width, height: as displayed, after the rotation by EXIF or a clip's matrix.
    turn: the EXIF orientation, 1 to 8; from 5 on the stored picture has width and height swapped.
    many: it has several pictures, as frames or pages.
    cut: a clip's header promises more data than the file has.
    fault: why the file cannot be used, in words.
    other_seconds: the length by another part of a clip's header, if the two differ much.
    ends_early: a picture or a sound stops before its end marker; only `examine` checks that.
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
MOST_JPEG_STEPS = 4096  # markers and stray bytes before the frame header; bounds the search through garbage
SHORTEST_BASE64, BASE64_SAMPLE = 16, 8192  # characters
MOST_PNG_CHUNKS = 20_000  # 160 MB of those that most programs write
MOST_CHUNKS = 4096  # of a WebP; animations have one a frame
MOST_GIF_BLOCKS = 20_000  # of 255 bytes at most, searched for a second picture
MARKUP_BYTES = 4096  # searched for the first element of an SVG; editors put long comments before it
BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

SIZED_IN_HEADER = frozenset({"image/png", "image/webp", "image/bmp", "image/gif"})  # every valid file has its size

TAKEN = frozenset(
    {
        *("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff"),
        *("video/mp4", "video/quicktime", "audio/wav", "audio/mpeg"),
    }
)
"""The formats whose facts are read; the others are only recognized. Tests and documents go by it."""

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
LARGEST_RIFF = 2**31 - 2**16  # bytes; programs that stream a WAV of unknown length write a number near 2^31 or 2^32
JPEG_END, GIF_END = b"\xff\xd9", b"\x00;"


def lacks_its_end(stream: BinaryIO, media_type: str) -> bool:
    """True if a PNG, JPEG, GIF, WebP or WAV stops before its end marker or declared length; False for all others.

    For files whose length we cannot check otherwise. Complete pictures without an end marker count too; bytes behind
    the end, such as the clip of a motion photo, do not.
    """
    size = stream.seek(0, io.SEEK_END)
    if media_type in ("image/webp", "audio/wav"):
        stream.seek(4)
        declared = int.from_bytes(stream.read(4), "little") + 8
        return size < declared <= LARGEST_RIFF
    if media_type == "image/png":
        return not _has_end_chunk(stream, size)
    if media_type == "image/jpeg":
        scan = _first_scan(stream)
        if not scan and not stream.read(1):
            return True  # it stops before its pixels; a thumbnail may have an end of its own
        return not (_holds(stream, JPEG_END, max(size - TAIL_BYTES, scan)) or (scan and _holds(stream, JPEG_END, scan)))
    return media_type == "image/gif" and not _holds(stream, GIF_END, max(size - TAIL_BYTES, 0))


def _holds(stream: BinaryIO, mark: bytes, start: int) -> bool:
    """Whether a mark of two bytes stands somewhere behind `start`."""
    stream.seek(start)
    last = b""
    while block := stream.read(TAIL_BYTES):
        if mark in last + block:
            return True
        last = block[-1:]
    return False


def _first_scan(stream: BinaryIO) -> int:
    """The offset of the pixels of a JPEG, where the marker of its end cannot occur by chance; 0 if it is not found."""
    try:
        return next((start - 2 for marker, start in _segments(stream) if marker == 0xDA), 0)
    except struct.error:
        return 0


def _has_end_chunk(stream: BinaryIO, size: int) -> bool:
    """Whether the chunks of a PNG lead to IEND; True if there are more than MOST_PNG_CHUNKS."""
    at = 8
    for _ in range(MOST_PNG_CHUNKS):
        stream.seek(at)
        header = stream.read(8)
        at += int.from_bytes(header[:4], "big") + 12
        if at > size or header[4:] == b"IEND":
            return at <= size
    return True


def same_kind(left: str, right: str) -> bool:
    """Whether two suffixes mean the same format (.jpeg and .jpg)."""
    spellings = {".jpeg": ".jpg", ".tif": ".tiff"}
    return spellings.get(left.lower(), left.lower()) == right


def probe(stream: BinaryIO) -> Facts | None:
    """The facts of a seekable binary stream, or None if its format is unknown.

    Reads a few hundred bytes at the beginning and little elsewhere; only an MP3 that does not declare its number of
    frames is read to its end. Never raises on bad bytes.
    """
    head = stream.read(HEAD_BYTES) or b""  # None from a busy disk
    for offset, magic, media_type, reader in FORMATS:
        if head[offset : offset + len(magic)] == magic:
            try:
                fields = reader(head, stream)
            except (struct.error, LookupError, ValueError, OverflowError, ImportError):
                # ImportError: a picture's link led to a clip, and an update has removed the reader of clips meanwhile
                return Facts(media_type)
            if fields is not None:
                return changed(Facts(media_type), **fields)
    return None


def probe_bytes(data: bytes) -> Facts | None:
    return probe(io.BytesIO(data))


def examine(stream: BinaryIO) -> Facts | None:
    """`probe` for a file that will be sent: also checks that it has its end."""
    facts = probe(stream)
    return changed(facts, ends_early=True) if facts and lacks_its_end(stream, facts.type) else facts


def data_of(text: str) -> bytes:
    """The content of a `data:<type>;base64,…` URL; its declared type is ignored.

    Raises ValueError with a message for the user.
    """
    head, comma, encoded = text.partition(",")
    if not comma or not head.rstrip().lower().endswith(";base64"):
        raise ValueError("is not a data:<type>;base64,<bytes> URL")
    return from_base64(encoded)


def from_base64(encoded: str) -> bytes:
    """White space, URL-safe letters, percent signs and missing padding are understood. Raises ValueError."""
    import base64

    if "%" in encoded:
        from urllib.parse import unquote

        encoded = unquote(encoded)
    encoded = "".join(encoded.split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("is not valid base64") from None


def data_url(data: bytes, media_type: str) -> str:
    """The one form of a data: URL that the API documents (RFC 2397)."""
    import base64

    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def bare_base64(text: str) -> str:
    """The media type of a file in base64 without the beginning of a data: URL; "" for any other text.

    Decodes only the first characters.
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
        raise ValueError("a PNG must begin with IHDR")
    chunks = _chunks_before_the_pixels(stream)
    transparent_color = b"tRNS" in chunks  # makes a palette entry or a color transparent
    frames = int.from_bytes(chunks.get(b"acTL", (0, b""))[1][:4], "big")
    turn = _turn(stream, chunks[b"eXIf"][0]) if b"eXIf" in chunks else 1
    return _size(width, height, bool(color_type & 4) or transparent_color, frames > 1, turn)


def _chunks_before_the_pixels(stream: BinaryIO) -> dict[bytes, tuple[int, bytes]]:
    """Chunk name → (offset of its content, first bytes of it)."""
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
    """The orientation in an EXIF block; 1 (upright) if it is damaged or has none."""
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
    """The facts of the first frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
    turn = 1
    for marker, start in _segments(stream):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", stream.read(5))
            return _size(width, height, turn=turn)
        if marker == 0xE1 and stream.read(6) == b"Exif\0\0":
            turn = _turn(stream, start)
    return {}


def _segments(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """(marker, offset behind its length) of each segment of a JPEG, up to its first scan. Raises struct.error."""
    stream.seek(2)
    for _ in range(MOST_JPEG_STEPS):
        if stream.read(1) != b"\xff":
            continue
        marker = _after_fill_bytes(stream)
        if marker is None or marker == 0xD9:
            return
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = struct.unpack(">H", stream.read(2))
        start = stream.tell()
        yield marker, start
        if marker == 0xDA:
            return
        stream.seek(start + length - 2)


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
    """Whether a GIF has a second picture within its first MOST_GIF_BLOCKS blocks."""
    packed = head[10] if len(head) > 10 else 0
    stream.seek(13 + _color_table(packed))
    pictures = 0
    left = MOST_GIF_BLOCKS
    while left > 0:
        introducer = stream.read(1)
        if introducer == b",":
            pictures += 1
            packed = (stream.read(9) or b"\0")[-1]
            stream.seek(_color_table(packed) + 1, io.SEEK_CUR)
        elif introducer == b"!":
            stream.seek(1, io.SEEK_CUR)
        else:
            break
        if pictures > 1:
            return True
        left -= _skip_blocks(stream, left)
    return False


def _color_table(packed: int) -> int:
    """The size of the color table in bytes. packed: the flags of the descriptor before it."""
    return 6 << (packed & 7) if packed & 0x80 else 0


def _skip_blocks(stream: BinaryIO, most: int) -> int:
    """Skip sub-blocks up to and including the empty one; return their number."""
    for count in range(1, most + 1):
        length = stream.read(1)
        if length in (b"", b"\0"):
            return count
        stream.seek(length[0], io.SEEK_CUR)
    return most


def _bmp(head: bytes, stream: BinaryIO) -> _Fields | None:
    header_size = int.from_bytes(head[14:18], "little")
    if header_size not in BMP_HEADER_SIZES:
        return None  # a text may begin with "BM" too
    if header_size == 12:
        width, height = struct.unpack("<HH", head[18:22])
    else:
        width, height = struct.unpack("<ii", head[18:26])
    return _size(max(width, 0), abs(height))  # a negative height means rows from top to bottom


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
    """The EXIF chunk comes after the pixels."""
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


def _name_only(head: bytes, stream: BinaryIO) -> _Fields:
    """For a format that is only recognized."""
    return {}


def _inside(container: bytes) -> _Reader:
    """The same for a format inside a container; its first four bytes must be `container`."""
    return lambda head, stream: {} if head[:4] == container else None


def _markup(head: bytes, stream: BinaryIO) -> _Fields | None:
    """An SVG, or a web page (often an error page that was saved under a picture's name)."""
    stream.seek(0)
    text = stream.read(MARKUP_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return {"type": "text/html"}
    return {} if b"<svg" in text else None


def _timed(name: str) -> _Reader:
    """A reader of `movies` or `sounds`, which are imported only when a file needs them, to keep the start fast."""

    def read(head: bytes, stream: BinaryIO) -> _Fields | None:
        from . import movies, sounds

        reader: _Reader = getattr(movies, name, None) or getattr(sounds, name)
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
    # Olympus (twice), Panasonic, Fujifilm
    *((0, maker, "image/x-raw", _name_only) for maker in (b"IIRO", b"IIRS", b"IIU\x00", b"FUJIFILMCCD-RAW")),
    (4, b"ftypcrx ", "image/x-raw", _timed("still")),  # Canon
    *((4, b"ftyp" + brand, "image/heic", _timed("still")) for brand in (b"heic", b"heix", b"heim", b"heis")),
    *((4, b"ftyp" + brand, "image/heic", _timed("still")) for brand in (b"hevc", b"hevx", b"mif1", b"msf1")),
    *((4, b"ftyp" + brand, "image/avif", _timed("still")) for brand in (b"avif", b"avis")),
    (4, b"JXL \r\n\x87\n", "image/jxl", _name_only),
    (4, b"jP  \r\n\x87\n", "image/jp2", _name_only),
    (0, b"\xff\x4f\xff\x51", "image/jp2", _name_only),
    (0, b"8BPS\x00\x01", "image/x-photoshop", _name_only),
    *((0, first, "image/svg+xml", _markup) for first in (b"<", b"\xef\xbb\xbf", b"\n", b"\r", b"\t", b" ")),
    (0, b"%PDF-", "application/pdf", _name_only),
    (0, b"version https://git-lfs.github.com/spec/", "text/x-git-lfs", _name_only),
    (4, b"ftypM4A ", "audio/mp4", _timed("movie")),
    (4, b"ftypM4B ", "audio/mp4", _timed("movie")),
    (4, b"ftypqt  ", "video/quicktime", _timed("movie")),
    (4, b"ftyp", "video/mp4", _timed("movie")),  # any other brand
    *((4, box, "video/quicktime", _timed("old_movie")) for box in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x00\x00\x01\x00", "image/x-icon", _name_only),  # after MP4, where these bytes can be a box's size
    (0, b"\x1aE\xdf\xa3", "video/x-matroska", _timed("matroska")),
    (8, b"AVI ", "video/x-msvideo", _inside(b"RIFF")),
    (0, b"FLV\x01", "video/x-flv", _name_only),
    (0, b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", "video/x-ms-asf", _name_only),
    (0, b"\x00\x00\x01\xba", "video/mpeg", _name_only),
    (0, b"\x00\x00\x01\xb3", "video/mpeg", _name_only),
    (0, b"G", "video/mp2t", _timed("transport_stream")),
    (4, b"G", "video/mp2t", _timed("transport_stream")),  # of cameras, with a timestamp before each packet
    (8, b"WAVE", "audio/wav", _timed("wav")),
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "audio/x-w64", _name_only),
    (0, b"fLaC", "audio/flac", _name_only),
    (0, b"OggS", "audio/ogg", _timed("ogg")),
    (8, b"AIFF", "audio/aiff", _inside(b"FORM")),
    (8, b"AIFC", "audio/aiff", _inside(b"FORM")),
    (0, b"#!AMR", "audio/amr", _name_only),
    (0, b".snd", "audio/basic", _name_only),
    (0, b"caff", "audio/x-caf", _name_only),
    (0, b"ID3", "audio/mpeg", _timed("mp3")),
    (0, b"\xff", "audio/mpeg", _timed("mp3")),
    (0, b"\xff", "audio/aac", _timed("adts")),
)
"""Offset, signature, media type, reader. The first row that matches is used."""
