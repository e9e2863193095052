"""Schedules in memory."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.schedules import Backfilled, FireView
from visapi_gateway.kernel.idempotency.rules import Claim, answer_text
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.schedules.service import NewRuns, ScheduleRow


class FakeSchedules:
    """See `schedules.service.ScheduleStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()
        self._fires: dict[tuple[UUID, datetime], FireView] = {}

    async def page(self, tenant: str, after: tuple[str, str] | None, limit: int) -> Sequence[ScheduleRow]:
        mine = sorted(
            name
            for name in self._tables.schedules
            if name[0] == tenant and (after is None or name[1:] > after)
        )
        return [self._tables.schedules[name] for name in mine[:limit]]

    async def one(self, name: WorkflowName) -> ScheduleRow | None:
        return self._tables.schedules.get(name)

    async def fires(self, tenant: str, schedule: UUID, limit: int) -> Sequence[FireView]:
        found = [fire for (owner, _), fire in self._fires.items() if owner == schedule]
        mine = self._named(tenant, schedule) is not None
        return sorted(found, key=lambda fire: fire.at, reverse=True)[:limit] if mine else []

    async def pause(self, name: WorkflowName, paused: bool, audit: AuditEntry) -> bool:
        await self.faults.enter("pause")
        row = self._tables.schedules.get(name)
        if row is None:
            return False
        last = row.last_fire if paused else self._tables.now
        self._tables.schedules[name] = msgspec.structs.replace(row, paused=paused, last_fire=last)
        self._tables.record(audit)
        return True

    async def known(self, tenant: str, schedule: UUID, fires: Sequence[datetime]) -> set[datetime]:
        if self._named(tenant, schedule) is None:
            return set()
        return {fire for fire in fires if (schedule, fire) in self._fires}

    async def backfill(self, new: NewRuns, audit: AuditEntry, claim: Claim | None) -> Backfilled:
        await self.faults.enter("backfill")
        name = self._named(audit.tenant, new.schedule)
        fresh = [] if name is None else [one for one in new.runs if (new.schedule, one[0]) not in self._fires]
        done = Backfilled(new.fires, len(fresh), [run for _, run in fresh])
        self._tables.hold_key(claim, answer_text(done))
        for fire, run in fresh:
            assert name is not None
            self._fires[new.schedule, fire] = FireView(fire, "backfilled", run)
            version = self._tables.schedules[name].version
            stored = self._tables.accept(run, name, version, new.value)
            stored.schedule = (name[1], name[2])
        if fresh:
            self._tables.record(audit)
        return done

    def _named(self, tenant: str, schedule: UUID) -> WorkflowName | None:
        found = (name for name, row in self._tables.schedules.items() if row.id == schedule)
        return next((name for name in found if name[0] == tenant), None)
