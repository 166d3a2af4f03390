"""Every way a run can fail, and the exit code for it.

    QianwenError
    ├── UsageError        3  usage            bad flags; nothing was sent
    │   └── InvalidRequest   usage            the request breaks rules, all of them listed
    ├── AuthError         4  auth             key missing, refused or not allowed this
    ├── Refused           1  failed           the service said no, or the task failed
    │   ├── ContentRefused   content          a content filter said no
    │   └── Capped           capped           it could bill more than --max-images or --max-seconds allows
    ├── StillRunning      2  running          the task still runs
    ├── Unavailable       5  unavailable      network or service trouble; nothing was bought
    ├── UnknownOutcome    6  unknown_outcome  a paid request may have been accepted
    ├── OutputError       7  output           made, but a file could not be saved
    │   └── LinkExpired      output           its link has expired; a task can name a fresh one
    ├── InternalError    70  internal         a bug here
    └── Interrupted     130  interrupted      Ctrl-C; a submitted task goes on

An error carries its `kind` and `exit_code`; the handler only reports them. Every other module may import this one.
"""

from __future__ import annotations

from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, Sequence

OK = 0


@record
class Problem:
    """One thing wrong with a request.

    path: the field, such as `reference_images[0]`.
    value: what was given.
    allowed: what would be legal, in words.
    nearest: the nearest legal value.
    reason: a word for programs: missing, type, range, count, choice, size, unknown, not taken, excluded, file, format,
        pixels, weight or invalid.
    """

    path: str
    value: object
    message: str
    allowed: str = ""
    nearest: object = None
    reason: str = "invalid"

    def __str__(self) -> str:
        return self.named(self.path)

    def named(self, path: str) -> str:
        """The problem in a sentence, under this name of its field."""
        given = "" if self.value is None else f"{_shown(self.value)} "
        text = f"{path}: {given}{self.message}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest is not None:
            text += f"; nearest: {_shown(self.nearest)}"
        return text


def _shown(value: object) -> str:
    """A value as it would stand in JSON, without secrets and at most 80 characters long."""
    from .plain.redact import safe

    if isinstance(value, (bool, list, dict)):
        import json

        text = safe(json.dumps(value, ensure_ascii=False))
    else:
        text = safe(str(value) or '""')
    return text if len(text) <= 80 else text[:77] + "…"


class QianwenError(Exception):
    """Base of all expected failures.

    billed: "no", "yes" or "unknown".
    retryable: the same command may succeed later.
    code, http_status, request_id: the service's own, if it answered.
    """

    kind = "failed"
    exit_code = 1
    billed = "no"
    retryable = False
    usual_hint = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        http_status: int | None = None,
        request_id: str = "",
        task_id: str = "",
        retryable: bool | None = None,
        billed: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or type(self).usual_hint
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.task_id = task_id
        self.retryable = type(self).retryable if retryable is None else retryable
        self.billed = type(self).billed if billed is None else billed


class UsageError(QianwenError):
    kind = "usage"
    exit_code = 3


class InvalidRequest(UsageError):
    """The request breaks known rules.

    problems: every rule that it breaks.
    heading: the line above several of them, if they are not those of one request.
    """

    def __init__(self, problems: Sequence[Problem], *, hint: str = "", heading: str = "") -> None:
        super().__init__("", hint=hint)
        self.heading = heading
        self.problems = tuple(problems)
        self.name({})

    def name(self, typed: Mapping[str, str]) -> None:
        """Word the message with what the user typed. typed: see `Ask`."""
        heading = [self.heading or f"the request has {len(self.problems)} problems:"] if len(self.problems) > 1 else []
        names = (typed.get(problem.path.partition("[")[0], problem.path) for problem in self.problems)
        lines = (problem.named(name) for problem, name in zip(self.problems, names))
        self.message = "\n  ".join([*heading, *lines])


class AuthError(QianwenError):
    kind = "auth"
    exit_code = 4


class Refused(QianwenError):
    kind = "failed"
    exit_code = 1


class ContentRefused(Refused):
    kind = "content"


class Capped(Refused):
    """More could be billed than the user allows. Nothing of it was sent."""

    kind = "capped"


class StillRunning(QianwenError):
    kind = "running"
    exit_code = 2
    billed = "unknown"
    retryable = True


class Unavailable(QianwenError):
    kind = "unavailable"
    exit_code = 5
    retryable = True


class UnknownOutcome(QianwenError):
    kind = "unknown_outcome"
    exit_code = 6
    billed = "unknown"
    usual_hint = "it may have been accepted and billed: check the usage in the console before you run it again"


class OutputError(QianwenError):
    kind = "output"
    exit_code = 7
    billed = "yes"
    usual_hint = "what was made can be downloaded again for 24 hours: its URLs are in the JSON"


class LinkExpired(OutputError):
    """The storage host says that a result link has expired."""

    usual_hint = "result links expire after 24 hours, and this one cannot be renewed"


class InternalError(QianwenError):
    kind = "internal"
    exit_code = 70
    usual_hint = "please report this line"


class Interrupted(QianwenError):
    kind = "interrupted"
    exit_code = 130
    retryable = True


def expected(error: BaseException) -> QianwenError:
    """Any exception as a QianwenError. An unforeseen one is a bug, and its message says where it happened."""
    if isinstance(error, QianwenError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted")
    place = ""
    trace = error.__traceback__
    while trace:
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return InternalError(f"a bug in this program: {type(error).__name__}: {error}{place}")
