"""Where results go: names that are readable, sortable and unique, and files that appear whole or not at all.

Nothing that exists is replaced unless that was asked for. A file grows beside its target under a name that begins
with a dot, is flushed to the disk, and gets its name in one step.
"""

from __future__ import annotations

import errno
import os
import re
import unicodedata

from . import media, regular_files
from .errors import OutputError, UsageError
from .record import changed, record
from .regular_files import open_regular, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Callable

    Warn = Callable[[str], None]
    Fill = Callable[[BinaryIO], "tuple[int, str, bool]"]
    """Writes a result into a stream; answers its bytes, its SHA-256 in hex, and whether it is whole for sure."""

SLUG_LENGTH = 40
READ_BYTES = 256 * 1024
PROBE_BYTES = 16384  # a disk that is full still makes empty files


@record
class Target:
    """Where one result goes. suffix: what the user asked for, "" for whatever the bytes are.

    run: names its drafts, so that a later run finds those of a killed one.  resumed: that run was begun before, and a
    file with the same bytes under one of its names is its own.
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
    """A file on the disk: absolute path, size in bytes, SHA-256 in hex, and what its bytes say it is."""

    path: str
    bytes: int
    sha256: str
    facts: media.Facts


def plan(output: str, default_folder: str, cwd: str, prompt: str, stamp: str, overwrite: bool = False) -> Target:
    """The target for a run. `output` is a file, or a folder when it exists as one, ends in a slash or has no suffix.

    stamp: sorts, such as 20261120-153012.  Nothing is made yet.  Raises UsageError when there is no current folder.
    """
    wanted = os.path.expanduser(output or default_folder)
    if not os.path.isabs(wanted) and not os.path.isdir(cwd):
        raise UsageError("the current folder is gone", hint="go to another, or give --output an absolute path")
    place = os.path.join(cwd, wanted)
    is_folder = not output or os.path.isdir(place) or output.endswith(("/", os.sep)) or not os.path.splitext(output)[1]
    folder = os.path.abspath(place if is_folder else os.path.dirname(place))
    stem, suffix = (f"{stamp}-{slug(prompt)}", "") if is_folder else os.path.splitext(os.path.basename(place))
    return Target(folder, stem, suffix, overwrite)


def prepare(target: Target) -> Target:
    """The target, proven usable: its folder is made and written to, so that this is known before anything is paid for.

    Raises UsageError.
    """
    try:
        os.makedirs(target.folder, exist_ok=True)
        _try_out(target.folder, f"{target.stem}_00-000{target.suffix or '.jpeg'}")
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the output folder {target.folder} cannot be used: {reason}", hint="choose another with --output"
        ) from error
    return target


def _try_out(folder: str, longest_name: str) -> None:
    """Raises OSError or ValueError when a file cannot be made here, or not under such a name."""
    probe = os.path.join(folder, f".{os.urandom(8).hex()}.probe")
    try:
        with open(probe, "xb", opener=_without_a_name) as stream:
            remove(probe)  # at once, where the system allows it: a process that is killed now leaves nothing
            stream.write(bytes(PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        remove(probe)
    try:
        os.lstat(os.path.join(folder, longest_name))
    except FileNotFoundError:
        pass


def _without_a_name(path: str, flags: int) -> int:
    """Opens a file that ends with its process; as asked, where the system or the disk knows of no such thing."""
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY, 0o600)
        except OSError:
            pass
    return os.open(path, flags, 0o600)


def slug(prompt: str) -> str:
    """A piece of the prompt for a file name: letters and digits of any script, words joined by hyphens."""
    text = unicodedata.normalize("NFC", prompt).lower()
    words = re.findall(r"[^\W_]+", text)
    short = "-".join(words)[:SLUG_LENGTH].strip("-")
    return short.encode("utf-8", "ignore").decode("utf-8") or "result"


def _draft_name(target: Target, name: str) -> str:
    return f".{target.run}.{name}.part" if target.run else f".{name}.part"


def sweep(target: Target) -> None:
    """Remove the drafts that a killed process of the same run has left."""
    from fnmatch import fnmatch

    try:
        names = os.listdir(target.folder)
    except (OSError, ValueError):
        return
    for name in names:
        if target.run and fnmatch(name, _draft_name(target, "*")):
            remove(os.path.join(target.folder, name))


class Draft(regular_files.Draft):
    """A result on its way to the disk. Raises OutputError where the disk raises OSError."""

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

    def publish(self, suffix: str, warn: Warn, may_replace: bool, beside: str = "", sha256: str = "") -> str:
        """Give the finished file its name and return it: the wanted one, or the next free one when that is taken.

        sha256: of the bytes; a resumed run takes a file that has them for its own.
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
            if beside and os.path.lexists(os.path.splitext(path)[0] + beside):
                continue
            if self._take_if_free(path):
                if path != wanted:
                    warn(f"{wanted} exists already; saved as {os.path.basename(path)}")
                return path
        raise OSError(errno.EEXIST, "no free name is left")

    def _take_if_free(self, path: str) -> bool:
        """Never replaces: a hard link where the disk has them, else an empty file that reserves the name."""
        try:
            os.link(self.path, path)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise  # the draft itself is gone
        except (OSError, NotImplementedError, AttributeError):
            pass
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        try:
            os.replace(self.path, path)
        except BaseException:
            remove(path)
            raise
        return True


