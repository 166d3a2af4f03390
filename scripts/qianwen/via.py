"""`--via desirecore`: a request goes through the media proxy of DesireCore, and every picture into its media store.

It is the flow of `job` with another service at its end: one exchange that answers the pictures, and no task.
"""

from __future__ import annotations

import re

from .errors import InvalidRequest, Problem, Unavailable, UsageError
from .job import Job
from .models import compatible
from .models.catalog import Catalog, Found
from .record import changed
from .redact import safe

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time these are imported only where they are needed, so that a refused request costs nothing
    from typing import Any

    from .arguments import Ask
    from .ledger import Run
    from .models.validate import Checked
    from .models.wire import Call
    from .outputs import Target
    from .progress import Progress
    from .saving import Saver
    from .service.bucket_settings import Bucket
    from .session import Session
    from .world import World

    JSON = dict[str, Any]

LONGEST_DESCRIPTION = 80


class ViaDesireCore(Job):
    """A new request, made by the provider that DesireCore has. The user's own key is not looked for."""

    region = ""

    def __init__(self, catalog: Catalog, ask: Ask, world: World, progress: Progress) -> None:
        ours = changed(catalog, defaults=(compatible.DEFAULT,), closed=tuple, makers=None)  # others are a provider's
        super().__init__(ours, ask, world, progress)
        self.description = "picture"

    # Before anything is sent ------------------------------------------------------------------------------

    def check(self) -> Checked:
        """As elsewhere, by the same rows, without the fields that do not travel this way."""
        fields, problems, warnings = compatible.sorted_out(self.catalog, self.ask.fields)
        self.ask = changed(self.ask, fields=fields)
        try:
            checked = super().check()
        except InvalidRequest as error:
            raise InvalidRequest([*problems, *error.problems], hint=error.hint) from None
        if "prompt" not in checked.values:
            problems.append(Problem("prompt", None, "is missing: only text travels this way", reason="missing"))
        if problems:
            raise InvalidRequest(problems)
        for warning in warnings:
            self.warn(warning)
        self.description = description(str(checked.values["prompt"]))
        return checked

    def find_model(self) -> tuple[Found, str]:
        self.found, why = super().find_model()
        problem = compatible.model_problem(self.found)
        if problem:
            raise InvalidRequest([problem])
        return self.found, why

    def warn_of_the_region(self, checked: Checked) -> None:
        """The provider has its own."""

    def call(self, checked: Checked) -> Call:
        size = checked.mode.param("size")
        return compatible.encode(self.found, checked.values, size.size if size else None)

    def preview(self, checked: Checked, own: Bucket | None) -> JSON:
        from .preview import bills
        from .service import desirecore

        try:
            port = str(desirecore.port(self.world.env, self.world.home))
        except Unavailable as error:
            self.warn(error.message)
            port = "PORT"
        call = self.call(checked)
        request = desirecore.proxied(f"https://{desirecore.HOST}:{port}", call.path, call.body)
        body = desirecore.envelope(call.path, call.body)
        return {
            "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": body},
            "uploads": [],
            "bills": bills(self.catalog, checked),
        }

    # With the service ---------------------------------------------------------------------------------------

    def session(self, known: Run | None = None, own: Bucket | None = None) -> Any:
        from . import local_session

        return local_session.opened(self.world, self.progress, self.deadline)

    def encode(self, service: Session, checked: Checked) -> Call:
        return self.call(checked)

    def already_open(self, twin: Run) -> UsageError:
        error = super().already_open(twin)
        self.outcome.way_on = ()
        told = "an answer of DesireCore's cannot be asked for again"
        error.hint = f"{told}; --tasks shows what is known of it, --again pays for another"
        return error

    def saver(self, service: Session, target: Target) -> Saver:
        from .storing import StoringSaver

        saver = StoringSaver(
            service, target, self.outcome, self.progress, self.warn, self.catalog.keeps_replies, self.notes
        )
        saver.description = self.description
        return saver


def description(prompt: str) -> str:
    """The prompt as it can stand in the brackets of a Markdown picture."""
    words = " ".join(re.sub(r"[\[\]\\`<>]", " ", safe(prompt)).split())
    short = words if len(words) <= LONGEST_DESCRIPTION else words[: LONGEST_DESCRIPTION - 1].rstrip() + "…"
    return short or "picture"
