"""Replaces secrets, and values that differ from run to run, by placeholders in a cassette, and back.

A value is learned where its place says what it is: the id of a task, the query of a signed link, the random name of an
upload. From then on every occurrence is replaced by a placeholder, numbered in order of appearance. A replayed run
takes the same steps, so it gets the same placeholders for other values. When a cassette is replayed, a placeholder
becomes the value that the run has for it, or a unique made-up one.

Everything else that looks like a secret is hidden too, by the patterns of `redact`.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from urllib.parse import urlsplit

from ..plain import redact
from ..plain.texts import china_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping, Sequence


SHORTEST = 8  # a shorter value identifies nobody, and replacing it would damage words
LONGEST = 8192  # characters of a value; all of them together are one pattern
LONGEST_DATA = 256  # characters; a longer data: URL is recorded by its digest
MOST_VALUES = 1000  # in one answer; a full page of the task list has about 300, and each slows all later steps
NAME = "name"

# Kind → number → a made-up value. Ids, names and hosts must look real to the code that parses them.
MADE_UP: Mapping[str, Callable[[int], str]] = {
    "task": "00000000-0000-4000-8000-{:012d}".format,
    "request": "00000000-0000-4000-9000-{:012d}".format,
    "id": "00000000-0000-4000-a000-{:012d}".format,
    "query": "Expires=4102444800&OSSAccessKeyId=replayed&Signature=replayed{}".format,
    NAME: "{:016x}".format,
    "boundary": "{:032x}".format,
    "loopback": "127.0.0.1:{}".format,
    "host": "host{}.example".format,
    **{
        kind: f"replayed-{kind}-{{}}".format
        for kind in ("path", "policy", "signature", "access", "folder", "token", "secret", "key")
    },
}
MILLISECONDS = "{{milliseconds}}"
TIME, DAY, ACCOUNT, HIDDEN, KEY = "{{time}}", "{{day}}", "{{account}}", "{{hidden}}", "{{key}}"

FIELDS: Mapping[str, str] = {
    "task_id": "task",
    "request_id": "request",
    "requestId": "request",
    "policy": "policy",
    "signature": "signature",
    "oss_access_key_id": "access",
    "upload_dir": "folder",
    "security_token": "token",
    "x_oss_security_token": "token",
}
ACCOUNT_FIELDS = frozenset({"api_key_id", "caller_uid", "caller_parent_id", "user_api_unique_key", "uid", "user_id"})
HEADERS: Mapping[str, str] = {"x-oss-date": TIME, "x-oss-security-token": HIDDEN, "x-oss-request-id": HIDDEN}

_UUID = re.compile(r"(?<![0-9a-fA-F-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F-])")
_LOOPBACK = re.compile(r"(?<=://)(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,5}$")
# In a text that is JSON or has JSON in quotes, once or more often.
_NAMED = re.compile(rf"\"({'|'.join(FIELDS)})\\*\"\s*:\s*\\*\"([^\"\\]+)")
_ACCOUNT_IDS = re.compile(rf"(\"(?:{'|'.join(sorted(ACCOUNT_FIELDS))})\\*\"\s*:\s*\\*\")[^\"\\]+")
_IDS = re.compile(r"<((?:RequestId|HostId)\w*)>[^<]*", re.IGNORECASE)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?")
_OBJECT_NAME = re.compile(r"(?<=/)([0-9a-f]{16})(?=_[A-Za-z0-9_-]+(?:\.[a-z0-9]+)?(?:$|[?\s]))")
_TASK_PATH = re.compile(r"/tasks/([^/?#]+)")
_TIME_RANGE = re.compile(r"((?:start|end)_time=)\d{14}")
_DAY_BEFORE_NAME = re.compile(r"/\d{8}/(?=\{\{name-)")
_PLACEHOLDER = re.compile(r"\{\{([a-z]+)(?:-([0-9]{1,6}))?\}\}")


class Placeholders:
    """The values of one run and the placeholders for them. now: epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._secrets: tuple[str, ...] = ()
        self.places: tuple[str, ...] = ()  # paths and hosts of this machine that a fault may name
        self._placeholders: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._last: dict[str, int] = {}
        self._pattern: re.Pattern[str] | None = None
        self._room = math.inf

    def learn_secret(self, secret: str) -> None:
        """Remember a key of the user's, which is hidden however it is spelled: in capitals, or as in a URL."""
        self._secrets += (secret,)
        self.learn("key", secret)

    def learn(self, kind: str, value: str) -> None:
        """Remember a value, unless it is known or too short."""
        if len(value) >= SHORTEST and value not in self._placeholders:
            if not self._room:
                raise ValueError(f"it has more than {MOST_VALUES} ids, links and hosts")
            if len(value) > LONGEST:
                if self._room < math.inf:
                    raise ValueError(f"it has an id or a link of more than {LONGEST} characters")
                return  # a request has it from an answer that was not recorded, or from the user
            self._room -= 1
            self._bind(kind, self._last.get(kind, 0) + 1, value)

    def _bind(self, kind: str, number: int, value: str) -> str:
        self._last[kind] = max(number, self._last.get(kind, 0))
        self._placeholders[value] = placeholder = f"{{{{{kind}-{number}}}}}"
        self._values[placeholder] = value
        self._pattern = None
        return value

    def learn_url(self, url: str) -> None:
        """Learn from the URL of a request: the id of a task, the name of an upload, a signed query."""
        self._learn_anywhere([url])
        task = _TASK_PATH.search(urlsplit(url).path)
        if task:
            self.learn("task", task[1])
        self.learn_object_name(urlsplit(url).path)

    def learn_object_name(self, path: str) -> None:
        match = _OBJECT_NAME.search(path)
        if match:
            self.learn(NAME, match[1])

    def learn_sent(self, value: object) -> None:
        """Learn from the JSON body of a request."""
        self._learn_anywhere([text[:LONGEST_DATA] if _is_data(text) else text for text, _ in _texts(value)])

    def learn_received(self, value: object) -> None:
        """Learn from an answer: a JSON value, a text, or a list of both. Raises ValueError above MOST_VALUES."""
        texts = list(_texts(value))
        self._room = MOST_VALUES
        try:
            for text, name in texts:
                self._learn_answered(text, name)
            self._learn_anywhere([text for text, _ in texts])
            for uuid in [uuid for text, _ in texts for uuid in _UUID.findall(self._with_placeholders(text))]:
                self.learn("id", uuid)
        finally:
            self._room = math.inf

    def _learn_answered(self, text: str, name: str) -> None:
        if name in FIELDS:
            self.learn(FIELDS[name], text)
        for field, part in _NAMED.findall(text):
            self.learn(FIELDS[field], part)
        for url, _ in redact.signed_links(text):
            self.learn("path", _SUFFIX.sub("", url.partition("://")[2].partition("/")[2]))

    def _learn_anywhere(self, texts: Sequence[str]) -> None:
        for text in texts:
            for netloc in _LOOPBACK.findall(text):
                self.learn("loopback", netloc)
            for _, query in redact.signed_links(text):
                self.learn("query", query)
        # A key inside a learned value is hidden together with it.
        for key in [key for text in texts for key in redact.keys(self._with_placeholders(text))]:
            self.learn("secret", key)

    # For the cassette ---------------------------------------------------------------------------------------

    def hide(self, text: str) -> str:
        """A text with placeholders for every learned value, and without anything that looks like a secret."""
        return unlike_secrets(redact.literal(self._with_placeholders(text), self._secrets, HIDDEN))

    def _with_placeholders(self, text: str) -> str:
        if self._placeholders:
            if self._pattern is None:
                longest_first = sorted(self._placeholders, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            text = self._pattern.sub(lambda match: self._placeholders[match[0]], text)
            text = _DAY_BEFORE_NAME.sub(f"/{DAY}/", text)
        return text

    def hide_url(self, url: str) -> str:
        return _TIME_RANGE.sub(rf"\g<1>{TIME}", self.hide(url))

    def hide_header(self, name: str, value: str) -> str:
        """The value of a header; of Authorization only the scheme."""
        if name.lower() == "authorization":
            return f"{value.partition(' ')[0]} {KEY}"
        return HEADERS.get(name.lower()) or self.hide(value)

    def hide_fault(self, text: str) -> str:
        """The words of a fault, which may name a file or a proxy of this machine."""
        for place in self.places:
            text = re.sub(re.escape(place), HIDDEN, text, flags=re.IGNORECASE)
        return self.hide(text)

    def hide_sent(self, value: object) -> object:
        """The JSON body of a request, with long data: URLs replaced by their digest."""
        return _changed(value, "", lambda text, _: self.hide(_shortened(text)))

    def hide_received(self, value: object) -> object:
        """A JSON value or a text from an answer."""
        return _changed(value, "", self._hide_field)

    def _hide_field(self, text: str, name: str) -> str:
        if name in ACCOUNT_FIELDS:
            return ACCOUNT
        if name.endswith("_time") and _TIMESTAMP.fullmatch(text):
            return TIME
        return _ACCOUNT_IDS.sub(rf"\1{ACCOUNT}", _IDS.sub(rf"<\1>{HIDDEN}", self.hide(text)))

    # From the cassette --------------------------------------------------------------------------------------

    def fill(self, text: str) -> str:
        """A text of a cassette with values in place of its placeholders."""
        return _PLACEHOLDER.sub(self._value, text)

    def fill_json(self, value: Any) -> Any:
        """The same for a JSON value."""
        return redact.each_text(
            value, lambda text: int(self._now() * 1000) if text == MILLISECONDS else self.fill(text)
        )

    def _value(self, match: re.Match[str]) -> str:
        placeholder, kind, number = match[0], match[1], match[2]
        if number and kind in MADE_UP:
            return self._values.get(placeholder) or self._bind(kind, int(number), MADE_UP[kind](int(number)))
        if placeholder == TIME:
            return china_time("%Y-%m-%d %H:%M:%S.000", self._now())
        return "replayed" if placeholder in (ACCOUNT, HIDDEN) else placeholder


def unlike_secrets(text: str) -> str:
    """A text of a cassette without anything that looks like a secret, which older recordings may have in prompts."""
    return redact.without_secrets(text, HIDDEN)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_data(text: str) -> bool:
    return text.startswith("data:") and len(text) > LONGEST_DATA


def _shortened(text: str) -> str:
    if not _is_data(text):
        return text
    head = text[:60].partition(",")[0]
    return f"{head},(sha256 {digest(text.encode())} of {len(text)} characters)"


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """(text, name of its field) for every text in a JSON value; the name is "" outside of objects."""
    if isinstance(value, str):
        yield value, name
    elif isinstance(value, dict):
        for field, entry in value.items():
            yield from _texts(entry, field)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry, name)


def _changed(value: object, name: str, change: Callable[[str, str], str]) -> object:
    """A JSON value with every text changed, and every time in milliseconds replaced."""
    if isinstance(value, str):
        return change(value, name)
    if isinstance(value, dict):
        return {change(field, ""): _changed(entry, field, change) for field, entry in value.items()}
    if isinstance(value, list):
        return [_changed(entry, name, change) for entry in value]
    is_time = type(value) is int and 10**12 <= value < 10**14 and (name.startswith("gmt_") or name.endswith("_time"))
    return MILLISECONDS if is_time else value
