"""The rows that one batch writes, by relation.

The hot relations are written by one statement; rarer ones by a second (`has_rest`), what concerns other runs
and events by a third (`has_related`), questions to people by a fourth (`has_approvals`), all in one
transaction. A row is written only if the run that it names was really updated.
"""

from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_type_hints
from uuid import UUID

from visapi_orchestrator.transitions.relations.approvals import ClosedApproval, OpenedApproval
from visapi_orchestrator.transitions.relations.attributes import AttributesRow
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.relations.collections import (
    CollectionKey,
    CollectionRow,
    RefusedEvent,
)
from visapi_orchestrator.transitions.relations.dead_letters import NewDeadLetter, ResolvedDeadLetter
from visapi_orchestrator.transitions.relations.emitted_events import EmittedEvent
from visapi_orchestrator.transitions.relations.history import HistoryRow
from visapi_orchestrator.transitions.relations.inbox import InboxKey, InboxWrite
from visapi_orchestrator.transitions.relations.recorded_inputs import RecordedInput
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.relations.runs import EndedRun, LiveRun
from visapi_orchestrator.transitions.relations.subscriptions import SubscriptionKey, SubscriptionRow
from visapi_orchestrator.transitions.relations.tasks import NewTask, TaskKey
from visapi_orchestrator.transitions.relations.timers import NewTimer, TimerKey
from visapi_orchestrator.transitions.relations.usage import StoredBytes
from visapi_orchestrator.transitions.rules.flow import SlotRelease, SlotRequest


@dataclass(slots=True)
class WriteSet:
    live: list[LiveRun] = field(default_factory=list[LiveRun])
    ended: list[EndedRun] = field(default_factory=list[EndedRun])
    history: list[HistoryRow] = field(default_factory=list[HistoryRow])
    stored_bytes: list[StoredBytes] = field(default_factory=list[StoredBytes])
    new_tasks: list[NewTask] = field(default_factory=list[NewTask])
    removed_tasks: list[TaskKey] = field(default_factory=list[TaskKey])
    cancelled_tasks: list[TaskKey] = field(default_factory=list[TaskKey])
    """Tasks that the failure of a run cancels which could be retried."""
    abandoned_tasks: list[TaskKey] = field(default_factory=list[TaskKey])
    """Tasks of live runs whose answer the run no longer waits for, and which have none yet."""
    new_timers: list[NewTimer] = field(default_factory=list[NewTimer])
    removed_timers: list[TimerKey] = field(default_factory=list[TimerKey])
    consumed_inbox: list[InboxKey] = field(default_factory=list[InboxKey])
    dead_letters: list[NewDeadLetter] = field(default_factory=list[NewDeadLetter])
    resolved_letters: list[ResolvedDeadLetter] = field(default_factory=list[ResolvedDeadLetter])
    recorded_inputs: list[RecordedInput] = field(default_factory=list[RecordedInput])
    attributes: list[AttributesRow] = field(default_factory=list[AttributesRow])
    children: list[ChildRow] = field(default_factory=list[ChildRow])
    inbox_writes: list[InboxWrite] = field(default_factory=list[InboxWrite])
    subscriptions: list[SubscriptionRow] = field(default_factory=list[SubscriptionRow])
    removed_subscriptions: list[SubscriptionKey] = field(default_factory=list[SubscriptionKey])
    collections: list[CollectionRow] = field(default_factory=list[CollectionRow])
    removed_collections: list[CollectionKey] = field(default_factory=list[CollectionKey])
    refused_events: list[RefusedEvent] = field(default_factory=list[RefusedEvent])
    emitted_events: list[EmittedEvent] = field(default_factory=list[EmittedEvent])
    opened_approvals: list[OpenedApproval] = field(default_factory=list[OpenedApproval])
    closed_approvals: list[ClosedApproval] = field(default_factory=list[ClosedApproval])
    unread_decisions: list[InboxKey] = field(default_factory=list[InboxKey])
    """Inbox rows that keep a run from being written, should they exist: the run has not read them."""
    slot_requests: list[SlotRequest] = field(default_factory=list[SlotRequest])
    slot_releases: list[SlotRelease] = field(default_factory=list[SlotRelease])
    cancelled_roots: list[UUID] = field(default_factory=list[UUID])
    """Roots that end because they were cancelled: their descendants must be cancelled too."""
    abandoned_runs: list[UUID] = field(default_factory=list[UUID])
    """Runs that the orchestrator ended, perhaps while they waited under flow control."""

    @property
    def needs_transaction(self) -> bool:
        """Whether more than the one statement of most transitions is needed."""
        return bool(
            self.has_rest
            or self.has_related
            or self.has_flow
            or self.has_approvals
            or self.attributes
            or self.cancelled_tasks
            or self.abandoned_tasks
            or self.cancelled_roots
            or self.abandoned_runs
        )

    @property
    def has_rest(self) -> bool:
        """Whether the second, rarer statement is needed."""
        return bool(self.consumed_inbox or self.dead_letters or self.resolved_letters or self.recorded_inputs)

    @property
    def has_related(self) -> bool:
        """Whether others are concerned: children, parents, events."""
        return bool(
            self.children
            or self.inbox_writes
            or self.subscriptions
            or self.removed_subscriptions
            or self.collections
            or self.removed_collections
            or self.refused_events
            or self.emitted_events
        )

    @property
    def has_approvals(self) -> bool:
        """Whether a question to people opens or closes."""
        return bool(self.opened_approvals or self.closed_approvals)

    @property
    def has_flow(self) -> bool:
        """Whether a run wants to begin, or ends, under flow control."""
        return bool(self.slot_requests or self.slot_releases)

    def drop(self, runs: frozenset[UUID]) -> None:
        """Remove everything that belongs to these runs."""
        for relation in fields(self):
            rows: list[Any] = getattr(self, relation.name)
            rows[:] = [row for row in rows if (row if isinstance(row, UUID) else row.run) not in runs]


def row_types() -> dict[str, type[Row]]:
    """The type of the rows of each relation."""
    kinds = {name: get_args(hint)[0] for name, hint in get_type_hints(WriteSet).items()}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, Row)}
