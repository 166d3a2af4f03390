"""Checks the files of a media field by their headers: type, size in bytes and pixels, length, frame rate.

URLs are never opened, so their content is not checked.
"""

from __future__ import annotations

import math

from ..files import conversions
from ..files.documents import DOCUMENTS, inside, suffix_of
from ..files.media import SIZED_IN_HEADER, Facts
from ..models.catalog import MediaRule, Param, Source
from ..models.media_items import NOUNS, ROUNDING_SECONDS
from ..plain.record import changed
from ..plain.texts import counted
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping

DATA_URL_ADVICE = 10_485_760  # encoded bytes; documented for the vision models, so only a warning here
ROUNDING_FPS = 0.5

ONE = "one path, or an https:, oss: or data: URL"
NO_SOURCE = "is neither a file nor a URL"
NO_DATA_URL = "is a data: URL, which this field does not take"


def media_list(param: Param, value: object, findings: Findings) -> object:
    if not isinstance(value, list):
        findings.problem(param.name, value, "type", "is not a list", "a list of files or URLs")
        return value
    if not param.low <= len(value) <= param.high:
        allowed = f"{param.low:g} to {param.high:g}"
        findings.problem(param.name, value, "count", f"has {counted(len(value), _noun(param))}", allowed)
    return [
        None if param.gaps and item in (None, "") else _one(param, f"{param.name}[{index}]", item, findings)
        for index, item in enumerate(value)
    ]


def media(param: Param, value: object, findings: Findings) -> object:
    return _one(param, param.name, value, findings)


def _noun(param: Param) -> str:
    """A word for what the field takes."""
    nouns = {NOUNS[media_type.partition("/")[0]] for rule in param.media for media_type in rule.types}
    return nouns.pop() if len(nouns) == 1 else "reference"


def _one(param: Param, path: str, value: object, findings: Findings) -> object:
    if isinstance(value, list) and len(value) > 1:
        mask = "; a mask is mask_image_url" if findings.mode.param("mask_image_url") else ""
        findings.problem(path, len(value), "count", f"is too many files: {param.name} takes one", f"{ONE}{mask}")
        return value
    if not isinstance(value, str) or not value.strip():
        findings.problem(path, value, "type", NO_SOURCE, ONE)
        return value
    source = findings.inspect(value)
    findings.sources[path] = source
    if source.doubt:
        findings.warn(f"{path}: {source.doubt}")
    if source.fault:
        findings.problem(path, source.shown, "file", source.fault, nearest=source.nearest)
    elif source.scheme in ("file", "data"):
        _judge(param, path, source, findings)
    elif not source.text.isascii() and any(rule.ascii_url for rule in param.media):
        findings.problem(path, source.text, "format", "has characters outside ASCII", "a URL in ASCII")
    return source.text if source.scheme == "data" else value


def _judge(param: Param, path: str, source: Source, findings: Findings) -> None:
    allowed = [media_type for rule in param.media for media_type in rule.types]
    media_type = source.facts.type if source.facts else ""
    rule = next((rule for rule in param.media if media_type in rule.types), None)
    if source.facts is None or rule is None:
        names = ", ".join(dict.fromkeys(map(conversions.name, allowed)))
        message = f"is {_named(media_type, allowed, source)}" if media_type else f"is not a known {_noun(param)} format"
        findings.problem(path, source.shown, "format", message, names)
        return
    if source.scheme == "data" and not rule.data_url:
        findings.problem(path, source.shown, "format", NO_DATA_URL, "a file or a URL")
        return
    if source.facts.cut:
        findings.problem(path, source.shown, "format", "is cut off: its header promises more data", "a whole file")
    if source.facts.fault:
        findings.problem(path, source.shown, "format", source.facts.fault, "a whole file with pictures")
    if source.facts.cut or source.facts.fault:
        return  # the rest of such a header cannot be trusted
    _judge_the_rest(path, source, source.facts, rule, findings)


def _named(media_type: str, allowed: list[str], source: Source) -> str:
    """What the file is, and a command that converts it into something that the field takes."""
    name = conversions.name(media_type)
    if source.facts and source.facts.fault:
        return f"{name} and {source.facts.fault}"
    targets = {each.partition("/")[0] for each in allowed}
    for target in sorted(targets, key=lambda target: (not media_type.startswith(target), target)):  # its own kind first
        if line := conversions.command(media_type, target, source.path):
            return f"{name}; convert it: {line}"
    return name


