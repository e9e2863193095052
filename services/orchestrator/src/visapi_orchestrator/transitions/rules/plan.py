"""From steps to the rows of one transaction. Pure; `relations/` plans the rows of each relation."""

from collections.abc import Iterable

from visapi_orchestrator.transitions.relations import (
    approvals,
    attributes,
    children,
    collections,
    dead_letters,
    emitted_events,
    history,
    inbox,
    recorded_inputs,
    runs,
    subscriptions,
    tasks,
    timers,
    usage,
)
from visapi_orchestrator.transitions.rules.flow import slot_release_of, slot_request_of
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.rules.write_set import WriteSet


def plan(steps: Iterable[Step], *, record: bool) -> WriteSet:
    """The rows of all steps. Sorted by run, so that two orchestrators lock rows in the same order."""
    rows = WriteSet()
    for step in sorted(steps, key=_by_run):
        if step.answer.ended:
            _plan_end(rows, step)
        else:
            _plan_live(rows, step)
        rows.history += history.history_rows(step)
        rows.stored_bytes += usage.stored_bytes(step)
        rows.attributes += attributes.attributes_rows(step)
        rows.dead_letters += dead_letters.new_dead_letters(step)
        if step.snapshot.inbox:
            rows.consumed_inbox += inbox.consumed_inbox(step)
            rows.resolved_letters += dead_letters.resolved_dead_letters(step)
        ask = slot_request_of(step.snapshot, step.answer)
        if ask is not None:
            rows.slot_requests.append(ask)
        if step.related is not None:
            _plan_related(rows, step.snapshot, step.related)
        if record:
            rows.recorded_inputs.append(recorded_inputs.recorded_input(step))
    return rows


def _by_run(step: Step) -> bytes:
    return step.snapshot.run.bytes


def _plan_live(rows: WriteSet, step: Step) -> None:
    rows.live.append(runs.live_run(step))
    if step.tasks:
        rows.new_tasks += tasks.new_tasks(step)
    if step.answer.commands:
        rows.removed_tasks += tasks.removed_tasks(step)
        rows.abandoned_tasks += tasks.abandoned_tasks(step)
        rows.new_timers += timers.new_timers(step)
    if step.answer.commands or step.messages.timers:
        rows.removed_timers += timers.removed_timers(step)


def _plan_end(rows: WriteSet, step: Step) -> None:
    rows.ended.append(runs.ended_run(step))
    rows.cancelled_tasks += tasks.cancelled_tasks(step)
    if runs.is_cancelled_root(step):
        rows.cancelled_roots.append(step.snapshot.run)
    leave = slot_release_of(step.snapshot, step.answer)
    if leave is not None:
        rows.slot_releases.append(leave)
    elif step.ended_by_us:
        rows.abandoned_runs.append(step.snapshot.run)


def _plan_related(rows: WriteSet, snapshot: RunSnapshot, related: RelatedWrites) -> None:
    rows.children += children.child_rows(snapshot, related)
    rows.inbox_writes += inbox.inbox_writes(snapshot, related)
    rows.subscriptions += subscriptions.subscription_rows(snapshot, related)
    rows.removed_subscriptions += subscriptions.removed_subscriptions(snapshot, related)
    rows.collections += collections.collection_rows(snapshot, related)
    rows.removed_collections += collections.removed_collections(snapshot, related)
    rows.refused_events += collections.refused_events(snapshot, related)
    rows.emitted_events += emitted_events.emitted_events(snapshot, related)
    rows.unread_decisions += approvals.unread_decisions(snapshot, related)
    rows.opened_approvals += approvals.opened_approvals(snapshot, related)
    rows.closed_approvals += approvals.closed_approvals(snapshot, related)
