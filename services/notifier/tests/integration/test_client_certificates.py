"""Client certificates against a real TLS server that wants them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.certificates import Authority, TlsServer
from visapi_common.core.egress_policy import EgressRefused, policy_from
from visapi_common.core.errors import PermanentFault
from visapi_common.core.outbound import ClientCertificate, Outbound
from visapi_notifier.opening import EgressClient


class Partner:
    """A server that wants certificates of its own authority, and a client that trusts the server."""

    def __init__(self, folder: Path) -> None:
        self.clients = Authority("partner's clients")
        servers = Authority("partner's servers")
        (folder / "ca.pem").write_text(servers.pem)
        self.server = TlsServer(servers.context(folder, clients=self.clients))
        self.exchange = EgressClient(policy_from(["127.0.0.0/8"], {}))

    async def send(
        self, certificate: ClientCertificate | None, *, path: str = "/orders", method: str = "POST"
    ) -> int:
        outbound = Outbound(
            method, self.server.url + path, redirects=5, certificate=certificate, timeout_s=10
        )
        return (await self.exchange(outbound)).status


@pytest.fixture
async def partner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Partner]:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    partner = Partner(tmp_path)
    yield partner
    await partner.exchange.close()
    partner.server.stop()


@pytest.mark.parametrize("password", [None, "correct horse"])
async def test_the_server_accepts_the_certificate(partner: Partner, password: str | None):
    certificate = ClientCertificate(*partner.clients.issue("visapi", password=password), password)
    assert await partner.send(certificate) == 200
    assert partner.server.seen == [("/orders", "visapi")]


@pytest.mark.parametrize("given", ["none", "of another authority"])
async def test_a_refused_certificate_is_definite_and_the_receiver_saw_nothing(partner: Partner, given: str):
    other = ClientCertificate(*Authority("nobody").issue("visapi"))
    with pytest.raises(PermanentFault, match="another client certificate"):
        await partner.send(None if given == "none" else other)
    assert partner.server.seen == []


async def test_one_caller_s_connection_never_serves_another(partner: Partner):
    certificate = ClientCertificate(*partner.clients.issue("visapi"))
    assert await partner.send(certificate) == 200
    with pytest.raises(PermanentFault):
        await partner.send(None)
    assert partner.server.seen == [("/orders", "visapi")]


async def test_the_certificate_follows_redirects_within_its_origin_only(partner: Partner):
    certificate = ClientCertificate(*partner.clients.issue("visapi"))
    partner.server.locations = {"/old": "/new", "/away": "https://127.0.0.2:1/"}
    assert await partner.send(certificate, path="/old", method="GET") == 200
    assert partner.server.seen == [("/old", "visapi"), ("/new", "visapi")]
    with pytest.raises(EgressRefused, match="client certificate"):
        await partner.send(certificate, path="/away", method="GET")


@pytest.mark.parametrize("spoil", ["no PEM", "wrong password", "other key", "no key"])
async def test_an_unusable_certificate_is_refused_without_showing_it(partner: Partner, spoil: str):
    chain, key = partner.clients.issue("visapi", password="right")
    certificate = {
        "no PEM": ClientCertificate("certificate", "key"),
        "wrong password": ClientCertificate(chain, key, "wrong"),
        "other key": ClientCertificate(chain, partner.clients.issue("other")[1]),
        "no key": ClientCertificate(chain, ""),
    }[spoil]
    with pytest.raises(PermanentFault, match="cannot be used") as caught:
        await partner.send(certificate)
    assert not re.search("BEGIN|wrong", str(caught.value))
    assert "BEGIN" not in repr(certificate)
    assert partner.server.seen == []
