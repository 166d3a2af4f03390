"""Checks a request against its model's row and finds every problem before anything is sent.

Nothing is changed silently: a field that the model lacks is ignored with a warning, a broken hard limit is a problem,
and all problems are raised together. `fields.CHECKS` has the function for each kind of field.
"""

from __future__ import annotations

from ..errors import InvalidRequest, Problem
from ..models.catalog import Catalog, Found, Mode, Model, Param, Source, says_something
from ..models.media_items import (
    AUDIO,
    FLAT,
    IMAGE,
    KINDS,
    ROUNDING_SECONDS,
    TYPES,
    VIDEO,
    is_picture,
    listed,
    type_of,
    unpack,
)
from ..models.wire import SHAPES
from ..plain.record import changed, record
from ..plain.texts import counted
from . import sizes
from .fields import check_field, nearest_name, not_json
from .findings import ANY_MANNER, Findings, Manner, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..models.catalog import Values
    from .findings import Inspect


@record
class Checked:
    """A request that passed every check. `values` go on the wire; `sources` are its media by path of the field.

    written: the request as the user wrote it, with the model that was chosen; --file takes it as it is.
    """

    found: Found
    mode: Mode
    shape: str
    values: dict[str, Any]
    sources: dict[str, Source]
    warnings: tuple[str, ...]
    written: dict[str, Any]

    @property
    def model(self) -> Model:
        return self.found.model

    @property
    def id(self) -> str:
        """The model id as it goes on the wire."""
        return self.found.id

    @property
    def subject(self) -> str:
        """What its files are named after."""
        return str(self.values.get("prompt") or self.mode.name)

    @property
    def is_known(self) -> bool:
        """Whether the model has its own row; if not, the rules of a related model only warn."""
        return self.found.exact

    @property
    def is_task(self) -> bool:
        """Whether it is answered as a task, which is polled."""
        return SHAPES[self.shape].is_task

    @property
    def units(self) -> int | None:
        """The most units that can be billed; None if unknown, which happens only to models without a row."""
        param = self.mode.param(self.mode.bills)
        given = self.values.get(self.mode.bills)
        most = given or (param.default if param else None) or self.mode.most
        if not self.is_known:
            whole = self.values.get("parameters")
            given = whole.get(self.mode.bills) if given is None and isinstance(whole, dict) else given
            most = most if given is None else given
            if self.mode.as_given or type(most) is not int or most < 1:
                return None
        own = self._as_long_as_its_file(most if isinstance(most, int) else 1)
        if not self.mode.most_in_all:
            return own + self.clip_seconds
        if own < 1:  # the model chooses
            return self.mode.most_in_all
        return min(own + self.clip_seconds, self.mode.most_in_all)

    @property
    def clip_seconds(self) -> int:
        """The billed seconds of input clips."""
        total = sum(map(self._clip_seconds, self.sources)) if self.mode.bills_clips else 0
        return min(total, self.mode.most_of_clips or total)

    @property
    def unconfirmed(self) -> str:
        """What no page confirms about this request's bill, as a clause."""
        return self.mode.unconfirmed if self.clip_seconds or not self.mode.bills_clips else ""

    def _as_long_as_its_file(self, most: int) -> int:
        """The seconds of the result, for models whose result is as long as an input file of known length."""
        source = self.sources.get(self.mode.lasts)
        known = source.facts.seconds if source and source.facts else 0.0
        return min(most, _whole_seconds(known)) if known else most

    @property
    def tier(self) -> str:
        """The price tier of the pictures ("1K", or "up to 2K" if the model chooses the size); "" without tiers."""
        param = self.mode.param("size") if self.mode.bills_by_area and self.is_known else None
        if param is None or param.size is None:
            return ""
        return sizes.area_tier(self.values.get("size"), param.size)

    @property
    def billed_inputs(self) -> int:
        """The number of billed input pictures."""
        return len(self.sources) if self.mode.bills_by_area else 0

    def _clip_seconds(self, path: str) -> int:
        """The whole seconds of one input clip; the longest allowed if only the service can see it."""
        source, param = self.sources[path], self.mode.param(path.partition("[")[0])
        rule = next((rule for rule in param.media if rule.types[0].startswith("video/")), None) if param else None
        if rule is None or rule.seconds is None or (source.facts and not source.facts.type.startswith("video/")):
            return 0
        types = dict(enumerate(listed(self.values, TYPES)))
        told = types.get(int(path.partition("[")[2].partition("]")[0] or 0))
        is_other = told in (IMAGE, AUDIO) or is_picture(source.text) or type_of(source.text) == AUDIO
        if not source.facts and param and len(param.media) > 1 and is_other:
            return 0
        most = rule.used_seconds or rule.seconds[1]
        known = source.facts.seconds if source.facts else 0.0
        return min(_whole_seconds(known), int(most)) if known else int(most)

    @property
    def local_files(self) -> dict[str, Source]:
        """The files that must be uploaded, by path of the field."""
        inline = self.inline_files
        return {path: each for path, each in self.sources.items() if each.scheme == "file" and path not in inline}

    @property
    def inline_files(self) -> dict[str, Source]:
        """The small files that go as data: URLs, the only way for local files that the model's page documents.

        Their sum stays below the limit too, because the request is built in memory.
        """
        small: dict[str, Source] = {}
        for path, source in self.sources.items():
            param = self.mode.param(path.partition("[")[0])
            most = max((rule.inline_megabytes for rule in param.media), default=0) if param else 0
            total = sum(other.bytes for other in small.values()) + source.bytes
            if source.scheme == "file" and most and total <= most * 2**20:
                small[path] = source
        return small

    @property
    def promised(self) -> int:
        """The units that the service must deliver; 0 if the model decides how many it makes."""
        return 0 if self.mode.is_ceiling else self.units or 0


