"""Workflows that jump back for ever, many at once, beside a bystander."""

import asyncio
import os

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

FULL = os.environ.get("VISAPI_TEST_ATTACKS") == "full"
LOOPS = 20
HISTORY_MAX = 50_000 if FULL else 10_000
STACK_SETTINGS = {"VISAPI_HISTORY_ITEMS_MAX": str(HISTORY_MAX)}
LOOP = (
    "document: {dsl: '1.0.3', namespace: loops, name: small, version: '1.0.0'}\n"
    "do: [{again: {set: {n: 1}, then: again}}]\n"
)
GROWING = (
    "document: {dsl: '1.0.3', namespace: loops, name: large, version: '1.0.0'}\n"
    "do: [{again: {set: {text: '${ .text }', n: 1}, then: again}}]\n"
)
"""Each of its steps writes its data into the history."""


@pytest.mark.parametrize(
    ("document", "bytes_"),
    [(LOOP, 10), pytest.param(GROWING, 20_000, marks=pytest.mark.full)],
    ids=["small", "large"],
)
async def test_loops_without_end_leave_room_for_others(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, document: str, bytes_: int
) -> None:
    target = await attacker.deploy(document)
    async with bystander.at_work("set", "hook", attack=f"{LOOPS} loops without end ({bytes_} bytes)"):
        began = [attacker.start(target, {"text": "x" * bytes_}) for _ in range(LOOPS)]
        runs = [answer.json()["id"] for answer in await asyncio.gather(*began)]
        async with asyncio.timeout(200):
            for run in runs:
                while (await attacker.client.get(f"/v1/runs/{run}")).json()["status"] != "faulted":
                    await asyncio.sleep(0.2)
    assert set(stack.restarts().values()) == {0}
