"""What a gateway writes about keys, many at a time: their last uses, and hashes under another pepper."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from visapi_common.core.failures import failure_kind, failure_text
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.stored_keys import KeySource, KeyUse, NewHash

USES_S = 10.0
"""Seconds between two writes of last uses."""
REHASH_MAX = 1000
"""Keys that are hashed anew by one statement."""
STORE_S = 1.0
"""The longest time that the reading of keys waits for this."""

_Use = tuple[str, tuple[float, str]]
"""A key, and when and from where it was used."""


class KeyUpkeep:
    """Notes uses and hashes in memory, and stores them."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._used: dict[str, tuple[float, str]] = {}
        self._stored_at = 0.0
        self._rehashed: dict[str, NewHash] = {}
        self._log = get_logger("keys")

    def used(self, key: str, now: float, address: str) -> None:
        """A request came with the key at a monotonic time. Nothing is written now."""
        self._used[key] = (now, address)

    def rehashed(self, hash_: NewHash) -> None:
        self._rehashed[hash_.id] = hash_

    def is_rehashed(self, key: str) -> bool:
        return key in self._rehashed

    async def store(self, now: float, time_of: Callable[[float], datetime]) -> None:
        """Store what was noted; `time_of` is the database's time of a monotonic one. Never raises. What is
        not stored within `STORE_S` waits for the next attempt.
        """
        used: dict[str, tuple[float, str]] = {}
        try:
            async with asyncio.timeout(STORE_S):
                await self._store_rehashed()
                if now - self._stored_at < USES_S or not self._used:
                    return
                self._stored_at = now
                used, self._used = self._used, {}
                await self._store_uses(list(used.items()), time_of)
        except TimeoutError:
            self._log.warning("keys_stored_late", detail=f"not stored within {STORE_S:g} s")
            self._used = used | self._used

    async def _store_rehashed(self) -> None:
        some, self._rehashed = list(self._rehashed.values())[:REHASH_MAX], {}
        if not some:
            return
        try:
            await self._source.rehash(some)
        except Exception as error:  # noqa: BLE001 (what is not stored is hashed again at the next use)
            self._log.warning("keys_not_rehashed", keys=len(some), detail=failure_text(error))

    async def _store_uses(self, used: Sequence[_Use], time_of: Callable[[float], datetime]) -> None:
        """A use that cannot be stored affects no other key, and while the store is away uses wait for the
        next attempt.
        """
        half = len(used) // 2
        try:
            await self._source.note_use([KeyUse(key, time_of(at), address) for key, (at, address) in used])
        except Exception as error:  # noqa: BLE001 (see above)
            self._log.warning("key_use_not_stored", keys=len(used), detail=failure_text(error))
            if failure_kind(error) != "contents":
                self._used = dict(used) | self._used
                self._stored_at = 0.0
            elif half:
                await self._store_uses(used[:half], time_of)
                await self._store_uses(used[half:], time_of)
