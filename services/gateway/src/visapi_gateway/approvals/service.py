"""Approvals: shown to people and to keys, decided once.

The decision and the run's inbox row are committed together; the first decision counts. A link opens one
approval for one approver. The link's key is compared by hash, and its holder needs no account.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.approvals import ApprovalPage, ApprovalView, DecideApproval
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import ApprovalDecided, InboxKind
from visapi_common.core.approvals import ANYBODY, Token, decision_key, link_digest
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.problems import invalid_field
from visapi_gateway.runs.commands.service import Hint, InboxRow

OPEN, EXPIRED = "open", "expired"
BY_LINK = "link"


class ApprovalRow(msgspec.Struct, frozen=True):
    """A stored approval. `late`: the deadline has passed, even if the approval is not closed yet."""

    id: UUID
    state: str
    run: UUID
    path: str
    workflow: str
    task: str
    shown: bytes
    approvers: list[str]
    asked_at: datetime
    expires_at: datetime | None
    decision: str | None
    comment: str | None
    decided_by: str | None
    closed_at: datetime | None
    late: bool
    holder: str | None = None
    """The approver of the link: a name, empty for a link without a name, or None without a valid link."""
    test: bool = False
    """A test run asks."""


class Shown(msgspec.Struct, frozen=True):
    """The approval as the page shows it."""

    title: str
    text: str
    data: msgspec.Raw
    choices: list[str]


class Verdict(msgspec.Struct, frozen=True):
    """A decision to record. `inbox_row` is put into the run's inbox in the same transaction."""

    id: UUID
    tenant: str
    decision: str
    comment: str | None
    by: str
    inbox_row: InboxRow
    audit: AuditEntry


class Decider(msgspec.Struct, frozen=True):
    """Who decides (a key, an approver, or the holder of a link without a name), and by which request."""

    tenant: str
    name: str
    request_id: str


class ApprovalStore(Protocol):
    async def approvals(
        self, tenant: str, state: str | None, run: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[ApprovalRow]: ...
    async def approval(self, tenant: str, approval: UUID, digest: bytes | None) -> ApprovalRow | None: ...
    async def decide(self, verdict: Verdict) -> bool:
        """Record the decision; return whether the approval was open."""
        ...


_shown = msgspec.json.Decoder(Shown).decode


class Approvals:
    """See the module's docstring."""

    def __init__(self, store: ApprovalStore, hint: Hint) -> None:
        self._store = store
        self._hint = hint

    async def list(
        self, tenant: str, state: str | None, run: UUID | None, before: UUID | None, limit: int
    ) -> ApprovalPage:
        """Approvals of the newest runs first. `next` is the id to continue from."""
        rows = await self._store.approvals(tenant, state, run, before, limit + 1)
        shown, more = one_page(rows, limit, lambda row: str(row.id))
        return ApprovalPage([view_of(row) for row in shown], more)

    async def read(self, tenant: str, approval: UUID) -> ApprovalView:
        """Raises `ProblemError` 404."""
        return view_of(await self._row(tenant, approval))

    async def decide(self, who: Requester, approval: UUID, wanted: DecideApproval) -> ApprovalView:
        """Raises `ProblemError` 400, 404 and 409."""
        row = await self._row(who.tenant, approval)
        who.check_may_command(f"approval {approval}", test=row.test)
        view = view_of(row)
        if wanted.decision not in view.choices:
            detail = f"must be one of {', '.join(view.choices)}"
            raise invalid_field("/decision", detail)
        counted = view.state == OPEN and await self._record(
            view, wanted, Decider(who.tenant, who.actor, who.request_id)
        )
        now = view_of(await self._row(who.tenant, approval))
        if not (counted or _is_of(now, wanted, who.actor)):
            raise _over(now)
        return now

    async def opened(self, token: Token) -> tuple[ApprovalView, str] | None:
        """The approval and the approver of a link; None for an invalid link."""
        row = await self._store.approval(token.tenant, token.approval, link_digest(token.key))
        if row is None or row.holder is None:
            return None
        return view_of(row), row.holder

    async def decide_by_link(
        self, token: Token, wanted: DecideApproval, request_id: str
    ) -> tuple[ApprovalView, str, bool] | None:
        """Decide. Returns the approval, the approver of the link, and whether this decision counted."""
        found = await self.opened(token)
        if found is None:
            return None
        view, holder = found
        by = BY_LINK if holder == ANYBODY else holder
        counted = False
        if view.state == OPEN and wanted.decision in view.choices:
            counted = await self._record(view, wanted, Decider(token.tenant, by, request_id))
            view = view_of(await self._row(token.tenant, token.approval))
        return view, holder, counted or _is_of(view, wanted, by)

    async def _record(self, view: ApprovalView, wanted: DecideApproval, by: Decider) -> bool:
        comment, tenant = _comment(wanted), by.tenant
        body = ApprovalDecided(view.pointer, view.id, wanted.decision, by.name, comment)
        inbox_row = InboxRow(
            view.run, decision_key(view.id), tenant, InboxKind.APPROVAL.value, msgspec.json.encode(body)
        )
        audit = AuditEntry(
            tenant=tenant,
            actor=by.name,
            action=AuditAction.APPROVAL_DECIDE,
            target=f"approval:{view.id}",
            reason=comment,
            request_id=by.request_id,
            details={"decision": wanted.decision, "run": str(view.run)},
        )
        verdict = Verdict(view.id, tenant, wanted.decision, comment, by.name, inbox_row, audit)
        counted = await self._store.decide(verdict)
        if counted:
            self._hint(view.run)
        return counted

    async def _row(self, tenant: str, approval: UUID) -> ApprovalRow:
        row = await self._store.approval(tenant, approval, None)
        if row is None:
            raise ProblemError("approval_not_found", f"there is no approval {approval}", status=404)
        return row


def view_of(row: ApprovalRow) -> ApprovalView:
    shown = _shown(row.shown)
    state = EXPIRED if row.state == OPEN and row.late else row.state
    links = {"self": f"/v1/approvals/{row.id}", "run": f"/v1/runs/{row.run}"}
    if state == OPEN:
        links["decide"] = f"/v1/approvals/{row.id}/decide"
    fields: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("id", "run", "workflow", "task", "asked_at", "expires_at", "decision", "comment")
    }
    return ApprovalView(
        **fields,
        state=state,
        pointer=row.path,
        title=shown.title,
        text=shown.text,
        data=shown.data,
        choices=shown.choices,
        approvers=[name for name in row.approvers if name != ANYBODY],
        decided_by=row.decided_by,
        closed_at=row.closed_at,
        links=links,
    )


def _comment(wanted: DecideApproval) -> str | None:
    return (wanted.comment or "").strip() or None


def _is_of(view: ApprovalView, wanted: DecideApproval, by: str) -> bool:
    """Whether the same decision counted before: its response was lost, or the form was sent twice."""
    said = (view.decision, view.comment, view.decided_by)
    return said == (wanted.decision, _comment(wanted), by)


def _over(view: ApprovalView) -> ProblemError:
    if view.decision is not None:
        detail = f"{view.decided_by} decided {view.decision!r} at {view.closed_at}; the first decision counts"
        return ProblemError("approval_decided", detail, status=409)
    detail = f"approval {view.id} is {view.state}; nobody can decide it any more"
    return ProblemError("approval_over", detail, status=409)
