"""The everyday name of a format, and a shell command that converts a file into a format the models take.

`CONVERSIONS` names common tools; we never run them. Needs no other module of ours but `record`.
"""

from __future__ import annotations

import os
import sys

from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

NAMES: Mapping[str, str] = {
    "image/x-photoshop": "a Photoshop file",
    "image/x-icon": "an icon (ICO)",
    "image/x-raw": "a camera's raw data",
    "image/svg+xml": "SVG",
    "image/jxl": "JPEG XL",
    "image/jp2": "JPEG 2000",
    "video/quicktime": "MOV",
    "video/webm": "WebM",
    "video/x-matroska": "Matroska (MKV)",
    "video/x-msvideo": "AVI",
    "video/x-flv": "FLV",
    "video/x-ms-asf": "Windows Media (WMV, WMA)",
    "video/mpeg": "an MPEG program stream (MPG, VOB)",
    "video/mp2t": "an MPEG transport stream (TS, MTS)",
    "video/ogg": "Ogg",
    "audio/mp4": "MP4 with sound alone (M4A)",
    "audio/mpeg": "MP3",
    "audio/ogg": "Ogg",
    "audio/aac": "bare AAC",
    "audio/basic": "AU",
    "audio/x-caf": "CAF",
    "audio/x-w64": "Wave64 (W64)",
    "audio/x-rf64": "RF64, a WAV for more than 4 GB",
    "text/html": "a web page, perhaps an error that was saved under this name",
    "text/x-git-lfs": "a pointer of Git LFS, not the file itself",
}
"""Media types whose subtype in capitals is not what people say."""


@record
class Conversion:
    """One way to convert a file.

    sources: prefixes of the media types that it reads.
    target: what it makes: "image", "video" or "audio"; "" serves all.
    suffix: of the new file.
    commands: by `sys.platform`, "" for every other one; `{file}` is the old file, `{made}` the new one, `{stem}` the
    new one without its suffix.
    """

    sources: tuple[str, ...]
    target: str
    suffix: str
    commands: Mapping[str, str]


SIPS_JPEG = "sips -s format jpeg {file} --out {made}"
SIPS_PNG = "sips -s format png {file} --out {made}"
MAGICK = "magick {file} {made}"
HEIF_CONVERT = "heif-convert {file} {made}"
RSVG_CONVERT = "rsvg-convert -w 1024 -o {made} {file}"
FIRST_PAGE = "pdftoppm -png -singlefile -r 150 {file} {stem}"
FIRST_PICTURE = "ffmpeg -i {file} -frames:v 1 {made}"
AS_MP4 = 'ffmpeg -i {file} -vf "scale=trunc(iw/2)*2:-2" -c:v libx264 -pix_fmt yuv420p -c:a aac {made}'  # even sides
AS_MP3 = "ffmpeg -i {file} -vn -c:a libmp3lame -q:a 2 {made}"

CONVERSIONS = (
    Conversion(("image/heic",), "image", ".jpg", {"darwin": SIPS_JPEG, "win32": MAGICK, "": HEIF_CONVERT}),
    Conversion(("image/avif",), "image", ".png", {"darwin": SIPS_PNG, "": FIRST_PICTURE}),
    Conversion(("image/x-raw", "image/x-photoshop", "image/jxl"), "image", ".jpg", {"darwin": SIPS_JPEG, "": MAGICK}),
    Conversion(("image/svg",), "image", ".png", {"win32": MAGICK, "": RSVG_CONVERT}),
    Conversion(("application/pdf",), "image", ".png", {"darwin": SIPS_PNG, "": FIRST_PAGE}),
    Conversion(("image/", "video/"), "image", ".png", {"": FIRST_PICTURE}),
    Conversion(("image/gif", "video/"), "video", ".mp4", {"": AS_MP4}),
    Conversion(("audio/", "video/"), "audio", ".mp3", {"": AS_MP3}),
    Conversion(("text/x-git-lfs",), "", "", {"": "git lfs pull"}),
)
"""The first row that reads the media type and makes the target is used."""


def name(media_type: str) -> str:
    """A media type as people know it."""
    return NAMES.get(media_type, media_type.partition("/")[2].upper())


def find(media_type: str, target: str) -> Conversion | None:
    """target: "image", "video" or "audio"."""
    for row in CONVERSIONS:
        if media_type.startswith(row.sources) and row.target in (target, ""):
            return row
    return None


def command(
    media_type: str,
    target: str,
    path: str,
    platform: str = sys.platform,
    is_taken: Callable[[str], bool] = os.path.lexists,
) -> str:
    """The shell command that converts the file; "" if there is none. It writes a new file next to the old one.

    target: "image", "video" or "audio".
    path: of the file; "" if it has no name here.
    """
    row = find(media_type, target)
    if row is None:
        return ""
    file = path if path.isprintable() and path else "FILE"
    stem = _free(os.path.splitext(file)[0], row.suffix, file, is_taken)
    names = {"file": file, "made": stem + row.suffix, "stem": stem}
    line = row.commands.get(platform, row.commands[""])
    return line.format_map({key: _quoted(word, platform) for key, word in names.items()})


def _free(stem: str, suffix: str, file: str, is_taken: Callable[[str], bool]) -> str:
    """The stem, with a number added while the name is taken or is that of `file` itself."""
    number, free = 1, stem
    while (free + suffix == file or is_taken(free + suffix)) and number < 100:
        number += 1
        free = f"{stem}-{number}"
    return free


def _quoted(word: str, platform: str) -> str:
    if word.startswith("-"):
        word = "./" + word  # else the command takes it for an option
    if platform == "win32":
        return f'"{word}"'
    import shlex

    return shlex.quote(word)
