"""Rates as people see and set them. The rate of a tenant is set by the operator alone (`visapi admin tenant
rate`): a tenant that could raise its own rate would have none.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.rates import NAMES_OF_A_KEY_MAX, Rate, RatePage, SetNamedRate, SetRate
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import match_check
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.problems import invalid_field
from visapi_gateway.rates.rules.policies import TENANT, key_subject, kind_and_id, name_subject

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TAKEN = re.compile(r"(?:key|tenant)(?:-day|-month)?|.*-(?:day|month)")
"""How headers call the other policies."""


class RateRow(msgspec.Struct, frozen=True):
    """A stored rate."""

    subject: str
    per_s: float | None
    burst: int | None
    runs_per_day: int | None
    runs_per_month: int | None
    keys: list[str]
    updated_at: datetime
    updated_by: str


class KeyPrivileges(msgspec.Struct, frozen=True):
    """What a key may do."""

    kind: str
    scopes: frozenset[str]


class CrowdedKey(msgspec.Struct, frozen=True):
    """A rate was not stored, because this key stands under too many names."""

    key: str


RowCheck = Callable[[RateRow | None], None]
"""Refuses a change of a rate; called within the transaction of the change, which holds the rate."""


class RateStore(Protocol):
    async def one(self, tenant: str, subject: str) -> RateRow | None: ...
    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[RateRow]: ...
    async def put(
        self, subject: str, wanted: SetRate, keys: list[str], audit: AuditEntry, check: RowCheck
    ) -> datetime | CrowdedKey:
        """Store the rate; since when it applies. Raises `ProblemError` 409 beyond the tenant's number of
        rates, and what `check` raises of the rate that stands.
        """
        ...

    async def remove(self, subject: str, audit: AuditEntry, check: RowCheck) -> bool: ...
    async def privileges(self, tenant: str, keys: Sequence[str]) -> dict[str, KeyPrivileges]:
        """Of those of the keys that the tenant has."""
        ...


class Rates:
    """The use cases. `changed` notifies every gateway. `if_match` is the header of a request; None changes a
    rate whatever its state.
    """

    def __init__(self, store: RateStore, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed

    async def page(self, tenant: str, after: str | None, limit: int) -> RatePage:
        """The stored rates of the tenant, by kind and id. `next` is the position to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        shown, more = one_page(rows, limit, lambda row: row.subject)
        return RatePage([_view(tenant, row) for row in shown], more)

    async def of_key(self, tenant: str, key: str) -> Rate:
        """The rate of a key. Raises `ProblemError` 404."""
        if key not in await self._store.privileges(tenant, [key]):
            raise _no_such_key(key)
        row = await self._store.one(tenant, key_subject(key))
        return _defaults_of(key) if row is None else _view(tenant, row)

    async def named(self, tenant: str, name: str) -> Rate:
        """The rate that several keys share. Raises `ProblemError` 404."""
        row = await self._store.one(tenant, name_subject(name))
        if row is None:
            raise ProblemError("rate_not_found", _missing(name), status=404)
        return _view(tenant, row)

    async def set_of_key(
        self, who: Requester, key: str, wanted: SetRate, if_match: str | None = None
    ) -> Rate:
        """Raises `ProblemError` 403, 404 and 412."""
        await self._check_key(who, key)
        return await self._set(who, key_subject(key), wanted, [], if_match)

    async def set_named(
        self, who: Requester, name: str, wanted: SetNamedRate, if_match: str | None = None
    ) -> Rate:
        """Raises `ProblemError` 400, 403 and 412."""
        _check_name(name)
        limits = (wanted.per_s, wanted.runs_per_day, wanted.runs_per_month)
        if limits == (None, None, None):
            raise invalid_field(
                "/per_s", "give per_s, runs_per_day or runs_per_month; without any, nothing is limited"
            )
        if wanted.burst is not None and wanted.per_s is None:
            raise invalid_field("/burst", "needs per_s beside it")
        keys = list(dict.fromkeys(wanted.keys))
        privileges = await self._store.privileges(who.tenant, keys)
        for position, key in enumerate(keys):
            if key not in privileges:
                detail = f"{key}: the tenant has no such key; list keys with GET /v1/keys"
                raise invalid_field(f"/keys/{position}", detail)
            _check_manages(who, privileges[key])
        return await self._set(who, name_subject(name), wanted, keys, if_match)

    async def reset_of_key(self, who: Requester, key: str, if_match: str | None = None) -> None:
        """The defaults apply to the key. Raises `ProblemError` 403, 404 and 412."""
        await self._check_key(who, key)
        await self._remove(who, key_subject(key), f"the key {key} has no rate of its own", if_match)

    async def remove_named(self, who: Requester, name: str, if_match: str | None = None) -> None:
        """Raises `ProblemError` 404 and 412."""
        await self._remove(who, name_subject(name), _missing(name), if_match)

    async def _set(
        self, who: Requester, subject: str, wanted: SetRate, keys: list[str], if_match: str | None
    ) -> Rate:
        target = _target(subject)
        limits = {
            name: value
            for name in ("per_s", "burst", "runs_per_day", "runs_per_month")
            if (value := getattr(wanted, name)) is not None
        }
        more = {"keys": keys} if keys else {}
        audit = entry(who, AuditAction.RATE_SET, target, reason=wanted.reason, **limits, **more)
        since = await self._store.put(subject, wanted, keys, audit, _check(who, subject, if_match))
        if isinstance(since, CrowdedKey):
            position = keys.index(since.key) if since.key in keys else 0
            raise invalid_field(f"/keys/{position}", f"{since.key}: {_CROWDED}")
        self._changed()
        return _view(
            who.tenant,
            RateRow(
                subject,
                wanted.per_s,
                wanted.burst,
                wanted.runs_per_day,
                wanted.runs_per_month,
                keys,
                since,
                who.actor,
            ),
        )

    async def _remove(self, who: Requester, subject: str, missing: str, if_match: str | None) -> None:
        audit = entry(who, AuditAction.RATE_RESET, _target(subject))
        if not await self._store.remove(subject, audit, _check(who, subject, if_match)):
            raise ProblemError("rate_not_found", missing, status=404)
        self._changed()

    async def _check_key(self, who: Requester, key: str) -> None:
        privileges = await self._store.privileges(who.tenant, [key])
        if key not in privileges:
            raise _no_such_key(key)
        _check_manages(who, privileges[key])


