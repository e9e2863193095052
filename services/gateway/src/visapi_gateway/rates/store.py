"""Rates in PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.rates import NAMES_OF_A_KEY_MAX, SetRate
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.rates.buckets import QuotaLease
from visapi_gateway.rates.lending import QuotaAsked, QuotaReturn, RateAsked
from visapi_gateway.rates.rules.gcra import Lease
from visapi_gateway.rates.rules.policies import StoredRate
from visapi_gateway.rates.service import CrowdedKey, KeyPrivileges, RateRow, RowCheck

_SQL = load_queries("visapi_gateway.rates", "queries.sql")
RATES_S = 1.0
"""A lease that takes longer is given up: requests wait for it, and the gateway's own share serves them."""
QUOTAS_S = 3.0
"""Likewise for quotas; without a lease no run is accepted, so that patience costs less than a failure."""


class PgLedgerOfLeases:
    """See `rates.lending.LedgerOfLeases`."""

    def __init__(self, pool: Pool, *, rates_s: float = RATES_S, quotas_s: float = QUOTAS_S) -> None:
        self._pool = pool
        self._rates_s = rates_s
        self._quotas_s = quotas_s

    async def all_rates(self) -> Sequence[StoredRate]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["all_rates"])
        return [StoredRate(**row) for row in rows]

    async def lease_rates(self, asked: Sequence[RateAsked]) -> dict[tuple[str, str], Lease]:
        rows = await self._lease("lease_rates", asked, self._rates_s)
        return {(row["tenant"], row["subject"]): Lease(row["granted"], row["used"]) for row in rows}

    async def lease_quotas(self, asked: Sequence[QuotaAsked]) -> dict[tuple[str, str, str], QuotaLease]:
        rows = await self._lease("lease_quotas", asked, self._quotas_s)
        return {
            (row["tenant"], row["subject"], row["period"]): QuotaLease(
                row["granted"], row["left"], row["began"], row["ends_in_s"]
            )
            for row in rows
        }

    async def return_quotas(self, returned: Sequence[QuotaReturn]) -> None:
        with pg_faults(effect=True):
            await self._pool.execute(_SQL["return_quotas"], *zip(*returned, strict=True))

    async def _lease(self, name: str, asked: Sequence[tuple[Any, ...]], seconds: float) -> list[Row]:
        """The rows of a statement within so many seconds, including the time to get a connection. If the
        statement is not answered in time, its connection is closed: cancelling the statement may take longer.
        """
        with pg_faults():
            async with asyncio.timeout(seconds), self._pool.acquire() as connection:
                try:
                    return await connection.fetch(_SQL[name], *zip(*asked, strict=True))
                except asyncio.CancelledError:
                    connection.terminate()
                    raise

    async def sweep(self, limit: int) -> None:
        with pg_faults():
            for name in ("sweep_rate_leases", "sweep_quota_leases", "sweep_rates", "sweep_names"):
                await self._pool.execute(_SQL[name], limit)


class PgRateStore:
    """See `rates.service.RateStore`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def one(self, tenant: str, subject: str) -> RateRow | None:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["one_rate"], tenant, subject)
        return None if row is None else RateRow(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[RateRow]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_rates"], tenant, after, limit)
        return [RateRow(**row) for row in rows]

    async def put(
        self, subject: str, wanted: SetRate, keys: list[str], audit: AuditEntry, check: RowCheck
    ) -> datetime | CrowdedKey:
        """A refusal is rolled back by an exception that does not leave this method."""
        try:
            async with tenant_transaction(self._pool, [audit.tenant]) as connection:
                check(await _locked(connection, audit.tenant, subject))
                return await self._put(connection, subject, wanted, keys, audit)
        except _CrowdedError as refused:
            return refused.crowded

    async def _put(
        self, connection: Connection, subject: str, wanted: SetRate, keys: list[str], audit: AuditEntry
    ) -> datetime:
        tenant = audit.tenant
        limits = (wanted.per_s, wanted.burst, wanted.runs_per_day, wanted.runs_per_month)
        written = await connection.fetchrow(_SQL["put_rate"], tenant, subject, *limits, keys, audit.actor)
        assert written is not None, "an insert or an update gives its row"
        # The check takes a lock, under which the names of a key are counted, those of others included.
        await self._quotas.check(connection, tenant, "rates")
        crowded = await connection.fetchval(_SQL["crowded_key"], tenant, NAMES_OF_A_KEY_MAX)
        if crowded is not None:
            raise _CrowdedError(CrowdedKey(crowded))
        await record(connection, audit)
        return written["updated_at"]

    async def remove(self, subject: str, audit: AuditEntry, check: RowCheck) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            check(await _locked(connection, audit.tenant, subject))
            gone = await connection.fetchval(_SQL["remove_rate"], audit.tenant, subject)
            if gone is not None:
                await record(connection, audit)
        return gone is not None

    async def privileges(self, tenant: str, keys: Sequence[str]) -> dict[str, KeyPrivileges]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["privileges"], tenant, list(keys))
        return {row["id"]: KeyPrivileges(row["kind"], frozenset(row["scopes"])) for row in rows}


async def _locked(connection: Connection, tenant: str, subject: str) -> RateRow | None:
    """The rate, which nobody else changes until the transaction ends."""
    await connection.execute(_SQL["lock_rate"], tenant, subject)
    row = await connection.fetchrow(_SQL["locked_rate"], tenant, subject)
    return None if row is None else RateRow(**row)


class _CrowdedError(Exception):
    def __init__(self, crowded: CrowdedKey) -> None:
        super().__init__(crowded.key)
        self.crowded = crowded
