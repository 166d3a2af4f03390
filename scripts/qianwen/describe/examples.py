"""Example requests: for each mode of a row the shortest one that validation accepts, and a longer one.

They are built from the rows and checked by `validate`, so none can go stale. Files are addresses at example.com.
"""

from __future__ import annotations

import json

from ..checks.findings import Manner
from ..checks.validate import bill, check, in_words
from ..errors import InvalidRequest
from ..models.catalog import GIVEN, Found, Source
from ..plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

    from ..checks.validate import Checked
    from ..models.catalog import Catalog, Flag, Mode, Param

PLACE = "https://example.com/"
SUFFIXES = {"image": "png", "video": "mp4", "audio": "wav"}
PAGES = {"document": "slides.pptx", "link": "article"}
EFFECT = "flying"
MORE: Mapping[str, object] = {"size": "9:16", "ratio": "9:16", "n": 2, "seed": 7}
"""Fields that the longer example sets, where the mode has them and takes the value."""


@record
class Specimen:
    """argv: what follows the program's name.  units: how many are billed at most.  bill: the same in words."""

    argv: tuple[str, ...]
    units: int
    bill: str


def of_mode(catalog: Catalog, found: Found, mode: Mode) -> list[Specimen]:
    """The shortest request in this mode.

    For the mode that a model is in by default, also one with a shape, a length and a count.
    """
    least = _least(catalog, found, mode)
    requests = [least, *(_chosen_by(catalog, found, mode, least, name) for name in mode.when_any[1:])]
    if mode is found.model.modes[-1]:
        requests.append(_longer(catalog, found, mode, least))
    return [_specimen(catalog, found, mode, fields) for fields in requests if fields]


def _chosen_by(catalog: Catalog, found: Found, mode: Mode, least: dict[str, Any], name: str) -> dict[str, Any]:
    """The least request with another of the fields that choose the mode; nothing when that is no request."""
    param = mode.param(name)
    fields = {field: value for field, value in least.items() if field not in mode.when_any}
    if param:
        fields[name] = _sample(param, GIVEN)
    return fields if param and _checked(catalog, found, mode, fields) else {}


def flags_of(catalog: Catalog, param: Param) -> list[Flag]:
    """The flags that set a field, the one of its own name first."""
    names = (param.name, *param.also)
    return sorted((flag for flag in catalog.flags if flag.field in names), key=lambda flag: names.index(flag.field))


def _longer(catalog: Catalog, found: Found, mode: Mode, least: dict[str, Any]) -> dict[str, Any]:
    """The same and more, as far as the mode leaves a choice; nothing when it leaves none."""
    fields = dict(least)
    for name, value in {**MORE, **_length(mode)}.items():
        if mode.param(name) and _checked(catalog, found, mode, {**fields, name: value}):
            fields[name] = value
    return fields if fields != least else {}


def _specimen(catalog: Catalog, found: Found, mode: Mode, fields: dict[str, Any]) -> Specimen:
    checked = _checked(catalog, found, mode, fields)
    assert checked
    bills = {**bill(catalog, checked), "unconfirmed": ""}  # the page of the mode says so once
    return Specimen(_argv(catalog, found, mode, fields), checked.units or 0, in_words(bills))


def _least(catalog: Catalog, found: Found, mode: Mode) -> dict[str, Any]:
    """Raises StopIteration for a mode that accepts no request, which is an error in its row."""
    return next(fields for fields in _attempts(mode) if _checked(catalog, found, mode, fields))


def _attempts(mode: Mode) -> Iterator[dict[str, Any]]:
    """The required fields; then the same with one more file, for rules that want one of several."""
    needed = {param.name for param in mode.params if param.is_needed} | set(mode.when) | set(mode.when_any[:1])
    others = [{param.name} for param in mode.params if param.media and param.name not in needed]
    for more in (set[str](), *others):
        chosen = [param for param in mode.params if param.name in needed | more]
        fields = {param.name: _sample(param, mode.when.get(param.name, GIVEN)) for param in chosen}
        if mode.param("prompt"):
            fields["prompt"] = _prompt(mode, any(param.media for param in chosen))
        yield fields


def _length(mode: Mode) -> dict[str, object]:
    """The shortest length that is not the usual one: whoever runs an example pays for it."""
    param = mode.param("duration")
    if param is None:
        return {}
    others = [choice for choice in param.choices if choice != param.default]
    return {"duration": int(param.low)} if param.low else {"duration": others[0]} if others else {}


def _prompt(mode: Mode, has_files: bool) -> str:
    """A prompt that names references as the mode wants it."""
    if not has_files:
        return "A cat sleeps on a sunny windowsill"
    names = [rule.example.partition(",")[0] for rule in mode.rules if rule.example]
    return f"{names[0] if names else 'The cat'} puts on a red hat"


def _sample(param: Param, wanted: object) -> object:
    """A legal value of a field that is needed: the one that chooses the mode, if any."""
    if wanted is not GIVEN:
        return wanted
    if param.kind in PAGES:
        return PLACE + PAGES[param.kind]
    if param.media:
        stem = param.name.replace("_urls", "").replace("_url", "")
        url = f"{PLACE}{stem}.{SUFFIXES[param.media[0].types[0].partition('/')[0]]}"
        return [url] if param.kind == "media list" else url
    return next((choice for choice in param.choices if choice), EFFECT)


def _checked(catalog: Catalog, found: Found, mode: Mode, fields: dict[str, Any]) -> Checked | None:
    """The request as validation sees it; None when it refuses it or takes it for another mode."""
    try:
        row = Found(found.model, found.id)  # an example keeps to the rules, also for an id that only borrows them
        manner = Manner(wants_task="async" in mode.when)
        checked = check(catalog, row, fields, lambda text: Source(text, "https"), manner)
    except InvalidRequest:
        return None
    return checked if checked.mode == mode else None


def _argv(catalog: Catalog, found: Found, mode: Mode, fields: dict[str, Any]) -> tuple[str, ...]:
    """The request in flags, where the program has them."""
    argv = [str(fields["prompt"])] if "prompt" in fields else []
    argv += ["--model", found.id]
    for name, value in fields.items():
        param = mode.param(name)
        flags = flags_of(catalog, param) if param else []
        if flags:
            for one in value if isinstance(value, list) else [value]:
                argv += [flags[0].name, str(one)]
        elif name != "prompt":
            argv += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return (*argv, "--async") if "async" in mode.when else tuple(argv)
