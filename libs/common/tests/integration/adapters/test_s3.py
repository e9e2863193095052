"""The artifact store in a real S3 (SeaweedFS): addressing, TLS, keys, roles, and what goes wrong."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.certificates import Authority
from kit.seaweed import BUCKET, Credentials, Seaweed, served
from kit.waiting import eventually
from visapi.admin.doctor import examine_artifacts
from visapi.findings import Level
from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore
from visapi_common.adapters.object_store import ObjectStore
from visapi_common.adapters.s3 import S3Access
from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.core.errors import OperatorFault, ProblemError, TransientFault
from visapi_common.runtime.connections import ArtifactSettings
from visapi_common.runtime.settings import SettingsError, load

PDF = b"%PDF-1.7 content"


class StoreSettings(ArtifactSettings, frozen=True, kw_only=True):
    """As a service's."""

    artifacts_url: str | None = None


@pytest.fixture(autouse=True)
def _no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


async def check(url: str, access: S3Access) -> None:
    """Everything that services ask of a store."""
    store = ArtifactStore.open(url, access)
    ref = await store.put("default", PDF, "pdf", "application/pdf", "hello.pdf")
    assert await store.put("default", PDF, "pdf", "application/pdf", "hello.pdf") == ref
    assert await store.get("default", ref.id) == PDF
    assert b"".join([chunk async for chunk in store.stream("default", ref.id)]) == PDF
    assert await store.size("default", ref.id) == len(PDF)
    assert not await store.exists("default", f"{'0' * 64}.pdf")
    with pytest.raises(ProblemError) as absent:
        await store.get("other", ref.id)
    assert absent.value.status == 404
    payloads = PayloadStore.open(url, access)
    large = b'"' + b"x" * (4 * INLINE_LIMIT) + b'"'
    packed = await payloads.pack("default", large)
    assert (packed.ref is not None, await payloads.unpack("default", packed)) == (True, large)


async def test_a_bucket_with_an_access_key_is_a_store(seaweed: Seaweed):
    await check(seaweed.url, seaweed.access())
    await check(f"s3://{BUCKET}", seaweed.access())


async def test_keys_come_from_files_as_all_secrets_do(seaweed: Seaweed, tmp_path: Path):
    for name, text in zip(("id", "secret"), seaweed.key, strict=True):
        (tmp_path / name).write_text(f"{text}\n")
    settings = load(
        ArtifactSettings,
        {
            "VISAPI_S3_ENDPOINT": f"{seaweed.endpoint}/",
            "VISAPI_S3_REGION": "eu-central-1",
            "VISAPI_S3_ACCESS_KEY_ID_FILE": str(tmp_path / "id"),
            "VISAPI_S3_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
        },
    )
    await check(seaweed.url, settings.s3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"S3_ACCESS_KEY_ID": "a"},
            "VISAPI_S3_ACCESS_KEY_ID and VISAPI_S3_SECRET_ACCESS_KEY belong together",
        ),
        (
            {"S3_SESSION_TOKEN": "a"},
            "VISAPI_S3_SESSION_TOKEN is wrong: it belongs to VISAPI_S3_ACCESS_KEY_ID",
        ),
        ({"S3_ENDPOINT": "s3.example.com"}, "VISAPI_S3_ENDPOINT is wrong: use https://host"),
        ({"S3_ENDPOINT": "https://s3.example.com/a?b=c"}, "VISAPI_S3_ENDPOINT is wrong: use https://host"),
        (
            {"S3_ENDPOINT": "https://s3.example.com/a/b", "S3_PATH_STYLE": "false"},
            "VISAPI_S3_ENDPOINT is wrong: with VISAPI_S3_PATH_STYLE=false it has no path, not /a/b",
        ),
        (
            {"S3_ENDPOINT": "https://s3.example.com/a/bucket/", "ARTIFACTS_URL": "s3://bucket/prefix"},
            "VISAPI_S3_ENDPOINT is wrong: leave out the bucket, which VISAPI_ARTIFACTS_URL names",
        ),
        ({"S3_CA": "/nowhere/ca.pem"}, "VISAPI_S3_CA is wrong: cannot read /nowhere/ca.pem"),
        ({"S3_PATH_STYLE": "maybe"}, "VISAPI_S3_PATH_STYLE is wrong"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_connects(given: dict[str, str], told: str):
    with pytest.raises(SettingsError, match=told):
        load(StoreSettings, {f"VISAPI_{name}": text for name, text in given.items()})


@pytest.fixture(scope="module")
def over_tls() -> Iterator[Seaweed]:
    server = Seaweed(Authority("ours"))
    try:
        server.start()
        yield server
    finally:
        server.close()


async def test_over_tls_the_authority_that_was_named_is_believed_and_no_other(
    over_tls: Seaweed, tmp_path: Path
):
    await check(over_tls.url, over_tls.access())
    (tmp_path / "theirs.pem").write_text(Authority("theirs").pem)
    for ca in (None, str(tmp_path / "theirs.pem")):
        with pytest.raises(TransientFault, match="artifact store failed"):
            await ObjectStore.open(over_tls.url, over_tls.access(ca=ca)).put("x", b"1", "text/plain")


async def test_a_bucket_may_be_addressed_by_the_host_name(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch):
    """`http://localhost:…` becomes `http://visapi.localhost:…`, a name that the server as a proxy need not resolve."""
    monkeypatch.setenv("HTTP_PROXY", seaweed.endpoint)
    monkeypatch.setenv("NO_PROXY", "")
    by_name = seaweed.access(endpoint=f"http://localhost:{seaweed.port}", path_style=False)
    await check(seaweed.url, by_name)
    with pytest.raises(OperatorFault, match="has no bucket"):
        await ObjectStore.open("s3://another/prefix", by_name).put("x", b"1", "text/plain")


async def test_a_pod_with_an_identity_needs_no_key(
    seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "token").write_text("the-pod")
    agent = Credentials(seaweed.key)
    with served(agent) as origin:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        await check(seaweed.url, without_key(seaweed))
        assert agent.asked[0] == ("GET /v1/credentials", "the-pod")
        agent.refuses = True
        await refused_for_want_of_credentials(seaweed)


async def test_a_pod_with_a_web_identity_assumes_its_role(
    seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """obstore speaks to STS over HTTPS only."""
    authority = Authority("sts")
    for name, text in zip(("crt", "key"), authority.issue("sts"), strict=True):
        (tmp_path / name).write_text(text)
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "token").write_text("the-service-account")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    sts = Credentials(seaweed.key)
    with served(sts, context) as origin:
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/visapi")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", origin)
        ca = str(tmp_path / "ca.pem")
        await check(seaweed.url, without_key(seaweed, ca=ca))
        assert "WebIdentityToken=the-service-account" in sts.asked[0][1]
        sts.refuses = True
        await refused_for_want_of_credentials(seaweed, ca=ca)


