"""argv into one frozen `Ask`: the request object, the flags that override its fields, and the prompt."""

from __future__ import annotations

import os

from ..ask import NO_TIMEOUT_SECONDS, POLL_SECONDS, TIMEOUT_SECONDS, Ask
from ..errors import InvalidRequest, Problem, UsageError
from ..models.catalog import Catalog, names_a_field
from ..plain.record import fields_of
from ..plain.spelling import nearest
from . import exclusions
from .argv import are_positive_seconds, read
from .flags import cap, rows, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping, TextIO

    from .argv import Given


MOST_AT_ONCE = 256
LONGEST = 100_000_000  # bytes or characters of a request that has pictures in it; a pipe may never end
LONGEST_TEXT = 1_000_000  # of one without, and of a prompt; no model takes a tenth of it
PICTURE = ";base64,"
BLOCK = 65536
CASSETTES = {"QIANWEN_RECORD": "record", "QIANWEN_REPLAY": "replay"}
"""A variable that may name a cassette → the field of `Ask` that it sets."""


def parse(catalog: Catalog, argv: list[str], stdin: TextIO, cwd: str, env: Mapping[str, str] = {}) -> Ask:
    """What the user asked for.

    env: variables, two of which may name a cassette.
    Raises UsageError or InvalidRequest.
    """
    for word in argv:
        _check_length(word, f"the argument that begins with {word[:20]!r}")
    flags = read(catalog, argv)
    given = _given(catalog, flags)
    exclusions.check(given)
    own = {flag.key: getattr(flags, flag.key) for flag in rows(catalog) if not flag.field}
    known = fields_of(Ask({}))
    settings = {name: value for name, value in own.items() if name in known and value not in (None, False)}
    if flags.list_models or flags.describe:
        return Ask({}, **settings)
    if "since" in settings:
        settings["since"] = _age(settings["since"])
    if "output" in settings:
        settings["output"] = local_output(settings["output"], catalog.program, cwd)
    if flags.batch and "-" in (flags.batch, flags.request, flags.file):
        raise UsageError(
            "a batch is read twice and may be repeated, so it takes nothing from stdin", hint="give a file"
        )
    fields = _request_fields(catalog, flags, stdin, cwd)
    speaks_flags = flags.request is None and flags.file is None
    typed = {
        flag.field: flag.name
        for flag in catalog.flags
        if getattr(flags, flag.key) not in (None, False) or (speaks_flags and flag.field not in fields)
    }
    try:
        steering = _steering(catalog, fields, flags.model)
    except InvalidRequest as error:
        error.name(typed)
        raise
    variables = _cassettes(given, env)
    given += variables
    cassettes = {CASSETTES[name]: env[name] for name in variables}
    settings = {"typed": typed, **steering, **cassettes, **settings}
    settings["most"] = getattr(flags, cap(catalog).key) or 0
    if flags.batch:
        settings.update(_batch(catalog, flags, settings, cwd))
    if fields or any(map(settings.get, ("model", "kind", "wants_task"))):
        given.append(exclusions.REQUEST)
    given += ["--via"] if settings.get("via") else []
    given += ["--async"] if settings.get("wants_task") else []
    exclusions.check(given)
    return Ask(fields, **settings)


def _batch(catalog: Catalog, flags: Given, settings: dict[str, Any], cwd: str) -> dict[str, Any]:
    """What only a batch has: its shard, no end unless one is given, and the words that repeat it."""
    words: list[str] = []
    for flag in rows(catalog):
        value = getattr(flags, flag.key)
        if value in (None, False) or flag.name == "--again":  # what is tried again is written down at once
            continue
        for each in value if flag.many else [value]:
            text = f"{each:g}" if flag.seconds else str(each)
            if flag.name in ("--batch", "--output", "--file"):
                text = settings["output"] if flag.name == "--output" else text
                text = os.path.join(cwd, os.path.expanduser(text))
            words += words_of(flag.name, text) if flag.metavar else [flag.name]
    if (flags.at_once or 0) > MOST_AT_ONCE:
        raise UsageError(f"--at-once is at most {MOST_AT_ONCE}: each row in work takes a thread and a connection")
    timeout = {} if flags.timeout or settings["timeout"] != TIMEOUT_SECONDS else {"timeout": NO_TIMEOUT_SECONDS}
    return {"words": tuple(words), "shard": _shard(flags.shard), **timeout}


def _shard(text: str | None) -> tuple[int, int]:
    """(I modulo N, N), so that engines that count from 0 and from 1 both work."""
    import re

    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text or "0/1")
    if not match:
        raise UsageError(f"--shard must be I/N, such as 2/8, not {text!r}")
    index, count = int(match[1]), int(match[2])
    if index > count or not count:
        raise UsageError(f"--shard {text}: I is from 0 to N", hint="of 8 shards, 0/8 and 8/8 are the same one")
    return index % count, count


