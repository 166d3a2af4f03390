"""What lies in a folder of results: every picture and clip below it, and every run that made none.

A file is explained by the first that knows it: a line of a batch (`results*.jsonl`), a record next to it (`--sidecar`),
the account. What nothing explains is shown by its name. Paths are relative, so that the folder may be moved.
"""

from __future__ import annotations

import json
import os
import re

from ..files import media
from ..files.outputs import record_in, text_in
from ..files.safe_open import open_theirs
from ..plain.strict_json import load_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

    from ..account.purchase import Purchase

    JSON = dict[str, Any]

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp"})
CLIPS = frozenset({".mp4", ".mov", ".webm"})
DEEPEST = 8  # folders below the one that is shown
MOST_FILES = 200_000
LONGEST_RECORD = 2**20  # bytes
LONGEST_REQUEST = 20_000  # characters; longer ones hold whole pictures and are not shown
_RESULTS = re.compile(r"results(\.\d+-of-\d+)?\.jsonl")
_STATES = {"done": "made", "submitting": "open", "waiting": "open", "again": "open"}  # the others have the same name


class Run:
    """One request and what became of it.

    request: its fields without model, prompt and seed; None when that is not known.
    at: epoch seconds, 0 when that is not known.
    files: relative path → facts that are known: width, height, bytes, seconds.
    """

    def __init__(self, state: str = "made", at: float = 0.0) -> None:
        self.model = self.prompt = self.id = self.task = self.error = self.mode = self.rewritten = self.program = ""
        self.request: JSON | None = None
        self.state = state
        self.seed: object = None
        self.at = at
        self.files: dict[str, JSON] = {}


def runs(folder: str, bought: Iterable[Purchase]) -> list[Run]:
    """Every run that made something below the folder or was to, the newest first.

    bought: runs of the account; only those below the folder count.
    Raises OSError when the folder cannot be read.
    """
    listed = _Listed()
    _list(folder, listed)
    unexplained = dict(listed.media)
    found = []
    for run in _explained(folder, listed, bought):
        run.files = {path: facts for path, facts in run.files.items() if unexplained.pop(path, None) is not None}
        if run.files or run.state != "made":
            found.append(run)
    for path in unexplained:
        run = Run()
        run.files[path] = {}
        found.append(run)
    for run in found:
        run.at = run.at or max((listed.media[path] for path in run.files), default=0.0)
    return sorted(found, key=lambda run: run.at, reverse=True)


def _explained(folder: str, listed: _Listed, bought: Iterable[Purchase]) -> Iterator[Run]:
    """Runs that are known, the best explanation of a file first."""
    for path in listed.results:
        for line in _last_lines(os.path.join(folder, path)):
            yield _from_record(line, os.path.dirname(path))
    for path in listed.records:
        record = record_in(text_in(os.path.join(folder, path), LONGEST_RECORD))
        if record:
            yield _from_record(record, os.path.dirname(path))
    for purchase in bought:
        run = _from_account(purchase, folder)
        if run:
            yield run


class _Listed:
    """Paths below a folder, relative to it: media with the time of their last change, results, possible records."""

    def __init__(self) -> None:
        self.media: dict[str, float] = {}
        self.results: list[str] = []
        self.records: list[str] = []

    def take(self, path: str, entry: os.DirEntry[str]) -> None:
        suffix = os.path.splitext(path)[1].lower()
        if suffix in PICTURES or suffix in CLIPS:
            self.media[path] = entry.stat(follow_symlinks=False).st_mtime
        elif _RESULTS.fullmatch(entry.name):
            self.results.append(path)
        elif suffix == ".json":
            self.records.append(path)


def _list(folder: str, listed: _Listed, place: str = "", depth: int = 0) -> None:
    """List what lies below a folder, without hidden folders and links. Raises OSError for the folder itself."""
    for entry in sorted(os.scandir(os.path.join(folder, place)), key=lambda entry: entry.name):
        path = f"{place}/{entry.name}" if place else entry.name
        if entry.name.startswith(".") or len(listed.media) >= MOST_FILES:
            continue
        try:
            if entry.is_file(follow_symlinks=False):
                listed.take(path, entry)
            elif entry.is_dir(follow_symlinks=False) and depth < DEEPEST:
                _list(folder, listed, path, depth + 1)
        except OSError:
            continue  # nobody may look into it, or it has gone in the meantime


