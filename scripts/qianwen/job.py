"""One request through all the stages, top to bottom: check, upload, send, wait, save.

This is the only module that sees both the models and the service. What has been reached is written into `Outcome` as it
happens, so that whatever ends the run, the caller learns what exists already.
"""

from __future__ import annotations

import time

from . import inputs
from .arguments import Ask
from .errors import InvalidRequest, Problem, QianwenError, Refused, UnknownOutcome, UsageError
from .models import catalog as rows
from .models import validate, wire
from .progress import Progress
from .record import record
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from typing import Any

    from .outputs import Saved, Target
    from .session import Session

    JSON = dict[str, Any]


@record
class File:
    saved: Saved
    url: str


class Outcome:
    """What a run has reached so far. `body` is the service's last whole answer; `result` what it holds."""

    def __init__(self) -> None:
        self.model = ""
        self.seed: object = None
        self.task_id = ""
        self.submitted = False
        self.body: JSON = {}
        self.result: wire.Result | None = None
        self.files: list[File] = []
        self.markdown_path = ""
        self.warnings: list[str] = []
        self.preview: JSON | None = None
        self.resumable = True

    def note(self, body: JSON, interleaved: bool) -> wire.Result:
        self.body = body
        self.result = wire.decode(body, interleaved)
        return self.result


def run(catalog: rows.Catalog, ask: Ask, world: World, progress: Progress, outcome: Outcome) -> None:
    """Do what was asked. Raises a QianwenError for every expected end that is not success."""
    outcome.resumable = not ask.sandbox
    if ask.task_id:
        _collect(catalog, ask, world, progress, outcome)
        return
    checked = _checked(catalog, ask, world, progress, outcome)
    if ask.dry_run:
        outcome.preview = _preview(catalog, ask, world, checked)
        return
    _warn_of_the_region(ask, world, checked, progress, outcome)
    target = _target(catalog, ask, world, str(checked.values["prompt"]))
    from . import session

    with session.opened(world, progress, ask.region, ask.timeout, ask.sandbox) as service:
        call = _encoded(service, checked, progress)
        if wire.SHAPES[checked.shape].is_stream:
            _stream(service, call, target, progress, outcome)
            return
        outcome.submitted = True
        progress.say("Submitting the task" if call.is_task else "Waiting for the answer")
        body = service.call(call.path, call.body, call.is_task)
        outcome.body = body
        if call.is_task:
            outcome.task_id = _task_id(body)
            progress.always(f"Task submitted: {outcome.task_id}")
            if ask.submit_only:
                return
            body = service.wait(outcome.task_id, ask.interval, progress, just_submitted=True)
        _save(service, body, target, _is_interleaved(checked), progress, outcome)
        if len(outcome.files) < checked.promised and not (outcome.result and outcome.result.failures):
            _warn(f"{len(outcome.files)} of {checked.promised} pictures came", progress, outcome)


# Stages ---------------------------------------------------------------------------------------------------


def _checked(catalog: rows.Catalog, ask: Ask, world: World, progress: Progress, outcome: Outcome) -> validate.Checked:
    """The request, proven allowed. Raises InvalidRequest with everything that is wrong with it."""
    model_id, why = _model_id(catalog, ask)
    if not (model_id.isascii() and model_id.isprintable()) or " " in model_id:
        raise InvalidRequest([Problem("model", ascii(model_id), "is no model id", "letters, digits, dots and hyphens")])
    found = rows.find(catalog, model_id)
    if found is None:
        program, _ = catalog.elsewhere
        raise UsageError(f"the model {model_id} makes another kind of media", hint=f"use {program} for it")

    def inspect(text: str) -> rows.Source:
        return inputs.inspect(text, world.cwd)

    checked = validate.check(catalog, found, ask.fields, inspect, ask.wants_task, ask.submit_only)
    outcome.model = checked.id
    outcome.seed = checked.values.get("seed")
    progress.say(f"Model: {checked.id} ({checked.mode.name}{why})")
    for warning in checked.warnings:
        _warn(warning, progress, outcome)
    return checked


def _model_id(catalog: rows.Catalog, ask: Ask) -> tuple[str, str]:
    """The model that was named, else the default for what is given; and why, for the user."""
    if ask.model:
        return ask.model, ""
    for field, model_id in catalog.defaults:
        if validate.says_something(ask.fields.get(field)):
            return model_id, f", the default with {field}"
    return catalog.default, ", the default"


def _preview(catalog: rows.Catalog, ask: Ask, world: World, checked: validate.Checked) -> JSON:
    """The HTTP request as it would be sent, the files that would be uploaded, and what would be billed at most."""
    from .redact import HIDDEN
    from .service import api, settings

    place = settings.Place(world.env, world.cwd, world.home)
    base = settings.base_url(place, settings.region(place, ask.region))
    files = _local_files(checked)
    urls = {path: f"oss://(upload of {source.path})" for path, source in files.items()}
    call = wire.encode(checked.shape, checked.id, inputs.replaced(checked.values, urls), checked.mode.text_first)
    request = api.request(
        api.Endpoint(base, HIDDEN), "POST", call.path, call.body, task=call.is_task, stream=call.is_stream
    )
    return {
        "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": call.body},
        "uploads": [{"field": path, "path": source.path, "bytes": source.bytes} for path, source in files.items()],
        "bills": {"unit": catalog.unit, "at_most": checked.units},
    }


