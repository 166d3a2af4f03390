"""The stand-in itself: requests in, replies out, tasks and time between them. It opens no socket; `server` does."""

from __future__ import annotations

import json
import random
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Iterator, Mapping, Union
from urllib.parse import parse_qsl, unquote, urlsplit

from ..media import Facts, probe_bytes, probe_data_url
from ..models.catalog import Source
from ..models.image_models import IMAGES
from ..models.video_models import VIDEOS
from ..models.wire import SHAPES
from ..record import record
from . import answers, placeholder, rules
from .faults import Fault, Faults
from .measures import Clip
from .rules import Order, Refusal
from .storage import Storage, StorageError

JSON = dict[str, Any]
PREFIX = "/api/v1"
CATALOGS = (IMAGES, VIDEOS)
PENDING_SHARE = 0.2  # of a task's time
TASK_SECONDS = 86400
MOST_BODY_BYTES = 64 * 2**20
CHINA = 8 * 3600


@record
class Reply:
    """An answer to send: `body` is whole, or an iterator of blocks that are sent as they come."""

    status: int
    headers: Mapping[str, str]
    body: Union[bytes, Iterator[bytes]]


@record
class Incoming:
    """A request as it came. Header names are lower case; `stream` ends with the body."""

    method: str
    target: str
    headers: Mapping[str, str]
    stream: BinaryIO


@dataclass
class Task:
    id: str
    order: Order
    created: float
    seen: Mapping[str, Facts]
    fault: Fault | None
    request_id: str
    origin: str
    canceled: bool = False
    made: JSON | None = None


