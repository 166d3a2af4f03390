"""The key goes to the API and nowhere else, whatever the service says: a `send` that lets no other request carry it.

The service names the hosts and paths of uploads and results. An answer that wove the key into one of them would make
us hand it to a stranger; nothing of such a request leaves, not even the look-up of its host's name.
"""

from __future__ import annotations

from urllib.parse import unquote

from ..plain.redact import literal
from .messages import Fault, Request, Response, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

    from .messages import Send


def guarding(send: Send, base: str, key: str) -> Send:
    """`send`, which raises Fault for a request that holds the key and does not go to the API at `base`.

    Of a body that is streamed only the first block is looked at: the fields of a form, or how a user's file begins.
    """

    def guarded(request: Request) -> Response:
        if not request.url.startswith(f"{base}/") and any(literal(text, (key,)) != text for text in _texts(request)):
            told = "an address, a form or a file holds the API key"
            raise Fault(told, sent=False, permanent=True, hint="nothing was sent there; make a new key and report this")
        return send(request)

    return guarded


def _texts(request: Request) -> Iterator[str]:
    yield request.url
    yield unquote(request.url)
    yield from request.headers.values()
    body = next(request.body.blocks(), b"") if isinstance(request.body, Stream) else request.body
    yield (body or b"").decode("utf-8", "replace")
