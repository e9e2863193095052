"""Simulations in a real engine process: kept a while, ended by what does not end."""

import asyncio

import msgspec
import pytest

from kit.waiting import eventually
from visapi_common.core.errors import TransientFault
from visapi_engine.compile.compiler import compile_definition
from visapi_engine.process.protocol import Limits, Simulate
from visapi_engine.process.simulator import WAITING_MAX, SimulationLost, Simulator
from visapi_engine.simulation.dry_run import SimulationInput

GOOD = "do: [{a: {set: '${ .n + 1 }'}}]"
ENDLESS = "do: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]"
LIMITS = Limits(run_cpu_ms=200, memory_bytes=256 * 1024 * 1024)


def wanted(source: str) -> Simulate:
    head = "document: {dsl: '1.0.3', namespace: test, name: dry, version: '1.0.0'}\n"
    body = compile_definition((head + source).encode(), "application/yaml").body
    return Simulate(body, SimulationInput(input=b'{"n":1}', given={}, events=[], now_ms=1_767_268_800_000))


async def test_an_expression_without_end_is_an_error_of_its_simulation() -> None:
    simulator = Simulator(LIMITS)
    caught = """
do:
  - t:
      try: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]
      catch: {do: [{say: {set: '${ $error.status }'}}]}
"""
    try:
        done = msgspec.json.decode(await simulator(wanted(ENDLESS)))
        assert (done["status"], done["error"]["status"]) == ("faulted", 400)
        assert "exceeded its budget" in done["error"]["detail"]
        assert msgspec.json.decode(await simulator(wanted(caught)))["output"] == 400
        assert msgspec.json.decode(await simulator(wanted(GOOD)))["output"] == 2
    finally:
        await simulator.close()


async def test_the_process_goes_when_nobody_simulates() -> None:
    simulator = Simulator(LIMITS, idle_s=0.05)
    await simulator(wanted(GOOD))
    first = simulator.pid
    assert first is not None
    await eventually(lambda: simulator.pid is None)
    await simulator(wanted(GOOD))
    assert simulator.pid not in (None, first)
    await simulator.close()


async def test_an_answer_that_is_too_large_is_refused_and_the_process_lives() -> None:
    simulator = Simulator()
    again = "do: [{each: {for: {in: '${ [range(20)] }'}, do: [{keep: {set: '${ . }'}}]}}]"
    grows = msgspec.structs.replace(
        wanted(again), wanted=SimulationInput(b'["' + b"x" * 900_000 + b'"]', {}, [], 0)
    )
    try:
        with pytest.raises(SimulationLost, match="allowed are 16777216"):
            await simulator(grows)
        kept = simulator.pid
        assert msgspec.json.decode(await simulator(wanted(GOOD)))["output"] == 2
        assert simulator.pid == kept is not None
    finally:
        await simulator.close()


async def test_too_many_at_once_are_turned_away() -> None:
    simulator = Simulator(LIMITS)
    try:
        told = await asyncio.gather(
            *(simulator(wanted(GOOD)) for _ in range(WAITING_MAX + 1)), return_exceptions=True
        )
        assert [type(one) for one in told].count(TransientFault) == 1
        assert [type(one) for one in told].count(bytes) == WAITING_MAX
    finally:
        await simulator.close()


async def test_a_caller_that_goes_away_leaves_no_answer_for_the_next() -> None:
    simulator = Simulator(Limits(run_cpu_ms=5_000))
    try:
        gone = asyncio.create_task(
            simulator(wanted("do: [{a: {set: {x: '${ [range(3000000)] | length }'}}}]"))
        )
        await eventually(lambda: simulator.pid is not None)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert msgspec.json.decode(await simulator(wanted(GOOD)))["output"] == 2
    finally:
        await simulator.close()
