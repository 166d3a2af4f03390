"""The documents from which a model makes a video: what their suffixes mean, and how their first bytes look.

A document is never opened further than that. Source: the Wan 3.0 API reference, type `file`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

HEAD_BYTES = 512
PDF, ZIP, OLE, TEXT = "a PDF", "a ZIP (docx, xlsx, pptx, key, pages, numbers)", "an OLE file (doc, xls, ppt)", "a text"

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
"""Suffix → media type, and what the file is inside."""

SUFFIXES: Mapping[str, str] = {kind: suffix for suffix, (kind, _) in DOCUMENTS.items()}

_BEGINNINGS = ((b"%PDF-", PDF), (b"PK\x03\x04", ZIP), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE))
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def suffix_of(name: str) -> str:
    """The suffix of a document, in small letters; "" for every other."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in DOCUMENTS else ""


def inside(head: bytes) -> str:
    """What the first bytes of a file look like, in words; "" when they tell nothing."""
    found = next((said for beginning, said in _BEGINNINGS if head.startswith(beginning)), "")
    is_text = head.startswith(_UTF_16) or b"\0" not in head
    return found or (TEXT if is_text else "")
