"""Workers announce their functions, whatever state the streams are in."""

from kit.orchestration import Stack
from visapi_common.contracts import subjects


async def test_a_worker_that_announces_while_the_stream_is_gone_is_served_once_it_is_there_again(
    stack: Stack,
):
    async with stack.orchestrator():
        await stack.worker("acme.first")
        bus = await stack.bus()
        await bus.request(f"$JS.API.STREAM.DELETE.{subjects.STREAM_TASKS}", b"", 2.0)
        # A refusal would fail here: it ends a worker. Without an answer, the worker announces again.
        await stack.worker("acme.second")
        await stack.gateway.deploy("flow", "do: [{a: {call: acme.second}}]")
        run = await stack.gateway.start("flow")
        assert (await stack.gateway.ended(run))["status"] == "completed"
