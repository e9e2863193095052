"""Who is sent to next: slots are shared among tenants, and among their endpoints. Pure.

An endpoint that fails or is slow holds its slots long, so such endpoints share half of all slots, and half of
their tenant's. The others are always free for endpoints that answer.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from visapi_notifier.endpoints.rules import DueEndpoint

SLOTS = 128
"""Attempts of one process at once."""
TENANT_SLOTS = 32
ENDPOINT_SLOTS = 8


class Place(msgspec.Struct, frozen=True):
    """Room for `most` messages of an endpoint."""

    tenant: str
    endpoint: UUID
    most: int
    ordered: bool


class _Use(msgspec.Struct):
    """The slots in use."""

    of: Counter[UUID]
    of_tenant: Counter[str]
    poor_of_tenant: Counter[str]
    all: int = 0
    poor: int = 0

    def take(self, tenant: str, endpoint: UUID, *, poor: bool) -> None:
        self.all += 1
        self.of[endpoint] += 1
        self.of_tenant[tenant] += 1
        if poor:
            self.poor += 1
            self.poor_of_tenant[tenant] += 1

    def has_room(self, one: DueEndpoint, *, poor: bool) -> bool:
        most = 1 if one.ordered or poor else ENDPOINT_SLOTS
        if self.of[one.endpoint] >= most or self.of_tenant[one.tenant] >= TENANT_SLOTS:
            return False
        return not poor or (self.poor < SLOTS // 2 and self.poor_of_tenant[one.tenant] < TENANT_SLOTS // 2)


def places(
    due: Sequence[DueEndpoint], busy: Iterable[tuple[str, UUID]], poor: frozenset[UUID]
) -> list[Place]:
    """Room for due messages, one slot at a time: to a tenant, and within it to an endpoint, in turn. `busy`:
    the tenant and endpoint of each slot in use; `poor`: endpoints that fail or are slow.
    """
    use = _Use(Counter(), Counter(), Counter())
    for tenant, endpoint in busy:
        use.take(tenant, endpoint, poor=endpoint in poor)
    turns: dict[str, deque[DueEndpoint]] = {}
    for one in due:
        turns.setdefault(one.tenant, deque()).append(one)
    order, given = deque(turns), Counter[UUID]()
    while order and use.all < SLOTS:
        tenant = order.popleft()
        one = _next(turns[tenant], use, poor)
        if one is not None:
            use.take(tenant, one.endpoint, poor=one.endpoint in poor)
            given[one.endpoint] += 1
            turns[tenant].append(one)
            order.append(tenant)
    return [
        Place(one.tenant, one.endpoint, given[one.endpoint], one.ordered)
        for one in due
        if given[one.endpoint]
    ]


def _next(turn: deque[DueEndpoint], use: _Use, poor: frozenset[UUID]) -> DueEndpoint | None:
    """The next endpoint of a tenant with room; those without any are left out from now on."""
    while turn:
        one = turn.popleft()
        if use.has_room(one, poor=one.endpoint in poor):
            return one
    return None
