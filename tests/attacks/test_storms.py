"""Storms of commands: one key tells runs the same things again and again, beside a bystander whose runs go on."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""Its commands keep the orchestrator busy for long."""

COMMANDS = 10_000
RUNS = 200
BULK_S = 8.0
CONNECTIONS = 24
KINDS = ("suspend", "resume")
REASON_MAX = 2000

LONG = """
document: {dsl: '1.0.3', namespace: storm, name: long, version: '1.0.0'}
do:
  - rest:
      wait: PT1H
"""


async def storm(stack: AttackStack, tenant: Tenant, requests: Iterator[tuple[str, bytes]]) -> Counter[int]:
    """Send the requests (path and body) over some connections as fast as they are answered; the answers' codes."""
    at, seen = urlsplit(stack.ready.gateway), Counter[int]()
    assert at.hostname is not None

    async def send() -> None:
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        try:
            for path, body in requests:
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tenant.key}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                told = await reader.readuntil(b"\r\n\r\n")
                seen[int(told[9:12])] += 1
                fields = dict(line.lower().split(b": ", 1) for line in told.split(b"\r\n")[1:] if line)
                await reader.readexactly(int(fields[b"content-length"]))
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(send())
    return seen


async def started(tenant: Tenant, count: int) -> list[str]:
    target = await tenant.deploy(LONG)
    runs = [(await tenant.start(target)).json()["id"] for _ in range(count)]
    await eventually(lambda: waiting(tenant, runs[-1]))
    return runs


async def waiting(tenant: Tenant, run: str) -> bool:
    return (await tenant.client.get(f"/v1/runs/{run}")).json()["status"] == "waiting"


async def has_ended(tenant: Tenant, run: str) -> bool:
    return (await tenant.client.get(f"/v1/runs/{run}")).json()["status"] == "cancelled"


@pytest.mark.full
async def test_ten_thousand_commands_to_one_run(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    (run,) = await started(attacker, 1)
    commands = ((f"/v1/runs/{run}/{KINDS[n % 2]}", b"{}") for n in range(COMMANDS))
    async with bystander.at_work(attack="10,000 commands to one run"):
        seen = await storm(stack, attacker, commands)
    print(f"\n10,000 commands to one run: {dict(seen)}")
    assert set(seen) <= {202, 409, 429}
    await attacker.client.post(f"/v1/runs/{run}/cancel")
    await eventually(lambda: has_ended(attacker, run))


@pytest.mark.full
async def test_ten_thousand_commands_to_many_runs(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    runs = await started(attacker, RUNS)
    rounds = itertools.product(range(COMMANDS // RUNS), runs)
    commands = ((f"/v1/runs/{run}/{'cancel' if n == 49 else KINDS[n % 2]}", b"{}") for n, run in rounds)
    async with bystander.at_work(attack="10,000 commands to 200 runs"):
        seen = await storm(stack, attacker, commands)
        await eventually(lambda: has_ended(attacker, runs[0]))
        await eventually(lambda: has_ended(attacker, runs[-1]))
    print(f"\n10,000 commands to {RUNS} runs: {dict(seen)}")
    assert set(seen) <= {202, 409, 429}


@pytest.mark.full
async def test_commands_with_the_longest_reasons(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    (run,) = await started(attacker, 1)
    long = b'{"reason": "%b"}' % (b"x" * REASON_MAX)
    commands = ((f"/v1/runs/{run}/{KINDS[n % 2]}", long) for n in range(2000))
    async with bystander.at_work(attack="commands with the longest reasons"):
        seen = await storm(stack, attacker, commands)
    assert set(seen) <= {202, 409, 429}
    longer = await attacker.client.post(f"/v1/runs/{run}/suspend", json={"reason": "x" * (REASON_MAX + 1)})
    assert longer.status_code == httpx.codes.BAD_REQUEST
    await attacker.client.post(f"/v1/runs/{run}/cancel")
    await eventually(lambda: has_ended(attacker, run))


@pytest.mark.full
async def test_bulk_commands_for_everything_in_parallel(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    runs = await started(attacker, RUNS)

    async def again_and_again(kind: str, ends: float) -> Counter[int]:
        seen = Counter[int]()
        while time.monotonic() < ends:
            wanted = {"action": kind, "filter": {"created_after": "2020-01-01T00:00:00Z"}}
            counted = await attacker.client.post("/v1/runs/bulk/count", json=wanted)
            token = counted.json().get("token") if counted.is_success else None
            while token is not None:
                step = await attacker.client.post("/v1/runs/bulk", json={**wanted, "token": token})
                seen[step.status_code] += 1
                token = step.json()["next"] if step.is_success else None
        return seen

    async with bystander.at_work(attack="bulk commands for everything in parallel"):
        ends = time.monotonic() + BULK_S
        kinds = [*KINDS, *KINDS, "retry", "retry"]
        steps = await asyncio.gather(*(again_and_again(kind, ends) for kind in kinds))
    print(f"\nbulk commands for everything: {dict(sum(steps, Counter[int]()))}")
    assert set(sum(steps, Counter[int]())) <= {200, 409, 429}
    assert sum(steps, Counter[int]())[200] > 0
    assert (await attacker.client.get(f"/v1/runs/{runs[0]}")).status_code == httpx.codes.OK
