"""How long the ended runs of a namespace are kept."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.retention import DAYS, Retention, RetentionPage, SetRetention
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import check_match, etag_of
from visapi_gateway.kernel.pages import one_page

_NAMESPACE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")


class Policy(msgspec.Struct, frozen=True):
    """The stored policy of a namespace."""

    namespace: str
    days: int
    updated_at: datetime
    updated_by: str


Check = Callable[[Policy | None], None]
"""Refuses a change of a policy; called within the transaction of the change, while nobody else changes it."""


def accept_any(_: Policy | None) -> None:
    """A change without a condition."""


class RetentionStore(Protocol):
    async def default_days(self) -> int: ...
    async def policy(self, tenant: str, namespace: str) -> Policy | None: ...
    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[Policy]: ...
    async def set(self, namespace: str, days: int, audit: AuditEntry, check: Check = accept_any) -> datetime:
        """Since when the policy applies, by the database's clock. Raises what `check` raises of the policy
        that stands.
        """
        ...

    async def reset(self, namespace: str, audit: AuditEntry, check: Check = accept_any) -> bool: ...


class Retentions:
    """The use cases. Runs keep the policy under which they started. `if_match` is the header of a request;
    None changes a policy whatever its state.
    """

    def __init__(self, store: RetentionStore) -> None:
        self._store = store

    async def read(self, tenant: str, namespace: str) -> Retention:
        """The policy, or the default. Raises `ProblemError` 400."""
        _check(namespace)
        policy = await self._store.policy(tenant, namespace)
        if policy is not None:
            return _view(policy)
        return _default(namespace, await self._store.default_days())

    async def page(self, tenant: str, after: str | None, limit: int) -> RetentionPage:
        """Policies by namespace. `next` is the namespace to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        shown, more = one_page(rows, limit, lambda row: row.namespace)
        return RetentionPage([_view(row) for row in shown], await self._store.default_days(), more)

    async def set(
        self, who: Requester, namespace: str, wanted: SetRetention, if_match: str | None = None
    ) -> Retention:
        """Raises `ProblemError` 400 and 412, and the faults of the database."""
        _check(namespace)
        if wanted.days not in DAYS:
            nearest = min(DAYS, key=lambda days: abs(days - wanted.days))
            choices = ", ".join(map(str, DAYS))
            error = FieldError("/days", f"{wanted.days} is not one of {choices}; the nearest is {nearest}")
            raise ProblemError("invalid_body", "runs cannot be kept that long", status=400, errors=[error])
        target = f"namespace:{namespace}"
        audit = entry(who, AuditAction.RETENTION_SET, target, reason=wanted.reason, days=wanted.days)
        since = await self._store.set(namespace, wanted.days, audit, await self._check(namespace, if_match))
        return Retention(namespace, wanted.days, False, since, who.actor)

    async def reset(self, who: Requester, namespace: str, if_match: str | None = None) -> None:
        """Reset to the default. Raises `ProblemError` 404 and 412."""
        audit = entry(who, AuditAction.RETENTION_RESET, f"namespace:{namespace}")
        if not await self._store.reset(namespace, audit, await self._check(namespace, if_match)):
            detail = f"the namespace {namespace!r} has no retention policy of its own"
            raise ProblemError("retention_not_found", detail, status=404)

    async def _check(self, namespace: str, if_match: str | None) -> Check:
        if if_match is None:
            return accept_any
        default = _default(namespace, await self._store.default_days())

        def check(policy: Policy | None) -> None:
            shown = default if policy is None else _view(policy)
            check_match(if_match, etag_of(msgspec.json.encode(shown)), f"the policy of {namespace}")

        return check


def _check(namespace: str) -> None:
    if not _NAMESPACE.fullmatch(namespace):
        detail = f"{namespace!r} cannot name a namespace: 1 to 63 letters, digits and inner -"
        raise ProblemError("invalid_body", detail, status=400)


def _default(namespace: str, days: int) -> Retention:
    return Retention(namespace, days, True, None, None)


def _view(policy: Policy) -> Retention:
    return Retention(policy.namespace, policy.days, False, policy.updated_at, policy.updated_by)
