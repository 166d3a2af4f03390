"""What a file is, read from its own bytes; names and declared types are never believed.

`probe` knows the formats that the models take: pictures (PNG, JPEG, WebP, BMP, GIF, TIFF), clips (MP4, MOV) and sounds
(WAV, MP3), and a few that they do not take, so that a message can name them. A format is a row of `FORMATS`: the bytes
that betray it, its media type, and the reader of the other facts. The readers of clips and sounds stand in `clips`.
"""

from __future__ import annotations

import io
import struct

from .record import changed, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Optional

    _Fields = dict[str, Any]  # of Facts; a reader answers None when the next bytes rule its format out
    _Reader = Callable[[bytes, BinaryIO], Optional[_Fields]]


@record
class Facts:
    """What the bytes say. Pixels, seconds and frames per second are 0 where the header is damaged or does not tell.

    cut: a clip says that it is longer than the file.
    """

    type: str
    width: int = 0
    height: int = 0
    alpha: bool = False
    seconds: float = 0.0
    fps: float = 0.0
    cut: bool = False


HEAD_BYTES = 512
MOST_JPEG_STEPS = 4096  # markers and stray bytes before the frame header; bounds the walk through garbage
BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

SIZED_IN_HEADER = frozenset({"image/png", "image/webp", "image/bmp", "image/gif"})  # always, in a whole file

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/tiff": ".tiff",
    "image/heic": ".heic",
    "image/avif": ".avif",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
}


TAIL_BYTES = 65536
_ENDS = {"image/png": b"IEND\xaeB`\x82", "image/jpeg": b"\xff\xd9", "image/gif": b"\x00;"}


def lacks_its_end(stream: BinaryIO, kind: str) -> bool:
    """Whether a picture breaks off before the mark by which its format ends. Others are not judged.

    For a file of which nobody said how long it is; whole pictures with careless ends are seen too.
    """
    size = stream.seek(0, io.SEEK_END)
    if kind == "image/webp":
        stream.seek(4)
        return int.from_bytes(stream.read(4), "little") + 8 > size
    stream.seek(max(size - TAIL_BYTES, 0))
    return kind in _ENDS and _ENDS[kind] not in stream.read()


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
    return len(data), probe_bytes(data)


def _size(width: int, height: int, alpha: bool = False) -> _Fields:
    return {"width": width, "height": height, "alpha": alpha}


def _png(head: bytes, stream: BinaryIO) -> _Fields:
    name, width, height, color_type = struct.unpack(">4sIIxB", head[12:26])
    if name != b"IHDR":
        raise ValueError("a PNG that does not begin with its header chunk")
    has_alpha_channel = bool(color_type & 4)
    return _size(width, height, has_alpha_channel or _png_has_transparent_color(stream))


def _png_has_transparent_color(stream: BinaryIO) -> bool:
    """A tRNS chunk, which must stand before the pixels, makes a palette entry or a color transparent."""
    stream.seek(8)
    for _ in range(64):
        header = stream.read(8)
        if len(header) < 8:
            return False
        length, name = struct.unpack(">I4s", header)
        if name in (b"tRNS", b"IDAT", b"IEND"):
            return bool(name == b"tRNS")
        stream.seek(length + 4, io.SEEK_CUR)
    return False


def _jpeg(head: bytes, stream: BinaryIO) -> _Fields:
    """Walk the markers to the first frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
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
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", stream.read(5))
            return _size(width, height)
        stream.seek(length - 2, io.SEEK_CUR)
    return {}


def _after_fill_bytes(stream: BinaryIO) -> int | None:
    for _ in range(MOST_JPEG_STEPS):
        byte = stream.read(1)
        if byte != b"\xff":
            return byte[0] if byte else None
    return None


def _gif(head: bytes, stream: BinaryIO) -> _Fields:
    width, height = struct.unpack("<HH", head[6:10])
    return _size(width, height)


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
    return _WEBP_CHUNKS[head[12:16]](head)


def _webp_lossy(head: bytes) -> _Fields:
    width, height = struct.unpack("<HH", head[26:30])
    return _size(width & 0x3FFF, height & 0x3FFF)


def _webp_lossless(head: bytes) -> _Fields:
    (bits,) = struct.unpack("<I", head[21:25])
    return _size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))


def _webp_extended(head: bytes) -> _Fields:
    width = int.from_bytes(head[24:27], "little") + 1
    height = int.from_bytes(head[27:30], "little") + 1
    return _size(width, height, bool(head[20] & 0x10))


_WEBP_CHUNKS = {b"VP8 ": _webp_lossy, b"VP8L": _webp_lossless, b"VP8X": _webp_extended}


def _tiff(head: bytes, stream: BinaryIO) -> _Fields:
    order = "<" if head[:2] == b"II" else ">"
    (directory,) = struct.unpack(order + "I", head[4:8])
    stream.seek(directory)
    (entries,) = struct.unpack(order + "H", stream.read(2))
    sizes = {}
    for _ in range(entries):
        tag, kind, _count, value = struct.unpack(order + "HHI4s", stream.read(12))
        if tag in (256, 257):  # ImageWidth, ImageLength: SHORT (3) or LONG (4)
            sizes[tag] = struct.unpack(order + ("H2x" if kind == 3 else "I"), value)[0]
    return _size(sizes.get(256, 0), sizes.get(257, 0))


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
    (0, b"II*\x00", "image/tiff", _tiff),
    (0, b"MM\x00*", "image/tiff", _tiff),
    (4, b"ftypheic", "image/heic", _clip("still")),
    (4, b"ftypheix", "image/heic", _clip("still")),
    (4, b"ftypmif1", "image/heic", _clip("still")),
    (4, b"ftypmsf1", "image/heic", _clip("still")),
    (4, b"ftypavif", "image/avif", _clip("still")),
    (4, b"ftypavis", "image/avif", _clip("still")),
    (4, b"ftypM4A ", "audio/mp4", _clip("movie")),
    (4, b"ftypM4B ", "audio/mp4", _clip("movie")),
    (4, b"ftypqt  ", "video/quicktime", _clip("movie")),
    (4, b"ftyp", "video/mp4", _clip("movie")),  # any other brand
    (4, b"moov", "video/quicktime", _clip("old_movie")),
    (4, b"mdat", "video/quicktime", _clip("old_movie")),
    (4, b"wide", "video/quicktime", _clip("old_movie")),
    (4, b"free", "video/quicktime", _clip("old_movie")),
    (4, b"skip", "video/quicktime", _clip("old_movie")),
    (8, b"WAVE", "audio/wav", _clip("wav")),
    (0, b"ID3", "audio/mpeg", _clip("mp3")),
    (0, b"\xff", "audio/mpeg", _clip("mp3")),
)
