"""Proxies, as networks have them: which one stands before a host, and the tunnel through it, over real sockets."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
from contextlib import contextmanager
from typing import Callable, Iterator
from unittest import mock

from qianwen.http import connections as opening
from qianwen.http.messages import Fault, Request
from qianwen.http.proxies import Proxy, is_exempt, proxy_for, stays_here
from qianwen.http.transport import Transport

from .. import SCRIPTS
from ..peer import Peer, answering, peer
from ..support import KEY, Case, Recording
from .test_tls import CERT, TLS, hanging, hanging_up, secure

HOST = "dashscope.example"
PASSED = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"
PASSWORD = "p@ss:w/rd"
QUOTED = "p%40ss:w%2Frd"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
UNSET = {name: "" for variable in VARIABLES for name in (variable, variable.lower())}


class Choosing(unittest.TestCase):
    def test_which_variable_counts(self) -> None:
        cgi = {"REQUEST_METHOD": "GET"}
        for scheme, env, variable in (
            ("https", {}, None),
            ("https", {"HTTPS_PROXY": "a"}, "HTTPS_PROXY"),
            ("https", {"https_proxy": "a"}, "https_proxy"),
            ("https", {"HTTPS_PROXY": "a", "https_proxy": "b"}, "https_proxy"),
            ("https", {"HTTPS_PROXY": "a", "https_proxy": ""}, "HTTPS_PROXY"),
            ("https", {"HTTPS_PROXY": "  "}, None),
            ("https", {"HTTP_PROXY": "a", "http_proxy": "a"}, None),
            ("https", {"ALL_PROXY": "a"}, "ALL_PROXY"),
            ("https", {"ALL_PROXY": "a", "all_proxy": "b"}, "all_proxy"),
            ("https", {"ALL_PROXY": "socks5://a", "HTTPS_PROXY": "b"}, "HTTPS_PROXY"),
            ("https", {"all_proxy": "socks5://a", "HTTPS_PROXY": "b"}, "HTTPS_PROXY"),
            ("https", {"HTTPS_PROXY": "a", **cgi}, "HTTPS_PROXY"),
            ("http", {"HTTP_PROXY": "a"}, "HTTP_PROXY"),
            ("http", {"HTTP_PROXY": "a", "http_proxy": "b"}, "http_proxy"),
            ("http", {"HTTP_PROXY": "a", **cgi}, None),
            ("http", {"http_proxy": "a", **cgi}, "http_proxy"),
            ("http", {"HTTP_PROXY": "a", "ALL_PROXY": "b", **cgi}, "ALL_PROXY"),
            ("http", {"HTTPS_PROXY": "a"}, None),
            ("https", {"HTTPS_PROXY": "a", "NO_PROXY": HOST}, None),
            ("https", {"HTTPS_PROXY": "a", "no_proxy": HOST}, None),
            ("https", {"HTTPS_PROXY": "a", "NO_PROXY": HOST, "no_proxy": "other"}, "HTTPS_PROXY"),
            ("https", {"HTTPS_PROXY": "a", "NO_PROXY": HOST, "no_proxy": ""}, None),
            ("https", {"HTTPS_PROXY": "socks5://a", "NO_PROXY": "*"}, None),
        ):
            with self.subTest(scheme=scheme, env=env):
                found = proxy_for(scheme, HOST, 443, env)
                self.assertEqual(found and found.variable, variable)

    def test_who_is_exempt(self) -> None:
        for no_proxy, host, port, exempt in (
            ("", HOST, 443, False),
            (",, ,", HOST, 443, False),
            ("*", HOST, 443, True),
            ("other.org, *", HOST, 443, True),
            ("example.com", "example.com", 443, True),
            ("example.com", "api.example.com", 443, True),
            ("example.com", "a.b.example.com", 443, True),
            ("example.com", "notexample.com", 443, False),
            ("example.com", "example.com.evil.org", 443, False),
            (".example.com", "api.example.com", 443, True),
            (".example.com", "example.com", 443, True),
            ("*.example.com", "api.example.com", 443, True),
            ("EXAMPLE.com", "Api.Example.COM", 443, True),
            ("example.com.", "example.com", 443, True),
            ("example.com", "example.com.", 443, True),
            ("example.com:443", "example.com", 443, True),
            ("example.com:8443", "example.com", 443, False),
            (".example.com:8443", "api.example.com", 8443, True),
            ("a.org,b.org,example.com", "example.com", 443, True),
            ("a.org b.org\texample.com", "example.com", 443, True),
            ("a.org , example.com", "example.com", 443, True),
            ("com", "example.com", 443, True),
            (".", "example.com", 443, False),
            ("10.1.2.3", "10.1.2.3", 443, True),
            ("10.1.2.3:80", "10.1.2.3", 443, False),
            ("10.1.2.3:443", "10.1.2.3", 443, True),
            ("2.3", "10.1.2.3", 443, False),
            ("10.0.0.0/8", "10.1.2.3", 443, True),
            ("10.1.2.99/24", "10.1.2.3", 443, True),
            ("10.0.0.0/8", "11.1.2.3", 443, False),
            ("10.0.0.0/99", "10.1.2.3", 443, False),
            ("10.0.0.0/8", "10.example.com", 443, False),
            ("fd00::/8", "fd12::1", 443, True),
            ("fd00::/8", "10.1.2.3", 443, False),
            ("fe80::1", "fe80:0::1", 443, True),
            ("[fe80::1]", "fe80::1", 443, True),
            ("[fe80::1]:443", "fe80::1", 443, True),
            ("[fe80::1]:80", "fe80::1", 443, False),
            ("[fe80", "fe80::1", 443, False),
            ("https://example.com", "example.com", 443, False),
        ):
            with self.subTest(no_proxy, host=host, port=port):
                self.assertIs(is_exempt(host, port, no_proxy), exempt)

    def test_loopback_never_goes_through_a_proxy(self) -> None:
        for host, loopback in (
            ("localhost", True),
            ("LocalHost.", True),
            ("app.localhost", True),
            ("127.0.0.1", True),
            ("127.9.9.9", True),
            ("::1", True),
            ("127.1", True),
            ("2130706433", True),
            ("::ffff:127.0.0.1", True),
            ("10.0.0.1", False),
            ("localhost.example", False),
            ("notlocalhost", False),
        ):
            with self.subTest(host):
                self.assertIs(stays_here(host), loopback)
                self.assertIs(proxy_for("https", host, 443, {"HTTPS_PROXY": "proxy.corp"}) is None, loopback)

    def test_how_a_proxy_is_written(self) -> None:
        for value, host, port, user in (
            ("proxy.corp:3128", "proxy.corp", 3128, ""),
            ("proxy.corp", "proxy.corp", 80, ""),
            (" http://proxy.corp:3128/ ", "proxy.corp", 3128, ""),
            ("HTTP://Proxy.Corp:3128", "proxy.corp", 3128, ""),
            ("http://proxy_1.corp", "proxy_1.corp", 80, ""),
            ("http://10.0.0.1:8080", "10.0.0.1", 8080, ""),
            ("http://[fd00::1]:3128", "fd00::1", 3128, ""),
            ("[fd00::1]:3128", "fd00::1", 3128, ""),
            ("http://me:secret@proxy.corp:3128", "proxy.corp", 3128, "me:secret"),
            ("me:secret@proxy.corp:3128", "proxy.corp", 3128, "me:secret"),
            ("http://me@proxy.corp:3128", "proxy.corp", 3128, "me:"),
            (f"http://CORP%5Cme:{QUOTED}@proxy.corp:1", "proxy.corp", 1, f"CORP\\me:{PASSWORD}"),
            ("http://me:p@ss@proxy.corp:1", "proxy.corp", 1, "me:p@ss"),
            ("http://me:ключ@proxy.corp:1", "proxy.corp", 1, "me:ключ"),
        ):
            with self.subTest(value):
                authorization = "Basic " + base64.b64encode(user.encode()).decode() if user else ""
                expected = Proxy(host, port, "HTTPS_PROXY", authorization)
                self.assertEqual(proxy_for("https", HOST, 443, {"HTTPS_PROXY": value}), expected)

    def test_what_is_no_proxy_for_us(self) -> None:
        for value, words, advice in (
            ("socks5://me:hunter2@proxy.corp:1080", "SOCKS", "http proxy in HTTPS_PROXY"),
            ("socks5h://proxy.corp:1080", "SOCKS", "unset ALL_PROXY"),
            ("SOCKS4://proxy.corp", "SOCKS", "mixed port"),
            ("socks://proxy.corp:not a port", "SOCKS", "unset"),
            ("https://me:hunter2@proxy.corp:443", "https:// proxy", "http://"),
            ("ftp://me:hunter2@proxy.corp", "read", "http://HOST:PORT"),
            ("http://", "read", "http://HOST:PORT"),
            ("http://:3128", "read", "http://HOST:PORT"),
            ("http://proxy.corp:port", "read", "http://HOST:PORT"),
            ("http://proxy.corp:99999", "read", "http://HOST:PORT"),
            ("http://proxy.corp:0", "read", "http://HOST:PORT"),
            ("http://proxy corp:3128", "read", "http://HOST:PORT"),
            ("http://[fd00::1:3128", "read", "http://HOST:PORT"),
            ("http://прокси.corp", "read", "http://HOST:PORT"),
            ("http://me:1/hunter2@proxy.corp:3128", "read", "percent-encode"),
            ("http://me:1#hunter2@proxy.corp:3128", "read", "percent-encode"),
            ("http://me:1?hunter2@proxy.corp:3128", "read", "percent-encode"),
            ("me://hunter2@proxy.corp:3128", "read", "percent-encode"),
            ("http://me:hunter2\udcff@proxy.corp:3128", "read", "percent-encode"),
            ("http://me:hunter2℀@proxy.corp:3128", "read", "percent-encode"),
        ):
            with self.subTest(value), self.assertRaises(Fault) as caught:
                proxy_for("https", HOST, 443, {"ALL_PROXY": value})
            fault = caught.exception
            self.assertEqual((fault.sent, fault.permanent), (False, True))
            self.assertIn("ALL_PROXY", fault.reason)
            self.assertIn(words, fault.reason)
            self.assertIn(advice, fault.hint)
            shown = fault.reason + fault.hint
            self.assertNotIn("hunter2", shown)
            self.assertNotIn("proxy.corp", shown)
            self.assertTrue(fault.__cause__ is None and (fault.__context__ is None or fault.__suppress_context__))

    def test_a_proxy_in_words(self) -> None:
        self.assertEqual(
            str(Proxy("proxy.corp", 3128, "HTTPS_PROXY", "Basic x")), "the proxy of HTTPS_PROXY (proxy.corp:3128)"
        )
        self.assertEqual(str(Proxy("fd00::1", 80, "all_proxy")), "the proxy of all_proxy ([fd00::1]:80)")


def passing(port: int, carried: bytearray, answer: bytes = PASSED) -> Callable[[Peer], Callable[[socket.socket], None]]:
    """A handler that is an http proxy: whatever name is asked for, it passes everything on to `port`, and keeps it."""

    def of(there: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            there.read(connection)
            with socket.create_connection(("127.0.0.1", port), 10) as server:
                connection.sendall(answer)
                while True:
                    ready, _, _ = select.select([connection, server], [], [], 10)
                    for sock in ready:
                        block = sock.recv(65536)
                        if not block:
                            return
                        if sock is connection:
                            carried.extend(block)
                        (server if sock is connection else connection).sendall(block)

        return handle

    return of


def dripping(data: bytes, pause: float) -> Callable[[Peer], Callable[[socket.socket], None]]:
    def of(there: Peer) -> Callable[[socket.socket], None]:
        def handle(connection: socket.socket) -> None:
            there.read(connection)
            for byte in data:
                connection.sendall(bytes([byte]))
                time.sleep(pause)

        return handle

    return of


def post(url: str = f"https://{HOST}/api/v1/x") -> Request:
    return Request("POST", url, {"Authorization": f"Bearer {KEY}"}, b"{}", billable=True)


def look(url: str = f"https://{HOST}") -> Request:
    """A request that the stand-in answers without closing its connection."""
    return Request("GET", f"{url}/api/v1/tasks/x", {"Authorization": f"Bearer {KEY}"})


class Door(Case):
    @contextmanager
    def behind(self, connections: int = 1, answer: bytes = PASSED) -> Iterator[tuple[Recording, Peer, str]]:
        """A stand-in that has the name HOST and can only be reached through a proxy; the proxy; where the proxy is."""
        self.carried = bytearray()
        with secure(self.clock, TLS / "proxied.pem") as standin:
            port = int(standin.origin.rpartition(":")[2])
            standin.origin = f"https://{HOST}"
            there = peer(*[passing(port, self.carried, answer)] * connections)
            with there.listening() as url:
                yield standin, there, url[len("http://") :]

    def door(self, deadline: float | None = None, **env: str) -> Transport:
        door = Transport(None if deadline is None else time.monotonic() + deadline, env=env)
        self.addCleanup(door.close)
        return door

    def fault(self, door: Transport, request: Request | None = None) -> Fault:
        began = time.monotonic()
        with self.assertRaises(Fault) as caught:
            door.send(request or post())
        self.seconds = time.monotonic() - began
        fault = caught.exception
        self.assertFalse(fault.sent)
        self.assertNotIn(KEY, fault.reason + fault.hint)
        self.assertNotIn("p@ss", fault.reason + fault.hint)
        self.assertNotIn("p%40ss", fault.reason + fault.hint)
        return fault


class Tunnel(Door):
    def refused_by(self, *answers: bytes, user: str = "") -> Fault:
        """What comes of a proxy that answers like that; the one thing that it was sent is CONNECT."""
        there = peer(answering(*answers))
        with there.listening() as url:
            self.where = url[len("http://") :]
            fault = self.fault(self.door(HTTPS_PROXY=f"{user}{self.where}"))
        self.assertEqual(len(there.received), 1)
        self.assertTrue(there.received[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode()))
        self.assertNotIn(KEY.encode(), there.received[0])
        self.assertIn(f"the proxy of HTTPS_PROXY ({self.where})", fault.reason)
        return fault

    def test_a_request_goes_through(self) -> None:
        for user, header in (
            ("", b""),
            (f"me:{QUOTED}@", b"Proxy-Authorization: Basic " + base64.b64encode(f"me:{PASSWORD}".encode()) + b"\r\n"),
        ):
            with self.subTest(user), self.behind() as (standin, there, where):
                door = self.door(HTTPS_PROXY=f"http://{user}{where}", SSL_CERT_FILE=str(TLS / "proxied.pem"))
                for _ in range(3):
                    with door.send(look()) as response:
                        self.assertIn(b"UNKNOWN", response.read_all(1000))
                self.assertEqual(len(standin.sent), 3)
                self.assertEqual(standin.sent[0].headers["host"], HOST)
                head = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n".encode()
                self.assertEqual((there.connections, there.received), (1, [head + header + b"\r\n"]))
                self.assertEqual(self.carried[:1], b"\x16")
                self.assertNotIn(KEY.encode(), self.carried)

    def test_answers_that_open_the_tunnel(self) -> None:
        for answer in (
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
            b"HTTP/1.1 201 Fine\r\nContent-Length: 5\r\nX: " + b"y" * 8000 + b"\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ):
            with self.subTest(answer[:20]), self.behind(answer=answer) as (standin, _, where):
                door = self.door(HTTPS_PROXY=where, SSL_CERT_FILE=str(TLS / "proxied.pem"))
                door.send(post()).close()
                self.assertEqual(len(standin.sent), 1)

    def test_every_origin_has_its_own_tunnel(self) -> None:
        with self.behind(connections=2) as (_, there, where):
            door = self.door(HTTPS_PROXY=where, SSL_CERT_FILE=str(TLS / "proxied.pem"))
            for port in (443, 8443, 443, 8443):
                with door.send(look(f"https://{HOST}:{port}")) as response:
                    response.read_all(1000)
            asked = [received.split(b" ")[1].decode() for received in there.received]
            self.assertEqual(asked, [f"{HOST}:443", f"{HOST}:8443"])

    def test_hosts_that_need_none_are_reached_directly(self) -> None:
        there = peer(hanging)
        with secure(self.clock) as standin, there.listening() as url:
            self.door(HTTPS_PROXY=url, SSL_CERT_FILE=str(CERT)).send(post(standin.origin)).close()
            with secure(self.clock, TLS / "proxied.pem") as other:
                port = int(other.origin.rpartition(":")[2])
                found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
                door = self.door(HTTPS_PROXY=url, NO_PROXY="x.org .example", SSL_CERT_FILE=str(TLS / "proxied.pem"))
                with mock.patch("socket.getaddrinfo", return_value=found):
                    door.send(post()).close()
                self.assertEqual((len(standin.sent), len(other.sent)), (1, 1))
        self.assertEqual(there.connections, 0)

    def test_an_address_is_asked_for_in_brackets(self) -> None:
        there = peer(answering(b"HTTP/1.1 403 No\r\n\r\n"))
        with there.listening() as url:
            fault = self.fault(self.door(HTTPS_PROXY=url), post("https://[2001:db8::1]:8443/"))
        self.assertTrue(
            there.received[0].startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443")
        )
        self.assertIn("refuses to connect to [2001:db8::1]:8443", fault.reason)

    def test_a_host_cannot_carry_a_header(self) -> None:
        for host in ("a b.example", "a\x0bX: y", "ключ.example"):
            there = peer(answering(PASSED))
            with self.subTest(host), there.listening() as url:
                self.assertTrue(self.fault(self.door(HTTPS_PROXY=url), post(f"https://{host}/")).permanent)
                self.assertEqual(there.received, [])

    def test_what_a_proxy_answers(self) -> None:
        garbage = "does not answer like an http proxy"
        for answer, words, permanent in (
            (
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!",
                f"refuses to connect to {HOST}:443 (HTTP 403)",
                True,
            ),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", f"refuses to connect to {HOST}:443 (HTTP 404)", True),
            (b"HTTP/1.1 302 Found\r\nLocation: http://login.corp/\r\n\r\n", "refuses to connect", True),
            (b"HTTP/1.1 500 No\r\n\r\n", "could not connect", False),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", f"could not connect to {HOST}:443 (HTTP 502)", False),
            (b"HTTP/1.0 503 Unavailable\r\n\r\n", "could not connect", False),
            (b"HTTP/1.1 504 Too slow\r\n\r\n", "could not connect", False),
            (b"", "closed the connection without an answer", False),
            (b"HTTP/1.1 200 O", "closed the connection without an answer", False),
            (b"HTTP/1.1 200 OK\r\nVia: x\r\n", "closed the connection without an answer", False),
            (b"\x05\xff" + b"\r\n\r\n", garbage, True),
            (b"SSH-2.0-OpenSSH\r\n\r\n", garbage, True),
            (b"HTTP/2 200\r\n\r\n", garbage, True),
            (b"HTTP/1.1 2000 OK\r\n\r\n", garbage, True),
            (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, garbage, True),
        ):
            with self.subTest(answer[:30]):
                fault = self.refused_by(answer)
                self.assertIn(words, fault.reason)
                self.assertIs(fault.permanent, permanent)

    def test_a_proxy_that_wants_a_user(self) -> None:
        basic, strange = (
            b"Proxy-Authenticate: Basic realm=x\r\n",
            b"proxy-authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n",
        )
        for offered, user, words, advice in (
            (b"", "", "asks for a user and a password", "user:password@ between http:// and the host in HTTPS_PROXY"),
            (basic, "", "asks for a user and a password", "@ is %40"),
            (strange + basic, "", "asks for a user and a password", "@ is %40"),
            (basic, f"http://me:{QUOTED}@", "does not accept the user and password", "@ is %40"),
            (strange, "", "asks for a user", "NTLM or Negotiate"),
        ):
            with self.subTest(offered, user=user):
                fault = self.refused_by(b"HTTP/1.1 407 Who?\r\n" + offered + b"\r\n", user=user)
                self.assertTrue(fault.permanent)
                self.assertIn(words, fault.reason)
                self.assertIn("HTTP 407", fault.reason)
                self.assertIn(advice, fault.hint)

    def test_a_proxy_that_hangs_or_drips(self) -> None:
        slow = dripping(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100, 0.05)
        for name, kind in (("hangs", hanging), ("drips", slow)):
            with self.subTest(name), peer(kind).listening() as url:
                fault = self.fault(self.door(0.4, HTTPS_PROXY=url))
                self.assertLess(self.seconds, 3.0)
                self.assertIn("--timeout", fault.reason)
            with (
                self.subTest(name + ", without a deadline"),
                mock.patch.object(opening, "CONNECT_SECONDS", 0.4),
                peer(kind).listening() as url,
            ):
                fault = self.fault(self.door(HTTPS_PROXY=url))
                self.assertLess(self.seconds, 3.0)
                self.assertIn("the proxy of HTTPS_PROXY", fault.reason)
                self.assertIn("was silent for too long", fault.reason)
                self.assertFalse(fault.permanent)

    def test_a_run_that_ends_while_a_tunnel_is_dug(self) -> None:
        slow = dripping(b"HTTP/1.1 403 No\r\n\r\n", 0.02)
        with peer(slow).listening() as url:
            door = self.door(HTTPS_PROXY=url)
            threading.Timer(0.1, door.close).start()
            fault = self.fault(door)
        self.assertEqual((fault.reason, fault.permanent), ("the run is over", True))

    def test_a_tunnel_in_which_nobody_speaks_tls(self) -> None:
        def cut(there: Peer) -> Callable[[socket.socket], None]:
            def handle(connection: socket.socket) -> None:
                there.read(connection)
                connection.sendall(PASSED)
                hanging_up(there)(connection)

            return handle

        for name, kind in (("cut", cut), ("http", answering(PASSED + b"HTTP/1.1 400 Bad\r\n\r\n"))):
            with self.subTest(name), peer(kind).listening() as url:
                fault = self.fault(self.door(HTTPS_PROXY=url))
                self.assertIn(f"through the proxy of HTTPS_PROXY ({url[7:]})", fault.reason)
                self.assertFalse(fault.permanent)

    def test_a_proxy_that_inspects_tls(self) -> None:
        with self.behind() as (standin, _, where):
            fault = self.fault(self.door(https_proxy=where, SSL_CERT_FILE=str(CERT)))
            self.assertEqual(standin.sent, [])
        self.assertTrue(fault.permanent)
        self.assertIn("certificate is not trusted", fault.reason)
        self.assertIn(f"through the proxy of https_proxy ({where})", fault.reason)
        self.assertIn("set SSL_CERT_FILE", fault.hint)
        self.assertIn("the proxy may be inspecting TLS", fault.hint)

    def test_a_connection_that_breaks_after_the_tunnel_says_which_proxy(self) -> None:
        def closing(there: Peer) -> Callable[[socket.socket], None]:
            """A server behind TLS that reads a request and hangs up."""
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "proxied.pem", TLS / "key.pem")

            def handle(connection: socket.socket) -> None:
                there.read(connection)
                connection.sendall(PASSED)
                with context.wrap_socket(connection, server_side=True) as secured:
                    there.read(secured)

            return handle

        with peer(closing).listening() as url, self.assertRaises(Fault) as caught:
            self.door(HTTPS_PROXY=url, SSL_CERT_FILE=str(TLS / "proxied.pem")).send(post())
        self.assertTrue(caught.exception.sent)
        self.assertIn(", through the proxy of HTTPS_PROXY", caught.exception.reason)

    def test_a_proxy_that_is_not_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        fault = self.fault(self.door(ALL_PROXY=f"me:{QUOTED}@127.0.0.1:{port}"))
        self.assertIn(f"no connection to the proxy of ALL_PROXY (127.0.0.1:{port}): the connection was", fault.reason)
        self.assertIn("ALL_PROXY", fault.hint)
        self.assertFalse(fault.permanent)
        with mock.patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "Name or service not known")):
            fault = self.fault(self.door(ALL_PROXY="proxy.corp"))
            self.assertIn("(proxy.corp:80): the host name could not be resolved", fault.reason)
            self.assertIn("HTTPS_PROXY", self.fault(self.door()).hint)

    def test_socks_ends_before_a_connection(self) -> None:
        there = peer(hanging)
        with there.listening() as url:
            fault = self.fault(self.door(ALL_PROXY=url.replace("http", "socks5h")))
        self.assertTrue(fault.permanent)
        self.assertIn("SOCKS", fault.reason)
        self.assertEqual(there.connections, 0)


class WithoutNetwork(Door):
    """CODEX_SANDBOX_NETWORK_DISABLED=1 explains a connection that failed, and prevents none."""

    def test_what_a_failure_means(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            closed = server.getsockname()[1]
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", closed))]
        unknown = socket.gaierror(-3, "Temporary failure in name resolution")
        local = f"https://127.0.0.1:{closed}"
        for url, answer, value, told in (
            (f"https://{HOST}", {"side_effect": unknown}, "1", True),
            (f"https://{HOST}", {"return_value": there}, "1", True),
            (f"https://{HOST}", {"side_effect": PermissionError(1, "Operation not permitted")}, "1", True),
            (f"https://{HOST}", {"side_effect": unknown}, "0", False),
            (f"https://{HOST}", {"side_effect": unknown}, "", False),
            (local, {"return_value": there}, "1", False),
        ):
            with self.subTest(url, answer=answer, value=value), mock.patch("socket.getaddrinfo", **answer):
                fault = self.fault(self.door(CODEX_SANDBOX_NETWORK_DISABLED=value), post(url))
                self.assertIs(fault.permanent, told)
                self.assertIs("sandbox has no network: the " in fault.reason, told)
                self.assertIs("with network permission" in fault.hint, told)

    def test_a_proxy_that_cannot_be_reached(self) -> None:
        with mock.patch("socket.getaddrinfo", side_effect=socket.gaierror(-3, "Temporary failure")):
            fault = self.fault(self.door(HTTPS_PROXY="proxy.corp:3128", CODEX_SANDBOX_NETWORK_DISABLED="1"))
        self.assertTrue(fault.permanent)
        self.assertIn("sandbox has no network", fault.reason)
        self.assertIn("the proxy of HTTPS_PROXY (proxy.corp:3128)", fault.reason)

    def test_loopback_keeps_working(self) -> None:
        with secure(self.clock) as standin:
            self.door(CODEX_SANDBOX_NETWORK_DISABLED="1", SSL_CERT_FILE=str(CERT)).send(post(standin.origin)).close()
        self.assertEqual(len(standin.sent), 1)

    def test_a_family_that_the_machine_does_not_have(self) -> None:
        """An address that cannot even be tried is no reason to leave out the next one."""
        with secure(self.clock, TLS / "proxied.pem") as standin:
            port = int(standin.origin.rpartition(":")[2])
            found = [(99, socket.SOCK_STREAM, 6, "", ("::", port))]
            found += [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
            with mock.patch("socket.getaddrinfo", return_value=found):
                self.door(SSL_CERT_FILE=str(TLS / "proxied.pem")).send(post()).close()
        self.assertEqual(len(standin.sent), 1)


class Processes(Door):
    def run_script(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        base = {"DASHSCOPE_HTTP_BASE_URL": f"https://{HOST}/api/v1", "DASHSCOPE_API_KEY": KEY, "HOME": str(self.home)}
        command = [sys.executable, str(SCRIPTS / "image.py"), *argv, "--print-response"]
        world = {**os.environ, **UNSET, **base, **env}
        return subprocess.run(command, cwd=self.cwd, env=world, capture_output=True, text=True)

    def test_a_picture_through_a_proxy(self) -> None:
        with self.behind(connections=5) as (standin, there, where):
            proxy = f"http://me:{QUOTED}@{where}"
            ran = self.run_script(
                "x", "--output", "x.png", HTTPS_PROXY=proxy, NO_PROXY=".corp", SSL_CERT_FILE=str(TLS / "proxied.pem")
            )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual((self.cwd / "x.png").read_bytes()[:4], b"\x89PNG")
        self.assertGreaterEqual(len(standin.sent), 2)
        for received in there.received:
            self.assertTrue(received.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode()))
            self.assertNotIn(KEY.encode(), received)
        self.assertNotIn(KEY.encode(), self.carried)
        self.assertNotIn("p%40ss", ran.stdout + ran.stderr)

    def test_a_proxy_that_wants_a_user(self) -> None:
        with peer(answering(b"HTTP/1.1 407 Who?\r\n\r\n")).listening() as url:
            ran = self.run_script("x", HTTPS_PROXY=url.replace("://", f"://me:{QUOTED}@"))
        self.assertEqual(ran.returncode, 5, ran.stderr)
        error = json.loads(ran.stdout)["error"]
        self.assertIn("does not accept the user and password (HTTP 407)", error["message"])
        self.assertIn("put user:password@ between http:// and the host in HTTPS_PROXY", error["hint"])
        self.assertEqual((error["billed"], error["retryable"]), ("no", False))
        self.assertNotIn("p%40ss", ran.stdout + ran.stderr)

    def test_a_file_never_names_a_proxy(self) -> None:
        there = peer(hanging)
        with there.listening() as url, secure(self.clock) as standin:
            (self.cwd / ".env").write_text(f"HTTPS_PROXY={url}\nALL_PROXY={url}\nSSL_CERT_FILE=/nowhere\n")
            base = standin.origin + "/api/v1"
            ran = self.run_script("x", "--output", "x.png", SSL_CERT_FILE=str(CERT), DASHSCOPE_HTTP_BASE_URL=base)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(there.connections, 0)
