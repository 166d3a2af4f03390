"""The door to the network, against real sockets."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
import time
import unittest
from typing import Callable
from unittest import mock

from qianwen.http import os_errors, transport
from qianwen.http.messages import Fault, Request, Stream
from qianwen.http.transport import Transport
from qianwen.plain.record import changed

from ..peer import OK, Peer, answering, peer

RESET = struct.pack("ii", 1, 0)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


def get(url: str, patience: float = 5.0) -> Request:
    return Request("GET", url, {"X-Test": "1"}, patience=patience)


def silent_for(seconds: float) -> Callable[[Peer], Callable[[socket.socket], None]]:
    """A handler that reads a request and then says nothing."""

    def of(there: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            there.read(connection)
            time.sleep(seconds)

        return handle

    return of


class Exchanges(unittest.TestCase):
    def setUp(self) -> None:
        self.transport = Transport()
        self.addCleanup(self.transport.close)

    def body(self, request: Request) -> bytes:
        with self.transport.send(request) as response:
            return response.read_all(10_000_000)

    def test_bodies_of_every_framing(self) -> None:
        for name, data in (
            ("length", OK),
            ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
            ("chunks, and a space behind the word", CHUNKED[:-2] + b" \r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            (
                "chunks, the last of two words",
                CHUNKED.replace(b"chunked", b"gzip,Chunked") + b"\r\n2\r\nok\r\n0\r\n\r\n",
            ),
            ("no chunks", CHUNKED[:-2] + b" \r\nContent-Length: 2\r\n\r\nok"),
            ("until closed", b"HTTP/1.0 200 OK\r\n\r\nok"),
        ):
            with self.subTest(name), peer(answering(data)).listening() as url:
                self.assertEqual(self.body(get(url + "/path?a=%2B&b")), b"ok")

    def test_a_head_of_any_size_hides_no_body(self) -> None:
        many = b"".join(b"X-%d: 1\r\n\tfolded\r\n" % number for number in range(500))
        long = b"X-Long: " + b"y" * 200_000 + b"\r\n"
        for name, head in (
            ("a length behind many headers", many + b"content-length: 2\r\n\r\nok"),
            ("chunks behind many headers", many + CHUNKED[17:] + b"\r\n2\r\nok\r\n0\r\n\r\n"),
            ("a header that is too long", long + b"Content-Length: 2\r\n\r\nok"),
            ("a header that is too long by a byte", b"X: " + b"y" * 65532 + b"\r\nContent-Length: 2\r\n\r\nok"),
            ("behind interim answers", many + b"\r\nHTTP/1.1 102 Wait\r\n" + many + b"\r\n" + OK),
        ):
            status = b"HTTP/1.1 103 Hints\r\n" if "interim" in name else b"HTTP/1.1 200 OK\r\n"
            with self.subTest(name), peer(answering(status + head, OK)).listening() as url:
                self.assertEqual([self.body(get(url)), self.body(get(url))], [b"ok", b"ok"])

    def test_one_connection_serves_many_requests(self) -> None:
        there = peer(answering(OK, OK, OK))
        with there.listening() as url:
            for _ in range(3):
                self.assertEqual(self.body(get(url)), b"ok")
        self.assertEqual((there.connections, len(there.received)), (1, 3))

    def test_what_is_sent_is_exactly_what_was_asked(self) -> None:
        there = peer(answering(OK))
        with there.listening() as url:
            self.body(Request("POST", url + "/a/b%2Fc?x=%e4&Signature=a+b/c==", {"X-One": "1"}, b"body"))
        head, _, body = there.received[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual(lines[0], b"POST /a/b%2Fc?x=%e4&Signature=a+b/c== HTTP/1.1")
        self.assertEqual(sorted(lines[1:]), [b"Content-Length: 4", b"Host: " + url[7:].encode(), b"X-One: 1"])
        self.assertEqual(body, b"body")

    def test_a_stream_is_sent_with_its_length(self) -> None:
        there = peer(answering(OK))
        blocks = [b"x" * 100_000] * 7
        with there.listening() as url:
            self.body(Request("POST", url, {}, Stream(700_000, lambda: iter(blocks))))
        self.assertIn(b"Content-Length: 700000", there.received[0])
        self.assertTrue(there.received[0].endswith(b"x" * 700_000))

    def test_a_redirect_is_an_answer_like_any_other(self) -> None:
        data = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"
        with peer(answering(data)).listening() as url, self.transport.send(get(url)) as response:
            self.assertEqual((response.status, response.headers["location"]), (302, "http://elsewhere/"))

    def test_a_refusal_is_read_at_once_even_when_it_breaks_off(self) -> None:
        data = b'HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\n{"code":'
        with peer(answering(data)).listening() as url, self.transport.send(get(url)) as response:
            self.assertEqual((response.status, response.refusal), (400, b'{"code":'))

    def test_events_arrive_while_they_are_made(self) -> None:
        done = threading.Event()

        def drip(there: Peer) -> Callable[[socket.socket], None]:
            def handle(connection: socket.socket) -> None:
                there.read(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                done.wait(5)
                connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")

            return handle

        with peer(drip).listening() as url, self.transport.send(get(url)) as response:
            self.assertEqual(response.read(65536), b"first")
            done.set()
            self.assertEqual(response.read(65536), b"last")
            self.assertEqual(response.read(65536), b"")


class Faults(unittest.TestCase):
    def fault(self, there: Peer, request: Callable[[str], Request] = get, deadline: float | None = None) -> Fault:
        door = Transport(None if deadline is None else time.monotonic() + deadline)
        self.addCleanup(door.close)
        with there.listening() as url:
            began = time.monotonic()
            with self.assertRaises(Fault) as caught:
                door.send(request(url)).read_all(1000)
            self.seconds = time.monotonic() - began
        return caught.exception

    def test_where_it_breaks(self) -> None:
        for name, data, words in (
            ("no answer", b"", "closed the connection"),
            ("half a status line", b"HTTP/1.1 20", "not HTTP"),
            ("no HTTP", b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
            ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "broke off"),
            ("half a chunk", CHUNKED + b"\r\na\r\n12345", "broke off"),
            ("a chunk of nonsense", CHUNKED + b"\r\nzz\r\n12345", ""),
            (
                "the same with a huge length",
                CHUNKED + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nzz\r\n12345",
                "broke off",
            ),
        ):
            with self.subTest(name):
                fault = self.fault(peer(answering(data)))
                self.assertTrue(fault.sent)
                self.assertIn(words, fault.reason)

    def test_half_a_header_is_an_empty_answer(self) -> None:
        """http.client takes what there is of a header for all of it; whoever reads the body finds nothing."""
        with peer(answering(b"HTTP/1.1 200 OK\r\nContent-Le")).listening() as url:
            self.assertEqual(Transport().send(get(url)).read_all(10), b"")

    def test_reset_after_the_request(self) -> None:
        def reset(there: Peer) -> Callable[[socket.socket], None]:
            def handle(connection: socket.socket) -> None:
                there.read(connection)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

            return handle

        self.assertTrue(self.fault(peer(reset)).sent)

    def test_a_head_without_an_end_is_given_up(self) -> None:
        for name, piece in (
            ("headers", b"X: 1\r\n" * 10_000),
            ("one header", b"x" * 65536),
            ("interim answers", b"\r\nHTTP/1.1 100 Continue\r\n" * 3000),
            ("the body's own headers", b"Content-Length: 2\r\n" * 101 + b"\r\n"),
        ):
            data = b"HTTP/1.1 100 Continue\r\n" + piece * (2**19 // len(piece) + 1)
            with self.subTest(name), mock.patch.object(transport, "HEAD_BYTES", 2**18):
                fault = self.fault(peer(answering(data)))
                self.assertTrue(fault.sent)
                self.assertIn("not HTTP", fault.reason)

    def test_silence_ends_with_patience(self) -> None:
        fault = self.fault(peer(silent_for(9.0)), lambda url: get(url, patience=0.2))
        self.assertLess(self.seconds, 5.0)
        self.assertIn("silent", fault.reason)

    def test_drops_of_bytes_do_not_outlast_the_deadline(self) -> None:
        def drip(there: Peer) -> Callable[[socket.socket], None]:
            def handle(connection: socket.socket) -> None:
                there.read(connection)
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 200:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)

            return handle

        fault = self.fault(peer(drip), deadline=0.4)
        self.assertLess(self.seconds, 5.0)
        self.assertTrue(fault.permanent)
        self.assertIn("--timeout", fault.reason)

    def test_nothing_was_sent(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for name, url in (
            ("refused", f"http://127.0.0.1:{port}/"),
            ("no such host", "http://no-such-host.invalid/"),
            ("another scheme", "ftp://127.0.0.1/"),
            ("no host", "http:///x"),
            ("no port", "http://127.0.0.1:99999/"),
            ("a broken address", "http://[::1/"),
            ("a host that is no name", "http://" + "a" * 300 + ".example/"),
        ):
            with self.subTest(name), self.assertRaises(Fault) as caught:
                Transport().send(get(url))
            self.assertFalse(caught.exception.sent)

    def test_a_header_cannot_carry_another(self) -> None:
        there = peer(answering(OK))
        with there.listening() as url, self.assertRaises(Fault) as caught:
            Transport().send(Request("GET", url, {"Authorization": "Bearer x\r\nX-Evil: 1"}))
        self.assertFalse(caught.exception.sent)
        self.assertEqual(there.received, [])

    def test_a_deadline_that_is_over_sends_nothing(self) -> None:
        there = peer(answering(OK))
        self.assertFalse(self.fault(there, deadline=-1).sent)
        self.assertEqual(there.connections, 0)

    def test_a_name_that_takes_for_ever_to_resolve_ends_at_the_deadline(self) -> None:
        over = threading.Event()
        self.addCleanup(over.set)
        with mock.patch("socket.getaddrinfo", lambda *_, **__: over.wait(20)):
            began = time.monotonic()
            with self.assertRaises(Fault) as caught:
                Transport(time.monotonic() + 0.3).send(get("http://slow.example"))
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse(caught.exception.sent)

    def test_the_next_address_is_tried(self) -> None:
        with peer(answering(OK)).listening() as url:
            port = int(url.rpartition(":")[2])
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.9", "127.0.0.1")]
            two = get(f"http://two.example:{port}")
            door = Transport()
            self.addCleanup(door.close)
            with mock.patch("socket.getaddrinfo", return_value=found), door.send(two) as response:
                self.assertEqual(response.read_all(10), b"ok")

    def test_an_answer_that_is_too_long(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
        self.assertIn("longer than 1000", self.fault(peer(answering(data))).reason)

    def test_a_server_that_refuses_early_is_heard(self) -> None:
        def early(there: Peer) -> Callable[[socket.socket], None]:
            def handle(connection: socket.socket) -> None:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nwhy?")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

            return handle

        blocks = Stream(3_000_000, lambda: iter([b"x" * 100_000] * 30))
        with peer(early).listening() as url, Transport().send(Request("POST", url, {}, blocks)) as response:
            self.assertEqual((response.status, response.refusal), (403, b"why?"))


class Reuse(unittest.TestCase):
    def test_a_connection_closed_in_between_is_opened_again(self) -> None:
        there = peer(answering(OK), answering(OK))
        door = Transport()
        with there.listening() as url:
            for _ in range(2):
                with door.send(get(url)) as response:
                    self.assertEqual(response.read_all(10), b"ok")
                time.sleep(0.05)
        door.close()
        self.assertEqual(there.connections, 2)

    def test_a_paid_request_has_a_connection_of_its_own_and_leaves_it_to_others(self) -> None:
        there = peer(answering(OK), answering(OK, OK, OK))  # neither hangs up while it is asked
        door = Transport()
        with there.listening() as url:
            for request in (get(url), Request("POST", url, {}, b"{}", billable=True), get(url), get(url)):
                with door.send(request) as response:
                    self.assertEqual(response.read_all(10), b"ok")
            door.close()
        self.assertEqual(
            (there.connections, [data.split()[0] for data in there.received]), (2, [b"GET", b"POST", b"GET", b"GET"])
        )

    def test_a_connection_that_was_prepared_serves_one_paid_request(self) -> None:
        there = peer(answering(OK, OK), answering(OK), answering(OK))
        moment = [0.0]
        door = Transport(clock=lambda: moment[0])
        paid = [Request("POST", "", {}, b"{}", billable=True)] * 2
        with there.listening() as url:
            door.prepare(url)
            for request in (changed(paid[0], url=url), get(url)):  # the free one goes on with what the paid one left
                with door.send(request) as response:
                    self.assertEqual(response.read_all(10), b"ok")
            self.assertEqual(there.connections, 1)
            door.prepare(url)
            moment[0] += transport.READY_SECONDS
            with door.send(changed(paid[1], url=url)) as response:
                self.assertEqual(response.read_all(10), b"ok")
            door.close()
        self.assertEqual((there.connections, len(there.received)), (3, 3))

    def test_what_cannot_be_prepared_is_told_by_the_request(self) -> None:
        door = Transport(time.monotonic() + 5)
        self.addCleanup(door.close)
        for url in ("http://127.0.0.1:1/", "ftp://x", "http://[::1/"):
            door.prepare(url)
            with self.subTest(url), self.assertRaises(Fault) as caught:
                door.send(Request("POST", url, {}, b"{}", billable=True))
            self.assertFalse(caught.exception.sent)

    def test_nothing_is_sent_after_closing(self) -> None:
        there = peer(answering(OK))
        door = Transport()
        door.close()
        with there.listening() as url, self.assertRaises(Fault) as caught:
            door.send(get(url))
        self.assertEqual((caught.exception.sent, caught.exception.permanent, there.received), (False, True, []))

    def test_closing_wakes_a_reader_in_another_thread(self) -> None:
        door = Transport()
        ended: list[str] = []

        def run(url: str) -> None:
            try:
                door.send(get(url, patience=30))
            except Fault as fault:
                ended.append(fault.reason)

        with peer(silent_for(9.0)).listening() as url:
            thread = threading.Thread(target=run, args=(url,))
            thread.start()
            time.sleep(0.2)
            door.close()
            thread.join(5.0)
            self.assertFalse(thread.is_alive())
        self.assertEqual(ended, ["the run is over"])

    def test_a_pause_ends_when_the_run_does(self) -> None:
        door = Transport()
        threading.Timer(0.1, door.close).start()
        began = time.monotonic()
        door.pause(30)
        self.assertLess(time.monotonic() - began, 5)


class Foreign(unittest.TestCase):
    def test_every_exception_of_the_lower_library_is_mapped(self) -> None:
        lower = [
            *(
                getattr(http.client, name)
                for name in http.client.__all__
                if name.endswith(("Error", "Exception", "Read"))
            ),
            http.client.BadStatusLine,
            http.client.RemoteDisconnected,
            ssl.SSLError,
            ssl.SSLCertVerificationError,
            ssl.SSLEOFError,
            socket.timeout,
            socket.gaierror,
            socket.herror,
            ConnectionResetError,
            BrokenPipeError,
            TimeoutError,
            OSError,
            UnicodeError,
        ]
        for kind in lower:
            with self.subTest(kind.__name__):
                self.assertTrue(any(issubclass(kind, row[0]) for row in os_errors.FOREIGN))

    def test_an_untrusted_certificate_is_hopeless_and_comes_with_advice(self) -> None:
        fault = os_errors.fault_of(ssl.SSLCertVerificationError("bad"), sent=False)
        self.assertTrue(fault.permanent)
        self.assertIn("SSL_CERT_FILE", fault.hint)

    def test_what_is_not_of_the_network_passes_through(self) -> None:
        with self.assertRaises(KeyError):
            os_errors.fault_of(KeyError("x"), sent=True)

    def test_every_verdict_on_a_certificate(self) -> None:
        for code, words, advice in (
            (9, "is not valid yet (why)", "clock of this machine"),
            (10, "has expired (why)", "clock of this machine"),
            (62, "is for another host name (why)", "base URL"),
            (64, "is for another host name (why)", "base URL"),
            (89, "breaks the strict rules of Python 3.13 and later (why)", "older Python"),
            (20, "is not trusted (why)", "SSL_CERT_FILE"),
        ):
            for through in (None, "the proxy of X (y:1)"):
                with self.subTest(code, through=through):
                    error = ssl.SSLCertVerificationError("bad")
                    error.verify_code, error.verify_message = code, "why."
                    fault = os_errors.fault_of(error, sent=False, through=through)
                    self.assertEqual((fault.sent, fault.permanent), (False, True))
                    self.assertIn(words, fault.reason)
                    self.assertIn(advice, fault.hint)
                    self.assertIs("through the proxy of X (y:1)" in fault.reason, through is not None)
                    self.assertIs("inspecting TLS" in fault.hint, through is not None)

    def test_a_deadline_is_nobodys_fault(self) -> None:
        fault = os_errors.fault_of(os_errors.DeadlinePassed(), sent=True, through="the proxy of X (y:1)")
        self.assertEqual(fault.reason, "the time given by --timeout is over")
