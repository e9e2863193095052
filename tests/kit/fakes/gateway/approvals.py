"""Approvals in memory."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables, StoredApproval
from visapi_gateway.approvals.service import ApprovalRow, Verdict


class FakeApprovals:
    """See `approvals.service.ApprovalStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()

    async def approvals(
        self, tenant: str, state: str | None, run: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[ApprovalRow]:
        found = [
            self._seen(one)
            for one in self._tables.approvals.values()
            if one.tenant == tenant
            and state in (None, one.row.state)
            and run in (None, one.row.run)
            and (before is None or one.row.id < before)
        ]
        return sorted(found, key=lambda row: row.id, reverse=True)[:limit]

    async def approval(self, tenant: str, approval: UUID, digest: bytes | None) -> ApprovalRow | None:
        stored = self._tables.approvals.get(approval)
        if stored is None or stored.tenant != tenant:
            return None
        holders = dict(zip(stored.keys, stored.row.approvers, strict=True))
        holder = None if digest is None else holders.get(digest)
        asking = self._tables.runs.get(stored.row.run)
        test = asking is not None and not asking.row.ended and asking.row.test
        return msgspec.structs.replace(self._seen(stored), holder=holder, test=test)

    async def decide(self, verdict: Verdict) -> bool:
        self.faults.meet("decide")
        stored = self._tables.approvals.get(verdict.id)
        if stored is None or stored.tenant != verdict.tenant:
            return False
        row = self._seen(stored)
        if row.state != "open" or row.late:
            return False
        stored.row = msgspec.structs.replace(
            row,
            state="decided",
            decision=verdict.decision,
            comment=verdict.comment,
            decided_by=verdict.by,
            closed_at=self._tables.now,
        )
        self._tables.put_inbox(verdict.inbox_row)
        self._tables.record(verdict.audit)
        return True

    def _seen(self, stored: StoredApproval) -> ApprovalRow:
        expires_at = stored.row.expires_at
        late = expires_at is not None and expires_at <= self._tables.now
        return msgspec.structs.replace(stored.row, late=late)
