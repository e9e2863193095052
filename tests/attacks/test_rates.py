"""Floods within a tenant's keys, under rates: what is refused costs the others little."""

import asyncio
import time
from collections import Counter

import httpx
import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), pytest.mark.full]

PER_S, BURST = 60, 120
STACK_SETTINGS = {
    "VISAPI_KEY_RATE_PER_S": "40",
    "VISAPI_KEY_BURST": "80",
    "VISAPI_TENANT_RATE_PER_S": str(PER_S),
    "VISAPI_TENANT_BURST": str(BURST),
}
KEYS = 30
SECONDS = 8.0
PAUSE_S = 0.05
"""Between four requests of a key: forty times what the tenant may send."""


async def test_a_tenant_that_floods_with_many_keys_gets_its_rate_and_no_more(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    keys = [
        (await attacker.client.post("/v1/keys", json={"name": f"k{n}", "scopes": ["runs:read"]})).json()[
            "key"
        ]
        for n in range(KEYS)
    ]
    statuses = Counter[int]()

    async def flood(key: str, until: float) -> None:
        async with httpx.AsyncClient(
            base_url=attacker.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
        ) as client:
            while time.monotonic() < until:
                answers = await asyncio.gather(*(client.get("/v1/keys/current") for _ in range(4)))
                statuses.update(answer.status_code for answer in answers)
                await asyncio.sleep(PAUSE_S)

    leases = await stack.metric("gateway", "visapi_rate_leases_total")
    async with bystander.at_work(attack=f"{KEYS} keys of one tenant flood"):
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(flood(key, began + SECONDS))
        elapsed = time.monotonic() - began
    leased = await stack.metric("gateway", "visapi_rate_leases_total") - leases
    refused = await stack.metric("gateway", "visapi_rate_refusals_total", whose="tenant")
    print(f"\n{dict(statuses)} in {elapsed:.1f} s, {leased:.0f} leases, {refused:.0f} refusals")
    assert set(statuses) <= {200, 401, 429}
    assert statuses[200] <= 1.05 * (BURST + PER_S * elapsed)
    assert refused > 0
    assert leased < statuses.total(), "what is refused leases nothing"
