"""Search attributes that changed."""

from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step


class AttributesRow(Row, frozen=True):
    """All attributes of a run, as a JSON object."""

    revision: int
    attributes: str


def attributes_rows(step: Step) -> list[AttributesRow]:
    """At most one row; none where no attribute changed."""
    changed = step.answer.attributes
    if changed is None:
        return []
    return [AttributesRow(step.snapshot.run, step.snapshot.revision, changed.decode())]
