import asyncio
from collections.abc import AsyncIterator

import pytest

from visapi_common.runtime.health import HealthServer, Readiness
from visapi_common.telemetry.setup import open_metrics


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def port(readiness: Readiness) -> AsyncIterator[int]:
    metrics = open_metrics()
    metrics.transitions.labels("running").inc()
    server = HealthServer(metrics.registry, readiness)
    yield await server.start("127.0.0.1", 0)
    await server.stop()


async def ask(port: int, request: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    async with asyncio.timeout(5):
        answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]) if answer else 0, answer


async def test_liveness_asks_nobody(port: int):
    assert (await ask(port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


async def test_readiness_names_its_checks(port: int, readiness: Readiness):
    readiness.report("nats", False)
    status, answer = await ask(port, "GET /readyz HTTP/1.1\r\n\r\n")
    assert status == 503
    assert '"checks":{"nats":false}' in answer
    readiness.report("nats", True)
    assert (await ask(port, "GET /readyz HTTP/1.1\r\n\r\n"))[0] == 200


async def test_metrics_speak_prometheus_text_and_openmetrics(port: int):
    _, plain = await ask(port, "GET /metrics HTTP/1.1\r\n\r\n")
    assert 'visapi_transitions_total{status="running"} 1.0' in plain
    assert "process_resident_memory_bytes" in plain
    _, modern = await ask(
        port, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
    )
    assert modern.endswith("# EOF\n")


async def test_a_head_request_gets_no_body(port: int):
    status, answer = await ask(port, "HEAD /metrics HTTP/1.1\r\n\r\n")
    assert status == 200
    assert answer.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /secret HTTP/1.1", 404), ("POST /metrics HTTP/1.1", 405), ("nonsense", 405)],
)
async def test_anything_else_is_refused(port: int, request_line: str, status: int):
    assert (await ask(port, request_line + "\r\n\r\n"))[0] == status


async def test_an_endless_head_ends_the_connection(port: int):
    assert (await ask(port, "GET / HTTP/1.1\r\nX: " + "a" * 100_000))[0] == 0
