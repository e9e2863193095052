"""What a commit means for what comes next: whoever waits for timers, events, histories or room is told."""

from visapi_orchestrator.app.tools import Tools
from visapi_orchestrator.core.flow import Verdict
from visapi_orchestrator.core.write_set import WriteSet


def heed(tools: Tools, rows: WriteSet, verdict: Verdict) -> None:
    """Pass on what was written."""
    if rows.new_timers.fire_at_ms:
        tools.timer_set(min(rows.new_timers.fire_at_ms))
    if verdict.alarm_ms is not None:
        tools.timer_set(verdict.alarm_ms)
    if rows.emitted.run:
        tools.emitted()
    if rows.history.run:
        tools.told()
    if verdict.awake:
        tools.woken(list(verdict.awake))
