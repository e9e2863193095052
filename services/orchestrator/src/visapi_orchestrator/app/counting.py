"""Metrics of the steps that one batch has written."""

from collections import Counter
from collections.abc import Iterable

from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.core.plan import Step


def count_steps(metrics: Metrics, steps: Iterable[Step]) -> None:
    """Metrics of a batch, added up first: an increment costs a lock."""
    statuses: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    timers = 0
    for step in steps:
        statuses[step.answer.status] += 1
        outcomes.update(result.outcome for result in step.said.results)
        timers += len(step.said.timers)
    for status, count in statuses.items():
        metrics.transitions.labels(status).inc(count)
    for outcome, count in outcomes.items():
        metrics.results_received.labels(outcome).inc(count)
    metrics.timers_fired.inc(timers)
