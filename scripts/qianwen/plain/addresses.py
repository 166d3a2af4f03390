"""Where IP addresses are, however a host spells them: on the public internet, in a private network, or here."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import Union

    Address = Union[IPv4Address, IPv6Address]

# What is certainly this machine or a private network (RFC 1122, 1918, 3927, 4193, 6598).
_NEAR = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("::/127", "fc00::/7", "fe80::/10"),
)
# What is_global would let through, or should: Alibaba Cloud's metadata and internal services, multicast, and the
# addresses that local proxies (Clash, sing-box) answer for every name instead of its real one.
_CLOUD = "100.64.0.0/10"
_MADE_UP_BY_PROXIES = "198.18.0.0/15"
_NUMBER = r"0[xX][0-9a-fA-F]*|[0-9]+"


def spelled(host: str) -> Address | None:
    """The address that a host spells: dotted, decimal, octal or hex, in one to four parts, or IPv6. None for a name."""
    text = host.partition("%")[0].rstrip(".")
    if not re.match(r"[0-9]|[0-9a-fA-F]*:", text):
        return None
    from ipaddress import IPv4Address, ip_address

    try:
        return ip_address(text)
    except ValueError:
        pass
    if not re.fullmatch(rf"({_NUMBER})(\.({_NUMBER})){{0,3}}", text) or len(text) > 64:
        return None
    *first, last = (_value(part) for part in text.split("."))
    room = 4 - len(first)
    if any(part > 255 for part in first) or last >= 256**room:
        return IPv4Address(0)  # no address, and surely no public one
    return IPv4Address(sum(part << 8 * (3 - place) for place, part in enumerate(first)) + last)


def _value(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    is_octal = text.startswith("0") and re.fullmatch("[0-7]+", text) is not None
    return int(text, 8 if is_octal else 10)


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, and not this machine, a private network, or a cloud's inside.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64, compatible) counts as that one.
    """
    from ipaddress import ip_network

    address = _inside(address) or address
    if address in ip_network(_CLOUD):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_made_up(address: Address) -> bool:
    """Whether a local proxy answered with an address of its own, behind which it reaches the real host."""
    from ipaddress import ip_network

    return address in ip_network(_MADE_UP_BY_PROXIES)


def is_near(address: Address) -> bool:
    """Whether an address is this machine or certainly of a private network."""
    from ipaddress import ip_network

    inner = _inside(address) or address
    return any(inner in ip_network(block) for block in _NEAR)


def is_here(address: Address) -> bool:
    """Whether an address is this machine's loopback."""
    return (_inside(address) or address).is_loopback


def _inside(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address carries; None without one."""
    from ipaddress import IPv4Address, IPv6Network

    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in IPv6Network("64:ff9b::/96"):
        return low
    is_compatible = address in IPv6Network("::/96") and int(address) > 1
    return low if is_compatible else None
