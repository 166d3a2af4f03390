"""What a run has reached so far, written down as it happens: whatever ends the run, the caller learns what exists."""

from __future__ import annotations

from .models import wire
from .record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .outputs import Saved

    JSON = dict[str, Any]


@record
class File:
    """A result on the disk. media_id, markdown: its name in a media store and the text that shows it, if it has one."""

    saved: Saved
    url: str
    media_id: str = ""
    markdown: str = ""


class Outcome:
    """noun: what the run makes.  submitted: a request that costs money is on its way.  accepted: the service
    took that request: it answered with a result, a task, or the beginning of a stream.  body: the last whole answer.

    result: what it holds.  inline: the base64 of pictures that came inside answers, by their names.
    saved: the files by the index of their picture.  resumable: another run can go on.
    way_on: the flags with which it does, when there is more to say than the task's id.  candidates: tasks that may be
    the one whose submission was not answered.  tasks: one answer for each of several.  canceled: the task is.
    page, models: what was asked of the catalogue, in lines for people or as a list for programs.
    """

    def __init__(self, noun: str, resumable: bool) -> None:
        self.noun = noun
        self.resumable = resumable
        self.model = ""
        self.seed: object = None
        self.submitted = False
        self.accepted = False
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
