"""Whether a document may be sent: by its suffix, its weight and its first bytes. It is not opened further."""

from __future__ import annotations

from ..files.documents import DOCUMENTS, inside, suffix_of
from ..files.media import Facts
from ..models.catalog import Param, Source
from ..plain.record import changed
from .findings import Findings

MEGABYTES = 100
ALLOWED = ", ".join(suffix[1:] for suffix in DOCUMENTS)


def check(param: Param, value: object, findings: Findings) -> object:
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
        _judge(param, source, findings)
    return value


def _judge(param: Param, source: Source, findings: Findings) -> None:
    """One local file. It is sent as the kind of document that its suffix says."""
    suffix = suffix_of(source.path or source.text)
    if not suffix:
        findings.problem(param.name, source.shown, "format", "has no suffix of a document", ALLOWED)
        return
    kind, wanted = DOCUMENTS[suffix]
    found = inside(source.head) if source.head else wanted
    if found != wanted:
        said = f"looks like {found}" if found else "looks like no document"
        findings.problem(param.name, source.shown, "format", f"is named {suffix} and {said} inside", wanted)
    if source.bytes > MEGABYTES * 2**20:
        held = f"has {source.bytes / 2**20:.1f} MB"
        findings.problem(param.name, source.shown, "weight", held, f"up to {MEGABYTES} MB", f"{MEGABYTES} MB")
    findings.sources[param.name] = changed(source, facts=Facts(kind))
