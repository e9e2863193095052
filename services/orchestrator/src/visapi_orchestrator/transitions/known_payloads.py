"""The artifact store behind a cache of values that this process has just stored or read.

Each transition of a run needs its large values, which seldom change. Objects can expire, so a value counts as
stored for a limited time, and is stored again afterwards.
"""

import asyncio
import hashlib

from visapi_common.contracts.payloads import INLINE_LIMIT, Payload
from visapi_common.core.clocks import MonotonicClock
from visapi_orchestrator.transitions.ports import Payloads
from visapi_orchestrator.transitions.rules.known_values import ByteCache, Key

AT_ONCE = 8
BELIEVED_S = 600.0
_STORED_MAX = 16_384


class KnownPayloads:
    """See `transitions.ports.Payloads`. At most `AT_ONCE` objects travel at the same time."""

    def __init__(self, payloads: Payloads, monotonic: MonotonicClock) -> None:
        self._payloads = payloads
        self._clock = monotonic
        self._blobs = ByteCache()
        self._stored: dict[Key, tuple[Payload, float]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        if len(raw) <= INLINE_LIMIT:
            return await self._payloads.pack(tenant, raw)
        key = (tenant, hashlib.sha256(raw).hexdigest())
        payload, until_s = self._stored.pop(key, (None, 0.0))
        if payload is None or until_s < self._clock.monotonic():
            async with self._room:
                payload = await self._payloads.pack(tenant, raw)
            until_s = self._clock.monotonic() + BELIEVED_S
        self._stored[key] = (payload, until_s)
        if len(self._stored) > _STORED_MAX:
            del self._stored[next(iter(self._stored))]
        self._blobs.put((tenant, payload.ref or ""), raw)
        return payload

    async def unpack(self, tenant: str, payload: Payload) -> bytes:
        if payload.ref is None:
            return await self._payloads.unpack(tenant, payload)
        key = (tenant, payload.ref)
        value = self._blobs.get(key)
        if value is None:
            async with self._room:
                value = await self._payloads.unpack(tenant, payload)
            self._blobs.put(key, value)
        return value
