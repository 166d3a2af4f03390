"""The list of all models, as a table for a terminal."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

from .. import regions
from . import wording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator

    from ..models.catalog import Catalog, Model

LIST_WIDTH = 110


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
    yield f"{catalog.program} --describe MODEL shows everything about one. Dated snapshots and newer ids are passed on."


IMAGE_COLUMNS = {"MODEL": 26, "WHAT IT DOES": 28, "SIZES": 18, "A CALL": 7, "ANSWERS": 7, "REGIONS": 12}

VIDEO_COLUMNS = {"MODEL": 25, "WHAT IT DOES": 28, "RESOLUTION": 18, "SECONDS": 8, "ANSWERS": 7, "REGIONS": 12}
"""Heading of a column → its width in characters; two spaces separate columns."""


def _table_row(columns: dict[str, int], cells: Iterable[str]) -> Iterator[str]:
    """The cells of a row, each wrapped to its column."""
    wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(cells, columns.values())]
    for parts in zip_longest(*wrapped, fillvalue=""):
        line = "  ".join(f"{part:<{width}}" for part, width in zip(parts, columns.values()))
        yield f"  {line}".rstrip()


def _facts(catalog: Catalog, model: Model) -> tuple[str, ...]:
    """The columns after the id."""
    names = " ".join(_short_regions(model.regions))
    how = _how(model)
    if catalog.kinds:
        others = f" ({', '.join(model.kinds)})" if len(model.kinds) > 1 else ""
        return (
            model.summary + others,
            wording.resolutions(model),
            wording.seconds_of(model.modes[0]).partition(";")[0],
            how,
            names,
        )
    counts = [wording.count_of(mode) for mode in model.modes]
    most = max(high for _, high in counts)
    what = "; ".join(filter(None, (model.summary, wording.ending(model))))
    return what, wording.size_in_short(model.modes[-1]), wording.span(1, most), how, names


EITHER = "either"


def _how(model: Model) -> str:
    """How it answers, in a word."""
    sync, task = any(mode.sync for mode in model.modes), any(mode.task for mode in model.modes)
    return EITHER if sync and task else "task" if task else "at once"


def _groups(catalog: Catalog) -> list[str]:
    """The headings of the list, in their order."""
    if catalog.kinds:
        return [ANY_WAY, *(f"{kind}: {wording.KINDS[kind]}" for kind in catalog.kinds)]
    return [FROM_TEXT, FROM_BOTH, FROM_PICTURES]


FROM_TEXT, FROM_BOTH, FROM_PICTURES = "from text", "from text, with or without pictures", "from pictures"


def _group(catalog: Catalog, model: Model) -> str:
    if catalog.kinds:
        own = model.kinds[:1] if wording.has_own_way(model) else ()
        return next((head for head in _groups(catalog) if head.partition(":")[0] in own), ANY_WAY)
    usual = model.modes[-1].params
    if any(param.media and wording.must(param) for param in usual):
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


ANY_WAY = "several ways, by what is given"
