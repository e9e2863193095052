"""The bare flow: trigger, three tasks, three results, over the same PostgreSQL and NATS, and nothing else.

One process is orchestrator and worker at once. No HTTP, keys, engine, history, retries or timers:
a bound for `3-step workflows`, not a product.
"""

import asyncio
import time
from uuid import UUID, uuid4

import asyncpg
import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig

_STEPS = 3
_BATCH = 256
_ADVANCE = """
update bench_runs r set step = b.step, body = b.body from
(select unnest($1::uuid[]) as id, unnest($2::int[]) as step, unnest($3::bytea[]) as body) b
where r.id = b.id and r.step = b.step - 1 returning r.id
"""


class _Note(msgspec.Struct):
    run: UUID
    step: int
    body: str


_decode = msgspec.json.Decoder(_Note).decode
_encode = msgspec.json.Encoder().encode


async def bare_flow(pg_url: str, nats_url: str, *, workflows: int = 4000) -> float:
    """Workflows of three steps per second, all of them queued at the start."""
    pool = await asyncpg.create_pool(pg_url, min_size=1, max_size=1)
    connection = await nats.connect(nats_url, user_credentials=None, pending_size=32 * 1024 * 1024)
    stream = connection.jetstream()
    await _prepare(pool, stream)
    runs = [uuid4() for _ in range(workflows)]
    await pool.execute("insert into bench_runs select unnest($1::uuid[]), -1, ''", runs)
    for run in runs:
        await connection.publish("bench.engine", _encode(_Note(run, 0, "x" * 200)))
    await connection.flush()
    began = time.perf_counter()
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        worker = group.create_task(_work(connection, stream))
        await _orchestrate(pool, connection, stream, workflows)
        worker.cancel()
    elapsed = time.perf_counter() - began
    for name in ("BENCH_ENGINE", "BENCH_TASKS"):
        await stream.delete_stream(name)
    await connection.close()
    await pool.close()
    return workflows / elapsed


async def _prepare(pool: asyncpg.Pool, stream: JetStreamContext) -> None:
    await pool.execute(
        "drop table if exists bench_runs; create table bench_runs (id uuid primary key, step int, body bytea)"
    )
    for name, subject in (("BENCH_ENGINE", "bench.engine"), ("BENCH_TASKS", "bench.tasks")):
        await stream.add_stream(
            StreamConfig(
                name=name,
                subjects=[subject],
                storage=StorageType.MEMORY,
                retention=RetentionPolicy.WORK_QUEUE,
            )
        )
        await stream.add_consumer(
            name, ConsumerConfig(durable_name="bench", ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000)
        )


async def _fetch(puller: JetStreamContext.PullSubscription) -> list[Msg]:
    while True:
        try:
            return await puller.fetch(_BATCH, timeout=1)
        except (NatsTimeoutError, TimeoutError):
            continue


async def _orchestrate(
    pool: asyncpg.Pool, connection: Client, stream: JetStreamContext, workflows: int
) -> None:
    puller = await stream.pull_subscribe_bind("bench", stream="BENCH_ENGINE")
    ended = 0
    while ended < workflows:
        messages = await _fetch(puller)
        notes = [_decode(message.data) for message in messages]
        await pool.fetch(
            _ADVANCE,
            [note.run for note in notes],
            [note.step for note in notes],
            [message.data for message in messages],
        )
        for note, message in zip(notes, messages, strict=True):
            if note.step < _STEPS:
                await connection.publish("bench.tasks", _encode(_Note(note.run, note.step, note.body)))
            else:
                ended += 1
            await message.ack()


async def _work(connection: Client, stream: JetStreamContext) -> None:
    puller = await stream.pull_subscribe_bind("bench", stream="BENCH_TASKS")
    while True:
        for message in await _fetch(puller):
            note = _decode(message.data)
            await connection.publish("bench.engine", _encode(_Note(note.run, note.step + 1, note.body)))
            await message.ack()
