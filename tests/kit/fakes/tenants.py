"""Tenants in memory, as the shares of event producers and the intake of events see them."""

from collections.abc import Sequence

from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry


class FakeTenants:
    """See `events.producers.TenantRows` and `events.set_aside_messages.LetterCounts`."""

    def __init__(self, *tenants: str) -> None:
        self._tenants = list(tenants)
        self.disabled: set[str] = set()
        self.erasing: set[str] = set()
        self.letters: list[DeadLetterEntry] = []
        """Open dead letters of messages."""

    async def tenants(self) -> list[str]:
        return list(self._tenants)

    async def disabled_and_filling(self, tenants: Sequence[str], number: int, size: int) -> set[str]:
        return {tenant for tenant in self.disabled.intersection(tenants) if self._fills(tenant, number, size)}

    async def messages_set_aside(self, tenant: str, number_max: int) -> tuple[int, int]:
        bodies = [letter.body or b"" for letter in self.letters if letter.tenant == tenant][:number_max]
        return len(bodies), sum(map(len, bodies))

    async def erased(self, tenants: Sequence[str]) -> set[str]:
        return self.erasing.intersection(tenants)

    def _fills(self, tenant: str, number: int, size: int) -> bool:
        bodies = [letter.body or b"" for letter in self.letters if letter.tenant == tenant]
        return len(bodies) >= number or sum(map(len, bodies)) > size
