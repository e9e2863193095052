"""The audit: who did what, each row chained to the one before."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class AuditAction(StrEnum):
    """The audited actions. Starting runs and posting events are not audited: runs and events are rows
    themselves.
    """

    RUN_CANCEL = "run.cancel"
    RUN_SUSPEND = "run.suspend"
    RUN_RESUME = "run.resume"
    RUN_RETRY = "run.retry"
    RUN_RERUN = "run.rerun"
    APPROVAL_DECIDE = "approval.decide"
    DEAD_LETTER_RESOLVE = "dead-letter.resolve"
    DEAD_LETTER_REPLAY = "dead-letter.replay"
    DEAD_LETTER_REPLAY_MANY = "dead-letter.replay-many"
    DEAD_LETTER_ABORT = "dead-letter.abort"
    DEAD_LETTER_EDIT = "dead-letter.edit"
    """The details hold the SHA-256 of the body before and after."""
    DEAD_LETTER_READ = "dead-letter.read"
    """A key of kind `admin` read dead letters that are not its tenant's. Other reads are not audited."""
    WORKFLOW_DEPLOY = "workflow.deploy"
    SCHEDULE_PAUSE = "schedule.pause"
    SCHEDULE_RESUME = "schedule.resume"
    SCHEDULE_TRIGGER = "schedule.trigger"
    SCHEDULE_BACKFILL = "schedule.backfill"
    SECRET_PUT = "secret.put"  # noqa: S105 (the name of an action)
    SECRET_REMOVE = "secret.remove"  # noqa: S105 (the name of an action)
    ACCOUNT_PUT = "account.put"
    ACCOUNT_ROTATE = "account.rotate"
    ACCOUNT_CONFIRM = "account.confirm"
    ACCOUNT_ROLL_BACK = "account.roll-back"
    ACCOUNT_REMOVE = "account.remove"
    ACCOUNT_VERIFY = "account.verify"
    TEMPLATE_PUT = "template.put"
    TEMPLATE_REMOVE = "template.remove"
    ENDPOINT_CREATE = "endpoint.create"
    ENDPOINT_UPDATE = "endpoint.update"
    ENDPOINT_ROTATE = "endpoint.rotate"
    ENDPOINT_REMOVE = "endpoint.remove"
    ENDPOINT_PING = "endpoint.ping"
    ENDPOINT_REPLAY = "endpoint.replay"
    HOOK_CREATE = "hook.create"
    HOOK_UPDATE = "hook.update"
    HOOK_ROTATE = "hook.rotate"
    HOOK_REMOVE = "hook.remove"
    HOOK_REPLAY = "hook.replay"
    ARTIFACT_REMOVE = "artifact.remove"
    RETENTION_SET = "retention.set"
    RETENTION_RESET = "retention.reset"
    RATE_SET = "rate.set"
    RATE_RESET = "rate.reset"
    TENANT_CREATE = "tenant.create"
    TENANT_DISABLE = "tenant.disable"
    TENANT_ENABLE = "tenant.enable"
    TENANT_ERASE = "tenant.erase"
    """Somebody has asked for it; what was done then stands in the tenant itself."""
    TENANT_EXPORT = "tenant.export"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    KEY_CHANGE = "key.change"
    KEY_DISABLE = "key.disable"
    KEY_ENABLE = "key.enable"
    KEY_LEAK = "key.leak"
    """Somebody has shown the whole key, which was revoked; the actor is `leak-report`."""
    AUDIT_CUT = "audit.cut"
    """Rows were deleted for their age; the actor is `retention`."""


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what to what, and why, before it is appended to the chain of its tenant."""

    tenant: str
    actor: str
    action: AuditAction
    target: str
    reason: str | None
    request_id: str | None
    details: dict[str, Any]


class AuditRecord(msgspec.Struct, frozen=True):
    """One row. `hash` covers all other fields in this order (`core.audit_chain`); `previous` is the hash of
    the row before. `target` names what was acted on, such as `run:<id>`.
    """

    tenant: str
    seq: int
    time: datetime
    actor: str
    action: str
    target: str
    reason: str | None
    request_id: str | None
    details: dict[str, Any]
    previous: str
    hash: str


class AuditPage(msgspec.Struct, frozen=True):
    items: list[AuditRecord]
    next: str | None
