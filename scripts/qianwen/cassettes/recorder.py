"""`--record` and `--replay`: every exchange of one run with the service, in a readable file (the cassette).

Exchanges are recorded below the retries and replayed strictly in order: an upload, a refusal, each poll of a task, a
connection that breaks during a download. While recording or replaying, uploads and downloads run one after the other,
so that the order is always the same. A request that differs from the recorded one ends the run and shows the
difference. Replaying opens no socket, needs no key and does not wait.

The cassette has JSON and text as they are, and other bytes by their SHA-256 digest: small ones inline, larger ones in a
folder next to it. Keys, signatures and everything that identifies an account are placeholders; see `placeholders`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from urllib.parse import urlsplit

from ..errors import UsageError
from ..http.messages import REFUSAL_BYTES, Fault, Request, Response
from ..plain.redact import each_text
from ..plain.texts import moment
from ..regions import is_loopback, is_public
from . import file
from .difference import difference
from .placeholders import Placeholders, unlike_secrets
from .serialize import body_of, recorded_fault, recorded_request, recorded_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterable

    from ..files.safe_open import Draft
    from ..http.messages import Send

    Sleep = Callable[[float], None]
    Clock = Callable[[], float]
    JSON = dict[str, Any]

INLINE_BYTES = 16 * 1024
STOPPED = "the recorded run stopped listening here"
_MISMATCH_HINT = "nothing was sent. Run the recorded command, or record the new one with --record --overwrite"


class Unplayable(Exception):
    """The run does not match the cassette. Not a QianwenError, so that no handler on the way catches it."""


# Recording --------------------------------------------------------------------------------------------------


class Recorder:
    """Writes the cassette after every exchange, so that a killed run leaves all exchanges so far.

    path: absolute.
    clock, now: seconds, monotonic and since the epoch.
    warn: called with a sentence if an exchange cannot be recorded.
    Raises UsageError if `path` cannot be written.
    """

    base = ""  # use the service's own URL

    def __init__(self, path: str, overwrite: bool, clock: Clock, now: Clock, warn: Callable[[str], None]) -> None:
        self.path = path
        self.clock = clock
        self._now = now
        self._warn = warn
        self._names = Placeholders(now)
        self._lock = threading.RLock()
        self._open: list[_Tee] = []
        self._exchanges: list[JSON] = []
        self._head: JSON = {"format": file.FORMAT, "version": file.VERSION}
        self._has_warned = False
        self._may_replace = self._may_use_folder = overwrite
        file.prepare(path, overwrite)

    def connect(
        self, send: Send, sleep: Sleep, base: str, secrets: Iterable[str], places: tuple[str, ...] = ()
    ) -> None:
        """Record every exchange through `self.send` from now on. `self.sleep` and `self.clock` are the real ones.

        base: the API's URL.
        secrets: never written to the cassette.
        places: paths and hosts of this machine, which the words of a fault lose.
        """
        self._names.places = places
        self._send, self.sleep, self._api = send, sleep, base
        for secret in secrets:
            self._names.learn_secret(secret)
        self._head.update(recorded_at=moment(self._now()), source=self._source(base), base=self._names.hide(base))

    def _source(self, base: str) -> str:
        """Where the recording comes from. A host of one customer's own becomes a placeholder, with its path.

        Gateways have the account, or a key of their own, in the path.
        """
        parts = urlsplit(base)
        place = base.partition("://")[2].removesuffix("/api/v1")
        if is_loopback(parts.hostname or ""):
            self._names.learn("loopback", place)
            self._names.learn("loopback", parts.netloc)
            return "recorded against a stand-in on this machine"
        if not is_public(parts.hostname or ""):
            self._names.learn("host", place)
            self._names.learn("host", parts.netloc)
        return f"recorded against {self._names.hide(base)}"

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        """Record the answers that are still being read."""
        for tee in tuple(self._open):
            tee.end(STOPPED)

    def send(self, request: Request) -> Response:
        """Send a request by the `send` of `connect`, and raise what it raises."""
        exchange: JSON = {"request": recorded_request(request, self._names)}
        self._exchanges.append(exchange)
        started = self.clock()
        try:
            response = self._send(request)
        except BaseException as error:
            if isinstance(error, Fault):
                exchange["fault"] = recorded_fault(error, self._names)
            else:
                exchange["unanswered"] = type(error).__name__
            self._save(exchange, started)
            raise
        is_api = request.url.startswith(f"{self._api}/")
        tee = _Tee(response, None if is_api else self._new_body)

        def finish() -> None:
            self._open.remove(tee)
            try:
                exchange["response"] = tee.recorded(self._names)
            except (ValueError, RecursionError) as error:  # the run needs the answer, which may have been paid for
                exchange["unanswered"] = "odd"
                self._warn_once(f"the answer to request {len(self._exchanges)} could not be recorded: {error}")
            self._save(exchange, started)

        tee.finish = finish
        self._open.append(tee)
        if response.status >= 300:
            tee.end()
        return Response(response.status, response.headers, tee.read, tee.close, response.refusal)

    def _save(self, exchange: JSON, started: float) -> None:
        seconds = round(self.clock() - started, 1)
        if seconds:
            exchange["seconds"] = seconds
        with self._lock:
            finished = [each for each in self._exchanges if len(each) > 1]
            text = json.dumps({**self._head, "exchanges": finished}, ensure_ascii=False, indent=2) + "\n"
            try:
                file.write(self.path, text.encode("utf-8", "replace"), self._may_replace)
                self._may_replace = True  # it is ours now
            except OSError as error:
                self._warn_once(str(error.strerror or error))

    def _new_body(self) -> Draft:
        draft = file.new_body(self.path, self._may_use_folder)
        self._may_use_folder = True
        return draft

    def _warn_once(self, why: str) -> None:
        """The run goes on without a complete recording."""
        if not self._has_warned:
            self._warn(f"the recording {self.path} is incomplete: {why}; the run goes on")
        self._has_warned = True


class _Tee:
    """Passes the body of an answer through and keeps a copy: in memory while it is small, then in a file.

    begin: makes that file; None for an answer of the API, which is small, is text and may have secrets.
    finish: called once, when the body has ended or broken off.
    """

    def __init__(self, response: Response, begin: Callable[[], Draft] | None) -> None:
        self._response = response
        self._begin = begin
        self._copy = bytearray()
        self._draft: Draft | None = None
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._broke: Fault | None = None
        self._has_ended = False
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
        is_whole = self._response.headers.get("content-length") == str(self._bytes)
        self.end("" if is_whole else STOPPED)

    def end(self, reason: str = "") -> None:
        """Finish the copy. reason: why the body broke off, "" at its end."""
        if not self._has_ended:
            self._has_ended = True
            if reason:
                self._break(reason)
            self.finish()

    def _break(self, reason: str) -> None:
        self._broke = self._broke or Fault(reason, sent=True, permanent=True)

    def _keep(self, block: bytes) -> None:
        self._bytes += len(block)
        self._sha256.update(block)
        if self._broke:
            return  # the disk refused an earlier block
        if self._begin is None or self._bytes <= INLINE_BYTES:
            self._copy += block
            return
        try:
            if self._draft is None:
                self._draft = self._begin()
                self._draft.stream.write(self._copy)
                self._copy.clear()
            self._draft.stream.write(block)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """The disk refused a block: go on without a copy of this body."""
        self._break(f"the recording has no more of it: {error.strerror or error}")
        self._copy.clear()
        if self._draft:
            try:
                self._draft.discard()
            except OSError:
                pass  # its last bytes do not fit either
            self._draft = None

    def _body_file(self) -> JSON | None:
        """Name the body's file by its digest; return size and digest, or None if the body is in memory or lost."""
        if self._draft is None:
            return None
        digest = self._sha256.hexdigest()
        try:
            with self._draft:
                file.keep_body(self._draft, digest)
        except OSError as error:
            self._give_up(error)
            return None
        return {"bytes": self._bytes, "sha256": digest}

    def recorded(self, names: Placeholders) -> JSON:
        """The answer, as far as it was read, in its form for the cassette."""
        body_file = self._body_file()
        data = self._response.refusal or bytes(self._copy)
        self._copy.clear()
        is_text = self._begin is None or self._response.status >= 300
        return recorded_response(self._response, data, body_file, self._broke, names, is_text)


