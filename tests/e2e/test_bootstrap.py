"""From a PostgreSQL and a NATS that know nothing of VisAPI to a finished run, by the commands of
docs/how-to/bootstrap-a-cluster.md, without the embedded stack.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kit.configured_nats import ConfiguredNats
from kit.managed_postgres import Cluster, rented, rented_server
from kit.pgbouncer import PgBouncer
from kit.servers import run_async
from kit.stack import ECHO
from visapi.client import Client, operations
from visapi.stack.ports import Reservation
from visapi.stack.probes import readyz
from visapi.stack.processes import wait_for

SERVER = """
max_payload: 1MB
jetstream { store_dir: "{folder}/store", sync_interval: always }
include "visapi-users.conf"
"""
_START_S = 120.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    for server in rented_server(durable=True):
        yield from rented(server)


class Shell:
    """One shell of an operator: what is exported stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {name: text for name, text in os.environ.items() if not name.startswith("VISAPI_")}

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
            env=self.environ,
        )
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def admin(self, *arguments: str, code: int = 0) -> str:
        return self.run("visapi", "admin", *arguments, code=code)

    def evaluate(self, exports: str) -> None:
        for line in exports.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            [self.environ[name]] = shlex.split(value)


class Services:
    """The four services as processes with an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reservation = Reservation()
        names = ("http", "gateway", "orchestrator", "pdf-worker", "notifier")
        self.ports = {name: self._reservation.any() for name in names}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, settings: Mapping[str, str]) -> None:
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environ |= {"VISAPI_METRICS_PORT": str(self.ports[name]), **settings}
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", f"visapi_{name.replace('-', '_')}"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=self._folder,
            )

    def wait_ready(self) -> None:
        for name in self._running:
            wait_for(lambda name=name: self._is_ready(name), timeout_s=_START_S, what=f"{name} ready")

    def _is_ready(self, name: str) -> bool:
        log = self._folder / f"{name}.log"
        assert self._running[name].poll() is None, f"{name} ended: {log.read_text(errors='replace')[-2000:]}"
        return run_async(self._ask(name))

    async def _ask(self, name: str) -> bool:
        return (await readyz(self.ports[name])()).ready

    def stop(self) -> None:
        """May be called twice."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        self._reservation.release()


def settings_of(
    name: str, cluster: Cluster, nats: ConfiguredNats, secrets: Path, ports: dict[str, int]
) -> dict[str, str]:
    own = {
        "VISAPI_NATS_URL": f"nats://{name}@127.0.0.1:{nats.port}",
        "VISAPI_NATS_PASSWORD_FILE": f"nats-{name}-password",
    }
    own["VISAPI_ARTIFACTS_URL"] = (secrets.parent / "artifacts").as_uri()
    if name != "pdf-worker":
        own["VISAPI_POSTGRES_URL"] = (
            f"postgresql://visapi_{name}@{cluster.place}/master?target_session_attrs=read-write"
        )
        own["VISAPI_POSTGRES_PASSWORD_FILE"] = f"postgres-{name}-password"
    match name:
        case "gateway":
            own |= {"VISAPI_KEY_PEPPER_FILE": "key-pepper", "VISAPI_LINK_SECRET_FILE": "link-secret"}
            own |= {"VISAPI_SEALING_KEY_FILE": "sealing-key", "VISAPI_HTTP_PORT": str(ports["http"])}
        case "orchestrator":
            own |= {
                "VISAPI_EFFECT_SECRET_FILE": "effect-secret",
                "VISAPI_HANDLE_SECRET_FILE": "handle-secret",
            }
        case "notifier":
            own |= {"VISAPI_HANDLE_SECRET_FILE": "handle-secret", "VISAPI_SEALING_KEY_FILE": "sealing-key"}
        case _:
            pass
    return {key: str(secrets / value) if key.endswith("_FILE") else value for key, value in own.items()}


