"""Simulations in a real engine process: kept a while, ended by what does not end."""

import asyncio

import msgspec
import pytest

from visapi_engine.definition.compile import compile_definition
from visapi_engine.process.protocol import Limits, Simulate
from visapi_engine.process.simulator import SimulationLost, Simulator

GOOD = "do: [{a: {set: '${ .n + 1 }'}}]"
ENDLESS = "do: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]"
LIMITS = Limits(run_cpu_ms=200, memory_bytes=256 * 1024 * 1024)


def wanted(source: str) -> Simulate:
    head = "document: {dsl: '1.0.3', namespace: test, name: dry, version: '1.0.0'}\n"
    body = compile_definition((head + source).encode(), "application/yaml").body
    return Simulate(body=body, input=b'{"n":1}', given={}, events=[], now_ms=1_767_268_800_000)


async def test_an_expression_without_end_ends_its_simulation_and_no_other() -> None:
    simulator = Simulator(LIMITS)
    try:
        with pytest.raises(SimulationLost):
            await simulator(wanted(ENDLESS))
        assert msgspec.json.decode(await simulator(wanted(GOOD)))["output"] == 2
    finally:
        await simulator.close()


async def test_the_process_goes_when_nobody_simulates() -> None:
    simulator = Simulator(LIMITS, idle_s=0.05)
    await simulator(wanted(GOOD))
    first = simulator.pid
    assert first is not None
    async with asyncio.timeout(5):
        while simulator.pid is not None:
            await asyncio.sleep(0.01)
    await simulator(wanted(GOOD))
    assert simulator.pid not in (None, first)
    await simulator.close()
