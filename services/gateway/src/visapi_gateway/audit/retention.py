"""Cuts the audit: rows older than the retention are exported, recorded as cut, and deleted.

The row that records a cut is the last of the chain at that moment. It holds the number and the hash of the
last row that was cut, so that what remains can still be verified (`visapi_common.core.audit_chain`), and
names the artifact with the rows. The three happen in this order, the last two in one transaction.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.core.audit_chain import Cut
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger

LIMIT = 2000
"""Rows in one export and one transaction."""
_FIRST_S = 60.0
_EVERY_S = 3600.0
_RETRY_S = 60.0

_encode = msgspec.json.Encoder().encode_lines


class CutRows(Protocol):
    async def tenants_to_cut(self, days: int) -> Sequence[str]:
        """Tenants whose oldest row is older than so many days."""
        ...

    async def oldest(self, tenant: str, days: int, limit: int) -> Sequence[AuditRecord]:
        """Rows that are older than so many days, from the first on."""
        ...

    async def cut(self, tenant: str, cut: Cut) -> bool:
        """Record the cut and delete the rows; False where the first row is another by now."""
        ...


class Exports(Protocol):
    async def put(
        self, tenant: str, data: bytes, extension: str, media_type: str, name: str | None = None
    ) -> ArtifactRef: ...


class AuditRetention:
    """See the module's docstring. A tenant whose audit cannot be cut delays no other."""

    def __init__(self, rows: CutRows, exports: Exports, days: int, metrics: Metrics) -> None:
        self._rows = rows
        self._exports = exports
        self._days = days
        self._metrics = metrics
        self._isolation = Isolation("audit-retention", metrics)
        self._log = get_logger("audit")

    async def run(self) -> None:
        """Look every hour, and first a while after the start, until cancelled."""
        pause_s = _FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = _EVERY_S if await self.once() else _RETRY_S

    async def once(self) -> bool:
        """Cut whatever is too old; False after a fault."""
        try:
            tenants = await self._rows.tenants_to_cut(self._days)
        except Exception as error:  # noqa: BLE001 (the next look comes whatever this one met)
            self._isolation.note(error)
            return False
        result = await self._isolation.each(tenants, self._cut_all, self._pass_over)
        return result.fault is None

    async def _cut_all(self, tenants: Sequence[str]) -> None:
        for tenant in tenants:
            while await self._cut(tenant):
                pass

    async def _cut(self, tenant: str) -> bool:
        """Cut once; whether there may be more."""
        rows = await self._rows.oldest(tenant, self._days, LIMIT)
        if not rows:
            return False
        first, last = rows[0], rows[-1]
        export = await self._exports.put(tenant, _encode(rows), "ndjson", "application/x-ndjson")
        cut = Cut(first.seq, last.seq, last.hash, export.id)
        done = await self._rows.cut(tenant, cut)
        if done:
            self._metrics.audit_rows_cut.inc(len(rows))
            self._log.info("audit_cut", tenant=tenant, first=cut.first, last=cut.last, export=cut.export)
        return done and len(rows) == LIMIT

    async def _pass_over(self, tenant: str, error: Exception) -> None:
        """Skip the tenant until the next look: nothing of its audit is deleted."""
        self._log.error("audit_not_cut", tenant=tenant, detail=repr(error))
