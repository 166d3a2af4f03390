"""Rows in words: limits, files, sizes, defaults, modes, rules. `--describe` and the documents use them.

Names and values are in backticks and what matters most is bold, as in Markdown; `bare` removes the marks.
"""

from __future__ import annotations

import math

from ..checks import sizes
from ..checks.media_files import DOCUMENT_SUFFIXES as DOCUMENT
from ..files import conversions
from ..models.catalog import GIVEN, PATIENCE
from ..models.media_items import NOUNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

    from ..models.catalog import Catalog, MediaRule, Mode, Model, Param, Size

REQUIRED = "**required**; "

KINDS = {
    "t2v": "from text",
    "i2v": "from a picture, or a clip to continue",
    "kf2v": "from a first to a last picture",
    "r2v": "subjects from references",
    "vace": "five functions",
    "videoedit": "by words",
}
SOUND = {
    "audio": "can be off",
    "audio_url": "own track",
    "driving_audio_url": "own track",
    "reference_voices": "own voices",
    "audio_setting": "the clip's can be kept",
}


def bare(text: str) -> str:
    """The text without Markdown marks, for a terminal or a program."""
    return text.replace("`", "").replace("**", "")


def code(*names: object) -> str:
    return ", ".join(f"`{name}`" if name != "" else '`""`' for name in names)


def span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:.10g}"


def beside(param: Param) -> str:
    """The legal numbers outside of the bounds."""
    return "".join(f" or {number}" for number in param.beside)


def plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value).replace("<", "`<").replace(">", ">`")


# Fields ---------------------------------------------------------------------------------------------------


def file_words(rule: MediaRule) -> str:
    """What a file must be, in one line."""
    words = ["/".join(map(conversions.name, rule.types)), f"{rule.megabytes} MB"]
    if rule.side:
        low, high = rule.side
        words.append((f"sides {low} to {high}" if high else f"sides from {low}") + " advised" * rule.side_is_advice)
    if rule.ratio:
        words.append(f"ratio to {rule.ratio:g}:1")
    if rule.used_seconds:
        words.append(f"first {rule.used_seconds:g} s used")
    if rule.seconds and not (rule.used_seconds and rule.seconds[0] == 0):
        words.append(f"{rule.seconds[0]:g} to {rule.seconds[1]:g} s")
    if rule.fps:
        words.append(f"{rule.fps[0]:g} to {rule.fps[1]:g} fps" if rule.fps[1] else f"from {rule.fps[0]:g} fps")
    words += ["no transparency"] * (not rule.alpha) + ["ASCII URL"] * rule.ascii_url
    words += ["no data: URL"] * (not rule.data_url)
    return ", ".join(words)


def size_words(param: Param, mode: Mode) -> str:
    rule = param.size
    assert rule
    if mode.pixels:
        return f"W*H of {', '.join(mode.pixels)}, or a ratio"
    return sizes.allowed(rule)


def values_of(param: Param, mode: Mode) -> str:
    """Kind and limits of a field."""
    words = VALUES[param.kind](param, mode) + ("" if param.on_wire else "; not sent")
    words += f"; {plain(param.empty)} is the same as leaving it out" if param.empty is not None else ""
    return (REQUIRED if param.required else "") + words


def _list_words(param: Param, mode: Mode) -> str:
    counted = f"list of {span(param.low, param.high)}" + (", null leaves a gap" if param.gaps else "")
    return f"{counted}: {files_words(param)}"


def files_words(param: Param) -> str:
    if len(param.media) == 1:
        return file_words(param.media[0])
    return "; or ".join(f"a {NOUNS[rule.types[0].partition('/')[0]]} {file_words(rule)}" for rule in param.media)


VALUES: Mapping[str, Callable[[Param, Mode], str]] = {
    "text": lambda param, mode: (
        f"text, {param.longest} {param.unit}" + " advised" * param.longest_is_advice if param.longest else "text"
    ),
    "integer": lambda param, mode: f"integer {span(param.low, param.high)}" + beside(param),
    "number": lambda param, mode: f"number {span(param.low, param.high)}",
    "switch": lambda param, mode: "true or false",
    "choice": lambda param, mode: code(*param.choices),
    "size": size_words,
    "media": lambda param, mode: files_words(param),
    "media list": _list_words,
    "document": lambda param, mode: f"{DOCUMENT}, 100 MB, no data: URL",
    "link": lambda param, mode: "http(s) address, not uploaded",
    "types": lambda param, mode: "a list of " + ", ".join(f"`{choice}`" for choice in param.choices) + " or null",
    "structure": lambda param, mode: "list",
}


