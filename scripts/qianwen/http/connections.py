"""Opening a connection: TCP to the server or its proxy, a tunnel through the proxy, TLS to the server.

No part of a request is sent here, so every `Fault` says `sent=False`. A proxy sees the server's name and port and its
own user and password, never our headers or our key.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time

from .messages import Fault
from .os_errors import fault_of
from .proxies import authority, proxy_for, stays_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Sequence, Tuple

    from .proxies import Proxy

    Origin = Tuple[str, str, int]
    _Address = Tuple[int, int, int, str, Any]

CONNECT_SECONDS = 15.0
THIS_MACHINE = "127.0.0.1"
HEAD_BYTES = 16384
_STATUS = rb"HTTP/1\.[01] ([0-9]{3})[ \r\n]"
_INTERIM = rb"HTTP/1\.[01] 1[0-9]{2}[ \r\n]"
_OF_A_HOST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:%-"
_SCHEME_OFFERED = rb"(?im)^proxy-authenticate:[ \t]*([\w-]+)"
_NO_NETWORK = "this agent's sandbox has no network"
_ASK_FOR_NETWORK = "run the command again with network permission, outside the sandbox; nothing was sent or billed"


class Opener:
    """Opens connections as the variables of `env` say.

    patience: turns a wish in seconds into how long one wait may last now; raises DeadlinePassed.
    self_signed: the only port of 127.0.0.1 where certificates are not checked, 0 for none. A port and not a host, so
        that it cannot mean another machine.
    """

    def __init__(self, env: Mapping[str, str], patience: Callable[[float], float], self_signed: int = 0) -> None:
        self._env = env
        self._patience = patience
        self._self_signed = self_signed
        self._tls: ssl.SSLContext | None = None
        self._trusts_all = False  # that this machine trusts, and not only what is found by name; see `trust_by_name`

    def open(
        self, origin: Origin, may_reach: Callable[[str], bool] | None = None
    ) -> tuple[socket.socket, Proxy | None]:
        """A connection that is ready for a request, and the proxy that it goes through. Raises Fault.

        may_reach: see `Request`.
        """
        try:
            return self._open(origin, may_reach)
        except Fault as fault:
            if self._trusts_all or not isinstance(fault.__cause__, ssl.SSLCertVerificationError):
                raise
        self._tls, self._trusts_all = trust(self._env), True
        return self._open(origin, may_reach)

    def _open(self, origin: Origin, may_reach: Callable[[str], bool] | None) -> tuple[socket.socket, Proxy | None]:
        scheme, host, port = origin
        proxy = proxy_for(scheme, host, port, self._env)
        tls = self._tls_for(origin) if scheme == "https" else None
        sock = (
            self._connect_tcp(proxy.host, proxy.port, proxy)
            if proxy
            else self._connect_tcp(host, port, None, may_reach)
        )
        try:
            if proxy:
                self._tunnel(sock, host, port, proxy)
            if tls:
                sock.settimeout(self._patience(CONNECT_SECONDS))  # bounds the whole handshake
                sock = tls.wrap_socket(sock, server_hostname=_spelled(host))
        except Exception as error:
            sock.close()
            raise error if isinstance(error, Fault) else self._fault(error, proxy) from error
        except BaseException:
            sock.close()
            raise
        return sock, proxy

    def _tls_for(self, origin: Origin) -> ssl.SSLContext:
        if origin[1:] == (THIS_MACHINE, self._self_signed):
            return _unchecked()
        if self._tls is None:
            by_name = trust_by_name(self._env)
            self._tls, self._trusts_all = by_name or trust(self._env), by_name is None
        return self._tls

    def _connect_tcp(
        self, host: str, port: int, proxy: Proxy | None, may_reach: Callable[[str], bool] | None = None
    ) -> socket.socket:
        try:
            sock = self._connect(host, port, may_reach)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except Fault:
            raise
        except Exception as error:
            raise self._connect_fault(error, host, proxy) from error

    def _connect_fault(self, error: Exception, host: str, proxy: Proxy | None) -> Fault:
        fault = self._fault(error)
        if fault.permanent and not isinstance(error, PermissionError):
            return fault
        reason, hint = fault.reason, fault.hint
        if proxy:
            reason = f"no connection to {proxy}: {reason}"
            hint = f"check {proxy.variable}: is there a proxy of that name and port?"
        elif isinstance(error, socket.gaierror):
            hint += "; behind a proxy, set HTTPS_PROXY"
        if self._env.get("CODEX_SANDBOX_NETWORK_DISABLED") == "1" and not stays_here(host):
            return Fault(f"{_NO_NETWORK}: {reason}", sent=False, permanent=True, hint=_ASK_FOR_NETWORK)
        return Fault(reason, sent=False, permanent=fault.permanent, hint=hint)

    def _connect(self, host: str, port: int, may_reach: Callable[[str], bool] | None) -> socket.socket:
        """A TCP connection to the first address that accepts one; each wait ends at the deadline."""
        last_error: OSError | None = None
        found = _addresses(host, port, self._patience(CONNECT_SECONDS))
        allowed = [each for each in found if may_reach is None or may_reach(str(each[4][0]))]
        if found and not allowed:
            raise Fault(f"{host} leads to {found[0][4][0]}, which is not on the internet", sent=False, permanent=True)
        for family, kind, protocol, _, address in allowed:
            patience = self._patience(CONNECT_SECONDS)
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:  # this machine does not have the address family
                last_error = last_error or error
                continue
            try:
                sock.settimeout(patience)
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                last_error = error
        raise last_error or OSError("the host has no address")

    def _tunnel(self, sock: socket.socket, host: str, port: int, proxy: Proxy) -> None:
        """Make the proxy forward everything that follows to the server (CONNECT)."""
        if not _is_plain(host):
            raise ValueError("the host name cannot be put into a CONNECT request")
        target = authority(host, port)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        seconds = self._patience(CONNECT_SECONDS)
        ends = time.monotonic() + seconds
        sock.settimeout(seconds)
        try:
            sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            head = _read_head(sock, ends, proxy)
            while re.match(_INTERIM, head):
                head = _read_head(sock, ends, proxy)
        except socket.timeout:
            self._patience(0)  # raises if it was the deadline
            raise Fault(f"{proxy} was silent for too long", sent=False) from None
        status = re.match(_STATUS, head)
        if not status:
            raise _not_a_proxy(proxy)
        if not 200 <= int(status[1]) < 300:
            raise _refused(int(status[1]), head, target, proxy)

    def _fault(self, error: BaseException, proxy: Proxy | None = None) -> Fault:
        """The Fault for an exception. A timeout at the deadline counts as the deadline."""
        if isinstance(error, (socket.timeout, TimeoutError)):
            try:
                self._patience(0)
            except TimeoutError as passed:
                error = passed
        return fault_of(error, sent=False, through=proxy)


def trust(env: Mapping[str, str]) -> ssl.SSLContext:
    """TLS that trusts what this machine trusts; SSL_CERT_FILE and SSL_CERT_DIR replace OpenSSL's defaults.

    Raises Fault if they name nothing readable, because the handshake's own error would not say why it failed.
    """
    context = ssl.create_default_context()
    file, folders = env.get("SSL_CERT_FILE", ""), env.get("SSL_CERT_DIR", "")
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ValueError) as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", "")
            raise _no_certificates("SSL_CERT_FILE", file, why or "no file name") from error
    if folders:
        readable = [path for path in folders.split(os.pathsep) if os.path.isdir(path) and os.access(path, os.R_OK)]
        for folder in readable:
            context.load_verify_locations(capath=folder)
        if not readable and not file:
            raise _no_certificates("SSL_CERT_DIR", folders, "no folder that can be read")
    return context


def trust_by_name(env: Mapping[str, str], folder: str = "") -> ssl.SSLContext | None:
    """TLS that reads of this machine's certificates only those that a server names, from a folder that OpenSSL indexed.

    `trust` reads all of them, 144 on Debian, which takes 20 ms, a quarter of a picture's CPU; this takes 1 ms. The
    folder need not hold all that is trusted. None where there is no such folder, and where `env` names certificates.
    """
    folder = folder or ssl.get_default_verify_paths().openssl_capath
    if env.get("SSL_CERT_FILE") or env.get("SSL_CERT_DIR"):
        return None
    try:
        is_indexed = any(re.fullmatch(r"[0-9a-f]{8}\.[0-9]", name) for name in os.listdir(folder))
    except OSError:
        return None
    return ssl.create_default_context(capath=folder) if is_indexed else None


def _unchecked() -> ssl.SSLContext:
    """TLS to a program on this machine with a self-signed certificate: encrypted but not authenticated."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _no_certificates(variable: str, value: str, why: str) -> Fault:
    return Fault(
        f"{variable} names no readable certificates: {value} ({why})",
        sent=False,
        permanent=True,
        hint=f"correct {variable}, or unset it to trust what this machine trusts",
    )


