"""Retention policies in memory."""

from collections.abc import Sequence
from datetime import datetime

from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_gateway.retention.service import Check, Policy, accept_any


class FakeRetention:
    """See `retention.service.RetentionStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self._policies: dict[tuple[str, str], Policy] = {}

    async def default_days(self) -> int:
        return 30

    async def policy(self, tenant: str, namespace: str) -> Policy | None:
        return self._policies.get((tenant, namespace))

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[Policy]:
        mine = sorted(place for place in self._policies if place[0] == tenant and place[1] > (after or ""))
        return [self._policies[place] for place in mine[:limit]]

    async def set(self, namespace: str, days: int, audit: AuditEntry, check: Check = accept_any) -> datetime:
        check(self._policies.get((audit.tenant, namespace)))
        now = self._tables.now
        self._policies[audit.tenant, namespace] = Policy(namespace, days, now, audit.actor)
        self._tables.record(audit)
        return now

    async def reset(self, namespace: str, audit: AuditEntry, check: Check = accept_any) -> bool:
        check(self._policies.get((audit.tenant, namespace)))
        if self._policies.pop((audit.tenant, namespace), None) is None:
            return False
        self._tables.record(audit)
        return True
