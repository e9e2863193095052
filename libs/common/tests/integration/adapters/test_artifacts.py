"""Artifacts and large payloads, in a directory and behind the S3 protocol."""

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import obstore
import pytest

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, media_type_of
from visapi_common.adapters.s3 import S3Access
from visapi_common.contracts.payloads import INLINE_LIMIT, PAYLOAD_LIMIT, Payload
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault

PDF = b"%PDF-1.7 content"
DIGEST = hashlib.sha256(PDF).hexdigest()


class Bucket(BaseHTTPRequestHandler):
    """A stand-in for S3: PUT with If-None-Match (AWS, conditional writes), GET of an object or a range, HEAD, DeleteObjects."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, tuple[bytes, str]]] = {}

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("if-none-match") == "*" and self.path in self.objects:
            self.reply(412)
            return
        self.objects[self.path] = (body, self.headers.get("content-type", ""))
        self.reply(200)

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        if not found:
            self.reply(404)
        elif asked:
            first, last = int(asked[1]), int(asked[2])
            self.reply(206, found[0][first : last + 1], f"bytes {first}-{last}/{len(found[0])}")
        else:
            self.reply(200, found[0])

    def do_POST(self) -> None:
        """DeleteObjects; an object that is not there counts as deleted."""
        order = self.rfile.read(int(self.headers["content-length"])).decode()
        keys = re.findall("<Key>(.*?)</Key>", order)
        for key in keys:
            self.objects.pop(f"{self.path.partition('?')[0].rstrip('/')}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.reply(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def reply(self, status: int, body: bytes = b"", part: str | None = None) -> None:
        self.send_response(status)
        if part is not None:
            self.send_header("content-range", part)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", f'"{hashlib.md5(body).hexdigest()}"')
        self.send_header("last-modified", "Tue, 24 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 (its name in the library)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    Bucket.objects = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    yield Bucket
    server.shutdown()
    server.server_close()


async def test_the_address_of_a_server_may_have_a_path(s3: type[Bucket], monkeypatch: pytest.MonkeyPatch):
    endpoint = f"{os.environ['AWS_ENDPOINT']}/storage/v1/s3"
    monkeypatch.delenv("AWS_ENDPOINT")
    store = ArtifactStore.open("s3://bucket/prefix", S3Access(endpoint=endpoint))
    await store.put("default", PDF, "pdf", "application/pdf", "hello.pdf")
    assert [path for path in s3.objects if not path.startswith("/storage/v1/s3/bucket/prefix/")] == []
    assert len(s3.objects) == 1


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/art%20ifacts"
    request.getfixturevalue("s3")
    return "s3://bucket/prefix"


async def test_what_was_put_is_read_back_whole_and_in_chunks(url):
    store = ArtifactStore.open(url)
    ref = await store.put("default", PDF, "pdf", "application/pdf", "hello.pdf")
    assert (ref.id, ref.sha256, ref.size, ref.name) == (f"{DIGEST}.pdf", DIGEST, len(PDF), "hello.pdf")
    assert await store.get("default", ref.id) == PDF
    assert b"".join([chunk async for chunk in store.stream("default", ref.id)]) == PDF
    assert await store.size("default", ref.id) == len(PDF)


@pytest.mark.parametrize("span", [(0, 1), (0, len(PDF)), (5, 8), (len(PDF) - 1, len(PDF))])
async def test_a_span_is_read_alone(url: str, span: tuple[int, int]):
    store = ArtifactStore.open(url)
    ref = await store.put("default", PDF, "pdf", "application/pdf")
    assert b"".join([chunk async for chunk in store.stream("default", ref.id, span)]) == PDF[slice(*span)]


async def test_putting_the_same_bytes_again_is_the_same_artifact(url):
    store = ArtifactStore.open(url)
    first = await store.put("default", PDF, "pdf", "application/pdf")
    assert await store.put("default", PDF, "pdf", "application/pdf") == first


async def test_a_removed_artifact_is_gone_and_may_come_back(url: str):
    store = ArtifactStore.open(url)
    ref = await store.put("default", PDF, "pdf", "application/pdf")
    for _ in range(2):
        await store.remove("default", ref.id)
        assert not await store.exists("default", ref.id)
    await store.remove("nobody", ref.id)
    assert await store.put("default", PDF, "pdf", "application/pdf") == ref
    assert await store.get("default", ref.id) == PDF


async def test_an_artifact_that_goes_while_it_is_put_is_put(url: str, monkeypatch: pytest.MonkeyPatch):
    """Whoever puts the same bytes finds the object, which is removed before its size is read."""
    store = ArtifactStore.open(url)
    ref = await store.put("default", PDF, "pdf", "application/pdf")
    head = obstore.head_async

    async def removed_first(*given: Any) -> Any:
        monkeypatch.setattr(obstore, "head_async", head)
        await store.remove("default", ref.id)
        return await head(*given)

    monkeypatch.setattr(obstore, "head_async", removed_first)
    assert await store.put("default", PDF, "pdf", "application/pdf") == ref
    assert await store.get("default", ref.id) == PDF


async def test_an_artifact_belongs_to_its_tenant(url):
    store = ArtifactStore.open(url)
    ref = await store.put("one", PDF, "pdf", "application/pdf")
    assert not await store.exists("two", ref.id)
    with pytest.raises(ProblemError) as raised:
        await store.get("two", ref.id)
    assert raised.value.status == 404


@pytest.mark.parametrize("artifact_id", ["", "../x", f"../one/{DIGEST}.pdf", f"{DIGEST}.pdf/", f"{DIGEST}", f"{DIGEST.upper()}.pdf", f"{DIGEST}.p/f", f"{DIGEST}.pdf\n"])  # fmt: skip
async def test_an_id_that_is_no_id_is_refused(tmp_path, artifact_id):
    store = ArtifactStore.open(f"file://{tmp_path}")
    with pytest.raises(ProblemError, match="not an artifact id"):
        await store.get("one", artifact_id)
    assert not await store.exists("one", artifact_id)


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "A", "a.b"])
async def test_a_tenant_that_is_no_tenant_is_a_bug(tmp_path, tenant):
    with pytest.raises(AssertionError):
        await ArtifactStore.open(f"file://{tmp_path}").put(tenant, PDF, "pdf", "application/pdf")


async def test_a_file_cut_short_by_a_crash_is_noticed_and_mended_by_the_next_put(tmp_path):
    store = ArtifactStore.open(f"file://{tmp_path}")
    ref = await store.put("default", PDF, "pdf", "application/pdf")
    torn = tmp_path / "artifacts" / "default" / ref.id
    torn.write_bytes(PDF[:3])
    with pytest.raises(PermanentFault, match="damaged"):
        await store.get("default", ref.id)
    await store.put("default", PDF, "pdf", "application/pdf")
    assert await store.get("default", ref.id) == PDF


async def test_a_bucket_keeps_the_media_type(s3):
    await ArtifactStore.open("s3://bucket/prefix").put("default", PDF, "pdf", "application/pdf")
    ((path, (body, media_type)),) = s3.objects.items()
    assert (path, body, media_type) == (
        f"/bucket/prefix/artifacts/default/{DIGEST}.pdf",
        PDF,
        "application/pdf",
    )


async def test_a_bucket_that_is_away_is_a_transient_fault(monkeypatch, s3):
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TransientFault):
        await ArtifactStore.open("s3://bucket").put("default", PDF, "pdf", "application/pdf")


@pytest.mark.parametrize("url", ["", "/var/lib", "http://x", "file://host/x", "s3://", "memory:///"])
def test_a_url_that_is_no_store_is_refused(url):
    with pytest.raises(ValueError, match=re.escape("use file:///directory")):
        ArtifactStore.open(url)


async def test_a_small_payload_stays_inline_and_a_large_one_travels_by_reference(url):
    store = PayloadStore.open(url)
    small, large = b'"' + b"x" * (INLINE_LIMIT - 2) + b'"', b'"' + b"x" * INLINE_LIMIT + b'"'
    assert (await store.pack("default", small)).ref is None
    packed = await store.pack("default", large)
    assert packed.ref == f"payloads/default/{packed.sha256}.json"
    assert packed.size == len(large)
    for raw in (small, large):
        assert await store.unpack("default", await store.pack("default", raw)) == raw


@pytest.mark.parametrize(
    "ref", [None, "payloads/two/" + "0" * 64 + ".json", "payloads/one/../two/x.json", "artifacts/one/x.pdf"]
)
async def test_a_payload_of_another_tenant_or_place_is_refused(tmp_path, ref):
    with pytest.raises(PermanentFault, match="not a payload of tenant one"):
        await PayloadStore.open(f"file://{tmp_path}").unpack("one", Payload(ref=ref))


async def test_a_payload_above_the_limit_is_a_problem(tmp_path):
    with pytest.raises(ProblemError) as raised:
        await PayloadStore.open(f"file://{tmp_path}").pack("one", b"x" * (PAYLOAD_LIMIT + 1))
    assert raised.value.status == 413


def test_the_media_type_follows_from_the_extension_alone():
    assert media_type_of(f"{DIGEST}.pdf") == "application/pdf"
    assert media_type_of(f"{DIGEST}.svg") == "application/octet-stream"


async def test_removing_all_of_a_tenant_takes_parts_that_a_killed_process_left(tmp_path: Path):
    store = ArtifactStore.open(f"file://{tmp_path}")
    ref = await store.put("mine", b"kept once", "pdf", "application/pdf")
    await store.put("other", b"another's", "pdf", "application/pdf")
    whole = tmp_path / "artifacts" / "mine" / ref.id
    whole.with_name(f"{ref.id}#123456").write_bytes(b"a removal that was killed")
    assert [await store.remove_some("mine", 100) for _ in range(2)] == [1, 0]
    assert not whole.parent.exists()
    assert [each.name for each in (tmp_path / "artifacts").iterdir()] == ["other"]
