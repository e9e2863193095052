"""Hostile bytes on every subject that a worker's credentials allow, and over HTTP, beside a bystander."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import SERVICES, AttackStack, Tenant
from kit.mini_worker import MiniWorker, completed
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.errors import Fault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""It sets hundreds of events aside."""

_RUN = RandomIds().uuid7()
_CALLS = """
document: {dsl: '1.0.3', namespace: attack, name: calls, version: '1.0.0'}
do:
  - only: {call: acme.hostile, with: {n: 1}}
"""
_EMITS = """
document: {dsl: '1.0.3', namespace: attack, name: emits, version: '1.0.0'}
do:
  - tell: {emit: {event: {with: {type: '${ .type }', source: '${ .source }'}}}}
"""


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _members(**members: bytes) -> bytes:
    given = {
        "run": msgspec.json.encode(_RUN),
        "path": b'"/do/0/only"',
        "attempt": b"1",
        "token": b'"%b"' % (b"0" * 64),
        "outcome": b'"completed"',
        "worker": b'"w"',
        "tenant": b'"default"',
        "functions": b'[{"name":"acme.other"}]',
        **members,
    }
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in given.items())


HOSTILE = [
    b"",
    b"\xe9",
    b"\xff\xfe\0",
    b"null",
    b"[]",
    b"{",
    _nested(990),
    _nested(100_000),
    b'{"a":' * 50_000,
    _members(path=b'"\xe9"'),
    _members(path=b'"\\ud800"'),
    _members(path=b'"\\u0000"'),
    _members(path=b'"%b"' % (b"p" * 500_000)),
    _members(attempt=b"-1"),
    _members(attempt=b"9" * 5_000),
    _members(attempt=b"1e999"),
    _members(worker=b'"%b"' % (b"w" * 500_000)),
    _members(worker=b'"\\u0000"'),
    _members(output=b'{"inline":%b}' % _nested(5_000)),
    _members(error=b'{"type":"x","status":1,"data":%b}' % _nested(5_000)),
    _members(tenant=b'""'),
    _members(functions=b'[{"name":"%b"}]' % (b"f" * 5_000)),
    _members(functions=b'[{"name":"\xc3\xa9t\xc3\xa9"}]'),
    _members(functions=b"[%b]" % b",".join([b'{"name":"acme.x"}'] * 5_000)),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(stack: AttackStack) -> AsyncIterator[Bus]:
    """The connection of somebody who has a worker's credentials."""
    connected = await Bus.connect(stack.ready.nats, "attacker")
    yield connected
    await connected.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(stack: AttackStack) -> AsyncIterator[Tenant]:
    """The tenant whose workers those credentials are for."""
    tenant = Tenant("default", stack.ready.gateway.rstrip("/"), stack.ready.api_key)
    yield tenant
    await tenant.client.aclose()


async def test_hostile_messages_on_every_subject_harm_nobody(
    stack: AttackStack, bystander: Bystander, bus: Bus
) -> None:
    before = await stack.metric("orchestrator", "visapi_messages_unreadable_total")
    async with bystander.at_work("set", "hook", attack="hostile messages on every subject of a worker"):
        for _ in range(5):
            for body in HOSTILE:
                for subject in (
                    subjects.result(_RUN),
                    subjects.heartbeat(_RUN),
                    subjects.event("default", "acme.hostile"),
                    subjects.dead_letter("worker", "hostile"),
                ):
                    bus.publish(subject, body)
                for subject in (subjects.claim("default"), subjects.register("default")):
                    bus.publish(subject, body, reply=bus.new_inbox())
            await bus.flush(10)
    assert await stack.metric("orchestrator", "visapi_messages_unreadable_total") > before + 100
    await _nothing_restarted(stack)


async def test_results_that_cannot_be_read_fault_their_own_runs_only(
    stack: AttackStack, bystander: Bystander, bus: Bus, owner: Tenant
) -> None:
    answers = iter(
        [
            b'"output":{"inline":%b}' % _nested(5_000),
            b'"output":{"inline":"\xe9"}',
            b'"output":{"inline":1e999}',
            b'"output":{"ref":"payloads/other/x.json"}',
            b'"error":{"type":"x","status":1,"data":%b}' % _nested(5_000),
            b'"error":{"type":"\\ud800","status":1}',
            b'"error":{"type":"x","status":%b}' % (b"9" * 5_000),
        ]
    )

    async def answer(task: TaskMessage) -> Any:
        hostile = next(answers, None)
        if hostile is None:
            return completed(task, "fine")
        head = msgspec.json.encode({"run": task.run, "path": task.path, "attempt": 1, "token": task.token})
        await bus.publish_acked(task.reply, head[:-1] + b',"outcome":"completed",' + hostile + b"}")
        return None

    target = await owner.deploy(_CALLS)
    async with asyncio.TaskGroup() as group:
        worker = MiniWorker(bus, ["acme.hostile"], answer)
        await worker.run(group)
        async with bystander.at_work("set", "hook", attack="results that cannot be read"):
            for _ in range(7):
                ended = (await owner.start(target, wait_s=20)).json()
                assert ended["status"] in ("faulted", "completed"), ended
        assert (await owner.start(target, wait_s=20)).json()["output"] == "fine"
        await worker.stop()
    await _nothing_restarted(stack)


async def test_texts_that_nats_would_send_back_cost_their_own_run_only(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    target = await attacker.deploy(_EMITS)
    async with bystander.at_work("set", "hook", attack="events that cannot be published"):
        for kind in ("x" * 5_000, "a\r\nPUB b 0", "\u2028", "x" * 256, "a b.*.>", "é" * 255):
            for source in ("/s", "s" * 5_000):
                ended = (await attacker.start(target, {"type": kind, "source": source}, wait_s=20)).json()
                assert ended["status"] in ("faulted", "completed"), ended
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "x" * 5_000}
        posted = await attacker.client.post(
            "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"}
        )
        assert 400 <= posted.status_code < 500, posted.text
    assert (await attacker.start(target, {"type": "good", "source": "/s"}, wait_s=20)).json()[
        "status"
    ] == "completed"
    await _nothing_restarted(stack)


async def test_hostile_bodies_are_refused_by_the_gateway(
    stack: AttackStack, bystander: Bystander, attacker: Tenant
) -> None:
    target = await attacker.deploy(_EMITS.replace("emits", "bodies"))
    async with bystander.at_work("set", attack="hostile bodies over HTTP"):
        for path in (target, "/v1/events", "/v1/workflows/simulate", "/v1/keys", "/v1/runs/bulk/count"):
            for kind in ("application/json", "application/cloudevents+json"):
                for body in HOSTILE:
                    answer = await attacker.client.post(path, content=body, headers={"Content-Type": kind})
                    assert answer.status_code < 500, (path, kind, body[:60], answer.text)
    await _nothing_restarted(stack)


async def _nothing_restarted(stack: AttackStack) -> None:
    """Every process is the one that was there before, and every service serves."""

    async def ready() -> bool:
        try:
            return all(
                [await stack.metric(service, "process_start_time_seconds") > 0 for service in SERVICES]
            )
        except (OSError, Fault):
            return False

    await eventually(ready)
    assert set(stack.restarts().values()) == {0}
