"""Reports how many tasks of each shared function are open: what autoscaling of their workers reads.

The stream in front of the workers is a short window (`tasks.releases`); what waits behind it stands in the
ledger only. Every orchestrator counts and reports the same number.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_engine.compile.functions import WORKER_FUNCTIONS

COUNTED_MAX: Final = 50_000
"""Tasks of a function are counted up to here, held back and sent ones each."""
_EVERY_S: Final = 5.0
_COUNT_SHARE: Final = 50
"""Counting takes at most this part of the time."""


class CountedTasks(Protocol):
    """The rows of open tasks."""

    async def open_tasks(self, functions: Sequence[str], most: int) -> dict[str, int]: ...


async def report_backlog(
    rows: CountedTasks, metrics: Metrics, isolation: Isolation, monotonic: Callable[[], float]
) -> None:
    """Count every few seconds, until cancelled."""
    while True:
        began = monotonic()
        try:
            for function, number in (await rows.open_tasks(WORKER_FUNCTIONS, COUNTED_MAX)).items():
                metrics.tasks_open.labels(function).set(number)
        except Fault as fault:
            isolation.note(fault)
        await asyncio.sleep(max(_EVERY_S, (monotonic() - began) * _COUNT_SHARE))
