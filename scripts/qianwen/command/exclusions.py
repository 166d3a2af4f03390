"""Which flags cannot be combined, and what to do instead: a table and the function that reads it."""

from __future__ import annotations

from ..errors import UsageError
from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection

REQUEST = "a request"  # stands for the prompt and every other request for something new
PROMPT = "prompt"
ON_WHAT_EXISTS = ("--task-id", "--resume", "--tasks", "--cancel")
ALONE = ("--list-models", "--describe")
RECORD, REPLAY = ("--record", "QIANWEN_RECORD"), ("--replay", "QIANWEN_REPLAY")
_VIA = ("--via",)
_BATCH = ("--batch",)


@record
class Exclusion:
    """None of `these` can be combined with any of `those`.

    In the texts {these} and {those} stand for the two that were given.
    """

    these: tuple[str, ...]
    those: tuple[str, ...]
    why: str = ""
    hint: str = ""


_TAPED = (*RECORD, *REPLAY)
# The first matching row counts.
ROWS = (
    Exclusion(("--request",), ("--file",), hint="give one of the two requests, and override its fields with --set"),
    *(
        Exclusion(ON_WHAT_EXISTS[:place], (one,), hint="give one of them")
        for place, one in enumerate(ON_WHAT_EXISTS)
        if place
    ),
    Exclusion(
        ON_WHAT_EXISTS,
        (REQUEST, "--submit-only", "--dry-run", "--again", "--reuse"),
        "{these} is about existing tasks and takes no request, --submit-only, --dry-run, --again or --reuse",
    ),
    Exclusion(
        ("--resume",),
        ("--output",),
        hint="--resume saves where each run would have; use --task-id with --output to save elsewhere",
    ),
    Exclusion(("--gallery",), ("--output",), hint="name the folder behind --gallery"),
    Exclusion(
        ("--gallery",),
        (REQUEST, *ON_WHAT_EXISTS, "--submit-only", "--dry-run", "--again", "--reuse", "--sandbox", *_VIA, *_TAPED),
        "{these} shows what is there and sends nothing",
        "run --gallery by itself",
    ),
    Exclusion(("--gallery", "--tasks"), ("--region",), "{these} sends nothing and shows all regions"),
    Exclusion(
        ("--gallery", "--tasks", "--cancel"),
        ("--output", "--overwrite", "--sidecar", "--poll-interval"),
        "{these} waits for no task and saves no result",
    ),
    Exclusion(("--open", "--sidecar"), ("--tasks", "--cancel", "--submit-only"), "{those} saves no result"),
    Exclusion(("--again",), ("--reuse",), "--again buys another result, --reuse buys none", "give one of them"),
    Exclusion(("--resume",), ("--region",), "--resume asks for every run in the region that took it"),
    Exclusion(
        ON_WHAT_EXISTS,
        ("--sandbox",),
        "the sandbox starts empty and has no tasks",
        "run scripts/sandbox.py and set DASHSCOPE_HTTP_BASE_URL to keep tasks between runs",
    ),
    Exclusion(_VIA, ON_WHAT_EXISTS, "DesireCore has no tasks", "leave out --via"),
    Exclusion(_VIA, ("--submit-only", "--async"), "DesireCore answers at once, without a task"),
    Exclusion(
        _VIA,
        ("--sandbox",),
        "the sandbox stands in for DashScope only",
        "use --dry-run to see the request, or --sandbox without --via",
    ),
    Exclusion(_VIA, ("--region",), "DesireCore's provider has its own region"),
    Exclusion(RECORD, REPLAY, hint="record first, replay afterwards"),
    Exclusion(
        _BATCH, ("--gallery",), "the page shows what exists already", "run --gallery after the batch, or while it runs"
    ),
    Exclusion(_BATCH, (PROMPT,), "each row has its own prompt", "put it into the file"),
    Exclusion(_BATCH, ON_WHAT_EXISTS, hint="run the batch's own command again to continue it"),
    Exclusion(_BATCH, ("--submit-only", "--poll-once"), hint="use --timeout, and run it again to continue"),
    Exclusion(_BATCH, ("--overwrite",), "a batch never replaces a file"),
    Exclusion(_BATCH, ("--reuse",), "a batch never buys a finished row again", "leave out --reuse"),
    Exclusion(_BATCH, ("--async",), "a batch uses tasks wherever a model has them", "leave out --async"),
    Exclusion(_BATCH, _TAPED, "a cassette holds one run"),
    Exclusion(_BATCH, _VIA, "DesireCore answers one request at a time"),
    Exclusion(("--max-images", "--max-seconds"), (*ON_WHAT_EXISTS, "--gallery"), "what exists is already paid for"),
    Exclusion(_TAPED, ("--dry-run", "--tasks"), "{those} sends nothing"),
    Exclusion(
        _TAPED,
        ("--resume",),
        "a cassette holds one run",
        "record or replay a run by itself, or one task with --task-id",
    ),
    Exclusion(_TAPED, _VIA, "only runs against DashScope itself can be recorded"),
    Exclusion(REPLAY, ("--sandbox",), "both stand in for the service"),
)


def check(given: Collection[str]) -> None:
    """given: names of flags, REQUEST and PROMPT. Raises UsageError for two that cannot be combined."""
    for one in ALONE:
        others = [name for name in given if name not in (one, "--print-response")]
        if one in given and others:
            raise UsageError(f"{one} takes no {others[0]}; it can only be combined with --print-response")
    if "--poll-once" in given and not {"--task-id", "--resume"} & set(given):
        raise UsageError("--poll-once needs --task-id or --resume")
    for name in ("--shard", "--at-once"):
        if name in given and "--batch" not in given:
            raise UsageError(f"{name} needs --batch")
    if "--since" in given and "--tasks" not in given:
        raise UsageError("--since needs --tasks")
    for row in ROWS:
        these = next((name for name in row.these if name in given), "")
        those = next((name for name in row.those if name in given), "")
        if these and those:
            why = f": {row.why}" if row.why else ""
            message = f"{{these}} and {{those}} cannot be combined{why}"
            raise UsageError(message.format(these=these, those=those), hint=row.hint)
