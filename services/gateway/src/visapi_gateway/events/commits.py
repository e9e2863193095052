"""Group commits of posted events; see `kernel.tenant_commits`."""

from collections.abc import Callable, Mapping, Sequence

from visapi_gateway.events.service import EventKey, EventLedger, NewEvent
from visapi_gateway.kernel.tenant_commits import TenantCommits

WEIGHT_MAX = 1024 * 1024
_WEIGHT_OF_AN_EVENT = 1024
"""Beside its bytes, so that a statement inserts about as many events as one request may bring."""


class EventCommits:
    """`hint` is called after each commit with new events."""

    def __init__(self, ledger: EventLedger, hint: Callable[[], None]) -> None:
        self._ledger = ledger
        self._hint = hint
        self._commits = TenantCommits[Sequence[NewEvent], set[EventKey]](
            self._write, weigh=_weight, weight_max=WEIGHT_MAX
        )

    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        """As `EventLedger.put`. When two requests bring the same event, the later one brings a duplicate."""
        return await self._commits.submit(tenant, events)

    async def _write(
        self, tenant: str, requests: Mapping[int, Sequence[NewEvent]]
    ) -> dict[int, set[EventKey]]:
        fresh = await self._ledger.put(tenant, [event for events in requests.values() for event in events])
        if fresh:
            self._hint()
        answers: dict[int, set[EventKey]] = {}
        for number, events in requests.items():
            answers[number] = fresh.intersection((event.source, event.id) for event in events)
            fresh -= answers[number]
        return answers


def _weight(events: Sequence[NewEvent]) -> int:
    return sum(len(event.body) + _WEIGHT_OF_AN_EVENT for event in events)
