"""The end of a run: save every result of a final answer, several at once, with the files that accompany them."""

from __future__ import annotations

import hashlib
import json
import os

from ..errors import LinkExpired, OutputError, QianwenError, Refused
from ..files import outputs
from ..models import results, wire
from ..outcome import File
from ..plain.redact import each_text, literal
from ..service import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Mapping

    from ..account.entry import Entry
    from ..account.purchase import Kept, Purchase
    from ..files.outputs import Saved, Target
    from .run import Run
    from .way import Connection

    JSON = dict[str, Any]


GONE = "check the usage in the console before you pay for another"


def save(
    run: Run,
    connection: Connection,
    entry: Entry,
    target: Target,
    body: JSON,
    interleaved: bool,
    files: Mapping[int, Kept] = {},
) -> None:
    """Save every result of a final answer.

    files: what an earlier run has already saved, by the index of the result.
    Raises OutputError for a result that could not be saved, after saving the others. Raises the service's own error, or
    Refused, when the answer holds no result.
    """
    result = entry.result(body, interleaved)
    for failure in result.failures:
        run.warn(f"{run.catalog.noun} {failure.number} was not made: {failure.code}: {failure.message}")
    if result.odd_places:
        run.warn(f"the answer has its result in an undocumented place: {', '.join(result.odd_places)}")
    if not result.urls:
        raise _no_result(run, target, result)
    saver = _Saver(run, connection, entry, target, result, files)
    errors = [error for error in connection.session.side_by_side(saver.save, range(len(result.urls))) if error]
    if any(item["type"] == "text" for item in result.content):
        try:
            _save_markdown(run, target, result)
        except OutputError as markdown_error:
            errors.append(markdown_error)
    for error in errors[1:]:
        run.warn(error.message)
    if errors:
        raise errors[0]


def answer_again(run: Run, entry: Entry, purchase: Purchase, interleaved: bool) -> bool:
    """Answer with what an identical request has made already, if all of it is still on the disk.

    Only a run whose answer nobody can have read counts (its process was killed after saving), or any with --reuse.
    """
    made = run.account.made(purchase.request, run.ask.reuse) if entry.is_kept else None
    if made is None or not made.urls or len(made.files) != len(made.urls):
        return False
    saved = {index: outputs.saved_before(kept.path, kept.sha256) for index, kept in made.files.items()}
    if not all(saved.values()):
        return False
    entry.take_up(made)
    outcome = run.outcome
    outcome.task_id, outcome.reused = made.task_id, True
    outcome.note(dict(made.body) or {"output": {"results": [{"url": url} for url in made.urls]}}, interleaved)
    outcome.saved = {index: File(file, made.urls[index]) for index, file in saved.items() if file}
    stem = os.path.splitext(outcome.files[0].saved.path)[0]
    outcome.reply_path = f"{stem}.json" if os.path.exists(f"{stem}.json") else ""
    outcome.markdown_path = f"{stem}.md" if os.path.exists(f"{stem}.md") else ""
    run.progress.say("The same request was made before and its files are there: nothing is bought")
    return True


def _no_result(run: Run, target: Target, result: wire.Result) -> QianwenError:
    body = result.body
    if result.failures:
        return answers.refused({"code": result.failures[0].code, "message": result.failures[0].message}, 200)
    if body.get("code"):
        return answers.refused({"code": str(body["code"]), "message": str(body.get("message") or "")}, 200)
    words = f"the service reported success, but the answer holds no {run.catalog.noun}"
    output = body.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    words += f": {' '.join(message.split())}" if isinstance(message, str) and message.strip() else ""
    return Refused(words, hint=_save_whole_reply(run, target), billed="unknown")


def _save_whole_reply(run: Run, target: Target) -> str:
    """Save an answer without a readable result: it may have been paid for. Answers a hint that names the file."""
    try:
        run.outcome.reply_path = outputs.save_text(target, ".json", _reply_text(run), run.warn, private=True)
    except OutputError as error:
        return f"the answer could not be saved ({error.message}); --print-response shows it"
    return f"the whole answer is in {run.outcome.reply_path}: check it for a result"


def _reply_text(run: Run) -> str:
    """The service's whole last answer, without the run's secrets."""
    body = each_text(run.outcome.body, lambda text: literal(text, run.progress.secrets))
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


