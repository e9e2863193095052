"""Reading the audit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditPage, AuditRecord


class AuditFilter(msgspec.Struct, frozen=True):
    """Rows that fit all of it; `since` is within, `until` is not."""

    action: str | None = None
    target: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditSource(Protocol):
    async def page(
        self, tenant: str, wanted: AuditFilter, below: int | None, limit: int
    ) -> Sequence[AuditRecord]: ...


class Audit:
    """The audit of a tenant."""

    def __init__(self, source: AuditSource) -> None:
        self._source = source

    async def page(self, tenant: str, wanted: AuditFilter, below: int | None, limit: int) -> AuditPage:
        """Newest first; `next` is the plain number to go on below."""
        rows = await self._source.page(tenant, wanted, below, limit + 1)
        more = str(rows[limit - 1].seq) if len(rows) > limit else None
        return AuditPage(items=list(rows[:limit]), next=more)
