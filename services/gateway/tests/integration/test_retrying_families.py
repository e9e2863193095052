"""A run whose child cannot go on is not taken up: it would only fail again. Nor is the listener of a schedule."""

from typing import Any
from uuid import UUID

import pytest

from kit.ledger_rows import overwrite
from simulation.session import HEAD, Session

PARENT = "do: [{sub: {run: {workflow: {namespace: other, name: child, version: '1.2.0'}}}}]"


async def parent_of(gateway: Any) -> tuple[str, UUID]:
    """A faulted run as the orchestrator leaves it, and the child that failed it."""
    source = HEAD.decode() + PARENT
    assert (await gateway.deploy(source)).status_code == 201
    run = (await gateway.http.post("/v1/workflows/test/story/runs")).json()["id"]
    session = Session(PARENT, run=run)
    session.start()
    child = session.children["/do/0/sub"].child
    session.child_faulted("/do/0/sub")
    await gateway.progress(run, ["workflow.faulted"], status="faulted", resume=session.state)
    return run, UUID(child)


async def ended(gateway: Any, run: UUID, status: str, resume: bytes | None) -> None:
    await gateway.accepted(namespace="other", name="child", version="1.2.0", run=run)
    await gateway.orchestrator.write(run, status=status, resume=resume)


@pytest.mark.parametrize("status", ["faulted", "cancelled"])
async def test_it_says_which_child_and_how_it_ended(gateway: Any, status: str):
    run, child = await parent_of(gateway)
    await ended(gateway, child, status, None)
    refused = await gateway.http.post(f"/v1/runs/{run}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_retryable")
    assert f"run {child}, which is {status} and cannot be retried safely" in refused.json()["detail"]
    assert await gateway.db.fetchval("select count(*) from visapi.inbox") == 0


@pytest.mark.parametrize(
    ("status", "resume"), [("faulted", b"{}"), ("cancelled", b"{}"), ("completed", None)]
)
async def test_with_a_child_that_can_go_on_or_did_well_it_is(gateway: Any, status: str, resume: bytes | None):
    run, child = await parent_of(gateway)
    await ended(gateway, child, status, resume)
    assert (await gateway.http.post(f"/v1/runs/{run}/retry")).status_code == 202
    assert await gateway.db.fetchval("select kind from visapi.inbox where run = $1", run) == "retry"


async def test_the_listener_of_a_schedule_is_not_retried_because_no_event_reaches_it_any_more(gateway: Any):
    run, child = await parent_of(gateway)
    await ended(gateway, child, "faulted", b"{}")
    await overwrite(gateway.db, "runs_done", {"id": UUID(run)}, quiet=True)
    refused = await gateway.http.post(f"/v1/runs/{run}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_retryable")
    assert "events of a schedule" in refused.json()["detail"]
    assert await gateway.db.fetchval("select count(*) from visapi.inbox") == 0
