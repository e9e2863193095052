"""The operations of the HTTP API as values: requests and response types. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from visapi.client.call import Call, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.approvals import ApprovalPage, ApprovalView, DecideApproval
from visapi_common.contracts.audit import AuditPage
from visapi_common.contracts.bulk import BulkAction, BulkCount, BulkStep
from visapi_common.contracts.dead_letters import (
    DeadLetterPage,
    DeadLetterView,
    ReplayDeadLetter,
    ResolveDeadLetter,
)
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.limits import LimitPage
from visapi_common.contracts.retention import Retention, RetentionPage, SetRetention
from visapi_common.contracts.runs import HistoryPage, RunPage, RunView
from visapi_common.contracts.workflows import Deployed

YAML = "application/yaml"
JSON = "application/json"


def deploy(source: bytes, media_type: str, *, dry_run: bool = False) -> Call[Deployed]:
    """Deploy a definition; the same content again is fine, other content under its version is a 409."""
    return Call(
        method="POST",
        path="/v1/workflows",
        answer=Deployed,
        params={"dry_run": "true"} if dry_run else {},
        headers={"Content-Type": media_type},
        body=source,
        repeatable=True,
    )


def start_run(
    namespace: str,
    name: str,
    body: bytes = b"",
    *,
    version: str | None = None,
    idempotency_key: str | None = None,
    wait_s: int | None = None,
) -> Call[RunView]:
    """Start a run with encoded JSON as its input; with `wait_s` the answer may be the ended run."""
    headers = {"Content-Type": JSON} if body else {}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    if wait_s is not None:
        headers["Prefer"] = f"wait={wait_s}"
    return Call(
        method="POST",
        path=f"/v1/workflows/{_part(namespace)}/{_part(name)}/runs",
        answer=RunView,
        params={"version": version} if version else {},
        headers=headers,
        body=body,
        repeatable=True,
        keyed=True,
    )


def list_audit(
    *, action: str | None = None, target: str | None = None, limit: int = 50, cursor: str | None = None
) -> Call[AuditPage]:
    """What was done, newest first."""
    params: dict[str, str | list[str]] = {"limit": str(limit)}
    given = {"action": action, "target": target, "cursor": cursor}
    params |= {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path="/v1/audit", answer=AuditPage, params=params, repeatable=True)


def list_limits(workflow: str | None = None) -> Call[LimitPage]:
    """The first 200 keys of flow control that are in use."""
    params: dict[str, str | list[str]] = {"limit": "200"}
    if workflow:
        params["workflow"] = workflow
    return Call(method="GET", path="/v1/limits", answer=LimitPage, params=params, repeatable=True)


def list_retention() -> Call[RetentionPage]:
    """The first 200 namespaces that have a policy."""
    return Call(
        method="GET", path="/v1/retention", answer=RetentionPage, params={"limit": "200"}, repeatable=True
    )


def set_retention(namespace: str, days: int, reason: str | None = None) -> Call[Retention]:
    """How long ended runs are kept that start from now on; 400 where `days` is none of the choices."""
    return Call(
        method="PUT",
        path=f"/v1/retention/{_part(namespace)}",
        answer=Retention,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(SetRetention(days, reason)),
        repeatable=True,
    )


def reset_retention(namespace: str) -> Call[Any]:
    return Call(method="DELETE", path=f"/v1/retention/{_part(namespace)}", answer=Any)


def get_run(run: str) -> Call[RunView]:
    return Call(method="GET", path=f"/v1/runs/{_part(run)}", answer=RunView, repeatable=True)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What narrows a list of runs, as `GET /v1/runs` takes it; empty is not sent."""

    status: list[str] = []
    workflow: str | None = None
    version: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    attribute: list[str] = []
    q: str | None = None
    parent: str | None = None
    schedule: str | None = None

    def params(self) -> dict[str, str | list[str]]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class Bulk(msgspec.Struct, frozen=True, kw_only=True):
    """One command for many runs; `version` is of retry and rerun."""

    action: BulkAction
    filters: Filters
    version: str | None = None

    def body(self, **more: str | None) -> bytes:
        given = {"version": self.version, **more}
        wanted = {"action": self.action, "filter": self.filters.params()}
        return msgspec.json.encode(wanted | {name: value for name, value in given.items() if value})


def count_bulk(bulk: Bulk) -> Call[BulkCount]:
    """The number of runs that the command would act on, and the token for its first step."""
    headers = {"Content-Type": JSON}
    path = "/v1/runs/bulk/count"
    return Call(
        method="POST", path=path, answer=BulkCount, headers=headers, body=bulk.body(), repeatable=True
    )


def step_bulk(bulk: Bulk, token: str, reason: str | None = None) -> Call[BulkStep]:
    """Act on the next runs; the same token again does nothing twice."""
    return Call(
        method="POST",
        path="/v1/runs/bulk",
        answer=BulkStep,
        headers={"Content-Type": JSON},
        body=bulk.body(token=token, reason=reason),
        repeatable=True,
    )


