"""Maps each construct to its module; no other module knows all constructs.

Each `match` is closed with `assert_never`, so that a construct cannot be half added.
"""

from typing import assert_never

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import (
    approve,
    call,
    do,
    emit,
    extend,
    for_,
    fork,
    listen,
    map_,
    raise_,
    run_,
    set_,
    switch,
    try_,
    wait,
)
from visapi_engine.machine.outcomes import Completed, Faulted, Outcome
from visapi_engine.machine.state import (
    ApproveFrame,
    DoFrame,
    ExtendFrame,
    ForFrame,
    ForkFrame,
    ListenFrame,
    MapFrame,
    TryFrame,
    WaitFrame,
)
from visapi_engine.model.program import (
    ApproveNode,
    CallNode,
    DoNode,
    EmitNode,
    ExtendNode,
    ForkNode,
    ForNode,
    ListenNode,
    MapNode,
    RaiseNode,
    RunNode,
    SetNode,
    SwitchNode,
    TryNode,
    WaitNode,
)

Leaf = SetNode | CallNode | SwitchNode | RaiseNode | WaitNode | EmitNode | RunNode
"""Constructs without tasks of their own."""


def begin(draft: Draft, task: Task) -> Outcome:
    """Start a task whose input is ready. Raises `TaskFault`."""
    node = task.node
    match node:
        case DoNode():
            return do.begin(draft, task, node)
        case ForkNode():
            return fork.begin(draft, task, node)
        case TryNode():
            return try_.begin(draft, task, node)
        case ForNode():
            return for_.begin(draft, task, node)
        case ListenNode():
            return listen.begin(draft, task, node)
        case ApproveNode() | MapNode():
            return _begin_function(draft, task, node)
        case ExtendNode():
            return extend.begin(draft, task, node)
        case _:
            return _begin_leaf(draft, task, node)


def _begin_function(draft: Draft, task: Task, node: ApproveNode | MapNode) -> Outcome:
    """Functions that the engine carries out itself."""
    match node:
        case ApproveNode():
            return approve.begin(draft, task, node)
        case MapNode():
            return map_.begin(draft, task, node)


def _begin_leaf(draft: Draft, task: Task, node: Leaf) -> Outcome:
    match node:
        case SetNode():
            return set_.begin(draft, task, node)
        case CallNode():
            return call.begin(draft, task, node)
        case SwitchNode():
            return switch.begin(draft, task, node)
        case RaiseNode():
            return raise_.begin(draft, task, node)
        case WaitNode():
            return wait.begin(draft, task, node)
        case EmitNode():
            return emit.begin(draft, task, node)
        case RunNode():
            return run_.begin(draft, task, node)
        case _:
            assert_never(node)


def child_completed(draft: Draft, task: Task, inner: Task, done: Completed) -> Outcome:
    """A task within an open one completed. Raises `TaskFault`."""
    child = inner.node.pointer
    match task.node, draft.frames[task.path]:
        case DoNode() as node, DoFrame() as frame:
            return do.child_completed(draft, task, node, frame, child=child, done=done)
        case ForkNode() as node, ForkFrame() as frame:
            return fork.child_completed(draft, task, node, frame, child=child, done=done)
        case TryNode() as node, TryFrame() as frame:
            return try_.child_completed(draft, task, node, frame, child=child, done=done)
        case ForNode() as node, ForFrame() as frame:
            return for_.child_completed(draft, task, node, frame, child=child, done=done)
        case ListenNode() as node, ListenFrame() as frame:
            return listen.child_completed(draft, task, node, frame, child=child, done=done)
        case ApproveNode(), ApproveFrame():
            return approve.child_completed()
        case MapNode() as node, MapFrame() as frame:
            return map_.child_completed(draft, task, node, frame, child=inner, done=done)
        case ExtendNode() as node, ExtendFrame() as frame:
            return extend.child_completed(draft, task, node, frame, child=child, done=done)
        case _:
            raise AssertionError(f"{task.node.pointer} has no children")


def child_faulted(draft: Draft, task: Task, inner: Task, error: WorkflowError) -> Outcome:
    """A task within an open one faulted: `try` may catch it, a map may tolerate it. Raises `TaskFault`."""
    match task.node, draft.frames[task.path]:
        case TryNode() as node, TryFrame() as frame:
            return try_.child_faulted(draft, task, node, frame, error)
        case MapNode() as node, MapFrame() as frame:
            return map_.child_faulted(draft, task, node, frame, child=inner, error=error)
        case _:
            return Faulted(error)


def timer_fired(draft: Draft, task: Task, kind: str) -> Outcome:
    """A construct's own timer is due. Raises `TaskFault`."""
    match task.node, draft.frames[task.path]:
        case WaitNode(), WaitFrame() as frame:
            return wait.timer_fired(frame)
        case ApproveNode() as node, ApproveFrame() as frame:
            return approve.timer_fired(draft, task, node, frame, kind)
        case TryNode() as node, TryFrame() as frame:
            return try_.timer_fired(draft, task, node, frame, kind)
        case node, frame:
            raise AssertionError(f"{type(frame).__name__} of {node.pointer} has no timer {kind!r}")
