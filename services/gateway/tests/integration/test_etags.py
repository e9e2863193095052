"""What was read is sent again only when it has changed: to its own key, and to nobody else."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from visapi_gateway.slices import operations

STEADY = (
    "/v1/runs", "/v1/workflows", "/v1/workflows/demo/hello", "/v1/workflows/demo/hello/versions",
    "/v1/workflows/demo/hello/versions/1.0.0", "/v1/schedules", "/v1/secrets", "/v1/retention", "/v1/retention/demo",
    "/v1/rates", "/v1/approvals", "/v1/dead-letters", "/v1/hooks", "/v1/endpoints", "/v1/accounts", "/v1/audit", "/v1/limits", "/v1/functions",
    "/v1/capabilities", "/openapi.json", "/docs", "/problems", "/problems/not-found",
)  # fmt: skip
"""Resources that a request does not change by reading them."""


@pytest.fixture
async def other(gateway: Any) -> AsyncIterator[httpx.AsyncClient]:
    client = gateway.client(await gateway.key(tenant="other"))

    async def known() -> bool:
        return (await client.get("/v1/keys/current")).status_code == 200

    await gateway.until(known)
    yield client
    await client.aclose()


async def read(client: httpx.AsyncClient, path: str, tag: str | None = None) -> httpx.Response:
    return await client.get(path, headers={} if tag is None else {"If-None-Match": tag})


async def test_what_has_not_changed_is_not_sent_again(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    for path in (*STEADY, f"/v1/runs/{run}", f"/v1/runs/{run}/history"):
        first = await read(gateway.http, path)
        assert first.status_code == 200, path
        tag = first.headers["etag"]
        assert tag.startswith('"'), path
        for known in (tag, f"W/{tag}", "*"):
            again = await read(gateway.http, path, known)
            assert (again.status_code, again.content) == (304, b""), path
            assert again.headers["etag"] == tag
            assert again.headers["cache-control"] == first.headers["cache-control"]
            assert "content-type" not in again.headers
        head = await gateway.http.head(path, headers={"If-None-Match": tag})
        assert (head.status_code, head.headers["etag"]) == (304, tag), path
        assert (await read(gateway.http, path, '"other"')).content == first.content


async def test_what_has_changed_is_sent(gateway: Any) -> None:
    await gateway.deploy()
    paths = ("/v1/runs", "/v1/audit", "/v1/workflows", "/v1/retention/demo")
    before = {path: (await read(gateway.http, path)).headers["etag"] for path in paths}
    await gateway.start({"name": "Ada"})
    await gateway.deploy(gateway.strict)
    await gateway.http.put("/v1/retention/demo", json={"days": 7})
    for path, tag in before.items():
        after = await read(gateway.http, path, tag)
        assert after.status_code == 200, path
        assert after.headers["etag"] != tag, path


async def test_every_json_answer_of_the_document_has_a_tag(gateway: Any) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    for operation in operations():
        if operation.tagged and "{" not in operation.path:
            described = document["paths"][operation.path]["get"]
            assert {"200", "304"} <= set(described["responses"]), operation.name
            assert "ETag" in described["responses"]["200"]["headers"]
            assert "etag" in (await read(gateway.http, operation.path)).headers, operation.name


async def test_a_tag_opens_nothing_of_another_tenant(gateway: Any, other: httpx.AsyncClient) -> None:
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    for path in ("/v1/runs", "/v1/workflows", "/v1/keys"):
        tag = (await read(gateway.http, path)).headers["etag"]
        own = await read(other, path, tag)
        assert (own.status_code, own.headers["etag"] != tag) == (200, True), path
    for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/history", "/v1/workflows/demo/hello"):
        tag = (await read(gateway.http, path)).headers["etag"]
        for known in (tag, "*"):
            assert (await read(other, path, known)).status_code == 404, path
            async with gateway.client(None) as nobody:
                assert (await read(nobody, path, known)).status_code == 401, path


async def test_streams_and_probes_are_never_spared(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    await gateway.progress(run, ["workflow.started", "workflow.completed"], status="completed")
    headers = {"Accept": "text/event-stream", "If-None-Match": "*"}
    stream = await gateway.http.get(f"/v1/runs/{run}/history", headers=headers)
    assert (stream.status_code, "etag" in stream.headers) == (200, False)
    assert stream.headers["cache-control"] == "no-store"
    for probe in ("/livez", "/readyz"):
        answer = await read(gateway.http, probe, "*")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


async def test_failures_carry_no_tag(gateway: Any) -> None:
    for path, status in (("/v1/runs?limit=0", 400), ("/v1/nothing", 404), ("/v1/workflows/demo/none", 404)):
        answer = await read(gateway.http, path, "*")
        assert (answer.status_code, "etag" in answer.headers) == (status, False)
        assert answer.headers["cache-control"] == "no-store"