def _given(catalog: Catalog, flags: Given) -> list[str]:
    """The names of the given flags, in the order of the help. Raises UsageError for an empty value.

    An empty value usually comes from an unset shell variable and must not silently mean the default.
    """
    names = [exclusions.PROMPT] if flags.prompt is not None else []
    for flag in rows(catalog):
        value = getattr(flags, flag.key)
        if (value == "" or value == [""]) and flag.field != "negative_prompt":
            raise UsageError(f"{flag.name} is empty")
        names += [flag.name] if value not in (None, False) else []
    return names


def _cassettes(given: list[str], env: Mapping[str, str]) -> list[str]:
    """The variables that name a cassette, unless a flag names one.

    Commands that send nothing ignore the variables, so that they can stay set.
    """
    if {"--record", "--replay", "--dry-run", "--tasks", "--gallery"} & set(given):
        return []
    return [name for name in CASSETTES if env.get(name)]


def _steering(catalog: Catalog, fields: dict[str, Any], named: str | None) -> dict[str, Any]:
    """Remove the fields that steer the run from the request and answer them, under the names of `Ask`.

    named: the value of --model.
    Raises InvalidRequest with everything that is wrong with these fields.
    """
    model = fields.pop("model", None) or ""
    kinds = () if "mode" in fields and names_a_field(catalog, fields["mode"], named or model) else catalog.kinds
    ways = tuple(flag.metavar for flag in catalog.flags if flag.field == "via")
    problems: list[Problem] = []
    steering = {
        "timeout": _seconds("timeout_s", fields.pop("timeout_s", None), TIMEOUT_SECONDS, problems),
        "poll_interval": _seconds("poll_interval_s", fields.pop("poll_interval_s", None), POLL_SECONDS, problems),
        "model": model,
        "wants_task": fields.pop("async", None) or False,
        "kind": _choice("mode", fields, kinds, problems),
        "via": _choice("via", fields, ways, problems),
    }
    if not isinstance(steering["model"], str):
        problems.append(Problem("model", steering["model"], "must be text", "a model id"))
    if not isinstance(steering["wants_task"], bool):
        problems.append(Problem("async", steering["wants_task"], "must be true or false", "true or false"))
    if problems:
        raise InvalidRequest(problems)
    return steering


def _choice(name: str, fields: dict[str, Any], choices: tuple[str, ...], problems: list[Problem]) -> str:
    """Take out a field with a fixed set of values; leave it alone if this program has no values for it."""
    value = (fields.pop(name, None) or "") if choices else ""
    if value and value not in choices:
        near = next(iter(nearest(str(value), choices)), choices[0] if len(choices) == 1 else None)
        problems.append(Problem(name, value, "is not one of the choices", ", ".join(choices), near, "choice"))
    return str(value)


def local_output(text: str, program: str, cwd: str) -> str:
    """--output as a path. Raises UsageError for what is no place on this machine, before anything is paid for."""
    import re

    def refused(why: str, hint: str) -> UsageError:
        return UsageError(f"--output {text}: {why}", hint=hint)

    if text[:5].lower() == "file:":
        from ..checks.sources import local_path

        return local_path(text)
    if text == "-":
        raise refused("results are files", f"stdout gets the path of the saved file: open \"$({program} 'a cat')\"")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text) if "://" in text else None
    if scheme:
        raise refused(f"results are saved on this machine, not at {scheme[0]}", "save here, then copy the file")
    if os.path.lexists(os.path.join(cwd, text)):
        return text
    name = re.search(r"(\$(?:[A-Za-z_]\w*|\{\w+\})|%[A-Z_]{2,}%)[^/\\]*", text)
    if name and not os.path.lexists(os.path.join(cwd, text[: name.end()])):  # a folder may be named US$Prices
        raise refused(f"nobody has replaced {name[1]}", "the shell does, without single quotes around it")
    if os.sep == "/" and text[1:3] in (":\\", ":/") and re.match("[A-Za-z]", text):
        raise refused("this system has no drive letters", f"under WSL the drive is /mnt/{text[0].lower()}")
    return text


# The request ----------------------------------------------------------------------------------------------


def _request_fields(catalog: Catalog, flags: Given, stdin: TextIO, cwd: str) -> dict[str, Any]:
    """The request object, then --set, then the other flags and the prompt; later ones win."""
    if [flags.prompt, flags.request, flags.file].count("-") > 1:
        raise UsageError("stdin can be read only once: use - only once")
    fields: dict[str, Any] = {}
    if flags.request is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.request == "-" else flags.request, "--request")
    elif flags.file is not None:
        fields = _parse_object(_read_stdin(stdin) if flags.file == "-" else _read_file(flags.file, cwd), "--file")
    if isinstance(fields.get("request"), dict):
        fields = fields["request"]  # a record of --sidecar, or a line of a batch's results
    fields.update(_assigned(flags.set or ()))
    for flag in catalog.flags:
        value = getattr(flags, flag.key)
        if value not in (None, False):
            is_text = flag.field in _TEXT_FLAGS or value == "null" or not isinstance(value, str)
            fields[flag.field] = value if is_text else _json_or_text(value)
    if flags.prompt is not None:
        fields["prompt"] = _read_stdin(stdin, LONGEST_TEXT).strip() if flags.prompt == "-" else flags.prompt
    return fields


