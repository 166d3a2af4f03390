"""One run in the account, and the only owner of what the run has reached.

Each step goes into the `Outcome`, from which the caller is answered, and onto the disk before the run goes on. Leaving
the context decides what becomes of the run in the account; only `ending` knows how.
"""

from __future__ import annotations

import time

from ..errors import LinkExpired, QianwenError, StillRunning, UsageError
from ..models import wire
from ..plain.record import fields_of
from ..plain.redact import each_text, safe
from . import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, TypeVar

    from ..files.locks import Lock
    from ..models.wire import Result
    from ..outcome import File, Outcome
    from .store import Ledger, Purchase

    JSON = dict[str, Any]
    T = TypeVar("T")

OVER = ("failed", "content")  # the service said no, or the task failed: there is nothing left to wait for
CANCELED = ("CANCELED", "CANCELLED")


def ending(error: QianwenError | None, is_first: bool, is_accepted: bool, has_task: bool) -> str:
    """The state in which a run ends, or "" when it stays open for another run.

    is_first: this run made the submission itself.  is_accepted: the service is known to have taken the request.
    """
    if error is None:
        return store.DONE
    if is_first and not has_task and error.kind == "unknown_outcome":
        return store.UNKNOWN
    if is_first and not is_accepted:
        return store.REFUSED
    if error.kind in OVER and error.code != "UNKNOWN":  # another region, or another key, may know the task
        return store.CANCELED if error.code in CANCELED else store.FAILED
    return ""


