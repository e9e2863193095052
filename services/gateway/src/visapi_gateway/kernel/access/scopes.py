"""Who asks, and what a key may do."""

from dataclasses import dataclass

from visapi_common.core.scopes import ALL, DEFAULT_SCOPES, SCOPES

__all__ = ["ALL", "DEFAULT_SCOPES", "SCOPES", "Asker", "Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The key behind a request. Its tenant is the only tenant the request can touch."""

    key: str
    tenant: str
    kind: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """How rows name who did something."""
        return f"key:{self.key}"

    def may(self, scope: str) -> bool:
        return ALL in self.scopes or scope in self.scopes

    def may_grant(self, scopes: frozenset[str]) -> bool:
        """Nobody gives away more than they hold."""
        return ALL in self.scopes or scopes <= self.scopes


@dataclass(frozen=True, slots=True)
class Asker(Principal):
    """A principal with the request by which it asks: who stands in the audit."""

    request_id: str
