"""The route to DashScope: checks a request, connects, uploads its files and downloads its results.

This is the only module that uses both `service`, which holds the key, and `storage`, which must never see it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from functools import partial

from ..checks import defaults, sources, validate
from ..checks.findings import Manner
from ..errors import AuthError, InvalidRequest, QianwenError
from ..models import wire
from ..models.catalog import Source
from ..plain.record import changed
from . import encoding

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported at run time only where needed: a refused request should start fast
    from typing import Any, BinaryIO, Callable, Iterator

    from ..account.purchase import Purchase
    from ..cassettes.recorder import Player, Recorder
    from ..checks.validate import Checked
    from ..http.messages import Send
    from ..http.session import Session
    from ..models.wire import Call
    from ..outcome import File
    from ..service.client import Client
    from ..service.endpoint import Endpoint
    from ..storage.bucket_settings import Bucket
    from ..storage.forms import Upload
    from ..storage.results import Fetched
    from .run import Run

    JSON = dict[str, Any]
    Paced = Callable[[Send], Send]
    Once = Callable[[Upload, str, Callable[[Upload], str]], str]

MOST_RECENT = 500  # runs that are searched for the file of a link
SHORTEST_PLACE = 5  # characters of a path or a host that tells something
SANDBOX_KEY = "sandbox"
SANDBOX_HASTE = 100  # a stand-in's task is done at once
REPLAY_KEY = "replayed-without-a-key"


class DashScope:
    """The default route: the user's own key, at the endpoint that the environment names."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._of_the_region: dict[str, tuple[str, ...]] = {}  # warnings by model id: a batch asks for every row

    @property
    def region(self) -> str:
        return self._run.region

    @property
    def base(self) -> str:
        from ..service import endpoint

        return endpoint.base_url(self._run.place, self._run.region)

    def check(self) -> Checked:
        ask, catalog = self._run.ask, self._run.catalog
        found = defaults.choose(catalog, ask.model, ask.fields, ask.kind, lambda: self._run.region)

        def inspect(text: str) -> Source:
            from ..plain import locations

            now = 0.0 if ask.replay else self._run.environment.now()  # the links of a recording are old
            source = sources.inspect(text, self._run.files, now, self._is_near)
            is_over = source.fault.startswith(locations.EXPIRED)
            return changed(source, nearest=self._kept_from(text)) if is_over else source

        manner = Manner(ask.kind, ask.wants_task, ask.submit_only, prefers_task=bool(self._run.seat))
        try:
            checked = validate.check(catalog, found, ask.fields, inspect, manner)
        except InvalidRequest as error:
            if not self._run.seat:  # of the many rows of a batch only the problems are told
                region = self._run.region
                error.hint = defaults.way_out(catalog, found, ask.fields, inspect, manner, region, error)
            raise
        if checked.id not in self._of_the_region:
            self._of_the_region[checked.id] = self._warnings_of_the_region(checked)
        warnings = self._of_the_region[checked.id]
        return changed(checked, warnings=(*checked.warnings, *warnings)) if warnings else checked

    def _kept_from(self, link: str) -> str | None:
        """The file that this machine made of a result's link; None if it knows of none."""
        place = link.partition("?")[0]
        for purchase in self._run.account.recent(MOST_RECENT):
            for index, url in enumerate(purchase.urls):
                kept = purchase.files.get(index)
                if kept and url.partition("?")[0] == place and os.path.isfile(kept.path):
                    return kept.path
        return None

    def _is_near(self) -> bool:
        """Whether the service is a stand-in or a proxy of this machine or network, which can reach hosts there."""
        from ..plain import locations

        if self._run.ask.sandbox or self._run.ask.replay:
            return True
        try:
            return locations.is_near_host(locations.host_of(self.base))
        except AuthError:
            return False  # told before anything is sent

    def preview(self, checked: Checked) -> JSON:
        base = self.base  # a bad one ends the dry run too
        note_a_missing_key(self._run)
        return encoding.preview(self._run.catalog, checked, base, self._own_bucket(checked))

    @contextmanager
    def connect(self, checked: Checked) -> Iterator[Connection]:
        from ..service import codes

        try:
            with connected(self._run, own=self._own_bucket(checked)) as connection:
                yield connection
        except QianwenError as error:
            if codes.blames_the_model(error.code, error.message, error.http_status):
                error.hint = "; ".join(filter(None, (checked.found.ending, self._twin(checked), error.hint)))
            raise

    def _own_bucket(self, checked: Checked) -> Bucket | None:
        return own_bucket(self._run) if checked.local_files else None

    def _warnings_of_the_region(self, checked: Checked) -> tuple[str, ...]:
        """Warnings when the host is in another region than --region says, or the model is not documented for it.

        The service says the latter late and unclearly.
        """
        from .. import regions
        from ..environment import BASE_NAMES, lookup
        from ..plain import locations

        run = self._run
        region = run.region
        base = None if run.ask.sandbox else lookup(run.place, BASE_NAMES)
        there = regions.type_of(locations.host_of(self.base))[1] if base and run.ask.region else ""
        if base and there not in ("", region):
            return (
                f"{base.source} decides the host, which is in {there}; --region {run.ask.region} does not change it",
            )
        chosen_by_region = not run.ask.sandbox and base is None
        has_regions = checked.is_known or checked.mode.as_given  # the regions of a related model say nothing
        if chosen_by_region and has_regions and region not in checked.model.regions:
            words = f"{checked.id} is documented for {' and '.join(checked.model.regions)}, not for {region}"
            return ("; ".join(filter(None, (words, self._twin(checked)))),)
        return ()

    def _twin(self, checked: Checked) -> str:
        """What the model is called in this run's region; in every region with another name if this one has none."""
        twins = checked.model.twins if checked.is_known else {}
        if not twins:
            return ""
        here = {region: spelled for region, spelled in twins.items() if region == self._run.region} or twins
        return "; ".join(f"in {region} it is {spelled}" for region, spelled in here.items())


