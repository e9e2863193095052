"""Approvals: questions to people that a transition opens or closes."""

import msgspec

from visapi_common.core.approvals import decision_key
from visapi_common.core.named_rows import BigInt, UuidText
from visapi_orchestrator.transitions.relations.inbox import InboxKey
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

_encode = msgspec.json.Encoder().encode


class OpenedApproval(Row, frozen=True):
    """`approvers` and `keys` are JSON arrays."""

    tenant: str
    id: UuidText
    path: str
    workflow: str
    task: str
    shown: bytes
    approvers: str
    keys: str
    asked_ms: BigInt
    expires_ms: BigInt | None


class ClosedApproval(Row, frozen=True):
    tenant: str
    id: UuidText
    state: str
    decision: str | None
    comment: str | None
    decided_by: str | None
    at_ms: BigInt


def opened_approvals(snapshot: RunSnapshot, related: RelatedWrites) -> list[OpenedApproval]:
    workflow = snapshot.workflow
    return [
        OpenedApproval(
            run=snapshot.run,
            tenant=snapshot.tenant,
            id=question.approval,
            path=question.path,
            workflow=f"{workflow.namespace}/{workflow.name}:{workflow.version}",
            task=question.name,
            shown=question.shown,
            approvers=_encode(question.approvers).decode(),
            keys=_encode(question.keys).decode(),
            asked_ms=question.asked_ms,
            expires_ms=question.expires_ms,
        )
        for question in related.asking
    ]


def closed_approvals(snapshot: RunSnapshot, related: RelatedWrites) -> list[ClosedApproval]:
    return [
        ClosedApproval(
            run=snapshot.run,
            tenant=snapshot.tenant,
            id=closing.approval,
            state=closing.state,
            decision=closing.decision,
            comment=closing.comment,
            decided_by=closing.by,
            at_ms=closing.at_ms,
        )
        for closing in related.closing
    ]


def unread_decisions(snapshot: RunSnapshot, related: RelatedWrites) -> list[InboxKey]:
    """The inbox keys of decisions on these questions, without those that the run has read."""
    read = {row.key for row in snapshot.inbox}
    keys = (decision_key(command.approval) for command in (*related.asking, *related.closing))
    return [InboxKey(snapshot.run, key) for key in keys if key not in read]