def _judge_the_rest(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    if facts.ends_early:
        findings.warn(f"{path}: it seems to be cut off: its end is missing")
    if facts.many:
        findings.warn(f"{path}: it has several pictures (frames or pages), and the service may use only one")
    _judge_weight(path, source, rule.megabytes, findings)
    if source.scheme == "data" and len(source.text) > DATA_URL_ADVICE:
        findings.warn(f"{path}: a data: URL above 10 MB may be refused; give the file itself and it is uploaded")
    _judge_time(path, source, facts, rule, findings)
    if rule.side:
        _judge_picture(path, source, facts, rule, findings)


def _judge_weight(path: str, source: Source, most: int, findings: Findings) -> None:
    """most: MiB."""
    if source.bytes > most * 2**20:
        message = f"has {source.bytes / 2**20:.1f} MB"
        findings.problem(path, source.shown, "weight", message, f"up to {most} MB", f"{most} MB")


def _judge_time(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    if rule.seconds is None:
        return
    if not facts.seconds:
        findings.warn(f"{path}: its length could not be read from the header")
        return
    if facts.other_seconds:
        lengths = f"{facts.seconds:.1f} s by its pictures, {facts.other_seconds:.1f} s by its clock"
        findings.warn(
            f"{path}: its header contradicts itself ({lengths}); rewrite it: ffmpeg -i IN.mp4 -c copy OUT.mp4"
        )
    low, high = rule.seconds
    if not low - ROUNDING_SECONDS <= facts.seconds <= high + ROUNDING_SECONDS:
        message, nearest = f"lasts {facts.seconds:.1f} s", max(low, min(high, facts.seconds))
        findings.problem(path, source.shown, "range", message, f"{low:g} to {high:g} s", f"{nearest:g} s")
    elif rule.used_seconds and facts.seconds > rule.used_seconds + ROUNDING_SECONDS:
        findings.warn(f"{path}: it lasts {facts.seconds:.1f} s and the service uses its first {rule.used_seconds:g} s")
    slow, fast = rule.fps or (0, 0)
    if facts.fps and (facts.fps < slow - ROUNDING_FPS or (fast and facts.fps > fast + ROUNDING_FPS)):
        allowed = f"{slow:g} to {fast:g}" if fast else f"{slow:g} or more"
        findings.problem(path, source.shown, "range", f"has {facts.fps:.1f} frames per second", allowed)


def _judge_picture(path: str, source: Source, facts: Facts, rule: MediaRule, findings: Findings) -> None:
    if not (facts.width and facts.height) and facts.type in SIZED_IN_HEADER:
        findings.problem(path, source.shown, "format", "is damaged: its header has no size", "a whole picture")
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
    """The size of the same picture scaled to fit, if its shape allows that."""
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
        findings.problem(param.name, value, "type", NO_SOURCE, "one path, or an https: or oss: URL")
        return value
    source = findings.inspect(value)
    findings.sources[param.name] = source
    fault = source.fault
    if source.scheme == "data":
        fault = NO_DATA_URL
    if fault:
        findings.problem(param.name, source.shown, "file", fault, "a file or a URL", source.nearest)
    elif source.scheme == "file":
        _judge_document(param, source, findings)
    return value


def _judge_document(param: Param, source: Source, findings: Findings) -> None:
    """Check one local file. Its suffix decides the media type that is sent."""
    suffix = suffix_of(source.path or source.text)
    if not suffix:
        findings.problem(param.name, source.shown, "format", "does not end in a document's suffix", DOCUMENT_SUFFIXES)
        return
    media_type, wanted = DOCUMENTS[suffix]
    actual = inside(source.head) if source.head else wanted
    if actual != wanted:
        message = f"is named {suffix}, but its content is {actual or 'not a document'}"
        findings.problem(param.name, source.shown, "format", message, wanted)
    _judge_weight(param.name, source, DOCUMENT_MEGABYTES, findings)
    findings.sources[param.name] = changed(source, facts=Facts(media_type))


BY_KIND: Mapping[str, Callable[[Param, object, Findings], object]] = {
    "media": media,
    "media list": media_list,
    "document": document,
}
