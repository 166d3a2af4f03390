"""The service side of a run through DesireCore: the program of this machine, its retries and the deadline.

As `session` is for DashScope, and imported only when a request is about to leave.
"""

from __future__ import annotations

import base64
import hashlib
import random
from contextlib import contextmanager

from .errors import OutputError
from .models import compatible
from .progress import Progress
from .service import desirecore, retry
from .service.downloads import Fetched
from .service.exchange import Endpoint
from .service.forms import Upload
from .service.transport import Transport
from .session import Session
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Mapping

    JSON = dict[str, Any]


class LocalSession(Session):
    """A session with the agent-service; results that are links still come from where they lie, without any key."""

    base = ""
    _inline: Mapping[str, str] = {}

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        answer, self._inline = compatible.decode(desirecore.generate(self._send, self.base, path, body))
        return answer

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> Fetched:
        encoded = self._inline.get(url)
        if encoded is None:
            return super().fetch(url, stream, warn)
        try:
            data = base64.b64decode("".join(encoded.rpartition(",")[2].split()), validate=True)
        except ValueError:
            raise OutputError("the picture in the answer is no valid base64") from None
        stream.write(data)
        return Fetched(len(data), hashlib.sha256(data).hexdigest(), proven=True)

    def store(self, file: Upload) -> str:
        """The id of a file in the media store. Raises OutputError."""
        return desirecore.store(self._send, self.base, file)

    @property
    def on_this_machine(self) -> bool:
        """The pictures are made elsewhere: only https leads to them."""
        return False


@contextmanager
def opened(world: World, progress: Progress, deadline: float) -> Iterator[LocalSession]:
    """A session with the service that runs on this machine. Raises Unavailable when it does not."""
    world.before_sending()
    port = desirecore.port(world.env, world.home)
    base = f"https://{desirecore.HOST}:{port}"
    transport = Transport(deadline, world.clock, world.env, self_signed=port)
    sleep = world.sleep or transport.pause
    door = desirecore.at_home(world.send or transport.send, base)
    send = retry.retrying(door, sleep, world.clock, deadline, random.random, tell=progress.say)
    endpoint = Endpoint(desirecore.IN_THE_LEDGER, key="")
    session = LocalSession(send, sleep, transport.close, endpoint, world.clock, deadline, world.now)
    session.base = base
    try:
        yield session
    finally:
        transport.close()
