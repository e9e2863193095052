"""Rows of the audit of so many days ago, as the gateway wrote them then."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.audit_chain import GENESIS, encoded, sealed

_INSERT = (
    "insert into visapi.audit (tenant, seq, at, actor, action, target, reason, request_id, details,"
    " previous, hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex'), decode($11, 'hex'))"
)


def audit_of(
    ages_days: Iterable[int], tenant: str = "default", now: datetime | None = None
) -> list[AuditRecord]:
    """A whole chain, from its first row on."""
    made: list[AuditRecord] = []
    for seq, age in enumerate(ages_days, start=1):
        record = AuditRecord(
            tenant=tenant,
            seq=seq,
            time=(now or datetime.now(UTC)) - timedelta(days=age),
            actor="key:a",
            action="run.cancel",
            target=f"run:{seq}",
            reason=None,
            request_id="r",
            details={},
            previous=made[-1].hash if made else GENESIS,
            hash="",
        )
        made.append(sealed(record))
    return made


async def put_audit(database: Any, records: Sequence[AuditRecord]) -> None:
    """Write them, on a connection that may."""
    rows = [
        (*msgspec.structs.astuple(one)[:8], encoded(one.details), one.previous, one.hash) for one in records
    ]
    await database.executemany(_INSERT, rows)
