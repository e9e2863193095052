"""Every accepted command is a row of its own, in its order, with a row of its own in the audit."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from kit.ledger_rows import lose
from visapi_gateway.runs.commands.service import UNREAD_MAX

KINDS = ("suspend", "resume", "suspend", "suspend", "cancel", "cancel")


async def inbox(gateway: Any) -> list[str]:
    return [row["kind"] for row in await gateway.db.fetch("select kind from visapi.inbox order by seq")]


async def audited(gateway: Any) -> list[str]:
    items = (await gateway.http.get("/v1/audit")).json()["items"]
    return [item["action"] for item in reversed(items) if item["action"].startswith("run.")]


async def test_commands_of_one_kind_do_not_collapse_and_keep_their_order(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    for kind in KINDS:
        answer = await gateway.http.post(
            f"/v1/runs/{run}/{kind}", headers={"X-Request-Id": "the-same-request"}
        )
        assert answer.status_code == 202
        assert "idempotent-replayed" not in answer.headers
    assert await inbox(gateway) == list(KINDS)
    assert await audited(gateway) == [f"run.{kind}" for kind in KINDS]


async def test_one_idempotency_key_is_one_command(gateway: Any) -> None:
    await gateway.deploy()
    run, other = [(await gateway.start(1)).json()["id"] for _ in range(2)]
    headers = {"Idempotency-Key": "once"}

    async def ask(run: str, kind: str, reason: str = "x") -> Any:
        return await gateway.http.post(f"/v1/runs/{run}/{kind}", json={"reason": reason}, headers=headers)

    answers = await asyncio.gather(*(ask(run, "suspend") for _ in range(8)))
    done = [answer for answer in answers if answer.status_code == 202]
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    early = {answer.json()["code"] for answer in answers if answer not in done}
    assert early <= {"idempotency_in_flight"}
    assert await inbox(gateway) == ["suspend"]
    assert await audited(gateway) == ["run.suspend"]
    for used in (await ask(run, "resume"), await ask(run, "suspend", "y"), await ask(other, "suspend")):
        assert (used.status_code, used.json()["code"]) == (422, "idempotency_conflict")
    start = await gateway.start(1, Idempotency_Key="once")
    assert (start.status_code, start.json()["code"]) == (422, "idempotency_conflict")
    await lose(gateway.db, "inbox")
    await gateway.progress(run, ["workflow.completed"], status="completed")
    assert (await ask(run, "suspend")).status_code == 202


async def test_a_run_that_reads_nothing_is_told_only_so_much(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    await gateway.rows.tell_all([(UUID(run), f"cancel:{n}") for n in range(UNREAD_MAX)], "default", "cancel")
    headers = {"Idempotency-Key": "later"}
    full = await gateway.http.post(f"/v1/runs/{run}/cancel", headers=headers)
    assert (full.status_code, full.json()["code"]) == (429, "too_many_open")
    await lose(gateway.db, "inbox")
    answer = await gateway.http.post(f"/v1/runs/{run}/cancel", headers=headers)
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize("kind", ["cancel", "suspend", "resume", "retry"])
async def test_a_malformed_idempotency_key_is_refused(gateway: Any, kind: str) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    answer = await gateway.http.post(f"/v1/runs/{run}/{kind}", headers={"Idempotency-Key": "a b"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header")
