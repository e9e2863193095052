"""The stack's table of settings against what the services really read."""

from pathlib import Path

import msgspec
import pytest

from visapi.stack.environment import FORWARDED, SECRETS, of_service
from visapi_common.runtime.settings import CommonSettings, is_secret, load
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
    "VISAPI_POSTGRES_POOLER",
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


def test_each_secret_that_is_forwarded_may_be_a_file():
    fields = [field for kind in SETTINGS.values() for field in msgspec.structs.fields(kind)]
    secret = {f"VISAPI_{field.name.upper()}" for field in fields if is_secret(field.type)}
    assert set(SECRETS) == secret & {name for names in FORWARDED.values() for name in names}


def test_the_notifier_reads_the_relay_and_the_token_from_files_of_the_caller(tmp_path: Path):
    (tmp_path / "relay").write_text("smtp://user:pass@relay.example:587\n")
    (tmp_path / "token").write_text("xoxb-1\n")
    environ = {"VISAPI_SMTP_URL_FILE": f"{tmp_path}/relay", "VISAPI_SLACK_TOKEN_FILE": f"{tmp_path}/token"}
    own = {"VISAPI_POSTGRES_URL": "postgresql://v@127.0.0.1/v", "VISAPI_NATS_URL": "nats://v@127.0.0.1"}
    settings = load(NotifierSettings, of_service("notifier", environ, own))
    assert (settings.smtp_url, settings.slack_token) == ("smtp://user:pass@relay.example:587", "xoxb-1")
    assert not {name for name in of_service("gateway", environ, {}) if name.startswith("VISAPI_")}
