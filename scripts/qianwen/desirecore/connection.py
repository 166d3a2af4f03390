"""A connection to DesireCore's agent-service: it makes pictures and puts each into the media store.

Imported only when a request is about to be sent.
"""

from __future__ import annotations

from contextlib import contextmanager

from ..account.purchase import DESIRECORE_BASE
from ..http import retry, unpacked
from ..http.session import Session
from ..http.transport import Transport
from ..plain.record import changed
from ..service import answers
from ..storage import results
from ..storage.forms import Upload
from ..storage.results import Fetched
from . import agent_service, compatible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator

    from ..checks.validate import Checked
    from ..environment import Environment
    from ..models.wire import Call
    from ..outcome import File
    from ..terminal.progress import Progress

    JSON = dict[str, Any]
    Warn = Callable[[str], None]


class Connection:
    """An open connection to the agent-service, and its own client: it has no tasks and no streams.

    here: the URL of the service, with its current port.
    description: the alternative text of the pictures in Markdown.
    warn: called with what is odd about an answer.
    """

    base = DESIRECORE_BASE

    def __init__(self, session: Session, here: str, description: str, progress: Progress, warn: Warn) -> None:
        self.session = session
        self.client: Any = self
        self._here = here
        self._description = description
        self._progress = progress
        self._warn = warn

    def post(self, path: str, body: JSON, is_task: bool) -> JSON:
        """Post a request that costs money. The answer may contain the pictures."""
        return agent_service.generate(self.session.send, self._here, path, body, self._warn)

    def encode(self, checked: Checked) -> Call:
        return compatible.encode(checked)

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> Fetched:
        """Download a picture to which the answer links, over https and without a key."""
        base, most = f"https://{agent_service.HOST}", results.MOST_BYTES["picture"]
        return results.fetch(self.session.send, url, stream, False, warn, most, base)

    def keep(self, file: File, number: int, count: int) -> File:
        """Put a picture into the media store too, because DesireCore shows nothing else."""
        upload = Upload(file.saved.path, file.saved.facts.type, file.saved.bytes)
        media_id = agent_service.store(self.session.send, self._here, upload)
        counted = f" ({number} of {count})" if count > 1 else ""
        self._progress.say(f"Stored as dc-media://{media_id}")
        return changed(file, media_id=media_id, markdown=f"![{self._description}{counted}](dc-media://{media_id})")


@contextmanager
def connected(
    environment: Environment, progress: Progress, deadline: float, description: str, warn: Warn
) -> Iterator[Connection]:
    """A connection to the service on this machine. Raises Unavailable if it is not running."""
    environment.before_sending()
    port = agent_service.port(environment.env, environment.home)
    base = f"https://{agent_service.HOST}:{port}"
    transport = Transport(deadline, environment.clock, environment.env, self_signed=port)
    sleep = environment.sleep or transport.pause
    send = agent_service.at_home(unpacked.unpacking(environment.send or transport.send, base), base)
    send = retry.retrying(send, sleep, environment.clock, deadline, answers.judge, environment.now, progress.say)
    session = Session(send, sleep, environment.clock, deadline, environment.now, transport.close)
    environment.session_opened()
    try:
        yield Connection(session, base, description, progress, warn)
    finally:
        transport.close()
