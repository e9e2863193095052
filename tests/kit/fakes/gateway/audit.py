"""The audit in memory."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditAction, AuditEntry, AuditRecord
from visapi_common.core.audit_chain import Cut
from visapi_gateway.audit.service import AuditFilter


class FakeAudit:
    """See `audit.service.AuditSource`, `audit.retention.CutRows`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()

    async def page(
        self, tenant: str, wanted: AuditFilter, below: int | None, limit: int
    ) -> Sequence[AuditRecord]:
        found = [
            row
            for row in reversed(self._tables.audit.get(tenant, []))
            if (below is None or row.seq < below)
            and wanted.action in (None, row.action)
            and wanted.target in (None, row.target)
            and wanted.actor in (None, row.actor)
            and (wanted.since is None or row.time >= wanted.since)
            and (wanted.until is None or row.time < wanted.until)
        ]
        return found[:limit]

    async def tenants_to_cut(self, days: int) -> Sequence[str]:
        self.faults.meet("tenants_to_cut")
        audit = self._tables.audit
        return sorted(tenant for tenant, rows in audit.items() if rows and self._is_old(rows[0], days))

    async def oldest(self, tenant: str, days: int, limit: int) -> Sequence[AuditRecord]:
        self.faults.meet("oldest")
        rows = self._tables.audit.get(tenant, [])[:limit]
        young = next((at for at, row in enumerate(rows) if not self._is_old(row, days)), len(rows))
        return rows[:young]

    async def cut(self, tenant: str, cut: Cut) -> bool:
        self.faults.meet("cut")
        rows = self._tables.audit[tenant]
        if rows[0].seq != cut.first:
            return False
        details = msgspec.to_builtins(cut)
        action = AuditAction.AUDIT_CUT
        self._tables.record(AuditEntry(tenant, "retention", action, f"audit:{tenant}", None, "", details))
        self._tables.audit[tenant] = [row for row in rows if row.seq > cut.last]
        return True

    def _is_old(self, row: AuditRecord, days: int) -> bool:
        return row.time < self._tables.now - timedelta(days=days)
