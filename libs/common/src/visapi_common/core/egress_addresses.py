"""Which IP addresses VisAPI may reach: public ones, in any notation, and no special ones.

The standard library's `is_global` treats NAT64, 6to4 and multicast as global, so the ranges are listed here
(IANA special-purpose registries, RFC 6890), and an IPv4 address embedded in an IPv6 address is checked by
itself.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_V4_SPECIAL: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(cidr), reason)
    for cidr, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_V6_SPECIAL: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(cidr), reason)
    for cidr, reason in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard"),
        ("2001::/23", "IETF protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_V6_GLOBAL = IPv6Network("2000::/3")

_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_LAST_32_BITS = tuple(
    IPv6Network(cidr)
    for cidr in (
        "::/96",  # IPv4-compatible, RFC 4291 section 2.5.5.1
        "::ffff:0:0/96",  # IPv4-mapped, RFC 4291 section 2.5.5.2
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)


def embedded_ipv4(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses embedded in `address`; empty for ordinary addresses."""
    value = int(address)
    if any(address in network for network in _LAST_32_BITS):
        return (IPv4Address(value & 0xFFFFFFFF),)
    if address in _SIX_TO_FOUR:
        return (IPv4Address((value >> 80) & 0xFFFFFFFF),)
    if address in _TEREDO:
        server = IPv4Address((value >> 64) & 0xFFFFFFFF)
        return (server, IPv4Address(~value & 0xFFFFFFFF))
    if (value >> 32) & 0xFFFFFFFF in _ISATAP:
        return (IPv4Address(value & 0xFFFFFFFF),)
    return ()


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why `address` is refused, in a few words; `None` when it is allowed."""
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _V4_SPECIAL if address in network), None)
    if address.scope_id is not None:
        return "scoped"
    inner = embedded_ipv4(address)
    for ipv4 in inner:
        if reason := refusal(ipv4, allowed):
            return f"{reason} (inside {address})"
    if inner and (address in _SIX_TO_FOUR or any(address in network for network in _LAST_32_BITS)):
        return None
    special = next((reason for network, reason in _V6_SPECIAL if address in network), None)
    return special or (None if address in _V6_GLOBAL else "not global unicast")


def parse_address(text: str) -> Address | None:
    """The address that `text` writes in standard form, or `None`."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_network(text: str) -> Network | None:
    """The CIDR block or single address that `text` writes, or `None`."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
