"""From steps to the rows of one transaction. Pure; `relations/` plans the rows of each relation."""

from collections.abc import Iterable

from visapi_orchestrator.transitions.relations import (
    approvals,
    attributes,
    children,
    dead_letters,
    emitted_events,
    history,
    inbox,
    recorded_inputs,
    runs,
    subscriptions,
    tasks,
    timers,
)
from visapi_orchestrator.transitions.rules.flow import ask_of, leave_of
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts
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
        rows.attributes += attributes.attributes_rows(step)
        rows.dead_letters += dead_letters.new_dead_letters(step)
        if step.facts.inbox:
            rows.consumed_inbox += inbox.consumed_inbox(step)
            rows.resolved_letters += dead_letters.resolved_dead_letters(step)
        ask = ask_of(step.facts, step.answer)
        if ask is not None:
            rows.asks.append(ask)
        if step.family is not None:
            _plan_related(rows, step.facts, step.family)
        if record:
            rows.recorded_inputs.append(recorded_inputs.recorded_input(step))
    return rows


def _by_run(step: Step) -> bytes:
    return step.facts.run.bytes


def _plan_live(rows: WriteSet, step: Step) -> None:
    rows.live.append(runs.live_run(step))
    if step.tasks:
        rows.new_tasks += tasks.new_tasks(step)
    if step.answer.commands:
        rows.removed_tasks += tasks.removed_tasks(step)
        rows.abandoned_tasks += tasks.abandoned_tasks(step)
        rows.new_timers += timers.new_timers(step)
    if step.answer.commands or step.said.timers:
        rows.removed_timers += timers.removed_timers(step)


def _plan_end(rows: WriteSet, step: Step) -> None:
    rows.ended.append(runs.ended_run(step))
    rows.cancelled_tasks += tasks.cancelled_tasks(step)
    if runs.is_cancelled_root(step):
        rows.cancelled_roots.append(step.facts.run)
    leave = leave_of(step.facts, step.answer)
    if leave is not None:
        rows.leaves.append(leave)
    elif step.ended_by_us:
        rows.abandoned_runs.append(step.facts.run)


def _plan_related(rows: WriteSet, facts: Facts, family: Family) -> None:
    rows.children += children.child_rows(facts, family)
    rows.inbox_writes += inbox.inbox_writes(facts, family)
    rows.subscriptions += subscriptions.subscription_rows(facts, family)
    rows.removed_subscriptions += subscriptions.removed_subscriptions(facts, family)
    rows.emitted_events += emitted_events.emitted_events(facts, family)
    rows.unread_decisions += approvals.unread_decisions(facts, family)
    rows.opened_approvals += approvals.opened_approvals(facts, family)
    rows.closed_approvals += approvals.closed_approvals(facts, family)
