"""Many requests, few transactions: what waits of one tenant is committed by one statement.

Each tenant has a group of its own, which takes its turn for a connection: no tenant's events wait behind
another's, and a statement that fails fails nobody else's request. A group lives while something waits.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count

from visapi_common.runtime.group_commit import GroupCommit
from visapi_gateway.events.service import EventKey, EventLedger, NewEvent

WEIGHT_MAX = 1024 * 1024
_WEIGHT_OF_AN_EVENT = 1024
"""Beside its bytes, so that a statement inserts about as many events as one request may bring."""

_Group = GroupCommit[int, Sequence[NewEvent], set[EventKey]]


class EventCommits:
    """See the module's docstring. `hint` is called after each commit with new events."""

    def __init__(self, ledger: EventLedger, hint: Callable[[], None]) -> None:
        self._ledger = ledger
        self._hint = hint
        self._groups: dict[str, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count()

    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        """As `EventLedger.put`. When two requests bring the same event, the later one brings a duplicate."""
        group = self._groups.get(tenant)
        if group is None:
            group = self._groups[tenant] = GroupCommit(
                partial(self._write, tenant), weigh=_weight, weight_max=WEIGHT_MAX
            )
            task = asyncio.create_task(self._drain(tenant, group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await group.submit(next(self._numbers), events)

    async def _drain(self, tenant: str, group: _Group) -> None:
        try:
            await group.drain()
        finally:
            del self._groups[tenant]

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
