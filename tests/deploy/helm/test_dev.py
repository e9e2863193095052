"""What values-dev.yaml installs works: its bootstrap on a real PostgreSQL, its NATS configuration in a real server."""

import base64
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kit.certificates import Authority
from kit.chart import Object, objects
from kit.servers import PostgresServer, run_async
from visapi.admin.kubernetes_secrets import KubernetesSecret
from visapi_common.adapters.pool import open_connection
from visapi_common.core.errors import OperatorFault
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


def admin(container: Object, folder: Path, **more: str) -> str:
    """Run a container of the image visapi/admin as its pod does; what it prints."""
    environ = {"PATH": os.environ["PATH"], **environment(container, folder), **more}
    command = [*ADMIN, *container["args"]]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{container['args']}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class Kubernetes:
    """A stand-in for the API of Kubernetes: one Secret, which the account of a pod may get and patch."""

    def __init__(self, account: Path, secret: Object) -> None:
        self.account = account
        self.secret = {
            **secret,
            "metadata": {**secret["metadata"], "creationTimestamp": "2026-01-01T00:00:00Z"},
        }
        self.path = f"/api/v1/namespaces/visapi/secrets/{secret['metadata']['name']}"
        self.writes = 0
        self.port = 0

    def environment(self) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.port),
            "VISAPI_KUBERNETES_ACCOUNT": str(self.account),
        }

    def kept(self, name: str) -> str:
        assert self.path.endswith(f"/{name}")
        return base64.b64decode(self.secret["data"]["api-key"]).decode()

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        if token != "Bearer the-pod" or path != self.path:
            return 403, b'{"kind":"Status","code":403}'
        if method == "PATCH":
            self.writes += 1
            self.secret["data"] = {**self.secret.get("data", {}), **json.loads(body)["data"]}
        return 200, json.dumps(self.secret).encode()


@contextlib.contextmanager
def kubernetes(account: Path) -> Iterator[Kubernetes]:
    account.mkdir()
    authority = Authority("cluster")
    (account / "ca.crt").write_text(authority.pem)
    (account / "token").write_text("the-pod")
    (account / "namespace").write_text("visapi")
    for name, text in zip(("crt", "key"), authority.issue("api"), strict=True):
        (account / f"server.{name}").write_text(text)
    cluster = Kubernetes(account, the("Secret", "first-key$"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = cluster.answer(
                self.command, self.path, self.headers.get("authorization", ""), body
            )
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PATCH = do_GET  # noqa: N815 (the name that the library looks for)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the library)
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(account / "server.crt", account / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cluster.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_account_without_the_right_is_told_what_it_needs(tmp_path: Path):
    with kubernetes(tmp_path / "account") as cluster:
        (cluster.account / "token").write_text("another-pod")
        entry = KubernetesSecret(
            "flow-visapi-first-key", "api-key", account=cluster.account, environ=cluster.environment()
        )
        with pytest.raises(OperatorFault, match="needs the verbs get and patch"):
            entry.read()
    with pytest.raises(OperatorFault, match="this is no pod with an account"):
        KubernetesSecret("x", "api-key", account=tmp_path, environ={})


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
    with kubernetes(tmp_path / "account") as cluster:
        names = [mount["name"] for mount in key["volumeMounts"]]
        assert "account" in names
        printed = [admin(key, tmp_path, **cluster.environment()) for _ in range(2)]
        made = cluster.kept(the("Secret", "first-key$")["metadata"]["name"])
        assert made.startswith("visapi_admin_")
        assert [each for each in printed if made in each] == [], "the key is in no log"
        assert cluster.writes == 1, "a job that runs again leaves the key alone"

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
