"""Reads what was paid for out of an answer that is not JSON at all: cut off, spoiled or nested a thousandfold.

It looks for strings with the names that the service gives to results, wherever they are. Only a string with both its
quotes counts, because half a link leads nowhere.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    JSON = dict[str, Any]

MOST_LINKS = 100
LINKS = ("url", "video_url", "image_url", "output_video_url", "output_image_url", "image", "b64_json")
WORDS = ("task_id", "task_status", "request_id", "finish_reason")
LONGEST_WORD = 200
_NAMED = rf'"({"|".join((*LINKS, *WORDS))})"[ \t\r\n]{{0,100}}:[ \t\r\n]{{0,100}}(?=")'
_LINK = r"(?i)(?:https?://|data:)[^\s\"]+"
_string = json.JSONDecoder(strict=False).raw_decode


def salvage(body: bytes, sent: bytes) -> JSON:
    """An answer in the layout of `choices` with the links, task id and state that stand in a text.

    sent: the body of the request; a link that stands there is the user's own, repeated by the service.
    """
    links: dict[str, None] = {}
    words: dict[str, str] = {}
    judged: set[str] = set()  # looking through what was sent takes its length, so each link is looked for once
    for name, value in _strings(body.decode("utf-8", "replace")):
        if name in WORDS and len(value) <= LONGEST_WORD:
            words.setdefault(name, value)
        elif value not in judged and (name == "b64_json" or re.fullmatch(_LINK, value)):
            judged.add(value)
            if value.encode("utf-8", "replace") not in sent:
                links[value] = None
        if len(links) == MOST_LINKS:
            break
    content = [{"image": link} for link in links]
    choice = {"finish_reason": words.pop("finish_reason", None), "message": {"role": "assistant", "content": content}}
    request_id = {"request_id": words.pop("request_id")} if "request_id" in words else {}
    return {**request_id, "output": {**words, **({"choices": [choice]} if content else {})}}


def _strings(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the strings with one of the names that we look for."""
    for named in re.finditer(_NAMED, text):
        end = _end_of(text, named.end())
        try:
            value, _ = _string(text[named.end() : end])
        except ValueError:
            continue
        yield named[1], value


def _end_of(text: str, start: int) -> int:
    """Where the string that begins at `start` ends; `start` itself if it has no end."""
    end = start
    while (end := text.find('"', end + 1)) > 0:
        before = end - 1
        while text[before] == "\\":
            before -= 1
        if (end - before) % 2:
            return end + 1
    return start
