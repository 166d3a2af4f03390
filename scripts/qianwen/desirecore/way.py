"""`--via desirecore`: send a request through DesireCore's media proxy, and put every picture into its media store.

A route for `generate`: one exchange answers the pictures, without a task. DesireCore holds the provider's key; we do
not look for the user's.
"""

from __future__ import annotations

import re

from ..checks import defaults, sources, validate
from ..checks.validate import bill
from ..errors import InvalidRequest, Problem, Unavailable
from ..plain.record import changed
from ..plain.redact import safe
from . import compatible

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported at run time only where needed: a refused request should start fast
    from typing import Any, Callable, ContextManager

    from ..ask import Ask
    from ..checks.validate import Checked
    from ..environment import Environment
    from ..models.catalog import Catalog, Source
    from ..terminal.progress import Progress
    from .connection import Connection

    JSON = dict[str, Any]

LONGEST_DESCRIPTION = 80


class DesireCore:
    """The route through DesireCore.

    deadline: a moment of the environment's clock.
    warn: called with what the user should know.
    """

    region = ""  # the provider has its own

    def __init__(
        self,
        catalog: Catalog,
        ask: Ask,
        environment: Environment,
        progress: Progress,
        deadline: float,
        warn: Callable[[str], None],
    ) -> None:
        # Any other model may be a provider's.
        self._catalog = changed(catalog, defaults=(compatible.DEFAULT,), closed=(), makers=None)
        self._ask = ask
        self._environment = environment
        self._progress = progress
        self._deadline = deadline
        self._warn = warn

    @property
    def base(self) -> str:
        from ..account.purchase import DESIRECORE_BASE

        return DESIRECORE_BASE

    def check(self) -> Checked:
        """Check the request by the usual rows, without the fields that cannot be sent this way."""
        fields, problems, warnings = compatible.split(self._catalog, self._ask.fields)

        def inspect(text: str) -> Source:
            return sources.inspect(text, self._environment.cwd)

        try:
            found = defaults.choose(self._catalog, self._ask.model, fields, self._ask.kind, lambda: "")
            problem = compatible.model_problem(found)
            if problem:
                raise InvalidRequest([problem])
            checked = validate.check(self._catalog, found, fields, inspect)
        except InvalidRequest as error:
            raise InvalidRequest([*problems, *error.problems], hint=error.hint) from None
        if "prompt" not in checked.values:
            problems.append(Problem("prompt", None, "is missing: DesireCore takes only text", reason="missing"))
        if problems:
            raise InvalidRequest(problems)
        return changed(checked, warnings=(*checked.warnings, *warnings))

    def preview(self, checked: Checked) -> JSON:
        from . import agent_service

        try:
            port = str(agent_service.port(self._environment.env, self._environment.home))
        except Unavailable as error:
            self._warn(error.message)
            port = "PORT"
        call = compatible.encode(checked)
        request = agent_service.proxied(f"https://{agent_service.HOST}:{port}", call.path, call.body)
        body = agent_service.envelope(call.path, call.body)
        return {
            "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": body},
            "uploads": [],
            "bills": bill(self._catalog, checked),
        }

    def connect(self, checked: Checked) -> ContextManager[Connection]:
        from . import connection

        alt_text = description(str(checked.values["prompt"]))
        return connection.connected(self._environment, self._progress, self._deadline, alt_text, self._warn)


def description(prompt: str) -> str:
    """The prompt as the alternative text of a Markdown picture."""
    words = " ".join(re.sub(r"[\[\]\\`<>]", " ", safe(prompt)).split())
    short = words if len(words) <= LONGEST_DESCRIPTION else words[: LONGEST_DESCRIPTION - 1].rstrip() + "…"
    return short or "picture"
