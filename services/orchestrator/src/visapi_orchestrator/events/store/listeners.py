"""Notifies the runs that listen for events, within the transaction of the caller."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent, probes

_SQL = load_queries("visapi_orchestrator.events.store", "listeners.sql")


class About(NamedTuple):
    """The run of a lifecycle event, and its parent: neither receives the event."""

    run: UUID | None = None
    parent: UUID | None = None


async def hold_listeners(connection: Connection, tenants: Iterable[str]) -> set[str]:
    """Keep the listeners of tenants as they are until the transaction ends. Returns the tenants where that
    is not possible now, because a deployment is replacing a listener.
    """
    wanted = set(tenants)
    held = await connection.fetch(_SQL["hold_listeners"], sorted(wanted))
    return wanted - {row["tenant"] for row in held}


async def wait_for_listeners(connection: Connection, tenants: Iterable[str]) -> None:
    """Keep the listeners of tenants as they are until the transaction ends, after a second at most. Raises
    `TransientFault` where a deployment takes longer.
    """
    await connection.execute(_SQL["wait_for_listeners"], sorted(set(tenants)))


async def notify(
    connection: Connection, events: Sequence[ArrivedEvent], about: Sequence[About] | None = None
) -> list[UUID]:
    """Write the events into the inboxes of listening runs, and return these runs. `hold_listeners` has
    returned none of the tenants.
    """
    if not events:
        return []
    shapes: dict[str, list[str]] = {}
    beginning: list[UUID] = []
    for row in await connection.fetch(_SQL["shapes"], sorted({event.tenant for event in events})):
        if row["run"] is None:
            shapes.setdefault(row["tenant"], []).append(row["shape"])
        else:
            beginning.append(row["run"])
    places = {(event.tenant, event.inbox_key): place for place, event in enumerate(events, start=1)}
    found = probes(events, shapes)
    if not found and not beginning:
        return []
    of = about or [About()] * len(events)
    notified = await connection.fetch(
        _SQL["tell_listeners"],
        [event.tenant for event in events],
        [event.inbox_key for event in events],
        [event.body for event in events],
        [event.came_at for event in events],
        [one.run for one in of],
        [one.parent for one in of],
        [places[probe.event.tenant, probe.event.inbox_key] for probe in found],
        [probe.shape for probe in found],
        [probe.key for probe in found],
        beginning,
        [event.test for event in events],
    )
    return list(dict.fromkeys(row["run"] for row in notified))
