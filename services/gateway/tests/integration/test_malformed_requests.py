"""Whatever comes in, the answer is problem details, and never a 500."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

RUNS = "/v1/workflows/demo/hello/runs"
DEEP = b"[" * 65 + b"]" * 65


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"https://visapi.dev/problems/{code.replace('_', '-')}"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    return True


@pytest.mark.parametrize(
    "body",
    [
        b"{", b'{"a":1,}', b'{"a":1}x', b"nul", b"\xff", b'"\xff"', b'{"a":"\xc3\x28"}', b'{"a":1,"a":2}',
        b'{"x":{"a":1,"\\u0061":2}}', b'"a\\u0000b"', b'{"\\u0000":1}', b"\x00", DEEP, b"[" * 100_000, b"NaN",
        b"Infinity", b"1e999", b'"\\ud800"', b"\xef\xbb\xbf{}", b"1" * 5000, b"   ",
    ],
)  # fmt: skip
async def test_json_that_readers_would_not_understand_alike_is_400(gateway: Any, body: bytes) -> None:
    await gateway.deploy()
    answer = await gateway.http.post(RUNS, content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer, 400, "invalid_json")


async def test_json_at_the_limits_is_taken(gateway: Any) -> None:
    await gateway.deploy()
    for body in (
        b"[" * 64 + b"]" * 64,
        '"é😀\\\\u0000"'.encode(),
        b'[{"a":1},{"a":2}]',
        b" 1 ",
        b'"\\":{[:"',
    ):
        answer = await gateway.http.post(RUNS, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, body
        assert answer.json()["input"] == json.loads(body)


async def test_paths_and_methods_that_do_not_exist(gateway: Any) -> None:
    assert is_problem(await gateway.http.get("/v1/nothing"), 404, "not_found")
    assert is_problem(await gateway.http.get("/v1/runs/not-a-uuid"), 404, "not_found")
    answer = await gateway.http.put("/v1/runs")
    assert is_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "HEAD"}
    assert is_problem(await gateway.http.request("TRACE", "/v1/runs"), 405, "method_not_allowed")
    assert (await gateway.http.head("/v1/runs")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/xml"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json", "Accept": "text/html"}, 406, "not_acceptable"),
        ({"Content-Type": "application/json", "Idempotency-Key": "a b"}, 400, "invalid_header"),
        ({"Content-Type": "application/json", "Idempotency-Key": "x" * 256}, 400, "invalid_header"),
        ({"Content-Type": "application/json", "X-Long": "x" * 40_000}, 431, "headers_too_large"),
        (
            {"Content-Type": "application/json", **{f"X-{n}": "1" for n in range(120)}},
            431,
            "headers_too_large",
        ),
    ],
)
async def test_headers_that_are_refused(
    gateway: Any, headers: dict[str, str], status: int, code: str
) -> None:
    await gateway.deploy()
    assert is_problem(await gateway.http.post(RUNS, content=b"{}", headers=headers), status, code)


@pytest.mark.parametrize(
    "others",
    [
        [("Authorization", "Bearer visapi_live_other")],
        [("X-API-Key", "visapi_live_other")],
        [("X-API-Key", "")],
        [("Authorization", "Bearer {key}")],
        [("X-API-Key", "{key}"), ("X-API-Key", "{key}")],
    ],
)
async def test_a_request_with_two_keys_or_a_repeated_header_is_refused(
    gateway: Any, others: list[tuple[str, str]]
) -> None:
    headers = [("Authorization", f"Bearer {gateway.admin}")]
    headers += [(name, value.format(key=gateway.admin)) for name, value in others]
    answer = await gateway.http.get("/v1/runs", headers=headers)
    assert is_problem(answer, 400, "invalid_header")
    assert "send one" in answer.json()["detail"]


async def test_one_key_in_both_headers_is_one_key(gateway: Any) -> None:
    both = {"Authorization": f"Bearer {gateway.admin}", "X-API-Key": gateway.admin}
    assert (await gateway.http.get("/v1/runs", headers=both)).status_code == 200
    basic = {"Authorization": "Basic eDp5", "X-API-Key": gateway.admin}
    assert is_problem(await gateway.http.get("/v1/runs", headers=basic), 400, "invalid_header")


@pytest.mark.parametrize(
    "query",
    [
        "?x=1",
        "?limit=1e2",
        "?limit=1.0",
        "?limit=0",
        "?limit=201",
        "?limit=a",
        "?limit=1&limit=2",
        "?status=odd",
        "?workflow=%ff",
        "?cursor=%00",
    ],
)
async def test_query_parameters_that_are_refused(gateway: Any, query: str) -> None:
    assert is_problem(await gateway.http.get(f"/v1/runs{query}"), 400, "invalid_query")


async def test_a_body_above_a_mebibyte_is_413_told_or_chunked(gateway: Any) -> None:
    await gateway.deploy()
    big = b'"' + b"x" * 1_048_576 + b'"'

    async def chunks():
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    for content in (big, chunks()):
        answer = await gateway.http.post(RUNS, content=content, headers={"Content-Type": "application/json"})
        assert is_problem(answer, 413, "payload_too_large")
    largest = b'"' + b"x" * (1_048_576 - 2) + b'"'
    answer = await gateway.http.post(RUNS, content=largest, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202


async def test_every_answer_carries_the_security_headers(gateway: Any) -> None:
    for path in ("/livez", "/v1/nothing", "/v1/runs", "/docs"):
        headers = (await gateway.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_a_given_request_id_is_kept_and_a_wild_one_is_not(gateway: Any) -> None:
    kept = await gateway.http.get("/livez", headers={"X-Request-Id": "abc-12345"})
    wild = await gateway.http.get("/livez", headers={"X-Request-Id": "a\tb<script>"})
    assert kept.headers["x-request-id"] == "abc-12345"
    assert len(wild.headers["x-request-id"]) == 36


async def talk(gateway: Any, data: bytes) -> bytes:
    parts = urlsplit(gateway.base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(data)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000, 431),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 414),
    ],
)
async def test_bytes_that_are_hardly_http_are_answered_with_a_problem(
    gateway: Any, data: bytes, status: int
) -> None:
    head, _, body = (await talk(gateway, data)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


async def test_contents_that_the_database_refuses_are_a_problem_of_their_caller(gateway: Any) -> None:
    await gateway.db.execute("alter table visapi.secrets add constraint refuses check (name <> 'broken')")
    answer = await gateway.http.put("/v1/secrets/broken", json="a value that is long enough")
    assert is_problem(answer, 422, "content_refused")
    assert "23514" in answer.json()["detail"]
    assert "change the contents" in answer.json()["detail"]
    assert (
        await gateway.http.put("/v1/secrets/whole", json="a value that is long enough")
    ).status_code == 201


UNSTORABLE = ("a%00b", "%ED%A0%80", "%FF", "%F4%90%80%80")
NAMED = (
    "/v1/workflows/{}/x", "/v1/workflows/demo/{}/versions/1.0.0", "/v1/schedules/demo/{}", "/v1/retention/{}",
    "/v1/artifacts/{}", "/v1/runs?workflow=demo/{}", "/v1/runs?q={}", "/v1/runs?namespace={}", "/v1/audit?actor={}",
    "/v1/audit?target={}", "/v1/approvals?run={}", "/v1/workflows?namespace={}", "/v1/runs?cursor={}",
    "/v1/dead-letters?kind={}", "/v1/nothing/{}", "/v1/runs/{}/history",
)  # fmt: skip


async def test_text_that_the_database_cannot_hold_is_the_callers_mistake(gateway: Any) -> None:
    for path in NAMED:
        for name in UNSTORABLE:
            answer = await gateway.http.get(path.format(name))
            assert 400 <= answer.status_code < 500, (path, name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
    for name in UNSTORABLE:
        for method, path in (
            ("DELETE", "/v1/keys/{}"),
            ("DELETE", "/v1/secrets/{}"),
            ("PUT", "/v1/secrets/{}"),
        ):
            answer = await gateway.http.request(method, path.format(name), json="long enough")
            assert 400 <= answer.status_code < 500, (path, name, answer.text)
