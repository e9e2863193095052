"""The loop that exports metrics."""

import asyncio

from kit.waiting import eventually
from visapi_common.telemetry.setup import Telemetry, open_metrics
from visapi_common.telemetry.spans import Spans


class FailsFirst:
    """An export whose first push fails."""

    pushes = 0

    def push(self) -> None:
        self.pushes += 1
        if self.pushes == 1:
            raise RuntimeError("a gauge could not be read")

    def shutdown(self) -> None: ...


async def test_a_failed_export_does_not_end_the_exports():
    export = FailsFirst()
    telemetry = Telemetry(Spans(), open_metrics(), metrics_export=export, metrics_every_s=0.001)  # pyright: ignore[reportArgumentType]
    exporting = asyncio.create_task(telemetry.export_metrics())

    async def pushed_again() -> bool:
        return export.pushes > 1

    assert await eventually(pushed_again)
    exporting.cancel()
