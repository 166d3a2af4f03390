"""What a run has reached so far. It is recorded as it happens, so that every ending can report what exists."""

from __future__ import annotations

from .errors import OutputError, QianwenError, StillRunning, Unavailable, UnknownOutcome
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
    """A saved result.

    media_id, markdown: its name in DesireCore's media store and the text that shows it; "" elsewhere.
    """

    saved: Saved
    url: str
    media_id: str = ""
    markdown: str = ""


@record
class Part:
    """One of the runs that --resume worked on.

    row: the run in the account, as --tasks prints it.
    error: None when it is finished.
    """

    row: JSON
    outcome: Outcome
    error: QianwenError | None
    ask: Ask
    environment: Environment


class Outcome:
    """What one run has reached.

    noun: what the run makes, picture or video.
    resumable: another run can continue this one.
    submitted: a request that costs money was sent.
    run_id: the run in the account.
    reused: the results are those of an earlier, identical request, and nothing was bought.
    body: the last whole answer.
    result: what `body` holds.
    inline: the base64 of pictures that came inside answers, by their names.
    saved: the files, by the index of their result.
    preview: the request that --dry-run shows.
    next_flags: the flags that continue the run; () for --task-id with `task_id`.
    words: the flags that go on with a batch, from any folder.
    candidates: tasks that an unanswered submission may have created.
    tasks: rows of the account, for --tasks.  bought: their sum, for --since.
    parts: the runs that --resume worked on.
    canceled: --cancel succeeded.
    batch: what became of the rows of a batch, as the answer tells it.
    batches: those that are not over, for --tasks and --resume.
    gallery: the page that --gallery wrote, with the number of its cards.
    page, models: what --list-models or --describe shows, as lines for people or as a list for programs.
    """

    def __init__(self, noun: str, resumable: bool) -> None:
        self.noun = noun
        self.resumable = resumable
        self.model = ""
        self.seed: object = None
        self.submitted = False
        self.run_id = ""
        self.reused = False
        self.task_id = ""
        self.body: JSON = {}
        self.result: wire.Result | None = None
        self.inline: dict[str, str] = {}
        self.saved: dict[int, File] = {}
        self.markdown_path = ""
        self.reply_path = ""
        self.warnings: list[str] = []
        self.preview: JSON | None = None
        self.next_flags: tuple[str, ...] = ()
        self.words: tuple[str, ...] = ()
        self.candidates: list[JSON] = []
        self.tasks: list[JSON] | None = None
        self.bought: JSON | None = None
        self.parts: list[Part] | None = None
        self.canceled = False
        self.batch: JSON | None = None
        self.batches: list[JSON] = []
        self.page: list[str] | None = None
        self.models: list[JSON] | None = None
        self.gallery: JSON | None = None

    def receive(self, body: JSON, interleaved: bool) -> wire.Result:
        """Keep an answer, in the native layout, as the last one, and decode it."""
        self.result = wire.decode(body, interleaved)
        self.body = dict(self.result.body)
        self.inline.update(self.result.inline)
        return self.result

    @property
    def is_about_a_purchase(self) -> bool:
        """Whether it tells of something that is or was bought, and not of what anybody can look up."""
        is_made_batch = self.batch is not None and self.page is None  # else it is a plan
        return bool(self.submitted or self.task_id or self.saved or self.parts or is_made_batch)

    @property
    def files(self) -> list[File]:
        return [self.saved[index] for index in sorted(self.saved)]


def goes_on(error: QianwenError, outcome: Outcome) -> bool:
    """Whether another run can continue this one."""
    is_over = error.kind in ("failed", "content", "usage")
    return outcome.resumable and bool(outcome.next_flags or (outcome.task_id and not is_over))


def is_retryable(error: QianwenError, outcome: Outcome) -> bool:
    """Whether the same command may succeed later without paying twice."""
    return error.retryable and not (outcome.submitted and billed(error, outcome) != "no")


def billed(error: QianwenError, outcome: Outcome) -> str:
    """no, yes or unknown. Results that exist are paid for; a task that has not failed may still succeed."""
    if outcome.result and outcome.result.urls:
        return "yes"
    if outcome.task_id and error.kind not in ("failed", "content", "usage"):
        return "unknown"
    if outcome.submitted and error.kind in ("internal", "interrupted"):
        return "unknown"
    return error.billed


def hint_of(error: QianwenError, outcome: Outcome) -> str:
    """What to do about the error. After Ctrl-C during a paid request, nobody knows whether it was accepted."""
    has_links = outcome.result and outcome.result.urls
    if error.kind == "interrupted" and outcome.task_id:
        return "the task goes on, and is billed if it succeeds; --cancel stops one that has not begun"
    if error.kind == "interrupted" and outcome.submitted and not outcome.task_id and not has_links:
        return UnknownOutcome.usual_hint
    return error.hint


_SHORT = ("failed to map", "cannot open shared object file")  # why a module of the interpreter cannot be loaded


def starved(error: BaseException, outcome: Outcome) -> QianwenError | None:
    """The error for a machine without memory or descriptors for what comes next; None for any other."""
    import errno

    causes = (error, error.__cause__)  # some functions of Python in C answer as if there had been memory: a SystemError
    is_short = any(isinstance(each, MemoryError) for each in causes) or getattr(error, "errno", 0) in (
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
    )
    if not is_short and not (isinstance(error, ImportError) and any(words in str(error) for words in _SHORT)):
        return None
    words = f"this machine has too little memory, or too few descriptors, to go on ({type(error).__name__}: {error})"
    if outcome.result and outcome.result.urls:
        return OutputError(words)
    if outcome.task_id:
        return StillRunning(words)
    return UnknownOutcome(words) if outcome.submitted else Unavailable(f"{words}; nothing was sent")
