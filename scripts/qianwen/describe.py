"""`--list-models` and `--describe`: what the rows of a catalogue say, for people as a page and for programs as JSON.

Nothing is sent and no key is needed. Every word and number is the rows' own; the documents use the same words.
"""

from __future__ import annotations

import shlex
import textwrap
from fnmatch import fnmatchcase
from itertools import zip_longest

from . import regions
from .errors import UsageError
from .flags import WIDTH, entry
from .models import specimens, words
from .models.catalog import GIVEN, Found, find, why_not
from .models.specimens import flags_of
from .spelling import nearest
from .work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, Mapping

    from .models.catalog import Catalog, Mode, Model, Param

LIST_WIDTH = 110
MAKERS_HINT = "its maker's page has its fields; they are passed on as they are (references/execution-guide.md)"
NEAREST = 3
LIKENESS = 0.4  # a guess is only a hint here, so it may be a bold one


class ListModels(Work):
    """Every row, in groups by what it works from. The examples are left to `--describe`: the JSON is long enough."""

    def run(self) -> None:
        if self.ask.print_response:
            from .models import schema

            rows = (Found(model, model.id) for model in self.catalog.models)
            self.outcome.models = [schema.of_model(self.catalog, found, with_examples=False) for found in rows]
        else:
            self.outcome.page = list(list_lines(self.catalog))


class Describe(Work):
    """One row, for an id that it is named by or that its rules are for."""

    def run(self) -> None:
        found = resolve(self.catalog, self.ask.describe)
        self.outcome.model = found.id
        if found.note:
            self.warn(found.note)
        if self.ask.print_response:
            from .models import schema

            self.outcome.models = [schema.of_model(self.catalog, found)]
        else:
            self.outcome.page = list(page_lines(self.catalog, found, f"python3 {shlex.quote(self.world.script)}"))


def resolve(catalog: Catalog, model_id: str) -> Found:
    """The row for an id, as a request would find it. Raises UsageError for one that is of no family."""
    found = find(catalog, model_id)
    if found is None:
        message, hint = why_not(catalog, model_id)
        program, _ = catalog.elsewhere
        raise UsageError(message, hint=f"{program} --describe {shlex.quote(model_id)}" if program in hint else hint)
    if catalog.makers and found.model is catalog.makers[0]:
        raise UsageError(f"of {model_id} nothing is known here", hint=MAKERS_HINT)
    of_a_family = any(fnmatchcase(model_id, pattern) for pattern, _ in catalog.families if pattern != "*")
    if found.exact or of_a_family:
        return found
    known = [name for model in catalog.models for name in (model.id, *model.aliases)]
    near = nearest(model_id.lower(), known, NEAREST, LIKENESS)
    listed = f"{catalog.program} --list-models shows all"
    hint = f"the nearest: {', '.join(near)}; {listed}" if near else listed
    raise UsageError(f"{model_id!r} is no model that {catalog.program} knows", hint=hint)


# The list -------------------------------------------------------------------------------------------------


def list_lines(catalog: Catalog) -> Iterator[str]:
    """All models in groups; each line is at most `LIST_WIDTH` wide."""
    columns = VIDEO_COLUMNS if catalog.kinds else IMAGE_COLUMNS
    yield from _table_row(columns, columns)
    group = ""
    for model in sorted(catalog.models, key=lambda model: _groups(catalog).index(_group(catalog, model))):
        if _group(catalog, model) != group:
            group = _group(catalog, model)
            yield from ("", f"{group}:")
        yield from _table_row(columns, (model.id, *_facts(catalog, model)))
    yield ""
    yield from textwrap.wrap(f"Regions: {'; '.join(_legend(catalog))}.", LIST_WIDTH)
    if any(_how(model) == EITHER for model in catalog.models):
        yield "Answers: either is at once, or as a task with --async."
    yield f"{catalog.program} --describe MODEL tells all of one. Dated snapshots and newer ids are passed on."


IMAGE_COLUMNS = {"MODEL": 26, "WHAT IT DOES": 28, "SIZES": 18, "A CALL": 7, "ANSWERS": 7, "REGIONS": 12}
VIDEO_COLUMNS = {"MODEL": 25, "WHAT IT DOES": 28, "RESOLUTION": 18, "SECONDS": 8, "ANSWERS": 7, "REGIONS": 12}
"""Head of a column → its width in characters; two stand between columns."""


def _table_row(columns: dict[str, int], cells: Iterable[str]) -> Iterator[str]:
    """Cells beside each other, each wrapped to its column."""
    wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(cells, columns.values())]
    for parts in zip_longest(*wrapped, fillvalue=""):
        line = "  ".join(f"{part:<{width}}" for part, width in zip(parts, columns.values()))
        yield f"  {line}".rstrip()


def _facts(catalog: Catalog, model: Model) -> tuple[str, ...]:
    """What stands behind the id in the list."""
    names = " ".join(_short_regions(model.regions))
    how = _how(model)
    if catalog.kinds:
        others = f" ({', '.join(model.kinds)})" if len(model.kinds) > 1 else ""
        return (
            model.summary + others,
            words.resolutions(model),
            words.seconds_of(model.modes[0]).partition(";")[0],
            how,
            names,
        )
    counts = [words.count_of(mode) for mode in model.modes]
    most = max(high for _, high in counts)
    what = "; ".join(filter(None, (model.summary, words.ending(model))))
    return what, words.size_in_short(model.modes[-1]), words.span(1, most), how, names


EITHER = "either"


