"""The metrics of one function, with their label lookups done once."""

from visapi_common.contracts.engine_messages import Outcome
from visapi_common.telemetry.catalogue import Metrics

DROPPED = "dropped"


class FunctionMeter:
    """Counts and times the tasks of one function."""

    def __init__(self, metrics: Metrics, function: str) -> None:
        outcomes = [*(outcome.value for outcome in Outcome), DROPPED]
        self._ended = {
            outcome: (
                metrics.worker_tasks.labels(function=function, outcome=outcome),
                metrics.worker_task_seconds.labels(function=function, outcome=outcome),
            )
            for outcome in outcomes
        }
        self._unreadable = metrics.messages_unreadable.labels("task")
        self._in_flight = metrics.worker_in_flight.labels(function=function)
        self._redelivered = metrics.worker_redeliveries.labels(function=function)

    def unreadable(self) -> None:
        self._unreadable.inc()

    def began(self, *, redelivered: bool) -> None:
        self._in_flight.inc()
        if redelivered:
            self._redelivered.inc()

    def ended(self, outcome: str, seconds: float) -> None:
        """`outcome` is an `Outcome` or `DROPPED` (no result was due or possible)."""
        self._in_flight.dec()
        count, time = self._ended[outcome]
        count.inc()
        time.observe(seconds)
