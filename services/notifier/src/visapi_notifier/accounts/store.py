"""Secrets in PostgreSQL, opened with the sealing key."""

from collections.abc import Collection, Mapping

import msgspec

from visapi_common.adapters.pool import Pool, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import PermanentFault
from visapi_common.core.sealing import UnsealError, unseal
from visapi_notifier.accounts.rules.revealing import Opened

_SQL = load_queries("visapi_notifier.accounts", "queries.sql")


class PostgresSecrets:
    """See `accounts.secrets.SecretRows`."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = key

    async def open(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["open_secrets"], tenant, list(names))
        try:
            return {
                row["name"]: Opened(
                    msgspec.json.decode(unseal(self._key, row["sealed"], tenant=tenant, name=row["name"])),
                    None if row["hosts"] is None else tuple(row["hosts"]),
                )
                for row in rows
            }
        except UnsealError as wrong:
            raise PermanentFault(f"{wrong}; is VISAPI_SEALING_KEY the gateway's?") from wrong
