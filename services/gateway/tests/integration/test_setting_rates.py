"""Rates that people set: of keys, and of several keys under a name."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx

from kit.servers import NatsServer

HERE = "/v1/rates/current"


async def known(gateway: Any, client: httpx.AsyncClient) -> None:
    """Wait until the gateway knows the client's key; it reads its keys when one is made."""
    assert (await gateway.http.post("/v1/keys", json={"name": "another"})).is_success

    async def answers() -> bool:
        return (await client.get(HERE)).status_code == 200

    await gateway.until(answers)


async def test_people_set_rates_of_keys_and_of_names(gateway: Any) -> None:
    made = [(await gateway.http.post("/v1/keys", json={"name": f"k{n}"})).json() for n in range(2)]
    one, two = (each["id"] for each in made)
    put = await gateway.http.put(f"/v1/keys/{one}/rate", json={"per_s": 3, "reason": "an import"})
    assert (put.status_code, put.json()["per_s"], put.json()["burst"]) == (200, 3.0, None)
    assert (await gateway.http.get(f"/v1/keys/{one}/rate")).json() == put.json()
    shared = {"per_s": 2.5, "burst": 5, "runs_per_day": 9, "keys": [one, two, one]}
    named = await gateway.http.put("/v1/rates/partners", json=shared)
    assert (named.status_code, named.json()["keys"]) == (200, [one, two])
    listed = (await gateway.http.get("/v1/rates")).json()["items"]
    assert [(item["of"], item["id"]) for item in listed] == [("key", one), ("name", "partners")]
    async with gateway.client(made[0]["key"]) as client:

        async def applied() -> Any:
            items = (await client.get(HERE)).json()["items"]
            return items if len(items) == 4 else None

        items = await gateway.until(applied)
        assert [(item["policy"], item["unit"], item["quota"]) for item in items] == [
            ("key", "requests", 6),
            ("partners", "requests", 5),
            ("tenant", "requests", items[2]["quota"]),
            ("partners-day", "runs", 9),
        ]
        successor = (await gateway.http.post(f"/v1/keys/{one}/rotate", json={"overlap_s": 60})).json()["id"]
        assert (await gateway.http.get(f"/v1/keys/{successor}/rate")).json()["per_s"] == 3.0
        under = (await gateway.http.get("/v1/rates")).json()["items"][-1]["keys"]
        assert under == [one, two, successor]
    for path in (f"/v1/keys/{one}/rate", "/v1/rates/partners"):
        assert (await gateway.http.delete(path)).status_code == 204
        assert (await gateway.http.delete(path)).json()["code"] == "rate_not_found"
    rows = (await gateway.http.get("/v1/audit", params={"action": "rate.set"})).json()["items"]
    assert [(row["target"], row["reason"]) for row in rows] == [
        ("rate:partners", None),
        (f"key:{one}", "an import"),
    ]
    assert rows[0]["details"] == {"per_s": 2.5, "burst": 5, "runs_per_day": 9, "keys": [one, two]}


WRONG: Sequence[tuple[str, dict[str, Any], int, str]] = [
    ("/v1/rates/x", {"keys": []}, 400, "/per_s"),
    ("/v1/rates/x", {"keys": [], "burst": 3, "runs_per_day": 1}, 400, "/burst"),
    ("/v1/rates/x", {"keys": [], "per_s": 0}, 400, "/per_s"),
    ("/v1/rates/x", {"keys": [], "per_s": 1e300}, 400, "/per_s"),
    ("/v1/rates/x", {"keys": [], "per_s": 1, "burst": 10**12}, 400, "/burst"),
    ("/v1/rates/x", {"keys": ["nobody"], "per_s": 1}, 400, "/keys/0"),
    ("/v1/rates/x", {"keys": ["k"] * 1001, "per_s": 1}, 400, "/keys"),
    ("/v1/rates/x", {"per_s": 1}, 400, ""),
    ("/v1/rates/tenant", {"keys": [], "per_s": 1}, 400, ""),
    ("/v1/rates/key-day", {"keys": [], "per_s": 1}, 400, ""),
    ("/v1/rates/my-month", {"keys": [], "per_s": 1}, 400, ""),
    ("/v1/rates/Ä", {"keys": [], "per_s": 1}, 400, ""),
    ('/v1/rates/a"b', {"keys": [], "per_s": 1}, 400, ""),
    ("/v1/keys/nobody/rate", {"per_s": 1}, 404, ""),
]


