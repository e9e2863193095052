"""A restore to a point in the past, under load, with PostgreSQL, NATS and every process lost: `make restore-test`.

What was accepted before the point completes, what was accepted after it is named, no effect happens twice, and two
numbers are printed: how much a restore to the end of the log loses (RPO), and how long one takes (RTO).
"""

import json
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from drills.fingerprints import fingerprints, stillness
from drills.recovery import Drill
from faults.checker import judge
from faults.harness import FaultStack, fault_stack

RUNS = int(os.environ.get("VISAPI_TEST_RESTORE_RUNS", "16"))
"""Runs of each load: during the copy, and around the point."""
POINT = "before_the_mistake"
RPO_S = 1.0
_CHANGED = "visapi.restores"
"""The one table that the restore itself writes."""

pytestmark = [pytest.mark.full, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[FaultStack]:
    async with fault_stack() as running:
        yield running


async def test_a_restore_to_a_point_loses_only_what_it_names_and_repeats_nothing(stack: FaultStack) -> None:
    async with Drill(stack) as drill:
        async with drill.load(RUNS):
            await drill.copy()
        async with drill.load(RUNS), stillness(drill.superuser_url) as still:
            await still.fetchval("select pg_create_restore_point($1)", POINT)
            at_the_point = await fingerprints(still)
            known = await drill.known_runs(still)
        after = drill.accepted - known
        assert after, "nothing was accepted after the point"
        await drill.destroy()

        to_the_end = await drill.restored_elsewhere()
        report = await drill.restore(POINT)
        restored = await drill.fingerprints_restored()
        assert restored.pop(_CHANGED) != at_the_point.pop(_CHANGED)
        assert restored == at_the_point
        assert set(report["ledger"]["lost"]) == after
        assert report["artifacts"]["missing"] == []

        await drill.start_again()
        held = await drill.settled(known)
        verdict = judge(await drill.seen(known))
        assert verdict.violations == []
        decided = await drill.decide()
        assert await drill.settled(known) == set()
        final = judge(await drill.seen(known))
    told = {**drill.told, **to_the_end, "held": len(held), **decided, "completed": final.counts["completed"]}
    print(f"\nrestore: {json.dumps(told)}")
    assert final.violations == []
    assert (final.counts["completed"], final.counts["mails"]) == (len(known), len(known))
    assert to_the_end["RPO s"] <= RPO_S
