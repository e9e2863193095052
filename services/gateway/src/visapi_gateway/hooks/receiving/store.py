"""Hooks as requests find them, and the ledger of deliveries."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.events.service import NewEvent
from visapi_gateway.events.transaction import put_events
from visapi_gateway.hooks.receiving.refusals import REFUSED_KEPT, RefusalCounts
from visapi_gateway.hooks.rules.events import Delivery, event_id
from visapi_gateway.hooks.rules.live_hooks import HookSecret, LiveHook
from visapi_gateway.hooks.rules.stored_settings import read_settings

_SQL = load_queries("visapi_gateway.hooks.receiving", "queries.sql")
DROPPED_AT_ONCE = 1000
"""Rows that one commit deletes for a tenant that holds too much: more than it adds."""


class Holdings(msgspec.Struct, frozen=True):
    """The most that the hooks of one tenant may hold."""

    deliveries: int
    bytes: int


class PgHookDirectory:
    """Finds hooks by their addresses."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def at(self, addresses: Sequence[str]) -> Mapping[str, LiveHook]:
        """The hooks that have one of the addresses."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["hooks_at"], list(addresses))
        by_address: dict[str, list[Row]] = {}
        for row in rows:
            by_address.setdefault(row["address"], []).append(row)
        return {address: _live(theirs) for address, theirs in by_address.items()}


class PgDeliveryLedger:
    """Commits deliveries with their events, and holds a tenant to what it may hold: the oldest go first."""

    def __init__(self, pool: Pool, most: Holdings) -> None:
        self._pool = pool
        self._most = most
        self._log = get_logger("hooks")

    async def put(self, tenant: str, deliveries: Sequence[Delivery]) -> set[UUID]:
        """Commit all, in one transaction. Returns the ids of those whose event is new. No two of them name
        the same delivery.

        A delivery that was forgotten (the tenant holds too many) and comes again is no new event: the id of
        an event has the hook's, and nobody else may use its source. It is logged: no workflow hears it.
        """
        async with tenant_transaction(self._pool, [tenant]) as connection:
            fresh = await _put_deliveries(connection, tenant, deliveries)
            if not fresh:
                return set()
            events = [NewEvent(each.source, _event_id(each), each.type, each.event) for each in fresh]
            keys = await put_events(connection, tenant, events)
            await connection.execute(
                _SQL["put_bodies"], tenant, [each.id for each in fresh], [each.event for each in fresh]
            )
            await self._hold(connection, tenant, fresh)
        known = [each for each in fresh if (each.source, _event_id(each)) not in keys]
        for each in known:
            self._log.warning("hook_event_known", hook=str(each.hook), delivery=each.delivery)
        return {each.id for each in fresh} - {each.id for each in known}

    async def _hold(self, connection: Connection, tenant: str, fresh: Sequence[Delivery]) -> None:
        added = sum(len(each.event) for each in fresh)
        held = await connection.fetchrow(_SQL["count_usage"], tenant, len(fresh), added)
        assert held is not None, "the row is inserted where there is none"
        surplus = held["bytes"] - self._most.bytes
        if surplus > 0:
            await connection.execute(_SQL["drop_oldest_bodies"], tenant, surplus, DROPPED_AT_ONCE)
        if (too_many := held["deliveries"] - self._most.deliveries) > 0:
            some = min(too_many, DROPPED_AT_ONCE)
            await connection.execute(_SQL["drop_oldest_deliveries"], tenant, some)


class PgRefusals:
    """The refused requests of a tenant's hooks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, tenant: str, counts: Sequence[RefusalCounts]) -> None:
        reasons = [(each.hook, *one) for each in counts for one in each.columns()]
        latest = [(each.hook, *one) for each in counts for one in each.latest_columns()]
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(_SQL["count_refusals"], tenant, *_columns(reasons, 4))
            await connection.execute(_SQL["keep_refused"], tenant, *_columns(latest, 6))
            hooks = [each.hook for each in counts]
            await connection.execute(_SQL["drop_refused"], tenant, hooks, REFUSED_KEPT)


async def _put_deliveries(
    connection: Connection, tenant: str, deliveries: Sequence[Delivery]
) -> list[Delivery]:
    rows = [(each.hook, each.delivery, each.id, each.type, each.subject, each.size) for each in deliveries]
    found = await connection.fetch(_SQL["put_deliveries"], tenant, *_columns(rows, 6))
    ids = {row["id"] for row in found}
    return [each for each in deliveries if each.id in ids]


def _event_id(delivery: Delivery) -> str:
    return event_id(delivery.hook, delivery.delivery)


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _live(rows: Sequence[Row]) -> LiveHook:
    first = rows[0]
    secrets = [
        HookSecret(row["secret"], row["purpose"], row["sealed"], row["sealed_with"])
        for row in rows
        if row["secret"] is not None
    ]
    return LiveHook(
        tenant=first["tenant"],
        id=first["id"],
        name=first["name"],
        provider=first["provider"],
        settings=read_settings(first["settings"]),
        enabled=first["enabled"],
        secrets=secrets,
    )
