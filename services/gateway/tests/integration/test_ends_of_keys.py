"""A key that ends gives out no key that ends later, whether it makes, changes, rotates or enables one, and gives
no such key more than it has.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

SOON = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
SOONER, LATER = SOON - timedelta(minutes=30), SOON + timedelta(days=1)


async def made(gateway: Any, end: datetime | None, **more: Any) -> dict[str, Any]:
    body = {"name": "k", "scopes": ["keys:admin", "runs:read"], **more}
    if end is not None:
        body["expires_at"] = end.isoformat()
    answer = await gateway.http.post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def ending(gateway: Any) -> Any:
    """A client whose key ends soon."""
    async with gateway.client((await made(gateway, SOON, scopes=["*"]))["key"]) as client:
        yield client


async def patch(client: Any, key: str, end: datetime | None) -> Any:
    return await change(client, key, expires_at=end and end.isoformat())


async def change(client: Any, key: str, **what: Any) -> Any:
    return await client.patch(f"/v1/keys/{key}", json=what, headers={"If-Match": "*"})


LIMITED = {
    "scopes": ["runs:read"],
    "workflows": ["a/b"],
    "allowed_addresses": ["127.0.0.0/8"],
    "denied_addresses": ["127.1.0.0/16"],
}
MORE: tuple[dict[str, Any], ...] = (
    {"scopes": ["*"], "workflows": None},
    {"scopes": ["runs:read", "runs:write"]},
    {"workflows": ["a/*"]},
    {"allowed_addresses": None},
    {"denied_addresses": ["127.1.1.0/24"]},
)
"""Changes that give a limited key more."""


def end_of(key: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(key["expires_at"])


async def test_a_key_that_it_makes_ends_with_it_or_sooner(ending: Any) -> None:
    without = await ending.post("/v1/keys", json={"name": "n"})
    assert (without.status_code, end_of(without.json())) == (201, SOON)
    sooner = await ending.post("/v1/keys", json={"name": "n", "expires_at": SOONER.isoformat()})
    assert (sooner.status_code, end_of(sooner.json())) == (201, SOONER)
    later = await ending.post("/v1/keys", json={"name": "n", "expires_at": LATER.isoformat()})
    assert (later.status_code, later.json()["code"]) == (403, "forbidden")
    assert "gives out no key that ends later" in later.json()["detail"]


async def test_it_prolongs_no_key_beyond_its_own_end(gateway: Any, ending: Any) -> None:
    key = (await made(gateway, SOONER))["id"]
    assert (await patch(ending, key, SOON)).status_code == 200
    for end in (LATER, None):
        assert (await patch(ending, key, end)).status_code == 403
    assert end_of((await gateway.http.get(f"/v1/keys/{key}")).json()) == SOON
    itself = (await ending.get("/v1/keys/current")).json()["id"]
    assert (await patch(ending, itself, None)).status_code == 403


async def test_it_rotates_itself_but_no_key_that_ends_later(gateway: Any, ending: Any) -> None:
    for end in (None, LATER):
        key = (await made(gateway, end))["id"]
        assert (await ending.post(f"/v1/keys/{key}/rotate", json={})).status_code == 403
        assert (await ending.delete(f"/v1/keys/{key}")).status_code == 204, "it may do no more"
    itself = (await ending.get("/v1/keys/current")).json()["id"]
    rotated = await ending.post(f"/v1/keys/{itself}/rotate", json={"overlap_s": 600})
    assert (rotated.status_code, end_of(rotated.json())) == (201, SOON), rotated.text


async def test_it_gives_nothing_more_to_a_key_that_ends_later(gateway: Any, ending: Any) -> None:
    lasting, later, sooner = [(await made(gateway, end, **LIMITED))["id"] for end in (None, LATER, SOONER)]
    before = (await gateway.http.get(f"/v1/keys/{lasting}")).json()
    for more in MORE:
        for key in (lasting, later):
            refused = await change(ending, key, **more)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), (more, refused.text)
            assert "gives out no key that ends later" in refused.json()["detail"]
        assert (await change(ending, sooner, **LIMITED)).status_code == 200
        assert (await change(ending, sooner, **more)).status_code == 200, more
    assert (await gateway.http.get(f"/v1/keys/{lasting}")).json() == before
    assert (await change(ending, lasting, **MORE[0], expires_at=SOON.isoformat())).status_code == 200
    assert (await change(gateway.http, later, **MORE[0])).status_code == 200, "the caller has no end"


async def test_it_takes_from_a_key_that_ends_later_what_it_may(gateway: Any, ending: Any) -> None:
    wide = {"scopes": ["runs:read", "runs:write"], "workflows": ["a/*", "b/c"]}
    key = (await made(gateway, None, **wide))["id"]
    for less in (
        {"name": "other"},
        {"scopes": ["runs:read"]},
        {"workflows": ["a/b"]},
        {"allowed_addresses": ["127.0.0.0/8"]},
        {"allowed_addresses": ["127.0.0.0/9"], "denied_addresses": ["127.1.0.0/16"]},
        {"expires_at": LATER.isoformat()},
        {"expires_at": LATER.isoformat(), "scopes": ["runs:read"]},
    ):
        changed = await change(ending, key, **less)
        assert changed.status_code == 200, (less, changed.text)


async def test_it_disables_a_key_that_ends_later_and_does_not_enable_it(gateway: Any, ending: Any) -> None:
    for end, status in ((None, 403), (LATER, 403), (SOON, 200)):
        key = (await made(gateway, end))["id"]
        assert (await ending.post(f"/v1/keys/{key}/enable")).status_code == 200, "it is not disabled"
        assert (await ending.post(f"/v1/keys/{key}/disable", json={"reason": "x"})).status_code == 200
        assert (await ending.post(f"/v1/keys/{key}/enable")).status_code == status
        shown = (await gateway.http.get(f"/v1/keys/{key}")).json()["status"]
        assert shown == ("active" if status == 200 else "disabled")
        assert (await gateway.http.post(f"/v1/keys/{key}/enable")).status_code == 200


async def test_a_rotated_key_makes_none_that_outlives_its_overlap(gateway: Any) -> None:
    old = await made(gateway, None)
    new = (await gateway.http.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 600})).json()
    async with gateway.client(old["key"]) as client:
        child = (await client.post("/v1/keys", json={"name": "n"})).json()
        assert end_of(child) < datetime.now(UTC) + timedelta(seconds=601)
        assert (await client.post(f"/v1/keys/{new['id']}/rotate", json={})).status_code == 403


async def test_a_key_without_an_end_gives_any(gateway: Any) -> None:
    assert (await made(gateway, None))["expires_at"] is None
    key = await made(gateway, LATER)
    assert (await patch(gateway.http, key["id"], None)).status_code == 200
