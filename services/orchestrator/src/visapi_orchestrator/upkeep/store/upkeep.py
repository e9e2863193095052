"""Functions, stream incarnations, programs and old rows, in PostgreSQL."""

from collections.abc import Sequence

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_orchestrator.transitions.rules.open_tasks import Announced

_UPKEEP = load_queries("visapi_orchestrator.upkeep.store", "upkeep.sql")
_TASKS = load_queries("visapi_orchestrator.tasks.store", "tasks.sql")
_APPROVALS = load_queries("visapi_orchestrator.transitions.relations", "approvals.sql")
_EVENTS = load_queries("visapi_orchestrator.events.store", "events.sql")
_encode = msgspec.json.Encoder().encode


class PostgresEndedKeys:
    """API keys that were revoked or expired more than `days` ago; see `upkeep.tidying.Sweepable`."""

    def __init__(self, pool: Pool, days: int) -> None:
        self._pool = pool
        self._days = days

    async def sweep(self, limit: int) -> int:
        """Delete at most `limit` of them; return the number."""
        with pg_faults():
            status = await self._pool.execute(_UPKEEP["sweep_keys"], self._days, limit)
        return int(status.rpartition(" ")[2])


class PostgresUpkeep:
    """See `tasks.registry.FunctionRows` and `upkeep.tidying.AgingRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, owner: str, functions: Sequence[FunctionSpec]) -> None:
        """Store announced functions; the newest announcement of a version wins."""
        newest = {(function.name, function.version): function for function in functions}
        with pg_faults():
            await self._pool.execute(
                _UPKEEP["register_functions"],
                owner,
                [name for name, _ in newest],
                [version for _, version in newest],
                [_encode(function) for function in newest.values()],
            )
            await self._pool.execute(_UPKEEP["forget_versions"], owner)

    async def names(self, owner: str) -> set[str]:
        """The functions of an owner."""
        with pg_faults():
            return {row["name"] for row in await self._pool.fetch(_UPKEEP["names"], owner)}

    async def functions(self) -> list[Announced]:
        with pg_faults():
            rows = await self._pool.fetch(_UPKEEP["list_functions"])
        return [Announced(row["owner"], row["name"], row["version"], row["spec"]) for row in rows]

    async def is_tenant(self, name: str) -> bool:
        with pg_faults():
            return bool(await self._pool.fetchval(_UPKEEP["is_tenant"], name))

    async def see_stream(self, name: str, incarnation: str) -> str | None:
        """Remember a stream's incarnation; the one before, None at first sight."""
        with pg_faults():
            return await self._pool.fetchval(_UPKEEP["see_stream"], name, incarnation)

    async def expose_tasks(self) -> None:
        with pg_faults():
            await self._pool.execute(_TASKS["expose_tasks"])

    async def program(self, digest: str) -> bytes:
        """A compiled program by its SHA-256 in hex.

        Empty when there is none: the engine refuses an empty program, which faults the runs that name it and
        no others.
        """
        with pg_faults():
            return await self._pool.fetchval(_UPKEEP["program"], digest) or b""

    async def sweep_idempotency(self, limit: int) -> int:
        """Delete keys older than 7 days; return the number."""
        with pg_faults():
            status = await self._pool.execute(_UPKEEP["sweep_idempotency"], limit)
        return int(status.rpartition(" ")[2])

    async def sweep_events(self, limit: int) -> int:
        """Delete events older than 7 days; return the number."""
        with pg_faults():
            status = await self._pool.execute(_EVENTS["sweep_events"], limit)
        return int(status.rpartition(" ")[2])

    async def sweep_approvals(self, limit: int) -> int:
        """Delete approvals closed over 30 days ago; return the number."""
        with pg_faults():
            status = await self._pool.execute(_APPROVALS["sweep_approvals"], limit)
        return int(status.rpartition(" ")[2])
