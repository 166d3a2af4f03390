"""argv into one frozen `Ask`: the request object, the flags that override its fields, and the prompt."""

from __future__ import annotations

import argparse
import os
from typing import Any, NamedTuple, NoReturn, TextIO

from .errors import InvalidRequest, Problem, UsageError
from .models.catalog import Catalog

VERSION = "1.0.0"
TIMEOUT_SECONDS = 600.0
POLL_SECONDS = 15.0

EXIT_CODES = (
    (0, "done; every reported file exists"),
    (1, "refused or failed; nothing to wait for"),
    (2, "the task still runs; `next` continues"),
    (3, "bad flags or request; nothing was sent"),
    (4, "key, region, permission or account"),
    (5, "network or service trouble; nothing was bought"),
    (6, "a paid request may have been accepted; do not resend blindly"),
    (7, "made, but a file could not be saved; the URLs are in the JSON"),
    (70, "a bug here"),
    (130, "interrupted; the task goes on"),
)


class Ask(NamedTuple):
    """What the user wants. fields: the request by field name, the model and the controls taken out.

    timeout, interval: seconds.  wants_task: --async.
    """

    fields: dict[str, Any]
    model: str = ""
    wants_task: bool = False
    output: str = ""
    overwrite: bool = False
    region: str = ""
    task_id: str = ""
    poll_once: bool = False
    submit_only: bool = False
    dry_run: bool = False
    sandbox: bool = False
    print_response: bool = False
    quiet: bool = False
    timeout: float = TIMEOUT_SECONDS
    interval: float = POLL_SECONDS


def parse(catalog: Catalog, argv: list[str], stdin: TextIO, cwd: str) -> Ask:
    """Raises UsageError or InvalidRequest; SystemExit(0) after --help and --version."""
    parser = build_parser(catalog)
    flags, unknown = parser.parse_known_args(argv)
    if unknown:
        raise UsageError(f"{unknown[0]} is no flag", hint=_nearest_flag(parser, unknown[0]))
    fields = _request_fields(catalog, flags, stdin, cwd)
    problems: list[Problem] = []
    timeout = _seconds("timeout_s", fields.pop("timeout_s", None), TIMEOUT_SECONDS, problems)
    interval = _seconds("poll_interval_s", fields.pop("poll_interval_s", None), POLL_SECONDS, problems)
    model = fields.pop("model", None) or ""
    if not isinstance(model, str):
        problems.append(Problem("model", model, "is no text", "a model id"))
    wants_task = fields.pop("async", None) or False
    if not isinstance(wants_task, bool):
        problems.append(Problem("async", wants_task, "is neither true nor false", "true or false"))
    if problems:
        raise InvalidRequest(problems)
    _check_combinations(flags, fields)
    return Ask(
        fields=fields,
        model=flags.model or model,
        wants_task=wants_task,
        output=flags.output or "",
        overwrite=flags.overwrite,
        region=flags.region or "",
        task_id=flags.task_id or "",
        poll_once=flags.poll_once,
        submit_only=flags.submit_only,
        dry_run=flags.dry_run,
        sandbox=flags.sandbox,
        print_response=flags.print_response,
        quiet=flags.quiet,
        timeout=flags.timeout if flags.timeout is not None else timeout,
        interval=flags.poll_interval if flags.poll_interval is not None else interval,
    )


def build_parser(catalog: Catalog) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=catalog.program,
        usage=f"{catalog.program} [PROMPT] [--model ID] [--output PATH] [--print-response] [more flags]",
        description=catalog.purpose,
        epilog=_epilog(catalog),
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="what to make; - reads stdin")

    request = parser.add_argument_group("the request").add_argument
    request("--request", metavar="JSON", help="the request object; flags override its fields; - reads stdin")
    request("--file", metavar="PATH", help="the request object from a file; - reads stdin")
    field_help = "any request field; VALUE is JSON or text"
    request("--set", metavar="FIELD=VALUE", action="append", default=[], help=field_help)
    request("--model", metavar="ID", help=f"default {catalog.default}")
    for flag in catalog.flags:
        how: dict[str, Any] = {"dest": f"field_{flag.field}", "help": flag.help, "default": None}
        if flag.switch:
            how["action"] = "store_true"
        else:
            how.update(metavar=flag.metavar, action="append" if flag.many else "store")
        request(flag.name, **how)

    folder = f"output/{catalog.folder}/"
    result = parser.add_argument_group("the result").add_argument
    result("--output", metavar="PATH", help=f"file or folder (default {folder}; OUTPUT_DIR replaces output)")
    result("--overwrite", action="store_true", help="replace existing files instead of taking a free name")
    result("--print-response", action="store_true", help="one JSON object on stdout, success or failure")
    result("-q", "--quiet", action="store_true", help="no progress on stderr")

    regions = "cn-beijing (cn, default), ap-southeast-1 (intl), us-east-1 (us), cn-hongkong"
    gap_help = f"longest gap between looks (default {POLL_SECONDS:g})"
    run = parser.add_argument_group("the run").add_argument
    run("--dry-run", action="store_true", help="print the exact request and what it bills; send nothing")
    run("--sandbox", action="store_true", help="rehearse against a local stand-in: no key, no cost")
    run("--submit-only", action="store_true", help="submit a task, print its id, do not wait")
    run("--task-id", metavar="ID", help="wait for a task that exists and save its result")
    run("--poll-once", action="store_true", help="with --task-id: look once (exit 2: still running)")
    run("--timeout", metavar="S", type=_positive, help=f"longest run (default {TIMEOUT_SECONDS:g})")
    run("--poll-interval", metavar="S", type=_positive, help=gap_help)
    run("--region", metavar="NAME", help=regions)
    run("--version", action="version", version=f"{catalog.program} {VERSION}")
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help lists all flags")


