"""What the gateway writes, by the gateway's own stores, for tests of the services that read it."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import InboxBody, Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.core.approvals import decision_key
from visapi_engine.checks.versions import version_order
from visapi_engine.compile.compiler import Compiled
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import decode_program, encode_program
from visapi_gateway.approvals.service import Verdict
from visapi_gateway.approvals.store import PgApprovalStore
from visapi_gateway.dead_letters.service import LetterScope, Resolution
from visapi_gateway.dead_letters.store import PgDeadLetterStore
from visapi_gateway.events.service import NewEvent
from visapi_gateway.events.store import PgEventStore
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.retention.store import PgRetentionStore
from visapi_gateway.runs.commands.service import Command, InboxRow
from visapi_gateway.runs.commands.store import PgCommandStore
from visapi_gateway.runs.commands.transaction import put_inbox
from visapi_gateway.runs.starting.commits import NewRun
from visapi_gateway.runs.starting.store import PgRunLedger
from visapi_gateway.schedules.transaction import put_listener, put_schedule, stop_listener
from visapi_gateway.templates.service import NewVersion
from visapi_gateway.templates.store import PgTemplateRows
from visapi_gateway.workflows.rules.versions import NewWorkflow, Scheduled
from visapi_gateway.workflows.store import PgWorkflowStore

ACTOR = "tester"
_ACTIONS = {
    "cancel": AuditAction.RUN_CANCEL,
    "suspend": AuditAction.RUN_SUSPEND,
    "resume": AuditAction.RUN_RESUME,
    "retry": AuditAction.RUN_RETRY,
    "resolve": AuditAction.DEAD_LETTER_RESOLVE,
}


class GatewayRows:
    """On a pool that may do what the gateway may."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._workflows = PgWorkflowStore(pool, Quotas())
        self._runs = PgRunLedger(pool)
        self._commands = PgCommandStore(pool)
        self._events = PgEventStore(pool)
        self._letters = PgDeadLetterStore(pool)
        self._approvals = PgApprovalStore(pool)
        self._retention = PgRetentionStore(pool, Quotas())
        self._templates = PgTemplateRows(pool, Quotas())

    async def deploy(
        self,
        compiled: Compiled,
        name: str,
        version: str,
        source: str,
        tenant: str,
        *,
        listener: UUID | None = None,
    ) -> None:
        """`listener`: the run that listens for the events of the workflow's schedule from here on."""
        new = NewWorkflow(
            name=(tenant, "test", name),
            version=version,
            order=version_order(version),
            source_hash=bytes.fromhex(compiled.source_hash),
            source=source.encode(),
            media_type="application/yaml",
            program=bytes.fromhex(compiled.hash),
            body=compiled.body,
            created_by=ACTOR,
            created_at=datetime.now(UTC),
            schedule=None if listener is None else _listening(listener, compiled.body, tenant),
            parts=compiled.parts,
        )
        assert await self._workflows.put(new, _audit(tenant, AuditAction.WORKFLOW_DEPLOY, name), None, "")

    async def accept(self, trigger: Trigger) -> None:
        ref = trigger.workflow
        run = NewRun(
            id=trigger.run,
            tenant=trigger.tenant,
            namespace=ref.namespace,
            name=ref.name,
            version=ref.version,
            program=bytes.fromhex(trigger.program),
            input=trigger.input,
            # A run that nobody traces, as those that an orchestrator starts.
            trace=cast("str", trigger.trace),
            started_by=ACTOR,
            created_at=trigger.created_at,
            test=trigger.test,
        )
        assert await self._runs.accept([run]) == {trigger.run}

    async def tell(self, run: UUID, tenant: str, kind: str, key: str, body: dict[str, Any]) -> None:
        """A command, as an order; anything else as its sender writes it."""
        row = InboxRow(run, key, tenant, kind, msgspec.json.encode(body))
        action = _ACTIONS.get(kind)
        if action is not None:
            await self._commands.commit(Command(row, _audit(tenant, action, str(run))), None)
            return
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await put_inbox(connection, row)

    async def tell_all(self, wanted: Sequence[tuple[UUID, str]], tenant: str, kind: str) -> None:
        """Commands of one kind, by run and key, in one transaction."""
        body = msgspec.json.encode(InboxBody(actor=ACTOR))
        commands = [
            Command(InboxRow(run, key, tenant, kind, body), _audit(tenant, _ACTIONS[kind], str(run)))
            for run, key in wanted
        ]
        await self._commands.send(tenant, commands)

    async def decide(self, run: UUID, tenant: str, approval: UUID, body: dict[str, Any]) -> bool:
        """The decision of the holder of a link; whether the approval was open."""
        row = InboxRow(run, decision_key(approval), tenant, "approval", msgspec.json.encode(body))
        audit = _audit(tenant, AuditAction.APPROVAL_DECIDE, str(approval))
        return await self._approvals.decide(
            Verdict(approval, tenant, body["decision"], None, "link", row, audit)
        )

    async def put_events(self, tenant: str, *events: dict[str, Any]) -> None:
        """Events of one request."""
        new = [NewEvent(one["source"], one["id"], one["type"], msgspec.json.encode(one)) for one in events]
        await self._events.put(tenant, new)

    async def put_schedule(self, schedule: UUID, version: Sequence[object], spec: bytes) -> None:
        """`version` is tenant, namespace, name, version and program. The spec may be anything."""
        async with tenant_transaction(self._pool, [cast("str", version[0])]) as connection:
            await put_schedule(connection, schedule, version, spec, paused=False)

    async def put_listener(self, run: UUID, version: Sequence[object], listener: bytes) -> None:
        """Replace the listener of a workflow, as a deployment does. `version` is tenant, namespace, name and
        version, `listener` the program that listens.
        """
        tenant, namespace, name = map(str, version[:3])
        digest = hashlib.sha256(listener).digest()
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await stop_listener(connection, (tenant, namespace, name))
            insert = "insert into programs (hash, body) values ($1, $2) on conflict do nothing"
            await connection.execute(insert, digest, listener)
            await put_listener(connection, run, (*version, digest), b'{"inline":null}', ACTOR)

    async def keep(self, tenant: str, namespace: str, days: int) -> None:
        """Keep the ended runs of a namespace for so long."""
        audit = _audit(tenant, AuditAction.RETENTION_SET, f"namespace:{namespace}")
        await self._retention.set(namespace, days, audit)

    async def put_template(self, new: NewVersion) -> None:
        """Add a version of a template."""
        audit = _audit(new.tenant, AuditAction.TEMPLATE_PUT, f"template:{new.name}")
        await self._templates.put(new, lambda _: None, lambda _: audit)

    async def retire_template(self, tenant: str, name: str) -> None:
        audit = _audit(tenant, AuditAction.TEMPLATE_REMOVE, f"template:{name}")
        await self._templates.retire(name, lambda _: None, audit)

    async def replay(self, letter: UUID, tenant: str) -> None:
        """Ask for a dead letter to be put back; of a tenant that does not exist, as the operator does."""
        audit = _audit("default", AuditAction.DEAD_LETTER_REPLAY, str(letter))
        await self._letters.resolve(
            LetterScope(tenant, unknown_tenants=True), Resolution(letter, ACTOR, "replay", audit), None
        )


def _listening(run: UUID, program: bytes, tenant: str) -> Scheduled:
    found = decode_program(program)
    assert found.schedule_on is not None
    body = encode_program(listener_of(found, found.schedule_on))
    trigger = Trigger(
        run=run,
        tenant=tenant,
        workflow=WorkflowRef(found.namespace, found.name, found.version),
        program=hashlib.sha256(body).hexdigest(),
        input=NULL,
        created_at=datetime.now(UTC),
    )
    return Scheduled(run, listener=trigger, listener_body=body)


def _audit(tenant: str, action: AuditAction, target: str) -> AuditEntry:
    return AuditEntry(tenant, ACTOR, action, target, None, "test", {})
