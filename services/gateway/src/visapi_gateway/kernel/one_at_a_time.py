"""One lock per tenant: work of a tenant is done one piece at a time, in order of arrival."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class OneAtATime:
    """Locks by tenant; a lock exists while it is held or waited for."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, tenant: str) -> AsyncGenerator[None]:
        """Hold the tenant's lock."""
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
