"""Which model a request is for: the one it names, else the default that fits its fields."""

from __future__ import annotations

import re

from ..errors import InvalidRequest, Problem, UsageError
from ..models.catalog import GIVEN, SNAPSHOT, Catalog, Default, Found, Mode, find, meets, why_not
from ..plain.record import changed
from . import sizes
from .validate import check, choose_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..models.catalog import Model, Param, Source, Values
    from .findings import Inspect, Manner
    from .validate import Checked


def choose(catalog: Catalog, model_id: str, fields: Values, kind: str, region: Callable[[], str]) -> Found:
    """The row for a request, and why it was chosen.

    model_id: "" takes a default.
    kind: the value of --mode, "" if not given.
    region: returns the region; called only if the default depends on it.
    Raises InvalidRequest for text that cannot be a model id, UsageError for a model that cannot be used here.
    """
    why = ""
    if not model_id:
        from ..models.media_items import unpack

        given = {**fields, **unpack(fields).fields, "mode": kind}
        default = default_for(catalog, given)
        if "size" in given:
            default = _making_the_size(catalog, default, given)
        model_id = default.regional.get(region(), default.model) if default.regional else default.model
        why = "the default"
        if default.when:
            conditions = (name if wanted == GIVEN else f"{name} {wanted}" for name, wanted in default.when.items())
            why += f" with {' and '.join(conditions)}"
    misspelt = not_an_id(catalog, model_id)
    if misspelt:
        raise InvalidRequest([misspelt])
    is_a_word = model_id.isascii() and model_id.isprintable() and " " not in model_id
    if not (is_a_word and all(model_id.split("/"))):
        allowed = "letters, digits, dots and hyphens, optionally after a vendor name and a slash"
        raise InvalidRequest([Problem("model", ascii(model_id), "cannot be a model id", allowed)])
    found = find(catalog, model_id)
    if found is None:
        message, hint = why_not(catalog, model_id)
        raise UsageError(message, hint=hint)
    return changed(found, why=why)


DEARER = frozenset({"pro", "plus", "max", "prime"})
TIERS = DEARER | {"turbo", "flash"}
"""Words that only grade a model. What stands before one of them may be an id by itself, perhaps a newer one."""


def not_an_id(catalog: Catalog, model_id: str) -> Problem | None:
    """The problem of text that only means a known model: other letters, a provider's prefix, or a family's name.

    The service would refuse it as unknown, after files were uploaded. Any other id may be newer than our rows.
    """
    rows = {model.id for model in catalog.models}
    known = {*rows, *(alias for model in catalog.models for alias in model.aliases)}
    bare = model_id.strip().rpartition("/")[2]
    snapshot = re.search(SNAPSHOT, bare) if "-20" in bare else None
    base = bare[: snapshot.start()] if snapshot else bare
    if model_id in known or (model_id == bare and base in rows):
        return None
    same = next((name for name in known if _letters(name) == _letters(base)), "")
    if same:
        right = same + (snapshot[0] if snapshot else "")
        return Problem("model", model_id, "is another spelling of a known id", nearest=right, reason="unknown")
    family = [name for name in known if _begins(name, bare.lower().replace(" ", ""))]
    if len(family) > 1 and not any(name[len(bare) :].strip("-") in TIERS for name in family):
        shown = ", ".join(sorted(family)[:MOST_NAMED]) + (", …" if family[MOST_NAMED:] else "")
        return Problem("model", model_id, "is the name of a family, not an id", shown, reason="unknown")
    return None


MOST_NAMED = 12


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _begins(name: str, family: str) -> bool:
    """Whether an id is the name of a family and more: wan2.7-image of wan2.7, not of wan2.7-im."""
    return name.startswith(family) and bool(family) and not name[len(family) :][:1].isalpha()


OF_A_VALUE = frozenset({"range", "choice", "size", "count", "not taken"})
"""Reasons of problems that another model may not have."""


def way_out(
    catalog: Catalog,
    found: Found,
    fields: Values,
    inspect: Inspect,
    manner: Manner,
    region: str,
    error: InvalidRequest,
) -> str:
    """Which model takes what this one refuses, proven by checking the request with it; else what to do instead.

    Of several models it names the first that drops the least of the request; a dear grade only if no other will do.
    """
    problems = [problem for problem in error.problems if problem.value is not None]
    if error.hint or len(problems) < len(error.problems) or {problem.reason for problem in problems} - OF_A_VALUE:
        return error.hint
    seen: dict[str, Source] = {}

    def inspect_once(text: str) -> Source:
        return seen[text] if text in seen else seen.setdefault(text, inspect(text))

    def trial(model: Model, manner: Manner = manner) -> Checked | None:
        try:
            return check(catalog, Found(model, model.id), fields, inspect_once, manner)
        except InvalidRequest:
            return None

    rows = {model.id: model for model in catalog.models}
    fitting = rows[default_for(catalog, fields).model]
    usual = [fitting, *(rows[default.model] for default in catalog.defaults)]
    others = [
        model
        for model in (*usual, *catalog.models)
        if model is not found.model and not model.ends and not any(_must_refuse(model, problem) for problem in problems)
    ]
    takers = [taken for model in others if region in model.regions for taken in (trial(model),) if taken]
    if takers:
        best = min(takers, key=lambda checked: (len(checked.warnings), bool(DEARER & set(checked.id.split("-"))))).id
        return f"this is a limit of {found.id}; {best} takes it, at its own price: use --model {best}"
    if manner.kind and found.why and trial(fitting, changed(manner, kind="")):
        return f"leave out --mode {manner.kind}: {fitting.id} takes the rest, at its own price"
    if all(problem.reason == "not taken" and not problem.allowed for problem in problems):
        return f"no model in {region} takes all of this together: leave out a part of it"
    instead = [catalog.beyond[problem.path] for problem in problems if problem.path in catalog.beyond]
    return f"this is a limit of {found.id}" + "".join(f"; {text}" for text in instead)


def _must_refuse(model: Model, problem: Problem) -> bool:
    """Whether no mode of a model takes a number or a size. Trying every model out would take longer than the rest."""
    return not any(_may_take(mode, mode.param(problem.path), problem.value) for mode in model.modes)


def _may_take(mode: Mode, param: Param | None, value: object) -> bool:
    if param and param.size and isinstance(value, str):
        return bool(mode.pixels) or not sizes.judge(value, param.size).fault  # modes with tiers translate sizes
    if param and type(value) is int and param.kind == "choice":
        return value in param.choices
    if param and type(value) is int and param.kind in ("integer", "number"):
        return param.low <= value <= param.high or value in param.beside
    return True


def default_for(catalog: Catalog, fields: Values) -> Default:
    """The model to use when the request names none."""
    return next(default for default in catalog.defaults if meets(default.when, fields))


def _making_the_size(catalog: Catalog, default: Default, fields: Values) -> Default:
    """The default for text alone, or the first other default whose model can make `size` if this one cannot."""
    size = fields.get("size")
    if default.when or not isinstance(size, str) or _makes(catalog, default, size, fields):
        return default
    other = next((other for other in catalog.defaults if _makes(catalog, other, size, fields)), None)
    return Default(other.model, {"size": size}) if other else default


def _makes(catalog: Catalog, default: Default, size: str, fields: Values) -> bool:
    found = find(catalog, default.model)
    mode = choose_mode(found.model, fields) if found else None
    param = mode.param("size") if mode else None
    if (
        mode is None
        or param is None
        or param.size is None
        or any(each.media and each.is_needed for each in mode.params)
    ):
        return False
    return _may_take(mode, param, size)
