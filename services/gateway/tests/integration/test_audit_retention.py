"""The audit is cut: old rows are exported, the cut is recorded in the chain, and what remains is still proven."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from kit.audit_rows import audit_of, put_audit
from kit.fakes.artifacts import FakeArtifacts
from kit.ledger_rows import lose, overwrite
from kit.servers import Database
from visapi.cli.audit_commands import read_chain
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.audit import AuditPage, AuditRecord
from visapi_common.core.audit_chain import Break, ChainCheck, Head
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.audit.retention import LIMIT, AuditRetention
from visapi_gateway.audit.store import PgAuditCuts

DAYS = 400


class Rig:
    """The retention on a real ledger, with an export to files."""

    def __init__(self, gateway: Any, pool: Pool, folder: Path) -> None:
        self.gateway = gateway
        self.metrics = open_metrics()
        self.exports = ArtifactStore.open(f"file://{folder}")
        self.retention = AuditRetention(PgAuditCuts(pool), self.exports, DAYS, self.metrics)

    async def write(self, *ages_days: int) -> list[AuditRecord]:
        """Rows of so many days ago, as the gateway wrote them then."""
        made = audit_of(ages_days)
        await put_audit(self.gateway.db, made)
        return made

    async def rows(self) -> list[AuditRecord]:
        """All of them, newest first."""
        found: list[AuditRecord] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.gateway.http.get("/v1/audit", params={"limit": 1000, **cursor})
            page = msgspec.json.decode(answer.content, type=AuditPage)
            found += page.items
            if page.next is None:
                return found
            cursor = {"cursor": page.next}


@pytest.fixture
async def rig(gateway: Any, postgres_db: Database, tmp_path: Path):
    pool = await open_pool(postgres_db.gateway, size=4, application="gateway")
    yield Rig(gateway, pool, tmp_path / "exports")
    pool.terminate()


def walked(rows: Sequence[AuditRecord], expected: Head | None = None) -> tuple[Break | None, ChainCheck]:
    check = ChainCheck(expected)
    for row in rows:
        check.take(row)
    return check.end(), check


async def test_old_rows_are_exported_and_cut_and_the_rest_is_proven(rig: Rig):
    old = (await rig.write(500, 450, 401, 10, 5))[:3]
    assert walked(await rig.rows())[0] is None
    assert await rig.retention.once()
    rows = await rig.rows()
    assert [row.seq for row in rows] == [6, 5, 4]
    assert (rows[0].actor, rows[0].action, rows[0].target) == ("retention", "audit.cut", "audit:default")
    broken, check = walked(rows, Head(5, rows[1].hash))
    assert broken is None
    assert check.cut is not None
    assert (check.cut.first, check.cut.last, check.cut.hash) == (1, 3, old[-1].hash)
    exported = await rig.exports.get("default", check.cut.export)
    assert msgspec.json.Decoder(AuditRecord).decode_lines(exported) == old
    assert rig.metrics.registry.get_sample_value("visapi_audit_rows_cut_total") == 3
    await rig.retention.once()
    assert await rig.rows() == rows
    await rig.gateway.deploy()
    assert walked(await rig.rows())[0] is None


async def test_a_chain_that_is_cut_while_it_is_read_is_proven_by_the_cut(rig: Rig):
    await rig.write(500, 450, 420, 401, 10, 5)
    loop = asyncio.get_running_loop()
    pages = 0

    async def page_of(cursor: str | None) -> AuditPage:
        nonlocal pages
        pages += 1
        if pages == 2:
            assert await rig.retention.once()
        params = {"limit": "3", **({} if cursor is None else {"cursor": cursor})}
        answer = await rig.gateway.http.get("/v1/audit", params=params)
        return msgspec.json.decode(answer.content, type=AuditPage)

    def read() -> ChainCheck:
        check = ChainCheck()
        read_chain(check, lambda cursor: asyncio.run_coroutine_threadsafe(page_of(cursor), loop).result(30))
        return check

    check = await asyncio.to_thread(read)
    assert check.end() is None
    assert check.cut is not None
    assert (check.cut.last, check.rows, check.head and check.head.seq) == (4, 3, 6)


async def forge_cut(db: Any) -> None:
    details: bytes = await db.fetchval("select details from visapi.audit where seq = 6")
    await overwrite(db, "audit", {"seq": 6}, details=details.replace(b"3", b"4"))


async def unchain(db: Any) -> None:
    own: bytes = await db.fetchval("select hash from visapi.audit where seq = 4")
    await overwrite(db, "audit", {"seq": 4}, previous=own)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (lambda db: lose(db, "audit", seq=4), "missing"),
        (lambda db: lose(db, "audit", seq=6), "missing"),
        (lambda db: overwrite(db, "audit", {"seq": 5}, actor="key:innocent"), "content"),
        (unchain, "not chained"),
        (forge_cut, "up to which the chain was cut"),
    ],
    ids=["a row", "the cut", "an actor", "a link", "the head of the cut"],
)
async def test_tampering_after_a_cut_is_found_out(rig: Rig, tampering: Any, found: str):
    await rig.write(500, 450, 401, 10, 5)
    await rig.retention.once()
    await rig.gateway.db.execute("alter table visapi.audit disable trigger all")
    await tampering(rig.gateway.db)
    broken, _ = walked(await rig.rows())
    assert broken is not None
    assert found in broken.why


async def test_replicas_that_cut_at_once_cut_each_row_once_and_in_batches(rig: Rig):
    await rig.write(*[500] * (LIMIT + 5), 1)
    await asyncio.gather(rig.retention.once(), rig.retention.once())
    rows = await rig.rows()
    cuts = [
        (row.details["first"], row.details["last"]) for row in reversed(rows) if row.action == "audit.cut"
    ]
    assert cuts == [(1, LIMIT), (LIMIT + 1, LIMIT + 5)]
    assert len(rows) == 3
    assert walked(rows)[0] is None


async def test_without_an_export_nothing_is_cut(rig: Rig):
    await rig.write(500, 1)
    before = await rig.rows()
    exports = FakeArtifacts()
    exports.faults.plan("put", TransientFault("the store is away"))
    retention = AuditRetention(rig.retention._rows, exports, DAYS, rig.metrics)
    assert not await retention.once()
    assert await rig.rows() == before


async def test_rows_go_only_where_the_chain_records_it(rig: Rig, postgres_db: Database):
    await rig.write(500, 450, 0)
    role = await asyncpg.connect(postgres_db.gateway)
    try:
        await role.execute("select set_config('visapi.tenants', 'default', false)")
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await role.fetchval("select visapi.cut_audit('default', 2)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await lose(role, "audit")
    finally:
        role.terminate()
    await rig.retention.once()
    db = rig.gateway.db
    for attempt in (lose(db, "audit"), db.execute("truncate visapi.audit")):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await attempt
    assert [row.seq for row in await rig.rows()] == [4, 3]
