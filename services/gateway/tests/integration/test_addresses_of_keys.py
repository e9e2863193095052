"""The addresses from which a key may be used, with and without trusted proxies before the gateway."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.servers import NatsServer


async def make(gateway: Any, **wanted: Any) -> httpx.Response:
    return await gateway.http.post("/v1/keys", json={"name": "ci", **wanted})


@pytest.fixture
async def behind_a_proxy(serve: Any, shared_nats: NatsServer) -> AsyncIterator[Any]:
    async with serve(shared_nats, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as gateway:
        yield gateway


CASES = [
    # allowed, denied, X-Forwarded-For, admitted
    (["203.0.113.0/24"], None, "203.0.113.9", True),
    (["203.0.113.0/24"], None, "203.0.114.9", False),
    (["203.0.113.9"], None, "203.0.113.9", True),
    (["203.0.113.9"], None, "203.0.113.10", False),
    (["203.0.113.0/24"], ["203.0.113.9"], "203.0.113.9", False),
    (["203.0.113.0/24"], ["203.0.113.9"], "203.0.113.8", True),
    (None, ["203.0.113.0/24"], "203.0.113.9", False),
    (None, ["203.0.113.0/24"], "198.51.100.1", True),
    (["2001:db8::/32"], None, "2001:db8:1:2:3::4", True),
    (["2001:db8::/32"], None, "2001:db9::1", False),
    (["2001:db8::1"], None, "2001:db8::2", False),
    (["2001:db8::/32"], None, "203.0.113.9", False),
    (["203.0.113.0/24"], None, "2001:db8::1", False),
    # IPv4 within IPv6 is IPv4, in addresses and in networks.
    (["203.0.113.0/24"], None, "::ffff:203.0.113.9", True),
    (None, ["203.0.113.0/24"], "::ffff:203.0.113.9", False),
    (["::ffff:203.0.113.0/120"], None, "203.0.113.9", True),
    # What the client itself wrote is left of what the proxy wrote.
    (["203.0.113.0/24"], None, "203.0.113.9, 198.51.100.1", False),
    (["203.0.113.0/24"], None, "198.51.100.1, 203.0.113.9", True),
    (["203.0.113.0/24"], None, "203.0.113.9, 10.1.1.1", True),
    # A proxy that does not know its client: neither the proxy's address nor the client's word counts.
    (["127.0.0.0/8", "10.0.0.0/8"], None, "unknown", False),
    (["203.0.113.0/24", "10.0.0.0/8"], None, "203.0.113.9, unknown, 10.1.1.1", False),
    (None, ["203.0.113.0/24"], "unknown", False),
    # The proxies' own network, where whoever stands there is the client.
    (["10.0.0.0/8"], None, "10.1.1.1", True),
    # A proxy that names nobody is not the client.
    (["127.0.0.1"], None, None, False),
    (["127.0.0.1"], None, "", False),
    (["203.0.113.0/24"], None, None, False),
]


async def test_addresses_are_judged_behind_trusted_proxies(behind_a_proxy: Any) -> None:
    for allowed, denied, forwarded, admitted in CASES:
        made = await make(behind_a_proxy, allowed_addresses=allowed, denied_addresses=denied)
        assert made.status_code == 201, made.text
        async with behind_a_proxy.client(made.json()["key"]) as client:
            headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
            answer = await client.get("/v1/keys/current", headers=headers)
        case = (allowed, denied, forwarded, answer.text)
        assert answer.status_code == (200 if admitted else 403), case
        assert admitted or answer.json()["code"] == "address_refused", case


async def test_without_trusted_proxies_nobody_says_where_they_are(gateway: Any) -> None:
    made = (await make(gateway, allowed_addresses=["203.0.113.0/24"])).json()
    async with gateway.client(made["key"]) as client:
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "CF-Connecting-IP"):
            answer = await client.get("/v1/keys/current", headers={name: "203.0.113.9"})
            assert (answer.status_code, answer.json()["code"]) == (403, "address_refused"), name
            assert "127.0.0.1" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    ["everywhere", "203.0.113.1/24", "203.0.113.0/33", "203.0.113", "", "0x7f.1", "example.com", "::/129"],
)
async def test_what_is_no_network_is_refused(gateway: Any, wrong: str) -> None:
    for field in ("allowed_addresses", "denied_addresses"):
        answer = await make(gateway, **{field: ["203.0.113.0/24", wrong]})
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["pointer"] == f"/{field}"


async def test_networks_are_stored_in_one_spelling_each_once(gateway: Any) -> None:
    given = ["203.0.113.9", "203.0.113.9/32", "2001:0DB8::/32", "::ffff:198.51.100.0/120"]
    made = (await make(gateway, allowed_addresses=given)).json()
    assert made["allowed_addresses"] == ["198.51.100.0/24", "2001:db8::/32", "203.0.113.9/32"]
    within = ["10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/25", "203.0.113.128/25", "::1"]
    made = (await make(gateway, denied_addresses=within)).json()
    assert made["denied_addresses"] == ["10.0.0.0/8", "203.0.113.0/24", "::1/128"]
    assert (await make(gateway, allowed_addresses=["203.0.113.9"] * 101)).status_code == 400


async def test_a_key_with_addresses_makes_keys_within_them(gateway: Any) -> None:
    admin = (
        await make(
            gateway,
            scopes=["keys:admin", "runs:read"],
            allowed_addresses=["127.0.0.0/8", "::1"],
            denied_addresses=["127.9.0.0/16"],
        )
    ).json()
    async with gateway.client(admin["key"]) as client:

        async def made(**wanted: Any) -> tuple[int, Any, Any]:
            answer = await client.post("/v1/keys", json={"name": "n", "scopes": ["runs:read"], **wanted})
            body = answer.json()
            return answer.status_code, body.get("allowed_addresses"), body.get("denied_addresses")

        assert await made() == (201, ["127.0.0.0/8", "::1/128"], ["127.9.0.0/16"])
        assert await made(allowed_addresses=["127.0.0.1"]) == (201, ["127.0.0.1/32"], ["127.9.0.0/16"])
        assert (await made(denied_addresses=["127.8.0.0/15"]))[0] == 201
        for more in (
            {"allowed_addresses": []},
            {"allowed_addresses": ["0.0.0.0/0"]},
            {"allowed_addresses": ["127.0.0.1", "203.0.113.9"]},
            {"denied_addresses": []},
            {"denied_addresses": ["127.9.0.0/17"]},
        ):
            assert (await made(**more))[0] == 403, more
