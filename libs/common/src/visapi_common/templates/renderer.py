"""Renders templates as jobs of bounded processes, queued fairly by tenant."""

import msgspec

from visapi_common.core.bounds import BoundExceeded
from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job, PoolLimits
from visapi_common.templates.requests import Mistake, Rendered, RenderRequest

MIB = 1024 * 1024

TEMPLATE = Job(
    "template",
    "visapi_common.templates.sandbox:render",
    Bounds(cpu_ms=2_000, wall_ms=10_000, memory_bytes=384 * MIB, output_bytes=32 * MIB),
)
PATIENCE = PoolLimits(wait_s=60.0)
"""How long a template may wait: tasks of workers may wait longer than requests."""
WARM_UP = "visapi_common.templates.sandbox:warm_up"

_encode = msgspec.msgpack.Encoder().encode


class TemplateMistake(Exception):
    """A template or its data is wrong, or exceeds a limit."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(f"{mistake.part}: {mistake.detail}")
        self.mistake = mistake


class TemplateRenderer:
    """Renders with a pool that has the job `TEMPLATE`."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._processes = processes

    async def render(self, tenant: str, request: RenderRequest) -> dict[str, str]:
        """The parts. Raises `TemplateMistake`, and `TransientFault` when too many wait."""
        try:
            result = await self._processes.run(tenant, TEMPLATE, _encode(request))
        except BoundExceeded as over:
            part = next(iter(request.sources), "")
            detail = f"stopped: {over.detail}; the template does too much"
            raise TemplateMistake(Mistake(part, "template_limits", detail)) from None
        done = _read(result)
        if done.mistake is not None:
            raise TemplateMistake(done.mistake)
        return done.parts


def _read(result: bytes) -> Rendered:
    """Decode the answer of a process as foreign bytes, because a template may have taken over the process."""
    try:
        return msgspec.msgpack.decode(result, type=Rendered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        mistake = Mistake("", "template_failed", "the result of the template cannot be read")
        return Rendered(mistake=mistake)