def save_media(target: Target, fill: Fill, warn: Warn, sort: str, beside: str = "") -> Saved:
    """Let `fill` write the bytes and save them; the suffix follows the bytes.

    sort: what the result must be, "image/" or "video/".  beside: the suffix of a file that will stand beside it, so
    that a name is taken under which both are free.  Raises OutputError, and what `fill` raises.
    """
    with Draft(target) as draft:
        size, sha256, proven = fill(draft.stream)
        draft.stream.seek(0)
        facts = media.probe(draft.stream)
        if facts is None:
            raise OutputError("the result is no file that we know, perhaps an error page; nothing was saved")
        is_sized = facts.type.startswith("video/") or facts.type in media.SIZED_IN_HEADER
        breaks_off = not proven and media.lacks_its_end(draft.stream, facts.type)
        is_damaged = facts.cut or breaks_off or (is_sized and not facts.width)
        if is_damaged or not facts.type.startswith(sort):
            told = "a damaged file" if is_damaged else f"{facts.type}, which was not asked for"
            raise OutputError(f"the result is {told}; nothing was saved")
        suffix = media.SUFFIXES[facts.type]
        as_named = not target.suffix or media.same_kind(target.suffix, suffix)
        if not as_named:
            warn(f"the result is {facts.type} and gets the suffix {suffix} instead of {target.suffix}")
        ending = (as_named and target.suffix) or suffix
        name = draft.publish(ending, warn, target.overwrite and as_named, beside, sha256)
        return Saved(name, size, sha256, facts)


def saved_before(path: str, sha256: str) -> Saved | None:
    """A file of an earlier run, if it is still the one that was saved."""
    import hashlib

    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb", opener=open_regular) as stream:
            while block := stream.read(READ_BYTES):
                digest.update(block)
                size += len(block)
            stream.seek(0)
            facts = media.probe(stream)
    except (OSError, ValueError):
        return None
    return Saved(path, size, sha256, facts) if facts and digest.hexdigest() == sha256 else None


def beside(saved: Saved, overwrite: bool) -> Target:
    """The target of a text that belongs to a saved file: its own name with another suffix."""
    folder, name = os.path.split(saved.path)
    return Target(folder, os.path.splitext(name)[0], overwrite=overwrite)


def save_text(target: Target, suffix: str, text: str, warn: Warn, private: bool = False) -> str:
    """Write a text file in UTF-8 and answer its path. private: for its owner alone. Raises OutputError."""
    with Draft(target, 0o600 if private else 0o666) as draft:
        draft.stream.write(text.encode("utf-8"))
        return draft.publish(suffix, warn, target.overwrite)


def markdown(content: tuple[dict[str, str], ...], saved: dict[str, str], folder: str) -> str:
    """Interleaved texts and pictures in order. saved: URL → local path; a picture that was not saved keeps its URL."""
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
        f"{folder} could not be written to: {error.strerror or error}",
        hint="make room or choose another folder with --output; the URLs in the answer are good for 24 hours",
    )
