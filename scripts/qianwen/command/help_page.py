"""The texts of --help, which fits a first screen, and of --help-all."""

from __future__ import annotations

from ..models.catalog import GIVEN, Catalog, Flag
from .flags import EXIT_CODES, FIRST, WIDTH, entry, groups, rows

NARROW = 24  # characters before the text of a flag on the first screen


def first_screen(catalog: Catalog, width: int = WIDTH) -> str:
    """What --help prints: the flags that are used most, and where the rest is. width: of the terminal, in columns."""
    known = {flag.name: flag for flag in rows(catalog)}
    flags = "".join(_cut(_names(known[name]), known[name].help, width) for name in FIRST if name in known)
    lines = [f"  python3 {catalog.program} {example}" for example in catalog.examples]
    examples = "\n".join([line for line in lines if len(line) < width][:2])
    rest = "Every flag and exit code: --help-all. Models: --list-models, --describe MODEL."
    return f"""\
usage: {catalog.program} PROMPT [flags]        {catalog.purpose.partition(" with ")[0]}

{flags}
{examples}

{rest}
"""


def help_text(catalog: Catalog, width: int = WIDTH) -> str:
    """What --help-all prints. width: in columns."""
    import textwrap

    flags = "\n\n".join(
        f"{title}:\n" + "".join(entry(_names(flag), flag.help, width) for flag in group).rstrip()
        for title, group in groups(catalog)
    )
    codes = "".join(entry(f"{code:>3}", meaning, width, 9) for code, meaning in EXIT_CODES)
    examples = "\n".join(f"  python3 {catalog.program} {example}" for example in catalog.examples)
    prose = (
        f"{catalog.purpose} PROMPT says what to make; - reads it from stdin. The paths of saved files go to stdout, "
        f"one per line; everything else goes to stderr. Files go to output/{catalog.folder}/ unless you give --output."
    )
    return f"""\
usage: {catalog.program} [PROMPT] [--model ID] [--output PATH] [more flags]

{textwrap.fill(prose, width)}

{flags}

examples:
{examples}

without --model{" and --mode" * bool(catalog.kinds)}, the first that applies:
{_defaults(catalog, width)}

exit codes:
{codes}"""


def _defaults(catalog: Catalog, width: int) -> str:
    """One entry per default model: what chooses it, in flags. The modes are in references/models.md."""
    flags = {flag.field: flag.name for flag in reversed(catalog.flags)}
    conditions: dict[str, list[str]] = {}
    for default in (default for default in catalog.defaults if "mode" not in default.when):
        terms = (
            flags.get(name, f"--set {name}=…") if value == GIVEN else f"{flags.get(name, name)} {value}"
            for name, value in default.when.items()
        )
        conditions.setdefault(default.model, []).append(" and ".join(terms) or "text alone")
    return "".join(
        entry(model_id, f"with {', or '.join(dict.fromkeys(alternatives))}", width)
        for model_id, alternatives in conditions.items()
    ).rstrip()


def _names(flag: Flag) -> str:
    return ", ".join(filter(None, (flag.short, flag.name))) + (f" {flag.metavar}" if flag.metavar else "")


def _cut(names: str, text: str, width: int) -> str:
    """A flag on one line; a text that is too long ends at a word."""
    room = width - NARROW - 4
    if len(text) > room:
        text = text[: room - 1].rpartition(" ")[0].rstrip(",;:") + " …"
    return f"  {names:<{NARROW}}  {text}\n"
