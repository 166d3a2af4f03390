"""The flags of both programs as a table, and the layout of the help.

The parser in `argv` and the page in `help_page` read the same rows. Not with argparse, which is slow to import and
words its help differently in every Python.
"""

from __future__ import annotations

from .. import regions
from ..ask import POLL_SECONDS, TIMEOUT_SECONDS
from ..models.catalog import Catalog, Flag

VERSION = "1.0.0"

WIDTH = 100
HELP_COLUMN = 28

REQUEST = (
    Flag("--request", "JSON", "the request object; flags override its fields; - reads stdin"),
    Flag("--file", "PATH", "the request object from a file; - reads stdin"),
    Flag("--set", "FIELD=VALUE", "any request field, repeatable; VALUE is JSON or text", many=True),
    Flag("--model", "ID", "the model; without it the default for what is given"),
)
RESULT = (
    Flag("--output", "PATH", "file or folder; OUTPUT_DIR replaces the output of the default folder"),
    Flag("--overwrite", "", "replace existing files instead of taking a free name"),
    Flag("--print-response", "", "one JSON object on stdout, success or failure"),
    Flag("--quiet", "", "no progress on stderr", short="-q"),
)
RUN = (
    Flag("--dry-run", "", "print the exact request and what it bills; send nothing"),
    Flag("--sandbox", "", "rehearse against a local stand-in: no key, no cost"),
    Flag("--record", "FILE", "write the whole conversation into a cassette that --replay plays (or QIANWEN_RECORD)"),
    Flag("--replay", "FILE", "play a cassette: no key, no network, no waiting, no cost (or QIANWEN_REPLAY)"),
    Flag("--submit-only", "", "submit a task, print its id, do not wait"),
    Flag("--task-id", "ID", "wait for a task that exists and save its result"),
    Flag("--poll-once", "", "with --task-id or --resume: look once (exit 2: still running)"),
    Flag("--resume", "", "finish everything that this machine paid for and has not saved yet"),
    Flag("--tasks", "", "show the last runs of this machine: state, model, age, files; sends nothing"),
    Flag("--cancel", "ID", "cancel a task that has not begun"),
    Flag("--again", "", "submit although an identical request is open or its outcome unknown"),
    Flag("--reuse", "", "when an identical request was made before and its files are there, answer with them"),
    Flag("--timeout", "S", f"longest run in seconds (default {TIMEOUT_SECONDS:g})", seconds=True),
    Flag("--poll-interval", "S", f"longest gap between looks in seconds (default {POLL_SECONDS:g})", seconds=True),
    Flag("--region", "NAME", regions.in_words()),
    Flag("--version", "", "print the version"),
    Flag("--help", "", "print this", short="-h"),
)

BATCH = (
    Flag("--batch", "FILE", "many requests: an object a line (.jsonl), a field a column (.csv), else a prompt a line"),
    Flag("--shard", "I/N", "of a batch only every N-th row, for several machines; numbered from 0 or from 1"),
    Flag("--at-once", "N", "rows of a batch in work at once, in place of the documented limits", whole=True),
)

MODELS = (
    Flag("--list-models", "", "every model: what it does, sizes or seconds, how it answers, regions"),
    Flag("--describe", "MODEL", "one model in full: modes, fields and limits, sizes, what it bills, examples"),
)

EXIT_CODES = (
    (0, "done; every reported file exists"),
    (1, "refused or failed; nothing to wait for"),
    (2, "the task still runs; `next` continues"),
    (3, "bad flags or request; nothing was sent"),
    (4, "key, region, permission or account"),
    (5, "network or service trouble; nothing was bought, unless `next` names a task"),
    (6, "a paid request may have been accepted; do not resend blindly"),
    (7, "made, but a file could not be saved; the URLs are in the JSON"),
    (70, "a bug here"),
    (130, "interrupted; the task goes on"),
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


def cap(catalog: Catalog) -> Flag:
    """The flag that bounds the bill: --max-images or --max-seconds."""
    what = f"refuse what could bill more {catalog.unit}s; of a batch all that its folder ever bills"
    return Flag(catalog.cap, "N", what, whole=True)


def entry(names: str, text: str) -> str:
    """A name and its text, wrapped at words, with a line break at the end."""
    lines = [""]
    for word in text.split():
        if lines[-1] and HELP_COLUMN + len(lines[-1]) + len(word) >= WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    indent = " " * HELP_COLUMN
    return f"  {names:<{HELP_COLUMN - 3}} " + f"\n{indent}".join(lines) + "\n"
