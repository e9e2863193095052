"""Jobs on definitions and inputs in bounded processes."""

from collections.abc import Mapping

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.bounds import BoundExceeded
from visapi_common.runtime.bounded_processes import Bounds, Job
from visapi_engine.compile.compiler import Compiled
from visapi_engine.process import jobs
from visapi_engine.process.protocol import Simulate, Simulated
from visapi_engine.process.simulator import SimulationLost
from visapi_gateway.kernel.bounded_jobs import FILES, BoundedJobs
from visapi_gateway.workflows.rules.input_schema import InputCheck, InputToCheck

MIB = 1024 * 1024
COMPILE = Job(
    "compile", jobs.COMPILE, Bounds(cpu_ms=5_000, wall_ms=20_000, memory_bytes=512 * MIB, files=FILES)
)
SIMULATE = Job(
    "simulate",
    jobs.SIMULATE,
    Bounds(cpu_ms=5_000, wall_ms=20_000, memory_bytes=512 * MIB, files=FILES, output_bytes=32 * MIB),
)
SIMULATE_GUARDED = Job(
    "simulate-apart",
    jobs.SIMULATE_GUARDED,
    Bounds(
        cpu_ms=5_000,
        wall_ms=20_000,
        memory_bytes=1024 * MIB,
        files=FILES,
        output_bytes=32 * MIB,
        forks=True,
    ),
)
"""The second attempt of a simulation that ended its process: each expression has its own budget."""
CHECK_INPUT = Job(
    "input",
    "visapi_gateway.workflows.rules.input_schema:check_input",
    Bounds(cpu_ms=500, wall_ms=5_000, files=FILES),
)

_OF_AN_EXPRESSION = frozenset({"cpu", "memory", "died"})
"""The exit reasons of a simulation process with an endless or too large expression."""
_encode = msgspec.msgpack.Encoder().encode
_read_input_check = msgspec.msgpack.Decoder(InputCheck).decode
_read_simulated = msgspec.msgpack.Decoder(Simulated).decode


class DefinitionJobs:
    """The jobs above, with their values instead of bytes."""

    def __init__(self, bounded: BoundedJobs) -> None:
        self._bounded = bounded

    async def compile(
        self, tenant: str, source: bytes, media_type: str, announced: Mapping[str, FunctionSpec]
    ) -> Compiled:
        """Raises `DefinitionInvalid` that lists every mistake, and `BoundExceeded`."""
        payload = _encode(jobs.Source(source, media_type, list(announced.values())))
        return jobs.read_compiled(await self._bounded.run(tenant, COMPILE, payload))

    async def simulate(self, tenant: str, wanted: Simulate) -> bytes:
        """A `Simulation` as JSON. Raises `SimulationLost`."""
        payload = _encode(wanted)
        try:
            done = _read_simulated(await self._bounded.run(tenant, SIMULATE, payload))
        except BoundExceeded as over:
            if over.reason not in _OF_AN_EXPRESSION:
                raise SimulationLost(over.detail) from None
            done = await self._simulate_guarded(tenant, payload)
        if done.refused is not None:
            raise SimulationLost(done.refused)
        return done.body

    async def _simulate_guarded(self, tenant: str, payload: bytes) -> Simulated:
        try:
            return _read_simulated(await self._bounded.run(tenant, SIMULATE_GUARDED, payload))
        except BoundExceeded as over:
            raise SimulationLost(f"{over.detail}; give it less to do") from None

    async def check_input(self, tenant: str, schema: bytes, raw: bytes) -> InputCheck:
        """An input as JSON against a schema as msgpack. Raises `BoundExceeded`."""
        payload = _encode(InputToCheck(msgspec.Raw(schema), raw))
        return _read_input_check(await self._bounded.run(tenant, CHECK_INPUT, payload))
