"""API keys in PostgreSQL. Their table has no row policies: the key ring needs the keys of all tenants, and
every other query names its tenant.
"""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.keys import KeyView
from visapi_common.core import api_keys
from visapi_gateway.kernel.access.stored_keys import KeysAt, KeyUse, NewHash, StoredKey
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.keys.service import KeyRow, LockedKey
from visapi_gateway.keys.transaction import add_key
from visapi_gateway.rates.transaction import inherit

_SQL = load_queries("visapi_gateway.keys", "queries.sql")


class PgKeyStore:
    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def all_keys(self) -> KeysAt:
        return await self._keys(_SQL["all_keys"])

    async def some_keys(self, keys: Sequence[str]) -> KeysAt:
        return await self._keys(_SQL["some_keys"], list(keys))

    async def _keys(self, query: str, *arguments: object) -> KeysAt:
        with pg_faults():
            async with self._pool.acquire() as connection:
                at = await connection.fetchval(_SQL["clock"])
                rows = await connection.fetch(query, *arguments)
        return KeysAt(at, [StoredKey(**row) for row in rows])

    async def note_use(self, used: Sequence[KeyUse]) -> None:
        columns = list(zip(*map(msgspec.structs.astuple, used), strict=True))
        with pg_faults():
            await self._pool.execute(_SQL["note_use"], *columns)

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        columns = list(zip(*map(msgspec.structs.astuple, hashes), strict=True))
        with pg_faults():
            await self._pool.execute(_SQL["rehash"], *columns)

    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        async with tenant_transaction(self._pool, [key.tenant]) as connection:
            await hold_key(connection, claim, key.id)
            await add_key(connection, key)
            await self._quotas.check(connection, key.tenant, "keys")
            await record(connection, audit)

    @asynccontextmanager
    async def locked(
        self, tenant: str, key: str, claim: Claim | None = None, answer: str = ""
    ) -> AsyncGenerator[LockedKey | None]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await hold_key(connection, claim, answer)
            await connection.execute(_SQL["lock_key"], key, tenant)
            row = await connection.fetchrow(_SQL["one_key"], key, tenant)
            yield None if row is None else _PgLockedKey(connection, self._quotas, tenant, KeyView(**row))

    async def one(self, tenant: str, key: str) -> KeyView | None:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["one_key"], key, tenant)
        return None if row is None else KeyView(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_keys"], tenant, after, limit)
        return [KeyView(**row) for row in rows]


class _PgLockedKey:
    """See `keys.service.LockedKey`."""

    def __init__(self, connection: Connection, quotas: Quotas, tenant: str, view: KeyView) -> None:
        self.view = view
        self._connection = connection
        self._quotas = quotas
        self._which = (view.id, tenant)
        self._added = False

    async def sibling(self, key: str) -> KeyView | None:
        row = await self._connection.fetchrow(_SQL["one_key"], key, self._which[1])
        return None if row is None else KeyView(**row)

    async def end(self, *, may_return: bool, reason: str | None) -> None:
        await self._connection.execute(_SQL["end_key"], *self._which, may_return, reason)

    async def enable(self) -> None:
        await self._connection.execute(_SQL["enable_key"], *self._which)

    async def change(self, to: KeyView) -> None:
        await self._connection.execute(
            _SQL["change_key"],
            *self._which,
            to.name,
            to.scopes,
            to.workflows,
            to.allowed_addresses,
            to.denied_addresses,
            to.expires_at,
        )

    async def replace(self, new: KeyRow, ends_after_s: int) -> None:
        await add_key(self._connection, new)
        await self._connection.execute(_SQL["shorten_key"], *self._which, ends_after_s)
        key, tenant = self._which
        await inherit(self._connection, tenant, key, new.id)
        self._added = True

    async def record(self, audit: AuditEntry) -> None:
        if self._added:
            await self._quotas.check(self._connection, self._which[1], "keys", "rates")
        await record(self._connection, audit)


def mint_key(kind: str) -> str:
    """A new key from random bits."""
    return api_keys.mint(kind, secrets.randbits(128), secrets.randbits(256))
