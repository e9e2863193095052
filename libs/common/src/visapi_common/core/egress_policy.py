"""Egress rules: URLs, host normalisation, the allow list, origin mapping.

Pure. Adapters resolve names and dial; they check the URL first and every resolved address afterwards.
Operators allow more destinations with `VISAPI_EGRESS_ALLOW` (CIDR blocks, hosts, `host:port`), and map an
origin to a stand-in with `VISAPI_EGRESS_ORIGINS`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import idna

from visapi_common.core.egress_addresses import (
    Address,
    Network,
    parse_address,
    parse_network,
    refusal,
)
from visapi_common.core.errors import PermanentFault

DEFAULT_PORTS = {"http": 80, "https": 443}
URL_MAX = 8192

BLOCKED_PORTS = frozenset(
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95}
    | {101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179}
    | {389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601}
    | {636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379}
    | {6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211}
)
"""Ports on which HTTP can only do harm (Fetch standard, "bad port"; Redis and memcached added)."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")


Reason = Literal["scheme", "port", "address", "host", "redirect"]


class EgressRefused(PermanentFault):
    """The guard refused a destination; nothing was sent. `reason` is a bounded word for metrics.

    The text may be shown to the caller; `internal` is only for the operator's log.
    """

    def __init__(
        self,
        detail: str,
        reason: Reason = "host",
        *,
        internal: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.internal = internal


class MalformedUrl(EgressRefused):
    """The text is not a usable URL under any policy."""


class MalformedRedirect(MalformedUrl):
    """The receiver redirected to an invalid URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a request: lower-case scheme, normalised host, explicit port."""

    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """The origin as a URL, without a default port (RFC 6454 section 6.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        )


@dataclass(frozen=True, slots=True)
class Route:
    """The actual destination of a request; `mapped` when the operator's origin map chose it."""

    target: Target
    mapped: bool


def normalise_host(host: str) -> str:
    """Lower case, IDNA (UTS 46), no trailing dot. Raises `MalformedUrl` for an invalid host.

    Addresses written as one number, in octal, in hexadecimal or with missing parts are refused:
    resolvers read them in different ways.
    """
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if "%" in bare:
        raise MalformedUrl(f"the host {host!r} has a zone or an escape; write a plain host name or address")
    if ":" in bare:
        address = parse_address(bare)
        if address is None:
            raise MalformedUrl(f"the host {host!r} is not an IPv6 address")
        return str(address)
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise MalformedUrl(f"the host {host!r} is not a valid internationalised name") from error
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.match(labels[-1]):
        address = parse_address(name)
        if address is None:
            raise MalformedUrl(f"the host {host!r} is a number; write IPv4 addresses as four decimal parts")
        return str(address)
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise MalformedUrl(f"the host {host!r} is not a valid host name")
    if "xn--" in name:
        try:
            idna.decode(name)
        except (idna.IDNAError, UnicodeError) as error:
            raise MalformedUrl(f"the host {host!r} is not a valid internationalised name") from error
    return name


def target_of(scheme: str, host: str, port: int | None) -> Target:
    """A checked target from the parts of a URL. Raises `MalformedUrl`."""
    lowered = scheme.lower()
    if lowered not in DEFAULT_PORTS:
        raise MalformedUrl(f"the scheme {scheme!r} is not allowed; use http or https", "scheme")
    chosen = DEFAULT_PORTS[lowered] if port is None else port
    if not 0 < chosen < 65536:
        raise MalformedUrl(f"the port {chosen} is not a port", "port")
    return Target(lowered, normalise_host(host), chosen)


def parse_url(url: str) -> Target:
    """The target of an absolute URL. Raises `MalformedUrl` saying what is wrong with it."""
    if len(url) > URL_MAX:
        raise MalformedUrl(f"the URL is longer than {URL_MAX} characters")
    if any(character <= " " or character in "\\\x7f" or 0x80 <= ord(character) < 0xA1 for character in url):
        raise MalformedUrl("the URL contains a space, a control character or a backslash; encode it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise MalformedUrl(f"the URL cannot be read: {error}") from error
    if "@" in parts.netloc:
        raise MalformedUrl("the URL carries credentials; send them as a header instead")
    if "[" in parts.netloc and (host is None or ":" not in host):
        raise MalformedUrl("only IPv6 addresses stand in brackets")
    if not host:
        raise MalformedUrl("the URL has no host; write it whole, such as https://example.com/path")
    return target_of(parts.scheme, host, port)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The operator's rules, parsed once. Build it with `policy_from`."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()
    origins: tuple[tuple[Target, Target], ...] = ()

    def route(self, target: Target) -> Route:
        """Apply the origin map, then the port rule. Raises `EgressRefused`."""
        for source, replacement in self.origins:
            if source == target:
                return Route(replacement, mapped=True)
        if target.port in BLOCKED_PORTS and not self.allows_host(target.host, target.port):
            raise EgressRefused(
                "the destination's port is not for HTTP; it is refused", "port", internal=target.origin
            )
        return Route(target, mapped=False)

    def allows_host(self, host: str, port: int) -> bool:
        """Whether the operator allowed this host by name, whatever its addresses."""
        return (host, None) in self.hosts or (host, port) in self.hosts

    def check_address(self, host: str, address: str) -> Address:
        """The parsed address when it may be dialled. Raises `EgressRefused` with the reason."""
        parsed = parse_address(address)
        if parsed is None:
            raise EgressRefused(
                "the destination has no address", internal=f"{host} resolved to {address!r}, which is none"
            )
        if reason := refusal(parsed, self.networks):
            # Internal addresses of a name must not be disclosed.
            kind = reason.partition(" (")[0]
            raise EgressRefused(
                f"the destination is not public ({kind}); the operator can open it with VISAPI_EGRESS_ALLOW",
                "address",
                internal=f"{host} is at {parsed}, which is {reason}",
            )
        return parsed

    def check_addresses(self, host: str, addresses: Sequence[str]) -> list[Address]:
        """Check every address: one refused address refuses the host."""
        return [self.check_address(host, address) for address in addresses]


def policy_from(allow: Iterable[str] = (), origins: Mapping[str, str] | None = None) -> EgressPolicy:
    """The policy of two settings. Raises `ValueError` naming the entry that cannot be read."""
    networks: list[Network] = []
    hosts: set[tuple[str, int | None]] = set()
    for entry in (item.strip() for item in allow):
        if not entry:
            continue
        if network := parse_network(entry.removeprefix("[").removesuffix("]")):
            networks.append(network)
        else:
            hosts.add(_host_entry(entry))
    mapped = tuple((_origin(source), _origin(target)) for source, target in (origins or {}).items())
    return EgressPolicy(tuple(networks), frozenset(hosts), mapped)


def _host_entry(entry: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{entry}")
        host, port = parts.hostname, parts.port
        if not host or "/" in entry or "@" in entry:
            raise EgressRefused("no host")
        return normalise_host(host), port
    except (ValueError, EgressRefused) as error:
        raise ValueError(
            f"VISAPI_EGRESS_ALLOW: {entry!r} is neither a CIDR block, an address, a host nor host:port"
        ) from error


def _origin(text: str) -> Target:
    try:
        return parse_url(text)
    except EgressRefused as error:
        raise ValueError(f"VISAPI_EGRESS_ORIGINS: {text!r} is not an origin: {error}") from error
