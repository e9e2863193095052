"""Secrets in PostgreSQL, opened with the sealing keys."""

from collections.abc import Collection, Mapping

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import PermanentFault
from visapi_common.core.keyrings import Keyring
from visapi_common.core.sealing import UnsealError, unseal_with
from visapi_notifier.credentials.rules.revealing import Opened

_SQL = load_queries("visapi_notifier.credentials", "queries.sql")


class PostgresSecrets:
    """See `credentials.secrets.SecretRows`."""

    def __init__(self, pool: Pool, keys: Keyring) -> None:
        self._pool = pool
        self._keys = keys

    async def open(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["open_secrets"], tenant, list(names))
        try:
            return {row["name"]: self._opened(tenant, row) for row in rows}
        except UnsealError as wrong:
            raise PermanentFault(f"{wrong}; is VISAPI_SEALING_KEY the gateway's?") from wrong

    def _opened(self, tenant: str, row: Row) -> Opened:
        name = row["name"]
        value = unseal_with(self._keys, row["sealed"], key_id=row["sealed_with"], tenant=tenant, name=name)
        hosts = row["hosts"]
        return Opened(msgspec.json.decode(value), None if hosts is None else tuple(hosts))