def _addresses(host: str, port: int, patience: float) -> Sequence[_Address]:
    """The addresses of a host. getaddrinfo has no timeout, so it runs in a daemon thread that we may abandon."""
    results: list[Sequence[_Address] | Exception] = []

    def look_up() -> None:
        try:
            results.append(socket.getaddrinfo(_spelled(host), port, type=socket.SOCK_STREAM))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    try:
        thread.start()
        thread.join(patience)
    except RuntimeError:  # no thread to spare: better without a bound than not at all
        look_up()
    result = results[0] if results else socket.timeout()
    if isinstance(result, Exception):
        raise result
    return result


def _spelled(host: str) -> str | bytes:
    """A host name as Python need not encode it: for a text it imports the tables of international names, 2 ms."""
    return host.encode("ascii") if _is_plain(host) else host


def _is_plain(host: str) -> bool:
    return bool(host) and not host.strip(_OF_A_HOST)


def _read_head(sock: socket.socket, ends: float, proxy: Proxy) -> bytes:
    """The head of a proxy's answer, read byte by byte, because what follows belongs to TLS."""
    head = b""
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        left = ends - time.monotonic()
        if left <= 0:
            raise socket.timeout
        sock.settimeout(left)
        byte = sock.recv(1)
        if not byte:
            raise Fault(f"{proxy} closed the connection without an answer", sent=False)
        head += byte
        if len(head) > HEAD_BYTES:
            raise _not_a_proxy(proxy)
    return head


