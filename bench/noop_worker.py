"""The no-op worker of `3-step workflows`: built with the worker kit, as a user's own would be."""

from typing import Any

from visapi_common.worker import Worker

worker = Worker()


@worker.function("bench.noop", effect="keyed", concurrency=512)
async def noop(given: dict[str, Any]) -> dict[str, Any]:
    return given


if __name__ == "__main__":
    raise SystemExit(worker.run())
