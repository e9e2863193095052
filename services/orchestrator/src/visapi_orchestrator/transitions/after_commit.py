"""Signals after a commit: to the loops that wait for timers, events, history and runs that may begin."""

from collections.abc import Iterable

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.transitions.dependencies import TransitionDependencies
from visapi_orchestrator.transitions.rules.child_limits import ChildVerdict
from visapi_orchestrator.transitions.rules.flow import FlowDecision
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.rules.write_set import WriteSet


def announce_commit(dependencies: TransitionDependencies, rows: WriteSet, verdict: FlowDecision) -> None:
    """Signal what was written."""
    if rows.new_timers:
        dependencies.timer_set(min(timer.fire_at_ms for timer in rows.new_timers))
    if verdict.alarm_ms is not None:
        dependencies.timer_set(verdict.alarm_ms)
    if rows.emitted_events:
        dependencies.emitted()
    if rows.history:
        dependencies.history_written()
    if verdict.awake:
        dependencies.woken(list(verdict.awake))


def report_skipped_children(metrics: Metrics, steps: Iterable[Step], child_verdict: ChildVerdict) -> None:
    """Count and log child runs that may not start."""
    metrics.family_refusals.labels("task").inc(len(child_verdict.limited))
    metrics.family_refusals.labels("event").inc(len(child_verdict.skipped))
    if not child_verdict.skipped:
        return
    get_logger("transitions").warning("events_start_nothing", runs=len(child_verdict.skipped))
    for step in steps:
        if step.related is not None:
            step.related.children = [
                child for child in step.related.children if child.id not in child_verdict.skipped
            ]
