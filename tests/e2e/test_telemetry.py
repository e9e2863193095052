"""Metrics and logs leave every service over OTLP, as `/metrics` and standard output show them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from e2e.otlp_receiver import OtlpReceiver
from kit.running_stack import RunningStack, running_stack
from kit.waiting import eventually

WORKFLOW = """
document: { dsl: "1.0.3", namespace: e2e, name: measured, version: "1.0.0" }
do:
  - letter:
      call: pdf.render
      with: { html: "<p>measured</p>" }
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SERVICES = {"gateway", "orchestrator", "pdf-worker", "notifier"}
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    yield receiver
    await receiver.stop()


async def test_metrics_exemplars_and_logs_of_a_run_arrive_over_otlp(tmp_path: Path, receiver: OtlpReceiver):
    settings = {
        "VISAPI_OTLP_ENDPOINT": await receiver.start(),
        "VISAPI_OTLP_METRICS_S": "0.5",
        "VISAPI_OTLP_LOGS": "true",
        "VISAPI_TRACE_SAMPLE": "0",
    }
    async with running_stack(tmp_path, settings) as stack:
        await run_once(stack)
        await eventually(lambda: traced(receiver, "gateway", "http.server.request.duration"), what="gateway")
        await eventually(lambda: traced(receiver, "pdf-worker", "visapi.worker_task"), what="pdf-worker")
        await eventually(lambda: traced(receiver, "orchestrator", "visapi.run"), what="orchestrator")
        await eventually(lambda: {service for service, _ in receiver.points} == SERVICES, what="services")
        names_agree(receiver)
        await values_agree(receiver, stack)
        await eventually(lambda: logged(receiver, "ready") == SERVICES, what="records")
    for service in SERVICES:
        about = receiver.resources[service]
        assert about["service.namespace"] == "visapi"
        assert {"service.version", "service.instance.id", "host.name", "process.pid"} <= set(about)


async def run_once(stack: RunningStack) -> None:
    async with stack.client() as client:
        deployed = await client.post(
            "/v1/workflows", content=WORKFLOW, headers={"Content-Type": "application/yaml"}
        )
        assert deployed.status_code == 201, deployed.text
        started = await client.post(
            "/v1/workflows/e2e/measured/runs",
            json={},
            headers={"Prefer": "wait=30", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        )
        assert (started.status_code, started.json()["status"]) == (200, "completed"), started.text


def traced(receiver: OtlpReceiver, service: str, name: str) -> bool:
    """Whether an exemplar of a metric names the run's trace."""
    return any(TRACE in point.traces for point in receiver.points.get((service, name), []))


def logged(receiver: OtlpReceiver, event: str) -> set[str]:
    """The services whose log held an event."""
    return {record.service for record in receiver.records if record.body == event}


def names_agree(receiver: OtlpReceiver) -> None:
    """Conventional names carry conventional attributes and units."""
    point = receiver.points["gateway", "http.server.request.duration"][0]
    assert (point.kind, point.unit) == ("histogram", "s")
    assert set(point.attributes) == {"http.request.method", "http.route", "http.response.status_code"}
    statement = receiver.points["orchestrator", "db.client.operation.duration"][0]
    assert statement.attributes["db.system.name"] == "postgresql"
    assert receiver.points["orchestrator", "messaging.client.sent.messages"][0].kind == "sum"
    assert receiver.points["gateway", "process.cpu.time"][0].unit == "s"


async def values_agree(receiver: OtlpReceiver, stack: RunningStack) -> None:
    """A total of OTLP is the total of `/metrics`, whose OpenMetrics form shows the exemplar too."""
    async with httpx.AsyncClient() as client:
        page = await client.get(f"{stack.metrics['gateway']}/metrics", headers=OPENMETRICS)
    families = {family.name: family for family in text_string_to_metric_families(page.text)}
    accepted = families["visapi_triggers_accepted"].samples[0].value
    await eventually(
        lambda: receiver.points["gateway", "visapi.triggers_accepted"][0].value == accepted, what="the total"
    )
    buckets = families["http_server_request_duration_seconds"].samples
    assert any(sample.exemplar and sample.exemplar.labels["trace_id"] == TRACE for sample in buckets)