def note_a_missing_key(run: Run) -> None:
    """Say in a dry run, which needs no key, that the run itself would have none, or one that cannot be used.

    One that is there is hidden from now on.
    """
    from ..service import endpoint

    try:
        if not (run.ask.sandbox or run.ask.replay):
            found, _ = endpoint.endpoint(run.place, run.region)
            run.progress.secrets += (found.key,)  # which somebody may have put into the prompt
    except AuthError as error:
        run.note(f"without --dry-run this would end with exit 4: {error.message}")


def own_bucket(run: Run) -> Bucket | None:
    """The user's own bucket for local files, if it is configured; None for temporary storage."""
    from ..environment import BUCKET_NAMES, lookup

    if run.ask.sandbox or not lookup(run.place, BUCKET_NAMES[:1]):
        return None
    from ..storage import bucket_settings

    own = bucket_settings.configured(run.place)
    if own:
        run.progress.say(f"Local files go to the bucket {own.name} ({own.source})")
    return own


class Connection:
    """An open connection to DashScope.

    own: the user's bucket for local files; None for temporary storage.
    beside: opens another one for a row of a batch, over the same sockets; see `Trip.connected`.
    once: uploads a file, or answers the URL of an earlier upload.
    """

    def __init__(
        self,
        run: Run,
        session: Session,
        client: Client,
        own: Bucket | None,
        beside: Callable[[Run, Paced, Callable[[float], None], Once], Connection],
        once: Once,
    ) -> None:
        self.session = session
        self.client = client
        self.beside = beside
        self._run = run
        self._own = own
        self._once = once

    @property
    def base(self) -> str:
        return self.client.endpoint.base

    def encode(self, checked: Checked) -> Call:
        return encoding.encode(checked, lambda files: self._upload(files, checked.id))

    def _upload(self, files: list[Upload], model: str) -> list[str]:
        """The URLs of the files, in order: `oss://` in temporary storage, presigned https in the own bucket."""
        key_file, bucket_file = self.client.endpoint.key_file, self._own.file if self._own else ""
        if files and key_file:
            self._run.note(f"local files go to the account of the key in {key_file}", when_quiet=True)
        if files and bucket_file:
            self._run.note(f"local files are uploaded to the bucket that {bucket_file} names", when_quiet=True)

        def upload(file: Upload) -> str:
            return self._upload_one(file, model)

        return self.session.side_by_side(lambda file: self._once(file, model, upload), files)

    def _upload_one(self, file: Upload, model: str) -> str:
        progress, name = self._run.progress, f"Uploading {os.path.basename(file.path)}"
        progress.say(f"Uploading {file.path} ({file.bytes / 1e6:.1f} MB)")
        try:
            return self._store(changed(file, moved=lambda done: progress.moved(name, done, file.bytes)), model)
        finally:
            progress.arrived(name)

    def _store(self, file: Upload, model: str) -> str:
        session = self.session
        if self._own:
            from ..storage import bucket

            return bucket.upload(session.send, session.sleep, session.now, self._own, file)
        from ..storage import temporary

        return temporary.upload(session.send, session.sleep, self.base, self.client.upload_policy, model, file)

    def fetch(self, url: str, stream: BinaryIO, warn: Callable[[str], None]) -> Fetched:
        from .. import regions
        from ..storage import results

        progress, name = self._run.progress, f"Downloading {os.path.basename(results.shown(url))}"
        most, loopback = results.MOST_BYTES[self._run.catalog.noun], regions.is_loopback_url(self.base)
        moved = partial(progress.moved, name)
        try:
            return results.fetch(self.session.send, url, stream, loopback, warn, most, self.base, moved)
        finally:
            progress.arrived(name)

    def keep(self, file: File, number: int, count: int) -> File:
        return file


