"""Errors inside a run: the specification's standard errors, and what a `catch` matches."""

from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.error_types import same_type
from visapi_engine.model.program import ErrorFilter


class TaskFault(Exception):
    """A task cannot go on; caught by the machine's loop alone, which hands it to the enclosing `try`."""

    def __init__(self, error: WorkflowError) -> None:
        super().__init__(error.detail)
        self.error = error


def expression_fault(pointer: str, detail: str) -> TaskFault:
    return _fault("expression", 400, "Expression failed", detail, pointer)


def validation_fault(pointer: str, detail: str) -> TaskFault:
    return _fault("validation", 400, "Data does not match its schema", detail, pointer)


def runtime_fault(pointer: str, title: str, detail: str) -> TaskFault:
    return _fault("runtime", 500, title, detail, pointer)


def timeout_fault(pointer: str, detail: str) -> TaskFault:
    return _fault("timeout", 408, "Timed out", detail, pointer)


def _fault(kind: str, status: int, title: str, detail: str, pointer: str) -> TaskFault:
    error = standard_error(kind, status, title=title, detail=detail)
    return TaskFault(located(error, pointer))


def located(error: WorkflowError, pointer: str) -> WorkflowError:
    """The error with its `instance`: the JSON pointer of the task that raised it. The workflow has none."""
    return msgspec.structs.replace(error, instance=pointer) if pointer else error


def plain(error: WorkflowError) -> dict[str, Any]:
    """The error as expressions and history see it: absent members are absent."""
    return msgspec.to_builtins(error)


def read_error(body: bytes, pointer: str) -> WorkflowError:
    """A worker's error, located at its task. One that cannot be read is itself a runtime error."""
    try:
        return located(read_json(body, WorkflowError), pointer)
    except UnreadableValue as unreadable:
        return runtime_fault(
            pointer, "Unreadable error", f"the worker's error is no error object: {unreadable}"
        ).error


def matches(wanted: ErrorFilter | None, error: WorkflowError) -> bool:
    """Whether `catch.errors.with` holds; no filter catches every error (dsl-reference, Catch)."""
    if wanted is None:
        return True
    if wanted.type is not None and not same_type(wanted.type, error.type):
        return False
    pairs = (
        (wanted.status, error.status),
        (wanted.title, error.title),
        (wanted.detail, error.detail),
        (wanted.instance, error.instance),
    )
    return all(want is None or want == have for want, have in pairs)
