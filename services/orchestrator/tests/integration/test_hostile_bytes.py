"""Bytes that no worker of ours sends: each costs its own task or message, and nothing else."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.mini_worker import register
from kit.orchestration import TENANT, Stack, completed, eventually, output_of
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict, FunctionSpec, TaskMessage
from visapi_common.core.errors import Fault
from visapi_common.runtime.service import Lifecycle

ONE = "do:\n  - only: {call: acme.echo, with: {n: 1}}\n"
CAUGHT = """
do:
  - tried:
      try:
        - only: {call: acme.echo, with: {n: 1}}
      catch:
        as: error
        do:
          - told: {set: {title: '${ $error.title }', detail: '${ $error.detail }'}}
"""
DEEP = 5_000

_encode = msgspec.json.encode


def _result(task: TaskMessage, **members: Any) -> bytes:
    """A result whose members are JSON as it stands."""
    given = {
        "run": _encode(task.run),
        "path": _encode(task.path),
        "attempt": b"%d" % task.attempt,
        "token": _encode(task.token),
        "outcome": b'"completed"',
        **members,
    }
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in given.items())


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


_ERROR = b'{"type":"https://x/errors/y","status":500,"data":%b}'

UNREADABLE = {
    "an output with a Latin-1 byte": {"output": b'{"inline":{"name":"r\xe9sum\xe9"}}'},
    "an output 5,000 levels deep": {"output": b'{"inline":%b}' % _nested(DEEP)},
    "an output 990 levels deep": {"output": b'{"inline":%b}' % _nested(990)},
    "an output with half a surrogate pair": {"output": b'{"inline":"\\ud800"}'},
    "an output of another shape": {"output": b"[1]"},
    "an error whose data is 5,000 levels deep": {
        "outcome": b'"faulted"',
        "error": _ERROR % _nested(DEEP),
    },
    "an error with a Latin-1 byte": {"outcome": b'"faulted"', "error": _ERROR % b'"\xe9"'},
    "an unknown outcome": {"outcome": b'"finished"'},
    "a time that is none": {"started_at": b'"yesterday"'},
}


@pytest.mark.parametrize("members", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_result_that_cannot_be_read_faults_its_task_and_no_other(
    stack: Stack, members: dict[str, bytes]
):
    await stack.gateway.deploy("caught", CAUGHT)
    async with stack.orchestrator() as lifecycle:
        bus = await stack.bus()
        hostile = True

        async def answer(task: TaskMessage):
            if hostile:
                await bus.publish_acked(task.reply, _result(task, **members))
                return None
            return completed(task, "fine")

        await stack.worker("acme.echo", answer=answer)
        row = await stack.gateway.ended(await stack.gateway.start("caught"))
        assert row["status"] == "completed"
        assert output_of(row)["title"] == "Unreadable answer"
        hostile = False
        assert output_of(await stack.gateway.ended(await stack.gateway.start("caught"))) == "fine"
        assert _unreadable(lifecycle, "result") == 1


UNREADABLE_LATER = {
    "a number that no reader can hold": b"1e999",
    "a whole number of 5,000 digits": b"9" * 5_000,
}


@pytest.mark.parametrize("output", UNREADABLE_LATER.values(), ids=UNREADABLE_LATER.keys())
async def test_an_output_that_only_the_engine_finds_unreadable_faults_its_task(stack: Stack, output: bytes):
    await stack.gateway.deploy("caught", CAUGHT)
    async with stack.orchestrator():
        bus = await stack.bus()

        async def answer(task: TaskMessage):
            await bus.publish_acked(task.reply, _result(task, output=b'{"inline":%b}' % output))

        await stack.worker("acme.echo", answer=answer)
        row = await stack.gateway.ended(await stack.gateway.start("caught"))
        assert output_of(row)["title"] == "Unreadable output"


async def test_a_text_that_postgresql_cannot_keep_holds_its_task(stack: Stack):
    """An uncertain outcome makes a dead letter, whose detail is a text column."""
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator():
        bus = await stack.bus()
        error = b'{"type":"https://x/errors/y","status":500,"detail":"a\\u0000b"}'

        async def answer(task: TaskMessage):
            await bus.publish_acked(task.reply, _result(task, outcome=b'"uncertain"', error=error))

        await stack.worker("acme.echo", answer=answer)
        run = await stack.gateway.start("one")

        async def held():
            return await stack.gateway.pool.fetchval("select detail from dead_letters where run = $1", run)

        assert await eventually(held) == "a\N{REPLACEMENT CHARACTER}b"
        assert await stack.gateway.status(run) in ("running", "waiting")


def _hostile_bytes(valid: bytes) -> list[bytes]:
    """A valid message, broken in every way that we know of."""
    value = msgspec.json.decode(valid)
    swapped = [
        _encode({**value, name: wrong})
        for name in value
        for wrong in (None, -1, 2**31, 10**30, "", "\0", "x" * 3000, [], {}, 1.5)
    ]
    return [
        b"",
        b"\0",
        b"\xff",
        b"{",
        b"null",
        b"[]",
        _nested(DEEP),
        b'{"run":%b}' % _nested(DEEP),
        valid[:-1],
        valid.replace(b'"path":"', b'"path":"\xe9'),
        valid.replace(b'"attempt":1', b'"attempt":-1'),
        valid.replace(b'"attempt":1', b'"attempt":' + b"9" * 5_000),
        valid.replace(b'"path":"', b'"path":"\\ud800'),
        valid.replace(b'"path":"', b'"path":"\\u0000'),
        *swapped,
    ]


async def test_after_hostile_messages_on_each_subject_claims_are_answered_and_runs_go_on(stack: Stack):
    await stack.gateway.deploy("one", ONE)
    async with stack.orchestrator() as lifecycle:
        bus = await stack.bus()
        tasks: asyncio.Queue[TaskMessage] = asyncio.Queue()
        worker = await stack.worker("acme.echo", answer=tasks.put_nowait)
        await stack.gateway.start("one")
        task = await tasks.get()
        claim = _encode(Claim(task.run, task.path, task.attempt, task.token, "mini.1"))
        registration = {"tenant": TENANT, "worker": "w", "functions": [{"name": "acme.more"}]}
        # Under a token that proves nothing: with it, a worker may well fault a task of its own.
        for body in _hostile_bytes(claim.replace(task.token.encode(), b"0" * 64)):
            bus.publish(subjects.claim(TENANT), body, reply=bus.new_inbox())
            bus.publish(subjects.result(task.run), body)
            bus.publish(subjects.heartbeat(task.run), body)
            bus.publish(subjects.inbox(task.run), body)
            bus.publish(subjects.trigger(task.run), body)
            bus.publish(subjects.event(TENANT, "acme.happened"), body)
            bus.publish(subjects.CONTROL_EVENTS, body)
            bus.publish(subjects.CONTROL_REPLAYS, body)
        for body in _hostile_bytes(_encode(registration)):
            bus.publish(subjects.register(TENANT), body, reply=bus.new_inbox())
        await bus.flush()

        assert await _claimed(bus, claim) is ClaimVerdict.GRANTED
        assert await register(bus, [FunctionSpec("acme.later")]) == {"acme.later": "fn-default-acme-later"}
        await stack.worker("acme.more", answer=lambda task: completed(task, "fine"))
        worker_answers = [await stack.gateway.start("one") for _ in range(5)]
        for _ in worker_answers:
            later = await tasks.get()
            await bus.publish_acked(later.reply, _encode(completed(later, "fine")))
        for run in worker_answers:
            assert output_of(await stack.gateway.ended(run)) == "fine"
        assert len(worker.seen) == 6
        assert lifecycle.readiness.ready
        for kind in ("claim", "result", "heartbeat", "inbox", "trigger"):
            assert _unreadable(lifecycle, kind) > 5, kind
        # A newer announcement replaces one that waits; unreadable ones name no worker and replace one another.
        assert _unreadable(lifecycle, "registration") > 0


async def test_a_few_of_many_unreadable_messages_are_kept_and_announced(stack: Stack):
    async with stack.orchestrator() as lifecycle:
        bus = await stack.bus()
        began = asyncio.get_running_loop().time()

        async def ready() -> bool:
            return lifecycle.readiness.ready

        await eventually(ready)
        await bus.publish_acked(subjects.result(UUID(int=1)), b"\xff" + b"x" * 100_000)

        async def kept() -> list[Any]:
            return await stack.gateway.pool.fetch("select * from dead_letters where reason = 'unreadable'")

        (letter,) = await eventually(kept)
        assert (letter["tenant"], letter["service"], letter["kind"]) == ("_", "orchestrator", "message")
        assert letter["body"] == b"\xff" + b"x" * (64 * 1024 - 1)
        assert letter["item"] == ["visapi.engine.1.result"]
        assert letter["detail"].startswith("visapi.engine.1.result: not UTF-8")

        kinds = ("result", "heartbeat", "inbox", "trigger")
        for number in range(100):
            for kind in kinds:
                bus.publish(f"visapi.engine.2.{kind}", b"\xff%d" % number)
        await bus.flush()

        async def counted() -> bool:
            return sum(_unreadable(lifecycle, kind) for kind in kinds) == 401

        await eventually(counted)
        assert len(await kept()) <= 2 + asyncio.get_running_loop().time() - began

        async def announced() -> bool:
            names = await bus.request("$JS.API.STREAM.INFO.DLQ", b'{"subjects_filter": ">"}', 2.0)
            found = msgspec.json.decode(names.data)["state"].get("subjects", {})
            return "visapi.dlq.orchestrator.unreadable" in found

        await eventually(announced)


def _unreadable(lifecycle: Lifecycle, kind: str) -> float:
    found = lifecycle.metrics.registry.get_sample_value("visapi_messages_unreadable_total", {"kind": kind})
    return found or 0.0


async def _claimed(bus: Bus, body: bytes) -> ClaimVerdict:
    async def answered() -> ClaimVerdict | None:
        try:
            answer = await bus.request(subjects.claim(TENANT), body, 1.0)
        except Fault:
            return None
        return msgspec.json.decode(answer.data, type=ClaimAnswer).verdict

    return await eventually(answered)
