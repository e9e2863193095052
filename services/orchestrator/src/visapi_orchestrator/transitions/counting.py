"""Metrics of the steps that one batch has written."""

from collections import Counter
from collections.abc import Iterable, Sequence

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.machine.commands import RefuseEvent
from visapi_orchestrator.transitions.rules.growth import grows_long
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step


def count_steps(metrics: Metrics, steps: Iterable[Step], *, history_max: int) -> None:
    """Metrics of a batch, added up first: an increment costs a lock. Warns of runs that grow too long."""
    statuses: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    timers = 0
    for step in steps:
        statuses[step.answer.status] += 1
        outcomes.update(result.outcome for result in step.messages.results)
        timers += len(step.messages.timers)
        if step.related is not None and step.related.refuse:
            _report_refused(metrics, step.snapshot, step.related.refuse)
        if grows_long(step.snapshot.seq, step.answer.seq, history_max):
            metrics.histories_long.inc()
            get_logger("transitions").warning(
                "history_long", run=str(step.snapshot.run), items=step.answer.seq, most=history_max
            )
    for status, count in statuses.items():
        metrics.transitions.labels(status).inc(count)
    for outcome, count in outcomes.items():
        metrics.results_received.labels(outcome).inc(count)
    metrics.timers_fired.inc(timers)


def _report_refused(metrics: Metrics, listener: RunSnapshot, refused: Sequence[RefuseEvent]) -> None:
    metrics.events_uncollected.labels("refused").inc(len(refused))
    get_logger("transitions").warning(
        "events_refused",
        tenant=listener.tenant,
        workflow=f"{listener.workflow.namespace}/{listener.workflow.name}",
        events=len(refused),
        detail=refused[0].reason,
    )
