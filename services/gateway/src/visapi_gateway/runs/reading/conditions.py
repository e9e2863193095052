"""A `RunFilter` as SQL: only the conditions that it states, so that each can be an index scan."""

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.runs import ENDED
from visapi_gateway.runs.reading.rules.filters import RunFilter, first_id_at, ids_beginning

_SQL = load_queries("visapi_gateway.runs.reading", "filters.sql")
_COMPARE = {
    ":": "attribute_is",
    ">=": "attribute_at_least",
    "<=": "attribute_at_most",
    ">": "attribute_above",
    "<": "attribute_below",
}

PLAN_ANEW = _SQL["plan_anew"]
"""Executed before the statement, in its transaction, because the best index depends on the values."""


class RunConditions:
    """Conditions on the runs `r` of the tenant `$1`, with the arguments of the statement so far."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = list(arguments)
        self._conditions: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._conditions)

    def add(self, condition: str, *values: object) -> None:
        """Add a named condition; `{0}`, `{1}` in it are its values."""
        first = len(self.arguments) + 1
        self.arguments += values
        self._conditions.append(_SQL[condition].format(*(f"${first + n}" for n in range(len(values)))))


def complete(query: str, conditions: RunConditions, wanted: RunFilter) -> str:
    """The statement with its conditions, without the half that holds no run of a wanted status."""
    states = set(wanted.statuses)
    return (
        query.replace("{conditions}", str(conditions))
        .replace("{live}", _SQL["nowhere"] if states and states <= ENDED else "")
        .replace("{done}", _SQL["nowhere"] if states and not states & ENDED else "")
    )


def among(query: str) -> str:
    """The statement for the runs of the workflows in the arguments 3 and 4."""
    for half, table in (("{live}", "runs"), ("{done}", "runs_done")):
        query = query.replace(half, f"{_SQL['newest_of'].replace('{table}', table)}\n{half}")
    return query


async def workflows_named(connection: Connection, tenant: str, text: str | None) -> list[str]:
    """The workflows whose name contains the free text."""
    if text is None:
        return []
    return [row["workflow"] for row in await connection.fetch(_SQL["workflows_named"], tenant, text)]


def add_filter(into: RunConditions, wanted: RunFilter, workflows: list[str]) -> RunConditions:
    """Add the conditions of `wanted`; `workflows` are those whose name contains its free text."""
    if wanted.statuses:
        into.add("status", list(wanted.statuses))
    for condition, value in (
        ("namespace", wanted.namespace),
        ("name", wanted.name),
        ("version", wanted.version),
        ("parent", wanted.parent),
        ("test", wanted.test),
    ):
        if value is not None:
            into.add(condition, value)
    if wanted.created_after is not None:
        into.add("from_id", first_id_at(wanted.created_after))
    if wanted.created_before is not None:
        into.add("before_id", first_id_at(wanted.created_before))
    if wanted.top:
        into.add("top")
    if wanted.schedule is not None:
        into.add("schedule", *wanted.schedule)
    for attribute in wanted.attributes:
        into.add(_COMPARE[attribute.operator], attribute.name, attribute.value)
    if wanted.text is not None:
        _add_text(into, wanted.text, workflows)
    return into


def _add_text(into: RunConditions, text: str, workflows: list[str]) -> None:
    ids = ids_beginning(text) or (None, None)
    if workflows:
        into.add("text_or_workflow", text, *ids, workflows)
    else:
        into.add("text", text, *ids)
