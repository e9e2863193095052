"""The public shapes of approvals: questions of workflows that people decide."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

COMMENT_MAX = 2000

Comment = Annotated[str, msgspec.Meta(max_length=COMMENT_MAX)]


class ApprovalView(msgspec.Struct, frozen=True):
    """An approval as the API shows it. `state` is open, decided, expired or cancelled.

    `decided_by` is an approver, `link` (the link that names nobody), `key:<id>` or `deadline`.
    """

    id: UUID
    state: str
    run: UUID
    workflow: str
    task: str
    pointer: str
    title: str
    text: str
    data: msgspec.Raw
    choices: list[str]
    approvers: list[str]
    asked_at: datetime
    expires_at: datetime | None
    decision: str | None
    comment: str | None
    decided_by: str | None
    closed_at: datetime | None
    links: dict[str, str]


class ApprovalPage(msgspec.Struct, frozen=True):
    items: list[ApprovalView]
    next: str | None


class DecideApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The decision: one of the question's choices, and why."""

    decision: Annotated[str, msgspec.Meta(max_length=COMMENT_MAX)]
    comment: Comment | None = None
