"""Events that a run emits."""

from visapi_common.core.cloudevents import TEST_IDS
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


class EmittedEvent(Row, frozen=True):
    tenant: str
    source: str
    id: str
    type: str
    body: bytes
    test: bool


def emitted_events(snapshot: RunSnapshot, related: RelatedWrites) -> list[EmittedEvent]:
    return [
        EmittedEvent(
            run=snapshot.run,
            tenant=snapshot.tenant,
            source=event.source,
            id=f"{TEST_IDS}{event.id}" if snapshot.test else event.id,
            type=event.kind,
            body=event.event,
            test=snapshot.test,
        )
        for event in related.emit
    ]
