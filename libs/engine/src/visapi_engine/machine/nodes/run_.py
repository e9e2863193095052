"""`run: workflow`: a run of another workflow (dsl-reference, Workflow Process).

The child's id follows from the task's path, so it is started once. Its end is the task's: its output,
or its error. In a retried block a child that completed is not run again; one that failed is, anew. When
the run itself is retried, the child that failed goes on from where it failed.
Not awaited, it is started and left to itself, and the output is the input. Either way it belongs to the
family of the run's root (`machine.lineage`).
"""

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.runs import RunStatus
from visapi_common.core.ids import time_ms_of, uuid7_from
from visapi_engine.machine import failures
from visapi_engine.machine.commands import DropRun, RetryRun, StartRun
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.events import ChildEnded
from visapi_engine.machine.faults import read_error, runtime_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.lineage import Descent, descent_of
from visapi_engine.machine.nodes import retried
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.state import ChildFrame
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.program import RunNode


def begin(draft: Draft, task: Task, node: RunNode) -> Outcome:
    block = retried.block(draft, task.parent)
    if block is not None and task.path in block.memo:
        return Completed(block.memo[task.path], recalled=True)
    value = task.input
    if node.input is not None:
        value = evaluate(draft, node.input, task, task.input, input=task.input)
    descent = _descent(draft, node, value)
    if draft.kinship is not None and not draft.kinship.follows(descent):
        # The event of a schedule's listener is too deep: it starts no run, and the listener goes on.
        return Completed(task.input)
    counted = node.awaited or node.on_retry == "repeat"
    attempt = retried.next_attempt(draft, block, task.path) if counted else 1
    child = child_id(draft.run, task.path, attempt)
    draft.commands.append(
        StartRun(
            path=task.path,
            child=child,
            namespace=node.namespace,
            name=node.workflow,
            version=node.version,
            input=msgspec.json.encode(value),
            awaited=node.awaited,
            program=node.program,
            root=descent.root,
            depth=descent.depth,
            heard=draft.plan.program.quiet,
        )
    )
    if counted:
        retried.attempted(block, task.path, attempt)
    if not node.awaited:
        return Completed(task.input)
    frame = ChildFrame(child=child)
    draft.open(task, frame)
    # If the workflow is not deployed, a retry begins the task anew.
    frame.raw = task.raw
    return Opened()


def _descent(draft: Draft, node: RunNode, value: Any) -> Descent:
    """The child's position in its family. Raises `TaskFault` if the family may not grow."""
    if draft.plan.program.quiet:
        return descent_of(value)
    if draft.kinship is None:
        return Descent(None, 0)
    draft.kinship.start(node.pointer)
    return Descent(draft.kinship.root, draft.kinship.next_depth)


def ended(draft: Draft, task: Task, node: RunNode, frame: ChildFrame, event: ChildEnded) -> Outcome:
    """The child has ended."""
    draft.commands.append(DropRun(task.path, frame.child))
    if event.unknown:
        failures.remember(draft, task, failures.ENTER)
    if event.status is RunStatus.FAULTED:
        return Faulted(read_error(event.error or b"null", node.pointer))
    if event.status is RunStatus.CANCELLED:
        detail = f"the run {frame.child} of {node.namespace}/{node.workflow} was cancelled"
        return Faulted(runtime_fault(node.pointer, "Child run cancelled", detail).error)
    try:
        output = read_json(event.output or b"null")
    except UnreadableValue as unreadable:
        detail = f"the child's output is no JSON: {unreadable}"
        return Faulted(runtime_fault(node.pointer, "Unreadable output", detail).error)
    if node.silent:
        output = None
    if node.on_retry != "repeat":
        retried.remember(retried.block(draft, task.parent), task.path, output)
    return Completed(output)


def reopen(draft: Draft, task: Task, frame: ChildFrame, reason: str | None) -> None:
    """The run is retried: resume the child where it stopped; its effects keep their keys."""
    frame.resume_count += 1
    draft.commands.append(RetryRun(task.path, frame.child, frame.resume_count, reason))


def child_id(run: str, path: str, attempt: int) -> str:
    """A UUIDv7 with the parent's time, so that a family of runs lies together."""
    name = path if attempt == 1 else f"{path}#{attempt}"
    digest = hashlib.sha256(f"child\0{run}\0{name}".encode()).digest()
    return str(uuid7_from(time_ms_of(UUID(run)), int.from_bytes(digest[:10], "big")))
