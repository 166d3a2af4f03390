"""What `generate` needs of a route to the service: DashScope itself (`dashscope`), or DesireCore (`desirecore.way`).

Types only; nothing imports this module at run time.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Callable, ContextManager, Protocol

from ..checks.validate import Checked
from ..http.session import Session
from ..models.wire import Call
from ..outcome import File
from ..service.client import Client
from ..storage.results import Fetched

JSON = dict[str, Any]


class Connection(Protocol):
    """An open connection.

    base: the URL under which the account files a run.
    client: the API; of one without tasks and streams only `post` is used.
    """

    session: Session

    @property
    def client(self) -> Client: ...

    @property
    def base(self) -> str: ...

    def encode(self, checked: Checked) -> Call:
        """Upload the local files and encode the request."""

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> Fetched:
        """Download a result into an empty stream. Raises OutputError, and LinkExpired for an expired link."""

    def keep(self, file: File, number: int, count: int) -> File:
        """Copy a saved result wherever else this way puts results.

        number, count: it is the `number`th, from 1, of `count` results.
        """


class Way(Protocol):
    """A way to the service."""

    @property
    def region(self) -> str:
        """The region that makes it; "" when that is not ours to know."""

    @property
    def base(self) -> str:
        """The URL under which the account files a run; known without a key."""

    def check(self) -> Checked:
        """The checked request. Raises InvalidRequest with everything that is wrong with it."""

    def preview(self, checked: Checked) -> JSON:
        """The HTTP request as it would be sent, for --dry-run."""

    def connect(self, checked: Checked) -> ContextManager[Connection]:
        """Open a connection. Raises AuthError or Unavailable."""