class StandIn:
    """delay: seconds that a picture takes.  seed: makes ids repeatable.  clock, sleep: its time, in seconds.

    takes_new: it plays models without a row too; the service knows none of them, but may tomorrow.
    origin: the URL of its own socket, set by whoever opens one.
    """

    def __init__(
        self,
        delay: float = 0.0,
        faults: Faults | None = None,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        takes_new: bool = False,
    ) -> None:
        self.origin = ""
        self.takes_new = takes_new
        self.delay = delay
        self.faults = faults or Faults()
        self._random = random.Random(seed)  # noqa: S311 - ids of placeholders, repeatable on purpose
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self.storage = Storage(self._token, clock, repeats=seed is not None)
        self.tasks: dict[str, Task] = {}

    def now(self) -> float:
        """Its time, epoch seconds."""
        return self._clock()

    def route(self, incoming: Incoming) -> str:
        """The name of what a request asks for, as `faults` knows it; "" for nothing that is here."""
        path = urlsplit(incoming.target).path
        for methods, pattern, name in ROUTES:
            if re.fullmatch(methods, incoming.method) and re.fullmatch(pattern, path):
                if name == "sync" and incoming.headers.get("x-dashscope-sse", "").lower() == "enable":
                    return "stream"
                return name
        return ""

    def handle(self, route: str, incoming: Incoming) -> Reply:
        """The reply to a request; every refusal is a reply too."""
        try:
            return HANDLERS[route](self, incoming) if route else self._nothing(incoming)
        except Refusal as refusal:
            return self._refusal(refusal.status, refusal.code, refusal.message)
        except StorageError as error:
            headers = {"Content-Type": "application/xml", "x-oss-ec": error.ec, "x-oss-request-id": "SANDBOX"}
            return Reply(error.status, headers, error.xml())

    def trouble(self, fault: Fault, route: str) -> Reply:
        """The reply that an injected status makes, in the words of the host that the route belongs to."""
        if route in ("upload", "result"):
            error = StorageError(fault.status, fault.code or "InternalError", fault.message or "Trouble on demand.")
            return Reply(fault.status, {"Content-Type": "application/xml"}, error.xml())
        code = fault.code or ("Throttling" if fault.status == 429 else "InternalError")
        return self._refusal(fault.status, code, fault.message or "Trouble on demand.")

    # Generation --------------------------------------------------------------------------------------------

    def generate(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        body = incoming.stream.read(MOST_BODY_BYTES + 1)
        if len(body) > MOST_BODY_BYTES:
            raise rules.invalid("Exceeded limit on max bytes to request body")
        path = urlsplit(incoming.target).path[len(PREFIX) :]
        origin = self._origin_for(incoming)
        inspect = _Inspector(self.storage, self._origins(), incoming.headers, _model_of(body))
        order = rules.accept(CATALOGS, path, incoming.headers, body, inspect, self.takes_new)
        if order.is_task:
            return self._submit(order, inspect.seen, origin)
        if SHAPES[order.mode.sync].is_stream:
            return self._stream(order, inspect.seen, origin)
        self._sleep(self.delay)
        return self._json({**answers.body(order, self._make(order, inspect.seen, origin)), "request_id": self._uuid()})

    def _origin_for(self, incoming: Incoming) -> str:
        """Its own URL as the client knows it: one that came to localhost may refuse to fetch from 127.0.0.1."""
        used = f"http://{incoming.headers.get('host', '').lower()}"
        return used if used in self._origins() else self.origin

    def _origins(self) -> tuple[str, str]:
        return self.origin, self.origin.replace("127.0.0.1", "localhost")

    def _submit(self, order: Order, seen: Mapping[str, Facts], origin: str) -> Reply:
        task = Task(self._uuid(), order, self._clock(), seen, self.faults.take("task"), self._uuid(), origin)
        with self._lock:
            self.tasks[task.id] = task
        output = {"task_status": "PENDING", "task_id": task.id}
        return self._json({"output": output, "request_id": task.request_id})

    def _stream(self, order: Order, seen: Mapping[str, Facts], origin: str) -> Reply:
        frames = list(answers.frames(order, self._make(order, seen, origin)))
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

    def _make(self, order: Order, seen: Mapping[str, Facts], origin: str) -> answers.Made:
        palette = sum(str(order.fields.get("prompt", "")).encode())

        def publish(width: int, height: int, model_id: str, index: int, count: int) -> str:
            lines = ("placeholder - not made by a model", model_id, f"{width}*{height}  {index + 1} / {count}")
            data = placeholder.png(width, height, "Sandbox", lines, palette + index)
            return origin + self.storage.publish(data, "image/png", ".png")

        def film(clip: Clip) -> str:
            data = placeholder.clip(clip.width, clip.height, clip.seconds, clip.sound)
            return origin + self.storage.publish(data, "video/mp4", ".mp4")

        return answers.make(order, seen, publish, film)

    # Tasks -------------------------------------------------------------------------------------------------

    def poll(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        task_id = _task_id(incoming)
        with self._lock:
            task = self.tasks.get(task_id)
        if task is None or self._clock() - task.created > TASK_SECONDS or _ends_as(task, "unknown"):
            return self._json({"request_id": self._uuid(), "output": {"task_id": task_id, "task_status": "UNKNOWN"}})
        return self._json({"request_id": self._uuid(), **self._report(task)})

    def cancel(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        task_id = _task_id(incoming)
        with self._lock:
            task = self.tasks.get(task_id)
            if task is None or self._state(task) != "PENDING":
                words = "Failed to cancel the task, please confirm if the task is in PENDING status."
                raise Refusal(400, "UnsupportedOperation", words)
            task.canceled = True
        return self._json({"request_id": self._uuid()})

    def list(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        query = dict(parse_qsl(urlsplit(incoming.target).query))
        with self._lock:
            tasks = sorted(self.tasks.values(), key=lambda task: -task.created)
        found = [self._entry(task) for task in tasks]
        found = [entry for entry in found if _wanted(entry, query)]
        page, size = _whole(query.get("page_no"), 1), _whole(query.get("page_size"), 10)
        return self._json(
            {
                "total": len(found),
                "data": found[(page - 1) * size : page * size],
                "total_page": max(-(-len(found) // size), 1),
                "page_no": page,
                "page_size": size,
                "request_id": self._uuid(),
            }
        )

    def _state(self, task: Task) -> str:
        elapsed = self._clock() - task.created
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
        output["submit_time"] = _china_time(task.created)
        output["scheduled_time"] = _china_time(task.created + self.delay * PENDING_SHARE)
        if state == "RUNNING":
            return {"output": {**output, **answers.metrics(task.order, "RUNNING")}}
        output["end_time"] = _china_time(task.created + self.delay)
        if state != "SUCCEEDED":
            why = None if task.canceled else task.order.late or task.fault
            if why:
                output.update(code=why.code, message=why.message, **answers.metrics(task.order, state))
            return {"output": output}
        with self._lock:
            if task.made is None:
                task.made = answers.body(task.order, self._make(task.order, task.seen, task.origin))
                if task.fault and task.fault.kind == "partial":
                    answers.lose_last(task.made, task.fault.code, task.fault.message)
        return {**task.made, "output": {**output, **task.made["output"]}}

    def _entry(self, task: Task) -> JSON:
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
            entry["end_time"] = int((task.created + self.delay) * 1000)
        return entry

    # Storage -----------------------------------------------------------------------------------------------

    def policy(self, incoming: Incoming) -> Reply:
        self._authorize(incoming)
        query = dict(parse_qsl(urlsplit(incoming.target).query))
        if query.get("action") != "getPolicy" or not query.get("model"):
            raise rules.invalid("Field required: model")
        data = self.storage.policy(query["model"], self._origin_for(incoming))
        return self._json({"request_id": self._uuid(), "data": data})

    def upload(self, incoming: Incoming) -> Reply:
        _refuse_key(incoming)
        if "transfer-encoding" in incoming.headers:
            raise StorageError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        content_type = incoming.headers.get("content-type", "")
        status = self.storage.receive(content_type, incoming.stream)
        return Reply(status, {"x-oss-request-id": "SANDBOX"}, b"")

    def result(self, incoming: Incoming) -> Reply:
        _refuse_key(incoming)
        if incoming.method == "HEAD":  # the method is part of what is signed
            raise StorageError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        parts = urlsplit(incoming.target)
        found = self.storage.fetch(parts.path.rpartition("/")[2], dict(parse_qsl(parts.query)))
        headers = dict(found.headers)
        if incoming.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            raise StorageError(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", incoming.headers.get("range", ""))
        total = len(found.data)
        if wanted and int(wanted[1]) < total:
            start, end = int(wanted[1]), min(int(wanted[2] or total - 1), total - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{total}"
            return Reply(206, headers, found.data[start : end + 1])
        return Reply(200, headers, found.data)

    # Pieces ------------------------------------------------------------------------------------------------

    def _nothing(self, incoming: Incoming) -> Reply:
        if urlsplit(incoming.target).path.startswith(PREFIX + "/services/"):
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
    """Looks at a media URL as the service would, and remembers what it saw. The web it does not enter."""

    def __init__(self, storage: Storage, origins: tuple[str, ...], headers: Mapping[str, str], model: str) -> None:
        self._storage = storage
        self._results = tuple(origin + "/results/" for origin in origins)
        self._resolves = headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
        self._model = model
        self.seen: dict[str, Facts] = {}

    def __call__(self, text: str) -> Source:
        scheme = text.partition(":")[0].lower()
        if scheme == "data":
            return self._look_into(text)
        if scheme == "oss":
            return self._uploaded(text)
        if text.startswith(self._results):
            return self._own_result(text)
        return Source(text, scheme, fault="" if scheme in ("http", "https") else "is no URL")

    def _look_into(self, text: str) -> Source:
        try:
            size, facts = probe_data_url(text)
        except ValueError as error:
            return Source(text, "data", fault=str(error))
        return self._opened(Source(text, "data", bytes=size, facts=facts))

    def _uploaded(self, text: str) -> Source:
        if not self._resolves:
            raise Refusal(400, "invalid_parameter_error", UNRESOLVED)
        kept = self._storage.uploads.get(text[len("oss://") :])
        if kept is None or kept.model != self._model:
            raise Refusal(400, "InvalidParameter.DataInspection", UNREACHABLE)
        return self._opened(Source(text, "file", bytes=kept.bytes, facts=kept.facts))

    def _own_result(self, text: str) -> Source:
        parts = urlsplit(text)
        try:
            found = self._storage.fetch(parts.path.rpartition("/")[2], dict(parse_qsl(parts.query)))
        except StorageError:
            raise Refusal(400, "InvalidParameter.DataInspection", UNREACHABLE) from None
        return self._opened(Source(text, "file", bytes=len(found.data), facts=probe_bytes(found.data)))

    def _opened(self, source: Source) -> Source:
        if source.facts:
            self.seen[source.text] = source.facts
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
    """Storage has its own signatures; an API key has no business there, and the real one refuses two at once."""
    if "authorization" in incoming.headers:
        raise StorageError(400, "InvalidArgument", "Only one auth mechanism allowed.")


def _task_id(incoming: Incoming) -> str:
    match = re.match(_TASK, urlsplit(incoming.target).path)
    return unquote(match[1]) if match else ""


def _ends_as(task: Task, kind: str) -> bool:
    return task.fault is not None and task.fault.kind == kind


def _wanted(entry: JSON, query: Mapping[str, str]) -> bool:
    created = time.strftime("%Y%m%d%H%M%S", time.gmtime(entry["gmt_create"] / 1000 + CHINA))
    return (
        query.get("task_id", entry["task_id"]) == entry["task_id"]
        and query.get("model_name", entry["model_name"]) == entry["model_name"]
        and query.get("status", entry["status"]) == entry["status"]
        and query.get("start_time", "") <= created <= query.get("end_time", "9")
    )


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch("[1-9][0-9]{0,5}", text) else default


def _china_time(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment + CHINA)) + f".{int(moment * 1000) % 1000:03d}"


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
}
