"""The four services as processes of one machine: command lines, settings, readiness."""

import sys
from collections.abc import Mapping

import msgspec

from visapi.admin import nats_rights
from visapi.stack.data_directory import DataDirectory, StackSecrets
from visapi.stack.environment import of_service
from visapi.stack.nats import Nats
from visapi.stack.ports import LOOPBACK
from visapi.stack.postgres import Postgres
from visapi.stack.probes import is_ready, readyz
from visapi.stack.processes import ProcessSpec

SERVICES = ("orchestrator", "gateway", "pdf-worker", "notifier")

USUAL_PORTS = {
    "gateway": 8080,
    "nats": 4222,
    "postgres": 5432,
    "gateway-metrics": 9101,
    "orchestrator-metrics": 9102,
    "pdf-worker-metrics": 9103,
    "notifier-metrics": 9104,
}


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What service processes are built from."""

    data: DataDirectory
    secrets: StackSecrets
    postgres: Postgres
    nats: Nats
    ports: dict[str, int]
    environ: dict[str, str]
    """The caller's environment, with what the demo adds."""


def service_spec(name: str, parts: Parts) -> ProcessSpec:
    """One of `SERVICES`, run as `python -m visapi_<name>` with only its own environment."""
    metrics = parts.ports[f"{name}-metrics"]
    ports = {"metrics": metrics}
    if name == "gateway":
        ports["http"] = parts.ports["gateway"]
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"visapi_{name.replace('-', '_')}"),
        env=of_service(name, parts.environ, {**_common(name, parts, metrics), **_own(name, parts)}),
        cwd=parts.data.root,
        log=parts.data.log(name),
        ready=is_ready(readyz(metrics)),
        probe=readyz(metrics),
        ports=ports,
        stop_s=25.0,
    )


def metrics_urls(ports: Mapping[str, int]) -> dict[str, str]:
    """The base URL of every service's metrics."""
    return {name: f"http://{LOOPBACK}:{ports[f'{name}-metrics']}" for name in SERVICES}


def _common(name: str, parts: Parts, metrics: int) -> dict[str, str]:
    artifacts = parts.environ.get("VISAPI_ARTIFACTS_URL") or parts.data.artifacts.as_uri()
    return {
        "VISAPI_NATS_URL": parts.nats.url(name),
        "VISAPI_METRICS_PORT": str(metrics),
        "VISAPI_METRICS_HOST": LOOPBACK,
        "VISAPI_METRICS_TOKEN": parts.secrets.metrics_token,
        "VISAPI_ARTIFACTS_URL": artifacts,
    }


def _own(name: str, parts: Parts) -> dict[str, str]:
    match name:
        case nats_rights.GATEWAY:
            return {
                "VISAPI_POSTGRES_URL": parts.postgres.url("visapi_gateway"),
                "VISAPI_HTTP_HOST": LOOPBACK,
                "VISAPI_HTTP_PORT": str(parts.ports["gateway"]),
                "VISAPI_KEY_PEPPER": parts.secrets.key_pepper,
                "VISAPI_LINK_SECRET": parts.secrets.link_secret,
                "VISAPI_SEALING_KEY": parts.secrets.sealing_key,
            }
        case nats_rights.ORCHESTRATOR:
            return {
                "VISAPI_POSTGRES_URL": parts.postgres.url("visapi_orchestrator"),
                "VISAPI_EFFECT_SECRET": parts.secrets.effect_secret,
                "VISAPI_HANDLE_SECRET": parts.secrets.handle_secret,
            }
        case nats_rights.NOTIFIER:
            return {
                "VISAPI_POSTGRES_URL": parts.postgres.url("visapi_notifier"),
                "VISAPI_PUBLIC_URL": parts.environ.get("VISAPI_PUBLIC_URL")
                or f"http://{LOOPBACK}:{parts.ports['gateway']}",
                "VISAPI_HANDLE_SECRET": parts.secrets.handle_secret,
                "VISAPI_SEALING_KEY": parts.secrets.sealing_key,
            }
        case _:
            return {}
