"""The stand-in itself: requests, replies, tasks and their timing. It opens no socket; `server` does."""

from __future__ import annotations

import io
import json
import random
import re
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO, Callable, Iterator, Mapping, Union
from urllib.parse import parse_qsl, unquote, urlsplit

from ..files.media import Facts, data_of, data_url, examine, probe_bytes
from ..models.catalog import Source
from ..models.wire import SHAPES
from ..plain.record import record
from ..plain.texts import china_time
from . import answers, placeholder, rules
from .faults import Fault, Faults, Limit
from .measures import Clip
from .rules import Order, Refusal
from .storage import Storage, StorageError

JSON = dict[str, Any]
PREFIX = "/api/v1"
PENDING_SHARE = 0.2  # of a task's time
TASK_SECONDS = 86400
MOST_BODY_BYTES = 64 * 2**20


@record
class Reply:
    """An answer to send. body: all of it, or an iterator of blocks to send one by one."""

    status: int
    headers: Mapping[str, str]
    body: Union[bytes, Iterator[bytes]]


@record
class Incoming:
    """A request as received. Header names are lower case; `stream` ends with the body."""

    method: str
    target: str
    headers: Mapping[str, str]
    stream: BinaryIO

    @property
    def path(self) -> str:
        """Raises ValueError for a target that cannot be read; `route` is asked first."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass
class Task:
    id: str
    order: Order
    created: float
    make: Callable[[], answers.Made]
    fault: Fault | None
    request_id: str
    held: float = 0.0  # seconds that a limit keeps it from its beginning
    canceled: bool = False
    answer: JSON | None = None

    @property
    def begins(self) -> float:
        return self.created + self.held


class StandIn:
    """The service without a socket.

    delay: seconds that a picture or task takes.
    seed: makes ids repeatable.
    clock, sleep: its time, in seconds since the epoch.
    takes_new: accept models without a row too, as the service may do tomorrow.
    limits: model id → how many requests it takes a second, and how many of its tasks run at once; for batches.
    orders: how often a request with a prompt was accepted, by the prompt.
    origin: the URL of its socket, set by the server.
    """

    def __init__(
        self,
        delay: float = 0.0,
        faults: Faults | None = None,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        takes_new: bool = False,
        limits: Mapping[str, Limit] = MappingProxyType({}),
    ) -> None:
        self.origin = ""
        self.limits = limits
        self.orders: Counter[str] = Counter()
        self._recent: dict[str, list[float]] = {}  # when a model's last requests were accepted
        self._ends: dict[str, list[float]] = {}  # when those of its tasks end that end last
        self.takes_new = takes_new
        self.delay = delay
        self.faults = faults or Faults()
        self._random = random.Random(seed)  # noqa: S311 - ids of placeholders, which --seed makes repeatable
        self.clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self.storage = Storage(self._token, clock, repeats=seed is not None)
        self.tasks: dict[str, Task] = {}

    def route(self, incoming: Incoming) -> str:
        """The name of the route, as in `faults.ROUTES`; "" for an unknown path."""
        path = incoming.path
        for methods, pattern, name in ROUTES:
            if re.fullmatch(methods, incoming.method) and re.fullmatch(pattern, path):
                if name == "sync" and incoming.headers.get("x-dashscope-sse", "").lower() == "enable":
                    return "stream"
                return name
        return ""

    def handle(self, route: str, incoming: Incoming) -> Reply:
        """The reply to a request; every refusal is a reply too."""
        try:
            return HANDLERS[route](self, incoming) if route else self._not_found(incoming)
        except Refusal as refusal:
            return self._refusal(refusal.status, refusal.code, refusal.message)
        except StorageError as error:
            headers = {"Content-Type": "application/xml", "x-oss-ec": error.ec, "x-oss-request-id": "SANDBOX"}
            return Reply(error.status, headers, error.xml())

    def injected(self, fault: Fault, route: str) -> Reply:
        """The reply for an injected status: XML from the storage routes, JSON from the API."""
        message = fault.message or "Trouble on demand."
        if route in ("upload", "result"):
            error = StorageError(fault.status, fault.code or "InternalError", message)
            return Reply(fault.status, {"Content-Type": "application/xml"}, error.xml())
        return self._refusal(
            fault.status, fault.code or ("Throttling" if fault.status == 429 else "InternalError"), message
        )

    # Generation --------------------------------------------------------------------------------------------

    def generate(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        body = incoming.stream.read(MOST_BODY_BYTES + 1)
        if len(body) > MOST_BODY_BYTES:
            raise rules.invalid("Exceeded limit on max bytes to request body")
        path = incoming.path[len(PREFIX) :]
        origin = self._origin_for(incoming)
        inspect = _Inspector(self.storage, self._origins(), incoming.headers, _model_of(body))
        order = rules.accept(path, incoming.headers, body, inspect, self.takes_new)
        self._admit(order)
        make = partial(self._make, order, inspect.inputs, origin)
        if order.is_task:
            return self._submit(order, make)
        if SHAPES[order.mode.sync].is_stream:
            return self._stream(order, make)
        self._sleep(self.delay)
        answer = answers.body(order, make())
        return self._json({**answer, "request_id": self._uuid()})

    def _admit(self, order: Order) -> None:
        """Count a request, or refuse it when the model's limit for the last second (or minute) is reached."""
        limit = self.limits.get(order.model_id)
        with self._lock:
            if limit:
                seconds = max(1.0, 1 / limit.rate)
                recent = [moment for moment in self._recent.get(order.model_id, ()) if self.clock() - moment < seconds]
                if len(recent) >= limit.rate * seconds:
                    raise Refusal(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")
                self._recent[order.model_id] = [*recent, self.clock()]
            self.orders[str(order.fields.get("prompt", ""))] += 1

    def _held(self, order: Order, now: float) -> float:
        """Seconds until a new task begins: none, or until one of those ends that its model runs at once."""
        limit = self.limits.get(order.model_id)
        if not limit or not limit.running:
            return 0.0
        ends = self._ends.setdefault(order.model_id, [])
        begins = max(now, ends[0]) if len(ends) >= limit.running else now
        self._ends[order.model_id] = sorted([*ends, begins + self.delay])[-limit.running :]
        return begins - now

    def count(self, incoming: Incoming) -> Reply:
        """What was accepted so far, for tests."""
        with self._lock:
            return self._json({"accepted": dict(self.orders)})

    def _origin_for(self, incoming: Incoming) -> str:
        """Its own URL as the client wrote it: a client of localhost may refuse to fetch from 127.0.0.1."""
        written = f"http://{incoming.headers.get('host', '').lower()}"
        return written if written in self._origins() else self.origin

    def _origins(self) -> tuple[str, str]:
        return self.origin, self.origin.replace("127.0.0.1", "localhost")

    def _submit(self, order: Order, make: Callable[[], answers.Made]) -> Reply:
        task = Task(self._uuid(), order, self.clock(), make, self.faults.take("task"), self._uuid())
        with self._lock:
            task.held = self._held(order, task.created)
            self.tasks[task.id] = task
        output = {"task_status": "PENDING", "task_id": task.id}
        return self._json({"output": output, "request_id": task.request_id})

    def _stream(self, order: Order, make: Callable[[], answers.Made]) -> Reply:
        frames = list(answers.frames(order, make()))
        fault = self.faults.take("task")
        events = [("result", 200, frame) for frame in frames]
        if fault and fault.kind == "fail":
            events[len(events) // 2 :] = [("error", 400, {"code": fault.code, "message": fault.message})]
        request_id = self._uuid()

        def lines() -> Iterator[bytes]:
            for number, (kind, status, frame) in enumerate(events, 1):
                self._sleep(self.delay / len(frames))
                data = json.dumps({**frame, "request_id": request_id}, ensure_ascii=False, separators=(",", ":"))
                yield f"id:{number}\nevent:{kind}\n:HTTP_STATUS/{status}\ndata:{data}\n\n".encode()

        return Reply(200, {"Content-Type": "text/event-stream;charset=UTF-8"}, lines())

    def _make(self, order: Order, inputs: Mapping[str, Facts], origin: str) -> answers.Made:
        prompt = str(order.fields.get("prompt", ""))
        palette, words = sum(prompt.encode()), placeholder.caption(prompt)

        def publish(width: int, height: int, model_id: str, index: int, count: int) -> str:
            lines = ("placeholder - not made by a model", words, model_id, f"{width}*{height}  {index + 1} / {count}")
            data = placeholder.png(width, height, "Sandbox", lines, palette + index)
            return origin + self.storage.publish(data, "image/png", ".png")

        def film(clip: Clip) -> str:
            data = placeholder.clip(clip.width, clip.height, clip.seconds, clip.sound, words)
            return origin + self.storage.publish(data, "video/mp4", ".mp4")

        return answers.make(order, inputs, publish, film)

    # Tasks -------------------------------------------------------------------------------------------------

    def poll(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        task_id = _task_id(incoming)
        with self._lock:
            task = self.tasks.get(task_id)
        if task is None or self.clock() - task.created > TASK_SECONDS or _ends_as(task, "unknown"):
            return self._json({"request_id": self._uuid(), "output": {"task_id": task_id, "task_status": "UNKNOWN"}})
        return self._json({"request_id": self._uuid(), **self._report(task)})

    def cancel(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        task_id = _task_id(incoming)
        with self._lock:
            task = self.tasks.get(task_id)
            if task is None or self._state(task) != "PENDING":
                message = "Failed to cancel the task, please confirm if the task is in PENDING status."
                raise Refusal(400, "UnsupportedOperation", message)
            task.canceled = True
        return self._json({"request_id": self._uuid()})

    def list(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        query = incoming.query
        with self._lock:
            tasks = sorted(self.tasks.values(), key=lambda task: -task.created)
        entries = [entry for entry in map(self._entry, tasks) if _matches(entry, query)]
        page, size = _positive(query.get("page_no"), 1), _positive(query.get("page_size"), 10)
        return self._json(
            {
                "total": len(entries),
                "data": entries[(page - 1) * size : page * size],
                "total_page": max(-(-len(entries) // size), 1),
                "page_no": page,
                "page_size": size,
                "request_id": self._uuid(),
            }
        )

    def _state(self, task: Task) -> str:
        elapsed = self.clock() - task.begins
        if task.canceled:
            return "CANCELED"
        if elapsed < self.delay:
            return "PENDING" if elapsed < self.delay * PENDING_SHARE else "RUNNING"
        return "FAILED" if task.order.late or _ends_as(task, "fail") else "SUCCEEDED"

    def _report(self, task: Task) -> JSON:
        """`output` and `usage` of a poll."""
        state = self._state(task)
        output: JSON = {"task_id": task.id, "task_status": state}
        if state == "PENDING":
            return {"output": output}
        output["submit_time"] = _stamp(task.created)
        output["scheduled_time"] = _stamp(task.begins + self.delay * PENDING_SHARE)
        if state == "RUNNING":
            return {"output": {**output, **answers.metrics(task.order, "RUNNING")}}
        output["end_time"] = _stamp(task.begins + self.delay)
        if state != "SUCCEEDED":
            failure = None if task.canceled else task.order.late or task.fault
            if failure:
                output.update(code=failure.code, message=failure.message, **answers.metrics(task.order, state))
            return {"output": output}
        with self._lock:
            if task.answer is None:
                task.answer = answers.body(task.order, task.make())
                if task.fault and _ends_as(task, "partial"):
                    answers.lose_last(task.answer, task.fault.code, task.fault.message)
        return {**task.answer, "output": {**output, **task.answer["output"]}}

    def _entry(self, task: Task) -> JSON:
        """A task in the answer of the task list."""
        state = self._state(task)
        entry = {
            "api_key_id": "sandbox",
            "caller_parent_id": "sandbox",
            "caller_uid": "sandbox",
            "gmt_create": int(task.created * 1000),
            "start_time": int(task.created * 1000),
            "model_name": task.order.model_id,
            "region": "cn-beijing",
            "request_id": task.request_id,
            "status": state,
            "task_id": task.id,
            "user_api_unique_key": ":".join(
                ("apikey:v1", *SHAPES[task.order.mode.task].path.split("/")[2:], task.order.model_id)
            ),
        }
        if state not in ("PENDING", "RUNNING"):
            entry["end_time"] = int((task.begins + self.delay) * 1000)
        return entry

    # Storage -----------------------------------------------------------------------------------------------

    def policy(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        query = incoming.query
        if query.get("action") != "getPolicy" or not query.get("model"):
            raise rules.invalid("Field required: model")
        data = self.storage.policy(query["model"], self._origin_for(incoming))
        return self._json({"request_id": self._uuid(), "data": data})

    def upload(self, incoming: Incoming) -> Reply:
        _refuse_key(incoming)
        content_type = incoming.headers.get("content-type", "")
        status = self.storage.receive(content_type, incoming.stream)
        return Reply(status, {"x-oss-request-id": "SANDBOX"}, b"")

    def result(self, incoming: Incoming) -> Reply:
        _refuse_key(incoming)
        if incoming.method == "HEAD":  # the signature covers the method, and the links are signed for GET
            raise StorageError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        stored = self.storage.fetch(incoming.target)
        headers = dict(stored.headers)
        if incoming.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            raise StorageError(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", incoming.headers.get("range", ""))
        total = len(stored.data)
        if part and int(part[1]) < total:
            start, end = int(part[1]), min(int(part[2] or total - 1), total - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{total}"
            return Reply(206, headers, stored.data[start : end + 1])
        return Reply(200, headers, stored.data)

    # Pieces ------------------------------------------------------------------------------------------------

    def _not_found(self, incoming: Incoming) -> Reply:
        if incoming.path.startswith(PREFIX + "/services/"):
            self._authorize(incoming)
        return self._refusal(404, "NotFound", "Not found!")

    def _authorize(self, incoming: Incoming) -> None:
        scheme, _, key = incoming.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refusal(401, "InvalidApiKey", "No API-key provided.")

    def _refusal(self, status: int, code: str, message: str) -> Reply:
        return self._json({"request_id": self._uuid(), "code": code, "message": message}, status)

    def _json(self, answer: JSON, status: int = 200) -> Reply:
        body = json.dumps(answer, ensure_ascii=False).encode("utf-8")
        return Reply(status, {"Content-Type": "application/json"}, body)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _token(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"


class _Inspector:
    """Inspects media URLs as the service would, and keeps their facts. It never opens URLs of other hosts."""

    def __init__(self, storage: Storage, origins: tuple[str, ...], headers: Mapping[str, str], model: str) -> None:
        self._storage = storage
        self._results = tuple(origin + "/results/" for origin in origins)
        self._resolves = headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
        self._model = model
        self.inputs: dict[str, Facts] = {}

    def __call__(self, text: str) -> Source:
        scheme = text.partition(":")[0].lower()
        if scheme == "data":
            return self._data_url(text)
        if scheme == "oss":
            return self._uploaded(text)
        if text.startswith(self._results):
            return self._own_result(text)
        return Source(text, scheme, fault="" if scheme in ("http", "https") else "is not a URL")

    def _data_url(self, text: str) -> Source:
        """Only the documented form is taken, as the service does."""
        try:
            data = data_of(text)
        except ValueError as error:
            return Source(text, "data", fault=str(error))
        if text != data_url(data, text[5:].partition(";")[0]):
            return Source(text, "data", fault="is not a data:<type>;base64,<bytes> URL")
        return self._opened(Source(text, "data", bytes=len(data), facts=examine(io.BytesIO(data))))

    def _uploaded(self, text: str) -> Source:
        if not self._resolves:
            raise Refusal(400, "invalid_parameter_error", UNRESOLVED)
        upload = self._storage.uploads.get(text[len("oss://") :])
        if upload is None or upload.model != self._model:
            raise Refusal(400, "InvalidParameter.DataInspection", UNREACHABLE)
        return self._opened(Source(text, "file", bytes=upload.bytes, facts=upload.facts))

    def _own_result(self, text: str) -> Source:
        try:
            stored = self._storage.fetch(text)
        except StorageError:
            raise Refusal(400, "InvalidParameter.DataInspection", UNREACHABLE) from None
        return self._opened(Source(text, "file", bytes=len(stored.data), facts=probe_bytes(stored.data)))

    def _opened(self, source: Source) -> Source:
        if source.facts:
            self.inputs[source.text] = source.facts
        return source


UNRESOLVED = (
    "InternalError.Algo.InvalidParameter: The provided URL does not appear to be valid. "
    "Ensure it is correctly formatted."
)
UNREACHABLE = "Unable to download the media resource during the data inspection process."


def _model_of(body: bytes) -> str:
    try:
        return str(json.loads(body).get("model", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _refuse_key(incoming: Incoming) -> None:
    """Storage has its own signatures. The API key must not get there, and OSS refuses two kinds of authorization."""
    if "authorization" in incoming.headers:
        raise StorageError(400, "InvalidArgument", "Only one auth mechanism allowed.")


def _task_id(incoming: Incoming) -> str:
    match = re.match(_TASK, incoming.path)
    return unquote(match[1]) if match else ""


def _ends_as(task: Task, kind: str) -> bool:
    return task.fault is not None and task.fault.kind == kind


def _matches(entry: JSON, query: Mapping[str, str]) -> bool:
    created = china_time("%Y%m%d%H%M%S", entry["gmt_create"] / 1000)
    return (
        query.get("task_id", entry["task_id"]) == entry["task_id"]
        and query.get("model_name", entry["model_name"]) == entry["model_name"]
        and query.get("status", entry["status"]) == entry["status"]
        and query.get("start_time", "") <= created <= query.get("end_time", "9")
    )


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch("[1-9][0-9]{0,5}", text) else default


def _stamp(moment: float) -> str:
    return china_time("%Y-%m-%d %H:%M:%S", moment) + f".{int(moment * 1000) % 1000:03d}"


_TASK = re.escape(PREFIX) + r"/tasks/([^/]+)"
ROUTES = (
    ("POST", re.escape(PREFIX) + r"/services/aigc/multimodal-generation/generation", "sync"),
    ("POST", re.escape(PREFIX) + r"/services/aigc/[a-z0-9-]+/[a-z0-9-]+", "submit"),
    ("GET", _TASK + "/?", "poll"),
    ("POST", _TASK + "/cancel/?", "cancel"),
    ("GET", re.escape(PREFIX) + r"/tasks/?", "list"),
    ("GET", re.escape(PREFIX) + r"/uploads/?", "policy"),
    ("POST", r"/?", "upload"),
    ("GET|HEAD", r"/results/[^/]+", "result"),
    ("GET", r"/sandbox/accepted", "accepted"),
)
HANDLERS: Mapping[str, Callable[[StandIn, Incoming], Reply]] = {
    "sync": StandIn.generate,
    "stream": StandIn.generate,
    "submit": StandIn.generate,
    "poll": StandIn.poll,
    "cancel": StandIn.cancel,
    "list": StandIn.list,
    "policy": StandIn.policy,
    "upload": StandIn.upload,
    "result": StandIn.result,
    "accepted": StandIn.count,
}