def _whole_seconds(known: float) -> int:
    """The billed seconds of a clip or sound, whose header is often a few frames above the round number."""
    import math

    return max(math.ceil(known - ROUNDING_SECONDS / 2), 1)


def check(
    catalog: Catalog,
    found: Found,
    fields: Values,
    inspect: Inspect,
    manner: Manner = ANY_MANNER,
) -> Checked:
    """The request as it will be sent. Raises InvalidRequest with every problem.

    fields: the user's, by name.
    inspect: inspects one media value.
    A model without a row is checked by `unknown`.
    """
    kind = manner.kind
    written = {
        "model": found.id,
        **({"mode": kind} if kind else {}),
        **fields,
        **({"async": True} if manner.wants_task else {}),
    }
    findings = Findings(found.model, inspect)
    if not found.exact:
        from . import unknown

        sent = unknown.check(catalog, found, fields, findings, manner)
        return Checked(found, *sent, findings.sources, tuple(findings.warnings), written)
    for note in filter(None, (found.note, found.ending)):
        findings.warn(note)
    does = found.model.kinds
    if kind and does and kind not in does:
        findings.problem("mode", kind, "choice", f"is not what {found.id} does", ", ".join(does), does[0])
    given = _unpacked(found.model, {name: value for name, value in fields.items() if value is not None}, findings)
    given = _renamed(found.model, given, findings)
    mode = choose_mode(found.model, {**given, "async": manner.favors_a_task})
    if mode is None:
        findings.problems.append(_undecided(found.model, given))
        mode = findings.mode  # check the given fields too, to report all problems at once
        mode = changed(mode, rules=(), params=tuple(param for param in mode.params if param.name in given))
    findings.mode = mode
    _check_mode(found, mode, kind, findings)
    given = _without_excluded(mode, given, findings)
    sizes.translate(mode, given, findings)
    nulls = {name: None for name, value in fields.items() if value is None and not _takes(found.model, name)}
    values = _known_fields(catalog, found, mode, {**given, **nulls}, findings)
    for param in mode.params:
        check_field(param, values, findings)
    local = {source.text for source in findings.sources.values() if source.scheme == "file"}
    faulty = {problem.path for problem in findings.problems}
    for problem in not_json("", values, local):
        if findings.names.get(problem.path, problem.path) not in faulty:
            findings.add(problem)
    findings.apply(mode.rules, values)
    _tell_of_shrinking(mode, values, findings)
    _tell_of_missing_pictures(values, findings)
    shape = _route(mode, found.id, manner, findings)
    if findings.problems:
        raise InvalidRequest(findings.problems, hint=_hint(catalog, mode, findings))
    unsent = {param.name for param in mode.params if not param.on_wire}
    on_wire = {name: value for name, value in values.items() if name not in unsent}
    return Checked(found, mode, shape, on_wire, findings.sources, tuple(findings.warnings), written)


def _check_mode(found: Found, mode: Mode, kind: str, findings: Findings) -> None:
    """The given fields choose the mode of a model with several modes; --mode must not name another one."""
    names = {each.name.partition(" ")[0] for each in found.model.modes}
    chosen = mode.name.partition(" ")[0]
    if kind in names and len(names) > 1 and kind != chosen:
        message = f"does not match the given fields, which choose {chosen}"
        findings.problem("mode", kind, "choice", message, chosen, chosen)


