"""Poison in the orchestrator's loops, stored and told, of each kind and all at once, beside a bystander.

What fails alone is a dead letter with a reason; everybody else goes on, and a stack starts on such data.
"""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.poison import FUNCTIONS, Poison, connection, letters_of, letters_soon, orchestrators_url
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Registered

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""It counts dead letters, and starts the stack again."""

_WITHIN_S = 60.0
_WAITS_MS = 15_000.0
"""The bystander shares two cores with other tests; a loop that stands still keeps it waiting for longer."""
_BAD_EVENTS = 90
_REASONS = ("unmatchable-event", "unpublishable-event", "bad-schedule", "bad-timer")
_QUICK = """
document: {dsl: '1.0.3', namespace: attack, name: quick, version: '1.0.0'}
do:
  - note: {set: {seen: true}}
"""
_EVERY = """
document: {dsl: '1.0.3', namespace: attack, name: NAME, version: '1.0.0'}
schedule: {every: {seconds: 1}}
do:
  - note: {set: {fired: true}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(stack: AttackStack) -> AsyncIterator[Bus]:
    """The connection of somebody who has a worker's credentials."""
    connected = await Bus.connect(stack.ready.nats, "attacker")
    yield connected
    await connected.close()


def _poison(stack: AttackStack, attacker: Tenant) -> Poison:
    return Poison(attacker.client, attacker.name, orchestrators_url(stack.pid("orchestrator")))


async def _letters(stack: AttackStack, wanted: Counter[str]) -> None:
    """Wait until as many dead letters stand, each with a detail."""
    url = orchestrators_url(stack.pid("orchestrator"))
    found: Counter[str] = Counter()

    async def stand() -> bool:
        now = await letters_of(url, list(wanted))
        found.clear()
        found.update(now)
        return found == wanted

    try:
        await eventually(stand, within_s=_WITHIN_S)
    except TimeoutError:
        raise AssertionError(
            f"dead letters: {dict(found)}, expected {dict(wanted)}; {stack.log('orchestrator')[-300:]}"
        ) from None


async def test_stored_poison_of_every_kind_at_once_costs_itself_only(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    before = stack.restarts()
    async with bystander.at_work("set", "hook", attack="stored poison of every kind", p99_ms=_WAITS_MS):
        poison = _poison(stack, attacker)
        prepared = await poison.prepare("first")
        await poison.plant(prepared)
        await _letters(stack, letters_soon())
    event = {"specversion": "1.0", "id": "good", "source": "/shop", "type": "paid", "data": 7}
    posted = await attacker.client.post(
        "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"}
    )
    assert posted.status_code == 202, posted.text
    await _ended(attacker, str(prepared.listening), "completed")
    await _serves(attacker, "first")
    _nothing_restarted(stack, before)


async def test_hostile_registrations_and_events_cost_themselves_only(
    stack: AttackStack, bystander: Bystander, bus: Bus
) -> None:
    names = (
        "",
        "acme.*.>",
        "acme.>",
        "x" * 5000,
        "acme.é",
        "a b",
        "acme.\r\nPUB x 1",
        "pdf.render",
        "acme..x",
    )
    before = stack.restarts()
    async with bystander.at_work("set", "hook", attack="hostile registrations and events", p99_ms=_WAITS_MS):
        for name in names:
            for tenant in ("default", "", "_", "bystander", "nobody"):
                body = {"tenant": tenant, "worker": "attacker", "functions": [{"name": name}]}
                answer = await bus.request(subjects.register("default"), msgspec.json.encode(body), 5.0)
                assert msgspec.json.decode(answer.data, type=Registered).error, (tenant, name)
        for number in range(_BAD_EVENTS):
            await bus.publish_acked(subjects.event("default", "acme.bad"), _hostile_event(number))
        await _letters(stack, Counter({"bad-event": _BAD_EVENTS}))
    _nothing_restarted(stack, before)


def _hostile_event(number: int) -> bytes:
    """Too long for an index, unreadable, or not an event at all."""
    match number % 3:
        case 0:
            source = "/" + "".join(chr(0x4E00 + (number * 31 + n * 7919) % 20000) for n in range(3000))
            event: dict[str, Any] = {"specversion": "1.0", "id": str(number), "source": source, "type": "t"}
            return msgspec.json.encode(event)
        case 1:
            return b"\xff\xfe%d" % number
        case _:
            return msgspec.json.encode({"specversion": "1.0", "number": number})


@pytest.mark.full
async def test_a_stack_full_of_poison_starts_again_and_serves(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    """The orchestrator stands still while poison is planted, so the next one finds all of it at its start."""
    orchestrator = stack.pid("orchestrator")
    url = orchestrators_url(orchestrator)
    poison = _poison(stack, attacker)
    prepared = await poison.prepare("second")
    before = await letters_of(url, _REASONS)
    os.kill(orchestrator, signal.SIGSTOP)
    try:
        await poison.plant(prepared)
        assert await letters_of(url, _REASONS) == before
    finally:
        os.kill(orchestrator, signal.SIGKILL)
    await stack.restart()
    restarts = stack.restarts()
    wanted = before + letters_soon()
    await _letters(stack, wanted)
    await _letters(stack, Counter({"bad-function": FUNCTIONS * len(await _plantings(stack))}))
    async with bystander.at_work("set", "hook", attack="a start on poisoned data", p99_ms=_WAITS_MS):
        await _serves(attacker, "second")
    _nothing_restarted(stack, restarts)
    await stack.restart()
    async with bystander.at_work("set", "hook", attack="a second start on the same data", p99_ms=_WAITS_MS):
        await _serves(attacker, "third")
    assert await letters_of(orchestrators_url(stack.pid("orchestrator")), _REASONS) == wanted


def _nothing_restarted(stack: AttackStack, before: dict[str, int]) -> None:
    now = stack.restarts()
    again = [name for name, count in now.items() if count != before.get(name, 0)]
    for name in again:
        print(stack.log(name)[-5000:])
    assert not again, f"started again: {again}"


async def _plantings(stack: AttackStack) -> list[str]:
    """The marks of what was planted so far."""
    async with connection(orchestrators_url(stack.pid("orchestrator"))) as database:
        rows = await database.fetch("select distinct version from visapi.functions where owner = ''")
    return [row["version"] for row in rows]


async def _serves(tenant: Tenant, name: str) -> None:
    """The tenant whose poison it is still runs workflows, by hand and by a schedule."""
    ended = await tenant.start(await tenant.deploy(_QUICK), wait_s=20)
    assert ended.json()["status"] == "completed", ended.text
    await tenant.deploy(_EVERY.replace("NAME", name))

    async def fired() -> bool:
        runs = (await tenant.client.get(f"/v1/runs?schedule=attack/{name}&status=completed")).json()
        return bool(runs["items"])

    await eventually(fired, within_s=_WITHIN_S)


async def _ended(tenant: Tenant, run: str, status: str) -> None:
    async def ended() -> bool:
        return (await tenant.client.get(f"/v1/runs/{run}")).json()["status"] == status

    await eventually(ended, within_s=_WITHIN_S)
