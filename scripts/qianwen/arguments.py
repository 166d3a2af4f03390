"""argv into one frozen `Ask`: the request object, the flags that override its fields, and the prompt."""

from __future__ import annotations

import os

from .command_line import are_positive_seconds, read
from .errors import InvalidRequest, Problem, UsageError
from .flags import ALONE, POLL_SECONDS, TIMEOUT_SECONDS, groups
from .models.catalog import Catalog
from .record import record
from .spelling import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, TextIO

    from .command_line import Given


@record
class Ask:
    """What the user wants. fields: the request by field name, the model and the controls taken out.

    kind: --mode.  timeout, interval: seconds.  wants_task: --async.  via: another way to the service than our own.
    """

    fields: dict[str, Any]
    model: str = ""
    kind: str = ""
    wants_task: bool = False
    via: str = ""
    output: str = ""
    overwrite: bool = False
    region: str = ""
    task_id: str = ""
    poll_once: bool = False
    resume: bool = False
    tasks: bool = False
    cancel: str = ""
    again: bool = False
    submit_only: bool = False
    dry_run: bool = False
    sandbox: bool = False
    record: str = ""
    replay: str = ""
    print_response: bool = False
    quiet: bool = False
    list_models: bool = False
    describe: str = ""
    timeout: float = TIMEOUT_SECONDS
    interval: float = POLL_SECONDS


def parse(catalog: Catalog, argv: list[str], stdin: TextIO, cwd: str, env: Mapping[str, str] = {}) -> Ask:
    """env: variables, where a cassette may be named. Raises UsageError or InvalidRequest."""
    flags = read(catalog, argv)
    _check_values(catalog, flags)
    if flags.list_models or flags.describe:
        _check_alone(catalog, flags)
        return Ask(
            {}, list_models=flags.list_models, describe=flags.describe or "", print_response=flags.print_response
        )
    fields = _request_fields(catalog, flags, stdin, cwd)
    problems: list[Problem] = []
    timeout = _seconds("timeout_s", fields.pop("timeout_s", None), TIMEOUT_SECONDS, problems)
    interval = _seconds("poll_interval_s", fields.pop("poll_interval_s", None), POLL_SECONDS, problems)
    model = fields.pop("model", None) or ""
    if not isinstance(model, str):
        problems.append(Problem("model", model, "is no text", "a model id"))
    is_ours = catalog.kinds and not ("mode" in fields and _is_a_field(catalog, fields["mode"], flags.model or model))
    kind = (fields.pop("mode", None) or "") if is_ours else ""
    if kind and kind not in catalog.kinds:
        near = next(iter(nearest(str(kind), catalog.kinds)), None)
        problems.append(Problem("mode", kind, "is no mode", ", ".join(catalog.kinds), near, "choice"))
    wants_task = fields.pop("async", None) or False
    if not isinstance(wants_task, bool):
        problems.append(Problem("async", wants_task, "is neither true nor false", "true or false"))
    ways = [flag.metavar for flag in catalog.flags if flag.field == "via"]
    via = (fields.pop("via", None) or "") if ways else ""
    if via and via not in ways:
        problems.append(Problem("via", via, "is no way to the service", ways[0], ways[0], "choice"))
    if problems:
        raise InvalidRequest(problems)
    _check_combinations(flags, bool(fields or flags.model or model or kind))
    if via:
        _check_the_way(flags, via, wants_task)
    record, replay = _cassette(flags, via, env)
    return Ask(
        fields=fields,
        model=flags.model or model,
        kind=kind,
        wants_task=wants_task,
        via=via,
        output=flags.output or "",
        overwrite=flags.overwrite,
        region=flags.region or "",
        task_id=flags.task_id or "",
        poll_once=flags.poll_once,
        resume=flags.resume,
        tasks=flags.tasks,
        cancel=flags.cancel or "",
        again=flags.again,
        submit_only=flags.submit_only,
        dry_run=flags.dry_run,
        sandbox=flags.sandbox,
        record=record,
        replay=replay,
        print_response=flags.print_response,
        quiet=flags.quiet,
        timeout=flags.timeout if flags.timeout is not None else timeout,
        interval=flags.poll_interval if flags.poll_interval is not None else interval,
    )


