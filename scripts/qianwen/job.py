"""One request through all the stages, top to bottom: check, upload, send, wait, save.

Here the models and the service meet; `saving` is its last stage. What has been reached is written into the `Outcome` as
it happens.
"""

from __future__ import annotations

import time

from . import inputs
from .arguments import Ask
from .errors import InvalidRequest, Problem, QianwenError, UnknownOutcome, UsageError
from .models import validate, wire
from .models.catalog import GIVEN, Catalog, Found, Source, find
from .outcome import Outcome
from .progress import Progress
from .record import changed
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from typing import Any

    from .ledger import Entry
    from .models.validate import Checked
    from .outputs import Target
    from .saving import Saver
    from .service.settings import Place
    from .service.tasks import Seen
    from .session import Session

    JSON = dict[str, Any]


YOUNG_SECONDS = 60.0


class Job:
    """One run of a program. `outcome` is there from the beginning, for whoever has to report an end."""

    def __init__(self, catalog: Catalog, ask: Ask, world: World, progress: Progress) -> None:
        self.catalog = catalog
        self.ask = ask
        self.world = world
        self.progress = progress
        self.outcome = Outcome(catalog.noun, resumable=not ask.sandbox)

    def run(self) -> None:
        """Do what was asked. Raises a QianwenError for every expected end that is not success."""
        if self.ask.task_id:
            self.collect()
            return
        checked = self.check()
        self.warn_of_the_region(checked)
        if self.ask.dry_run:
            self.outcome.preview = self.preview(checked)
            return
        with self.session() as service:
            if self.ask.submit_only:
                if self.ask.output:
                    self.target("")  # known before anything is paid for, although another run will save there
                if self.ask.sandbox:
                    self.warn("the stand-in ends with this run, so nobody can collect its task; see sandbox.py")
                self.submit(service, self.encode(service, checked), checked)
                return
            target = self.target(str(checked.values.get("prompt") or checked.mode.name))
            call = self.encode(service, checked)
            if call.is_stream:
                self.receive(service, call, target)
                return
            body = self.submit(service, call, checked)
            if call.is_task:
                body = self.wait(service, is_new=True, usual=checked.mode.usual)
            self.saver(service, target).save(body, checked.mode.interleaved)
            self.count(checked)

    def collect(self) -> None:
        """Finish a task that exists: look once or wait, then save."""
        task_id = self.outcome.task_id = self.ask.task_id
        known = self.recall(task_id)
        with self.session(known.region if known else "") as service:
            target = self.target(f"task {task_id[:8]}")
            if self.ask.poll_once:
                self.outcome.body = service.look(task_id)
                body = service.finished(task_id, self.outcome.body, self.is_young(known))
            else:
                body = self.wait(service, is_new=False, usual=self.usual(known))
            # Among tasks only the interleaved ones answer with texts.
            self.saver(service, target).save(body, interleaved=wire.has_texts(body))

    # Before anything is sent ------------------------------------------------------------------------------

    def check(self) -> Checked:
        """The request, proven allowed. Raises InvalidRequest with everything that is wrong with it."""
        found, why = self.find_model()

        def inspect(text: str) -> Source:
            return inputs.inspect(text, self.world.cwd)

        ask = self.ask
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
            model_id = default.regional.get(self.region, default.model) if default.regional else default.model
            why = ", the default"
            if default.when:
                said = (name if wanted == GIVEN else f"{name} {wanted}" for name, wanted in default.when.items())
                why += f" with {' and '.join(said)}"
        if not (model_id.isascii() and model_id.isprintable()) or " " in model_id:
            allowed = "letters, digits, dots and hyphens"
            raise InvalidRequest([Problem("model", ascii(model_id), "is no model id", allowed)])
        found = find(self.catalog, model_id)
        if found is None:
            program, _ = self.catalog.elsewhere
            raise UsageError(f"the model {model_id} makes another kind of media", hint=f"use {program} for it")
        return found, why

    def preview(self, checked: Checked) -> JSON:
        """The HTTP request as it would be sent, the files that would be uploaded, and what would be billed at most."""
        from .redact import HIDDEN
        from .service import api, settings

        base = settings.base_url(self.place, self.region)
        files = checked.local_files
        urls = {path: f"oss://(upload of {inputs.named(source)})" for path, source in files.items()}
        urls.update((path, source.shown) for path, source in checked.sources.items() if path not in urls)
        urls.update((path, f"data:(bytes of {inputs.named(source)})") for path, source in checked.inline_files.items())
        call = wire.encode(checked.shape, checked.id, inputs.replaced(checked.values, urls), checked.mode.text_first)
        endpoint = api.Endpoint(base, HIDDEN)
        request = api.request_for(endpoint, "POST", call.path, call.body, task=call.is_task, stream=call.is_stream)
        return {
            "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": call.body},
            "uploads": [{"field": path, "path": source.path, "bytes": source.bytes} for path, source in files.items()],
            "bills": {"unit": self.catalog.unit, "at_most": checked.units},
        }

    def warn_of_the_region(self, checked: Checked) -> None:
        """A model is not offered everywhere; the service says so too late and unclearly."""
        from .service import settings

        region = self.region
        chosen_by_region = not self.ask.sandbox and settings.find(self.place, settings.BASE_NAMES) is None
        if chosen_by_region and region not in checked.model.regions:
            offered = " and ".join(checked.model.regions)
            self.warn(f"{checked.model.id} is documented for {offered}, not for {region}")

    def target(self, prompt: str) -> Target:
        """Where the results will go. Raises UsageError when nothing can be saved there."""
        from . import outputs
        from .service import settings

        base = settings.find(self.place, ("OUTPUT_DIR",))
        folder = f"{base.value if base else 'output'}/{self.catalog.folder}"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.world.now()))
        return outputs.plan(self.ask.output, folder, self.world.cwd, prompt, stamp, self.ask.overwrite)

    @property
    def place(self) -> Place:
        from .service import settings

        return settings.Place(self.world.env, self.world.cwd, self.world.home)

    @property
    def region(self) -> str:
        """The region that was named, else the one that is set. Raises UsageError for an unknown one."""
        from .service import settings

        return settings.region(self.place, self.ask.region)

    def session(self, known_region: str = "") -> Any:
        """A context manager that gives the Session of this run. known_region: where a task of ours was submitted."""
        from . import session

        region = self.ask.region or known_region
        return session.opened(self.world, self.progress, region, self.ask.timeout, self.ask.sandbox)

    # What this machine remembers ----------------------------------------------------------------------------

    def remember(self, service: Session, checked: Checked) -> None:
        """Note the task where a later run finds it. A place that cannot be written to is worth a warning, no more."""
        from . import ledger

        if not self.outcome.resumable:
            return
        place = ledger.folder(self.world.env, self.world.home)
        entry = ledger.Entry(
            self.outcome.task_id,
            self.catalog.program,
            checked.id,
            checked.mode.name,
            self.region,
            service.endpoint.base,
            self.world.now(),
        )
        try:
            ledger.Ledger(place).note(entry)
        except OSError as error:
            self.warn(f"the task is not remembered on this machine: {place}: {error.strerror or error}")

    def recall(self, task_id: str) -> Entry | None:
        """What this machine knows of a task. Raises UsageError for a task of the other program."""
        from . import ledger
        from .service import settings

        known = ledger.Ledger(ledger.folder(self.world.env, self.world.home)).find(task_id)
        if known is None:
            return None
        if known.program != self.catalog.program:
            raise UsageError(f"task {task_id} was submitted by {known.program}", hint=f"use {known.program} for it")
        self.outcome.model = known.model
        if known.region not in settings.HOSTS:
            self.warn(f"the region {known.region!r} that is remembered for the task is none, and not used")
            return changed(known, region="")
        self.progress.say(f"Task of {known.model} ({known.mode}) in {known.region}")
        return known

    def is_young(self, known: Entry | None) -> bool:
        """Whether the task is so new that the service may not show it everywhere yet."""
        return known is not None and 0 <= self.world.now() - known.submitted < YOUNG_SECONDS

    def usual(self, known: Entry | None) -> str:
        """How long such a task takes, when this machine knows what it is."""
        found = find(self.catalog, known.model) if known else None
        modes = found.model.modes if found else ()
        return next((mode.usual for mode in modes if known and mode.name == known.mode), "")

    # With the service ---------------------------------------------------------------------------------------

    def encode(self, service: Session, checked: Checked) -> wire.Call:
        """The call with every local file uploaded; a file that stands in several fields is sent once."""
        from .service.uploads import Upload

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

    def submit(self, service: Session, call: wire.Call, checked: Checked) -> JSON:
        """Post the request that costs money; for a task, note and announce its id before anything else."""
        self.outcome.submitted = True
        self.progress.say("Submitting the task" if call.is_task else "Waiting for the answer")
        body = self.outcome.body = service.post(call.path, call.body, call.is_task)
        if call.is_task:
            self.outcome.task_id = wire.task_id(body)
            if not self.outcome.task_id:
                raise UnknownOutcome("the service accepted the request but named no task")
            self.progress.always(f"Task submitted: {self.outcome.task_id}")
            self.remember(service, checked)
        return body

    def wait(self, service: Session, is_new: bool, usual: str) -> JSON:
        """The final answer of the task. Every look is kept, so that a bad end can show the last one."""
        odd: set[str] = set()

        def tell(seen: Seen, seconds: float) -> None:
            self.outcome.body = seen.body or self.outcome.body
            if seen.is_odd and seen.word not in odd:
                odd.add(seen.word)
                self.warn(f"the service calls the state of the task {seen.word!r}, which is not documented; waiting on")
            self.progress.state(self.outcome.task_id, seen.word, seconds, usual)

        return service.wait(self.outcome.task_id, self.ask.interval, tell, is_new)

    def receive(self, service: Session, call: wire.Call, target: Target) -> None:
        """Take an interleaved answer while it is made. What came before a break is saved before the break is told."""
        frames: list[JSON] = []
        self.outcome.submitted = True
        broke: QianwenError | None = None
        try:
            for frame in service.stream(call.path, call.body):
                frames.append(frame)
                self.outcome.note(wire.join(frames), interleaved=True)
                for url in wire.decode(frame).urls:
                    self.progress.say(f"Received a picture: {url.partition('?')[0]}")
        except QianwenError as error:
            broke = error
        if broke is None and not wire.is_finished(self.outcome.body):
            broke = UnknownOutcome("the stream ended before the service said that it was complete")
        if broke is None or wire.decode(self.outcome.body).urls:
            self.saver(service, target).save(self.outcome.body, interleaved=True)
        if broke is not None:
            raise broke

    def saver(self, service: Session, target: Target) -> Saver:
        from .saving import Saver

        return Saver(service, target, self.outcome, self.progress, self.warn, self.catalog.keeps_replies)

    def count(self, checked: Checked) -> None:
        """Say when fewer pictures came than were asked for and nobody said why."""
        result = self.outcome.result
        if result and len(result.urls) < checked.promised and not result.failures:
            self.warn(f"{len(result.urls)} of {checked.promised} pictures came")

    def warn(self, text: str) -> None:
        self.outcome.warnings.append(text)
        self.progress.warn(text)
