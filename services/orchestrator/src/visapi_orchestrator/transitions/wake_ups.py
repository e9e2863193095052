"""What a commit means for what comes next: whoever waits for timers, events, histories or room is told."""

from collections.abc import Iterable

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.transitions.dependencies import Tools
from visapi_orchestrator.transitions.rules.flow import Verdict
from visapi_orchestrator.transitions.rules.kinship import Kin
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.rules.write_set import WriteSet


def heed(tools: Tools, rows: WriteSet, verdict: Verdict) -> None:
    """Pass on what was written."""
    if rows.new_timers:
        tools.timer_set(min(timer.fire_at_ms for timer in rows.new_timers))
    if verdict.alarm_ms is not None:
        tools.timer_set(verdict.alarm_ms)
    if rows.emitted_events:
        tools.emitted()
    if rows.history:
        tools.told()
    if verdict.awake:
        tools.woken(list(verdict.awake))


def leave_out(metrics: Metrics, steps: Iterable[Step], kin: Kin) -> None:
    """Take note of runs that may not be started."""
    metrics.family_refusals.labels("task").inc(len(kin.short))
    metrics.family_refusals.labels("event").inc(len(kin.left_out))
    if not kin.left_out:
        return
    get_logger("transitions").warning("events_start_nothing", runs=len(kin.left_out))
    for step in steps:
        if step.family is not None:
            step.family.children = [child for child in step.family.children if child.id not in kin.left_out]
