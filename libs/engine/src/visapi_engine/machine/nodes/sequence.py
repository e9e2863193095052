"""A list of tasks in order, with jumps, as in the workflow, `do`, loops and both lists of a `try`.

A jump to the same task or an earlier one begins a new round; within a round every task is entered
at most once, so the round tells activations of a task apart.
"""

from typing import Any

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.state import DoFrame, ExtendFrame, ForFrame, ListenFrame, TryFrame
from visapi_engine.model.program import Flow

Listed = DoFrame | TryFrame | ForFrame | ListenFrame | ExtendFrame
"""Frames of a list of tasks, with its current round."""


def first(draft: Draft, task: Task, children: list[str], raw: Any, visit: int = 0) -> Outcome:
    """Begin a list, in round `visit`; the output of an empty list is its input."""
    if not children:
        return Completed(raw)
    draft.enter(children[0], task, visit, raw)
    return Opened()


def after(
    draft: Draft, task: Task, frame: Listed, children: list[str], *, child: str, done: Completed
) -> Outcome:
    """Follow the flow directive of a completed child (dsl-reference, Flow Directive)."""
    flow = done.flow or Flow()
    target = _target(draft, children, child, flow)
    if target is None:
        return Completed(done.output)
    if draft.plan.places[target] <= draft.plan.places[child]:
        frame.round += 1
    draft.enter(target, task, frame.round, done.output)
    return Opened()


def _target(draft: Draft, children: list[str], child: str, flow: Flow) -> str | None:
    if flow.goto is not None:
        return flow.goto
    if flow.directive != "continue":
        return None
    following = draft.plan.places[child] + 1
    return children[following] if following < len(children) else None
