"""The flags of both programs as a table, and the layout of the help.

The parser in `argv` and the page in `help_page` read the same rows. Not with argparse, which is slow to import and
words its help differently in every Python.
"""

from __future__ import annotations

from .. import regions
from ..ask import POLL_SECONDS, TIMEOUT_SECONDS
from ..models.catalog import Catalog, Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

WIDTH = 100
HELP_COLUMN = 28

PROMPT = Flag("--prompt", "TEXT", "the same as PROMPT without a flag", short="-p")
"""Not in the help: what users of other programs type first."""

REQUEST = (
    Flag("--request", "JSON", "the request object; flags override its fields; - reads stdin"),
    Flag("--file", "PATH", "the request object from a file; - reads stdin"),
    Flag("--set", "FIELD=VALUE", "any request field, repeatable; VALUE is JSON or text", many=True),
    Flag("--model", "ID", "the model; the default depends on what you give", short="-m"),
)
RESULT = (
    Flag("--output", "PATH", "a file or a folder; else a folder below output/ (or below OUTPUT_DIR)", short="-o"),
    Flag("--overwrite", "", "replace existing files instead of taking a free name"),
    Flag("--print-response", "", "one JSON object on stdout, success or failure"),
    Flag("--quiet", "", "no progress on stderr", short="-q"),
    Flag("--sidecar", "", "write the request to NAME.json beside each result; --file NAME.json makes it again"),
    Flag("--open", "", "show the first result, a batch's folder or the gallery in the system's viewer"),
    Flag(
        "--gallery",
        "[FOLDER]",
        "write a web page of all results in a folder (default: where results go) and print its path; sends nothing",
        optional=True,
    ),
)
RUN = (
    Flag("--dry-run", "", "print the exact request and the most that it bills; send nothing"),
    Flag("--sandbox", "", "rehearse against a local stand-in: no key, no cost"),
    Flag("--record", "FILE", "write the whole conversation into a cassette that --replay plays (or QIANWEN_RECORD)"),
    Flag("--replay", "FILE", "play a cassette: no key, no network, no waiting, no cost (or QIANWEN_REPLAY)"),
    Flag("--submit-only", "", "submit a task, print its id, do not wait"),
    Flag("--task-id", "ID", "wait for a submitted task and save its result; ID may be its first characters, or last"),
    Flag("--poll-once", "", "with --task-id or --resume: check once and do not wait (exit 2: still running)"),
    Flag("--resume", "", "finish everything that this machine paid for and has not saved yet"),
    Flag(
        "--tasks",
        "[ID]",
        "show the last runs of this machine, or one in full (ID as for --task-id); sends nothing",
        optional=True,
    ),
    Flag("--since", "AGE", "with --tasks: all runs of the last 1d, 12h or 30m, and the sum of what they bought"),
    Flag("--cancel", "ID", "cancel a task that has not started; ID may be its first characters, or last"),
    Flag("--again", "", "submit even if an identical request is open or its outcome is unknown: you may pay twice"),
    Flag(
        "--reuse",
        "",
        "if an identical request was made before and its files are still there, return them and buy nothing",
    ),
    Flag(
        "--timeout",
        "S",
        f"stop waiting after S seconds (default {TIMEOUT_SECONDS:g}; none for a batch); a submitted task goes on",
        seconds=True,
    ),
    Flag(
        "--poll-interval",
        "S",
        f"longest pause between two checks of a task, in seconds (default {POLL_SECONDS:g})",
        seconds=True,
    ),
    Flag("--region", "NAME", regions.in_words()),
    Flag("--version", "", "print the version"),
    Flag("--help", "", "the most common flags", short="-h"),
    Flag("--help-all", "", "all flags, default models and exit codes"),
)

BATCH = (
    Flag("--batch", "FILE", "many requests from FILE: a prompt per line, or fields in .csv or .jsonl"),
    Flag("--shard", "I/N", "with --batch: only part I of N, for several machines; count the parts from 0 or from 1"),
    Flag(
        "--at-once",
        "N",
        "with --batch: work on N rows at once, instead of the documented limit of the model",
        whole=True,
    ),
)

MODELS = (
    Flag("--list-models", "", "every model: what it does, sizes or seconds, how it answers, regions"),
    Flag("--describe", "MODEL", "one model in full: modes, fields and limits, sizes, what it bills, examples"),
)

EXIT_CODES = (
    (0, "done; every reported file exists"),
    (1, "refused or failed, or it could bill more than the cap; nothing to wait for"),
    (2, "the task is still running; `next` continues"),
    (3, "bad flags or request, or an identical one is open; nothing was sent"),
    (4, "key, region, permission or account"),
    (5, "network or service trouble; nothing was bought, unless `next` names a task"),
    (6, "a paid request may have been accepted; do not repeat it, `next` says how to look"),
    (7, "made, but a file or the answer could not be written; the URLs are in the JSON"),
    (70, "a bug here"),
    (130, "interrupted; a submitted task goes on, and --resume collects it"),
)


def groups(catalog: Catalog) -> tuple[tuple[str, tuple[Flag, ...]], ...]:
    """All flags of a program, in the groups of its help."""
    return (
        ("the request", REQUEST + catalog.flags),
        ("the result", RESULT),
        ("the run", RUN),
        ("many at once", (*BATCH, cap(catalog))),
        ("the models", MODELS),
    )


def rows(catalog: Catalog) -> Iterator[Flag]:
    """The same without the groups."""
    return (flag for _, flags in groups(catalog) for flag in flags)


def words_of(name: str, value: str) -> list[str]:
    """A flag with its value, as argv has them."""
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def cap(catalog: Catalog) -> Flag:
    """The flag that bounds the bill: --max-images or --max-seconds."""
    what = f"refuse what could bill more than N {catalog.unit}s; with --batch, over all runs in its folder"
    return Flag(catalog.cap, "N", what, whole=True)


ALSO = {"--json": "--print-response", "--ratio": "--size"}
"""Other spellings with the same meaning → our flag, where the program has no flag of that name."""


def spellings(catalog: Catalog) -> dict[str, Flag]:
    """Every word that is read as a flag."""
    named = {name: flag for flag in (PROMPT, *rows(catalog)) for name in (flag.name, flag.short) if name}
    return {**{other: named[name] for other, name in ALSO.items()}, **named}


FIRST = (
    "--image", "--first-frame", "--last-frame", "--video", "--reference", "--model", "--size", "--duration", "-n",
    "--output", "--print-response", "--dry-run", "--sandbox", "--submit-only", "--resume", "--batch", "--set",
)  # fmt: skip
"""The flags of the first screen, in its order; a program has not all of them."""


def entry(names: str, text: str, width: int = WIDTH, column: int = HELP_COLUMN) -> str:
    """A name and its text, wrapped at words, with a line break at the end."""
    lines = [""]
    for word in text.split():
        if lines[-1] and column + len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    indent = " " * column
    return f"  {names:<{column - 3}} " + f"\n{indent}".join(lines) + "\n"
