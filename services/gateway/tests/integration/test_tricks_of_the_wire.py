"""Requests that two readers could understand differently, and paths that are written in other ways.

Whatever stands between a client and the gateway may read such a request otherwise, so the gateway answers with a
problem, closes the connection, and takes nothing behind the request for another one.
"""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

NEXT = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
AMBIGUOUS = {
    "a length and chunks": f"Content-Length: 4\r\n{CHUNKED}\r\n0\r\n\r\n{NEXT}",
    "two codings": f"{CHUNKED}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n{NEXT}",
    "a coding that is nearly chunked": f"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{NEXT}",
    "two lengths": f"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}{NEXT}",
    "the same length twice": f"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{NEXT}",
    "a list of lengths": f"Content-Length: 2, 2\r\n\r\n{{}}{NEXT}",
    "a length with a sign": f"Content-Length: +2\r\n\r\n{{}}{NEXT}",
    "a negative length": f"Content-Length: -1\r\n\r\n{{}}{NEXT}",
    "a length beyond all numbers": f"Content-Length: {'9' * 30}\r\n\r\n{{}}{NEXT}",
    "a space before the colon": f"Content-Length : 2\r\n\r\n{{}}{NEXT}",
    "a folded header": f"X-A: b\r\n c\r\n\r\n{NEXT}",
    "a header that ends with LF": f"X-A: b\nContent-Length: 2\r\n\r\n{{}}{NEXT}",
    "a CR within a header": f"X-A: b\rX-B: c\r\n\r\n{NEXT}",
    "a NUL within a header": f"X-A: b\0c\r\n\r\n{NEXT}",
    "a chunk whose extension ends with LF": f"{CHUNKED}\r\n2;\n\r\n{{}}\r\n0\r\n\r\n{NEXT}",
    "a chunk of a size beyond all numbers": f"{CHUNKED}\r\n{'F' * 17}\r\n{{}}\r\n0\r\n\r\n{NEXT}",
    "a chunk of a size with 0x": f"{CHUNKED}\r\n0x2\r\n{{}}\r\n0\r\n\r\n{NEXT}",
    "chunks that end with LF": f"{CHUNKED}\r\n2\n{{}}\n0\n\n{NEXT}",
}
OTHER_PATHS = (
    "//v1/runs", "/v1//runs", "/v1/runs/", "/V1/runs", "/v1/Runs", "/v1/runs;x=1", "/v1/runs%2f", "/v1/./runs",
    "/livez/../v1/runs", "/v1/%2e%2e/v1/runs", "/v1/runs%20", "/v1/runs/..", "/v1/workflows/demo%2fhello/versions",
)  # fmt: skip


async def said(gateway: Any, raw: str) -> bytes:
    """Everything that comes back, until the gateway closes the connection or has been silent for a while."""
    at, told = urlsplit(gateway.base), b""
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        writer.write(raw.encode("latin-1"))
        async with asyncio.timeout(5):
            while chunk := await reader.read(65536):
                told += chunk
    finally:
        writer.close()
    return told


async def test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read(gateway: Any) -> None:
    for name, rest in AMBIGUOUS.items():
        head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gateway.admin}\r\n"
        told = await said(gateway, head + rest)
        assert told.startswith(b"HTTP/1.1 400 "), (name, told)
        assert told.count(b"content-type: ") == 1, (name, told)
        assert b'"code":"bad_request"' in told, (name, told)
    assert await gateway.db.fetchval("select count(*) from visapi.events_in") == 0


async def test_a_path_is_what_it_is_written_like(gateway: Any) -> None:
    for path in OTHER_PATHS:
        head = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {gateway.admin}\r\n\r\n"
        told = await said(gateway, head)
        assert told.startswith(b"HTTP/1.1 404 "), (path, told)
        assert b'"code":"not_found"' in told, path


async def test_each_path_of_the_document_answers_every_method(gateway: Any) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        filled = re.sub(
            r"{(run|approval|letter|hook|delivery|endpoint|message|replay)}",
            "01900000-0000-7000-8000-000000000000",
            path,
        )
        filled = re.sub(r"{\w+}", "nothing", filled)
        options = await gateway.http.options(filled)
        assert options.status_code == 204, path
        allowed = set(options.headers["allow"].split(", "))
        assert {method.upper() for method in methods if method != "parameters"} <= allowed, path
        if path == "/v1/keys/current":
            # The name of a key could stand here too, of which only this operation is meant.
            continue
        for method in ("HEAD", "TRACE", "PATCH", "GET", "POST", "PUT", "DELETE"):
            answer = await gateway.http.request(method, filled)
            assert answer.status_code < 500, (method, path, answer.text)
            assert (answer.status_code == 405) == (method not in allowed), (method, path)
        head, get = [await gateway.http.request(method, filled) for method in ("HEAD", "GET")]
        assert (head.status_code, head.content) == (get.status_code, b""), path


LONG = "x" * 7000
HEADERS = {
    "Idempotency-Key": ({LONG, "", '"', "a\tb"}, 400),
    "traceparent": ({LONG, f"00-{'0' * 32}-{'0' * 16}-01", f"ff-{'a' * 32}-{'b' * 16}-01"}, 202),
    "tracestate": ({LONG}, 202),
    "Prefer": (
        {LONG, "wait=-1", "wait=NaN", "wait=1e3", ",".join(["wait=0"] * 800), f"wait={'9' * 30}"},
        202,
    ),
    "X-Request-Id": ({LONG}, 202),
    "X-Forwarded-For": ({"1.2.3.4," * 800}, 202),
    "Accept": ({"*/*;q=nan", ",".join(["a/b;q=0.1"] * 700)}, 406),
    "Content-Type": ({"application/json; charset=utf-16", "a" * 5000}, 415),
}


async def test_hostile_values_of_a_header_have_the_answer_that_its_rule_says(gateway: Any) -> None:
    await gateway.deploy()
    for name, (values, status) in HEADERS.items():
        for value in sorted(values):
            headers = {"Content-Type": "application/json", name: value}
            answer = await gateway.http.post(
                "/v1/workflows/demo/hello/runs", content=b'{"name":"a"}', headers=headers
            )
            assert answer.status_code == status, (name, value[:50], answer.text)
            assert len(answer.headers["x-request-id"]) < 200
