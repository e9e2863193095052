"""API keys in PostgreSQL. Their table has no row policies: the key ring needs the keys of all tenants, and
every other query names its tenant.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, pg_faults, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.keys import KeyView
from visapi_common.core import api_keys
from visapi_common.core.named_rows import values_of
from visapi_gateway.kernel.access.authentication import NewHash, StoredKey
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.keys.service import KeyRow
from visapi_gateway.rates.transaction import inherit

_SQL = load_queries("visapi_gateway.keys", "queries.sql")
_PUT_KEY = _SQL["put_key"].format(key=values_of(KeyRow))


class PgKeyStore:
    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def all_keys(self) -> Sequence[StoredKey]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["all_keys"])
        return [StoredKey(**row) for row in rows]

    async def note_use(self, used: dict[str, datetime]) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["note_use"], list(used), list(used.values()))

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        columns = list(zip(*map(msgspec.structs.astuple, hashes), strict=True))
        with pg_faults():
            await self._pool.execute(_SQL["rehash"], *columns)

    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        async with tenant_transaction(self._pool, [key.tenant]) as connection:
            await hold_key(connection, claim, key.id)
            await connection.execute(_PUT_KEY, *msgspec.structs.astuple(key))
            await self._quotas.check(connection, key.tenant, "keys")
            await record(connection, audit)

    async def replace(
        self, old: str, ends_after_s: int, key: KeyRow, audit: AuditEntry, claim: Claim | None
    ) -> None:
        async with tenant_transaction(self._pool, [key.tenant]) as connection:
            await hold_key(connection, claim, key.id)
            await connection.execute(_PUT_KEY, *msgspec.structs.astuple(key))
            await connection.execute(_SQL["shorten_key"], old, key.tenant, ends_after_s)
            await inherit(connection, key.tenant, old, key.id)
            await self._quotas.check(connection, key.tenant, "keys", "rates")
            await record(connection, audit)

    async def one(self, tenant: str, key: str) -> KeyView | None:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["one_key"], key, tenant)
        return None if row is None else KeyView(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_keys"], tenant, after, limit)
        return [KeyView(**row) for row in rows]

    async def disable(self, key: str, audit: AuditEntry) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            fresh: bool | None = await connection.fetchval(_SQL["disable_key"], key, audit.tenant)
            if fresh:
                await record(connection, audit)
        return fresh is not None


def mint_key(kind: str) -> str:
    """A new key from random bits."""
    return api_keys.mint(kind, secrets.randbits(128), secrets.randbits(256))
