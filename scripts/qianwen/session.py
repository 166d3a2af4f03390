"""The service side of one run: endpoint, connections, retries and the deadline, opened together and closed together.

Whatever leaves a run leaves through a `Session`; this module knows nothing of models. It is imported only when a
request is about to leave, because it brings sockets and TLS along.
"""

from __future__ import annotations

import random
from contextlib import contextmanager, nullcontext

from . import parallel, regions
from .errors import AuthError, QianwenError, Refused
from .progress import Progress
from .service import api, asking, codes, downloads, guard, retry, settings, tasks, unpacked, uploads
from .service.exchange import Endpoint
from .service.transport import Transport
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Sequence, TypeVar

    from .cassette import Player, Recorder
    from .service.bucket_settings import Bucket
    from .service.exchange import Request, Response, Send
    from .service.forms import Upload

    JSON = dict[str, Any]
    Given = TypeVar("Given")
    Made = TypeVar("Made")


SANDBOX_KEY = "sandbox"
TOLERABLE_SKEW_SECONDS = 20.0
REPLAY_KEY = "replayed-without-a-key"


class Session:
    """One run's conversation with the service; every method ends by the run's deadline.

    threads: how many uploads or downloads run at once.
    """

    threads = parallel.MOST_THREADS

    def __init__(
        self,
        send: Send,
        sleep: Callable[[float], None],
        cut: Callable[[], None],
        endpoint: Endpoint,
        clock: Callable[[], float],
        deadline: float,
        now: Callable[[], float],
        own: Bucket | None = None,
        key_source: str = "",
    ) -> None:
        self.endpoint = endpoint
        self._key_source = key_source
        self._now = now
        self._own = own
        self._send = send
        self._sleep = sleep
        self._cut = cut
        self._clock = clock
        self._deadline = deadline

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        """Post a request that costs money. Raises UnknownOutcome when it may have been accepted without an answer."""
        return api.answer(self._send, asking.request_for(self.endpoint, "POST", path, body, task=is_task))

    def stream(self, path: str, body: JSON) -> Iterator[JSON]:
        return api.events(self._send, asking.request_for(self.endpoint, "POST", path, body, stream=True))

    def look(self, task_id: str) -> JSON:
        """The answer of one look at a task. Raises AuthError, or Unavailable for every other refusal."""
        try:
            return self._ask_for(task_id)
        except AuthError:
            raise
        except QianwenError as error:
            raise tasks.lost_sight(error, task_id) from error

    def finished(self, task_id: str, body: JSON, is_young: bool) -> JSON:
        """The body again when it is the final one; see `tasks.finished` for what is raised."""
        return tasks.finished(tasks.look(body), task_id, is_young)

    def refused(self, code: str, message: str) -> QianwenError:
        """The error that the service's own words mean, when they stand in a result."""
        return api.refused({"code": code, "message": message}, 200)

    def wait(self, task_id: str, interval: float, tell: Callable[[tasks.Seen, float], None], is_new: bool) -> JSON:
        """The final answer of a task; see `tasks.wait`."""
        return tasks.wait(
            lambda: self._ask_for(task_id),
            task_id,
            interval,
            self._deadline,
            self._sleep,
            self._clock,
            tell,
            is_new,
        )

    def cancel(self, task_id: str) -> None:
        """Cancel a task that is pending. Raises Refused for one that is not; its hint says what became of it."""
        try:
            api.answer(self._send, asking.request_for(self.endpoint, "POST", asking.task_path(task_id) + "/cancel"))
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
            return tasks.look(self._ask_for(task_id))
        except QianwenError:
            return None

    def listed(self, model: str, since: float, until: float) -> list[tasks.Listed]:
        """The tasks of a model that the account submitted between two moments, epoch seconds of this machine's clock.

        Those without a date are among them. A clock that the service's answers show to be wrong is allowed for.
        """
        ahead = 0.0  # the service's clock, against ours

        def send(request: Request) -> Response:
            nonlocal ahead
            response = self._send(request)
            ahead = retry.ahead(response, self._now())
            return response

        def ask(shift: float) -> list[tasks.Listed]:
            def fetch(page: int) -> JSON:
                path = asking.list_path(model, since + shift, until + shift, page)
                return api.answer(send, asking.request_for(self.endpoint, "GET", path))

            listed = [task for task in tasks.listed(fetch) if task.model in ("", model)]
            return [task for task in listed if not task.created or since <= task.created - shift <= until]

        found = ask(0.0)
        return ask(ahead) if abs(ahead) > TOLERABLE_SKEW_SECONDS else found

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether there is still time for anything after it."""
        if self._clock() + seconds >= self._deadline:
            return False
        self._sleep(seconds)
        return True

    def _ask_for(self, task_id: str) -> JSON:
        return api.answer(self._send, asking.request_for(self.endpoint, "GET", asking.task_path(task_id)), is_look=True)

    def upload(self, files: Sequence[Upload], model: str) -> list[str]:
        """The URLs of local files, in their order: `oss://` of temporary storage, or presigned of the own bucket."""

        def upload(file: Upload) -> str:
            if self._own is None:
                return uploads.upload(self._send, self._sleep, self.endpoint, model, file)
            from .service import bucket

            return bucket.upload(self._send, self._sleep, self._now, self._own, file)

        return self.side_by_side(upload, files)

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> downloads.Fetched:
        return downloads.fetch(self._send, url, stream, self.on_this_machine, warn)

    def explain(self, error: AuthError) -> None:
        """Add to the hint of a refusal what can be known of this key and this host. Only the first call adds."""
        if "the key is" in error.hint:  # told already, perhaps of the bucket's key
            return
        if codes.blames_the_key(error.code, error.message, error.http_status):
            error.hint = settings.advice(self.endpoint.base, self.endpoint.key, self._key_source)
        else:
            error.hint += f" (the key is {self._key_source})"

    @property
    def on_this_machine(self) -> bool:
        """Whether the API is a loopback address, whose results may be plain http."""
        return regions.is_loopback_url(self.endpoint.base)

    def side_by_side(self, work: Callable[[Given], Made], items: Sequence[Given]) -> list[Made]:
        """`work` on every item, several at once; see `parallel`."""
        return parallel.side_by_side(work, items, self._cut, self.threads)


@contextmanager
def opened(
    world: World,
    progress: Progress,
    region: str,
    deadline: float,
    sandbox: bool,
    own: Bucket | None = None,
    tape: Recorder | Player | None = None,
    remembered: str = "",
) -> Iterator[Session]:
    """A session that ends by `deadline`, a moment of the world's clock.

    own: the user's bucket for local files.  tape: records the session, or plays a recorded one.
    remembered: the base that took the task which the session is about.
    Raises AuthError when there is no key or no base to trust, UsageError for the region, and when the run is not the
    one that was recorded.
    """
    world.before_sending()
    with tape or nullcontext(), _endpoint(world, progress, region, sandbox, tape, remembered) as found:
        endpoint, source = found
        progress.secrets += (endpoint.key, *(own.secrets if own else ()))
        transport = Transport(deadline, world.clock, world.env)
        sleep, clock = world.sleep or transport.pause, world.clock
        send = unpacked.unpacking(world.send or transport.send, endpoint.base)
        if tape:
            tape.connect(send, sleep, endpoint.base, progress.secrets)
            send, sleep, clock = tape.send, tape.sleep, tape.clock
        door = guard.guarding(send, endpoint.base, endpoint.key)
        send = retry.retrying(door, sleep, clock, deadline, random.random, tell=progress.say)
        session = Session(send, sleep, transport.close, endpoint, clock, deadline, world.now, own, source)
        if tape:
            session.threads = 1  # so that the order of a run is the same each time
        try:
            yield session
        except AuthError as error:
            session.explain(error)
            raise
        finally:
            transport.close()


@contextmanager
def _endpoint(
    world: World, progress: Progress, region: str, sandbox: bool, tape: Recorder | Player | None, remembered: str
) -> Iterator[tuple[Endpoint, str]]:
    if not sandbox:
        place = settings.Place(world.env, world.cwd, world.home)
        region = settings.region(place, region)
        if tape and tape.base:
            progress.say(f"Replay: {tape.path} answers; nothing is sent out or billed")
            yield Endpoint(tape.base, REPLAY_KEY), "made up for the replay"
        else:
            yield settings.endpoint(place, region, remembered)
        return
    from .sandbox.server import running
    from .sandbox.standin import StandIn

    progress.say("Sandbox: a local stand-in answers with placeholders; nothing is sent out or billed")
    with running(StandIn(takes_new=True)) as base:
        yield Endpoint(base, SANDBOX_KEY), "the sandbox's own"