class _Saver:
    """Saves the results of one answer, each by its index. The methods may run in several threads."""

    def __init__(
        self,
        run: Run,
        connection: Connection,
        entry: Entry,
        target: Target,
        result: wire.Result,
        files: Mapping[int, Kept],
    ) -> None:
        self._run = run
        self._connection = connection
        self._entry = entry
        self._target = target
        self._result = result
        self._files = files

    def save(self, index: int) -> QianwenError | None:
        """Save one result. Answers the error if that failed."""
        try:
            if not self._was_saved(index):
                self._save(index)
        except QianwenError as error:
            return error
        return None

    def _was_saved(self, index: int) -> bool:
        kept = self._files.get(index)
        saved = outputs.saved_before(kept.path, kept.sha256) if kept else None
        if saved:
            self._run.outcome.saved[index] = File(saved, self._result.urls[index])
            if self._run.catalog.keeps_replies and not os.path.lexists(os.path.splitext(saved.path)[0] + ".json"):
                self._keep_reply(saved)
        return saved is not None

    def _save(self, index: int) -> None:
        run, count = self._run, len(self._result.urls)
        url = self._result.urls[index]

        def fill(stream: BinaryIO) -> tuple[int, str, bool]:
            nonlocal url
            if results.is_inline(url):
                return self._write_inline(url, stream)
            try:
                fetched = self._connection.fetch(url, stream, run.warn)
            except LinkExpired:
                url = self._fresh_url(index)
                fetched = self._connection.fetch(url, stream, run.warn)
            return fetched.bytes, fetched.sha256, fetched.proven

        type_prefix = f"{'video' if run.catalog.noun == 'video' else 'image'}/"
        target = self._target.numbered(index, count)
        saved = outputs.save_media(target, fill, run.warn, type_prefix, ".json" if run.catalog.keeps_replies else "")
        file = File(saved, url)
        self._entry.file(index, file)
        run.progress.say(f"Saved {saved.path}")
        if run.catalog.keeps_replies:
            self._keep_reply(saved)
        run.outcome.saved[index] = self._connection.keep(file, index + 1, count)

    def _write_inline(self, name: str, stream: BinaryIO) -> tuple[int, str, bool]:
        """Write a picture from inside the answer. Answers its bytes, its SHA-256 and True: it is complete."""
        encoded, noun = self._run.outcome.inline.get(name, ""), self._run.catalog.noun
        if not encoded:
            raise OutputError(f"the {noun} came inside an answer that is gone, and has no link", hint=GONE)
        try:
            data = results.decoded(encoded)
        except ValueError:
            raise OutputError(f"the {noun} in the answer is not valid base64", hint=GONE) from None
        stream.write(data)
        return len(data), hashlib.sha256(data).hexdigest(), True

    def _fresh_url(self, index: int) -> str:
        """A new link to a result, from its task. Raises LinkExpired when there is none."""
        task_id = self._run.outcome.task_id
        if not task_id:
            raise LinkExpired("the link to the result has expired")
        try:
            urls = wire.decode(self._connection.client.poll(task_id).body).urls
        except QianwenError as error:
            raise LinkExpired(f"the link to the result has expired; {error.message}") from error
        if index >= len(urls):
            raise LinkExpired("the task has no fresh link to the result")
        return urls[index]

    def _keep_reply(self, saved: Saved) -> None:
        """Save the service's whole last answer under the name of the result."""
        run = self._run
        place = outputs.beside(saved, self._target.overwrite)
        try:
            run.outcome.reply_path = outputs.save_text(place, ".json", _reply_text(run), run.warn, private=True)
        except OutputError as error:  # the video itself is saved
            run.warn(f"the reply could not be saved next to the video: {error.message}")
        else:
            run.progress.say(f"Saved {run.outcome.reply_path}")


def _save_markdown(run: Run, target: Target, result: wire.Result) -> None:
    paths = {file.url: file.saved.path for file in run.outcome.files}
    text = literal(outputs.markdown(result.content, paths, target.folder), run.progress.secrets)
    run.outcome.markdown_path = outputs.save_text(target, ".md", text, run.warn)
    run.progress.say(f"Saved {run.outcome.markdown_path}")
