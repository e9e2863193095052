"""The audit is cut tenant by tenant: exported first, and a tenant that fails delays no other."""

import asyncio
from typing import Any

import msgspec
import pytest

from kit.audit_rows import audit_of
from kit.fakes.artifacts import FakeArtifacts
from kit.fakes.clocks import in_no_time
from kit.fakes.gateway.audit import FakeAudit
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.errors import ContentFault, TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.audit.retention import LIMIT, AuditRetention

DAYS = 400


class World:
    def __init__(self) -> None:
        self.tables = GatewayTables()
        self.rows = FakeAudit(self.tables)
        self.exports = FakeArtifacts()
        self.metrics = open_metrics()
        self.retention = AuditRetention(self.rows, self.exports, DAYS, self.metrics)

    def write(self, tenant: str, *ages_days: int) -> list[AuditRecord]:
        self.tables.audit[tenant] = audit_of(ages_days, tenant, self.tables.now)
        return list(self.tables.audit[tenant])

    def seqs(self, tenant: str) -> list[int]:
        return [row.seq for row in self.tables.audit[tenant]]

    def cuts(self, tenant: str) -> list[dict[str, Any]]:
        return [row.details for row in self.tables.audit[tenant] if row.action == "audit.cut"]


async def test_what_is_cut_was_exported_and_the_cut_names_the_export():
    world = World()
    rows = world.write("a", 500, 450, 1)
    assert await world.retention.once()
    (cut,) = world.cuts("a")
    exported = world.exports.objects["a", cut["export"]]
    assert msgspec.json.Decoder(AuditRecord).decode_lines(exported) == rows[:2]
    assert (cut["first"], cut["last"], cut["hash"]) == (1, 2, rows[1].hash)
    assert world.seqs("a") == [3, 4]
    assert world.metrics.registry.get_sample_value("visapi_audit_rows_cut_total") == 2


async def test_many_old_rows_are_cut_in_batches():
    world = World()
    world.write("a", *[500] * (LIMIT + 5))
    assert await world.retention.once()
    assert [(cut["first"], cut["last"]) for cut in world.cuts("a")] == [(1, LIMIT), (LIMIT + 1, LIMIT + 5)]


@pytest.mark.parametrize("step", ["oldest", "cut"])
async def test_a_tenant_whose_rows_are_refused_delays_no_other(step: str):
    world = World()
    for tenant in "abc":
        world.write(tenant, 500)
    world.rows.faults.plan(step, *[ContentFault("bad row")] * 3)
    await world.retention.once()
    await world.retention.once()
    assert [world.seqs(tenant)[0] for tenant in "abc"] == [2, 2, 2]


async def test_without_an_export_nothing_is_cut_and_the_next_look_comes_sooner():
    world = World()
    world.write("a", 500)
    world.exports.faults.plan("put", TransientFault("away"))
    assert not await world.retention.once()
    assert world.seqs("a") == [1]
    assert await world.retention.once()
    assert world.seqs("a") == [2]


@in_no_time
async def test_the_audit_is_looked_at_each_hour_and_after_a_fault_each_minute():
    world = World()
    world.rows.faults.plan("tenants_to_cut", TransientFault("away"))
    running = asyncio.create_task(world.retention.run())
    await asyncio.sleep(61)
    world.write("a", 500)
    await asyncio.sleep(60)
    assert world.seqs("a") == [2]
    world.write("a", 500)
    await asyncio.sleep(3500)
    assert world.seqs("a") == [1]
    await asyncio.sleep(101)
    assert world.seqs("a") == [2]
    running.cancel()
