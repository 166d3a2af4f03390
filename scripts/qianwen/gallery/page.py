"""Write `index.html` into a folder of results: one file that loads nothing but the media next to it.

The page is `gallery.html` with the runs as JSON in it. Every `<` in them is escaped and the page puts texts in as text,
so a prompt or a file name can be anything. Its Content-Security-Policy allows its own script and style by their hashes,
and media from its own folder.
"""

from __future__ import annotations

import json
import os

from ..errors import OutputError, UsageError
from ..files.outputs import Draft, Target
from ..files.safe_open import open_theirs
from ..plain.redact import each_text, shareable
from . import cards

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    from ..account.purchase import Purchase

    JSON = dict[str, Any]

MARK = b'<meta name="generator" content="qianwen-media-generation gallery">'
HEAD_BYTES = 1024
_NO_PLACE = "make room there, or name another folder: --gallery FOLDER"
SHOWN_AT_ONCE = 10_000  # opens in under a second; more opens slowly


def write(
    folder: str, bought: Iterable[Purchase], scripts: str, clean: Callable[[str], str] = shareable
) -> tuple[str, int]:
    """The path of the page, and the number of its cards.

    folder: absolute.
    bought: runs of the account; see `cards.runs`.
    scripts: the folder of the programs, for the commands that make something again.
    clean: a text without what the page must not show; the names of files stay as they are.
    Raises UsageError for a folder that cannot be read, and OutputError.
    """
    try:
        runs = cards.runs(folder, bought)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the folder {folder} cannot be shown: {reason}", hint="name one with results") from error
    data = _data(folder, runs, os.path.join(scripts, ""), clean)
    return _publish(folder, html(data).encode("utf-8")), len(data["cards"])


def _data(folder: str, runs: list[cards.Run], scripts: str, clean: Callable[[str], str]) -> JSON:
    """What the page shows, with what repeats only once: cards point to runs, and runs to models, requests and so on."""
    tables: dict[str, dict[str, int]] = {"models": {}, "requests": {}, "states": {}, "programs": {}}

    def place(table: str, text: str) -> int:
        return tables[table].setdefault(text, len(tables[table]))

    rows, shown = [], []
    for number, run in enumerate(runs):
        shown_request = None if run.request is None else each_text(run.request, clean)
        request = "" if run.request is None else json.dumps(shown_request, ensure_ascii=False, separators=(",", ":"))
        rows.append(
            _trimmed(
                place("models", clean(run.model)),
                clean(run.prompt),
                place("requests", request),
                place("states", run.state),
                run.seed,
                round(run.at),
                place("programs", run.program),
                run.id,
                "" if run.id else run.task,
                clean(run.error),
                run.mode,
                clean(run.rewritten),
            )
        )
        for path, known in run.files.items():
            is_clip = os.path.splitext(path)[1].lower() in cards.CLIPS
            width, height, seconds, size = cards.measured(folder, path, known)
            shown.append(_trimmed(number, path, width, height, size, int(is_clip), seconds))
        if not run.files:
            shown.append([number])
    named = {name: list(table) for name, table in tables.items()}
    return {"title": os.path.basename(folder) or folder, "scripts": scripts, **named, "runs": rows, "cards": shown}


def _trimmed(*values: Any) -> list[Any]:
    """A row without what is empty at its end."""
    row = list(values)
    while row and not row[-1]:
        row.pop()
    return row


def html(data: JSON) -> str:
    """The whole page. Half characters, which HTML cannot hold, are replaced."""
    with open_theirs(os.path.join(os.path.dirname(__file__), "gallery.html")) as stream:
        template = stream.read().decode("utf-8")
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    for separator in "\u2028\u2029":
        text = text.replace(separator, f"\\u{ord(separator):04x}")
    policy = (
        "default-src 'none'; img-src 'self' file:; media-src 'self' file:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(template, 'style')}; script-src {_hash(template, 'script')}"
    )
    head, _, tail = template.replace("%CSP%", policy, 1).partition("%DATA%")
    return head + text.encode("utf-8", "replace").decode("utf-8") + tail


def _hash(template: str, tag: str) -> str:
    """The hash of the template's one element of this name without attributes, as CSP level 2 writes it."""
    import base64
    import hashlib

    content = template.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode('utf-8')).digest()).decode('ascii')}'"


def _publish(folder: str, page: bytes) -> str:
    """Write the page; one that we wrote before is replaced, anything else keeps its name. Raises OutputError."""
    try:
        for number in range(1, 1000):
            stem = "index" if number == 1 else f"index-{number}"
            path = os.path.join(folder, f"{stem}.html")
            is_ours = _is_ours(path)
            if is_ours or not os.path.lexists(path):
                with Draft(Target(folder, stem), 0o644) as draft:
                    draft.stream.write(page)
                    return draft.publish(".html", lambda _: None, may_replace=is_ours)
    except OSError as error:
        reason = f"the page cannot be written to {folder}: {error.strerror or error}"
        raise OutputError(reason, hint=_NO_PLACE, billed="no") from error
    raise OutputError(f"no name is free for the page in {folder}", hint=_NO_PLACE, billed="no")


def _is_ours(path: str) -> bool:
    try:
        with open_theirs(path, follow=False) as stream:
            return MARK in stream.read(HEAD_BYTES)
    except (OSError, ValueError):
        return False
