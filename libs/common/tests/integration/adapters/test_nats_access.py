"""How a service reaches NATS: TLS, a certificate of its own, credentials, several servers, a cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kit.certificates import Authority
from kit.configured_nats import ConfiguredNats
from kit.nats_jwt import Identity, credentials, operated
from kit.servers import NatsServer
from visapi.stack.ports import Reservation, any_free
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.topology import StreamChoices, Topology
from visapi_common.contracts import subjects
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.runtime.connections import NatsSettings
from visapi_common.runtime.settings import SettingsError, load

OURS, THEIRS = Authority("ours"), Authority("theirs")
LIMIT_S = 60.0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, authority in (("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / f"{name}.pem").write_text(authority.pem)
        certificate, key = authority.issue("gateway")
        (tmp_path / f"{name}.crt").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key)
    return tmp_path


def settings(url: str, **more: str | Path) -> NatsSettings:
    environ = {f"VISAPI_NATS_{name.upper()}": str(value) for name, value in more.items()}
    return load(NatsSettings, {"VISAPI_NATS_URL": url, **environ})


async def connected(given: NatsSettings, wait_s: float = 20.0) -> Bus:
    return await Bus.connect(given.nats_urls, "test", access=given.nats_access("gateway"), wait_s=wait_s)


async def refusal(given: NatsSettings) -> str:
    """Why the server is not connected to."""
    bus = await connected(given, wait_s=0.1)
    try:
        async with asyncio.timeout(LIMIT_S):
            while not bus.last_error:
                await asyncio.sleep(0.02)
        assert not bus.connected
        return bus.last_error
    finally:
        await bus.close()


async def says(bus: Bus) -> None:
    """Publishes, hears, and closes."""
    heard = asyncio.Event()
    await bus.subscribe("visapi.test", lambda _: heard.set())
    await bus.flush(10)
    bus.publish("visapi.test", b"x")
    await asyncio.wait_for(heard.wait(), LIMIT_S)
    await bus.close()


def tls_server(*, verify: bool) -> ConfiguredNats:
    certificate, key = OURS.issue("server")
    server = ConfiguredNats(
        'authorization { user: gateway, password: "p@ss/word%" }\n'
        f'tls {{ cert_file: "{{folder}}/s.crt", key_file: "{{folder}}/s.key", ca_file: "{{folder}}/ca.pem", '
        f"verify: {str(verify).lower()} }}\n"
    )
    for name, text in (("s.crt", certificate), ("s.key", key), ("ca.pem", OURS.pem)):
        (server.folder / name).write_text(text)
    server.start()
    return server


@pytest.fixture
def tls() -> Iterator[ConfiguredNats]:
    server = tls_server(verify=False)
    yield server
    server.close()


@pytest.fixture
def mutual() -> Iterator[ConfiguredNats]:
    server = tls_server(verify=True)
    yield server
    server.close()


async def test_the_authority_of_the_settings_is_believed_and_no_other(tls: ConfiguredNats, files: Path):
    url = tls.url("gateway", "p%40ss%2Fword%25", scheme="tls")
    await says(await connected(settings(url, tls_ca=files / "ours.pem")))
    assert "certificate verify failed" in await refusal(settings(url, tls_ca=files / "theirs.pem"))


async def test_the_password_may_stand_in_a_file_of_its_own(tls: ConfiguredNats, files: Path):
    (files / "password").write_text("p@ss/word%\n")
    url = f"tls://gateway@127.0.0.1:{tls.port}"
    await says(await connected(settings(url, tls_ca=files / "ours.pem", password_file=files / "password")))


async def test_a_server_that_asks_for_certificates_lets_in_who_shows_ours(
    mutual: ConfiguredNats, files: Path
):
    url, ca = mutual.url("gateway", "p%40ss%2Fword%25", scheme="tls"), files / "ours.pem"
    shown = settings(url, tls_ca=ca, tls_cert=files / "ours.crt", tls_key=files / "ours.key")
    await says(await connected(shown))
    await refusal(settings(url, tls_ca=ca))
    foreign = settings(url, tls_ca=ca, tls_cert=files / "theirs.crt", tls_key=files / "theirs.key")
    await refusal(foreign)


async def test_a_server_without_tls_is_told_no_password(nats_server: NatsServer, files: Path):
    url = nats_server.url("gateway").replace("nats://", "tls://")
    assert "the server has no TLS" in await refusal(settings(url))
    plain = settings(nats_server.url("gateway"), tls_ca=files / "ours.pem")
    assert "the server has no TLS" in await refusal(plain)


async def test_a_user_is_known_by_its_credentials(files: Path):
    operator, account, user = Identity("operator"), Identity("account"), Identity("user")
    server = ConfiguredNats(operated(operator, account))
    rights = ["visapi.test", "_INBOX.gateway.>"]
    (files / "gateway.creds").write_text(credentials(account, user, publish=rights, subscribe=rights))
    (files / "stranger.creds").write_text(
        credentials(Identity("account"), Identity("user"), publish=rights, subscribe=rights)
    )
    server.start()
    try:
        await says(await connected(settings(server.url(), credentials_file=files / "gateway.creds")))
        stranger = settings(server.url(), credentials_file=files / "stranger.creds")
        assert "Authorization Violation" in await refusal(stranger)
    finally:
        server.close()


async def test_a_dead_server_of_several_is_passed_over(nats_server: NatsServer):
    user = nats_server.url("gateway").removeprefix("nats://").rpartition("@")[0]
    urls = f"nats://{user}@127.0.0.1:{any_free()},nats://127.0.0.1:{nats_server.port}"
    bus = await connected(settings(urls))
    assert bus.connected
    await bus.close()


@pytest.mark.parametrize(
    ("url", "more", "line"),
    [
        ("http://h:4222", {}, "VISAPI_NATS_URL is wrong: each server must begin with one of nats://, tls://"),
        ("nats://h:99999", {}, "VISAPI_NATS_URL is wrong: the port of a server is no number from 1 to 65535"),
        ("nats://a:x@h,nats://b:x@i", {}, "VISAPI_NATS_URL is wrong: the servers name different users; one process is one user"),
        ("nats://h", {"password": "x"}, "VISAPI_NATS_PASSWORD is wrong: VISAPI_NATS_URL names no user whose it is"),
        ("nats://h", {"tls_ca": "/no.pem"}, "VISAPI_NATS_TLS_CA is wrong: cannot read /no.pem: No such file or directory"),
        ("nats://h", {"tls_cert": "/c"}, "VISAPI_NATS_TLS_CERT and VISAPI_NATS_TLS_KEY belong together; set both or neither"),
        ("nats://h", {"credentials": "x"}, "VISAPI_NATS_CREDENTIALS is wrong: it holds no NATS USER JWT with its USER NKEY SEED, as `nsc generate creds` writes them"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_before_anything_connects(url: str, more: dict[str, str], line: str):
    with pytest.raises(SettingsError) as refused:
        settings(url, **more)
    assert str(refused.value) == line


@pytest.fixture
def cluster() -> Iterator[list[ConfiguredNats]]:
    reserved = Reservation()
    routes = [reserved.any() for _ in range(3)]
    listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = [
        ConfiguredNats(
            f'server_name: n{number}\njetstream {{ store_dir: "{{folder}}/store" }}\n'
            f'cluster {{ name: test, listen: "127.0.0.1:{port}", routes: [{listed}] }}\n'
        )
        for number, port in enumerate(routes)
    ]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.close()
    reserved.release()


async def test_three_replicas_are_made_and_survive_the_loss_and_return_of_a_server(
    cluster: list[ConfiguredNats],
):
    bus = await connected(settings(",".join(server.url() for server in cluster)))
    topology = Topology(bus, StreamChoices(replicas=3))

    async def whole() -> bool:
        await topology.heal()
        return {(stream.replicas, stream.current) for stream in await topology.view()} == {(3, 3)}

    await eventually(whole)
    before = await topology.incarnations()
    cluster[2].kill()

    async def accepts() -> bool:
        await topology.heal()
        await bus.publish_acked(subjects.event("default", "com.example.paid"), b"{}", timeout_s=5)
        return True

    await eventually(accepts)
    cluster[2].start()
    await eventually(whole)
    assert await topology.incarnations() == before
    await bus.close()


async def test_what_an_operator_changes_stays_and_what_a_setting_says_is_put_back(nats_server: NatsServer):
    bus = await Bus.connect(nats_server.url(), "test")
    await Topology(bus).heal()

    async def config(**changes: object) -> dict[str, object]:
        answer = await bus.request(f"$JS.API.STREAM.INFO.{subjects.STREAM_EVENTS}", b"", 5)
        current = msgspec.json.decode(answer.data)["config"]
        if changes:
            body = msgspec.json.encode(current | changes)
            answer = await bus.request(f"$JS.API.STREAM.UPDATE.{subjects.STREAM_EVENTS}", body, 5)
            assert "error" not in msgspec.json.decode(answer.data), answer.data
        return current | changes

    await config(max_bytes=123 * 1024 * 1024, description="ours", discard="old")
    await Topology(bus).heal()
    kept = await config()
    assert (kept["max_bytes"], kept["description"], kept["discard"]) == (123 * 1024 * 1024, "ours", "new")

    await Topology(bus, StreamChoices(bytes_max={subjects.STREAM_EVENTS: 200 * 1024 * 1024})).heal()
    assert (await config())["max_bytes"] == 200 * 1024 * 1024
    await bus.close()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                if await holds():
                    return
            except (TransientFault, UnknownFault):
                pass
            await asyncio.sleep(0.1)
