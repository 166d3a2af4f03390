"""What a dry run shows: the HTTP request as it would be sent, the files before it, and what would be billed at most."""

from __future__ import annotations

from . import inputs
from .models import wire
from .models.catalog import Catalog
from .redact import HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from .models.catalog import Source
    from .models.validate import Checked
    from .service.bucket_settings import Bucket

    JSON = dict[str, Any]


def preview(catalog: Catalog, checked: Checked, base: str, own: Bucket | None) -> JSON:
    """The request with words in the place of what an upload would answer, and of the bytes of files."""
    from .service import asking
    from .service.exchange import Endpoint

    files = checked.local_files
    call = with_words_for_files(
        checked,
        lambda source: _uploaded(inputs.named(source), own),
        lambda source: f"data:(bytes of {inputs.named(source)})",
        {path: source.shown for path, source in checked.sources.items()},
    )
    endpoint = Endpoint(base, HIDDEN)
    request = asking.request_for(endpoint, "POST", call.path, call.body, task=call.is_task, stream=call.is_stream)
    return {
        "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": call.body},
        "uploads": [{"field": path, "path": source.path, "bytes": source.bytes} for path, source in files.items()],
        "bills": bills(catalog, checked),
    }


def bills(catalog: Catalog, checked: Checked) -> JSON:
    """What is billed at most, null where nothing tells; for a model without a row by whose rules that is said."""
    if not checked.is_known:
        by = None if checked.mode.as_given else checked.model.id
        return {"unit": catalog.unit, "at_most": checked.units, "by_the_rules_of": by}
    clips = {"input_clips": checked.clip_seconds} if checked.mode.most_in_all and checked.clip_seconds else {}
    by_area = {"tier": checked.tier, "input_images": checked.billed_inputs} if checked.tier else {}
    return {"unit": catalog.unit, "at_most": checked.units, **by_area, **clips}


def _uploaded(named: str, own: Bucket | None) -> str:
    if own is None:
        return f"oss://(upload of {named})"
    from .service import bucket

    return bucket.preview(own, named)


def fingerprint(checked: Checked, base: str) -> str:
    """The same for two requests exactly when they ask the same of the same service with the same files."""
    import hashlib
    import json

    call = with_words_for_files(checked, inputs.identity, inputs.identity, {})
    text = json.dumps([base, call.path, call.is_task, call.body], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def with_words_for_files(
    checked: Checked,
    uploaded: Callable[[Source], str],
    inline: Callable[[Source], str],
    others: Mapping[str, str],
) -> wire.Call:
    """The call with a text instead of each local file. others: texts for further media, by path."""
    words = dict(others)
    words.update((path, uploaded(source)) for path, source in checked.local_files.items())
    words.update((path, inline(source)) for path, source in checked.inline_files.items())
    return wire.encode(checked.shape, checked.id, inputs.replaced(checked.values, words), checked.mode.text_first)
