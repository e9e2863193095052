"""What a key may be made or changed to, and by whom. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from visapi_common.contracts.keys import KEY_NAME_MAX, KEY_OVERLAP_MAX_S, ChangeKey, KeyView, NewKey
from visapi_common.core import api_keys
from visapi_common.core.errors import ProblemError
from visapi_common.core.scopes import (
    ALL,
    DEFAULT_SCOPES,
    LIMITED_SCOPES,
    OPERATOR_SCOPES,
    ROLES,
    SCOPES,
)
from visapi_gateway.kernel.access.restrictions import (
    UNRESTRICTED,
    Restrictions,
    normal,
    wrong_networks,
    wrong_workflows,
)
from visapi_gateway.kernel.access.scopes import Principal, covers
from visapi_gateway.kernel.api.etags import etag_of
from visapi_gateway.kernel.problems import invalid_field

_RANKS = {"test": 0, "live": 1, "admin": 2}
_SHOWN = 5
"""The most wrong entries that a problem names."""
_ENDED = ("disabled", "revoked", "expired")


def tag_of(key: KeyView) -> str:
    """The ETag of a key: its uses do not change it."""
    still = msgspec.structs.replace(key, last_used_at=None, last_used_from=None)
    return etag_of(msgspec.json.encode(still))


def wanted_key(who: Principal, wanted: NewKey, now: datetime, own_end: datetime | None) -> NewKey:
    """The key to make, with its scopes and its addresses in one spelling. Without an end of its own the key
    ends with the calling one, whose end is `own_end`. Raises `ProblemError` 400, and 403 for a key that may
    do more than the calling one or ends later.
    """
    _check_name(wanted.name)
    if wanted.kind not in api_keys.KINDS:
        raise invalid_field("/kind", f"must be one of {', '.join(api_keys.KINDS)}")
    if wanted.scopes is not None and wanted.role is not None:
        raise invalid_field("/role", "stands for scopes; give a role or scopes, not both")
    if wanted.kind == "admin" and (wanted.workflows is not None or wanted.role is not None):
        raise invalid_field(
            "/kind", "a key of kind admin may do everything; it takes neither role nor workflows"
        )
    made = msgspec.structs.replace(
        wanted,
        scopes=_scopes(who, wanted),
        role=None,
        expires_at=wanted.expires_at or own_end,
        allowed_addresses=_addresses("/allowed_addresses", wanted.allowed_addresses, who.limits.allowed),
        denied_addresses=_addresses("/denied_addresses", wanted.denied_addresses, who.limits.denied),
    )
    assert made.scopes is not None, "set above"
    _check_scopes(made.scopes, made.kind)
    _check_workflows(made.workflows, made.scopes)
    for field in ("not_before", "expires_at"):
        value = getattr(wanted, field)
        if value is not None and value.tzinfo is None:
            raise invalid_field(f"/{field}", "needs a time zone, e.g. 2027-01-31T12:00:00Z")
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise invalid_field("/expires_at", "is in the past; give a time to come, or leave it out")
    check_grant(who, made)
    check_end(made.expires_at, own_end)
    return made


def changed_key(who: Principal, key: KeyView, change: ChangeKey, own_end: datetime | None) -> KeyView:
    """The key with its changes. `own_end`: of the calling key. Raises `ProblemError` 400, 403, and 409 for a
    key that has ended. A change that gives the key more counts as giving it out.
    """
    if key.kind == "admin" and (change.scopes is not msgspec.UNSET or change.workflows is not msgspec.UNSET):
        raise invalid_field(
            "/scopes", "a key of kind admin may do everything; it takes no scopes or workflows"
        )
    given = {
        name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET
    }
    for name in ("allowed_addresses", "denied_addresses"):
        if name in given:
            given[name] = _addresses(f"/{name}", given[name], ())
    changed = msgspec.structs.replace(key, **given)
    _check_name(changed.name)
    _check_scopes(changed.scopes, changed.kind)
    _check_workflows(changed.workflows, changed.scopes)
    if changed.expires_at is not None and changed.expires_at.tzinfo is None:
        raise invalid_field("/expires_at", "needs a time zone, e.g. 2027-01-31T12:00:00Z")
    for each in (key, changed):
        check_grant(who, each)
    check_open(key)
    if _gives_more(key, changed):
        check_end(changed.expires_at, own_end)
    return changed


def check_grant(who: Principal, key: KeyView | NewKey) -> None:
    """Raises `ProblemError` 403 for a key that may do more than the calling one."""
    if (
        _RANKS[key.kind] > _RANKS[who.kind]
        or not who.may_grant(frozenset(key.scopes or ()))
        or not _is_within(key, who.limits)
    ):
        detail = (
            "a key creates, changes, rotates and revokes only keys that may do no more than itself; "
            "use another key"
        )
        raise ProblemError("forbidden", detail, status=403)


def check_end(end: datetime | None, own_end: datetime | None) -> None:
    """Raises `ProblemError` 403 where a key that ends at `own_end` would give out one that ends later:
    whoever holds a key for a time would hold one for ever.
    """
    if own_end is not None and (end is None or end > own_end):
        detail = (
            f"the calling key ends at {own_end:%Y-%m-%dT%H:%M:%SZ}, and gives out no key that ends later; "
            "give an earlier expires_at, or use another key"
        )
        raise ProblemError("forbidden", detail, status=403)


def end_of_caller(own: KeyView | None) -> datetime | None:
    """When the calling key ends; None where it does not. Raises `ProblemError` 403 where it is stored no
    more: what it may give out is then unknown.
    """
    if own is None:
        raise ProblemError("forbidden", "the calling key is gone; use another key", status=403)
    return own.expires_at


def check_overlap(seconds: int) -> None:
    if not 0 <= seconds <= KEY_OVERLAP_MAX_S:
        raise invalid_field("/overlap_s", f"must lie between 0 and {KEY_OVERLAP_MAX_S} seconds")


def _gives_more(key: KeyView, changed: KeyView) -> bool:
    """Whether a changed key has a scope, a workflow, an address or a time that it had not before."""
    later = key.expires_at is not None and (changed.expires_at is None or changed.expires_at > key.expires_at)
    more_scopes = not covers(frozenset(key.scopes), changed.scopes)
    return later or more_scopes or not _is_within(changed, _limits(key))


def _limits(key: KeyView | NewKey) -> Restrictions:
    return Restrictions.read(key.workflows, key.allowed_addresses, key.denied_addresses)


def _is_within(key: KeyView | NewKey, limits: Restrictions) -> bool:
    if limits == UNRESTRICTED:
        return True
    return _limits(key).within(limits)


def check_open(key: KeyView) -> None:
    """Raises `ProblemError` 409 for a key that is disabled, revoked or expired. An expired key counts no more
    among those that a tenant may have, so it never comes back.
    """
    if key.status in _ENDED:
        raise ended(key)


def ended(key: KeyView) -> ProblemError:
    """The problem of a key that cannot be changed any more."""
    how = "enable it first" if key.status == "disabled" else "make a new one"
    why = f" ({key.reason})" if key.reason else ""
    return ProblemError("key_ended", f"key {key.id} is {key.status}{why}; {how}", status=409)


def _scopes(who: Principal, wanted: NewKey) -> list[str]:
    if wanted.kind == "admin":
        return [ALL, *(scope for scope in OPERATOR_SCOPES if scope in (wanted.scopes or ()))]
    if wanted.role is not None:
        scopes = ROLES[wanted.role]
    elif wanted.scopes is not None:
        scopes = wanted.scopes
    else:
        scopes = [scope for scope in DEFAULT_SCOPES if who.may(scope)]
    if wanted.workflows is not None and wanted.scopes is None:
        scopes = [scope for scope in scopes if scope in LIMITED_SCOPES]
    return sorted(set(scopes))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > KEY_NAME_MAX:
        raise invalid_field("/name", f"must have 1 to {KEY_NAME_MAX} characters")


def _check_scopes(scopes: Sequence[str], kind: str) -> None:
    if kind != "admin" and (only := [scope for scope in scopes if scope in OPERATOR_SCOPES]):
        raise invalid_field("/scopes", f"{', '.join(only)}: only a key of kind admin takes this scope")
    unknown = [scope for scope in scopes if scope not in (*SCOPES, *OPERATOR_SCOPES, ALL)]
    if unknown:
        raise invalid_field(
            "/scopes", f"unknown scopes {', '.join(unknown[:_SHOWN])}; known: {', '.join(SCOPES)}"
        )


def _check_workflows(workflows: Sequence[str] | None, scopes: Sequence[str]) -> None:
    if workflows is None:
        return
    if not workflows:
        raise invalid_field(
            "/workflows", "is empty, so that the key would see nothing; name workflows, or leave it out"
        )
    if wrong := wrong_workflows(workflows):
        shown = ", ".join(map(repr, wrong[:_SHOWN]))
        raise invalid_field(
            "/workflows", f"{shown}: write namespace/name, or namespace/* for all of a namespace"
        )
    if wide := [scope for scope in scopes if scope not in LIMITED_SCOPES]:
        detail = (
            f"{', '.join(wide[:_SHOWN])} concern the whole tenant; a key that is limited to workflows takes "
            f"{', '.join(LIMITED_SCOPES)}"
        )
        raise invalid_field("/scopes", detail)


def _addresses(pointer: str, given: Sequence[str] | None, own: Sequence[object]) -> list[str] | None:
    """Addresses in one spelling. A key that is made by one with addresses has them too, unless it names
    some.
    """
    if given is None:
        return [str(each) for each in own] or None
    if not given:
        return None
    if wrong := wrong_networks(given):
        shown = ", ".join(map(repr, wrong[:_SHOWN]))
        raise invalid_field(pointer, f"{shown}: write addresses, or networks such as 203.0.113.0/24")
    return normal(given)