@contextmanager
def connected(run: Run, known: Purchase | None = None, own: Bucket | None = None) -> Iterator[Connection]:
    """A connection that ends by the run's deadline.

    known: the earlier run whose task this is about; we connect to where it was submitted.
    own: the user's bucket for local files.
    Raises AuthError without a key or a base that we trust, UsageError for an unknown region, and UsageError when a
    replayed run differs from the recording.
    """
    from ..http import key_guard, retry, unpacked
    from ..http.session import Session
    from ..http.transport import Transport
    from ..plain import parallel
    from ..service import answers
    from ..service.client import Client

    environment, progress = run.environment, run.progress
    tape = _tape(run)
    environment.before_sending()
    with tape or nullcontext():
        endpoint, key_source, answering = _service(run, known, tape)
        progress.secrets += (endpoint.key, *(own.secrets if own else ()))
        transport = Transport(run.deadline, environment.clock, environment.env)
        send = unpacked.unpacking(environment.send or answering or transport.send, endpoint.base)
        pause = (lambda seconds: transport.pause(seconds / SANDBOX_HASTE)) if answering else transport.pause
        sleep, clock = environment.sleep or pause, environment.clock
        if tape:
            tape.connect(send, sleep, endpoint.base, progress.secrets, _private(run))
            send, sleep, clock = tape.send, tape.sleep, tape.clock
        guarded = key_guard.guarding(send, endpoint.base, endpoint.key)
        threads = 1 if tape else parallel.threads_to_spare()  # a recorded run keeps its order
        prepare = (lambda url: None) if tape or environment.send else transport.prepare
        now = environment.now

        def opened(run: Run, paced: Paced, sleep: Callable[[float], None], once: Once) -> Connection:
            send = retry.retrying(paced(guarded), sleep, clock, run.deadline, answers.judge, now, run.progress.say)
            session = Session(send, sleep, clock, run.deadline, now, transport.close, threads, prepare)
            client = Client(session, endpoint, key_source, wire.has_result, run.warn, run.ask.poll_interval)
            return Connection(run, session, client, own, opened, once)

        connection = opened(run, lambda send: send, sleep, lambda file, model, upload: upload(file))
        environment.session_opened()
        try:
            yield connection
        except AuthError as error:
            connection.client.explain(error)
            raise
        finally:
            transport.close()


def _tape(run: Run) -> Recorder | Player | None:
    """The recorder or player for --record or --replay, if given. Raises UsageError for a file that cannot be used."""
    ask, environment = run.ask, run.environment
    if not (ask.record or ask.replay):
        return None
    from ..cassettes import recorder

    path = environment.path(ask.record or ask.replay)
    if ask.replay:
        return recorder.Player(path, environment.clock, environment.now)
    return recorder.Recorder(path, ask.overwrite, environment.clock, environment.now, run.warn)


def _private(run: Run) -> tuple[str, ...]:
    """The paths and hosts that a fault may name and that tell whose machine and network it was."""
    env = run.environment.env
    proxies = [value for name, value in env.items() if name.lower().endswith("_proxy") and name.lower() != "no_proxy"]
    hosts = [value.rpartition("@")[2].rpartition("://")[2].strip("/ ") for value in proxies]
    found = (env.get("SSL_CERT_FILE", ""), env.get("SSL_CERT_DIR", ""), *hosts, run.environment.home)
    return tuple(place for place in found if len(place) >= SHORTEST_PLACE)


def _service(run: Run, known: Purchase | None, tape: Recorder | Player | None) -> tuple[Endpoint, str, Send | None]:
    """Who answers (the service, a recording, a stand-in), the source of the key, and what takes the network's place."""
    from .. import regions
    from ..environment import BASE_NAMES, lookup
    from ..service import endpoint

    if run.ask.sandbox:
        from . import in_process

        run.progress.say(
            "Sandbox: a local stand-in answers with placeholders; nothing leaves this machine or is billed"
        )
        return endpoint.Endpoint(in_process.BASE, SANDBOX_KEY), "the sandbox's own", in_process.standin()
    region, remembered = run.home(known)
    region = endpoint.region(run.place, region)
    if tape and tape.base:
        run.progress.say(f"Replay: {tape.path} answers; nothing leaves this machine or is billed")
        return endpoint.Endpoint(tape.base, REPLAY_KEY), "made up for the replay", None
    found, key_source = endpoint.endpoint(run.place, region, remembered)
    setting = lookup(run.place, BASE_NAMES)
    if setting and regions.is_loopback_url(found.base):
        run.progress.say(f"Base: {found.base}, from {setting.source}")
    return found, key_source, None
