"""Names are resolved in turns among tenants."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from kit.waiting import LIMIT_S, eventually
from visapi_common.adapters.egress_dial import ADDRESSES_MAX, LOOKUPS, EgressDialer, SystemResolver
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.egress_policy import EgressRefused, policy_from
from visapi_common.core.errors import TransientFault

ANSWER = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


async def resolve(resolver: SystemResolver, tenant: str, host: str) -> list[str]:
    TENANT.set(tenant)
    return list(await resolver.resolve(host, 80))


async def test_names_of_one_tenant_that_nobody_resolves_keep_no_other_tenant_waiting() -> None:
    ended = threading.Event()
    asked: list[str] = []

    def lookup(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        if host.startswith("slow"):
            ended.wait(30)
        return [ANSWER]

    resolver = SystemResolver(lookup)
    slow = [asyncio.create_task(resolve(resolver, "hostile", f"slow{n}.example")) for n in range(200)]
    try:
        await eventually(lambda: len(asked) == LOOKUPS.per_tenant)
        async with asyncio.timeout(LIMIT_S):
            assert await resolve(resolver, "honest", "a.example") == ["192.0.2.1"]
        ends = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(end, TransientFault) for end in ends)
        assert len(asked) == LOOKUPS.per_tenant + 1
    finally:
        ended.set()
    async with asyncio.timeout(5):
        assert await resolve(resolver, "hostile", "b.example") == ["192.0.2.1"]


class Many:
    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int) -> list[str]:
        return self.addresses


async def test_of_hundreds_of_addresses_all_are_checked_and_few_are_tried() -> None:
    public = [f"203.0.{third}.{last}" for third in (114, 115) for last in range(1, 200)]
    dialer = EgressDialer(policy_from([], {}), Many(public))
    assert await dialer.addresses("a.example", 80) == public[:ADDRESSES_MAX]
    with pytest.raises(EgressRefused):
        await EgressDialer(policy_from([], {}), Many([*public, "127.0.0.1"])).addresses("a.example", 80)
