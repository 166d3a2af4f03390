"""The end of a run: save every result of a final answer, several at once, with the files that accompany them."""

from __future__ import annotations

import hashlib
import os

from ..account import record
from ..errors import ContentRefused, LinkExpired, OutputError, QianwenError, Refused
from ..files import media, outputs
from ..models import results, wire
from ..outcome import File
from ..plain.redact import shortened
from ..service import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Mapping

    from ..account.entry import Entry
    from ..account.purchase import Kept, Purchase
    from ..files.outputs import Target
    from ..models.catalog import Catalog
    from .way import Connection

    JSON = dict[str, Any]


GONE = "check the usage in the console before you pay for another"


class Saver:
    """Saves what one run made.

    interleaved: the answer has texts between its pictures.
    files: what an earlier run has already saved, by the index of the result.
    """

    def __init__(
        self,
        catalog: Catalog,
        connection: Connection,
        entry: Entry,
        target: Target,
        interleaved: bool,
        files: Mapping[int, Kept] = {},
    ) -> None:
        self._program = catalog.program
        self._noun = catalog.noun
        self._keeps_replies = catalog.keeps_replies
        self._connection = connection
        self._entry = entry
        self._progress = entry.progress
        self._outcome = entry.outcome
        self._target = target
        self._interleaved = interleaved
        self._files = files
        self._record: JSON | None = None

    def record(self, mode: str, request: JSON) -> None:
        """Write a record next to each result; see `account.record`."""
        self._record = record.common(self._program, mode, request, self._progress.clean, self._entry.warn)

    def record_from_account(self, known: Purchase | None) -> None:
        """Write a record next to each result of an earlier process, as far as the account has its request."""
        why_not = record.why_not(known)
        if why_not:
            self._entry.warn(f"no record is written next to the {self._noun}: {why_not}")
        elif known:
            self.record(known.mode, dict(known.asked))

    def save(self, body: JSON, promised: int = 0) -> None:
        """Save every result of a final answer.

        promised: how many results were ordered; 0 when that is not known.
        Raises OutputError for a result that could not be saved, after saving the others. Raises the service's own
        error, or Refused, when the answer holds no result.
        """
        result = self._entry.result(body, self._interleaved)
        for failure in result.failures:
            self._entry.warn(f"{self._noun} {failure.number} was not made: {failure.code}: {failure.message}")
        if result.odd_places:
            self._entry.warn(f"the answer has its result in an undocumented place: {', '.join(result.odd_places)}")
        if result.left_out:
            self._entry.warn(
                f"the answer names {result.left_out} more results than the {len(result.urls)} that are saved"
            )
        if not result.urls:
            raise self._no_result(result)
        errors = self._save_all(result)
        for error in errors[1:]:
            self._entry.warn(error.message)
        if errors:
            raise errors[0]
        if len(result.urls) < promised and not result.failures:
            self._entry.warn(f"{len(result.urls)} of {promised} pictures arrived")

    def _save_all(self, result: wire.Result) -> list[QianwenError]:
        """Save every result and the Markdown that shows them. Answers what failed."""

        def save_one(index: int) -> QianwenError | None:
            try:
                if not self._was_saved(index, result.urls[index]):
                    self._save(index, result.urls)
            except QianwenError as error:
                return error
            return None

        errors = [error for error in self._connection.session.side_by_side(save_one, range(len(result.urls))) if error]
        if any(item["type"] == "text" for item in result.content):
            try:
                self._save_markdown(result)
            except OutputError as markdown_error:
                errors.append(markdown_error)
        return errors

    # One result. These may run in several threads. -----------------------------------------------------------

    def _was_saved(self, index: int, url: str) -> bool:
        kept = self._files.get(index)
        saved = outputs.saved_before(kept.path, kept.sha256) if kept else None
        if saved:
            self._outcome.saved[index] = File(saved, url)
            self._complete(File(saved, url), index)
        return saved is not None

    def _save(self, index: int, urls: tuple[str, ...]) -> None:
        url, count, warn = urls[index], len(urls), self._entry.warn

        def fill(stream: BinaryIO) -> tuple[int, str, bool]:
            nonlocal url
            if results.is_inline(url):
                return self._write_inline(url, stream)
            try:
                fetched = self._connection.fetch(url, stream, warn)
            except LinkExpired:
                url = self._fresh_url(index)
                fetched = self._connection.fetch(url, stream, warn)
            return fetched.bytes, fetched.sha256, fetched.proven

        type_prefix = f"{'video' if self._noun == 'video' else 'image'}/"
        target = self._target.numbered(index, count)
        saved = outputs.save_media(target, fill, warn, type_prefix)
        file = File(saved, url)
        self._entry.file(index, file)
        if self._keeps_replies or self._record:
            self._accompany(file, index)
        self._outcome.saved[index] = self._connection.keep(file, index + 1, count)

    def _write_inline(self, name: str, stream: BinaryIO) -> tuple[int, str, bool]:
        """Write a picture from inside the answer. Answers its bytes, its SHA-256 and True: it is complete."""
        encoded, noun = self._outcome.inline.get(name, ""), self._noun
        if not encoded:
            raise OutputError(f"the {noun} came inside an answer that is gone, and has no link", hint=GONE)
        try:
            data = media.from_base64(encoded[encoded.find(",") + 1 :])  # bare, or a data: URL
        except ValueError:
            raise OutputError(f"the {noun} in the answer is not valid base64", hint=GONE) from None
        stream.write(data)
        return len(data), hashlib.sha256(data).hexdigest(), True

    def _fresh_url(self, index: int) -> str:
        """A new link to a result, from its task. Raises LinkExpired when there is none, OutputError if nobody knows."""
        task_id = self._outcome.task_id
        if not task_id:
            raise LinkExpired("the link to the result has expired")
        try:
            urls = wire.decode(self._connection.client.poll(task_id).body).urls
        except QianwenError as error:
            raise OutputError(
                f"the link to the result has expired, and asking for another failed: {error.message}"
            ) from error
        if index >= len(urls):
            raise LinkExpired("the task has no fresh link to the result")
        return urls[index]

    # What accompanies the results -----------------------------------------------------------------------------

    def _complete(self, file: File, index: int) -> None:
        """Save what should accompany a result of an earlier process and does not."""
        path = file.saved.path
        has_reply = not self._keeps_replies or os.path.lexists(os.path.splitext(path)[0] + ".json")
        if not (outputs.is_recorded(path) if self._record else has_reply):
            self._accompany(file, index)

    def _accompany(self, file: File, index: int) -> None:
        """Save the service's whole last answer, the record, or both in one, under the name of the result."""
        own: JSON = {}
        if self._record:
            outcome, now = self._outcome, self._connection.session.now()
            own = record.record(self._record, outcome.body, outcome.task_id, index, file, now)
        whole = {**self._outcome.body, **own} if self._keeps_replies else own
        path = record.save(whole, outputs.beside(file.saved, self._target), self._entry, self._keeps_replies)
        if self._keeps_replies and path:
            self._outcome.reply_path = path

    def _save_markdown(self, result: wire.Result) -> None:
        paths = {file.url: file.saved.path for file in self._outcome.files}
        text = self._progress.clean(outputs.markdown(result.content, paths, self._target.folder))
        self._outcome.markdown_path = outputs.save_text(self._target, ".md", text, self._entry.warn)
        self._progress.say(f"Saved {self._outcome.markdown_path}")

    def _no_result(self, result: wire.Result) -> QianwenError:
        """The error for an answer without a result. It may have been paid for, so the whole of it is saved."""
        body = result.body
        if result.failures:
            return answers.refused({"code": result.failures[0].code, "message": result.failures[0].message}, 200)
        if body.get("code"):
            return answers.refused({"code": str(body["code"]), "message": str(body.get("message") or "")}, 200)
        said, reason = wire.said(body)
        words = f"the service reported success, but the answer holds no {self._noun}"
        words += f" ({shortened(reason, 60)})" if reason else ""
        words += f": {shortened(said)}" if said else ""
        hint = "it answered with text: change the prompt instead of sending it again; " if said or reason else ""
        text = record.text(self._outcome.body, self._progress.clean)
        try:
            path = outputs.save_text(self._target, ".json", text, self._entry.warn, private=True)
            self._outcome.reply_path = path
            hint += f"the whole answer is in {path}: check it for a result"
        except OutputError as error:
            hint += f"the answer could not be saved ({error.message}); --print-response shows it"
        kind = ContentRefused if "filter" in reason else Refused
        request_id = body.get("request_id")
        return kind(
            words,
            hint=hint,
            code=reason,
            http_status=200,
            request_id=request_id if isinstance(request_id, str) else "",
            billed="unknown",
        )
