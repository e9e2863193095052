"""Reading the audit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditPage, AuditRecord
from visapi_gateway.kernel.pages import one_page


class AuditFilter(msgspec.Struct, frozen=True):
    """Conditions that an entry must all meet; `since` is inclusive, `until` exclusive."""

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
        """Entries, newest first. `next` is the number to continue below."""
        rows = await self._source.page(tenant, wanted, below, limit + 1)
        return AuditPage(*one_page(rows, limit, lambda row: str(row.seq)))
