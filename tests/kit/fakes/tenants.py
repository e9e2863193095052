"""Tenants in memory, as the shares of event producers see them."""

from collections.abc import Sequence

from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry


class FakeTenants:
    """See `events.producers.TenantRows`."""

    def __init__(self, *tenants: str) -> None:
        self._tenants = list(tenants)
        self.disabled: set[str] = set()
        self.letters: list[DeadLetterEntry] = []
        """Open dead letters of messages."""

    async def tenants(self) -> list[str]:
        return list(self._tenants)

    async def disabled_and_filling(self, tenants: Sequence[str], number: int, size: int) -> set[str]:
        return {tenant for tenant in self.disabled.intersection(tenants) if self._fills(tenant, number, size)}

    def _fills(self, tenant: str, number: int, size: int) -> bool:
        bodies = [letter.body or b"" for letter in self.letters if letter.tenant == tenant]
        return len(bodies) >= number or sum(map(len, bodies)) > size
