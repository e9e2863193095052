"""The gateway's work whose cost a caller chooses, in bounded processes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.bounds import BoundExceeded, Busy
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_common.telemetry.catalogue import Metrics
from visapi_engine.compile.compiler import Compiled
from visapi_engine.process import jobs
from visapi_engine.process.protocol import Simulate, Simulated
from visapi_engine.process.simulator import SimulationLost
from visapi_gateway.core.set_aside_messages import SetAsideMessage
from visapi_gateway.kernel.json_input import decode_checked, refuse
from visapi_gateway.workflows.rules.input_schema import Held, Verdict

MIB = 1024 * 1024
FILES = 8

COMPILE = Job(
    "compile", jobs.COMPILE, Bounds(cpu_ms=5_000, wall_ms=20_000, memory_bytes=512 * MIB, files=FILES)
)
SIMULATE = Job(
    "simulate",
    jobs.SIMULATE,
    Bounds(cpu_ms=5_000, wall_ms=20_000, memory_bytes=512 * MIB, files=FILES, output_bytes=32 * MIB),
)
APART = Job(
    "simulate-apart",
    jobs.SIMULATE_APART,
    Bounds(
        cpu_ms=5_000,
        wall_ms=20_000,
        memory_bytes=1024 * MIB,
        files=FILES,
        output_bytes=32 * MIB,
        forks=True,
    ),
)
"""The second chance of a simulation that ended its process: each expression has a budget of its own."""
VERDICT = Job(
    "input",
    "visapi_gateway.workflows.rules.input_schema:find_verdict",
    Bounds(cpu_ms=500, wall_ms=5_000, files=FILES),
)
JSON = Job(
    "json", "visapi_gateway.kernel.json_input:find_problem", Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES)
)
MESSAGE = Job(
    "message",
    "visapi_gateway.core.set_aside_messages:find_flaw",
    Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES),
)

_OF_AN_EXPRESSION = frozenset({"cpu", "memory", "died"})
"""How an expression without end, or too large for memory, ends the process of a simulation."""
_encode = msgspec.msgpack.Encoder().encode
_read_verdict = msgspec.msgpack.Decoder(Verdict).decode
_read_simulated = msgspec.msgpack.Decoder(Simulated).decode


class BoundedJobs:
    """What use cases ask for; each job takes its tenant's turn."""

    def __init__(self, metrics: Metrics) -> None:
        self._processes = BoundedProcesses(
            (COMPILE, SIMULATE, APART, VERDICT, JSON, MESSAGE), metrics, warm_up=[jobs.WARM_UP]
        )

    async def close(self) -> None:
        await self._processes.close()

    async def compile(
        self, tenant: str, source: bytes, media_type: str, announced: Mapping[str, FunctionSpec]
    ) -> Compiled:
        """Raises `DefinitionInvalid` that lists every mistake, and `BoundExceeded`."""
        payload = _encode(jobs.Source(source, media_type, list(announced.values())))
        return jobs.read_compiled(await self._run(tenant, COMPILE, payload))

    async def simulate(self, tenant: str, wanted: Simulate) -> bytes:
        """A `Simulation` as JSON. Raises `SimulationLost`."""
        payload = _encode(wanted)
        try:
            done = _read_simulated(await self._run(tenant, SIMULATE, payload))
        except BoundExceeded as over:
            if over.reason not in _OF_AN_EXPRESSION:
                raise SimulationLost(over.detail) from None
            done = await self._simulate_apart(tenant, payload)
        if done.refused is not None:
            raise SimulationLost(done.refused)
        return done.body

    async def _simulate_apart(self, tenant: str, payload: bytes) -> Simulated:
        try:
            return _read_simulated(await self._run(tenant, APART, payload))
        except BoundExceeded as over:
            raise SimulationLost(f"{over.detail}; give it less to do") from None

    async def judge(self, tenant: str, schema: bytes, raw: bytes) -> Verdict:
        """An input as JSON against a schema as msgpack. Raises `BoundExceeded`."""
        payload = _encode(Held(msgspec.Raw(schema), raw))
        return _read_verdict(await self._run(tenant, VERDICT, payload))

    async def read_json(self, tenant: str, raw: bytes) -> Any:
        """The value of a large body. Raises `ProblemError` as `check_json` does."""
        try:
            problem = await self._run(tenant, JSON, raw)
        except BoundExceeded as over:
            refuse(f"the body cannot be read as JSON: {over.detail}")
        if problem:
            refuse(problem.decode())
        return decode_checked(raw)

    async def flaw_of_message(self, tenant: str, message: SetAsideMessage) -> str:
        """Why there is no event in a message that was set aside; empty when there is one."""
        try:
            return (await self._run(tenant, MESSAGE, message.encoded())).decode()
        except BoundExceeded as over:
            return over.detail

    async def _run(self, tenant: str, job: Job, payload: bytes) -> bytes:
        try:
            return await self._processes.run(tenant, job, payload)
        except Busy as busy:
            if not busy.own:
                raise
            wait = str(max(1, round(busy.retry_after_s or 1.0)))
            detail = f"too many requests of this tenant that take computing wait; send again after {wait} s"
            raise ProblemError("rate_limited", detail, status=429, headers={"Retry-After": wait}) from None
