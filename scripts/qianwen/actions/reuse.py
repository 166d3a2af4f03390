"""Answer with what an identical request has made already, and buy nothing: after a kill, or with --reuse."""

from __future__ import annotations

import os

from ..account import record
from ..account.purchase import answer_of
from ..files import outputs
from ..files.safe_open import open_theirs
from ..outcome import File
from ..plain.record import changed
from .encoding import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Callable

    from ..account.entry import Entry
    from ..account.purchase import Purchase
    from ..checks.validate import Checked
    from ..files.outputs import Saved, Target
    from .run import Run
    from .way import Way


def reuse(run: Run, way: Way) -> bool:
    """`--reuse`: whether an earlier run's files are the answer, without a key and a network. A dry run only says so."""
    checked = way.check()
    with run.entry() as entry:
        made, files = _made(entry, fingerprint(checked, way.base), with_read_answers=True)
        if made and run.ask.dry_run:
            paths = ", ".join(file.path for file in files)
            run.note(f"the same request was made before: --reuse answers with {paths} and buys nothing")
        elif made:
            run.announce(checked)
            elsewhere = run.target(checked.subject) if run.ask.output else None
            _answer(entry, made, files, checked, run.catalog.keeps_replies, elsewhere)
            if run.ask.sidecar:
                _record(made, checked, entry, entry.warn)
    return made is not None and not run.ask.dry_run


def answered(
    entry: Entry,
    wish: str,
    checked: Checked,
    keeps_replies: bool,
    with_records: bool,
    with_read_answers: bool = False,
    elsewhere: Target | None = None,
) -> bool:
    """Whether the answer is what an earlier run of the same made, and was killed before it answered.

    wish: the fingerprint of the request.  keeps_replies: see `Catalog`.
    with_read_answers: also what somebody was told of.  elsewhere: see `_answer`.
    """
    made, files = _made(entry, wish, with_read_answers)
    if made:
        _answer(entry, made, files, checked, keeps_replies, elsewhere)
        outputs.sweep(outputs.Target(made.folder, made.stem, run=made.id))
        if with_records:
            _record(made, checked, entry, lambda _: None)  # the saver has warned
        elif keeps_replies and not entry.outcome.reply_path:
            beside = outputs.beside(entry.outcome.saved[0].saved, outputs.Target(made.folder, made.stem))
            entry.outcome.reply_path = record.save(entry.outcome.body, beside, entry, is_reply=True)
    return made is not None


def _made(entry: Entry, wish: str, with_read_answers: bool) -> tuple[Purchase | None, list[Saved]]:
    """An earlier run of the same, and its files, if all of them are still on the disk, unchanged."""
    made = entry.made(wish, with_read_answers)
    files = [outputs.saved_before(kept.path, kept.sha256) for _, kept in sorted(made.files.items())] if made else []
    whole = [file for file in files if file]
    return (made, whole) if files and len(whole) == len(files) else (None, [])


def _answer(
    entry: Entry, made: Purchase, files: list[Saved], checked: Checked, keeps_replies: bool, elsewhere: Target | None
) -> None:
    """elsewhere: where copies go if --output names a place; None for none."""
    entry.take_up(made, to_answer=True)
    outcome = entry.outcome
    outcome.task_id, outcome.reused = made.task_id, True
    outcome.receive(answer_of(made), checked.mode.interleaved)
    stem = os.path.splitext(files[0].path)[0]
    outcome.reply_path = f"{stem}.json" if keeps_replies and os.path.exists(f"{stem}.json") else ""
    outcome.markdown_path = f"{stem}.md" if os.path.exists(f"{stem}.md") else ""
    if elsewhere and (elsewhere.suffix or elsewhere.folder != os.path.dirname(files[0].path)):
        place = outputs.prepare(changed(elsewhere, resumed=True))  # a copy of an earlier time is not made again
        files = [_copied(file, place.numbered(index, len(files)), entry) for index, file in enumerate(files)]
    outcome.saved = {index: File(file, made.urls[index]) for index, file in zip(sorted(made.files), files)}
    entry.progress.say("The same request was made before and its files are there: nothing is bought")


def _copied(file: Saved, target: Target, entry: Entry) -> Saved:
    def fill(stream: BinaryIO) -> tuple[int, str, bool]:
        with open_theirs(file.path) as source:
            while block := source.read(outputs.READ_BYTES):
                stream.write(block)
        return file.bytes, file.sha256, True

    return outputs.save_media(target, fill, entry.warn, file.facts.type.partition("/")[0])


def _record(made: Purchase, checked: Checked, entry: Entry, warn: Callable[[str], None]) -> None:
    """Write a record next to each file that has none."""
    written = {name: value for name, value in checked.written.items() if name != "seed"}  # it may be one of this run
    if entry.outcome.seed is not None:
        written["seed"] = entry.outcome.seed
    base = record.common(made.program, made.mode, written, entry.progress.clean, warn)
    for index, file in entry.outcome.saved.items():
        if not outputs.is_recorded(file.saved.path):
            own = record.record(base, entry.outcome.body, made.task_id, index, file, made.at)
            record.save(own, outputs.Target(*os.path.split(os.path.splitext(file.saved.path)[0])), entry)
