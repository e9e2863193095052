"""Child runs to start."""

from uuid import UUID

import msgspec

from visapi_common.core.named_rows import BigInt, SmallInt
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import Child, RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

_encode = msgspec.json.Encoder().encode


class ChildRow(Row, frozen=True, kw_only=True):
    """`run` is the parent; `parent_path` is set where the parent waits for the child's end."""

    id: UUID
    parent_path: str | None
    tenant: str
    namespace: str
    name: str
    version: str
    program: str
    trace: str | None
    input: bytes
    priority: SmallInt
    root: UUID | None
    depth: SmallInt
    created_ms: BigInt
    test: bool
    by_listener: bool
    """Whether the listener of a schedule starts the run."""


def child_rows(snapshot: RunSnapshot, related: RelatedWrites) -> list[ChildRow]:
    return [_child_row(snapshot, child) for child in related.children]


def _child_row(snapshot: RunSnapshot, child: Child) -> ChildRow:
    return ChildRow(
        run=snapshot.run,
        id=child.id,
        parent_path=child.parent_path,
        tenant=snapshot.tenant,
        namespace=child.workflow.namespace,
        name=child.workflow.name,
        version=child.workflow.version,
        program=child.program,
        trace=child.trace,
        input=_encode(child.input),
        priority=snapshot.priority,
        root=child.root,
        depth=child.depth,
        created_ms=child.created_ms,
        test=snapshot.test,
        by_listener=child.heard,
    )
