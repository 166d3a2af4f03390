"""Whether a media field's files fit: type, weight, pixels, length, pictures a second, all from their own headers.

A URL is not opened; what cannot be known is not judged.
"""

from __future__ import annotations

import math

from ..files import conversions
from ..files.documents import DOCUMENTS, inside, suffix_of
from ..files.media import Facts
from ..models.catalog import MediaRule, Param, Source
from ..models.media_items import NOUNS
from ..plain.record import changed
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

    from ..files.media import Facts

DATA_URL_ADVICE = 10_485_760  # encoded bytes; documented for the vision models, applied here as a warning
ROUNDING_SECONDS = 0.1  # a clip "of ten seconds" often has a few frames more
ROUNDING_FPS = 0.5


def media_list(param: Param, value: object, findings: Findings) -> object:
    if not isinstance(value, list):
        findings.problem(param.name, value, "type", "is no list", "a list of files or URLs")
        return value
    low, high = int(param.low or 0), int(param.high or 0)
    if not low <= len(value) <= high:
        noun = _sorts(param)
        counted = f"holds {len(value)} {noun}" + ("s" if len(value) != 1 else "")
        findings.problem(param.name, value, "count", counted, f"{low} to {high}")
    return [
        None if param.gaps and item in (None, "") else _one(param, f"{param.name}[{index}]", item, findings)
        for index, item in enumerate(value)
    ]


def media(param: Param, value: object, findings: Findings) -> object:
    return _one(param, param.name, value, findings)


def _sorts(param: Param) -> str:
    """What the field takes, as a word."""
    sorts = {NOUNS[kind.partition("/")[0]] for rule in param.media for kind in rule.types}
    return sorts.pop() if len(sorts) == 1 else "reference"


def _one(param: Param, path: str, value: object, findings: Findings) -> object:
    if not isinstance(value, str) or not value.strip():
        findings.problem(path, value, "type", "is no file and no URL", "one path, or an https:, oss: or data: URL")
        return value
    source = findings.inspect(value)
    findings.sources[path] = source
    if source.fault:
        findings.problem(path, source.shown, "file", source.fault, nearest=source.nearest)
    elif source.scheme in ("file", "data"):
        _judge(param, path, source, findings)
    elif not source.text.isascii() and any(rule.ascii_url for rule in param.media):
        findings.problem(path, source.text, "format", "holds characters outside ASCII", "a URL in ASCII")
    return value


def _judge(param: Param, path: str, source: Source, findings: Findings) -> None:
    kinds = [kind for rule in param.media for kind in rule.types]
    kind = source.facts.type if source.facts else ""
    rule = next((rule for rule in param.media if kind in rule.types), None)
    if source.facts is None or rule is None:
        said = f"is {_named(kind, kinds, source)}" if kind else f"is of no known {_sorts(param)} format"
        findings.problem(path, source.shown, "format", said, ", ".join(dict.fromkeys(map(conversions.name, kinds))))
        return
    if source.scheme == "data" and not rule.data_url:
        findings.problem(path, source.shown, "format", "is a data: URL, which is not taken here", "a file or a URL")
        return
    if source.facts.cut:
        findings.problem(path, source.shown, "format", "is cut off: it says that it is longer", "a whole file")
    if source.facts.fault:
        findings.problem(path, source.shown, "format", source.facts.fault, "a whole file with pictures")
    if source.facts.cut or source.facts.fault:
        return  # what else its header says is of no use
    _judge_the_rest(path, source, source.facts, rule, findings)


def _named(kind: str, wanted: list[str], source: Source) -> str:
    """What a file is, and the command that makes something of it that the field takes."""
    name = conversions.name(kind)
    if source.facts and source.facts.fault:
        return f"{name} and {source.facts.fault}"
    own_sort_first = sorted(
        {one.partition("/")[0] for one in wanted}, key=lambda sort: (not kind.startswith(sort), sort)
    )
    lines = (conversions.command(kind, sort, source.path) for sort in own_sort_first)
    line = next(filter(None, lines), "")
    return name + (f"; convert it: {line}" if line else "")


