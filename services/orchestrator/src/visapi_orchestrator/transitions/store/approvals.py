"""Questions to people in PostgreSQL, within the transition's transaction (`sql/approvals.sql`)."""

from uuid import UUID

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.transitions.rules.write_set import WriteSet

_SQL = load_queries("visapi_orchestrator.transitions.store", "approvals.sql")


async def unheard(connection: Connection, rows: WriteSet) -> frozenset[UUID]:
    """The runs that close or reopen a question on which somebody has decided, and do not know it yet.

    From here on nobody decides on the questions of these rows, so that the first decision counts
    whatever else has happened in the same moment: a deadline, a timeout, the end of the run.
    """
    asked, closed = rows.asked, rows.answered
    await connection.execute(_SQL["lock"], [*closed.tenant, *asked.tenant], [*closed.id, *asked.id])
    found = await connection.fetch(_SQL["unheard"], rows.unheard.run, rows.unheard.key)
    return frozenset(row["run"] for row in found)


async def write(connection: Connection, rows: WriteSet, done: list[UUID]) -> None:
    """Ask and close; only for the runs that the transaction has updated."""
    asked, answered = rows.asked, rows.answered
    await connection.execute(
        _SQL["write_approvals"],
        done,
        answered.run,
        answered.tenant,
        answered.id,
        answered.state,
        answered.decision,
        answered.comment,
        answered.decided_by,
        answered.at_ms,
        asked.run,
        asked.tenant,
        asked.id,
        asked.path,
        asked.workflow,
        asked.task,
        asked.shown,
        asked.approvers,
        asked.keys,
        asked.asked_ms,
        asked.expires_ms,
    )
