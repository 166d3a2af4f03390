"""Turn a checked request into the API call, with a text for each local file: its URL, a description or its hash."""

from __future__ import annotations

from ..checks import sources
from ..checks.validate import bill
from ..errors import UsageError
from ..models import wire
from ..models.catalog import Catalog
from ..plain.redact import HIDDEN, each_text, without_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from ..checks.validate import Checked
    from ..models.catalog import Source
    from ..storage.bucket_settings import Bucket
    from ..storage.forms import Upload

    JSON = dict[str, Any]


def encode(checked: Checked, upload: Callable[[list[Upload]], list[str]]) -> wire.Call:
    """The call to send. A file that several fields name is uploaded once.

    upload: uploads files and answers their URLs in the same order.
    Raises UsageError for a file that can no longer be read.
    """
    urls = _uploaded_files(checked, upload) if checked.local_files else {}
    try:
        texts = {path: sources.inline(source) for path, source in checked.inline_files.items()}
    except OSError as error:
        raise UsageError(f"a local file could not be read: {error.strerror}") from error
    return _encode(checked, {**texts, **urls})


def _uploaded_files(checked: Checked, upload: Callable[[list[Upload]], list[str]]) -> dict[str, str]:
    """The URL of each local file, by its place in the request."""
    from ..storage.forms import Upload

    files = {
        path: Upload(source.path, source.facts.type if source.facts else "application/octet-stream", source.bytes)
        for path, source in checked.local_files.items()
    }
    once = list(dict.fromkeys(files.values()))
    urls = dict(zip(once, upload(once)))
    return {path: urls[file] for path, file in files.items()}


def preview(catalog: Catalog, checked: Checked, base: str, own: Bucket | None) -> JSON:
    """The request for --dry-run, with descriptions in place of upload URLs and file contents."""
    from ..service import requests
    from ..service.endpoint import Endpoint

    files = checked.local_files
    call = with_words_for_files(
        checked,
        lambda source: _uploaded(sources.named(source), own),
        lambda source: f"data:(bytes of {sources.named(source)})",
        {path: source.shown for path, source in checked.sources.items()},
    )
    endpoint = Endpoint(base, HIDDEN)
    request = requests.request_for(endpoint, "POST", call.path, call.body, task=call.is_task, stream=call.is_stream)
    return {
        "request": {"method": "POST", "url": request.url, "headers": dict(request.headers), "body": call.body},
        "uploads": [{"field": path, "path": source.path, "bytes": source.bytes} for path, source in files.items()],
        "bills": bill(catalog, checked),
    }


def _uploaded(named: str, own: Bucket | None) -> str:
    if own is None:
        return f"oss://(upload of {named})"
    from ..storage import bucket

    return bucket.preview(own, named)


def fingerprint(checked: Checked, base: str) -> str:
    """Equal for two requests if and only if they ask the same of the same service, however they are written or sent.

    A default that is left out counts as if it were given, a file by its size and digest, a prompt without the blanks
    around it. Whether the answer comes at once or as a task makes no difference.
    """
    import hashlib
    import json

    wish = {param.name: param.default for param in checked.mode.params if param.default not in (None, "")}
    files = {**checked.local_files, **checked.inline_files}
    texts = {path: sources.identity(source) for path, source in files.items()}
    wish.update(sources.replaced(checked.values, texts))
    if isinstance(wish.get("prompt"), str):
        wish["prompt"] = str(wish["prompt"]).strip()
    here = base.replace("://localhost", "://127.0.0.1", 1)
    text = json.dumps([here, checked.id, wish], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def kept(checked: Checked) -> JSON:
    """The request as the account keeps it and --file takes it: absolute paths, no keys, no bytes of data: URLs."""
    paths = {place: source.path for place, source in checked.sources.items() if source.scheme == "file"}
    whole = {"model": checked.id, **sources.replaced(checked.values, paths)}
    cut: Any = each_text(whole, lambda text: without_keys(_without_bytes(text)))
    return dict(cut)


def _without_bytes(text: str) -> str:
    """A data: URL without what follows its comma; any other text as it is."""
    head, comma, _ = text.partition(",")
    is_data_url = text[:5].lower() == "data:" and head.split() == [head]
    return head + comma if is_data_url else text


def with_words_for_files(
    checked: Checked,
    uploaded: Callable[[Source], str],
    inline: Callable[[Source], str],
    others: Mapping[str, str],
) -> wire.Call:
    """The call with a text instead of each local file.

    others: texts for further media, by field path.
    """
    words = dict(others)
    words.update((path, uploaded(source)) for path, source in checked.local_files.items())
    words.update((path, inline(source)) for path, source in checked.inline_files.items())
    return _encode(checked, words)


def _encode(checked: Checked, texts: Mapping[str, str]) -> wire.Call:
    """texts: by field path, such as `reference_images[0]`."""
    return wire.encode(checked.shape, checked.id, sources.replaced(checked.values, texts), checked.mode.text_first)
