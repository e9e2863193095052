"""The ports of the gateway twice: as fakes in memory, and as the real adapters on PostgreSQL.

`GatewayWorld` is what others do to the rows: clients and the orchestrator write them, and time passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec

from kit.audit_rows import put_audit
from kit.fakes.clocks import CountingIds
from kit.fakes.gateway.approvals import FakeApprovals
from kit.fakes.gateway.audit import FakeAudit
from kit.fakes.gateway.events import FakeEvents
from kit.fakes.gateway.flow_limits import FakeLimits
from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.retention import FakeRetention
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.secrets import FakeSecrets
from kit.fakes.gateway.system import FakeSystem
from kit.fakes.gateway.tables import GatewayTables, StoredApproval, StoredRun
from kit.fakes.gateway.workflows import FakeDefinitions, definition
from kit.gateway_rows import GatewayRows
from kit.ledger_rows import move_back
from kit.orchestrator_rows import OrchestratorRows
from kit.tenants import put_key
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.runs import ENDED
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.ids import Ids
from visapi_common.core.keyrings import Keyring
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_gateway.approvals.service import ApprovalRow, ApprovalStore
from visapi_gateway.approvals.store import PgApprovalStore
from visapi_gateway.audit.retention import CutRows
from visapi_gateway.audit.service import AuditSource
from visapi_gateway.audit.store import PgAuditCuts, PgAuditStore
from visapi_gateway.events.service import EventLedger
from visapi_gateway.events.store import PgEventStore
from visapi_gateway.flow_limits.service import LimitRow, LimitStore
from visapi_gateway.flow_limits.store import PgLimitStore
from visapi_gateway.kernel.access.authentication import KeySource, StoredKey
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.keys.store import PgKeyStore
from visapi_gateway.retention.service import RetentionStore
from visapi_gateway.retention.store import PgRetentionStore
from visapi_gateway.runs.commands.service import InboxRow
from visapi_gateway.runs.reading.rules.history_items import numbered
from visapi_gateway.runs.reading.service import RunRow
from visapi_gateway.runs.reading.store import PgRunStore
from visapi_gateway.secrets.service import SecretStore
from visapi_gateway.secrets.store import PgSecretStore
from visapi_gateway.system.service import SystemStore
from visapi_gateway.system.store import PgSystemStore
from visapi_gateway.workflows.definitions import DefinitionSource
from visapi_gateway.workflows.store import PgWorkflowStore

SHOWN = {"title": "Refund?", "text": "", "data": None, "choices": ["approve", "reject"]}


class GatewayWorld(Protocol):
    ids: Ids

    async def run(self, tenant: str, name: str = "flow") -> UUID:
        """An accepted run of `test/<name>` in version 1.0.0."""
        ...

    async def start_child(self, parent: UUID) -> UUID: ...

    async def advance(
        self, run: UUID, items: int = 0, *, status: str = "running", attributes: dict[str, Any] | None = None
    ) -> None:
        """A transition with so many history items."""
        ...

    async def ask(
        self, run: UUID, holders: Sequence[str], keys: Sequence[bytes], *, expires_s: float | None = None
    ) -> UUID:
        """A question to people, which may expire in so many seconds."""
        ...

    async def begin(self, run: UUID, key: str, limit: int) -> None:
        """The run takes a slot of the key, or waits for one."""
        ...

    async def told(self, run: UUID) -> list[str]:
        """The kinds of the rows in the run's inbox, sorted."""
        ...

    async def retry(self, run: UUID) -> None:
        """A request to retry an ended run, which the orchestrator has not consumed."""
        ...

    async def announce(self, owner: str, *functions: FunctionSpec) -> None: ...
    async def put_audit(self, records: Sequence[AuditRecord]) -> None: ...
    async def deploy(self, tenant: str, version: str) -> Compiled:
        """A version of the workflow `test/flow`."""
        ...

    async def put_key(self, tenant: str, pepper: bytes) -> str:
        """A key of the tenant that may do everything."""
        ...

    async def last_use(self, key: str) -> datetime | None: ...

    def now(self) -> datetime: ...
    async def passes(self, seconds: float) -> None:
        """PostgreSQL's clock cannot be set, so there the times of questions move back."""
        ...


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
    definitions: DefinitionSource
    keys: KeySource


