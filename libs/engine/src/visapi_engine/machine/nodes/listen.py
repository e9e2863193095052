"""`listen`: wait for events (dsl-reference, Listen, Event Consumption Strategy, Subscription Iterator).

Events reach the run one by one; each is offered to every open listener, in the order in which the
listeners started. The output of a listener is the array of the events that it consumed. With `foreach`
consumed events queue up and are processed one after another, and the array holds the results. Events that
end an `any` (`until`) are not in the array. Events that arrive before the listener started are not kept.
"""

from typing import Any

from visapi_engine.machine import history
from visapi_engine.machine.commands import Subscribe
from visapi_engine.machine.consumption import constraints, expectations, matches, read_as
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import checked, evaluate, holds
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import apart, sequence
from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.state import ListenFrame
from visapi_engine.model.listeners import shared_names
from visapi_engine.model.program import Consumption, Iterator, ListenNode


def begin(draft: Draft, task: Task, node: ListenNode) -> Outcome:
    until = node.to.until_events
    frame = ListenFrame(
        input=task.input,
        expected=expectations(draft, task, node.to.filters),
        until_expected=expectations(draft, task, until.filters) if until is not None else [],
    )
    draft.open(task, frame)
    subscribe(draft, task, node, frame)
    if _correlates(node.to):
        draft.note(history.WORKFLOW_CORRELATION_STARTED)
    return Opened()


def subscribe(draft: Draft, task: Task, node: ListenNode, frame: ListenFrame) -> None:
    """Subscribe to the events that the listener may consume."""
    until = node.to.until_events
    wanted = constraints(node.to.filters, frame.expected, {})
    if node.to.mode == "any" and not node.to.filters:
        wanted.append({})
    if until is not None:
        wanted += constraints(until.filters, frame.until_expected, {})
        if until.mode == "any" and not until.filters:
            wanted.append({})
    draft.commands.append(Subscribe(task.path, wanted))


def offered(
    draft: Draft, task: Task, node: ListenNode, frame: ListenFrame, event: dict[str, Any]
) -> Outcome | None:
    """The outcome of an event; None if the listener does not consume it."""
    if draft.collections is not None and draft.plan.program.quiet and shared_names(node.to):
        return apart.offered(draft, task, node, frame, event, take=_taken)
    return _taken(draft, task, node, frame, event)


def _taken(
    draft: Draft, task: Task, node: ListenNode, frame: ListenFrame, event: dict[str, Any]
) -> Outcome | None:
    if frame.closing:
        return None
    until = node.to.until_events
    if until is not None and _counts_towards(draft, task, until, frame, event):
        frame.closing = until.mode != "all" or len(frame.until_matched) == len(until.filters)
        return _finish(draft, node, frame) if frame.closing and not frame.busy else Opened()
    if not _consumes(draft, task, node.to, frame, event):
        return None
    value = read_as(event, node.read)
    if node.foreach is None:
        frame.consumed = [*frame.consumed, value]
        return _finish(draft, node, frame) if _satisfied(draft, task, node.to, frame) else Opened()
    frame.queue = [*frame.queue, value]
    if node.to.until is None and node.to.until_events is None:
        frame.closing = node.to.mode != "all" or len(frame.matched) == len(node.to.filters)
    return Opened() if frame.busy else _next(draft, task, node, frame)


def child_completed(
    draft: Draft, task: Task, node: ListenNode, frame: ListenFrame, *, child: str, done: Completed
) -> Outcome:
    """A task of `foreach` completed."""
    assert node.foreach is not None
    outcome = sequence.after(draft, task, frame, node.foreach.children, child=child, done=done)
    if not isinstance(outcome, Completed):
        return outcome
    return _worked(draft, task, node, frame, outcome.output)


def _next(draft: Draft, task: Task, node: ListenNode, frame: ListenFrame) -> Outcome:
    """Process the next event of the queue; finish if it is empty and the listener is closing."""
    assert node.foreach is not None
    if not frame.queue:
        return _finish(draft, node, frame) if frame.closing else Opened()
    frame.current, frame.queue = frame.queue[0], frame.queue[1:]
    frame.busy = True
    outcome = sequence.first(draft, task, node.foreach.children, frame.current, frame.round)
    return _worked(draft, task, node, frame, outcome.output) if isinstance(outcome, Completed) else outcome


def _worked(draft: Draft, task: Task, node: ListenNode, frame: ListenFrame, raw: Any) -> Outcome:
    assert node.foreach is not None
    value = _item_output(draft, task, node.foreach, frame, raw)
    frame.consumed = [*frame.consumed, value]
    frame.busy, frame.current = False, None
    frame.round += 1
    if node.to.until is not None and _satisfied(draft, task, node.to, frame):
        return _finish(draft, node, frame)
    return _next(draft, task, node, frame)


def _item_output(draft: Draft, task: Task, each: Iterator, frame: ListenFrame, raw: Any) -> Any:
    """`foreach.output` and `foreach.export`. Raises `TaskFault`."""
    bound = bindings(each, frame)
    value = raw
    if each.output_as is not None:
        value = evaluate(draft, each.output_as, task, raw, **{"input": frame.input, **bound})
    checked(draft, each.output_schema, task, value)
    if each.export_as is not None:
        exported = evaluate(
            draft, each.export_as, task, value, **{"input": frame.input, "output": value, **bound}
        )
        checked(draft, each.export_schema, task, exported)
        draft.context = exported
    return value


def bindings(each: Iterator, frame: ListenFrame) -> dict[str, Any]:
    """The variables of the event in progress; its index counts from 0."""
    return {each.item: frame.current, each.at: len(frame.consumed)}


def _consumes(draft: Draft, task: Task, to: Consumption, frame: ListenFrame, event: dict[str, Any]) -> bool:
    """Whether the strategy consumes the event; in an `all`, for the first filter without an event."""
    if not to.filters:
        return True
    for index, wanted in enumerate(to.filters):
        if to.mode == "all" and index in frame.matched:
            continue
        found = matches(draft, task, wanted, frame.expected[index], event, known=frame.correlations)
        if found is not None:
            frame.correlations = found
            frame.matched = [*frame.matched, index] if to.mode == "all" else frame.matched
            return True
    return False


def _counts_towards(
    draft: Draft, task: Task, until: Consumption, frame: ListenFrame, event: dict[str, Any]
) -> bool:
    """Whether the strategy that ends the listener consumes the event."""
    if not until.filters:
        return True
    for index, wanted in enumerate(until.filters):
        if index in frame.until_matched:
            continue
        found = matches(draft, task, wanted, frame.until_expected[index], event, known=frame.correlations)
        if found is not None:
            frame.until_matched = [*frame.until_matched, index]
            return True
    return False


def _satisfied(draft: Draft, task: Task, to: Consumption, frame: ListenFrame) -> bool:
    if to.until is not None:
        return holds(draft, to.until, task, frame.consumed, input=frame.input)
    if to.until_events is not None:
        return False
    return to.mode != "all" or len(frame.matched) == len(to.filters)


def _finish(draft: Draft, node: ListenNode, frame: ListenFrame) -> Outcome:
    if _correlates(node.to):
        draft.note(history.WORKFLOW_CORRELATION_COMPLETED, data={"correlationKeys": frame.correlations})
    return Completed(frame.consumed)


def _correlates(to: Consumption) -> bool:
    """Whether the history records the correlation: only for a listener that names correlation keys."""
    return any(wanted.correlations for wanted in to.filters)
