"""Inbox rows: those that a transition consumes, and those that it writes for other runs."""

from uuid import UUID

from visapi_common.contracts.engine_messages import InboxKind
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step


class InboxKey(Row, frozen=True):
    key: str


class InboxWrite(Row, frozen=True):
    """A row for the inbox of the run `recipient`."""

    recipient: UUID
    key: str
    tenant: str
    kind: str
    body: bytes


def consumed_inbox(step: Step) -> list[InboxKey]:
    """The end of a run removes its inbox. A request to retry outlives the run, unless the run has read it."""
    run, ended = step.snapshot.run, step.answer.ended
    return [InboxKey(run, row.key) for row in step.snapshot.inbox if not ended or row.kind is InboxKind.RETRY]


def inbox_writes(snapshot: RunSnapshot, related: RelatedWrites) -> list[InboxWrite]:
    return [
        InboxWrite(
            run=snapshot.run,
            recipient=one.run,
            key=one.key,
            tenant=snapshot.tenant,
            kind=one.kind.value,
            body=one.body,
        )
        for one in related.inbox_rows
    ]
