"""The text of --help."""

from __future__ import annotations

from ..models.catalog import GIVEN, Catalog, Flag
from .flags import EXIT_CODES, HELP_COLUMN, entry, groups


def help_text(catalog: Catalog) -> str:
    """What --help prints."""
    program = f"python3 {catalog.program}"
    flags = "\n\n".join(f"{title}:\n" + "".join(map(_flag, rows)).rstrip() for title, rows in groups(catalog))
    models = "\n".join(f"  {model.id:<{HELP_COLUMN}} {model.summary}" for model in catalog.models)
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES)
    examples = "\n".join(f"  {program} {example}" for example in catalog.examples)
    return f"""\
usage: {catalog.program} [PROMPT] [--model ID] [--output PATH] [--print-response] [more flags]

{catalog.purpose}
PROMPT is what to make; - reads it from stdin. The saved paths go to stdout, one a line; everything for people
goes to stderr. Files go to output/{catalog.folder}/ unless --output says otherwise.

{flags}

examples:
{examples}

models (dated snapshots and newer ids are passed on):
{models}

without --model:
{_defaults(catalog)}

exit codes:
{codes}
"""


def _defaults(catalog: Catalog) -> str:
    """One line per default model: the fields that choose it."""
    conditions: dict[str, list[str]] = {}
    for default in catalog.defaults:
        terms = (f"--{name} {value}" if value != GIVEN else name for name, value in default.when.items())
        conditions.setdefault(default.model, []).append(" and ".join(terms) or "text alone")
    return "\n".join(
        entry(model_id, f"with {', or '.join(alternatives)}").rstrip() for model_id, alternatives in conditions.items()
    )


def _flag(flag: Flag) -> str:
    names = ", ".join(filter(None, (flag.short, flag.name))) + (f" {flag.metavar}" if flag.metavar else "")
    return entry(names, flag.help)
