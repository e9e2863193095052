"""Posted events in memory."""

from collections.abc import Sequence

from kit.fakes.faults import Planned
from visapi_gateway.events.service import EventKey, NewEvent


class FakeEvents:
    """See `events.service.EventLedger`."""

    def __init__(self) -> None:
        self.faults = Planned()
        self.commits: list[tuple[str, list[str]]] = []
        """The tenant and the ids of each commit, in the order in which they began."""
        self.stored: dict[str, dict[EventKey, NewEvent]] = {}

    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        self.commits.append((tenant, [event.id for event in events]))
        await self.faults.enter("put")
        mine = self.stored.setdefault(tenant, {})
        fresh = {(event.source, event.id) for event in events} - mine.keys()
        for event in events:
            mine.setdefault((event.source, event.id), event)
        return fresh
