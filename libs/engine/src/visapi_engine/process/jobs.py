"""Compiling and simulating as jobs of bounded processes: functions from bytes to bytes."""

import resource
import signal

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid, compile_definition
from visapi_engine.model.program import decode_program
from visapi_engine.process.guarded import Guard
from visapi_engine.process.protocol import Budget, Limits, Simulate, Simulated
from visapi_engine.process.simulating import simulated
from visapi_engine.source.findings import REPORTED_MAX

COMPILE = "visapi_engine.process.jobs:compile_source"
WARM_UP = "visapi_engine.process.jobs:warm_up"
SIMULATE = "visapi_engine.process.jobs:simulate"
SIMULATE_GUARDED = "visapi_engine.process.jobs:simulate_guarded"

GUARDED_CPU_S = 5.0
"""CPU time that the expressions of one simulation may take in processes of their own."""
_TRANSITION_CPU_S = Limits().run_cpu_ms / 1000
_encode = msgspec.msgpack.Encoder().encode


_SAMPLE = b"""
document: {dsl: '1.0.3', namespace: warm, name: up, version: '1.0.0'}
do: [{a: {set: {x: '${ [.y[]? | ascii_downcase] | length }'}}}, {b: {sett: 1}}]
"""


class Source(msgspec.Struct, frozen=True):
    """A definition to compile, and the functions that its tenant's workers announced."""

    source: bytes
    media_type: str
    announced: list[FunctionSpec]


class _Whole(msgspec.Struct, frozen=True, tag="whole"):
    body: bytes
    hash: str
    source_hash: str
    warnings: list[FieldError]
    parts: list[bytes]
    reads: list[str]


class _Invalid(msgspec.Struct, frozen=True, tag="invalid"):
    errors: list[FieldError]
    total: int
    status: int


_read_source = msgspec.msgpack.Decoder(Source).decode
_read_simulate = msgspec.msgpack.Decoder(Simulate).decode
_read_compiled = msgspec.msgpack.Decoder[_Whole | _Invalid](_Whole | _Invalid).decode


def compile_source(payload: bytes) -> bytes:
    """A `Source`; what `read_compiled` reads."""
    asked = _read_source(payload)
    announced = {function.name: function for function in asked.announced}
    try:
        compiled = compile_definition(asked.source, asked.media_type, announced)
    except DefinitionInvalid as invalid:
        return _encode(_Invalid(invalid.errors[:REPORTED_MAX], invalid.total, invalid.status))
    return _encode(
        _Whole(
            compiled.body,
            compiled.hash,
            compiled.source_hash,
            compiled.warnings,
            compiled.parts,
            compiled.reads,
        )
    )


def read_compiled(result: bytes) -> Compiled:
    """Raises `DefinitionInvalid`."""
    done = _read_compiled(result)
    if isinstance(done, _Invalid):
        raise DefinitionInvalid(done.errors, status=done.status, total=done.total)
    return Compiled(
        program=decode_program(done.body),
        body=done.body,
        hash=done.hash,
        source_hash=done.source_hash,
        warnings=done.warnings,
        parts=done.parts,
        reads=done.reads,
    )


def simulate(payload: bytes) -> bytes:
    """A `Simulate`; the `Simulated`. Each transition has the CPU time of a run's."""
    return _encode(
        simulated(
            _read_simulate(payload),
            before_each=lambda: signal.setitimer(signal.ITIMER_PROF, _TRANSITION_CPU_S),
        )
    )


def simulate_guarded(payload: bytes) -> bytes:
    """As `simulate`, for a simulation that ended its process: each expression has a process and a budget of
    its own, so that exceeding the budget is an `expression` error, as in a run. The budget of all expressions
    together is `GUARDED_CPU_S`.
    """
    message = _read_simulate(payload)
    limits = Limits()
    memory = resource.getrlimit(resource.RLIMIT_AS)[1] // 2
    guard = Guard(memory, lambda: None)
    guard.guard(Budget(limits.run_cpu_ms, limits.cpu_ms_per_mib))
    spent_s = 0.0

    def begin_transition() -> None:
        nonlocal spent_s
        spent_s += guard.spent_s
        if spent_s > GUARDED_CPU_S:
            raise _UsedUp
        guard.begin()
        signal.setitimer(signal.ITIMER_PROF, _TRANSITION_CPU_S)

    try:
        return _encode(simulated(message, guard, begin_transition))
    except _UsedUp:
        refused = f"its expressions took more than {GUARDED_CPU_S:g} s of CPU time together"
        return _encode(Simulated(b"", refused=refused))


class _UsedUp(Exception):
    """The expressions of a simulation have used up the CPU time of all."""


def warm_up() -> None:
    """Import and build in advance what the first job needs."""
    compile_source(_encode(Source(_SAMPLE, "application/yaml", [])))
