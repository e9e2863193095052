"""The stack's table of settings against what the services really read."""

import msgspec
import pytest

from visapi.stack.environment import FORWARDED
from visapi_common.runtime.settings import CommonSettings
from visapi_gateway.settings import GatewaySettings
from visapi_notifier.settings import NotifierSettings
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_pdf_worker.settings import PdfWorkerSettings

SETTINGS: dict[str, type[CommonSettings]] = {
    "gateway": GatewaySettings,
    "orchestrator": OrchestratorSettings,
    "pdf-worker": PdfWorkerSettings,
    "notifier": NotifierSettings,
}
DECIDED = {
    "VISAPI_POSTGRES_URL",
    "VISAPI_NATS_URL",
    "VISAPI_METRICS_HOST",
    "VISAPI_METRICS_PORT",
    "VISAPI_METRICS_TOKEN",
    "VISAPI_ARTIFACTS_URL",
    "VISAPI_HTTP_HOST",
    "VISAPI_HTTP_PORT",
    "VISAPI_KEY_PEPPER",
    "VISAPI_LINK_SECRET",
    "VISAPI_EFFECT_SECRET",
    "VISAPI_HANDLE_SECRET",
    "VISAPI_SEALING_KEY",
    "VISAPI_POSTGRES_PASSWORD",
    "VISAPI_NATS_PASSWORD",
    "VISAPI_NATS_CREDENTIALS",
    "VISAPI_NATS_TLS_CA",
    "VISAPI_NATS_TLS_CERT",
    "VISAPI_NATS_TLS_KEY",
    "VISAPI_STREAM_REPLICAS",
}
"""What the embedded stack sets by itself, or has no use for: its stores are one server each, on loopback."""


@pytest.mark.parametrize("service", SETTINGS)
def test_every_setting_of_a_service_is_forwarded_or_decided(service: str):
    fields = {f"VISAPI_{field.name.upper()}" for field in msgspec.structs.fields(SETTINGS[service])}
    assert set(FORWARDED[service]) | (fields & DECIDED) == fields
