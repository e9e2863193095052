"""History items: one row holds the items of one transition."""

from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step


class HistoryRow(Row, frozen=True):
    first_seq: int
    last_seq: int
    items: bytes


def history_rows(step: Step) -> list[HistoryRow]:
    """At most one row; none where the transition has no items."""
    answer = step.answer
    if answer.seq < answer.first_seq:
        return []
    items = answer.items_json if step.small_items is None else step.small_items
    return [HistoryRow(step.snapshot.run, answer.first_seq, answer.seq, items)]
