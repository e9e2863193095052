"""Simulate a definition without effects: nothing is stored, nothing is sent."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import SimulateWorkflow
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulator import SimulationLost
from visapi_engine.simulation.request import RequestInvalid, read_request
from visapi_gateway.workflows.compiling import Compiling

RunSimulation = Callable[[str, Simulate], Awaitable[bytes]]


class Simulations:
    """Compiles the definition, checks the given answers, and runs the simulation as a bounded job."""

    def __init__(self, compile_: Compiling, run: RunSimulation, clock: WallClock) -> None:
        self._compile = compile_
        self._run = run
        self._clock = clock

    async def __call__(self, tenant: str, wanted: SimulateWorkflow) -> bytes:
        """A `Simulation` as JSON. Raises `ProblemError` 400 and 422, `TransientFault` under load."""
        compiled = await self._compiled(tenant, wanted.workflow)
        try:
            request = read_request(compiled.program, wanted, self._clock.now(), reads=compiled.reads)
        except RequestInvalid as wrong:
            raise ProblemError("invalid_body", str(wrong), status=400, errors=wrong.mistakes) from None
        try:
            return await self._run(tenant, Simulate(compiled.body, request))
        except SimulationLost as lost:
            raise ProblemError("simulation_ended", f"the simulation was ended: {lost}", status=422) from None

    async def _compiled(self, tenant: str, workflow: Any) -> Compiled:
        source, media_type = _source(workflow)
        try:
            return await self._compile(tenant, source, media_type)
        except DefinitionInvalid as invalid:
            errors = [_in_body(error, is_text=isinstance(workflow, str)) for error in invalid.errors]
            raise ProblemError(invalid.code, invalid.detail, status=invalid.status, errors=errors) from None


def _source(workflow: Any) -> tuple[bytes, str]:
    """The definition as text, and its media type. Raises `ProblemError` 400."""
    if isinstance(workflow, dict):
        return msgspec.json.encode(workflow), "application/json"
    if isinstance(workflow, str):
        source = workflow.encode()
        return source, "application/json" if _is_json(source) else "application/yaml"
    mistake = FieldError("/workflow", "give a definition, as an object or as YAML or JSON text")
    raise ProblemError("invalid_body", mistake.detail, status=400, errors=[mistake])


def _is_json(source: bytes) -> bool:
    return not isinstance(read_as(msgspec.Raw, source), Unreadable)


def _in_body(error: FieldError, *, is_text: bool) -> FieldError:
    """A mistake of the definition as a mistake of the request, without line numbers for a JSON object."""
    line, column = (error.line, error.column) if is_text else (None, None)
    return FieldError("/workflow" + error.pointer, error.detail, line, column)