_CROWDED = f"a key stands under at most {NAMES_OF_A_KEY_MAX} names; take the key from another rate first"


def _check(who: Requester, subject: str, if_match: str | None) -> RowCheck:
    """A key without a rate of its own is read with the defaults, so that an ETag of them is one to match."""
    kind, ident = kind_and_id(subject)
    what = f"rate of key {ident}" if kind == "key" else f"rate {ident!r}"
    match = match_check(if_match, what)

    def check(row: RateRow | None) -> None:
        default = _defaults_of(ident) if kind == "key" else None
        match(default if row is None else _view(who.tenant, row))

    return check


def _defaults_of(key: str) -> Rate:
    nothing = dict.fromkeys(("per_s", "burst", "runs_per_day", "runs_per_month", "updated_at", "updated_by"))
    return Rate(of="key", id=key, keys=[], **nothing)


def _missing(name: str) -> str:
    return f"there is no rate {name[:32]!r}; list them with GET /v1/rates"


def _no_such_key(key: str) -> ProblemError:
    detail = f"there is no key {key[:32]}; list keys with GET /v1/keys"
    return ProblemError("key_not_found", detail, status=404)


def _check_manages(who: Requester, other: KeyPrivileges) -> None:
    """A key must not slow down one that may do more: it could lock out whoever would mend that."""
    if (other.kind == "admin" and who.kind != "admin") or not who.may_grant(other.scopes):
        detail = "a key sets the rates only of keys whose scopes it has itself; use another key"
        raise ProblemError("forbidden", detail, status=403)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        detail = f"{name[:64]!r} cannot name a rate: 1 to 32 lower-case letters, digits and inner -"
        raise ProblemError("invalid_body", detail, status=400)
    if _TAKEN.fullmatch(name):
        detail = (
            f"{name!r} cannot name a rate: `key`, `tenant`, and what ends in -day or -month, are VisAPI's"
        )
        raise ProblemError("invalid_body", detail, status=400)


def _view(tenant: str, row: RateRow) -> Rate:
    kind, ident = kind_and_id(row.subject)
    fields = msgspec.structs.asdict(row)
    del fields["subject"]
    return Rate(of=kind, id=tenant if row.subject == TENANT else ident, **fields)


def _target(subject: str) -> str:
    kind, ident = kind_and_id(subject)
    return f"key:{ident}" if kind == "key" else f"rate:{ident}"
