"""The rows of what one run asks of others. Pure."""

import msgspec

from visapi_orchestrator.transitions.rules.related import Child, Family
from visapi_orchestrator.transitions.rules.snapshot import Facts
from visapi_orchestrator.transitions.rules.write_set import WriteSet

_encode = msgspec.json.Encoder().encode


def plan_family(rows: WriteSet, facts: Facts, family: Family) -> None:
    for child in family.children:
        _plan_child(rows, facts, child)
    told = rows.told
    for one in family.telling:
        told.source.append(facts.run)
        told.run.append(one.run)
        told.key.append(one.key)
        told.tenant.append(facts.tenant)
        told.kind.append(one.kind.value)
        told.body.append(one.body)
    subscriptions = rows.subscriptions
    for path, n, shape, key in family.rows:
        subscriptions.run.append(facts.run)
        subscriptions.path.append(path)
        subscriptions.n.append(n)
        subscriptions.tenant.append(facts.tenant)
        subscriptions.shape.append(shape)
        subscriptions.key.append(key)
    for path in family.unsubscribe:
        rows.gone_subscriptions.add(facts.run, path)
    emitted = rows.emitted
    for event in family.emit:
        emitted.run.append(facts.run)
        emitted.tenant.append(facts.tenant)
        emitted.source.append(event.source)
        emitted.id.append(event.id)
        emitted.type.append(event.kind)
        emitted.body.append(event.event)


def _plan_child(rows: WriteSet, facts: Facts, child: Child) -> None:
    children = rows.children
    children.id.append(child.id)
    children.parent.append(facts.run)
    children.parent_path.append(child.parent_path)
    children.tenant.append(facts.tenant)
    children.namespace.append(child.workflow.namespace)
    children.name.append(child.workflow.name)
    children.version.append(child.workflow.version)
    children.program.append(child.program)
    children.trace.append(child.trace)
    children.input.append(_encode(child.input))
    children.priority.append(facts.priority)
    children.root.append(child.root)
    children.depth.append(child.depth)
    children.heard.append(child.heard)
