"""Carrying out a definition without touching the world: nothing is stored, nothing is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import SimulateWorkflow
from visapi_common.core.errors import ProblemError
from visapi_engine.definition.compile import Compiled
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulator import SimulationLost
from visapi_engine.simulation.answers import check_answers
from visapi_gateway.app.deploy_workflow import COMPILE_TIMEOUT_S, Clock, Compile

_encode = msgspec.json.Encoder().encode

RunSimulation = Callable[[Simulate], Awaitable[bytes]]


class Simulations:
    """Compiles, checks what is given, and hands both to an engine process."""

    def __init__(self, compile_: Compile, run: RunSimulation, clock: Clock) -> None:
        self._compile = compile_
        self._run = run
        self._clock = clock

    async def __call__(self, wanted: SimulateWorkflow) -> bytes:
        """A `Simulation` as JSON. Raises `ProblemError` 400 and 422, `TransientFault` under load."""
        compiled = await self._compiled(wanted.workflow)
        wrong = check_answers(compiled.program, wanted.given)
        if wrong:
            detail = f"what is given does not fit the workflow: {wrong[0].detail}"
            raise ProblemError("invalid_body", detail, status=400, errors=wrong)
        begins = wanted.now or self._clock.now()
        try:
            return await self._run(
                Simulate(
                    body=compiled.body,
                    input=_encode(wanted.input),
                    given=wanted.given,
                    events=[_encode(event) for event in wanted.events],
                    now_ms=round(begins.timestamp() * 1000),
                )
            )
        except SimulationLost as lost:
            detail = (
                f"the simulation was ended: {lost}. An expression that never ends, or needs too much memory?"
            )
            raise ProblemError("simulation_ended", detail, status=422) from None

    async def _compiled(self, workflow: Any) -> Compiled:
        if isinstance(workflow, str):
            source, media_type = workflow.encode(), "application/yaml"
        elif isinstance(workflow, dict):
            source, media_type = _encode(workflow), "application/json"
        else:
            mistake = FieldError("/workflow", "give a definition, as an object or as YAML or JSON text")
            raise ProblemError("invalid_body", mistake.detail, status=400, errors=[mistake])
        try:
            async with asyncio.timeout(COMPILE_TIMEOUT_S):
                return await asyncio.to_thread(self._compile, source, media_type)
        except TimeoutError:
            detail = f"the definition takes more than {COMPILE_TIMEOUT_S:.0f} s to compile; make it smaller"
            raise ProblemError("definition_invalid", detail, status=422) from None