def _without_excluded(mode: Mode, given: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The fields without those that exclude the field that chose the mode; each of them is a problem."""
    excluded = [name for name in mode.excludes if says_something(given.get(name))]
    chosen = " and ".join(findings.names.get(name, name) for name in mode.when)
    for name in excluded:
        message = f"cannot be given together with {chosen}: frames and references exclude each other"
        findings.problem(name, given[name], "excluded", message, f"either {name} or {chosen}")
    return {name: value for name, value in given.items() if name not in excluded}


def bill(catalog: Catalog, checked: Checked) -> dict[str, Any]:
    """The most that can be billed, null if unknown; for a model without a row also whose rules say so."""
    if not checked.is_known:
        by = None if checked.mode.as_given else checked.model.id
        return {"unit": catalog.unit, "at_most": checked.units, "by_the_rules_of": by}
    clips = {"input_clips": checked.clip_seconds} if checked.clip_seconds else {}
    by_area = {"tier": checked.tier, "input_images": checked.billed_inputs} if checked.tier else {}
    unclear = {"unconfirmed": checked.unconfirmed} if checked.unconfirmed else {}
    return {"unit": catalog.unit, "at_most": checked.units, **by_area, **clips, **unclear}


def in_words(bill: Mapping[str, Any]) -> str:
    """What `bill` answered, for people."""
    if bill["at_most"] is None:
        return "the bill is unknown"
    text = f"bills at most {counted(bill['at_most'], bill['unit'])}"
    if "tier" in bill:
        text += f" (price tier: {bill['tier']})"
    if bill.get("input_images"):
        text += f" and {counted(bill['input_images'], 'input image')}"
    if bill.get("input_clips"):
        text += f", of which up to {bill['input_clips']} are of the clips that are sent"
    if bill.get("unconfirmed"):
        text += f"; {bill['unconfirmed']}"
    by = bill.get("by_the_rules_of")
    return f"{text} by the rules of {by}, which may not be those of this model" if by else text


def choose_mode(model: Model, values: Values) -> Mode | None:
    """The first mode whose conditions the values meet; None if a deciding field is missing or wrong."""
    return next((mode for mode in model.modes if mode.is_for(values)), None)


# Names ----------------------------------------------------------------------------------------------------


def _unpacked(model: Model, given: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The fields with the API's own `media` array split into fields, for a row that describes its parts."""
    if "media" not in given:
        return given
    described = any(param.name in FLAT for param in model.params)
    if not isinstance(given["media"], list) or not (given["media"] or described):
        findings.problem("media", given["media"], "type", "is not a list of items", 'a list of {"type": …, "url": …}')
        return {name: value for name, value in given.items() if name != "media"}
    if not described:
        return given
    types = [param for param in model.params if param.name == TYPES]
    kinds = tuple(kind for kind in KINDS if any(kind in param.choices for param in types)) or (IMAGE, VIDEO)
    unpacked = unpack(given, kinds)
    findings.names.update(unpacked.names)
    findings.problems.extend(unpacked.problems)
    return {name: value for name, value in unpacked.fields.items() if types or name != TYPES}


def _renamed(model: Model, given: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The fields under the row's names; a single file becomes a list, or a list of one a single file, as needed."""
    values = dict(given)
    for param in {param.name: param for param in model.params}.values():
        for synonym in param.also:
            if synonym not in values:
                continue
            is_the_same = listed(values, synonym) == listed(values, param.name)
            value = values.pop(synonym)
            if param.name in values and param.media and not is_the_same:
                findings.problem(synonym, value, "count", f"means the same as {param.name}", "one of them")
            elif param.name in values:
                findings.warn(f"{synonym} is ignored because {param.name} is given")
            else:
                values[param.name] = value
                if param.kind in ("media", "document"):
                    findings.names[param.name] = findings.names.get(synonym, synonym)
        if param.kind == "media list" and isinstance(values.get(param.name), str):
            values[param.name] = [values[param.name]]
        elif param.kind == "media" and isinstance(values.get(param.name), list) and len(values[param.name]) == 1:
            values[param.name] = values[param.name][0]
    return values


def _undecided(model: Model, values: Values) -> Problem:
    """The problem when no mode fits; it names the deciding field and its values."""
    field = next(name for mode in model.modes for name in mode.when)
    choices = [str(mode.when[field]) for mode in model.modes if field in mode.when]
    value = values.get(field)
    message = "is needed to choose what to do" if value is None else "is not one of the choices"
    reason = "missing" if value is None else "choice"
    near = None if value is None else nearest_name(str(value), choices)
    return Problem(field, value, message, ", ".join(choices), near, reason)


def _known_fields(
    catalog: Catalog, found: Found, mode: Mode, given: dict[str, Any], findings: Findings
) -> dict[str, Any]:
    """The fields that this mode takes; the others are ignored with a warning, or refused."""
    others = [name for name in given if not mode.param(name)]
    if others:  # collecting the fields of all models takes time, and most requests have no other fields
        vocabulary = catalog.vocabulary
        for name in others:
            _ignore(catalog, found, mode, name, given[name], vocabulary, findings)
    return {name: value for name, value in given.items() if name not in others}


def _ignore(
    catalog: Catalog,
    found: Found,
    mode: Mode,
    name: str,
    value: object,
    vocabulary: Mapping[str, Param],
    findings: Findings,
) -> None:
    """Warn that a field is ignored, or refuse it: an unknown name always, a known field if its value matters."""
    known, wanted = vocabulary.get(name), says_something(value) and value != 0
    if known is None and name in ("input", "parameters"):
        message = "is part of the API's own body; a request here is flat: put its fields at the top level"
        findings.problem(name, value, "unknown", message, '{"prompt": …, "size": …}')
    elif known is None and name != "media":
        from .meanings import NOT_HERE, meant, plainly

        own = {param.name for param in found.model.params}
        near = meant(name, own)
        why = "" if near else NOT_HERE.get(plainly(name), "")
        message = "was given, but there is no such field" + (f": {why}" if why else "")
        findings.problem(name, value, "unknown", message, nearest=near)
    elif wanted and not _takes(found.model, name) and (known is None or known.media or known.essential):
        message = f"was given, but {found.id} has no such field; models that have it: {_takers(catalog, name)}"
        findings.problem(name, value, "not taken", message, found.model.instead.get(name, ""))
    elif not _takes(found.model, name):
        findings.warn(f"{found.id} has no field {name}; it is ignored")
    elif wanted or not any(name in each.when for each in found.model.modes):  # else it has chosen the mode
        chosen = f", which {' and '.join(mode.when)} chooses" if mode.when else ""
        findings.warn(f"{name} has no effect in the {mode.name} mode of {found.id}{chosen}; it is ignored")


def _takes(model: Model, name: str) -> bool:
    """Whether a model has a field of this name or synonym."""
    return any(name == param.name or name in param.also for param in model.params)


def _takers(catalog: Catalog, name: str) -> str:
    """Some models that have a field of this name or synonym, for a message."""
    wanted = FLAT if name == "media" else {name}
    return named([model.id for model in catalog.models if any(_takes(model, field) for field in wanted)])


MUCH_SMALLER = 0.75  # of the area of the input picture


def _tell_of_shrinking(mode: Mode, values: Values, findings: Findings) -> None:
    """Without a size, some models make an edit of the same shape but with fewer pixels than the picture has."""
    param = mode.param("size")
    facts = filter(None, (source.facts for source in findings.sources.values()))
    pictures = [fact for fact in facts if fact.type.startswith("image/") and fact.width]
    if param is None or param.size is None or not param.size.follows or values.get("size") or not pictures:
        return
    last, area = pictures[-1], param.size.follows
    if area < last.width * last.height * MUCH_SMALLER:
        most = param.size.area[1] if param.size.area else (param.size.side or (0, 0))[1] ** 2
        more = f"; size may have up to {_square(most)} of them" if most > area else ""
        own = f"{last.width}*{last.height}"
        findings.note(
            f"the result has the shape of the picture but about {_square(area)} pixels, fewer than its {own}{more}"
        )


def _tell_of_missing_pictures(values: Values, findings: Findings) -> None:
    import re

    given = len(listed(values, "reference_images"))
    numbers = re.findall(r"(?i)(?:\bimage ?|图片? ?)(\d{1,2})(?!\d)", str(values.get("prompt") or "")) if given else []
    if numbers and max(map(int, numbers)) > given:
        findings.warn(f"the prompt speaks of image {max(map(int, numbers))}, and the number of pictures is {given}")


def _square(area: int) -> str:
    side = round(area**0.5)
    return f"{side}*{side}"


def _route(mode: Mode, model_id: str, manner: Manner, findings: Findings) -> str:
    """The wire shape: a task if one is asked for or the mode has nothing else, otherwise a synchronous call."""
    if manner.needs_task and not mode.task:
        message = f"answers synchronously in its {mode.name} mode; there is no task to submit"
        findings.problem("model", model_id, "not taken", message)
    elif manner.wants_task and not mode.task:
        findings.warn(f"{model_id} answers synchronously in its {mode.name} mode; --async is ignored")
    is_task = mode.task and (manner.favors_a_task or not mode.sync)
    return mode.task if is_task else mode.sync


def _hint(catalog: Catalog, mode: Mode, findings: Findings) -> str:
    """What to do when the only pictures are missing, or the prompt is. We never switch models ourselves."""
    by_path = {problem.path: problem for problem in findings.problems}
    has_media = findings.sources or any(problem.reason == "not taken" for problem in findings.problems)
    for param in mode.params:
        is_empty = param.name in by_path and not by_path[param.name].value
        if param.media and param.low and is_empty and not has_media:
            return f"to work from text alone, use --model {catalog.defaults[-1].model}"
    prompt = by_path.get("prompt")
    is_missing = prompt is not None and prompt.reason == "missing"
    return f'write it after the name of the program: {catalog.program} "A cat on a windowsill"' if is_missing else ""