def default_of(param: Param) -> str:
    """The service's default, and what is sent when the field is left out."""
    if param.send is None:
        return plain(param.default) if param.default is not None else ""
    sent = "sent" if param.send == param.default else f"**we send {plain(param.send)}**"
    return ", ".join(filter(None, (plain(param.default) if param.default is not None else "", sent)))


# Modes ----------------------------------------------------------------------------------------------------


def condition(mode: Mode) -> str:
    """What puts a request into a mode."""
    said = [f"`{name}`" if wanted is GIVEN else f"`{name}` {plain(wanted)}" for name, wanted in mode.when.items()]
    said = ["`--async`" if name == "`async` true" else name for name in said]
    said += [" or ".join(f"`{name}`" for name in mode.when_any)] if mode.when_any else []
    return "with " + " and ".join(said) if said else "otherwise"


def has_functions(modes: tuple[Mode, ...]) -> bool:
    return all("function" in mode.when for mode in modes)


def usual_units(mode: Mode) -> object:
    """The most units that are billed when the request sets no number."""
    param = mode.param(mode.bills)
    return ((param.send or param.default) if param else None) or mode.most


def bill_words(mode: Mode, unit: str) -> str:
    """What is paid for, counted in `unit`s."""
    param, usual = mode.param(mode.bills), usual_units(mode)
    if param is None:
        text = f"every {unit} made, at most {mode.most}"
    elif param.choices == (usual,) or param.low == param.high == usual:
        text = f"{usual} {unit}" + "s" * (usual != 1)
    else:
        text = f"every {unit} made, at most `{param.name}` ({usual} unless given)"
    if mode.bills_by_area:
        text += f", at the price of its size ({price_tiers(mode)}), and every picture that is sent"
    text += f", and every {unit} of the clips that are sent" if mode.bills_clips else ""
    text += f"; {mode.most_in_all} {unit}s at most in all" if mode.most_in_all else ""
    return text + (f"; {mode.unconfirmed}" if mode.unconfirmed else "")


def price_tiers(mode: Mode) -> str:
    """The price tiers of a mode's sizes, with the largest area of each."""
    param = mode.param("size")
    areas = param.size.areas if param and param.size else {}
    return ", ".join(f"{name} up to {most:,} pixels" for name, most in areas.items())


def has_own_way(model: Model) -> bool:
    """Whether all modes of a model are one way of working; else what is given chooses one of several."""
    return len({mode.name.partition(" ")[0] for mode in model.modes}) == 1 or has_functions(model.modes)


def giving_up(mode: Mode) -> str:
    """When the service gives a task up, where that is not the usual."""
    return f"given up by the service after {mode.patience // 60} hours" if mode.patience != PATIENCE else ""


def rules_of(model: Model, mode: Mode) -> list[str]:
    """The sentences of a mode's rules, without those about fields that only other modes of the model have."""
    others = {param.name for param in model.params if not mode.param(param.name)}
    said = (rule.sentence for rule in mode.rules)
    return [sentence for sentence in said if not any(f"`{name}`" in sentence for name in others)]


# Models ---------------------------------------------------------------------------------------------------


def summary(catalog: Catalog, model: Model) -> str:
    """What a model does; "the same" is resolved to the row above that it refers to."""
    base = _same_as(catalog, model)
    return f"like {base.id} ({base.summary}): {model.summary}" if base else model.summary


def in_short(catalog: Catalog, model: Model) -> str:
    """What a model does, in a few words; "the same" names the row that it refers to."""
    base = _same_as(catalog, model)
    return model.summary.replace(SAME, f"like {base.id}", 1) if base else model.summary


def _same_as(catalog: Catalog, model: Model) -> Model | None:
    """The row above that "the same" refers to."""
    if not model.summary.startswith(SAME):
        return None
    above = catalog.models[: catalog.models.index(model)]
    return next(row for row in reversed(above) if not row.summary.startswith(SAME))


