"""The existing file or URL that a damaged path probably means, and why it was not found.

Paths are pasted with quotes, blanks, Markdown and backslashes, and names hold characters that look like others. What is
found is only suggested: two files may have names that look the same.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

LONGEST = 4096  # characters; no system has longer paths
MOST_NAMES = 20_000  # of a folder, that are compared
DEEPEST = 8  # folders of a path whose names may be wrong too
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»", "<>")
_MARKDOWN = r"!?\[[^\[\]]*\]\((\S+?)(?:\s+[\"'][^\"']*[\"'])?\)"
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"
_STRIPPED = " \t\r\n\v\f\u00a0\u202f\u3000" + _INVISIBLE
_URL = r"https?://[^\s/]+/\S+"


def meant(text: str, path: str, cwd: str) -> tuple[str, str | None]:
    """(the end of a message: why there is no such file, what was probably meant or None).

    text: as it was given.  path: the absolute path that was looked for.  cwd: the base of relative paths.
    """
    if max(len(text), len(path)) > LONGEST:
        return "", None
    for spelled in _unwrapped(text):
        if re.fullmatch(_URL, spelled, re.IGNORECASE):
            return "; a URL must stand alone", spelled
        if os.path.isfile(os.path.join(cwd, os.path.expanduser(spelled))):
            return "", spelled
    return _reason(text, cwd) or _backslashes(text, path) or _alike_in(text, path)


def visible(text: str) -> str:
    """A text with escapes for the characters that cannot be seen or that break a line."""
    return "".join(char if char.isprintable() or char == "\u3000" else ascii(char)[1:-1] for char in text)


def _unwrapped(text: str) -> Iterator[str]:
    """The text without what shells, chats and Markdown put around it."""
    inner = text.strip(_STRIPPED)
    if inner != text:
        yield inner
    for pair in _QUOTES:
        if len(inner) > 2 and inner[0] == pair[0] and inner[-1] == pair[1]:
            inner = inner[1:-1].strip(_STRIPPED)
            yield inner
            break
    linked = re.fullmatch(_MARKDOWN, inner)
    if linked:
        yield linked[1]
    if inner.startswith("@"):  # as curl reads a file
        yield inner[1:]
    if re.match(r"www\.[^\s/]+\.[^\s/]+/", inner, re.IGNORECASE):
        yield f"https://{inner}"
    yield inner.rstrip(",;.)]\"'”’")


def _reason(text: str, cwd: str) -> tuple[str, str | None] | None:
    """Why a text cannot be the name of one file."""
    if text.strip() == "-":
        return "; - is only for text: save the picture, clip or sound, and give its path", None
    parts = [part.strip() for part in re.split(r"[,;\n]", text)]
    if len(parts) > 1 and all(os.path.exists(os.path.join(cwd, part)) or re.match(_URL, part) for part in parts):
        return "; it names several: give each in its own flag, or as an item of a list", None
    if re.search(r"\$\w|\$\{\w|%\w+%", text):
        spelled = os.path.expandvars(text)
        found = os.path.isfile(os.path.join(cwd, spelled))
        return "; it holds a variable that no shell has replaced", spelled if found else None
    if re.search(r"[*?]|\[[^\[\]]+\]", text):
        return "; it is a pattern that no shell has replaced: name each file", None
    return None


def _backslashes(text: str, path: str) -> tuple[str, str | None] | None:
    """The file that a Windows path means on Linux and macOS, or a path with a shell's leftover backslashes."""
    if os.sep == "\\" or "\\" not in text:
        return None
    why = "; on this system / separates folders, and a backslash is part of a name"
    drive = re.match(r"([A-Za-z]):\\", text)
    if drive:
        mounted = f"/mnt/{drive[1].lower()}/" + text[3:].replace("\\", "/")  # where WSL mounts drives
        return why, mounted if os.path.isfile(mounted) else None
    for pattern, meaning in ((r"\\", "/"), (r"\\(?=\W)", "")):
        if os.path.isfile(re.sub(pattern, meaning, path)):
            return why, re.sub(pattern, meaning, text)
    return why, None


def _alike_in(text: str, path: str) -> tuple[str, str | None]:
    """The file whose name looks the same, or differs in its suffix alone."""
    found = list(_alike(path, DEEPEST))
    if len(found) > 1:
        names = ", ".join(visible(os.path.basename(each)) for each in found[:3])
        return f"; several names look like it: {names}", None
    if found:
        return f"; {_difference(os.path.basename(path), os.path.basename(found[0]))}", _as_given(text, path, found[0])
    stem = os.path.splitext(os.path.basename(path))[0]
    others = [name for name in _names(os.path.dirname(path)) if os.path.splitext(name)[0] == stem and stem != name]
    if len(others) == 1 and os.path.isfile(other := os.path.join(os.path.dirname(path), others[0])):
        return "; the file of that name has another suffix", _as_given(text, path, other)
    return "", None


def _alike(path: str, deepest: int) -> Iterator[str]:
    """Existing paths whose names look like those of a path."""
    folder, name = os.path.split(path)
    if not name or not deepest:
        return
    folders = [folder] if os.path.isdir(folder) else _alike(folder, deepest - 1)
    looks = _folded(name)
    for each in folders:
        yield from (os.path.join(each, other) for other in _names(each) if _folded(other) == looks)


def _names(folder: str) -> list[str]:
    from itertools import islice

    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, MOST_NAMES)]
    except (OSError, ValueError):
        return []


def _folded(name: str) -> str:
    """The same text for names that a person cannot tell apart; case is ignored too."""
    if name.isascii():
        return " ".join(name.split()).casefold()
    import unicodedata

    plain = "".join(char for char in unicodedata.normalize("NFKC", name) if char not in _INVISIBLE)
    return unicodedata.normalize("NFKC", " ".join(plain.split()).casefold())


def _difference(name: str, other: str) -> str:
    import unicodedata

    odd = [char for char in dict.fromkeys(other) if char not in name and not (char.isascii() and char.isprintable())]
    if odd:
        marks = ", ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() for char in odd[:3])
        return f"the name that looks the same holds {marks}"
    same = name.casefold() == other.casefold()
    return "upper and lower case differ" if same else "a name that looks the same has other characters"


def _as_given(text: str, path: str, found: str) -> str:
    """A found path, relative if the given one was and only its last name differs."""
    if os.path.dirname(found) != os.path.dirname(path):
        return found
    return os.path.join(os.path.dirname(text), os.path.basename(found))
