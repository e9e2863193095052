"""Reports what waits in the ledger and in the streams, and how large the database is.

Alerts and dashboards read these levels: counters alone cannot tell an idle system from one that is stuck.
Every orchestrator reports the same numbers.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from visapi_common.adapters.topology import StreamView
from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_engine.compile.functions import WORKER_FUNCTIONS

COUNTED_MAX: Final = 50_000
"""Rows of a queue are counted up to here, held back and sent tasks of a function each."""
LETTERS: Final = (
    "uncertain", "poison", "engine-killed", "webhook",
    "message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "lifecycle",
)  # fmt: skip
"""What open dead letters are about: the reason of one about a task, else its kind."""
LETTERS_COUNTED_MAX: Final = 20_000
"""Open dead letters of a kind are counted up to here."""
_EVERY_S: Final = 5.0
_COUNT_SHARE: Final = 50
"""Counting takes at most this part of the time."""
_PAUSE_MAX_S: Final = 30.0
"""But levels are never older than this while the stores answer: a process that was stopped while it counted,
or waited for PostgreSQL, would else show for half an hour what waited then.
"""


class QueueLevel(msgspec.Struct, frozen=True):
    """One queue of the ledger: rows that wait, and the seconds that its first row has waited."""

    queue: str
    waiting: int
    oldest_s: float


class StoreLevel(msgspec.Struct, frozen=True):
    """Bytes of the database, and of everything that was ever written to its write-ahead log."""

    database_bytes: int
    wal_bytes: int


class LedgerLevels(Protocol):
    """The rows that wait."""

    async def queues(self, most: int) -> Sequence[QueueLevel]: ...
    async def dead_letters(self, kinds: Sequence[str], most: int) -> Sequence[QueueLevel]: ...
    async def erasures(self) -> QueueLevel: ...
    async def store(self) -> StoreLevel: ...


class CountedTasks(Protocol):
    """The rows of open tasks. What waits behind the short window of a stream stands in the ledger only, so
    that autoscaling of workers reads these levels.
    """

    async def open_tasks(self, functions: Sequence[str], most: int) -> dict[str, int]: ...


class StreamLevels(Protocol):
    """The streams as they are on the server."""

    async def view(self) -> Sequence[StreamView]: ...


async def report_levels(
    *,
    ledger: LedgerLevels,
    tasks: CountedTasks,
    streams: StreamLevels,
    metrics: Metrics,
    isolation: Isolation,
    monotonic: Callable[[], float],
) -> None:
    """Report every few seconds, until cancelled. A store that is away keeps its last levels."""
    while True:
        began, answered = monotonic(), True
        for report in (
            partial(_report_ledger, ledger),
            partial(_report_tasks, tasks),
            partial(_report_streams, streams),
        ):
            try:
                await report(metrics)
            except Fault as fault:
                isolation.note(fault)
                answered = False
        await asyncio.sleep(pause_s(monotonic() - began if answered else 0.0))


def pause_s(counting_s: float) -> float:
    """Seconds until the levels are read again, after a reading that took `counting_s`."""
    return min(_PAUSE_MAX_S, max(_EVERY_S, counting_s * _COUNT_SHARE))


async def _report_ledger(ledger: LedgerLevels, metrics: Metrics) -> None:
    for level in await ledger.queues(COUNTED_MAX):
        metrics.ledger_waiting.labels(level.queue).set(level.waiting)
        metrics.ledger_oldest_seconds.labels(level.queue).set(level.oldest_s)
    for level in await ledger.dead_letters(LETTERS, LETTERS_COUNTED_MAX):
        metrics.dead_letters_open.labels(level.queue).set(level.waiting)
        metrics.dead_letters_oldest_seconds.labels(level.queue).set(level.oldest_s)
    erasures = await ledger.erasures()
    metrics.tenant_erasures_unfinished.set(erasures.waiting)
    metrics.tenant_erasures_oldest_seconds.set(erasures.oldest_s)
    store = await ledger.store()
    metrics.database_bytes.set(store.database_bytes)
    metrics.wal_position_bytes.set(store.wal_bytes)


async def _report_tasks(tasks: CountedTasks, metrics: Metrics) -> None:
    for function, number in (await tasks.open_tasks(WORKER_FUNCTIONS, COUNTED_MAX)).items():
        metrics.tasks_open.labels(function).set(number)


async def _report_streams(streams: StreamLevels, metrics: Metrics) -> None:
    for stream in await streams.view():
        metrics.stream_messages.labels(stream.name).set(stream.messages)
        metrics.stream_bytes.labels(stream.name).set(stream.bytes)
