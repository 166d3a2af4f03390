"""One run in the account. Only this module records what a run has reached.

Each step goes into the `Outcome`, which the answer is made from, and to disk before the run continues. Leaving the
context closes the run or leaves it open; `ending` alone decides which.
"""

from __future__ import annotations

import time

from ..errors import LinkExpired, QianwenError, StillRunning, UsageError
from ..models import wire
from ..plain.redact import safe
from . import purchase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, TypeVar

    from ..files.locks import Lock
    from ..models.wire import Result
    from ..outcome import File, Outcome
    from ..terminal.progress import Progress
    from .purchase import Purchase
    from .store import Account

    JSON = dict[str, Any]
    T = TypeVar("T")

OVER = ("failed", "content")  # the service refused, or the task failed: there is nothing left to wait for
TROUBLE = (OSError, MemoryError)  # in which a run goes on unrecorded
CANCELED = ("CANCELED", "CANCELLED")


def ending(
    error: QianwenError | None, is_first: bool, is_accepted: bool, has_task: bool, is_forgotten: bool = False
) -> str:
    """The final state of a run, or "" when it stays open for another run.

    is_first: this run made the submission itself.
    is_accepted: the service is known to have accepted the request.
    is_forgotten: a task that the service does not know is no task any more, and a link that has expired has no
        successor; see `Entry._is_forgotten`.
    """
    if error is None:
        return purchase.DONE
    if is_first and not has_task and error.kind == "unknown_outcome":
        return purchase.UNKNOWN
    if is_first and not is_accepted:
        return purchase.REFUSED
    if isinstance(error, LinkExpired) and is_forgotten:
        return purchase.EXPIRED
    if error.kind not in OVER:
        return ""
    if error.code == "UNKNOWN":
        return purchase.EXPIRED if is_forgotten else ""
    return purchase.CANCELED if error.code in CANCELED else purchase.FAILED


