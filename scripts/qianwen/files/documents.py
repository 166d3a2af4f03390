"""The documents that a model can turn into a video: their suffixes, media types and first bytes.

We read no further than the first bytes. Source: the Wan 3.0 API reference, type `file`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

HEAD_BYTES = 512
PDF, ZIP, OLE, TEXT = "a PDF", "a ZIP (docx, xlsx, pptx, key, pages, numbers)", "an OLE file (doc, xls, ppt)", "text"

DOCUMENTS: Mapping[str, tuple[str, str]] = {
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP),
    ".doc": ("application/msword", OLE),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ZIP),
    ".xls": ("application/vnd.ms-excel", OLE),
    ".pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", ZIP),
    ".ppt": ("application/vnd.ms-powerpoint", OLE),
    ".pdf": ("application/pdf", PDF),
    ".txt": ("text/plain", TEXT),
    ".key": ("application/vnd.apple.keynote", ZIP),
    ".pages": ("application/vnd.apple.pages", ZIP),
    ".numbers": ("application/vnd.apple.numbers", ZIP),
    ".md": ("text/markdown", TEXT),
}
"""Suffix → (media type, container)."""

SUFFIXES: Mapping[str, str] = {media_type: suffix for suffix, (media_type, _) in DOCUMENTS.items()}

_SIGNATURES = ((b"%PDF-", PDF), (b"PK\x03\x04", ZIP), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE))
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks


def suffix_of(name: str) -> str:
    """The suffix of a document in lower case; "" for other files."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in DOCUMENTS else ""


def inside(head: bytes) -> str:
    """The container by the first bytes of the file, in words; "" if unknown."""
    for signature, container in _SIGNATURES:
        if head.startswith(signature):
            return container
    return TEXT if head.startswith(_UTF_16) or b"\0" not in head else ""
