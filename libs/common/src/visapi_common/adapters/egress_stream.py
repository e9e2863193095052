"""A connection to a receiver that is read in small pieces, paced by tenant.

Responses are parsed in the event loop, at a cost that the receiver chooses: a kibibyte may hold a hundred
chunks or interim responses. So pieces are small, and the parsing time of each tenant is counted; a tenant
beyond its share waits before its next piece is read.
"""

import asyncio
import ssl
import time
from typing import Any

import httpcore

from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.pacing import TenantPacer

READ_BYTES = 16 * 1024
"""Parsing the most expensive known piece, made of one-byte chunks, takes 60 ms."""


class PacedStream(httpcore.AsyncNetworkStream):
    """See the module's docstring. Other methods delegate to the inner stream."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, pace: TenantPacer) -> None:
        self._inner = inner
        self._pace = pace
        self._since: float | None = None
        self._expected_s = 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.settle()
        piece = await self._inner.read(min(max_bytes, READ_BYTES), timeout)
        # Wait here and not earlier: now the cost of the other pieces is known.
        delay_s, self._expected_s = self._pace.begin(TENANT.get())
        if delay_s > 0:
            try:
                await asyncio.sleep(delay_s)
            except asyncio.CancelledError:
                self._pace.drop(TENANT.get(), self._expected_s)
                raise
        self._since = time.monotonic()
        return piece

    def settle(self) -> None:
        """Charge the time since the last piece was read: only its parsing happened since then."""
        if self._since is not None:
            self._pace.end(TENANT.get(), self._expected_s, time.monotonic() - self._since)
            self._since = None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._since = None
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return PacedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._pace)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
