"""A key has changed: every replica is told, and this one reads it before the answer."""

import asyncio
from collections.abc import Callable, Sequence

from visapi_common.core.errors import Fault
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.access.tenant import WHOSE

KNOWN_S = 1.0
"""How long an answer waits until this replica has read a changed key; until then the key is refused (503)."""


class ChangedKeys:
    """See `keys.service.AnnounceChange`. `publish` tells the other replicas."""

    def __init__(self, ring: KeyRing, publish: Callable[[str], None]) -> None:
        self._ring = ring
        self._publish = publish

    async def __call__(self, key: str) -> None:
        await self.all_of([key])

    async def all_of(self, keys: Sequence[str]) -> None:
        """Several keys at once, such as those of a tenant."""
        for key in keys:
            self._publish(key)
        # The ring reads keys one after another, so it must not wait for the connections of one tenant.
        whose = WHOSE.set("")
        try:
            async with asyncio.timeout(KNOWN_S):
                await self._ring.refresh(keys)
        except (Fault, TimeoutError):
            for key in keys:
                self._ring.doubt(key)
        finally:
            WHOSE.reset(whose)
