"""What a run has reached so far, written down as it happens: whatever ends the run, the caller learns what exists."""

from __future__ import annotations

from .errors import QianwenError, UnknownOutcome
from .models import wire
from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ask import Ask
    from .environment import Environment
    from .files.outputs import Saved

    JSON = dict[str, Any]


@record
class File:
    """A result on the disk. media_id, markdown: its name in a media store and the text that shows it, if it has one."""

    saved: Saved
    url: str
    media_id: str = ""
    markdown: str = ""


@record
class Part:
    """One of several runs that a run worked on. row: its place in the account.  error: None when it is finished."""

    row: JSON
    outcome: Outcome
    error: QianwenError | None
    ask: Ask
    environment: Environment


class Outcome:
    """noun: what the run makes.  submitted: a request that costs money is on its way.  body: the last whole answer.

    result: what it holds.  inline: the base64 of pictures that came inside answers, by their names.
    saved: the files by the index of their picture.  resumable: another run can go on.
    way_on: the flags with which it does, when there is more to say than the task's id.  candidates: tasks that may be
    the one whose submission was not answered.  tasks: rows of the account.  parts: each of several runs.
    canceled: the task is.
    page, models: what was asked of the catalogue, in lines for people or as a list for programs.
    """

    def __init__(self, noun: str, resumable: bool) -> None:
        self.noun = noun
        self.resumable = resumable
        self.model = ""
        self.seed: object = None
        self.submitted = False
        self.task_id = ""
        self.body: JSON = {}
        self.result: wire.Result | None = None
        self.inline: dict[str, str] = {}
        self.saved: dict[int, File] = {}
        self.markdown_path = ""
        self.reply_path = ""
        self.warnings: list[str] = []
        self.preview: JSON | None = None
        self.way_on: tuple[str, ...] = ()
        self.candidates: list[JSON] = []
        self.tasks: list[JSON] | None = None
        self.parts: list[Part] | None = None
        self.canceled = False
        self.page: list[str] | None = None
        self.models: list[JSON] | None = None

    def note(self, body: JSON, interleaved: bool) -> wire.Result:
        """Keep the last whole answer, in the native layout, and what it holds."""
        self.result = wire.decode(body, interleaved)
        self.body = dict(self.result.body)
        self.inline.update(self.result.inline)
        return self.result

    @property
    def files(self) -> list[File]:
        return [self.saved[index] for index in sorted(self.saved)]


def goes_on(error: QianwenError, outcome: Outcome) -> bool:
    """Whether there is something that another run can take up."""
    is_over = error.kind in ("failed", "content", "usage")
    return outcome.resumable and bool(outcome.way_on or (outcome.task_id and not is_over))


def is_retryable(error: QianwenError, outcome: Outcome) -> bool:
    """Whether the same command may succeed later, and pays for nothing that was bought already."""
    return error.retryable and not (outcome.submitted and billed(error, outcome) != "no")


def billed(error: QianwenError, outcome: Outcome) -> str:
    """no, yes or unknown: a task that we lost sight of may still succeed, and pictures that exist are paid for."""
    if outcome.result and outcome.result.urls:
        return "yes"
    if outcome.task_id and error.kind not in ("failed", "content", "usage"):
        return "unknown"
    if outcome.submitted and error.kind in ("internal", "interrupted"):
        return "unknown"
    return error.billed


def hint_of(error: QianwenError, outcome: Outcome) -> str:
    """What to do about the error. An interruption while a paid request was on its way leaves its fate unknown."""
    has_links = outcome.result and outcome.result.urls
    if error.kind == "interrupted" and outcome.submitted and not outcome.task_id and not has_links:
        return UnknownOutcome.usual_hint
    return error.hint
