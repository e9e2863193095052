"""The rows that the gateway's fakes share, and the clock of their database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from kit.fakes.clocks import NOON_MS
from visapi_common.contracts.audit import AuditEntry, AuditRecord
from visapi_common.core.audit_chain import Head, chained
from visapi_gateway.approvals.service import ApprovalRow
from visapi_gateway.kernel.access.scopes import ALL, Requester
from visapi_gateway.runs.commands.service import InboxRow
from visapi_gateway.runs.reading.rules.history_items import StoredItem
from visapi_gateway.runs.reading.service import RunRow

TENANT = "default"
WHO = Requester("a", TENANT, "live", frozenset([ALL]), "r1")
"""A key that may do everything, and its request."""
NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)


@dataclass
class StoredRun:
    """A run, live or ended, with its history: one list of items for each transition."""

    tenant: str
    row: RunRow
    parent: UUID | None = None
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
    audit: dict[str, list[AuditRecord]] = field(default_factory=dict[str, list[AuditRecord]])

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def put_inbox(self, row: InboxRow) -> None:
        self.inbox.setdefault((row.run, row.key), row)

    def record(self, entry: AuditEntry) -> None:
        """Append the entry to the chain of its tenant."""
        rows = self.audit.setdefault(entry.tenant, [])
        head = Head(rows[-1].seq, rows[-1].hash) if rows else None
        rows += chained([entry], head, self.now)

    def change(self, run: UUID, **columns: object) -> None:
        stored = self.runs[run]
        stored.row = msgspec.structs.replace(stored.row, **columns)
