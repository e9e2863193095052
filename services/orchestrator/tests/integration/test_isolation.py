"""One bad row or message costs itself only: each loop of the orchestrator against poison, on real servers."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import overwrite, plant
from kit.orchestration import TENANT, Stack, completed, eventually, output_of
from kit.tenants import add_tenants
from visapi_common.adapters.topology import Topology
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration
from visapi_engine.schedule.decisions import Schedule

LISTEN = "do: [{hear: {listen: {to: {one: {with: {type: paid}}}}}}]"
EMIT = "do: [{tell: {emit: {event: {with: {source: 'urn:test', type: told, data: {n: 1}}}}}}]"
CALL = "do: [{only: {call: acme.echo, with: {n: 1}}}]"
NAP = "do: [{nap: {wait: {milliseconds: 300}}}]"


def event(number: str, kind: str = "paid", **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": number, "source": "/shop", "type": kind, **more}


async def put_event(
    stack: Stack, key: tuple[str, str], kind: str, body: bytes, *, publish: bool = False
) -> None:
    """A row of `events_in` whatever its bytes are."""
    source, ident = key
    await plant(
        stack.gateway.pool, "events_in", tenant=TENANT, source=source, id=ident, type=kind, body=body,
        publish=publish,
    )  # fmt: skip


async def letters(stack: Stack, reason: str, count: int = 1) -> list[Mapping[str, Any]]:
    async def found() -> list[Mapping[str, Any]]:
        rows = await stack.gateway.pool.fetch(
            "select * from dead_letters where reason = $1 and resolved_at is null", reason
        )
        return rows if len(rows) >= count else []

    return await eventually(found)


async def replay(stack: Stack, letter: UUID, tenant: str = TENANT) -> None:
    await stack.gateway.rows.replay(letter, tenant)
    await eventually(
        lambda: stack.gateway.pool.fetchval("select replayed_at from dead_letters where id = $1", letter)
    )


async def is_announced(stack: Stack, reason: str) -> bool:
    """Whether a dead letter of this reason was announced on `DLQ`."""
    names = await stack.gateway.bus.request("$JS.API.STREAM.INFO.DLQ", b'{"subjects_filter": ">"}', 2.0)
    subjects_seen = msgspec.json.decode(names.data)["state"].get("subjects", {})
    return f"visapi.dlq.orchestrator.{reason}" in subjects_seen


async def test_a_stored_function_of_nobody_keeps_no_topology_from_healing(stack: Stack):
    """What a registration with an empty tenant left behind in an earlier release, and other such rows."""

    async def put(owner: str, name: str, spec: bytes) -> None:
        await plant(stack.gateway.pool, "functions", owner=owner, name=name, version="1", spec=spec)

    spec = msgspec.json.encode(FunctionSpec("acme.echo"))
    await put("", "acme.echo", spec)
    await put("a b", "acme.echo", spec)
    await put(TENANT, "acme.*.>", msgspec.json.encode(FunctionSpec("acme.*.>")))
    await put(TENANT, "acme.garbled", b"\xff{")
    await put(TENANT, "acme.deep", b"[" * 100_000)
    await put(TENANT, "pdf.render", msgspec.json.encode(FunctionSpec("pdf.render", concurrency=1)))
    await put(TENANT, "acme.many", msgspec.json.encode(FunctionSpec("acme.many", concurrency=-5)))
    await stack.gateway.deploy("call", CALL)
    async with stack.orchestrator() as lifecycle:
        worker = await stack.worker("acme.echo", answer=completed)
        run = await stack.gateway.start("call")
        assert (await stack.gateway.ended(run))["status"] == "completed"
        assert worker.seen
        assert len(await letters(stack, "bad-function", 7)) == 7
        await eventually(_ready(lifecycle))
        await eventually(lambda: is_announced(stack, "bad-function"))
    async with stack.orchestrator() as again:
        await eventually(_ready(again))
        assert len(await letters(stack, "bad-function", 7)) == 7


def _ready(lifecycle: Any) -> Any:
    async def ready() -> bool:
        return lifecycle.metrics.registry.get_sample_value("visapi_nats_connected") == 1

    return ready


async def ask(stack: Stack, owner: str, registration: Registration) -> Registered:
    async def answered() -> Registered | None:
        body = msgspec.json.encode(registration)
        answer = await stack.gateway.bus.request(subjects.register(owner), body, 2.0)
        return msgspec.json.decode(answer.data, type=Registered)

    return await eventually(answered)


@pytest.mark.parametrize(
    ("owner", "tenant", "name"),
    [
        (TENANT, "", "acme.echo"),
        (TENANT, "_", "pdf.render"),
        (TENANT, "_", "notify.webhook"),
        (TENANT, "another", "acme.echo"),
        (TENANT, TENANT, "pdf.render"),
        (TENANT, TENANT, "x" * 5000),
        (TENANT, TENANT, "acme.\u0101"),
        ("nobody", "nobody", "acme.echo"),
        ("_", "_", "acme.echo"),
    ],
)
async def test_a_registration_for_somebody_else_is_refused_and_leaves_nothing(
    stack: Stack, owner: str, tenant: str, name: str
):
    async with stack.orchestrator():
        await stack.worker("acme.other")
        answer = await ask(
            stack, owner, Registration(tenant, "attacker", [FunctionSpec(name, concurrency=1)])
        )
        assert answer.error
        assert answer.consumers == {}
        rows = await stack.gateway.pool.fetch("select owner, name from functions")
        assert [(row["owner"], row["name"]) for row in rows] == [(TENANT, "acme.other")]


async def test_an_event_that_cannot_be_stored_is_set_aside_and_its_255_neighbours_are_not(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    bad = event("bad", "seen", data="refused by a constraint of the table")
    await stack.gateway.pool.execute("alter table events_in add constraint picky check (id <> 'bad')")
    await Topology(await stack.bus()).heal()
    for number in range(255):
        one = bad if number == 100 else event(str(number), "seen")
        await stack.gateway.bus.publish_acked(subjects.event(TENANT, "seen"), msgspec.json.encode(one))
    async with stack.orchestrator():
        (letter,) = await letters(stack, "bad-event")
        assert letter["tenant"] == TENANT
        assert msgspec.json.decode(letter["body"]) == bad
        assert "23514" in letter["detail"]
        stored = await eventually(
            lambda: _at_least(stack, "select id from events_in where type = 'seen'", 254)
        )
        assert len(stored) == 254
        run = await stack.gateway.start("listening")
        await eventually(lambda: stack.gateway.count("subscriptions", run))
        await stack.gateway.bus.publish_acked(
            subjects.event(TENANT, "paid"), msgspec.json.encode(event("p", "paid"))
        )
        assert (await stack.gateway.ended(run))["status"] == "completed"
        await eventually(lambda: is_announced(stack, "bad-event"))


async def _at_least(stack: Stack, query: str, count: int, *values: object) -> list[Mapping[str, Any]]:
    rows = await stack.gateway.pool.fetch(query, *values)
    return rows if len(rows) >= count else []


async def test_a_message_for_a_tenant_that_is_made_later_is_put_back(stack: Stack):
    body = msgspec.json.encode(event("1"))
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        await stack.gateway.bus.publish_acked(subjects.event("later", "paid"), body)
        (letter,) = await letters(stack, "bad-event")
        assert (letter["tenant"], letter["item"]) == ("later", ["visapi.events.later.paid"])
        await add_tenants(stack.gateway.pool, "later")
        await replay(stack, letter["id"], "later")
        rows = await _at_least(stack, "select body from events_in where tenant = 'later'", 1)
        assert [msgspec.json.decode(row["body"]) for row in rows] == [event("1")]


async def test_a_replay_that_fails_again_opens_the_letter_with_the_new_reason(stack: Stack):
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        await stack.gateway.bus.publish_acked(
            subjects.event("nobody", "paid"), msgspec.json.encode(event("1"))
        )
        (letter,) = await letters(stack, "bad-event")
        await stack.gateway.rows.replay(letter["id"], "nobody")

        async def reopened() -> bool:
            (row,) = await stack.gateway.pool.fetch("select resolved_at, detail from dead_letters")
            return row["resolved_at"] is None and "the replay failed" in row["detail"]

        await eventually(reopened)


async def test_stored_emits_that_nats_refuses_are_set_aside_and_others_published(stack: Stack):
    """A type of 5,000 characters, which NATS answers by closing the connection, 256 times."""
    bus = stack.gateway.bus
    kind = "a" * 5000
    await stack.gateway.deploy("tell", EMIT)
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        for number in range(256):
            body = msgspec.json.encode(event(str(number), kind))
            await put_event(stack, ("/shop", str(number)), kind, body, publish=True)
        big = msgspec.json.encode(event("big", data="x" * 1_200_000))
        await put_event(stack, ("/shop", "big"), "paid", big, publish=True)
        run = await stack.gateway.start("tell")
        assert (await stack.gateway.ended(run))["status"] == "completed"
        found = await letters(stack, "unpublishable-event", 257)
        assert len(found) == 257
        told = "select published_at from events_in where type = 'told' and published_at is not null"
        await eventually(lambda: stack.gateway.pool.fetchval(told))
        assert bus.connected
        (letter,) = [one for one in found if one["item"][1] == "big"]
        assert letter["body"] == big


async def test_an_emit_is_published_after_its_replay(stack: Stack):
    """The row's event was too large by mistake; mended and replayed, the world hears of it."""
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        big = msgspec.json.encode(event("big", data="x" * 1_200_000))
        await put_event(stack, ("/shop", "big"), "paid", big, publish=True)
        (letter,) = await letters(stack, "unpublishable-event")
        small = msgspec.json.encode(event("big"))
        await overwrite(stack.gateway.pool, "events_in", {}, body=small)
        await replay(stack, letter["id"])
        info = await eventually(lambda: _last(stack, subjects.event(TENANT, "paid")))
        assert msgspec.json.decode(info) == event("big")