async def test_a_rate_that_cannot_be_says_why(gateway: Any) -> None:
    for path, body, status, pointer in WRONG:
        answer = await gateway.http.put(path, json=body)
        assert answer.status_code == status, (path, body, answer.text)
        errors = answer.json().get("errors")
        assert not pointer or errors[0]["pointer"] == pointer, answer.text
    assert await gateway.db.fetchval("select count(*) from visapi.rates") == 0


async def test_a_key_of_another_tenant_stands_under_no_name(gateway: Any) -> None:
    async with gateway.client(await gateway.key("other")) as other:
        await known(gateway, other)
        theirs = (await other.get("/v1/keys/current")).json()["id"]
        answer = await gateway.http.put("/v1/rates/x", json={"keys": [theirs], "per_s": 1})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/keys/0")
        assert (await gateway.http.put(f"/v1/keys/{theirs}/rate", json={"per_s": 1})).status_code == 404
        assert (await gateway.http.get(f"/v1/keys/{theirs}/rate")).status_code == 404


async def test_no_key_slows_down_one_that_may_do_more(gateway: Any) -> None:
    async with gateway.client(await gateway.key(scopes=("keys:admin", "runs:read"))) as some:
        await known(gateway, some)
        own = (await some.get("/v1/keys/current")).json()["id"]
        admin = (await gateway.http.get("/v1/keys/current")).json()["id"]
        more = (await gateway.http.post("/v1/keys", json={"name": "m", "scopes": ["runs:write"]})).json()[
            "id"
        ]
        less = (await gateway.http.post("/v1/keys", json={"name": "l", "scopes": ["runs:read"]})).json()["id"]
        for key, status in ((admin, 403), (more, 403), (less, 200), (own, 200)):
            body = {"per_s": 0.001, "burst": 1000}
            assert (await some.put(f"/v1/keys/{key}/rate", json=body)).status_code == status, key
            named = await some.put("/v1/rates/slow", json={**body, "keys": [less, key]})
            assert named.status_code == status, key
        assert (await gateway.http.put(f"/v1/keys/{admin}/rate", json={"per_s": 900})).status_code == 200
        assert (await some.delete(f"/v1/keys/{admin}/rate")).status_code == 403


async def test_a_key_stands_under_four_names_whoever_sets_them_at_once(gateway: Any) -> None:
    key = (await gateway.http.post("/v1/keys", json={"name": "k"})).json()["id"]
    answers = await asyncio.gather(
        *(gateway.http.put(f"/v1/rates/n{n}", json={"keys": [key], "per_s": 1}) for n in range(8))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 4, 400: 4}
    refused = next(answer for answer in answers if answer.status_code == 400)
    assert "at most 4 names" in refused.json()["errors"][0]["detail"]


async def test_rates_of_a_tenant_are_bounded_in_number(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, tenant_rates_max=3) as gateway:
        body = {"keys": [], "per_s": 1}
        answers = await asyncio.gather(*(gateway.http.put(f"/v1/rates/n{n}", json=body) for n in range(6)))
        assert Counter(answer.status_code for answer in answers) == {200: 3, 409: 3}
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json()["code"] == "quota_exceeded"
        assert "VISAPI_TENANT_RATES_MAX" in refused.json()["detail"]


async def test_rates_take_a_scope_and_no_key_sets_that_of_its_tenant(gateway: Any) -> None:
    async with gateway.client(await gateway.key(scopes=("runs:read",))) as some:
        await known(gateway, some)
        body = {"keys": [], "per_s": 1}
        for answer in (await some.get("/v1/rates"), await some.put("/v1/rates/x", json=body)):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await gateway.http.put("/v1/rates/tenant", json={"keys": [], "per_s": 1e6})).status_code == 400
