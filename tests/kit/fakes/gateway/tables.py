"""The rows that the gateway's fakes share, and the clock of their database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from kit.fakes.clocks import NOON_MS
from visapi_common.contracts.audit import AuditEntry, AuditRecord
from visapi_common.contracts.dead_letters import DeadLetterView
from visapi_common.core.audit_chain import Head, chained
from visapi_gateway.approvals.service import ApprovalRow
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.kernel.access.scopes import ALL, Requester
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.runs.commands.service import InboxRow
from visapi_gateway.runs.reading.rules.history_items import StoredItem
from visapi_gateway.runs.reading.service import RunRow
from visapi_gateway.runs.starting.commits import Holder, RequestKey
from visapi_gateway.schedules.service import ScheduleRow
from visapi_gateway.workflows.rules.versions import NewWorkflow

_CANCELLED = b'{"actor":"schedule","v":1}'
TENANT = "default"
WHO = Requester("a", TENANT, "live", frozenset([ALL]), request_id="r1")
"""A key that may do everything, and its request."""
NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)


@dataclass
class StoredRun:
    """A run, live or ended, with its history: one list of items for each transition."""

    tenant: str
    row: RunRow
    parent: UUID | None = None
    root: UUID | None = None
    resume: tuple[bytes, bytes] | None = None
    """The state and the program with which an ended run can be retried."""
    schedule: tuple[str, str] | None = None
    quiet: bool = False
    history: list[Sequence[StoredItem]] = field(default_factory=list[Sequence[StoredItem]])


@dataclass
class StoredApproval:
    tenant: str
    row: ApprovalRow
    keys: Sequence[bytes]
    """The hashes of the links' keys, in the order of the approvers."""


@dataclass
class GatewayTables:
    """`now` is the database's clock, which stands still until it is moved."""

    now: datetime = NOON
    runs: dict[UUID, StoredRun] = field(default_factory=dict[UUID, StoredRun])
    inbox: dict[tuple[UUID, str], InboxRow] = field(default_factory=dict[tuple[UUID, str], InboxRow])
    approvals: dict[UUID, StoredApproval] = field(default_factory=dict[UUID, StoredApproval])
    used_keys: dict[RequestKey, Holder] = field(default_factory=dict[RequestKey, Holder])
    """`Idempotency-Key`s; those of starts hold their run."""
    answers: dict[RequestKey, str] = field(default_factory=dict[RequestKey, str])
    """What other requests hold with their key."""
    cancelled_roots: set[UUID] = field(default_factory=set[UUID])
    """Runs whose descendants, present and coming, are cancelled."""
    letters: dict[UUID, DeadLetterView] = field(default_factory=dict[UUID, DeadLetterView])
    messages: dict[UUID, SetAsideMessage] = field(default_factory=dict[UUID, SetAsideMessage])
    """The messages of dead letters of that kind."""
    tenants: set[str] = field(default_factory=lambda: {TENANT})
    schedules: dict[WorkflowName, ScheduleRow] = field(default_factory=dict[WorkflowName, ScheduleRow])
    listeners: dict[WorkflowName, UUID] = field(default_factory=dict[WorkflowName, UUID])
    """The runs that listen for the events of schedules."""
    audit: dict[str, list[AuditRecord]] = field(default_factory=dict[str, list[AuditRecord]])

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def accept(
        self,
        run: UUID,
        name: WorkflowName,
        version: str,
        value: bytes,
        *,
        at: datetime | None = None,
        test: bool = False,
    ) -> StoredRun:
        """A run that nobody has advanced; `value` is its input as it is stored."""
        row = RunRow(
            id=run,
            namespace=name[1],
            name=name[2],
            version=version,
            status="pending",
            revision=0,
            seq=0,
            input=value,
            output=None,
            error=None,
            created_at=at or self.now,
            started_at=None,
            ended_at=None,
            attributes=None,
            test=test,
        )
        return self.runs.setdefault(run, StoredRun(name[0], row))

    def put_schedule(self, new: NewWorkflow) -> None:
        """The schedule or the listener of a workflow's highest version, in place of the one before."""
        wanted, name = new.schedule, new.name
        before, listening = self.schedules.pop(name, None), self.listeners.pop(name, None)
        if listening is not None and not self.runs[listening].row.ended:
            self.put_inbox(InboxRow(listening, "schedule", name[0], "cancel", _CANCELLED))
        if wanted is not None and wanted.spec is not None:
            paused = wanted.paused or (before is not None and before.paused)
            self.schedules[name] = ScheduleRow(
                id=wanted.id if before is None else before.id,
                namespace=name[1],
                name=name[2],
                version=new.version,
                spec=wanted.spec,
                anchor=self.now,
                last_fire=self.now,
                last_run=None if before is None else before.last_run,
                buffered=None,
                paused=paused,
                next_fire=None,
            )
        if wanted is not None and wanted.listener is not None:
            self.listeners[name] = wanted.id
            self.accept(wanted.id, name, new.version, b'{"inline":null}').quiet = True

    def put_inbox(self, row: InboxRow) -> None:
        self.inbox.setdefault((row.run, row.key), row)

    def record(self, entry: AuditEntry) -> None:
        """Append the entry to the chain of its tenant."""
        rows = self.audit.setdefault(entry.tenant, [])
        head = Head(rows[-1].seq, rows[-1].hash) if rows else None
        rows += chained([entry], head, self.now)

    def hold_key(self, claim: Claim | None, answer: str = "") -> None:
        """Raises `KeyTaken`; call this before any other change."""
        if claim is None:
            return
        key = (claim.tenant, claim.key)
        if key in self.used_keys:
            raise KeyTaken
        self.used_keys[key] = Holder(UUID(int=0), claim.request_hash)
        self.answers[key] = answer

    def change(self, run: UUID, **columns: object) -> None:
        stored = self.runs[run]
        stored.row = msgspec.structs.replace(stored.row, **columns)
