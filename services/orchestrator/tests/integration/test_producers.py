"""A tenant that floods `EVENTS` is refused; others' publishes are accepted, and nothing accepted is lost."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from kit.configured_nats import ConfiguredNats
from kit.fakes.tenants import FakeTenants
from kit.waiting import eventually
from visapi.admin import nats_users
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.event_stream import EventStream
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import StreamChoices, Topology
from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.events.producers import ProducerShares
from visapi_orchestrator.events.set_aside_messages import NUMBER_MAX

SERVER = """
jetstream { store_dir: "{folder}/store" }
include "account.conf"
"""
MIB = 1024 * 1024
CHOICES = StreamChoices(bytes_max={subjects.STREAM_EVENTS: 8 * MIB})
TENANTS = ["big", "other", "small"]


@pytest.fixture(scope="module")
def server() -> Iterator[ConfiguredNats]:
    users = [*nats_users.service_users(), *nats_users.worker_users({"big": (), "small": ()})]
    running = ConfiguredNats(SERVER)
    account = nats_users.render_account("VISAPI", users, {user.name: user.name for user in users})
    (running.folder / "account.conf").write_text(account)
    running.start()
    yield running
    running.close()


@dataclass
class World:
    orchestrator: Bus
    big: Bus
    small: Bus
    shares: ProducerShares
    stream: EventStream
    topology: Topology
    rows: FakeTenants
    metrics: Metrics

    def another(self) -> ProducerShares:
        """Of another orchestrator."""
        return ProducerShares(self.stream, self.rows, set, open_metrics())

    async def accepted(self, tenant: str, kind: str, size: int = 10) -> bool:
        """Whether JetStream acknowledges an event of the tenant."""
        bus = self.big if tenant == "big" else self.small
        try:
            await bus.publish_acked(subjects.event(tenant, kind), b"x" * size)
        except Fault:
            return False
        return True

    async def take_in(self, count: int) -> None:
        """As the intake does: nothing is removed before it was acknowledged."""
        source = PullLoop(self.orchestrator, subjects.STREAM_EVENTS, subjects.CONSUMER_EVENTS, window=256)
        await source.start()
        taken = 0
        while taken < count:
            for delivery in await source.take(256):
                delivery.ack()
                taken += 1
        await source.stop()


@pytest.fixture
async def world(server: ConfiguredNats) -> AsyncIterator[World]:
    orchestrator = await Bus.connect(server.url("orchestrator", "orchestrator"), "orchestrator")
    big = await Bus.connect(server.url("worker-big", "worker-big"), "worker")
    small = await Bus.connect(server.url("worker-small", "worker-small"), "worker")
    topology, stream = Topology(orchestrator, CHOICES), EventStream(orchestrator)
    await topology.heal()
    rows, metrics = FakeTenants(*TENANTS), open_metrics()
    shares = ProducerShares(stream, rows, lambda: rows.disabled, metrics)
    yield World(orchestrator, big, small, shares, stream, topology, rows, metrics)
    await stream.take_from(None)
    await orchestrator.request(f"$JS.API.STREAM.PURGE.{subjects.STREAM_EVENTS}", b"", 5.0)
    for bus in (orchestrator, big, small):
        await bus.close()


async def fill(world: World, mib: int) -> int:
    """The big tenant publishes events of many types; the number of messages."""
    for number in range(mib * 4):
        assert await world.accepted("big", f"kind.{number}", MIB // 4)
    return mib * 4


async def test_a_tenant_beyond_its_share_is_refused_loudly_and_others_are_accepted(world: World):
    await fill(world, 3)
    assert await world.accepted("small", "before")
    await world.shares.once()
    assert not await world.accepted("big", "more")
    assert not await world.accepted("big", "another.kind")
    assert await world.accepted("small", "after")
    assert (await world.stream.load()).tenants == {"other", "small"}
    assert world.metrics.registry.get_sample_value("visapi_producers_refused_total") == 1


async def test_what_was_accepted_is_kept_until_it_was_taken_in_and_then_the_tenant_is_admitted(world: World):
    count = await fill(world, 3)
    await world.shares.once()
    held = await world.stream.load()
    assert held.last_seq - held.first_seq + 1 == count
    await world.shares.once()
    assert (await world.stream.load()).bytes_held == held.bytes_held
    await world.take_in(count)

    async def admitted() -> bool:
        await world.shares.once()
        return await world.accepted("big", "again")

    assert await eventually(admitted)
    load = await world.stream.load()
    assert load.tenants is None
    assert load.bytes_held < MIB


async def test_what_was_taken_in_gives_its_room_to_everybody_and_nobody_is_refused(world: World):
    await world.take_in(await fill(world, 3))

    async def removed() -> bool:
        await world.shares.once()
        return (await world.stream.load()).bytes_held < MIB

    assert await eventually(removed)
    assert await world.accepted("big", "more")


async def test_a_repaired_topology_does_not_let_the_flood_in_for_long(world: World):
    await fill(world, 3)
    await world.shares.once()
    await world.topology.heal()
    await world.shares.once()
    assert not await world.accepted("big", "more")


async def test_while_the_stream_is_rather_empty_nobody_is_looked_at(world: World):
    await fill(world, 1)
    await world.shares.once()
    load = await world.stream.load()
    assert (load.tenants, load.last_seq - load.first_seq + 1) == (None, 4)


async def test_an_orchestrator_that_comes_later_goes_on_refusing(world: World):
    count = await fill(world, 3)
    await world.shares.once()
    await world.take_in(count - 3)

    async def removed() -> bool:
        await world.stream.forget_taken()
        return (await world.stream.load()).bytes_held < MIB

    assert await eventually(removed)
    assert (await world.stream.load()).bytes_held > MIB // 2
    other = world.another()
    for _ in range(8):
        await other.once()
    assert (await world.stream.load()).tenants == {"other", "small"}
    assert not await world.accepted("big", "more")


@pytest.mark.parametrize("disabled", [{"big"}, set(TENANTS)], ids=["one tenant", "every tenant"])
async def test_a_disabled_tenant_with_many_dead_letters_is_refused_until_it_is_enabled(
    world: World, disabled: set[str]
):
    world.rows.disabled = disabled
    for tenant in disabled:
        letter = DeadLetterEntry(kind="message", tenant=tenant, reason="bad", detail="?", item=("a",))
        world.rows.letters += [letter] * (NUMBER_MAX // 2)
    for _ in range(4):
        await world.shares.once()
    assert not await world.accepted("big", "more")
    assert await world.accepted("small", "other") is ("small" not in disabled)
    other = world.another()
    for _ in range(8):
        await other.once()
    assert not await world.accepted("big", "more")
    world.rows.disabled = set()
    for _ in range(8):
        await other.once()
    assert (await world.stream.load()).tenants is None
    assert await world.accepted("big", "again")
