"""The account that `visapi admin nats-config` writes, in a real server of its own."""

import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client
from typer.testing import CliRunner

from kit.configured_nats import ConfiguredNats
from visapi.cli.main import app
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects

SERVER = """
jetstream { store_dir: "{folder}/store" }
include "account.conf"
"""
WORKERS = ("--worker", "acme=acme.score,acme.rank", "--worker", "rival=rival.score", "--worker", "quiet")
USERS = ("gateway", "orchestrator", "pdf-worker", "notifier", "worker-acme", "worker-rival", "worker-quiet")


def variable(user: str) -> str:
    return f"VISAPI_NATS_{user.upper().replace('-', '_')}_PASSWORD"


PASSWORDS = {variable(user): f'v-{user} "quoted" $HOME' for user in USERS}


def nats_config(*arguments: str, environ: Mapping[str, str] = PASSWORDS) -> str:
    result = CliRunner().invoke(app, ["admin", "nats-config", *arguments], env=environ)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def opened(account: str, env: Mapping[str, str] | None = None) -> ConfiguredNats:
    server = ConfiguredNats(SERVER, env=env)
    (server.folder / "account.conf").write_text(account)
    server.start()
    return server


@pytest.fixture(scope="module")
def server() -> Iterator[ConfiguredNats]:
    running = opened(nats_config(*WORKERS))
    yield running
    running.close()


class Probe:
    """One user's connection that remembers what it was refused."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def remember(self, error: Exception) -> None:
        self.refused.append(str(error))

    async def settled(self) -> bool:
        await self.client.flush(timeout=5)
        await self.client.flush(timeout=5)
        allowed, self.refused = not self.refused, []
        return allowed

    async def may_publish(self, subject: str) -> bool:
        await self.client.publish(subject, b"{}")
        return await self.settled()

    async def may_hear(self, subject: str) -> bool:
        await self.client.subscribe(subject)
        return await self.settled()


@asynccontextmanager
async def speaking(server: ConfiguredNats, user: str) -> AsyncIterator[Probe]:
    probe = Probe()
    await probe.client.connect(
        server.url(),
        user=user,
        password=PASSWORDS[variable(user)],
        inbox_prefix=f"_INBOX.{user}",
        error_cb=probe.remember,
        allow_reconnect=False,
    )
    yield probe
    await probe.client.close()


async def test_each_service_has_its_user_and_the_orchestrator_makes_the_streams(server: ConfiguredNats):
    for user in USERS:
        async with speaking(server, user):
            pass
    bus = await Bus.connect(bus_url(server, "orchestrator"), "orchestrator")
    made = await Topology(bus).heal([FunctionConsumer("acme", "acme.score", 4)])
    assert set(made) == {"ENGINE", "TASKS", "EVENTS", "DLQ", "LIFECYCLE"}
    await bus.close()


def bus_url(server: ConfiguredNats, user: str) -> str:
    quoted = PASSWORDS[variable(user)].replace('"', "%22").replace(" ", "%20").replace("$", "%24")
    return server.url(user, quoted)


async def test_workers_of_a_tenant_touch_their_functions_and_nobody_elses(server: ConfiguredNats):
    pull, ack = "$JS.API.CONSUMER.MSG.NEXT.TASKS", "$JS.ACK.TASKS"
    acme, ranking, rivals = (
        subjects.task_consumer(tenant, function)
        for tenant, function in (("acme", "acme.score"), ("acme", "acme.rank"), ("rival", "rival.score"))
    )
    allowed = {
        f"{pull}.{acme}": True,
        f"{pull}.{ranking}": True,
        f"{pull}.{rivals}": False,
        f"{pull}.fn-builtin-pdf-render": False,
        f"{ack}.{acme}.1.1.1.1.0": True,
        f"{ack}.{rivals}.1.1.1.1.0": False,
        subjects.register("acme"): True,
        subjects.register("rival"): False,
        subjects.claim("acme"): True,
        subjects.claim("rival"): False,
        subjects.event("acme", "com.example.paid"): True,
        subjects.event("rival", "com.example.paid"): False,
        subjects.dead_letter("worker-acme", "poison"): True,
        subjects.dead_letter("worker-rival", "poison"): False,
        f"$JS.API.CONSUMER.MSG.NEXT.LIFECYCLE.{subjects.CONSUMER_LIFECYCLE}": False,
        "$JS.API.CONSUMER.CREATE.TASKS.mine": False,
    }
    async with speaking(server, "worker-acme") as worker:
        assert {subject: await worker.may_publish(subject) for subject in allowed} == allowed
        heard = {
            subjects.event("acme", ">"): True,
            subjects.event("rival", ">"): False,
            subjects.lifecycle("acme", ">"): True,
            subjects.lifecycle("rival", ">"): False,
            "_INBOX.worker-acme.x": True,
            "_INBOX.worker-rival.x": False,
            "_INBOX.>": False,
            "visapi.live.>": False,
            subjects.CONTROL_CANCELLED: False,
        }
        assert {subject: await worker.may_hear(subject) for subject in heard} == heard


async def test_a_tenant_without_functions_publishes_events_only(server: ConfiguredNats):
    async with speaking(server, "worker-quiet") as producer:
        assert await producer.may_publish(subjects.event("quiet", "com.example.paid"))
        assert not await producer.may_publish(subjects.register("quiet"))


async def test_passwords_may_stay_in_the_environment_of_the_server():
    plain = {variable(user): f"v{user}" for user in USERS}
    account = nats_config("--variables", environ={})
    assert "v-gateway" not in account
    assert '"password": $VISAPI_NATS_GATEWAY_PASSWORD' in account
    server = opened(account, env=plain)
    try:
        bus = await Bus.connect(server.url("gateway", "vgateway"), "gateway")
        assert bus.connected
        await bus.close()
    finally:
        server.close()


def test_the_file_is_closed_to_others_and_json_is_the_same_account(tmp_path: Path):
    path = tmp_path / "account.conf"
    assert nats_config("--output", str(path)) == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    as_json = msgspec.json.decode(nats_config("--json"))
    written = msgspec.json.decode(path.read_text().removeprefix("accounts: "))
    assert as_json == {"accounts": written}
    assert [user["user"] for user in written["VISAPI"]["users"]] == list(USERS[:4])


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        ((), {}, "VISAPI_NATS_GATEWAY_PASSWORD is not set, nor is VISAPI_NATS_GATEWAY_PASSWORD_FILE"),
        (("--worker", "Acme"), PASSWORDS, "not a tenant id: 'Acme'"),
        (("--worker", "acme=pdf.render"), PASSWORDS, "pdf.render is served by VisAPI itself"),
        (("--worker", "acme=a>b"), PASSWORDS, "'a>b' is no function name"),
        (("--worker", "acme=*"), PASSWORDS, "'*' is no function name"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    arguments: tuple[str, ...], environ: Mapping[str, str], line: str
):
    result = CliRunner().invoke(app, ["admin", "nats-config", *arguments], env={"COLUMNS": "300", **environ})
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
