"""`examples/own_worker.py`, run as a user would run it."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.contracts.engine_messages import Outcome

EXAMPLE = Path(__file__).parents[5] / "examples" / "own_worker.py"


async def test_ten_lines_add_a_function(nats_server: NatsServer, orchestrator):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        stdout=asyncio.subprocess.DEVNULL,
        env={
            "PATH": os.environ["PATH"],
            "VISAPI_NATS_URL": nats_server.url("worker"),
            "VISAPI_TENANT": "default",
        },
    )
    try:
        await eventually(lambda: orchestrator.registrations)
        task = await orchestrator.send("acme.score", {"income": 9000, "debts": 2})
        result = await orchestrator.result_of(task)
        assert result.outcome is Outcome.COMPLETED
        assert msgspec.json.decode(result.output.inline) == {"score": 3000.0}
    finally:
        process.terminate()
        assert await process.wait() == 0


def test_the_example_has_ten_lines_of_code():
    lines = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    assert len(lines) <= 10
