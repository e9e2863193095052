"""Work of which each tenant has one piece done at a time; what comes meanwhile waits in its order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class OneAtATime:
    """A lock per tenant, kept while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, tenant: str) -> AsyncGenerator[None]:
        """Wait for the tenant's turn and hold it."""
        lock, users = self._locks.get(tenant) or (asyncio.Lock(), 0)
        self._locks[tenant] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[tenant]
            if users == 1:
                del self._locks[tenant]
            else:
                self._locks[tenant] = (lock, users - 1)
