"""Isolation of failing items in loops over the work of many (ARCHITECTURE.md, What never happens).

A batch is tried as a whole. When it fails because of its contents, its halves are tried, down to single
items; an item that fails alone is quarantined, and the others continue. A transient or operator failure says
nothing about the items: they are left for the next round, and an operator failure is counted for an alert. A
background loop that ends with an error is restarted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from visapi_common.core.errors import OperatorFault
from visapi_common.core.failures import OPERATOR_FAULT_KINDS, failure_kind, failure_text, operator_fault_kind
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger

T = TypeVar("T")

_AGAIN_FIRST_S = 0.1
_AGAIN_MAX_S = 10.0

Work = Callable[[Sequence[T]], Awaitable[None]]
"""Processes a batch, either atomically or so that repeated items are harmless."""
Quarantine = Callable[[T, Exception], Awaitable[None]]
"""Quarantines one item: records a dead letter and removes the item from further batches."""


@dataclass
class BatchOutcome(Generic[T]):
    """The result of a batch; `fault` is the reason why `left` is left for the next round."""

    done: list[T] = field(default_factory=list[T])
    quarantined: list[T] = field(default_factory=list[T])
    left: list[T] = field(default_factory=list[T])
    fault: Exception | None = None


class Isolation:
    """The isolation of one loop; `loop` names it in metrics and logs."""

    def __init__(self, loop: str, metrics: Metrics) -> None:
        self._loop = loop
        self.metrics = metrics
        self._log = get_logger(loop)
        metrics.quarantined.labels(loop)
        begin_counting(loop, OPERATOR_FAULT_KINDS, metrics)

    async def each(self, items: Sequence[T], work: Work[T], quarantine: Quarantine[T]) -> BatchOutcome[T]:
        """Process `items`. Raises nothing but `CancelledError`."""
        result = BatchOutcome[T]()
        await self._some(items, work, quarantine, result)
        return result

    def quarantined(self, number: int) -> None:
        """Count items that the caller quarantines itself, many at a time."""
        self.metrics.quarantined.labels(self._loop).inc(number)

    def note(self, fault: Exception) -> None:
        """Report a failure that belongs to no item; an operator failure is counted for an alert."""
        if failure_kind(fault) == "operator":
            self.metrics.operator_faults.labels(self._loop, operator_fault_kind(fault)).inc()
            self._log.error("operator_needed", detail=failure_text(fault))
        else:
            self._log.warning("tried_again", detail=failure_text(fault))

    async def _some(
        self, items: Sequence[T], work: Work[T], quarantine: Quarantine[T], result: BatchOutcome[T]
    ) -> None:
        if not items:
            return
        if result.fault is not None:
            result.left.extend(items)
            return
        try:
            await work(items)
        except Exception as error:  # noqa: BLE001 (every failure is classified by one rule)
            if failure_kind(error) != "contents":
                self._leave(items, error, result)
            elif len(items) == 1:
                await self._set_aside(items[0], error, quarantine, result)
            else:
                half = len(items) // 2
                await self._some(items[:half], work, quarantine, result)
                await self._some(items[half:], work, quarantine, result)
        else:
            result.done.extend(items)

    async def _set_aside(
        self, item: T, error: Exception, quarantine: Quarantine[T], result: BatchOutcome[T]
    ) -> None:
        try:
            await quarantine(item, error)
        except Exception as failed:  # noqa: BLE001 (an item that cannot be quarantined does not stop the others)
            if failure_kind(failed) == "contents":
                self._log.error("not_quarantined", detail=failure_text(failed), because=failure_text(error))
                result.left.append(item)
            else:
                self._leave([item], failed, result)
        else:
            self.metrics.quarantined.labels(self._loop).inc()
            self._log.error("quarantined", detail=failure_text(error))
            result.quarantined.append(item)

    def _leave(self, items: Sequence[T], fault: Exception, result: BatchOutcome[T]) -> None:
        self.note(fault)
        result.fault = fault
        result.left.extend(items)


def begin_counting(loop: str, sorts: Sequence[str], metrics: Metrics) -> None:
    """Let the counters of operator failures exist at 0: Prometheus sees no increase in a series that begins
    with its first failure.
    """
    for sort in sorts:
        metrics.operator_faults.labels(loop, sort)


async def kept_alive(loop: str, begin: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run a background loop; restart it after a growing pause when an error ends it."""
    pause_s = _AGAIN_FIRST_S
    clock = asyncio.get_running_loop()
    # The series begin at 0: an increase counts the first restart, too.
    restarts = metrics.loop_restarts.labels(loop)
    begin_counting(loop, OPERATOR_FAULT_KINDS, metrics)
    while True:
        began = clock.time()
        try:
            return await begin()
        except Exception as error:  # noqa: BLE001 (an error of one loop ends no other)
            if isinstance(error, OperatorFault):
                metrics.operator_faults.labels(loop, error.sort).inc()
            restarts.inc()
            get_logger(loop).exception("loop_begun_again", detail=failure_text(error))
        pause_s = _AGAIN_FIRST_S if clock.time() - began > _AGAIN_MAX_S else min(_AGAIN_MAX_S, pause_s * 2)
        await asyncio.sleep(pause_s)
