"""Who comes in: every route asks for a key unless it says otherwise."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kit.servers import NatsServer
from visapi_gateway.kernel.access.authentication import RELOAD_S
from visapi_gateway.slices import operations

SAMPLE = {"uuid": "01a20bba-0819-7c21-ab36-7c2157b3fd62", "str": "x"}


def filled(path: str) -> str:
    for kind, value in SAMPLE.items():
        while f":{kind}}}" in path:
            head, _, tail = path.partition("{")
            path = head + value + tail.partition("}")[2]
    return path


async def test_every_route_that_is_not_public_asks_for_a_key(gateway: Any) -> None:
    public = set()
    async with gateway.client(None) as nobody:
        for operation in operations():
            answer = await nobody.request(operation.method, filled(operation.path))
            if answer.status_code == 401 and answer.json()["code"] != "hook_refused":
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["code"] == "unauthenticated"
            else:
                public.add(operation.path)
    assert public == {
        "/livez",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/problems",
        "/problems/{problem:str}",
        "/approve/{token:str}",
        "/v1/hooks/in/{address:str}",
        "/v1/keys/report-leak",
    }


async def test_paths_that_look_like_public_ones_are_not(gateway: Any) -> None:
    async with gateway.client(None) as nobody:
        for path in (
            "/v1/runs/livez",
            "/v1/workflows/livez/readyz",
            "/v1/keys/docs/rotate",
            "/v1/artifacts/openapi.json",
        ):
            method = "POST" if path.endswith("rotate") else "GET"
            assert (await nobody.request(method, path)).status_code in {401, 404}
        for path in ("/v1/keys/current", "/v1/artifacts/x?signatur=1"):
            assert (await nobody.get(path)).status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [lambda key: "", lambda key: key[:-1], lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"), lambda key: "x" * 90,
     lambda key: key.replace("live", "admin"), lambda key: key + " ", lambda key: "é" + key],
)  # fmt: skip
async def test_a_wrong_key_is_refused_alike(gateway: Any, spoil: Callable[[str], str]) -> None:
    key = spoil(await gateway.key())
    async with gateway.client(None) as nobody:
        headers = {"X-API-Key": key.encode("latin-1")} if key.strip() == key else {}
        answer = await nobody.get("/v1/runs", headers=headers)
        assert answer.status_code == 401


async def test_a_key_in_the_url_or_as_basic_is_no_key(gateway: Any) -> None:
    async with gateway.client(None) as nobody:
        assert (await nobody.get("/v1/runs", params={"api_key": gateway.admin})).status_code == 401
        basic = base64.b64encode(f"x:{gateway.admin}".encode()).decode()
        assert (await nobody.get("/v1/runs", headers={"Authorization": f"Basic {basic}"})).status_code == 401
        assert (await nobody.get("/v1/runs", headers={"X-API-Key": gateway.admin})).status_code == 200


async def test_a_made_key_works_at_once_until_it_is_revoked(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci", "scopes": ["runs:read"]})).json()
    async with gateway.client(made["key"]) as ci:

        async def status() -> int:
            return (await ci.get("/v1/keys/current")).status_code

        await gateway.until(lambda: _is(status, 200))
        assert (await ci.get("/v1/runs")).status_code == 200
        refused = await ci.post("/v1/workflows/demo/hello/runs")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await gateway.http.delete(f"/v1/keys/{made['id']}")).status_code == 204
        await gateway.until(lambda: _is(status, 401))
    stored = await gateway.db.fetchval("select hash from visapi.api_keys where id = $1", made["id"])
    assert len(stored) == 32
    listed = (await gateway.http.get("/v1/keys")).text
    assert made["key"] not in listed


async def _is(ask: Any, wanted: int) -> bool:
    return await ask() == wanted


async def test_a_rotated_key_and_its_successor_work_side_by_side(gateway: Any) -> None:
    old = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    new = (await gateway.http.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 60})).json()
    for key in (old["key"], new["key"]):
        async with gateway.client(key) as client:
            await gateway.until(lambda c=client: _is(lambda: _status(c), 200))
    assert new["scopes"] == old["scopes"]
    ended = (await gateway.http.post(f"/v1/keys/{new['id']}/rotate", json={"overlap_s": 0})).json()
    async with gateway.client(new["key"]) as client:
        await gateway.until(lambda: _is(lambda: _status(client), 401))
    assert ended["id"] != new["id"]


async def _status(client: httpx.AsyncClient) -> int:
    return (await client.get("/v1/keys/current")).status_code


async def test_nobody_makes_a_key_that_may_do_more(gateway: Any) -> None:
    key = await gateway.key(scopes=("keys:admin", "runs:read"))
    async with gateway.client(key) as some:
        await gateway.until(lambda: _is(lambda: _status(some), 200))
        for request in ({"scopes": ["runs:write"]}, {"scopes": ["*"]}, {"kind": "admin"}):
            answer = await some.post("/v1/keys", json={"name": "more", **request})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (
            await some.post("/v1/keys", json={"name": "less", "scopes": ["runs:read"]})
        ).status_code == 201


async def test_two_gateways_hear_of_a_revocation_within_a_second(serve: Any, nats_server: NatsServer) -> None:
    async with serve(nats_server) as one, serve(nats_server) as two:
        made = (await one.http.post("/v1/keys", json={"name": "ci"})).json()
        async with two.client(made["key"]) as client:
            await two.until(lambda: _is(lambda: _status(client), 200))
            await one.http.delete(f"/v1/keys/{made['id']}")
            await two.until(lambda: _is(lambda: _status(client), 401), within_s=RELOAD_S - 1)


async def test_too_many_requests_of_one_key_wait(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, key_rate_per_s=1.0, key_burst=5) as gateway:
        answers = await asyncio.gather(*(gateway.http.get("/v1/keys/current") for _ in range(12)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 6
        assert int(refused[0].headers["retry-after"]) >= 1
        assert refused[0].headers["ratelimit"].startswith('"key";r=0')
        assert refused[0].json()["code"] == "rate_limited"


async def test_a_tenant_sees_nothing_of_another(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    async with gateway.client(await gateway.key("other")) as other:
        await gateway.until(lambda: _is(lambda: _status(other), 200))
        for path in (
            f"/v1/runs/{run}",
            f"/v1/runs/{run}/history",
            "/v1/workflows/demo/hello",
            "/v1/workflows/demo/hello/versions/1.0.0",
        ):
            assert (await other.get(path)).status_code == 404, path
        assert (await other.post(f"/v1/runs/{run}/cancel")).status_code == 404
        assert (await other.post("/v1/workflows/demo/hello/runs")).status_code == 404
        for path in ("/v1/runs", "/v1/workflows", "/v1/dead-letters"):
            assert (await other.get(path)).json()["items"] == [], path
        mine = [item["id"] for item in (await gateway.http.get("/v1/keys")).json()["items"]]
        theirs = [item["id"] for item in (await other.get("/v1/keys")).json()["items"]]
        assert not set(mine) & set(theirs)
        assert (await other.delete(f"/v1/keys/{mine[0]}")).status_code == 404
