"""The end of a run: every result of a final answer onto the disk, several at once, with what belongs beside it."""

from __future__ import annotations

import hashlib
import json
import os

from . import outputs
from .errors import LinkExpired, OutputError, QianwenError, Refused
from .models import results, wire
from .outcome import File, Outcome
from .outputs import Saved, Target
from .progress import Progress
from .redact import each_text, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Mapping, Sequence

    from .ledger import Kept, Notes
    from .session import Session

    JSON = dict[str, Any]


GONE = "look at the usage in the console before you pay for another"


class Saver:
    """target: where the results go.  keeps_replies: the service's whole answer is saved beside each of them.

    notes: hears of the links before anything is fetched, and of each file.
    """

    def __init__(
        self,
        service: Session,
        target: Target,
        outcome: Outcome,
        progress: Progress,
        warn: Callable[[str], None],
        keeps_replies: bool,
        notes: Notes | None = None,
    ) -> None:
        self.service = service
        self.target = target
        self.outcome = outcome
        self.progress = progress
        self.warn = warn
        self.keeps_replies = keeps_replies
        self.notes = notes
        self.sort = "video/" if outcome.noun == "video" else "image/"

    def save(self, body: JSON, interleaved: bool, files: Mapping[int, Kept] = {}) -> None:
        """Every picture onto the disk, several at once. Raises OutputError for one that is lost, after the others.

        files: what an earlier run of the same results has saved already.
        """
        result = self.outcome.note(body, interleaved)
        self._warn_of(result)
        if not result.urls:
            raise self._nothing_came(result)
        self._note(result)

        def save_one(index: int) -> QianwenError | None:
            try:
                if not self._is_saved(index, result.urls, files):
                    self._save_one(index, result.urls)
            except QianwenError as error:
                return error
            return None

        errors = list(filter(None, self.service.side_by_side(save_one, range(len(result.urls)))))
        if any(item["type"] == "text" for item in result.content):
            try:
                self._save_markdown(result)
            except OutputError as trouble:
                errors.append(trouble)
        for error in errors[1:]:
            self.warn(error.message)
        if errors:
            raise errors[0]

    def _warn_of(self, result: wire.Result) -> None:
        for failure in result.failures:
            self.warn(f"{self.outcome.noun} {failure.number} was not made: {failure.code}: {failure.message}")
        if result.odd_places:
            self.warn(f"the answer has its result in a place that is not documented: {', '.join(result.odd_places)}")

    def _nothing_came(self, result: wire.Result) -> QianwenError:
        body = result.body
        if result.failures:
            return self.service.refused(result.failures[0].code, result.failures[0].message)
        if body.get("code"):
            return self.service.refused(str(body["code"]), str(body.get("message") or ""))
        told = f"the service reported success, but the answer holds no {self.outcome.noun}"
        output = body.get("output")
        words = output.get("message") if isinstance(output, dict) else None
        told += f": {' '.join(words.split())}" if isinstance(words, str) and words.strip() else ""
        return Refused(told, hint=self._kept_reply(), billed="unknown")

    def _kept_reply(self) -> str:
        """Where the answer is kept that holds nothing we can read: it may have been paid for."""
        try:
            self.outcome.reply_path = outputs.save_text(
                self.target, ".json", self._reply_text(), self.warn, private=True
            )
        except OutputError as error:
            return f"the answer could not be kept ({error.message}); --print-response shows it"
        return f"the whole answer is in {self.outcome.reply_path}: look whether there is a result in it"

    def _note(self, result: wire.Result) -> None:
        """The links go into the ledger; of what is no task the whole answer, which nobody can be asked for again."""
        if self.notes:
            self.notes.result(result.urls, {} if self.outcome.task_id else dict(result.body))

    def _is_saved(self, index: int, urls: Sequence[str], files: Mapping[int, Kept]) -> bool:
        kept = files.get(index)
        saved = outputs.saved_before(kept.path, kept.sha256) if kept else None
        if saved:
            self.outcome.saved[index] = File(saved, urls[index])
            if self.keeps_replies and not os.path.lexists(os.path.splitext(saved.path)[0] + ".json"):
                self._keep_reply(saved)
        return saved is not None

    def _save_one(self, index: int, urls: Sequence[str]) -> None:
        url, target = urls[index], self.target.numbered(index, len(urls))

        def fill(stream: BinaryIO) -> tuple[int, str, bool]:
            nonlocal url
            if results.is_inline(url):
                return self._unpacked(url, stream)
            try:
                fetched = self.service.fetch(url, stream, self.warn)
            except LinkExpired:
                url = self._fresh_url(index)
                fetched = self.service.fetch(url, stream, self.warn)
            return fetched.bytes, fetched.sha256, fetched.proven

        saved = outputs.save_media(target, fill, self.warn, self.sort, ".json" if self.keeps_replies else "")
        self.outcome.saved[index] = File(saved, url)
        if self.notes:
            self.notes.file(index, saved.path, saved.sha256)
        self.progress.say(f"Saved {saved.path}")
        if self.keeps_replies:
            self._keep_reply(saved)

    def _unpacked(self, name: str, stream: BinaryIO) -> tuple[int, str, bool]:
        """Write a picture that came inside the answer: how many bytes, their SHA-256, and that they are all."""
        encoded = self.outcome.inline.get(name, "")
        if not encoded:
            raise OutputError(f"the {self.outcome.noun} came inside an answer that is gone, and has no link", hint=GONE)
        try:
            data = results.decoded(encoded)
        except ValueError:
            raise OutputError(f"the {self.outcome.noun} in the answer is no valid base64", hint=GONE) from None
        stream.write(data)
        return len(data), hashlib.sha256(data).hexdigest(), True

    def _keep_reply(self, saved: Saved) -> None:
        try:
            self._save_reply(saved)
        except OutputError as error:  # the video itself is there
            self.warn(f"the reply could not be saved beside it: {error.message}")

    def _fresh_url(self, index: int) -> str:
        """The link of a picture as the task names it now. Raises LinkExpired when no task can be asked."""
        if not self.outcome.task_id:
            raise LinkExpired("the link of the result has expired")
        try:
            urls = wire.decode(self.service.look(self.outcome.task_id)).urls
        except QianwenError as error:
            raise LinkExpired(f"the link of the result has expired; {error.message}") from error
        if index >= len(urls):
            raise LinkExpired("the task names no fresh link for the result")
        return urls[index]

    def _save_reply(self, saved: Saved) -> None:
        """The service's whole last answer, under the stem of the file that came of it. It repeats the prompt."""
        self.outcome.reply_path = outputs.save_text(
            outputs.beside(saved, self.target.overwrite), ".json", self._reply_text(), self.warn, private=True
        )
        self.progress.say(f"Saved {self.outcome.reply_path}")

    def _reply_text(self) -> str:
        body = each_text(self.outcome.body, lambda text: literal(text, self.progress.secrets))
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"

    def _save_markdown(self, result: wire.Result) -> None:
        paths = {file.url: file.saved.path for file in self.outcome.files}
        text = literal(outputs.markdown(result.content, paths, self.target.folder), self.progress.secrets)
        self.outcome.markdown_path = outputs.save_text(self.target, ".md", text, self.warn)
        self.progress.say(f"Saved {self.outcome.markdown_path}")
