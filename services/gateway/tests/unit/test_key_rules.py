"""When a changed key counts as given out, so that it must end no later than the calling one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kit.fakes.gateway.tables import TENANT
from visapi_common.contracts.keys import ChangeKey, KeyView
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.restrictions import Restrictions
from visapi_gateway.kernel.access.scopes import Principal, covers
from visapi_gateway.keys.rules import changed_key, end_of_caller

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN_END, LATER = NOW + timedelta(hours=1), NOW + timedelta(days=1)
WHO = Principal("a", TENANT, "live", frozenset(["*"]))
KEY = KeyView(
    id="k",
    name="k",
    kind="live",
    status="active",
    scopes=["runs:read"],
    workflows=["a/b"],
    allowed_addresses=["10.0.0.0/8"],
    denied_addresses=["10.1.0.0/16"],
    created_by="key:a",
    created_at=NOW,
    not_before=None,
    expires_at=LATER,
    disabled_at=None,
    reason=None,
    last_used_at=None,
    last_used_from=None,
)


@pytest.mark.parametrize(
    "given",
    [
        {"scopes": ["runs:read", "runs:write"]},
        {"scopes": ["runs:write"]},
        {"scopes": ["*"], "workflows": None},
        {"workflows": None},
        {"workflows": ["a/*"]},
        {"workflows": ["a/b", "b/a"]},
        {"allowed_addresses": None},
        {"allowed_addresses": ["10.0.0.0/7"]},
        {"denied_addresses": None},
        {"denied_addresses": ["10.1.0.0/17"]},
        {"expires_at": None},
        {"expires_at": LATER + timedelta(seconds=1)},
    ],
    ids=str,
)
def test_a_change_that_gives_more_needs_an_end_within_that_of_the_calling_key(given: dict[str, Any]):
    with pytest.raises(ProblemError, match="gives out no key that ends later") as refused:
        changed_key(WHO, KEY, ChangeKey(**given), OWN_END)
    assert refused.value.status == 403
    assert changed_key(WHO, KEY, ChangeKey(**given), None)
    assert changed_key(WHO, KEY, ChangeKey(**{**given, "expires_at": OWN_END}), OWN_END)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": "other"},
        {"scopes": ["runs:read"]},
        {"scopes": []},
        {"workflows": ["a/b"]},
        {"allowed_addresses": ["10.0.0.0/9"]},
        {"denied_addresses": ["10.1.0.0/16", "10.2.0.0/16"]},
        {"expires_at": LATER},
        {"expires_at": LATER - timedelta(seconds=1)},
    ],
    ids=str,
)
def test_a_change_that_gives_nothing_more_is_free(given: dict[str, Any]):
    assert changed_key(WHO, KEY, ChangeKey(**given), OWN_END)


def test_all_scopes_by_name_are_less_than_every_scope():
    every = msgspec.structs.replace(KEY, scopes=["*"], workflows=None)
    assert changed_key(WHO, every, ChangeKey(scopes=["runs:write", "keys:admin"]), OWN_END)
    assert covers(frozenset(["*"]), ["keys:admin", "*"])
    assert not covers(frozenset(["*"]), ["tenants:admin"])
    assert not covers(frozenset(["keys:admin"]), ["*"])


def test_a_workflow_lies_within_its_namespace():
    def limited(*names: str) -> Restrictions:
        return Restrictions(frozenset(names))

    assert limited("a/b", "c/d").within(limited("a/*", "c/d"))
    assert limited("a/*").within(limited("a/*"))
    assert not limited("a/*").within(limited("a/b"))
    assert not limited("ab/c").within(limited("a/*"))


def test_the_end_of_a_calling_key_that_is_stored_no_more_is_unknown():
    assert end_of_caller(KEY) == LATER
    with pytest.raises(ProblemError, match="the calling key is gone"):
        end_of_caller(None)
