"""A worker that does nothing but note the effect key of each task, so that a task done twice is seen."""

import os
from typing import Any

from visapi_common.worker import TaskContext, Worker

worker = Worker()
_noted = open(os.environ["BENCH_EFFECTS"], "a", buffering=1, encoding="ascii")  # noqa: PTH123, SIM115


@worker.function("bench.count", effect="keyed", concurrency=512)
async def count(given: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    _noted.write(context.effect_key + "\n")
    return given


if __name__ == "__main__":
    raise SystemExit(worker.run())
