"""`audit.service.AuditSource` and `audit.retention.CutRows`."""

from collections.abc import Sequence

from kit.audit_rows import audit_of
from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.audit_chain import ChainCheck, Cut
from visapi_gateway.audit.service import AuditFilter

DAYS = 400
EVERYTHING = AuditFilter()


async def written(ground: GatewayGround, *ages_days: int) -> Sequence[AuditRecord]:
    made = audit_of(ages_days, ground.tenant, ground.world.now())
    await ground.world.put_audit(made)
    return made


async def seqs(ground: GatewayGround, wanted: AuditFilter = EVERYTHING, below: int | None = None):
    return [row.seq for row in await ground.audit.page(ground.tenant, wanted, below, 10)]


async def test_entries_are_read_newest_first_by_their_tenant_alone(ground: GatewayGround):
    made = await written(ground, 3, 2, 1)
    assert list(await ground.audit.page(ground.tenant, EVERYTHING, None, 2)) == [made[2], made[1]]
    assert await seqs(ground, below=3) == [2, 1]
    assert list(await ground.audit.page(ground.other, EVERYTHING, None, 10)) == []


async def test_entries_are_found_by_what_they_say(ground: GatewayGround):
    made = await written(ground, 3, 2, 1)
    assert await seqs(ground, AuditFilter(action="run.cancel")) == [3, 2, 1]
    assert await seqs(ground, AuditFilter(action="run.retry")) == []
    assert await seqs(ground, AuditFilter(actor="key:b")) == []
    assert await seqs(ground, AuditFilter(target="run:2")) == [2]
    assert await seqs(ground, AuditFilter(since=made[1].time)) == [3, 2]
    assert await seqs(ground, AuditFilter(until=made[1].time)) == [1]


async def test_tenants_whose_first_entry_is_old_are_to_be_cut(ground: GatewayGround):
    await written(ground, 500, 450, 1)
    assert ground.tenant in await ground.cuts.tenants_to_cut(DAYS)
    assert ground.tenant not in await ground.cuts.tenants_to_cut(501)
    assert ground.other not in await ground.cuts.tenants_to_cut(DAYS)


async def test_the_oldest_entries_are_those_before_the_first_young_one(ground: GatewayGround):
    made = await written(ground, 500, 450, 1, 450)
    assert list(await ground.cuts.oldest(ground.tenant, DAYS, 10)) == list(made[:2])
    assert list(await ground.cuts.oldest(ground.tenant, DAYS, 1)) == list(made[:1])
    assert list(await ground.cuts.oldest(ground.other, DAYS, 10)) == []


async def test_a_cut_is_recorded_in_the_chain_and_made_once(ground: GatewayGround):
    made = await written(ground, 500, 450, 1)
    cut = Cut(1, 2, made[1].hash, "export")
    assert await ground.cuts.cut(ground.tenant, cut)
    assert not await ground.cuts.cut(ground.tenant, cut)
    rows = await ground.audit.page(ground.tenant, EVERYTHING, None, 10)
    assert [(row.seq, row.action) for row in rows] == [(4, "audit.cut"), (3, "run.cancel")]
    check = ChainCheck()
    for row in rows:
        check.take(row)
    assert (check.end(), check.cut) == (None, cut)
