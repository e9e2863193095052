"""What values-dev.yaml installs works: its bootstrap on a real PostgreSQL, its NATS configuration in a real server."""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.chart import Object, objects
from kit.servers import PostgresServer, run_async
from visapi_common.adapters.pool import open_connection
from visapi_common.runtime.settings import CommonSettings, load
from visapi_gateway.settings import GatewaySettings
from visapi_notifier.settings import NotifierSettings
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_pdf_worker.settings import PdfWorkerSettings

ADMIN = [sys.executable, "-c", "from visapi.cli.admin_commands import admin; admin(prog_name='visapi admin')"]
SETTINGS: dict[str, type[CommonSettings]] = {
    "gateway": GatewaySettings,
    "orchestrator": OrchestratorSettings,
    "pdf-worker": PdfWorkerSettings,
    "notifier": NotifierSettings,
}


def the(kind: str, ending: str) -> Object:
    [found] = [
        each
        for each in objects("dev")
        if each["kind"] == kind and re.search(ending, each["metadata"]["name"])
    ]
    return found


def secret() -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in the("Secret", "secrets$")["data"].items()}


def mount(volume: Object, values: dict[str, str], folder: Path) -> None:
    """Lay the keys of a Secret volume into a folder, as the kubelet does."""
    folder.mkdir(parents=True, exist_ok=True)
    source = volume["secret"] if "secret" in volume else volume["projected"]["sources"][0]["secret"]
    for item in source["items"]:
        (folder / item["path"]).write_text(values[item["key"]], encoding="utf-8")


def environment(container: Object, folder: Path) -> dict[str, str]:
    return {
        each["name"]: each["value"].replace("/run/visapi/secrets", str(folder)) for each in container["env"]
    }


@pytest.fixture
def empty_postgres() -> Iterator[PostgresServer]:
    """A cluster in which nobody has made anything."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


def admin(container: Object, folder: Path) -> str:
    """Run a container of the image visapi/admin as its pod does; what it prints."""
    environ = {"PATH": os.environ["PATH"], **environment(container, folder)}
    command = [*ADMIN, *container["args"]]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{container['args']}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_bootstrap_makes_roles_schema_tenant_and_key(empty_postgres: PostgresServer, tmp_path: Path):
    own = empty_postgres.server.url("postgres", "postgres")
    host = re.escape("flow-visapi-dev-postgresql.visapi.svc:5432")
    values = {
        key: re.sub(host, f"127.0.0.1:{empty_postgres.server.port}", value) for key, value in secret().items()
    }
    values["admin-postgres-url"] = own
    pod = the("Job", "bootstrap")["spec"]["template"]["spec"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "secrets"]
    mount(volume, values, tmp_path)
    for container in pod["initContainers"]:
        admin(container, tmp_path)
    [key] = pod["containers"]
    assert "visapi_admin_" in admin(key, tmp_path)

    async def tenants(url: str) -> int:
        connection = await open_connection(url)
        try:
            return await connection.fetchval("select count(*) from visapi.tenants")
        finally:
            await connection.close()

    for role in ("gateway", "orchestrator"):
        assert run_async(tenants(values[f"{role}-postgres-url"])) == 1


def test_the_nats_of_a_dev_release_accepts_its_configuration(tmp_path: Path):
    pod = the("StatefulSet", "dev-nats")["spec"]["template"]["spec"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "secrets"]
    mount(volume, secret(), tmp_path / "secrets")
    (tmp_path / "visapi-users").mkdir()
    (tmp_path / "visapi-nats").mkdir()
    [users] = pod["initContainers"]
    where = [
        argument.replace("/etc/visapi-users", str(tmp_path / "visapi-users")) for argument in users["args"]
    ]
    admin({**users, "args": where}, tmp_path / "secrets")
    config = tmp_path / "visapi-nats" / "nats.conf"
    config.write_text(the("ConfigMap", "dev-nats")["data"]["nats.conf"], encoding="utf-8")
    server = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert server is not None
    checked = subprocess.run(
        [server, "-t", "-c", config], capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stderr
    assert '"gateway"' in (tmp_path / "visapi-users" / "users.conf").read_text()


@pytest.mark.parametrize("component", SETTINGS)
def test_a_service_starts_with_what_its_pod_gives_it(component: str, tmp_path: Path):
    pod = the("Deployment", f"{component}$")["spec"]["template"]["spec"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "secrets"]
    mount(volume, secret(), tmp_path)
    settings = load(SETTINGS[component], environment(pod["containers"][0], tmp_path))
    assert settings.metrics_port == pod["containers"][0]["ports"][-1]["containerPort"]
    assert settings.drain_s < pod["terminationGracePeriodSeconds"]
