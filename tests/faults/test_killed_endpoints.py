"""`kill -9` of the notifier, the orchestrator and the gateway amid webhooks to an endpoint: the end of every run is told,
and told again under the same id where nobody knows whether it was heard.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest

from faults.harness import FaultStack
from kit.endpoint_receiver import EndpointReceiver, endpoint_receiver
from kit.waiting import eventually

pytestmark = pytest.mark.timeout(300)

KILLS = ("notifier", "orchestrator", "notifier", "gateway", "notifier")
RUNS = 40
"""Runs that are started before each kill."""
ANSWERS_AFTER_S = 0.2
WORKFLOW = """
document: {dsl: '1.0.3', namespace: faults, name: told, version: '1.0.0'}
do: [{seen: {set: {n: '${ .n }'}}}]
"""


class Told(NamedTuple):
    """One webhook as it came: the run whose end it tells of, its id, and whether its signature is right."""

    run: str
    id: str
    valid: bool


def judge(started: Collection[str], told: Sequence[Told]) -> list[str]:
    """Every violation. Each run ends once; a webhook may come several times."""
    ids: dict[str, set[str]] = {}
    for one in told:
        ids.setdefault(one.run, set()).add(one.id)
    found = [f"nobody was told of run {run}" for run in sorted(set(started) - set(ids))]
    found += [f"run {run} was told of under {len(of)} ids" for run, of in ids.items() if len(of) > 1]
    found += [f"the run {run} was never started" for run in sorted(set(ids) - set(started))]
    shared = Counter(one for of in ids.values() for one in of)
    found += [f"id {one} tells of {runs} runs" for one, runs in shared.items() if runs > 1]
    return [*found, *(f"webhook {one.id} is not signed" for one in told if not one.valid)]


class Starter:
    """Starts each run until it is accepted, always under the same key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = count()
        self.runs: set[str] = set()

    async def start(self) -> None:
        number = next(self._numbers)
        headers = {"Idempotency-Key": f"run-{number}"}
        while True:
            try:
                answer = await self._client.post(
                    "/v1/workflows/faults/told/runs", json={"n": number}, headers=headers
                )
                if answer.is_success:
                    self.runs.add(answer.json()["id"])
                    return
                assert answer.status_code in (409, 429, 503), answer.text
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


def heard(receiver: EndpointReceiver) -> list[Told]:
    return [Told(one.body["data"]["run"], one.id, one.valid) for one in receiver.received]


@pytest.mark.full
async def test_every_end_of_a_run_is_told_whatever_is_killed(faults: FaultStack) -> None:
    ready = faults.stack.ready
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    async with (
        endpoint_receiver() as receiver,
        httpx.AsyncClient(base_url=ready.gateway, headers=headers, timeout=20, trust_env=False) as client,
    ):
        receiver.delays["/told"] = ANSWERS_AFTER_S
        await prepare(client, receiver)
        starter = Starter(client)
        for victim in KILLS:
            before = len(receiver.received)
            await asyncio.gather(*(starter.start() for _ in range(RUNS)))
            await eventually(lambda before=before: len(receiver.received) > before, within_s=60)
            await asyncio.to_thread(faults.kill, victim)

        async def nothing_waits() -> bool:
            of_runs = {one.run for one in heard(receiver)}
            page = (await client.get("/v1/endpoints", params={"name": "told"})).json()["items"][0]
            waits = await client.get(page["links"]["messages"], params={"state": "pending", "limit": 1})
            return len(of_runs) >= len(starter.runs) and not waits.json()["items"]

        await eventually(nothing_waits, within_s=120)
        told = heard(receiver)
        print(f"{len(starter.runs)} runs, {len(told)} webhooks, {len(KILLS)} kills")
        assert len(told) > len(starter.runs), "no attempt was in vain: nothing was tried"
        assert judge(starter.runs, told) == []


async def prepare(client: httpx.AsyncClient, receiver: EndpointReceiver) -> None:
    yaml = {"Content-Type": "application/yaml"}
    assert (await client.post("/v1/workflows", content=WORKFLOW, headers=yaml)).status_code == 201
    wanted: dict[str, Any] = {"name": "told", "url": receiver.url("/told"), "types": ["run.completed"]}
    made = await client.post("/v1/endpoints", json=wanted)
    assert made.status_code == 201, made.text
    receiver.secrets["/told"] = made.json()["secret"]


def test_runs_that_were_told_of_under_one_id_each_are_no_violation() -> None:
    assert judge(["a", "b"], [Told("b", "2", True), Told("a", "1", True), Told("b", "2", True)]) == []


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ([Told("a", "1", True)], "nobody was told of run b"),
        ([Told("a", "1", True), Told("b", "2", True), Told("b", "3", True)], "run b was told of under 2 ids"),
        ([Told("a", "1", True), Told("b", "2", True), Told("c", "3", True)], "the run c was never started"),
        ([Told("a", "1", True), Told("b", "1", True)], "id 1 tells of 2 runs"),
        ([Told("a", "1", True), Told("b", "2", False)], "webhook 2 is not signed"),
    ],
)
def test_a_planted_defect_of_webhooks_out_is_found(told: list[Told], sentence: str) -> None:
    assert judge(["a", "b"], told) == [sentence]
