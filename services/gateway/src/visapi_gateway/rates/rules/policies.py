"""The rates and quotas that apply to a key: its tenant's, its own, and those of its names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from visapi_gateway.rates.rules.gcra import Limit

TENANT = "tenant"
_KEY = "key:"
_NAME = "name:"
_SLICES = 64
"""A gateway holds at most this part of a burst beyond what its waiting requests need, so that three gateways
together admit less than 5 % more than the rate allows.
"""
_QUOTA_SLICE_MAX = 512

Period = Literal["day", "month"]
SECONDS: Mapping[Period, int] = {"day": 86_400, "month": 31 * 86_400}
"""The longest that a period lasts."""


class StoredRate(msgspec.Struct, frozen=True):
    """The stored limits of a subject; None is the default."""

    tenant: str
    subject: str
    per_s: float | None
    burst: int | None
    runs_per_day: int | None
    runs_per_month: int | None
    keys: Sequence[str]


class Defaults(msgspec.Struct, frozen=True):
    """The operator's settings. A quota of 0 is no quota."""

    key: Limit
    tenant: Limit
    runs_per_day: int
    runs_per_month: int


class Policy(NamedTuple):
    """The limits of one subject. `name` is how headers and problems call it."""

    subject: str
    name: str
    limit: Limit | None
    quotas: Mapping[Period, int]


def key_subject(key: str) -> str:
    return _KEY + key


def name_subject(name: str) -> str:
    return _NAME + name


def kind_and_id(subject: str) -> tuple[Literal["tenant", "key", "name"], str]:
    """The kind of a subject, and the id of the key or the name."""
    if subject.startswith(_KEY):
        return "key", subject.removeprefix(_KEY)
    if subject.startswith(_NAME):
        return "name", subject.removeprefix(_NAME)
    return "tenant", ""


class Book:
    """All stored rates, by subject, and the names under which each key stands."""

    def __init__(self, stored: Iterable[StoredRate] = ()) -> None:
        self._stored = {(one.tenant, one.subject): one for one in stored}
        self._names: dict[tuple[str, str], list[str]] = {}
        for tenant, subject in sorted(self._stored):
            if subject.startswith(_NAME):
                for key in self._stored[tenant, subject].keys:
                    self._names.setdefault((tenant, key), []).append(subject)

    def policies(self, tenant: str, key: str, defaults: Defaults) -> list[Policy]:
        """The policies that apply to a key, its own first."""
        own, shared = self._stored.get((tenant, key_subject(key))), self._stored.get((tenant, TENANT))
        named = [
            _policy(subject, subject.removeprefix(_NAME), self._stored[tenant, subject], None, {})
            for subject in self._names.get((tenant, key), ())
        ]
        quotas = _given(defaults.runs_per_day or None, defaults.runs_per_month or None)
        return [
            _policy(key_subject(key), "key", own, defaults.key, {}),
            *named,
            _policy(TENANT, "tenant", shared, defaults.tenant, quotas),
        ]


def _policy(
    subject: str, name: str, stored: StoredRate | None, limit: Limit | None, quotas: Mapping[Period, int]
) -> Policy:
    if stored is None:
        return Policy(subject, name, limit, quotas)
    if stored.per_s is not None:
        limit = Limit(stored.per_s, burst_of(stored.per_s) if stored.burst is None else stored.burst)
    elif stored.burst is not None and limit is not None:
        limit = Limit(limit.per_s, stored.burst)
    return Policy(subject, name, limit, {**quotas, **_given(stored.runs_per_day, stored.runs_per_month)})


def _given(per_day: int | None, per_month: int | None) -> dict[Period, int]:
    quotas: dict[Period, int] = {}
    if per_day is not None:
        quotas["day"] = per_day
    if per_month is not None:
        quotas["month"] = per_month
    return quotas


def burst_of(per_s: float) -> int:
    """The burst of a rate that names none: two seconds of the rate."""
    return max(1, round(2 * per_s))


def rate_slice(limit: Limit) -> int:
    """Tokens that a gateway leases ahead of its requests."""
    return limit.burst // _SLICES


def quota_slice(left: int) -> int:
    """Runs that a gateway leases ahead, of so many that are left: none when the quota is nearly used up."""
    return min(_QUOTA_SLICE_MAX, left // _SLICES)
