"""`kill -9` of the gateway and the orchestrator amid webhooks: providers send again what was not answered, and each
delivery starts one run.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import count
from typing import Any

import asyncpg
import httpx
import pytest

from e2e.test_schedules_and_events import listens
from faults.harness import FaultStack
from kit import webhooks
from kit.waiting import eventually

pytestmark = pytest.mark.timeout(300)

PROVIDERS = 8
KILLS = ("gateway", "gateway", "orchestrator", "gateway")
BETWEEN = 60
"""Deliveries that are accepted between two kills."""
WORKFLOW = """
document: {dsl: '1.0.3', namespace: faults, name: pushed, version: '1.0.0'}
schedule: {on: {one: {with: {type: hook.github.push}}}}
do: [{seen: {set: {delivery: '${ .[0].id }'}}}]
"""


def judge(accepted: Collection[str], started: Sequence[str]) -> list[str]:
    """Every violation. A delivery is accepted once it was answered 2xx; `started` are those that runs tell of."""
    counts = Counter(started)
    found = [f"delivery {one} was accepted and is lost" for one in sorted(set(accepted) - set(counts))]
    found += [f"delivery {one} started {times} runs" for one, times in counts.items() if times > 1]
    return [*found, *(f"delivery {one} was never sent" for one in sorted(set(counts) - set(accepted)))]


class Provider:
    """Sends each delivery until it is answered 2xx, always under the same id, as providers do."""

    def __init__(self, url: str, hook: dict[str, Any], name: str) -> None:
        self._url = url
        self._hook = hook
        self._numbers = (f"{name}-{number}" for number in count())
        self.accepted: list[str] = []
        self.attempts = 0

    async def send(self, over: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=5, trust_env=False) as client:
            while not over.is_set():
                await self._until_accepted(client, next(self._numbers))

    async def _until_accepted(self, client: httpx.AsyncClient, delivery: str) -> None:
        body = json.dumps({"delivery": delivery}).encode()
        headers = webhooks.github(self._hook["secret"], body, delivery=delivery)
        while True:
            self.attempts += 1
            try:
                answer = await client.post(self._hook["path"], content=body, headers=headers)
                if answer.is_success:
                    self.accepted.append(delivery)
                    return
                assert answer.status_code in (429, 503), answer.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


@pytest.fixture
async def faults() -> AsyncIterator[FaultStack]:
    running = FaultStack()
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


async def started_runs(client: httpx.AsyncClient) -> list[str]:
    """The deliveries that completed runs tell of."""
    found: list[str] = []
    query: dict[str, str] = {"workflow": "faults/pushed", "status": "completed", "limit": "200"}
    while True:
        page = (await client.get("/v1/runs", params=query)).json()
        found += [run["output"]["delivery"] for run in page["items"]]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


@pytest.mark.full
async def test_each_delivery_starts_one_run_whatever_is_killed(faults: FaultStack) -> None:
    ready = faults.stack.ready
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    async with httpx.AsyncClient(
        base_url=ready.gateway, headers=headers, timeout=20, trust_env=False
    ) as client:
        yaml = {"Content-Type": "application/yaml"}
        assert (await client.post("/v1/workflows", content=WORKFLOW, headers=yaml)).status_code == 201
        hook = (await client.post("/v1/hooks", json={"name": "code", "provider": "github"})).json()
        rows = await asyncpg.connect(faults.ledger_url)
        await listens(rows, "pushed")
        await rows.close()
        providers = [Provider(ready.gateway, hook, f"p{number}") for number in range(PROVIDERS)]
        over = asyncio.Event()
        sending = [asyncio.create_task(one.send(over)) for one in providers]
        for victim in KILLS:
            await more(providers)
            await asyncio.to_thread(faults.kill, victim)
        await more(providers)
        over.set()
        await asyncio.gather(*sending)
        accepted = {delivery for one in providers for delivery in one.accepted}

        async def ended() -> bool:
            return len(await started_runs(client)) >= len(accepted)

        await eventually(ended, within_s=60)
        attempts = sum(one.attempts for one in providers)
        print(f"{len(accepted)} deliveries, {attempts} attempts, {len(KILLS)} kills")
        assert attempts > len(accepted), "no attempt was in vain: nothing was tried"
        assert judge(accepted, await started_runs(client)) == []


async def more(providers: Sequence[Provider]) -> None:
    """Wait until so many more deliveries are accepted."""
    reached = sum(len(one.accepted) for one in providers) + BETWEEN

    async def accepted() -> bool:
        return sum(len(one.accepted) for one in providers) >= reached

    await eventually(accepted, within_s=60)


def test_deliveries_that_started_one_run_each_are_no_violation() -> None:
    assert judge(["a", "b"], ["b", "a"]) == []


@pytest.mark.parametrize(
    ("started", "sentence"),
    [
        (["a"], "delivery b was accepted and is lost"),
        (["a", "b", "b"], "delivery b started 2 runs"),
        (["a", "b", "z"], "delivery z was never sent"),
    ],
)
def test_a_planted_defect_of_webhooks_is_found(started: list[str], sentence: str) -> None:
    assert judge(["a", "b"], started) == [sentence]
