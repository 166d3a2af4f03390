"""The tags of the first directory of a TIFF: of a file, or of the EXIF block inside a JPEG, PNG or WebP.

Source: TIFF 6.0, section 2. Needs no other module of ours.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Mapping

SUBFILE, WIDTH, HEIGHT, ORIENTATION, DIRECTORIES, DNG_VERSION = 254, 256, 257, 274, 330, 50706
NEXT = -1  # our own key for the offset of the next directory, 0 if there is none


def directory(stream: BinaryIO, start: int = 0) -> dict[int, int]:
    """Tag → its value if that is a single SHORT or LONG, otherwise the offset of its content.

    start: the offset of the TIFF in the stream.
    Raises struct.error or ValueError if it is damaged. Reads one directory, at most 65,535 entries of 12 bytes.
    """
    stream.seek(start)
    head = stream.read(8)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(head[:4])
    if order is None:
        raise ValueError("not a TIFF")
    stream.seek(start + struct.unpack(order + "I", head[4:8])[0])
    (count,) = struct.unpack(order + "H", stream.read(2))
    data = stream.read(12 * count)
    tags = {}
    for tag, kind, _, value in struct.iter_unpack(order + "HHI4s", data[: len(data) // 12 * 12]):
        tags[tag] = struct.unpack(order + ("H2x" if kind == 3 else "I"), value)[0]
    tags[NEXT] = int.from_bytes(stream.read(4), "little" if order == "<" else "big")
    return tags


def is_raw(tags: Mapping[int, int]) -> bool:
    """Whether it is a camera's raw file: a DNG, or a preview whose subdirectories have the pixels."""
    return DNG_VERSION in tags or (tags.get(SUBFILE) == 1 and DIRECTORIES in tags)
