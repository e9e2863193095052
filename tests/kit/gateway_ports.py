"""The ports of the gateway twice: as fakes in memory, and as the real adapters on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from kit.audit_rows import put_audit
from kit.fakes.clocks import CountingIds
from kit.fakes.gateway.approvals import FakeApprovals
from kit.fakes.gateway.audit import FakeAudit
from kit.fakes.gateway.commands import FakeCommands
from kit.fakes.gateway.dead_letters import FakeDeadLetterStore
from kit.fakes.gateway.events import FakeEvents
from kit.fakes.gateway.rates import FakeLeases
from kit.fakes.gateway.retention import FakeRetention
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.schedules import FakeSchedules
from kit.fakes.gateway.secrets import FakeSecrets
from kit.fakes.gateway.starting import FakeRunLedger
from kit.fakes.gateway.workflows import definition
from kit.fakes.gateway.world import FakeWorld
from kit.gateway_rows import GatewayRows
from kit.gateway_world import NO_PROGRAM, SHOWN, GatewayWorld, history, lifecycle
from kit.ledger_rows import move_back
from kit.orchestrator_rows import OrchestratorRows
from kit.tenants import put_key
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_gateway.approvals.service import ApprovalStore
from visapi_gateway.approvals.store import PgApprovalStore
from visapi_gateway.audit.retention import CutRows
from visapi_gateway.audit.service import AuditSource
from visapi_gateway.audit.store import PgAuditCuts, PgAuditStore
from visapi_gateway.dead_letters.service import DeadLetterStore
from visapi_gateway.dead_letters.store import PgDeadLetterStore
from visapi_gateway.events.service import EventLedger
from visapi_gateway.events.store import PgEventStore
from visapi_gateway.flow_limits.service import LimitStore
from visapi_gateway.flow_limits.store import PgLimitStore
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.keys.store import PgKeyStore
from visapi_gateway.rates.lending import LedgerOfLeases
from visapi_gateway.rates.store import PgLedgerOfLeases
from visapi_gateway.retention.service import RetentionStore
from visapi_gateway.retention.store import PgRetentionStore
from visapi_gateway.runs.changes.source import ChangeSource
from visapi_gateway.runs.changes.store import PgChanges
from visapi_gateway.runs.commands.store import PgCommandStore
from visapi_gateway.runs.reading.store import PgRunStore
from visapi_gateway.runs.starting.store import PgRunLedger
from visapi_gateway.schedules.service import ScheduleStore
from visapi_gateway.schedules.store import PgScheduleStore
from visapi_gateway.secrets.service import SecretStore
from visapi_gateway.secrets.store import PgSecretStore
from visapi_gateway.system.service import SystemStore
from visapi_gateway.system.store import PgSystemStore
from visapi_gateway.workflows.store import PgWorkflowStore
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry


@dataclass(kw_only=True)
class GatewayGround:
    """The ports on one database. No other test uses the two tenants."""

    world: GatewayWorld
    tenant: str
    other: str
    runs: Any
    """`RunSource`, `HistorySource` and `FoundRuns`."""
    approvals: ApprovalStore
    audit: AuditSource
    cuts: CutRows
    retention: RetentionStore
    secrets: SecretStore
    limits: LimitStore
    system: SystemStore
    events: EventLedger
    workflows: Any
    """`WorkflowStore` and `DefinitionSource`."""
    keys: Any
    """`KeyStore` and `KeySource`."""
    ledger: Any
    """`Ledger` and `TakenKeys`."""
    commands: Any
    """`CommandStore` and `RetryStore`."""
    letters: DeadLetterStore
    leases: LedgerOfLeases
    schedules: ScheduleStore
    changes: ChangeSource


class RealWorld(GatewayWorld):
    """The stores of the gateway and the orchestrator, on a pool that may do everything."""

    def __init__(self, pool: Pool, orchestrator: Pool) -> None:
        self._pool = pool
        self._gateway = GatewayRows(pool)
        self._orchestrator = OrchestratorRows(orchestrator)
        self.ids = CountingIds(int(self.now().timestamp() * 1000))

    async def run(self, tenant: str, name: str = "flow", program: str = NO_PROGRAM) -> UUID:
        ref = WorkflowRef("test", name, "1.0.0")
        trigger = Trigger(self.ids.uuid7(), tenant, ref, program, NULL, datetime.now(UTC))
        await self._gateway.accept(trigger)
        return trigger.run

    async def start_child(self, parent: UUID) -> UUID:
        return await self._orchestrator.start_child(parent)

    async def advance(
        self, run: UUID, items: int = 0, *, status: str = "running", attributes: dict[str, Any] | None = None
    ) -> None:
        seq = await self._orchestrator.seq(run)
        written = history(seq + 1, items)
        await self._orchestrator.write(run, written, items, status=status, attributes=attributes)

    async def change(self, run: UUID, *types: str, status: str = "running") -> None:
        written = lifecycle(await self._orchestrator.seq(run) + 1, *types)
        await self._orchestrator.write(run, written, len(types), status=status)

    async def fault(self, run: UUID, state: bytes | None, program: Compiled) -> None:
        written = history(await self._orchestrator.seq(run) + 1, 1)
        await self._orchestrator.write(run, written, 1, status="faulted", resume=state)

    async def hold(self, run: UUID) -> UUID:
        return await self._orchestrator.hold(run)

    async def set_aside(self, tenant: str, body: bytes) -> UUID:
        return await self._orchestrator.set_aside(
            DeadLetterEntry(
                kind="message",
                tenant=tenant,
                reason="bad",
                detail="?",
                item=(f"visapi.events.{tenant}.paid",),
                body=body,
                headers=b"{}",
            )
        )

    async def ask(
        self, run: UUID, holders: Sequence[str], keys: Sequence[bytes], *, expires_s: float | None = None
    ) -> UUID:
        approval = uuid4()
        expires_ms = None if expires_s is None else int((datetime.now(UTC).timestamp() + expires_s) * 1000)
        await self._orchestrator.ask(
            run, approval, SHOWN, approvers=holders, keys=keys, expires_ms=expires_ms
        )
        return approval

    async def is_cancelled(self, root: UUID) -> bool:
        query = "select cancelled_at is not null from visapi.families where root = $1"
        return bool(await self._pool.fetchval(query, root))

    async def begin(self, run: UUID, key: str, limit: int) -> None:
        await self._orchestrator.begin(run, key, limit)

    async def told(self, run: UUID) -> list[str]:
        rows = await self._pool.fetch("select kind from visapi.inbox where run = $1 order by kind", run)
        return [row["kind"] for row in rows]

    async def retry(self, run: UUID) -> None:
        tenant = await self._pool.fetchval("select tenant from visapi.runs_done where id = $1", run)
        await self._gateway.tell(run, tenant, "retry", "retry:1", {})

    async def announce(self, owner: str, *functions: FunctionSpec) -> None:
        await self._orchestrator.announce(owner, *functions)

    async def put_audit(self, records: Sequence[AuditRecord]) -> None:
        async with self._pool.acquire() as connection:
            await put_audit(connection, records)

    async def deploy(self, tenant: str, version: str) -> Compiled:
        source = definition(version)
        compiled = compile_definition(source, "application/yaml")
        await self._gateway.deploy(compiled, "flow", version, source.decode(), tenant)
        return compiled

    async def put_key(self, tenant: str, pepper: bytes) -> str:
        return await put_key(self._pool, tenant, pepper)

    async def last_use(self, key: str) -> datetime | None:
        return await self._pool.fetchval("select last_used_at from visapi.api_keys where id = $1", key)

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def passes(self, seconds: float) -> None:
        await move_back(self._pool, "approvals", timedelta(seconds=seconds), "asked_at", "expires_at")


def fake_ground(tenant: str, other: str) -> GatewayGround:
    world = FakeWorld()
    world.tables.tenants |= {tenant, other}
    tables = world.tables
    audit = FakeAudit(tables)
    return GatewayGround(
        world=world,
        tenant=tenant,
        other=other,
        runs=FakeRuns(tables),
        approvals=FakeApprovals(tables),
        audit=audit,
        cuts=audit,
        retention=FakeRetention(tables),
        secrets=FakeSecrets(tables),
        limits=world.limits,
        system=world.system,
        events=FakeEvents(),
        workflows=world.workflows,
        keys=world.keys,
        ledger=FakeRunLedger(tables),
        commands=FakeCommands(tables),
        letters=FakeDeadLetterStore(tables),
        leases=FakeLeases(),
        schedules=FakeSchedules(tables),
        changes=world.changes,
    )


def real_ground(world: GatewayWorld, pool: Pool, tenant: str, other: str) -> GatewayGround:
    """`pool`: with the rights of the gateway."""
    quotas = Quotas()
    return GatewayGround(
        world=world,
        tenant=tenant,
        other=other,
        runs=PgRunStore(pool),
        approvals=PgApprovalStore(pool),
        audit=PgAuditStore(pool),
        cuts=PgAuditCuts(pool),
        retention=PgRetentionStore(pool, quotas),
        secrets=PgSecretStore(pool, quotas),
        limits=PgLimitStore(pool),
        system=PgSystemStore(pool),
        events=PgEventStore(pool),
        workflows=PgWorkflowStore(pool, quotas),
        keys=PgKeyStore(pool, quotas),
        ledger=PgRunLedger(pool),
        commands=PgCommandStore(pool),
        letters=PgDeadLetterStore(pool),
        leases=PgLedgerOfLeases(pool, rates_s=20, quotas_s=20),
        schedules=PgScheduleStore(pool),
        changes=PgChanges(pool),
    )
