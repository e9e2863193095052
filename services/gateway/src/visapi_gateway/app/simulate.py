"""Carrying out a definition without touching the world: nothing is stored, nothing is sent."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import SimulateWorkflow
from visapi_common.core.errors import ProblemError
from visapi_engine.definition.compile import Compiled, DefinitionInvalid
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulator import SimulationLost
from visapi_engine.simulation.answers import check_answers
from visapi_gateway.app.compile_definition import Compiling
from visapi_gateway.app.deploy_workflow import Clock

_encode = msgspec.json.Encoder().encode

RunSimulation = Callable[[Simulate], Awaitable[bytes]]


class Simulations:
    """Compiles, checks what is given, and hands both to an engine process."""

    def __init__(self, compile_: Compiling, run: RunSimulation, clock: Clock) -> None:
        self._compile = compile_
        self._run = run
        self._clock = clock

    async def __call__(self, tenant: str, wanted: SimulateWorkflow) -> bytes:
        """A `Simulation` as JSON. Raises `ProblemError` 400 and 422, `TransientFault` under load."""
        compiled = await self._compiled(tenant, wanted.workflow)
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

    async def _compiled(self, tenant: str, workflow: Any) -> Compiled:
        source, media_type = _source(workflow)
        try:
            return await self._compile(tenant, source, media_type)
        except DefinitionInvalid as invalid:
            errors = [_in_body(error, is_text=isinstance(workflow, str)) for error in invalid.errors]
            raise ProblemError(invalid.code, invalid.detail, status=invalid.status, errors=errors) from None


def _source(workflow: Any) -> tuple[bytes, str]:
    """The definition as text, and what it is written in. Raises `ProblemError` 400."""
    if isinstance(workflow, dict):
        return _encode(workflow), "application/json"
    if isinstance(workflow, str):
        source = workflow.encode()
        return source, "application/json" if _is_json(source) else "application/yaml"
    mistake = FieldError("/workflow", "give a definition, as an object or as YAML or JSON text")
    raise ProblemError("invalid_body", mistake.detail, status=400, errors=[mistake])


def _is_json(source: bytes) -> bool:
    try:
        msgspec.json.decode(source)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _in_body(error: FieldError, *, is_text: bool) -> FieldError:
    """A mistake of the definition as one of the request; an object has no lines that its author knows."""
    line, column = (error.line, error.column) if is_text else (None, None)
    return FieldError("/workflow" + error.pointer, error.detail, line, column)