def _warn_of_the_region(
    ask: Ask, world: World, checked: validate.Checked, progress: Progress, outcome: Outcome
) -> None:
    """A model is not offered everywhere; the service says so too late and unclearly."""
    from .service import settings

    place = settings.Place(world.env, world.cwd, world.home)
    region = settings.region(place, ask.region)
    chosen_by_region = not ask.sandbox and settings.find(place, settings.BASE_NAMES) is None
    if chosen_by_region and region not in checked.model.regions:
        offered = " and ".join(checked.model.regions)
        _warn(f"{checked.model.id} is documented for {offered}, not for {region}", progress, outcome)


def _target(catalog: rows.Catalog, ask: Ask, world: World, prompt: str) -> Target:
    from . import outputs
    from .service import settings

    base = settings.find(settings.Place(world.env, world.cwd, world.home), ("OUTPUT_DIR",))
    folder = f"{base.value if base else 'output'}/{catalog.folder}"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(world.now()))
    return outputs.plan(ask.output, folder, world.cwd, prompt, stamp, ask.overwrite)


def _encoded(service: Session, checked: validate.Checked, progress: Progress) -> wire.Call:
    """The call with every local file uploaded; a file that stands in several fields is sent once."""
    from .service.uploads import Upload

    files = {
        path: Upload(source.path, source.facts.type if source.facts else "application/octet-stream", source.bytes)
        for path, source in _local_files(checked).items()
    }
    once = list(dict.fromkeys(files.values()))
    for file in once:
        progress.say(f"Uploading {file.path} ({file.bytes / 1e6:.1f} MB)")
    urls = dict(zip(once, service.upload(once, checked.id)))
    values = inputs.replaced(checked.values, {path: urls[file] for path, file in files.items()})
    return wire.encode(checked.shape, checked.id, values, checked.mode.text_first)


def _local_files(checked: validate.Checked) -> dict[str, rows.Source]:
    return {path: source for path, source in checked.sources.items() if source.scheme == "file"}


def _task_id(body: JSON) -> str:
    output = body.get("output")
    task_id = output.get("task_id") if isinstance(output, dict) else None
    if not isinstance(task_id, str) or not task_id:
        raise UnknownOutcome("the service accepted the request but named no task")
    return task_id


def _collect(catalog: rows.Catalog, ask: Ask, world: World, progress: Progress, outcome: Outcome) -> None:
    """Finish a task that exists: look once or wait, then save."""
    from . import session
    from .service import tasks

    outcome.task_id = ask.task_id
    target = _target(catalog, ask, world, f"task {ask.task_id[:8]}")
    with session.opened(world, progress, ask.region, ask.timeout, ask.sandbox) as service:
        if ask.poll_once:
            seen = service.look(ask.task_id)
            outcome.body = seen.body
            if seen.meaning == tasks.WAITING:
                raise tasks.still_running(ask.task_id, seen.word)
            body = tasks.finished(seen, ask.task_id)
        else:
            body = service.wait(ask.task_id, ask.interval, progress, just_submitted=False)
        # A task whose answer alternates texts and pictures can only be an interleaved one: no other task returns texts.
        _save(service, body, target, True, progress, outcome)


def _is_interleaved(checked: validate.Checked) -> bool:
    return checked.values.get("enable_interleave") is True


def _stream(service: Session, call: wire.Call, target: Target, progress: Progress, outcome: Outcome) -> None:
    """Receive an interleaved answer while it is made. What came before a break is saved before the break is told."""
    frames: list[JSON] = []
    outcome.submitted = True
    try:
        for frame in service.stream(call.path, call.body):
            frames.append(frame)
            for url in wire.decode(frame).urls:
                progress.say(f"Received a picture: {url.partition('?')[0]}")
    except QianwenError:
        if outcome.note(wire.join(frames), True).urls:
            _save(service, outcome.body, target, True, progress, outcome)
        raise
    body = wire.join(frames)
    _save(service, body, target, True, progress, outcome)
    if not body["output"]["finished"]:
        raise UnknownOutcome("the stream ended before the service said that it was complete")


def _save(
    service: Session, body: JSON, target: Target, interleaved: bool, progress: Progress, outcome: Outcome
) -> None:
    """Every picture onto the disk, several at once. Raises OutputError for a missing one when the others are saved."""
    from . import outputs

    result = outcome.note(body, interleaved)
    for failure in result.failures:
        _warn(f"picture {failure.number} was not made: {failure.code}: {failure.message}", progress, outcome)
    if not result.urls:
        raise Refused("the service reported success, but the answer holds no picture", task_id=outcome.task_id)

    def save(item: tuple[int, str]) -> Saved | QianwenError:
        index, url = item

        def fill(stream: Any) -> tuple[int, str]:
            fetched = service.fetch(url, stream, lambda text: _warn(text, progress, outcome))
            return fetched.bytes, fetched.sha256

        try:
            return outputs.save_media(
                target.numbered(index, len(result.urls)), fill, lambda text: _warn(text, progress, outcome)
            )
        except QianwenError as error:
            return error

    ends = service.side_by_side(save, list(enumerate(result.urls)))
    errors = []
    for url, end in zip(result.urls, ends):
        if isinstance(end, QianwenError):
            errors.append(end)
        else:
            outcome.files.append(File(end, url))
            progress.say(f"Saved {end.path}")
    if any(item["type"] == "text" for item in result.content):
        paths = {file.url: file.saved.path for file in outcome.files}
        text = outputs.markdown(result.content, paths, target.folder)
        outcome.markdown_path = outputs.save_text(target, ".md", text, lambda text: _warn(text, progress, outcome))
        progress.say(f"Saved {outcome.markdown_path}")
    if errors:
        raise errors[0]


def _warn(text: str, progress: Progress, outcome: Outcome) -> None:
    outcome.warnings.append(text)
    progress.warn(text)
