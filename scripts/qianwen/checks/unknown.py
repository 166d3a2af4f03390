"""Checks a request for a model without a row. Its fields are sent unchanged: the model may be newer than our rules.

The rules of the nearest related model ("relative") still warn, place the fields in the request, and set what decides
the price if the user does not. Only what cannot go on the wire is refused.
"""

from __future__ import annotations

from ..errors import InvalidRequest, Problem
from ..files.documents import DOCUMENTS, suffix_of
from ..files.media import Facts
from ..models import wire
from ..models.catalog import Catalog, Found, Mode, Model
from ..models.media_items import FLAT, REFERENCES, TYPES, VOICES, listed
from ..plain.record import changed
from .fields import CHECKS, not_json
from .findings import MOST_NAMED, Findings, Manner, named
from .meanings import meant
from .sizes import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator, Mapping

    from ..models.catalog import Param, Values

SHAPE = frozenset({"size", "resolution", "ratio"})
"""Fields that express the same thing; our default for one may contradict another that was given."""


def check(
    catalog: Catalog, found: Found, fields: Values, findings: Findings, manner: Manner
) -> tuple[Mode, str, dict[str, Any]]:
    """(mode of the relative, wire shape, values to send). Raises InvalidRequest.

    findings: collects the warnings and the files.
    """
    model, given = found.model, dict(fields)
    findings.warn(found.note)
    whole = {name: value for name in wire.WHOLE if isinstance(value := given.get(name), dict)}
    flat = {**whole.get("input", {}), **whole.get("parameters", {}), **given}
    chosen = {**flat, "async": manner.favors_a_task}
    mode = findings.mode = next((each for each in model.modes if each.is_for(chosen)), model.modes[0])
    shape = _route(catalog, found, mode, manner, findings)
    refused = list(findings.problems)
    findings.problems.clear()
    items = whole.get("input", {}).get("media")
    if wire.SHAPES[shape].items and isinstance(items, list) and "media" not in given:
        given["media"] = items  # the other media fields are added to it
    values = _renamed(catalog, model, given, wire.SHAPES[shape])
    refused += _unsendable(values, wire.SHAPES[shape], mode)
    if not mode.as_given:
        _judge(mode, values, flat, manner.kind, findings)
    _inspect_files(catalog, values, findings)
    for problem in findings.problems:
        source = findings.sources.get(problem.path)
        if problem.reason == "file" and source and source.scheme == "file":
            refused.append(problem)
        else:
            findings.warn(f"{problem} (a rule of {model.id}; sent anyway)")
    local = {source.text for source in findings.sources.values() if source.scheme == "file"}
    refused += not_json("", values, local)
    if refused:
        raise InvalidRequest(refused)
    _warn_of_foreign_fields(catalog, found, mode, values, findings)
    _warn_of_what_is_not_sent(values, wire.SHAPES[shape], findings)
    if not mode.as_given:
        _add_defaults(mode, values, flat, findings)
    return mode, shape, values


# Where it goes ----------------------------------------------------------------------------------------------


def _route(catalog: Catalog, found: Found, mode: Mode, manner: Manner, findings: Findings) -> str:
    """The wire shape: a task if one is asked for and the family has one.

    Where nobody asks for it, only what the relative has counts: nobody knows that this model has tasks.
    """
    task = mode.task or _task_of_the_family(catalog, found.model, mode)
    if task and (manner.wants_task or manner.needs_task or not mode.sync):
        return task
    if mode.task and manner.prefers_task:
        return mode.task
    if manner.needs_task:
        message = f"answers synchronously, as {found.model.id} does; there is no task to submit"
        findings.problem("model", found.id, "not taken", message)
    elif manner.wants_task:
        findings.warn(f"models like {found.model.id} are not known to have tasks; --async is ignored")
    return mode.sync


