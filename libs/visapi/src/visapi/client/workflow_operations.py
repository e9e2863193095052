"""The operations of workflows and of their runs, with values in place of bytes; see `operations`. Pure."""

from typing import Any

import msgspec

from visapi.client import operations
from visapi.client.call import JSON, Call, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.runs import RunPage, RunView
from visapi_common.contracts.simulation import SimulateWorkflow, Simulation
from visapi_common.contracts.workflows import WorkflowPage, WorkflowView


def start(
    workflow: str,
    input: Any = None,  # noqa: A002 (the word of the API)
    *,
    version: str | None = None,
    idempotency_key: str | None = None,
    wait_s: int | None = None,
) -> Call[RunView]:
    """Start a run of `namespace/name`; `input` is anything that JSON holds. With `wait_s` (at most 60) the
    answer may be the ended run. Raises `ValueError` for a workflow that is no `namespace/name`.
    """
    namespace, _, name = workflow.partition("/")
    if not namespace or not name:
        raise ValueError(f"{workflow!r} names no workflow; write namespace/name")
    body = msgspec.json.encode(input)
    return operations.start_run(
        namespace, name, body, version=version, idempotency_key=idempotency_key, wait_s=wait_s
    )


def list_runs(
    filters: operations.Filters | None = None, *, limit: int = 100, cursor: str | None = None
) -> Call[RunPage]:
    """Runs that match all filters, newest first; `limit` is of one page."""
    return operations.list_runs(limit=limit, cursor=cursor, filters=filters)


def list_workflows(
    *, namespace: str | None = None, limit: int = 200, cursor: str | None = None
) -> Call[WorkflowPage]:
    """Workflows by name, each as its highest version."""
    params = query(limit, namespace=namespace, cursor=cursor)
    return Call(method="GET", path="/v1/workflows", answer=WorkflowPage, params=params, repeatable=True)


def list_versions(
    namespace: str, name: str, *, limit: int = 200, cursor: str | None = None
) -> Call[WorkflowPage]:
    """The versions of a workflow, highest first."""
    return Call(
        method="GET",
        path=f"/v1/workflows/{_part(namespace)}/{_part(name)}/versions",
        answer=WorkflowPage,
        params=query(limit, cursor=cursor),
        repeatable=True,
    )


def get_workflow(namespace: str, name: str) -> Call[WorkflowView]:
    """The highest version of a workflow."""
    path = f"/v1/workflows/{_part(namespace)}/{_part(name)}"
    return Call(method="GET", path=path, answer=WorkflowView, repeatable=True)


def get_version(namespace: str, name: str, version: str) -> Call[WorkflowView]:
    """One version of a workflow; its definition is `source`."""
    path = f"/v1/workflows/{_part(namespace)}/{_part(name)}/versions/{_part(version)}"
    return Call(method="GET", path=path, answer=WorkflowView, repeatable=True)


def simulate(wanted: SimulateWorkflow) -> Call[Simulation]:
    """Run a definition without effects, with given answers to its calls. Nothing is stored."""
    return Call(
        method="POST",
        path="/v1/workflows/simulate",
        answer=Simulation,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(wanted),
        repeatable=True,
    )
