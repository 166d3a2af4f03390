"""HTTP as clients write it, well and badly: the stand-in reads each request to its end, and no further."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import socket
import threading
import unittest
from typing import NamedTuple
from urllib.parse import urlsplit

from qianwen.sandbox.faults import Faults
from qianwen.sandbox.server import LINGER_SECONDS, running
from qianwen.sandbox.standin import StandIn

ORDER = b'{"model": "wan2.6-t2v", "input": {"prompt": "x"}}'
STORY = json.dumps(
    {
        "model": "wan2.6-image",
        "input": {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        "parameters": {"enable_interleave": True, "stream": True, "max_images": 1},
    }
).encode()
SUBMIT = b"POST /api/v1/services/aigc/video-generation/video-synthesis HTTP/1.1\r\n"
STREAM = b"POST /api/v1/services/aigc/multimodal-generation/generation HTTP/1.%d\r\nX-DashScope-SSE: enable\r\n"
HEADERS = b"Host: x\r\nAuthorization: Bearer x\r\nX-DashScope-Async: enable\r\n"
LIST = b"GET /api/v1/tasks HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n"
FORM = b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def counted(body: bytes = ORDER) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class Row(NamedTuple):
    """What is sent, before a request for the list of tasks on the same connection.

    statuses: what comes back; the last is the list's 200 where the connection lives on.  tasks: how many there are now.
    """

    name: str
    sent: bytes
    statuses: str
    tasks: int = 0


TABLE = (
    Row("nothing before", b"", "200"),
    Row("Content-Length", SUBMIT + HEADERS + counted(), "200 200", 1),
    Row("three at once", LIST + SUBMIT + HEADERS + counted() + LIST, "200 200 200 200", 1),
    Row("chunks", SUBMIT + HEADERS + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411"),
    Row("two lengths", SUBMIT + HEADERS + b"Content-Length: 5\r\n" + counted(), "400"),
    Row("one length twice", SUBMIT + HEADERS + b"Content-Length: %d\r\n" % len(ORDER) + counted(), "200 200", 1),
    Row("no body", SUBMIT + HEADERS + b"\r\n", "400"),
    Row("text/plain", SUBMIT + HEADERS + b"Content-Type: text/plain\r\n" + counted(), "200 200", 1),
    Row("100-continue", SUBMIT + HEADERS + b"Expect: 100-continue\r\n" + counted(), "100 200 200", 1),
    Row("a body with a GET", LIST.replace(b"\r\n\r\n", b"\r\n" + counted(LIST)), "200 200"),
    Row("a whole address", LIST.replace(b"/api", b"http://127.0.0.1/api"), "200 200"),
    Row("HTTP/1.0", (SUBMIT + HEADERS).replace(b"/1.1", b"/1.0") + counted(), "200", 1),
    Row("HTTP/1.0 that stays", (SUBMIT + HEADERS).replace(b"/1.1", b"/1.0") + b"Connection: keep-alive\r\n" + counted(), "200 200", 1),
    Row("a stream", STREAM % 1 + HEADERS.replace(b"Async", b"X") + counted(STORY), "200 200"),
    Row("a stream for HTTP/1.0", STREAM % 0 + HEADERS.replace(b"Async", b"X") + counted(STORY), "200"),
    Row("Connection: close", SUBMIT + HEADERS + b"Connection: close\r\n" + counted(), "200", 1),
    Row("HEAD", b"HEAD /api/v1/tasks HTTP/1.1\r\n\r\n", "404"),
    Row("OPTIONS", b"OPTIONS /api/v1/tasks HTTP/1.1\r\n\r\n", "404"),
    Row("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n\r\n", "404"),
    Row("PUT", b"PUT /x HTTP/1.1\r\n" + counted(), "404"),
    Row("DELETE", b"DELETE /api/v1/tasks/x HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n", "404"),
    Row("a method of its own", b"BREW / HTTP/1.1\r\n\r\n", "501"),
    Row("a long line", b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", "414"),
    Row("a long header", b"GET / HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n", "431"),
    Row("many headers", b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", "431"),
)  # fmt: skip


class Table(unittest.TestCase):
    def test_each(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            for row in TABLE:
                standin = StandIn()
                with self.subTest(row.name), running(standin) as base:
                    received = exchange(base, row.sent + LIST)
                    self.assertEqual(b" ".join(re.findall(rb"HTTP/1\.[01] (\d+)", received)).decode(), row.statuses)
                    self.assertEqual(len(standin.tasks), row.tasks)
        self.assertEqual(said.getvalue(), "")

    def test_a_body_that_a_handler_leaves_alone(self) -> None:
        standin = StandIn(delay=1000)
        with running(standin) as base:
            exchange(base, SUBMIT + HEADERS + counted())
            (task_id,) = standin.tasks
            cancel = f"POST /api/v1/tasks/{task_id}/cancel HTTP/1.1\r\n".encode() + HEADERS
            received = exchange(base, cancel + counted(b"GET / HTTP/1.1\r\n\r\n") + LIST)
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", received), [b"200", b"200"])
        self.assertTrue(standin.tasks[task_id].canceled)

    def test_what_frames_a_stream(self) -> None:
        with running() as base:
            headers = HEADERS.replace(b"Async", b"X")
            new, old = (exchange(base, STREAM % version + headers + counted(STORY)) for version in (1, 0))
        self.assertIn(b"Transfer-Encoding: chunked", new)
        self.assertNotIn(b"Transfer-Encoding", old)
        self.assertTrue(old.partition(b"\r\n\r\n")[2].startswith(b"id:1\n"))
        self.assertTrue(old.endswith(b"\n\n"))

    def test_a_head_has_no_body(self) -> None:
        with running() as base:
            received = exchange(base, b"HEAD /results/x.png HTTP/1.1\r\n\r\n")
        self.assertTrue(received.startswith(b"HTTP/1.1 403 "))
        self.assertTrue(received.endswith(b"\r\n\r\n"))


def exchange(base: str, sent: bytes) -> bytes:
    """All that comes back until the stand-in hangs up."""
    with socket.create_connection(("127.0.0.1", urlsplit(base).port or 0), 10) as connection:
        writer = threading.Thread(target=_write, args=(connection, sent))  # beside: a refusal may come before the end
        writer.start()
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        writer.join()
    return received


def _write(connection: socket.socket, sent: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)


class Refused(unittest.TestCase):
    """The answer to a body that is refused before it was read reaches a client that is still sending."""

    BIG = bytes(16_000_000)  # more than lies between the two, and little enough for one second of a busy machine

    def ask(self, base: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=20)
        connection.request("POST", "/", self.BIG, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def test_a_big_upload(self) -> None:
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        with running() as base:
            for headers, words in (
                (form, b"MalformedPOSTRequest"),
                ({**form, "Authorization": "Bearer x"}, b"Only one auth mechanism"),
            ):
                for _ in range(3):
                    status, body = self.ask(base, headers)
                    self.assertEqual((status, words in body), (400, True))

    def test_trouble_on_demand(self) -> None:
        with running(StandIn(faults=Faults(["upload=503*3"]))) as base:
            for _ in range(3):
                self.assertEqual(self.ask(base, {})[0], 503)

    def test_one_who_announces_and_never_sends_is_left_alone(self) -> None:
        with running() as base, socket.create_connection(("127.0.0.1", urlsplit(base).port or 0), 10) as connection:
            connection.sendall(FORM + b"Authorization: Bearer x\r\nContent-Length: 999999999\r\n\r\n")
            connection.settimeout(LINGER_SECONDS + 10)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        self.assertIn(b"Only one auth mechanism", received)


if __name__ == "__main__":
    unittest.main()
