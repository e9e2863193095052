"""Event loops that must go on while somebody attacks: their stalls are read from each service's `/metrics`."""

import contextlib
from collections.abc import AsyncIterator

from attacks.harness import AttackStack

STALLS_MAX = 3
"""Stalls by work of its own that a loop may have during an attack: the machine has two cores for all tests,
so an ordinary piece of work may take longer than 100 ms by the clock.
"""


@contextlib.asynccontextmanager
async def no_stalls(
    stack: AttackStack, *services: str, attack: str, at_most: int = STALLS_MAX
) -> AsyncIterator[None]:
    """Fail when the event loop of a service computed for more than 100 ms at a time, more than `at_most` times."""
    before = {service: await _stalls(stack, service) for service in services}
    yield
    for service in services:
        grown = await _stalls(stack, service) - before[service]
        print(f"{attack}: {service} stalled {grown:.0f} times")
        assert grown <= at_most, f"{attack}: the event loop of {service} stalled {grown:.0f} times"


async def _stalls(stack: AttackStack, service: str) -> float:
    return await stack.metric(service, "visapi_event_loop_stalls_total", cause="work")
