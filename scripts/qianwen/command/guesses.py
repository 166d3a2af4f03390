"""What to answer to a flag that does not exist: ours with the same meaning, why there is none, or nothing.

People and agents type what is suggested. So a suggestion is made by meaning, from a table, or for a plain slip of the
pen; never by likeness alone, and a slip never becomes a flag that pays or ends something.
"""

from __future__ import annotations

from ..checks.meanings import NOT_HERE, meant, plainly, same_as
from ..models.catalog import Catalog
from ..plain.spelling import typo_of
from .flags import spellings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

NEVER_BY_CHANCE = frozenset({"--again", "--cancel"})

FLAGS: Mapping[str, str] = {
    **dict.fromkeys(("no_wait", "nowait", "detach", "submit"), "--submit-only"),
    **dict.fromkeys(("out", "out_dir", "outdir", "output_dir", "output_file", "dest", "save", "save_to"), "--output"),
    **dict.fromkeys(("silent", "no_progress"), "--quiet"),
    **dict.fromkeys(("print", "raw", "output_json", "json_output", "machine"), "--print-response"),
    **dict.fromkeys(("data", "body", "payload", "json_input", "input_json", "params"), "--request"),
    **dict.fromkeys(("data_file", "input_file", "request_file", "from_file", "json_file"), "--file"),
    **dict.fromkeys(("param", "parameter", "field", "option", "opt"), "--set"),
    **dict.fromkeys(("price", "cost", "estimate", "preview", "plan", "simulate", "dryrun"), "--dry-run"),
    **dict.fromkeys(("mock", "fake", "demo", "offline"), "--sandbox"),
    **dict.fromkeys(("models", "list"), "--list-models"),
    **dict.fromkeys(("info", "show", "model_info", "schema"), "--describe"),
    **dict.fromkeys(("history", "runs", "jobs", "log"), "--tasks"),
    **dict.fromkeys(("id", "task", "job", "job_id", "request_id", "prediction_id"), "--task-id"),
    **dict.fromkeys(("kill", "abort"), "--cancel"),
    **dict.fromkeys(("continue", "fetch", "collect"), "--resume"),
    **dict.fromkeys(("max_time", "deadline", "wait_timeout"), "--timeout"),
    **dict.fromkeys(("interval", "poll", "poll_every"), "--poll-interval"),
    "image_url": "--image",
    **dict.fromkeys(("parallel", "concurrency", "workers", "threads", "max_workers"), "--at-once"),
    **dict.fromkeys(("batch_file", "prompts", "prompts_file", "jsonl"), "--batch"),
    "max_images": "--max-seconds",
    "max_seconds": "--max-images",
    **dict.fromkeys(("view", "browser", "web", "display"), "--open"),
}
"""A word that other programs use, without its hyphens → our flag of that meaning; `MEANINGS` has those for fields."""

_KEY = "a key is never a flag: put the line DASHSCOPE_API_KEY=sk-… into .env in this folder, or export the variable"
_BASE = "export DASHSCOPE_HTTP_BASE_URL, or choose a --region"
SENTENCES: Mapping[str, str] = {
    **dict.fromkeys(("api_key", "key", "token", "apikey", "k", "auth"), _KEY),
    **dict.fromkeys(("base_url", "endpoint", "host", "api_base", "url"), _BASE),
    **dict.fromkeys(("workspace", "workspace_id"), "export DASHSCOPE_WORKSPACE"),
    **dict.fromkeys(("proxy", "x"), "export HTTPS_PROXY"),
    **dict.fromkeys(("v", "verbose", "debug", "progress"), "progress is on stderr already, unless --quiet is given"),
    **dict.fromkeys(
        ("wait", "watch", "follow", "blocking"), "the program waits already, unless --submit-only is given"
    ),
    **dict.fromkeys(("retry", "retries", "max_retries"), "the program itself retries what it may, until --timeout"),
    **dict.fromkeys(("y", "yes", "no_input", "force", "f"), "the program never asks questions; leave it out"),
    **dict.fromkeys(("no_clobber", "nc"), "existing files are kept already, unless --overwrite is given"),
    **dict.fromkeys(
        ("prompt_file", "stdin", "from_stdin"), "- as the prompt reads it from stdin: {program} - < prompt.txt"
    ),
    **dict.fromkeys(("async", "background_task"), "every model of {program} answers as a task already"),
    **dict.fromkeys(
        ("n", "count", "num", "number", "num_videos"), "{program} makes one {noun} in a run; run it again for more"
    ),
}
"""The same for what has no flag here → what to do instead."""


def hint(catalog: Catalog, name: str) -> str:
    """What to say about an unknown flag. name: as it was typed, without a value."""
    answer = _answer(catalog, name)
    return f"{catalog.program} --help-all lists all flags" + (f"; {answer}" if answer else "")


def _answer(catalog: Catalog, name: str) -> str:
    known = spellings(catalog)
    word = plainly(name.lstrip("-"))
    ours = known.get(FLAGS.get(word, ""))
    if ours:
        return f"did you mean {ours.name}?"
    fields = {param.name for param in catalog.params}
    field = None if word in NOT_HERE else same_as(word, fields)
    if field:
        return _of_field(catalog, field)
    why = SENTENCES.get(word) or NOT_HERE.get(word)
    if why:
        return why.format(program=catalog.program, noun=catalog.noun)
    flags = {flag.name.lstrip("-"): flag.name for flag in known.values() if flag.name not in NEVER_BY_CHANCE}
    slip = typo_of(name.lstrip("-").lower(), flags)
    if slip:
        return f"did you mean {flags[slip]}?"
    field = meant(word, fields)
    return _of_field(catalog, field) if field else ""


def _of_field(catalog: Catalog, field: str) -> str:
    own = next((flag.name for flag in catalog.flags if flag.field == field), f"--set {field}=VALUE")
    return f"did you mean {own}?"
