"""A row as JSON: all that a program needs to write a request for a model. Empty values are left out.

Bounds are pairs [low, high], both inclusive; sizes are texts `W*H` in pixels, areas are in pixels.
"""

from __future__ import annotations

from ..models.catalog import PATIENCE, Found, says_something
from ..plain.record import fields_of
from . import examples as specimens
from . import listing, wording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..models.catalog import Catalog, MediaRule, Mode, Param, Size

    JSON = dict[str, Any]

TYPES: Mapping[str, str] = {
    "text": "string",
    "size": "string",
    "media": "string",
    "integer": "integer",
    "number": "number",
    "switch": "boolean",
    "media list": "array",
    "document": "string",
    "link": "string",
    "types": "array",
    "structure": "array",
}
"""Kind of a field → its type in JSON; a choice has the type of its values."""


KEYS = {listing.WHAT: "summary", "A CALL": "a_call"}
"""Heading of a column of the list → its name in JSON, where that is not the heading itself."""


def of_models(catalog: Catalog) -> list[JSON]:
    """What the list says of every model, one short entry each. `--describe` has everything about one."""
    usual = {default.model for default in catalog.defaults}
    return [
        {
            "id": model.id,
            **{KEYS.get(name, name.lower()): text for name, text in listing.facts(catalog, model).items()},
            **_said(default=model.id in usual, ends=model.ends, replacement=model.replacement),
        }
        for model in catalog.models
    ]


def of_model(catalog: Catalog, found: Found) -> JSON:
    """Everything about a model. `rules_of` is there when the id is another than that of its row."""
    model = found.model
    return {
        "id": found.id,
        **({"rules_of": model.id} if model.id != found.id else {}),
        "makes": catalog.noun,
        "family": model.family,
        "summary": wording.summary(catalog, model),
        **({"kinds": list(model.kinds), "sound": wording.sound(model)} if catalog.kinds else {}),
        "aliases": list(model.aliases),
        "regions": list(model.regions),
        "source": model.source,
        "checked": model.checked,
        "pace": fields_of(model.pace),
        **({"ends": model.ends, "replacement": model.replacement} if found.ending else {}),
        "modes": [of_mode(catalog, found, mode) for mode in model.modes],
    }


def of_mode(catalog: Catalog, found: Found, mode: Mode) -> JSON:
    """A mode. `when`, with one of `when_any`: the fields that choose it; the first mode that fits counts.

    `sync`, `task`: whether it can be answered at once, and as a task.  `bills.at_most`: of a request without the field.
    """
    param = mode.param(mode.bills)
    examples = [
        {"argv": list(each.argv), "bills_at_most": each.units} for each in specimens.of_mode(catalog, found, mode)
    ]
    return {
        "name": mode.name,
        "when": dict(mode.when),
        **_said(when_any=list(mode.when_any), excludes=list(mode.excludes)),
        "sync": bool(mode.sync),
        "task": bool(mode.task),
        "bills": {
            "unit": catalog.unit,
            "field": param.name if param else None,
            "at_most": wording.usual_units(mode),
            "input_clips": mode.bills_clips,
            **_said(most_in_all=mode.most_in_all, as_long_as=mode.lasts),
            "by_area": mode.bills_by_area,
        },
        **_said(gives_up_after_minutes=mode.patience if mode.patience != PATIENCE else 0),
        **_said(usual=mode.usual, interleaved=mode.interleaved),
        "fields": [of_param(catalog, param) for param in mode.params],
        **_said(
            rules=[wording.bare(sentence) for sentence in wording.rules_of(found.model, mode)],
            pixels={tier: dict(sizes) for tier, sizes in mode.pixels.items() if sizes},
        ),
        **_said(examples=examples),
    }


def of_param(catalog: Catalog, param: Param) -> JSON:
    """A request field. `sent`: what the program sends when it is left out; otherwise `default` is the service's own."""
    bounds = [param.low, param.high] if param.high else None
    counts = "media" in param.kind
    return {
        "name": param.name,
        "type": "integer" if param.choices and isinstance(param.choices[0], int) else TYPES.get(param.kind, "string"),
        "kind": param.kind,
        **_said(
            meaning=param.meaning,
            required=param.is_needed,
            also=list(param.also),
            flags=[flag.name for flag in specimens.flags_of(catalog, param)],
            count=bounds if counts else None,
            range=None if counts else bounds,
            beside=list(param.beside),
            longest=[param.longest, param.unit] if param.longest else None,
            longest_is_advice=param.longest_is_advice,
            choices=list(param.choices),
            size=of_size(param.size) if param.size else None,
            files=[of_files(rule) for rule in param.media],
            gaps=param.gaps,
            note=param.remark,
        ),
        **({} if param.default in (None, "") else {"default": param.default}),
        **({} if param.send is None else {"sent": param.send}),
        **({} if param.empty is None else {"empty": param.empty}),
        **({} if param.on_wire else {"on_wire": False}),
    }


def of_size(rule: Size) -> JSON:
    """The sizes of a mode, by the names that `catalog.Size` explains."""
    facts = {
        **_lists(rule),
        "presets": {ratio: list(texts) for ratio, texts in rule.presets.items()},
        "tiers": dict(rule.tiers),
        "areas": dict(rule.areas),
        "snap": rule.snap if rule.snap > 1 else None,
        "default": None,  # the field says it
    }
    return _said(**facts)


def of_files(rule: MediaRule) -> JSON:
    """What a file must be, by the names that `catalog.MediaRule` explains."""
    return {**_said(**_lists(rule)), "alpha": rule.alpha, "data_url": rule.data_url}


def _lists(value: object) -> JSON:
    """The fields of a record, with lists for tuples."""
    return {name: list(held) if isinstance(held, tuple) else held for name, held in fields_of(value).items()}


def _said(**values: Any) -> JSON:
    """Those that say something."""
    return {name: value for name, value in values.items() if says_something(value) and value != 0}
