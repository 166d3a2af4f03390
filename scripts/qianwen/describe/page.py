"""`--list-models` and `--describe`: what the rows of a catalogue say, for people as a page and for programs as JSON.

Nothing is sent and no key is needed. Every number comes from the rows; the documents use the same words.
"""

from __future__ import annotations

import shlex
import textwrap

from ..checks.defaults import not_an_id
from ..command.flags import WIDTH, entry
from ..errors import UsageError
from ..models.catalog import GIVEN, Found, find, matches, why_not
from ..plain.spelling import nearest
from . import examples, wording
from .examples import flags_of
from .listing import short_regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, Mapping

    from ..models.catalog import Catalog, Mode, Param

MAKERS_HINT = "its maker's page has its fields; they are passed on as they are (references/new-models.md)"
NEAREST = 3
LIKENESS = 0.4  # a wrong guess costs nothing here


def resolve(catalog: Catalog, model_id: str) -> Found:
    """The row that a request for this id would use. Raises UsageError for an id of no known family."""
    misspelt = not_an_id(catalog, model_id)
    if misspelt:
        listed = misspelt.allowed or misspelt.nearest
        raise UsageError(
            f"{model_id!r} {misspelt.message}",
            hint=f"the nearest: {listed}, and {catalog.program} --list-models shows all",
        )
    found = find(catalog, model_id)
    if found is None:
        message, hint = why_not(catalog, model_id)
        program, _ = catalog.elsewhere
        raise UsageError(message, hint=f"{program} --describe {shlex.quote(model_id)}" if program in hint else hint)
    if catalog.makers and found.model is catalog.makers[0]:
        raise UsageError(f"{model_id} has no description here", hint=MAKERS_HINT)
    of_a_family = matches(model_id, (pattern for pattern, _ in catalog.families if pattern != "*"))
    if found.exact or of_a_family:
        return found
    known = [name for model in catalog.models for name in (model.id, *model.aliases)]
    near = nearest(model_id.lower(), known, NEAREST, LIKENESS)
    listed = f"{catalog.program} --list-models shows all"
    hint = f"the nearest: {', '.join(near)}; {listed}" if near else listed
    raise UsageError(f"{model_id!r} is not a model that {catalog.program} knows", hint=hint)


# One model ------------------------------------------------------------------------------------------------


def page_lines(catalog: Catalog, found: Found, script: str, width: int = WIDTH) -> Iterator[str]:
    """Everything about one model. script: the path of the program, for the examples. width: in columns."""
    command = f"python3 {shlex.quote(script)}"
    model = found.model
    shared = [param for param in model.modes[0].params if all(param in mode.params for mode in model.modes)]
    several = len(model.modes) > 1
    yield from textwrap.wrap(f"{found.id}: {wording.summary(catalog, model)}", width)
    yield ""
    yield from _entries(width, _head(catalog, found))
    fields = f"Fields{' of every mode' if several else ''}; set by a flag, --set FIELD=VALUE or --request JSON"
    yield from ("", *textwrap.wrap(fields, width))
    yield from _entries(width, _fields(catalog, model.modes[0], shared, {}))
    if several:
        yield from ("", "The first of these modes that applies counts.")
    for mode in model.modes:
        if several:
            yield from ("", *textwrap.wrap(f"Mode {mode.name}: {wording.bare(wording.condition(mode))}", width))
            yield from _entries(width, _of_mode(catalog, mode))
        yield from _entries(
            width, _fields(catalog, mode, [param for param in mode.params if param not in shared], mode.when)
        )
        yield from _entries(width, (("rule", sentence) for sentence in wording.rules_of(model, mode)))
        yield from _examples(catalog, found, mode, command)
    yield ""
    if any(param.media for param in model.params):
        files = "Files are local paths, http(s) or oss:// addresses, or data: URLs unless a field says otherwise;"
        yield from textwrap.wrap(f"{files} MB are maximums, sides are in pixels.", width)
    yield "Add --dry-run to an example to see its request without sending it."


def _head(catalog: Catalog, found: Found) -> Iterator[tuple[str, str]]:
    """What holds for all modes."""
    model = found.model
    if model.id != found.id:
        yield "rules of", model.id
    if model.aliases:
        yield "also spelled", ", ".join(model.aliases)
    if catalog.kinds:
        yield "--mode", ", ".join(model.kinds) or "any"
        yield "sound", wording.sound(model)
    shorts = zip(short_regions(model.regions), model.regions)
    yield "regions", ", ".join(f"{short} ({region})" for short, region in shorts)
    if len(model.modes) == 1:
        yield from _of_mode(catalog, model.modes[0])
    yield "pace", wording.pace(model)
    if found.ending:
        yield "ends", wording.ending(model)
    yield "source", f"Model Studio, page {model.source}; checked {model.checked}"


def _of_mode(catalog: Catalog, mode: Mode) -> Iterator[tuple[str, str]]:
    either = " (--async)" if mode.sync and mode.task else ""
    usual = f"; usually takes {mode.usual}" if mode.usual else ""
    patience = f"; {wording.giving_up(mode)}" if wording.giving_up(mode) else ""
    yield "answers", wording.answers(mode) + either + usual + patience
    yield "bills", wording.bill_words(mode, catalog.unit)


def _fields(
    catalog: Catalog, mode: Mode, params: Iterable[Param], when: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """The fields, each followed by its sizes where it has some. when: what they must be in this mode."""
    for param in params:
        wanted = when.get(param.name, GIVEN)
        yield (
            param.name,
            _field(catalog, mode, param) if wanted is GIVEN else f"{param.meaning} · {wording.plain(wanted)}",
        )
        yield from (("  " + name, text) for name, text in _sizes(mode, param))


def _field(catalog: Catalog, mode: Mode, param: Param) -> str:
    """Everything about a field, in one paragraph."""
    default = wording.default_of(param)
    said = [
        param.meaning,
        wording.values_of(param, mode),
        f"default {default}" if default else "",
        *(wording.size_notes(param.size) if param.size else ()),
        param.remark,
        ", ".join(flag.name for flag in flags_of(catalog, param)),
        f"also {', '.join(param.also)}" if param.also else "",
    ]
    return " · ".join(filter(None, said))


def _sizes(mode: Mode, param: Param) -> Iterator[tuple[str, str]]:
    """Sizes in pixels: of each tier, or of each ratio, the one that the ratio alone means first."""
    if mode.pixels and param.name in ("size", "resolution"):
        for tier, pixels in mode.pixels.items():
            if pixels:
                yield tier, ", ".join(f"{ratio} {text}" for ratio, text in pixels.items())
    elif param.size:
        for ratio, texts in param.size.presets.items():
            yield ratio, ", ".join(texts)


def _examples(catalog: Catalog, found: Found, mode: Mode, command: str) -> Iterator[str]:
    """Command lines that validation accepts. They are not wrapped, so that they can be copied."""
    yield ""
    for specimen in examples.of_mode(catalog, found, mode):
        yield f"  {command} {' '.join(map(shlex.quote, specimen.argv))}  # {specimen.bill}"


def _entries(width: int, entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in entries:
        yield from entry(name, wording.bare(text), width).splitlines()
