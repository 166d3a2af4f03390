"""The rows of a batch: read one by one from a file, completed by the defaults, and known by what they ask.

A row's key is a hash of the request as it is written. Nothing of ours is in it (no default, date, version or URL), so
that an upgrade makes no finished row new.
"""

from __future__ import annotations

import hashlib
import json
import os
import re

from ..errors import Problem, UsageError
from ..files.safe_open import open_theirs
from ..models.catalog import names_a_field
from ..plain import strict_json
from ..plain.record import changed, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Mapping

    from ..ask import Ask
    from ..models.catalog import Catalog

    Pairs = Iterator["tuple[int, dict[str, Any] | Problem]"]

LONGEST_LINE = 32 * 2**20  # bytes: small pictures may stand in a row
LONGEST_ID = 100  # characters
NO_KEY = "0" * 16  # of a row that cannot be read
OF_THE_RUN = {
    "timeout_s": "--timeout",
    "poll_interval_s": "--poll-interval",
    "via": "",
    "async": "",
}
"""Fields that steer a single run, and the flag that does so for a batch."""
NOT_UTF8 = "it is not UTF-8 text; save it as UTF-8 (in a spreadsheet: CSV UTF-8)"


@record
class Row:
    """One request of a batch.

    number: of the line, or of the row as a spreadsheet counts it; from 1.
    key: 16 hex digits, equal for rows that ask the same.
    copy: 1, or more for a row that repeats an earlier one.
    asked: the fields as written, defaults merged in, with `model` and `mode`.
    fields, model, kind: the same as `Ask` has them.
    id: the user's own name of the row.  output: a path inside the folder.
    problems: why it cannot be used.
    """

    number: int
    key: str
    asked: dict[str, Any]
    fields: dict[str, Any]
    model: str = ""
    kind: str = ""
    id: str = ""
    output: str = ""
    copy: int = 1
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The key, with its number for a copy."""
        return self.key if self.copy == 1 else f"{self.key}-{self.copy}"


def number_of(name: str) -> int:
    """A name of a row as a number, which takes less memory than the text."""
    key, _, copy = name.partition("-")
    return int(key, 16) | (int(copy or 1) - 1) << 64


def read(path: str, catalog: Catalog, ask: Ask) -> Iterator[Row]:
    """The rows of a file, in order, each at a time.

    ask: its request is the default of all rows.
    Raises UsageError for a file that cannot be read; what is wrong with a row stands in the row.
    """
    defaults = {**ask.fields, **({"model": ask.model} if ask.model else {}), **({"mode": ask.kind} if ask.kind else {})}
    form = _FORMS.get(os.path.splitext(path)[1].lower(), _prompts)
    if form is _prompts and "prompt" in defaults:  # which every row would replace, and nobody would notice
        raise UsageError(
            f"--batch {path}: each line is a prompt, so a prompt on the command line would not be used",
            hint="put it into the file, or make the file .csv or .jsonl, where a row may leave the prompt out",
        )
    copies: dict[int, int] = {}
    seen: set[int] = set()
    try:
        with open_theirs(path) as stream:  # no pipe: it is read twice
            for number, given in form(stream, catalog):
                row = _row(catalog, number, given, defaults)
                if not row.problems:
                    short = int(row.key, 16)
                    if short in seen:
                        copies[short] = copies.get(short, 1) + 1
                        row = changed(row, copy=copies[short])
                    seen.add(short)
                yield row
    except (OSError, UnicodeError) as error:
        reason = NOT_UTF8 if isinstance(error, UnicodeError) else error.strerror or str(error)
        raise UsageError(f"--batch {path} could not be read: {reason}") from error


def _row(catalog: Catalog, number: int, given: dict[str, Any] | Problem, defaults: Mapping[str, Any]) -> Row:
    if isinstance(given, Problem):
        return Row(number, NO_KEY, {}, {}, problems=(given,))
    problems: list[Problem] = []
    own = dict(given)
    row_id, output = _id(own.pop("id", None), problems), _output(own.pop("output", None), problems)
    for name, flag in OF_THE_RUN.items():
        if own.pop(name, None) is not None:
            hint = (
                f"{flag} on the command line" if flag else "leave it out: a batch uses tasks wherever a model has them"
            )
            problems.append(Problem(name, given[name], "does not apply to a single row", hint, reason="not taken"))
    asked = {name: value for name, value in {**defaults, **own}.items() if value is not None}
    text = json.dumps([catalog.program, asked], sort_keys=True)
    key = hashlib.sha256(text.encode("ascii")).hexdigest()[:16]
    fields = dict(asked)
    model = fields.pop("model", "")
    if not isinstance(model, str):
        problems.append(Problem("model", model, "must be text", "a model id", reason="type"))
        model = ""
    kind = ""
    if catalog.kinds and "mode" in fields and not names_a_field(catalog, fields["mode"], model):
        kind = fields.pop("mode")
        if kind not in catalog.kinds:
            choices = ", ".join(catalog.kinds)
            problems.append(Problem("mode", kind, "is not one of the choices", choices, reason="choice"))
    return Row(number, key, asked, fields, model, str(kind), row_id, output, problems=tuple(problems))


def _id(value: object, problems: list[Problem]) -> str:
    text = str(value) if type(value) in (str, int) else ""
    if value is not None and not (text.strip() and len(text) <= LONGEST_ID and text.isprintable()):
        allowed = f"a number or a text of up to {LONGEST_ID} characters"
        problems.append(Problem("id", value, "cannot be an id", allowed, reason="type"))
    return text


def _output(value: object, problems: list[Problem]) -> str:
    if value is None:
        return ""
    path = value if isinstance(value, str) else ""
    parts = re.split(r"[/\\]", path)
    is_inside = path and not os.path.isabs(path) and ".." not in parts and ":" not in parts[0] and path.isprintable()
    if not is_inside or path[0] in "/\\~" or parts[0] == ".batch":
        allowed = "a relative path such as cats/tom.png"
        problems.append(Problem("output", value, "is not a path inside the batch's folder", allowed, reason="invalid"))
    return path


# The forms ------------------------------------------------------------------------------------------------


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | Problem]]:
    """The lines that are not blank. Raises UnicodeError."""
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            yield number, Problem("", None, f"is longer than {LONGEST_LINE // 2**20} MB", reason="range")
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
            continue
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if text:
            yield number, text


def _objects(stream: BinaryIO, catalog: Catalog) -> Pairs:
    """`.jsonl`: an object of request fields a line."""
    for number, text in _lines(stream):
        if isinstance(text, Problem):
            yield number, text
            continue
        try:
            value = strict_json.load(text)
        except ValueError as error:
            yield number, Problem("", None, f"is not valid JSON: {error}")
            continue
        yield number, value if isinstance(value, dict) else Problem("", None, "is not a JSON object", '{"prompt": "…"}')


def _prompts(stream: BinaryIO, catalog: Catalog) -> Pairs:
    """Any other file: a prompt a line."""
    for number, text in _lines(stream):
        yield number, text if isinstance(text, Problem) else {"prompt": text}


def _cells(stream: BinaryIO, catalog: Catalog) -> Pairs:
    """`.csv`: the header names the fields, and an empty cell is not given."""
    import csv
    import io

    csv.field_size_limit(LONGEST_LINE)
    texts = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    table = csv.reader(texts, strict=True)
    number = 0
    try:
        header = [name.strip() for name in next(table, [])]
        number = 1
        twice = next((name for name in header if name and header.count(name) > 1), "")
        if not any(header) or twice:
            wrong = f"names the column {twice} twice" if twice else "names no column"
            raise UsageError(f"the first row of the CSV file {wrong}", hint="it names the field of each column")
        keeps_text = _keeping_text(catalog)
        for number, cells in enumerate(table, 2):
            if not any(map(str.strip, cells)):
                continue
            extra = [
                cell for place, cell in enumerate(cells) if cell.strip() and not "".join(header[place : place + 1])
            ]
            if extra:
                message = "has a value in a column without a name; quote a cell that has commas"
                yield number, Problem("", extra[0], message)
                continue
            given = {name: cell for name, cell in zip(header, cells) if name and cell.strip()}
            yield number, {name: cell if keeps_text(name) else _value(cell) for name, cell in given.items()}
    except csv.Error as error:
        raise UsageError(f"row {number + 1} of the CSV file cannot be read: {error}") from error
    finally:
        texts.detach()


def _keeping_text(catalog: Catalog) -> Callable[[str], bool]:
    """Says which fields are texts, so that a prompt may be 42."""
    params = list(catalog.params)
    others = {
        name
        for param in params
        if param.kind not in ("text", "size", "media", "document", "link")
        and not (param.kind == "choice" and all(isinstance(choice, str) for choice in param.choices))
        for name in (param.name, *param.also)
    }
    texts = {name for param in params for name in (param.name, *param.also)} - others
    texts |= {"id", "output", "model", "mode"}
    return texts.__contains__


def _value(cell: str) -> Any:
    try:
        return strict_json.load(cell)
    except ValueError:
        return cell


_FORMS: Mapping[str, Callable[[BinaryIO, Catalog], Pairs]] = {".jsonl": _objects, ".ndjson": _objects, ".csv": _cells}
