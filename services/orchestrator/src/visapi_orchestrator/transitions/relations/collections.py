"""Collections of schedules: events of a correlation that wait for the others; and refused events."""

from collections.abc import Iterator
from uuid import UUID

from visapi_common.core.failures import storable
from visapi_common.core.ids import uuid7_from
from visapi_common.core.named_rows import BigInt
from visapi_engine.machine.commands import RefuseEvent
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

REFUSED = "event-not-collected"
"""The reason of the dead letters."""
_DETAIL_MAX = 1000


class CollectionRow(Row, frozen=True, kw_only=True):
    key: str
    tenant: str
    namespace: str
    name: str
    body: bytes
    size: int
    began_ms: BigInt


class CollectionKey(Row, frozen=True):
    key: str


class RefusedEvent(Row, frozen=True, kw_only=True):
    """A dead letter; `n` numbers those of one transition, from 1."""

    id: UUID
    n: int
    tenant: str
    inbox_key: str
    reason: str
    detail: str
    body: bytes
    digest: bytes


def collection_rows(snapshot: RunSnapshot, related: RelatedWrites) -> Iterator[CollectionRow]:
    for command in related.collect:
        yield CollectionRow(
            run=snapshot.run,
            key=command.key,
            tenant=snapshot.tenant,
            namespace=snapshot.workflow.namespace,
            name=snapshot.workflow.name,
            body=command.body,
            size=len(command.body),
            began_ms=command.began_ms,
        )


def removed_collections(snapshot: RunSnapshot, related: RelatedWrites) -> Iterator[CollectionKey]:
    for key in related.uncollect:
        yield CollectionKey(snapshot.run, key)


def refused_events(snapshot: RunSnapshot, related: RelatedWrites) -> Iterator[RefusedEvent]:
    for n, command in enumerate(related.refuse, start=1):
        dead_letter = dead_letter_of(snapshot, command)
        yield RefusedEvent(
            run=snapshot.run,
            id=uuid7_from(command.at_ms, int.from_bytes(dead_letter.digest[:10])),
            n=n,
            tenant=snapshot.tenant,
            inbox_key=dead_letter.item[0],
            reason=dead_letter.reason,
            detail=dead_letter.detail,
            body=dead_letter.body,
            digest=dead_letter.digest,
        )


def dead_letter_of(snapshot: RunSnapshot, command: RefuseEvent) -> DeadLetterEntry:
    """The dead letter of an event; its replay puts the event back into the inbox of the listener."""
    event = ArrivedEvent(snapshot.tenant, command.source, command.id, command.event)
    workflow = f"{snapshot.workflow.namespace}/{snapshot.workflow.name}"
    return uncollected(event, snapshot.run, REFUSED, f"{command.reason}; the schedule of {workflow}")


def uncollected(event: ArrivedEvent, listener: UUID, reason: str, detail: str) -> DeadLetterEntry:
    """The dead letter of an event that a schedule does not wait with any longer."""
    return DeadLetterEntry(
        kind="inbox",
        tenant=event.tenant,
        reason=reason,
        detail=storable(f"event {event.id} of {event.source}: {detail}", _DETAIL_MAX),
        item=(event.inbox_key, "event"),
        body=event.body,
        run=listener,
    )