def list_approvals(*, state: str = "open", limit: int = 200, cursor: str | None = None) -> Call[ApprovalPage]:
    params = query(limit, state=state, cursor=cursor)
    return Call(method="GET", path="/v1/approvals", answer=ApprovalPage, params=params, repeatable=True)


def decide_approval(approval: str, decision: str, comment: str | None) -> Call[ApprovalView]:
    """Decide on a question; the first decision counts, a later one is a 409."""
    return Call(
        method="POST",
        path=f"/v1/approvals/{_part(approval)}/decide",
        answer=ApprovalView,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(DecideApproval(decision, comment)),
    )


def list_dead_letters(
    *,
    kind: str | None = None,
    resolved: bool | None = None,
    limit: int = 50,
    cursor: str | None = None,
    only: Mapping[str, str | None] | None = None,
) -> Call[DeadLetterPage]:
    """Dead letters, newest first; without `resolved` open and resolved ones. `only`: other filters."""
    params: dict[str, str | list[str]] = {"limit": str(limit)}
    said = None if resolved is None else str(resolved).lower()
    given = {"kind": kind, "resolved": said, "cursor": cursor, **(only or {})}
    params |= {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path="/v1/dead-letters", answer=DeadLetterPage, params=params, repeatable=True)


def get_dead_letter(letter: str) -> Call[DeadLetterView]:
    return Call(
        method="GET", path=f"/v1/dead-letters/{_part(letter)}", answer=DeadLetterView, repeatable=True
    )


def resolve_dead_letter(
    letter: str, decision: Decision, *, reason: str | None = None
) -> Call[DeadLetterView]:
    """Resolve an uncertain effect; 409 when it was resolved before."""
    path = f"/v1/dead-letters/{_part(letter)}/resolve"
    body = msgspec.json.encode(ResolveDeadLetter(decision, reason))
    return Call(
        method="POST",
        path=path,
        answer=DeadLetterView,
        headers={"Content-Type": JSON},
        body=body,
        repeatable=True,
        keyed=True,
    )


def replay_dead_letter(
    letter: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[DeadLetterView]:
    """Ask for a letter to be put back; 409 where its kind cannot be, or when it was resolved before."""
    headers = {"Content-Type": JSON}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Call(
        method="POST",
        path=f"/v1/dead-letters/{_part(letter)}/replay",
        answer=DeadLetterView,
        headers=headers,
        body=msgspec.json.encode(ReplayDeadLetter(reason)),
        repeatable=True,
        keyed=True,
    )


def list_runs(*, limit: int, cursor: str | None = None, filters: Filters | None = None) -> Call[RunPage]:
    params: dict[str, str | list[str]] = {} if filters is None else filters.params()
    params["limit"] = str(limit)
    if cursor:
        params["cursor"] = cursor
    return Call(method="GET", path="/v1/runs", answer=RunPage, params=params, repeatable=True)


def get_history(run: str, *, cursor: str | None = None) -> Call[HistoryPage]:
    params: dict[str, str | list[str]] = {"cursor": cursor} if cursor else {}
    return Call(
        method="GET",
        path=f"/v1/runs/{_part(run)}/history",
        answer=HistoryPage,
        params=params,
        repeatable=True,
    )


def cancel_run(run: str, reason: str | None = None) -> Call[RunView]:
    return _command(run, "cancel", reason)


def suspend_run(run: str, reason: str | None = None) -> Call[RunView]:
    return _command(run, "suspend", reason)


def resume_run(run: str, reason: str | None = None) -> Call[RunView]:
    return _command(run, "resume", reason)


def retry_run(
    run: str, *, body: bytes | None = None, version: str | None = None, reason: str | None = None
) -> Call[RunView]:
    """Retry a faulted run; `body` (JSON) replaces the input of the failed task."""
    return Call(
        method="POST",
        path=f"/v1/runs/{_part(run)}/retry",
        answer=RunView,
        headers={"Content-Type": JSON},
        body=_repetition(body, version, reason),
        repeatable=True,
    )


def rerun_run(
    run: str,
    *,
    body: bytes | None = None,
    version: str | None = None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Call[RunView]:
    """Start a run like this one; `body` (JSON) replaces its input."""
    headers = {"Content-Type": JSON}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Call(
        method="POST",
        path=f"/v1/runs/{_part(run)}/rerun",
        answer=RunView,
        headers=headers,
        body=_repetition(body, version, reason),
        repeatable=True,
        keyed=True,
    )


def _command(run: str, verb: str, reason: str | None) -> Call[RunView]:
    """A repeated command is one command."""
    return Call(
        method="POST",
        path=f"/v1/runs/{_part(run)}/{verb}",
        answer=RunView,
        headers={"Content-Type": JSON} if reason else {},
        body=msgspec.json.encode({"reason": reason}) if reason else b"",
        repeatable=True,
    )


def _repetition(body: bytes | None, version: str | None, reason: str | None) -> bytes:
    given = {"input": msgspec.Raw(body)} if body is not None else {}
    return msgspec.json.encode(
        {**given, **{key: value for key, value in (("version", version), ("reason", reason)) if value}}
    )
