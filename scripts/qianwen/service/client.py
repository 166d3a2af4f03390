"""The calls of the DashScope API, made with the user's key. They go to the API's own host and nowhere else.

This module says what each call costs and how it may fail. `requests` builds the requests, `answers` reads the answers,
`tasks` knows the states of a task.
"""

from __future__ import annotations

from ..errors import AuthError, QianwenError, Refused
from ..http import retry
from . import answers, codes, endpoint, requests, tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

    from ..http.messages import Request, Response
    from ..http.session import Session
    from .endpoint import Endpoint

    JSON = dict[str, Any]

TOLERABLE_SKEW_SECONDS = 20.0


class Client:
    """The API at one endpoint.

    key_source: where the key was found, in words.
    has_result: see `tasks.read`.
    warn: called once about each thing that is odd about an answer.
    interval: the longest gap between two polls, in seconds.
    """

    def __init__(
        self,
        session: Session,
        endpoint: Endpoint,
        key_source: str = "",
        has_result: Callable[[JSON], bool] = bool,
        warn: Callable[[str], None] = lambda _: None,
        interval: float = 15.0,
    ) -> None:
        self.endpoint = endpoint
        self._session = session
        self._key_source = key_source
        self._has_result = has_result
        self._warn = warn
        self._interval = interval
        self._warned: set[str] = set()

    # What costs money ---------------------------------------------------------------------------------------

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        """Post a request that costs money. Raises UnknownOutcome if it may have been accepted without an answer."""
        request = requests.request_for(self.endpoint, "POST", path, body, task=is_task)
        return answers.answer(self._session.send, request, warn=self._warn_once)

    def stream(self, path: str, body: JSON) -> Iterator[JSON]:
        """The frames of a streamed answer to a request that costs money."""
        request = requests.request_for(self.endpoint, "POST", path, body, stream=True)
        return answers.events(self._session.send, request, self._warn_once)

    # What is free -------------------------------------------------------------------------------------------

    def poll(self, task_id: str) -> tasks.Poll:
        """Poll a task once. Raises AuthError, or Unavailable for every other refusal."""
        try:
            return self._poll(task_id)
        except AuthError:
            raise
        except QianwenError as error:
            raise tasks.refused_poll(error, task_id) from error

    def wait(self, task_id: str, report: Callable[[tasks.Poll, float], None], is_new: bool) -> JSON:
        """The final answer of a task; see `tasks.wait`."""
        return tasks.wait(self._session, lambda: self._poll(task_id), task_id, self._interval, report, is_new)

    def cancel(self, task_id: str) -> None:
        """Cancel a pending task. Raises Refused for any other; the hint says what became of the task."""
        try:
            self._ask("POST", requests.task_path(task_id) + "/cancel")
        except Refused as refusal:
            refusal.billed = "unknown"
            try:
                poll = self._poll(task_id)
            except QianwenError:  # which says nothing about the task
                raise refusal from None
            if poll.status.upper() in tasks.CANCELED:  # an earlier request canceled it, and its answer was lost
                return
            refusal.hint, refusal.billed = tasks.NOT_CANCELED[poll.meaning]
            if poll.meaning == tasks.GONE:  # the service's own words would be about a task that it has
                refusal.message, refusal.code = f"the service knows no task {task_id}", "UNKNOWN"
            raise

    def list_tasks(self, model: str, since: float, until: float) -> list[tasks.Listed]:
        """The tasks of a model that the account submitted in a period.

        since, until: epoch seconds by this machine's clock; its skew is measured by the Date header and corrected.
        Tasks without a date are included.
        """
        skew = 0.0

        def send(request: Request) -> Response:
            nonlocal skew
            response = self._session.send(request)
            skew = retry.skew(response, self._session.now())
            return response

        def ask(shift: float) -> list[tasks.Listed]:
            def fetch(page: int) -> JSON:
                path = requests.list_path(model, since + shift, until + shift, page)
                return answers.answer(send, requests.request_for(self.endpoint, "GET", path))

            listed = [task for task in tasks.list_all(fetch) if task.model in ("", model)]
            return [task for task in listed if not task.created or since <= task.created - shift <= until]

        unshifted = ask(0.0)
        return ask(skew) if abs(skew) > TOLERABLE_SKEW_SECONDS else unshifted

    def upload_policy(self, model: str) -> JSON:
        """The service's policy for uploading files for `model` to temporary storage, as it sent it."""
        policy = self._ask("GET", requests.policy_path(model)).get("data")
        return policy if isinstance(policy, dict) else {}

    def explain(self, error: AuthError) -> None:
        """Add to the hint of a refusal what we know about the key and the host. Only the first call adds anything."""
        if "the key is" in error.hint:  # it is there already, perhaps about the bucket's key
            return
        if codes.blames_the_key(error.code, error.message, error.http_status):
            error.hint = endpoint.advice(self.endpoint.base, self.endpoint.key, self._key_source)
        else:
            error.hint += f" (the key is {self._key_source})"

    def _poll(self, task_id: str) -> tasks.Poll:
        request = requests.request_for(self.endpoint, "GET", requests.task_path(task_id))
        body = answers.answer(self._session.send, request, is_poll=True, warn=self._warn_once)
        return tasks.read(body, self._has_result)

    def _ask(self, method: str, path: str) -> JSON:
        return answers.answer(self._session.send, requests.request_for(self.endpoint, method, path))

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)
