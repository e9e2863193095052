"""Lookups and commits of many requests at once: whatever waits is asked for, or committed, together.

Lookups of all tenants share one query, so that a flood of addresses that do not exist costs one query for
hundreds of them. Commits are grouped by tenant.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Protocol
from uuid import UUID

from visapi_common.runtime.group_commit import GroupCommit
from visapi_gateway.hooks.rules.addresses import may_be_address
from visapi_gateway.hooks.rules.events import Delivery
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.kernel.tenant_commits import TenantCommits

WEIGHT_MAX = 1024 * 1024
_WEIGHT_OF_A_DELIVERY = 2048


class HookDirectory(Protocol):
    async def at(self, addresses: Sequence[str]) -> Mapping[str, LiveHook]: ...


class TenantLedger(Protocol):
    async def put(self, tenant: str, deliveries: Sequence[Delivery]) -> set[UUID]: ...


class HookLookups:
    """Finds the hook of one address, together with whatever else is looked for."""

    def __init__(self, directory: HookDirectory) -> None:
        self._directory = directory
        self._group = GroupCommit[int, str, LiveHook | None](self._look)
        self._numbers = count()

    async def find(self, address: str) -> LiveHook | None:
        """None for an unknown address. Raises `Fault`."""
        if not may_be_address(address):
            return None
        return await self._group.submit(next(self._numbers), address)

    async def run(self) -> None:
        """Look until cancelled."""
        await self._group.run()

    async def _look(self, wanted: Mapping[int, str]) -> dict[int, LiveHook | None]:
        found = await self._directory.at(list(set(wanted.values())))
        return {number: found.get(address) for number, address in wanted.items()}


class DeliveryCommits:
    """Group commits of deliveries. `hint` is called after each commit with new events."""

    def __init__(self, ledger: TenantLedger, hint: Callable[[], None]) -> None:
        self._ledger = ledger
        self._hint = hint
        self._commits = TenantCommits[Delivery, bool](self._write, weigh=_weight, weight_max=WEIGHT_MAX)

    async def put(self, delivery: Delivery) -> bool:
        """Commit the delivery; False where it was accepted before, or another request brings it right now."""
        return await self._commits.submit(delivery.tenant, delivery)

    async def _write(self, tenant: str, deliveries: Mapping[int, Delivery]) -> dict[int, bool]:
        once: dict[tuple[UUID, str], Delivery] = {}
        for each in deliveries.values():
            once.setdefault((each.hook, each.delivery), each)
        fresh = await self._ledger.put(tenant, list(once.values()))
        if fresh:
            self._hint()
        return {number: each.id in fresh for number, each in deliveries.items()}


def _weight(delivery: Delivery) -> int:
    return len(delivery.event) + _WEIGHT_OF_A_DELIVERY