SAVED = "save it as UTF-8; in Windows PowerShell: Out-File -Encoding utf8"
PIPED = "send UTF-8; in Windows PowerShell first: $OutputEncoding = [Text.Encoding]::UTF8"


def _assigned(assignments: Iterable[str]) -> dict[str, Any]:
    """The fields of --set."""
    fields: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set must be FIELD=VALUE, not {assignment!r}")
        if name.strip() in fields:  # the first value must not be lost without a word
            hint = f"""give it once; several values are a list in JSON: --set '{name.strip()}=["a", "b"]'"""
            raise UsageError(f"--set gives {name.strip()} twice", hint=hint)
        fields[name.strip()] = _json_or_text(value)
    return fields


_TEXT_FLAGS = frozenset({"mode", "via", "size", "resolution", "ratio", "negative_prompt"})


def _read_stdin(stdin: TextIO, longest: int = LONGEST) -> str:
    """All of stdin, as UTF-8 whatever the terminal's code page."""
    try:
        raw = getattr(stdin, "buffer", None)
        read = raw.read if raw else lambda size: stdin.read(size).encode("utf-8", "surrogateescape")
        return _read(read, longest, "stdin").lstrip("\ufeff")
    except UnicodeError as error:
        raise UsageError("stdin could not be read: it is not UTF-8 text", hint=PIPED) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"stdin could not be read: {error}") from error


def _read_file(path: str, cwd: str) -> str:
    from ..files.safe_open import open_theirs

    try:
        with open_theirs(os.path.join(cwd, os.path.expanduser(path)), pipe=True) as stream:
            return _read(stream.read, LONGEST, f"--file {path}").lstrip("\ufeff")
    except UnicodeError as error:
        raise UsageError(f"--file {path} could not be read: it is not UTF-8 text", hint=SAVED) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--file {path} could not be read: {reason}") from error


def _read(read: Callable[[int], bytes], longest: int, source: str) -> str:
    """The text that `read` gives block by block. Raises UsageError as soon as it is too long."""
    data = bytearray()
    bound = LONGEST_TEXT
    while block := read(BLOCK):
        data += block
        if len(data) > bound and bound < longest and PICTURE.encode() in data:
            bound = longest
        if len(data) > bound:
            raise _too_long(source)
    from ..plain import texts

    return texts.decoded(bytes(data))


def _check_length(text: str, source: str) -> None:
    """Raises UsageError for a text that is longer than a request can be."""
    if len(text) > LONGEST_TEXT and (len(text) > LONGEST or PICTURE not in text[:LONGEST_TEXT]):
        raise _too_long(source)


def _too_long(source: str) -> UsageError:
    limits = f"{LONGEST_TEXT // 10**6} MB, with pictures in it {LONGEST // 10**6} MB"
    return UsageError(f"{source} is longer than a request can be ({limits})", hint="give pictures as paths")


def _parse_object(text: str, source: str) -> dict[str, Any]:
    from ..plain import strict_json

    try:
        value = strict_json.load(text.lstrip("\ufeff"))
    except ValueError as error:
        raise UsageError(f"{source} is not valid JSON: {error}", hint='it looks like {"prompt": "a cat"}') from error
    if not isinstance(value, dict):
        raise UsageError(f"{source} is not a JSON object", hint='it looks like {"prompt": "a cat"}')
    return value


def _json_or_text(text: str) -> Any:
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 16:
        return int(text)  # most values, without the import that would slow down a refused request
    from ..plain import strict_json

    try:
        return strict_json.load(text)
    except ValueError:
        return text


_AGES = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def _age(text: str) -> float:
    """Seconds in an age such as 12h."""
    number, unit = text[:-1], _AGES.get(text[-1:], 0)
    if not (unit and number.isascii() and number.isdigit() and int(number[:6])):
        raise UsageError(f"--since takes weeks, days, hours or minutes, such as 2w, 1d, 12h or 30m, not {text!r}")
    return float(int(number[:6]) * unit)


def _seconds(name: str, value: object, default: float, problems: list[Problem]) -> float:
    if value is None:
        return default
    if not are_positive_seconds(value):
        problems.append(Problem(name, value, "is not a positive number of seconds", "a number above 0", default))
        return default
    return float(value)  # type: ignore[arg-type]
