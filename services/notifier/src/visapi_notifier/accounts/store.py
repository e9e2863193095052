"""Accounts in PostgreSQL, sealed."""

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.account_kinds import Kind
from visapi_notifier.accounts.rules import SealedAccount, SealedVersion

_SQL = load_queries("visapi_notifier.accounts", "queries.sql")


class PostgresAccounts:
    """See `accounts.service.AccountRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self, tenant: str, kind: Kind, name: str | None) -> SealedAccount | None:
        with pg_faults():
            if name is None:
                rows = await self._pool.fetch(_SQL["default_account"], tenant, kind)
            else:
                rows = await self._pool.fetch(_SQL["named_account"], tenant, name)
        if not rows:
            return None
        versions = (
            SealedVersion(row["id"], row["settings"], row["sealed"], row["sealed_with"], row["version"])
            for row in rows
        )
        return SealedAccount(rows[0]["name"], rows[0]["kind"], tuple(versions))
