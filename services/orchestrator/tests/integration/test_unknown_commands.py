"""Inbox rows whose kind no release knows that runs here."""

from datetime import UTC, datetime
from uuid import UUID

from kit.ledger_rows import plant
from kit.orchestration import TENANT, Stack, completed, eventually


async def test_an_inbox_row_of_a_kind_that_nobody_takes_is_set_aside(stack: Stack):
    await stack.gateway.deploy("call", "do: [{only: {call: acme.echo}}]")
    pool = stack.gateway.pool
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo", answer=completed)
        run = await stack.gateway.start("call")
        other = UUID(int=run.int + 1)
        for key, kind, body, sweeps in (
            ("new", "of-a-newer-release", b"{}", 0),
            ("old", "never-known", b'{"n":1}', 5),
        ):
            await plant(
                pool, "inbox", run=other, key=key, tenant=TENANT, kind=kind, body=body,
                sweep_at=datetime.now(UTC), sweeps=sweeps,
            )  # fmt: skip
        letter = await eventually(
            lambda: pool.fetchrow("select * from dead_letters where reason = 'bad-inbox'")
        )
        assert (letter["run"], letter["tenant"], letter["kind"]) == (other, TENANT, "inbox")
        assert (letter["item"], letter["body"]) == (["old", "never-known"], b'{"n":1}')
        assert "'never-known'" in letter["detail"]
        assert await pool.fetchval("select count(*) from inbox where key = 'old'") == 0
        assert (await stack.gateway.ended(run))["status"] == "completed"
        assert worker.seen
