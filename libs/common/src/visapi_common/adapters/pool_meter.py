"""Measures a process's use of PostgreSQL: statements by name, connections, and waits for one."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from visapi_common.adapters.pool import Connection, Pool, Pooler, Row, Urls, open_pool
from visapi_common.telemetry.catalogue import Metrics

_SYSTEM = "postgresql"
_MARK = "-- "
_UNNAMED = "other"
"""The driver's own statements, which no file of ours names."""
_CONNECT = "connect"
"""A connection that could not be had. No statement fails while PostgreSQL is away, because none is sent."""


class Statement(Protocol):
    """One statement as asyncpg reports it after its end."""

    query: str
    elapsed: float
    exception: BaseException | None


def _as_opened(pool: Pool) -> Pool:
    return pool


async def open_metered_pool(  # noqa: PLR0913 (as `open_pool`, and what it is counted in)
    url: Urls,
    *,
    size: int,
    application: str,
    metrics: Metrics,
    session: Mapping[str, str] | None = None,
    shared_by: Callable[[Pool], Pool] = _as_opened,
    pooler: Pooler = "none",
) -> Pool:
    """`open_pool`, counted. `shared_by` may put a queue before the connections; its waits count too."""
    meter = StatementMeter(metrics)
    pool = await open_pool(
        url,
        size=size,
        application=application,
        session=session,
        on_statement=meter.seen,
        pooler=pooler,
    )
    counted: Any = pool
    metrics.pool_connections.labels(application, "used").set_function(
        lambda: counted.get_size() - counted.get_idle_size()
    )
    metrics.pool_connections.labels(application, "idle").set_function(counted.get_idle_size)
    metrics.pool_connections_max.labels(application).set(size)
    return MeteredPool(shared_by(pool), metrics, application)


class StatementMeter:
    """Times the statements of a process by the names of their SQL blocks."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.statement_seconds
        self._children: dict[tuple[str, str], Any] = {}

    def seen(self, statement: Statement) -> None:
        """Count a statement that has ended."""
        key = (name_of(statement.query), error_of(statement.exception))
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(_SYSTEM, *key)
        child.observe(statement.elapsed)


def name_of(query: str) -> str:
    """The name in the first line of a block: `-- claim_due_timers`."""
    first = query[: query.find("\n")] if "\n" in query else ""
    return first.removeprefix(_MARK) if first.startswith(_MARK) else _UNNAMED


def error_of(error: BaseException | None) -> str:
    """The SQLSTATE of a failed statement, `none` for one that succeeded, `other` for every other failure."""
    if error is None:
        return "none"
    return str(getattr(error, "sqlstate", None) or "other")


class MeteredPool:
    """A pool that measures the wait for a connection and counts the callers that get none."""

    def __init__(self, pool: Pool, metrics: Metrics, name: str) -> None:
        self._pool = pool
        self._seconds = metrics.statement_seconds
        self._wait = metrics.pool_wait_seconds.labels(name)

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Connection]:
        return self._acquire(timeout)

    @asynccontextmanager
    async def _acquire(self, timeout: float | None) -> AsyncGenerator[Connection]:
        began = time.perf_counter()
        async with AsyncExitStack() as held:
            try:
                connection = await held.enter_async_context(self._pool.acquire(timeout=timeout))
            except Exception as error:
                refused = self._seconds.labels(_SYSTEM, _CONNECT, error_of(error))
                refused.observe(time.perf_counter() - began)
                raise
            self._wait.observe(time.perf_counter() - began)
            yield connection

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        async with self._acquire(None) as connection:
            return await connection.execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Row]:
        async with self._acquire(None) as connection:
            return await connection.fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Row | None:
        async with self._acquire(None) as connection:
            return await connection.fetchrow(query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any:
        async with self._acquire(None) as connection:
            return await connection.fetchval(query, *args, timeout=timeout)

    async def close(self) -> None:
        await self._pool.close()

    def terminate(self) -> None:
        self._pool.terminate()