class Entry:
    """Use it as a context manager.

    account: None leaves no trace, as in the sandbox.
    warn: hears once why the disk takes nothing; the run goes on without being remembered.
    clean: takes what must not be stored out of a text.
    """

    def __init__(
        self, account: Ledger | None, outcome: Outcome, warn: Callable[[str], None], clean: Callable[[str], str]
    ) -> None:
        self.outcome = outcome
        self._account = account
        self._warn = warn
        self._clean = clean
        self._lock: Lock | None = None
        self.run_id = ""
        self._is_first = False
        self._base = ""  # of a submission of this run
        self.is_accepted = False  # the service is known to have taken the request
        self._stays_open = False
        self._is_noted = False  # the task, or the links of the last answer, are on the disk

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if not self.run_id or self._stays_open:
                return
            if error is None or isinstance(error, QianwenError):
                self.end(ending(error, self._is_first, self.is_accepted, bool(self.outcome.task_id)), error)
            elif self.is_accepted:
                self._note_what_came()
        finally:
            if self._lock:
                self._lock.release()

    @property
    def is_kept(self) -> bool:
        """Whether a later run will find this one."""
        return self._account is not None

    # The beginning ------------------------------------------------------------------------------------------

    def refuse_twin(self, run: Purchase, lost_words: str = "") -> None:
        """Raise UsageError while an identical request is open. lost_words: see `_already_open`."""
        twin = self._account.twin(run) if self._account else None
        if twin:
            raise self._already_open(twin, lost_words)

    def submit(self, run: Purchase, again: bool, lost_words: str = "") -> None:
        """Write down that a request is about to be paid for. Raises UsageError while an identical one is open.

        again: an open one does not matter.
        """
        self.claim(run.id)
        cleaned: Any = each_text(fields_of(run), self._clean)
        twin = self._try(lambda account: account.begin(store.Purchase(**cleaned), again))
        if twin:
            self.run_id = ""
            raise self._already_open(twin, lost_words)
        self._is_first = True
        self._base = run.base
        self.outcome.submitted = True
        if run.is_task and self.is_kept:
            self.outcome.way_on = ("--resume",)

    def claim(self, run_id: str) -> bool:
        """Take up a run; False while another process works on it. Where there are no locks nobody can tell."""
        self.run_id = run_id
        if self._account is None:
            return True
        try:
            self._lock = self._account.claim(run_id)
        except OSError:  # whether the disk takes anything shows soon enough
            return True
        return self._lock is not None

    def take_up(self, known: Purchase) -> None:
        """Go on with a run of an earlier process. Raises StillRunning while another one works on it."""
        if not self.claim(known.id):
            self.run_id = ""
            raise StillRunning("another process of this machine is at work on it", task_id=known.task_id)

    def _already_open(self, twin: Purchase, lost_words: str) -> UsageError:
        """The refusal of a request whose earlier attempt is open; `next` takes that one up, where it can be.

        lost_words: why an answer that was lost cannot be had again on this way to the service, whatever the twin is.
        """
        assert self._account
        is_lost = bool(lost_words) or not (twin.is_task or twin.urls)
        self.outcome.way_on = () if is_lost else ("--task-id", twin.task_id) if twin.task_id else ("--resume",)
        when = time.strftime("%H:%M:%S", time.localtime(twin.at))
        what = {"made": "finished but was not fully saved", "waiting": "is still open"}.get(
            self._account.state(twin), "may have been accepted, or is being sent"
        )
        named = f" (task {twin.task_id})" if twin.task_id else ""
        way_out = "run `next` to finish it"
        if is_lost:
            way_out = f"{lost_words or 'its answer cannot be asked for again'}; --tasks shows what is known of it"
        return UsageError(
            f"an identical request from {when}{named} {what}; nothing was sent",
            hint=f"{way_out}, or add --again to buy a second one",
        )

    # The steps ----------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """The service took the request: with an answer, a task, or the beginning of a stream."""
        self.is_accepted = True

    def answered(self, body: JSON) -> None:
        """The service took the request and answered this."""
        self.outcome.body = body
        self.accept()

    def task(self, task_id: str) -> None:
        """The request became a task."""
        self.accept()
        self.outcome.task_id = task_id
        self.outcome.way_on = ()
        self._add("task", task_id=task_id)
        self._is_noted = True

    def offer(self, tasks: Sequence[JSON]) -> None:
        """Tasks that may be the one whose submission was not answered."""
        self.outcome.candidates = list(tasks)
        self.outcome.way_on = ("--task-id", tasks[0]["task_id"]) if len(tasks) == 1 else ("--resume",)
        if tasks:
            self._add("offer", task_ids=[task["task_id"] for task in tasks])

    def result(self, body: JSON, interleaved: bool) -> Result:
        """What a whole answer holds; its links are on the disk before anything is fetched.

        The answer itself is kept where nobody can be asked for it again: where there is no task.
        """
        self.accept()
        result = self.outcome.note(body, interleaved)
        if result.urls:
            whole = self.outcome.body
            kept = {} if self.outcome.task_id or not store.fits(whole) else {"body": whole}
            self._add("result", urls=list(result.urls), **kept)
            self._is_noted = True
        return result

    def file(self, index: int, file: File) -> None:
        """A result is on the disk."""
        self.outcome.saved[index] = file
        self._add("file", index=index, path=file.saved.path, sha256=file.saved.sha256)

    def leave_open(self) -> None:
        """Another run will go on: this one ends here on purpose."""
        self._stays_open = True

    def end(self, state: str, error: BaseException | None = None) -> None:
        """Close the run with a state of `store`; "" leaves it open."""
        if state == store.REFUSED:
            self.outcome.way_on = ()
        if not state and not isinstance(error, LinkExpired):
            self._point_to_the_links()
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
        has_links = outcome.result and any(url.lower().startswith("http") for url in outcome.result.urls)
        if has_links and self._base not in ("", store.DESIRECORE_BASE) and not outcome.task_id and self.is_kept:
            outcome.way_on = ("--resume",)

    def _add(self, event: str, **fields: Any) -> None:
        if self.run_id:
            cleaned: Any = each_text(fields, self._clean)
            self._try(lambda account: account.add(self.run_id, event, **cleaned))

    def _try(self, write: Callable[[Ledger], T]) -> T | None:
        account = self._account
        if account is not None:
            try:
                return write(account)
            except OSError as error:
                self._account = None
                self._warn(f"this machine cannot remember the run: {account.folder}: {error.strerror or error}")
        return None
