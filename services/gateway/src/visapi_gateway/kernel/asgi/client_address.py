"""The client address of a request, also behind proxies. Pure.

Without trusted proxies the connection's address counts, and headers are ignored. When the connection comes
from a trusted proxy, `X-Forwarded-For` is read from right to left: each proxy appends the address that it
saw. The first address that is not a trusted proxy is the client's; the client itself wrote everything left of
it. An entry that is not an address ends the search at the last trusted address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_ENTRIES_MAX = 32
"""The number of entries of the header that are read."""
_MAPPED_BITS = 96
"""The prefix of IPv4 addresses within IPv6."""
_HOST_BITS = 64
"""An IPv6 customer has at least a /64, so all addresses of a /64 count as one."""


def network(text: str) -> Network:
    """Parse an address or a network. IPv4 within IPv6 (`::ffff:0:0/96`) becomes IPv4, as addresses do. Raises
    `ValueError` for other text, and for a network with bits set beyond its prefix.
    """
    found = ip_network(text)
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is None or found.prefixlen < _MAPPED_BITS:
        return found
    return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse addresses and networks. Raises `ValueError` for other text."""
    return tuple(ip_network(text) for text in texts)


class ClientAddresses:
    """Finds client addresses, given the trusted proxies."""

    def __init__(self, trusted: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def is_trusted(self, address: str) -> bool:
        read = parsed(address)
        return read is not None and self._is_trusted(read)

    def of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address that a request counts for; `peer` is the other end of its connection."""
        return group(self.find(peer, headers)[0])

    def find(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
        """The address of the client, and whether it is known: not where a trusted proxy names no client, or
        something that is no address, and its own stands for the client.
        """
        if not self._trusted:
            return peer, True
        found = parsed(peer)
        if found is None or not self._is_trusted(found):
            return peer, True
        named = False
        for entry in reversed(_entries(headers)):
            earlier = parsed(entry)
            if earlier is None:
                return str(found), named and not entry
            found, named = earlier, True
            if not self._is_trusted(found):
                break
        return str(found), True

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def group(address: str) -> str:
    """The address that is counted: IPv4 in full, IPv6 by its /64."""
    if ":" not in address:
        return address
    read = parsed(address)
    if isinstance(read, IPv6Address):
        return str(IPv6Network((read, 128 - _HOST_BITS), strict=False))
    return str(read) if read is not None else address


def _entries(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    joined = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    return [entry.strip() for entry in joined.decode("latin-1").split(",")][-_ENTRIES_MAX:]


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without a port; an IPv4-mapped IPv6 address becomes IPv4."""
    bare = text.strip().partition("%")[0]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
