"""DesireCore's agent-service on a real socket, over TLS, as the sheet describes it: a media proxy and a media store.

It lives with the tests because TLS needs a private key, and a skill that people install ships none.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import uuid
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple

from qianwen.sandbox import placeholder

from ..support import DATA

TLS = DATA / "tls"
OUTER = {"serviceType", "endpoint", "body", "responseType"}
INNER = {
    "/chat/completions": {"model", "messages", "size", "n"},
    "/images/generations": {"model", "prompt", "size", "n"},
}


class Sent(NamedTuple):
    """A request that came: its path, its headers in lower case, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class AgentService:
    """shape: how pictures are answered, "native", "links" or "base64".  answers: what to answer instead, in order, as
    (status, JSON or bytes); None hangs up.  origin: of its own socket.
    """

    def __init__(self, shape: str = "native") -> None:
        self.shape = shape
        self.answers: list[tuple[int, Any] | None] = []
        self.store_answers: list[tuple[int, Any]] = []
        self.sent: list[Sent] = []
        self.results: dict[str, bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.origin = ""
        self.result_origin = ""
        self._lock = threading.Lock()

    def of(self, path: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.path == path]

    @property
    def orders(self) -> list[Any]:
        """What the proxy was asked for."""
        return [sent.json for sent in self.of("/api/media-proxy")]

    def handle(self, sent: Sent) -> tuple[int, Any] | None:
        with self._lock:
            self.sent.append(sent)
            if "authorization" in sent.headers:
                return 400, {"success": False, "error": "no header of that name is documented"}
            if sent.path.startswith("/results/"):
                return 200, self.results[sent.path]
            if sent.path == "/api/media/upload":
                return self.store_answers.pop(0) if self.store_answers else self._keep(sent)
            if sent.path != "/api/media-proxy":
                return 404, {"error": "Not Found"}
            return self.answers.pop(0) if self.answers else self._make(sent.json)

    def made(self, count: int) -> Any:
        """Its answer to an order of so many pictures."""
        body = {"model": "m", "prompt": "x", "size": "64x64", "n": count}
        order = {"serviceType": "image_gen", "endpoint": "/images/generations", "body": body, "responseType": "json"}
        return self._make(order)[1]

    def _make(self, order: dict[str, Any]) -> tuple[int, Any]:
        body = order.get("body", {})
        if set(order) != OUTER or set(body) != INNER.get(order["endpoint"]) or not 1 <= body["n"] <= 4:
            return 200, {"success": False, "statusCode": 400, "error": {"code": "InvalidParameter", "message": "no"}}
        width, height = map(int, body["size"].split("x"))
        pictures = [placeholder.png(width, height, "DesireCore", [str(number)]) for number in range(body["n"])]
        return 200, {"success": True, "data": getattr(self, f"_{self.shape}")(pictures), "statusCode": 200}

    def _links_to(self, pictures: list[bytes]) -> list[str]:
        paths = [f"/results/{uuid.uuid4().hex}.png" for _ in pictures]
        self.results.update(zip(paths, pictures))
        return [f"{self.result_origin or self.origin}{path}?Expires=1&Signature=abc%2Bd" for path in paths]

    def _native(self, pictures: list[bytes]) -> Any:
        contents = [[{"type": "image", "image": url}] for url in self._links_to(pictures)]
        choices = [{"message": {"role": "assistant", "content": c}, "finish_reason": "stop"} for c in contents]
        return {"request_id": str(uuid.uuid4()), "output": {"choices": choices}}

    def _links(self, pictures: list[bytes]) -> Any:
        return {"created": 1781060911, "data": [{"url": url} for url in self._links_to(pictures)]}

    def _base64(self, pictures: list[bytes]) -> Any:
        data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
        return {"created": 1781060911, "data": data, "size": "1024x1024"}

    def _keep(self, sent: Sent) -> tuple[int, Any]:
        head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
        _, part = BytesParser().parsebytes(head + sent.body).walk()
        is_file = part.get_param("name", header="content-disposition") == "file"
        if not is_file or not part.get_filename() or part.get_content_type() != "image/png":
            return 400, {"success": False, "error": "no file"}
        media_id = f"{uuid.uuid4()}.png"
        self.stored[media_id] = bytes(part.get_payload(decode=True))
        return 200, {"success": True, "mediaId": media_id, "size": len(self.stored[media_id])}

    @contextmanager
    def running(self, root: Path) -> Iterator[AgentService]:
        """Listen on loopback and write the port where clients look for it."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.service = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.origin = f"https://127.0.0.1:{server.server_address[1]}"
        root.mkdir(parents=True, exist_ok=True)
        (root / "agent-service.port").write_text(f"{server.server_address[1]}\n")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: AgentService

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that distrusts us hangs up; that is its right."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        headers: Mapping[str, str] = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        answer = self.server.service.handle(Sent(self.path.partition("?")[0], dict(headers), body))
        if answer is None:
            self.close_connection = True
            return
        status, told = answer
        data = told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
