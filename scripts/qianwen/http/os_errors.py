"""What the exceptions of sockets, TLS and http.client mean: a table, and the `Fault` made from it."""

from __future__ import annotations

import http.client
import socket
import ssl
import time

from .messages import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Container


class DeadlinePassed(TimeoutError):
    """The run's deadline has passed, so waiting again is pointless."""


# (type, words, permanent, hint). The first match counts.
FOREIGN: tuple[tuple[type[BaseException], str, bool, str], ...] = (
    (DeadlinePassed, "the time given by --timeout is over", True, ""),
    (ssl.SSLError, "the TLS handshake or stream failed", False, ""),
    (socket.gaierror, "the host name could not be resolved", False, "check the network and the host name"),
    (ConnectionRefusedError, "the connection was refused", False, ""),
    (socket.timeout, "the server was silent for too long", False, ""),
    (TimeoutError, "the server was silent for too long", False, ""),
    (http.client.IncompleteRead, "the answer broke off", False, ""),
    (http.client.RemoteDisconnected, "the server closed the connection without an answer", False, ""),
    (http.client.HTTPException, "the answer is not HTTP", False, ""),
    (ConnectionError, "the connection broke", False, ""),
    (PermissionError, "the network may not be used here", True, "run the command where it may use the network"),
    (OSError, "the network failed", False, ""),
    (UnicodeError, "the host name is not valid", True, ""),
    (ValueError, "the URL or a header is not valid", True, ""),
)

# (OpenSSL's verify codes, words, hint); the last row matches all others. {today} is this machine's date.
_CLOCK = "check the clock of this machine, which says {today}"
CERTIFICATES: tuple[tuple[Container[int], str, str], ...] = (
    ((9,), "the server's certificate is not valid yet", _CLOCK),
    ((10,), "the server's certificate has expired", _CLOCK),
    ((62, 64), "the server's certificate is for another host name", "check the host name of the base URL"),
    (
        range(80, 94),  # rules of VERIFY_X509_STRICT, the default since Python 3.13
        "a certificate breaks the strict rules of Python 3.13 and later",
        "run the command with an older Python (3.9 to 3.12), or ask your network's administrators for a better one",
    ),
    (
        range(10_000),
        "the server's certificate is not trusted",
        "set SSL_CERT_FILE to your company's certificates; on macOS run 'Install Certificates.command' once",
    ),
)
_INSPECTED = "the proxy may be inspecting TLS: add its root certificate to the file that SSL_CERT_FILE names"


def fault_of(error: BaseException, *, sent: bool, through: object = None) -> Fault:
    """The Fault for an exception. Raises the exception again if it is not about the network.

    through: the proxy between us and the server, if there is one.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error, sent, through)
    for error_type, words, permanent, hint in FOREIGN:
        if isinstance(error, error_type):
            detail = getattr(error, "strerror", None) or ""
            via = f", through {through}" if through and error_type is not DeadlinePassed else ""
            return Fault(_with(words, detail) + via, sent=sent, permanent=permanent, hint=hint)
    raise error


def _of_certificate(error: ssl.SSLCertVerificationError, sent: bool, through: object) -> Fault:
    code = getattr(error, "verify_code", 0)
    words, hint = next((words, hint) for codes, words, hint in CERTIFICATES if code in codes)
    reason = _with(words, getattr(error, "verify_message", "").rstrip("."))
    hint = hint.format(today=time.strftime("%Y-%m-%d"))
    if through:
        reason, hint = f"{reason}, through {through}", f"{hint}; {_INSPECTED}"
    return Fault(reason, sent=sent, permanent=True, hint=hint)


def _with(words: str, detail: str) -> str:
    return f"{words} ({detail})" if detail else words
