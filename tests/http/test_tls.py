"""https as it is really spoken: a stand-in behind TLS, trusted by SSL_CERT_FILE and distrusted without it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Callable, Iterator, Mapping
from unittest import mock

from qianwen.http import connections
from qianwen.http.messages import Fault, Request, Response
from qianwen.http.transport import Transport
from qianwen.sandbox.server import Server

from .. import SCRIPTS
from ..peer import Peer, peer
from ..support import DATA, KEY, PHOTO, Case, Clock, Recording

TLS = DATA / "tls"  # every certificate there signs itself and has the one key
CERT = TLS / "cert.pem"


@contextmanager
def secure(clock: Clock, certificate: Path = CERT) -> Iterator[Recording]:
    """A stand-in on https; its links are https too."""
    standin = Recording(clock)
    server = Server(standin)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, TLS / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    standin.origin = standin.origin.replace("http://127.0.0.1", "https://localhost")
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.end()
        thread.join()
        server.server_close()


class Tls(Case):
    @contextmanager
    def secure(self) -> Iterator[Recording]:
        with secure(self.clock) as standin:
            self.base = f"{standin.origin}/api/v1"
            yield standin

    def run_script(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        more = {"DASHSCOPE_HTTP_BASE_URL": self.base, "DASHSCOPE_API_KEY": KEY, "HOME": str(self.home), **env}
        command = [sys.executable, str(SCRIPTS / "image.py"), *argv, "--print-response"]
        return subprocess.run(command, cwd=self.cwd, env={**os.environ, **more}, capture_output=True, text=True)

    def test_a_whole_run(self) -> None:
        with self.secure() as standin:
            ran = self.run_script("x", "--image", str(PHOTO), "-n", "3", "--output", "x.png", SSL_CERT_FILE=str(CERT))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(len(list(self.cwd.glob("x_*.png"))), 3)
        self.assertEqual([sent.route for sent in standin.sent[:3]], ["policy", "upload", "sync"])

    def test_an_untrusted_certificate(self) -> None:
        with self.secure() as standin:
            ran = self.run_script("x")
        self.assertEqual(ran.returncode, 5, ran.stderr)
        error = json.loads(ran.stdout)["error"]
        self.assertIn("certificate is not trusted", error["message"])
        self.assertIn("SSL_CERT_FILE", error["hint"])
        self.assertEqual((error["billed"], standin.sent), ("no", []))

    def test_a_certificate_of_another_name(self) -> None:
        with self.secure():
            self.base = self.base.replace("localhost", "127.0.0.1")
            ran = self.run_script("x", SSL_CERT_FILE=str(CERT))
        self.assertEqual(ran.returncode, 5, ran.stderr)

    def test_https_to_a_port_that_speaks_http(self) -> None:
        with self.standin() as standin:
            url = self.env["DASHSCOPE_HTTP_BASE_URL"].replace("http:", "https:")
            with self.assertRaises(Fault) as caught:
                Transport().send(Request("POST", url, {}, b"{}", billable=True))
        self.assertFalse(caught.exception.sent)
        self.assertEqual(standin.sent, [])

    def fault(self, url: str, env: Mapping[str, str] = MappingProxyType({}), deadline: float | None = None) -> Fault:
        door = Transport(None if deadline is None else time.monotonic() + deadline, env=env)
        self.addCleanup(door.close)
        with self.assertRaises(Fault) as caught:
            door.send(Request("POST", url, {}, b"{}", billable=True))
        self.assertFalse(caught.exception.sent)
        return caught.exception

    def test_what_is_wrong_with_a_certificate(self) -> None:
        today = time.strftime("%Y-%m")
        for name, host, trusted, words, advice in (
            ("expired", "localhost", "expired", "has expired", today),
            ("future", "localhost", "future", "not valid yet", today),
            ("cert", "127.0.0.1", "cert", "for another host name (IP address mismatch", "base URL"),
            ("proxied", "localhost", "proxied", "for another host name (Hostname mismatch", "base URL"),
            ("cert", "localhost", "proxied", "is not trusted (self", "SSL_CERT_FILE"),
        ):
            with self.subTest(name, host=host), secure(self.clock, TLS / f"{name}.pem") as standin:
                url = standin.origin.replace("localhost", host)
                fault = self.fault(url, {"SSL_CERT_FILE": str(TLS / f"{trusted}.pem")})
                self.assertTrue(fault.permanent)
                self.assertIn(words, fault.reason)
                self.assertIn(advice, fault.hint)
                self.assertEqual(standin.sent, [])

    def test_certificates_that_cannot_be_read_are_found_before_a_connection(self) -> None:
        nothing = self.cwd / "nothing.pem"
        nothing.write_text("no certificate\n")
        missing = str(self.cwd / "missing")
        for variable, value, why in (
            ("SSL_CERT_FILE", missing, "No such file"),
            ("SSL_CERT_FILE", str(self.cwd), "directory"),
            ("SSL_CERT_FILE", str(nothing), "holds no certificate"),
            ("SSL_CERT_DIR", missing, "no folder"),
            ("SSL_CERT_DIR", f"{missing}{os.pathsep}{nothing}", "no folder"),
        ):
            there = peer(hanging)
            with self.subTest(variable, value=value), there.listening() as url:
                fault = self.fault(url.replace("http", "https"), {variable: value})
                self.assertTrue(fault.permanent)
                self.assertIn(variable, fault.reason)
                self.assertIn(why, fault.reason)
                self.assertIn(variable, fault.hint)
                self.assertEqual(there.connections, 0)

    def test_a_folder_of_certificates(self) -> None:
        """OpenSSL looks an issuer up by the hash of its name; here nobody is found, and nobody is trusted."""
        with secure(self.clock) as standin:
            fault = self.fault(standin.origin, {"SSL_CERT_DIR": f"{self.cwd / 'missing'}{os.pathsep}{self.cwd}"})
            self.assertIn("not trusted", fault.reason)
            door = Transport(env={"SSL_CERT_FILE": str(CERT), "SSL_CERT_DIR": str(self.cwd / "missing")})
            door.send(Request("GET", standin.origin + "/api/v1/tasks/x")).close()
            door.close()

    def test_certificates_are_looked_up_by_name_and_read_all_together_where_that_finds_none(self) -> None:
        env = {"SSL_CERT_FILE": str(CERT)}
        for name, is_found in (("ce275665.0", True), ("00000000.0", False)):  # the hash of the name in CERT; of no name
            folder = self.cwd / name.partition(".")[0]
            folder.mkdir()
            shutil.copy(CERT, folder / name)
            with self.subTest(name), secure(self.clock) as standin:
                door = Transport(env=env)
                door._opener._tls = connections.trust_by_name({}, str(folder))
                door.send(Request("GET", standin.origin + "/api/v1/tasks/x")).close()
                self.assertEqual(door._opener._trusts_all, not is_found)
                door.close()
        self.assertIsNone(connections.trust_by_name(env, str(folder)))  # what is named counts
        self.assertIsNone(connections.trust_by_name({}, str(self.cwd)))  # not indexed
        self.assertIsNone(connections.trust_by_name({}, str(self.cwd / "missing")))

    def test_a_handshake_that_drips_ends_as_a_whole(self) -> None:
        with peer(dripping_handshake).listening() as url:
            began = time.monotonic()
            fault = self.fault(url.replace("http", "https"), deadline=0.5)
            self.assertLess(time.monotonic() - began, 3.0)
        self.assertTrue(fault.permanent)
        self.assertIn("--timeout", fault.reason)

    def test_a_handshake_that_drips_ends_without_a_deadline_too(self) -> None:
        with mock.patch.object(connections, "CONNECT_SECONDS", 0.5), peer(dripping_handshake).listening() as url:
            began = time.monotonic()
            fault = self.fault(url.replace("http", "https"))
            self.assertLess(time.monotonic() - began, 3.0)
        self.assertFalse(fault.permanent)

    def test_a_handshake_that_is_cut(self) -> None:
        with peer(hanging_up).listening() as url:
            self.assertFalse(self.fault(url.replace("http", "https")).permanent)


class Records(unittest.TestCase):
    """TLS hands out 16 KiB at most; what has come behind them is taken in the same call."""

    BODY = bytes(range(256)) * 256

    def ask(self, url: str) -> Response:
        door = Transport(env={"SSL_CERT_FILE": str(CERT)})
        self.addCleanup(door.close)
        response = door.send(Request("GET", url.replace("http://127.0.0.1", "https://localhost")))
        self.addCleanup(response.close)
        return response

    def test_what_is_at_hand_comes_in_one_piece(self) -> None:
        said = threading.Event()
        with peer(saying(self.BODY, len(self.BODY), lambda _: said.set())).listening() as url:
            response = self.ask(url)
            blocks = [response.read(2**20)]
            self.assertTrue(said.wait(20))
            while block := response.read(2**20):
                blocks.append(block)
        self.assertEqual(b"".join(blocks), self.BODY)
        self.assertLessEqual(len(blocks), 3)

    def test_a_connection_that_the_server_has_ended_carries_nothing_that_is_paid_for(self) -> None:
        """Its farewell came right behind the answer and is read already, but the connection itself is still open."""
        gone = threading.Event()
        there = peer(
            saying(b"first", 5, lambda connection: taking_leave(connection, gone)), saying(b"second", 6, closing)
        )
        with there.listening() as plain:
            url = plain.replace("http://127.0.0.1", "https://localhost")
            door = Transport(env={"SSL_CERT_FILE": str(CERT)})
            self.addCleanup(door.close)
            with door.send(Request("GET", url)) as response:
                self.assertTrue(gone.wait(20))
                self.assertEqual(response.read_all(100), b"first")
            with door.send(Request("POST", url, {}, b"{}", billable=True, once=True)) as response:
                self.assertEqual(response.read_all(100), b"second")
        self.assertEqual(there.connections, 2)

    def test_a_server_that_reads_slowly_but_steadily_is_waited_for(self) -> None:
        """TLS says nothing of a block before all of it is taken, so a block is smaller than what patience allows for."""
        body = bytes(32 * 2**20)  # several times what lies between the two of them
        patience = 3.0
        with peer(reading_within(patience + 2)).listening() as plain:
            url = plain.replace("http://127.0.0.1", "https://localhost")
            door = Transport(env={"SSL_CERT_FILE": str(CERT)})
            self.addCleanup(door.close)
            began = time.monotonic()
            with door.send(Request("POST", url, {}, body, patience=patience)) as response:
                self.assertEqual(response.read_all(100), str(len(body)).encode())
        self.assertGreater(time.monotonic() - began, patience)

    def test_what_came_before_a_break_counts(self) -> None:
        for end in (closing, breaking, garbling):
            with self.subTest(end.__name__), peer(saying(self.BODY, len(self.BODY) + 1, end)).listening() as url:
                response = self.ask(url)
                time.sleep(0.2)
                came = b""
                with self.assertRaises(Fault) as caught:
                    while block := response.read(2**20):
                        came += block
                self.assertTrue(caught.exception.sent)
                self.assertEqual(came, self.BODY)


def closing(connection: ssl.SSLSocket) -> None:
    pass


def taking_leave(connection: ssl.SSLSocket, gone: threading.Event) -> None:
    """The end of TLS and not of the connection: no answer to it is waited for."""
    connection.settimeout(0.05)
    with suppress(OSError):
        connection.unwrap()
    gone.set()
    time.sleep(1)


def reading_within(seconds: float) -> Callable[[Peer], Callable[[socket.socket], None]]:
    """A server that takes so long for a body, as steadily as it can: what a busy machine holds up, it catches up on."""

    def make(there: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            with secured(connection) as line:
                head, _, body = line.recv(65536).partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                count, began = len(body), time.monotonic()
                while count < length:
                    count += len(line.recv(65536))
                    time.sleep(max(0.0, began + seconds * count / length - time.monotonic()))
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(count)), count))

        return handle

    return make


def secured(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, TLS / "key.pem")
    return context.wrap_socket(connection, server_side=True)


def breaking(connection: ssl.SSLSocket) -> None:
    """A reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbling(connection: ssl.SSLSocket) -> None:
    """Bytes that are no record."""
    os.write(connection.fileno(), b"nothing of the kind")


def saying(
    body: bytes, length: int, end: Callable[[ssl.SSLSocket], object]
) -> Callable[[Peer], Callable[[socket.socket], None]]:
    """A server on https with an answer of `body` that promises `length` bytes, and how the connection ends."""

    def make(there: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            with secured(connection) as line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body)
                time.sleep(0.1)
                end(line)

        return handle

    return make


def hanging(there: Peer) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    return handle


def hanging_up(there: Peer) -> Callable[[socket.socket], None]:
    return lambda connection: connection.shutdown(socket.SHUT_RDWR)


def dripping_handshake(there: Peer) -> Callable[[socket.socket], None]:
    """The beginning of a server's greeting that has 8000 bytes, and brings one of them now and then."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in b"\x16\x03\x03\x20\x00\x02\x00\x1f\xf0" + b"z" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return handle
