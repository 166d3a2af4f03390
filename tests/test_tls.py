"""https as it is really spoken: a stand-in behind TLS, trusted by SSL_CERT_FILE and distrusted without it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import Iterator

from qianwen.sandbox.server import Server
from qianwen.service.exchange import Fault, Request
from qianwen.service.transport import Transport

from . import SCRIPTS
from .support import DATA, KEY, PHOTO, Case, Recording

CERT = DATA / "tls" / "cert.pem"


class Tls(Case):
    @contextmanager
    def secure(self) -> Iterator[Recording]:
        """A stand-in on https; its links are https too."""
        standin = Recording(self.clock)
        server = Server(standin)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERT, DATA / "tls" / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        standin.origin = standin.origin.replace("http://127.0.0.1", "https://localhost")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.base = f"{standin.origin}/api/v1"
        try:
            yield standin
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

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