def _last_lines(path: str) -> Iterator[JSON]:
    """The last line of each row in the results of a batch; what is no such line costs itself alone."""
    last: dict[str, tuple[int, int]] = {}  # where it begins, and its length
    try:
        with open_theirs(path) as stream:
            while text := stream.readline(LONGEST_RECORD):
                line = load_object(text) if text.startswith(b"{") else None
                key = line.get("key") if line else None
                if isinstance(key, str):
                    last[key] = (stream.tell() - len(text), len(text))
            for begin, length in last.values():
                stream.seek(begin)
                yield load_object(stream.read(length)) or {}
    except (OSError, ValueError):
        return


def _from_record(record: JSON, place: str) -> Run:
    """place: the folder of the record, relative to the one that is shown."""
    state = _text(record, "state") or "made"
    run = Run(_STATES.get(state, state), _moment(record.get("at")))
    run.id, run.task, run.program = _text(record, "id"), _text(record, "task_id"), _text(record, "program")
    error = record.get("error")
    run.error = _text(error, "message") if isinstance(error, dict) else ""
    run.rewritten = _text(record, "actual_prompt")
    request = record.get("request")
    _ask(run, {**request} if isinstance(request, dict) else None, record.get("model"), record.get("seed"))
    files = record.get("files")
    for file in files if isinstance(files, list) else ():
        if isinstance(file, dict) and isinstance(file.get("path"), str):
            path = os.path.normpath(os.path.join(place, file["path"])).replace(os.sep, "/")
            names = (("width", "width"), ("height", "height"), ("bytes", "bytes"), ("seconds", "duration"))
            run.files[path] = {name: file[told] for name, told in names if _is_measure(file.get(told))}
    return run


def _from_account(purchase: Purchase, folder: str) -> Run | None:
    """None for a run that has nothing to do with the folder."""
    run = Run(_STATES.get(purchase.state, purchase.state), purchase.at)
    for kept in purchase.files.values():
        if _is_below(kept.path, folder):
            run.files[os.path.relpath(kept.path, folder).replace(os.sep, "/")] = {}
    if not run.files and (run.state == "made" or not _is_below(os.path.join(purchase.folder, "x"), folder)):
        return None
    if run.files:
        run.state = "made"
    run.task, run.error, run.program, run.mode = purchase.task_id, purchase.told, purchase.program, purchase.mode
    _ask(run, {**purchase.asked} or None, purchase.model, purchase.asked.get("seed"))
    return run


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _ask(run: Run, request: JSON | None, model: object, seed: object) -> None:
    """Fill in what was asked for. The page puts model, prompt and seed back in front of the other fields."""
    run.model = model if isinstance(model, str) else ""
    run.seed = seed if type(seed) is int else None
    if request is None or len(json.dumps(request)) > LONGEST_REQUEST + len(str(request.get("prompt") or "")):
        run.prompt = str(request.get("prompt") or "") if request else ""
        return
    prompt = request.pop("prompt", "")
    run.prompt = prompt if isinstance(prompt, str) else ""
    asked = request.pop("model", None)
    run.model = run.model or (asked if isinstance(asked, str) else "")
    if type(request.get("seed")) is int:
        run.seed = request.pop("seed")
    run.request = request


def _text(fields: JSON, name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _is_measure(value: object) -> bool:
    """Whether a page can count with it: a number that is not negative, below 2**53."""
    return type(value) in (int, float) and 0 <= value < 2**53  # type: ignore[operator]


def _moment(value: object) -> float:
    """Epoch seconds of a number or of a time such as 2026-11-26T09:30:00Z; 0 for anything else."""
    if isinstance(value, (int, float)) and 0 < value < 1e11:
        return float(value)
    if isinstance(value, str):
        from calendar import timegm
        from time import strptime

        try:
            return float(timegm(strptime(value[:19], "%Y-%m-%dT%H:%M:%S")))
        except ValueError:
            pass
    return 0.0


def measured(folder: str, path: str, facts: JSON) -> tuple[int, int, float, int]:
    """Width, height, seconds and bytes of a file, from its header where no record has them; 0 for what is unknown."""
    width, height, seconds, size = (facts.get(name, 0) for name in ("width", "height", "seconds", "bytes"))
    if not (width and height and size):
        try:
            with open_theirs(os.path.join(folder, path)) as stream:
                size = os.fstat(stream.fileno()).st_size
                read = media.probe(stream)
        except (OSError, ValueError):
            read = None
        if read:
            width, height, seconds = read.width, read.height, read.seconds
    return int(width), int(height), round(seconds, 2), int(size)
