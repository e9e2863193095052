"""Child runs to start."""

from uuid import UUID

import msgspec

from visapi_orchestrator.transitions.relations.rows import Row, SmallInt
from visapi_orchestrator.transitions.rules.related import Child, Family
from visapi_orchestrator.transitions.rules.snapshot import Facts

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
    by_listener: bool
    """Whether the listener of a schedule starts the run."""


def child_rows(facts: Facts, family: Family) -> list[ChildRow]:
    return [_child_row(facts, child) for child in family.children]


def _child_row(facts: Facts, child: Child) -> ChildRow:
    return ChildRow(
        run=facts.run,
        id=child.id,
        parent_path=child.parent_path,
        tenant=facts.tenant,
        namespace=child.workflow.namespace,
        name=child.workflow.name,
        version=child.workflow.version,
        program=child.program,
        trace=child.trace,
        input=_encode(child.input),
        priority=facts.priority,
        root=child.root,
        depth=child.depth,
        by_listener=child.heard,
    )
