"""Expressions within a transition: which variables a task sees (dsl, Runtime expression arguments)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from visapi_engine.definition.program import Duration, Template, TryNode
from visapi_engine.expressions.evaluate import ExpressionError, Scope, truth
from visapi_engine.machine.durations import span_ms
from visapi_engine.machine.faults import expression_fault, plain
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import TryFrame
from visapi_engine.machine.transition import Task, Transition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RUNTIME: Mapping[str, Any] = {"name": "VisAPI", "version": "1", "metadata": {}}


def evaluate(tx: Transition, template: Template, task: Task, value: Any, **variables: Any) -> Any:
    """A template's value for a task, `value` being `.`. Raises `TaskFault` of type `expression`."""
    scope = Scope(input=value, variables={**_variables(tx, task), **variables}, now_ms=tx.now_ms)
    try:
        return tx.evaluator(template, scope)
    except ExpressionError as failed:
        raise expression_fault(task.node.pointer, failed.detail) from failed


def holds(tx: Transition, condition: Template, task: Task, value: Any, **variables: Any) -> bool:
    """Whether a condition is true, as jq sees truth. Raises `TaskFault`."""
    return truth(evaluate(tx, condition, task, value, **variables))


def span(tx: Transition, duration: Duration, task: Task) -> int:
    """A duration in milliseconds, evaluated on the task's input. Raises `TaskFault`."""
    try:
        return span_ms(duration, lambda template: evaluate(tx, template, task, task.input, input=task.input))
    except ValueError as wrong:
        raise expression_fault(task.node.pointer, str(wrong)) from wrong


def _variables(tx: Transition, task: Task) -> dict[str, Any]:
    found = _caught(tx, task.parent)
    found["runtime"] = _RUNTIME
    if tx.plan.uses_context:
        found["context"] = tx.context
    if tx.plan.uses_workflow:
        found["workflow"] = _workflow_descriptor(tx)
    if tx.plan.uses_task and task.path != ROOT:
        found["task"] = _task_descriptor(task)
    return found


def _caught(tx: Transition, path: str) -> dict[str, Any]:
    """The errors in reach: each enclosing handler's, the innermost of a name winning."""
    found: dict[str, Any] = {}
    for at, frame in tx.enclosing(path):
        if isinstance(frame, TryFrame) and frame.error is not None:
            node = tx.node_at(at)
            assert isinstance(node, TryNode)
            found.setdefault(node.error_as, plain(frame.error))
    return found


def _workflow_descriptor(tx: Transition) -> dict[str, Any]:
    return {
        "id": tx.run,
        "definition": {"document": tx.plan.program.document},
        "input": tx.workflow_input,
        "startedAt": instant(tx.started),
    }


def _task_descriptor(task: Task) -> dict[str, Any]:
    return {
        "name": task.node.name,
        "reference": task.node.pointer,
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
