"""The statements of a transition, put together from the SQL of its relations.

All reads of one statement see one snapshot, so one part of a statement alone names a row.
"""

from visapi_common.adapters.queries import load_queries
from visapi_common.core.named_rows import Statement
from visapi_orchestrator.transitions.rules.write_set import row_types

_ROWS = row_types()
_DONE = "done as (select id from unnest($1::uuid[]) as d (id))"
"""The runs that `WRITE_BATCH` has updated: the first parameter of the statements that follow it."""


def _sql(relation: str, block: str) -> str:
    return load_queries("visapi_orchestrator.transitions.relations", f"{relation}.sql")[block]


def _single(relation: str, block: str, *, leading: int = 0) -> Statement:
    return Statement(_sql(relation, block), _ROWS, leading=leading)


def _joined(name: str, parts: list[str], last: str, *, leading: int = 0) -> Statement:
    ctes = ",\n".join(parts)
    return Statement(f"-- {name}\nwith {ctes}\n{last}", _ROWS, leading=leading)


WRITE_BATCH = _joined(
    "write_batch",
    [
        _sql("runs", "write"),
        _sql("history", "write"),
        _sql("tasks", "write"),
        _sql("timers", "write"),
        _sql("inbox", "remove_ended"),
        _sql("usage", "write"),
    ],
    _sql("runs", "written"),
)
"""EXPLAIN ANALYZE with 20,000 live runs, 64 going on and 32 ending: nested loops over runs_pkey, tasks_pkey
and timers_pkey, hash joins between the small inputs, 2.6 ms; for one run 0.4 ms, and 0.4 ms more when the
statement is planned anew (see SESSION in ledger.py)."""

WRITE_REST = _joined(
    "write_rest",
    [_DONE, _sql("inbox", "consume"), _sql("dead_letters", "write"), _sql("recorded_inputs", "write")],
    _sql("dead_letters", "written"),
    leading=1,
)

WRITE_RELATED = _joined(
    "write_related",
    [
        _DONE,
        _sql("children", "write"),
        _sql("inbox", "write"),
        _sql("subscriptions", "write"),
        _sql("collections", "write"),
        _sql("emitted_events", "write"),
    ],
    "select",
    leading=1,
)

WRITE_APPROVALS = _joined("write_approvals", [_DONE, _sql("approvals", "write")], "select", leading=1)

LOCK_APPROVALS = _sql("approvals", "lock")
UNREAD_DECISIONS = _single("approvals", "unread")
LOCK_CANCELLED_TASKS = _single("tasks", "lock_cancelled")
RECORD_STARTED = _single("tasks", "record_started", leading=2)
SET_ATTRIBUTES = _single("attributes", "set_attributes")
INDEX_ATTRIBUTES = _sql("attributes", "index_attributes")
DEFINITION = _sql("children", "definition")
