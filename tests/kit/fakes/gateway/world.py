"""What others do to the gateway's tables in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from kit.fakes.clocks import CountingIds
from kit.fakes.gateway.changes import FakeChanges
from kit.fakes.gateway.flow_limits import FakeLimits
from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.system import FakeSystem
from kit.fakes.gateway.tables import GatewayTables, StoredApproval
from kit.fakes.gateway.workflows import FakeWorkflows, definition
from kit.gateway_world import NO_PROGRAM, SHOWN, GatewayWorld, history, key_row
from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.dead_letters import DeadLetterView
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.runs import ENDED
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.api_keys import mint
from visapi_engine.compile.compiler import Compiled
from visapi_gateway.approvals.service import ApprovalRow
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.flow_limits.service import LimitRow
from visapi_gateway.runs.commands.service import InboxRow
from visapi_gateway.runs.reading.rules.history_items import numbered


class FakeWorld(GatewayWorld):
    """What the gateway's tables hold after others wrote them."""

    def __init__(self) -> None:
        self.tables = GatewayTables()
        self.ids = CountingIds()
        self.limits = FakeLimits()
        self.system = FakeSystem()
        self.workflows = FakeWorkflows(self.tables)
        self.keys = FakeKeys(self.tables)
        self.changes = FakeChanges()

    async def run(self, tenant: str, name: str = "flow", program: str = NO_PROGRAM) -> UUID:
        run = self.ids.uuid7()
        self.tables.accept(run, (tenant, "test", name), "1.0.0", b'{"inline":null}')
        return run

    async def start_child(self, parent: UUID) -> UUID:
        child = await self.run(self.tables.runs[parent].tenant)
        stored = self.tables.runs[child]
        stored.parent = stored.root = parent
        return child

    async def change(self, run: UUID, *types: str, status: str = "running") -> None:
        row = self.tables.runs[run].row
        await self.advance(run, len(types), status=status)
        workflow = WorkflowRef(row.namespace, row.name, row.version)
        self.changes.put(self.tables.runs[run].tenant, run, *types, first_seq=row.seq + 1, workflow=workflow)

    async def fault(self, run: UUID, state: bytes | None, program: Compiled) -> None:
        await self.advance(run, 1, status="faulted")
        self.tables.runs[run].resume = None if state is None else (state, program.body)

    async def hold(self, run: UUID) -> UUID:
        task = {"run": run, "path": "/do/0/a", "attempt": 1, "function": "acme.a"}
        return self._put_letter(self.tables.runs[run].tenant, "task", "uncertain", "no answer", **task)

    async def set_aside(self, tenant: str, body: bytes) -> UUID:
        subject = f"visapi.events.{tenant}.paid"
        letter = self._put_letter(
            tenant, "message", "bad", "?", item=[subject], size=len(body), text=body.decode()
        )
        known = tenant in self.tables.tenants
        self.tables.messages[letter] = SetAsideMessage(subject, b"{}", body, known)
        return letter

    def _put_letter(self, tenant: str, kind: str, reason: str, detail: str, **more: Any) -> UUID:
        letter = self.ids.uuid7()
        none = dict.fromkeys(("run", "path", "attempt", "function", "text", "workflow"))
        never = dict.fromkeys(
            ("resolved_at", "resolved_by", "resolution", "replayed_at", "edited_at", "edited_by")
        )
        fields: dict[str, Any] = {**none, **never, "item": [], "size": 0, "links": {}, **more}
        self.tables.letters[letter] = DeadLetterView(
            id=letter,
            tenant=tenant,
            service="orchestrator",
            kind=kind,  # pyright: ignore[reportArgumentType] (one of the kinds)
            reason=reason,
            detail=detail,
            created_at=self.tables.now,
            **fields,
        )
        return letter

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

    async def is_cancelled(self, root: UUID) -> bool:
        return root in self.tables.cancelled_roots

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
        return self.workflows.deploy(tenant, definition(version))

    async def put_key(self, tenant: str, pepper: bytes) -> str:
        token = mint("live", len(self.keys.rows) + 1, 1)
        self.keys.store(key_row(token, tenant, pepper))
        return token

    async def last_use(self, key: str) -> datetime | None:
        tenant = self.keys.rows[key].tenant
        shown = await self.keys.one(tenant, key)
        return None if shown is None else shown.last_used_at

    def now(self) -> datetime:
        return self.tables.now

    async def passes(self, seconds: float) -> None:
        self.tables.passes(seconds)
