"""An audit entry of a request, before it is appended to the chain."""

from typing import Any

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.gateway_bodies import REASON_CHARS_MAX
from visapi_gateway.kernel.access.scopes import Requester


def entry(
    who: Requester, action: AuditAction, target: str, *, reason: str | None = None, **details: Any
) -> AuditEntry:
    """Make an entry; details that are None are left out."""
    shortened = None if reason is None else reason[:REASON_CHARS_MAX]
    known = {name: value for name, value in details.items() if value is not None}
    return AuditEntry(who.tenant, who.actor, action, target, shortened, who.request_id, known)