async def _last(stack: Stack, subject: str) -> bytes | None:
    query = msgspec.json.encode({"last_by_subj": subject})
    answer = await stack.gateway.bus.request("$JS.API.STREAM.MSG.GET.EVENTS", query, 2.0)
    told = msgspec.json.decode(answer.data)
    return b64decode(told["message"]["data"]) if "message" in told else None


async def test_a_stored_event_that_cannot_be_matched_keeps_no_other_from_its_listener(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    async with stack.orchestrator():
        run = await stack.gateway.start("listening")
        await eventually(lambda: stack.gateway.count("subscriptions", run))
        for number, body in enumerate((b"\xff\xfe", b"[" * 100_000, b'{"data":"\xff"}', b"[1]")):
            await put_event(stack, ("/bad", str(number)), "paid", body)
        await put_event(stack, ("/shop", "1"), "paid", msgspec.json.encode(event("1", data=1)))
        ended = await stack.gateway.ended(run)
        assert output_of(ended) == [1]
        assert len(await letters(stack, "unmatchable-event", 4)) == 4


async def put_schedule(stack: Stack, name: str, spec: bytes) -> UUID:
    identity = stack.gateway.ids.uuid7()
    ref, program = stack.gateway.deployed("quick")
    version = (TENANT, ref.namespace, name, ref.version, bytes.fromhex(program))
    await stack.gateway.rows.put_schedule(identity, version, spec)
    return identity


@pytest.mark.parametrize(
    "spec",
    [
        b"\xff\xfe{",
        b"{",
        b'{"every_ms": "often"}',
        b'{"input":' + b"[" * 100_000,
        msgspec.json.encode(Schedule(cron="* * * * *", timezone="Mars/Olympus")),
        msgspec.json.encode(Schedule(cron="* * * * *", timezone="x" * 300)),
        msgspec.json.encode(Schedule(cron="not a cron")),
        msgspec.json.encode(Schedule(every_ms=0)),
        msgspec.json.encode(Schedule()),
        msgspec.json.encode(Schedule(every_ms=10**18)),
    ],
)
async def test_a_schedule_that_cannot_be_fired_is_set_aside_and_the_others_fire(stack: Stack, spec: bytes):
    await stack.gateway.deploy("quick", "do: [{s: {set: {n: 1}}}]")
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        bad = await put_schedule(stack, "bad", spec)
        good = await put_schedule(stack, "good", msgspec.json.encode(Schedule(every_ms=1000)))
        done = "select id from runs_done where schedule = $1"
        await eventually(lambda: _at_least(stack, done, 1, good))
        if spec != msgspec.json.encode(Schedule(every_ms=10**18)):
            (letter,) = await letters(stack, "bad-schedule")
            assert (letter["tenant"], letter["item"], letter["body"]) == (TENANT, [str(bad)], spec)
            mended = msgspec.json.encode(Schedule(every_ms=1000))
            await overwrite(stack.gateway.pool, "schedules", {"id": bad}, spec=mended)
            await replay(stack, letter["id"])
            await eventually(lambda: _at_least(stack, done, 1, bad))


async def test_a_timer_that_cannot_be_claimed_is_set_aside_and_the_others_fire(stack: Stack):
    await stack.gateway.deploy("nap", NAP)
    await stack.gateway.deploy("long", "do: [{nap: {wait: {seconds: 3}}}]")
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        waiting = await stack.gateway.start("long")
        await eventually(lambda: stack.gateway.count("timers", waiting))
        never = datetime.min.replace(tzinfo=UTC)
        await overwrite(stack.gateway.pool, "timers", {"run": waiting}, fire_at=never, due_at=never)
        run = await stack.gateway.start("nap")
        assert (await stack.gateway.ended(run))["status"] == "completed"
        (letter,) = await letters(stack, "bad-timer")
        assert (letter["run"], letter["tenant"]) == (waiting, TENANT)
        await replay(stack, letter["id"])
        assert (await stack.gateway.ended(waiting))["status"] == "completed"


async def test_history_that_cannot_be_told_keeps_no_lifecycle_event_back(stack: Stack):
    await stack.gateway.deploy("quick", "do: [{s: {set: {n: 1}}}]")
    async with stack.orchestrator(lifecycle_events="all"):
        await stack.worker("acme.echo")
        for items in (b"\xff", b"[" * 100_000, b'[{"seq":1,"type":"workflow.started","time":"never"}]'):
            await plant(
                stack.gateway.pool, "history", run=stack.gateway.ids.uuid7(), first_seq=1, last_seq=1,
                tenant=TENANT, items=items,
            )  # fmt: skip
        run = await stack.gateway.start("quick")
        assert (await stack.gateway.ended(run))["status"] == "completed"
        assert len(await letters(stack, "untellable-lifecycle", 2)) >= 2

        async def told() -> bool:
            info = await stack.gateway.bus.request(
                "$JS.API.STREAM.INFO.LIFECYCLE", b'{"subjects_filter": ">"}', 2
            )
            return any(
                "workflow.completed" in name
                for name in msgspec.json.decode(info.data)["state"].get("subjects", ())
            )

        await eventually(told)
