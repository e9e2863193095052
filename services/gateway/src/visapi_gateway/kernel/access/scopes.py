"""Who asks, and what a key may do."""

from dataclasses import dataclass

ALL = "*"
SCOPES = (
    "workflows:read",
    "workflows:write",
    "runs:read",
    "runs:write",
    "events:write",
    "artifacts:read",
    "dead-letters:read",
    "dead-letters:write",
    "secrets:write",
    "retention:write",
    "audit:read",
    "keys:admin",
)
_NEVER_BY_DEFAULT = ("keys:admin", "secrets:write", "retention:write", "audit:read")
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if scope not in _NEVER_BY_DEFAULT)
"""What a key gets when its maker names no scopes."""


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