def _nearest_flag(parser: argparse.ArgumentParser, text: str) -> str:
    import difflib

    known = [name for action in parser._actions for name in action.option_strings]
    near = difflib.get_close_matches(text.partition("=")[0], known, 1)
    return f"{parser.prog} --help lists all flags" + (f"; did you mean {near[0]}?" if near else "")


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal, without asking `shutil`, whose import costs as much as all of argparse."""
    try:
        columns = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        columns = 100
    width = max(min(columns, 120) - 2, 40)
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=width)


def _epilog(catalog: Catalog) -> str:
    program = f"python3 {catalog.program}"
    models = "\n".join(f"  {model.id:<28} {model.summary}" for model in catalog.models)
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES)
    return (
        f'examples:\n  {program} "A cozy flower shop with a wooden door"\n'
        f'  {program} "Put a red hat on the cat" --image cat.png --output hat.png --print-response\n'
        f'  {program} --request \'{{"prompt": "a poster", "model": "qwen-image-2.0-pro"}}\' --dry-run\n'
        f'  {program} "anything" --sandbox\n\n'
        f"models (dated snapshots and newer ids are passed on):\n{models}\n\nexit codes:\n{codes}"
    )


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return seconds


# The request ----------------------------------------------------------------------------------------------


def _request_fields(catalog: Catalog, flags: argparse.Namespace, stdin: TextIO, cwd: str) -> dict[str, Any]:
    """The request object, then --set, then the convenience flags and the prompt: the later wins."""
    if [flags.prompt, flags.request, flags.file].count("-") > 1:
        raise UsageError("stdin can be read only once: use - for one thing")
    fields: dict[str, Any] = {}
    if flags.request is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.request == "-" else flags.request, "--request")
    elif flags.file is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.file == "-" else _read_file(flags.file, cwd), "--file")
    for assignment in flags.set:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {assignment}: is not of the form FIELD=VALUE")
        fields[name.strip()] = _json_or_text(value)
    for flag in catalog.flags:
        value = getattr(flags, f"field_{flag.field}")
        if value is not None:
            fields[flag.field] = value if flag.many or flag.switch else _typed(flag.field, value)
    if flags.prompt is not None:
        fields["prompt"] = _read_stdin(stdin).strip() if flags.prompt == "-" else flags.prompt
    return fields


_TEXT_FLAGS = frozenset({"size", "negative_prompt"})


def _typed(field: str, value: str) -> Any:
    return value if field in _TEXT_FLAGS else _json_or_text(value)


def _read_stdin(stdin: TextIO) -> str:
    try:
        return stdin.read().lstrip("\ufeff")
    except (OSError, ValueError) as error:
        raise UsageError(f"stdin could not be read: {error}") from error


def _read_file(path: str, cwd: str) -> str:
    try:
        with open(os.path.join(cwd, os.path.expanduser(path)), encoding="utf-8-sig") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"--file {path} could not be read: {reason}") from error


def _parse_object(text: str, source: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text.lstrip("\ufeff"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{source} is no JSON: {error}", hint='it looks like {"prompt": "a cat"}') from error
    if not isinstance(value, dict):
        raise UsageError(f"{source} is no JSON object", hint='it looks like {"prompt": "a cat"}')
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _json_or_text(text: str) -> Any:
    import json

    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _seconds(name: str, value: object, default: float, problems: list[Problem]) -> float:
    if value is None:
        return default
    if type(value) not in (int, float) or not 0 < value < 1e9:  # type: ignore[operator]
        problems.append(Problem(name, value, "is no positive number of seconds", "a number above 0", default))
        return default
    return float(value)  # type: ignore[arg-type]


def _check_combinations(flags: argparse.Namespace, fields: dict[str, Any]) -> None:
    if flags.poll_once and not flags.task_id:
        raise UsageError("--poll-once needs --task-id")
    if flags.task_id and (flags.submit_only or flags.dry_run or fields):
        raise UsageError("--task-id works on a task that exists; it takes no request, --submit-only or --dry-run")
    if flags.task_id and flags.sandbox:
        raise UsageError(
            "--sandbox begins empty and knows no task",
            hint="run scripts/sandbox.py and set DASHSCOPE_HTTP_BASE_URL to keep tasks between runs",
        )