async def test_an_instance_has_the_role_of_its_metadata_service(
    seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
):
    metadata = Credentials(seaweed.key)
    with served(metadata) as origin:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", origin)
        await check(seaweed.url, without_key(seaweed))
        assert metadata.asked[0][0] == "PUT /latest/api/token"
        metadata.refuses = True
        await refused_for_want_of_credentials(seaweed)


def without_key(seaweed: Seaweed, **more: object) -> S3Access:
    return seaweed.access(access_key_id=None, secret_access_key=None, **more)


async def refused_for_want_of_credentials(seaweed: Seaweed, **more: object) -> None:
    with pytest.raises(OperatorFault, match="gives no credentials for x; set VISAPI_S3_ACCESS_KEY_ID_FILE"):
        await ObjectStore.open(seaweed.url, without_key(seaweed, **more)).put("x", b"1", "text/plain")


async def test_what_the_operator_must_mend_is_no_fault_of_a_run(seaweed: Seaweed):
    wrong = seaweed.access(secret_access_key="another")
    unknown = seaweed.access(access_key_id="nobody")
    reader = seaweed.access(access_key_id=seaweed.readers_key[0], secret_access_key=seaweed.readers_key[1])
    for url, access, told in (
        (seaweed.url, wrong, "SignatureDoesNotMatch"),
        (seaweed.url, unknown, "InvalidAccessKeyId"),
        (seaweed.url, reader, "AccessDenied"),
        ("s3://nowhere/prefix", seaweed.access(), "has no bucket for "),
    ):
        with pytest.raises(OperatorFault, match=told) as raised:
            await ObjectStore.open(url, access).put("x", b"1", "text/plain")
        assert raised.value.sort == "artifacts"
        finding = await examine_artifacts(url, access)
        assert (finding.level, told in finding.detail) == (Level.FAIL, True)
    with pytest.raises(OperatorFault, match="has no bucket"):
        await ObjectStore.open("s3://nowhere/prefix", seaweed.access()).get("x")
    assert (await examine_artifacts(seaweed.url, seaweed.access())).level is Level.OK


async def test_while_the_store_is_down_a_put_is_a_transient_fault_and_what_was_put_is_there_afterwards(
    seaweed: Seaweed,
):
    store = ArtifactStore.open(seaweed.url, seaweed.access())
    kept = await store.put("default", PDF + b" kept", "pdf", "application/pdf")
    seaweed.kill()
    try:
        for work in (
            store.put("default", PDF + b" late", "pdf", "application/pdf"),
            store.get("default", kept.id),
        ):
            with pytest.raises(TransientFault, match="the artifact store failed on artifacts/default/"):
                await work
    finally:
        seaweed.start()

    async def is_there() -> bytes | None:
        try:
            return await store.get("default", kept.id)
        except TransientFault:
            return None

    assert await eventually(is_there) == PDF + b" kept"
    assert await store.exists(
        "default", (await store.put("default", PDF + b" late", "pdf", "application/pdf")).id
    )
