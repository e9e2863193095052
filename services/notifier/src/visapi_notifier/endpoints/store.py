"""Webhooks to endpoints in PostgreSQL, as the notifier sees them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_common.core.sealing import UnsealError, name_of_endpoint_secret, unseal_with
from visapi_common.telemetry.logs import get_logger
from visapi_notifier.endpoints.rules import (
    LEASE_S,
    Attempt,
    ClaimedMessage,
    DueEndpoint,
    GivenUp,
    given_up_detail,
)
from visapi_notifier.endpoints.shares import Place

_SQL = load_queries("visapi_notifier.endpoints", "queries.sql")
_LOOKED_AT = 500
LETTERS_MAX = 10_000
"""Open dead letters of webhooks of a tenant."""
FAILING_S = 3 * 86_400.0
"""So long nothing was delivered: then an endpoint is disabled."""

Ended = tuple[ClaimedMessage, Attempt, float]
"""A message, how its attempt ended, and the seconds that it took."""


class PostgresEndpoints:
    """See `endpoints.sending.EndpointRows`. `owner` is this process."""

    def __init__(self, pool: Pool, keys: Keyring, owner: str) -> None:
        self._pool = pool
        self._keys = keys
        self._owner = owner
        self._ids = RandomIds()
        self._log = get_logger("endpoints")

    async def due(self) -> Sequence[DueEndpoint]:
        found: list[DueEndpoint] = []
        after: tuple[str, UUID] = ("", UUID(int=0))
        while True:
            with pg_faults():
                rows = await self._pool.fetch(_SQL["due_endpoints"], *after, _LOOKED_AT, LEASE_S)
            found.extend(
                DueEndpoint(row["tenant"], row["endpoint"], row["ordered"], row["failing"])
                for row in rows
                if row["due"]
            )
            if len(rows) < _LOOKED_AT:
                return found
            after = (rows[-1]["tenant"], rows[-1]["endpoint"])

    async def claim(
        self, places: Sequence[Place], bytes_max: int, tenant_bytes_max: int
    ) -> Sequence[ClaimedMessage]:
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                mine = await _without_held(connection, places)
                rows = await connection.fetch(
                    _SQL["claim"],
                    [place.tenant for place in mine],
                    [place.endpoint for place in mine],
                    [place.most for place in mine],
                    [place.ordered for place in mine],
                    bytes_max,
                    LEASE_S,
                    self._owner,
                    tenant_bytes_max,
                )
            secrets = await self._secrets({(row["tenant"], row["endpoint"]) for row in rows})
        return [_claimed(row, secrets) for row in rows]

    async def finish(self, ended: Sequence[Ended]) -> Sequence[GivenUp]:
        with pg_faults():
            letters = await self._pool.fetch(
                _SQL["finish"],
                [message.tenant for message, _, _ in ended],
                [message.id for message, _, _ in ended],
                [message.number for message, _, _ in ended],
                [_state(attempt) for _, attempt, _ in ended],
                [attempt.again_s or 0.0 for _, attempt, _ in ended],
                [round(took_s * 1000) for _, _, took_s in ended],
                [attempt.status for _, attempt, _ in ended],
                [attempt.error for _, attempt, _ in ended],
                [attempt.response for _, attempt, _ in ended],
                self._owner,
                [int(attempt.outcome == "unopened") for _, attempt, _ in ended],
                [self._ids.uuid7() for _ in ended],
                LETTERS_MAX,
                [given_up_detail(message, attempt) for message, attempt, _ in ended],
            )
            last = {
                (message.tenant, message.endpoint): attempt
                for message, attempt, _ in ended
                if attempt.outcome != "unopened"
            }
            # An endpoint that is gone stays gone, whatever was heard of it beside.
            gone = {(message.tenant, message.endpoint) for message, attempt, _ in ended if attempt.gone}
            await self._pool.execute(
                _SQL["note_health"],
                [tenant for tenant, _ in last],
                [endpoint for _, endpoint in last],
                [attempt.outcome == "delivered" and of not in gone for of, attempt in last.items()],
                [of in gone for of in last],
                FAILING_S,
            )
        return [GivenUp(row["id"], row["tenant"]) for row in letters]

    async def _secrets(self, of: set[tuple[str, UUID]]) -> Mapping[UUID, list[str] | None]:
        """The valid secrets by endpoint, opened; None where one of them cannot be."""
        rows = await self._pool.fetch(
            _SQL["secrets"], [tenant for tenant, _ in of], [endpoint for _, endpoint in of]
        )
        opened: dict[UUID, list[str] | None] = {}
        for row in rows:
            secrets = opened.setdefault(row["endpoint"], [])
            text = self._opened(row)
            if text is None:
                opened[row["endpoint"]] = None
            elif secrets is not None:
                secrets.append(text)
        return opened

    def _opened(self, row: Row) -> str | None:
        name = name_of_endpoint_secret(row["endpoint"], row["id"])
        try:
            sealed = unseal_with(
                self._keys, row["sealed"], key_id=row["sealed_with"], tenant=row["tenant"], name=name
            )
        except (UnsealError, MissingKeyError) as wrong:
            self._log.error("endpoint_secret_unopened", endpoint=str(row["endpoint"]), detail=str(wrong))
            return None
        return sealed.decode()


async def _without_held(connection: Connection, places: Sequence[Place]) -> Sequence[Place]:
    """The places without ordered endpoints for which another notifier claims at this moment. The others are
    held until the transaction ends.
    """
    ordered = [place for place in places if place.ordered]
    if not ordered:
        return places
    held = await connection.fetch(
        _SQL["hold_ordered"], [place.tenant for place in ordered], [place.endpoint for place in ordered]
    )
    mine = {(row["tenant"], row["endpoint"]) for row in held}
    return [place for place in places if not place.ordered or (place.tenant, place.endpoint) in mine]


def _claimed(row: Row, secrets: Mapping[UUID, list[str] | None]) -> ClaimedMessage:
    return ClaimedMessage(
        tenant=row["tenant"],
        endpoint=row["endpoint"],
        id=row["id"],
        number=row["attempts"],
        left=row["attempts_left"],
        type=row["type"],
        at=row["at"],
        data=row["data"],
        size=row["size"],
        url=row["url"],
        secrets=secrets.get(row["endpoint"]),
    )


def _state(attempt: Attempt) -> str:
    if attempt.outcome == "delivered":
        return "delivered"
    return "failed" if attempt.again_s is None else "pending"
