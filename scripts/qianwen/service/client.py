"""The calls that DashScope offers, made with the user's key. Nothing but the API's own host ever sees a request of it.

What each call costs and how it may fail is said here; the requests themselves are in `requests`, their answers in
`answers`, the states of a task in `tasks`.
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
    """The API at one endpoint. key_source: where the key was found, in words."""

    def __init__(self, session: Session, endpoint: Endpoint, key_source: str = "") -> None:
        self.endpoint = endpoint
        self._session = session
        self._key_source = key_source

    # What costs money ---------------------------------------------------------------------------------------

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        """Post a request that costs money. Raises UnknownOutcome when it may have been accepted without an answer."""
        return answers.answer(self._session.send, requests.request_for(self.endpoint, "POST", path, body, task=is_task))

    def stream(self, path: str, body: JSON) -> Iterator[JSON]:
        """The frames of a streamed answer to a request that costs money."""
        return answers.events(self._session.send, requests.request_for(self.endpoint, "POST", path, body, stream=True))

    # What is free -------------------------------------------------------------------------------------------

    def look(self, task_id: str) -> JSON:
        """The answer of one look at a task. Raises AuthError, or Unavailable for every other refusal."""
        try:
            return self._poll(task_id)
        except AuthError:
            raise
        except QianwenError as error:
            raise tasks.lost_sight(error, task_id) from error

    def wait(self, task_id: str, interval: float, tell: Callable[[tasks.Seen, float], None], is_new: bool) -> JSON:
        """The final answer of a task; see `tasks.wait`."""
        return tasks.wait(self._session, lambda: self._poll(task_id), task_id, interval, tell, is_new)

    def cancel(self, task_id: str) -> None:
        """Cancel a task that is pending. Raises Refused for one that is not; its hint says what became of it."""
        try:
            self._ask("POST", requests.task_path(task_id) + "/cancel")
        except Refused as refusal:
            refusal.billed = "unknown"
            seen = self._seen(task_id)
            if seen and seen.word.upper() in tasks.CANCELED:  # by an answer that was lost
                return
            if seen:
                refusal.hint, refusal.billed = tasks.NOT_CANCELED[seen.meaning]
            raise

    def _seen(self, task_id: str) -> tasks.Seen | None:
        """One look; None when it says nothing about the task."""
        try:
            return tasks.look(self._poll(task_id))
        except QianwenError:
            return None

    def listed(self, model: str, since: float, until: float) -> list[tasks.Listed]:
        """The tasks of a model that the account submitted between two moments, epoch seconds of this machine's clock.

        Tasks without a date are included. A clock skew of this machine, measured by the answers' Date header, is
        corrected for.
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

            listed = [task for task in tasks.listed(fetch) if task.model in ("", model)]
            return [task for task in listed if not task.created or since <= task.created - shift <= until]

        found = ask(0.0)
        return ask(skew) if abs(skew) > TOLERABLE_SKEW_SECONDS else found

    def upload_policy(self, model: str) -> JSON:
        """The policy with which files for `model` may be put into temporary storage, as the service words it."""
        policy = self._ask("GET", requests.policy_path(model)).get("data")
        return policy if isinstance(policy, dict) else {}

    def explain(self, error: AuthError) -> None:
        """Add to the hint of a refusal what is known of this key and this host. Only the first call adds anything."""
        if "the key is" in error.hint:  # said already, perhaps of the bucket's key
            return
        if codes.blames_the_key(error.code, error.message, error.http_status):
            error.hint = endpoint.advice(self.endpoint.base, self.endpoint.key, self._key_source)
        else:
            error.hint += f" (the key is {self._key_source})"

    def _poll(self, task_id: str) -> JSON:
        request = requests.request_for(self.endpoint, "GET", requests.task_path(task_id))
        return answers.answer(self._session.send, request, is_look=True)

    def _ask(self, method: str, path: str) -> JSON:
        return answers.answer(self._session.send, requests.request_for(self.endpoint, method, path))
