"""Events that a run emits."""

from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


class EmittedEvent(Row, frozen=True):
    tenant: str
    source: str
    id: str
    type: str
    body: bytes


def emitted_events(snapshot: RunSnapshot, related: RelatedWrites) -> list[EmittedEvent]:
    return [
        EmittedEvent(snapshot.run, snapshot.tenant, event.source, event.id, event.kind, event.event)
        for event in related.emit
    ]
