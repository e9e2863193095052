"""Expressions within a transition: which variables a task sees (dsl, Runtime expression arguments)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.approvals import ANYBODY, link_handle
from visapi_engine.expressions.evaluate import ExpressionError, OverBudget, Scope, truth
from visapi_engine.machine.durations import span_ms
from visapi_engine.machine.faults import expression_fault, plain, validation_fault
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ApproveFrame, ExtendFrame, ForFrame, ListenFrame, TryFrame
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.model.program import (
    ApproveNode,
    Duration,
    ExtendNode,
    ForNode,
    Iterator,
    ListenNode,
    Template,
    TryNode,
    Validated,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RUNTIME: Mapping[str, Any] = {"name": "VisAPI", "version": "1", "metadata": {}}


def evaluate(tx: Transition, template: Template, task: Task, value: Any, /, **variables: Any) -> Any:
    """A template's value for a task, `value` being `.`. Raises `TaskFault` of type `expression`."""
    scope = Scope(input=value, variables={**_variables(tx, task), **variables}, now_ms=tx.now_ms)
    try:
        return tx.evaluator(template, scope)
    except ExpressionError as failed:
        tx.overruns += isinstance(failed, OverBudget)
        raise expression_fault(task.node.pointer, failed.detail) from failed


def evaluate_alone(tx: Transition, template: Template, value: Any, /, **variables: Any) -> Any:
    """A template's value outside of any task. Raises `ExpressionError`; secrets are not told."""
    found: dict[str, Any] = {"runtime": _RUNTIME}
    if tx.plan.uses_context:
        found["context"] = tx.context
    if tx.plan.uses_workflow:
        found["workflow"] = _workflow_descriptor(tx)
    try:
        return tx.evaluator(template, Scope(input=value, variables={**found, **variables}, now_ms=tx.now_ms))
    except OverBudget:
        tx.overruns += 1
        raise


def holds(tx: Transition, condition: Template, task: Task, value: Any, /, **variables: Any) -> bool:
    """Whether a condition is true, as jq sees truth. Raises `TaskFault`."""
    return truth(evaluate(tx, condition, task, value, **variables))


def span(tx: Transition, duration: Duration, task: Task) -> int:
    """A duration in milliseconds, evaluated on the task's input. Raises `TaskFault`."""
    try:
        return span_ms(duration, lambda template: evaluate(tx, template, task, task.input, input=task.input))
    except ValueError as wrong:
        raise expression_fault(task.node.pointer, str(wrong)) from wrong


def _variables(tx: Transition, task: Task) -> dict[str, Any]:
    found = _bound(tx, task.parent)
    found["runtime"] = _RUNTIME
    if tx.secrets is not None:
        found["secrets"] = tx.secrets
    if tx.plan.uses_context:
        found["context"] = tx.context
    if tx.plan.uses_workflow:
        found["workflow"] = _workflow_descriptor(tx)
    if tx.plan.uses_task and task.path != ROOT:
        found.setdefault("task", _task_descriptor(tx, task))
    return found


def checked(tx: Transition, schema: Validated | None, task: Task, value: Any) -> None:
    """Hold a value against a schema. Raises `TaskFault` of type `validation`."""
    if schema is not None:
        violation = tx.plan.schemas[schema.pointer](value)
        if violation is not None:
            raise validation_fault(task.node.pointer, violation)


def _bound(tx: Transition, path: str) -> dict[str, Any]:
    """What the tasks around bind, the innermost of a name winning: a handler's error, a loop's item, an
    iterator's event, and for the tasks of an extension the task that it extends.
    """
    found: dict[str, Any] = {}
    for at, frame in tx.enclosing(path):
        match frame, tx.node_at(at):
            case TryFrame(error=WorkflowError() as error), TryNode(error_as=name):
                found.setdefault(name, plain(error))
            case ForFrame(index=index), ForNode(each=each, at=name):
                found.setdefault(each, tx.items(frame)[index])
                found.setdefault(name, index)
            case ListenFrame(busy=True, current=current), ListenNode(foreach=Iterator(item=item, at=name)):
                found.setdefault(item, current)
                found.setdefault(name, len(frame.consumed))
            case ApproveFrame(), ApproveNode():
                found.setdefault("approval", _approval(tx, frame))
            case ExtendFrame(stage="before" | "after"), ExtendNode() as node if tx.plan.uses_task:
                found.setdefault("task", extended_descriptor(tx, at, node, frame))
            case _:
                continue
    return found


def _approval(tx: Transition, frame: ApproveFrame) -> dict[str, Any]:
    """`$approval` of the tasks that tell people. Links are handles, which the notifier swaps."""
    approval = UUID(frame.approval)
    return {
        "id": frame.approval,
        **msgspec.json.decode(frame.shown),
        "approvers": frame.approvers,
        "link": link_handle(tx.handle_key, approval, ANYBODY),
        "links": {person: link_handle(tx.handle_key, approval, person) for person in frame.approvers},
        "deadline": None if frame.due is None else instant(frame.due)["iso8601"],
    }


def extended_descriptor(tx: Transition, path: str, node: ExtendNode, frame: ExtendFrame) -> dict[str, Any]:
    """`$task` of an extension's tasks: the extended task, and the members of its definition beside it."""
    target = tx.extended(node)
    task = Task(target, path, frame.parent, frame.input, frame.input, frame.started, output=frame.output)
    described = _task_descriptor(tx, task)
    definition = described["definition"]
    return {**definition, **described} if isinstance(definition, dict) else described


def _workflow_descriptor(tx: Transition) -> dict[str, Any]:
    return {
        "id": tx.run,
        "definition": tx.plan.program.definition or {"document": tx.plan.program.document},
        "input": tx.workflow_input,
        "startedAt": instant(tx.started),
    }


def _task_descriptor(tx: Transition, task: Task) -> dict[str, Any]:
    return {
        "name": task.node.name,
        "reference": task.node.pointer,
        "definition": tx.plan.program.definitions.get(task.node.pointer),
        "input": task.raw,
        "output": task.output,
        "startedAt": instant(task.started),
    }


def instant(time_ms: int) -> dict[str, Any]:
    """The specification's dateTime descriptor (dsl, DateTime Descriptor)."""
    iso = moment(time_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"iso8601": iso, "epoch": {"seconds": time_ms // 1000, "milliseconds": time_ms}}


def moment(time_ms: int) -> datetime:
    """Unix milliseconds as a time in UTC, exactly."""
    return _EPOCH + timedelta(milliseconds=time_ms)
