"""The limits of PostgreSQL here: single-row commits, and rows in batches of 64."""

import asyncio
import time

import asyncpg

_TABLE = "create table if not exists bench_probe (id bigint generated always as identity, body bytea)"
_BODY = b"x" * 1024


async def single_row_commits(url: str, *, seconds: float = 2.0, connections: int = 4) -> float:
    """Durable commits of one 1 KB row per second over `connections` connections."""
    pool = await asyncpg.create_pool(url, min_size=connections, max_size=connections)
    await _prepare(pool)
    done, end = 0, time.perf_counter() + seconds

    async def commit() -> None:
        nonlocal done
        async with pool.acquire() as connection:
            while time.perf_counter() < end:
                await connection.execute("insert into bench_probe (body) values ($1)", _BODY)
                done += 1

    async with asyncio.timeout(seconds + 20), asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(commit())
    await pool.close()
    return done / seconds


async def batched_rows(url: str, *, seconds: float = 2.0, rows: int = 64) -> float:
    """Rows of 1 KB per second on one connection, `rows` in each durable transaction."""
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
    await _prepare(pool)
    bodies, done, end = [_BODY] * rows, 0, time.perf_counter() + seconds
    async with pool.acquire() as connection:
        while time.perf_counter() < end:
            await connection.execute("insert into bench_probe (body) select unnest($1::bytea[])", bodies)
            done += rows
    await pool.close()
    return done / seconds


async def _prepare(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute(_TABLE)
        await connection.execute("truncate bench_probe")
