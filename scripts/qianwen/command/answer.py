"""The JSON object that a run answers with, and the lines for people with the same content.

On success it holds the service's own `request_id`, `output` and `usage`, and our fields next to them. On failure
`error` says what happened, and everything that the run obtained is there too. URLs stay whole: they are the result.
"""

from __future__ import annotations

from ..ask import Ask
from ..environment import Environment, columns
from ..errors import InvalidRequest, QianwenError
from ..outcome import Outcome, Part, billed, goes_on, is_retryable
from ..plain.record import fields_of
from ..plain.redact import each_text, safe, shortened
from ..plain.texts import counted
from ..regions import PRICES_PAGE, is_loopback_url
from .next_command import next_command, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]


GOES_ON = ("running", "unavailable", "interrupted", "output")
"""How a batch ends that the same command continues."""


def success(outcome: Outcome, ask: Ask, environment: Environment) -> JSON:
    warnings = list(map(safe, outcome.warnings))
    if outcome.preview is not None:
        preview = {**outcome.preview, "prices": PRICES_PAGE}
        return {"ok": True, "dry_run": True, "model": outcome.model, **preview, "warnings": warnings}
    if outcome.batch is not None:
        return {"ok": True, **outcome.batch, "warnings": warnings}
    if outcome.models is not None:
        return {"ok": True, "models": outcome.models, "warnings": warnings}
    if outcome.gallery is not None:
        return {"ok": True, **outcome.gallery, "warnings": warnings}
    if _has_several(outcome):
        return {"ok": True, **_several(outcome, ask, environment)}
    if outcome.canceled:
        return {"ok": True, "task_id": outcome.task_id, "canceled": True, "warnings": warnings}
    answer = {"ok": True, **({"reused": True} if outcome.reused else {}), **_obtained(outcome)}
    if ask.submit_only and outcome.task_id:
        answer["next"] = next_command(outcome, ask, environment)
    return answer


def failure(error: QianwenError, outcome: Outcome, ask: Ask, environment: Environment) -> JSON:
    answer: JSON = {
        "ok": False,
        "error": {
            "kind": error.kind,
            "code": error.code or None,
            "message": safe(error.message),
            "hint": safe(error.hint) or None,
            "http_status": error.http_status,
            "request_id": error.request_id or None,
            "task_id": error.task_id or outcome.task_id or None,
            "retryable": is_retryable(error, outcome),
            "billed": billed(error, outcome),
        },
    }
    if isinstance(error, InvalidRequest):
        answer["problems"] = [each_text(fields_of(problem), shortened) for problem in error.problems]
    if outcome.candidates:
        answer["candidates"] = outcome.candidates
    if outcome.batch is not None:
        is_over = error.kind not in GOES_ON
        told = {**answer, **outcome.batch, "warnings": list(map(safe, outcome.warnings))}
        return told if is_over else {**told, "next": next_command(outcome, ask, environment)}
    if _has_several(outcome):
        return {**answer, **_several(outcome, ask, environment)}
    command = next_command(outcome, ask, environment) if goes_on(error, outcome) else None
    if command:
        answer["next"] = command
    return {**answer, **_obtained(outcome)}


def _part(part: Part) -> JSON:
    """One of several runs: its row in the account, and its own answer."""
    if part.error is None:
        return {**part.row, **success(part.outcome, part.ask, part.environment)}
    return {**part.row, **failure(part.error, part.outcome, part.ask, part.environment)}


def _has_several(outcome: Outcome) -> bool:
    return outcome.tasks is not None or outcome.parts is not None


def _several(outcome: Outcome, ask: Ask, environment: Environment) -> JSON:
    """The answer about several runs, with the command that continues the open ones."""
    rows = list(map(_part, outcome.parts)) if outcome.parts is not None else outcome.tasks
    answer: JSON = {"tasks": rows, "warnings": list(map(safe, outcome.warnings))}
    if outcome.batches:
        answer["batches"] = outcome.batches
    if outcome.bought is not None:
        answer.update(bought=outcome.bought, prices=PRICES_PAGE)
    if outcome.next_flags:
        answer["next"] = next_command(outcome, ask, environment)
    return answer


def lines(outcome: Outcome, ask: Ask, environment: Environment) -> list[str]:
    """What stdout gets without --print-response: the saved paths, Markdown that shows them, or the task id alone."""
    if outcome.preview is not None:
        return _preview_lines(outcome.preview)
    if outcome.page is not None:
        return outcome.page
    if outcome.gallery is not None:
        return [outcome.gallery["gallery"]]
    if ask.tasks:
        return _task_lines(outcome, ask, environment)
    if (ask.submit_only and outcome.task_id) or outcome.canceled:
        return [safe(outcome.task_id)]
    return saved_lines(outcome)


