"""A request for a model without a row: all that is given is sent as it is, because the id may be newer than our rules.

The rules of the nearest relative still warn, and they still say where a field goes and what sets the price when the
user does not. Only what cannot go on the wire is refused.
"""

from __future__ import annotations

import math

from ..errors import InvalidRequest, Problem
from ..files.documents import DOCUMENTS, suffix_of
from ..files.media import Facts
from ..models import wire
from ..models.catalog import Catalog, Found, Mode, Model
from ..models.media_items import FLAT, REFERENCES, TYPES, VOICES, listed
from ..plain.record import changed
from .findings import Findings
from .meanings import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, Mapping

    from ..models.catalog import Param, Values

    Check = Callable[[Param, object, Findings], object]

MOST_NAMED = 8
SHAPE = frozenset({"size", "resolution", "ratio"})
"""Fields that say the same in other words, so that a default of ours may contradict what was given."""


def check(
    catalog: Catalog,
    found: Found,
    fields: Values,
    findings: Findings,
    checks: Mapping[str, Check],
    wants_task: bool,
    needs_task: bool,
    kind: str,
) -> tuple[Mode, str, dict[str, Any]]:
    """The mode of the relative, the wire shape, and the values that will be sent. Raises InvalidRequest.

    findings: gets the warnings and the files.  checks: kind of a field → what judges its value.
    """
    model, given = found.model, dict(fields)
    findings.warn(found.note)
    whole = {name: value for name in wire.WHOLE if isinstance(value := given.get(name), dict)}
    said = {**whole.get("input", {}), **whole.get("parameters", {}), **given}
    chosen = {**said, "async": wants_task or needs_task}
    mode = findings.mode = next((each for each in model.modes if each.is_for(chosen)), model.modes[0])
    shape = _route(catalog, found, mode, wants_task, needs_task, findings)
    refused = list(findings.problems)
    findings.problems.clear()
    items = whole.get("input", {}).get("media")
    if wire.SHAPES[shape].packs_media and isinstance(items, list) and "media" not in given:
        given["media"] = items  # the flat fields are added to it
    values = _renamed(catalog, model, given, wire.SHAPES[shape])
    refused += _unsendable(values, wire.SHAPES[shape], mode)
    if not mode.as_given:
        _judge(mode, values, said, kind, checks, findings)
    _look_at_files(catalog, values, findings)
    for problem in findings.problems:
        source = findings.sources.get(problem.path)
        if problem.reason == "file" and source and source.scheme == "file":
            refused.append(problem)
        else:
            findings.warn(f"{problem} (a rule of {model.id}; sent all the same)")
    local = {source.text for source in findings.sources.values() if source.scheme == "file"}
    refused += _no_json("", values, local)
    if refused:
        raise InvalidRequest(refused)
    _tell_the_rest(catalog, found, mode, values, findings)
    _tell_what_is_not_sent(values, wire.SHAPES[shape], findings)
    if not mode.as_given:
        _add_defaults(mode, values, said, findings)
    return mode, shape, values


# Where it goes ----------------------------------------------------------------------------------------------


def _route(catalog: Catalog, found: Found, mode: Mode, wants_task: bool, needs_task: bool, findings: Findings) -> str:
    """The wire shape: a task where one was asked for and the family has one."""
    task = mode.task or _task_of_the_family(catalog, found.model, mode)
    if task and (wants_task or needs_task or not mode.sync):
        return task
    if needs_task:
        message = f"is answered in one exchange, as {found.model.id} is; there is no task to submit"
        findings.problem("model", found.id, "not taken", message)
    elif wants_task:
        findings.warn(f"no task is known for models like {found.model.id}, so {found.id} is asked without --async")
    return mode.sync


def _task_of_the_family(catalog: Catalog, model: Model, mode: Mode) -> str:
    """The task shape of another row of the family that is otherwise asked in the same way."""
    family = (other for other in catalog.models if other.family == model.family)
    modes = (other for row in family for other in row.modes if other.sync == mode.sync)
    return next((other.task for other in modes if other.task), "")


def _renamed(catalog: Catalog, model: Model, given: dict[str, Any], shape: wire.Shape) -> dict[str, Any]:
    """The fields under the names by which the shape finds them. A name that is taken already stays as it is."""
    own = [param for mode in model.modes for param in mode.params]
    places = {param.name for param in own} | shape.in_input
    params = [*own, *(param for param in _all_params(catalog) if param.name in shape.in_input)]
    values: dict[str, Any] = {}
    for name, value in given.items():
        place = None if name in places else _place(name, value, params)
        if place and place.name not in given and place.name not in values:
            values[place.name] = _formed(place, value)
        else:
            values[name] = value
    for name in shape.entries & set(values):
        values[name] = [values[name]] if isinstance(values[name], str) else values[name]
    return values


