"""The keys that requests have held, in PostgreSQL."""

from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_gateway.kernel.idempotency.hashes import is_same
from visapi_gateway.kernel.idempotency.rules import Claim, key_reused
from visapi_gateway.kernel.idempotency.transaction import hold_key

_SQL = load_queries("visapi_gateway.kernel.idempotency", "queries.sql")


class UsedKeys:
    """The keys that requests have held."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def answer(self, claim: Claim) -> str | None:
        """The answer of the request that holds the key; None when the key is free. Raises `ProblemError` 422
        when another request holds it.
        """
        async with tenant_transaction(self._pool, [claim.tenant]) as connection:
            holder = await connection.fetchrow(_SQL["key_holder"], claim.tenant, claim.key)
        if holder is None:
            return None
        if not is_same(claim, holder["body_hash"]):
            raise key_reused()
        return holder["answer"] or ""

    async def hold(self, claim: Claim | None, answer: str) -> None:
        """Hold a key for a request that is already carried out. Raises `KeyTaken`."""
        if claim is None:
            return
        async with tenant_transaction(self._pool, [claim.tenant]) as connection:
            await hold_key(connection, claim, answer)
