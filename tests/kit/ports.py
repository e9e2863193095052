"""Each port twice: as a fake in memory, and as the real adapter on PostgreSQL and NATS."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from kit.fakes.clocks import CountingIds
from kit.fakes.dead_letters import FakeDeadLetters
from kit.fakes.due import FakeDue
from kit.fakes.functions import FakeFunctions
from kit.fakes.history import FakeHistory
from kit.fakes.ledger import FakeLedger
from kit.fakes.rows import FakeRows
from kit.fakes.tasks import FakeTasks
from kit.gateway_rows import GatewayRows
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.core.ids import Ids
from visapi_orchestrator.dead_letters.quarantine import DeadLetterRows
from visapi_orchestrator.dead_letters.store import PostgresQuarantine
from visapi_orchestrator.events.lifecycle_relay import History
from visapi_orchestrator.events.store.lifecycle import PostgresLifecycle
from visapi_orchestrator.tasks.registry import FunctionRows
from visapi_orchestrator.tasks.store.tasks import PostgresTasks
from visapi_orchestrator.timing.due_work import DueRows
from visapi_orchestrator.timing.store.due import PostgresDue
from visapi_orchestrator.transitions.ports import Ledger
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.relations.tasks import NewTask
from visapi_orchestrator.transitions.rules.snapshot import snapshot_of
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger
from visapi_orchestrator.upkeep.store.upkeep import PostgresUpkeep

TENANT = "default"
_TIMES = {
    "runs": ("sweep_at",),
    "tasks": ("sweep_at", "sent_at", "ready_at", "heartbeat_at"),
    "timers": ("fire_at", "due_at"),
    "inbox": ("sweep_at",),
}


@dataclass(kw_only=True)
class Ground:
    """The ports on one database, and what the world does to it."""

    ledger: Ledger
    tasks: Any
    """`orchestrator.TaskRows`."""
    due: DueRows
    functions: FunctionRows
    dead_letters: DeadLetterRows
    history: History
    ids: Ids
    accept: Callable[[Trigger], Awaitable[None]]
    tell: Callable[[UUID, str, str, dict[str, Any]], Awaitable[None]]
    """Run, kind, key, body."""
    passes: Callable[[float], Awaitable[None]]
    """So many seconds pass. PostgreSQL's clock cannot be set, so there the times of rows move back."""

    async def now_ms(self) -> int:
        return (await self.due.next_timer()).now_ms

    async def run(self, *, tenant: str = TENANT) -> UUID:
        """An accepted run that nobody has advanced."""
        trigger = Trigger(
            run=self.ids.uuid7(),
            tenant=tenant,
            workflow=WorkflowRef("test", "flow", "1.0.0"),
            program="00" * 32,
            input=NULL,
            created_at=datetime.now(UTC),
        )
        await self.accept(trigger)
        return trigger.run

    async def task(
        self, *, tenant: str = TENANT, function: str = "acme.a", held: bool = False, path: str = "/do/0/a"
    ) -> UUID:
        """A run with one open task."""
        run = await self.run(tenant=tenant)
        task = NewTask(run, path, 1, function, "ab" * 32, "cd" * 32, b"{}", held)
        written = await self.ledger.write(
            WriteSet(live=[LiveRun(run, 0, "running", 0, b"{}")], new_tasks=[task])
        )
        assert set(written.done) == {run}
        return run

    async def sent(self, function: str) -> Mapping[str, int]:
        """The sent tasks of each tenant, as a release of the function's held tasks counts them."""
        counts: list[Mapping[str, int]] = []

        def give_none(_held: Mapping[str, int], sent: Mapping[str, int]) -> Mapping[str, int]:
            counts.append(sent)
            return {}

        assert await self.tasks.release_alone(function, 10, give_none) == []
        (counted,) = counts
        return counted


def fake_ground() -> Ground:
    rows = FakeRows()

    async def accept(trigger: Trigger) -> None:
        rows.accept(snapshot_of(trigger))

    async def tell(run: UUID, kind: str, key: str, body: dict[str, Any]) -> None:
        rows.put_inbox(run, key, TENANT, kind, msgspec.json.encode(body))

    async def passes(seconds: float) -> None:
        rows.now_ms += int(seconds * 1000)

    return Ground(
        ledger=FakeLedger(rows),
        tasks=FakeTasks(rows),
        due=FakeDue(rows),
        functions=FakeFunctions(rows),
        dead_letters=FakeDeadLetters(rows),
        history=FakeHistory(rows),
        ids=CountingIds(),
        accept=accept,
        tell=tell,
        passes=passes,
    )


def real_ground(pool: Pool, world: Pool) -> Ground:
    gateway, ids = GatewayRows(world), RandomIds()

    async def tell(run: UUID, kind: str, key: str, body: dict[str, Any]) -> None:
        await gateway.tell(run, TENANT, kind, key, body)

    async def passes(seconds: float) -> None:
        for table, columns in _TIMES.items():
            moved = ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
            await world.execute(f"update {table} set {moved}", seconds)

    return Ground(
        ledger=PostgresLedger(pool, ids),
        tasks=PostgresTasks(pool),
        due=PostgresDue(pool),
        functions=PostgresUpkeep(pool),
        dead_letters=PostgresQuarantine(pool, ids),
        history=PostgresLifecycle(pool, ids),
        ids=ids,
        accept=gateway.accept,
        tell=tell,
        passes=passes,
    )
