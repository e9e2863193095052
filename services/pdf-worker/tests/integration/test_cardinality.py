"""How many time series a PDF worker has does not follow from how many tenants, runs and templates it serves."""

import asyncio
from typing import Any
from uuid import UUID

from visapi_common.core.errors import ProblemError

MANY = 10_000
PRINTED = 10
TOGETHER = 100


def series(rig: Any) -> int:
    return sum(len(family.samples) for family in rig.metrics.registry.collect())


async def test_ten_thousand_tenants_and_templates_make_no_time_series(rig: Any):
    async def render(number: int, **document: Any) -> str:
        try:
            await rig.render(tenant=f"tenant{number}", run=UUID(int=(7 << 76) + number), **document)
        except ProblemError as refused:
            return refused.code
        return "printed"

    ends = {await render(number, html=f"<h1>{number}</h1>") for number in range(PRINTED)}
    few = 0
    for first in range(0, MANY, TOGETHER):
        some = range(first, first + TOGETHER)
        ends |= set(await asyncio.gather(*(render(each, template=f"letter-{each}") for each in some)))
        few = few or series(rig)
    assert ends == {"printed", "template_unknown"}
    assert series(rig) == few
    assert few < 500
