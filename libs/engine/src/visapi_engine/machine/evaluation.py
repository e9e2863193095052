"""Expressions within a transition: which variables a task sees (dsl, Runtime expression arguments)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.approvals import ANYBODY, link_handle
from visapi_engine.expressions.evaluate import ExpressionError, OverBudget, Scope, truth
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.durations import span_ms
from visapi_engine.machine.faults import expression_fault, plain, validation_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ApproveFrame, ExtendFrame, ForFrame, ListenFrame, TryFrame
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


def evaluate(draft: Draft, template: Template, task: Task, value: Any, /, **variables: Any) -> Any:
    """A template's value for a task, `value` being `.`. Raises `TaskFault` of type `expression`."""
    scope = Scope(input=value, variables={**_variables(draft, task), **variables}, now_ms=draft.now_ms)
    try:
        return draft.evaluator(template, scope)
    except ExpressionError as failed:
        draft.overruns += isinstance(failed, OverBudget)
        raise expression_fault(task.node.pointer, failed.detail) from failed


def evaluate_alone(draft: Draft, template: Template, value: Any, /, **variables: Any) -> Any:
    """A template's value outside of any task, without secrets. Raises `ExpressionError`."""
    found: dict[str, Any] = {"runtime": _RUNTIME}
    if draft.plan.uses_context:
        found["context"] = draft.context
    if draft.plan.uses_workflow:
        found["workflow"] = _workflow_descriptor(draft)
    try:
        return draft.evaluator(
            template, Scope(input=value, variables={**found, **variables}, now_ms=draft.now_ms)
        )
    except OverBudget:
        draft.overruns += 1
        raise


def holds(draft: Draft, condition: Template, task: Task, value: Any, /, **variables: Any) -> bool:
    """Whether a condition is true by jq's rules. Raises `TaskFault`."""
    return truth(evaluate(draft, condition, task, value, **variables))


def span(draft: Draft, duration: Duration, task: Task) -> int:
    """A duration in milliseconds, evaluated on the task's input. Raises `TaskFault`."""
    try:
        return span_ms(
            duration, lambda template: evaluate(draft, template, task, task.input, input=task.input)
        )
    except ValueError as wrong:
        raise expression_fault(task.node.pointer, str(wrong)) from wrong


def _variables(draft: Draft, task: Task) -> dict[str, Any]:
    found = _bound(draft, task.parent)
    found["runtime"] = _RUNTIME
    if draft.secrets is not None:
        found["secrets"] = draft.secrets
    if draft.plan.uses_context:
        found["context"] = draft.context
    if draft.plan.uses_workflow:
        found["workflow"] = _workflow_descriptor(draft)
    if draft.plan.uses_task and task.path != ROOT:
        found.setdefault("task", _task_descriptor(draft, task))
    return found


def checked(draft: Draft, schema: Validated | None, task: Task, value: Any) -> None:
    """Validate a value against a schema. Raises `TaskFault` of type `validation`."""
    if schema is not None:
        violation = draft.plan.schemas[schema.pointer](value)
        if violation is not None:
            raise validation_fault(task.node.pointer, violation)


def _bound(draft: Draft, path: str) -> dict[str, Any]:
    """The variables that enclosing tasks bind, innermost first: a handler's error, a loop's item, an
    iterator's event, and the extended task for the tasks of an extension.
    """
    found: dict[str, Any] = {}
    for at, frame in draft.frames.enclosing(path):
        match frame, draft.frames.node_at(at):
            case TryFrame(error=WorkflowError() as error), TryNode(error_as=name):
                found.setdefault(name, plain(error))
            case ForFrame(index=index), ForNode(each=each, at=name):
                found.setdefault(each, draft.frames.items_of(frame)[index])
                found.setdefault(name, index)
            case ListenFrame(busy=True, current=current), ListenNode(foreach=Iterator(item=item, at=name)):
                found.setdefault(item, current)
                found.setdefault(name, len(frame.consumed))
            case ApproveFrame(), ApproveNode():
                found.setdefault("approval", _approval(draft, frame))
            case ExtendFrame(stage="before" | "after"), ExtendNode() as node if draft.plan.uses_task:
                found.setdefault("task", extended_descriptor(draft, at, node, frame))
            case _:
                continue
    return found


def _approval(draft: Draft, frame: ApproveFrame) -> dict[str, Any]:
    """`$approval` of the notifying tasks. Links are handles, which the notifier replaces."""
    approval = UUID(frame.approval)
    return {
        "id": frame.approval,
        **msgspec.json.decode(frame.shown),
        "approvers": frame.approvers,
        "link": link_handle(draft.handle_key, approval, ANYBODY),
        "links": {person: link_handle(draft.handle_key, approval, person) for person in frame.approvers},
        "deadline": None if frame.due is None else instant(frame.due)["iso8601"],
    }


def extended_descriptor(draft: Draft, path: str, node: ExtendNode, frame: ExtendFrame) -> dict[str, Any]:
    """`$task` of an extension's tasks: the extended task, and the members of its definition beside it."""
    target = draft.frames.extended(node)
    task = Task(target, path, frame.parent, frame.input, frame.input, frame.started, output=frame.output)
    described = _task_descriptor(draft, task)
    definition = described["definition"]
    return {**definition, **described} if isinstance(definition, dict) else described


def _workflow_descriptor(draft: Draft) -> dict[str, Any]:
    return {
        "id": draft.run,
        "definition": draft.plan.program.definition or {"document": draft.plan.program.document},
        "input": draft.workflow_input,
        "startedAt": instant(draft.started),
    }


def _task_descriptor(draft: Draft, task: Task) -> dict[str, Any]:
    return {
        "name": task.node.name,
        "reference": task.node.pointer,
        "definition": draft.plan.program.definitions.get(task.node.pointer),
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
