"""Families of runs in PostgreSQL (`sql/families.sql`)."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxBody
from visapi_orchestrator.transitions.rules.child_limits import Allotment, ChildVerdict, FamilyRoom
from visapi_orchestrator.transitions.rules.write_set import WriteSet

_SQL = load_queries("visapi_orchestrator.transitions.store", "families.sql")
_CANCEL = msgspec.json.encode(
    InboxBody(actor="family", reason="the run from which it descends was cancelled")
)


async def admit(connection: Connection, rows: WriteSet, open_max: int) -> ChildVerdict:
    """Decide under the families' locks which child runs may start. Refused rows leave `rows`."""
    children, cancelled = rows.children, rows.cancelled_roots
    families = {child.root: child.tenant for child in children if child.root is not None}
    if families or cancelled:
        await connection.execute(_SQL["lock_families"], list(families), list(families.values()), cancelled)
    if not children:
        return ChildVerdict()
    asked = sorted({(child.root, child.tenant) for child in children}, key=str)
    found = await connection.fetch(
        _SQL["rooms"], [root for root, _ in asked], [tenant for _, tenant in asked], open_max
    )
    rooms = {
        (row["root"], row["tenant"]): FamilyRoom(
            row["cancelled"], row["open"], row["tenant_room"], row["tenant_max"] or 0
        )
        for row in found
    }
    child_verdict = Allotment(rooms, open_max).decide(children)
    if child_verdict.cancelled_parents:
        await connection.execute(_SQL["cancel_parents"], sorted(child_verdict.cancelled_parents), _CANCEL)
    if child_verdict.skipped:
        rows.children = [child for child in children if child.id not in child_verdict.skipped]
    if child_verdict.refused:
        rows.drop(child_verdict.refused)
    return child_verdict


async def cancel(connection: Connection, roots: Collection[UUID]) -> None:
    """Mark the families of these roots as cancelled; `admit` has locked them."""
    await connection.execute(_SQL["cancel_families"], list(roots))


class PostgresFamilies:
    """See `upkeep.family_sweep.FamilyRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def cancel_descendants(self, limit: int) -> list[UUID]:
        with pg_faults():
            return [row["run"] for row in await self._pool.fetch(_SQL["cancel_descendants"], limit, _CANCEL)]

    async def settle(self) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["settle"])

    async def retire(self, after: UUID, limit: int) -> UUID | None:
        with pg_faults():
            return await self._pool.fetchval(_SQL["retire"], after, limit)

    async def tally(self, open_max: int) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["tally"], open_max)