def _not_a_proxy(proxy: Proxy) -> Fault:
    return Fault(
        f"{proxy} does not answer like an http proxy",
        sent=False,
        permanent=True,
        hint=f"{proxy.variable} needs the proxy's http port, not its port for SOCKS or https",
    )


def _refused(status: int, head: bytes, target: str, proxy: Proxy) -> Fault:
    if status == 407:
        return _login_refused(head, proxy)
    if status >= 500:
        return Fault(f"{proxy} could not connect to {target} (HTTP {status})", sent=False)
    hint = (
        f"ask your network's administrators to allow {target}, or list the host in NO_PROXY if it is reached directly"
    )
    return Fault(f"{proxy} refuses to connect to {target} (HTTP {status})", sent=False, permanent=True, hint=hint)


def _login_refused(head: bytes, proxy: Proxy) -> Fault:
    does = "does not accept the user and password" if proxy.authorization else "asks for a user and a password"
    schemes = [scheme.decode("ascii", "replace") for scheme in re.findall(_SCHEME_OFFERED, head)]
    hint = (
        f"put user:password@ between http:// and the host in {proxy.variable}; "
        "special characters in them are percent-encoded (@ is %40)"
    )
    if schemes and "basic" not in [scheme.lower() for scheme in schemes]:
        hint = (
            f"it wants {' or '.join(schemes)}, but this program supports only Basic: run a local proxy such as cntlm "
        )
        hint += f"or px that signs in for you, and name it in {proxy.variable}"
    return Fault(f"{proxy} {does} (HTTP 407)", sent=False, permanent=True, hint=hint)
