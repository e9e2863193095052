"""How many time series a notifier has does not follow from how many tenants, workflows and receivers it serves."""

import asyncio
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier import channels
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.serving import HiddenFault
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, Unclear, communication

MANY = 10_000
HELD = 200
"""Of so many tenants an effect is recorded and held, which takes a row each."""
TOGETHER = 100
ENDS = ("sent", "refused", "guarded", "fault")
"""How effects end that need no record, in turn."""


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


def effect(number: int, channel: str, *, recorded: bool) -> Effect:
    """An effect that names its tenant's receiver. A recorded one ends without a clear answer."""

    async def attempt(time: Time) -> Reading:
        del time
        match "unclear" if recorded else ENDS[number % len(ENDS)]:
            case "sent":
                return Sent({"receiver": f"receiver{number}"})
            case "refused":
                return Refused(communication(403, "Refused", f"receiver{number} refuses"), None)
            case "guarded":
                raise EgressRefused(f"receiver{number}.example is not allowed", "host")
            case "fault":
                raise TransientFault(f"receiver{number} cannot be reached")
            case _:
                return Unclear(f"receiver{number} broke off")

    # A default timeout below each pause, so that a try is not repeated.
    return Effect(channel, attempt, recorded=recorded, timeout_s=0.001)


async def test_ten_thousand_tenants_and_receivers_make_no_time_series(
    replica: Any, make_task: Callable[..., Any], pool: Pool
):
    metrics, functions = open_metrics(), sorted(channels.declared().items())
    deliverer = Deliverer(
        replica.ledger, replica.leases, replica.clock, metrics,
        new_owner=lambda: str(RandomIds().uuid7()), draw=lambda: 1.0,
    )  # fmt: skip

    async def deliver(number: int) -> str:
        function, channel = functions[number % len(functions)]
        message = make_task(
            f"{number:064x}", tenant=f"tenant{number}", function=function, path=f"/do/0/step{number}", name=f"step{number}",
            workflow=WorkflowRef(f"space{number}", f"flow{number}", "1.0.0"),
        )  # fmt: skip
        try:
            await deliverer.deliver(message, effect(number, channel.label, recorded=number < HELD))
        except (HiddenFault, UnknownFault) as ended:
            return type(ended).__name__
        return "sent"

    few, ends = 0, set[str]()
    for first in range(0, MANY, TOGETHER):
        ends |= set(await asyncio.gather(*(deliver(number) for number in range(first, first + TOGETHER))))
        if first == HELD + TOGETHER:
            few = series(metrics.registry)
    assert ends == {"sent", "HiddenFault", "UnknownFault"}
    assert await pool.fetchval("select count(distinct tenant) from deliveries") == HELD
    assert series(metrics.registry) == few
    assert few < 1_000
