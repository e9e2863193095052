"""Replays of many dead letters in PostgreSQL, as one tenant sees them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.dead_letters import REPLAYABLE, ReplayFilter, ReplayView
from visapi_gateway.dead_letters.replays.service import RUNNING_MAX, NewReplay
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key

_SQL = load_queries("visapi_gateway.dead_letters.replays", "queries.sql")
_CONDITIONS = ReplayFilter.__struct_fields__


class PgReplayStore:
    """See `dead_letters.replays.service.ReplayStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self, tenant: str, wanted: ReplayFilter, upto: UUID, limit: int) -> int:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            conditions = msgspec.structs.astuple(wanted)
            kinds = sorted(REPLAYABLE)
            return await connection.fetchval(_SQL["count_letters"], tenant, upto, kinds, *conditions, limit)

    async def put(self, new: NewReplay, claim: Claim | None) -> bool:
        tenant = new.audit.tenant
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(_SQL["lock_replays"], tenant)
            conditions = msgspec.structs.astuple(new.filter)
            more = (new.rate_per_s, new.counted, RUNNING_MAX, new.audit.actor)
            if await connection.fetchval(_SQL["add_replay"], tenant, new.id, *conditions, *more) is None:
                return False
            await hold_key(connection, claim, str(new.id))
            await record(connection, new.audit)
        return True

    async def one(self, tenant: str, replay: UUID) -> ReplayView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_replay"], tenant, replay)
        return None if row is None else _view(row)

    async def page(self, tenant: str, before: UUID | None, limit: int) -> Sequence[ReplayView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return [_view(row) for row in await connection.fetch(_SQL["list_replays"], tenant, before, limit)]

    async def abort(self, replay: UUID, audit: AuditEntry, claim: Claim | None) -> bool:
        try:
            async with tenant_transaction(self._pool, [audit.tenant]) as connection:
                await hold_key(connection, claim)
                if await connection.fetchval(_SQL["abort_replay"], audit.tenant, replay, audit.actor) is None:
                    raise _Ended
                await record(connection, audit)
        except _Ended:
            return False
        return True


class _Ended(Exception):
    """The replay has ended: nothing is committed, not even the `Idempotency-Key`."""


def _view(row: Row) -> ReplayView:
    fields: dict[str, Any] = dict(row)
    path = f"/v1/dead-letters/replays/{row['id']}"
    links = {"self": path}
    if row["state"] == "running":
        links["abort"] = f"{path}/abort"
    conditions = {name: fields.pop(name) for name in _CONDITIONS}
    return ReplayView(**fields, filter=ReplayFilter(**conditions), links=links)
