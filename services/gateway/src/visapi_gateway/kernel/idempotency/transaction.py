"""The statement that holds a key, for the transactions of other stores."""

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken

_SQL = load_queries("visapi_gateway.kernel.idempotency", "queries.sql")


async def hold_key(connection: Connection, claim: Claim | None, answer: str = "") -> None:
    """Hold the key of a request, if it has one, within the transaction that carries out the request.

    Call this as soon as the `answer` is known: it waits for another transaction that holds the same key.
    Raises `KeyTaken`.
    """
    if claim is None:
        return
    held = await connection.fetchval(_SQL["hold_key"], claim.tenant, claim.key, claim.request_hash, answer)
    if held is None:
        raise KeyTaken
