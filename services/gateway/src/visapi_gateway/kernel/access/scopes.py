"""Principals and their scopes."""

from collections.abc import Iterable
from dataclasses import dataclass

from visapi_common.core.errors import ProblemError
from visapi_common.core.scopes import ALL, DEFAULT_SCOPES, OPERATOR_SCOPES, SCOPES
from visapi_gateway.kernel.access.restrictions import UNRESTRICTED, Restrictions

__all__ = ["ALL", "DEFAULT_SCOPES", "OPERATOR_SCOPES", "SCOPES", "Principal", "Requester", "covers"]


def covers(held: frozenset[str], wanted: Iterable[str]) -> bool:
    """Whether whoever holds scopes may do what the wanted ones allow."""
    return all(scope in held or (ALL in held and scope not in OPERATOR_SCOPES) for scope in wanted)


@dataclass(frozen=True, slots=True)
class Principal:
    """The key behind a request. Its tenant is the only tenant the request can touch."""

    key: str
    tenant: str
    kind: str
    scopes: frozenset[str]
    limits: Restrictions = UNRESTRICTED

    @property
    def actor(self) -> str:
        """The actor as rows name it."""
        return f"key:{self.key}"

    @property
    def is_test(self) -> bool:
        """Whether what the key starts are test runs, and what it commands too."""
        return self.kind == "test"

    def check_may_command(self, what: str, *, test: bool) -> None:
        """Raises `ProblemError` 403 where a test key would command something live."""
        if self.is_test and not test:
            detail = f"{what} is live, and a key of kind test commands test runs only; use a live key"
            raise ProblemError("forbidden", detail, status=403)

    def may(self, scope: str) -> bool:
        return covers(self.scopes, (scope,))

    def may_grant(self, scopes: frozenset[str]) -> bool:
        """Whether the principal holds every scope that it wants to grant."""
        return covers(self.scopes, scopes)

    def sees(self, namespace: str, name: str) -> bool:
        """Whether a workflow is among those that the key is limited to."""
        return self.limits.sees(namespace, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester(Principal):
    """A principal and its request id, as the audit records them."""

    request_id: str
