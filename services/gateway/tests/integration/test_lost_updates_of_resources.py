"""Rates, hooks, endpoints and secrets are changed only while they have the state that `If-Match` names."""

import asyncio
from typing import Any

import pytest

from visapi.client import AsyncClient, errors
from visapi.client.call import Tagged
from visapi.client.rate_operations import read_rate, remove_rate, set_rate
from visapi_common.contracts.rates import SetNamedRate

KINDS = ("hook", "endpoint", "rate", "rate of a key", "secret")


async def made(gateway: Any, kind: str) -> str:
    """The path of a new resource."""
    if kind in ("hook", "endpoint"):
        more = {"provider": "github"} if kind == "hook" else {"url": "https://a.example.com", "types": ["*"]}
        answer = await gateway.http.post(f"/v1/{kind}s", json={"name": "it", **more})
        return answer.json()["links"]["self"]
    key = (await gateway.http.post("/v1/keys", json={"name": "it", "scopes": ["runs:read"]})).json()["id"]
    path, body = {
        "rate": ("/v1/rates/it", {"keys": [key], "per_s": 9}),
        "rate of a key": (f"/v1/keys/{key}/rate", {"per_s": 9}),
        "secret": ("/v1/secrets/it", "long-enough"),
    }[kind]
    assert (await gateway.http.put(path, json=body)).is_success
    return path


async def change(gateway: Any, path: str, number: int, tag: str | None) -> Any:
    headers = {} if tag is None else {"If-Match": tag}
    if path.startswith(("/v1/hooks", "/v1/endpoints")):
        return await gateway.http.patch(path, json={"enabled": bool(number % 2)}, headers=headers)
    if path.startswith("/v1/secrets"):
        return await gateway.http.put(path, json=f"long-enough-{number}", headers=headers)
    keys = (await gateway.http.get(path)).json()["keys"]
    body = {"per_s": 10 + number, **({"keys": keys} if keys else {})}
    return await gateway.http.put(path, json=body, headers=headers)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_second_of_two_who_read_the_same_is_refused(gateway: Any, kind: str):
    path = await made(gateway, kind)
    read = await gateway.http.get(path)
    first = await change(gateway, path, 1, read.headers["etag"])
    assert first.is_success, first.text
    second = await change(gateway, path, 2, read.headers["etag"])
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    now = await gateway.http.get(path)
    assert now.headers["etag"] == first.headers["etag"] != read.headers["etag"]
    assert (await change(gateway, path, 3, now.headers["etag"])).is_success
    assert (await change(gateway, path, 4, None)).is_success


@pytest.mark.parametrize("kind", KINDS)
async def test_of_many_changes_of_one_state_one_is_made(gateway: Any, kind: str):
    path = await made(gateway, kind)
    tag = (await gateway.http.get(path)).headers["etag"]
    answers = await asyncio.gather(*(change(gateway, path, number, tag) for number in range(6)))
    assert sorted(answer.is_success for answer in answers) == [False] * 5 + [True], answers
    assert [answer.status_code for answer in answers].count(412) == 5


@pytest.mark.parametrize("kind", KINDS)
async def test_what_somebody_changed_is_not_removed(gateway: Any, kind: str):
    path = await made(gateway, kind)
    tag = (await gateway.http.get(path)).headers["etag"]
    await change(gateway, path, 1, None)
    stale = await gateway.http.delete(path, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    tag = (await gateway.http.get(path)).headers["etag"]
    assert (await gateway.http.delete(path, headers={"If-Match": tag})).status_code == 204


@pytest.mark.parametrize("path", ["/v1/rates/none", "/v1/secrets/none"])
async def test_a_condition_on_what_is_not_there_fails_and_makes_nothing(gateway: Any, path: str):
    key = (await gateway.http.get("/v1/keys/current")).json()["id"]
    body = {"keys": [key], "per_s": 9} if "rates" in path else "long-enough"
    answer = await gateway.http.put(path, json=body, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert (await gateway.http.get(path)).status_code == 404


async def test_the_rate_that_a_key_never_had_has_a_state_too(gateway: Any):
    key = (await gateway.http.post("/v1/keys", json={"name": "k", "scopes": ["runs:read"]})).json()["id"]
    path = f"/v1/keys/{key}/rate"
    tag = (await gateway.http.get(path)).headers["etag"]
    answers = await asyncio.gather(*(change(gateway, path, number, tag) for number in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


@pytest.mark.parametrize("kind", ["hook", "endpoint"])
async def test_a_secret_is_rotated_only_in_the_state_that_was_read(gateway: Any, kind: str):
    path = await made(gateway, kind)
    tag = (await gateway.http.get(path)).headers["etag"]
    rotate = {"url": f"{path}/rotate", "json": {}}
    first = await gateway.http.post(**rotate, headers={"If-Match": tag, "Idempotency-Key": "one"})
    assert (first.status_code, first.json()["secret"] is None) == (200, False)
    again = await gateway.http.post(**rotate, headers={"If-Match": tag, "Idempotency-Key": "two"})
    assert (again.status_code, again.json()["code"]) == (412, "precondition_failed")
    read = await gateway.http.get(path)
    assert (read.headers["etag"], len(read.json()["secrets"])) == (first.headers["etag"], 2)
    late = await gateway.http.post(**rotate, headers={"Idempotency-Key": "two"})
    assert late.status_code == 200, "a refused request holds no Idempotency-Key"


async def test_the_client_reads_a_tag_and_changes_only_that_state(gateway: Any):
    key = (await gateway.http.get("/v1/keys/current")).json()["id"]
    async with AsyncClient(gateway.base, gateway.admin) as client:
        await client.send(set_rate("it", SetNamedRate(keys=[key], per_s=1000)))
        before = await client.tagged(read_rate("it"))
        assert isinstance(before, Tagged)
        await client.send(set_rate("it", SetNamedRate(keys=[key], per_s=2000), if_match=before.etag))
        with pytest.raises(errors.PreconditionFailedError):
            await client.send(set_rate("it", SetNamedRate(keys=[key], per_s=3000), if_match=before.etag))
        with pytest.raises(errors.PreconditionFailedError):
            await client.send(remove_rate("it", if_match=before.etag))
        now = await client.tagged(read_rate("it"))
        assert now.value.per_s == 2000
        await client.secrets.put("it", "long-enough")
        stored = await client.secrets.get("it")
        await client.secrets.put("it", "long-enough-too")
        assert (await client.secrets.get("it")).updated_at > stored.updated_at
