"""Nobody makes, rotates or revokes a key that may do more than their own: every pair of keys, every operation."""

from itertools import product
from typing import Any

import pytest

from visapi_common.core import api_keys

RANKS = {"test": 0, "live": 1, "admin": 2}
HOLDERS = [
    ("admin", ("*",)),
    ("live", ("*",)),
    ("live", ("keys:admin",)),
    ("live", ("keys:admin", "runs:read")),
    ("live", ("runs:read", "runs:write")),
    ("test", ("keys:admin", "runs:read")),
    ("test", ("*",)),
]


def may(requester: tuple[str, tuple[str, ...]], target: tuple[str, tuple[str, ...]]) -> bool:
    within = "*" in requester[1] or set(target[1]) <= set(requester[1])
    return RANKS[target[0]] <= RANKS[requester[0]] and within


@pytest.mark.parametrize("requester", [holder for holder in HOLDERS if {"*", "keys:admin"} & set(holder[1])])
async def test_a_key_acts_only_on_keys_that_may_do_no_more(gateway: Any, requester: Any) -> None:
    token = await gateway.key("default", requester[1], requester[0])
    targets = [(target, await gateway.key("default", target[1], target[0])) for target in HOLDERS]
    await gateway.until(lambda: knows(gateway, targets[-1][1]))
    async with gateway.client(token) as client:
        for (target, victim), operation in product(targets, ("make", "rotate", "revoke")):
            key = api_keys.parse(victim).id
            match operation:
                case "make":
                    wanted = {"name": "n", "kind": target[0], "scopes": list(target[1])}
                    answer = await client.post("/v1/keys", json=wanted)
                case "rotate":
                    answer = await client.post(f"/v1/keys/{key}/rotate", json={"overlap_s": 600})
                case _:
                    answer = await client.delete(f"/v1/keys/{key}")
            expected = {201, 204} if may(requester, target) else {403}
            assert answer.status_code in expected, (requester, target, operation, answer.text)


async def test_a_key_without_the_scope_does_none_of_it_and_any_key_may_revoke_itself(gateway: Any) -> None:
    plain = await gateway.key("default", ("runs:read",))
    admin = await gateway.key("default", ("keys:admin",))
    await gateway.until(lambda: knows(gateway, admin))
    async with gateway.client(plain) as client:
        assert (await client.post("/v1/keys", json={"name": "n"})).status_code == 403
        assert (await client.delete(f"/v1/keys/{api_keys.parse(plain).id}")).status_code == 403
    async with gateway.client(admin) as client:
        assert (await client.delete(f"/v1/keys/{api_keys.parse(admin).id}")).status_code == 204


async def test_a_successor_ends_when_its_key_would_have_ended(gateway: Any) -> None:
    ends = "2099-01-01T00:00:00Z"
    made = (await gateway.http.post("/v1/keys", json={"name": "n", "expires_at": ends})).json()
    rotated = (await gateway.http.post(f"/v1/keys/{made['id']}/rotate", json={})).json()
    assert rotated["expires_at"] == made["expires_at"]


async def test_a_key_of_another_tenant_is_not_there(gateway: Any) -> None:
    other = await gateway.key("other")
    await gateway.until(lambda: knows(gateway, other))
    key = api_keys.parse(other).id
    assert (await gateway.http.delete(f"/v1/keys/{key}")).status_code == 404
    assert (await gateway.http.post(f"/v1/keys/{key}/rotate", json={})).status_code == 404


async def knows(gateway: Any, key: str) -> bool:
    async with gateway.client(key) as client:
        return (await client.get("/v1/keys/current")).status_code == 200