class Entry:
    """Use as a context manager.

    account: None to record nothing, as in the sandbox.
    progress: where each step is reported.
    warn: called with what the answer must say too. If the disk fails, once; the run continues unrecorded.
    """

    def __init__(
        self, account: Account | None, outcome: Outcome, progress: Progress, warn: Callable[[str], None]
    ) -> None:
        self.outcome = outcome
        self.progress = progress
        self.warn = warn
        self._account = account
        self._lock: Lock | None = None
        self.run_id = ""
        self.submission: Purchase | None = None  # what this run itself has sent
        self.is_accepted = False  # the service is known to have accepted the request
        self._stays_open = False
        self._continued: Purchase | None = None  # the open run of an earlier process that this one continues
        self._is_noted = False  # the task, or the links of the last answer, are on the disk

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if not self.run_id or self._stays_open:
                return
            if error is None or isinstance(error, QianwenError):
                has_task = bool(self.outcome.task_id)
                self.end(
                    ending(error, self.submission is not None, self.is_accepted, has_task, self._is_forgotten()), error
                )
            elif self.is_accepted:
                self._note_what_came()
        finally:
            if self._lock:
                self._lock.release()

    @property
    def is_kept(self) -> bool:
        """Whether a later run can find this one."""
        return self._account is not None

    # The beginning ------------------------------------------------------------------------------------------

    def refuse_twin(self, run: Purchase) -> None:
        """Raise UsageError if an identical request is open."""
        twin = self._account.twin(run) if self._account else None
        if twin:
            raise self._already_open(twin)

    def submit(self, run: Purchase, again: bool) -> None:
        """Record that a request is about to be paid for. Raises UsageError if an identical one is open.

        again: do so even if one is.
        """
        self.claim(run.id)
        twin = self._try(lambda account: account.begin(run, again), (OSError,))  # short of memory, nothing is bought
        if twin:
            self.run_id = ""
            raise self._already_open(twin)
        self.submission = run
        self.outcome.submitted = True
        self.outcome.run_id = run.id
        if run.is_task and self.is_kept:
            self.outcome.next_flags = ("--resume",)

    def made(self, request: str, with_read_answers: bool) -> Purchase | None:
        """An earlier run that made the same and still has all it needs to be answered again; see `Account.made`."""
        found = self._account.made(request, with_read_answers) if self._account else None
        return found if found and found.urls and len(found.files) == len(found.urls) else None

    def knows(self, task_id: str) -> bool:
        """Whether a run on this machine accounts for a task."""
        found = self._account.find(task_id) if self._account else None
        return bool(found and found.task_id)  # the others were only offered it

    def claim(self, run_id: str) -> bool:
        """Lock a run; False if another process holds it. Without file locks this is always True."""
        self.run_id = run_id
        if self._account is None:
            return True
        try:
            self._lock = self._account.claim(run_id)
        except OSError:  # the first write will report a failing disk
            return True
        return self._lock is not None

    def take_up(self, known: Purchase, to_answer: bool = False) -> None:
        """Continue the run of an earlier process. Raises StillRunning if another process is working on it.

        to_answer: only tell what it made, as any number of processes may at once when it is over.
        """
        self._continued = known if known.state in purchase.OPEN else None  # what is over stays as it ended
        if to_answer and not self._continued:
            self.run_id = known.id
        elif not self.claim(known.id):
            self.run_id = ""
            raise StillRunning("another process on this machine is working on it", task_id=known.task_id)
        self.outcome.run_id = known.id
        self.outcome.seed = known.asked.get("seed", self.outcome.seed)

    def _is_forgotten(self) -> bool:
        """Whether a task that the service does not know, or a link that has expired, is gone: its day is over.

        Until then another region, workspace or key may know it, and nothing here tells whether this is the same key.
        """
        return bool(self._account and self._continued and self._account.is_forgotten(self._continued))

    def _already_open(self, twin: Purchase) -> UsageError:
        """The error for a request whose earlier attempt is open; `next` continues that one, where possible."""
        assert self._account
        is_old = self._account.is_forgotten(twin)
        is_lost = not (twin.task_id or twin.has_links or (twin.is_task and not is_old))
        self.outcome.next_flags = () if is_lost else ("--task-id", twin.task_id) if twin.task_id else ("--resume",)
        when = time.strftime("%Y-%m-%d %H:%M:%S" if is_old else "%H:%M:%S", time.localtime(twin.at))
        state = {"made": "finished but was not fully saved", "waiting": "is still open"}.get(
            self._account.state(twin), "may have been accepted, or is being sent"
        )
        is_of_1_0 = twin.request == purchase.of_1_0(twin)
        which = f"a request of version 1.0 to {twin.model}, perhaps the same," if is_of_1_0 else "an identical request"
        named = f" (task {twin.task_id})" if twin.task_id else ""
        advice = "run `next` to finish it"
        if is_lost:
            whose = "DesireCore's" if twin.base == purchase.DESIRECORE_BASE else "its"
            advice = f"{whose} answer cannot be fetched again; --tasks shows what is known of it"
        return UsageError(
            f"{which} from {when}{named} {state}; nothing was sent",
            hint=f"{advice}, or add --again to buy a second one",
        )

    # The steps ----------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """The service accepted the request: with an answer, a task, or the start of a stream."""
        self.is_accepted = True

    def answered(self, body: JSON) -> None:
        """The service accepted the request and answered `body`."""
        self.outcome.body = body
        self.accept()

    def task(self, task_id: str) -> None:
        """The request became a task."""
        self.accept()
        self.outcome.task_id = task_id
        self.outcome.next_flags = ()
        self._add("task", task_id=task_id)
        self._is_noted = True

    def offer(self, tasks: Sequence[JSON]) -> None:
        """Record the tasks that an unanswered submission may have created."""
        self.outcome.candidates = list(tasks)
        self.outcome.next_flags = ("--task-id", tasks[0]["task_id"]) if len(tasks) == 1 else ("--resume",)
        if tasks:
            self._add("offer", task_ids=[task["task_id"] for task in tasks])

    def result(self, body: JSON, interleaved: bool) -> Result:
        """The result of a whole answer. The answer and its links are on disk before anything is downloaded."""
        self.accept()
        result = self.outcome.receive(body, interleaved)
        if result.urls:
            self._add("result", urls=list(result.urls), body=self.outcome.body)
            self._is_noted = True
        return result

    def file(self, index: int, file: File) -> None:
        """A result is saved."""
        self.outcome.saved[index] = file
        self._add("file", index=index, path=file.saved.path, sha256=file.saved.sha256)
        facts = file.saved.facts
        self.progress.saved(file.saved.path, facts.width, facts.height, file.saved.bytes)

    def leave_open(self) -> None:
        """Leave the run for another one to finish."""
        self._stays_open = True

    def end(self, state: str, error: BaseException | None = None) -> None:
        """Close the run with a state of `purchase`; "" leaves it open."""
        if state == purchase.REFUSED:
            self.outcome.next_flags = ()
        if not state and not isinstance(error, LinkExpired):
            self._point_to_the_links()
        if self._continued and not state and isinstance(error, QianwenError) and error.code == "UNKNOWN":
            self.outcome.next_flags = ("--resume",)  # where the task was submitted, or with the key that knows it
        if state:
            self._add("end", state=state, told=safe(str(error or "")), at=self._account.now() if self._account else 0)

    def _note_what_came(self) -> None:
        """After an interruption: what the answer told is written down all the same, so that `--resume` can fetch it."""
        outcome = self.outcome
        if not self._is_noted:
            task_id = outcome.task_id or wire.task_id(outcome.body)
            if task_id:
                self.task(task_id)
            elif outcome.body:
                self.result(outcome.body, wire.has_texts(outcome.body))
        self._point_to_the_links()

    def _point_to_the_links(self) -> None:
        """`--resume` fetches what this run bought and did not save, when the account has its links."""
        outcome = self.outcome
        has_links = outcome.result is not None and purchase.are_links(outcome.result.urls)
        if has_links and self.submission and not outcome.task_id and self.is_kept:
            outcome.next_flags = ("--resume",)

    def _add(self, event: str, **fields: Any) -> None:
        if self.run_id:
            self._try(lambda account: account.add(self.run_id, event, **fields))

    def _try(self, write: Callable[[Account], T], trouble: tuple[type[Exception], ...] = TROUBLE) -> T | None:
        account = self._account
        if account is not None:
            try:
                return write(account)
            except trouble as error:
                self._account = None
                where = f"{account.folder}: " if account.folder else ""
                words = getattr(error, "strerror", "") or str(error) or "there is too little memory"
                self.warn(f"this machine cannot remember the run: {where}{words}")
        return None
