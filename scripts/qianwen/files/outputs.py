"""Where results are saved: readable, sortable, unique names, and files that appear complete or not at all.

Existing files are replaced only if the user asked for it. A result is written to a hidden file in the target folder,
flushed to the disk, and then renamed or linked in one step.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress

from ..errors import OutputError, UsageError
from ..plain.paths import is_homeless
from ..plain.record import changed, record
from ..plain.redact import without_secrets
from ..plain.strict_json import load_object
from . import media, safe_open
from .safe_open import make_ours, open_theirs, read_theirs, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    Warn = Callable[[str], None]
    Fill = Callable[[BinaryIO], "tuple[int, str, bool]"]
    """Writes a result into a stream; returns (size in bytes, SHA-256 in hex, whether it is proven complete)."""

SLUG_LENGTH = 40
READ_BYTES = 256 * 1024
LARGEST_TEXT = 2**24  # bytes of an earlier reply or record
MOST_FILLS = 3
MOST_NAMES = 100  # that are looked through for a record
OCTETS = media.Facts("application/octet-stream")  # of a format that we do not know
PROBE_BYTES = 16384  # a full disk can still create empty files


@record
class Target:
    """Where one result is saved.

    suffix: the one the user asked for, "" for that of the actual format.
    run: part of the drafts' names, so that a later run finds the drafts of a killed one.
    resumed: the run continues an earlier one, so a file with the same content under one of its names is its own.
    """

    folder: str
    stem: str
    suffix: str = ""
    overwrite: bool = False
    run: str = ""
    resumed: bool = False

    def numbered(self, index: int, count: int) -> Target:
        """The target of picture `index` (from 0) of `count`: several pictures get _1, _2, …"""
        return self if count == 1 else changed(self, stem=f"{self.stem}_{index + 1}")


@record
class Saved:
    """A file on the disk: absolute path, size in bytes, SHA-256 in hex, and the facts of its content."""

    path: str
    bytes: int
    sha256: str
    facts: media.Facts

    @property
    def told(self) -> dict[str, Any]:
        """What every answer and record says of it, besides its path."""
        facts, told = self.facts, {"bytes": self.bytes, "sha256": self.sha256, "media_type": self.facts.type}
        told.update(width=facts.width, height=facts.height)
        return {**told, "duration": facts.seconds} if facts.seconds else told


def plan(output: str, default_folder: str, cwd: str, prompt: str, stamp: str, overwrite: bool = False) -> Target:
    """The target for a run. Creates nothing. Raises UsageError if the current folder is gone.

    output: a file; or a folder if it exists as one, ends in a slash or has no suffix.
    stamp: a sortable time such as 20261120-153012.
    """
    wanted = os.path.expanduser(output or default_folder)
    if is_homeless(wanted):
        raise UsageError(f"{wanted}: this user has no home folder", hint="give --output an absolute path, or set HOME")
    if not os.path.isabs(wanted) and not os.path.isdir(cwd):
        raise UsageError("the current folder is gone", hint="change to another, or give --output an absolute path")
    place = os.path.join(cwd, wanted)
    is_folder = not output or os.path.isdir(place) or output.endswith(("/", os.sep)) or not os.path.splitext(output)[1]
    folder = os.path.abspath(place if is_folder else os.path.dirname(place))
    stem, suffix = (f"{stamp}-{slug(prompt)}", "") if is_folder else os.path.splitext(os.path.basename(place))
    return Target(folder, stem, suffix, overwrite)


def prepare(target: Target) -> Target:
    """The target, after creating its folder and testing that it can be written, before anything is paid for.

    Raises UsageError.
    """
    try:
        safe_open.make_folders(target.folder)
        _try_out(target.folder)
        _try_name(target)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the output folder {target.folder} cannot be used: {reason}", hint="choose another with --output"
        ) from error
    return target


def _try_out(folder: str) -> None:
    """Raises OSError or ValueError if no file can be created here."""
    probe = os.path.join(folder, f".{os.urandom(8).hex()}.probe")
    try:
        with open(probe, "xb", opener=lambda path, _: make_ours(path, nameless=True)) as stream:
            remove(probe)  # at once, if the system allows it, so that a killed process leaves no file
            stream.write(bytes(PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        remove(probe)


def _try_name(target: Target) -> None:
    """Raises OSError or ValueError if the disk does not take the name: it is too long, or has a character such as ':'.

    The name that is tried is hidden and as long as the longest that the results may get. It is that of a folder, which
    the next run may remove when this one is killed: a folder can only be removed while nothing is in it.
    """
    path = os.path.join(target.folder, f".{target.stem}_0{target.suffix or '.jpeg'}.try")
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    for _ in range(2):  # see `remove`
        with suppress(OSError):
            os.rmdir(path)


def slug(prompt: str) -> str:
    """The beginning of the prompt for a file name: letters and digits of any script, words joined by hyphens.

    Without keys: the beginning of one is no text that anybody could find and hide later.
    """
    text = without_secrets(prompt)
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    words = re.findall(r"[^\W_]+", text.lower())
    short = "-".join(words)[:SLUG_LENGTH].strip("-")
    return short.encode("utf-8", "ignore").decode("utf-8") or "result"


def _draft_name(target: Target, name: str) -> str:
    return f".{target.run}.{name}.part" if target.run else f".{name}.part"


def sweep(target: Target) -> None:
    """Remove the drafts that a killed process of the same run left."""
    from fnmatch import fnmatch

    try:
        names = os.listdir(target.folder)
    except (OSError, ValueError):
        return
    for name in names:
        if target.run and fnmatch(name, _draft_name(target, "*")):
            remove(os.path.join(target.folder, name))


class Draft(safe_open.Draft):
    """A result that is being written. Raises OutputError instead of OSError."""

    def __init__(self, target: Target, mode: int = 0o666) -> None:
        self.target = target
        try:
            super().__init__(target.folder, _draft_name(target, os.urandom(8).hex()), mode)
        except OSError as error:
            raise _output_error(error, target.folder) from error

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *exc: object) -> None:
        error = exc[1]
        try:
            self.discard()
        except OSError as late:
            error = error or late
        if isinstance(error, OSError):
            raise _output_error(error, self.target.folder) from error

    def publish(self, suffix: str, warn: Warn, may_replace: bool, sha256: str = "") -> str:
        """Give the finished file its final name, or the next free one if that is taken, and return its path.

        sha256: of the content; a resumed run takes an existing file with the same content for its own.
        """
        wanted = os.path.join(self.target.folder, self.target.stem + suffix)
        if may_replace and not os.path.isdir(wanted):
            self.replace(wanted)
            return wanted
        self.finish()
        for number in range(1, 100_000):
            path = wanted if number == 1 else os.path.join(self.target.folder, f"{self.target.stem}-{number}{suffix}")
            if self.target.resumed and sha256 and saved_before(path, sha256):
                return path
            if self.take(path):
                safe_open.sync(self.target.folder)
                if path != wanted:
                    warn(f"{wanted} already exists; saved as {os.path.basename(path)}")
                return path
        raise OSError(errno.EEXIST, "no free name is left")


def save_media(target: Target, fill: Fill, warn: Warn, wanted: str) -> Saved:
    """Save what `fill` writes, with the suffix of its actual format.

    It was paid for, so what is odd about it is only a warning. Odd bytes that no length or checksum proves complete may
    be half a download: they are filled in again, and saved when the same ones come twice.
    wanted: the prefix that its media type should have, "image/" or "video/".
    Raises OutputError, also for a text, which is an error page and not the result, and what `fill` raises.
    """
    with Draft(target) as draft:
        seen = ""
        for _ in range(MOST_FILLS):
            draft.stream.seek(0)
            draft.stream.truncate()
            size, sha256, proven = fill(draft.stream)
            facts = _facts_of(draft.stream)
            if facts.type == "text/html" or (facts is OCTETS and _is_a_text(draft.stream)):
                raise OutputError("the result is text, perhaps an error page; nothing was saved")
            odd = _oddness(draft.stream, facts, wanted, proven)
            if not odd or proven or sha256 == seen:
                break
            seen = sha256
        else:
            raise OutputError(f"the result {odd}, and differed at each download; nothing was saved")
        if odd:
            warn(f"the result {odd}; it is saved as it came")
        suffix = media.SUFFIXES.get(facts.type, ".bin")
        as_named = not target.suffix or facts is OCTETS or media.same_kind(target.suffix, suffix)
        if not as_named:
            name = f"{target.stem}{suffix}"
            way = f"to convert it: ffmpeg -i '{name}' '{target.stem}{target.suffix}'"
            warn(f"the result is {facts.type} and gets the suffix {suffix} instead of {target.suffix}; {way}")
        ending = (as_named and target.suffix) or suffix
        path = draft.publish(ending, warn, target.overwrite and as_named, sha256)
        return Saved(path, size, sha256, facts)


def _facts_of(stream: BinaryIO) -> media.Facts:
    stream.seek(0)
    return media.probe(stream) or OCTETS


def _is_a_text(stream: BinaryIO) -> bool:
    """Whether this is XML or JSON, in which a server says what is wrong."""
    stream.seek(0)
    return stream.read(media.HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{"))


def _oddness(stream: BinaryIO, facts: media.Facts, wanted: str, proven: bool) -> str:
    """What is odd about a result, as the end of a sentence; "" for nothing."""
    if facts is OCTETS:
        return "has a format that is unknown"
    is_sized = facts.type in media.SIZED_IN_HEADER or facts.type in ("video/mp4", "video/quicktime")
    ends_early = not proven and media.lacks_its_end(stream, facts.type)
    if facts.cut or ends_early or (is_sized and not facts.width):
        return f"is damaged or incomplete ({facts.type})"
    return "" if facts.type.startswith(wanted) else f"is {facts.type}, which was not asked for"


def saved_before(path: str, sha256: str) -> Saved | None:
    """The file that an earlier run saved, if its content is unchanged; else None."""
    try:
        with open_theirs(path) as stream:
            is_unchanged, size = safe_open.sha256_of(stream) == sha256, stream.tell()
            return Saved(path, size, sha256, _facts_of(stream)) if is_unchanged else None
    except (OSError, ValueError):
        return None


def beside(saved: Saved, target: Target) -> Target:
    """The target of a text file next to a saved file of `target`, with the same name and another suffix."""
    folder, name = os.path.split(saved.path)
    return Target(folder, os.path.splitext(name)[0], overwrite=target.overwrite, run=target.run)


def save_text(target: Target, suffix: str, text: str, warn: Warn, private: bool = False) -> str:
    """Write a text file in UTF-8, with the names of files as they are, and return its path. Raises OutputError.

    private: mode 0600.

    --overwrite names the result: under the name that a text gets from it, only such a text is replaced.
    """
    with Draft(target, 0o600 if private else 0o666) as draft:
        draft.stream.write(text.encode("utf-8", sys.getfilesystemencodeerrors()))
        may_replace = target.overwrite and _is_such_a_text(os.path.join(target.folder, target.stem + suffix))
        return draft.publish(suffix, warn, may_replace)


def _is_such_a_text(path: str) -> bool:
    """Whether a file is a reply of the service, a record, or Markdown that shows results."""
    text = text_in(path)
    if path.endswith(".md"):
        return b"![Image 1](<" in text
    return bool((record_in(text) or {}).get("files")) or b'"output": {' in text


def is_recorded(path: str) -> bool:
    """Whether a record of a result stands next to it, under its own name or one that was free."""
    stem, name = os.path.splitext(path)[0], os.path.basename(path)
    for number in range(1, MOST_NAMES):
        place = f"{stem}.json" if number == 1 else f"{stem}-{number}.json"
        if not os.path.lexists(place):
            return False
        record = record_in(text_in(place))
        if record and any(isinstance(file, dict) and file.get("path") == name for file in record["files"]):
            return True
    return True


def record_in(text: bytes) -> dict[str, Any] | None:
    """The record of results that a file holds; None for any other file."""
    found = load_object(text) if b'"request"' in text else None
    is_record = found and isinstance(found.get("request"), dict) and isinstance(found.get("files"), list)
    return found if is_record else None


def text_in(path: str, longest: int = LARGEST_TEXT) -> bytes:
    """All of a file; b"" for one that is longer or cannot be read."""
    try:
        return read_theirs(path, longest)
    except (OSError, ValueError):
        return b""


def markdown(content: tuple[dict[str, str], ...], saved: dict[str, str], folder: str) -> str:
    """Texts and pictures in their order, as Markdown.

    saved: URL → local path; a picture that was not saved keeps its URL.
    folder: that of the Markdown file, for relative paths.
    """
    blocks = []
    number = 0
    for item in content:
        if item["type"] == "text":
            blocks.append(item["text"].strip())
        else:
            number += 1
            path = saved.get(item["image"])
            place = os.path.relpath(path, folder).replace(os.sep, "/") if path else item["image"]
            blocks.append(f"![Image {number}](<{place}>)")
    return "\n\n".join(blocks) + "\n"


def _output_error(error: OSError, folder: str) -> OutputError:
    return OutputError(
        f"cannot write to {folder}: {error.strerror or error}",
        hint="make room or choose another folder with --output; the URLs in the answer are good for 24 hours",
    )
