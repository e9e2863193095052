"""One trigger, one trace: from the HTTP request over NATS through engine, worker and back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.otlp_receiver import OtlpReceiver, SeenSpan
from kit.running_stack import running_stack
from kit.waiting import eventually

WORKFLOW = """
document: { dsl: "1.0.3", namespace: e2e, name: one-trace, version: "1.0.0" }
do:
  - first:
      call: http
      with: { method: get, endpoint: "${ .target }" }
  - second:
      call: http
      with: { method: get, endpoint: "${ $workflow.input.target }" }
"""

SERVICES = {"gateway", "orchestrator", "notifier"}


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def target() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP server that keeps the request heads it gets."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower())
        writer.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{"ok": true }'
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", heads


async def test_an_http_trigger_is_one_trace_through_gateway_orchestrator_worker_and_back(
    tmp_path: Path, receiver: OtlpReceiver, target: tuple[str, list[str]]
):
    url, _ = target
    settings = {
        "VISAPI_OTLP_ENDPOINT": await receiver.start(),
        "VISAPI_TRACE_SAMPLE": "0",
        "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
    }
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    async with running_stack(tmp_path, settings) as stack, stack.client() as client:
        deployed = await client.post(
            "/v1/workflows", content=WORKFLOW, headers={"Content-Type": "application/yaml"}
        )
        assert deployed.status_code == 201, deployed.text
        started = await client.post(
            "/v1/workflows/e2e/one-trace/runs",
            json={"target": url},
            headers={"Prefer": "wait=20", "traceparent": f"00-{trace}-{caller}-01"},
        )
        assert (started.status_code, started.json()["status"]) == (200, "completed"), started.text
        await eventually(lambda: is_whole(receiver.trace_of(trace)), what="the whole trace")

    spans = receiver.trace_of(trace)
    # The deployment had no sampled caller and our share is 0: nothing else was recorded at all.
    assert receiver.spans == spans
    known = {span.span for span in spans} | {caller}
    assert [span for span in spans if span.parent not in known] == []
    assert [span.service for span in spans if span.parent == caller] == ["gateway"]


def is_whole(spans: list[SeenSpan]) -> bool:
    """Both calls were worked on and transitions stand after them: the way there and back."""
    count = {service: sum(span.service == service for span in spans) for service in SERVICES}
    return count["gateway"] >= 1 and count["notifier"] >= 2 and count["orchestrator"] >= 3
