"""Renders templates as jobs of bounded processes, queued fairly by tenant."""

from typing import Protocol

import msgspec

from visapi_common.core.bounds import BoundExceeded
from visapi_common.runtime.bounded_processes import Bounds, Job, PoolLimits
from visapi_common.templates.requests import Flaw, Mistake, Rendered, RenderRequest

MIB = 1024 * 1024

TEMPLATE = Job(
    "template",
    "visapi_common.templates.sandbox:render",
    Bounds(cpu_ms=2_000, wall_ms=10_000, memory_bytes=384 * MIB, output_bytes=32 * MIB),
)
CHECK_TEMPLATES = Job(
    "template-check",
    "visapi_common.templates.sandbox:check",
    Bounds(cpu_ms=2_000, wall_ms=10_000, memory_bytes=384 * MIB, output_bytes=MIB),
)
PATIENCE = PoolLimits(wait_s=60.0)
"""How long a template may wait: tasks of workers may wait longer than requests."""
WARM_UP = "visapi_common.templates.sandbox:warm_up"

_encode = msgspec.msgpack.Encoder().encode
_read_flaws = msgspec.msgpack.Decoder(list[Flaw]).decode


class TemplateMistake(Exception):
    """A template or its data is wrong, or exceeds a limit."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(f"{mistake.part}: {mistake.detail}")
        self.mistake = mistake


class Processes(Protocol):
    """A pool that has the jobs above."""

    async def run(self, tenant: str, job: Job, payload: bytes) -> bytes: ...


class TemplateRenderer:
    """Renders with a pool that has the job `TEMPLATE`."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def render(self, tenant: str, request: RenderRequest) -> dict[str, str]:
        """The parts. Raises `TemplateMistake`, and `TransientFault` when too many wait."""
        payload, part = _encode(request), next(iter(request.sources), "")
        del request  # only the payload waits for a turn
        try:
            result = await self._processes.run(tenant, TEMPLATE, payload)
        except BoundExceeded as over:
            detail = f"stopped: {over.detail}; the template does too much"
            raise TemplateMistake(Mistake(part, "template_limits", detail)) from None
        done = _read(result)
        if done.mistake is not None:
            raise TemplateMistake(done.mistake)
        return done.parts


async def find_flaws(processes: Processes, tenant: str, sources: dict[str, str]) -> list[Flaw]:
    """The mistakes because of which sources cannot be rendered, by place. Raises `TransientFault` when too
    many wait.
    """
    try:
        return _read_flaws(await processes.run(tenant, CHECK_TEMPLATES, _encode(sources)))
    except BoundExceeded as over:
        return [Flaw("", f"the sources cannot be read: {over.detail}")]


def _read(result: bytes) -> Rendered:
    """Decode the answer of a process as foreign bytes, because a template may have taken over the process."""
    try:
        return msgspec.msgpack.decode(result, type=Rendered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        mistake = Mistake("", "template_failed", "the result of the template cannot be read")
        return Rendered(mistake=mistake)
