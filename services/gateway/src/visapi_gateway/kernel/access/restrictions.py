"""What a key is limited to beside its scopes: workflows, and addresses from which it may be used. Pure."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any

import msgspec

from visapi_gateway.kernel.asgi.client_address import Network, network, parsed

_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_WORKFLOW = re.compile(rf"{_NAME}/({_NAME}|\*)")


class Restrictions(msgspec.Struct, frozen=True):
    """`workflows` is None for a key that is not limited to some; empty networks allow and deny nothing."""

    workflows: frozenset[str] | None = None
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()

    @classmethod
    def read(
        cls, workflows: Sequence[str] | None, allowed: Iterable[str] | None, denied: Iterable[str] | None
    ) -> "Restrictions":
        """As stored. Raises `ValueError` for what is no network."""
        names = None if workflows is None else frozenset(workflows)
        return cls(names, tuple(map(network, allowed or ())), tuple(map(network, denied or ())))

    @property
    def by_address(self) -> bool:
        return bool(self.allowed or self.denied)

    def admit(self, address: str) -> bool:
        """Whether the key may be used from an address. One that cannot be read is admitted nowhere."""
        found = parsed(address)
        if found is None or any(found in each for each in self.denied):
            return False
        return not self.allowed or any(found in each for each in self.allowed)

    def sees(self, namespace: str, name: str) -> bool:
        """Whether a workflow is among those that the key sees."""
        return self.workflows is None or _names(f"{namespace}/{name}", self.workflows)

    def within(self, wider: "Restrictions") -> bool:
        """Whether whoever has these may do no more than whoever has the wider ones."""
        if wider.workflows is not None and (
            self.workflows is None or not all(_names(each, wider.workflows) for each in self.workflows)
        ):
            return False
        if wider.allowed and not (
            self.allowed and all(_inside(each, wider.allowed) for each in self.allowed)
        ):
            return False
        return all(_inside(each, self.denied) for each in wider.denied)


UNRESTRICTED = Restrictions()


def wrong_workflows(names: Iterable[str]) -> list[str]:
    """The names that are neither `namespace/name` nor `namespace/*`."""
    return [name for name in names if not _WORKFLOW.fullmatch(name)]


def wrong_networks(texts: Iterable[str]) -> list[str]:
    """The texts that are neither addresses nor networks in CIDR notation."""
    return [text for text in texts if not _is_network(text)]


def normal(texts: Iterable[str]) -> list[str]:
    """Networks in one spelling, without those that lie in others."""
    read = [network(text) for text in texts]
    four = collapse_addresses(each for each in read if isinstance(each, IPv4Network))
    six = collapse_addresses(each for each in read if isinstance(each, IPv6Network))
    return sorted(map(str, [*four, *six]))


def _names(workflow: str, among: frozenset[str]) -> bool:
    """Whether `namespace/name` or `namespace/*` is among names, itself or by its whole namespace."""
    return workflow in among or f"{workflow.partition('/')[0]}/*" in among


def _is_network(text: str) -> bool:
    try:
        network(text)
    except ValueError:
        return False
    return True


def _inside(small: Network, large: Iterable[Network]) -> bool:
    # Mypy and pyright cannot tell that both are of one version here.
    one: Any = small
    return any(one.version == each.version and one.subnet_of(each) for each in large)
