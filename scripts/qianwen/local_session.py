"""The service side of a run through DesireCore: the program of this machine, its retries and the deadline.

As `session` is for DashScope, and imported only when a request is about to leave.
"""

from __future__ import annotations

import random
from contextlib import contextmanager

from .progress import Progress
from .service import desirecore, retry, unpacked
from .service.exchange import Endpoint
from .service.forms import Upload
from .service.transport import Transport
from .session import Session
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    JSON = dict[str, Any]


class LocalSession(Session):
    """A session with the agent-service; results that are links still come from where they lie, without any key."""

    base = ""

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        return desirecore.generate(self._send, self.base, path, body)

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
    door = desirecore.at_home(unpacked.unpacking(world.send or transport.send, base), base)
    send = retry.retrying(door, sleep, world.clock, deadline, random.random, tell=progress.say)
    endpoint = Endpoint(desirecore.IN_THE_LEDGER, key="")
    session = LocalSession(send, sleep, transport.close, endpoint, world.clock, deadline, world.now)
    session.base = base
    try:
        yield session
    finally:
        transport.close()
