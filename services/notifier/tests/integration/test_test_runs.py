"""Effects of test runs: recorded and answered, and carried out by nobody."""

from collections.abc import Callable
from typing import Any

import msgspec

from visapi_common.contracts.task_messages import TaskMessage
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.outbound.rules.reading import Reading, Sent

MakeTask = Callable[..., TaskMessage]


async def test_a_test_run_has_no_effect_and_reads_as_usual(
    replica: Any, make_task: MakeTask, row: Any
) -> None:
    tried: list[Time] = []

    async def attempt(time: Time) -> Reading:
        tried.append(time)
        return Sent("done")

    for key, keyed in (("b" * 64, True), ("c" * 64, False)):
        effect = Effect("webhook", attempt, keyed=keyed, unsent={"test": True})
        for _ in range(2):
            output = await replica.deliverer.deliver(make_task(key, test=True), effect)
            assert msgspec.json.encode(output) == b'{"test":true}'
        assert (await row(key))["state"] == "sent"
    assert tried == []
    reads = Effect("http", attempt, keyed=True, recorded=False)
    assert await replica.deliverer.deliver(make_task(test=True), reads) == "done"
    assert len(tried) == 1
