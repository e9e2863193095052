"""The operations of the HTTP API as values: requests and response types. Pure."""

from datetime import datetime

import msgspec

from visapi.client.call import JSON, Call, keyed_post, query, time_text
from visapi.client.call import path_part as _part
from visapi_common.contracts.approvals import ApprovalPage, ApprovalView, DecideApproval
from visapi_common.contracts.audit import AuditPage
from visapi_common.contracts.bulk import BulkAction, BulkCount, BulkStep
from visapi_common.contracts.limits import LimitPage
from visapi_common.contracts.runs import HistoryPage, RunPage, RunView
from visapi_common.contracts.workflows import Deployed

YAML = "application/yaml"


def deploy(
    source: bytes, media_type: str, *, dry_run: bool = False, idempotency_key: str | None = None
) -> Call[Deployed]:
    """Deploy a definition; the same content again is fine, other content under its version is a 409."""
    call = keyed_post("/v1/workflows", Deployed, source, idempotency_key=idempotency_key)
    params: dict[str, str | list[str]] = {"dry_run": "true"} if dry_run else {}
    headers = {**call.headers, "Content-Type": media_type}
    return msgspec.structs.replace(call, params=params, headers=headers)


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


def list_audit(  # noqa: PLR0913 (each is a parameter of the API)
    *,
    action: str | None = None,
    target: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Call[AuditPage]:
    """What was done, newest first."""
    times = {"since": time_text(since), "until": time_text(until)}
    params = query(limit, action=action, target=target, actor=actor, cursor=cursor, **times)
    return Call(method="GET", path="/v1/audit", answer=AuditPage, params=params, repeatable=True)


def list_limits(
    workflow: str | None = None, *, limit: int = 200, cursor: str | None = None
) -> Call[LimitPage]:
    """The keys of flow control that are in use."""
    params = query(limit, workflow=workflow, cursor=cursor)
    return Call(method="GET", path="/v1/limits", answer=LimitPage, params=params, repeatable=True)


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


def step_bulk(
    bulk: Bulk, token: str, reason: str | None = None, *, idempotency_key: str | None = None
) -> Call[BulkStep]:
    """Act on the next runs; the same token again does nothing twice."""
    body = bulk.body(token=token, reason=reason)
    return keyed_post("/v1/runs/bulk", BulkStep, body, idempotency_key=idempotency_key)


def list_approvals(
    *, state: str = "open", run: str | None = None, limit: int = 200, cursor: str | None = None
) -> Call[ApprovalPage]:
    """Questions to people, in one state or all."""
    params = query(limit, state=state, run=run, cursor=cursor)
    return Call(method="GET", path="/v1/approvals", answer=ApprovalPage, params=params, repeatable=True)


def get_approval(approval: str) -> Call[ApprovalView]:
    return Call(method="GET", path=f"/v1/approvals/{_part(approval)}", answer=ApprovalView, repeatable=True)


def decide_approval(approval: str, decision: str, comment: str | None) -> Call[ApprovalView]:
    """Decide on a question; the first decision counts, a later one is a 409."""
    return Call(
        method="POST",
        path=f"/v1/approvals/{_part(approval)}/decide",
        answer=ApprovalView,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(DecideApproval(decision, comment)),
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


def cancel_run(run: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Call[RunView]:
    return _command(run, "cancel", reason, idempotency_key)


def suspend_run(run: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Call[RunView]:
    return _command(run, "suspend", reason, idempotency_key)


def resume_run(run: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Call[RunView]:
    return _command(run, "resume", reason, idempotency_key)


def retry_run(
    run: str,
    *,
    body: bytes | None = None,
    version: str | None = None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Call[RunView]:
    """Retry a faulted run; `body` (JSON) replaces the input of the failed task."""
    path, wanted = f"/v1/runs/{_part(run)}/retry", _repetition(body, version, reason)
    return keyed_post(path, RunView, wanted, idempotency_key=idempotency_key)


def rerun_run(
    run: str,
    *,
    body: bytes | None = None,
    version: str | None = None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Call[RunView]:
    """Start a run like this one; `body` (JSON) replaces its input."""
    path, wanted = f"/v1/runs/{_part(run)}/rerun", _repetition(body, version, reason)
    return keyed_post(path, RunView, wanted, idempotency_key=idempotency_key)


def _command(run: str, verb: str, reason: str | None, idempotency_key: str | None) -> Call[RunView]:
    """A repeated command is one command."""
    body = msgspec.json.encode({"reason": reason}) if reason else b""
    return keyed_post(f"/v1/runs/{_part(run)}/{verb}", RunView, body, idempotency_key=idempotency_key)


def _repetition(body: bytes | None, version: str | None, reason: str | None) -> bytes:
    given = {"input": msgspec.Raw(body)} if body is not None else {}
    return msgspec.json.encode(
        {**given, **{key: value for key, value in (("version", version), ("reason", reason)) if value}}
    )