def _task_of_the_family(catalog: Catalog, model: Model, mode: Mode) -> str:
    """The task shape of another row of the family that has the same synchronous shape."""
    family = (other for other in catalog.models if other.family == model.family)
    modes = (other for row in family for other in row.modes if other.sync == mode.sync)
    return next((other.task for other in modes if other.task), "")


def _renamed(catalog: Catalog, model: Model, given: dict[str, Any], shape: wire.Shape) -> dict[str, Any]:
    """The fields under the names that the shape looks for. A synonym stays as it is if its field is given too."""
    own = list(model.params)
    places = {param.name for param in own} | shape.in_input
    params = [*own, *(param for param in catalog.params if param.name in shape.in_input)]
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
    """The field that has the name as a synonym; a list of several needs a field that takes a list."""
    several = isinstance(value, list) and len(value) != 1
    candidates = (param for param in params if name in param.also)
    return next((param for param in candidates if param.kind == "media list" or not several), None)


def _formed(param: Param, value: object) -> object:
    """A value that was given under a synonym, as the single file or the list that the field takes."""
    if param.kind == "media list":
        return [value] if isinstance(value, str) else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


# The relative's rules ---------------------------------------------------------------------------------------


def _judge(mode: Mode, values: Values, flat: Values, kind: str, findings: Findings) -> None:
    """Apply every rule of the relative. The caller turns the problems into warnings.

    flat: every given field, those inside `input` and `parameters` too.
    """
    earlier = len(findings.warnings)
    does = findings.model.kinds
    if kind and does and kind not in does:
        findings.problem("mode", kind, "choice", f"is not what {findings.model.id} does", ", ".join(does))
    for param in mode.params:
        if param.name in values and values[param.name] is not None:
            _judge_field(param, values[param.name], findings)
        elif _is_missing(param, flat):
            findings.problem(param.name, None, "missing", f"is missing: {param.meaning}")
    if "media" not in flat:  # the rules need the array's parts as fields, but it is sent whole
        findings.apply(mode.rules, values)
    findings.warnings[earlier:] = [f"{text} (a rule of {findings.model.id})" for text in findings.warnings[earlier:]]


def _is_missing(param: Param, flat: Values) -> bool:
    """Whether the relative needs a field that is neither given nor part of one of the API's own arrays."""
    in_an_array = "messages" in flat or ("media" in flat and param.name in FLAT)
    return not in_an_array and param.name not in flat and param.is_needed


def _judge_field(param: Param, value: object, findings: Findings) -> None:
    """Check one field. A size is sent as given, so replace the warnings on its normalized form by one that names it."""
    earlier = len(findings.warnings)
    checked = CHECKS[param.kind](param, value, findings)
    if param.size:
        del findings.warnings[earlier:]
        if (
            isinstance(value, str)
            and checked != value
            and not any(each.path == param.name for each in findings.problems)
        ):
            findings.warn(f"{param.name} {value} is sent as it is; {findings.model.id} would take {checked}")


def _warn_of_foreign_fields(catalog: Catalog, found: Found, mode: Mode, values: Values, findings: Findings) -> None:
    """Warn of fields that the relative lacks; for another vendor's model, of media fields that it will not see."""
    if mode.as_given:
        media = _media_names(catalog) - wire.SHAPES[mode.task].in_input
        for name in media & set(values):
            findings.warn(f"{name} goes to `parameters`; models of other vendors take their files in `media`")
        return
    known = {param.name for param in found.model.params}
    rest = [name for name in values if not mode.param(name) and name not in wire.WHOLE]
    if rest:
        findings.warn(f"{found.model.id} has no field {named(rest)}; sent to {found.id} anyway")
    for name in rest[:MOST_NAMED]:
        near = meant(name, known)
        if near and near != name:
            findings.warn(f"did you mean {near} by {name}?")


