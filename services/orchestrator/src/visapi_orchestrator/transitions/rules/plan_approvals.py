"""The rows of questions to people. Pure."""

import msgspec

from visapi_common.core.approvals import decision_key
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts
from visapi_orchestrator.transitions.rules.write_set import WriteSet

_encode = msgspec.json.Encoder().encode


def plan_approvals(rows: WriteSet, facts: Facts, family: Family) -> None:
    heard = {row.key for row in facts.inbox}
    for command in (*family.asking, *family.closing):
        key = decision_key(command.approval)
        if key not in heard:
            rows.unheard.add(facts.run, key)
    workflow = facts.workflow
    asked = rows.asked
    for question in family.asking:
        asked.run.append(facts.run)
        asked.tenant.append(facts.tenant)
        asked.id.append(question.approval)
        asked.path.append(question.path)
        asked.workflow.append(f"{workflow.namespace}/{workflow.name}:{workflow.version}")
        asked.task.append(question.name)
        asked.shown.append(question.shown)
        asked.approvers.append(_encode(question.approvers).decode())
        asked.keys.append(_encode(question.keys).decode())
        asked.asked_ms.append(question.asked_ms)
        asked.expires_ms.append(question.expires_ms)
    closed = rows.answered
    for closing in family.closing:
        closed.run.append(facts.run)
        closed.tenant.append(facts.tenant)
        closed.id.append(closing.approval)
        closed.state.append(closing.state)
        closed.decision.append(closing.decision)
        closed.comment.append(closing.comment)
        closed.decided_by.append(closing.by)
        closed.at_ms.append(closing.at_ms)
