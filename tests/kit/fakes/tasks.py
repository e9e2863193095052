"""Open tasks in memory: sweeps, releases, heartbeats, claims."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows, TaskRow, backoff_ms
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Claim
from visapi_orchestrator.tasks.releases import Decide
from visapi_orchestrator.transitions.rules.open_tasks import Attempt, StoredTask

_WANTED = ("queued", "started")


class FakeTasks:
    """See `tasks.sweep.OpenTasks`, `tasks.releases.HeldTasks`, `tasks.heartbeats.HeartbeatTasks`,
    `tasks.claims.ClaimedTasks`. What `started_effects` remembers is left to PostgreSQL.
    """

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()
        self.others_release = False
        self.releases = 0
        """How often `release_alone` was called."""
        self.claims: list[Sequence[tuple[str, Claim]]] = []

    async def overdue_functions(self) -> list[tuple[str, str]]:
        self.faults.meet("overdue_functions")
        return sorted({(row.tenant, row.function) for _, row in self._some(self._is_overdue)})

    async def claim_lost(
        self, limit: int, tenant: str, function: str, sent_before: datetime | None
    ) -> list[StoredTask]:
        self.faults.meet("claim_lost")
        before_ms = None if sent_before is None else sent_before.timestamp() * 1000

        def is_lost(row: TaskRow) -> bool:
            sent_ms = row.sent_ms or 0
            mine = (row.tenant, row.function) == (tenant, function)
            return mine and self._is_overdue(row) and (before_ms is None or sent_ms < before_ms)

        lost = sorted(self._some(is_lost), key=lambda one: one[1].sweep_ms)[:limit]
        for _, row in lost:
            row.sweep_ms = self._rows.now_ms + backoff_ms(row.sweeps + 1)
            row.sweeps, row.sent_ms = row.sweeps + 1, self._rows.now_ms
        return [_stored(*one) for one in lost]

    async def postpone(self, limit: int, tenant: str, function: str) -> None:
        def is_due(row: TaskRow) -> bool:
            due = row.sent_ms is not None and row.state in _WANTED and row.sweep_ms <= self._rows.now_ms
            return due and (row.tenant, row.function) == (tenant, function)

        for _, row in sorted(self._some(is_due), key=lambda one: one[1].sweep_ms)[:limit]:
            row.sweep_ms = self._rows.now_ms + 2000

    async def held_functions(self) -> list[str]:
        self.faults.meet("held_functions")
        return sorted({row.function for _, row in self._some(_is_held)})

    async def held_tenants(self, function: str, most: int) -> dict[str, int]:
        held = Counter(row.tenant for _, row in self._some(_is_held) if row.function == function)
        return {tenant: min(most, number) for tenant, number in held.items()}

    async def release(self, function: str, shares: Mapping[str, int]) -> list[StoredTask]:
        self.faults.meet("release")
        released: list[StoredTask] = []
        for tenant, number in shares.items():
            mine = [
                one for one in self._some(_is_held) if (one[1].tenant, one[1].function) == (tenant, function)
            ]
            for place, row in sorted(mine, key=lambda one: one[1].ready_ms)[:number]:
                row.sent_ms, row.sweep_ms = self._rows.now_ms, self._rows.now_ms + 2000
                released.append(_stored(place, row))
        return released

    async def release_alone(self, function: str, most: int, decide: Decide) -> list[StoredTask] | None:
        """In memory nobody releases at the same time, unless a test says so (`others_release`)."""
        self.faults.meet("release_alone")
        self.releases += 1
        if self.others_release:
            return None
        held = await self.held_tenants(function, most)
        shares = decide(held, self._sent(function)) if held else {}
        return await self.release(function, shares) if shares else []

    async def beat(self, attempts: Collection[Attempt]) -> None:
        for run, path, attempt in attempts:
            row = self._rows.tasks.get((run, path))
            if row is not None and row.attempt == attempt:
                row.heartbeat_ms = self._rows.now_ms

    async def claim(self, claims: Sequence[tuple[str, Claim]]) -> dict[tuple[str, Attempt], str]:
        self.claims.append(claims)
        self.faults.meet("claim")
        holders: dict[tuple[str, Attempt], str] = {}
        for owner, claim in claims:
            row = self._rows.tasks.get((claim.run, claim.path))
            if row is None or row.attempt != claim.attempt or _owner_of(row) != owner:
                continue
            if row.state == "queued":
                row.state, row.claimed_by = "started", claim.worker
                row.heartbeat_ms = self._rows.now_ms
            held_by = row.claimed_by if row.state == "started" else None
            holders[owner, (claim.run, claim.path, claim.attempt)] = held_by or ""
        return holders

    def _sent(self, function: str) -> dict[str, int]:
        if subjects.family_of(function) not in subjects.BUILTIN_FAMILIES:
            return {}
        sent = self._some(lambda row: row.sent_ms is not None and row.state != "uncertain")
        return dict(Counter(row.tenant for _, row in sent if row.function == function))

    def _is_overdue(self, row: TaskRow) -> bool:
        silent = row.heartbeat_ms is None or row.heartbeat_ms < self._rows.now_ms - 10_000
        sent = row.sent_ms is not None and row.state in _WANTED
        return sent and row.sweep_ms <= self._rows.now_ms and silent

    def _some(self, wanted: Callable[[TaskRow], bool]) -> list[tuple[tuple[UUID, str], TaskRow]]:
        return [one for one in self._rows.tasks.items() if wanted(one[1])]


def _is_held(row: TaskRow) -> bool:
    return row.sent_ms is None


def _owner_of(row: TaskRow) -> str:
    return subjects.owner_of(row.tenant, row.function)


def _stored(place: tuple[UUID, str], row: TaskRow) -> StoredTask:
    run, path = place
    return StoredTask(run, path, row.attempt, row.sweeps, row.token, row.effect_key, row.message, None)