# Replaying --------------------------------------------------------------------------------------------------


class Player:
    """Replays a cassette: `send` answers from it, `sleep` only advances `clock`, `base` is the API's recorded URL.

    path: absolute.
    clock, now: seconds, monotonic and since the epoch.
    Raises UsageError if the file is not a valid cassette.
    """

    def __init__(self, path: str, clock: Clock, now: Clock) -> None:
        self.path = path
        self._clock = clock
        self._skipped = 0.0
        self._names = Placeholders(now)
        self._cassette = file.load(path)
        self._exchanges: list[JSON] = self._cassette["exchanges"]
        self._requests: Any = [each_text(exchange["request"], unlike_secrets) for exchange in self._exchanges]
        self._next = 0
        self.base = self._names.fill(self._cassette["base"])
        file.check_base(path, self.base)

    def clock(self) -> float:
        return self._clock() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds

    def send(self, request: Request) -> Response:
        """Raises Unplayable if the request is not the next one of the cassette, and Fault if one was recorded."""
        mismatch = difference(recorded_request(request, self._names), self._requests, self._next)
        if mismatch:
            raise Unplayable(f"this run does not match the recording {self.path}: {mismatch}")
        exchange = self._exchanges[self._next]
        self._next += 1
        self._skipped += exchange.get("seconds", 0)
        if "fault" in exchange:
            raise self._fault(exchange["fault"])
        if "unanswered" in exchange:
            raise Unplayable(f"the recorded run ended before its request {self._next} was answered")
        return self._response(exchange["response"])

    def connect(
        self, send: Send, sleep: Sleep, base: str, secrets: Iterable[str], places: tuple[str, ...] = ()
    ) -> None:
        """Does nothing: a replay uses neither the network nor real time."""

    def __enter__(self) -> Player:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raises UsageError if the run does not match the cassette."""
        left = len(self._exchanges) - self._next
        if isinstance(error, Unplayable):
            raise UsageError(str(error), hint=_MISMATCH_HINT) from None
        if error is None and left:
            due = self._requests[self._next]
            raise UsageError(
                f"this run does not match the recording {self.path}: it has ended, but the recorded run made "
                f"{left} more request{'s' if left > 1 else ''}, next {due['method']} {due['url']}",
                hint=_MISMATCH_HINT,
            )

    def _fault(self, recorded: JSON) -> Fault:
        hint = self._names.fill(recorded.get("hint", ""))
        reason = self._names.fill(recorded["reason"])
        return Fault(reason, sent=recorded["sent"], permanent=recorded.get("permanent", False), hint=hint)

    def _response(self, recorded: JSON) -> Response:
        stream = self._body(recorded["body"])
        headers = {name: self._names.fill(value) for name, value in recorded["headers"].items()}
        if recorded["status"] >= 300:
            with stream:
                return Response(recorded["status"], headers, lambda _: b"", refusal=stream.read(REFUSAL_BYTES))

        def read(size: int) -> bytes:
            block = stream.read(size)
            if not block and "broke" in recorded:
                raise self._fault(recorded["broke"])
            return block

        return Response(recorded["status"], headers, read, stream.close)

    def _body(self, recorded: JSON) -> BinaryIO:
        if "sha256" not in recorded or "base64" in recorded:
            return io.BytesIO(body_of(recorded, self._names))
        path = os.path.join(file.bodies_folder(self.path), recorded["sha256"])
        try:
            return file.open_body(path, recorded)
        except OSError as error:
            fault = error.strerror or str(error)
            words = fault if fault.startswith("does not") else f"cannot be read: {fault}"
            raise Unplayable(f"{path}, which belongs to the recording, {words}") from error
