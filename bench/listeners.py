"""Events among runs that listen: how fast those meant are found while many others wait for something else."""

import time
from datetime import datetime
from typing import Any

import msgspec

from bench.http_load import closed_loop, request_bytes
from bench.stack import BenchStack, drain, must_all_be
from bench.workflows import HEARD


async def events_to_listeners(stack: BenchStack, *, listening: int, heard: int) -> float:
    """Events per second, from the first `POST /v1/events` to the end of the last of `heard` runs, of which
    each listens for one, while `listening` runs listen in all. Leaves none behind: the others are told too.
    """
    runs = await listen(stack, listening)
    began = time.time()
    await tell(stack, runs[:heard])
    ended = await _last_end(stack, runs[:heard])
    await tell(stack, runs[heard:])
    drain(stack)
    return heard / (ended - began)


async def listen(stack: BenchStack, count: int) -> list[dict[str, Any]]:
    """Start the runs; as they were accepted, once all listen, each for the subject in its input."""
    load = await closed_loop(
        stack.url,
        lambda number: stack.start_request("listener", {"who": f"s-{number}"}),
        total=count,
        connections=64,
        keep=True,
    )
    must_all_be(load, 202)
    drain(stack, "pending", "running")
    return [msgspec.json.decode(body) for body in load.bodies]


async def tell(stack: BenchStack, runs: list[dict[str, Any]]) -> None:
    """Post the event of each run."""
    headers = {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/cloudevents+json"}

    def make(number: int) -> bytes:
        run = runs[number]
        event = {"specversion": "1.0", "id": run["id"], "source": "/bench", "type": HEARD}
        body = msgspec.json.encode({**event, "subject": run["input"]["who"]})
        return request_bytes(f"{stack.url}/v1/events", "POST", headers, body)

    if runs:
        must_all_be(await closed_loop(stack.url, make, total=len(runs), connections=32), 202)


async def _last_end(stack: BenchStack, runs: list[dict[str, Any]]) -> float:
    """When the last of the runs ended, in epoch seconds; waits for it."""
    headers = {"Authorization": f"Bearer {stack.key}"}

    def make(number: int) -> bytes:
        return request_bytes(f"{stack.url}/v1/runs/{runs[number]['id']}", "GET", headers)

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        load = await closed_loop(stack.url, make, total=len(runs), connections=8, keep=True)
        ends = [msgspec.json.decode(body)["ended_at"] for body in load.bodies]
        if all(ends):
            return max(datetime.fromisoformat(end).timestamp() for end in ends)
    raise SystemExit("runs did not hear their events within 60 s")
