"""One request through all the stages, top to bottom: check, upload, send, wait, save.

Here the models and the service meet; `saving` is its last stage. What has been reached is written into the `Outcome` as
it happens, and into the ledger before and after everything that is paid for.
"""

from __future__ import annotations

import os
import time

from . import inputs
from .errors import InvalidRequest, Problem, QianwenError, UnknownOutcome, UsageError
from .models import validate, wire
from .models.catalog import GIVEN, Found, Source, find, why_not
from .record import changed
from .work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from typing import Any

    from .ledger import Run
    from .models.validate import Checked
    from .outputs import Target
    from .service.bucket_settings import Bucket
    from .session import Session

    JSON = dict[str, Any]


class Job(Work):
    """A new request.

    ending: what the service announced about the model's last day, if anything.  twin: how the model is spelled in the
    region of this run, where it has another name there.
    """

    ending = ""
    twin = ""

    def work(self) -> None:
        checked = self.check()
        self.warn_of_the_region(checked)
        own = self.own_bucket() if checked.local_files and not self.ask.sandbox else None
        if self.ask.dry_run:
            self.outcome.preview = self.preview(checked, own)
            return
        with self.session(own=own) as service:
            target = self.target(str(checked.values.get("prompt") or checked.mode.name))
            if self.ask.output or not self.ask.submit_only:
                self.prepare(target)  # known before anything is paid for, also when another run will save there
            if self.ask.submit_only and self.ask.sandbox:
                self.warn("the stand-in ends with this run, so nobody can collect its task; see sandbox.py")
            self.intend(service, checked, target)  # an identical request is refused before its files are uploaded
            call = self.encode(service, checked)
            target = self.begin(target)
            if call.is_stream:
                self.receive(service, call, target)
                return
            body = self.submit(service, call, checked)
            if self.ask.submit_only:
                return
            if call.is_task:
                body = self.wait(service, is_new=True, usual=checked.mode.usual)
            self.saver(service, target).save(body, checked.mode.interleaved)
            self.count(checked)

    # Before anything is sent ------------------------------------------------------------------------------

    def check(self) -> Checked:
        """The request, proven allowed. Raises InvalidRequest with everything that is wrong with it."""
        found, why = self.find_model()

        def inspect(text: str) -> Source:
            return inputs.inspect(text, self.world.cwd)

        ask = self.ask
        self.ending = found.ending
        self.twin = self.twin_of(found)
        checked = validate.check(self.catalog, found, ask.fields, inspect, ask.wants_task, ask.submit_only, ask.kind)
        self.outcome.model = checked.id
        self.outcome.seed = checked.values.get("seed")
        self.progress.say(f"Model: {checked.id} ({checked.mode.name}{why})")
        for warning in checked.warnings:
            self.warn(warning)
        return checked

    def find_model(self) -> tuple[Found, str]:
        """The row of the model that was named, else of the default for what is given; and why, for the user."""
        model_id, why = self.ask.model, ""
        if not model_id:
            from .models.media_items import unpack

            ask = self.ask
            given = {**ask.fields, **unpack(ask.fields).fields, "mode": ask.kind}
            default = validate.default_for(self.catalog, given)
            if "size" in given:
                from .models.default_size import making_the_size

                default = making_the_size(self.catalog, default, given)
            model_id = default.regional.get(self.region, default.model) if default.regional else default.model
            why = ", the default"
            if default.when:
                said = (name if wanted == GIVEN else f"{name} {wanted}" for name, wanted in default.when.items())
                why += f" with {' and '.join(said)}"
        if not (model_id.isascii() and model_id.isprintable()) or " " in model_id:
            allowed = "letters, digits, dots and hyphens; a maker's name and a slash before it"
            raise InvalidRequest([Problem("model", ascii(model_id), "is no model id", allowed)])
        found = find(self.catalog, model_id)
        if found is None:
            message, hint = why_not(self.catalog, model_id)
            raise UsageError(message, hint=hint)
        return found, why

    def own_bucket(self) -> Bucket | None:
        """Where the user wants local files to go, unless it is the service's temporary storage."""
        from .service import settings

        if settings.find(self.place, settings.BUCKET_NAMES[:1]) is None:
            return None
        from .service import bucket_settings

        own = bucket_settings.configured(self.place)
        if own:
            self.progress.say(f"Local files go to the bucket {own.name} ({own.source})")
        return own

    def preview(self, checked: Checked, own: Bucket | None) -> JSON:
        from .preview import preview
        from .service import settings

        return preview(self.catalog, checked, settings.base_url(self.place, self.region), own)

    def warn_of_the_region(self, checked: Checked) -> None:
        """A model is not offered everywhere; the service says so too late and unclearly."""
        from .service import settings

        region = self.region
        chosen_by_region = not self.ask.sandbox and settings.find(self.place, settings.BASE_NAMES) is None
        has_regions = checked.is_known or checked.mode.as_given  # a relative's say nothing
        if chosen_by_region and has_regions and region not in checked.model.regions:
            offered = " and ".join(checked.model.regions)
            self.warn(
                "; ".join(filter(None, (f"{checked.id} is documented for {offered}, not for {region}", self.twin)))
            )

    def twin_of(self, found: Found) -> str:
        """How a model is spelled in the region of this run, or in all others, where this one has it or is a guess."""
        twins = found.model.twins if found.exact else {}
        if not twins:
            return ""
        here = {region: spelled for region, spelled in twins.items() if region == self.region} or twins
        return "; ".join(f"in {region} it is {spelled}" for region, spelled in here.items())

    def prepare(self, target: Target) -> None:
        from . import outputs

        outputs.prepare(target)

    # With the service ---------------------------------------------------------------------------------------

    def encode(self, service: Session, checked: Checked) -> wire.Call:
        """The call with every local file uploaded; a file that stands in several fields is sent once."""
        from .service.forms import Upload

        files = {
            path: Upload(source.path, source.facts.type if source.facts else "application/octet-stream", source.bytes)
            for path, source in checked.local_files.items()
        }
        once = list(dict.fromkeys(files.values()))
        for file in once:
            self.progress.say(f"Uploading {file.path} ({file.bytes / 1e6:.1f} MB)")
        urls = dict(zip(once, service.upload(once, checked.id)))
        try:
            inline = {path: inputs.inline(source) for path, source in checked.inline_files.items()}
        except OSError as error:
            raise UsageError(f"a local file could not be read: {error.strerror}") from error
        values = inputs.replaced(checked.values, {**inline, **{path: urls[file] for path, file in files.items()}})
        return wire.encode(checked.shape, checked.id, values, checked.mode.text_first)

    def settle(self, error: QianwenError | None) -> None:
        """As elsewhere; and a submission without an answer, and one that was refused, are told apart here."""
        if error and (self.ending or self.twin):
            from .service import codes

            if codes.blames_the_model(error.code, error.message, error.http_status):
                error.hint = "; ".join(filter(None, (self.ending, self.twin, error.hint)))
        if self.notes is None:
            return
        from . import ledger

        if isinstance(error, UnknownOutcome) and not self.outcome.task_id:
            self.close_account(ledger.UNKNOWN, error)
        elif error and not self.outcome.accepted:
            self.close_account(ledger.REFUSED, error)
        elif error or not self.ask.submit_only:
            super().settle(error)

    def intend(self, service: Session, checked: Checked, target: Target) -> None:
        """Say what is about to be paid for. Raises UsageError while an identical request is open, but for --again."""
        from .ledger import Run
        from .preview import fingerprint

        base = service.endpoint.base
        self.intent = Run(
            id=os.urandom(8).hex(),
            program=self.catalog.program,
            model=checked.id,
            mode=checked.mode.name,
            region=self.region,
            base=base,
            request=fingerprint(checked, base),
            is_task=wire.SHAPES[checked.shape].is_task,
            folder=target.folder,
            stem=target.stem,
            suffix=target.suffix,
            at=self.world.now(),
            patience=checked.mode.patience,
        )
        twin = self.ledger.twin(self.intent) if self.outcome.resumable and not self.ask.again else None
        if twin:
            raise self.already_open(twin)

    def begin(self, target: Target) -> Target:
        """Write the intent down, and answer the target with the run's name. Raises as `intend` does."""
        self.intent = changed(self.intent, at=self.world.now())
        notes = self.new_notes()
        twin = notes.begin(self.intent, self.ask.again)
        if twin:
            notes.close()
            raise self.already_open(twin)
        self.notes = notes
        self.outcome.submitted = True
        if self.intent.is_task and notes.kept:
            self.outcome.way_on = ("--resume",)
        return changed(target, run=self.intent.id)

    def already_open(self, twin: Run) -> UsageError:
        """The refusal of a request whose earlier attempt is open; `next` takes that one up, where it can be."""
        is_lost = not (twin.is_task or twin.urls)
        self.outcome.way_on = () if is_lost else ("--task-id", twin.task_id) if twin.task_id else ("--resume",)
        taken_up = "its answer cannot be asked for again" if is_lost else "`next` takes up the earlier one"
        when = time.strftime("%H:%M:%S", time.localtime(twin.at))
        what = {"made": "was made and not wholly saved", "waiting": "is still open"}.get(
            self.ledger.state(twin), "may have been accepted, or is being sent"
        )
        named = f" (task {twin.task_id})" if twin.task_id else ""
        return UsageError(
            f"an identical request of {when}{named} {what}; nothing was sent",
            hint=f"{taken_up}; --again pays for another",
        )

    def submit(self, service: Session, call: wire.Call, checked: Checked) -> JSON:
        """Post the request that costs money; for a task, note and announce its id before anything else."""
        self.progress.say("Submitting the task" if call.is_task else "Waiting for the answer")
        try:
            body = self.outcome.body = service.post(call.path, call.body, call.is_task)
            self.outcome.accepted = True
            if call.is_task:
                self.take_id(wire.task_id(body))
        except UnknownOutcome as error:
            if call.is_task:
                self.look_for_it(service, error)
            raise
        except QianwenError:
            self.outcome.way_on = ()
            raise
        return body

    def take_id(self, task_id: str) -> None:
        if not task_id:
            raise UnknownOutcome("the service accepted the request but named no task")
        self.outcome.task_id = task_id
        self.outcome.way_on = ()
        if self.notes:
            self.notes.task(task_id)
        self.progress.always(f"Task submitted: {task_id}")

    def look_for_it(self, service: Session, error: UnknownOutcome) -> None:
        """Offer what the service lists from this moment, when this machine remembers what else it submitted."""
        from . import lost

        if self.notes and self.notes.kept:
            explained = {run.task_id for run in self.ledger.runs()}
            found = lost.look_soon_for(service, explained, self.intent, self.world.now())
            lost.offer(found, self.intent, self.outcome, self.notes, error)

    def receive(self, service: Session, call: wire.Call, target: Target) -> None:
        """Take an interleaved answer while it is made. Saves what came before a break, then raises the break."""
        answer = wire.StreamedAnswer()
        pictures: list[str] = []
        broke: QianwenError | None = None
        try:
            for frame in service.stream(call.path, call.body):
                self.outcome.accepted = True
                new = answer.add(frame)
                pictures += new
                for url in new:
                    self.progress.say(f"Received a picture: {url.partition('?')[0]}")
                if new and self.notes and _is_worth_a_note(len(pictures)):
                    self.notes.result(tuple(pictures), answer.body())
        except QianwenError as error:
            broke = error
        finally:  # whatever ends the stream, also Ctrl-C
            if self.outcome.accepted:
                self.outcome.note(answer.body(), interleaved=True)
        if answer.is_finished:
            broke = None  # the answer is complete, so a break after it does no harm
        elif broke is None:
            broke = UnknownOutcome("the stream ended before the service said that it was complete")
        if broke is None or pictures:
            self.saver(service, target).save(answer.body(), interleaved=True)
        if broke is not None:
            raise broke

    def count(self, checked: Checked) -> None:
        """Say when fewer pictures came than were asked for and nobody said why."""
        result = self.outcome.result
        if result and len(result.urls) < checked.promised and not result.failures:
            self.warn(f"{len(result.urls)} of {checked.promised} pictures came")


def _is_worth_a_note(pictures: int) -> bool:
    """Whether the ledger hears of this picture of a stream at once; the end of the stream notes them all.

    The first sixteen are: no model makes more. After that each doubling, because a note repeats the whole answer.
    """
    return pictures <= 16 or pictures & (pictures - 1) == 0