def saved_lines(outcome: Outcome) -> list[str]:
    """What was saved, whatever became of the rest: DesireCore shows its Markdown, everything else a path."""
    if outcome.batch is not None:
        return [safe(outcome.batch["results"])]
    if outcome.parts is not None:
        return [line for part in outcome.parts for line in saved_lines(part.outcome)]
    shown = [file.markdown or file.saved.path for file in outcome.files]
    return shown + ([outcome.markdown_path] if outcome.markdown_path else [])


def _task_lines(outcome: Outcome, ask: Ask, environment: Environment) -> list[str]:
    from . import task_list

    tasks = outcome.tasks or []
    if ask.tasks is not True:
        return [line for task in tasks for line in task_list.whole(task, environment.cwd)]
    batches = [safe(f"  batch in {each['folder']} is unfinished: {shown(each['command'])}") for each in outcome.batches]
    table = task_list.table(tasks, environment.cwd, columns(environment)) if tasks or not batches else []
    return [*batches, *table, *([_sum(outcome.bought, tasks)] if outcome.bought else [])]


def _sum(bought: JSON, tasks: list[JSON]) -> str:
    """What was bought, in units. Only the service knows the price."""
    free = "; a stand-in bills nothing" if any(is_loopback_url(task["base"]) for task in tasks) else ""
    units = " and ".join(counted(bought[f"{unit}s"], unit) for unit in ("image", "second") if bought[f"{unit}s"])
    rest = f"; {counted(bought['uncounted'], 'run')} more may be billed" if bought["uncounted"] else ""
    return f"bought in {counted(bought['runs'], 'run')}: {units or 'nothing yet'}{rest}{free}; prices: {PRICES_PAGE}"


def _obtained(outcome: Outcome) -> JSON:
    answer: JSON = {name: outcome.body[name] for name in ("request_id", "output", "usage") if name in outcome.body}
    answer["model"] = outcome.model or None
    answer["task_id"] = outcome.task_id or None
    answer["warnings"] = list(map(safe, outcome.warnings))
    result = outcome.result
    if result is None:
        return answer
    first = outcome.files[0].saved.facts if outcome.files else None
    urls = [url for url in result.urls if _is_link(url)]
    url = urls[0] if urls else None
    width, height = (first.width, first.height) if first else (None, None)
    answer.update(seed=outcome.seed, width=result.width or width, height=result.height or height)
    if outcome.noun == "video":
        answer.update(video_url=url, duration=(first.seconds or None) if first else None)
        answer.update(response_path=outcome.reply_path or None)
    else:
        answer.update(image_url=url, image_urls=urls, image_count=len(result.urls))
    answer.update(
        files=[
            {
                "path": file.saved.path,
                **file.saved.told,
                "url": file.url if _is_link(file.url) else None,
                **({"media_id": file.media_id, "markdown": file.markdown} if file.media_id else {}),
            }
            for file in outcome.files
        ],
        local_path=outcome.files[0].saved.path if outcome.files else None,
        local_paths=[file.saved.path for file in outcome.files],
        failures=[fields_of(failure) for failure in result.failures],
    )
    if result.content:
        answer.update(interleaved_content=list(result.content), markdown_path=outcome.markdown_path or None)
    stored = [file for file in outcome.files if file.media_id]
    if stored:
        answer.update(media_id=stored[0].media_id, media_ids=[file.media_id for file in stored])
        answer.update(markdown="\n".join(file.markdown for file in stored))
    return answer


def _is_link(url: str) -> bool:
    """Whether it can be downloaded. A picture from inside the answer has a made-up name in place of a URL."""
    return not url.startswith("data:")


def _preview_lines(preview: JSON) -> list[str]:
    import json

    from ..checks.validate import in_words
    from ..plain.locations import visible

    request = preview["request"]
    head = [f"{request['method']} {request['url']}"] + [
        f"{name}: {value}" for name, value in request["headers"].items()
    ]
    files = [f"# uploads first: {visible(upload['path'])} ({upload['bytes']} bytes)" for upload in preview["uploads"]]
    files = list(dict.fromkeys(files))  # a file that several fields name is uploaded once
    body = json.dumps(request["body"], ensure_ascii=False, indent=2)
    return [
        *head,
        "",
        body,
        "",
        *files,
        f"# {in_words(preview['bills'])}; nothing was sent",
        f"# prices: {PRICES_PAGE}",
    ]
