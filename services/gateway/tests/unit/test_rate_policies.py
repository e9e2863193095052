"""Which limits apply to a key."""

from typing import Any

from visapi_gateway.rates.rules.gcra import Limit
from visapi_gateway.rates.rules.policies import Book, Defaults, StoredRate

DEFAULTS = Defaults(key=Limit(10, 20), tenant=Limit(50, 100), runs_per_day=0, runs_per_month=900)


def stored(subject: str, tenant: str = "acme", keys: tuple[str, ...] = (), **limits: Any) -> StoredRate:
    given = dict.fromkeys(("per_s", "burst", "runs_per_day", "runs_per_month"), None) | limits
    return StoredRate(tenant=tenant, subject=subject, keys=keys, **given)


def policies(*rates: StoredRate) -> dict[str, tuple[Limit | None, dict[Any, int]]]:
    found = Book(rates).policies("acme", "k", DEFAULTS)
    return {one.name: (one.limit, dict(one.quotas)) for one in found}


def test_a_key_without_any_has_the_defaults_of_the_operator() -> None:
    assert policies() == {"key": (Limit(10, 20), {}), "tenant": (Limit(50, 100), {"month": 900})}


def test_what_is_set_takes_the_place_of_the_default_and_only_of_that() -> None:
    own = stored("key:k", per_s=3.0, runs_per_day=7)
    tenant = stored("tenant", burst=500, runs_per_month=5)
    assert policies(own, tenant) == {
        "key": (Limit(3.0, 6), {"day": 7}),
        "tenant": (Limit(50, 500), {"month": 5}),
    }


def test_names_apply_to_the_keys_under_them() -> None:
    partners = stored("name:partners", per_s=2.0, burst=5, keys=("k", "other"))
    budget = stored("name:budget", runs_per_day=1, keys=("k",))
    elsewhere = stored("name:elsewhere", per_s=1.0, keys=("other",))
    assert policies(partners, budget, elsewhere) == {
        "key": (Limit(10, 20), {}),
        "budget": (None, {"day": 1}),
        "partners": (Limit(2.0, 5), {}),
        "tenant": (Limit(50, 100), {"month": 900}),
    }


def test_nothing_of_another_tenant_applies() -> None:
    theirs = (
        stored("key:k", tenant="evil", per_s=1.0),
        stored("tenant", tenant="evil", per_s=1.0),
        stored("name:n", tenant="evil", per_s=1.0, keys=("k",)),
    )
    assert policies(*theirs) == policies()


def test_a_quota_of_none_at_all_is_a_quota() -> None:
    assert policies(stored("tenant", runs_per_month=0))["tenant"] == (Limit(50, 100), {"month": 0})
