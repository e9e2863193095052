"""A key that is limited to workflows reads no runs and no approvals of others, so that what it sees costs what it sees. Asked of a real
PostgreSQL with many rows, under the policies and as the role of the gateway.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from kit.big_tables import APPROVALS, DONE, PAGES_MAX, RUNS, Big, explained, pages, rows_read, whole_tables
from visapi_gateway.approvals.store import LIST_LIMITED, spans
from visapi_gateway.gateway import SESSION as GATEWAY
from visapi_gateway.runs.reading import conditions as run_filters
from visapi_gateway.runs.reading import limited as run_limits
from visapi_gateway.runs.reading import store as run_store
from visapi_gateway.runs.reading.rules.filters import RunFilter

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PAGES_OF_EACH = 150
"""Above a page of runs of a workflow, each of which lies in a page of its own."""
_APPROVALS_OF = """
select count(*) from approvals where tenant = 'default' and split_part(workflow, ':', 1) = any($1::text[])
"""
LIMITED = {
    "one with few": ["rare"],
    "few and none": ["rare", "none"],
    "many and few": ["w7", "rare"],
    "a hundred": [*(f"w{n}" for n in range(99)), "rare"],
}


@pytest.mark.parametrize("states", [(), ("completed",), ("faulted", "cancelled")], ids=str)
@pytest.mark.parametrize("name", LIMITED)
async def test_a_key_that_is_limited_to_workflows_reads_no_runs_of_others(
    big: Big, name: str, states: tuple[Any, ...]
):
    await big.fill(RUNS, "runs")
    await big.fill(DONE, "runs_done")
    workflows = [("sales", own) for own in LIMITED[name]]
    before = f"{_seen_by(LIMITED[name])}; {run_filters.PLAN_ANEW}"
    wanted = RunFilter(statuses=states)
    for plain, several in (
        (run_store.LIST_RUNS, run_store.LIST_AMONG),
        (run_store.COUNT_RUNS, run_store.COUNT_AMONG),
    ):
        conditions, is_among = run_limits.conditions_for("default", 51, wanted, workflows)
        run_filters.add_filter(conditions, wanted, [])
        query = run_filters.complete(several if is_among else plain, conditions, wanted)
        plan = await explained(big.database.gateway, GATEWAY, query, *conditions.arguments, before=before)
        told = msgspec.json.format(msgspec.json.encode(plan)).decode()
        assert pages(plan) < PAGES_MAX + PAGES_OF_EACH * len(workflows), told
        assert not whole_tables(plan), told


@pytest.mark.parametrize("state", [None, "open"])
@pytest.mark.parametrize("name", [*LIMITED, "none in a namespace"])
async def test_a_key_that_is_limited_to_workflows_reads_no_approvals_of_others(
    big: Big, name: str, state: str | None
):
    await big.fill(APPROVALS, "approvals")
    own = LIMITED.get(name, [])
    entries = [f"sales/{one}" for one in own] or ["support/*"]
    arguments = ("default", None, state, *spans(entries), 51)
    plan = await explained(big.database.gateway, GATEWAY, LIST_LIMITED, *arguments, before=_seen_by(own))
    told = msgspec.json.format(msgspec.json.encode(plan)).decode()
    theirs = await big.count(_APPROVALS_OF, [f"sales/{one}" for one in own])
    assert rows_read(plan, "approvals_by_workflow") <= theirs, told
    assert rows_read(plan, "approvals_pkey") <= 51, told
    assert not whole_tables(plan), told


def _seen_by(names: Sequence[str]) -> str:
    """The settings of a transaction of the key."""
    entries = ",".join(f"sales/{own}" for own in names) or "support/*"
    return (
        "select set_config('visapi.tenants', 'default', true), "
        f"set_config('visapi.workflows', '{entries}', true)"
    )
