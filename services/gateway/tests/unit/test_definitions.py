"""Which version is the highest: read once for all who ask at the same time."""

import asyncio

import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.tables import GatewayTables
from kit.fakes.gateway.workflows import FakeWorkflows, definition
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.definitions import HIGHEST_TTL_S, Definition, Definitions

NAME: WorkflowName = ("default", "test", "flow")


async def _version(definitions: Definitions) -> str:
    found: Definition = await definitions.find(NAME, None)
    return found.version


async def test_while_one_request_asks_for_the_highest_version_others_take_what_is_known() -> None:
    source, clock = FakeWorkflows(GatewayTables()), FakeClock()
    source.deploy("default", definition("1.0.0"))
    definitions = Definitions(source, clock)
    assert await _version(definitions) == "1.0.0"

    source.deploy("default", definition("2.0.0"))
    clock.now_s += HIGHEST_TTL_S
    source.faults.hold("highest")
    asking = asyncio.create_task(_version(definitions))
    await asyncio.sleep(0)
    assert [await _version(definitions) for _ in range(100)] == ["1.0.0"] * 100
    assert source.faults.entered["highest"] == 2

    source.faults.let_go("highest")
    assert await asking == "2.0.0"
    assert await _version(definitions) == "2.0.0"
    assert source.faults.entered["highest"] == 2


async def test_a_workflow_that_nobody_deployed_is_asked_for_each_time() -> None:
    source = FakeWorkflows(GatewayTables())
    definitions = Definitions(source, FakeClock())
    for _ in range(2):
        with pytest.raises(ProblemError):
            await definitions.find(NAME, None)
    assert source.faults.entered["highest"] == 2