def _is_a_field(catalog: Catalog, kind: object, model: object) -> bool:
    """Whether `mode` is a field of the model's own: of some rows, and perhaps of a model without one.

    A way of working (t2v, i2v, …) is only ours.
    """
    from .models.catalog import find

    if not isinstance(model, str) or not model or ("/" not in model and kind in catalog.kinds):
        return False
    found = find(catalog, model)
    return found is not None and (not found.exact or any(mode.param("mode") for mode in found.model.modes))


# The request ----------------------------------------------------------------------------------------------


def _request_fields(catalog: Catalog, flags: Given, stdin: TextIO, cwd: str) -> dict[str, Any]:
    """The request object, then --set, then the convenience flags and the prompt: the later wins."""
    if [flags.prompt, flags.request, flags.file].count("-") > 1:
        raise UsageError("stdin can be read only once: use - for one thing")
    fields: dict[str, Any] = {}
    if flags.request is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.request == "-" else flags.request, "--request")
    elif flags.file is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.file == "-" else _read_file(flags.file, cwd), "--file")
    for assignment in flags.set or ():
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {assignment}: is not of the form FIELD=VALUE")
        fields[name.strip()] = _json_or_text(value)
    for flag in catalog.flags:
        value = getattr(flags, flag.key)
        if value not in (None, False):
            fields[flag.field] = _typed(flag.field, value) if isinstance(value, str) else value
    if flags.prompt is not None:
        fields["prompt"] = _read_stdin(stdin).strip() if flags.prompt == "-" else flags.prompt
    return fields


_TEXT_FLAGS = frozenset({"mode", "size", "resolution", "ratio", "negative_prompt"})


def _typed(field: str, value: str) -> Any:
    return value if field in _TEXT_FLAGS else _json_or_text(value)


def _read_stdin(stdin: TextIO) -> str:
    """All of stdin, in UTF-8 whatever the terminal's code page is."""
    try:
        raw = getattr(stdin, "buffer", None)
        return (stdin.read() if raw is None else raw.read().decode("utf-8")).lstrip("\ufeff")
    except (OSError, ValueError) as error:
        reason = "it is no UTF-8 text" if isinstance(error, UnicodeError) else error
        raise UsageError(f"stdin could not be read: {reason}") from error


def _read_file(path: str, cwd: str) -> str:
    try:
        with open(os.path.join(cwd, os.path.expanduser(path)), encoding="utf-8-sig") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"--file {path} could not be read: {reason}") from error


def _parse_object(text: str, source: str) -> dict[str, Any]:
    from . import strict_json

    try:
        value = strict_json.load(text.lstrip("\ufeff"))
    except ValueError as error:
        raise UsageError(f"{source} is no JSON: {error}", hint='it looks like {"prompt": "a cat"}') from error
    if not isinstance(value, dict):
        raise UsageError(f"{source} is no JSON object", hint='it looks like {"prompt": "a cat"}')
    return value


def _json_or_text(text: str) -> Any:
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 16:
        return int(text)  # most values: a request that is refused for one need not wait for the import
    from . import strict_json

    try:
        return strict_json.load(text)
    except ValueError:
        return text


def _seconds(name: str, value: object, default: float, problems: list[Problem]) -> float:
    if value is None:
        return default
    if not are_positive_seconds(value):
        problems.append(Problem(name, value, "is not a positive number of seconds", "a number above 0", default))
        return default
    return float(value)  # type: ignore[arg-type]


def _check_values(catalog: Catalog, flags: Given) -> None:
    """An empty value is an unset variable of the caller's, and must not read as "the default"."""
    for _, group in groups(catalog):
        for flag in group:
            value = getattr(flags, flag.key)
            if (value == "" or value == [""]) and flag.field != "negative_prompt":
                raise UsageError(f"{flag.name} is empty")
    if flags.request is not None and flags.file is not None:
        raise UsageError("--request and --file are two requests", hint="give one, and override its fields with --set")


