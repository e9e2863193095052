"""What the orchestrator writes, by the orchestrator's own stores, for tests of the services that read it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.runs import ENDED
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.machine.state import Admission
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import PostgresQuarantine
from visapi_orchestrator.transitions.relations.approvals import OpenedApproval
from visapi_orchestrator.transitions.relations.attributes import AttributesRow
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.relations.dead_letters import UNCERTAIN, NewDeadLetter
from visapi_orchestrator.transitions.relations.history import HistoryRow
from visapi_orchestrator.transitions.relations.runs import EndedRun, LiveRun
from visapi_orchestrator.transitions.rules.flow import SlotRequest, scope_of
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger
from visapi_orchestrator.upkeep.store.upkeep import PostgresUpkeep


class OrchestratorRows:
    """On a pool with the rights and the session of the orchestrator."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._quarantine = PostgresQuarantine(pool, RandomIds())
        self.ledger = PostgresLedger(pool, RandomIds())

    async def announce(self, owner: str, *functions: FunctionSpec) -> None:
        await PostgresUpkeep(self._pool).register(owner, functions)

    async def ask(
        self,
        run: UUID,
        approval: UUID,
        shown: dict[str, Any],
        *,
        approvers: Sequence[str],
        keys: Sequence[bytes],
        expires_ms: int | None = None,
    ) -> None:
        """The transition in which a live run asks a question."""
        before = (await self.ledger.load([run])).snapshots[run]
        workflow = before.workflow
        question = OpenedApproval(
            run=run,
            tenant=before.tenant,
            id=str(approval),
            path="/do/0/ask",
            workflow=f"{workflow.namespace}/{workflow.name}:{workflow.version}",
            task="ask",
            shown=msgspec.json.encode(shown),
            approvers=msgspec.json.encode(approvers).decode(),
            keys=msgspec.json.encode([key.hex() for key in keys]).decode(),
            asked_ms=int(datetime.now(UTC).timestamp() * 1000),
            expires_ms=expires_ms,
        )
        await self._transition(run, WriteSet(opened_approvals=[question]))

    async def seq(self, run: UUID) -> int:
        """The number of the last history item of a live run."""
        return (await self.ledger.load([run])).snapshots[run].seq

    async def write(
        self,
        run: UUID,
        items: bytes = b"[]",
        count: int = 0,
        *,
        status: str = "running",
        resume: bytes | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """A transition with so many history items, as they are stored; it ends the run where `status` does."""
        before = (await self.ledger.load([run])).snapshots[run]
        first, last = before.seq + 1, before.seq + count
        rows = WriteSet(history=[HistoryRow(run, first, last, items)] if count else [])
        if attributes is not None:
            rows.attributes.append(
                AttributesRow(run, before.revision, msgspec.json.encode(attributes).decode())
            )
        if status in ENDED:
            output = b'{"inline":{"ok":true}}'
            rows.ended.append(EndedRun(run, before.revision, status, last, output, None, resume))
        else:
            rows.live.append(LiveRun(run, before.revision, status, last, b"{}"))
        assert run in (await self.ledger.write(rows)).done

    async def start_child(self, parent: UUID) -> UUID:
        """The transition in which a live run starts a run of its own workflow."""
        before, child = (await self.ledger.load([parent])).snapshots[parent], RandomIds().uuid7()
        row = ChildRow(
            run=parent,
            id=child,
            parent_path=None,
            tenant=before.tenant,
            namespace=before.workflow.namespace,
            name=before.workflow.name,
            version=before.workflow.version,
            program=before.program,
            trace=None,
            input=b'{"inline":null}',
            priority=before.priority,
            root=parent,
            depth=1,
            created_ms=int(datetime.now(UTC).timestamp() * 1000),
            test=before.test,
            by_listener=False,
        )
        await self._transition(parent, WriteSet(children=[row]))
        return child

    async def begin(self, run: UUID, key: str, limit: int) -> None:
        """The transition in which a run begins under flow control, or waits for a slot."""
        before = (await self.ledger.load([run])).snapshots[run]
        request = SlotRequest(run, before.tenant, scope_of(before), Admission(key=key, limit=limit))
        live = [LiveRun(run, before.revision, "running", before.seq, b"{}")]
        await self.ledger.write(WriteSet(live=live, slot_requests=[request]))

    async def hold(self, run: UUID, path: str = "/do/0/a") -> UUID:
        """The transition in which the task of a live run becomes uncertain; the id of its dead letter."""
        tenant = (await self.ledger.load([run])).snapshots[run].tenant
        letter = NewDeadLetter(
            run=run, tenant=tenant, path=path, attempt=1, function="acme.a", reason=UNCERTAIN,
            detail="no answer", held=True,
        )  # fmt: skip
        await self._transition(run, WriteSet(dead_letters=[letter]))
        query = "select id from visapi.dead_letters where run = $1 and path = $2"
        return await self._pool.fetchval(query, run, path)

    async def set_aside(self, entry: DeadLetterEntry) -> UUID:
        """The id of the new dead letter."""
        assert await self._quarantine.set_aside(entry)
        query = "select id from visapi.dead_letters where digest = $1 and resolved_at is null"
        return await self._pool.fetchval(query, entry.digest)

    async def _transition(self, run: UUID, rows: WriteSet) -> None:
        before = (await self.ledger.load([run])).snapshots[run]
        rows.live = [LiveRun(run, before.revision, "running", before.seq, b"{}")]
        assert run in (await self.ledger.write(rows)).done
