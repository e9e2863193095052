"""Pages of other origins read the API only where the operator named them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.servers import NatsServer

APP = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def told(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.fixture
async def opened(serve: Any, shared_nats: NatsServer) -> AsyncIterator[Any]:
    async with serve(shared_nats, cors_origins=(APP,)) as gateway:
        yield gateway


async def test_without_a_setting_no_page_of_another_origin_reads_anything(gateway: Any) -> None:
    for origin in (APP, "null", gateway.base):
        for method, path in (("GET", "/v1/runs"), ("OPTIONS", "/v1/runs"), ("GET", "/openapi.json")):
            answer = await gateway.http.request(method, path, headers={"Origin": origin, **PREFLIGHT})
            assert answer.status_code in {200, 204}
            assert told(answer) == {}
            assert "vary" not in answer.headers


async def test_only_the_exact_origins_are_admitted(opened: Any) -> None:
    for origin in (
        "null",
        f"{APP}.evil.example",
        f"{APP}:444",
        "http://app.example.com",
        "https://example.com",
    ):
        for method in ("GET", "OPTIONS"):
            answer = await opened.http.request(method, "/v1/runs", headers={"Origin": origin, **PREFLIGHT})
            assert (told(answer), answer.headers["vary"]) == ({}, "origin"), origin
    twice = [("Origin", APP), ("Origin", "https://evil.example"), ("Authorization", f"Bearer {opened.admin}")]
    async with opened.client(None) as nobody:
        assert told(await nobody.get("/v1/runs", headers=twice)) == {}


async def test_a_page_calls_the_api_after_its_preflight(opened: Any) -> None:
    async with opened.client(None) as browser:
        asked = await browser.options("/v1/workflows/demo/hello/runs", headers={"Origin": APP, **PREFLIGHT})
        allowed = told(asked)
        assert (asked.status_code, asked.headers["allow"]) == (204, "OPTIONS, POST")
        assert allowed["access-control-allow-origin"] == APP
        assert "POST" in allowed["access-control-allow-methods"]
        assert "authorization" in allowed["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in allowed
    read = await opened.http.get("/v1/runs", headers={"Origin": APP})
    assert told(read)["access-control-allow-origin"] == APP
    assert "etag" in told(read)["access-control-expose-headers"].lower()


async def test_a_page_reads_failures_too(opened: Any) -> None:
    async with opened.client(None) as nobody:
        for path, status in (("/v1/runs", 401), ("/v1/nothing", 404), ("/v1/runs?limit=0", 401)):
            answer = await nobody.get(path, headers={"Origin": APP})
            assert (answer.status_code, told(answer)["access-control-allow-origin"]) == (status, APP)
        put = await nobody.put("/v1/runs", headers={"Origin": APP})
        assert (put.status_code, told(put)["access-control-allow-origin"]) == (405, APP)


async def test_an_origin_opens_nothing_without_a_key(opened: Any) -> None:
    async with opened.client(None) as nobody:
        answer = await nobody.get("/v1/runs", headers={"Origin": APP, "Cookie": f"key={opened.admin}"})
        assert answer.status_code == 401
