"""The metrics of one function, with their label lookups done once."""

from visapi_common.contracts.engine_messages import Outcome
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import exemplar_of

DROPPED = "dropped"


class FunctionMeter:
    """Counts and times the tasks of one function."""

    def __init__(self, metrics: Metrics, function: str, slots: int) -> None:
        outcomes = [*(outcome.value for outcome in Outcome), DROPPED]
        self._ended = {
            outcome: (
                metrics.worker_tasks.labels(function=function, outcome=outcome),
                metrics.worker_task_seconds.labels(function=function, outcome=outcome),
            )
            for outcome in outcomes
        }
        self._unreadable = metrics.messages_unreadable.labels("task")
        self._wait = metrics.worker_wait_seconds.labels(function=function)
        metrics.worker_slots.labels(function=function).set(slots)
        self._in_flight = metrics.worker_in_flight.labels(function=function)
        self._redelivered = metrics.worker_redeliveries.labels(function=function)

    def unreadable(self) -> None:
        self._unreadable.inc()

    def began(self, *, waited_s: float, redelivered: bool) -> None:
        """`waited_s` is the time since the task was stored in its stream."""
        self._in_flight.inc()
        if redelivered:
            self._redelivered.inc()
        else:
            self._wait.observe(waited_s)

    def ended(self, outcome: str, seconds: float, trace: str | None) -> None:
        """`outcome` is an `Outcome` or `DROPPED` (no result was due or possible), `trace` the task's."""
        self._in_flight.dec()
        count, time = self._ended[outcome]
        count.inc()
        time.observe(seconds, exemplar_of(trace))
