"""Approvals: questions to people that a transition opens or closes."""

import msgspec

from visapi_common.core.approvals import decision_key
from visapi_orchestrator.transitions.relations.inbox import InboxKey
from visapi_orchestrator.transitions.relations.rows import BigInt, Row, UuidText
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts

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


def opened_approvals(facts: Facts, family: Family) -> list[OpenedApproval]:
    workflow = facts.workflow
    return [
        OpenedApproval(
            run=facts.run,
            tenant=facts.tenant,
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
        for question in family.asking
    ]


def closed_approvals(facts: Facts, family: Family) -> list[ClosedApproval]:
    return [
        ClosedApproval(
            run=facts.run,
            tenant=facts.tenant,
            id=closing.approval,
            state=closing.state,
            decision=closing.decision,
            comment=closing.comment,
            decided_by=closing.by,
            at_ms=closing.at_ms,
        )
        for closing in family.closing
    ]


def unread_decisions(facts: Facts, family: Family) -> list[InboxKey]:
    """The inbox rows that decisions on these questions would have, but for those that the run has read."""
    read = {row.key for row in facts.inbox}
    keys = (decision_key(command.approval) for command in (*family.asking, *family.closing))
    return [InboxKey(facts.run, key) for key in keys if key not in read]
