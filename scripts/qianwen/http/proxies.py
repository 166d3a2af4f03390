"""Which proxy to use for a host, by the variables that curl and other clients read. Pure functions.

Lower case wins over upper case, an empty variable counts as unset, and loopback never goes through a proxy.
"""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes, urlsplit

from ..plain import addresses
from ..plain.record import record
from .messages import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from typing import Mapping, Sequence, Union

    Network = Union[IPv4Network, IPv6Network]

USUAL_PORT = 80
# Patterns are compiled at their first use: most runs have no proxy.
_HOST = r"[A-Za-z0-9_.:%-]+"
_EXEMPT = r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?"  # [IPv6]:port or name:port


@record
class Proxy:
    """An http proxy.

    variable: the variable that names it.
    authorization: for `Proxy-Authorization`, "" without a user.
    """

    host: str
    port: int
    variable: str
    authorization: str = ""

    def __str__(self) -> str:
        return f"the proxy of {self.variable} ({authority(self.host, self.port)})"


def authority(host: str, port: int) -> str:
    """Host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def proxy_for(scheme: str, host: str, port: int, env: Mapping[str, str]) -> Proxy | None:
    """The proxy for a connection, None for a direct one.

    Raises Fault, permanent and not sent, if the variable does not name an http proxy. Its value is never shown.
    """
    variable = _first_set(_variables(scheme, env), env)
    if not variable or stays_here(host):
        return None
    if is_exempt(host, port, env.get(_first_set(("no_proxy", "NO_PROXY"), env), "")):
        return None
    return _read(variable, env[variable].strip())


def _variables(scheme: str, env: Mapping[str, str]) -> Sequence[str]:
    own = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY"]
    if "REQUEST_METHOD" in env:  # a CGI program, where a visitor's `Proxy:` header arrives as HTTP_PROXY
        own = [name for name in own if name != "HTTP_PROXY"]
    return [*own, "all_proxy", "ALL_PROXY"]


def _first_set(names: Sequence[str], env: Mapping[str, str]) -> str:
    return next((name for name in names if env.get(name, "").strip()), "")


def stays_here(host: str) -> bool:
    """Whether a host is this machine in any spelling, which no proxy can reach.

    `regions.is_loopback` is stricter: it decides whether a key may go there in plain http.
    """
    name = host.lower().rstrip(".")
    address = addresses.spelled(name)
    return addresses.is_here(address) if address else name == "localhost" or name.endswith(".localhost")


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether `no_proxy` lists a host.

    Entries are `*`, names (with their subdomains), addresses and CIDR blocks, each with or without a port, separated by
    commas or spaces. Any other entry matches nothing.
    """
    name = host.lower().rstrip(".")
    return any(_covers(entry, name, port) for entry in re.split(r"[,\s]+", no_proxy.lower()))


def _covers(entry: str, name: str, port: int) -> bool:
    if entry == "*":
        return True
    parts = re.fullmatch(_EXEMPT, entry)
    wanted, its_port = (parts[1] or parts[2], parts[3]) if parts else (entry, None)
    if its_port and int(its_port) != port:
        return False
    address, network = addresses.spelled(name), _network(wanted)
    if address or network:
        return address is not None and network is not None and address in network
    domain = re.sub(r"^\*?\.", "", wanted).rstrip(".")
    return domain != "" and (name == domain or name.endswith("." + domain))


def _network(text: str) -> Network | None:
    from ipaddress import ip_network

    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _read(variable: str, value: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    if scheme.startswith("socks"):
        better = "name an http proxy in HTTPS_PROXY (many clients offer an http or mixed port next to the SOCKS port)"
        why = f"{variable} names a SOCKS proxy, which this program does not support"
        raise _refusal(why, f"{better}, or unset {variable}")
    if scheme == "https":
        raise _refusal(
            f"{variable} names an https:// proxy, but this program talks plain http to a proxy",
            f"write http:// in {variable}; the traffic through the proxy is encrypted anyway",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", USUAL_PORT if parts.port is None else parts.port
        user_info, at, _ = parts.netloc.rpartition("@")
        authorization = _basic(user_info) if at else ""
    except ValueError:  # its message would contain the value
        raise _unreadable(variable) from None
    # An @ after the host means that a password has a bare / ? or #, and that the host is really a part of it.
    torn = "@" in parts.path + parts.query + parts.fragment
    if scheme != "http" or torn or not port or not re.fullmatch(_HOST, host):
        raise _unreadable(variable)
    return Proxy(host, port, variable, authorization)


def _basic(user_info: str) -> str:
    user, _, password = user_info.partition(":")
    return "Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode()


def _unreadable(variable: str) -> Fault:
    return _refusal(
        f"{variable} does not name a readable proxy",
        f"write it as http://HOST:PORT in {variable}; in a user or password, percent-encode @ : / ? # and %",
    )


def _refusal(reason: str, hint: str) -> Fault:
    return Fault(reason, sent=False, permanent=True, hint=hint)
