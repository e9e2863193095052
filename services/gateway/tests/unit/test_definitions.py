"""Which version is the highest: read once for all who ask at the same time."""

import asyncio

import pytest

from visapi_common.core.errors import ProblemError
from visapi_engine.compile.compiler import compile_definition
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.definitions import HIGHEST_TTL_S, Definition, Definitions

NAME: WorkflowName = ("default", "demo", "greet")
PROGRAM = compile_definition(
    b"document: {dsl: '1.0.3', namespace: demo, name: greet, version: '1.0.0'}\ndo: [{s: {set: {a: 1}}}]",
    "application/yaml",
).body


class _Source:
    """Versions that a test deploys; a read ends when the test says so."""

    def __init__(self) -> None:
        self.deployed: str | None = "1.0.0"
        self.reads = 0
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def program_of(self, name: WorkflowName, version: str) -> tuple[bytes, bytes] | None:
        return b"hash", PROGRAM

    async def highest(self, name: WorkflowName) -> str | None:
        self.reads += 1
        self.asked.set()
        await self.answering.wait()
        return self.deployed


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


async def _version(definitions: Definitions) -> str:
    found: Definition = await definitions.find(NAME, None)
    return found.version


async def test_while_one_request_asks_for_the_highest_version_others_take_what_is_known() -> None:
    source, clock = _Source(), _Clock()
    definitions = Definitions(source, clock)
    assert await _version(definitions) == "1.0.0"

    source.deployed, clock.now = "2.0.0", HIGHEST_TTL_S
    source.answering.clear()
    source.asked.clear()
    asking = asyncio.create_task(_version(definitions))
    await source.asked.wait()
    assert [await _version(definitions) for _ in range(100)] == ["1.0.0"] * 100
    assert source.reads == 2

    source.answering.set()
    assert await asking == "2.0.0"
    assert await _version(definitions) == "2.0.0"
    assert source.reads == 2


async def test_a_workflow_that_nobody_deployed_is_asked_for_each_time() -> None:
    source = _Source()
    source.deployed = None
    definitions = Definitions(source, _Clock())
    for _ in range(2):
        with pytest.raises(ProblemError):
            await definitions.find(NAME, None)
    assert source.reads == 2
