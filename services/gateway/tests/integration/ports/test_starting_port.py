"""`runs.starting.commits.Ledger` and `runs.starting.open_runs.TakenKeys`: runs and their keys, together."""

from typing import Any
from uuid import UUID

from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.payloads import NULL
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.starting.commits import Holder, NewRun


def new(ground: GatewayGround, **changes: Any) -> NewRun:
    fields: dict[str, Any] = {
        "id": ground.world.ids.uuid7(),
        "tenant": ground.tenant,
        "namespace": "test",
        "name": "flow",
        "version": "1.0.0",
        "program": bytes(32),
        "input": NULL,
        "trace": "",
        "started_by": "key:a",
        "created_at": ground.world.now(),
        **changes,
    }
    return NewRun(**fields)


async def test_a_batch_is_committed_for_all_of_its_tenants(ground: GatewayGround):
    runs = [new(ground), new(ground), new(ground, tenant=ground.other)]
    assert await ground.ledger.accept(runs) == {run.id for run in runs}
    assert await ground.ledger.present([*runs, new(ground)]) == {run.id for run in runs}
    for run in runs:
        row = await ground.runs.run(run.tenant, run.id)
        assert (row.status, row.created_at, row.input) == ("pending", run.created_at, b'{"inline":null}')


async def test_a_test_run_is_marked(ground: GatewayGround):
    live, trial = new(ground), new(ground, test=True)
    await ground.ledger.accept([live, trial])
    rows = [await ground.runs.run(ground.tenant, run.id) for run in (live, trial)]
    assert [row.test for row in rows] == [False, True]
    for wanted, run in ((False, live), (True, trial)):
        found = await ground.runs.runs(ground.tenant, RunFilter(test=wanted), None, 9)
        assert [row.id for row in found] == [run.id]


async def test_a_key_starts_one_run_for_each_tenant(ground: GatewayGround):
    first, again = new(ground, key="k", body_hash=b"1"), new(ground, key="k", body_hash=b"1")
    other = new(ground, key="k", body_hash=b"1", tenant=ground.other)
    assert await ground.ledger.accept([first]) == {first.id}
    assert await ground.ledger.accept([again, other]) == {other.id}
    assert await ground.runs.run(ground.tenant, again.id) is None
    key = (ground.tenant, "k")
    assert await ground.ledger.taken_keys([key, (ground.tenant, "free")]) == {key: Holder(first.id, b"1")}


async def test_a_key_of_another_request_starts_no_run(ground: GatewayGround):
    await ground.workflows.hold(Claim(ground.tenant, "k", b"hash"), "answer")
    run = new(ground, key="k", body_hash=b"1")
    assert await ground.ledger.accept([run]) == set()
    key = (ground.tenant, "k")
    assert await ground.ledger.taken_keys([key]) == {key: Holder(UUID(int=0), b"hash")}


async def test_of_one_batch_the_first_run_has_the_key(ground: GatewayGround):
    runs = [new(ground, key="k", body_hash=b"1") for _ in range(3)]
    assert len(await ground.ledger.accept(runs)) == 1
    assert len(await ground.ledger.present(runs)) == 1


async def test_a_rerun_is_audited_with_its_run(ground: GatewayGround):
    audit = AuditEntry(ground.tenant, "key:a", AuditAction.RUN_RERUN, "run:1", None, "r", {})
    await ground.ledger.accept([new(ground, audit=audit), new(ground)])
    (entry,) = await ground.audit.page(ground.tenant, AuditFilter(), None, 10)
    assert (entry.action, entry.target) == ("run.rerun", "run:1")