def _place(name: str, value: object, params: Iterable[Param]) -> Param | None:
    """The field for which a name is a synonym, one that takes several where several are given."""
    found = [param for param in params if name in param.also]
    several = isinstance(value, list) and len(value) != 1
    return next((param for param in found if param.kind == "media list" or not several), None)


def _formed(param: Param, value: object) -> object:
    """A value that was given under a synonym: one file where one is taken, a list where several are."""
    if param.kind == "media list":
        return [value] if isinstance(value, str) else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


# What the relative would say --------------------------------------------------------------------------------


def _judge(
    mode: Mode, values: Values, said: Values, kind: str, checks: Mapping[str, Check], findings: Findings
) -> None:
    """Every rule of the relative, as problems that become warnings."""
    told = len(findings.warnings)
    does = findings.model.kinds
    if kind and does and kind not in does:
        findings.problem("mode", kind, "choice", f"is not what {findings.model.id} does", ", ".join(does))
    for param in mode.params:
        if param.name in values and values[param.name] is not None:
            _judge_field(param, values[param.name], checks[param.kind], findings)
        elif _is_missed(param, said):
            findings.problem(param.name, None, "missing", f"is missing: {param.meaning}")
    facts = {path: source.facts for path, source in findings.sources.items() if source.facts}
    if "media" not in said:  # an array stays whole, and the rules look at its parts
        for rule in mode.rules:
            for finding in rule(values, facts):
                if isinstance(finding, Problem):
                    findings.problems.append(finding)
                else:
                    findings.warn(finding)
    findings.warnings[told:] = [f"{text} (a rule of {findings.model.id})" for text in findings.warnings[told:]]


def _is_missed(param: Param, said: Values) -> bool:
    """Whether the relative needs a field that was given in no way, nor as part of an array of the API's own."""
    in_an_array = "messages" in said or ("media" in said and param.name in FLAT)
    return not in_an_array and param.name not in said and (param.required or bool(param.media and param.low))


def _judge_field(param: Param, value: object, check_it: Check, findings: Findings) -> None:
    """One field. The checked form is not sent, so that a note on it would be wrong; it is only named."""
    told = len(findings.warnings)
    checked = check_it(param, value, findings)
    if param.size:
        del findings.warnings[told:]
        if (
            isinstance(value, str)
            and checked != value
            and not any(each.path == param.name for each in findings.problems)
        ):
            findings.warn(f"{param.name} {value} is sent as it is; {findings.model.id} would take {checked}")


def _tell_the_rest(catalog: Catalog, found: Found, mode: Mode, values: Values, findings: Findings) -> None:
    """The fields of which nothing is known, and for a maker's model those that hardly reach it."""
    if mode.as_given:
        media = _media_names(catalog) - wire.SHAPES[mode.task].in_input
        for name in media & set(values):
            findings.warn(f"{name} goes to `parameters`; the makers' models take their files in `media`")
        return
    known = {param.name for each in found.model.modes for param in each.params}
    rest = [name for name in values if not mode.param(name) and name not in wire.WHOLE]
    if rest:
        findings.warn(f"{found.model.id} takes no {_listed(rest)}; sent to {found.id} all the same")
    for name in rest[:MOST_NAMED]:
        near = meant(name, known)
        if near and near != name:
            findings.warn(f"was {near} meant by {name}?")


def _tell_what_is_not_sent(values: Values, shape: wire.Shape, findings: Findings) -> None:
    """A list without entries, and what stands in a whole object as well as beside it."""
    for name in shape.entries & set(values):
        if not listed(values, name):
            findings.warn(f"{name} holds nothing, so nothing of it is sent")
    for whole in wire.WHOLE:
        inside = values.get(whole)
        entries = inside.items() if isinstance(inside, dict) else ()
        twice = [name for name, entry in entries if values.get(name, entry) != entry]
        if twice:
            findings.warn(f"{_listed(twice)}: given in {whole} and beside it; what stands beside it is sent")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return ", ".join(names[:MOST_NAMED]) + more


# Files ------------------------------------------------------------------------------------------------------


