"""Events that a run emits."""

from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts


class EmittedEvent(Row, frozen=True):
    tenant: str
    source: str
    id: str
    type: str
    body: bytes


def emitted_events(facts: Facts, family: Family) -> list[EmittedEvent]:
    return [
        EmittedEvent(facts.run, facts.tenant, event.source, event.id, event.kind, event.event)
        for event in family.emit
    ]