def _warn_of_what_is_not_sent(values: Values, shape: wire.Shape, findings: Findings) -> None:
    """Warn of empty lists, and of fields given both by themselves and inside `input` or `parameters`."""
    for name in shape.entries & set(values):
        if not listed(values, name):
            findings.warn(f"{name} is empty, so it is not sent")
    for whole in wire.WHOLE:
        inside = values.get(whole)
        entries = inside.items() if isinstance(inside, dict) else ()
        twice = [name for name, entry in entries if values.get(name, entry) != entry]
        if twice:
            findings.warn(f"{named(twice)}: given twice, in {whole} and as a field; the field is sent")


# Files ------------------------------------------------------------------------------------------------------


def _inspect_files(catalog: Catalog, values: Values, findings: Findings) -> None:
    """Find the local files to upload, in every field that takes files in any row."""
    media = _media_names(catalog)
    for name in values:
        if name in media:
            for path, text in _addresses(name, values[name]):
                if path not in findings.sources:
                    source = findings.sources[path] = findings.inspect(text)
                    if source.fault:
                        findings.problem(path, source.shown, "file", source.fault, nearest=source.nearest)
    for path, source in findings.sources.items():
        suffix = suffix_of(source.path) if path == "file" else ""
        if suffix and source.facts is None:
            findings.sources[path] = changed(source, facts=Facts(DOCUMENTS[suffix][0]))
        elif source.scheme == "file" and not source.fault and source.facts is None:
            findings.problem(path, source.shown, "file", "is not a picture, clip or sound, and only those are uploaded")


def _addresses(name: str, value: object) -> Iterator[tuple[str, str]]:
    """(path, text) of every path or URL in a media field; items of the API's own array have them in `ITEM`."""
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
    params = (param for param in catalog.params if param.takes_files)
    return {name for param in params for name in (param.name, *param.also)} | ({"media"} if catalog.kinds else set())


# What decides the price -------------------------------------------------------------------------------------


def _add_defaults(mode: Mode, values: dict[str, Any], flat: Values, findings: Findings) -> None:
    """Add the fields that decide the price, also for null: else the service would choose the price."""
    for param in mode.params:
        if param.send is None or flat.get(param.name) is not None:
            continue
        shape = {name: flat[name] for name in SHAPE - {param.name} if flat.get(name) not in (None, "")}
        value = param.send if not shape or param.name not in SHAPE else _agreeing(param, mode, shape)
        if value is None:
            findings.warn(
                f"{in_words(shape)} is sent without {param.name}: the service chooses it, and the price with it"
            )
            continue
        if param.name in flat:
            shown = str(value).lower() if isinstance(value, bool) else value
            findings.warn(f"{param.name} null would leave the choice and its price to the service; {shown} is sent")
        for whole in wire.WHOLE:  # which may have it as null
            if isinstance(values.get(whole), dict) and param.name in values[whole]:
                values[whole] = {name: entry for name, entry in values[whole].items() if name != param.name}
        values[param.name] = value
        if param.remark:
            findings.warn(param.remark)


def _agreeing(param: Param, mode: Mode, shape: Mapping[str, object]) -> object:
    """Our default that agrees with the given size, resolution or ratio; None if there is none."""
    if param.name == "resolution":
        return None if "size" in shape else param.send
    if param.name == "size" and set(shape) == {"ratio"}:
        usual = (sizes for sizes in mode.pixels.values() if param.send in sizes.values())
        return next((size for sizes in usual for form, size in sizes.items() if form == shape["ratio"]), None)
    return None


# What cannot be sent ----------------------------------------------------------------------------------------


def _unsendable(values: Values, shape: wire.Shape, mode: Mode) -> Iterator[Problem]:
    """Fields that the shape cannot carry together with the others."""
    if mode.as_given or not shape.items:
        return
    flat = [name for name in values if name in FLAT]
    if flat and not isinstance(values.get("media", []), list):
        yield Problem("media", values["media"], f"is not a list, and {flat[0]} goes into it", "a list", reason="type")
    references = len(listed(values, REFERENCES))
    for name in (VOICES, TYPES):
        if len(listed(values, name)) > references:
            allowed = f"at most {references}, one for each reference"
            yield Problem(name, values[name], "has an entry without a reference", allowed, reason="count")
