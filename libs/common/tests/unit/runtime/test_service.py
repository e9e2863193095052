import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.logs import LogTap
from visapi_common.telemetry.setup import TelemetryOptions, open_telemetry

BODIES = {
    "clean": "await lifecycle.stopping.wait()",
    "stuck": "await lifecycle.stopping.wait(); await asyncio.sleep(60)",
    "crashing": "raise RuntimeError('boom')",
    "finishing": "return",
}


async def start(
    tmp_path: Path, body: str, *, drain_s: str = "20", port: str = "0"
) -> asyncio.subprocess.Process:
    program = tmp_path / "service.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import asyncio, os, sys
            from visapi_common.runtime.service import CommonSettings, run_service
            from visapi_common.runtime.settings import load

            async def body(lifecycle):
                lifecycle.ready("self", True)
                {BODIES[body]}

            sys.exit(run_service("example", body, load(CommonSettings, os.environ)))
            """
        )
    )
    environ = {"PATH": os.environ["PATH"], "VISAPI_DRAIN_S": drain_s, "VISAPI_METRICS_PORT": port}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def until(process: asyncio.subprocess.Process, word: bytes) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while True:
            line = await process.stdout.readline()
            assert line, f"the process ended before it said {word!r}"
            if word in line:
                return line


async def end_of(process: asyncio.subprocess.Process) -> tuple[int | None, bytes]:
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    return process.returncode, said


async def test_sigterm_lets_the_body_finish_and_ends_with_0(tmp_path: Path):
    process = await start(tmp_path, "clean")
    await until(process, b'"ready"')
    process.send_signal(signal.SIGTERM)
    code, said = await end_of(process)
    assert code == 0
    assert b'"stopping"' in said


async def test_a_body_that_does_not_drain_is_cancelled_after_drain_s(tmp_path: Path):
    process = await start(tmp_path, "stuck", drain_s="0.2")
    await until(process, b'"ready"')
    process.send_signal(signal.SIGTERM)
    code, said = await end_of(process)
    assert code == 1
    assert b"drain_incomplete" in said


async def test_a_second_signal_ends_the_drain(tmp_path: Path):
    process = await start(tmp_path, "stuck", drain_s="60")
    await until(process, b'"ready"')
    process.send_signal(signal.SIGTERM)
    await until(process, b'"stopping"')
    process.send_signal(signal.SIGINT)
    code, said = await end_of(process)
    assert code == 1
    assert b'"second_signal":true' in said


async def test_a_crash_is_logged_and_ends_with_1(tmp_path: Path):
    code, said = await end_of(await start(tmp_path, "crashing"))
    assert code == 1
    assert b"RuntimeError: boom" in said


async def test_a_body_that_finishes_ends_with_0(tmp_path: Path):
    assert (await end_of(await start(tmp_path, "finishing")))[0] == 0


async def test_a_taken_metrics_port_is_one_clear_line(tmp_path: Path):
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code, said = await end_of(await start(tmp_path, "clean", port=str(port)))
    assert code == 1
    assert b"metrics_port_taken" in said


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle("example", open_telemetry("test", TelemetryOptions(), LogTap()))


async def test_a_service_is_ready_while_every_reported_check_holds(lifecycle: Lifecycle):
    assert not lifecycle.readiness.ready
    lifecycle.ready("postgres", True)
    assert lifecycle.readiness.ready
    lifecycle.ready("nats", False)
    assert not lifecycle.readiness.ready
    lifecycle.ready("nats", True)
    assert lifecycle.readiness.ready


async def test_a_stopping_service_is_not_ready(lifecycle: Lifecycle):
    lifecycle.ready("postgres", True)
    lifecycle.stop()
    assert not lifecycle.readiness.ready
    assert lifecycle.stopping.is_set()