def _how(model: Model) -> str:
    """How it answers, in a word."""
    sync, task = any(mode.sync for mode in model.modes), any(mode.task for mode in model.modes)
    return EITHER if sync and task else "task" if task else "at once"


def _groups(catalog: Catalog) -> list[str]:
    """The heads of the list, in their order."""
    if catalog.kinds:
        return [ANY_WAY, *(f"{kind}: {words.KINDS[kind]}" for kind in catalog.kinds)]
    return [FROM_TEXT, FROM_BOTH, FROM_PICTURES]


ANY_WAY = "several ways, by what is given"
FROM_TEXT, FROM_BOTH, FROM_PICTURES = "from text", "from text, with or without pictures", "from pictures"


def _group(catalog: Catalog, model: Model) -> str:
    if catalog.kinds:
        own = model.kinds[:1] if words.has_own_way(model) else ()
        return next((head for head in _groups(catalog) if head.partition(":")[0] in own), ANY_WAY)
    usual = model.modes[-1].params
    if any(param.media and words.must(param) for param in usual):
        return FROM_PICTURES
    return FROM_BOTH if any(param.media for param in usual) else FROM_TEXT


def _short_regions(names: Iterable[str]) -> list[str]:
    short = {region.id: region.alias or region.id for region in regions.TABLE}
    return [short.get(name, name) for name in names]


def _legend(catalog: Catalog) -> Iterator[str]:
    """What the short names of regions mean, for those that have models."""
    named = dict.fromkeys(region for model in catalog.models for region in model.regions)
    for short, region in zip(_short_regions(named), named):
        yield f"{short} is {region} ({regions.PLACES[region]})"


# One model ------------------------------------------------------------------------------------------------


def page_lines(catalog: Catalog, found: Found, command: str) -> Iterator[str]:
    """All about one model. command: how the examples call the program."""
    model = found.model
    shared = [param for param in model.modes[0].params if all(param in mode.params for mode in model.modes)]
    several = len(model.modes) > 1
    yield from textwrap.wrap(f"{found.id}: {words.summary(catalog, model)}", WIDTH)
    yield ""
    yield from _entries(_head(catalog, found))
    yield from ("", f"Fields{' of every mode' if several else ''}; set by a flag, --set FIELD=VALUE or --request JSON")
    yield from _entries(_fields(catalog, model.modes[0], shared, {}))
    if several:
        yield from ("", "Of these modes the first that applies counts.")
    for mode in model.modes:
        if several:
            yield from ("", f"Mode {mode.name}: {words.bare(words.condition(mode))}")
            yield from _entries(_of_mode(catalog, mode))
        yield from _entries(_fields(catalog, mode, [param for param in mode.params if param not in shared], mode.when))
        yield from _entries(("rule", sentence) for sentence in words.rules_of(model, mode))
        yield from _examples(catalog, found, mode, command)
    yield ""
    if any(param.media for mode in model.modes for param in mode.params):
        yield "Files are local paths, http(s) or oss:// addresses, or data: URLs where nothing else is said;"
        yield "MB are at most, sides are in pixels."
    yield "With --dry-run behind it an example shows its request and sends nothing."


def _head(catalog: Catalog, found: Found) -> Iterator[tuple[str, str]]:
    """What is true of all modes."""
    model = found.model
    if model.id != found.id:
        yield "rules of", model.id
    if model.aliases:
        yield "also spelled", ", ".join(model.aliases)
    if catalog.kinds:
        yield "--mode", ", ".join(model.kinds) or "any"
        yield "sound", words.sound(model)
    shorts = zip(_short_regions(model.regions), model.regions)
    yield "regions", ", ".join(f"{short} ({region})" for short, region in shorts)
    if len(model.modes) == 1:
        yield from _of_mode(catalog, model.modes[0])
    if found.ending:
        yield "ends", words.ending(model)
    yield "source", f"Model Studio, page {model.source}; checked {model.checked}"


def _of_mode(catalog: Catalog, mode: Mode) -> Iterator[tuple[str, str]]:
    either = " (--async)" if mode.sync and mode.task else ""
    usual = f"; usually takes {mode.usual}" if mode.usual else ""
    patience = f"; {words.giving_up(mode)}" if words.giving_up(mode) else ""
    yield "answers", words.answers(mode) + either + usual + patience
    yield "bills", words.bill_words(mode, catalog.unit)


def _fields(
    catalog: Catalog, mode: Mode, params: Iterable[Param], when: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """The fields, each followed by its sizes where it has some. when: what they must be in this mode."""
    for param in params:
        wanted = when.get(param.name, GIVEN)
        yield (
            param.name,
            _field(catalog, mode, param) if wanted is GIVEN else f"{param.meaning} · {words.plain(wanted)}",
        )
        yield from (("  " + name, text) for name, text in _sizes(mode, param))


def _field(catalog: Catalog, mode: Mode, param: Param) -> str:
    """All about a field, in one paragraph."""
    default = words.default_of(param)
    said = [
        param.meaning,
        words.values_of(param, mode),
        f"default {default}" if default else "",
        *(words.size_notes(param.size) if param.size else ()),
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
    """Command lines that validation has taken. They are not wrapped: they are there to be copied."""
    yield ""
    for specimen in specimens.of_mode(catalog, found, mode):
        unit = catalog.unit + "s" * (specimen.units != 1)
        yield f"  {command} {' '.join(map(shlex.quote, specimen.argv))}  # bills at most {specimen.units} {unit}"


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in entries:
        yield from entry(name, words.bare(text)).splitlines()
