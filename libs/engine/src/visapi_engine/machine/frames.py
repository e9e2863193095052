"""The open tasks of a run during a transition, and lookups among them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from visapi_engine.machine import paths
from visapi_engine.machine.plan import ROOT, Plan, pointer_of
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    ForFrame,
    Frame,
    TryFrame,
    WaitFrame,
)
from visapi_engine.model.program import ExtendNode, Node
from visapi_engine.source.pointers import join


class Task(NamedTuple):
    """One activation of a node. `raw` is its raw input, `input` the transformed one, `output` the raw one."""

    node: Node
    path: str
    parent: str
    raw: Any
    input: Any
    started: int
    timeout_at: int | None = None
    output: Any = None


class Frames(dict[str, Frame]):
    """Frames by path, outer ones before inner ones."""

    def __init__(self, plan: Plan, frames: dict[str, Frame]) -> None:
        super().__init__(frames)
        self.plan = plan
        self._items: dict[int, tuple[ForFrame, list[Any]]] = {}

    @property
    def in_flight(self) -> bool:
        """Whether the answer of a worker or of a child run is outstanding."""
        return any(
            isinstance(frame, ChildFrame) or (isinstance(frame, CallFrame) and not frame.held)
            for frame in self.values()
        )

    def extended(self, node: Node) -> Node:
        """The task itself, for the node of an extension around it."""
        while isinstance(node, ExtendNode):
            node = self.plan.nodes[node.target]
        return node

    def node_at(self, path: str) -> Node:
        return self.plan.nodes[pointer_of(self.plan, path)]

    def task_at(self, path: str) -> Task:
        """The open task at a path, as its frame remembers it."""
        frame = self[path]
        return Task(self.node_at(path), path, frame.parent, frame.raw, frame.input, frame.started)

    def enclosing(self, path: str) -> Iterator[tuple[str, Frame]]:
        """The frames from a path outwards to the workflow's own, innermost first."""
        frame = self.get(path)
        while frame is not None:
            yield path, frame
            if path == ROOT:
                return
            path = frame.parent
            frame = self.get(path)

    def deadline_ms(self, path: str) -> int | None:
        """When the earliest timeout around a path ends it."""
        limits: list[int] = []
        for _, frame in self.enclosing(path):
            if frame.timeout_at is not None:
                limits.append(frame.timeout_at)
            if isinstance(frame, TryFrame) and frame.attempt_at is not None:
                limits.append(frame.attempt_at)
        return min(limits, default=None)

    def own_deadline_ms(self, path: str) -> int | None:
        """When the task's own timeout ends it.

        The call of a reusable function stands around the function's task, which has its pointer and `/call`.
        """
        for around, frame in self.enclosing(path):
            if frame.timeout_at is not None:
                return frame.timeout_at
            pointer = self.node_at(around).pointer
            if frame.parent not in self or pointer != join(self.node_at(frame.parent).pointer, "call"):
                return None
        return None

    def due_at(self, path: str, kind: str) -> int | None:
        """When a timer of an open task is due; None when the task waits for no such timer."""
        frame = self.get(path)
        return None if frame is None else _due(frame, kind)

    def within(self, path: str) -> list[str]:
        """The paths of everything open within a frame, outermost first."""
        found = {path}
        for inner, frame in self.items():
            if inner != ROOT and frame.parent in found:
                found.add(inner)
        return [inner for inner in self if inner in found and inner != path]

    def items_of(self, frame: ForFrame) -> list[Any]:
        """The items of a loop, decoded once in a transition.

        The cache keeps the frame alive, because another frame could get the identity of a dropped one.
        """
        known = self._items.get(id(frame))
        if known is None:
            known = self._items[id(frame)] = (frame, msgspec.json.decode(frame.items))
        return known[1]


def timers_of(frame: Frame) -> list[str]:
    """The kinds of the timers that are set for an open task."""
    kinds = [] if frame.timeout_at is None else [paths.TIMEOUT]
    if isinstance(frame, WaitFrame):
        kinds.append(paths.WAIT)
    elif isinstance(frame, TryFrame):
        kinds += [] if frame.retry_at is None else [paths.RETRY]
        kinds += [] if frame.attempt_at is None else [paths.ATTEMPT]
    elif isinstance(frame, ApproveFrame):
        kinds += [] if frame.due is None else [paths.DEADLINE]
        kinds += [] if frame.escalate_at is None else [paths.ESCALATE]
    return kinds


def _due(frame: Frame, kind: str) -> int | None:
    match kind, frame:
        case paths.TIMEOUT, _:
            return frame.timeout_at
        case paths.WAIT, WaitFrame():
            return frame.due
        case paths.RETRY, TryFrame():
            return frame.retry_at
        case paths.ATTEMPT, TryFrame():
            return frame.attempt_at
        case paths.DEADLINE, ApproveFrame():
            return frame.due
        case paths.ESCALATE, ApproveFrame():
            return frame.escalate_at
        case _:
            return None
