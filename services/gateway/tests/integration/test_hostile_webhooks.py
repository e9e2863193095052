"""Hostile requests to hooks: each is answered for itself, and the next webhook of another tenant is accepted."""

import asyncio
import json
import time
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from kit import webhooks
from kit.servers import NatsServer
from visapi_gateway.hooks.receiving.verifying import NO_SECRET

MIB = 1024 * 1024


async def make(gateway: Any, name: str, provider: str = "github", **more: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/hooks", json={"name": name, "provider": provider, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def form(payload: bytes) -> bytes:
    return b"payload=" + quote(payload).encode()


HOSTILE: dict[str, tuple[bytes, str, int, str]] = {
    "nested 65 deep": (nested(65), webhooks.JSON, 400, "body"),
    "nested 100,000 deep": (nested(100_000), webhooks.JSON, 400, "body"),
    "a name twice": (b'{"a":1,"a":2}', webhooks.JSON, 400, "body"),
    "U+0000": (b'{"a":"\\u0000"}', webhooks.JSON, 400, "body"),
    "not UTF-8": (b'{"a":"\xe9"}', webhooks.JSON, 400, "body"),
    "not JSON": (b"<xml/>", webhooks.JSON, 400, "body"),
    "empty": (b"", webhooks.JSON, 400, "body"),
    "a number that nothing holds": (b"[1" + b"0" * 5000 + b"]", webhooks.JSON, 400, "body"),
    "a million brackets": (b"[" * 500_000 + b"]" * 500_000, webhooks.JSON, 400, "body"),
    "much structure": (b"[" + b",".join([b"{}"] * 300_000) + b"]", webhooks.JSON, 202, ""),
    "a form of 1,001 fields": (b"&".join(b"a=%d" % n for n in range(1001)), webhooks.FORM, 400, "body"),
    "a form with a nested payload": (form(nested(65)), webhooks.FORM, 400, "body"),
    "a form with half a payload": (form(b'{"a":'), webhooks.FORM, 400, "body"),
    "a form that is not UTF-8": (b"a=%E9", webhooks.FORM, 400, "body"),
    "a form of percent signs": (b"a=" + b"%41" * 340_000, webhooks.FORM, 202, ""),
    "a form with U+0000": (b"a=%00", webhooks.FORM, 400, "body"),
    "text of 1 MiB": (b"x" * MIB, "text/plain", 202, ""),
}


async def test_hostile_bodies_of_a_provider_cost_themselves_only(gateway: Any):
    """Signed by whoever has the secret: a tenant may be hostile too."""
    hook, other = await make(gateway, "hostile"), await make(gateway, "honest")
    good = b'{"n":1}'
    async with gateway.client(None) as provider:
        for name, (body, kind, status, _) in HOSTILE.items():
            headers = webhooks.github(hook["secret"], body, delivery=name, kind=kind)
            answer = await provider.post(hook["path"], content=body, headers=headers)
            assert answer.status_code == status, (name, answer.text[:300])
            headers = webhooks.github(other["secret"], good, delivery=name)
            began = time.perf_counter()
            assert (await provider.post(other["path"], content=good, headers=headers)).status_code == 202
            assert time.perf_counter() - began < 2, name

    async def told() -> Any:
        found = (await gateway.http.get(hook["links"]["refusals"])).json()["counts"]
        return found if sum(each["count"] for each in found) >= 12 else None

    assert {each["reason"] for each in await gateway.until(told)} == {"body"}


async def test_hostile_heads_and_sizes_are_refused_before_anything_is_read(gateway: Any):
    hook = await make(gateway, "code")
    body = b'{"n":1}'
    signed = webhooks.github(hook["secret"], body)
    async with gateway.client(None) as provider:
        many = {**signed, **{f"X-Bomb-{number}": "x" for number in range(120)}}
        assert (await provider.post(hook["path"], content=body, headers=many)).status_code == 431
        long = {**signed, "X-Bomb": "x" * 40_000}
        assert (await provider.post(hook["path"], content=body, headers=long)).status_code in (400, 431)
        huge = await provider.post(hook["path"], content=b"x" * (MIB + 1), headers=signed)
        assert huge.status_code == 413
        packed = {**signed, "Content-Encoding": "gzip"}
        assert (await provider.post(hook["path"], content=body, headers=packed)).status_code == 415
        latin = [
            (name.encode(), value.encode()) for name, value in signed.items() if name != "X-GitHub-Delivery"
        ]
        odd = [*latin, (b"X-GitHub-Delivery", b"caf\xe9-\x85")]
        refused = await provider.post(hook["path"], content=body, headers=odd)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_body")
        fine = await provider.post(
            hook["path"], content=body, headers=[*latin, (b"X-GitHub-Delivery", b"caf\xe9")]
        )
        assert (fine.status_code, fine.json()["id"]) == (202, "café")
        twice = [*((name.encode(), value.encode()) for name, value in signed.items()),
                 (b"X-Hub-Signature-256", b"sha256=" + b"0" * 64)]  # fmt: skip
        assert (await provider.post(hook["path"], content=body, headers=twice)).status_code == 401
        unknown = await provider.post(f"{hook['path']}?a=1", content=body, headers=signed)
        assert unknown.status_code == 400
    assert await gateway.db.fetchval("select count(*) from visapi.events_in") == 1


async def test_a_slow_body_ends_and_holds_nothing(serve: Any, shared_nats: NatsServer):
    async with serve(shared_nats, body_s=1.0, body_bytes_per_s=1000) as gateway:
        hook = await make(gateway, "code")
        at = urlsplit(gateway.base)
        writers = []

        async def drip() -> bytes:
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            writers.append(writer)
            head = f"POST {hook['path']} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
            writer.write(head.encode() + b"{")
            await writer.drain()
            return await reader.readuntil(b"\r\n")

        drips = [asyncio.create_task(drip()) for _ in range(20)]
        await asyncio.sleep(0)
        body = b'{"n":1}'
        async with gateway.client(None) as provider:
            for number in range(10):
                headers = webhooks.github(hook["secret"], body, delivery=f"d-{number}")
                assert (await provider.post(hook["path"], content=body, headers=headers)).status_code == 202
        assert {line[9:12] for line in await asyncio.gather(*drips)} == {b"408"}
        for writer in writers:
            writer.close()
        held = gateway.lifecycle.metrics.registry.get_sample_value

        async def free() -> bool:
            return held("visapi_http_requests_held") == 0

        await gateway.until(free)


async def test_whoever_proves_nothing_fills_the_slots_of_its_address_and_none_of_the_hook(
    serve: Any, shared_nats: NatsServer
):
    few = {"requests_per_key": 3, "requests_max": 200, "body_s": 20.0}
    async with serve(shared_nats, **few, trusted_proxies=(ip_network("127.0.0.1/32"),)) as gateway:
        hook = await make(gateway, "full", "none")
        at = urlsplit(gateway.base)
        held = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            head = f"POST {hook['path']} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n"
            writer.write(f"{head}Content-Length: 10\r\n\r\n{{".encode())
            held.append((reader, writer))
        async with gateway.client(None) as sender:

            async def post(address: str) -> int:
                headers = {"X-Forwarded-For": address}
                return (await sender.post(hook["path"], content=b"{}", headers=headers)).status_code

            async def is_full() -> bool:
                return await post("203.0.113.1") == 429

            await gateway.until(is_full)
            assert await post("203.0.113.2") == 202
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("size", [64, 300_000])
async def test_a_large_body_is_verified_as_a_small_one(gateway: Any, size: int):
    """Above 64 KiB a thread computes the HMAC."""
    hook = await make(gateway, "code")
    body = json.dumps({"text": "x" * size}).encode()
    async with gateway.client(None) as provider:
        good = webhooks.github(hook["secret"], body)
        assert (await provider.post(hook["path"], content=body, headers=good)).status_code == 202
        bad = webhooks.github("another-secret-of-nobody", body)
        assert (await provider.post(hook["path"], content=body, headers=bad)).status_code == 401


async def test_no_text_shakes_hands_with_a_hook_that_has_no_token(gateway: Any):
    wanted = {"name": "code", "provider": "github"}
    path = (await gateway.http.post("/v1/hooks", json=wanted)).raise_for_status().json()["path"]
    greeting = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    async with gateway.client(None) as meta:
        for token in (*NO_SECRET, ""):
            bad = await meta.get(path, params={**greeting, "hub.verify_token": token})
            assert (bad.status_code, bad.json()["code"]) == (401, "hook_refused")