def ending(model: Model) -> str:
    """The announced end of a model and its replacement; "" for the others."""
    return f"announced to end on {model.ends}; replacement {model.replacement}" if model.ends else ""


SAME = "the same"


def answers(*modes: Mode) -> str:
    ways = [("at once", any(mode.sync for mode in modes)), ("as a task", any(mode.task for mode in modes))]
    return " or ".join(said for said, there in ways if there)


def resolutions(model: Model) -> str:
    mode = next((mode for mode in model.modes if mode.param("size")), model.modes[0])
    param, ratio = mode.param("resolution"), mode.param("ratio")
    tiers = ", ".join(map(str, param.choices)) if param else ", ".join(mode.pixels)
    if not ratio:
        return tiers if mode.param("size") else f"{tiers}; shape of the input" if tiers else "as the input"
    return f"{tiers}; {len(ratio.choices)} ratios"


def seconds_of(mode: Mode) -> str:
    param = mode.param("duration")
    if param is None:
        return f"as the {'sound' if mode.lasts == 'audio_url' else 'clip'}, up to {mode.most}"
    if param.kind == "integer":
        return span(param.low, param.high) + "; as the clip unless given" * (param.default is None)
    numbers = [choice for choice in param.choices if isinstance(choice, int)]
    in_a_row = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    text = span(numbers[0], numbers[-1]) if in_a_row else " or ".join(", ".join(map(str, numbers)).rsplit(", ", 1))
    return text + ("; as the clip unless given" if param.default is None else "")


def sound(model: Model) -> str:
    """Whether the video has sound, and what its fields can change about it."""
    if model.sound != "yes":
        return model.sound
    fields = {param.name for param in model.params}
    return "; ".join(["yes", *(words for field, words in SOUND.items() if field in fields)])


def count_of(mode: Mode) -> tuple[float, float]:
    """The fewest and the most pictures of one call."""
    param = mode.param(mode.bills)
    return (param.low or 1, param.high) if param and param.high > 1 else (1, 1)


def size_in_short(mode: Mode) -> str:
    param = mode.param("size")
    rule = param.size if param else None
    if not rule:
        return "as the input"
    if rule.fixed:
        return f"{sum(map(len, rule.presets.values()))} fixed sizes"
    if rule.area:
        low, high = (f"{bound / 1e6:.1f}" for bound in rule.area)
        return ", ".join([*rule.tiers, *rule.areas]) or f"{low} to {high} megapixels"
    return f"sides {span(*rule.side)}" if rule.side else "free"


def size_notes(rule: Size) -> list[str]:
    """What else is known about the sizes of a mode."""
    notes = [f"{tier} is about {math.isqrt(area)}² pixels" for tier, area in rule.tiers.items()]
    for tier in rule.areas:
        notes.append(f"{tier} is the square {sizes.judge(tier, rule).size}")
    if rule.areas:
        tier, most = next(iter(rule.areas.items()))
        notes.append(f"a ratio alone takes its largest size of the {tier} tier (up to {most:,} pixels)")
    if not rule.default:
        notes.append("without it the model chooses")
    if rule.advised_area:
        low, high = map(math.isqrt, rule.advised_area)
        notes.append(f"an area of {low}² to {high}² is advised")
    if rule.snap > 1:
        notes.append(f"the service rounds both sides to multiples of {rule.snap}")
    if rule.follows:
        notes.append(
            f"without it the shape is that of the last picture given, about {math.isqrt(rule.follows)}² pixels"
        )
    return notes


def pace(model: Model) -> str:
    """How fast one account may use a model, for batches."""
    limits = model.pace
    counts = [f"{_rate(limits.rate)}" + (f" ({_rate(limits.elsewhere)} outside Beijing)" if limits.elsewhere else "")]
    counts += [f"{limits.running} task{'s' * (limits.running != 1)} at once"] if limits.running else []
    known = f"page {limits.source}, as of {limits.checked}" if limits.source else "a guess: not fully documented"
    return f"{', '.join(counts)} per account ({known})"


def _rate(rate: float) -> str:
    return (
        f"{rate:g} requests a second"
        if rate > 1
        else "1 request a second"
        if rate == 1
        else f"{rate * 60:g} requests a minute"
    )
