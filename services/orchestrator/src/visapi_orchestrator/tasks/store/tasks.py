"""Rows of open tasks: sweeps, heartbeats, claims."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Claim, OnUncertain, TaskMessage
from visapi_orchestrator.tasks.releases import Decide
from visapi_orchestrator.transitions.rules.open_tasks import Attempt, StoredTask

_SQL = load_queries("visapi_orchestrator.tasks.store", "tasks.sql")
_decode = msgspec.json.Decoder(TaskMessage).decode


class PostgresTasks:
    """See `tasks.sweep.OpenTasks`, `tasks.releases.HeldTasks`, `tasks.heartbeats.HeartbeatTasks`,
    `tasks.claims.ClaimedTasks`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def overdue_functions(self) -> list[tuple[str, str]]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["overdue_functions"])
        return [(row["tenant"], row["function"]) for row in rows]

    async def claim_lost(
        self, limit: int, tenant: str, function: str, sent_before: datetime | None
    ) -> list[StoredTask]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["claim_tasks"], limit, tenant, function, sent_before)
        return [_stored(row) for row in rows]

    async def postpone(self, limit: int, tenant: str, function: str) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["postpone_tasks"], limit, tenant, function)

    async def held_functions(self) -> list[str]:
        """Functions with held tasks."""
        with pg_faults():
            return [row["function"] for row in await self._pool.fetch(_SQL["held_functions"])]

    async def held_tenants(self, function: str, most: int) -> dict[str, int]:
        """The tenants whose tasks are held back, each with their number, up to `most`."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["held_tenants"], function, most)
        return {row["tenant"]: row["waiting"] for row in rows}

    async def open_tasks(self, functions: Sequence[str], most: int) -> dict[str, int]:
        """How many tasks of each shared function have no result yet, held and sent ones up to `most` each."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["open_tasks"], list(functions), most)
        return {row["function"]: row["open"] for row in rows}

    async def release(self, function: str, shares: Mapping[str, int]) -> list[StoredTask]:
        """Release held tasks, so many of each tenant; from now on the sweep covers them."""
        with pg_faults():
            rows = await self._pool.fetch(
                _SQL["release_tasks"], function, list(shares), list(shares.values())
            )
        return [_stored(row) for row in rows]

    async def release_alone(self, function: str, most: int, decide: Decide) -> list[StoredTask] | None:
        """See `tasks.releases.HeldTasks`. The counts are statements of their own, after the lock: they see
        what its last holder has released.
        """
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(_SQL["lock_releases"], function):
                    return None
                held = await connection.fetch(_SQL["held_tenants"], function, most)
                if not held:
                    return []
                sent = await connection.fetch(_SQL["sent_tenants"], function)
                shares = decide(
                    {row["tenant"]: row["waiting"] for row in held},
                    {row["tenant"]: row["sent"] for row in sent},
                )
                if not shares:
                    return []
                rows = await connection.fetch(
                    _SQL["release_tasks"], function, list(shares), list(shares.values())
                )
        return [_stored(row) for row in rows]

    async def beat(self, attempts: Collection[Attempt]) -> None:
        """Record heartbeats of these tasks."""
        columns = [list(column) for column in zip(*attempts, strict=True)]
        with pg_faults():
            await self._pool.execute(_SQL["beat"], *columns)

    async def claim(self, claims: Sequence[tuple[str, Claim]]) -> dict[tuple[str, Attempt], str]:
        """Start queued tasks; return the worker that holds each attempt now. Committed when this returns."""
        columns = (
            [claim.run for _, claim in claims],
            [claim.path for _, claim in claims],
            [claim.attempt for _, claim in claims],
            [owner for owner, _ in claims],
            list(subjects.BUILTIN_FAMILIES),
        )
        workers = [claim.worker for _, claim in claims]
        with pg_faults(effect=True):
            await self._pool.execute(_SQL["claim_once"], *columns, workers, [])
            rows = await self._pool.fetch(_SQL["holders"], *columns)
            repeated = [row["effect_key"] for row in rows if _is_repeated(row["refused"])]
            if repeated:
                await self._pool.execute(_SQL["claim_once"], *columns, workers, repeated)
                rows = await self._pool.fetch(_SQL["holders"], *columns)
        return {
            (row["owner"], (row["run"], row["path"], row["attempt"])): row["claimed_by"] or "" for row in rows
        }


def _trace(message: bytes) -> str | None:
    """The trace of a message; None also when the message cannot be read: its worker reports that."""
    try:
        return _decode(message).trace
    except (ValueError, RecursionError):
        return None


def _is_repeated(refused: bytes | None) -> bool:
    """Whether a task asks to repeat an effect that may have happened (`onUncertain: retry`)."""
    if refused is None:
        return False
    try:
        return _decode(refused).on_uncertain is OnUncertain.RETRY
    except (ValueError, RecursionError):
        return False


def _stored(row: Row) -> StoredTask:
    return StoredTask(
        run=row["run"],
        path=row["path"],
        attempt=row["attempt"],
        send=row["sweeps"],
        token=row["token"],
        effect_key=row["effect_key"],
        body=row["message"],
        trace=_trace(row["message"]),
    )
