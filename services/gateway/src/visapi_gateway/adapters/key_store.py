"""API keys and announced functions in PostgreSQL. The key table has no row policies: the key ring
needs the keys of all tenants, and every other query names its tenant.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec

from visapi_common.adapters.pool import Pool, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.keys import KeyView
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core import api_keys
from visapi_gateway.app.authenticate import StoredKey
from visapi_gateway.app.manage_keys import KeyRow

_SQL = load_queries("visapi_gateway.adapters", "sql/keys.sql")

_spec = msgspec.json.Decoder(FunctionSpec).decode


class PgKeyStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all_keys(self) -> Sequence[StoredKey]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["all_keys"])
        return [StoredKey(**row) for row in rows]

    async def note_use(self, used: dict[str, datetime]) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["note_use"], list(used), list(used.values()))

    async def put(self, key: KeyRow) -> None:
        with pg_faults(effect=True):
            await self._pool.execute(
                _SQL["put_key"],
                key.id,
                key.tenant,
                key.kind,
                key.name,
                key.hash,
                key.scopes,
                key.created_by,
                key.not_before,
                key.expires_at,
            )

    async def one(self, tenant: str, key: str) -> KeyView | None:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["one_key"], key, tenant)
        return None if row is None else KeyView(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_keys"], tenant, after, limit)
        return [KeyView(**row) for row in rows]

    async def disable(self, tenant: str, key: str) -> bool:
        with pg_faults(effect=True):
            return await self._pool.fetchval(_SQL["disable_key"], key, tenant) is not None

    async def shorten(self, tenant: str, key: str, seconds: int) -> bool:
        with pg_faults(effect=True):
            return await self._pool.fetchval(_SQL["shorten_key"], key, tenant, seconds) is not None

    async def functions(self, tenant: str) -> Sequence[FunctionSpec]:
        """What workers announced to this tenant, the built-in ones included."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_functions"], tenant)
        return [_spec(row["spec"]) for row in rows]

    async def ping(self) -> None:
        """Raises `TransientFault` when PostgreSQL does not answer."""
        with pg_faults():
            await self._pool.fetchval(_SQL["ping"], timeout=2.0)


def mint_key(kind: str) -> str:
    """A new key from this machine's randomness."""
    return api_keys.mint(kind, secrets.randbits(128), secrets.randbits(256))