@pytest.mark.timeout(300)
def test_a_system_is_made_by_commands_and_finishes_a_run(cluster: Cluster, tmp_path: Path):
    shell, secrets = Shell(tmp_path), tmp_path / "secrets"
    shell.evaluate(shell.admin("secrets", "secrets", "--tenant", "acme"))
    shell.environ |= {"VISAPI_OWNER_URL": cluster.master}
    del shell.environ["VISAPI_OWNER_PASSWORD_FILE"]  # The owner's password stands in the URL here.

    # Whoever is interrupted begins again: each command twice.
    for _ in range(2):
        shell.admin("roles")
        shell.admin("migrate")
        shell.admin("tenant", "create", "acme")
        shell.admin("key", "create", "first key", "--file", "api-key")
    nats = ConfiguredNats(SERVER)
    services = Services(tmp_path)
    try:
        account = str(nats.folder / "visapi-users.conf")
        shell.admin("nats-config", "--worker", "acme=acme.score", "--output", account)
        nats.start()
        for name in ("gateway", "orchestrator", "notifier", "pdf-worker"):
            services.start(name, settings_of(name, cluster, nats, secrets, services.ports))
        services.wait_ready()

        shell.environ |= {
            "VISAPI_NATS_URL": f"nats://orchestrator@127.0.0.1:{nats.port}",
            "VISAPI_NATS_PASSWORD_FILE": str(secrets / "nats-orchestrator-password"),
            "VISAPI_ARTIFACTS_URL": (tmp_path / "artifacts").as_uri(),
        }
        report = shell.admin("doctor")
        assert "fail" not in report, report
        assert report.count("stream ") == 5

        with Client(
            f"http://127.0.0.1:{services.ports['http']}", (tmp_path / "api-key").read_text().strip()
        ) as client:
            client.send(operations.deploy(ECHO, operations.YAML))
            run = client.send(operations.start_run("tests", "echo", b'{"word": "made"}', wait_s=60))
        assert (run.status.value, bytes(run.output)) == ("completed", b'{"said":"made"}')
        services.stop()
        check_behind_a_pooler(cluster, nats, tmp_path)
    finally:
        services.stop()
        nats.close()


def check_behind_a_pooler(cluster: Cluster, nats: ConfiguredNats, folder: Path) -> None:
    """The same services finish a run through PgBouncer in transaction mode."""
    secrets, roles = folder / "secrets", ("gateway", "orchestrator", "notifier")
    passwords = {
        f"visapi_{role}": (secrets / f"postgres-{role}-password").read_text().strip() for role in roles
    }
    pooler = PgBouncer(int(cluster.place.rpartition(":")[2]), passwords)
    services = Services(folder)
    try:
        pooler.start()
        for name in (*roles, "pdf-worker"):
            settings = settings_of(name, cluster, nats, secrets, services.ports)
            if name in roles:
                settings["VISAPI_POSTGRES_URL"] = pooler.through(settings["VISAPI_POSTGRES_URL"])
                settings["VISAPI_POSTGRES_POOLER"] = "transaction"
            services.start(name, settings)
        services.wait_ready()
        key = (folder / "api-key").read_text().strip()
        with Client(f"http://127.0.0.1:{services.ports['http']}", key) as client:
            run = client.send(operations.start_run("tests", "echo", b'{"word": "pooled"}', wait_s=60))
        assert (run.status.value, bytes(run.output)) == ("completed", b'{"said":"pooled"}')
    finally:
        services.stop()
        pooler.close()


def test_a_doctor_says_what_is_missing(cluster: Cluster, tmp_path: Path):
    shell = Shell(tmp_path)
    shell.environ |= {
        "VISAPI_OWNER_URL": cluster.master,
        "VISAPI_NATS_URL": "nats://orchestrator:x@127.0.0.1:1",
    }
    report = shell.admin("doctor", code=1)
    lines = [" ".join(line.split()) for line in report.splitlines()]
    assert "fail visapi_gateway does not exist; run `visapi admin roles`" in lines
    assert any(line.startswith("fail schema lacks 0001_baseline.sql, ") for line in lines), lines
    assert [line for line in lines if line.startswith("fail NATS cannot be reached")]
