"""Keeps the key from leaking: a `send` that refuses any request outside the API that contains the key.

The service chooses the URLs of uploads and results. If an answer put the key into one of them, following it would hand
the key to a stranger. Such a request is stopped before even its host name is looked up.
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
    """`send`, but it raises Fault for a request that contains the key and does not go to the API at `base`.

    Of a streamed body only the first block is checked: the fields of a form, or the start of a user's file.
    """

    def guarded(request: Request) -> Response:
        if not request.url.startswith(f"{base}/") and any(literal(text, (key,)) != text for text in _texts(request)):
            reason = "a URL, a form or a file contains the API key"
            raise Fault(
                reason, sent=False, permanent=True, hint="nothing was sent there; create a new key and report this"
            )
        return send(request)

    return guarded


def _texts(request: Request) -> Iterator[str]:
    yield request.url
    yield unquote(request.url)
    yield from request.headers.values()
    body = next(request.body.blocks(), b"") if isinstance(request.body, Stream) else request.body
    yield (body or b"").decode("utf-8", "replace")
