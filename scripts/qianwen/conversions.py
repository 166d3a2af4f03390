"""What people call a format, and the one command that turns a file into something that the models take.

The rows of `WAYS` name common tools; nothing is run. Needs no other module of ours but `record`.
"""

from __future__ import annotations

import os
import sys

from .record import record

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
"""Where the end of the media type, in capitals, is not what people say."""


@record
class Way:
    """kinds: how the media types begin that it reads.  sort: what it makes: "image", "video" or "audio".

    commands: by `sys.platform`, "" for every other one. `{file}` is what there is, `{made}` what there will be, and
    `{stem}` the same without its suffix.
    """

    kinds: tuple[str, ...]
    sort: str
    suffix: str
    commands: Mapping[str, str]


SIPS_JPEG = "sips -s format jpeg {file} --out {made}"
SIPS_PNG = "sips -s format png {file} --out {made}"
MAGICK = "magick {file} {made}"
FIRST_PICTURE = "ffmpeg -i {file} -frames:v 1 {made}"
AS_MP4 = 'ffmpeg -i {file} -vf "scale=trunc(iw/2)*2:-2" -c:v libx264 -pix_fmt yuv420p -c:a aac {made}'  # even sides
AS_MP3 = "ffmpeg -i {file} -vn -c:a libmp3lame -q:a 2 {made}"

WAYS = (
    Way(("image/heic",), "image", ".jpg", {"darwin": SIPS_JPEG, "win32": MAGICK, "": "heif-convert {file} {made}"}),
    Way(("image/avif",), "image", ".png", {"darwin": SIPS_PNG, "": FIRST_PICTURE}),
    Way(("image/x-raw", "image/x-photoshop", "image/jxl"), "image", ".jpg", {"darwin": SIPS_JPEG, "": MAGICK}),
    Way(("image/svg",), "image", ".png", {"win32": MAGICK, "": "rsvg-convert -w 1024 -o {made} {file}"}),
    Way(
        ("application/pdf",),
        "image",
        ".png",
        {"darwin": SIPS_PNG, "": "pdftoppm -png -singlefile -r 150 {file} {stem}"},
    ),
    Way(("image/", "video/"), "image", ".png", {"": FIRST_PICTURE}),
    Way(("image/gif", "video/"), "video", ".mp4", {"": AS_MP4}),
    Way(("audio/", "video/"), "audio", ".mp3", {"": AS_MP3}),
    Way(("text/x-git-lfs",), "", "", {"": "git lfs pull"}),
)
"""The first that reads the kind and makes the sort counts; one without a sort serves all."""


def name(kind: str) -> str:
    """A media type as people know it."""
    return NAMES.get(kind, kind.partition("/")[2].upper())


def command(
    kind: str,
    sort: str,
    path: str,
    platform: str = sys.platform,
    is_taken: Callable[[str], bool] = os.path.lexists,
) -> str:
    """The line for a shell that makes a file of the sort from one of the kind; "" where there is none.

    path: of the file; "" stands for one that has no name here.  It names a new file, beside the old one.
    """
    for way in WAYS:
        if kind.startswith(way.kinds) and way.sort in (sort, ""):
            file = path if path.isprintable() and path else "FILE"
            stem = _free(os.path.splitext(file)[0], way.suffix, file, is_taken)
            line = way.commands.get(platform, way.commands[""])
            words = {"file": file, "made": stem + way.suffix, "stem": stem}
            return line.format_map({key: _quoted(word, platform) for key, word in words.items()})
    return ""


def _free(stem: str, suffix: str, file: str, is_taken: Callable[[str], bool]) -> str:
    """The stem, with a number behind it as long as there is a file of that name, at least `file` itself."""
    number, free = 1, stem
    while (free + suffix == file or is_taken(free + suffix)) and number < 100:
        number += 1
        free = f"{stem}-{number}"
    return free


def _quoted(word: str, platform: str) -> str:
    if word.startswith("-"):
        word = "./" + word  # else it would be an option
    if platform == "win32":
        return f'"{word}"'
    import shlex

    return shlex.quote(word)
