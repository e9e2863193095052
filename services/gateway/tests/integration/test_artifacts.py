"""Artifacts are their tenant's; a signed link opens exactly one, for a while."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from visapi_common.adapters.artifacts import ArtifactStore

PDF = b"%PDF-1.7 test"


@pytest.fixture
async def artifact(gateway: Any, tmp_path: Path) -> str:
    store = ArtifactStore.open((tmp_path / "artifacts").as_uri())
    return (await store.put("default", PDF, "pdf", "application/pdf")).id


async def test_an_artifact_is_read_with_a_key_and_cached_by_its_hash(gateway: Any, artifact: str) -> None:
    answer = await gateway.http.get(f"/v1/artifacts/{artifact}")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("inline")
    tag = {"If-None-Match": answer.headers["etag"]}
    assert (await gateway.http.get(f"/v1/artifacts/{artifact}", headers=tag)).status_code == 304


async def test_a_signed_link_needs_no_key(gateway: Any, artifact: str) -> None:
    link = (await gateway.http.post(f"/v1/artifacts/{artifact}/links", json={"expires_in_s": 60})).json()
    async with gateway.client(None) as nobody:
        assert (await nobody.get(link["url"])).content == PDF


async def test_a_changed_or_ended_link_opens_nothing(gateway: Any, artifact: str) -> None:
    link = (await gateway.http.post(f"/v1/artifacts/{artifact}/links")).json()
    parts = urlsplit(link["url"])
    query = dict(parse_qsl(parts.query))
    spoiled = [
        {**query, "expires": str(int(query["expires"]) + 1)},
        {**query, "tenant": "other"},
        {**query, "signature": "0" * 64},
        {**query, "signature": "é"},
        {"signature": query["signature"]},
        {**query, "expires": "1"},
    ]
    async with gateway.client(None) as nobody:
        for params in spoiled:
            answer = await nobody.get(parts.path, params=params)
            assert (answer.status_code, answer.json()["code"]) == (403, "link_invalid")
        other = parts.path.replace(artifact[:8], "00000000")
        assert (await nobody.get(other, params=query)).status_code == 403


async def test_another_tenant_and_other_paths_find_nothing(gateway: Any, artifact: str) -> None:
    async with gateway.client(await gateway.key("other")) as other:

        async def let_in() -> bool:
            return (await other.get("/v1/keys/current")).status_code == 200

        await gateway.until(let_in)
        assert (await other.get(f"/v1/artifacts/{artifact}")).status_code == 404
        assert (await other.post(f"/v1/artifacts/{artifact}/links")).status_code == 404
    for name in ("..%2f..%2fetc%2fpasswd", "x", artifact.upper(), artifact + ".pdf"):
        assert (await gateway.http.get(f"/v1/artifacts/{name}")).status_code in {400, 404}


async def test_a_part_of_an_artifact_is_read(gateway: Any, artifact: str) -> None:
    path = f"/v1/artifacts/{artifact}"
    whole = await gateway.http.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, part in (
        ("bytes=0-3", PDF[:4]),
        ("bytes=5-", PDF[5:]),
        ("bytes=-4", PDF[-4:]),
        ("bytes=0-999", PDF),
    ):
        answer = await gateway.http.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, part), asked
        first = PDF.index(part)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(PDF)}"
        assert answer.headers["content-length"] == str(len(part))
        assert answer.headers["etag"] == whole.headers["etag"]


async def test_a_range_outside_of_the_file_is_refused_with_its_length(gateway: Any, artifact: str) -> None:
    for asked in (f"bytes={len(PDF)}-", "bytes=999-1000", "bytes=-0"):
        answer = await gateway.http.get(f"/v1/artifacts/{artifact}", headers={"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable"), asked
        assert answer.headers["content-range"] == f"bytes */{len(PDF)}"


async def test_other_ranges_get_the_whole_file(gateway: Any, artifact: str) -> None:
    path = f"/v1/artifacts/{artifact}"
    tag = (await gateway.http.get(path)).headers["etag"]
    for headers in (
        {"Range": "bytes=0-1,3-4"},
        {"Range": "bytes=4-1"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=-"},
        {"Range": "bytes=" + "9" * 400 + "-"},
        {"Range": "bytes=0-1", "If-Range": '"another"'},
        {"Range": "bytes=0-1", "If-Range": f"W/{tag}"},
        {"Range": "bytes=0-1", "If-Range": "Tue, 24 Nov 2026 00:00:00 GMT"},
    ):
        answer = await gateway.http.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, PDF), headers
    same = await gateway.http.get(path, headers={"Range": "bytes=0-1", "If-Range": tag})
    assert (same.status_code, same.content) == (206, PDF[:2])
    known = await gateway.http.get(path, headers={"Range": "bytes=0-1", "If-None-Match": f"W/{tag}"})
    assert known.status_code == 304
    head = await gateway.http.head(path, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(PDF)))


async def test_a_signed_link_serves_parts_and_a_range_opens_nothing(gateway: Any, artifact: str) -> None:
    link = (await gateway.http.post(f"/v1/artifacts/{artifact}/links")).json()["url"]
    async with gateway.client(None) as nobody:
        part = await nobody.get(link, headers={"Range": "bytes=1-2"})
        assert (part.status_code, part.content) == (206, PDF[1:3])
        spoiled = link[:-1] + ("0" if link[-1] != "0" else "1")
        assert (await nobody.get(spoiled, headers={"Range": "bytes=0-1"})).status_code == 403
        assert (await nobody.get(urlsplit(link).path, headers={"Range": "bytes=0-1"})).status_code == 401


async def test_a_removed_artifact_opens_for_nobody_and_the_audit_says_who(
    gateway: Any, artifact: str
) -> None:
    path = f"/v1/artifacts/{artifact}"
    link = (await gateway.http.post(f"{path}/links")).json()["url"]
    assert (await gateway.http.delete(path)).status_code == 204
    async with gateway.client(None) as nobody:
        assert (await nobody.get(link)).status_code == 404
    for answer in (await gateway.http.get(path), await gateway.http.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "artifact_not_found")
    rows = (await gateway.http.get("/v1/audit", params={"target": f"artifact:{artifact}"})).json()["items"]
    assert [(row["action"], row["details"]) for row in rows] == [("artifact.remove", {"size": len(PDF)})]


async def test_nobody_else_removes_an_artifact(gateway: Any, artifact: str) -> None:
    path = f"/v1/artifacts/{artifact}"
    link = (await gateway.http.post(f"{path}/links")).json()["url"]
    keys = {"other": await gateway.key("other"), "reader": await gateway.key(scopes=("artifacts:read",))}
    for name, key in keys.items():
        async with gateway.client(key) as client:

            async def let_in(client: Any = client) -> bool:
                return (await client.get("/v1/keys/current")).status_code == 200

            await gateway.until(let_in)
            answer = await client.delete(path)
            assert answer.status_code == {"other": 404, "reader": 403}[name]
    async with gateway.client(None) as nobody:
        for url in (path, link):
            assert (await nobody.delete(url)).status_code in {400, 401}
    for odd in ("..%2f..%2fetc%2fpasswd", "x", artifact.upper()):
        assert (await gateway.http.delete(f"/v1/artifacts/{odd}")).status_code in {400, 404}
    assert (await gateway.http.get(path)).content == PDF


async def test_what_was_cut_from_the_audit_is_kept(gateway: Any, tmp_path: Path) -> None:
    store = ArtifactStore.open((tmp_path / "artifacts").as_uri())
    export = (await store.put("default", b"{}", "ndjson", "application/x-ndjson")).id
    answer = await gateway.http.delete(f"/v1/artifacts/{export}")
    assert (answer.status_code, answer.json()["code"]) == (409, "artifact_kept")
    assert await store.exists("default", export)


async def test_no_key_may_remove_artifacts_by_default(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "usual", "kind": "live"})).json()
    assert "artifacts:read" in made["scopes"]
    assert "artifacts:write" not in made["scopes"]
