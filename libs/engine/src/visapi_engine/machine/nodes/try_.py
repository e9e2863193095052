"""`try`: run a block, catch its errors, then retry, handle or continue (dsl-reference, Try, Catch, Retry).

A caught error is retried while the policy allows. Then the handler runs (`catch.do`, `catch.then`).
Without a handler, the error of a block with a retry policy propagates: giving up must not look like
success. Without a retry policy the error is swallowed, and the output is the input.
"""

from typing import Any

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine import failures, history
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import holds, span
from visapi_engine.machine.faults import matches, plain, timeout_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import sequence
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.paths import ATTEMPT, RETRY
from visapi_engine.machine.retries import backoff_ms, jitter_ms
from visapi_engine.machine.state import TryFrame
from visapi_engine.model.program import Retry, TryNode


def begin(draft: Draft, task: Task, node: TryNode) -> Outcome:
    frame = TryFrame(input=task.input)
    draft.open(task, frame)
    return _attempt(draft, task, node, frame)


def _attempt(draft: Draft, task: Task, node: TryNode, frame: TryFrame) -> Outcome:
    """Run the block from its start, in round 0: a task has the same path in every attempt."""
    frame.round = 0
    if node.retry is not None and node.retry.attempt_duration is not None:
        frame.attempt_at = draft.now_ms + span(draft, node.retry.attempt_duration, task)
        draft.set_timer(task.path, ATTEMPT, frame.attempt_at)
    return sequence.first(draft, task, node.children, frame.input)


def child_completed(
    draft: Draft, task: Task, node: TryNode, frame: TryFrame, *, child: str, done: Completed
) -> Outcome:
    if frame.error is None:
        return sequence.after(draft, task, frame, node.children, child=child, done=done)
    outcome = sequence.after(draft, task, frame, node.catch_children, child=child, done=done)
    if isinstance(outcome, Completed):
        return Completed(outcome.output, node.catch_then, facts=_caught(frame.error))
    return outcome


def child_faulted(draft: Draft, task: Task, node: TryNode, frame: TryFrame, error: WorkflowError) -> Outcome:
    """Catch an error of the block; an error of the handler propagates."""
    draft.stop_attempt(task.path, frame)
    if frame.error is not None or not _catches(draft, task, node, error):
        return Faulted(error)
    if node.retry is not None:
        delay = _delay_ms(draft, task, node, node.retry, frame, error=error)
        if delay is not None:
            return _retry(draft, task, node, frame, delay)
    return _handle(draft, task, node, frame, error)


def timer_fired(draft: Draft, task: Task, node: TryNode, frame: TryFrame, kind: str) -> Outcome:
    """The delay before a retry has passed, or an attempt took too long."""
    if kind == RETRY:
        draft.stop_attempt(task.path, frame)
        return _attempt(draft, task, node, frame)
    # Before the timer is dropped: a retried run gives the attempt its whole time again.
    failures.remember(draft, task, failures.REOPEN)
    draft.stop_attempt(task.path, frame)
    draft.cancel_below(task.path)
    late = timeout_fault(node.pointer, "an attempt took longer than retry.limit.attempt.duration")
    return child_faulted(draft, task, node, frame, late.error)


def _catches(draft: Draft, task: Task, node: TryNode, error: WorkflowError) -> bool:
    return matches(node.errors, error) and _wanted(draft, task, node, error, node)


def _wanted(draft: Draft, task: Task, node: TryNode, error: WorkflowError, rule: TryNode | Retry) -> bool:
    """Whether `when` holds and `exceptWhen` does not; the error is the catch's variable."""
    seen: dict[str, Any] = {"input": task.input, node.error_as: plain(error)}
    if rule.when is not None and not holds(draft, rule.when, task, task.input, **seen):
        return False
    return rule.except_when is None or not holds(draft, rule.except_when, task, task.input, **seen)


def _delay_ms(
    draft: Draft, task: Task, node: TryNode, policy: Retry, frame: TryFrame, *, error: WorkflowError
) -> int | None:
    """The delay before the next retry; None if the policy allows no retry."""
    retry = frame.retries + 1
    if policy.attempts is not None and retry > policy.attempts:
        return None
    if not _wanted(draft, task, node, error, policy):
        return None
    delay = backoff_ms(policy.backoff, span(draft, policy.delay, task), retry)
    if policy.jitter_to is not None:
        low = 0 if policy.jitter_from is None else span(draft, policy.jitter_from, task)
        high = span(draft, policy.jitter_to, task)
        delay += jitter_ms(low, high, run=draft.run, path=task.path, retry=retry)
    if policy.total_duration is not None:
        spent = draft.now_ms - frame.started
        if spent + delay > span(draft, policy.total_duration, task):
            return None
    return delay


def _retry(draft: Draft, task: Task, node: TryNode, frame: TryFrame, delay_ms: int) -> Outcome:
    frame.retries += 1
    draft.note(history.TASK_RETRIED, node, {"attempt": frame.retries + 1, "delay_ms": delay_ms})
    if delay_ms == 0:
        return _attempt(draft, task, node, frame)
    frame.retry_at = draft.now_ms + delay_ms
    draft.set_timer(task.path, RETRY, frame.retry_at)
    return Opened()


def _handle(draft: Draft, task: Task, node: TryNode, frame: TryFrame, error: WorkflowError) -> Outcome:
    if node.catch_children:
        frame.error = error
        frame.round = 0
        return sequence.first(draft, task, node.catch_children, frame.input)
    if node.retry is not None and node.catch_then is None:
        return Faulted(error)
    return Completed(frame.input, node.catch_then, facts=_caught(error))


def _caught(error: WorkflowError) -> dict[str, Any]:
    """The caught error in short, for the history; the item of the task that raised it has all of it."""
    said = plain(error)
    return {"caught": {key: said[key] for key in ("type", "status", "title", "instance") if key in said}}
