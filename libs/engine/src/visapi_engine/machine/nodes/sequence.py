"""A list of tasks in order, with jumps: what the workflow, `do`, loops and both halves of `try` share.

A jump to the same task or an earlier one begins a new round; within a round every task is entered
at most once, so the round tells activations of a task apart (DESIGN 3.5).
"""

from typing import Any

from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.state import DoFrame, ExtendFrame, ForFrame, ListenFrame, TryFrame
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.model.program import Flow

Listed = DoFrame | TryFrame | ForFrame | ListenFrame | ExtendFrame
"""Frames that have a list of tasks, with the round in which it is."""


def first(tx: Transition, task: Task, children: list[str], raw: Any, visit: int = 0) -> Outcome:
    """Begin a list, in its round 0 unless told; an empty one gives its input."""
    if not children:
        return Completed(raw)
    tx.enter(children[0], task, visit, raw)
    return Opened()


def after(
    tx: Transition, task: Task, frame: Listed, children: list[str], *, child: str, done: Completed
) -> Outcome:
    """Go where the flow directive of a completed child leads (dsl-reference, Flow Directive)."""
    flow = done.flow or Flow()
    target = _target(tx, children, child, flow)
    if target is None:
        return Completed(done.output)
    if tx.plan.places[target] <= tx.plan.places[child]:
        frame.round += 1
    tx.enter(target, task, frame.round, done.output)
    return Opened()


def _target(tx: Transition, children: list[str], child: str, flow: Flow) -> str | None:
    if flow.goto is not None:
        return flow.goto
    if flow.directive != "continue":
        return None
    following = tx.plan.places[child] + 1
    return children[following] if following < len(children) else None
