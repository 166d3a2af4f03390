"""What `generate` needs of a way to the service: DashScope itself (`dashscope`), or DesireCore (`desirecore.way`).

Types only; nothing here exists at run time.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Callable, ContextManager, Iterator, Protocol

from ..checks.validate import Checked
from ..http.session import Session
from ..models.wire import Call
from ..outcome import File
from ..service.tasks import Listed, Seen
from ..storage.results import Fetched

JSON = dict[str, Any]


class Client(Protocol):
    """The far end; see `service.client.Client`."""

    def post(self, path: str, body: JSON, is_task: bool) -> JSON: ...

    def stream(self, path: str, body: JSON) -> Iterator[JSON]: ...

    def wait(self, task_id: str, interval: float, tell: Callable[[Seen, float], None], is_new: bool) -> JSON: ...

    def look(self, task_id: str) -> JSON: ...

    def listed(self, model: str, since: float, until: float) -> list[Listed]: ...


class Connection(Protocol):
    """An open connection. base: what the account remembers the far end by."""

    session: Session

    @property
    def client(self) -> Client: ...

    @property
    def base(self) -> str: ...

    def encode(self, checked: Checked) -> Call:
        """The call for a checked request, its local files uploaded."""

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> Fetched:
        """A result into an empty stream. Raises OutputError, and LinkExpired for a link that is no longer good."""

    def keep(self, file: File, number: int, count: int) -> File:
        """Put a saved result wherever else this way wants it: number `number` of `count`, from 1."""


class Way(Protocol):
    """A way to the service. lost_words: why an answer that was lost cannot be had again, on a way where that is so."""

    lost_words: str

    @property
    def region(self) -> str:
        """The region that makes it; "" when that is not ours to know."""

    def check(self) -> Checked:
        """The request, proven allowed. Raises InvalidRequest with everything that is wrong with it."""

    def preview(self, checked: Checked) -> JSON:
        """The HTTP request as it would be sent, for --dry-run."""

    def connect(self, checked: Checked) -> ContextManager[Connection]:
        """Open the way. Raises AuthError or Unavailable when that cannot be done."""