def _check_alone(catalog: Catalog, flags: Given) -> None:
    """What tells of the catalogue makes nothing; a request beside it would be forgotten without a word."""
    known = [flag for _, group in groups(catalog) for flag in group]
    given = [flag.name for flag in known if getattr(flags, flag.key) not in (None, False)]
    which = next(name for name in ALONE if name in given)
    others = [name for name in given if name not in (which, "--print-response")]
    if flags.prompt is not None:
        others.insert(0, "prompt")
    if others:
        raise UsageError(f"{which} takes no {others[0]} beside it", hint="it goes with --print-response alone")


_ON_WHAT_EXISTS = ("--task-id", "--resume", "--tasks", "--cancel")
_FOR_A_REQUEST = ("--submit-only", "--dry-run", "--again")


def _check_combinations(flags: Given, has_request: bool) -> None:
    def given(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(flags, name[2:].replace("-", "_"))]

    on = given(_ON_WHAT_EXISTS)
    if len(on) > 1:
        raise UsageError(f"{on[0]} and {on[1]} are two things to do", hint="give one of them")
    if flags.poll_once and not (flags.task_id or flags.resume):
        raise UsageError("--poll-once needs --task-id or --resume")
    if on and (has_request or given(_FOR_A_REQUEST)):
        refused = ", ".join(_FOR_A_REQUEST)
        raise UsageError(f"{on[0]} works on what exists; it takes no request and none of {refused}")
    if on and on != ["--task-id"] and flags.output:
        raise UsageError(
            f"{on[0]} takes no --output", hint="--resume saves where each run wanted it; --task-id saves elsewhere"
        )
    if flags.resume and flags.region:
        raise UsageError("--resume takes no --region", hint="every run is asked for in the region that took it")
    if on and flags.sandbox:
        raise UsageError(
            "--sandbox begins empty and knows no task",
            hint="run scripts/sandbox.py and set DASHSCOPE_HTTP_BASE_URL to keep tasks between runs",
        )


def _check_the_way(flags: Given, via: str, wants_task: bool) -> None:
    """What makes no sense on a way on which every request is one exchange with a program of this machine."""
    on = [name for name in _ON_WHAT_EXISTS if getattr(flags, name[2:].replace("-", "_"))]
    if on:
        raise UsageError(f"{on[0]} works on what DashScope or this machine knows; leave --via {via} out")
    if flags.submit_only or wants_task:
        which = "--submit-only" if flags.submit_only else "--async"
        raise UsageError(f"--via {via} answers in one exchange: there is no task, and {which} cannot make one")
    if flags.sandbox:
        hint = "--dry-run shows the request; without --via the sandbox makes placeholders"
        raise UsageError(f"--sandbox plays DashScope and not {via}", hint=hint)
    if flags.region:
        raise UsageError(f"--region chooses a host of DashScope's; --via {via} leaves that to the provider")


RECORD_VARIABLE, REPLAY_VARIABLE = "QIANWEN_RECORD", "QIANWEN_REPLAY"


def _cassette(flags: Given, via: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The files of --record and --replay, one of them at most. The variables count when neither flag is given.

    What sends nothing pays no heed to the variables, so that they may be set once for many commands.
    """
    record, replay, said = flags.record or "", flags.replay or "", ("--record", "--replay")
    looks_only = next((name for name in ("--dry-run", "--tasks") if getattr(flags, name[2:].replace("-", "_"))), "")
    if not (record or replay) and not looks_only:
        said = (RECORD_VARIABLE, REPLAY_VARIABLE)
        record, replay = (env.get(name, "") for name in said)
    if record and replay:
        raise UsageError(f"{said[0]} and {said[1]} exclude each other", hint="record first, replay afterwards")
    name = said[0] if record else said[1]
    if not (record or replay):
        return "", ""
    if looks_only:
        raise UsageError(f"{looks_only} sends nothing, so there is nothing for {name}")
    if flags.resume:
        hint = "record and replay a run by itself, or one task with --task-id"
        raise UsageError(f"{name} takes one run, and --resume finishes all that are open", hint=hint)
    if via:
        raise UsageError(f"{name} tapes DashScope and not {via}")
    if replay and flags.sandbox:
        raise UsageError(f"{name} and --sandbox both stand in for the service", hint="give one of them")
    return record, replay
