"""`--record` and `--replay`: the whole conversation of one run with the service, in a file that people can read.

Exchanges are recorded below the retries and played back strictly in order: an upload, a refusal, each poll of a task, a
connection that broke in the middle of a download. While there is a cassette, uploads and downloads run one after the
other, so that every run has the same order. A request that is not the recorded one ends the run and shows the
difference; nothing is guessed. Replaying opens no socket, needs no key and does not wait.

JSON and text stand in the cassette as they are, other bytes by their SHA-256 digest: small ones inline, larger ones in
a folder beside it. What would reveal a key, a signature or an account is a placeholder; see `placeholders`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import time
from urllib.parse import urlsplit

from . import cassette_file
from .difference import difference
from .errors import UsageError
from .placeholders import Placeholders, unlike_secrets
from .redact import each_text
from .regions import is_loopback, is_public
from .regular_files import Draft, write_whole
from .service.exchange import Fault, Request, Response
from .taped import body_of, taped_fault, taped_request, taped_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterable

    from .service.exchange import Send

    Sleep = Callable[[float], None]
    Clock = Callable[[], float]
    JSON = dict[str, Any]

INLINE_BYTES = 16 * 1024
STOPPED = "the recorded run stopped listening here"
_MISMATCH_HINT = (
    "nothing was sent. Run the command that was recorded; if you meant the change, record anew with --record"
)


class Unplayable(Exception):
    """The run does not match the cassette. Not a QianwenError on purpose, so that no handler on the way catches it."""


# Recording --------------------------------------------------------------------------------------------------


class Recorder:
    """Writes a cassette, anew after every exchange, so that a run that breaks leaves what has happened until then.

    path: absolute.
    clock, now: seconds, monotonic and since the epoch.
    warn: is called with a sentence when the disk takes no more.
    Raises UsageError when `path` cannot be written to.
    """

    base = ""  # the API's URL is that of the service

    def __init__(self, path: str, overwrite: bool, clock: Clock, now: Clock, warn: Callable[[str], None]) -> None:
        self.path = path
        self.clock = clock
        self._now = now
        self._warn = warn
        self._names = Placeholders(now)
        self._lock = threading.RLock()
        self._open: list[_Tee] = []
        self._exchanges: list[JSON] = []
        self._head: JSON = {"format": cassette_file.FORMAT, "version": cassette_file.VERSION}
        self._is_lost = False
        cassette_file.prepare(path, overwrite)

    def connect(self, send: Send, sleep: Sleep, base: str, secrets: Iterable[str]) -> None:
        """Record what goes through `self.send` from now on. Time passes as always, by `self.sleep` and `self.clock`.

        base: the API's URL.
        secrets: what must never stand in a cassette.
        """
        self._send, self.sleep, self._api = send, sleep, base
        for secret in secrets:
            self._names.learn("key", secret)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now()))
        self._head.update(recorded_at=stamp, source=self._source(base), base=self._names.hide(base))

    def _source(self, base: str) -> str:
        """Where a recording comes from. A host that not everybody shares may reveal whose it is."""
        parts = urlsplit(base)
        if is_loopback(parts.hostname or ""):
            self._names.learn("loopback", parts.netloc)
            return "recorded against a stand-in on this machine"
        if not is_public(parts.hostname or ""):
            self._names.learn("host", parts.netloc)
        return f"recorded against {self._names.hide(base)}"

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        """Write down what was still being listened to, and forget the bodies of an earlier recording."""
        for tee in tuple(self._open):
            tee.end(STOPPED)
        bodies = (exchange.get("response", {}).get("body", {}) for exchange in self._exchanges)
        if self._exchanges:
            cassette_file.forget_bodies(self.path, {body["sha256"] for body in bodies if "sha256" in body})

    def send(self, request: Request) -> Response:
        """As the `send` of `connect`, and raises what it raises."""
        exchange: JSON = {"request": taped_request(request, self._names)}
        self._exchanges.append(exchange)
        began = self.clock()
        try:
            response = self._send(request)
        except BaseException as error:
            if isinstance(error, Fault):
                exchange["fault"] = taped_fault(error, self._names)
            else:
                exchange["unanswered"] = type(error).__name__
            self._save(exchange, began)
            raise
        is_of_api = request.url.startswith(f"{self._api}/")
        tee = _Tee(response, None if is_of_api else cassette_file.folder_beside(self.path))

        def finish() -> None:
            self._open.remove(tee)
            try:
                exchange["response"] = tee.taped(self._names)
            except (ValueError, RecursionError) as error:  # an odd answer was paid for too and must not be lost
                exchange["unanswered"] = "odd"
                self._lose(f"the answer to request {len(self._exchanges)} could not be written down: {error}")
            self._save(exchange, began)

        tee.finish = finish
        self._open.append(tee)
        if response.status >= 300:
            tee.end()
        return Response(response.status, response.headers, tee.read, tee.close, response.refusal)

    def _save(self, exchange: JSON, began: float) -> None:
        seconds = round(self.clock() - began, 1)
        if seconds:
            exchange["seconds"] = seconds
        with self._lock:
            finished = [each for each in self._exchanges if len(each) > 1]
            text = json.dumps({**self._head, "exchanges": finished}, ensure_ascii=False, indent=2) + "\n"
            try:
                write_whole(self.path, text.encode("utf-8", "replace"))
            except OSError as error:
                self._lose(str(error.strerror or error))

    def _lose(self, why: str) -> None:
        """A recording that cannot go on costs the run nothing but a warning."""
        if not self._is_lost:
            self._warn(f"the recording {self.path} is not whole: {why}; the run goes on")
        self._is_lost = True


class _Tee:
    """Lets the body of an answer through and keeps it: in memory while it is small, then in a file of `folder`.

    folder: None for an answer of the API, which is always small, always text and may hold secrets.
    finish: called once, when the body has ended in whatever way.
    """

    def __init__(self, response: Response, folder: str | None) -> None:
        self._response = response
        self._folder = folder
        self._kept = bytearray()
        self._draft: Draft | None = None
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._broke: Fault | None = None
        self._is_over = False
        self.finish: Callable[[], None] = lambda: None

    def read(self, size: int) -> bytes:
        try:
            block = self._response.read(size)
        except Fault as fault:
            self._broke = fault
            self.end()
            raise
        if block:
            self._keep(block)
        else:
            self.end()
        return block

    def close(self) -> None:
        self._response.close()
        length = self._response.headers.get("content-length", "")
        is_whole = length.isdigit() and int(length) == self._bytes
        self.end("" if is_whole else STOPPED)

    def end(self, reason: str = "") -> None:
        """Nothing more comes. reason: why, when that is not the end of the body."""
        if not self._is_over:
            self._is_over = True
            if reason:
                self._break(reason)
            self.finish()

    def _break(self, reason: str) -> None:
        self._broke = self._broke or Fault(reason, sent=True, permanent=True)

    def _keep(self, block: bytes) -> None:
        self._bytes += len(block)
        self._sha256.update(block)
        if self._broke:
            return  # the disk has taken no more
        if self._folder is None or self._bytes <= INLINE_BYTES:
            self._kept += block
            return
        try:
            if self._draft is None:
                self._draft = self._begin(self._folder)
                self._draft.stream.write(self._kept)
                self._kept.clear()
            self._draft.stream.write(block)
        except OSError as error:
            self._lose(error)

    def _begin(self, folder: str) -> Draft:
        os.makedirs(folder, 0o700, exist_ok=True)
        return Draft(folder)

    def _lose(self, error: OSError) -> None:
        """A disk that takes no more costs the recording this body, and the run nothing."""
        self._break(f"the recording has no more of it: {error.strerror or error}")
        self._kept.clear()
        if self._draft:
            try:
                self._draft.discard()
            except OSError:
                pass  # its last bytes fit as little as those before
            self._draft = None

    def _body_beside(self) -> JSON | None:
        """The body as a file of `folder`, named by its digest; None when it is in memory, or lost."""
        if self._draft is None or self._folder is None:
            return None
        name = self._sha256.hexdigest()
        try:
            with self._draft:
                self._draft.replace(os.path.join(self._folder, name))
        except OSError as error:
            self._lose(error)
            return None
        return {"bytes": self._bytes, "sha256": name}

    def taped(self, names: Placeholders) -> JSON:
        """The answer as far as it was read, for the cassette."""
        beside = self._body_beside()
        data = self._response.refusal or bytes(self._kept)
        self._kept.clear()
        return taped_response(self._response, data, beside, self._broke, names)


# Replaying --------------------------------------------------------------------------------------------------


class Player:
    """Plays a cassette: `send` answers from it, `sleep` only moves `clock`. base: the API's URL in the recording.

    path: absolute.
    clock, now: seconds, monotonic and since the epoch.
    Raises UsageError when the file is not a cassette that can be played.
    """

    def __init__(self, path: str, clock: Clock, now: Clock) -> None:
        self.path = path
        self._clock = clock
        self._skipped = 0.0
        self._names = Placeholders(now)
        self._cassette = cassette_file.load(path)
        self._exchanges: list[JSON] = self._cassette["exchanges"]
        self._requests: Any = [each_text(exchange["request"], unlike_secrets) for exchange in self._exchanges]
        self._next = 0
        self.base = self._names.fill(self._cassette["base"])

    def clock(self) -> float:
        return self._clock() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds

    def send(self, request: Request) -> Response:
        """Raises Unplayable for a request that is not the next of the cassette, and Fault where one was recorded."""
        asked = taped_request(request, self._names)
        found = difference(asked, self._requests, self._next)
        if found:
            raise Unplayable(f"this run does not match the recording {self.path}: {found}")
        exchange = self._exchanges[self._next]
        self._next += 1
        self._skipped += exchange.get("seconds", 0)
        if "fault" in exchange:
            raise self._fault(exchange["fault"])
        if "unanswered" in exchange:
            raise Unplayable(f"the recorded run ended before its request {self._next} was answered")
        return self._response(exchange["response"])

    def connect(self, send: Send, sleep: Sleep, base: str, secrets: Iterable[str]) -> None:
        """Nothing of the network or of real time is used."""

    def __enter__(self) -> Player:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raises UsageError when the run does not match the cassette."""
        left = len(self._exchanges) - self._next
        if isinstance(error, Unplayable):
            raise UsageError(str(error), hint=_MISMATCH_HINT) from None
        if error is None and left:
            due = self._requests[self._next]
            raise UsageError(
                f"this run does not match the recording {self.path}: the run is over, and the recorded one made "
                f"{left} more request{'s' if left > 1 else ''}, the next a {due['method']} {due['url']}",
                hint=_MISMATCH_HINT,
            )

    def _fault(self, taped: JSON) -> Fault:
        hint = self._names.fill(taped.get("hint", ""))
        reason = self._names.fill(taped["reason"])
        return Fault(reason, sent=taped["sent"], permanent=taped.get("permanent", False), hint=hint)

    def _response(self, taped: JSON) -> Response:
        stream = self._body(taped["body"])
        headers = {name: self._names.fill(value) for name, value in taped["headers"].items()}
        if taped["status"] >= 300:
            with stream:
                return Response(taped["status"], headers, lambda _: b"", refusal=stream.read())

        def read(size: int) -> bytes:
            block = stream.read(size)
            if not block and "broke" in taped:
                raise self._fault(taped["broke"])
            return block

        return Response(taped["status"], headers, read, stream.close)

    def _body(self, taped: JSON) -> BinaryIO:
        if "sha256" not in taped or "base64" in taped:
            return io.BytesIO(body_of(taped, self._names))
        path = os.path.join(cassette_file.folder_beside(self.path), taped["sha256"])
        sha256 = hashlib.sha256()
        try:
            stream = open(path, "rb")
            for block in iter(lambda: stream.read(cassette_file.BLOCK_BYTES), b""):
                sha256.update(block)
            stream.seek(0)
        except OSError as error:
            raise Unplayable(f"{path}, which belongs to the recording, cannot be read: {error.strerror}") from error
        if sha256.hexdigest() != taped["sha256"]:
            stream.close()
            raise Unplayable(f"{path}, which belongs to the recording, does not hold the bytes that were recorded")
        return stream