def _look_at_files(catalog: Catalog, values: Values, findings: Findings) -> None:
    """Find the local files in every field that takes files in some row, so that they are uploaded."""
    for name in values:
        if name in _media_names(catalog):
            for path, text in _addresses(name, values[name]):
                if path not in findings.sources:
                    source = findings.sources[path] = findings.inspect(text)
                    if source.fault:
                        findings.problem(path, source.shown, "file", source.fault)
    for path, source in findings.sources.items():
        suffix = suffix_of(source.path) if path == "file" else ""
        if suffix and source.facts is None:
            findings.sources[path] = changed(source, facts=Facts(DOCUMENTS[suffix][0]))
        elif source.scheme == "file" and not source.fault and source.facts is None:
            findings.problem(path, source.shown, "file", "is no picture, clip or sound, and nothing else is uploaded")


def _addresses(name: str, value: object) -> Iterator[tuple[str, str]]:
    """(path, text) of every address in the value of a media field; items of the API's array have theirs in `url`."""
    if isinstance(value, str) and value.strip():
        yield name, value
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            parts = {"": entry} if not isinstance(entry, dict) else {f".{key}": entry.get(key) for key in ITEM}
            for key, text in parts.items():
                if isinstance(text, str) and text.strip():
                    yield f"{name}[{index}]{key}", text


ITEM = ("url", "reference_voice")


def _media_names(catalog: Catalog) -> set[str]:
    params = (param for param in _all_params(catalog) if param.takes_files)
    return {name for param in params for name in (param.name, *param.also)} | ({"media"} if catalog.kinds else set())


def _all_params(catalog: Catalog) -> Iterator[Param]:
    return (param for model in catalog.models for mode in model.modes for param in mode.params)


# What is paid for -------------------------------------------------------------------------------------------


def _add_defaults(mode: Mode, values: dict[str, Any], said: Values, findings: Findings) -> None:
    """What sets the price and was not given. null gives nothing: the service would choose, and the user pay."""
    for param in mode.params:
        if param.send is None or said.get(param.name) is not None:
            continue
        shape = {name: said[name] for name in SHAPE - {param.name} if said.get(name) not in (None, "")}
        value = param.send if not shape or param.name not in SHAPE else _agreeing(param, mode, shape)
        if value is None:
            findings.warn(
                f"{_spoken(shape)} is sent without {param.name}: the service chooses it, and the price with it"
            )
            continue
        if param.name in said:
            shown = str(value).lower() if isinstance(value, bool) else value
            findings.warn(f"{param.name} null would leave the choice and its price to the service; {shown} is sent")
        for whole in wire.WHOLE:  # where it may stand as null as well
            if isinstance(values.get(whole), dict) and param.name in values[whole]:
                values[whole] = {name: entry for name, entry in values[whole].items() if name != param.name}
        values[param.name] = value
        if param.remark:
            findings.warn(param.remark)


def _agreeing(param: Param, mode: Mode, shape: Mapping[str, object]) -> object:
    """Our default in agreement with a given size, resolution or ratio; None where it would contradict it."""
    if param.name == "resolution":
        return None if "size" in shape else param.send
    if param.name == "size" and set(shape) == {"ratio"}:
        usual = (sizes for sizes in mode.pixels.values() if param.send in sizes.values())
        return next((size for sizes in usual for form, size in sizes.items() if form == shape["ratio"]), None)
    return None


def _spoken(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


# What cannot be sent ----------------------------------------------------------------------------------------


def _unsendable(values: Values, shape: wire.Shape, mode: Mode) -> Iterator[Problem]:
    """Fields that have no place in the shape beside what else was given."""
    if mode.as_given or not shape.packs_media:
        return
    flat = [name for name in values if name in FLAT]
    if flat and not isinstance(values.get("media", []), list):
        yield Problem("media", values["media"], f"is no list, and {flat[0]} goes into it", "a list", reason="type")
    references = len(listed(values, REFERENCES))
    for name in (VOICES, TYPES):
        if len(listed(values, name)) > references:
            allowed = f"at most {references}, one for each reference"
            yield Problem(name, values[name], "has an entry without a reference", allowed, reason="count")


def _no_json(path: str, value: object, local: set[str]) -> Iterator[Problem]:
    """What JSON cannot say. Local paths may hold halves of characters: they stand for bytes of a file's name."""
    if isinstance(value, str):
        if value not in local and not _is_unicode(value):
            yield Problem(
                path, ascii(value), "holds characters that are no valid Unicode", "valid Unicode", reason="type"
            )
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from _no_json(f"{path}[{index}]", entry, local)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if not isinstance(name, str) or not _is_unicode(name):
                yield Problem(path, ascii(name), "is no name of a JSON object", "valid Unicode", reason="type")
            else:
                yield from _no_json(f"{path}.{name}" if path else name, entry, local)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, str(value), "is no JSON number", "a finite number", reason="type")
    elif not (value is None or isinstance(value, (bool, int, float))):
        yield Problem(path, ascii(value), "is no JSON value", "JSON", reason="type")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