class FakeWorld(GatewayWorld):
    """What the gateway's tables hold after others wrote them."""

    def __init__(self) -> None:
        self.tables = GatewayTables()
        self.ids = CountingIds()
        self.limits = FakeLimits()
        self.system = FakeSystem()
        self.definitions = FakeDefinitions()
        self.keys = FakeKeys()

    async def run(self, tenant: str, name: str = "flow") -> UUID:
        run = self.ids.uuid7()
        row = RunRow(
            id=run,
            namespace="test",
            name=name,
            version="1.0.0",
            status="pending",
            revision=0,
            seq=0,
            input=b'{"inline":null}',
            output=None,
            error=None,
            created_at=self.tables.now,
            started_at=None,
            ended_at=None,
            attributes=None,
        )
        self.tables.runs[run] = StoredRun(tenant, row)
        return run

    async def start_child(self, parent: UUID) -> UUID:
        child = await self.run(self.tables.runs[parent].tenant)
        self.tables.runs[child].parent = parent
        return child

    async def advance(
        self, run: UUID, items: int = 0, *, status: str = "running", attributes: dict[str, Any] | None = None
    ) -> None:
        stored = self.tables.runs[run]
        before, now = stored.row, self.tables.now
        stored.row = msgspec.structs.replace(
            before,
            status=status,
            revision=before.revision + 1,
            seq=before.seq + items,
            attributes=before.attributes if attributes is None else msgspec.json.encode(attributes).decode(),
            started_at=before.started_at or now,
            ended_at=now if status in ENDED else None,
            output=b'{"inline":{"ok":true}}' if status in ENDED else None,
        )
        if items:
            stored.history.append(numbered(before.seq + 1, history(before.seq + 1, items)))

    async def ask(
        self, run: UUID, holders: Sequence[str], keys: Sequence[bytes], *, expires_s: float | None = None
    ) -> UUID:
        approval, stored, now = self.ids.uuid7(), self.tables.runs[run], self.tables.now
        row = ApprovalRow(
            id=approval,
            state="open",
            run=run,
            path="/do/0/ask",
            workflow="test/flow:1.0.0",
            task="ask",
            shown=msgspec.json.encode(SHOWN),
            approvers=list(holders),
            asked_at=now,
            expires_at=None if expires_s is None else now + timedelta(seconds=expires_s),
            decision=None,
            comment=None,
            decided_by=None,
            closed_at=None,
            late=False,
        )
        self.tables.approvals[approval] = StoredApproval(stored.tenant, row, keys)
        return approval

    async def begin(self, run: UUID, key: str, limit: int) -> None:
        stored, now = self.tables.runs[run], self.tables.now
        rows = self.limits.rows.setdefault(stored.tenant, [])
        scope = f"{stored.row.namespace}/{stored.row.name}"
        before = next((row for row in rows if (row.scope, row.key) == (scope, key)), None)
        row = before or LimitRow(scope, key, limit, 0, 0, None, None)
        if row.under_way < limit:
            row = msgspec.structs.replace(row, under_way=row.under_way + 1)
        else:
            row = msgspec.structs.replace(
                row, waiting=row.waiting + 1, waiting_since=row.waiting_since or now
            )
        self.limits.rows[stored.tenant] = [one for one in rows if one is not before] + [row]

    async def told(self, run: UUID) -> list[str]:
        return sorted(row.kind for row in self.tables.inbox.values() if row.run == run)

    async def retry(self, run: UUID) -> None:
        self.tables.put_inbox(InboxRow(run, "retry:1", self.tables.runs[run].tenant, "retry", b"{}"))

    async def announce(self, owner: str, *functions: FunctionSpec) -> None:
        self.system.announce(owner, *functions)

    async def put_audit(self, records: Sequence[AuditRecord]) -> None:
        for record in records:
            self.tables.audit.setdefault(record.tenant, []).append(record)

    async def deploy(self, tenant: str, version: str) -> Compiled:
        return self.definitions.deploy(tenant, definition(version))

    async def put_key(self, tenant: str, pepper: bytes) -> str:
        token = mint("live", len(self.keys.rows) + 1, 1)
        row = stored_key(token, tenant, pepper)
        self.keys.rows[row.id] = row
        return token

    async def last_use(self, key: str) -> datetime | None:
        return self.keys.used.get(key)

    def now(self) -> datetime:
        return self.tables.now

    async def passes(self, seconds: float) -> None:
        self.tables.passes(seconds)


class RealWorld(GatewayWorld):
    """The stores of the gateway and the orchestrator, on a pool that may do everything."""

    def __init__(self, pool: Pool, orchestrator: Pool) -> None:
        self._pool = pool
        self._gateway = GatewayRows(pool)
        self._orchestrator = OrchestratorRows(orchestrator)
        self.ids = CountingIds(int(self.now().timestamp() * 1000))

    async def run(self, tenant: str, name: str = "flow") -> UUID:
        ref = WorkflowRef("test", name, "1.0.0")
        trigger = Trigger(self.ids.uuid7(), tenant, ref, "00" * 32, NULL, datetime.now(UTC))
        await self._gateway.accept(trigger)
        return trigger.run

    async def start_child(self, parent: UUID) -> UUID:
        return await self._orchestrator.start_child(parent)

    async def advance(
        self, run: UUID, items: int = 0, *, status: str = "running", attributes: dict[str, Any] | None = None
    ) -> None:
        seq = (await self._orchestrator.ledger.load([run])).snapshots[run].seq
        written = history(seq + 1, items)
        await self._orchestrator.write(run, written, items, status=status, attributes=attributes)

    async def ask(
        self, run: UUID, holders: Sequence[str], keys: Sequence[bytes], *, expires_s: float | None = None
    ) -> UUID:
        approval = uuid4()
        expires_ms = None if expires_s is None else int((datetime.now(UTC).timestamp() + expires_s) * 1000)
        await self._orchestrator.ask(
            run, approval, SHOWN, approvers=holders, keys=keys, expires_ms=expires_ms
        )
        return approval

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


def history(first: int, count: int) -> bytes:
    """Items as a transition stores them."""
    numbers = range(first, first + count)
    return msgspec.json.encode([{"seq": seq, "type": "task.created"} for seq in numbers])


def stored_key(token: str, tenant: str, pepper: bytes) -> StoredKey:
    pepper_id = Keyring.of(pepper).keys[0].id
    hashed = hash_key(pepper, token)
    return StoredKey(parse(token).id, tenant, "live", hashed, ["*"], None, None, None, pepper=pepper_id)


def fake_ground(tenant: str, other: str) -> GatewayGround:
    world = FakeWorld()
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
        definitions=world.definitions,
        keys=world.keys,
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
        definitions=PgWorkflowStore(pool, quotas),
        keys=PgKeyStore(pool, quotas),
    )