def _judge_the_rest(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    if facts.ends_early:
        findings.warn(f"{path}: it seems to be cut off: its end is missing")
    if facts.many:
        findings.warn(f"{path}: it holds several pictures (frames or pages), and the service may use only one")
    if source.bytes > rule.megabytes * 2**20:
        held = f"has {source.bytes / 2**20:.1f} MB"
        findings.problem(path, source.shown, "weight", held, f"up to {rule.megabytes} MB", f"{rule.megabytes} MB")
    if source.scheme == "data" and len(source.text) > DATA_URL_ADVICE:
        findings.warn(f"{path}: a data: URL above 10 MB may be refused; give the file itself and it is uploaded")
    _judge_time(path, source, facts, rule, findings)
    if rule.side:
        _judge_picture(path, source, facts, rule, findings)


def _judge_time(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    if rule.seconds is None:
        return
    if not facts.seconds:
        findings.warn(f"{path}: its length could not be read from the header")
        return
    if facts.other_seconds:
        told = f"{facts.seconds:.1f} s by its pictures, {facts.other_seconds:.1f} s by its clock"
        findings.warn(
            f"{path}: its header contradicts itself ({told}); write it anew: ffmpeg -i IN.mp4 -c copy OUT.mp4"
        )
    low, high = rule.seconds
    if not low - ROUNDING_SECONDS <= facts.seconds <= high + ROUNDING_SECONDS:
        held = f"lasts {facts.seconds:.1f} s"
        findings.problem(
            path, source.shown, "range", held, f"{low:g} to {high:g} s", f"{max(low, min(high, facts.seconds)):g} s"
        )
    elif rule.used_seconds and facts.seconds > rule.used_seconds + ROUNDING_SECONDS:
        findings.warn(f"{path}: it lasts {facts.seconds:.1f} s and the service uses its first {rule.used_seconds:g} s")
    slow, fast = rule.fps or (0, 0)
    if facts.fps and (facts.fps < slow - ROUNDING_FPS or (fast and facts.fps > fast + ROUNDING_FPS)):
        allowed = f"{slow:g} to {fast:g}" if fast else f"{slow:g} or more"
        findings.problem(path, source.shown, "range", f"has {facts.fps:.1f} pictures a second", allowed)


def _judge_picture(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    from ..files.media import SIZED_IN_HEADER

    if not (facts.width and facts.height) and facts.type in SIZED_IN_HEADER:
        findings.problem(path, source.shown, "format", "is damaged: its header names no size", "a whole picture")
        return
    if not facts.width or not facts.height:
        findings.warn(f"{path}: the pixel size could not be read from the header")
        return
    if facts.alpha and not rule.alpha:
        findings.warn(f"{path}: it has transparency, which this model does not support")
    shorter, longer = sorted((facts.width, facts.height))
    measured = f"{facts.width}*{facts.height}"
    low, high = _bounds(rule)
    if not low <= shorter <= longer <= high:
        sides = f"sides of {low} to {high:g}" if math.isfinite(high) else f"sides of {low} or more"
        if rule.side_is_advice:
            findings.warn(f"{path}: {measured} pixels; {sides} are advised")
        else:
            findings.problem(path, measured, "pixels", "has a side out of range", sides, _rescaled(facts, rule))
    if rule.ratio and longer > rule.ratio * shorter:
        allowed = f"ratio 1:{rule.ratio:g} to {rule.ratio:g}:1"
        findings.problem(path, measured, "pixels", "is too long and narrow", allowed)


def _bounds(rule: MediaRule) -> tuple[int, float]:
    low, high = rule.side or (0, 0)
    return low, high or math.inf


def _rescaled(facts: Facts, rule: MediaRule) -> str | None:
    """The same picture at a size that fits, when its shape allows one."""
    low, high = _bounds(rule)
    shorter, longer = sorted((facts.width, facts.height))
    if shorter < low:
        width, height = (math.ceil(side * low / shorter) for side in (facts.width, facts.height))
    else:
        width, height = (math.floor(side * high / longer) for side in (facts.width, facts.height))
    return f"{width}*{height}" if low <= min(width, height) and max(width, height) <= high else None


# Documents ------------------------------------------------------------------------------------------------

DOCUMENT_MEGABYTES = 100

DOCUMENT_SUFFIXES = ", ".join(suffix[1:] for suffix in DOCUMENTS)


def document(param: Param, value: object, findings: Findings) -> object:
    if not isinstance(value, str) or not value.strip():
        findings.problem(param.name, value, "type", "is no file and no URL", "one path, or an https: or oss: URL")
        return value
    source = findings.inspect(value)
    findings.sources[param.name] = source
    fault = source.fault
    if source.scheme == "data":
        fault = "is a data: URL, which is not taken here"
    if fault:
        findings.problem(param.name, source.shown, "file", fault, "a file or a URL")
    elif source.scheme == "file":
        _judge_document(param, source, findings)
    return value


def _judge_document(param: Param, source: Source, findings: Findings) -> None:
    """One local file. It is sent as the kind of document that its suffix says."""
    suffix = suffix_of(source.path or source.text)
    if not suffix:
        findings.problem(param.name, source.shown, "format", "has no suffix of a document", DOCUMENT_SUFFIXES)
        return
    kind, wanted = DOCUMENTS[suffix]
    found = inside(source.head) if source.head else wanted
    if found != wanted:
        said = f"looks like {found}" if found else "looks like no document"
        findings.problem(param.name, source.shown, "format", f"is named {suffix} and {said} inside", wanted)
    if source.bytes > DOCUMENT_MEGABYTES * 2**20:
        held = f"has {source.bytes / 2**20:.1f} MB"
        findings.problem(
            param.name, source.shown, "weight", held, f"up to {DOCUMENT_MEGABYTES} MB", f"{DOCUMENT_MEGABYTES} MB"
        )
    findings.sources[param.name] = changed(source, facts=Facts(kind))


BY_KIND: Mapping[str, Callable[[Param, object, Findings], object]] = {
    "media": media,
    "media list": media_list,
    "document": document,
}
