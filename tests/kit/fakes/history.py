"""History in memory, as the lifecycle relay reads it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.events.rules.lifecycle import EventOrigin, HistoryRow, LifecycleEvent
from visapi_orchestrator.kernel.rules.arriving_events import probes


class FakeHistory:
    """See `events.lifecycle_relay.History`. Each row counts as a transaction of its own."""

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()
        self.leased = False
        self.tenants: dict[UUID, str] = {}
        """Of runs that are forgotten, whose history is not."""

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator["_RelayLease | None"]:
        self.faults.meet("lease")
        if self.leased:
            yield None
            return
        self.leased = True
        before = (self._rows.told_upto, dict(self._rows.inbox), list(self._rows.dead_letters))
        try:
            yield _RelayLease(self._rows, self.faults, self.tenants)
        except BaseException:
            self._rows.told_upto, self._rows.inbox, self._rows.dead_letters = before
            raise
        finally:
            self.leased = False

    async def skip(self) -> None:
        self.faults.meet("skip")
        self._rows.told_upto = len(self._rows.history)


class _RelayLease:
    """See `events.lifecycle_relay.RelayLease`."""

    def __init__(self, rows: FakeRows, faults: Planned, forgotten: Mapping[UUID, str]) -> None:
        self._rows = rows
        self._faults = faults
        self._forgotten = forgotten
        self._upto = rows.told_upto

    async def read(self, limit: int, *, tasks: bool) -> tuple[list[HistoryRow], bool]:
        self._faults.meet("read")
        found: list[HistoryRow] = []
        for place, row in enumerate(self._rows.history[self._rows.told_upto :], self._rows.told_upto):
            self._upto = place + 1
            if tasks or b'"type":"workflow.' in row.items:
                found.append(HistoryRow(row.run, self._tenant(row.run), "standard", row.items))
            if len(found) == limit:
                return found, True
        return found, False

    def _tenant(self, run: UUID) -> str:
        row = self._rows.runs.get(run) or self._rows.done.get(run)
        return self._forgotten[run] if row is None else row.snapshot.tenant

    async def origins(self, rows: Sequence[HistoryRow]) -> dict[UUID, EventOrigin]:
        self._faults.meet("origins")
        found = {row.run: self._rows.runs.get(row.run) or self._rows.done.get(row.run) for row in rows}
        return {
            run: EventOrigin(
                row.snapshot.workflow, row.snapshot.trace, row.snapshot.parent, test=row.snapshot.test
            )
            for run, row in found.items()
            if row is not None
        }

    async def notify(self, events: Sequence[LifecycleEvent]) -> list[UUID]:
        self._faults.meet("notify")
        shapes: dict[str, list[str]] = {}
        for one in self._rows.subscriptions:
            if one.shape not in shapes.setdefault(one.tenant, []):
                shapes[one.tenant].append(one.shape)
        by_id = {event.event.id: event for event in events}
        notified: list[UUID] = []
        for probe in probes((event.event for event in events), shapes):
            about = by_id[probe.event.id]
            for one in self._rows.subscriptions:
                heard = (one.tenant, one.shape, one.key) == (probe.event.tenant, probe.shape, probe.key)
                meant = self._rows.runs[one.run].snapshot.test or not probe.event.test
                if heard and meant and one.run not in (about.run, about.origin.parent):
                    key, body = probe.event.inbox_key, probe.event.body
                    self._rows.put_inbox(one.run, key, one.tenant, "event", body)
                    notified.append(one.run)
        return list(dict.fromkeys(notified))

    async def move_on(self) -> None:
        self._rows.told_upto = self._upto

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        self._rows.dead_letters.append(dead_letter)
        return True
