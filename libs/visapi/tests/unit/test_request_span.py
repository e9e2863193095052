"""The client's requests in the traces of a process that uses OpenTelemetry, and in a process that does not."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kit.scripted_gateway import ScriptedGateway, scripted_gateway

KEY = {
    "id": "3fK9vTq2", "name": "reports", "kind": "live", "status": "active", "scopes": [], "workflows": None,
    "allowed_addresses": None, "denied_addresses": None, "created_by": "key:a", "created_at": "2026-11-24T12:00:00Z",
    "not_before": None, "expires_at": None, "disabled_at": None, "reason": None, "last_used_at": None,
    "last_used_from": None, "links": {},
}  # fmt: skip
TRACED = """
import asyncio, json, sys
from itertools import islice
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from visapi.client import AsyncClient, Client
from visapi.client.all_runs import AllRuns

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)

async def asynchronous():
    async with AsyncClient(sys.argv[1], "key") as client:
        await client.keys.current()

with provider.get_tracer("test").start_as_current_span("caller") as caller:
    with Client(sys.argv[1], "key") as client:
        client.keys.current()
        next(client.follow_all(AllRuns()))
    asyncio.run(asynchronous())

print(json.dumps([
    {
        "trace": f"{one.context.trace_id:032x}", "span": f"{one.context.span_id:016x}", "name": one.name,
        "kind": one.kind.name, "under": one.parent and f"{one.parent.span_id:016x}",
        "status": one.status.status_code.name, **one.attributes,
    }
    for one in kept.get_finished_spans()
]))
"""
WITH_USERINFO = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from visapi.client import Client

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
with Client(sys.argv[1].replace("//", "//ada:hunter2@"), "key") as client:
    client.keys.current()
print(kept.get_finished_spans()[0].attributes["url.full"])
"""
BEING_IMPORTED = """
import sys
from types import ModuleType
from visapi.client import Client
sys.modules["opentelemetry.trace"] = ModuleType("opentelemetry.trace")
with Client(sys.argv[1], "key") as client:
    client.keys.current()
"""
UNTRACED = """
import sys
from visapi.client import Client
with Client(sys.argv[1], "key") as client:
    client.keys.current()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
CHANGE = (
    b'id: 1\ndata: {"run":"01900000-0000-7000-8000-000000000001","workflow":{"namespace":"a","name":"b","version":'
    b'"1.0.0"},"seq":1,"type":"workflow.started","time":"2026-01-01T00:00:00Z","test":false}\n\n'
)


@pytest.fixture
def server() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as running:
        yield running


def ran(program: str, server: ScriptedGateway) -> str:
    words = [sys.executable, "-c", program, server.url]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def test_each_request_has_a_client_span_under_the_callers_and_carries_its_context(server: ScriptedGateway):
    problem = {"type": "t", "title": "away", "status": 503, "code": "unavailable"}
    server.answers = [
        (503, {"Retry-After": "0"}, problem),
        (200, {}, KEY),
        (200, {}, CHANGE),
        (200, {}, KEY),
    ]
    *spans, caller = json.loads(ran(TRACED, server))
    assert [one["http.response.status_code"] for one in spans] == [503, 200, 200, 200]
    assert [one["status"] for one in spans] == ["ERROR", "UNSET", "UNSET", "UNSET"]
    assert spans[0]["error.type"] == "503"
    for span, asked in zip(spans, server.asked, strict=True):
        assert (span["kind"], span["name"], span["under"]) == ("CLIENT", "GET", caller["span"])
        assert span["url.full"] == server.url + asked.path
        assert f"{span['server.address']}:{span['server.port']}" in server.url
        assert asked.headers["traceparent"].startswith(f"00-{span['trace']}-{span['span']}-0")
        assert span["trace"] == caller["trace"]


def test_a_process_without_opentelemetry_imports_none_and_sends_no_context(server: ScriptedGateway):
    server.answers = [(200, {}, KEY)]
    ran(UNTRACED, server)
    assert "traceparent" not in server.asked[0].headers


def test_a_password_in_the_url_is_in_no_span(server: ScriptedGateway):
    server.answers = [(200, {}, KEY)]
    assert ran(WITH_USERINFO, server).strip() == f"{server.url}/v1/keys/current"


def test_a_request_while_opentelemetry_is_being_imported_has_no_span(server: ScriptedGateway):
    server.answers = [(200, {}, KEY)]
    ran(BEING_IMPORTED, server)
    assert "traceparent" not in server.asked[0].headers
