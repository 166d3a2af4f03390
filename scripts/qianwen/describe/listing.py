"""The list of all models, as a table for a terminal."""

from __future__ import annotations

import textwrap

from .. import regions
from . import wording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, Mapping

    from ..models.catalog import Catalog, Model

SAYS_SOMETHING = 20  # characters of the last column that are worth a line; other columns make room for them
WHAT = "WHAT IT DOES"
LEAST = ("ANSWERS", "REGIONS")  # left out where the terminal is narrow, in this order


def list_lines(catalog: Catalog, width: int = 0) -> Iterator[str]:
    """All models in groups, one a line. width: of the terminal, in columns; 0 for no bound."""
    rows = {model.id: facts(catalog, model) for model in catalog.models}
    columns = _columns(rows.values(), width)
    usual = {default.model for default in catalog.defaults}
    yield _line("MODEL", {name: name for name in columns}, columns)
    group = ""
    for model in sorted(catalog.models, key=lambda model: _groups(catalog).index(_group(catalog, model))):
        if _group(catalog, model) != group:
            group = _group(catalog, model)
            yield from ("", f"{group}:")
        yield _line(model.id, rows[model.id], columns, "*" if model.id in usual else " ")
    yield ""
    legend = [f"Regions: {'; '.join(_legend(catalog))}."] if "REGIONS" in columns else []
    if any(_how(model) == EITHER for model in catalog.models) and "ANSWERS" in columns:
        legend.append("Answers: either is at once, or as a task with --async.")
    legend.append(
        f"* is a default without --model, depending on what is given; {catalog.program} --help-all says when."
    )
    legend.append(f"{catalog.program} --describe MODEL shows one in full. Dated snapshots and newer ids work too.")
    for text in legend:
        yield from textwrap.wrap(text, width or 110, break_on_hyphens=False)


def _columns(rows: Iterable[Mapping[str, str]], width: int) -> dict[str, int]:
    """Heading → width of the columns after the id. The last, what a model does, takes the room that is left."""
    said = list(rows)
    wide = {name: max(len(name), *(len(row[name]) for row in said)) for name in said[0]}
    for name in (*LEAST, ""):
        rest = (width or 1000) - ID - sum(size + 2 for column, size in wide.items() if column != WHAT) - 2
        if rest >= SAYS_SOMETHING or not name:
            break
        wide.pop(name, None)
    wide[WHAT] = min(wide[WHAT], max(rest, SAYS_SOMETHING // 2))
    return wide


ID = 28  # characters of the id, its mark and a blank


def _line(model_id: str, row: Mapping[str, str], columns: Mapping[str, int], mark: str = " ") -> str:
    cells = [f"{_cut(row[name], size):<{size}}" for name, size in columns.items()]
    return "  ".join([f"{mark} {model_id:<{ID - 2}}", *cells]).rstrip()


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1].rstrip(" ,;:(") + "…"


def facts(catalog: Catalog, model: Model) -> dict[str, str]:
    """What the list says of a model, by the heading of the column."""
    others = f" ({', '.join(model.kinds)})" if len(model.kinds) > 1 else ""
    what = "; ".join(filter(None, (wording.in_short(catalog, model) + others, wording.ending(model))))
    last = {"ANSWERS": _how(model), "REGIONS": " ".join(short_regions(model.regions))}
    if catalog.kinds:
        seconds = wording.seconds_of(model.modes[0]).partition(";")[0]
        seconds = seconds.replace("as the clip, ", "").replace("as the sound, ", "").replace(" or ", ", ")
        tiers = wording.resolutions(model).partition(";")[0]
        return {"RESOLUTION": tiers, "SECONDS": seconds, **last, WHAT: what}
    most = max(high for _, high in map(wording.count_of, model.modes))
    return {"SIZES": wording.size_in_short(model.modes[-1]), "A CALL": wording.span(1, most), **last, WHAT: what}


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
    if any(param.media and param.is_needed for param in usual):
        return FROM_PICTURES
    return FROM_BOTH if any(param.media for param in usual) else FROM_TEXT


def short_regions(names: Iterable[str]) -> list[str]:
    """The names as --region takes them, in the same order."""
    short = {region.id: region.alias or region.id for region in regions.TABLE}
    return [short.get(name, name) for name in names]


def _legend(catalog: Catalog) -> Iterator[str]:
    """What the short names of regions mean, for those that have models."""
    named = dict.fromkeys(region for model in catalog.models for region in model.regions)
    for short, region in zip(short_regions(named), named):
        yield f"{short} is {region} ({regions.PLACES[region]})"


ANY_WAY = "several ways, by what is given"
