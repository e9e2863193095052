"""What was counted of a tenant's use, beside what its rows say: the two never differ, whatever died meanwhile."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

NUMBERS = (
    "accepted",
    "retried",
    "completed",
    "faulted",
    "cancelled",
    "tasks",
    "deliveries",
    "artifact_bytes",
)
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in NUMBERS)
_COLUMNS = ", ".join(NUMBERS)


class Database(Protocol):
    """A connection, or a pool of connections, that sees all tenants."""

    async def fetchrow(self, query: str, *args: object) -> Any: ...


async def counted(database: Database, tenant: str) -> dict[str, int]:
    """The sums over all days and workflows."""
    row = await database.fetchrow(
        f"select {_SUMS} from (select tenant, {_COLUMNS} from visapi.usage_days"
        f" union all select tenant, {_COLUMNS} from visapi.usage_deltas) as u where tenant = $1",
        tenant,
    )
    return dict(row)


async def present(database: Database, tenant: str) -> dict[str, int]:
    """The runs that are there. Listeners of schedules are no runs of anybody."""
    row = await database.fetchrow(
        "select (select count(*) from visapi.runs where tenant = $1 and not quiet) as open,"
        " (select count(*) from visapi.runs_done where tenant = $1 and not quiet) as ended",
        tenant,
    )
    return dict(row)


def drift(counts: Mapping[str, int], runs: Mapping[str, int]) -> Sequence[str]:
    """What does not agree, as sentences. No run may have been deleted for its age."""
    ends = counts["completed"] + counts["faulted"] + counts["cancelled"] - counts["retried"]
    found: list[str] = []
    if counts["accepted"] != runs["open"] + runs["ended"]:
        found.append(
            f"{counts['accepted']} runs are counted as accepted, {runs['open'] + runs['ended']} are there"
        )
    if ends != runs["ended"]:
        found.append(f"{ends} runs are counted as ended, {runs['ended']} have ended")
    return found
